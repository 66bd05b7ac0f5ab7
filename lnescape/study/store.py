"""The store of a study's cells: one sealed result each, written once; claims, failures and checks."""

import json
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryFile
from typing import Any

from lnescape import results
from lnescape.checks import instance
from lnescape.results import Result, ResultError, files, list_results, load_result
from lnescape.study.cells import RECIPE_VERSION, Cell, Study, StudyError, check_known, checked, plain_copy
from lnescape.study.observation import OTHERS


class CellStore:
    """The folder of the cells of one pair of data and network."""

    def __init__(self, study: Study, folder: Path | str | None = None):
        self.study = study
        self.folder = Path(folder) if folder is not None else results.results_folder() / study.folder
        self.command = study.command + (f" --folder {shlex.quote(str(folder))}" if folder is not None else "")
        self._elsewhere = "name another one" if folder is not None else "set LNESCAPE_HOME to a folder that is"
        self._claims, self._failures = self.folder / ".claims", self.folder / ".failed"
        # For each name of data or of a network, the cell read first and its fingerprint.
        self._known: dict[tuple, tuple[str, Any]] = {}

    def has(self, cell: Cell) -> bool:
        """Return whether a cell's result is there."""
        return files.is_file(self.folder / f"{cell.name}.json")

    def missing(self) -> list[Cell]:
        """List the cells that have no result."""
        return [cell for cell in self.study.cells if not self.has(cell)]

    def check_complete(self) -> None:
        """Raise unless every cell of the study has a result."""
        if missing := self.missing():
            raise StudyError(f"{len(missing)} cells of {self.study.name!r} are missing; run `{self.command}` first.")

    def load(self, cell: Cell) -> Result:
        """Read a cell's result, its seal checked."""
        result: Result = checked(lambda: load_result(cell.name, folder=self.folder))
        named: Any = result.numbers.get("axes")
        arrays = result.arrays
        fits = isinstance(named, dict) and named.keys() - {OTHERS} <= arrays.keys()
        axes = {key: named.get(key, named.get(OTHERS)) for key in arrays} if fits else {}
        fits = fits and all(isinstance(axes[key], list) and len(axes[key]) == arrays[key].ndim for key in arrays)
        if not fits or result.provenance.get("cell") != plain_copy(cell.content()):
            path = self.folder / f"{cell.name}.json"
            raise StudyError(f"{path} holds another cell; delete it and run `{self.command}` again.")
        self.check_same(cell, result.provenance)
        return replace(result, numbers={**result.numbers, "axes": axes})

    def check_same(self, cell: Cell, origin: Mapping[str, Any]) -> None:
        """Raise where a name of data or of a network has another content than in a cell read before."""
        # Cells are named by their content, such as "module:function", and not by the function's result.
        content = {name: value for name, value in plain_copy(cell.content()).items() if name not in ("seeds", "keep")}
        operations = origin.get("operations")
        found: dict[tuple, Any] = {
            ("data", cell.data): origin.get("data", {}).get("checksum"),
            ("data", cell.data, "as trained on"): origin.get("trained_on"),
            ("network", cell.data, cell.network, str(cell.options)): origin.get("function"),
            ("network", json.dumps(content, sort_keys=True)): operations and round(operations / origin["cost"]),
        }
        for key, value in found.items():
            if value is None:  # older cells lack it
                continue
            other, before = self._known.setdefault(key, (cell.name, value))
            if before != value:
                what = key[0]
                named = repr(cell.data if what == "data" else cell.network)
                why = f"{self.folder / other}.json and {cell.name}.json are of different {what} under the name {named}"
                raise StudyError(f"{why}; give the changed one another name, or delete the older cells.")

    def has_read(self, data: str) -> bool:
        """Return whether a cell read before has this name of data."""
        return ("data", data) in self._known

    def save(self, cell: Cell, result: Result) -> None:
        """Write a cell's result and forget an earlier failure."""
        self.check_same(cell, result.provenance)
        self._write(cell, result.numbers, result.provenance, result.arrays, folder=self.folder)
        with suppress(OSError):
            (self._failures / f"{cell.name}.json").unlink(missing_ok=True)

    def _write(self, cell: Cell, numbers: dict, provenance: dict, arrays: dict | None = None, *, folder: Path) -> None:
        """Write a cell's result or failure; raise with a cure where that is impossible."""
        try:
            results.save_result(cell.name, numbers=numbers, arrays=arrays, provenance=provenance, folder=folder)
        except ResultError as error:
            cure = f"once this is cured, run `{self.command}` again"
            raise StudyError(f"{error} All stored cells are intact; {cure}.") from error

    def claim(self, cell: Cell):
        """Lock a cell, without waiting; None where another process is at work on it."""
        from filelock import FileLock, Timeout

        self._claims.mkdir(parents=True, exist_ok=True)
        lock_file = self._claims / f"{cell.name}.lock"
        lock = FileLock(lock_file)
        try:
            if lock_file.is_symlink():  # its target is not ours to touch
                lock_file.unlink()
            lock.acquire(timeout=0)
        except Timeout:
            return None
        except OSError as error:
            what = f"{lock_file} can't be locked ({error.strerror or error}): somebody else may have made it"
            raise StudyError(f"{what}; remove it, or compute in another folder.") from error
        if self.has(cell):  # finished elsewhere a moment ago
            lock.release()
            return None
        return lock

    def fail(self, cell: Cell, error: str) -> None:
        """Record why a cell failed."""
        self._write(cell, {"error": error}, {"command": self.study.command}, folder=self._failures)

    def failures(self) -> dict[str, str]:
        """Return the error of each cell that failed and has no result yet."""
        errors = {}
        for name in sorted({cell.name for cell in self.missing()} & set(list_results(folder=self._failures))):
            with suppress(ResultError):  # mended by another process a moment ago
                errors[name] = load_result(name, folder=self._failures).numbers["error"]
        return errors

    def check(self, *, writing: bool) -> None:
        """Refuse, before any work, a store that can't be used."""
        for name in list_results(folder=self.folder):
            self._check_version(name)
        for cell in self.study.cells:
            if self.has(cell):
                self.load(cell)
        if writing:
            try:
                for folder in (self.folder, self._claims):
                    folder.mkdir(parents=True, exist_ok=True)
                    TemporaryFile(dir=folder).close()
            except OSError as error:
                what = f"Nothing can be stored in {self.folder} ({error.strerror})"
                raise StudyError(f"{what}; make it writable, or {self._elsewhere}.") from error

    def _check_version(self, name: str) -> None:
        """Raise where a stored cell is of another version of the recipe."""
        path = self.folder / f"{name}.json"
        try:
            content = files.parse(files.read(path, most=files.MOST_JSON, cure=""))
            version = content["provenance"]["cell"]["recipe_version"]
        except (ValueError, KeyError, TypeError):
            return  # damaged, which `load` reports with its cure, or no cell at all
        if version != RECIPE_VERSION:
            what = f"{path} is of recipe version {version}, and this code has version {RECIPE_VERSION}"
            raise StudyError(f"{what}; move {self.folder} away, or check out the code of that version.")


CATALOGUE = "report.studies.catalogue"  # of the report, in a clone of the project; imported where it is needed


def study_named(study: str | Study) -> Study:
    """Return a study, or find one of the report by its name or one of your own as "module:NAME"."""
    if not isinstance(study, str):
        return instance(study, Study, "study", "pass a Study, or the name of one", error=StudyError)
    if ":" in study:
        return _own_study(study)
    known = report_studies()
    check_known(study, known, "study")
    return known[study]


def report_studies() -> dict[str, Study]:
    """Import the report's catalogue from the clone of the project; it builds the cells of all its studies."""
    home = results.project_folder()
    if (home / "report" / "studies").is_dir() and str(home) not in sys.path:
        sys.path.append(str(home))  # processes that are started get this path, too
    try:
        return import_module(CATALOGUE).STUDIES
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "report":
            raise
        what = "Named studies belong to the report, which is not installed: go to a clone of the project"
        raise StudyError(f"{what}, or give a study of your own as module:NAME.") from error


def _own_study(place: str) -> Study:
    """Import a study from a module of the working folder or of the path."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        found = resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise StudyError(f"{place!r} names no study ({error}); give the place of one as module:NAME.") from error
    if not isinstance(found, Study):
        raise StudyError(f"{place!r} is no study but a {type(found).__name__}; give the place of a Study.")
    return replace(found, command=f"lnescape study {place}")
