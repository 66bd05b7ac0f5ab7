"""`run_study`: compute what a study lacks, on any executor, and store it cell by cell."""

import math
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import torch

from lnescape.results import list_results, load_result, provenance, save_result
from lnescape.study.catalogue import study_named
from lnescape.study.cells import Cell, Study, StudyError
from lnescape.study.experiments import threads_of, trainings
from lnescape.study.store import CellStore
from lnescape.study.work import Outcome, compute, leave_with


class Here(Executor):
    """An executor that works in this process: for an accelerator, one core, or a debugger."""

    def submit(self, fn: Callable, /, *args, **kwargs) -> Future:
        """Call at once; the future that is returned is done."""
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def pool(workers: int) -> Executor:
    """Make the default executor: processes with one thread each, gone when this one is, or this process alone."""
    # Networks that batch do so inside a cell, so that many processes pay: two of one thread each beat one of two,
    # since their products stay in the caches of their own cores.
    if workers == 1:
        return Here()
    context = multiprocessing.get_context("spawn")
    # Huge pages, read by torch when a process starts: images are gathered at random from hundreds of megabytes.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=leave_with, initargs=(os.getpid(),))


def cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # absent outside Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def usual_workers(device: torch.device | str) -> int:
    """Count the processes of the default executor: one for each core, one on an accelerator."""
    return cores() if torch.device(device).type == "cpu" else 1


def run_study(
    study: str | Study,
    *,
    limit: int | None = None,
    device: torch.device | str = "cpu",
    executor: Executor | None = None,
    workers: int | None = None,
    folder: Path | str | None = None,
    progress: bool = True,
) -> dict[str, str]:
    """Compute the cells that a study lacks; killed and called again, it goes on where it was.

    Each result is stored as soon as it is there. Two processes may run the same study at once: each cell is claimed
    by one of them. A cell that fails is recorded with its error, and the others go on.

    Args:
        study: Its name, or the study.
        limit: Compute at most so many cells.
        device: Where to compute.
        executor: Any `concurrent.futures.Executor`, such as that of a Dask client; processes of this machine unless
            given. Its workers must find the data sets as this process does.
        workers: Processes of the default executor; one for each core, and one on an accelerator, unless given.
        folder: Where the cells are stored; `report/results/DATA-NETWORK` unless given.
        progress: Show a bar with the time left.

    Returns:
        {cell: error} of the cells that failed, in this run or before.

    Raises:
        StudyError: The store can't be used, or is full.
    """
    study = study_named(study) if isinstance(study, str) else study
    if limit is not None and limit < 1:
        raise StudyError(f"limit={limit} leaves nothing to compute; give a whole number from 1 on, or none.")
    store = CellStore(study, folder)
    store.check(writing=True)
    workers = workers or usual_workers(device)
    todo = store.missing()[:limit]
    session = _Session(store, list(todo), str(device), executor, max(1, min(workers, len(todo))))
    rate = matrix_rate(device) if executor is None and todo else None
    start = perf_counter()
    with _bar(todo, progress) as bar:
        session.work(bar)
    if rate is not None:
        _keep_throughput(store, session.operations, perf_counter() - start, rate)
    return store.failures()


def matrix_rate(device: torch.device | str = "cpu") -> float:
    """Measure the rate of large float32 products on all cores.

    Args:
        device: Where.

    Returns:
        Floating-point operations a second, median of seven products of 2048 × 2048 matrices.
    """
    a, b = torch.full((2, 2048, 2048), 0.5, device=device)
    seconds = []
    with threads_of(cores()):
        for _ in range(8):
            start = perf_counter()
            (a @ b)[0, 0].item()  # wait for an accelerator
            seconds.append(perf_counter() - start)
    return 2 * 2048**3 / median(seconds[1:])


def _keep_throughput(store: CellStore, operations: float, seconds: float, rate: float) -> None:
    """Store how fast a run was, end to end; of several runs the one that computed most is kept."""
    name = f"run-{store.study.name}"
    if name in list_results(folder=store.folder):
        before = load_result(name, folder=store.folder).numbers["operations"]
        if before >= operations:
            return
    numbers = {"operations": operations, "seconds": seconds, "matrix_rate": rate}
    numbers["share_of_matrix_rate"] = operations / seconds / rate
    origin = provenance(command=store.study.command, seed=None, data=None, n=None, seconds=round(seconds, 1))
    save_result(name, numbers=numbers, provenance=origin, folder=store.folder)


class _Session:
    """One run: which cells wait, which are on their way, and who computes them."""

    def __init__(self, store: CellStore, todo: list[Cell], device: str, executor: Executor | None, workers: int):
        self.store, self.todo, self.device = store, todo, device
        self.given, self.workers = executor, workers
        self.executor = executor
        # With a foreign executor, enough to keep many workers busy; else no more than ours can take, so that a second
        # process finds cells to claim.
        self.room = workers if executor is None else 64
        self.flying: dict[Future, tuple[Cell, object]] = {}
        self.deaths: Counter[Cell] = Counter()
        self.dead: set[Cell] = set()  # failed here: not tried again in this run
        self.operations = 0.0

    def work(self, bar) -> None:
        try:
            while self.todo or self.flying:
                self._submit()
                if not self.flying:
                    self.todo = [cell for cell in self.todo if not self._settled(cell, bar)]
                    if self.todo:
                        sleep(0.3)  # all that is left is being computed by another process
                    continue
                done, _ = wait(self.flying, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    self._land(future, bar)
                if sys.stderr.isatty():
                    bar.refresh()  # so that one sees the time go by
        finally:
            for _, lock in self.flying.values():
                lock.release()
            if self.given is None and self.executor is not None:
                self.executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self) -> None:
        for cell in list(self.todo):
            if len(self.flying) >= self.room:
                return
            scouts = cell.scouts
            if scouts is not None and not self.store.has(scouts):
                continue
            lock = self.store.claim(cell)
            if lock is None:
                continue
            self.todo.remove(cell)
            if self.executor is None:
                self.executor = pool(self.workers)
            chosen = None if scouts is None else self.store.load(scouts).arrays["chosen"]
            job = {"command": self.store.study.command, "device": self.device}
            self.flying[self.executor.submit(compute, cell, chosen, **job)] = (cell, lock)

    def _settled(self, cell: Cell, bar) -> bool:
        """Tell whether a waiting cell needs no more work: done elsewhere, or its scouts failed."""
        if self.store.has(cell):
            bar.update(trainings(cell))
            return True
        scouts = cell.scouts
        return scouts is not None and not self.store.has(scouts) and (scouts in self.dead or scouts not in self.todo)

    def _land(self, future: Future, bar) -> None:
        cell, lock = self.flying.pop(future)
        try:
            outcome: Outcome = future.result()
            self.store.save(cell, outcome.numbers, outcome.arrays, outcome.provenance)
            self.operations += outcome.provenance["operations"]
        except StudyError as error:
            if self.store.has(cell) or not future.exception():
                raise  # the store's own: full, or not to be written
            self._failed(cell, str(error))
        except BrokenProcessPool:
            self._process_died(cell)
        except Exception as error:
            self._failed(cell, f"{type(error).__name__}: {error}")
        finally:
            lock.release()
        bar.update(trainings(cell))

    def _failed(self, cell: Cell, error: str) -> None:
        self.dead.add(cell)
        self.store.fail(cell, error)

    def _process_died(self, cell: Cell) -> None:
        """Try the cell once more in new processes: it may have been another cell that took the pool down."""
        if self.given is None:
            self.executor = None
        self.deaths[cell] += 1
        if self.deaths[cell] == 1 and self.given is None:
            self.todo.insert(0, cell)
        else:
            self._failed(cell, "The process that computed it died; memory may be short: fewer workers need less.")


def _bar(todo: list[Cell], progress: bool):
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} trainings, {elapsed} so far, about {remaining} left"
    total = math.fsum(map(trainings, todo))
    return tqdm(total=total, desc="study", bar_format=form, disable=not progress, smoothing=0.1)

