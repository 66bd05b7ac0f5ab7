"""The scale of u from one training: what it shows itself, and what a short companion of another seed shows beside it.

Two rules were fixed: by the training's own path, which the first six networks of `NEW` refute, then by a companion.
`lone.KNOWN` lists the networks on which each was fixed; the others judge it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy import ndarray
from torch import Tensor, nn

from lnescape.covariates.explore import explored
from lnescape.data import Dataset
from lnescape.data.splits import PARTS
from lnescape.laws import Members
from lnescape.retraining import log_odds
from lnescape.retraining.prior import ANY, COMPANION, LEAST, beside, log_bias
from lnescape.scores import accuracy, mean_prediction
from lnescape.study.cells import Cell, Kind, register
from lnescape.study.observation import Observation, Panel
from lnescape.study.retrainings import refuse_failed
from lnescape.training import Recipe, fit
from report.studies.pairs import (
    CIFAR10_CNN,
    CIFAR10_FAST_CNN,
    CIFAR10_FAST_RESNET,
    CIFAR100_FAST_RESNET,
    FASHION_ATTENTION,
    FASHION_CNN,
    FASHION_FIXED,
    FASHION_MLP,
    FAST_RECIPE,
    MNIST_CNN,
    MNIST_MLP,
    SMALL,
    Pair,
)
from report.studies.small import cut

# ln σ² less a yardstick, both as means over inputs, as pilots that are not stored gave them. First rule: over ln of the
# variance of q over the ends of the epochs, by kind of network; of two perceptrons, and of other networks.
BY_PATH = {"fully connected": -1.75, ANY: -0.71}
# Second rule: over ln of the squared residuals of q on that of a companion, trained for a part of the epochs; of nine
# networks. The study "one-training" has the levels of all.
BY_COMPANION = -1.09
FIRST_COMPANION = 3000  # seed
# Pairs whose networks are stored and take long to train again, and how many companions are trained for each.
COMPANIONS = ((CIFAR10_FAST_CNN, 4), (CIFAR10_CNN, 4), (CIFAR10_FAST_RESNET, 2), (CIFAR100_FAST_RESNET, 2))
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
        """Return logits [images, classes]."""
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
    "MNIST attention": ("mnist", _ATTENTION, {}, {"epochs": 4, **_ADAMW}, 6),
    "CIFAR-10 attention": ("cifar10", _ATTENTION, {"patch": 8}, {"epochs": 5, **_ADAMW}, 6),
    "MNIST CNN, few images": (
        f"{_HERE}:few_digits", "cnn", {}, {"epochs": 15, "batch": 64, "learning_rate": 0.05}, 12,
    ),
    "FashionMNIST recurrent": ("fashion_mnist", f"{_HERE}:Recurrent", {}, {"epochs": 4, **_ADAMW}, 5),
    "CIFAR-100 CNN": ("cifar100", "cnn", {}, {"epochs": 5, "learning_rate": 0.05, "flip": True}, 4),
    "CIFAR-10 fast ResNet, few images": (f"{_HERE}:few_objects", "fast_resnet", {}, {**_FAST, "epochs": 5}, 4),
    "FashionMNIST fast CNN": ("fashion_mnist", "fast_cnn", {}, {**_FAST, "epochs": 2}, 4),
    "CIFAR-10 CNN, AdamW": ("cifar10", "cnn", {}, {"epochs": 4, **_ADAMW}, 4),
}  # fmt: skip


def _of_pair(pair: Pair) -> Trained:
    return pair.data, pair.network, pair.options, pair.recipe, pair.explored


SEEN = {
    pair.label: _of_pair(pair)
    for pair in (FASHION_MLP, FASHION_CNN, FASHION_ATTENTION, FASHION_FIXED, MNIST_MLP, MNIST_CNN)
}
SEEN |= {
    f"{name.replace('-', ' ')} perceptron": (f"report.studies.small:{name.replace('-', '_')}", *own, 12)
    for name, own in SMALL.items()
}


def cells() -> dict[str, Cell]:
    """Make the cell of each network, by its name."""
    return {
        name: Cell(
            method="scale", data=data, network=network, options=options, seeds=range(n), settings={"part": COMPANION},
            recipe=Recipe(**{"precision": "float32"} | recipe),
        )
        for name, (data, network, options, recipe, n) in {**SEEN, **NEW}.items()
    }  # fmt: skip


def scale(cell: Cell, data, panel: Panel, chosen: None) -> Observation:
    """Keep, for each network, ln σ² of the others and the yardsticks that it has, as means over inputs."""
    images = panel.images[np.flatnonzero(panel.part == 0)[:N_IMAGES]]
    law = _trained(cell, data, cell.seeds, cell.recipe.epochs, path=True)
    logp = law.predict(images).cpu()
    decided = mean_prediction(logp).argmax(1).cpu().numpy()
    watched = explored(law, data, images, decided, groups=["training path"])
    assert watched.path is not None, "the training was not watched"
    right = [float(accuracy(one[None], panel.labels[panel.part == 0][:N_IMAGES].cpu())) for one in logp]
    found = levels_and_yardsticks(watched.q, watched.path, _companions(cell, data, images, decided))
    seen = Observation()
    for name, values in {"accuracy": right, **found}.items():
        seen.add(name, np.array(values, np.float32), "network")
    return seen


def levels_and_yardsticks(q: ndarray, path: ndarray, companions: ndarray) -> dict[str, ndarray]:
    """Give, for each of the first networks, ln σ² of all others and what it shows itself, as means over inputs.

    `q` are all networks, `path` [some, epochs, inputs] the first of them; companions are shared in turn.
    """
    n = len(path)
    others = np.stack([np.delete(q, row, axis=0).var(0, ddof=1) for row in range(n)])
    return {
        "of_others": _mean_log(others) - log_bias(len(q) - 2),
        "over_inputs": np.log(q[:n].var(1)),
        "over_epochs": _mean_log(path.var(1, ddof=1)),
        "over_companion": over_companions(q[:n], companions),
    }


def over_companions(q: ndarray, companions: ndarray) -> ndarray:
    """Return what each network shows beside a companion; networks share companions in turn."""
    return np.array([beside(own, companions[row % len(companions)]) for row, own in enumerate(q)])


def companions(cell: Cell, data, panel: Panel, chosen: ndarray) -> Observation:
    """Keep q of companions, one for each seed, on some calibration images."""
    some = panel.watched[: N_IMAGES // 2]
    seen = Observation()
    seen.add("companion", _companions(cell, data, panel.images[some], chosen[some]), "companion", "compared_image")
    return seen


def _companions(cell: Cell, data, images: Tensor, chosen: ndarray) -> ndarray:
    """Train a companion for each seed of a cell; give q of the classes that are chosen."""
    seeds = [FIRST_COMPANION + seed for seed in cell.seeds]
    law = _trained(cell, data, seeds, cell.settings["part"] * cell.recipe.epochs)
    return log_odds(law.predict(images).cpu().numpy(), chosen)


def _trained(cell: Cell, data, seeds: Sequence[int], epochs: float, **how: Any) -> Members:
    """Train the network of a cell under some seeds."""
    recipe = replace(cell.recipe, epochs=epochs)
    law = fit(cell.builder(data), data, seeds=seeds, recipe=recipe, workers=1, progress=False, **how)
    refuse_failed(law.failed)
    return law


def _mean_log(variances: ndarray) -> ndarray:
    """Return the mean over inputs of ln variance; an input that doesn't move has the least that counts."""
    return np.log(np.maximum(variances, LEAST)).mean(-1)


def _cost(cell: Cell) -> float:
    own = 1 if cell.method == "scale" else 0
    return len(cell.seeds) * (own + cell.settings["part"])


register("scale", Kind(experiment=scale, settings=("part",), trainings=_cost))
register("companions", Kind(experiment=companions, settings=("part",), scouts=True, trainings=_cost))
