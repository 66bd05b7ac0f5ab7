"""Normalisation: mean and standard deviation of each channel, and their use."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def normalise(
    pixels: Shaped[Tensor, "images *image"],
    mean: Float[Tensor, " channels"] | None,
    std: Float[Tensor, " channels"] | None,
) -> Float[Tensor, "images *image"]:
    """Return float32 (pixels - mean) / std, channel by channel; without a mean, the pixels."""
    if mean is None or std is None:
        return pixels.to(torch.float32)
    shape = (1, -1) + (1,) * (pixels.dim() - 2)
    return pixels.to(torch.float32).sub(mean.view(shape)).div_(std.view(shape))


def channel_moments(
    pixels: Shaped[Tensor, "images channels *image"],
) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"]]:
    """Return mean and standard deviation of each channel, in units of the pixels.

    uint8 images are counted in a histogram, so their moments are exact whatever the order of
    the sums; a channel that never changes gets standard deviation 1, not 0.

    Args:
        pixels: uint8 or float images, channels second.

    Returns:
        Two float32 tensors, one number per channel each.
    """
    moments = []
    for channel in pixels.unbind(1):
        if pixels.dtype == torch.uint8:
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
