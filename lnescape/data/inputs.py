"""Check and normalise images and labels; errors are one sentence with cause and cure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from lnescape.checks import numbers

# Without names of the classes, labels number them; this many numbers per class that occurs is a mistake.
_NUMBERS_PER_CLASS = 10
# Largest modulus of ln variance, in units of the scatter of the training part: a standard deviation of 1/1000 to 1000.
LN_VARIANCE = 13.8


class DataError(ValueError):
    """Data cannot be used, found or trusted; the message gives cause and cure."""


@dataclass(frozen=True, eq=False)
class Values:
    """Scale between outputs and measured values: networks learn standardised values, (y − mean)/std."""

    mean: Float[Tensor, " outputs"]  # of the training part, in the unit, [outputs]
    std: Float[Tensor, " outputs"]  # its standard deviation, in the unit, [outputs]
    unit: str | tuple[str, ...] = ""  # of all values, or of each output where they differ; empty for plain numbers

    def standardised(self, values: Float[Tensor, "*n outputs"]) -> Float[Tensor, "*n outputs"]:
        """Return (values − mean)/std."""
        return (values - self.mean.to(values)) / self.std.to(values)

    def in_unit(self, outputs: Float[Tensor, "*n outputs"]) -> Float[Tensor, "..."]:
        """Return the values of a network's outputs or, of outputs twice as many, `[*n, values, 2]` with variances."""
        outputs = outputs.double()  # so that a large mean doesn't swallow differences of outputs
        mean, std = self.mean.to(outputs), self.std.to(outputs)
        if outputs.shape[-1] == len(mean):
            return mean + std * outputs
        value, ln_variance = outputs.unflatten(-1, (2, -1)).unbind(-2)
        variance = std.square() * ln_variance.clamp(-LN_VARIANCE, LN_VARIANCE).exp()
        return torch.stack([mean + std * value, variance], -1)

    def describe(self) -> dict:
        """Return the scale as plain values, for a file."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist(), "unit": self.unit}

    @classmethod
    def described(cls, description: dict) -> "Values":
        """Restore the scale from the values of `describe`."""
        unit = description["unit"]
        unit = str(unit) if isinstance(unit, str) else tuple(map(str, unit))
        return cls(torch.tensor(description["mean"]), torch.tensor(description["std"]), unit)

    def to(self, device: torch.device | str) -> "Values":
        """Return the scale on another device."""
        return Values(self.mean.to(device), self.std.to(device), self.unit)


def check_pixels(pixels: object, part: str) -> Tensor:
    """Return inputs as uint8, int64 or float32, in the same shape; raise if they can't be inputs."""
    images = _as_inputs(pixels, f"{part} inputs")
    if images.dim() < 2:
        raise DataError(f"{part} inputs have shape {list(images.shape)}; give [n, channels, height, width] or [n, …].")
    if images.numel() == 0:
        raise DataError(f"{part} is empty (shape {list(images.shape)}); give at least one input.")
    shape = list(images.shape[1:])
    if images.dtype == torch.uint8 and len(shape) == 3 and shape[-1] in (1, 3) and shape[0] not in (1, 3):
        raise DataError(f"{part} images have their channels last, {shape}; put them first with .permute(0, 3, 1, 2).")
    if images.dtype == torch.uint8 and len(shape) == 1 and int(images.max()) <= 1:
        raise DataError(f"{part} images are uint8 of 0 and 1, and pixels run to 255; give features as floats.")
    _check_finite(images, f"{part} inputs")
    return images


def check_new_pixels(pixels: object, image_shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a user's new images as a batch; raise where shape, type or range differ from the data set's."""
    images = _as_inputs(pixels, "inputs")
    if tuple(images.shape) == image_shape:
        images = images.unsqueeze(0)
    if tuple(images.shape[1:]) != image_shape:
        here, there = list(images.shape), ", ".join(str(side) for side in ("n", *image_shape))
        raise DataError(f"images have shape {here}, the data set's have [{there}]; resize them, channels first.")
    if len(images) == 0:
        raise DataError("there is no input in the batch; give at least one.")
    _check_finite(images, "inputs")
    if images.dtype == dtype:
        return images
    if dtype != torch.uint8:
        what = f"images are {_name(images.dtype)} but the data set's pixels are {_name(dtype)}"
        raise DataError(f"{what}; convert them to the range of train.pixels.")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 255 or 0 < high <= 1:
        what = f"images run from {low:.3g} to {high:.3g} but the data set's pixels from 0 to 255"
        raise DataError(f"{what}; give raw pixels (multiply images in 0 to 1 by 255, undo a normalisation).")
    return images


def check_labels(labels: object, part: str, n_images: int, *, unit: Any = None) -> Tensor:
    """Return classes as int64 [n], or measured values as float32 [n, outputs]; raise unless there is one an image."""
    first = None if isinstance(labels, Tensor) else next(iter(labels), None) if np.iterable(labels) else labels
    if isinstance(first, (str, bytes)):
        cure = "number them alike in every part, [names.index(one) for one in labels], and pass classes=names"
        raise DataError(f"{part} labels are text, such as {str(first)!r}; {cure}, such as sorted(set(labels)).")
    given = _as_tensor(labels, f"{part} labels")
    _refuse_several(given, part, n_images, unit)
    if given.is_floating_point():
        return _check_values(given, part, n_images, unit)
    if given.is_complex() or given.dtype == torch.bool:
        raise DataError(f"{part} labels have dtype {_name(given.dtype)}; give whole numbers, of dtype int64.")
    if unit is not None:
        what = f"{part} labels are whole numbers, which are classes, and classes have no unit"
        raise DataError(f"{what}; leave unit={unit!r} out, or give measured values as floats.")
    if given.dim() != 1:
        cure = f"one class number per input, [{n_images}] (one-hot: labels.argmax(1); a column: labels.reshape(-1))"
        raise DataError(f"{part} labels have shape {list(given.shape)}; give {cure}.")
    if len(given) != n_images:
        raise DataError(f"{part} has {n_images} inputs but {len(given)} labels; give one label per input.")
    given = given.to(torch.int64)
    if int(given.min()) < 0:
        raise DataError(f"{part} labels go down to {int(given.min())}; classes are numbered from 0.")
    return given


def _refuse_several(given: Tensor, part: str, n_images: int, unit: Any) -> None:
    """Raise where an image has a class at each pixel, or several classes at once."""
    what = f"{part} labels have shape {list(given.shape)}"
    measured = given.is_floating_point() and bool((given % 1 != 0).any())
    if given.ndim > 2 and not measured:
        cure = "ln.state_arrays takes a row for each pixel, with n_eff= the number of images"
        raise DataError(f"{what}, more than one class per input, as of its pixels; {cure}.")
    if given.ndim == 2 and given.shape[1] > 1 and unit is None and not given.is_complex():
        ones = (given == 1).sum(1)
        if bool(((given == 0) | (given == 1)).all()) and not bool((ones == 1).all()):
            cure = f"state each class by itself, with labels[:, k], [{n_images}]"
            raise DataError(f"{what}, and mark {int(ones.min())} to {int(ones.max())} classes per input; {cure}.")


def _check_values(values: Tensor, part: str, n_images: int, unit: Any) -> Float[Tensor, "images outputs"]:
    """Return measured values as float32 [n, outputs]; raise where they are not finite, or are classes."""
    rows = values.unsqueeze(1) if values.ndim == 1 else values
    if rows.ndim != 2 or len(rows) != n_images or not rows.shape[1]:
        raise DataError(f"{part} values have shape {list(values.shape)}; give [{n_images}] or [{n_images}, outputs].")
    _check_finite(rows, f"{part} values", "leave these inputs out, or measure them again")
    if unit is None and bool((rows == rows.round()).all()):
        kind = f"{part} labels are whole numbers of dtype {_name(values.dtype)}"
        raise DataError(f"{kind}; for classes give int64 (one-hot: labels.argmax(1)), for values a unit, unit='°'.")
    _check_resolved(rows, f"{part} values")
    span = float((rows.amax(0) - rows.amin(0)).max())
    if not (span == 0 or 1e-15 < span < 1e15):
        raise DataError(f"{part} values run over {span:.3g}, too far for float32; give a unit nearer to their size.")
    return rows.float()


def count_classes(labels: Tensor) -> int:
    """Return the largest label plus one; raise where that is a stray label and not a class."""
    largest, n_different = int(labels.max()), len(labels.unique())
    if largest + 1 > _NUMBERS_PER_CLASS * max(n_different, 10):
        found = f"train labels go up to {largest} (input {int(labels.argmax())}) but only {n_different} occur"
        raise DataError(f"{found}; correct that label, number them without gaps, or name all classes in classes=(…).")
    return largest + 1


def normalise(
    pixels: Shaped[Tensor, "images *image"],
    mean: Float[Tensor, " channels"] | None,
    std: Float[Tensor, " channels"] | None,
) -> Shaped[Tensor, "images *image"]:
    """Return float32 (pixels - mean) / std, channel by channel; without a mean, floats and tokens as they are."""
    if mean is None or std is None:
        return pixels if pixels.dtype == torch.int64 else pixels.to(torch.float32)
    shape = (1, -1) + (1,) * (pixels.dim() - 2)
    return pixels.to(torch.float32).sub(mean.view(shape)).div_(std.view(shape))


def channel_moments(
    pixels: Shaped[Tensor, "images channels *image"],
) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"]]:
    """Return mean and standard deviation of each channel, in units of the pixels; 1 where a channel never changes."""
    moments = []
    for channel in pixels.unbind(1):
        if pixels.dtype == torch.uint8:  # from a histogram: exact, whatever the order of the sums
            counts = torch.bincount(channel.reshape(-1), minlength=256).double().cpu()
            levels = torch.arange(256, dtype=torch.float64)
            mean = (counts * levels).sum() / counts.sum()
            variance = (counts * (levels - mean) ** 2).sum() / counts.sum()
        else:
            # numpy sums pairwise on one thread: the same bits whatever the thread count
            values = channel.double().cpu().numpy()
            mean, variance = torch.tensor(values.mean()), torch.tensor(values.var())
        moments.append((mean, variance.sqrt() if variance > 0 else torch.ones_like(variance)))
    mean, std = (torch.stack(column).float().to(pixels.device) for column in zip(*moments, strict=True))
    return mean, std


def _check_finite(values: Tensor, what: str, cure: str = "remove or repair them") -> None:
    """Raise where a number is NaN or infinite."""
    if not values.is_floating_point() or torch.isfinite(values.sum()):  # a finite sum has only finite terms
        return
    bad = ~torch.isfinite(values).flatten(1).all(1)
    if bad.any():
        found = f"{int(bad.sum())} of {len(values)} are NaN or infinite, the first is number {int(bad.nonzero()[0])}"
        raise DataError(f"{what}: {found}; {cure}.")


def _as_inputs(values: object, what: str) -> Tensor:
    """Return `values` as one tensor of uint8, of int64 for all other whole numbers, or of float32; raise for others."""
    inputs = _as_tensor(values, what)
    if inputs.is_complex() or inputs.dtype == torch.bool:
        raise DataError(f"{what} have dtype {_name(inputs.dtype)}; give uint8, other whole numbers (tokens) or float.")
    if inputs.dtype == torch.float64:  # in float32 a constant may tremble, and nothing is lost any more
        _check_resolved(inputs, what)
    if inputs.is_floating_point():
        return inputs.to(torch.float32)
    return inputs if inputs.dtype == torch.uint8 else inputs.to(torch.int64)


def _check_resolved(values: Tensor, what: str) -> None:
    """Raise where numbers differ by so little that float32 merges them."""
    if values.ndim and len(values):
        low, high = values.reshape(len(values), -1).double().aminmax(dim=0)
        most, span = torch.maximum(low.abs(), high.abs()), high - low
        step = (2**-24 * most).clamp_min(2**-149)  # of float32; a smaller span is rounding in float64 already
        lost = (span > 1e-12 * most) & (step > 1e-3 * span)
        if lost.any():
            k = int(lost.nonzero()[0])
            why = f"{what} run from {float(low[k])!r} to {float(high[k])!r} in column {k}, too near for float32"
            raise DataError(f"{why}; subtract an offset first, or change the unit.")


def _as_tensor(values: object, what: str) -> Tensor:
    """Return `values` as one plain tensor of numbers; raise where they have different shapes or aren't numbers."""
    cure = "give an array in which all have the same shape (texts: numbers of tokens, padded to one length)"
    if what.endswith("labels"):
        cure = "give one number for each input"
    try:
        if isinstance(values, (list, tuple)) and values and hasattr(values[0], "getbands"):
            values = torch.stack([one_image(image) for image in values])
        if isinstance(values, Tensor):
            if values.layout != torch.strided or values.is_nested or values.is_quantized or values.is_meta:
                raise TypeError("it isn't a plain tensor; use to_dense() or dequantize()")
            return values.detach()
        array = numbers(values)
        kind = f"={array.dtype.kind}{min(array.itemsize, 8)}"  # torch knows no longdouble
        if kind == "=u8" and array.size and array.max() >= 2**63:
            raise ValueError("it holds whole numbers of 2⁶³ or more; give smaller ones, or floats")
        native = array.astype(kind.replace("u8", "i8"), copy=False)
        return torch.from_numpy(np.require(native, requirements=["C", "W"]))  # copied where torch can't share it
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        cause = str(error).split(". ")[0]
        raise DataError(f"{what} cannot be read as one array ({type(values).__name__}): {cause}; {cure}.") from error


def one_image(image: Any, what: str = "an image") -> Tensor:
    """Return a tensor, an array or a PIL picture as a tensor; a picture has its channels first, and no palette."""
    if not hasattr(image, "getbands"):
        return _as_tensor(image, what)
    wanted = {"P": "RGB", "PA": "RGBA", "1": "L"}.get(image.mode, image.mode)
    array = np.array(image if wanted == image.mode else image.convert(wanted))
    return _as_tensor(array[None] if array.ndim == 2 else array.transpose(2, 0, 1), what)


def _name(dtype: torch.dtype) -> str:
    """Return the name of a type, such as "uint8"."""
    return str(dtype).removeprefix("torch.")
