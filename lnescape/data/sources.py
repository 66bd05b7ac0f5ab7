"""Where the files of a data set are: a folder, the cache, the network; each file is checked.

The checksums are those that torchvision checks for CIFAR (``torchvision.datasets.CIFAR10`` and
``CIFAR100``, lists ``train_list``, ``test_list``, ``meta``). For MNIST and FashionMNIST
torchvision lists the packed archives only; the ones here belong to the unpacked files, taken from
archives that agreed with torchvision's list.
"""

import hashlib
import http.client
import os
import shutil
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from .checks import DataError
from .vision import torchvision

NETWORK_LIMIT = 6.0  # seconds until a silent network counts as none; the import of torchvision adds some

_CIFAR10 = "cifar-10-batches-py/"
_CIFAR100 = "cifar-100-python/"
MD5 = {
    "mnist": {
        "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {
        "FashionMNIST/raw/train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "FashionMNIST/raw/train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "FashionMNIST/raw/t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "FashionMNIST/raw/t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    "cifar10": {
        _CIFAR10 + "data_batch_1": "c99cafc152244af753f735de768cd75f",
        _CIFAR10 + "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        _CIFAR10 + "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        _CIFAR10 + "data_batch_4": "634d18415352ddfa80567beed471001a",
        _CIFAR10 + "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        _CIFAR10 + "test_batch": "40351d587109b95175f43aff81a1287e",
        _CIFAR10 + "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    "cifar100": {
        _CIFAR100 + "train": "16019d7e3df5f24257cddd939b257f8d",
        _CIFAR100 + "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        _CIFAR100 + "meta": "7973b15100ade9c7d40fb424638fde48",
    },
}
_CLASSES = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
INSTEAD = {"mnist": "mnist5k", "fashion_mnist": "mnist5k", "cifar10": "shapes", "cifar100": "shapes100"}


def cache_folder() -> Path:
    """Return the folder downloads go to: ``$XDG_CACHE_HOME/lnescape``, else ``~/.cache/lnescape``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lnescape"


def read_files(name: str, *, folder: str | Path | None, download: bool) -> dict[str, bytes]:
    """Return the content of every file of a data set, each checked against its md5.

    Args:
        name: "mnist", "fashion_mnist", "cifar10" or "cifar100".
        folder: Where to look, and where to put what is downloaded; without it,
            ``$LNESCAPE_DATA``, then the cache folder.
        download: Fetch the files where they are missing.

    Returns:
        Content by file name, the folders left off.

    Raises:
        DataError: If the files are absent and cannot be had, or one is damaged.
    """
    folders = places(folder)
    place = holding(name, folders)
    if place is not None:
        return _read_checked(name, place)
    if not download:
        raise DataError(_absent(name, folders, "and download=False was asked for"))
    _download(name, folders)
    return _read_checked(name, folders[-1])


def places(folder: str | Path | None = None) -> list[Path]:
    """List the folders that are looked in: the one given, else ``$LNESCAPE_DATA`` and the cache folder."""
    asked = [folder] if folder is not None else [os.environ.get("LNESCAPE_DATA"), cache_folder()]
    return [Path(place).expanduser() for place in asked if place]


def holding(name: str, folders: list[Path]) -> Path | None:
    """Find the first folder that holds every file of a data set."""
    return next((place for place in folders if all((place / file).is_file() for file in MD5[name])), None)


def where_found() -> dict[str, str]:
    """Say where each data set was found, its files checked.

    Returns:
        {name: the folder and "checksums verified", or that it is absent or damaged, or comes with the installation}.

    Example:
        >>> where_found()["digits"]
        'comes with the installation'
    """
    found = dict.fromkeys(("mnist5k", "digits", "shapes", "shapes100"), "comes with the installation")
    for name, files in MD5.items():
        place = holding(name, places())
        if place is None:
            found[name] = _absent(name, places(), "and is downloaded when first asked for").split("; ")[0]
            continue
        try:
            _read_checked(name, place)
            found[name] = f"{place}, {len(files)} files, checksums verified"
        except DataError as error:
            found[name] = str(error)
    return found


def _read_checked(name: str, folder: Path) -> dict[str, bytes]:
    contents = {}
    for file, expected in MD5[name].items():
        content = (folder / file).read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != expected:
            raise DataError(
                f"the file {folder / file} is damaged: md5 expected {expected}, found {found}; "
                "move it away and load again, or put an intact copy in its place."
            )
        contents[file.rsplit("/", 1)[1]] = content
    return contents


def _absent(name: str, folders: list[Path], why: str) -> str:
    places = ", ".join(f"{place}{'' if place.is_dir() else ' (does not exist)'}" for place in folders)
    first = next(iter(MD5[name]))
    return (
        f"{name} was not found in {places}, {why}; set the variable LNESCAPE_DATA to the folder "
        f"that holds {first}, or use the embedded set load({INSTEAD[name]!r}) instead."
    )


def _download(name: str, folders: list[Path]) -> None:
    """Fetch a data set through torchvision into the last of `folders`, whole files only."""
    vision = getattr(torchvision().datasets, _CLASSES[name])
    urls = [m + vision.resources[0][0] for m in vision.mirrors] if "mnist" in name else [vision.url]
    reason = _unreachable(urls)
    if reason:
        raise DataError(_absent(name, folders, f"and there is no way to download it ({reason})"))
    target = folders[-1]
    try:
        target.mkdir(parents=True, exist_ok=True)
        # torchvision writes in place; a killed download must not leave half a file behind
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target))
    except OSError as error:
        raise DataError(_absent(name, folders, f"and that folder cannot be written ({error})")) from error
    limit = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_LIMIT)  # torchvision sets none and would wait for ever
    try:
        vision(root=str(temporary), download=True)
        for file in MD5[name]:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary / file, target / file)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DataError(_absent(name, folders, f"and its download failed ({error})")) from error
    finally:
        socket.setdefaulttimeout(limit)
        shutil.rmtree(temporary, ignore_errors=True)


def _unreachable(urls: list[str]) -> str:
    """Return why none of the addresses answers within the limit, or "" if one does.

    The question is asked in threads of their own: resolving a name knows no time limit.
    """
    answered = threading.Event()
    done = threading.Semaphore(0)
    reasons: list[str] = []

    def ask(url: str) -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=NETWORK_LIMIT):
                answered.set()
        except urllib.error.HTTPError as error:
            reasons.append(str(error))
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(str(getattr(error, "reason", error)))
        finally:
            done.release()

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    end = time.monotonic() + NETWORK_LIMIT
    for _ in urls:
        done.acquire(timeout=max(0.0, end - time.monotonic()))
        if answered.is_set():
            return ""
    return reasons[0] if reasons else f"no answer within {NETWORK_LIMIT:g} s"
