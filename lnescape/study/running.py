"""`run_study`: compute missing cells of a study on any executor and store each."""

import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from time import perf_counter, sleep
from typing import Any

import numpy as np
import torch

from lnescape.checks import checked_device, instance, whole
from lnescape.data import Dataset
from lnescape.networks import NETWORKS
from lnescape.progress import bar
from lnescape.results import Result, provenance
from lnescape.results.kept import cores
from lnescape.study.cells import KINDS, Cell, Kind, Study, StudyError, checked, plain_copy, register, trainings
from lnescape.study.observation import data_and_panel
from lnescape.study.retrainings import threads_of
from lnescape.study.store import CellStore, study_named
from lnescape.training import Prepared, count_operations
from lnescape.training.descent import fingerprint
from lnescape.training.prepared import check_builder
from lnescape.training.runs import leave_with, train_group
from lnescape.weights import identity

# Threads of one process share torch's number of threads and the generator that builders draw from: one at a time.
_ALONE = threading.Lock()


def compute(cell: Cell, chosen: np.ndarray | None, *, kind: Kind, command: str, device: str, scratch: str) -> Result:
    """Compute one cell; return its result with provenance."""
    register(cell.method, kind)  # it comes with the cell, so that a worker imports its module
    # One thread on a CPU, whatever the machine has: small networks are fastest so, other cells use the other cores, and
    # the bits don't depend on how many there are.
    with _ALONE, threads_of(1), bar(0, "cell", "", show=False):  # the bar of the study is enough
        data, panel = data_and_panel(cell.data, device)
        start = perf_counter()
        more = {"scratch": Path(scratch)} if kind.shares else {}
        seen = kind.experiment(cell, data, panel, chosen, **more)
        seconds = perf_counter() - start
        n = float(kind.trainings(cell))
        origin = provenance(
            command=command, seed=cell.seeds, data=data, n=len(cell.seeds), cost=n, seconds=round(seconds, 2),
            recipe=cell.recipe.describe(), cell=cell.content(), **_traits(cell, data, n=n),
        )  # fmt: skip
    return Result(cell.name, {"axes": seen.axes_by_name()}, seen.arrays, origin)


def _traits(cell: Cell, data: Dataset, *, n: float) -> dict[str, Any]:
    """Return fingerprints that reveal a network or data changed under their name, and the operations of n trainings."""
    known: dict[str, Any] = {"loss": cell.recipe.loss, "targets": data.train.targets[:2]}
    template = check_builder(cell.builder(data), data)
    step = count_operations(template.fresh(), data.train.images[0], data.n_classes, **known)
    return {
        "operations": n * step.training(cell.recipe, len(data.train)),
        "function": fingerprint(identity(template.fresh(), data.train.images[:8], training=False)),
        "trained_on": data.training_checksum,
    }


@contextmanager
def _unreached() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: this one stops them, and their tracebacks would be of no use."""
    windows = not hasattr(signal, "pthread_sigmask")
    if windows or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which they inherit; here it waits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class InlineExecutor(Executor):
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
        return InlineExecutor()
    context = multiprocessing.get_context("spawn")
    # Huge pages, read by torch when a process starts: images are gathered at random from hundreds of megabytes.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    return futures.ProcessPoolExecutor(workers, mp_context=context, initializer=leave_with, initargs=(os.getpid(),))


def usual_workers(device: torch.device | str) -> int:
    """Count the processes of the default executor: one for each core, one on an accelerator."""
    return cores() if torch.device(device).type == "cpu" else 1


def run_study(
    study: str | Study, *, limit: int | None = None, device: torch.device | str = "cpu",
    executor: Executor | None = None, workers: int | None = None, folder: Path | str | None = None,
    progress: bool = True,
) -> dict[str, str]:  # fmt: skip
    """Compute the missing cells of a study; a killed call resumes where it stopped.

    Each result is stored when it is ready. Two processes may run the same study at once: one of them claims each
    cell. A cell that fails is recorded with its error, and the others go on.

    Args:
        study: Its name, or the study.
        limit: Largest number of cells to compute.
        device: Device to compute on.
        executor: Any `concurrent.futures.Executor` whose workers find the data sets; this machine's processes if None.
        workers: Processes of the default executor; one for each core, and one on an accelerator, unless given.
        folder: Where the cells are stored; `report/results/DATA-NETWORK` unless given.
        progress: Show a bar with the time left.

    Returns:
        {cell: error} of the cells that failed, in this run or before; the first is printed as well.

    Raises:
        StudyError: The store, the device or the executor can't be used, or a script lacks `if __name__ == "__main__"`.
    """
    study = study_named(study)
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that runs the script again
        raise StudyError("Each process runs the script that starts it: put run_study under if __name__ == '__main__'.")
    if limit is not None:
        limit = whole(limit, f"limit={limit} leaves nothing to compute: limit", least=1, error=StudyError)
    if workers is not None:
        workers = whole(workers, "workers", least=1, error=StudyError)
    if executor is not None:
        instance(executor, Executor, "executor", "pass a concurrent.futures.Executor", error=StudyError)
    device = checked(lambda: checked_device(device))
    store = CellStore(study, folder)
    store.check(writing=True)
    workers = workers or usual_workers(device)
    todo = store.missing()[:limit]
    for cell in {(cell.data, cell.network, str(cell.options)): cell for cell in todo if executor is None}.values():
        _check_network(cell)
        _check_unchanged(cell, store)
    session = _Session(store, todo, str(device), executor, max(1, min(workers, len(todo))))
    with bar(math.fsum(map(trainings, todo)), "study", "trainings", show=progress, stay=True) as shown:
        session.work(shown)
    failed = store.failures()
    if failed and progress:
        name, error = next(iter(failed.items()))
        print(f"{len(failed)} of {len(study.cells)} cells failed. The first, {name}: {error}", file=sys.stderr)
    return failed


def _check_network(cell: Cell) -> None:
    """Raise unless the network of a cell is a function of image shape and number of classes, with its options."""
    try:
        make = resolve_name(cell.network) if ":" in cell.network else NETWORKS[cell.network]
        signature(make).bind((1, 28, 28), 10, **cell.options)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        what = f"The network {cell.network!r} can't be built ({type(error).__name__}: {error})"
        raise StudyError(f"{what}; name a function (image_shape, n_classes, **options) of a module.") from error


def _check_unchanged(cell: Cell, store: CellStore) -> None:
    """Raise, before any work, where a user's data or network were changed after a cell was stored."""
    # Data and networks of the library don't change, and may be large.
    if ":" not in cell.data + cell.network or not store.has_read(cell.data):
        return
    try:
        data, _ = data_and_panel(cell.data, "cpu")
        origin = {"data": {"checksum": data.checksum}, "cost": 1, **_traits(cell, data, n=1)}
    except Exception:  # the cell's own computation reports it
        return
    store.check_same(cell, origin)


class _Session:
    """One run: which cells wait, which are on their way, and who computes them."""

    def __init__(self, store: CellStore, todo: list[Cell], device: str, executor: Executor | None, workers: int):
        self.store, self.todo, self.device, self.workers = store, todo, device, workers
        self.given, self.executor = executor, executor
        # With a foreign executor, enough to keep many workers busy; else no more than ours can take, so that a second
        # process finds cells to claim.
        self.room = workers if executor is None else 64
        self.flying: dict[Future, tuple[Cell, Any]] = {}
        self.suspects: list[Cell] = []  # on their way when a process died: tried again, each alone
        self.alone: Cell | None = None  # a suspect on its way: no other cell is sent before it lands
        self.lost: set[Cell] = set()  # failed in this run: not tried again

    def work(self, shown) -> None:
        """Compute all cells, and wait for those that other processes compute."""
        try:
            while self.todo or self.flying or self.suspects:
                self._submit()
                if self.flying:
                    done, _ = futures.wait(self.flying, timeout=1.0, return_when=futures.FIRST_COMPLETED)
                    for future in done:
                        self._land(future, shown)
                else:
                    self.todo = [cell for cell in self.todo if not self._settled(cell, shown)]
                    shown.set_description("study, waiting for another process" if self.todo else "study")
                    sleep(0.3 if self.todo else 0)
                if sys.stderr.isatty():
                    shown.refresh()  # so that one sees the time go by
        except BaseException:
            self._abandon()
            raise
        if self.given is None and self.executor is not None:
            self.executor.shutdown()

    def _submit(self) -> None:
        """Submit as many cells as there is room for."""
        if self.suspects or self.alone:
            if not self.flying:
                cell = self.suspects.pop()
                if self._send(cell):
                    self.alone = cell
                else:
                    self.todo.append(cell)
            return
        for cell in list(self.todo):
            if len(self.flying) >= self.room:
                return
            if (cell.scouts is None or self.store.has(cell.scouts)) and self._send(cell):
                self.todo.remove(cell)

    def _send(self, cell: Cell) -> bool:
        """Claim a cell and hand it to the executor; False where another process has it."""
        lock = self.store.claim(cell)
        if lock is None:
            return False
        try:
            if self.executor is None:
                self.executor = pool(self.workers)
            chosen = None if cell.scouts is None else self.store.load(cell.scouts).arrays["chosen"]
            job: dict[str, Any] = {"kind": KINDS[cell.method], "command": self.store.study.command}
            job |= {"device": self.device, "scratch": str(self.store.folder / ".trainings")}
            with _unreached() if isinstance(self.executor, futures.ProcessPoolExecutor) else nullcontext():
                future = self.executor.submit(compute, cell, chosen, **job)
        except BaseException as error:
            lock.release()
            gone = futures.BrokenExecutor if self.given is None else RuntimeError  # shut down: a mere RuntimeError
            if not isinstance(error, gone):
                raise
            self._replace_executor()
            return False
        self.flying[future] = (cell, lock)
        return True

    def _settled(self, cell: Cell, shown) -> bool:
        """Return whether a waiting cell needs no more work: done elsewhere, or its scouts failed."""
        if self.store.has(cell):
            shown.update(trainings(cell))
            return True
        scouts = cell.scouts
        return scouts is not None and not self.store.has(scouts) and (scouts in self.lost or scouts not in self.todo)

    def _land(self, future: Future, shown) -> None:
        """Store a worker's result, or the reason for its failure."""
        cell, lock = self.flying.pop(future)
        alone, self.alone = cell == self.alone, None
        try:
            error = ""
            try:
                outcome: Result = future.result()
                if outcome.provenance["cell"] != plain_copy(cell.content()):
                    error = "The worker's code differs from this process's; use the same version in both."
            except (futures.BrokenExecutor, futures.CancelledError):
                self._replace_executor()
                if not alone:
                    self.suspects.append(cell)
                    return
                error = (
                    "The process that computed it died, alone as it was: memory may be short, or a script starts "
                    "processes outside of if __name__ == '__main__'."
                )
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
            if error:
                self.lost.add(cell)
                self.store.fail(cell, error)
            else:
                self.store.save(cell, outcome)
        finally:
            lock.release()
        shown.update(trainings(cell))

    def _replace_executor(self) -> None:
        """Drop a broken pool of ours; a foreign executor can't be replaced."""
        if self.given is not None:
            what = "The executor that was given is gone: its pool or cluster was shut down, or lost its workers"
            raise StudyError(f"{what}. All stored cells are intact; run `{self.store.study.command}` again.")
        self.executor = None

    def _abandon(self) -> None:
        """Stop the running cells before their locks are released, so that no cell is computed twice."""
        for future in self.flying:
            future.cancel()
        if self.given is None and isinstance(self.executor, futures.ProcessPoolExecutor):
            for process in list((self.executor._processes or {}).values()):
                process.terminate()
            self.executor.shutdown(cancel_futures=True)
        for _, lock in self.flying.values():
            lock.release()


def dask_executor(address: str, *, timeout: float = 10.0) -> Executor:
    """Connect to a Dask scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise StudyError("Dask isn't installed; type: pip install 'lnescape[cluster]'.") from error
    try:
        return Client(address, timeout=timeout).get_executor()
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        what = f"No Dask scheduler answers at {address} ({type(error).__name__})"
        raise StudyError(f"{what}; start one with `dask scheduler`, or leave --dask out to compute here.") from error


START = 5.0  # s until a worker has imported torch and loaded its data; measured on two cores
_STEPS = 8


def expected_seconds(cells: list[Cell], *, workers: int, device: str) -> float:
    """Expect the wall time of some cells, from a few measured steps of each network and recipe among them."""
    measured: dict[tuple, float] = {}
    scouts, busy = 0.0, [0.0] * workers
    for cell in cells:
        key = (cell.data, cell.network, str(cell.options), cell.recipe, KINDS[cell.method].together(cell))
        if key not in measured:
            measured[key] = _seconds_a_training(cell, device)
        seconds = (trainings(cell) + _watching(cell)) * measured[key]
        if cell.method == "scouts":  # the others wait for them
            scouts += seconds
        else:  # the next cell goes to the worker that is free first
            busy[busy.index(min(busy))] += seconds
    return START + scouts + max(busy)


def _seconds_a_training(cell: Cell, device: str) -> float:
    """Measure some steps of a training, in the groups that the cell will have."""
    data, _ = data_and_panel(cell.data, device)
    net = cell.builder(data)
    some = replace(data, train=data.train.subset(slice(0, _STEPS * cell.recipe.batch)))
    prepared = Prepared.of(net, some, replace(cell.recipe, epochs=1), device=device)
    at_once = prepared.together(KINDS[cell.method].together(cell))
    with threads_of(1):
        for _ in range(2):  # the first one warms up
            start = perf_counter()
            train_group(prepared, list(range(at_once)))
            seconds = perf_counter() - start
    n_steps = cell.recipe.epochs * (len(data.train) // cell.recipe.batch)
    return seconds / at_once / len(some.train) * cell.recipe.batch * n_steps


def _watching(cell: Cell) -> float:
    """Count the forward passes that a cell's observations take, in trainings."""
    (data, panel), kind = data_and_panel(cell.data, "cpu"), KINDS[cell.method]
    step = count_operations(check_builder(cell.builder(data), data).fresh(), data.train.images[0], data.n_classes)
    n_images: float = len(data.evaluation) + len(panel.images) + kind.surveyed
    if "covariates" in cell.keep:
        n_images += len(panel.watched) * (8 + 8 + 2 + cell.recipe.epochs) + 10_000
    one = n_images * step.forward / step.training(cell.recipe, len(data.train))
    return one * (kind.observed or kind.together)(cell)
