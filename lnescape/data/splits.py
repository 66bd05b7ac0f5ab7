"""Images and labels in four parts, train, validation, calibration and test: `Split`, `Dataset`, and `dataset`."""

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from lnescape.checks import checked_device, instance, texts, units_of

from . import inputs
from .inputs import DataError, Values

PARTS = ("train", "validation", "calibration", "test")
SPLIT_SEED = 0  # of numpy's RandomState, whose stream is frozen
MOST_APART = 5  # standard deviations of the training part by which the mean of another part may differ, and ratio
MAX_VALIDATION = 5000  # images split off a training set without validation part, at most
ONE_TENSOR = "join them in one tensor, such as torch.cat([one, other], 1), and take them apart in forward()"
N_NORMALISATION = 5000  # images; enough for the statistics of batch norm (SWAG uses the same number)


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels: one part of a data set.

    >>> grey = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    >>> half = torch.tensor([127.5])
    >>> Split(grey, torch.tensor([1]), mean=half, std=half).images
    tensor([[[[-1.,  1.]]]])
    """

    pixels: Shaped[Tensor, "images *image"]  #: images as they were given, uint8 (0 to 255) or float, batch first
    #: class numbers, int64 [n], -1 for an image that belongs to no class; or measured values in their unit, float32
    #: [n, outputs]
    labels: Shaped[Tensor, "images *outputs"]
    _: KW_ONLY
    #: number subtracted from each channel in normalisation, in units of `pixels`; None leaves the pixels as they are
    mean: Float[Tensor, " channels"] | None = None
    std: Float[Tensor, " channels"] | None = None  #: divisor of each channel in normalisation, same form and unit
    title: str = ""  #: name of these images in figures
    values: Values | None = None  #: standardisation of measured values; None for classes
    rows: Tensor | None = None  #: rows of these images in the part that was given, where it was cut in two

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __repr__(self) -> str:
        """Return the title, the number of images and where they lie."""
        shape = "×".join(str(side) for side in self.pixels.shape[1:])
        return f"{self.title or 'split'}: {len(self)} {self.kind} {shape}, {self.pixels.device}"

    @property
    def kind(self) -> str:
        """Word for the inputs: "images" if they have channels, height and width, "inputs" otherwise."""
        return "images" if self.pixels.dim() == 4 else "inputs"

    def __getstate__(self) -> dict[str, object]:
        """Leave the cached float images behind; a worker process computes them again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def images(self) -> Shaped[Tensor, "images *image"]:
        """Normalised float32 images, (pixels - mean) / std, computed once and kept; tokens (int64) as they are."""
        return inputs.normalise(self.pixels, self.mean, self.std)

    @cached_property
    def targets(self) -> Shaped[Tensor, "images *outputs"]:
        """Targets of the training: the classes, or standardised values."""
        return self.labels if self.values is None else self.values.standardised(self.labels)

    def subset(self, indices: Tensor | np.ndarray | slice | list[int] | range) -> "Split":
        """Return the images at `indices` (positions, mask or slice), in that order; raise DataError for others."""
        if not isinstance(indices, slice):
            given = indices.cpu().numpy() if isinstance(indices, Tensor) else np.asarray(indices)
            if given.size and given.dtype.kind not in "biu":
                raise DataError(f"indices hold {given.dtype}; give whole numbers, a mask of booleans, or a slice.")
            n, mask, given = len(self), given.dtype == bool, np.atleast_1d(given)
            if mask and given.shape != (n,):
                raise DataError(f"The mask has shape {list(given.shape)}; give it one boolean for each of {n} inputs.")
            if not mask and given.size and not -n <= given.min() <= given.max() < n:
                raise DataError(f"indices go from {given.min()} to {given.max()}; give positions below {n}.")
            indices = torch.as_tensor(given.astype(bool if mask else np.int64), device=self.pixels.device)
        rows = None if self.rows is None else self.rows[indices]
        return replace(self, pixels=self.pixels[indices], labels=self.labels[indices], rows=rows)

    def to(self, device: torch.device | str) -> "Split":
        """Return the same split on another device; the float images are computed there."""
        moved: Any = {n: v.to(device) for n, v in self.__getstate__().items() if isinstance(v, Tensor | Values)}
        return replace(self, **moved)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Dataset:
    """A data set in fixed parts, with shifted and foreign sets.

    | part | purpose | taken from |
    |---|---|---|
    | `train` | training | official training set without `validation` |
    | `validation` | early choices: recipe, schedule | 5 000 of the official training set |
    | `calibration` | temperature, prior of the moderated evaluation | half of the official test set |
    | `test` | reported results | the other half |
    | `evaluation` | accuracy on the whole official test set | `calibration` then `test` |
    | `shifted(kind, strength)` | behaviour away from the training data | `test`, altered |
    | `foreign` | images of no known class, label -1 | another data set |

    The parts are cut from a permutation by numpy's ``RandomState(0)``, whose stream is frozen: they are the same on
    every machine. (The permutation matters: the first half of MNIST's official test set was written by other people,
    and is easier, than the second.)
    """

    name: str  #: the true name, such as "mnist5k" or "shapes"
    title: str  #: title in figures; that of a stand-in says that it is one
    #: names of the classes, in the order of their numbers; of measured values, the names of the outputs
    classes: tuple[str, ...]
    train: Split  #: part for training
    validation: Split  #: part for early choices
    calibration: Split  #: part for calibration
    test: Split  #: part for reporting
    stand_in: bool = False  #: true where drawn images take the place of real ones
    #: function that returns the pixels of a foreign set and its title, called at their first use
    foreign_source: Callable[[], tuple[Tensor, str]] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave everything cached behind; a worker process computes it again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        """Return the title, the sizes of the parts and the shape of an image."""
        shape = "×".join(str(side) for side in self.image_shape)
        counts = [f"{part} {len(getattr(self, part)):,}".replace(",", " ") for part in PARTS]
        units = ", ".join(dict.fromkeys(unit or "1" for unit in units_of(self.unit or "", self.n_classes)))
        what = f"{self.n_classes} classes" if self.values is None else f"{', '.join(self.classes)} in {units}"
        return (
            f"Dataset {self.name!r}: {self.title}\n"
            f"  {', '.join(counts)}\n"
            f"  {self.train.kind} {shape}, {what}, {self.train.pixels.device}"
        )

    @property
    def n_classes(self) -> int:
        """Number of classes, or of measured values per input."""
        return len(self.classes)

    @property
    def values(self) -> Values | None:
        """Standardisation of measured values, with their unit; None for a data set of classes."""
        return self.train.values

    @property
    def unit(self) -> str | tuple[str, ...] | None:
        """Unit of the measured values, of each output where they differ; None for a data set of classes."""
        return None if self.values is None else self.values.unit

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, channels first."""
        return tuple(self.train.pixels.shape[1:])

    @cached_property
    def evaluation(self) -> Split:
        """Calibration and test part together: the official test set."""
        both = (self.calibration, self.test)
        pixels, labels = torch.cat([part.pixels for part in both]), torch.cat([part.labels for part in both])
        return replace(self.test, pixels=pixels, labels=labels, title=f"{self.title}: evaluation", rows=None)

    @cached_property
    def normalisation_images(self) -> Shaped[Tensor, "images *image"]:
        """The first (at most) 5 000 training images, normalised: for statistics of batch norm."""
        return self.train.subset(slice(0, N_NORMALISATION)).images

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over pixels and labels of all four parts, in hexadecimal."""
        digest = hashlib.sha256()
        for part in PARTS:
            split = getattr(self, part)
            for tensor in (split.pixels, split.labels):
                _add(tensor, digest, f"{part} ")
        return digest.hexdigest()

    @cached_property
    def training_checksum(self) -> str:
        """SHA-256 over images and labels of the training part, and over the normalisation of both."""
        split, digest = self.train, hashlib.sha256()
        for tensor in (split.pixels, split.labels):
            _add(tensor, digest)
        values = () if split.values is None else (split.values.mean, split.values.std)
        for moments in (split.mean, split.std, *values):  # sums may come in another order
            digest.update(" ".join(f"{m:.5g}" for m in ([] if moments is None else moments.tolist())).encode() + b";")
        return digest.hexdigest()

    @cached_property
    def pixel_range(self) -> tuple[float, float]:
        """Smallest and largest pixel: (0, 255) for uint8, else those of the training part."""
        pixels = self.train.pixels
        return (0.0, 255.0) if pixels.dtype == torch.uint8 else (float(pixels.min()), float(pixels.max()))

    def shifted(self, kind: str, strength: int) -> Split:
        """Return the test images altered, in the same order: how a network behaves away from its training data.

        "rotation" turns each image about its centre by ±15°, ±30° or ±45° for a strength of 1, 2 or 3 (the sign drawn
        per image, bilinear, border pixels repeated); "noise" adds a Gaussian of standard deviation 5 %, 10 % or 20 % of
        the range of the pixels; "contrast" leaves 50 %, 30 % or 15 % of every channel's distance from its mean
        (Hendrycks and Dietterich 2019, arXiv:1903.12261). Clipped to the range of the pixels; the same call gives the
        same images.
        """
        from .shifts import describe_shift, shift_pixels

        pixels = shift_pixels(self.test.pixels, kind, strength, pixel_range=self.pixel_range)
        title = f"{self.title}: test, {describe_shift(kind, strength)}"
        return replace(self.test, pixels=pixels, title=title)

    @cached_property
    def foreign(self) -> Split:
        """Return images that belong to no class of this data set, label -1 (nan for values); loaded at first use.

        MNIST and FashionMNIST have each other's official test set, as have CIFAR-10 and CIFAR-100 (no class in common,
        though a pickup truck is close to a truck); mnist5k and digits have drawn grey shapes, these have real digits.

        Raises:
            DataError: There is none: `dataset` was called without `foreign`.
        """
        if self.foreign_source is None:
            raise DataError(f"{self.title} has no foreign set: give one to dataset(..., foreign=images).")
        pixels, title = self.foreign_source()
        pixels = pixels.to(self.test.pixels.device)
        known = self.test.labels
        labels = known.new_full((len(pixels), *known.shape[1:]), -1 if self.values is None else torch.nan)
        return replace(self.test, pixels=pixels, labels=labels, title=title, rows=None)

    def prepare(self, pixels: Tensor | np.ndarray) -> Shaped[Tensor, "images *image"]:
        """Return new images, in form and range of `train.pixels`, normalised as those: (pixels - mean) / std."""
        checked = inputs.check_new_pixels(pixels, self.image_shape, self.train.pixels.dtype)
        return inputs.normalise(checked.to(self.train.pixels.device), self.train.mean, self.train.std)

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the same data on another device, such as "cpu" or "cuda"; where they lie there, these themselves."""
        place = checked_device(device)
        if all(getattr(self, part).pixels.device == place for part in PARTS):
            return self  # with the images and checksums that were computed
        return replace(self, **{part: getattr(self, part).to(place) for part in PARTS})


def _add(tensor: Tensor, digest: Any, name: str = "") -> None:
    """Add the name, form and bytes of a tensor to a digest."""
    digest.update(f"{name}{tuple(tensor.shape)} {tensor.dtype};".encode())
    digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)


def dataset(
    *, train: object, test: object, validation: object = None, calibration: object = None, foreign: object = None,
    name: str = "user data", classes: Sequence[str] | np.ndarray | None = None,
    unit: str | tuple[str, ...] | list[str] | None = None,
    normalise: bool = False, stand_in: bool = False,
) -> Dataset:  # fmt: skip
    """Build a data set in four parts from your images and labels.

    Labels are classes (whole numbers) or measured values (floats, [n] or [n, outputs]). Networks learn values
    standardised by mean and standard deviation of the training part; results are in their unit.

    Each part is a pair (images, labels) of tensors or arrays, or a map-style torch data set whose items are (image,
    label), the image a tensor, an array or a PIL image; its transforms are applied once, here. Missing parts are split
    off by a permutation from numpy's ``RandomState(0)``.

    Args:
        train: Part for training, at least 2 images, 1 if `validation` is given.
        test: Part for reporting, at least 2 images, 1 if `calibration` is given.
        validation: Part for early choices; a tenth of the training set, at most 5 000 images, unless given.
        calibration: Part for calibration; half of the test set unless given. The other half is `test`, in the order in
            which it was given; `test.rows` are its rows there, and the identifiers in a statement.
        foreign: Images of none of the classes.
        name: Name and title, printed in figures.
        classes: Names of the classes; without them, the numbers from 0 to the largest label of the training part. Of
            measured values, the names of the outputs.
        unit: Unit of the measured values, one for all outputs or one for each; "" or left out for none.
        normalise: Subtract the training part's mean and divide by its standard deviation, for each channel or feature
            (axis 1). Without it float images go to the network as they are, and uint8 images divided by 255.
        stand_in: True if these images take the place of others.

    Returns:
        The data set. Inputs keep their shape: [n, channels, height, width], [n, channels, length], [n, features], or
        [n, length] of whole numbers for tokens. Floats become float32, whole numbers int64, but uint8 are pixels.

    Raises:
        DataError: Images, labels, values or names that can't be used, such as NaN or of different shape in two parts.

    Warns:
        UserWarning: A part of 20 images or more lies in another range than the training part.

    >>> images, labels = torch.rand(100, 3, 8, 8), torch.arange(100) % 4
    >>> data = dataset(train=(images, labels), test=(images[:20], labels[:20]))
    >>> [len(part) for part in (data.train, data.validation, data.calibration, data.test)]
    [90, 10, 10, 10]
    """
    if classes is not None:
        instance(classes, (tuple, list, np.ndarray), "classes", "name every class in a tuple", error=DataError)
    instance(name, str, "name", "give it as text", error=DataError)
    given = {"train": train, "validation": validation, "calibration": calibration, "test": test}
    parts = {key: _read(part, key, unit) for key, part in given.items() if part is not None}
    for key in ("train", "test"):
        if key not in parts:
            raise DataError(f"{key}=None: give the part as (inputs, labels) or a torch data set.")
    names = _names(parts["train"][1], classes)
    outside = None if foreign is None else inputs.check_pixels(foreign, "foreign")
    _check_together(parts, len(names), outside)
    if validation is None:
        parts["validation"], parts["train"], *_ = _cut(parts["train"], "train", share=10)
    rows: dict[str, Tensor] = {}
    if calibration is None:
        parts["calibration"], parts["test"], *both = _cut(parts["test"], "test", share=2, in_order=True)
        rows = dict(zip(("calibration", "test"), both, strict=True))

    images = parts["train"][0]
    if normalise and images.dtype == torch.int64:
        raise DataError("normalise=True makes floats of whole numbers; pass floats, or leave it out for tokens.")
    mean: Tensor | None = None
    std: Tensor | None = None
    if normalise:
        mean, std = inputs.channel_moments(images)
    elif isinstance(train, Split) and train.mean is not None:
        mean, std = train.mean, train.std  # a part of another data set keeps its normalisation
    elif images.dtype == torch.uint8:
        mean = torch.zeros(images.shape[1], device=images.device)
        std = torch.full_like(mean, 255.0)
    values = _values(parts["train"][1], unit)
    known: dict[str, Any] = {"mean": mean, "std": std, "values": values}
    splits = {key: Split(*parts[key], title=f"{name}: {key}", rows=rows.get(key), **known) for key in PARTS}
    source = None if outside is None else partial(_given, outside, f"foreign to {name}")
    return Dataset(name=name, title=name, classes=names, stand_in=stand_in, foreign_source=source, **splits)


def _names(labels: Tensor, classes: Sequence[str] | np.ndarray | None) -> tuple[str, ...]:
    """Return the names of the classes, or of the outputs of measured values."""
    if classes is None:
        if not labels.is_floating_point():
            return tuple(map(str, range(inputs.count_classes(labels))))
        n = labels.shape[1]
        return ("value",) if n == 1 else tuple(f"value {k}" for k in range(n))
    if labels.is_floating_point() and len(classes) != labels.shape[1]:
        raise DataError(f"classes has {len(classes)} names for {labels.shape[1]} values per input; name each of them.")
    return texts(classes, len(classes), "classes", error=DataError)


def _values(labels: Tensor, unit: Any) -> Values | None:
    """Return how measured values of the training part are standardised; None for classes."""
    if not labels.is_floating_point():
        return None
    mean, std = inputs.channel_moments(labels)
    if bool((labels == labels[0]).all(0).any()):
        raise DataError("a train value is the same for every input; there is nothing to learn, leave it out.")
    units = units_of("" if unit is None else unit, labels.shape[1], error=DataError)
    return Values(mean, std, units if len(set(units)) > 1 else units[0])


def _given(pixels: Tensor, title: str) -> tuple[Tensor, str]:
    """Return the foreign set that was given; unlike a lambda, this travels to worker processes."""
    return pixels, title


def _read(part: object, key: str, unit: Any) -> tuple[Tensor, Tensor]:
    """Return images and labels of one part, checked."""
    if isinstance(part, Split):
        part = (part.pixels, part.labels)
    if isinstance(part, (Tensor, np.ndarray)):
        raise DataError(f"{key} holds inputs only; give (inputs, labels).")
    pairs = isinstance(part, list) and len(part) > 0 and all(isinstance(one, tuple) and len(one) == 2 for one in part)
    if isinstance(part, (tuple, list)) and not pairs:
        if len(part) != 2:
            raise DataError(f"{key} has {len(part)} entries; give two, (inputs, labels), or a list of pairs.")
        images, labels = part
        parts = tuple(images.values()) if isinstance(images, Mapping) else images if isinstance(images, tuple) else ()
        if parts and (isinstance(images, Mapping) or len(parts) != len(labels) == len(parts[0])):
            raise DataError(f"{key} holds {len(parts)} inputs for each label; {ONE_TENSOR}.")
    else:
        images, labels = _read_items(part, key)
    pixels = inputs.check_pixels(images, key)
    return pixels, inputs.check_labels(labels, key, len(pixels), unit=unit).to(pixels.device)


def _read_items(part: object, key: str) -> tuple[Tensor, list]:
    """Return images and labels of a map-style data set, read item by item."""
    if not (hasattr(part, "__getitem__") and hasattr(part, "__len__")) or isinstance(part, (dict, str)):
        kind = type(part).__name__
        raise DataError(f"{key} is {kind}; give (inputs, labels) or a torch data set with len() and [index].")
    if len(part) == 0:
        raise DataError(f"{key} is empty; give at least one input.")
    images, labels = [], []
    for index in range(len(part)):  # most data sets don't stop when iterated over
        try:
            item = part[index]
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise DataError(f"{key}[{index}] can't be read ({why}); repair it, or leave it out.") from error
        if not (isinstance(item, (tuple, list)) and len(item) == 2):
            raise DataError(f"{key}[{index}] isn't a pair (input, label); the data set must give pairs.")
        image, label = item
        if isinstance(image, (Mapping, tuple)):
            raise DataError(f"{key}[{index}] holds {len(image)} inputs for one label; {ONE_TENSOR}.")
        images.append(inputs.one_image(image, f"{key}[{index}]"))
        labels.append(label.item() if getattr(label, "ndim", None) == 0 else label)
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        some = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
        what = f"{key} holds inputs of {len(shapes)} different shapes, such as {some}"
        raise DataError(f"{what}; resize them to one, or pad them.")
    return torch.stack(images), labels


def _cut(
    part: tuple[Tensor, Tensor], key: str, *, share: int, in_order: bool = False
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor, Tensor]:
    """Cut one share-th off a part; return it, then the rest, and the rows of both."""
    images, labels = part
    if len(images) < 2:
        raise DataError(f"{key} has one input and two parts must be cut from it; give at least two.")
    n = max(1, min(len(images) // share, MAX_VALIDATION if key == "train" else len(images)))
    order = torch.from_numpy(np.random.RandomState(SPLIT_SEED).permutation(len(images))).to(images.device)
    cut, rest = order[:n], order[n:].sort().values if in_order else order[n:]
    return (images[cut], labels[cut]), (images[rest], labels[rest]), cut, rest


def _warn_of_another_range(images: Tensor, reference: Tensor, key: str) -> None:
    """Warn where a part lies elsewhere than the training part, as after a division by 255 of one of them alone."""
    (mean, std), (centre, width) = ((part.double().mean(), part.double().std()) for part in (reference, images))
    if std > 0 and not (abs(centre - mean) <= MOST_APART * std and std / MOST_APART <= width <= MOST_APART * std):
        what = f"{key} inputs are {float(centre):.3g} on average with a standard deviation of {float(width):.3g}"
        there = f"train inputs {float(mean):.3g} with {float(std):.3g}"
        warnings.warn(f"{what}, {there}; bring them to one range unless that is meant.", stacklevel=4)


def _check_together(parts: dict[str, tuple[Tensor, Tensor]], n_classes: int, foreign: Tensor | None) -> None:
    """Raise where parts differ in shape, type or device, or hold labels beyond the classes."""
    of_train = parts["train"][1]
    if n_classes < 2 and not of_train.is_floating_point():
        raise DataError("there is only one class; a classifier needs labels of at least two.")
    reference = parts["train"][0]
    pixels = {key: images for key, (images, _) in parts.items()}
    if foreign is not None:
        pixels["foreign"] = foreign
    for key, images in pixels.items():
        here, there = list(images.shape[1:]), list(reference.shape[1:])
        if here != there:
            raise DataError(f"{key} inputs have shape {here}, train inputs {there}; resize them to one shape.")
        if images.dtype != reference.dtype:
            raise DataError(f"{key} inputs are {images.dtype}, train inputs {reference.dtype}; convert them.")
        if images.device != reference.device:
            raise DataError(f"{key} lies on {images.device}, train on {reference.device}; move them to one.")
        if key in PARTS and images.is_floating_point() and len(images) >= 20:
            _warn_of_another_range(images, reference, key)
    for key, (_, labels) in parts.items():
        if labels.shape[1:] != of_train.shape[1:]:
            kinds = [f"{labels.shape[1]} values per input" if labels.ndim == 2 else "classes"
                     for labels in (labels, of_train)]  # fmt: skip
            raise DataError(f"{key} labels are {kinds[0]}, train labels {kinds[1]}; give both in one form.")
        if not labels.is_floating_point() and int(labels.max()) >= n_classes:
            last = f"{key} labels go up to {int(labels.max())} (input {int(labels.argmax())}) but there are {n_classes}"
            cure = "correct that label, or name all classes in classes=(…)"
            raise DataError(f"{last} classes, numbered 0 to {n_classes - 1}; {cure}.")
