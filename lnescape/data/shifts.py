"""Images altered on purpose: shifted copies of a test set, and augmentation in training."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lnescape.checks import one_of, whole

from .inputs import DataError

# Strengths 1, 2 and 3 of each shift. The angles turn a digit from "still plain" to "half way to
# another reading"; noise and contrast span the range of Hendrycks and Dietterich 2019.
ROTATION = (15.0, 30.0, 45.0)  # degrees, sign drawn per image
NOISE = (0.05, 0.10, 0.20)  # standard deviation, in parts of the range of the pixels
CONTRAST = (0.50, 0.30, 0.15)  # share of the distance from the channel's mean that is left
KINDS = ("rotation", "noise", "contrast")
STRENGTHS = (1, 2, 3)

_SEED = 20240917  # any fixed number
_CHUNK = 2000  # images altered at once: 25 MB of float32 for 32×32 colour


def describe_shift(kind: str, strength: int) -> str:
    """Return words for a figure's title, such as "rotation ±15°"."""
    return {
        "rotation": f"rotation ±{ROTATION[strength - 1]:.0f}°",
        "noise": f"noise {100 * NOISE[strength - 1]:.0f} % of the range",
        "contrast": f"contrast {100 * CONTRAST[strength - 1]:.0f} %",
    }[kind]


def shift_pixels(
    pixels: Shaped[Tensor, "images *image"], kind: str, strength: int, *, pixel_range: tuple[float, float]
) -> Shaped[Tensor, "images *image"]:
    """Return images rotated, with noise or with less contrast, clipped to `pixel_range`; see `Dataset.shifted`."""
    one_of(kind, KINDS, "shift", error=DataError)
    whole(strength, "strength", least=STRENGTHS[0], most=STRENGTHS[-1], error=DataError)
    if pixels.dim() != 4:
        raise DataError(f"shifted copies need images [n, channels, height, width], not {list(pixels.shape)}.")
    low, high = pixel_range
    # drawn on the CPU, so that the images are the same wherever they lie
    generator = torch.Generator().manual_seed(_SEED + 10 * KINDS.index(kind) + strength)
    result = torch.empty_like(pixels)
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK].to(torch.float32)
        if kind == "rotation":
            signs = torch.randint(0, 2, (len(part),), generator=generator).to(part.device)
            part = _rotate(part, (2.0 * signs - 1.0) * ROTATION[strength - 1])
        elif kind == "noise":
            noise = torch.randn(part.shape, generator=generator).to(part.device)
            part = part + NOISE[strength - 1] * (high - low) * noise
        else:
            mean = part.mean(dim=(2, 3), keepdim=True)
            part = mean + CONTRAST[strength - 1] * (part - mean)
        part = part.clamp(low, high)
        result[start : start + _CHUNK] = part if pixels.is_floating_point() else part.round()
    return result


def augment(
    images: Shaped[Tensor, "images *image"], *, generator: torch.Generator | Sequence[torch.Generator],
    shift: int = 0, flip: bool = False,
) -> Shaped[Tensor, "images *image"]:  # fmt: skip
    """Move every image by up to `shift` whole pixels, and mirror it with probability one half, drawn for each."""
    # Beyond its border the image is mirrored at the border pixel, as in a random crop after padding by
    # reflection. Several generators each draw for one equal part of the images, in order.
    if images.dim() != 4:
        raise DataError(f"augmentation needs [n, channels, height, width], not {list(images.shape)}; switch it off.")
    n, channels, height, width = images.shape
    side = min(height, width)
    shift = whole(shift, f"shift, in pixels of a side of {side},", least=0, most=side - 1, error=DataError)
    sources = list(generator) if isinstance(generator, Sequence) else [generator]
    if shift == 0 and not flip:
        return images
    draws = torch.cat([_draws(n // len(sources), source, shift) for source in sources], 1).to(images.device)
    rows = _reflect(torch.arange(height, device=images.device) + draws[0], height)
    columns = _reflect(torch.arange(width, device=images.device) + draws[1], width)
    if flip:
        columns = torch.where(draws[2].bool(), columns.flip(1), columns)
    index = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).view(n, 1, height * width)
    index = index.expand(n, channels, height * width)
    return images.reshape(n, channels, -1).gather(2, index).view(images.shape)


def _draws(n: int, generator: torch.Generator, shift: int) -> Int[Tensor, "3 images 1"]:
    """Draw dy, dx and whether it is mirrored for each image."""
    where = generator.device
    moves = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator, device=where)
    return torch.cat([moves, (torch.rand((1, n, 1), generator=generator, device=where) < 0.5).long()])


def _reflect(position: Tensor, size: int) -> Tensor:
    """Mirror positions outside 0 … size - 1 at the border pixel, which is not repeated."""
    return (size - 1) - (position.abs() - (size - 1)).abs()


def _rotate(
    images: Float[Tensor, "images channels height width"], degrees: Float[Tensor, " images"]
) -> Float[Tensor, "images channels height width"]:
    """Turn each image about its centre, bilinear; beyond the border, the border pixel."""
    height, width = images.shape[2:]
    angle = torch.deg2rad(degrees)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # grid coordinates run from -1 to 1 on either axis, so a turn of a non-square image stretches
    rows = ([cosine, -sine * height / width, zero], [sine * width / height, cosine, zero])
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
