"""The public names: few, in the order of the story, each a thing of its own, and free until they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lnescape

PACKAGE = Path(lnescape.__file__).parent


def test_sixty_names_at_most_are_offered_and_each_is_there():
    assert len(set(lnescape.__all__)) == len(lnescape.__all__) <= 60
    assert all(hasattr(lnescape, name) for name in lnescape.__all__)
    assert set(lnescape.__all__) <= set(dir(lnescape))
    assert lnescape.scores.brier.__name__ == "brier"  # the rest, by room
    with pytest.raises(AttributeError, match="no attribute 'trainer'"):
        _ = lnescape.trainer


def test_type_checkers_see_the_same_names():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    rooms = {name: f"lnescape.{room}" for room, names in lnescape._ROOMS.items() for name in names}
    assert seen == rooms | dict.fromkeys(lnescape._ROOMS, "lnescape")


def modules_of(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*(name for name in sys.modules if name.split('.')[0] == 'lnescape'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_import_of_the_package_imports_no_room():
    assert modules_of("import lnescape") == {"lnescape"}
