"""Take what the studies of the queue lack, in a fixed order, and stop in time, on an accelerator that is lent.

Run from the root of the clone: `python -m report.studies.queue --minutes 9 --device cuda`.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from lnescape.study.cells import Cell, Study, trainings
from lnescape.study.running import InlineExecutor, run_study
from lnescape.study.store import CellStore
from report.studies.catalogue import QUEUE, STUDIES


def run_queue(studies: Iterable[Study], *, minutes: float, device: str, folder: Path | None = None) -> None:
    """Compute the missing cells of some studies one after another, until the time is used up."""
    # A cell begins only where it is expected to end in time, by the seconds for a training that its like took before.
    end, waiting = perf_counter() + 60 * minutes, 0
    pace: dict[tuple, float] = {}  # seconds for a training
    seen: set[Cell] = set()
    for study in studies:
        store = CellStore(study, folder and folder / study.folder)
        for cell in [cell for cell in store.missing() if cell not in seen]:
            seen.add(cell)
            start, n = perf_counter(), trainings(cell)
            if start + n * pace.get(_kind(cell), 0.0) > end or (cell.scouts and not store.has(cell.scouts)):
                waiting += 1
                continue
            alone = replace(study, cells=(cell,))
            how = {"device": device, "executor": InlineExecutor(), "folder": store.folder, "progress": False}
            outcome = run_study(alone, **how).get(cell.name, "stored")
            seconds = perf_counter() - start
            pace[_kind(cell)] = max(pace.get(_kind(cell), 0.0), seconds / n)
            print(f"{seconds:7.1f} s  {n:6.1f} trainings  {study.name:28} {cell.name:28} {outcome}")
    print(f"{waiting} missing cells are waiting; the same command goes on.")


def _kind(cell: Cell) -> tuple:
    """Say which cells take about the same time for each of their trainings."""
    return cell.method, cell.data, cell.network, str(cell.options), cell.recipe.precision


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--folder", type=Path, help="in place of report/results")
    run_queue([STUDIES[study] for study in QUEUE], **vars(parser.parse_args()))
