"""The networks of the studies: perceptron, small convolutional network, residual networks.

They are plain modules. Any other architecture, the user's own included, takes their place unchanged.
"""

import difflib
import inspect
from collections.abc import Collection
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.weights import Builder

__all__ = ["cnn", "mlp", "network", "resnet", "wide_resnet"]


def mlp(
    image_shape: tuple[int, ...], n_classes: int, *, width: int = 200, depth: int = 2, dropout: float = 0.0
) -> nn.Sequential:
    """Build a multilayer perceptron: `depth` hidden layers of `width` rectified linear units.

    h_l = max(0, W_l h_{l−1} + b_l), logits = W h_depth + b.

    Args:
        image_shape: Shape of one image, such as (1, 28, 28); it is flattened.
        n_classes: Number of logits, ≥ 2.
        width: Units in each hidden layer, ≥ 1.
        depth: Number of hidden layers, ≥ 0 (0 is softmax regression).
        dropout: Probability that a hidden unit is off in training; 0 adds no such layer.

    Returns:
        A chain of linear layers, which many seeds can train through at once.

    Example:
        >>> sum(p.numel() for p in mlp((1, 28, 28), 10).parameters())
        199210
    """
    sizes = [torch.Size(image_shape).numel()] + [width] * depth
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), *_dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))


def _dropout(rate: float) -> list[nn.Module]:
    return [nn.Dropout(rate)] if rate else []


def cnn(
    image_shape: tuple[int, ...], n_classes: int, *, width: int | None = None, dropout: float = 0.0
) -> nn.Sequential:
    """Build a small convolutional network without normalisation.

    Up to 28×28 it has the size of LeNet-5: two 5×5 convolutions of `width` and 2·`width` channels,
    each pooled by two, then 120 and 84 units. Above, three 3×3 convolutions of `width`, 2·`width` and
    4·`width` channels, each pooled by two, then 128 units (about 6 million multiply-adds at 32×32).

    Args:
        image_shape: (channels, height, width) of one image, at least 8×8 pixels.
        n_classes: Number of logits, ≥ 2.
        width: Channels of the first convolution; 8 up to 28×28, 24 above, unless given.
        dropout: Probability that a unit after the convolutions is off in training; 0 adds no such layer.

    Returns:
        The network, from images to logits.

    References:
        LeCun et al. 1998, Proc. IEEE 86(11), section II-B (LeNet-5).

    Example:
        >>> sum(p.numel() for p in cnn((1, 28, 28), 10).parameters())
        62558
    """
    channels, height, across = image_shape
    if height > 28:
        sizes, kernel, hidden, first = (1, 2, 4), 3, [128], width or 24
    else:
        sizes, kernel, hidden, first = (1, 2), 5, [120, 84], width or 8
    layers: list[nn.Module] = []
    for size in sizes:
        # The second 5×5 convolution of LeNet-5 has no padding; tiny images need it.
        padding = 0 if kernel == 5 and layers and height >= 10 else kernel // 2
        layers += [nn.Conv2d(channels, first * size, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
        shrink = kernel - 1 - 2 * padding
        channels, height, across = first * size, (height - shrink) // 2, (across - shrink) // 2
    layers.append(nn.Flatten())
    n_in = channels * height * across
    for n_out in hidden:
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), *_dropout(dropout)]
        n_in = n_out
    return nn.Sequential(*layers, nn.Linear(n_in, n_classes))


def _normalisation(norm: str, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":  # groups of 8 channels, or all in one where that doesn't divide
        return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm={norm!r} is not known; use 'batch', 'group' or 'none'.")


class PreactivationBlock(nn.Module):
    """Residual block x + conv(act(conv(act(x)))), with normalisation before each activation.

    References:
        He et al. 2016, arXiv 1603.05027, figure 1 (b).
    """

    def __init__(self, n_in: int, n_out: int, stride: int, norm: str):
        super().__init__()
        self.norm1, self.norm2 = _normalisation(norm, n_in), _normalisation(norm, n_out)
        bias = norm == "none"  # a normalisation that follows would cancel it
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=bias)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=bias)
        self.shortcut = None
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
        if norm == "none":  # blocks begin as the identity, so that signals keep their size with depth
            nn.init.zeros_(self.conv2.weight)
            nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Float[Tensor, "batch n_in height width"]) -> Float[Tensor, "batch n_out h w"]:
        """Map one batch of feature maps."""
        active = torch.relu(self.norm1(x))
        carried = x if self.shortcut is None else self.shortcut(active)
        return carried + self.conv2(torch.relu(self.norm2(self.conv1(active))))


def _residual(
    shape: tuple[int, ...], n_classes: int, stem: int, widths: list[int], *, n_blocks: int, norm: str, dropout: float
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(shape[0], stem, 3, 1, 1, bias=False)]
    n_in = stem
    for group, width in enumerate(widths):
        for block in range(n_blocks):
            layers.append(PreactivationBlock(n_in, width, 2 if group and not block else 1, norm))
            n_in = width
    head = [_normalisation(norm, n_in), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *_dropout(dropout)]
    return nn.Sequential(*layers, *head, nn.Linear(n_in, n_classes))


def resnet(
    image_shape: tuple[int, ...],
    n_classes: int,
    *,
    depth: int = 20,
    width: int = 16,
    norm: str = "batch",
    dropout: float = 0.0,
) -> nn.Sequential:
    """Build a pre-activation residual network for small images; ResNet-20 by default.

    Three groups of (depth − 2)/6 blocks with `width`, 2·`width` and 4·`width` channels.

    Args:
        image_shape: (channels, height, width) of one image.
        n_classes: Number of logits, ≥ 2.
        depth: Layers with weights, 6n + 2: 8, 14, 20, 32, …
        width: Channels of the first group, ≥ 1.
        norm: "batch", "group" (groups of 8 channels) or "none" (blocks begin as the identity).
        dropout: Probability that an input of the last layer is off in training; 0 adds no such layer.

    Returns:
        The network, from images to logits.

    Raises:
        ValueError: `depth` isn't 6n + 2, or `norm` isn't known.

    References:
        He et al. 2016, arXiv 1603.05027; for depth 20, He et al. 2015, arXiv 1512.03385, section 4.2.

    Example:
        >>> sum(p.numel() for p in resnet((3, 32, 32), 10).parameters())
        272282
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"A residual network has depth 6n + 2, not {depth}; use 8, 14, 20 or 32.")
    widths, rest = [width, 2 * width, 4 * width], {"norm": norm, "dropout": dropout}
    return _residual(image_shape, n_classes, width, widths, n_blocks=(depth - 2) // 6, **rest)


def wide_resnet(
    image_shape: tuple[int, ...], n_classes: int, *, depth: int = 16, widen: int = 4, norm: str = "batch"
) -> nn.Sequential:
    """Build a wide residual network; WRN-16-4 by default.

    Args:
        image_shape: (channels, height, width) of one image.
        n_classes: Number of logits, ≥ 2.
        depth: Layers with weights, 6n + 4: 10, 16, 22, 28, …
        widen: Factor on the 16, 32 and 64 channels of the three groups, ≥ 1.
        norm: "batch", "group" or "none".

    Returns:
        The network, from images to logits.

    Raises:
        ValueError: `depth` isn't 6n + 4, or `norm` isn't known.

    References:
        Zagoruyko and Komodakis 2016, arXiv 1605.07146, table 1.

    Example:
        >>> sum(p.numel() for p in wide_resnet((3, 32, 32), 100).parameters())
        2772020
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"A wide residual network has depth 6n + 4, not {depth}; use 10, 16, 22 or 28.")
    widths = [16 * widen, 32 * widen, 64 * widen]
    return _residual(image_shape, n_classes, 16, widths, n_blocks=(depth - 4) // 6, norm=norm, dropout=0.0)


NETWORKS = {"mlp": mlp, "cnn": cnn, "resnet": resnet, "wide_resnet": wide_resnet}


def network(name: str, data, **options) -> Builder:
    """Choose a network by name, sized for a data set.

    Args:
        name: "mlp", "cnn", "resnet" or "wide_resnet".
        data: A `Dataset`; its image shape and number of classes are used.
        **options: Keyword arguments of that network, such as `width=50`.

    Returns:
        A builder: call it for one network; it can be sent to other processes.

    Raises:
        TypeError: `data` is no data set.
        ValueError: The name, or that of an option, isn't known; the nearest one is suggested.

    Example:
        >>> from types import SimpleNamespace
        >>> net = network("mlp", SimpleNamespace(image_shape=(1, 8, 8), n_classes=10), width=20)
        >>> net()(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    _check_known(name, NETWORKS, "Network")
    if not hasattr(data, "image_shape"):
        raise TypeError(f"The data are a {type(data).__name__}; pass what lnescape.load or lnescape.dataset returns.")
    known = list(inspect.signature(NETWORKS[name]).parameters)[2:]
    for option in options:
        _check_known(option, known, f"Option of {name}")
    return partial(NETWORKS[name], tuple(data.image_shape), data.n_classes, **options)


def _check_known(name: str, known: Collection[str], what: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"{what} {name!r} is not known; {hint}known are {', '.join(known)}.")
