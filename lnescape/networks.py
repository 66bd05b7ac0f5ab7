"""The networks of the studies: perceptron, small convolutional network, residual networks.

They are plain modules. Any other architecture, the user's own included, takes their place unchanged.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.checks import one_of, real
from lnescape.weights import Builder

__all__ = ["cnn", "fast_cnn", "mlp", "network", "resnet", "wide_resnet"]


def mlp(
    image_shape: tuple[int, ...], n_classes: int, *, width: int = 200, depth: int = 2, dropout: float = 0.0
) -> nn.Sequential:
    """Build a multilayer perceptron, h_l = max(0, W_l h_{l−1} + b_l), logits = W h_depth + b.

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
    """Return a dropout layer in a list, or none where the rate is 0."""
    return [nn.Dropout(rate)] if rate else []


def cnn(
    image_shape: tuple[int, ...], n_classes: int, *, width: int | None = None, dropout: float = 0.0
) -> nn.Sequential:
    """Build a small convolutional network without normalisation.

    Up to 28×28 it has the size of LeNet-5: two 5×5 convolutions of `width` and 2·`width` channels, pooled by two,
    then 120 and 84 units. Above, three 3×3 convolutions of `width`, 2·`width` and 4·`width` channels, so pooled,
    then 128 units (about 6 million multiply-adds at 32×32).

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
    widths, n_blocks = [width, 2 * width, 4 * width], (depth - 2) // 6
    return _residual(image_shape, n_classes, width, widths, n_blocks=n_blocks, norm=norm, dropout=dropout)


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


def whitening_filters(images: Float[Tensor, "images channels height width"], n: int = 12) -> Float[Tensor, "f c 2 2"]:
    """Return 2n filters that whiten 2×2 patches of (5 000) normalised training images: ± v_k/√(λ_k + 5·10⁻⁴)."""
    some = images[:5000].cpu().double()
    patches = some.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    n = min(n, len(values))
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
    """Build a convolutional network that learns in few operations.

    Whitening → SiLU → stages of (3×3 convolution, pooled by two, batch normalisation without gain, SiLU) and further
    convolutions of the same kind → largest value of each channel → linear layer of scaled inputs.

    Args:
        image_shape: (channels, height, width) of one image, at least 16×16 pixels.
        n_classes: Number of logits, ≥ 2.
        filters: [f, channels, 2, 2], which `network` computes; without them, both signs of each pixel of a patch.
        widths: Channels of each stage.
        convolutions: Of each stage, ≥ 1.
        residual: Whether the further convolutions of a stage stand beside a shortcut, x + SiLU(BN(conv x)).
        narrow: Divides all widths, to multiples of 8, for cheap retrainings; 1 leaves them as they are.
        scale: Factor on the logits.

    Returns:
        The network, from images to logits.

    Raises:
        ValueError: Images too small for so many stages, no convolutions for each stage, or `narrow` that isn't > 0.

    References:
        Jordan 2024, arXiv 2404.00498 (whitening, identities, biases); Page 2019, "How to train your ResNet".

    Example:
        >>> sum(p.numel() for p in fast_cnn((3, 32, 32), 10).parameters() if p.requires_grad)
        278768
    """
    narrow, side = real(narrow, "narrow", above=0), min(image_shape[1:])
    if len(convolutions) != len(widths) or min(convolutions) < 1:
        many = f"Each of the {len(widths)} stages needs one convolution or more, not {list(convolutions)}"
        raise ValueError(f"{many}; give as many numbers as there are widths.")
    if side - 1 < 2 ** len(widths):
        need = f"{len(widths)} stages that halve an image need {2 ** len(widths) + 1} pixels a side, not {side}"
        raise ValueError(f"{need}; give fewer widths and convolutions.")
    if filters is None:
        whole = image_shape[0] * 4
        filters = torch.cat([torch.eye(whole), -torch.eye(whole)]).view(2 * whole, image_shape[0], 2, 2)
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


def network(name: str, data, **options) -> Builder:
    """Choose a network by name, sized for a data set.

    Args:
        name: "mlp", "cnn", "resnet", "wide_resnet", "fast_cnn" or "fast_resnet" (the last two whiten training images).
        data: A `Dataset`; its image shape and number of classes are used.
        **options: Keyword arguments of that network, such as `width=50`.

    Returns:
        A builder: call it for one network; it can be sent to other processes.

    Raises:
        TypeError: `data` is no data set.
        ValueError: Images without height and width for a network of convolutions.

    Example:
        >>> from types import SimpleNamespace
        >>> net = network("mlp", SimpleNamespace(image_shape=(1, 8, 8), n_classes=10), width=20)
        >>> net()(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    one_of(name, NETWORKS, "network")
    if not hasattr(data, "image_shape"):
        raise TypeError(f"The data are a {type(data).__name__}; pass what lnescape.load or lnescape.dataset returns.")
    if name != "mlp" and len(data.image_shape) != 3:
        raise ValueError(
            f"{name} takes images [n, channels, height, width], not {['n', *data.image_shape]}; give grey images a "
            "channel axis, images.unsqueeze(1), or take 'mlp'."
        )
    known = list(inspect.signature(NETWORKS[name]).parameters)[2:]
    for option in options:
        one_of(option, known, f"option of {name}")
    if "filters" in known and "filters" not in options:
        options["filters"] = whitening_filters(data.train.subset(slice(0, 5000)).images)
    return partial(NETWORKS[name], tuple(data.image_shape), data.n_classes, **options)
