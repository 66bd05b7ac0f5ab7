"""Stored results come back whole, tell when they were touched, and survive a kill."""

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lnescape import results
from lnescape.results import Estimate, ResultError, files, load_result, save_result

ORIGIN = {"command": "make report", "seed": 3}


NUMBERS = {
    "loss": Estimate(0.48412, 0.0213, unit="nat", dof=4, n=5),
    "unknown": Estimate(-math.inf, math.nan),
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
    assert (back.numbers["unknown"].value, math.isnan(back.numbers["unknown"].u)) == (-math.inf, True)
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
    for name in ("a.json", "a.safetensors.xz"):
        assert (home / "1" / name).read_bytes() == (home / "2" / name).read_bytes()
    text = (home / "1" / "a.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity outside quotes
    one_line = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.replace("\n", "") == one_line  # a line for each value of the two outer levels
    assert text.splitlines()[:3] == ["{", '"arrays":{', '"file":"a.safetensors.xz",']
    assert content["numbers"]["loss"]["text"] == "0.484(21) nat"  # what the report prints
    assert content["numbers"]["unknown"]["u"] is None
    assert content["arrays"]["sha256"] == hashlib.sha256((home / "1" / "a.safetensors.xz").read_bytes()).hexdigest()


def test_a_result_without_arrays_leaves_none_of_the_former_one(home):
    path = save_result("a", numbers={}, arrays=ARRAYS, provenance=ORIGIN)
    save_result("a", numbers={}, provenance=ORIGIN)
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    assert load_result("a").arrays == {}


def list_instead(own, other):
    return b'["command"]'  # of a list no command is known


DAMAGE = [  # what becomes of a file, beside that of another result, and what is said
    ("a.json", lambda own, other: own[:-40], "cut short"),
    ("a.json", lambda own, other: own.replace(b"0.48412", b"0.38412"), "edited by hand"),
    ("a.json", lambda own, other: own.replace(b'"seed":3', b'"seed":4'), "edited by hand"),
    ("a.json", list_instead, "edited by hand"),
    ("a.json", lambda own, other: other, "renamed"),
    ("a.safetensors.xz", lambda own, other: own[:-1] + bytes([own[-1] ^ 1]), "has checksum"),
    ("a.safetensors.xz", lambda own, other: own[:-8], "has checksum"),
    ("a.safetensors.xz", lambda own, other: other, "belongs to another run"),
    ("a.safetensors.xz", None, "is missing"),
]


@pytest.mark.parametrize(("file", "damage", "what"), DAMAGE)
def test_a_touched_result_is_named_with_its_cure(home, file, damage, what):
    for name, number in (("a", 1), ("b", 2)):
        numbers = {"n": number, "loss": NUMBERS["loss"]}
        path = save_result(name, numbers=numbers, arrays={"x": np.arange(number)}, provenance=ORIGIN)
    load_result("a")
    own, other = path.with_name(file), path.with_name(f"b{file[1:]}")
    before = own.read_bytes()
    if damage is None:
        own.unlink()
    else:
        own.write_bytes(damage(before, other.read_bytes()))
        assert own.read_bytes() != before
    with pytest.raises(ResultError, match=what) as caught:
        load_result("a")
    message = str(caught.value)
    assert str(own) in message
    assert "delete it and run" in message
    if damage is not list_instead:
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

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(ResultError, match=r"cannot write .*a\.json \(Permission denied\)"):
        save_result("a", numbers={}, provenance=ORIGIN)
    assert list((home / "report" / "results").iterdir()) == []  # the temporary file is gone too


KILLED = """
import os, signal, sys
import numpy as np
from lnescape.results import save_result

def save(value):
    origin = {"command": "make report", "seed": 3}
    save_result("a", numbers={"n": value}, arrays={"x": np.full(1000, value)}, provenance=origin)

def dying(function, call):
    def wrapped(*arguments):
        dying.calls += 1
        if dying.calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return wrapped

def survive(former, call):
    # Save over a former result, or none, and die before the given call; tell whether that call was reached.
    os.environ["LNESCAPE_HOME"] = f"{sys.argv[1]}/{former}{call}"
    if former == "former":
        save(1)
    if (child := os.fork()) == 0:
        dying.calls = 0
        os.fsync, os.replace = dying(os.fsync, call), dying(os.replace, call)
        save(2)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0

print([survive(former, call) for former in ("former", "fresh") for call in range(1, 6)])
"""


def test_a_process_killed_at_any_moment_leaves_whole_files(tmp_path, monkeypatch):
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    # Two files, each synced and put in place: killed before each of the four calls, and then not at all.
    assert json.loads(done.stdout.lower()) == [True, True, True, True, False] * 2
    found = {}
    for case in [f"{former}{call}" for former in ("former", "fresh") for call in range(1, 6)]:
        monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path / case))
        if results.list_results():
            result = load_result("a")
            np.testing.assert_array_equal(result.arrays["x"], np.full(1000, result.numbers["n"]))
            found[case] = result.numbers["n"]
        save_result("a", numbers={"n": 3}, arrays={"x": np.full(1000, 3)}, provenance=ORIGIN)
        left = {path.name.split(".", 1)[0] for path in results.results_folder().iterdir()}
        assert (left, len(list(results.results_folder().iterdir()))) == ({"a"}, 2)  # nothing of the dead writer
    # New numbers and arrays hold together, or the former ones do.
    assert found == {f"former{call}": 1 for call in range(1, 5)} | {"former5": 2, "fresh5": 2}
