"""The scale of u from one training: what its path through training tells of it, on many networks.

The rule was fixed on the networks of `SEEN`; those of `NEW` were trained after it, to judge it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from torch import Tensor, nn

from lnescape.covariates.explore import explored
from lnescape.data import Dataset
from lnescape.data.splits import PARTS
from lnescape.results import Estimate
from lnescape.retraining.judging import log_bias
from lnescape.retraining.prior import ANY, LEAST
from lnescape.scores import accuracy, mean_prediction
from lnescape.study.cells import Cell, Kind, Study, register
from lnescape.study.observation import Observation, Panel
from lnescape.study.retrainings import refuse_failed
from lnescape.study.store import CellStore
from lnescape.training import Recipe, fit
from report.studies.gates import g9
from report.studies.geometry import complete, from_one, judged_alone, kind_of_study, learn, others
from report.studies.moderation import Assembled, assembled
from report.studies.pairs import (
    CIFAR10_RESNET20,
    FASHION_ATTENTION,
    FASHION_CNN,
    FASHION_FIXED,
    FASHION_MLP,
    FAST_RECIPE,
    PAIRS,
    SHORT,
    SMALL,
    Pair,
    kind_of_network,
)
from report.studies.small import cut

# The rule: ln σ² less ln of the variance of q over the ends of the epochs, both as means over inputs, by kind of
# network. Means over the perceptrons of MNIST and FashionMNIST, and over eleven other networks.
RULE = {"fully connected": -1.75, ANY: -0.71}
N_IMAGES = 1000  # of the calibration part


def few_digits() -> Dataset:
    """Return MNIST with 2 000 training images."""
    return cut("mnist", dict(zip(PARTS, (2000, 200, 1000, 1000), strict=True)), range(10), "MNIST, 2 000 images")


def few_objects() -> Dataset:
    """Return CIFAR-10 with 10 000 training images."""
    return cut(
        "cifar10", dict(zip(PARTS, (10_000, 500, 1000, 1000), strict=True)), range(10), "CIFAR-10, 10 000 images"
    )


class Recurrent(nn.Module):
    """Classify an image by reading its rows, one after another, with gated recurrent units."""

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, width: int = 64):
        """Make the units and the last layer."""
        super().__init__()
        self.units, self.head = nn.GRU(shape[0] * shape[2], width, batch_first=True), nn.Linear(width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Give logits [images, classes]."""
        states, _ = self.units(images.transpose(1, 2).flatten(2))
        return self.head(states[:, -1])


_ADAMW: dict[str, Any] = {"optimiser": "adamw", "learning_rate": 0.001, "weight_decay": 0.05}
_FAST = {name: value for name, value in FAST_RECIPE.items() if name not in ("first_pixels", "flip")}
_HERE, _ATTENTION = "report.studies.scale", FASHION_ATTENTION.network
# Name: data, network, its options, recipe, number of trainings.
Trained = tuple[str, str, dict[str, Any], dict[str, Any], int]
NEW: dict[str, Trained] = {
    "CIFAR-10 perceptron": ("cifar10", "mlp", {}, {"epochs": 10, "learning_rate": 0.05}, 8),
    "CIFAR-100 deeper perceptron, AdamW": ("cifar100", "mlp", {"depth": 3}, {"epochs": 8, **_ADAMW}, 8),
    "FashionMNIST narrow perceptron, dropout": (
        "fashion_mnist", "mlp", {"width": 64, "dropout": 0.2}, {"epochs": 8}, 8,
    ),
    "MNIST deep perceptron": ("mnist", "mlp", {"width": 100, "depth": 4}, {"epochs": 6, "learning_rate": 0.05}, 8),
    "MNIST attention": ("mnist", _ATTENTION, {}, {"epochs": 4, **_ADAMW}, 8),
    "CIFAR-10 attention": ("cifar10", _ATTENTION, {"patch": 8}, {"epochs": 5, **_ADAMW}, 8),
    "FashionMNIST recurrent": ("fashion_mnist", f"{_HERE}:Recurrent", {}, {"epochs": 5, **_ADAMW}, 6),
    "FashionMNIST fast CNN": ("fashion_mnist", "fast_cnn", {}, {**_FAST, "epochs": 3}, 6),
    "FashionMNIST ResNet": ("fashion_mnist", "resnet", {"depth": 8, "width": 8}, {"epochs": 4}, 6),
    "MNIST ResNet, group normalisation": (
        "mnist", "resnet", {"depth": 8, "width": 8, "norm": "group"}, {"epochs": 3}, 6,
    ),
    "CIFAR-10 CNN, AdamW": ("cifar10", "cnn", {}, {"epochs": 5, **_ADAMW, "learning_rate": 0.001}, 6),
    "CIFAR-100 CNN": ("cifar100", "cnn", {}, {"epochs": 6, "learning_rate": 0.05, "flip": True}, 6),
    "CIFAR-10 fast ResNet, few images": (f"{_HERE}:few_objects", "fast_resnet", {}, {**_FAST, "epochs": 6}, 6),
    "MNIST CNN, few images": (
        f"{_HERE}:few_digits", "cnn", {}, {"epochs": 15, "batch": 64, "learning_rate": 0.05}, 12,
    ),
}  # fmt: skip


def _of_pair(pair: Pair) -> Trained:
    return pair.data, pair.network, pair.options, pair.recipe, pair.explored


# Whose path was looked at, or whose scale was known, when the rule was fixed; further ones are stored as references.
SEEN = {pair.label: _of_pair(pair) for pair in (FASHION_MLP, FASHION_CNN, FASHION_ATTENTION, FASHION_FIXED)}
SEEN |= {
    f"{name.replace('-', ' ')} perceptron": (f"report.studies.small:{name.replace('-', '_')}", *own, 12)
    for name, own in SMALL.items()
}


def cells() -> dict[str, Cell]:
    """Make the cell of each network, by its name."""
    return {
        name: Cell(
            method="scale", data=data, network=network, options=options, seeds=range(n),
            recipe=Recipe(**{"precision": "float32"} | recipe),
        )
        for name, (data, network, options, recipe, n) in {**SEEN, **NEW}.items()
    }  # fmt: skip


def scale(cell: Cell, data, panel: Panel, chosen: None) -> Observation:
    """Keep, for each network, ln σ² of the others and what the network itself shows, as means over inputs."""
    images = panel.images[np.flatnonzero(panel.part == 0)[:N_IMAGES]]
    law = fit(cell.builder(data), data, seeds=cell.seeds, recipe=cell.recipe, path=True, workers=1, progress=False)
    refuse_failed(law.failed)
    assert law.path is not None, "fit kept no path"
    logp = law.predict(images).cpu()
    decided = mean_prediction(logp).argmax(1).cpu().numpy()
    watched = explored(law, data, images, decided, groups=["training path"])
    q, path = watched.q, watched.path
    assert path is not None, "the training was not watched"
    late = path[:, path.shape[1] // 2 :]
    others = np.stack([np.delete(q, row, axis=0).var(0, ddof=1) for row in range(len(q))])
    seen = Observation()
    for name, values in {
        "accuracy": [float(accuracy(one[None], panel.labels[panel.part == 0][:N_IMAGES].cpu())) for one in logp],
        "of_others": _mean_log(others) - log_bias(len(q) - 2),
        "over_inputs": np.log(q.var(1)),
        "over_epochs": _mean_log(path.var(1, ddof=1)),
        "over_late_epochs": _mean_log(late.var(1, ddof=1)),
    }.items():
        seen.add(name, np.array(values, np.float32), "network")
    return seen


def _mean_log(variances: ndarray) -> ndarray:
    """Give the mean over inputs of ln variance; an input that doesn't move has the least that counts."""
    return np.log(np.maximum(variances, LEAST)).mean(-1)


register("scale", Kind(experiment=scale))

# Studies that hold retrainings whose paths are stored, by the names of the table.
STORED = {pair.label: pair.key for pair in (*PAIRS, *SHORT)}
STORED[f"{CIFAR10_RESNET20.label}, full width"] = CIFAR10_RESNET20.key
# The pairs on which u(x) from one training is judged: their gradients are stored, and the path of the same seeds.
JUDGED = (*PAIRS, FASHION_MLP, FASHION_CNN, FASHION_ATTENTION, FASHION_FIXED)
YARDSTICKS = ("over_inputs", "over_epochs", "over_late_epochs")


@dataclass(frozen=True)
class Watched:
    """What each network of one kind shows, and ln σ² of the others; one number for each network."""

    kind: str
    arrays: dict[str, ndarray]

    def level(self, name: str) -> Estimate:
        """Estimate the level over a yardstick; the uncertainty is that of one network, not of the mean."""
        levels = self.arrays["of_others"] - self.arrays[name]
        return Estimate(levels.mean(), levels.std(ddof=1), n=len(levels))


def watched(study: Study, store: CellStore) -> dict[str, Watched]:
    """Read what is known of every network, by name: of those with stored paths, and of those trained for this."""
    found = {}
    for name, key in STORED.items():
        other, own = complete(key, store.folder.parent)
        found[name] = Watched(kind_of_study(other), _of_stored(assembled(other, own)))
    named = cells()
    for name, cell in named.items():
        found[name] = Watched(kind_of_network(cell.network), store.load(cell).arrays)
    return found


def _of_stored(own: Assembled) -> dict[str, ndarray]:
    """Give the same of a pair whose paths are stored."""
    images, n = own.where("calibration"), own.n_networks
    seen = own.traces.of(range(n), images)
    assert seen.path is not None, "the path was not kept"
    late = seen.path[:, seen.path.shape[1] // 2 :]
    rests = [np.delete(own.q, row, axis=0)[:, images].var(0, ddof=1) for row in range(n)]
    return {
        "of_others": _mean_log(np.stack(rests)) - log_bias(len(own.q) - 2),
        "over_inputs": np.log(seen.q.var(1)),
        "over_epochs": _mean_log(seen.path.var(1, ddof=1)),
        "over_late_epochs": _mean_log(late.var(1, ddof=1)),
    }


def one_training(study: Study, store: CellStore) -> tuple[dict, dict[str, ndarray]]:
    """Judge the rule on networks that came after it, and u(x) from one training by the levels of all other networks."""
    found = watched(study, store)
    rows = {
        name: {"kind": own.kind, "new": name in NEW, "levels": {what: own.level(what) for what in YARDSTICKS}}
        for name, own in found.items()
    }
    errors = {name: RULE.get(found[name].kind, RULE[ANY]) - rows[name]["levels"]["over_epochs"].value for name in NEW}
    numbers: dict = {"n": len(rows), "networks": rows, "rule": RULE, "errors": errors}
    numbers["pairs"] = {pair.key: _judged(pair, found, store.folder.parent) for pair in JUDGED}
    return numbers, {}


def _judged(pair: Pair, found: Mapping[str, Watched], folder: Path) -> dict:
    """Judge each network of a pair alone, its scale by its path and the levels of the other networks."""
    known: dict[str, list[float]] = {}
    for name, other in found.items():
        if name != pair.label:
            known.setdefault(other.kind, []).append(other.level("over_epochs").value)
    study, store = complete(f"{pair.key}-geometry", folder)
    learned, own = learn(others(study.name), folder, path_levels=known), assembled(study, store)
    level, dof = learned.path_levels.get(found[pair.label].kind, learned.path_levels[ANY])
    # A level is relative to the variance of q over inputs, as `borrowed_prior` has it.
    shown = found[pair.label].arrays["over_epochs"] - np.log(own.q[: own.n_networks, own.where("calibration")].var(1))
    priors = [replace(learned, levels={ANY: (level + float(one), dof)}) for one in shown]
    one = judged_alone(own, from_one(own, priors, ANY))
    return one.to_dict() | {"level": level, "dof": dof, "G9": g9(one, n=len(own.q)).to_dict()}
