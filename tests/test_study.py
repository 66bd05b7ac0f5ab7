"""Studies survive: cells are named by their content, stored once, claimed, killed, failed and taken up again."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lnescape as ln
from lnescape.study import Cell, Study, read_study, run_study, running
from lnescape.study.cells import KINDS
from lnescape.study.store import CellStore, study_named
from lnescape.training import Recipe
from tests.tiny import TINY

ROOT = Path(__file__).resolve().parent.parent
DIGITS = study_named("digits-mlp")
SCOUTS = DIGITS.cells[0]
FEW = replace(TINY, cells=TINY.cells[:3])


def arrays_of(study: Study, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    store = CellStore(study, folder)
    return {cell.name: store.load(cell).arrays for cell in study.cells}


def equal_bits(a: dict, b: dict) -> bool:
    assert a.keys() == b.keys()
    return all(x.tobytes() == b[cell][name].tobytes() for cell, own in a.items() for name, x in own.items())


def put_in_place(monkeypatch, method: str, experiment) -> None:
    """Let another function compute the cells of a method."""
    monkeypatch.setitem(KINDS, method, replace(KINDS[method], experiment=experiment))


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    assert run_study(DIGITS, folder=folder, workers=1, limit=3, progress=False) == {}
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_study(TINY, folder=folder, workers=1, progress=False) == {}
    return folder


def start(folder: Path) -> subprocess.Popen:
    code = "from lnescape.cli import main; main()"
    command = [sys.executable, "-c", code, "study", "tests.tiny:TINY", "--folder", str(folder), "--workers", "1"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_a_study_killed_and_finished_by_two_processes_at_once_has_the_same_bits(tmp_path, undisturbed):
    killed = start(tmp_path)
    while not list(tmp_path.glob("*.json")) and killed.poll() is None:
        time.sleep(0.001)
    killed.kill()  # SIGKILL, once a cell is there
    killed.communicate()
    assert 0 < len(CellStore(TINY, tmp_path).missing()) < len(TINY.cells)
    other = start(tmp_path)
    assert run_study(TINY, folder=tmp_path, workers=1, progress=False) == {}
    other.communicate()
    assert other.returncode == 0
    assert equal_bits(arrays_of(TINY, tmp_path), arrays_of(TINY, undisturbed))


def test_a_cell_that_another_process_computes_is_left_to_it_and_waited_for(tmp_path):
    store = CellStore(FEW, tmp_path)
    taken = FEW.cells[1]
    lock = store.claim(taken)
    assert store.claim(taken) is None
    options = {"folder": tmp_path, "workers": 1, "progress": False}
    running = threading.Thread(target=run_study, args=(FEW,), kwargs=options)
    running.start()
    while store.missing() != [taken] and running.is_alive():
        time.sleep(0.01)
    time.sleep(0.5)
    assert running.is_alive()  # it waits
    lock.release()  # the other process died: the cell is taken over
    running.join(30)
    assert store.missing() == []


def test_only_what_is_missing_is_computed(tmp_path, monkeypatch):
    computed = []
    real = KINDS["retrainings"].experiment

    def counted(cell, *rest, **more):
        computed.append(cell.name)
        return real(cell, *rest, **more)

    put_in_place(monkeypatch, "retrainings", counted)
    run_study(FEW, folder=tmp_path, workers=1, limit=2, progress=False)
    assert len(computed) == 1  # and the scouts
    run_study(FEW, folder=tmp_path, workers=1, progress=False)
    run_study(FEW, folder=tmp_path, workers=1, progress=False)
    assert computed == [cell.name for cell in FEW.cells[1:]]


def test_a_failed_cell_is_recorded_the_others_go_on_and_it_is_tried_again(tmp_path, monkeypatch):
    real, bad = KINDS["retrainings"].experiment, FEW.cells[1]

    def failing(cell, *rest, **more):
        if cell == bad:
            raise RuntimeError("no more memory")
        return real(cell, *rest, **more)

    put_in_place(monkeypatch, "retrainings", failing)
    store = CellStore(FEW, tmp_path)
    assert run_study(FEW, folder=tmp_path, workers=1, progress=False) == {bad.name: "RuntimeError: no more memory"}
    assert store.missing() == [bad]
    put_in_place(monkeypatch, "retrainings", real)
    assert run_study(FEW, folder=tmp_path, workers=1, progress=False) == {}
    assert store.failures() == {}


def test_without_their_scouts_cells_wait_for_another_day(tmp_path, monkeypatch):
    def failing(*rest):
        raise RuntimeError("lost")

    put_in_place(monkeypatch, "scouts", failing)
    assert run_study(FEW, folder=tmp_path, workers=1, progress=False) == {TINY.cells[0].name: "RuntimeError: lost"}
    assert len(CellStore(FEW, tmp_path).missing()) == len(FEW.cells)


def test_a_process_that_dies_takes_no_other_cell_with_it_and_the_others_keep_their_bits(tmp_path, undisturbed):
    deadly = TINY.cells[0].but(network="tests.tiny:network", options={}, seeds=(7,))
    study = Study("deadly", "", (deadly, *TINY.cells))  # beside the scouts, which outlive it
    failed = run_study(study, folder=tmp_path, workers=2, progress=False)
    assert list(failed) == [deadly.name]
    assert "process that computed it died" in failed[deadly.name]
    assert CellStore(study, tmp_path).missing() == [deadly]
    assert equal_bits(arrays_of(TINY, tmp_path), arrays_of(TINY, undisturbed))


def test_two_runs_at_once_compute_each_cell_once(tmp_path, monkeypatch):
    computed, real = [], dict(KINDS)
    for method in ("scouts", "retrainings"):

        def counted(cell, *rest, method=method, **more):
            computed.append(cell.name)
            return real[method].experiment(cell, *rest, **more)

        put_in_place(monkeypatch, method, counted)
    options = {"folder": tmp_path, "workers": 1, "progress": False}
    both = [threading.Thread(target=run_study, args=(FEW,), kwargs=options) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert sorted(computed) == sorted(cell.name for cell in FEW.cells)


def test_an_interrupted_run_leaves_no_claim(tmp_path, monkeypatch):
    def interrupted(*rest):
        raise KeyboardInterrupt

    put_in_place(monkeypatch, "scouts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(FEW, folder=tmp_path, workers=1, progress=False)
    lock = CellStore(FEW, tmp_path).claim(TINY.cells[0])
    assert lock is not None
    lock.release()
    assert list(tmp_path.glob("*.json")) == []


def test_a_worker_with_other_code_is_found_out(tmp_path, monkeypatch):
    real = running.compute

    def other(cell, *rest, **words):
        outcome = real(cell, *rest, **words)
        outcome.provenance["cell"]["recipe_version"] = 2
        return outcome

    monkeypatch.setattr(running, "compute", other)
    failed = run_study(TINY, folder=tmp_path, workers=1, limit=1, progress=False)
    assert "code differs" in failed[TINY.cells[0].name]


def test_a_name_follows_from_the_content_and_from_nothing_else():
    other = [
        SCOUTS.but(seeds=range(1000, 1004)), SCOUTS.but(epochs=6), SCOUTS.but(options={"width": 33}),
        SCOUTS.but(network="cnn", options={}), SCOUTS.but(method="ensemble"), SCOUTS.but(data="mnist5k"),
        DIGITS.cells[1].but(keep=("panel",)), DIGITS.cells[1],
    ]  # fmt: skip
    assert len({cell.name for cell in (SCOUTS, *other)}) == 9
    assert len({SCOUTS, SCOUTS.but(epochs=5), *other}) == 9  # equal cells have equal names, and the other way round
    assert SCOUTS.but(seeds=[1000, 1001, 1002, 1003, 1004], epochs=5).name == SCOUTS.name
    known = {"data": "digits", "network": "mlp", "recipe": SCOUTS.recipe}
    by_scouts = {Cell(method="retrainings", seeds=(0,), scouts=scouts, **known).name for scouts in (SCOUTS, other[0])}
    assert len(by_scouts) == 2  # another class of the measurand, another result


def test_golden_names_and_numbers(digits):
    """Where this fails, stored cells no longer are what this code computes: raise their version, then the gold."""
    assert Recipe().describe() == {
        "epochs": 10, "batch": 128, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "onecycle",
        "optimiser": "sgd", "shift": 0, "flip": False, "precision": "auto", "loss": "cross_entropy",
    }  # fmt: skip
    assert [cell.name for cell in DIGITS.cells[:2]] == ["scouts-57726144f7d4", "retrainings-b75050f8bb7b"]
    assert study_named("mnist-mlp").cells[1].name == "retrainings-25cfebab9360"
    assert study_named("mnist-cnn").cells[1].name == "retrainings-e32c5bf78336"
    seen = read_study(DIGITS, folder=digits)
    gold = {
        "log_odds": [9.61, 13.49],
        "path_log_odds": [-1.415, 2.836],
        "shifted_log_odds": [-10.41, -6.99],
        "outputs": [22.06, 11.27],
        "noise_spread": [1.555, 1.648],
    }
    for name, values in gold.items():
        first = seen[name].values[0]
        found = first[:2] if first.ndim == 1 else first[:2, 0]
        # Covariates are kept to 7 bits.
        np.testing.assert_allclose(found, values, rtol=0.005, atol=0.02, err_msg="raise RECIPE_VERSION (cells.py)")


def test_an_incomplete_study_is_read_back_with_named_axes(digits):
    seen = read_study("digits-mlp", folder=digits)
    assert dict(seen["log_odds"].sizes) == {"retraining": 8, "image": 2400}
    assert seen["log_odds"].sel(image=seen["part"] == "foreign").shape == (8, 200)
    assert list(seen["seed"].values) == list(range(8))
    assert set(seen["part"].values[:200]) == {"calibration"}
    assert seen.attrs["missing"] == 2
    # What is kept in float16 is what the networks say, within its rounding.
    q = ln.log_odds(seen["log_probabilities"].values, seen["chosen"].sel(image=seen["predicted_image"]).values)
    kept = seen["log_odds"].sel(image=seen["predicted_image"]).values
    moderate = (np.abs(kept) < 4) & (np.abs(q) < 4)
    assert moderate.sum() > 20
    np.testing.assert_allclose(q[moderate], kept[moderate], atol=0.02)


def test_a_study_of_data_of_ones_own(undisturbed):
    assert TINY.folder == "table-mlp"
    seen = read_study(TINY, folder=undisturbed)
    assert seen.sizes["image"] == 120  # calibration and test: no companions
    assert seen.attrs["data"] == "a table"
