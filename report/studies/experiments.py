"""The methods of cells that the report adds to scouts and retrainings."""

from collections.abc import Mapping
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
import torch

from lnescape.laws import Members
from lnescape.methods import METHODS
from lnescape.study.cells import Cell, Kind, StudyError, check_known, register
from lnescape.study.experiments import threads_of
from lnescape.study.observation import Observation, observe
from lnescape.study.panel import Panel
from lnescape.study.trained import train
from lnescape.training.descent import State
from lnescape.training.streams import stream_seed
from report.studies import exploration, laws, paths


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


def _check_law(settings: Mapping[str, Any]) -> None:
    """Refuse a law that its method could not make."""
    check_known(settings["method"], METHODS, "way to a law")
    if not isinstance(budget := settings["budget"], Real) or not 0 < budget < float("inf"):
        raise StudyError(f"budget={budget!r} is no number of trainings; give one above 0, such as 1.5.")
    fixed = ("net", "data", "budget", "runs", "options")
    own = [name for name in signature(METHODS[settings["method"]]).parameters if name not in fixed]
    for name in settings.get("options", {}):
        check_known(name, own, f"option of {settings['method']!r}")



def _crossed(cell: Cell) -> int:
    return len(cell.seeds) * len(cell.settings["orders"])


def _rerun(cell: Cell) -> int:
    return sum(together for _, together in cell.settings["runs"])


def _branched(cell: Cell) -> float:
    parts = sum(1 - epoch / cell.recipe.epochs for epoch in cell.settings["leaves"])
    return len(cell.seeds) * (1 + cell.settings["branches"] * parts)


def _at_once(cell: Cell) -> int:
    return len(cell.seeds) * cell.settings["branches"]


def _burst(cell: Cell) -> float:
    return len(cell.seeds) * (1 + cell.settings["n"] * cell.settings["epochs"] / cell.recipe.epochs)


def _bursts(cell: Cell) -> int:
    return len(cell.seeds) * cell.settings["n"]


def _three(cell: Cell) -> float:
    return 3.0


def _one(cell: Cell) -> int:
    return 1


def _budget(cell: Cell) -> float:
    return cell.settings["budget"]


def _as_law(cell: Cell, found: dict) -> dict:
    """Say along the axis of laws which cell each is of, how it was made and at which budget."""
    words = {"cell": cell.name, "method": cell.settings["method"], "budget": cell.settings["budget"]}
    return found | {name: (("law",), np.array([word])) for name, word in words.items()}


def _as_yardstick(cell: Cell, found: dict) -> dict:
    return {f"ensemble_{name}": own for name, own in found.items()}


# Images that surveys pass forward: points of the paths × images of the split, and networks drawn from them.
_OBSERVED: dict[str, Any] = {"scouts": True, "keep": ("panel", "test", "log_probabilities")}
for _method, _kind in {
    "crossed": Kind(experiment=crossed, settings=("orders",), trainings=_crossed, together=_crossed, **_OBSERVED),
    "arithmetic": Kind(
        experiment=arithmetic, settings=("runs",), n_seeds=1, trainings=_rerun, together=_one, **_OBSERVED
    ),
    "branches": Kind(
        experiment=branches, settings=("leaves", "branches"), trainings=_branched, together=_at_once,
        observed=_branched, **_OBSERVED,
    ),
    "ensemble": Kind(experiment=paths.ensemble),
    "pair": Kind(
        experiment=paths.pair, n_seeds=2, trainings=_three, together=_one, surveyed=4 * 31 * 10_000 + 200_000
    ),
    "triangle": Kind(
        experiment=paths.triangle, optional=("cosine_weight",), n_seeds=1, together=_one, surveyed=400_000
    ),
    "law": Kind(
        experiment=laws.law, settings=("method", "budget"), optional=("options",), n_seeds=1, scouts=True, shares=True,
        trainings=_budget, together=_one, surveyed=30 * 23_000, check=_check_law, read=_as_law,
    ),
    "yardstick": Kind(experiment=laws.yardstick, shares=True, read=_as_yardstick),
    "bursts": Kind(
        experiment=exploration.bursts, settings=("n", "epochs", "rate"), scouts=True, shares=True, explores=True,
        trainings=_burst, observed=_bursts,
    ),
    "proxies": Kind(experiment=exploration.proxies, scouts=True, explores=True),
}.items():  # fmt: skip
    register(_method, _kind)
