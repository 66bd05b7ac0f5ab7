"""Images and labels in the four parts that a study needs: `Split` and `Dataset`."""

import hashlib
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from .checks import DataError, check_new_pixels
from .moments import normalise
from .shifts import describe_shift, shift_pixels

N_NORMALISATION = 5000  # images; enough for the statistics of batch norm (SWAG uses as many)


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels: one part of a data set.

    Args:
        pixels: Images as they were given, uint8 (0 to 255) or float, batch first.
        labels: Class numbers, int64; -1 for an image that belongs to no class.
        mean: What normalisation subtracts, one number per channel, in units of `pixels`;
            without it the images are `pixels` as they are.
        std: What normalisation divides by, same form and unit.
        title: What a figure calls these images.

    Example:
        >>> grey = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
        >>> half = torch.tensor([127.5])
        >>> Split(grey, torch.tensor([1]), mean=half, std=half).images
        tensor([[[[-1.,  1.]]]])
    """

    pixels: Shaped[Tensor, "images *image"]
    labels: Int64[Tensor, " images"]
    _: KW_ONLY
    mean: Float[Tensor, " channels"] | None = None
    std: Float[Tensor, " channels"] | None = None
    title: str = ""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __repr__(self) -> str:
        """Return the title, the number of images and where they lie."""
        shape = "×".join(str(side) for side in self.pixels.shape[1:])
        return f"{self.title or 'split'}: {len(self)} images {shape}, {self.pixels.device}"

    def __getstate__(self) -> dict[str, object]:
        """Leave the cached float images behind: a worker process computes its own."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def images(self) -> Float[Tensor, "images *image"]:
        """Normalised float32 images, (pixels - mean) / std, computed once and kept."""
        return normalise(self.pixels, self.mean, self.std)

    def subset(self, indices: Tensor | np.ndarray | slice | list[int] | range) -> "Split":
        """Return the images at `indices`, in that order.

        Args:
            indices: Positions, 0 to n - 1, or a slice.

        Returns:
            A new split with the same normalisation.
        """
        if isinstance(indices, range):
            indices = list(indices)
        if isinstance(indices, (np.ndarray, list)):
            indices = torch.as_tensor(indices, dtype=torch.int64)
        if isinstance(indices, Tensor):
            indices = indices.to(self.pixels.device)
        return replace(self, pixels=self.pixels[indices], labels=self.labels[indices])

    def to(self, device: torch.device | str) -> "Split":
        """Return the same split on another device; the float images are computed there."""
        moved = {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in self.__getstate__().items()
        }
        return Split(**moved)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Dataset:
    """A data set in fixed parts, with shifted and foreign companions.

    | part | what it is for | taken from |
    |---|---|---|
    | `train` | training | official training set without `validation` |
    | `validation` | early choices: recipe, schedule | 5 000 of the official training set |
    | `calibration` | temperature, prior of the moderated evaluation | half of the official test set |
    | `test` | what is reported | the other half |
    | `evaluation` | accuracy on the whole official test set | `calibration` then `test` |
    | `shifted(kind, strength)` | behaviour away from the training data | `test`, altered |
    | `foreign` | images of no known class, label -1 | another data set |

    Sizes: MNIST and FashionMNIST 55 000 / 5 000 / 5 000 / 5 000; CIFAR-10 and CIFAR-100
    45 000 / 5 000 / 5 000 / 5 000; mnist5k 3 500 / 500 / 500 / 500, equal numbers of each
    digit; digits 1 197 / 200 / 200 / 200; shapes 8 000 and shapes100 16 000, / 1 000 / 1 000 / 1 000. The parts
    are cut from a permutation drawn by numpy's ``RandomState(0)``, whose stream is frozen: they
    are the same on every machine. (The permutation matters: the first half of MNIST's official
    test set was written by other people, and is easier, than the second.)

    Args:
        name: The true name, such as "mnist5k" or "shapes".
        title: What figures print; a stand-in says there that it is one.
        classes: Names of the classes, in the order of their numbers.
        train: Part for training.
        validation: Part for early choices.
        calibration: Part for calibration.
        test: Part for reporting.
        stand_in: True where drawn images take the place of real ones.
        foreign_source: Function without argument that returns the pixels of a foreign set and
            its title; called only when `foreign` is asked for.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    calibration: Split
    test: Split
    stand_in: bool = False
    foreign_source: Callable[[], tuple[Tensor, str]] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave everything cached behind when travelling to another process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        """Return the title, the sizes of the parts and the shape of an image."""
        shape = "×".join(str(side) for side in self.image_shape)
        counts = [f"{part} {len(getattr(self, part)):,}".replace(",", " ") for part in PARTS]
        return (
            f"Dataset {self.name!r}: {self.title}\n"
            f"  {', '.join(counts)}\n"
            f"  images {shape}, {self.n_classes} classes, {self.train.pixels.device}"
        )

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, channels first."""
        return tuple(self.train.pixels.shape[1:])

    @cached_property
    def evaluation(self) -> Split:
        """Calibration and test part together: the official test set."""
        pixels = torch.cat([self.calibration.pixels, self.test.pixels])
        labels = torch.cat([self.calibration.labels, self.test.labels])
        return replace(self.test, pixels=pixels, labels=labels, title=f"{self.title}: evaluation")

    @cached_property
    def normalisation_images(self) -> Float[Tensor, "images *image"]:
        """The first (at most) 5 000 training images, normalised: for statistics of batch norm."""
        return self.train.subset(slice(0, N_NORMALISATION)).images

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over pixels and labels of all four parts, in hexadecimal."""
        digest = hashlib.sha256()
        for part in PARTS:
            split = getattr(self, part)
            for tensor in (split.pixels, split.labels):
                digest.update(f"{part} {tuple(tensor.shape)} {tensor.dtype};".encode())
                digest.update(np.ascontiguousarray(tensor.cpu().numpy()))
        return digest.hexdigest()

    @cached_property
    def pixel_range(self) -> tuple[float, float]:
        """Smallest and largest pixel: (0, 255) for uint8, else those of the training part."""
        if self.train.pixels.dtype == torch.uint8:
            return 0.0, 255.0
        return float(self.train.pixels.min()), float(self.train.pixels.max())

    def shifted(self, kind: str, strength: int) -> Split:
        """Return the test images altered: how a network behaves away from its training data.

        Rotation turns each image about its centre by ±15°, ±30° or ±45° (the sign drawn per
        image, bilinear, border pixels repeated); noise adds a Gaussian of standard deviation
        5 %, 10 % or 20 % of the range of the pixels; contrast pulls every channel of an image
        towards its mean, leaving 50 %, 30 % or 15 % of the distance. Results are clipped to
        the range of the pixels; uint8 stays uint8. The draws come from a generator of their own
        with a fixed seed, so that the same call gives the same images.

        Args:
            kind: "rotation", "noise" or "contrast".
            strength: 1 (weak), 2 or 3 (strong).

        Returns:
            A split with as many images as `test`, in the same order.

        Raises:
            DataError: If kind or strength is unknown, or the data are not images.

        References:
            Hendrycks and Dietterich 2019, arXiv:1903.12261 (noise and contrast in this form).
        """
        pixels = shift_pixels(self.test.pixels, kind, strength, pixel_range=self.pixel_range)
        title = f"{self.title}: test, {describe_shift(kind, strength)}"
        return replace(self.test, pixels=pixels, title=title)

    @cached_property
    def foreign(self) -> Split:
        """Images that belong to no class of this data set, label -1; loaded when first asked for.

        MNIST and FashionMNIST have each other's official test set, so have CIFAR-10 and
        CIFAR-100 (no class in common, though a pickup truck is close to a truck); mnist5k and
        digits have drawn grey shapes, drawn shapes have real handwritten digits.

        Raises:
            DataError: If there is none: a user's own data for which none was given.
        """
        if self.foreign_source is None:
            raise DataError(f"{self.title} has no foreign set: give one to dataset(..., foreign=images).")
        pixels, title = self.foreign_source()
        pixels = pixels.to(self.test.pixels.device)
        labels = torch.full((len(pixels),), -1, dtype=torch.int64, device=pixels.device)
        return replace(self.test, pixels=pixels, labels=labels, title=title)

    def prepare(self, pixels: Tensor | np.ndarray) -> Float[Tensor, "images *image"]:
        """Normalise new images as the training images were: (pixels - mean) / std.

        Args:
            pixels: Images in the form and range of `train.pixels` (0 to 255 for a loaded set),
                uint8 or float, batch first; a single image is taken as a batch of one.

        Returns:
            float32 images on the device of the data.

        Raises:
            DataError: If shape, dtype or range differ from those of the training images, or a
                pixel is NaN or infinite.
        """
        checked = check_new_pixels(pixels, self.image_shape, self.train.pixels.dtype)
        return normalise(checked.to(self.train.pixels.device), self.train.mean, self.train.std)

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the same data on another device.

        Args:
            device: Such as "cpu" or "cuda".

        Returns:
            A new data set; the old one stays where it is.
        """
        return replace(self, **{part: getattr(self, part).to(device) for part in PARTS})


PARTS = ("train", "validation", "calibration", "test")
