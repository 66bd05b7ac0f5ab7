"""Every kept file: damaged, it is refused or made again; beside writers, and on a full disk, nothing is lost."""

import errno
import lzma
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import pytest
import torch

import lnescape as ln
from lnescape.results import ResultError, files, load_result, save_result
from lnescape.training import Prepared, descent, walk
from tests.damage import write_sealed

ORIGIN = {"command": "make report"}
RECIPE = ln.Recipe(epochs=3, batch=64, precision="float32")


@pytest.fixture(scope="module")
def net(data):
    return ln.network("mlp", data, width=8)


@pytest.fixture(scope="module")
def ends(net):
    from lnescape.weights import build

    return [ln.weights.theta_of(build(net, seed)) for seed in (0, 1)]


def fit(net, data, ends, folder, seed=0):
    return ln.fit(net, data, seeds=[seed], recipe=RECIPE, folder=folder).thetas


def fit_with_path(net, data, ends, folder, seed=0):
    return ln.fit(net, data, seeds=[seed], recipe=RECIPE, folder=folder, path=True).path


def fit_subspace(net, data, ends, folder, seed=0):
    curve = ln.Bezier.between(*ends)
    return ln.fit_subspace(net, data, curve, seed=seed, recipe=RECIPE, folder=folder).vectors


def walked(net, data, ends, folder, seed=0):
    prepared = Prepared.of(net, data, replace(RECIPE, epochs=1))
    return walk(prepared, ends[0], pieces=3, seed=seed, folder=folder)


TRAININGS = [(fit, "fit"), (fit_with_path, "path"), (fit_subspace, "subspace"), (walked, "walk")]


def flip(file: Path, other: Path):
    data = bytearray(file.read_bytes())
    data[-50] ^= 1
    file.write_bytes(data)


def swap(file: Path, other: Path):
    file.write_bytes(other.read_bytes())


def edit(file: Path, other: Path):
    data = file.read_bytes()
    key = b'epoch\\": ' if b"epoch" in data else b'"shape":['
    at = data.index(key) + len(key)
    file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("damage", [flip, swap, edit])
@pytest.mark.parametrize(("train", "kind"), TRAININGS, ids=[kind for _, kind in TRAININGS])
def test_a_damaged_training_is_named_and_done_again(net, data, ends, tmp_path, train, kind, damage):
    undisturbed = train(net, data, ends, None)
    train(net, data, ends, tmp_path)
    (file,) = sorted(tmp_path.glob(f"{kind}-*"))[:1]
    train(net, data, ends, tmp_path / "other", seed=1)
    (other,) = sorted((tmp_path / "other").glob(f"{kind}-*"))[:1]
    assert torch.equal(train(net, data, ends, tmp_path), undisturbed)
    damage(file, other)
    with pytest.warns(UserWarning, match=f"{file.name} is damaged"):
        again = train(net, data, ends, tmp_path)
    assert torch.equal(again, undisturbed)
    assert torch.equal(train(net, data, ends, tmp_path), undisturbed)  # kept anew


def test_a_state_of_another_shape_never_reaches_the_optimiser(net, data, ends, tmp_path):
    undisturbed = fit(net, data, ends, tmp_path)
    (file,) = tmp_path.iterdir()
    like = undisturbed.unsqueeze(1)
    whole = descent.State.load(file, like)
    for name, tensor in {"vertices": like[..., :5], "optimiser": torch.zeros(1, 1, 5)}.items():
        value = {"momentum_buffer": tensor} if name == "optimiser" else tensor
        replace(whole, epoch=2, **{name: value}).save(file)
        with pytest.warns(UserWarning, match=f"{file.name} is damaged .*belongs to another training"):
            assert torch.equal(fit(net, data, ends, tmp_path), undisturbed)
    file.unlink()
    file.mkdir()
    with pytest.raises(ResultError, match=f"{file.name} is a link, a folder or a device"):
        fit(net, data, ends, tmp_path)


def test_a_damaged_or_unknown_law_is_refused(net, data, ends, tmp_path):
    law = ln.Members(net, torch.stack(ends), seeds=(0, 1))
    law.save(tmp_path / "law")
    flip(tmp_path / "law", tmp_path)
    with pytest.raises(ResultError, match=r"law is damaged \(its checksum is another\); write it again with law.save"):
        ln.load_law(tmp_path / "law", net)
    law.save(tmp_path / "law")
    write_sealed(tmp_path / "law", (tmp_path / "law").read_bytes().replace(b"Members", b"FlowLaw"))
    with pytest.raises(ResultError, match="there is no law FlowLaw"):
        ln.load_law(tmp_path / "law", net)
    with pytest.raises(ResultError, match="nothing is missing"):
        ln.load_law(tmp_path / "nothing", net)


def test_what_is_no_result_is_skipped_or_refused(home):
    folder = save_result("a", numbers={}, provenance=ORIGIN).parent
    (folder / "dangling.json").symlink_to(folder / "nowhere")
    (folder / "linked.json").symlink_to(folder / "a.json")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    assert ln.results.list_results() == ["a"]
    for name in ("dangling", "linked", "folder", "pipe"):
        with pytest.raises(ResultError, match=f"{name}.json is a link, a folder or a device"):
            load_result(name)
    (folder / "deep.json").write_bytes(b"[" * 10**5 + b"]" * 10**5)
    with pytest.raises(ResultError, match=r"deep.json .* too deep to be read"):
        load_result("deep")


def test_numbers_that_could_not_be_read_back_are_refused_before_they_are_written(home, monkeypatch):
    monkeypatch.setattr(files, "MOST_VALUES", 1000)
    monkeypatch.setattr(files, "UNPACKED", 1000)
    for numbers, cause in (({"n": list(range(1000))}, "put long lists into arrays"), ({"a": "\ud800"}, "surrogates")):
        with pytest.raises(ResultError, match=f"a cannot be stored: .*{cause}"):
            save_result("a", numbers=numbers, provenance=ORIGIN)
    with pytest.raises(ResultError, match=r"a cannot be stored: .*too much for one result"):
        save_result("a", numbers={}, arrays={"x": np.zeros(10**5)}, provenance=ORIGIN)
    assert list(home.iterdir()) == []


def _write(folder: Path, value: int, stop):
    while not stop.is_set():
        save_result("a", numbers={"n": value}, arrays={"x": np.full(500, value)}, provenance=ORIGIN, folder=folder)


def test_rows_that_are_alike_are_packed_as_steps_and_come_back_bit_by_bit():
    rng = np.random.default_rng(0)
    alike = (10 * rng.normal(size=2000) + rng.normal(size=(8, 2000))).astype(np.float16)
    alike[2:5, :3] = [[np.nan, -0.0, np.inf], [0.0, 6e-8, -np.inf], [-1, 65504, -np.nan]]
    arrays = {
        "alike": alike,
        "none": alike[:0],
        "other": rng.normal(size=(8, 200)).astype(np.float16),
        "whole": alike[0],
    }
    packed, again = files.pack(arrays), files.unpack(files.pack(arrays))
    assert all(array.tobytes() == again[name].tobytes() for name, array in arrays.items())
    assert len(packed) < 0.93 * len(files.pack({**arrays, "alike": alike.T.copy()}))  # whose rows are not
    whole = lzma.decompress(packed)
    assert b'[\\"alike\\"]' in whole
    for name, message in (("whole", "can't be one of steps"), ("alien", "alien")):
        with pytest.raises((ValueError, KeyError), match=message):
            files.unpack(lzma.compress(whole.replace(b'[\\"alike\\"]', f'[\\"{name}\\"]'.encode())))


def test_readers_beside_writers_find_one_result_or_the_other(tmp_path):
    save_result("a", numbers={"n": 0}, arrays={"x": np.zeros(500, int)}, provenance=ORIGIN, folder=tmp_path)
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    writers = [context.Process(target=_write, args=(tmp_path, value, stop)) for value in (1, 2)]
    for writer in writers:
        writer.start()
    try:
        seen = set()
        limit = time.monotonic() + 30
        for _ in takewhile(lambda n: n < 600 or (not seen >= {1, 2} and time.monotonic() < limit), count()):
            result = load_result("a", folder=tmp_path)
            assert (result.arrays["x"] == result.numbers["n"]).all()
            seen.add(result.numbers["n"])
    finally:
        stop.set()
        for writer in writers:
            writer.join(10)
    assert seen >= {1, 2}
    assert len(list(tmp_path.iterdir())) == 2  # no former arrays, no lock, no temporary file


def test_a_dead_writer_leaves_nothing_and_a_living_one_is_left_alone(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    parts = [tmp_path / f".lnescape-{files._HOST}-{pid}-00000000.part" for pid in (dead.pid, os.getppid())]
    parts.append(tmp_path / ".lnescape-00000000-1-00000000.part")  # of another machine
    for part in parts:
        part.write_bytes(b"half")
    files.write(tmp_path / "whole", b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([*parts[1:], tmp_path / "whole"])
    os.utime(parts[2], (0, 0))
    files.write(tmp_path / "whole", b"whole")
    assert not parts[2].exists()


@pytest.mark.parametrize(("train", "kind"), TRAININGS, ids=[kind for _, kind in TRAININGS])
def test_a_full_disk_names_the_file_and_the_training_goes_on(net, data, ends, tmp_path, monkeypatch, train, kind):
    undisturbed, calls = train(net, data, ends, None), []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(ResultError, match=rf"cannot write {tmp_path}/\S+ \(No space left on device\); make room"):
            train(net, data, ends, tmp_path)
    assert not list(tmp_path.glob(".*"))
    assert torch.equal(train(net, data, ends, tmp_path), undisturbed)


def test_damage_of_every_kind_is_refused_or_does_no_harm():
    command = [sys.executable, "-m", "tests.fuzz", "100"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "100 damaged files, 0 wrong" in done.stdout
