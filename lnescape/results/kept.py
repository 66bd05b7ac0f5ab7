"""Stored results: numbers in JSON, arrays packed beside it; their place and provenance."""

import dataclasses
import difflib
import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnescape.checks import of_torch
from lnescape.results import files
from lnescape.results.estimate import INFINITIES, Estimate, float_to_json, is_estimate
from lnescape.results.files import ResultError

ARRAYS = ".safetensors.xz"
PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Result:
    """One stored result: numbers as they were saved, arrays by name, and how it was made, see `provenance`."""

    name: str
    numbers: dict
    arrays: dict[str, np.ndarray]
    provenance: dict


def save_result(
    name: str, *, numbers: Mapping[str, Any], arrays: Mapping[str, Any] | None = None, provenance: Mapping[str, Any],
    folder: str | Path | None = None,
) -> Path:  # fmt: skip
    """Store a result as NAME.json, with NAME.safetensors.xz beside it where it has arrays.

    JSON and arrays become valid together or not at all. Arrays that replace others are NAME.CHECKSUM.safetensors.xz
    while the former ones are in use, so that readers find one result or the other. Equal input gives equal bytes.

    Args:
        name: Lower-case letters, digits, hyphens and underscores.
        numbers: Nested dictionaries and lists of numbers, texts, None and `Estimate`s; nan comes back as None.
        arrays: numpy arrays or torch tensors by name.
        provenance: Dictionary from `provenance`; "command" makes the result again.
        folder: Folder; `report/results` of the project by default.

    Returns:
        The path of the JSON file.

    Raises:
        ResultError: The folder cannot be written, or something in the result cannot be stored.

    >>> import tempfile
    >>> at = {"folder": tempfile.mkdtemp()}
    >>> _ = save_result("barrier", numbers={"height": Estimate(0.48412, 0.0213)}, provenance={"command": ""}, **at)
    >>> print(load_result("barrier", **at).numbers["height"])
    0.484(21)
    """
    path = _path(name, folder)
    content = {
        "name": name,
        "numbers": _plain(numbers, f"{name}: numbers"),
        "provenance": _plain(provenance, f"{name}: provenance"),
        "arrays": None,
    }
    try:
        packed = files.pack({key: _array(name, key, array) for key, array in arrays.items()}) if arrays else b""
        files.seal(content)  # raises before anything is written
    except ValueError as error:
        raise error if isinstance(error, ResultError) else ResultError(f"{name} cannot be stored: {error}.") from error
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.alone(path.parent):
            if packed:
                content["arrays"] = _place(path, hashlib.sha256(packed).hexdigest())
                files.write(path.with_name(content["arrays"]["file"]), packed)
            files.write(path, files.seal(content))
            for other in path.parent.glob(f"{name}*{ARRAYS}"):  # only once no JSON names it any more
                if _is_arrays(other.name, name) and other.name != (content["arrays"] or {}).get("file"):
                    other.unlink(missing_ok=True)
    return path


TRIES = 3  # readings of the same JSON that fail before its result counts as damaged


def load_result(name: str, *, folder: str | Path | None = None) -> Result:
    """Read a stored result and check that both files are as they were written.

    Args:
        name: Name of the result.
        folder: Folder; `report/results` of the project by default.

    Returns:
        The result; its `Estimate`s are `Estimate`s again.

    Raises:
        ResultError: A file is absent, damaged, edited, or the two do not belong together.
    """
    path = _path(name, folder)
    if not os.path.lexists(path):
        near = difflib.get_close_matches(name, list_results(folder=path.parent), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see list_results() for those there are."
        raise ResultError(f"there is no stored result {name!r} in {path.parent}; {hint}")
    text, failed = _text(path), 0
    while True:
        try:
            return _opened(path, text)
        except ResultError:
            before, text = text, _text(path)
            # A writer may be at work beside this reader, or two that write the same two results in turn.
            failed = failed + 1 if text == before else 0
            if failed == TRIES:
                raise


def list_results(*, folder: str | Path | None = None) -> list[str]:
    """Name the stored results of a folder, `report/results` by default: damaged ones too, links and folders not."""
    return sorted(p.stem for p in Path(folder or results_folder()).glob("[!.]*.json") if files.is_file(p))


def _path(name: str, folder: str | Path | None) -> Path:
    """Name the JSON file of a result."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ResultError(f"{name!r} cannot name a result; use lower-case letters, digits, '-' and '_' only.")
    return Path(folder or results_folder()) / f"{name}.json"


def _is_arrays(file: str, name: str) -> bool:
    """Return whether a file name is one that the arrays of a result may have."""
    return re.fullmatch(rf"{re.escape(name)}(\.[0-9a-f]{{12}})?{re.escape(ARRAYS)}", file) is not None


def _place(path: Path, checksum: str) -> dict[str, str]:
    """Name a file for arrays, other than that of the arrays which the JSON at `path` names."""
    former: dict[str, Any] = {}
    with suppress(ValueError, TypeError):
        former = files.unseal(files.read(path, most=files.MOST_JSON, cure=""))["arrays"] or {}
    plain = f"{path.stem}{ARRAYS}"
    taken = former.get("file") == plain and former.get("sha256") != checksum
    return {"file": f"{path.stem}.{checksum[:12]}{ARRAYS}" if taken else plain, "sha256": checksum}


def _text(path: Path) -> bytes:
    """Read the JSON of a result."""
    return files.read(path, most=files.MOST_JSON, cure="delete it and run the command that made it again.")


def _opened(path: Path, text: bytes) -> Result:
    """Check the JSON of a result, then its arrays, and make them a result."""
    cure = _cure(text)
    try:
        content = files.unseal(text)
        numbers, origin = (_revive(content[key]) for key in ("numbers", "provenance"))
        entry, shapes = content["arrays"], [type(part) for part in (numbers, origin)]
        if content["name"] != path.stem or shapes != [dict, dict]:
            raise ValueError("it holds another result")
        if entry and not (_is_arrays(entry["file"], path.stem) and isinstance(entry["sha256"], str)):
            raise ValueError("its arrays are another result's")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ResultError(f"{path} is cut short, renamed or was edited by hand ({error}); {cure}") from error
    return Result(path.stem, numbers, _arrays(path, entry, cure) if entry else {}, origin)


def _arrays(path: Path, entry: Mapping[str, str], cure: str) -> dict[str, np.ndarray]:
    """Read the arrays of a result."""
    beside = path.with_name(entry["file"])
    packed = files.read(beside, most=files.MOST_PACKED, cure=cure)
    found = hashlib.sha256(packed).hexdigest()
    if found != entry["sha256"]:
        what = f"{beside} has checksum {found[:12]}… where {path.name} expects {entry['sha256'][:12]}…"
        raise ResultError(f"{what}: it was cut short, edited or belongs to another run; {cure}")
    with files.reading(beside, cure):
        return files.unpack(packed)


def _cure(text: bytes) -> str:
    """Return the cure for a damaged result, with the command where it can still be read."""
    command = "the command that made it"
    if found := re.search(rb'"command": ?("(?:[^"\\\n]|\\.){,200}")', text):
        with suppress(ValueError):
            stated = json.loads(found[1])
            command = f"`{stated}`" if stated.isprintable() else command
    return f"delete it and run {command} again."


def _array(name: str, key: str, array: Any) -> np.ndarray:
    """Turn one array or tensor into a numpy array that can be packed."""
    array = np.array(of_torch(array), order="C")  # a copy, because some layouts are saved wrongly
    if array.dtype.kind not in "biuf":
        raise ResultError(f"{name}: the array {key!r} holds {array.dtype}; convert it to numbers or booleans.")
    return array


def _plain(x: Any, where: str) -> Any:
    """Turn nested numbers into plain values for JSON; `where` names the place in an error."""
    if isinstance(x, Estimate):
        return x.to_dict()
    if isinstance(x, Mapping):
        if wrong := [key for key in x if not isinstance(key, str)]:
            raise ResultError(f"{where} has the key {wrong[0]!r}; keys are texts: use str(key).")
        return {key: _plain(value, f"{where}[{key!r}]") for key, value in x.items()}
    if isinstance(x, (list, tuple, range)):
        return [_plain(value, f"{where}[{i}]") for i, value in enumerate(x)]
    if not isinstance(x, (bool, int, float, str)) and getattr(x, "ndim", None) == 0:
        x = x.item()  # numpy and torch scalars
    if isinstance(x, float):
        return float_to_json(x)
    if isinstance(x, str) and x in INFINITIES:
        raise ResultError(f"{where} is the text {x!r}, which stands for a number; use other words.")
    if x is None or isinstance(x, (bool, int, str)):
        return x
    what = f"{where} is a {type(x).__name__}, which JSON cannot hold"
    raise ResultError(f"{what}; pass numbers, texts, lists and Estimates, and put arrays and tensors into arrays=.")


def _revive(x: Any) -> Any:
    """Undo `_plain`."""
    if isinstance(x, dict):
        if is_estimate(x):
            return Estimate.from_dict(x)
        return {key: _revive(value) for key, value in x.items()}
    if isinstance(x, list):
        return [_revive(value) for value in x]
    return INFINITIES.get(x, x) if isinstance(x, str) else x


def project_folder() -> Path:
    """Find the folder of `report/`: $LNESCAPE_HOME, else the nearest parent with results, else the working folder."""
    if home := os.environ.get("LNESCAPE_HOME"):
        return Path(home).expanduser()
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if (p / "report" / "results").is_dir()), here)


def results_folder() -> Path:
    """Name the folder of stored results, which need not exist yet."""
    return project_folder() / "report" / "results"


def provenance(
    *, command: str, seed: int | Iterable[int] | None, data: Any, n: int | None, cost: Any = None,
    seconds: float | None = None, recipe: Any = None, **extra: Any,
) -> dict[str, Any]:  # fmt: skip
    """Describe how a result was made, for `save_result`: the arguments, and code, machine, versions, date.

    Args:
        command: Command that makes the result again.
        seed: The seed or seeds.
        data: The `Dataset`, whose name, title and checksum are kept; None where there is none.
        n: Number of independent repetitions (pairs, retrainings, …).
        cost: Cost in trainings; a number or a dataclass.
        seconds: Wall time, in s.
        recipe: Recipe used; a dataclass or a dictionary.
        **extra: Anything else that `save_result` can store.

    Returns:
        A dictionary for `save_result`.

    >>> origin = provenance(command="make report", seed=range(3), data=None, n=3)
    >>> origin["seed"], origin["n"]
    ([0, 1, 2], 3)
    """
    if seed is not None:
        seed = int(seed) if isinstance(seed, (int, np.integer)) else [int(s) for s in seed]
    return {
        **{key: _described(value) for key, value in extra.items()},
        "command": command,
        "seed": seed,
        "data": None if data is None else {**title_of(data), "name": data.name, "checksum": data.checksum},
        "n": n,
        "cost": _described(cost),
        "seconds": seconds,
        "recipe": _described(recipe),
        "code": code(),
        "machine": machine(),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def title_of(data: Any) -> dict[str, Any]:
    """Return the title of the data, and whether they stand in for others."""
    return {"title": getattr(data, "title", data.name), "stand_in": bool(getattr(data, "stand_in", False))}


def code() -> dict[str, Any]:
    """Identify the sources, `report/studies` included: version, checksum and, in a repository, commit and changes."""
    studies = PACKAGE.parent / "report" / "studies"  # in a clone; an installed package has none
    sources = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    sources |= {path.relative_to(PACKAGE.parent).as_posix(): path for path in studies.rglob("*.py")}
    digest = hashlib.sha256()
    for name in sorted(sources):
        source = sources[name].read_bytes()
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    version = "not installed"
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version("lnescape")
    # A package installed inside somebody else's repository is not tracked there: no commit then.
    tracked = _git("ls-files", "--error-unmatch", __file__) is not None
    changes = _git("status", "--porcelain", "--", str(PACKAGE), str(studies)) if tracked else None
    return {
        "version": version,
        "sha256": digest.hexdigest(),
        "commit": _git("rev-parse", "HEAD") if tracked else None,
        "uncommitted_changes": None if changes is None else bool(changes),
    }


def cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # absent outside Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Describe this machine: processor, cores this process may use, torch's threads, accelerator in use, system."""
    used = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if used else "cpu",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """List the versions that decide the numbers."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}


def _described(x: Any) -> Any:
    """Turn dataclasses into dictionaries, at any depth, and functions and classes into their names."""
    if dataclasses.is_dataclass(x) and not isinstance(x, (type, Estimate)):
        return {f.name: _described(getattr(x, f.name)) for f in dataclasses.fields(x)}
    if isinstance(x, Mapping):
        return {str(key): _described(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_described(value) for value in x]
    return getattr(x, "__qualname__", str(x)) if callable(x) else x


def _cpu_model() -> str:
    """Name the processor."""
    with suppress(OSError):
        if found := re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8")):
            return found[1].strip()
    return platform.processor() or platform.machine() or "unknown"


def _git(*arguments: str) -> str | None:
    """Run git in the package folder; None where git or a repository is missing."""
    command = ["git", "-C", str(PACKAGE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
