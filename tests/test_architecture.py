"""The house rules that a machine can check: direction of imports, sizes, names, a light import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from jaxtyping import TypeCheckError

import lnescape.results

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lnescape"
STUDIES = ROOT / "report" / "studies"  # the second building: it stands on the first one
# A room imports only from rooms named before it: the floors of the map in site/guide.md, from the ground up.
ROOMS = [
    *("checks", "progress", "data", "weights", "networks", "engines", "results"),
    *("subspaces", "scores", "retraining"),
    *("laws", "training", "methods", "landscape"),
    *("covariates", "plots", "statement", "study", "cli"),
]
FILES = sorted(PACKAGE.rglob("*.py"))
OF_REPORT = sorted(STUDIES.rglob("*.py"))
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "trainer", "callbacks"}
HEAVY = {"matplotlib", "seaborn", "torchvision", "sklearn", "pandas", "scipy", "mlxtend", "safetensors", "tqdm"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules_imported(path: Path) -> set[str]:
    """Modules, and names of them, that a file imports, wherever in the file."""
    package, modules = path.relative_to(ROOT).parts[:-1], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            modules |= {f"{module}.{alias.name}" for alias in node.names}
    return modules


def rooms_imported(path: Path) -> set[str]:
    """Rooms of this package that a file imports from."""
    return {module.split(".")[1] for module in modules_imported(path) if module.startswith("lnescape.")}


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p) != "__init__.py"], ids=name_of)
def test_a_room_imports_only_from_rooms_below(path):
    room = room_of(path)
    assert room in ROOMS, f"{room} has no floor: add it here and to the map in site/guide.md"
    wrong = {other for other in rooms_imported(path) - {room} if other not in ROOMS[: ROOMS.index(room)]}
    assert not wrong, f"{name_of(path)} imports from {sorted(wrong)}, which are not below it"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_library_knows_nothing_of_the_report(path):
    assert not [module for module in modules_imported(path) if module.split(".")[0] == "report"]
    if name_of(path) != "study/store.py":  # which loads the catalogue by its name, when a study is asked for
        assert "report.studies" not in path.read_text()


@pytest.mark.parametrize("path", OF_REPORT, ids=name_of)
def test_the_studies_of_the_report_use_the_library_and_one_another(path):
    own = {".".join(module.split(".")[:2]) for module in modules_imported(path) if module.startswith("report")}
    assert own <= {"report.studies"}


@pytest.mark.parametrize("path", [*FILES, *OF_REPORT], ids=name_of)
def test_a_file_holds_one_idea(path):
    assert len(path.read_text().splitlines()) <= 600, "more than 600 lines: split it by idea"
    assert path.stem not in FORBIDDEN, "such a name says nothing about what is inside"


def test_tests_and_tools_are_short_too():
    root = PACKAGE.parent
    files = [path for room in ("tests", "report", "site") for path in root.glob(f"{room}/*.py")]
    files += root.glob("notebooks/[a-z]*.py")
    long = [path.name for path in [*files, *root.glob("benchmarks/*.py")] if len(path.read_text().splitlines()) > 300]
    assert len(files) > 5
    assert not long


@pytest.mark.parametrize("path", [*FILES, *OF_REPORT], ids=name_of)
def test_public_functions_take_at_most_four_positional_arguments(path):
    tree = ast.parse(path.read_text())
    scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for scope in scopes:
        for node in scope.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
                counted = [name for name in names if name not in {"self", "cls"}]
                assert len(counted) <= 4, f"{node.name} takes {counted} by position"


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_import_is_light():
    everything = "import lnescape; [getattr(lnescape, name) for name in lnescape.__all__]"
    brought = modules_after(everything) - modules_after("import torch, numpy")
    assert not brought & HEAVY


def test_the_report_is_built_without_torch_and_without_the_package():
    modules = modules_after("import report.build")
    assert "report" in modules
    assert not modules & {"torch", "lnescape", "numpy"}


def test_stated_types_are_checked_while_the_tests_run():
    with pytest.raises(TypeCheckError):
        lnescape.retraining.type_a([[0.484], [0.520]])


def test_benchmarks_print_their_help_and_run_nothing():
    command = [sys.executable, "benchmarks/run.py", "-h"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert "usage: run.py" in done.stdout
