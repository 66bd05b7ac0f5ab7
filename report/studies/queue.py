"""Take what the studies of a queue lack, in a fixed order, and stop in time, on an accelerator that is lent.

Run from the root of the clone: `python -m report.studies.queue accelerator --minutes 9 --device cuda`.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch

from lnescape.results import results_folder
from lnescape.study.cells import Cell, Study, StudyError, trainings
from lnescape.study.running import InlineExecutor, run_study
from lnescape.study.store import CellStore
from report.studies.catalogue import QUEUES, STUDIES


@dataclass(frozen=True)
class Step:
    """One cell of a queue: what became of it and how long it took, in seconds."""

    study: str
    cell: str
    trainings: float
    outcome: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s  {self.trainings:6.1f} trainings  {self.study:28} {self.cell:28} {self.outcome}"


def run_queue(
    studies: Iterable[Study], *, minutes: float, device: torch.device | str = "cuda", folder: Path | str, on_step=print
) -> list[Step]:
    """Compute the missing cells of some studies one after another, until the time is used up."""
    if not minutes > 0:
        raise StudyError(f"minutes={minutes!r} leave no time; give some, such as 9.")
    # A cell begins only where it is expected to end in time, by the seconds for a training that its like took before.
    start, seen = perf_counter(), set()
    steps: list[Step] = []
    pace: dict[tuple, float] = {}  # the longest seconds for a training, of each kind of cell
    for study in studies:
        for cell in study.cells:
            if cell in seen:
                continue
            seen.add(cell)
            place, n = Path(folder) / study.folder, trainings(cell)
            alone = replace(study, cells=(cell,))
            store = CellStore(alone, place)
            left = 60 * minutes - (perf_counter() - start)
            if store.has(cell):
                continue
            if left < 0 or n * pace.get(_kind(cell), 0.0) > left or (cell.scouts and not store.has(cell.scouts)):
                step = Step(study.name, cell.name, n, "waiting")
            else:
                before = perf_counter()
                failed = run_study(alone, device=device, executor=InlineExecutor(), folder=place, progress=False)
                seconds = perf_counter() - before
                step = Step(study.name, cell.name, n, failed.get(cell.name, "stored"), round(seconds, 1))
                pace[_kind(cell)] = max(pace.get(_kind(cell), 0.0), seconds / n)
            steps.append(step)
            on_step(step)
    return steps


def _kind(cell: Cell) -> tuple:
    """Say which cells take about the same time for each of their trainings."""
    return cell.method, cell.data, cell.network, str(cell.options), cell.recipe.precision


def main() -> None:
    """Run a queue from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(QUEUES))
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--folder", type=Path, default=results_folder())
    options = vars(parser.parse_args())
    steps = run_queue([STUDIES[study] for study in QUEUES[options.pop("name")]], **options)
    waiting = sum(step.outcome == "waiting" for step in steps)
    print(f"{waiting} of {len(steps)} missing cells are waiting; the same command goes on.")


if __name__ == "__main__":
    main()
