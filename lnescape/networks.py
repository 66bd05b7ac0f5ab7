"""The networks by name: perceptron, small convolutional networks, residual networks.

They are plain modules. Any other architecture, the user's own included, takes their place unchanged.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.checks import one_of, real, whole
from lnescape.weights import Builder, build

__all__ = ["network"]


def mlp(
    image_shape: tuple[int, ...], n_classes: int, *, width: int = 200, depth: int = 2, dropout: float = 0.0
) -> nn.Sequential:
    """Build a multilayer perceptron, h_l = max(0, W_l h_{l−1} + b_l), a chain that trains many seeds at once."""
    width, depth = whole(width, "width", least=1), whole(depth, "depth", least=0)
    sizes = [torch.Size(image_shape).numel()] + [width] * depth
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), *_dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))


def _dropout(rate: float) -> list[nn.Module]:
    """Return a dropout layer in a list, or none where the rate is 0."""
    return [nn.Dropout(real(rate, "dropout", least=0, below=1))] if rate else []


def cnn(
    image_shape: tuple[int, ...], n_classes: int, *, width: int | None = None, dropout: float = 0.0
) -> nn.Sequential:
    """Build a small convolutional network without normalisation, for at least 8×8 pixels."""
    channels, height, across = image_shape
    width = None if width is None else whole(width, "width", least=1)
    n, kernel, hidden, first = (3, 3, [128], width or 24) if height > 28 else (2, 5, [120, 84], width or 8)
    layers: list[nn.Module] = []
    for size in (1, 2, 4)[:n]:
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
    """Return a normalisation layer by name."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":  # groups of 8 channels, or all in one where that doesn't divide
        return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm={norm!r} is not known; use 'batch', 'group' or 'none'.")


class PreactivationBlock(nn.Module):
    """Residual block x + conv(act(norm(conv(act(norm(x)))))): He et al. 2016, arXiv 1603.05027, figure 1 (b)."""

    def __init__(self, n_in: int, n_out: int, stride: int, norm: str):
        super().__init__()
        self.norm1, self.norm2 = _normalisation(norm, n_in), _normalisation(norm, n_out)
        bias = norm == "none"  # a normalisation that follows would cancel it
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=bias)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=bias)
        plain = stride == 1 and n_in == n_out
        self.shortcut = None if plain else nn.Conv2d(n_in, n_out, 1, stride, bias=False)
        for parameter in self.conv2.parameters() if bias else ():
            nn.init.zeros_(parameter)  # blocks begin as the identity, so that signals keep their size with depth

    def forward(self, x: Float[Tensor, "batch n_in height width"]) -> Float[Tensor, "batch n_out h w"]:
        """Map one batch of feature maps."""
        active = torch.relu(self.norm1(x))
        carried = x if self.shortcut is None else self.shortcut(active)
        return carried + self.conv2(torch.relu(self.norm2(self.conv1(active))))


def _residual(
    shape: tuple[int, ...], n_classes: int, stem: int, widths: list[int], *, n_blocks: int, norm: str, dropout: float
) -> nn.Sequential:
    """Chain groups of residual blocks, one for each width, each but the first at half the resolution."""
    layers: list[nn.Module] = [nn.Conv2d(shape[0], stem, 3, 1, 1, bias=False)]
    for group, (n_in, width) in enumerate(zip([stem, *widths], widths, strict=False)):
        layers.append(PreactivationBlock(n_in, width, 2 if group else 1, norm))
        layers += [PreactivationBlock(width, width, 1, norm) for _ in range(n_blocks - 1)]
    head = [_normalisation(norm, widths[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *_dropout(dropout)]
    return nn.Sequential(*layers, *head, nn.Linear(widths[-1], n_classes))


def resnet(
    image_shape: tuple[int, ...], n_classes: int, *, depth: int = 20, width: int = 16, norm: str = "batch",
    dropout: float = 0.0,
) -> nn.Sequential:  # fmt: skip
    """Build a pre-activation residual network of three groups of (depth − 2)/6 blocks for small images."""
    width = whole(width, "width", least=1)
    if whole(depth, "depth") < 8 or (depth - 2) % 6:
        raise ValueError(f"A residual network has depth 6n + 2, not {depth}; use 8, 14, 20 or 32.")
    widths, n_blocks = [width, 2 * width, 4 * width], (depth - 2) // 6
    return _residual(image_shape, n_classes, width, widths, n_blocks=n_blocks, norm=norm, dropout=dropout)


def wide_resnet(
    image_shape: tuple[int, ...], n_classes: int, *, depth: int = 16, widen: int = 4, norm: str = "batch"
) -> nn.Sequential:
    """Build a wide residual network of three groups of (depth − 4)/6 blocks."""
    widen = whole(widen, "widen", least=1)
    if whole(depth, "depth") < 10 or (depth - 4) % 6:
        raise ValueError(f"A wide residual network has depth 6n + 4, not {depth}; use 10, 16, 22 or 28.")
    widths = [16 * widen, 32 * widen, 64 * widen]
    return _residual(image_shape, n_classes, 16, widths, n_blocks=(depth - 4) // 6, norm=norm, dropout=0.0)


def whitening_filters(images: Float[Tensor, "images channels height width"]) -> Float[Tensor, "f c 2 2"]:
    """Return up to 24 filters that whiten 2×2 patches of (5 000) normalised images: ± v_k/√(λ_k + 5·10⁻⁴)."""
    some = images[:5000].cpu().double()
    patches = some.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    n = min(12, len(values))
    # An eigenvector has no sign of its own; that of its largest entry makes it the same on every machine.
    vectors = vectors.T.flip(0)[:n]
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    filters = vectors / (values.flip(0)[:n, None] + 5e-4).sqrt()
    return torch.cat([filters, -filters]).view(2 * n, images.shape[1], 2, 2).float()


def _whitening(filters: Float[Tensor, "f c 2 2"]) -> nn.Conv2d:
    """Make the convolution with frozen whitening filters and a trainable bias that begins at zero."""
    layer = nn.Conv2d(filters.shape[1], len(filters), filters.shape[2])
    layer.weight = nn.Parameter(filters.clone(), requires_grad=False)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
    return layer


class Scale(nn.Module):
    """Multiply by a constant."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Map one batch."""
        return self.factor * x

    def extra_repr(self) -> str:
        """Return the factor, for printing."""
        return f"{self.factor:g}"


class _Stage(nn.Module):
    """Convolutions of one resolution: the first pooled by two, the others beside a shortcut or in a chain."""

    def __init__(self, n_in: int, n_out: int, n: int, residual: bool):
        super().__init__()
        self.residual = residual
        convolutions = [nn.Conv2d(n_out if k else n_in, n_out, 3, padding=1, bias=False) for k in range(n)]
        norms = [nn.BatchNorm2d(n_out) for _ in range(n)]
        for convolution, norm in zip(convolutions, norms, strict=True):
            # As many filters as there are channels begin as the identity; the others keep torch's initialisation.
            nn.init.dirac_(convolution.weight.data[: convolution.in_channels])
            norm.weight.requires_grad = False  # no gain
        self.convolutions, self.norms = nn.ModuleList(convolutions), nn.ModuleList(norms)

    def forward(self, x: Float[Tensor, "batch n_in height width"]) -> Float[Tensor, "batch n_out h w"]:
        """Map one batch of feature maps."""
        silu = nn.functional.silu
        x = silu(self.norms[0](nn.functional.max_pool2d(self.convolutions[0](x), 2)))
        for convolution, norm in zip(self.convolutions[1:], self.norms[1:], strict=True):
            more = silu(norm(convolution(x)))
            x = x + more if self.residual else more
        return x


def fast_cnn(
    image_shape: tuple[int, ...], n_classes: int, *, filters: Tensor | None = None,
    widths: Sequence[int] = (24, 64, 128), convolutions: Sequence[int] = (1, 2, 2), residual: bool = False,
    narrow: float = 1.0, scale: float = 1 / 9,
) -> nn.Sequential:  # fmt: skip
    """Build a convolutional network that learns in few operations."""
    narrow, side = real(narrow, "narrow", above=0), min(image_shape[1:])
    if len(convolutions) != len(widths) or min(convolutions) < 1:
        many = f"Each of the {len(widths)} stages needs one convolution or more, not {list(convolutions)}"
        raise ValueError(f"{many}; give as many numbers as there are widths.")
    if side - 1 < 2 ** len(widths):
        need = f"{len(widths)} stages that halve an image need {2 ** len(widths) + 1} pixels a side, not {side}"
        raise ValueError(f"{need}; give fewer widths and convolutions.")
    if filters is None:
        n = image_shape[0] * 4
        filters = torch.cat([torch.eye(n), -torch.eye(n)]).view(2 * n, image_shape[0], 2, 2)
    sizes = [width if narrow == 1 else max(8, 8 * round(width / narrow / 8)) for width in widths]
    stages = zip([len(filters), *sizes], sizes, convolutions, strict=False)
    layers = [_whitening(filters), nn.SiLU(), *(_Stage(n_in, n_out, n, residual) for n_in, n_out, n in stages)]
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), Scale(scale), nn.Linear(sizes[-1], n_classes, bias=False)]
    return nn.Sequential(*layers, *head)


fast_resnet = partial(fast_cnn, widths=(24, 80, 192), residual=True)
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp, "cnn": cnn, "resnet": resnet, "wide_resnet": wide_resnet, "fast_cnn": fast_cnn,
    "fast_resnet": fast_resnet,
}  # fmt: skip


def network(name: str, data, *, variance: bool = False, **options) -> Builder:
    """Choose a network by name, sized for a data set.

    - `mlp`: a perceptron, `depth` = 2 hidden layers of `width` = 200 rectified linear units (0: softmax regression).
    - `cnn`: up to 28×28 of LeNet-5's size, two 5×5 convolutions of `width` = 8 and 2·`width` channels, pooled by two,
      then 120 and 84 units; above, three 3×3 convolutions of `width` = 24, 2·`width` and 4·`width` channels, pooled
      likewise, then 128 units. No normalisation; at least 8×8 pixels.
    - `resnet`: pre-activation ResNet-20, `depth` = 20 or another 6n + 2, groups of `width` = 16, 2·`width` and
      4·`width` channels, `norm` = "batch", "group" (groups of 8 channels) or "none" (blocks begin as the identity).
    - `wide_resnet`: WRN-16-4, `depth` = 16 or another 6n + 4, `widen` = 4 times 16, 32, 64 channels, `norm` likewise.
    - `fast_cnn`: learns in few operations. Frozen 2×2 filters, which whiten the data → SiLU → a stage for each of
      `widths` = (24, 64, 128), of `convolutions` = (1, 2, 2) of 3×3, the first pooled by two, each with batch
      normalisation without gain and SiLU → largest value of each channel → linear layer, logits times `scale` = 1/9.
      `narrow` = 1 divides all widths, to multiples of 8, for cheap retrainings. At least 16×16 pixels.
    - `fast_resnet`: the same with `residual` = True, x + SiLU(BN(conv x)), and `widths` = (24, 80, 192).

    `dropout` = 0 of the first three is the probability that an input of a linear layer, not a pixel, is off.

    For measured values a network has one output a value, trained by squared error or, with `variance=True`, two, mean
    and ln variance, trained by Gaussian likelihood.

    Args:
        name: One of the names above.
        data: A `Dataset`; its image shape and number of classes or values are used.
        variance: Whether the network states the variance of each measured value.
        **options: Options of that network, such as `width=50`.

    Returns:
        A builder: call it for one network; it can be sent to other processes.

    Raises:
        TypeError: `data` isn't a data set.
        ValueError: Images without height and width for a network of convolutions, a variance of classes.

    References: LeCun et al. 1998, Proc. IEEE 86(11) (LeNet-5); He et al. 2016, arXiv 1603.05027; Zagoruyko and
    Komodakis 2016, arXiv 1605.07146; Jordan 2024, arXiv 2404.00498, and Page 2019, "How to train your ResNet" (fast
    networks).

    >>> from types import SimpleNamespace
    >>> data = SimpleNamespace(image_shape=(3, 32, 32), n_classes=10)
    >>> networks = [network(name, data)() for name in ("mlp", "cnn", "resnet", "wide_resnet")]
    >>> [sum(p.numel() for p in module.parameters()) for module in networks]
    [656810, 250682, 272282, 2748890]
    """
    one_of(name, NETWORKS, "network")
    if not hasattr(data, "image_shape"):
        raise TypeError(f"The data are a {type(data).__name__}; pass what lnescape.load or lnescape.dataset returns.")
    if name != "mlp" and len(data.image_shape) != 3:
        what = f"{name} takes images [n, channels, height, width], not {['n', *data.image_shape]}"
        raise ValueError(f"{what}; give grey images a channel axis, images.unsqueeze(1), or take 'mlp'.")
    known = list(inspect.signature(NETWORKS[name]).parameters)[2:]
    for option in options:
        one_of(option, known, f"option of {name}")
    if "filters" in known and "filters" not in options:
        options["filters"] = whitening_filters(data.train.subset(slice(0, 5000)).images)
    if variance and getattr(data, "values", None) is None:
        raise ValueError("variance=True is for measured values, and these are classes; leave it out.")
    builder = partial(NETWORKS[name], tuple(data.image_shape), (2 if variance else 1) * data.n_classes, **options)
    build(builder, 0)  # options that don't fit are refused here
    return builder
