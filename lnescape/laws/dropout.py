"""Dropout as a law over θ: a unit is off for the whole batch when the weights that read it are zero."""

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.laws.base import Law


@dataclass(frozen=True)
class Gate:
    """The weights that read the units of one dropout layer: a block [readers, units, width] of θ.

    Attributes:
        start: Index in θ of the block's first number.
        readers: Units of the next layer.
        units: Units, or channels, that are switched off one by one.
        width: Numbers by which one reader weighs one unit: 1, or the size of a kernel.
        rate: Probability that a unit is off, 0 < rate < 1.
    """

    start: int
    readers: int
    units: int
    width: int
    rate: float

    def __post_init__(self):
        """Refuse a rate that leaves nothing to scale.

        Raises:
            ValueError: A rate that isn't strictly between 0 and 1.
        """
        if not 0 < self.rate < 1:
            raise ValueError(f"A rate of {self.rate} leaves nothing on, or nothing off; take one between 0 and 1.")

    def of(self, theta: Tensor) -> Float[Tensor, "*networks readers units width"]:
        """Give the block of θ as a view."""
        shape = (self.readers, self.units, self.width)
        return theta[..., self.start : self.start + math.prod(shape)].unflatten(-1, shape)


@dataclass(frozen=True, eq=False)
class DropoutLaw(Law):
    """The networks that dropout makes of one: each unit on, and scaled up, or off.

    The weights that read unit j become w_j b_j/(1 − p), b_j = 0 with probability p and 1 otherwise: E θ is the
    network itself, and the variance of a weight is w² p/(1 − p).

    Attributes:
        theta: The trained network, [P].
        gates: The weights that read what dropout may switch off.

    References:
        Gal & Ghahramani 2016, arXiv 1506.02142, section 3; units are off for the whole batch here, as one network.
    """

    theta: Tensor
    gates: tuple[Gate, ...]

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that make the law."""
        return {"theta": self.theta}

    def __repr__(self) -> str:
        units = sum(gate.units for gate in self.gates)
        return f"Dropout law: {units} units of one network, each on or off; {self.cost}"

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks."""
        generator = torch.Generator().manual_seed(seed)
        for size in self.chunks(n):
            yield torch.stack([self._one(generator) for _ in range(size)])

    def _one(self, generator: torch.Generator) -> Float[Tensor, " parameters"]:
        theta = self.theta.clone()
        for gate in self.gates:
            on = torch.rand(gate.units, generator=generator) >= gate.rate
            gate.of(theta).mul_((on / (1 - gate.rate)).to(theta).unsqueeze(1))
        return theta

    def moments(
        self, directions: Float[Tensor, "directions parameters"]
    ) -> tuple[Float[Tensor, " directions"], Float[Tensor, "directions directions"]]:
        """State mean D θ and covariance Σ_j p/(1 − p) (D w_j)(D w_j)ᵀ, w_j the weights that read unit j."""
        d, theta = directions.double(), self.theta.double()
        covariance = d.new_zeros(len(d), len(d))
        for gate in self.gates:
            seen = torch.einsum("druw,ruw->du", gate.of(d), gate.of(theta))
            covariance += gate.rate / (1 - gate.rate) * seen @ seen.T
        return d @ theta, covariance

    def description(self) -> dict:
        """Say in plain values what, besides its tensors, makes the law."""
        return super().description() | {"gates": [astuple(gate) for gate in self.gates]}
