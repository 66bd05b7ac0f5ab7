"""The studies that are known by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report.studies.experiments  # noqa: F401 – adds the methods of its cells
from lnescape.covariates import N_BURSTS
from lnescape.study.cells import Cell, Study
from lnescape.training import Recipe
from report.studies.assembled import PATHS
from report.studies.comparison import (
    BASES,
    BUDGETS,
    FEWER_WAYS,
    WAYS,
    compared,
    comparison_cells,
    cosine_cells,
    settings_cells,
    volume_cells,
)


@dataclass(frozen=True)
class ReportStudy(Study):
    """A study of the report: `summary`, a key of `summaries.SUMMARIES`, is what is made of its cells."""

    summary: str = "reference"

    def keep_summary(self) -> Path:
        """Store the summary as report/results/STUDY.json."""
        from report.studies.summaries import keep_summary

        return keep_summary(self)


def _study(name: str, title: str, cells: tuple[Cell, ...], summary: str = "reference") -> ReportStudy:
    return ReportStudy(name, title, cells, f"lnescape study {name}", summary)


# Batches of 256 at twice the rate of batches of 128: the same ratio, nearly the same accuracy (98.51 against 98.56 % of
# the official test images, "mnist-mlp" and "mnist-mlp-paths"), and larger products, which a machine computes faster.
MLP = Cell(
    method="scouts", data="mnist", network="mlp", seeds=range(1000, 1005), keep=(),
    recipe=Recipe(epochs=10, batch=256, learning_rate=0.2, precision="float32"),
)  # fmt: skip
CNN = MLP.but(network="cnn", recipe=Recipe(epochs=5, precision="float32"))
# A short schedule: minutes on one core. The learning rate of the network without normalisation is that of two (0.05,
# 0.1) which did better on validation images after five epochs.
CIFAR10_CNN = Cell(
    method="scouts", data="cifar10", network="cnn", seeds=range(1000, 1003), keep=(),
    recipe=Recipe(epochs=15, learning_rate=0.05, shift=4, flip=True, precision="bfloat16"),
)  # fmt: skip
CIFAR10_RESNET = CIFAR10_CNN.but(network="resnet", options={"width": 8}, epochs=10, learning_rate=0.1)
CIFAR100_RESNET = CIFAR10_RESNET.but(data="cifar100")
# The full schedule, on an accelerator: hours on a core or two.
CIFAR10_RESNET20 = CIFAR10_RESNET.but(options={}, epochs=30)
CIFAR100_WIDE = CIFAR100_RESNET.but(network="wide_resnet", options={}, epochs=30)
# Networks that learn in few operations, in float32, so that any machine can continue a study. The first half of the
# steps sees images of 24 pixels. Rates and decay: Jordan 2024, arXiv 2404.00498, for batches of 128 and the mean loss.
FAST = Recipe(
    epochs=4, batch=128, learning_rate=11.5 * 128 / 7851, momentum=0.85, weight_decay=0.0153 / 11.5, shift=2,
    schedule="slanted", flip="alternate", precision="float32", bias_rate=64, first_pixels=24, average_every=20,
)  # fmt: skip
CIFAR10_FAST_CNN = CIFAR10_CNN.but(network="fast_cnn", recipe=FAST)
CIFAR10_FAST_RESNET = CIFAR10_FAST_CNN.but(network="fast_resnet", epochs=13)
CIFAR100_FAST_RESNET = CIFAR10_FAST_RESNET.but(
    data="cifar100", options={"widths": [24, 96, 256], "scale": 0.25}, epochs=9, bias_rate=32
)
# As wide as those of the reference, for an accelerator.
CIFAR10_WIDE = CIFAR10_FAST_CNN.but(
    options={"widths": [64, 256, 256], "convolutions": [2, 2, 2]}, epochs=20, precision="bfloat16"
)
CIFAR100_WIDER = CIFAR10_WIDE.but(
    network="fast_resnet",
    data="cifar100", options={"widths": [64, 256, 512], "convolutions": [2, 2, 2], "scale": 0.25}, bias_rate=32
)
DIGITS = MLP.but(data="digits", epochs=5, batch=64, options={"width": 32})

# The first part's networks: float32 throughout, so that no number depends on which products a machine does fast.
PAIRS = {"mlp": Recipe(epochs=10, precision="float32"), "cnn": CNN.recipe}
# A gradient reaches vertex k times its coefficient, so that a point of a triangle moves at E Σ a² = 1/2 of the
# learning rate. Twice the rate makes up for it in the MLP; the CNN, whose corners carry larger weights than its
# midpoint and no normalisation, diverged under one seed of five even at the rate of a plain training, and gets half
# of it. The weight decay was chosen on validation images (study "mnist-triangle-recipe").
TRIANGLE = {
    "mlp": {"learning_rate": 0.2, "weight_decay": 1e-4},
    "cnn": {"learning_rate": 0.05, "weight_decay": 1e-4},
}
CANDIDATES = {
    "as one network": {},
    "without penalty": {"settings": {"cosine_weight": 0.0}},
    "twice the rate, half the decay": {"learning_rate": 0.2, "weight_decay": 2.5e-4},
    "chosen": TRIANGLE["mlp"],
}
N_BASES = 5


def _reference(
    scouts: Cell, n: int, *, group: int, explored: int = 12, keep: tuple[str, ...] = ("panel", "log_probabilities"),
    observed: tuple[str, ...] = ("covariates",),
) -> tuple[Cell, ...]:  # fmt: skip
    """Retrainings with seeds 0 to n − 1, trained in groups; on the first of them covariates are observed."""
    starts = [*range(0, explored, min(group, explored)), *range(explored, n, group)]
    cells = []
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        more = (*observed, "log_probabilities") if stop <= explored else ()
        base = scouts.but(method="retrainings", scouts=scouts, keep=(*keep, *more))
        cells.append(base.but(seeds=range(start, stop)))
    return tuple(cells)


def _on_test(scouts: Cell, method: str, seeds, **settings) -> Cell:
    return scouts.but(method=method, scouts=scouts, keep=("test",), seeds=seeds, settings=settings)


def _crossed(scouts: Cell, n: int) -> tuple[Cell, ...]:
    """N initialisations × n orders, two initialisations in a cell."""
    orders = list(range(2000, 2000 + n))
    return tuple(_on_test(scouts, "crossed", (k, k + 1), orders=orders) for k in range(0, n, 2))


def _paths(network: str) -> tuple[Cell, ...]:
    """Two retrainings, line and curve, a triangle for each base; all the retrainings as one ensemble."""
    pairs = Cell(method="pair", data="mnist", network=network, seeds=(0, 1), recipe=PAIRS[network], keep=())
    return (
        pairs.but(method="ensemble", seeds=range(2 * N_BASES)),
        *(pairs.but(seeds=(2 * base, 2 * base + 1)) for base in range(N_BASES)),
        *(pairs.but(method="triangle", seeds=(base,), **TRIANGLE[network]) for base in range(N_BASES)),
    )


def _candidates() -> tuple[Cell, ...]:
    one = Cell(method="triangle", data="mnist", network="mlp", seeds=(0,), recipe=PAIRS["mlp"], keep=())
    return tuple(one.but(**changes) for changes in CANDIDATES.values())


def _precision(scouts: Cell, n: int, other: str, *, group: int) -> tuple[Cell, ...]:
    """The first n retrainings of the reference, and as many under the same seeds in the other arithmetic."""
    again = _on_test(scouts, "retrainings", (0,)).but(precision=other)
    groups = (again.but(seeds=range(start, start + group)) for start in range(0, n, group))
    return (*_reference(scouts, n, group=group, explored=n), *groups)


def _grouped(scouts: Cell, n: int) -> tuple[Cell, ...]:
    """Retrainings of the same network with group normalisation, which needs no other images; two in a cell."""
    other = {**scouts.options, "norm": "group"}
    return tuple(_on_test(scouts, "retrainings", (k, k + 1)).but(options=other) for k in range(0, n, 2))


# Bursts: (epochs, first learning rate in parts of the plain training's highest). Proxies: (width, epochs).
# On CIFAR-10, bursts of the CNN at twice the rate were tried: they diverged from every network. A residual network of
# twenty layers gets hardly cheaper by the clock as it gets narrower, so that its proxies are shallower, too, and fewer.
BURSTS = {
    "mnist-mlp": ((0.05, 1.0), (0.25, 0.5), (0.25, 1.0), (1.0, 0.5), (1.0, 1.0)),
    "mnist-cnn": ((0.05, 1.0), (0.25, 0.5), (0.25, 1.0), (0.25, 2.0), (1.0, 0.5), (1.0, 1.0)),
    "cifar10-cnn": ((0.1, 1.0), (0.25, 0.5), (0.25, 1.0)),
    "cifar10-resnet": ((0.25, 1.0),),
    "cifar100-resnet": ((0.25, 1.0),),
    "cifar10-fast-cnn": ((0.25, 0.5), (0.25, 1.0)),
    "cifar10-fast-resnet": ((0.25, 0.5), (0.25, 1.0)),
    "cifar100-fast-resnet": ((0.25, 0.5), (0.25, 1.0)),
}
PROXIES = {
    "mnist-mlp": ((8, 5), (16, 5), (32, 2), (32, 5), (32, 10), (64, 5)),
    "mnist-cnn": ((1, 2), (2, 1), (2, 2), (2, 5), (4, 2)),
    "cifar10-cnn": ((4, 7),),
    "cifar10-resnet": ((4, 3),),
    "cifar100-resnet": ((4, 3),),
}
NARROW = {  # the same for networks whose width is divided: (divisor, epochs)
    "cifar10-fast-cnn": ((3, 2),),
    "cifar10-fast-resnet": ((3, 4),),
    "cifar100-fast-resnet": ((3, 3),),
}
N_PROXIES = {"mlp": 40, "cnn": 40, "resnet": 20, "fast_cnn": 20, "fast_resnet": 20}
SHALLOW = {"resnet": {"depth": 8}}


def _bursts(scouts: Cell, *, group: int, explored: int = 12) -> tuple[Cell, ...]:
    return tuple(
        scouts.but(method="bursts", scouts=scouts, seeds=range(k, k + group),
                   settings={"n": N_BURSTS, "epochs": epochs, "rate": rate})
        for epochs, rate in BURSTS[scouts.folder]
        for k in range(0, explored, group)
    )  # fmt: skip


def _proxies(scouts: Cell) -> tuple[Cell, ...]:
    """Two disjoint sets of proxies of each width and schedule."""
    own, n, shallow = (
        scouts.but(method="proxies", scouts=scouts),
        N_PROXIES[scouts.network],
        SHALLOW.get(scouts.network),
    )
    if scouts.folder in NARROW:
        return tuple(
            own.but(seeds=range(start, start + n), options={**scouts.options, "narrow": narrow}, epochs=epochs)
            for narrow, epochs in NARROW[scouts.folder]
            for start in (4000, 5000)
        )
    return tuple(
        own.but(seeds=range(start, start + n), options={"width": width, **(shallow or {})}, epochs=epochs)
        for width, epochs in PROXIES[scouts.folder]
        for start in (4000, 5000)
    )


def _pair(
    scouts: Cell, kind: str, n: int, *, group: int, burst_group: int = 2, explored: int = 12,
    paths: Mapping[str, Any] | None = None, keep: tuple[str, ...] = ("panel", "log_probabilities"), name: str = "",
    observed: tuple[str, ...] = ("covariates",),
) -> tuple[Study, ...]:  # fmt: skip
    """Reference, bursts, proxies and laws of one pair, and what is judged on all of them together."""
    # `paths`: the part of the comparison whose laws are judged as covariates; an empty one is all of it, None is none.
    reference = _reference(scouts, n, group=group, explored=explored, keep=keep, observed=observed)
    bursts, proxies = _bursts(scouts, group=burst_group, explored=explored), _proxies(scouts)
    ways = set(PATHS.values()) if paths is not None else set()
    laws = [cell for way, budget, _, cell in compared(scouts, **(paths or {})) if (way, budget) in ways]
    name = name or scouts.folder
    return (
        _study(name, f"{n} retrainings of {kind}: the reference", reference),
        _study(f"{name}-bursts", f"Short restarts from {explored} {kind}", bursts, "explored"),
        _study(f"{name}-proxies", f"Cheap retrainings of narrower {kind}", proxies, "explored"),
        _study(f"{name}-uncertainty", f"u(x) of {kind} from few retrainings, judged by all others",
              (*reference, *bursts, *proxies, *laws), "uncertainty"),
        _study(f"{name}-single", f"u(x) of {kind} from one training and its bursts, by a rule of the other pairs",
              (*reference, *bursts), "single"),
        _study(f"{name}-class", f"What it changes that the class is chosen by one's own {kind}",
              tuple(cell for cell in reference if "log_probabilities" in cell.keep), "own class"),
    )  # fmt: skip


RESNETS = {
    CIFAR10_RESNET: "residual network of half width on CIFAR-10, short schedule",
    CIFAR100_RESNET: "residual network of half width on CIFAR-100, short schedule",
}
# Where a training takes long: fewer methods, budgets and bases, and the yardstick is made of the first networks of the
# reference, which are no method's own. The whole comparisons are "…-methods-full".
FEWEST: dict[str, Any] = {"ways": FEWER_WAYS, "budgets": BUDGETS[:2], "bases": BASES[:1]}
ALL_BUT_DROPOUT = {"ways": tuple(way for way in WAYS if way != "dropout")}  # residual networks have none
COMPARISONS: dict[Cell, tuple[str, dict[str, Any], dict[str, Any]]] = {
    CIFAR10_CNN: ("convolutional network on CIFAR-10, short schedule", FEWEST, {}),
    **{scouts: (kind, FEWEST, ALL_BUT_DROPOUT) for scouts, kind in RESNETS.items()},
}

FAST_PAIRS = (
    (CIFAR10_FAST_CNN, "convolutional networks on CIFAR-10", 32, "cifar10-fast-cnn"),
    (CIFAR10_FAST_RESNET, "residual networks on CIFAR-10", 36, "cifar10-fast-resnet"),
    (CIFAR100_FAST_RESNET, "residual networks on CIFAR-100", 36, "cifar100-fast-resnet"),
    (CIFAR10_WIDE, "wide residual networks on CIFAR-10", 60, "cifar10-wide"),
    (CIFAR100_WIDER, "wide residual networks on CIFAR-100", 36, "cifar100-wide"),
)

# Every run another way of splitting the same sums: (threads, networks trained together).
ARITHMETIC = [(threads, together) for together in (1, 2) for threads in (1, 2, 4, 8)]

STUDIES = {
    study.name: study
    for study in (
        _study("digits-mlp", "A study of seconds, on embedded digits, to try the commands",
              _reference(DIGITS, 16, group=4, explored=4)),
        *_pair(MLP, "perceptrons on MNIST", 128, group=16, burst_group=12, paths={}),
        _study("mnist-mlp-crossed", "8 initialisations × 8 orders of the images", _crossed(MLP, 8), "crossed"),
        _study("mnist-mlp-arithmetic", "One seed under other numbers of threads, for four seeds", tuple(
            _on_test(MLP, "arithmetic", (seed,), runs=ARITHMETIC) for seed in range(4)
        ), "arithmetic"),
        _study("mnist-mlp-branches", "Branches that leave the trunk of one training at several epochs", tuple(
            _on_test(MLP, "branches", (k, k + 1), leaves=[1, 3, 5, 7, 9], branches=3) for k in range(0, 8, 2)
        ), "branches"),
        *_pair(CNN, "convolutional networks on MNIST", 32, group=4, paths={}),
        _study("mnist-mlp-paths", "Lines, curves and triangles of perceptrons", _paths("mlp"), "paths"),
        _study("mnist-cnn-paths", "Lines, curves and triangles of convolutional networks", _paths("cnn"),
              "paths"),
        _study("mnist-triangle-recipe", "How the recipe of the triangle of perceptrons was chosen", _candidates(),
              "candidates"),
        _study("mnist-mlp-settings", "How the settings of the methods were chosen for the perceptron",
              settings_cells(MLP), "settings"),
        _study("mnist-cnn-settings", "How the settings of the methods were chosen for the convolutional network",
              settings_cells(CNN), "settings"),
        _study("mnist-mlp-methods", "Every method at equal cost, perceptron", comparison_cells(MLP, 40), "methods"),
        _study("mnist-cnn-methods", "Every method at equal cost, convolutional network", comparison_cells(CNN, 20),
              "methods"),
        _study("mnist-mlp-volume", "What the weight of the volume does in a grown triangle", volume_cells(MLP),
              "weights"),
        _study("mnist-mlp-cosine", "What the weight of the cosine penalty does in a learned line", cosine_cells(MLP),
              "weights"),
        *_pair(CIFAR10_CNN, "convolutional networks on CIFAR-10, short schedule", 24, group=2, explored=8,
               paths=FEWEST),
        *_pair(CIFAR10_RESNET, "residual networks of half width on CIFAR-10, short schedule", 12, group=2, explored=8,
               paths=FEWEST),
        *_pair(CIFAR100_RESNET, "residual networks of half width on CIFAR-100, short schedule", 12, group=2,
               explored=8, paths=FEWEST, keep=("panel",)),
        *(study
          for scouts, (kind, fewer, whole) in COMPARISONS.items()
          for study in (
              _study(f"{scouts.folder}-methods", f"Methods at equal cost, {kind}",
                    comparison_cells(scouts, 8, first=0, **fewer), "methods"),
              _study(f"{scouts.folder}-methods-full", f"Methods at equal cost, {kind}",
                    comparison_cells(scouts, 12, **whole), "methods"),
          )),
        # What a short schedule and half the width decide is seen beside these; they are no further pair.
        *_pair(CIFAR10_RESNET20, "residual networks on CIFAR-10, full schedule", 16, group=11, burst_group=5,
               explored=5, keep=("panel",), name="cifar10-resnet20")[:4],
        _study("cifar10-resnet20-methods", "Methods at equal cost, residual network on CIFAR-10, full schedule",
              comparison_cells(CIFAR10_RESNET20, 8, **FEWEST), "methods"),
        _study("cifar100-wide-resnet", "Accuracy of wide residual networks on CIFAR-100, full schedule",
              (CIFAR100_WIDE,), "accuracy"),
        *(study
          for scouts, kind, n, name in FAST_PAIRS
          for study in (
              *_pair(scouts, kind, n, group=12, burst_group=12, keep=("panel",), name=name,
                     observed=("covariates", "gradients")),
              _study(f"{name}-methods", f"Methods at equal cost, {kind}",
                    comparison_cells(scouts, 20, first=0, **FEWEST), "methods"),
          )),
        # The retrainings that play the method, again under their seeds: their weights were not kept.
        *(_study(f"{scouts.folder}-geometry", f"Gradient distances of {kind}",
                 _reference(scouts, 12, group=12, observed=("covariates", "gradients")))
          for scouts, kind in ((MLP, "perceptrons on MNIST"), (CNN, "convolutional networks on MNIST"))),
        _study("cifar10-cnn-branches", "Branches that leave the trunk of one training at several epochs, CIFAR-10",
              tuple(_on_test(CIFAR10_CNN, "branches", (k,), leaves=[3, 8, 12], branches=2) for k in range(4)),
              "branches"),
        _study("mnist-cnn-precision", "Whether products in bfloat16 move the results",
              _precision(CNN, 12, "bfloat16", group=4), "precision"),
        _study("cifar10-cnn-precision", "Whether products in bfloat16 move the results on CIFAR-10",
              _precision(CIFAR10_CNN, 6, "float32", group=2), "precision"),
        _study("cifar10-resnet-groupnorm", "Residual networks with group normalisation, beside those with batch's",
              (*_reference(CIFAR10_RESNET, 12, group=2, explored=8), *_grouped(CIFAR10_RESNET, 4)), "control"),
    )
}  # fmt: skip

# In the order in which an accelerator takes them: main pairs, wide networks, methods.
_EXPLORED = ("", "-bursts", "-proxies")
_MAIN = ("cifar10-fast-resnet", "cifar10-fast-cnn", "cifar100-fast-resnet", "cifar10-wide")
QUEUES = {
    "accelerator": (
        *(f"{name}{what}" for name in _MAIN for what in _EXPLORED),
        *(f"{name}-methods" for name in ("cifar10-fast-resnet", "cifar100-fast-resnet", "cifar10-fast-cnn")),
        *(f"cifar100-wide{what}" for what in _EXPLORED),
        "cifar10-wide-methods", "cifar10-resnet20-methods",
    ),
}  # fmt: skip
