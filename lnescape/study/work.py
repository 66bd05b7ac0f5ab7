"""What a worker does with one cell, wherever it runs: this process, another one, another machine."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from lnescape.results import provenance
from lnescape.study.cells import Cell, Kind, register
from lnescape.study.experiments import threads_of
from lnescape.study.panel import data_and_panel
from lnescape.training import count_operations

# Threads of one process share torch's number of threads and the generator that builders draw from: one at a time.
_ALONE = threading.Lock()


@dataclass
class Outcome:
    """What a worker sends back.

    Args:
        numbers: Names of the arrays' axes.
        arrays: The arrays.
        provenance: Where they come from, this machine included.
    """

    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray]
    provenance: dict[str, Any]


def compute(
    cell: Cell,
    chosen: np.ndarray | None,
    *,
    kind: Kind,
    command: str,
    device: str = "cpu",
    scratch: str | None = None,
) -> Outcome:
    """Compute one cell.

    On a CPU it computes with one thread, whatever the machine has: small networks are fastest so, other cells use
    the other cores, and the bits do not depend on how many there are.

    Args:
        cell: What to compute.
        chosen: Class of the measurand for each image of the panel; None for scouts.
        kind: Of its method; it comes with the cell, so that a worker imports what it needs.
        command: What to type to make the study again.
        device: Where to compute.
        scratch: Folder for trainings that several cells begin with; a cell that is killed goes on from there, too.

    Returns:
        Arrays, their axes and their provenance.
    """
    register(cell.method, kind)
    with _ALONE, threads_of(1):
        data, panel = data_and_panel(cell.data, device)
        start = perf_counter()
        more = {"scratch": Path(scratch)} if scratch is not None and kind.shares else {}
        seen = kind.experiment(cell, data, panel, chosen, **more)
        seconds = perf_counter() - start
        n = float(kind.trainings(cell))
        step = count_operations(cell.builder(data), data.train.images[0], data.n_classes, cell.recipe.loss)
        origin = provenance(
            command=command,
            seed=cell.seeds,
            data=data,
            n=len(cell.seeds),
            cost=n,
            seconds=round(seconds, 2),
            recipe=cell.recipe.describe(),
            cell=cell.content(),
            operations=n * step.training(cell.recipe, len(data.train)),
        )
    return Outcome({"axes": {name: list(axes) for name, axes in seen.axes.items()}}, seen.arrays, origin)


def leave_with(parent: int) -> None:
    """End this process when its parent is gone, as a pool's processes otherwise wait for ever after a SIGKILL.

    Args:
        parent: Number of the parent process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
