"""Where a result comes from: code, data, seeds, machine, versions, cost."""

import dataclasses
import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from lnescape.results.estimate import Estimate

PACKAGE = Path(__file__).resolve().parent.parent
# The package is imported in a kernel's first cell: the time since then is the kernel's.
_STARTED = time.time()


def provenance(
    *,
    command: str,
    seed: int | Iterable[int] | None,
    data: Any,
    n: int | None,
    cost: Any = None,
    seconds: float | None = None,
    recipe: Any = None,
    **extra: Any,
) -> dict[str, Any]:
    """Describe how a result was made, for `save_result`.

    Args:
        command: What to type to make the result again.
        seed: The seed or seeds.
        data: The `Dataset`; its name, title and checksum are kept. None where there is none.
        n: Number of independent repetitions (pairs, retrainings, …).
        cost: In trainings; a number or a dataclass.
        seconds: Wall time, in s.
        recipe: What was done; a dataclass or a dictionary.
        **extra: Anything else that `save_result` can store.

    Returns:
        A dictionary for `save_result`.

    Example:
        >>> origin = provenance(command="make report", seed=range(3), data=None, n=3)
        >>> origin["seed"], origin["n"]
        ([0, 1, 2], 3)
    """
    return {
        **{key: _plain(value) for key, value in extra.items()},
        "command": command,
        "seed": _plain_seed(seed),
        "data": _describe_data(data),
        "n": n,
        "cost": _plain(cost),
        "seconds": seconds,
        "recipe": _plain(recipe),
        "code": code(),
        "machine": machine(),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def code() -> dict[str, Any]:
    """Identify the package's sources.

    Returns:
        "version"; "sha256" over the Python files in the order of their paths; "commit" and
        "uncommitted_changes" of the package folder, None outside a repository.
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda p: p.relative_to(PACKAGE).as_posix()):
        source = path.read_bytes()
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\0{len(source)}\0".encode() + source)
    try:
        version = metadata.version("lnescape")
    except metadata.PackageNotFoundError:
        version = "not installed"
    # A package installed inside somebody else's repository is not tracked there: no commit then.
    tracked = _git("ls-files", "--error-unmatch", __file__) is not None
    changes = _git("status", "--porcelain", "--", str(PACKAGE)) if tracked else None
    return {
        "version": version,
        "sha256": digest.hexdigest(),
        "commit": _git("rev-parse", "HEAD") if tracked else None,
        "uncommitted_changes": None if changes is None else bool(changes),
    }


def machine() -> dict[str, Any]:
    """Describe this machine.

    Returns:
        "cpu" model; "cores" available to this process; "threads" of torch; "device", the
        accelerator where one is in use, else "cpu"; "system".
    """
    import torch

    used = torch.cuda.is_available() and torch.cuda.is_initialized()
    affinity = getattr(os, "sched_getaffinity", None)  # absent outside Linux
    return {
        "cpu": _cpu_model(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if used else "cpu",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """List the versions that decide the numbers.

    Returns:
        Versions of Python, torch and numpy.
    """
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def seconds_since_start() -> float:
    """Tell how long this process has worked with the package.

    Returns:
        Wall time since the package was imported, in s.
    """
    return time.time() - _STARTED


def _plain_seed(seed: Any) -> int | list[int] | None:
    if seed is None:
        return None
    return int(seed) if isinstance(seed, (int, np.integer)) else [int(s) for s in seed]


def _describe_data(data: Any) -> dict[str, Any] | None:
    if data is None:
        return None
    return {
        "name": data.name,
        "title": getattr(data, "title", data.name),
        "checksum": data.checksum,
        "stand_in": bool(getattr(data, "stand_in", False)),
    }


def _plain(x: Any) -> Any:
    """Turn dataclasses into dictionaries, at any depth, and what has only a name into its name."""
    if dataclasses.is_dataclass(x) and not isinstance(x, (type, Estimate)):
        return {f.name: _plain(getattr(x, f.name)) for f in dataclasses.fields(x)}
    if isinstance(x, Mapping):
        return {str(key): _plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(value) for value in x]
    return getattr(x, "__qualname__", str(x)) if callable(x) else x


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def _git(*arguments: str) -> str | None:
    """Run git in the package folder; None where git or a repository is missing."""
    command = ["git", "-C", str(PACKAGE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
