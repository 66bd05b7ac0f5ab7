"""Wrong input to studies and commands meets one clear sentence, and nothing is lost."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from shutil import copytree

import pytest
from click.testing import CliRunner

from lnescape.cli import main
from lnescape.results import files
from lnescape.study import Study, StudyError, read_study, run_study
from lnescape.study import store as study_store
from lnescape.study.running import dask_executor
from lnescape.study.store import CellStore
from tests.tiny import TINY

SMALL = replace(TINY, cells=TINY.cells[:2])


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("computed")
    assert run_study(SMALL, folder=folder, workers=1, progress=False) == {}
    return folder


@pytest.fixture
def stored(computed, tmp_path):
    return copytree(computed, tmp_path / "copy")


def contents(folder) -> dict:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def said(*arguments: str) -> str:
    """What a command says, in one line, when it fails."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    lines = result.output.strip().splitlines()
    assert lines[-1].startswith("Error: ")
    return lines[-1]


def test_an_unknown_study_suggests_the_nearest():
    assert "did you mean 'mnist-mlp'?" in said("study", "mnist-mpl")
    assert "did you mean 'digits-mlp'?" in said("status", "digit-mlp")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"nework": "cnn"}, "did you mean 'network'"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"method": "retraining"}, "did you mean 'retrainings'"),
        ({"network": "mlpp"}, "did you mean 'mlp'"),
        ({"keep": ("panell",)}, "did you mean 'panel'"),
        ({"data": "mnits"}, "did you mean 'mnist'"),
        ({"settings": {"orders": [1]}}, "no setting of 'scouts' 'orders'"),
        ({"seeds": (1, 1)}, "Seed 1 is given twice"),
        ({"options": {"width": {1, 2}}}, "not JSON serializable"),
        ({"precision": "auto"}, "precision='float32'"),
        ({"loss": lambda logits, labels: logits.sum()}, "function of a module"),
        ({"method": "retrainings"}, "needs scouts="),
        ({"method": "pair"}, "has 2 seeds, not 3"),
        ({"method": "crossed", "scouts": TINY.cells[0]}, "needs settings={'orders': …}"),
    ],
)
def test_a_cell_refuses_what_no_method_can_run(changes, word, as_users_do):
    with pytest.raises(StudyError, match=word):
        TINY.cells[0].but(**changes)


def test_nothing_outside_can_change_a_cell():
    options = {"width": 8}
    cell = TINY.cells[0].but(options=options)
    name = cell.name
    options["width"] = 64
    assert cell.name == name == TINY.cells[0].name


@pytest.mark.parametrize("study", [lambda: Study("My study", "", TINY.cells), lambda: Study("mine", "", ())])
def test_a_study_needs_a_name_for_files_and_cells(study):
    with pytest.raises(StudyError, match="use lower-case letters|has no cells"):
        study()


def test_two_scouts_are_not_mixed(stored):
    other = TINY.cells[0].but(seeds=(7, 8))
    both = Study("both", "", (*SMALL.cells, other))
    assert run_study(both, folder=stored, workers=1, progress=False) == {}
    with pytest.raises(StudyError, match="several scouts"):
        read_study(both, folder=stored)


def test_a_batch_larger_than_the_data_and_a_network_that_does_not_fit_fail_with_their_cause(tmp_path):
    large = TINY.cells[0].but(batch=5000)
    wrong = TINY.cells[0].but(network="torch.nn:Linear", options={})
    failed = run_study(Study("wrong", "", (large, wrong)), folder=tmp_path, workers=1, progress=False)
    assert "larger than the 60 training inputs" in failed[large.name]
    assert "builder fails" in failed[wrong.name]


def test_a_device_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="Nothing can be computed on device 'nowhere'"):
        run_study(TINY, folder=tmp_path, device="nowhere")
    assert "Nothing can be computed on device" in said("study", "digits-mlp", "--device", "nowhere", "--dry-run")


def test_an_executor_that_was_shut_down(tmp_path):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(StudyError, match="executor that was given is gone"):
        run_study(TINY, folder=tmp_path, executor=executor, progress=False)


def test_a_script_without_its_guard_is_told(monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(StudyError, match="__main__"):
        run_study(TINY)


def test_a_store_of_another_recipe_version_is_left_alone(stored, monkeypatch):
    before = contents(stored)
    monkeypatch.setattr(study_store, "RECIPE_VERSION", 2)
    for use in (run_study, read_study):
        with pytest.raises(StudyError, match=r"recipe version 1, and this code has version 2.*move .* away"):
            use(SMALL, folder=stored)
    assert contents(stored) == before


def test_a_result_edited_by_hand_is_named_before_any_work(stored):
    path = stored / f"{SMALL.cells[1].name}.json"
    path.write_text(path.read_text().replace('"n":1', '"n":5'))
    for use in (run_study, read_study):
        with pytest.raises(
            StudyError, match="edited by hand .*delete it and run `lnescape study tests.tiny:TINY` again"
        ):
            use(TINY, folder=stored)
    assert len(CellStore(TINY, stored).missing()) == 9  # nothing was computed


def test_arrays_cut_short_are_named(stored):
    path = stored / f"{SMALL.cells[1].name}.safetensors.xz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StudyError, match="cut short"):
        read_study(TINY, folder=stored)


@pytest.mark.filterwarnings("ignore:.*is damaged:UserWarning")  # in the worker
def test_a_damaged_training_does_not_reach_a_cell(stored):
    cell, store = SMALL.cells[1], CellStore(SMALL, stored)
    before = store.load(cell).arrays
    for kept in [*(stored / ".trainings").glob("fit-*"), *stored.glob(f"{cell.name}*")]:
        if kept.parent.name == ".trainings":
            kept.write_bytes(kept.read_bytes()[:-1] + b"?")
        else:
            kept.unlink()
    assert run_study(SMALL, folder=stored, workers=1, progress=False) == {}
    after = store.load(cell).arrays
    assert all((before[name] == after[name]).all() for name in ("log_odds", "accuracy", "nll"))


def test_what_lies_beside_the_cells_does_not_stop_a_study(stored):
    (stored / "dangling.json").symlink_to(stored / "nowhere")
    (stored / "folder.json").mkdir()
    (stored / "deep.json").write_bytes(b"[" * 10**5 + b"]" * 10**5)
    assert read_study(SMALL, folder=stored).sizes["retraining"] == len(SMALL.cells[1].seeds)
    name = SMALL.cells[1].name
    (stored / f"{name}.json").rename(stored / "elsewhere")
    (stored / f"{name}.json").symlink_to(stored / "elsewhere")
    assert not CellStore(SMALL, stored).has(SMALL.cells[1])


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudyError, match="make it writable, or name another one"):
        run_study(TINY, folder=tmp_path / "file" / "folder", progress=False)


def test_a_full_disk_stops_the_run_and_keeps_what_is_stored(stored, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = contents(stored)
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(
            StudyError, match="No space left on device.*intact.*run `lnescape study tests.tiny:TINY --folder .*` again"
        ):
            run_study(TINY, folder=stored, workers=1, progress=False)
    assert contents(stored) == before
    assert run_study(TINY, folder=stored, workers=1, progress=False) == {}


def test_a_cluster_that_does_not_answer():
    with pytest.raises(StudyError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        dask_executor("tcp://127.0.0.1:9", timeout=0.5)


def test_a_study_that_was_never_run(tmp_path):
    with pytest.raises(StudyError, match="Nothing of the study 'digits-mlp' is stored.*run lnescape study"):
        read_study("digits-mlp", folder=tmp_path)


def test_failed_cells_have_a_status_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("lnescape.cli._announce", lambda *_, **__: None)
    monkeypatch.setattr("lnescape.cli.run_study", lambda *_, **__: {"scouts-1": "printed there", "scouts-2": "why"})
    result = CliRunner().invoke(main, ["study", "digits-mlp", "--folder", str(tmp_path)])
    assert result.exit_code == 3
    assert "scouts-2 failed: why" in result.output
    assert "scouts-1" not in result.output


def test_ctrl_c_ends_a_study_in_one_sentence(tmp_path):
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored in the background
    code = f"{heard}; from lnescape.cli import main; main()"
    command = [sys.executable, "-c", code, "study", "digits-mlp", "--folder", str(tmp_path), "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as running:
        seen = b""
        while b"trainings," not in seen:  # the bar of the study
            more = os.read(running.stderr.fileno(), 4096)
            assert more, seen.decode()
            seen += more
        os.killpg(running.pid, signal.SIGINT)
        rest = running.stderr.read().decode()
    assert running.returncode == 130
    assert "the same command goes on from there" in rest
    assert "Traceback" not in rest


def test_a_limit_of_nothing():
    with pytest.raises(StudyError, match="leaves nothing to compute"):
        run_study(TINY, limit=0)
    assert "not in the range" in said("study", "digits-mlp", "--limit", "0")


def test_the_commands_say_how_things_stand(stored):
    listed = CliRunner().invoke(main, ["study", "tests.tiny:TINY", "--dry-run", "--folder", str(stored)]).output
    assert listed.count("missing") == 9
    assert listed.count("stored") == 2
    assert "9.0 trainings" in listed
    assert "Expected on this machine" in listed
    row = CliRunner().invoke(main, ["status", "tests.tiny:TINY", "--folder", str(stored)]).output.splitlines()[1]
    assert row.split()[:5] == ["tiny", "11", "2", "9", "0"]
    assert "digits         comes with the installation" in CliRunner().invoke(main, ["data"]).output


@pytest.mark.parametrize("command", [[], ["study"], ["status"], ["data"], ["report"]])
def test_every_command_has_help_with_examples(command):
    shown = CliRunner().invoke(main, [*command, "--help"]).output
    assert "Example" in shown
    assert "lnescape" in shown.split("Example")[1]


def test_each_stored_result_names_a_command_that_makes_it(stored):
    for path in stored.glob("*.json"):
        assert json.loads(path.read_text())["provenance"]["command"] == TINY.command
