"""Features: what the last linear layer of a network reads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@torch.no_grad()
def with_features(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Give logits, and the inputs of the last linear layer that is called.

    Args:
        module: A network, as it is to be used (in evaluation mode, most often).
        images: Normalised images.

    Returns:
        Logits [images, classes], and features [images, features], or None where there is no linear layer.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> logits, features = with_features(network, torch.ones(5, 4))
        >>> logits.shape, features.shape
        (torch.Size([5, 2]), torch.Size([5, 3]))
    """
    with _watched(module) as seen:
        parts = []
        for part in images.split(500):
            seen.clear()
            parts.append((module(part), seen[-1][1] if seen else None))
    logits, features = zip(*parts, strict=True)
    return torch.cat(logits), None if features[0] is None else torch.cat(features)


@torch.no_grad()
def last_layer(module: nn.Module, images: Tensor) -> nn.Linear | None:
    """Find the linear layer whose output the logits are.

    Args:
        module: A network.
        images: A few images it can take.

    Returns:
        The layer, or None where the network ends in anything else.

    Example:
        >>> last_layer(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.ones(1, 4))
        Linear(in_features=3, out_features=2, bias=True)
    """
    with _watched(module) as seen:
        logits = module(images)
    return seen[-1][0] if seen and seen[-1][2] is logits else None


@contextmanager
def _watched(module: nn.Module) -> Iterator[list[tuple[nn.Linear, Tensor, Tensor]]]:
    """Note layer, input and output of every linear layer that is called."""
    seen: list[tuple[nn.Linear, Tensor, Tensor]] = []
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: seen.append((layer, inputs[0], output)))
        for layer in layers
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
