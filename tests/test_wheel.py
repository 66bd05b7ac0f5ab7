"""A study of one's own where only the wheel is installed, in a folder outside the clone."""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MINE = """
import lnescape as ln

SCOUTS = ln.Cell(
    method="scouts", data="digits", network="my_study:network", seeds=range(100, 102),
    recipe=ln.Recipe(epochs=1, batch=64, precision="float32"),
)
CELLS = [SCOUTS.but(method="retrainings", scouts=SCOUTS, seeds=[seed]) for seed in range(8)]
STUDY = ln.Study("mine", "Retrainings of my network", tuple(CELLS))


def network(image_shape, n_classes):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, n_classes))
"""
RUN = """
from concurrent.futures import ThreadPoolExecutor
import lnescape as ln
print(ln.run_study("my_study:STUDY", executor=ThreadPoolExecutor(1), progress=False))
"""
READ = """
print(ln.__file__, dict(ln.read_study("my_study:STUDY")["log_odds"].sizes))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Build the wheel of this clone and install it, alone, into a folder."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return target


def start(code: str, installed: Path, folder: Path, *arguments: str) -> subprocess.Popen:
    """Run some code in a folder, with the wheel and what it needs on the path, and not the clone."""
    path = os.pathsep.join([str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    known = {name: value for name, value in os.environ.items() if not name.startswith("LNESCAPE")}
    command = [sys.executable, "-S", "-c", code, *arguments]  # without `site`, which would add the clone
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=known | {"PYTHONPATH": path}, **streams)


def test_a_study_of_ones_own_runs_is_killed_goes_on_and_is_read(installed, tmp_path):
    (tmp_path / "my_study.py").write_text(MINE)
    stored = tmp_path / "report" / "results" / "digits-network"
    killed = start(RUN, installed, tmp_path)
    while len(list(stored.glob("retrainings-*.json"))) < 1 and killed.poll() is None:
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    before = {path: path.stat().st_mtime_ns for path in stored.glob("retrainings-*.json")}
    assert 1 <= len(before) < 8
    seen, error = start(RUN + READ, installed, tmp_path).communicate()
    assert seen.splitlines()[0] == "{}", error
    assert before == {path: path.stat().st_mtime_ns for path in before}  # computed once
    assert seen.splitlines()[1].startswith(str(installed)), error
    assert "{'retraining': 8, 'image': 2400}" in seen


@pytest.mark.parametrize("words", [["study", "mnist-mlp"], ["status"]])
def test_without_the_clone_named_studies_are_refused_with_the_cure(words, installed, tmp_path):
    code = "from lnescape.cli import main; main()"
    printed, answer = start(code, installed, tmp_path, *words).communicate()
    (*before, last) = answer.splitlines()  # without Triton, torch logs a line before
    assert printed == ""
    assert "Traceback" not in "".join(before)
    assert "clone of the project" in last
    assert "module:NAME" in last
