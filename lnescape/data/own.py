"""`dataset`: a user's own images in the same four parts."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from .catalogue import SPLIT_SEED
from .checks import DataError, check_labels, check_pixels
from .moments import channel_moments
from .splits import PARTS, Dataset, Split

MAX_VALIDATION = 5000  # images split off a training set without validation part, at most


def dataset(
    *,
    train: object,
    test: object,
    validation: object = None,
    calibration: object = None,
    foreign: object = None,
    name: str = "user data",
    classes: tuple[str, ...] | list[str] | None = None,
    normalise: bool = False,
    stand_in: bool = False,
) -> Dataset:
    """Return a user's own images as a data set in four parts.

    Each part is a pair (images, labels) of tensors or arrays, or a map-style torch data set
    whose items are (image, label), the image a tensor, an array or a PIL image; its transforms
    are applied once, here. A missing validation part is split off the training set (a tenth, at
    most 5 000 images), a missing calibration part off the test set (half), by a permutation from
    numpy's ``RandomState(0)``.

    Args:
        train: Part for training, at least 2 images, 1 if `validation` is given.
        test: Part for reporting, at least 2 images, 1 if `calibration` is given.
        validation: Part for early choices.
        calibration: Part for calibration.
        foreign: Images that belong to no class.
        name: Name and title, printed in figures.
        classes: Names of the classes; without them, the numbers from 0 to the largest label of
            the training part.
        normalise: Subtract the training part's mean and divide by its standard deviation,
            channel by channel. Without it float images go to the network as they are, and uint8
            images divided by 255.
        stand_in: True if these images take the place of others.

    Returns:
        The data set. Images [n, height, width] get a channel axis; floats become float32.

    Raises:
        DataError: If images are empty, NaN, infinite, neither uint8 nor float, of different
            shape in two parts, or labels are missing, not whole numbers, negative or too large.

    Example:
        >>> images, labels = torch.rand(100, 3, 8, 8), torch.arange(100) % 4
        >>> data = dataset(train=(images, labels), test=(images[:20], labels[:20]))
        >>> [len(part) for part in (data.train, data.validation, data.calibration, data.test)]
        [90, 10, 10, 10]
    """
    given = {"train": train, "validation": validation, "calibration": calibration, "test": test}
    parts = {key: _read(part, key) for key, part in given.items() if part is not None}
    for key in ("train", "test"):
        if key not in parts:
            raise DataError(f"{key}=None: give the part as (images, labels) or a torch data set.")
    names = tuple(classes) if classes is not None else _numbers(parts["train"][1])
    outside = None if foreign is None else check_pixels(foreign, "foreign")
    _check_together(parts, len(names), outside)
    if validation is None:
        parts["validation"], parts["train"] = _cut(parts["train"], "train", share=10)
    if calibration is None:
        parts["calibration"], parts["test"] = _cut(parts["test"], "test", share=2)

    images = parts["train"][0]
    if normalise:
        mean, std = channel_moments(images)
    elif images.dtype == torch.uint8:
        n_channels = images.shape[1]
        mean = torch.zeros(n_channels, device=images.device)
        std = torch.full((n_channels,), 255.0, device=images.device)
    else:
        mean = std = None
    splits = {key: Split(*parts[key], mean=mean, std=std, title=f"{name}: {key}") for key in PARTS}
    source = None if outside is None else partial(_given, outside, f"foreign to {name}")
    return Dataset(name=name, title=name, classes=names, stand_in=stand_in, foreign_source=source, **splits)


def _given(pixels: Tensor, title: str) -> tuple[Tensor, str]:
    """Return a foreign set that the user gave; a named function travels to worker processes."""
    return pixels, title


def _numbers(labels: Tensor) -> tuple[str, ...]:
    return tuple(str(number) for number in range(int(labels.max()) + 1))


def _read(part: object, key: str) -> tuple[Tensor, Tensor]:
    """Return images and labels of one part, checked."""
    if isinstance(part, Split):
        part = (part.pixels, part.labels)
    if isinstance(part, (Tensor, np.ndarray)):
        raise DataError(f"{key} holds images only; give (images, labels).")
    if isinstance(part, (tuple, list)):
        if len(part) != 2:
            raise DataError(f"{key} has {len(part)} entries; give two, (images, labels).")
        images, labels = part
    else:
        images, labels = _read_items(part, key)
    pixels = check_pixels(images, key)
    return pixels, check_labels(labels, key, len(pixels)).to(pixels.device)


def _read_items(part: object, key: str) -> tuple[Tensor, Tensor]:
    """Read a map-style data set item by item."""
    if not (hasattr(part, "__getitem__") and hasattr(part, "__len__")):
        raise DataError(
            f"{key} is {type(part).__name__}; give (images, labels) or a torch data set with len() and [index]."
        )
    if len(part) == 0:
        raise DataError(f"{key} is empty; give at least one image.")
    images, labels = [], []
    for index in range(len(part)):  # most data sets don't stop on their own when iterated over
        item = part[index]
        if not (isinstance(item, (tuple, list)) and len(item) == 2):
            raise DataError(f"{key}[{index}] is no pair (image, label); the data set must give pairs.")
        image, label = item
        images.append(_one_image(image))
        labels.append(label.item() if isinstance(label, (Tensor, np.generic)) else label)
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise DataError(
            f"{key} holds images of {len(shapes)} different shapes, such as "
            f"{' and '.join(str(list(s)) for s in sorted(shapes)[:2])}; resize them to one."
        )
    return torch.stack(images), torch.as_tensor(labels)


def _one_image(image: object) -> Tensor:
    if isinstance(image, Tensor):
        return image.detach()
    array = np.array(image)  # a copy: a PIL image lends memory that cannot be written
    if not hasattr(image, "getbands"):
        return torch.from_numpy(array)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def _cut(part: tuple[Tensor, Tensor], key: str, *, share: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Cut one share-th off a part, at most 5 000 images where it is for validation."""
    images, labels = part
    if len(images) < 2:
        raise DataError(f"{key} has one image and two parts must be cut from it; give at least two.")
    n = max(1, len(images) // share)
    if key == "train":
        n = min(n, MAX_VALIDATION)
    order = np.random.RandomState(SPLIT_SEED).permutation(len(images))
    order = torch.from_numpy(order).to(images.device)
    return (images[order[:n]], labels[order[:n]]), (images[order[n:]], labels[order[n:]])


def _check_together(parts: dict[str, tuple[Tensor, Tensor]], n_classes: int, foreign: Tensor | None) -> None:
    """Refuse parts that don't belong together."""
    if n_classes < 2:
        raise DataError("there is only one class; a classifier needs labels of at least two.")
    reference = parts["train"][0]
    pixels = {key: images for key, (images, _) in parts.items()}
    if foreign is not None:
        pixels["foreign"] = foreign
    for key, images in pixels.items():
        if images.shape[1:] != reference.shape[1:]:
            raise DataError(
                f"{key} images have shape {list(images.shape[1:])}, train images "
                f"{list(reference.shape[1:])}; resize them to one shape."
            )
        if images.dtype != reference.dtype:
            raise DataError(
                f"{key} images are {images.dtype}, train images {reference.dtype}; "
                "convert them to one type and one range."
            )
        if images.device != reference.device:
            raise DataError(f"{key} lies on {images.device}, train on {reference.device}; move them to one.")
    for key, (_, labels) in parts.items():
        if int(labels.max()) >= n_classes:
            raise DataError(
                f"{key} labels go up to {int(labels.max())} but there are {n_classes} classes, "
                f"numbered 0 to {n_classes - 1}; name them all in classes=(…)."
            )
