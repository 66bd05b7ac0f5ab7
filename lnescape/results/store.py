"""Long results on disk: JSON for numbers, packed safetensors for arrays, each sealed by a checksum."""

import difflib
import hashlib
import json
import lzma
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lnescape.results.estimate import ESTIMATE_KEYS, INFINITIES, Estimate, float_to_json
from lnescape.results.folders import results_folder

ARRAYS = ".safetensors.xz"
# Arrays are mostly float16: two bytes a number, each kind of byte packed with its like.
_PACKING = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 1, "pb": 1}]


class ResultError(ValueError):
    """A stored result is absent, cut short, edited, or cannot be written."""


@dataclass(frozen=True)
class Result:
    """Hold one stored result.

    Args:
        name: Its name, that of its files.
        numbers: Nested numbers, texts and `Estimate`s, in the shape that was saved.
        arrays: Arrays by name; empty where there are none.
        provenance: How it was made, see `provenance`.
    """

    name: str
    numbers: dict
    arrays: dict[str, np.ndarray]
    provenance: dict


def save_result(
    name: str,
    *,
    numbers: Mapping[str, Any],
    arrays: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any],
    folder: str | Path | None = None,
) -> Path:
    """Store a result as NAME.json, with NAME.safetensors.xz beside it where it has arrays.

    Each file appears whole or not at all, the arrays first; equal input gives equal bytes.

    Args:
        name: Lower-case letters, digits, hyphens and underscores.
        numbers: Nested dictionaries and lists of numbers, texts, None and `Estimate`s. A nan is
            stored as null and comes back as None, outside an `Estimate`.
        arrays: numpy arrays or torch tensors by name.
        provenance: What `provenance` returns; "command" makes the result again.
        folder: Where to; `results_folder()` by default.

    Returns:
        The path of the JSON file.

    Raises:
        ResultError: The folder cannot be written, or something in the result cannot be stored.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> path = save_result("barrier", numbers={"height": Estimate(0.48412, 0.0213, unit="nat")},
        ...                    provenance={"command": "make report"}, folder=folder)
        >>> print(load_result("barrier", folder=folder).numbers["height"])
        0.484(21) nat
    """
    path = _path(name, folder)
    content = {
        "name": name,
        "numbers": _plain(numbers, f"{name}: numbers"),
        "provenance": _plain(provenance, f"{name}: provenance"),
        "arrays": None,
    }
    packed = _pack(arrays, name) if arrays else b""
    if packed:
        beside = path.with_suffix(ARRAYS)
        content["arrays"] = {"file": beside.name, "sha256": hashlib.sha256(packed).hexdigest()}
    content["sha256"] = _seal(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if packed:
            _write(beside, packed)
        _write(path, _canonical(content))
        if not packed:  # only once no JSON file speaks of it any more
            path.with_suffix(ARRAYS).unlink(missing_ok=True)
    except OSError as error:
        raise ResultError(
            f"cannot write {path} ({error.strerror or error}); make that folder writable, or set "
            "LNESCAPE_HOME to a folder that is."
        ) from error
    return path


def load_result(name: str, *, folder: str | Path | None = None) -> Result:
    """Read a stored result and check that both files are as they were written.

    Args:
        name: Name of the result.
        folder: Where from; `results_folder()` by default.

    Returns:
        The result; its `Estimate`s are `Estimate`s again.

    Raises:
        ResultError: A file is absent, cut short, edited, or the two do not belong together.
    """
    path = _path(name, folder)
    if not path.is_file():
        near = difflib.get_close_matches(name, list_results(folder=path.parent), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see list_results() for those there are."
        raise ResultError(f"there is no stored result {name!r} in {path.parent}; {hint}")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ResultError(f"cannot read {path} ({error.strerror}); allow reading it.") from error
    try:
        content = json.loads(text)
        seal = content.pop("sha256")
        intact = seal == _seal(content) and content["name"] == name
    except (ValueError, TypeError, KeyError, AttributeError):
        intact = False
    if not intact:
        raise ResultError(f"{path} is cut short, renamed or was edited by hand; {_cure(text)}")
    arrays = _load_arrays(path, content["arrays"], text) if content["arrays"] else {}
    return Result(name, _revive(content["numbers"]), arrays, _revive(content["provenance"]))


def list_results(*, folder: str | Path | None = None) -> list[str]:
    """Name the stored results, damaged ones included.

    Args:
        folder: Where to look; `results_folder()` by default.

    Returns:
        The names in alphabetical order.
    """
    return sorted(p.stem for p in Path(folder or results_folder()).glob("[!.]*.json"))


def _path(name: str, folder: str | Path | None) -> Path:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ResultError(f"{name!r} cannot name a result; use lower-case letters, digits, '-' and '_' only.")
    return Path(folder or results_folder()) / f"{name}.json"


def _plain(x: Any, where: str) -> Any:
    """Turn nested numbers into what JSON holds; `where` names the place in an error."""
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
    raise ResultError(
        f"{where} is a {type(x).__name__}, which JSON cannot hold; pass numbers, texts, lists and "
        "Estimates, and put arrays and tensors into arrays=."
    )


def _revive(x: Any) -> Any:
    """Undo `_plain`."""
    if isinstance(x, dict):
        if x.keys() == ESTIMATE_KEYS:
            return Estimate.from_dict(x)
        return {key: _revive(value) for key, value in x.items()}
    if isinstance(x, list):
        return [_revive(value) for value in x]
    return INFINITIES.get(x, x) if isinstance(x, str) else x


def _canonical(content: dict) -> bytes:
    """Write JSON in the one form that the checksum is taken of."""
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _seal(content: dict) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _cure(text: str) -> str:
    """Say what to do, with the command where it can still be read."""
    found = re.search(r'"command": ("(?:[^"\\]|\\.)*")', text)
    command = f"`{json.loads(found[1])}`" if found else "the command that made it"
    return f"delete it and run {command} again."


def _pack(arrays: Mapping[str, Any], name: str) -> bytes:
    from safetensors.numpy import save

    plain = {}
    for key, array in arrays.items():
        if hasattr(array, "detach"):
            array = array.detach().cpu().numpy()
        plain[key] = np.array(array, order="C")  # a copy, because some layouts are saved wrongly
        if plain[key].dtype.kind not in "biuf":
            raise ResultError(
                f"{name}: the array {key!r} holds {plain[key].dtype}, which cannot be stored; "
                "convert it to numbers or booleans."
            )
    return lzma.compress(save(plain), filters=_PACKING)


def _load_arrays(path: Path, entry: dict, text: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    beside = path.with_name(entry["file"])
    if not beside.is_file():
        raise ResultError(f"{beside}, the arrays of {path.name}, is missing; {_cure(text)}")
    packed = beside.read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != entry["sha256"]:
        raise ResultError(
            f"{beside} has checksum {found[:12]}… where {path.name} expects "
            f"{entry['sha256'][:12]}…: it was cut short, edited or belongs to another run; "
            f"{_cure(text)}"
        )
    return load(lzma.decompress(packed))


def _write(path: Path, content: bytes) -> None:
    """Put a whole file in place, or leave what was there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
