"""Execute the notebooks of the course from their sources; used by `make notebooks` and `make report`.

A source is `NN_name.py` (jupytext, py:percent). Every run starts a fresh kernel of this Python in the folder of the
notebooks, with one thread, and passes the parameters that the parameters cell declares. Notebooks import `lnescape` and
`report.studies` from the editable install, which has the root of the clone on its path.
"""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MINUTES = {"quick": 0.5, "standard": 5.0}  # longest live part of a notebook, on one thread
CELL_SECONDS = 1800  # a cell that takes longer is stuck
HEARTBEAT = 30.0  # seconds between two lines of progress
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Outcome:
    """Result of one notebook; `error` is empty where it ran to its end."""

    name: str
    path: Path
    seconds: float
    error: str = ""


def find_sources(names: list[str] | None = None, folder: Path = HERE) -> list[Path]:
    """Return the sources `NN_*.py` by number, or those that are named; exit at an unknown name."""
    sources = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.py"))}
    wanted = [Path(name).stem for name in names or sources]
    unknown = [name for name in wanted if name not in sources]
    if unknown:
        raise SystemExit(f"No notebook is called {unknown[0]!r}; there are {', '.join(sources) or 'none'}.")
    return [sources[name] for name in sources if name in wanted]


def read_parameters(notebook) -> dict[str, object]:
    """Return names and literal defaults of the cell tagged `parameters`; empty where there is none."""
    values: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            for statement in ast.parse(cell.source).body:
                if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    values[statement.targets[0].id] = ast.literal_eval(statement.value)
    return values


def execute(source: Path, target: Path, parameters: dict[str, object]) -> Outcome:
    """Run one notebook in a fresh kernel and write it with its outputs, up to the failing cell where one fails."""
    import jupytext
    import papermill

    start = time.monotonic()
    notebook = jupytext.read(source)
    unknown = sorted(set(parameters) - set(read_parameters(notebook)))
    if unknown:
        message = f"its parameters cell declares no {unknown[0]!r}"  # papermill would let it pass
        return Outcome(source.stem, target, 0.0, message)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A fresh folder for the kernels, so that no start-up file of the user takes part.
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["IPYTHONDIR"] = scratch
        os.environ["LNESCAPE_HOME"] = str(source.resolve().parent.parent)  # figures and records go to this clone
        prepared = Path(scratch) / f"{source.stem}.ipynb"
        notebook.metadata.update(METADATA)
        jupytext.write(notebook, prepared)
        error = ""
        try:
            papermill.execute_notebook(
                str(prepared),
                str(target),
                parameters=parameters,
                kernel_name="python3",
                cwd=str(source.parent),
                progress_bar=False,
                execution_timeout=CELL_SECONDS,
                extra_arguments=["--log-level=CRITICAL"],  # not for the reader
            )
        except papermill.PapermillExecutionError as failure:
            first_line = failure.source.strip().splitlines()[0] if failure.source.strip() else ""
            error = f"cell {failure.cell_index + 1} ({first_line}): {failure.ename}: {failure.evalue}"
        except Exception as failure:  # a dead kernel, a full disk: the other notebooks go on
            error = f"{type(failure).__name__}: {failure}"
    return Outcome(source.stem, target, time.monotonic() - start, " ".join(error.split()))


def execute_all(sources: list[Path], folder: Path, *, parameters: dict[str, object], jobs: int = 2) -> list[Outcome]:
    """Run notebooks side by side, print their progress, go on where one fails; return outcomes in the same order."""
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", JUPYTER_PREFER_ENV_PATH="1")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the kernel's debugger warns otherwise
    profile = str(parameters.get("profile", "quick"))
    limit = MINUTES.get(profile, MINUTES["standard"]) * 60 * -(-len(sources) // jobs)
    print(f"Running {len(sources)} notebooks, {jobs} at a time, profile {profile}: at most {_clock(limit)}.")
    start, done, folder = time.monotonic(), {}, folder.resolve()
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = {
            pool.submit(execute, source, folder / f"{source.stem}.ipynb", parameters): source for source in sources
        }
        while pending:
            finished, _ = wait(pending, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
            for future in finished:
                source = pending.pop(future)
                outcome = done[source] = _outcome(future, source, folder)
                mean = sum(outcome.seconds for outcome in done.values()) / len(done)
                left = max(0.0, mean * len(sources) / min(jobs, len(sources)) - (time.monotonic() - start))
                rest = f"{len(done)} of {len(sources)}" + (f", about {_clock(left)} left" if pending else "")
                print(
                    f"  {source.stem:<28} {'FAILED' if outcome.error else 'done':<6} "
                    f"{_clock(outcome.seconds):>8}   ({rest})",
                    flush=True,
                )
                if outcome.error:
                    print(f"    {outcome.error}\n    up to there: {outcome.path}", flush=True)
            if not finished:
                places = [place for source in pending.values() if (place := _place(folder, source))]
                print(f"  {_clock(time.monotonic() - start):>8} so far: {'; '.join(places)}", flush=True)
    return [done[source] for source in sources]


def _outcome(future, source: Path, folder: Path) -> Outcome:
    """Return the outcome of a worker, also where its process died."""
    try:
        return future.result()
    except Exception as failure:  # the worker process itself died
        return Outcome(source.stem, folder / f"{source.stem}.ipynb", 0.0, f"{type(failure).__name__}: {failure}")


def _place(folder: Path, source: Path) -> str:
    """Tell which cell a running notebook has reached, from the file that papermill saves after every cell."""
    try:
        cells = json.loads((folder / f"{source.stem}.ipynb").read_text())["cells"]
    except (OSError, ValueError, KeyError):
        return ""
    ended = sum(cell["metadata"].get("papermill", {}).get("status") == "completed" for cell in cells)
    return f"{source.stem} {ended} of {len(cells)} cells"


def _clock(seconds: float) -> str:
    """Write a time in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def write_file(path: Path, content: bytes) -> None:
    """Write a file, complete or not at all; `lnescape.results.files` does more, but imports torch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
