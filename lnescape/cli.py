"""The commands: lnescape study, status, data, report."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lnescape.checks import checked_device
from lnescape.data import DataError, where_found
from lnescape.results import ResultError, project_folder, results_folder
from lnescape.study import StudyError, run_study, trainings
from lnescape.study.cells import checked
from lnescape.study.running import dask_executor, expected_seconds, usual_workers
from lnescape.study.store import CellStore, report_studies, study_named


class _Commands(click.Group):
    """Report errors in one sentence, without a traceback."""

    def invoke(self, ctx: click.Context):
        for stream in (sys.stdout, sys.stderr):  # a code page may lack some characters
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except (StudyError, ResultError, DataError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nStopped. What was finished is stored; the same command goes on from there.", err=True)
            raise click.exceptions.Exit(130) from None


@click.group(
    cls=_Commands,
    epilog="\b\nExample:\n  lnescape study digits-mlp    a study of seconds, to see how it goes",
)
@click.version_option(package_name="lnescape")
def main() -> None:
    """Run studies of retrained networks, show their progress, and build the report.

    A study is a grid of cells. Each is computed once and stored in report/results; a killed study resumes where it
    stopped.
    """


@main.command(
    epilog="""\b
Examples:
  lnescape study mnist-mlp --dry-run
  lnescape study mnist-mlp --limit 2
  lnescape study mnist-cnn --device cuda
  lnescape study mnist-cnn --dask tcp://head:8786
  lnescape study my_module:MINE --folder results"""
)
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="List the cells, their cost and the expected time; compute nothing.")
@click.option("--limit", type=click.IntRange(1), help="Compute at most so many cells.")
@click.option("--device", default="cpu", show_default=True, help="Where to compute, such as cuda.")
@click.option("--workers", type=click.IntRange(1), help="Processes; one for each core unless given.")
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster that computes instead.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where cells are stored, in place of report/results.")
def study(
    name: str, *, dry_run: bool, limit: int | None, device: str, workers: int | None, dask: str | None,
    folder: Path | None,
) -> None:  # fmt: skip
    """Compute the missing cells of a study: one that `lnescape status` lists, or your own, module:NAME."""
    executor = dask_executor(dask) if dask and not dry_run else None
    how: dict[str, Any] = {"limit": limit, "device": device, "workers": workers}
    wanted = study_named(name)
    store = CellStore(wanted, folder)
    if dry_run:
        _list_cells(store)
    if executor is None:
        _announce(store, **how)
    if dry_run:
        return
    failed = run_study(wanted, executor=executor, folder=folder, **how)
    for cell, error in list(failed.items())[1:]:  # the first one is printed already
        click.echo(f"{cell} failed: {error}", err=True)
    if missing := store.missing():
        click.echo(f"{len(missing)} of {len(wanted.cells)} cells are missing; `{wanted.command}` goes on.")
    else:
        kept = wanted.keep_summary() if folder is None else None
        click.echo(f"Complete: {kept or store.folder}")
    if failed:
        raise click.exceptions.Exit(3)


def _list_cells(store: CellStore) -> None:
    """Print the cells of a study with their costs and states."""
    store.check(writing=False)
    wanted, failures = store.study, store.failures()
    click.echo(f"{wanted.name}: {wanted.title}\n\n{'cell':28} {'trainings':>9}  {'state':8} seeds")
    for cell in wanted.cells:
        state = "stored" if store.has(cell) else "failed" if cell.name in failures else "missing"
        click.echo(f"{cell.name:28} {trainings(cell):9.1f}  {state:8} {_seeds(cell.seeds)}")
    click.echo()


def _announce(store: CellStore, *, limit: int | None, device: str, workers: int | None) -> None:
    """Print the number of missing cells and the expected time, from a few measured steps."""
    checked(lambda: checked_device(device))
    todo = store.missing()[:limit]
    click.echo(f"{len(todo)} cells to compute, {sum(map(trainings, todo)):.1f} trainings.")
    if todo:
        n = workers or usual_workers(device)
        try:
            expected = f"about {_clock(expected_seconds(todo, workers=n, device=device))}"
        except Exception as error:  # of a builder or data of the user's, which the run will record with its cell
            expected = f"unknown ({type(error).__name__}: {error})"
        click.echo(f"Expected on this machine with {n} worker{'s' if n > 1 else ''}: {expected}.")


def _seeds(seeds: Sequence[int]) -> str:
    """Write seeds, those in a row by the first and the last."""
    whole = seeds == tuple(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]}–{seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _clock(seconds: float) -> str:
    """Write a time in seconds, minutes or hours."""
    if seconds < 7200:
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@main.command(epilog="\b\nExamples:\n  lnescape status\n  lnescape status mnist-mlp")
@click.argument("name", required=False)
@click.option("--folder", type=click.Path(path_type=Path), help="Where cells are stored, in place of report/results.")
def status(name: str | None, folder: Path | None) -> None:
    """Show stored, missing and failed cells of the study NAME, or of all, and the cost so far."""
    shown = [study_named(name)] if name else report_studies().values()
    wide = max(len(wanted.name) for wanted in shown)
    click.echo(f"{'study':{wide}} {'cells':>5} {'done':>5} {'missing':>7} {'failed':>6} {'cost so far':>15}")
    for wanted in shown:
        store = CellStore(wanted, folder)
        done = [cell for cell in wanted.cells if store.has(cell)]
        failures = store.failures()
        cost, missing = sum(map(trainings, done)), len(wanted.cells) - len(done)
        remark = f"  {wanted.remark}" if missing and wanted.remark else ""
        click.echo(
            f"{wanted.name:{wide}} {len(wanted.cells):5} {len(done):5} {missing:7} {len(failures):6} "
            f"{cost:5.0f} trainings{remark}"
        )
        for cell, error in failures.items():
            click.echo(f"  {cell} failed: {error}")
    click.echo(f"Cells are in {folder or results_folder()}.")


@main.command(epilog="\b\nExample:\n  lnescape data")
def data() -> None:
    """Show where each data set was found, and check its files against their checksums."""
    for name, place in where_found().items():
        click.echo(f"{name:14} {place}")


@main.command(epilog="\b\nExample:\n  lnescape report --profile standard")
@click.option("--profile", type=click.Choice(["quick", "standard"]), default="quick", show_default=True)
def report(profile: str) -> None:
    """Run every notebook and build the report, as `make report` does; needs a copy of the whole project."""
    home = project_folder()
    if not (home / "report" / "build.py").is_file():
        raise click.ClickException(f"There is no report in {home}; go to a clone of the project, where report/ lies.")
    done = subprocess.run([sys.executable, "-m", "report.build", "--profile", profile], cwd=home, check=False)
    raise click.exceptions.Exit(done.returncode)
