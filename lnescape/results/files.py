"""The format of every kept file: written whole or not at all, sealed by a checksum, checked before it is used.

Trainings, walks, subspaces, paths and laws are one safetensors file each. Its metadata hold a description in JSON and a
checksum of all other bytes. Results and cells are JSON, which holds the checksum of itself and of its arrays; these are
packed safetensors in a file beside it (see `kept`). Every failure is a `ResultError` with file, cause and cure.
"""

import hashlib
import json
import lzma
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

# Limits on the memory that a file takes. Brackets without content become 88 bytes each in Python.
MOST_JSON, MOST_VALUES = 16 * 2**20, 10**6  # bytes of one JSON; its numbers, texts, lists and dictionaries
MOST_PACKED = 2**28  # bytes of packed arrays, which may unpack to 64 MB or to a hundred times that many
UNPACKED, RATIO = 2**26, 100
UNPACKING = 2**26  # bytes for the unpacking itself, which needs 9 MB for files packed here
# Arrays are mostly float16: two bytes a number, each kind of byte packed with its like. The smallest of three is kept.
_PACKINGS = [
    [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": lc, "lp": 1, "pb": 1, "nice_len": length}]
    for lc, length in ((0, 64), (1, 273), (0, 8))
]

_BLANK = b"0" * 64  # in place of the checksum while that is taken
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_PART = re.compile(r"\.lnescape-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.part")
_STALE = 24 * 3600  # s after which a temporary file belongs to nobody, whichever machine wrote it
_PATIENCE = 60  # s that a writer waits for another one


class ResultError(ValueError):
    """A kept file is absent, damaged, of another kind, or cannot be written."""


def write(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file whole, or leave the former one in place."""
    path = path.expanduser()
    temporary = path.with_name(f".lnescape-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean(path.parent)
        try:
            with temporary.open("xb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise an OSError while `path` is written as a ResultError."""
    try:
        yield
    except OSError as error:
        cure = "make room there, or name a folder that can be written (for results: set LNESCAPE_HOME)"
        raise ResultError(f"cannot write {path} ({error.strerror or error}); {cure}.") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder against other writers of results; without effect where the system or the disk has no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)  # the folder itself is locked: no lock file is left behind
    try:
        end = time.monotonic() + _PATIENCE
        with suppress(OSError):
            while time.monotonic() < end:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.01)
            else:
                raise ResultError(f"{folder} has been locked by another process for a minute; end that process.")
        yield
    finally:
        os.close(descriptor)


def _clean(folder: Path) -> None:
    """Remove temporary files whose writers are dead."""
    for path in folder.glob(".lnescape-*.part"):
        with suppress(OSError):
            if (found := _PART.fullmatch(path.name)) and is_file(path) and _dead(path, *found.groups()):
                path.unlink()


def _dead(path: Path, host: str, process: str) -> bool:
    """Return whether the process that wrote a temporary file has ended."""
    if time.time() - path.lstat().st_mtime > _STALE:
        return True
    if host == _HOST and os.name != "nt":  # there, signal 0 is no question
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # somebody else's
            return False
    return False


def is_file(path: Path) -> bool:
    """Return whether there is a regular file: no link, no folder, no device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def reading(path: Path, cure: str) -> Iterator[BinaryIO]:
    """Open a regular file; any error while it is open becomes a ResultError."""
    path = path.expanduser()
    try:
        if not is_file(path) and (path.is_symlink() or path.exists()):
            raise ResultError(f"{path} is a link, a folder or a device, and only a file is read; {cure}")
        with path.open("rb") as file:
            yield file
    except ResultError:
        raise
    except FileNotFoundError as error:
        raise ResultError(f"{path} is missing; {cure}") from error
    except OSError as error:
        raise ResultError(f"cannot read {path} ({error.strerror or error}); {cure}") from error
    except Exception as error:  # whatever it is, the file is of no use
        raise ResultError(f"{path} is damaged ({_one_line(error)}); {cure}") from error


def read(path: Path, *, most: int, cure: str) -> bytes:
    """Read a regular file of at most `most` bytes."""
    with reading(path, cure) as file:
        if len(data := file.read(most + 1)) > most:
            raise ValueError(f"more than {most / 2**20:.0f} MB")
        return data


def parse(text: bytes) -> Any:
    """Read JSON; raise ValueError where it is none, too large, or deeper than Python goes."""
    if len(text) > MOST_JSON or sum(map(text.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"more than {MOST_JSON / 2**20:.0f} MB or {MOST_VALUES:,} values of JSON")
    try:
        return json.loads(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("lists in lists, too deep to be read") from None


def seal(content: Mapping[str, Any]) -> bytes:
    """Write JSON with the checksum of its canonical form; a line for each value of the two outer levels."""
    whole = {**content, "sha256": hashlib.sha256(_canonical(content)).hexdigest()}
    sealed = f"{_in_lines(whole, levels=2)}\n".encode()
    if len(sealed) > MOST_JSON or sum(map(sealed.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError("too many numbers and texts; put long lists into arrays")
    return sealed


def _in_lines(value: Any, *, levels: int) -> str:
    """Write JSON without blanks, and each value of the outer `levels` of dictionaries in a line."""
    if not (levels and isinstance(value, Mapping) and value):
        return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    items = sorted(value.items())
    rows = (f"{_in_lines(name, levels=0)}:{_in_lines(inner, levels=levels - 1)}" for name, inner in items)
    return "{\n" + ",\n".join(rows) + "\n}"


def unseal(text: bytes) -> dict[str, Any]:
    """Read JSON that `seal` wrote; raise ValueError where the content has another checksum."""
    content = parse(text)
    try:
        if content.pop("sha256") == hashlib.sha256(_canonical(content)).hexdigest():
            return content
    except (TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise ValueError("its checksum is another")


def _canonical(content: Mapping[str, Any]) -> bytes:
    """Write JSON so that equal content gives equal bytes."""
    return (json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack arrays; raise ValueError where `unpack` would refuse them."""
    from safetensors.numpy import save

    # Rows, such as retrainings, differ less from one another than the inputs in a row.
    steps = {name: bits for name, array in arrays.items() if (bits := _in_steps(array)) is not None}
    whole = save({**arrays, **steps}, {"steps": json.dumps(sorted(steps))} if steps else None)
    packed = min((lzma.compress(whole, filters=how) for how in _PACKINGS), key=len)
    if len(packed) > MOST_PACKED or len(whole) > max(UNPACKED, RATIO * len(packed)):
        raise ValueError(f"arrays of {len(whole) / 2**20:.0f} MB are too much for one result; store fewer, or float16")
    return packed


def _in_steps(array: np.ndarray) -> np.ndarray | None:
    """Return the differences of each row's bits from the row before; None where they pack no better."""
    if array.dtype != np.float16 or array.ndim < 2:
        return None
    bits = array.view(np.uint16)
    steps = np.diff(bits, axis=0, prepend=bits[:1] * 0)  # modulo 2¹⁶, so that sums restore every bit
    was, now = (len(lzma.compress(one.tobytes(), filters=_PACKINGS[0])) for one in (bits, steps))
    return steps.view(np.float16) if now < was else None


def unpack(packed: bytes) -> dict[str, np.ndarray]:
    """Unpack arrays in bounded memory; raise where they are damaged."""
    from safetensors.numpy import load

    most = max(UNPACKED, RATIO * len(packed))
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=UNPACKING)
    whole = stream.decompress(packed, most + 1)
    if len(whole) > most or not stream.eof or stream.unused_data:
        raise ValueError(f"cut short, or unpacked more than {most / 2**20:.0f} MB")
    header = parse(whole[8 : 8 + _length(whole[:8], len(whole))])
    found = dict(sorted(load(whole).items()))  # which come in a random order
    for name in parse(header.get("__metadata__", {}).get("steps", "[]").encode()):
        if found[name].dtype != np.float16 or found[name].ndim < 2:
            raise ValueError(f"the array {name} can't be one of steps")
        found[name] = np.cumsum(found[name].view(np.uint16), axis=0, dtype=np.uint16).view(np.float16)
    return found


def save(path: Path, kind: str, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors and their description to one sealed file."""
    from safetensors.torch import save as as_bytes

    header = {"description": description, "kind": kind, "sha256": _BLANK.decode()}
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    data = as_bytes(plain, {"lnescape": json.dumps(header, sort_keys=True, default=str)})
    start, view = data.rindex(_BLANK, 0, 8 + _length(data[:8], len(data))), memoryview(data)
    write(path, view[:start], hashlib.sha256(data).hexdigest().encode(), view[start + len(_BLANK) :])


@contextmanager
def loading(path: Path, kind: str, *, cure: str) -> Iterator[tuple[dict, dict[str, Tensor]]]:
    """Read description and tensors that `save` wrote, on the CPU; errors in the `with` block are ResultErrors, too."""
    from safetensors.torch import load

    with reading(path, cure) as file:
        start = file.read(8)
        start += file.read(_length(start, os.fstat(file.fileno()).st_size))
        header = parse(parse(start[8:])["__metadata__"]["lnescape"].encode())
        found = header["sha256"].encode()
        if len(found) != len(_BLANK) or start.count(found) != 1:
            raise ValueError("it holds no checksum")
        digest = hashlib.sha256(start.replace(found, _BLANK))
        while part := file.read(2**20):
            digest.update(part)
        if digest.hexdigest().encode() != found:
            raise ValueError("its checksum is another")
        if header["kind"] != kind:
            raise ValueError(f"it holds a {header['kind']}, not a {kind}")
        file.seek(0)
        yield header["description"], load(file.read())


def _length(start: bytes, size: int) -> int:
    """Read the length of the header of a safetensors file of this size."""
    length = int.from_bytes(start, "little")
    if not len(start) == 8 <= 8 + length <= min(size, 8 + MOST_JSON):
        raise ValueError("it is cut short")
    return length


def _one_line(error: BaseException) -> str:
    """Describe an error in one short line."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return "".join(c if c.isprintable() else " " for c in text)[:200]
