"""Damage kept files of every kind, resealed or not, and read them: `python -m tests.fuzz 2000 --seed 0`.

Each is refused by its one error, left aside with a warning, or read with the values that were kept. A crash, another
error, another value, more than 10 s or more than 512 MB end the run with status 1, or by the signal itself.
"""

import argparse
import random
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import lnescape as ln
from lnescape.laws.noise import Gate
from lnescape.results import ResultError, files, load_result, save_result
from lnescape.training import runs
from lnescape.training.descent import State
from tests.damage import PLAIN, RESEALED

MOST_SECONDS, MOST_MEMORY = 10, 512 * 2**20
P = 8  # parameters of `net`


def net():
    return nn.Linear(3, 2)


class Kept:
    """One kept file: how it is written, how it is read, and what reading gave when it was intact."""

    def __init__(self, file: Path, write, read, *, kind: str | None = None):
        self.file, self.read, self.kind = file, read, kind
        write(self.file)
        self.value = read(self.file)
        self.bytes = self.file.read_bytes()

    def restore(self):
        if self.file.is_dir() and not self.file.is_symlink():
            shutil.rmtree(self.file)
        self.file.unlink(missing_ok=True)
        self.file.write_bytes(self.bytes)


def everything(folder: Path) -> list[Kept]:
    """Keep one file of each kind."""
    torch.manual_seed(0)
    made = [_state(folder, *shape) for shape in (("fit", 2, 1, 1), ("walk", 1, 3, 1), ("subspace", 1, 3, 2))]
    made.append(Kept(folder / "path-a-0001.safetensors", _write_path, runs._theta_in, kind="path"))
    made += [_law(folder, number, law) for number, law in enumerate(_laws())]
    made += [_statement(folder), _result(folder, "numbers", None), *_arrays(folder)]
    return made


def _state(folder: Path, name: str, s: int, k: int, moving: int) -> Kept:
    vertices = torch.randn(s, k, P)
    optimiser = {"momentum_buffer": torch.randn(s, moving, P)}
    if name == "fit":
        optimiser = {"exp_avg": torch.randn(s, 1, P), "exp_avg_sq": torch.rand(s, 1, P), "step": torch.tensor(4.0)}
    state = State(2, vertices, torch.full((s,), -1), optimiser)
    like = vertices[:, :0] if name == "walk" else vertices

    def read(file: Path):
        found = State.load(file, like, moving=moving)
        return found and (found.epoch, found.vertices, found.failed, found.optimiser)

    return Kept(folder / f"{name}.safetensors", state.save, read, kind="state")


def _write_path(file: Path):
    files.save(file, "path", {"name": file.stem}, {"theta": torch.randn(2, P)})


def _laws() -> list:
    thetas = torch.randn(4, P)
    gaussian = ln.laws.GaussianLaw(net, thetas[0], scale=thetas[1].abs(), factors=thetas[:2, :4].clone(), start=2)
    return [
        ln.Members(net, thetas, seeds=(0, 1, 2, 3)),
        ln.SubspaceLaw(net, ln.Bezier.between(thetas[0], thetas[1])),
        ln.SubspaceLaw(net, ln.Simplex(thetas, 4)),
        gaussian,
        ln.laws.KroneckerLaw(net, thetas[0], torch.eye(2), torch.eye(4), thetas[:2, :4].abs()),
        ln.laws.DropoutLaw(net, thetas[0], (Gate(0, 2, 3, 1, 0.5),)),
        ln.laws.Mixture(net, (gaussian, ln.Members(net, thetas, seeds=(0, 1, 2, 3)))),
    ]


def _law(folder: Path, number: int, law) -> Kept:
    def read(file: Path):
        found = ln.load_law(file, net)
        return found.describe(), found.tensors()

    return Kept(folder / f"law-{number}.safetensors", law.save, read, kind="law")


def _statement(folder: Path) -> Kept:
    q = np.random.default_rng(0).normal(size=(3, 60, 2))
    made = ln.state_arrays(q, unit=("°", "mm"), limits={"angle": (-3, 3)}, names=("angle", "length"))

    def read(file: Path):
        found = ln.load_statement(file)
        return found.to_dataframe().to_dict("list"), found.facts()

    return Kept(folder / "statement.safetensors", made.save, read, kind="statement")


def _result(folder: Path, name: str, arrays) -> Kept:
    numbers = {"loss": ln.Estimate(0.5, 0.1), "list": [1, None, "a", -float("inf")], "deep": {"n": {"m": 3}}}

    def write(file: Path):
        save_result(name, numbers=numbers, arrays=arrays, provenance={"command": "make fuzz", "seed": 3}, folder=folder)

    def read(file: Path):
        found = load_result(name, folder=folder)
        return found.numbers, found.arrays, found.provenance

    return Kept(folder / f"{name}.json", write, read)


def _arrays(folder: Path) -> list[Kept]:
    """Keep a result with arrays: its JSON and its arrays are damaged one at a time."""
    result = _result(folder, "arrays", {"x": np.arange(12.0).reshape(3, 4), "y": np.array([True, False])})
    return [result, Kept(folder / "arrays.safetensors.xz", lambda file: None, result.read)]


def same(a, b) -> bool:
    """Tell whether two values are equal, in type too, at any depth."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b


def fits(value, kept: Kept) -> bool:
    """Tell whether what was read from a resealed file is of the kind, shapes and types of what was kept."""
    if kept.kind != "state":
        return type(value) is type(kept.value)
    (_, vertices, failed, optimiser), (_, *known) = value, kept.value
    shapes = vertices.shape == known[0].shape and failed.shape == known[1].shape
    return shapes and all(tensor.shape == known[2][name].shape for name, tensor in optimiser.items())


def once(kept: Kept, others: list[Kept], chance: random.Random) -> tuple[str, str]:
    """Damage one file, read it, and give the damage and what came of it."""
    damage = chance.choice(PLAIN + RESEALED)
    beside = kept.file.with_name("arrays.json").read_bytes()
    damage(kept, others, chance)
    signal.alarm(MOST_SECONDS)
    try:
        value = kept.read(kept.file)
        if value is None:
            return damage.__name__, "refused"
        good = fits(value, kept) if damage in RESEALED else same(value, kept.value)
        return damage.__name__, "read" if good else "READ WITH OTHER VALUES"
    except ResultError as error:
        text = str(error)
        stem = kept.file.stem.removesuffix(".safetensors")
        return damage.__name__, "refused" if stem in text and "\n" not in text else f"REFUSED IN OTHER WORDS: {text}"
    except Exception as error:
        return damage.__name__, f"{type(error).__name__.upper()}: {error}"
    finally:
        signal.alarm(0)
        kept.restore()
        kept.file.with_name("arrays.json").write_bytes(beside)


def _late(*_):
    raise TimeoutError(f"more than {MOST_SECONDS} s")


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Run, and print what came of each kind of damage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int, nargs="?", default=100, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _late)
    seen, wrong = Counter(), 0
    with tempfile.TemporaryDirectory() as place:
        kept = everything(Path(place))
        start = _peak()
        for number in range(asked.n):
            chance = random.Random(f"{asked.seed} {number}")
            one = kept[number % len(kept)]
            print(f"\r{number} {one.file.name}", end="", file=sys.stderr, flush=True)  # where a crash was
            what, outcome = once(one, kept, chance)
            seen[what, outcome if outcome.islower() else "wrong"] += 1
            if outcome not in {"read", "refused"}:
                wrong += 1
                print(f"\nmutation {number} of seed {asked.seed}: {what} of {one.file.name}: {outcome}")
        grown = _peak() - start
    print(*(f"{what:10} {outcome:8} {n:5}" for (what, outcome), n in sorted(seen.items())), sep="\n")
    print(f"{asked.n} damaged files, {wrong} wrong; {grown / 2**20:.0f} MB more than before")
    return int(wrong > 0 or grown > MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
