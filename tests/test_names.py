"""The public names: few, in the order of the story, each a thing of its own, and free until they are used."""

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import lnescape
from tests.test_architecture import modules_after

PACKAGE = Path(lnescape.__file__).parent
PACKAGES = ["lnescape", *(found.name for found in pkgutil.walk_packages([str(PACKAGE)], "lnescape.") if found.ispkg)]


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


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_of_a_package_hides_a_module(package):
    room = importlib.import_module(package)
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{package}.{module.name}")
        assert isinstance(getattr(room, module.name), ModuleType), f"{package}.{module.name} is not the module"


def modules_of(statement: str) -> set[str]:
    return {name for name in modules_after(statement) if name.split(".")[0] == "lnescape"}


def test_the_import_of_the_package_imports_no_room():
    assert modules_of("import lnescape") == {"lnescape"}


def test_the_story_imports_few_modules():
    story = """
import lnescape as ln
data = ln.load("digits")
net = ln.network("mlp", data, width=8)
quick = {"recipe": ln.Recipe(epochs=1), "progress": False}
runs = ln.fit(net, data, seeds=range(3), **quick)
path = ln.fit_subspace(net, data, ln.Bezier.between(runs[0], runs[1]), **quick)
ln.score(path.predict(data.test.images, n=5, seed=0), data.test.labels)
str(ln.state(net, data, runs=runs, progress=False))
"""
    assert len(modules_of(story)) <= 40
