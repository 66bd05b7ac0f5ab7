"""Experiments: what each method of a cell does, from trained networks to what is kept of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from lnescape.laws import Members
from lnescape.scores import mean_prediction
from lnescape.study import exploration, laws, paths
from lnescape.study.cells import Cell
from lnescape.study.observation import Observation, observe
from lnescape.study.panel import Panel
from lnescape.study.trained import train, watched
from lnescape.training.descent import State
from lnescape.training.streams import stream_seed


def scouts(cell: Cell, data, panel: Panel, chosen: None) -> Observation:
    """Train a few networks that serve for nothing else; the class of the measurand is what their mean decides."""
    law = train(cell, data, list(cell.seeds))
    chosen = mean_prediction(law.predict(panel.images)).argmax(1).cpu().numpy().astype(np.int16)
    seen = observe(law, data, panel, chosen, keep=())
    for name, array in (("chosen", chosen), ("label", panel.labels.cpu().numpy()), ("part", panel.part)):
        seen.add(name, array.astype(np.int16), "image")
    return seen


def retrainings(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Train one network for each seed, initialisation and order both from it."""
    wanted = "covariates" in cell.keep
    if wanted:
        law, path = watched(cell, data, panel.images[panel.watched], chosen[panel.watched], folder=scratch)
    else:
        law, path = train(cell, data, list(cell.seeds)), None
    seen = observe(law, data, panel, chosen, keep=cell.keep, path=path)
    seen.add("seed", np.array(cell.seeds), "retraining")
    return seen


def crossed(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train every initialisation (the cell's seeds) under every order of the images (`settings["orders"]`)."""
    orders = list(cell.settings["orders"])
    pairs = [(first, order) for first in cell.seeds for order in orders]
    law = train(cell, data, [order for _, order in pairs], initialisations=[first for first, _ in pairs])
    seen = observe(law, data, panel, chosen, keep=cell.keep)
    for name, values in zip(("initialisation", "order"), zip(*pairs, strict=True), strict=True):
        seen.add(name, np.array(values), "retraining")
    return seen


def arithmetic(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train one seed again and again, in another order of arithmetic each time: (threads, networks together)."""
    # Both decide how sums are split, and nothing else.
    (seed,), runs = cell.seeds, list(cell.settings["runs"])
    parts = []
    for threads, together in runs:
        with threads_of(threads):
            law = train(cell, data, [seed, *range(seed + 1, seed + together)])
        parts.append(law.thetas[:1])
    law = Members(law.net, torch.cat(parts), seeds=(seed,) * len(runs), normalisation_images=law.normalisation_images)
    seen = observe(law, data, panel, chosen, keep=cell.keep)
    for name, values in zip(("threads", "together"), zip(*runs, strict=True), strict=True):
        seen.add(name, np.array(values), "retraining")
    # Runs that share a number here ended with the same bits.
    bits = {row.numpy().tobytes(): number for number, row in reversed(list(enumerate(law.thetas.cpu())))}
    seen.add("same_bits_as", np.array([bits[row.numpy().tobytes()] for row in law.thetas.cpu()]), "retraining")
    return seen


def branches(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train trunks (the cell's seeds) and, from each, branches that leave after some epochs (`settings["leaves"]`)."""
    # A branch has its trunk's weights and velocities, and from there on an order of the images of its own.
    leaves, n = list(cell.settings["leaves"]), cell.settings["branches"]
    states: dict[int, list[State]] = {epoch: [] for epoch in leaves}

    def watch(state: State) -> None:
        if state.epoch in states:
            states[state.epoch].append(state.branched(1))

    train(cell, data, list(cell.seeds), on_epoch=watch)
    parts, labels = [], []
    for epoch in leaves:
        trunk = State.joined(states[epoch])
        rows = [(seed, epoch, branch) for seed in cell.seeds for branch in range(n)]
        orders = [stream_seed(seed, epoch, f"branch {branch}") for seed, _, branch in rows]
        parts.append(train(cell, data, orders, initialisations=[row[0] for row in rows], start=trunk.branched(n)))
        labels += rows
    law = Members(
        parts[0].net, torch.cat([part.thetas for part in parts]), seeds=tuple(range(len(labels))),
        normalisation_images=parts[0].normalisation_images,
    )  # fmt: skip
    seen = observe(law, data, panel, chosen, keep=cell.keep)
    for name, values in zip(("trunk", "leaves", "branch"), zip(*labels, strict=True), strict=True):
        seen.add(name, np.array(values), "retraining")
    return seen


EXPERIMENTS: dict[str, Callable[..., Observation]] = {
    "scouts": scouts,
    "retrainings": retrainings,
    "crossed": crossed,
    "arithmetic": arithmetic,
    "branches": branches,
    "ensemble": paths.ensemble,
    "pair": paths.pair,
    "triangle": paths.triangle,
    "bursts": exploration.bursts,
    "proxies": exploration.proxies,
    "law": laws.law,
    "yardstick": laws.yardstick,
}


def trainings(cell: Cell) -> float:
    """Count what a cell costs, in trainings.

    Args:
        cell: The cell.

    Returns:
        Plain trainings of its network, of equal floating-point operations.

    Example:
        >>> from lnescape.study.catalogue import study_named
        >>> round(sum(map(trainings, study_named("mnist-mlp-branches").cells)), 2)
        73.0
    """
    n, epochs = float(len(cell.seeds)), cell.recipe.epochs
    if cell.method == "crossed":
        return n * len(cell.settings["orders"])
    if cell.method == "arithmetic":
        return float(sum(together for _, together in cell.settings["runs"]))
    if cell.method == "branches":
        return n * (1 + cell.settings["branches"] * sum(1 - epoch / epochs for epoch in cell.settings["leaves"]))
    if cell.method == "law":
        return float(cell.settings["budget"])
    if cell.method == "bursts":
        return n * (1 + cell.settings["n"] * cell.settings["epochs"] / epochs)
    return 3.0 if cell.method == "pair" else n


@contextmanager
def threads_of(n: int) -> Iterator[None]:
    """Compute with so many threads, and leave torch as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
