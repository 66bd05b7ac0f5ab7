"""Engines: forward and backward passes of a network at θ, without rewriting a layer.

`AnyNetwork` takes every module, one network at a time. `LinearChain` takes chains of linear layers and rectified linear
units, and computes many networks at once with batched matrix products. `SideBySide` takes every module on an
accelerator, several networks at once. All answer the same questions.
"""

from typing import Any

import torch
from torch import nn

from lnescape.engines.plain import AnyNetwork, LinearChain
from lnescape.weights import Builder, build

__all__ = ["engine_for"]


def engine_for(
    builder: Builder, *, module: nn.Module | None = None, device: torch.device | str = "cpu",
    precision: str = "float32", chains: bool = True,
):  # fmt: skip
    """Choose the engine for a builder: many networks at once for chains and on accelerators, else one at a time."""
    # Products run in `precision`; float32 convolutions of NVIDIA accelerators are TF32, with 11 bits, unless torch is
    # told otherwise. For one network at a time `LinearChain` is slower than `AnyNetwork`: `chains=False`. `module` is a
    # network that was built already; an accelerator's engine builds more of them.
    module = build(builder, 0) if module is None else module
    where: dict[str, Any] = {"device": device, "precision": precision}
    if chains and LinearChain.accepts(module):
        return LinearChain(module, **where)
    if torch.device(device).type == "cuda":
        from lnescape.engines.side_by_side import SideBySide

        return SideBySide(module, **where, again=lambda: build(builder, 0))
    return AnyNetwork(module, **where)
