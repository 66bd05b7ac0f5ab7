"""How long a study will take on this machine: a few steps measured, the rest counted."""

from dataclasses import replace
from time import perf_counter

import torch

from lnescape.study.cells import KINDS, Cell, trainings
from lnescape.study.experiments import threads_of
from lnescape.study.panel import data_and_panel
from lnescape.training import Prepared, count_operations
from lnescape.training.runs import train_group

START = 5.0  # s until a worker has imported torch and loaded its data; measured on two cores
_STEPS = 8


def expected_seconds(cells: list[Cell], *, workers: int, device: torch.device | str = "cpu") -> float:
    """Expect the wall time of some cells, from a few measured steps of each network and recipe among them.

    Args:
        cells: What is to be computed.
        workers: Processes that compute side by side.
        device: Where.

    Returns:
        Seconds; right within a factor of two on a machine that is otherwise quiet. On an accelerator it is an upper
        bound: each measurement captures its step anew.
    """
    if not cells:
        return 0.0
    measured: dict[tuple, float] = {}
    scouts, busy = 0.0, [0.0] * workers
    for cell in cells:
        key = (cell.data, cell.network, str(cell.options), cell.recipe, KINDS[cell.method].together(cell))
        if key not in measured:
            measured[key] = _seconds_a_training(cell, str(device))
        seconds = (trainings(cell) + _watching(cell)) * measured[key]
        if cell.method == "scouts":  # the others wait for them
            scouts += seconds
        else:  # the next cell goes to the worker that is free first
            busy[busy.index(min(busy))] += seconds
    return START + scouts + max(busy)


def _seconds_a_training(cell: Cell, device: str) -> float:
    """Measure some steps of a training, in the groups and with the threads that the cell will have."""
    data, _ = data_and_panel(cell.data, device)
    net = cell.builder(data)
    some = replace(data, train=data.train.subset(slice(0, _STEPS * cell.recipe.batch)))
    prepared = Prepared.of(net, some, replace(cell.recipe, epochs=1), device=device, measure=False)
    spent, n_trained = 0.0, 0
    for threads, n in cell.settings.get("runs", [(1, KINDS[cell.method].together(cell))]):
        at_once = prepared.together(n)
        with threads_of(threads):
            for _ in range(2):  # the first one warms up
                start = perf_counter()
                train_group(prepared, list(range(at_once)))
                seconds = perf_counter() - start
        spent, n_trained = spent + seconds, n_trained + at_once
    n_steps = cell.recipe.epochs * (len(data.train) // cell.recipe.batch)
    return spent / n_trained / len(some.train) * cell.recipe.batch * n_steps


def _watching(cell: Cell) -> float:
    """Count the forward passes that a cell's observations take, in trainings."""
    (data, panel), kind = data_and_panel(cell.data, "cpu"), KINDS[cell.method]
    step = count_operations(cell.builder(data), data.train.images[0], data.n_classes)
    n_images = len(data.evaluation) + len(panel.images) + kind.surveyed
    if "covariates" in cell.keep:
        n_images += len(panel.watched) * (8 + 8 + 2 + cell.recipe.epochs) + 10_000
    one = n_images * step.forward / step.training(cell.recipe, len(data.train))
    return one * (kind.observed or kind.together)(cell)
