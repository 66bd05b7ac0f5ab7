"""Printed numbers, agreement, stored results that tell when they were touched, live records."""

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from lnescape import results
from lnescape.results import Estimate, ResultError, load_result, normalised_error, save_result, store
from lnescape.results import provenance as provenance_of

ORIGIN = {"command": "make report", "seed": 3}


@dataclass(frozen=True)
class Data:
    """What results use of a `Dataset`."""

    name: str = "shapes"
    title: str = "drawn shapes, 10 classes"
    checksum: str = "c0ffee"
    stand_in: bool = True


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path))
    return tmp_path


# --- estimates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "u", "unit", "printed"),
    [
        (0.48412, 0.0213, "nat", "0.484(21) nat"),
        (98.31, 1.21, "%", "98.3(1.2) %"),
        (100.02147, 0.00035, "g", "100.02147(35) g"),  # GUM 7.2.2
        (50.000838, 0.000032, "mm", "50.000838(32) mm"),  # GUM H.1
        (98.31, 12.4, "%", "98(12) %"),
        (9831, 124, "", "9830(120)"),
        (0.5, 0.0996, "", "0.50(10)"),  # rounding up u must not bring a third digit
        (0.99996, 0.0012, "", "1.0000(12)"),
        (-0.0001, 0.0213, "", "0.000(21)"),
        (-1.5, 0.25, "", "-1.50(25)"),
        (0.0, 0.0213, "", "0.000(21)"),
        (3e-7, 0.5, "", "0.00(50)"),
        (1.23436e-7, 5.64e-9, "", "1.234(56)e-07"),
        (123456789.0, 1234.0, "s", "1.234568(12)e+08 s"),
        (0.5, 0.0, "nat", "0.5 nat"),
        (-0.0, 0.0, "", "0"),
        (1.0, 1e-20, "", "1"),
        (math.nan, 0.1, "nat", "nan"),
        (0.5, math.nan, "nat", "0.5(nan) nat"),
        (math.inf, math.nan, "nat", "inf nat"),
    ],
)
def test_an_estimate_prints_two_digits_of_its_uncertainty(value, u, unit, printed):
    assert str(Estimate(value, u, unit=unit)) == printed


def test_a_mean_has_the_uncertainty_and_the_degrees_of_freedom_of_its_sample():
    sample = [0.46, 0.48, 0.50, 0.55]
    for values in (sample, tuple(sample), iter(sample), np.array(sample), torch.tensor(sample, dtype=torch.float64)):
        mean = Estimate.mean(values, unit="nat")
        assert (mean.value, mean.u) == pytest.approx((np.mean(sample), scipy.stats.sem(sample)), rel=1e-12)
        assert (mean.dof, mean.n, mean.unit) == (3, 4, "nat")
    alone = Estimate.mean([0.5])
    assert (alone.value, alone.dof) == (0.5, 0)
    assert math.isnan(alone.u)
    assert Estimate.mean([1.0, math.inf]).value == math.inf
    with pytest.raises(ValueError, match="the sample is empty"):
        Estimate.mean([])


def test_expanded_uncertainty_has_the_factors_of_gum_table_g2():
    for dof, coverage, factor in [(3, 0.95, 3.18), (10, 0.9545, 2.28), (16, 0.99, 2.92), (math.inf, 0.95, 1.96)]:
        assert Estimate(7, 0.5, dof=dof).expanded(coverage) == pytest.approx(0.5 * factor, abs=0.005 * 0.5)
    assert math.isnan(Estimate.mean([0.5]).expanded())
    with pytest.raises(ValueError, match="no probability between 0 and 1"):
        Estimate(1, 0.1).expanded(95)


def test_a_scaled_estimate_keeps_everything_but_its_unit():
    scaled = Estimate(0.983, 0.012, dof=4, evaluation="B", n=5).scaled(-100, "%")
    assert scaled == Estimate(-98.3, 1.2, dof=4, unit="%", evaluation="B", n=5)
    assert float(scaled) == -98.3


def test_what_is_no_uncertainty_is_refused():
    with pytest.raises(ValueError, match="can be negative"):
        Estimate(1, -0.1)
    with pytest.raises(ValueError, match="'C' is unknown; take one of A, B"):
        Estimate(1, 0.1, evaluation="C")


def test_normalised_error_uses_expanded_uncertainties():
    assert normalised_error(Estimate(1.0, 0.3), Estimate(2.0, 0.4)) == pytest.approx(1.0)
    assert normalised_error(Estimate(2.0, 0.4), Estimate(1.0, 0.3)) == pytest.approx(1.0)
    assert normalised_error(Estimate(1, 0), Estimate(1, 0)) == 0
    assert normalised_error(Estimate(1, 0), Estimate(2, 0)) == math.inf
    assert math.isnan(normalised_error(Estimate(1, math.nan), Estimate(2, 0)))
    with pytest.raises(ValueError, match="'%' cannot be compared"):
        normalised_error(Estimate(1, 0.1, unit="%"), Estimate(1, 0.1))


# --- stored results ---------------------------------------------------------------------------------------------------

NUMBERS = {
    "loss": Estimate(0.48412, 0.0213, unit="nat", dof=4, n=5),
    "unknown": Estimate(math.inf, math.nan),
    "nested": {"list": [1, 2.5, None, True, "é"], "deep": [{"e": Estimate(1, 0)}], "limit": -math.inf},
    "numpy": np.float32(0.5),
    "torch": torch.tensor(3),
}
ARRAYS = {
    "curve": np.linspace(0, 1, 12, dtype=np.float16).reshape(3, 4).T,  # not contiguous
    "mask": np.array([True, False]),
    "one": np.array(2.0),
    "tensor": torch.arange(6).reshape(2, 3),
}


def test_a_result_comes_back_as_it_was_saved(home):
    path = save_result("paths-1", numbers=NUMBERS, arrays=ARRAYS, provenance=ORIGIN)
    assert path == home / "report" / "results" / "paths-1.json"
    back = load_result("paths-1")
    assert back.provenance == ORIGIN
    assert back.numbers["loss"] == NUMBERS["loss"]
    assert (back.numbers["unknown"].value, math.isnan(back.numbers["unknown"].u)) == (math.inf, True)
    assert back.numbers["nested"] == NUMBERS["nested"]
    assert (back.numbers["numpy"], back.numbers["torch"]) == (0.5, 3)
    assert back.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(back.arrays[name], np.asarray(array), strict=True)
    assert results.list_results() == ["paths-1"]


def test_the_same_result_is_the_same_bytes_in_canonical_json(home):
    save_result("a", numbers=NUMBERS, arrays=ARRAYS, provenance=ORIGIN, folder=home / "1")
    reordered = dict(reversed(NUMBERS.items())), dict(reversed(ARRAYS.items()))
    save_result("a", numbers=reordered[0], arrays=reordered[1], provenance=ORIGIN, folder=home / "2")
    for name in ("a.json", "a.safetensors"):
        assert (home / "1" / name).read_bytes() == (home / "2" / name).read_bytes()
    text = (home / "1" / "a.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity outside quotes
    assert text == json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert content["numbers"]["loss"]["text"] == "0.484(21) nat"  # what the report prints
    assert content["numbers"]["unknown"]["u"] is None
    assert content["arrays"]["sha256"] == hashlib.sha256((home / "1" / "a.safetensors").read_bytes()).hexdigest()


def test_a_result_without_arrays_leaves_none_of_the_former_one(home):
    path = save_result("a", numbers={}, arrays=ARRAYS, provenance=ORIGIN)
    save_result("a", numbers={}, provenance=ORIGIN)
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    assert load_result("a").arrays == {}


def cut(folder):
    text = (folder / "a.json").read_bytes()
    (folder / "a.json").write_bytes(text[: len(text) - 40])


def edit(folder):
    text = (folder / "a.json").read_text(encoding="utf-8")
    assert "0.48412" in text
    (folder / "a.json").write_text(text.replace("0.48412", "0.38412"), encoding="utf-8")


def edit_provenance(folder):
    text = (folder / "a.json").read_text(encoding="utf-8")
    (folder / "a.json").write_text(text.replace('"seed": 3', '"seed": 4'), encoding="utf-8")


def replace_by_a_list(folder):
    (folder / "a.json").write_text('["command"]', encoding="utf-8")


def replace_by_another(folder):
    (folder / "b.json").replace(folder / "a.json")


def edit_arrays(folder):
    packed = bytearray((folder / "a.safetensors").read_bytes())
    packed[-1] ^= 1
    (folder / "a.safetensors").write_bytes(packed)


def cut_arrays(folder):
    packed = (folder / "a.safetensors").read_bytes()
    (folder / "a.safetensors").write_bytes(packed[:-8])


def take_arrays_of_another(folder):
    (folder / "b.safetensors").replace(folder / "a.safetensors")


def remove_arrays(folder):
    (folder / "a.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "file", "what"),
    [
        (cut, "a.json", "cut short"),
        (edit, "a.json", "edited by hand"),
        (edit_provenance, "a.json", "edited by hand"),
        (replace_by_a_list, "a.json", "edited by hand"),
        (replace_by_another, "a.json", "renamed"),
        (edit_arrays, "a.safetensors", "has checksum"),
        (cut_arrays, "a.safetensors", "has checksum"),
        (take_arrays_of_another, "a.safetensors", "belongs to another run"),
        (remove_arrays, "a.safetensors", "is missing"),
    ],
)
def test_a_touched_result_is_named_with_its_cure(home, damage, file, what):
    for name, number in (("a", 1), ("b", 2)):
        numbers = {"n": number, "loss": NUMBERS["loss"]}
        path = save_result(name, numbers=numbers, arrays={"x": np.arange(number)}, provenance=ORIGIN)
    load_result("a")
    damage(path.parent)
    with pytest.raises(ResultError, match=what) as caught:
        load_result("a")
    message = str(caught.value)
    assert str(path.parent / file) in message
    assert "delete it and run" in message
    if damage is not replace_by_a_list:
        assert "`make report`" in message
    assert "\n" not in message


def test_an_absent_result_suggests_the_nearest(home):
    save_result("barrier-mnist", numbers={}, provenance=ORIGIN)
    with pytest.raises(ResultError, match="did you mean 'barrier-mnist'"):
        load_result("barier-mnist")
    with pytest.raises(ResultError, match=r"list_results\(\)"):
        load_result("x")


@pytest.mark.parametrize("name", ["", "Barrier", "../barrier", "a b", "-a", "a.json", "é", "a\n"])
def test_a_name_that_is_no_file_name_everywhere_is_refused(home, name):
    with pytest.raises(ResultError, match="cannot name a result"):
        save_result(name, numbers={}, provenance=ORIGIN)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"a": [0, torch.ones(2)]}, r"numbers\['a'\]\[1\] is a Tensor.*arrays="),
        ({"a": {2: 1}}, r"numbers\['a'\] has the key 2; keys are texts"),
        ({"a": "Infinity"}, "stands for a number"),
        ({"a": {1, 2}}, "is a set, which JSON cannot hold"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(home, numbers, sentence):
    with pytest.raises(ResultError, match=sentence):
        save_result("a", numbers=numbers, arrays=ARRAYS, provenance=ORIGIN)
    with pytest.raises(ResultError, match="array 'names' holds <U1"):
        save_result("a", numbers={}, arrays={"names": np.array(["x"])}, provenance=ORIGIN)
    assert list(home.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(home, monkeypatch):
    (home / "file").write_text("")
    with pytest.raises(ResultError, match=r"cannot write .*file/a\.json \(.*set LNESCAPE_HOME"):
        save_result("a", numbers={}, provenance=ORIGIN, folder=home / "file")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.os, "replace", refuse)
    with pytest.raises(ResultError, match=r"cannot write .*a\.json \(Permission denied\)"):
        save_result("a", numbers={}, provenance=ORIGIN)
    assert list((home / "report" / "results").iterdir()) == []  # the temporary file is gone too


KILLED = """
import os, signal, sys
import numpy as np
from lnescape.results import save_result, store

def save(value):
    save_result("a", numbers={"n": value}, arrays={"x": np.full(1000, value)}, provenance={"command": "make report"})

def dying(function, call):
    def wrapped(*arguments):
        dying.calls += 1
        if dying.calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return wrapped

folder, call = sys.argv[1], 0
while True:
    call += 1
    os.environ["LNESCAPE_HOME"] = f"{folder}/{call}"
    save(1)
    if (child := os.fork()) == 0:
        dying.calls = 0
        os.fsync, os.replace = dying(os.fsync, call), dying(os.replace, call)
        save(2)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(call)
"""


def test_a_process_killed_at_any_moment_leaves_whole_files(tmp_path, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert int(done.stdout) == 5  # two files, each synced and put in place: killed before each of the four, then not
    whole = {}
    for value in (1, 2):
        path = save_result(
            "a",
            numbers={"n": value},
            arrays={"x": np.full(1000, value)},
            provenance={"command": "make report"},
            folder=tmp_path / f"whole{value}",
        )
        for suffix in (".json", ".safetensors"):
            whole.setdefault(suffix, []).append(path.with_suffix(suffix).read_bytes())
    for call in range(1, 6):
        monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path / str(call)))
        path = results.results_folder() / "a.json"
        for suffix, versions in whole.items():
            assert path.with_suffix(suffix).read_bytes() in versions
        assert results.list_results() == ["a"]
        if call in (1, 2):
            assert load_result("a").numbers["n"] == 1
        elif call == 5:
            assert load_result("a").numbers["n"] == 2
        else:  # new arrays under old numbers: whole files that do not belong together
            with pytest.raises(ResultError, match="another run"):
                load_result("a")


def test_folders_are_found_from_the_environment_then_upwards_then_here(tmp_path, monkeypatch):
    monkeypatch.delenv("LNESCAPE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert results.project_folder() == tmp_path
    deep = tmp_path / "notebooks" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "report" / "results").mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert results.results_folder() == tmp_path / "report" / "results"
    assert results.figures_folder() == tmp_path / "report" / "figures"
    monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path / "elsewhere"))
    assert results.live_folder() == tmp_path / "elsewhere" / "report" / "live"


# --- provenance -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """A recipe with what JSON cannot hold."""

    epochs: int = 3
    loss: object = torch.nn.functional.cross_entropy
    steps: tuple = (1, 2)


def test_provenance_says_all_and_can_be_stored(home):
    origin = provenance_of(
        command="make report", seed=range(2), data=Data(), n=5, cost=1.5, seconds=2.0, recipe=Recipe(), pair="mlp"
    )
    save_result("a", numbers={}, provenance=origin)
    back = load_result("a").provenance
    assert back == origin
    assert back["data"] == {"name": "shapes", "title": Data.title, "checksum": "c0ffee", "stand_in": True}
    assert back["recipe"] == {"epochs": 3, "loss": "cross_entropy", "steps": [1, 2]}
    assert (back["seed"], back["n"], back["cost"], back["seconds"], back["pair"]) == ([0, 1], 5, 1.5, 2.0, "mlp")
    assert back["versions"]["torch"] == torch.__version__
    assert back["machine"]["threads"] == torch.get_num_threads()
    assert 1 <= back["machine"]["cores"] <= os.cpu_count()
    assert back["machine"]["cpu"]
    assert back["date"].endswith("+00:00")


def test_provenance_tells_sources_apart_and_knows_their_commit(tmp_path, monkeypatch):
    module = sys.modules[provenance_of.__module__]
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    sources = {"b.py": "x = 1\n", "room/a.py": "y = 2\n"}
    for name, text in sources.items():
        (package / name).write_text(text)
    monkeypatch.setattr(module, "PACKAGE", package)
    monkeypatch.setattr(module, "__file__", str(package / "b.py"))
    listed = "".join(f"{name}\0{len(text)}\0{text}" for name, text in sorted(sources.items()))
    assert module.code()["sha256"] == hashlib.sha256(listed.encode()).hexdigest()
    assert (module.code()["commit"], module.code()["uncommitted_changes"]) == (None, None)

    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@y"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init")
    assert module.code()["commit"] is None  # in a repository that does not track it
    git("add", ".")
    git("commit", "--no-verify", "-m", "x")
    clean = module.code()
    assert (clean["commit"], clean["uncommitted_changes"]) == (git("rev-parse", "HEAD"), False)
    (package / "room" / "a.py").write_text("y = 3\n")
    assert module.code()["uncommitted_changes"] is True
    assert module.code()["sha256"] != clean["sha256"]


# --- live records -----------------------------------------------------------------------------------------------------


def test_profile_is_the_parameter_then_the_environment_then_quick(monkeypatch):
    monkeypatch.delenv("LNESCAPE_PROFILE", raising=False)
    assert results.profile() == "quick"
    monkeypatch.setenv("LNESCAPE_PROFILE", "standard")
    assert results.profile("") == "standard"
    assert results.profile("quick") == "quick"
    with pytest.raises(ValueError, match="'standart' .from the notebook's parameter.*'quick' or 'standard'.*did you"):
        results.profile("standart")
    monkeypatch.setenv("LNESCAPE_PROFILE", "fast")
    with pytest.raises(ValueError, match="'fast' .from LNESCAPE_PROFILE.*'quick' or 'standard'"):
        results.profile()


ESTIMATES = {"test loss": Estimate(0.5, 0.1, unit="nat"), "accuracy <best>": Estimate(0.9, 0.01)}


def test_a_record_without_reference_is_written_and_says_so(home):
    shown = results.record("03_paths", "quick", ESTIMATES, data=Data(), figures=["03_barrier"])
    assert shown.path == home / "report" / "live" / "03_paths.json"
    live = load_result("03_paths", folder=results.live_folder())
    assert [row["quantity"] for row in live.numbers["rows"]] == list(ESTIMATES)  # in reading order
    assert live.numbers["rows"][0]["here"] == ESTIMATES["test loss"]
    assert (live.numbers["title"], live.numbers["stand_in"]) == (Data.title, True)
    assert (live.numbers["profile"], live.numbers["figures"]) == ("quick", ["03_barrier"])
    assert live.provenance["seconds"] >= 0
    assert live.provenance["command"] == "make report PROFILE=quick"
    assert "No reference is stored" in str(shown)
    assert shown.rows[0]["agrees"] is None
    with pytest.raises(TypeError, match="'loss' is a float, not an Estimate"):
        results.record("03_paths", "quick", {"loss": 0.5}, data=Data())


def test_a_record_is_compared_with_the_kept_reference(home):
    results.record("03_paths", "quick", ESTIMATES, data=Data())
    path = results.keep_reference("03_paths")
    assert path == home / "report" / "results" / "live-quick-03_paths.json"
    new = {
        "test loss": Estimate(0.9, 0.1, unit="nat"),  # E_n = 0.4 / (2 √0.02)
        "accuracy <best>": Estimate(0.7, 0.01),
        "barrier": Estimate(1, 0.1),
    }
    shown = results.record("03_paths", "quick", new, data=Data())
    assert str(shown).splitlines() == [
        "quantity         here          stored reference  E_n   agrees",
        "---------------  ------------  ----------------  ----  ------",
        "test loss        0.90(10) nat  0.50(10) nat      1.41  no",
        "accuracy <best>  0.700(10)     0.900(10)         7.07  no",
        "barrier          1.00(10)      –                 –     –",
    ]
    assert "<td>accuracy &lt;best&gt;</td><td>0.700(10)</td>" in shown._repr_html_()
    stored = load_result("03_paths", folder=results.live_folder()).numbers["rows"]
    assert stored[0]["normalised_error"] == pytest.approx(0.4 / (2 * math.sqrt(0.02)))
    assert [row["agrees"] for row in stored] == [False, False, None]
    again = results.record("03_paths", "quick", ESTIMATES, data=Data())
    assert [(row["normalised_error"], row["agrees"]) for row in again.rows] == [(0, True), (0, True)]
    assert results.record("03_paths", "standard", ESTIMATES, data=Data()).rows[0]["reference"] is None


def test_a_reference_that_does_not_serve_is_left_aside(home):
    results.record("03_paths", "quick", ESTIMATES, data=Data())
    path = results.keep_reference("03_paths")
    other_unit = {"test loss": Estimate(0.5, 0.1, unit="bit")}
    assert results.record("03_paths", "quick", other_unit, data=Data()).rows[0]["agrees"] is None
    path.write_text(path.read_text(encoding="utf-8").replace("0.9", "0.8"), encoding="utf-8")
    shown = results.record("03_paths", "quick", ESTIMATES, data=Data())
    assert "left aside" in shown.note
    assert "edited by hand" in shown.note
    assert shown.rows[0]["reference"] is None
