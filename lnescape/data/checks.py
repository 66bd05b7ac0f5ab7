"""Bad data, refused in one sentence that names the cause and the cure."""

import numpy as np
import torch
from torch import Tensor

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class DataError(ValueError):
    """Data that cannot be used, found or trusted; the message says why and what to do."""


def check_pixels(pixels: object, part: str) -> Tensor:
    """Return images as a tensor with a channel axis, or say what is wrong with them.

    Args:
        pixels: Images, uint8 (0 to 255) or float, [n, channels, ...]; [n, height, width] gets
            a channel axis of length one.
        part: How the message names them, such as "train".

    Returns:
        uint8 or float32 tensor with at least two axes.

    Raises:
        DataError: If they are empty, neither uint8 nor float, without a batch axis, channels
            last, NaN or infinite.
    """
    images = _as_tensor(pixels, f"{part} images")
    if images.dtype != torch.uint8 and images.dtype not in _FLOATS:
        raise DataError(f"{part} images have dtype {_name(images)}; give uint8 (0 to 255) or float.")
    if images.dim() < 2:
        raise DataError(f"{part} images have shape {list(images.shape)}; give [n, channels, height, width].")
    if images.numel() == 0:
        raise DataError(f"{part} is empty (shape {list(images.shape)}); give at least one image.")
    if images.dim() == 3:
        images = images.unsqueeze(1)
    if images.dim() == 4 and images.dtype == torch.uint8:
        check_channels_first(tuple(images.shape[1:]), f"{part} images")
    if images.dtype == torch.uint8:
        return images
    images = images.to(torch.float32)
    check_finite(images, f"{part} images")
    return images


def check_channels_first(image_shape: tuple[int, ...], what: str) -> None:
    """Refuse images whose last axis can only be the channels.

    Args:
        image_shape: Shape of one image, three axes.
        what: How the message names them.

    Raises:
        DataError: If the last axis has one or three entries and the first has not.
    """
    if image_shape[-1] in (1, 3) and image_shape[0] not in (1, 3):
        raise DataError(
            f"{what} have shape {list(image_shape)}, channels last; put the channels first with .permute(0, 3, 1, 2)."
        )


def check_finite(images: Tensor, what: str) -> None:
    """Refuse NaN and infinite pixels.

    Args:
        images: Float images, batch first.
        what: How the message names them.

    Raises:
        DataError: If a pixel is not finite; the message says how many images and which first.
    """
    if torch.isfinite(images.sum()):  # one pass; a finite sum has only finite terms
        return
    bad = ~torch.isfinite(images).flatten(1).all(1)
    if bad.any():
        raise DataError(
            f"{what}: {int(bad.sum())} of {len(images)} hold NaN or infinite pixels, the first "
            f"is image {int(bad.nonzero()[0])}; remove or repair them."
        )


def check_labels(labels: object, part: str, n_images: int) -> Tensor:
    """Return labels as int64, or say what is wrong with them.

    Args:
        labels: Class numbers, any integer type, one per image.
        part: How the message names them, such as "train".
        n_images: Number of images of that part.

    Returns:
        int64 tensor [n].

    Raises:
        DataError: If they are not whole numbers, not one per image, or negative.
    """
    numbers = _as_tensor(labels, f"{part} labels")
    if numbers.dtype not in _INTEGERS:
        raise DataError(
            f"{part} labels have dtype {_name(numbers)}; give class numbers as integers, such as labels.long()."
        )
    if numbers.dim() != 1:
        raise DataError(
            f"{part} labels have shape {list(numbers.shape)}; give one class number per image, "
            f"[{n_images}] (one-hot labels: labels.argmax(1))."
        )
    if len(numbers) != n_images:
        raise DataError(f"{part} has {n_images} images but {len(numbers)} labels; give one label per image.")
    numbers = numbers.to(torch.int64)
    if int(numbers.min()) < 0:
        raise DataError(f"{part} labels go down to {int(numbers.min())}; classes are numbered from 0.")
    return numbers


def check_new_pixels(pixels: object, image_shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a user's new images if they look like those of the data set.

    Args:
        pixels: One image or a batch, uint8 or float.
        image_shape: Shape that one image must have.
        dtype: Type of the data set's own pixels.

    Returns:
        The images as a batch.

    Raises:
        DataError: If shape, type or range differ, or a pixel is not finite.
    """
    images = _as_tensor(pixels, "images")
    if tuple(images.shape) == image_shape:
        images = images.unsqueeze(0)
    if tuple(images.shape[1:]) != image_shape:
        expected = ", ".join(str(side) for side in ("n", *image_shape))
        raise DataError(
            f"images have shape {list(images.shape)}, the data set's have [{expected}]; resize them, channels first."
        )
    if images.dtype != torch.uint8 and images.dtype not in _FLOATS:
        raise DataError(f"images have dtype {_name(images)}; give uint8 or float.")
    if len(images) == 0:
        raise DataError("there is no image in the batch; give at least one.")
    if images.dtype == torch.uint8:
        if dtype != torch.uint8:
            raise DataError(
                "images are uint8 but the data set's pixels are float; convert them to the range of train.pixels."
            )
        return images
    check_finite(images, "images")
    if dtype == torch.uint8:
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 255 or 0 < high <= 1:
            raise DataError(
                f"images run from {low:.3g} to {high:.3g} but the data set's pixels from 0 to "
                "255; give raw pixels (multiply images in 0 to 1 by 255, undo a normalisation)."
            )
    return images


def _as_tensor(values: object, what: str) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach()
    try:
        return torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what} cannot be read as one array ({type(values).__name__}): {error}; "
            "give a tensor or an array in which all have the same shape."
        ) from error


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
