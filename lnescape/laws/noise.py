"""Laws of noise around one network: Gaussian noise on its weights, and dropout, which switches units off."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, astuple, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.laws.law import Law, Moments
from lnescape.weights import Builder


class NoiseLaw(Law):
    """A law that draws one network at a time, so that the draws don't depend on the size of a chunk."""

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks."""
        generator = torch.Generator().manual_seed(seed)
        for size in self.chunks(n):
            yield torch.stack([self._one(generator) for _ in range(size)])

    @abstractmethod
    def _one(self, generator: torch.Generator) -> Float[Tensor, " parameters"]:
        """Draw one network."""


@dataclass(frozen=True, eq=False)
class GaussianLaw(NoiseLaw):
    """A Gaussian law around a network: a diagonal covariance plus one of low rank.

    θ = m + s ∘ z + Fᵀ z′ with z, z′ standard normal, so Cov[θ] = diag(s²) + Fᵀ F. z′ is shared by all layers.
    """

    mean: Tensor  # m, [P]
    _: KW_ONLY
    scale: Tensor | None = None  # s, [P], in weight units; None where no parameter has noise of its own
    factors: Tensor | None = None  # F, [K, Q], in weight units, acting on Q neighbouring parameters
    start: int = 0  # index in θ of the first of them; the factors of SWAG act on all, those of Laplace on one layer
    stored, facts = ("mean", "scale", "factors"), ("start",)

    def __post_init__(self):
        """Raise unless shapes fit, and standard deviations are ≥ 0."""
        super().__post_init__()
        p = len(self.mean)
        if self.scale is not None and (self.scale.shape != self.mean.shape or bool((self.scale < 0).any())):
            raise ValueError(f"The scale is one number ≥ 0 for each of {p} parameters; pass standard deviations.")
        if self.factors is not None and not 0 <= self.start <= self.start + self.factors.shape[-1] <= p:
            reach = f"{self.start} to {self.start + self.factors.shape[-1]}"
            raise ValueError(f"The factors act on parameters {reach}, and there are {p}; pass [K, Q], start ≤ P − Q.")

    def __repr__(self) -> str:
        rank = 0 if self.factors is None else len(self.factors)
        noise = "no independent noise" if self.scale is None else "independent noise"
        return f"Gaussian law in {len(self.mean)} dimensions: {noise}, {rank} shared factors{self._priced}"

    def _one(self, generator: torch.Generator) -> Float[Tensor, " parameters"]:
        theta = self.mean.clone()
        if self.scale is not None:
            theta += self.scale * torch.randn(len(theta), generator=generator).to(theta)
        if self.factors is not None:
            noise = torch.randn(len(self.factors), generator=generator).to(theta)
            theta[self._block] += noise @ self.factors
        return theta

    @property
    def _block(self) -> slice:
        return slice(self.start, self.start + (0 if self.factors is None else self.factors.shape[1]))

    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return the mean and the covariance: D m and D (diag(s²) + Fᵀ F) Dᵀ."""
        d = directions.to(self.device).double()
        covariance = d.new_zeros(len(d), len(d))
        if self.scale is not None:
            scaled = d * self.scale.double()
            covariance += scaled @ scaled.T
        if self.factors is not None:
            shared = d[:, self._block] @ self.factors.double().T
            covariance += shared @ shared.T
        return d @ self.mean.double(), covariance


@dataclass(frozen=True, eq=False)
class KroneckerLaw(NoiseLaw):
    """A Gaussian law on one linear layer whose covariance is diagonal in a product of two bases.

    W = Ŵ + U (S ∘ Z) Vᵀ with Z standard normal, W [outputs, inputs], the bias being its last column.

    References: Ritter et al. 2018, ICLR, "A scalable Laplace approximation for neural networks".
    """

    mean: Tensor  # the network, [P]
    left: Tensor  # U, [outputs, outputs], orthogonal
    right: Tensor  # V, [inputs, inputs], orthogonal
    deviations: Tensor  # S ≥ 0, [outputs, inputs], in weight units
    _: KW_ONLY
    start: int = 0  # index in θ of the first weight of the layer
    bias: bool = True  # whether a bias follows the weights
    stored, facts = ("mean", "left", "right", "deviations"), ("start", "bias")

    def __post_init__(self):
        """Raise unless shapes fit."""
        super().__post_init__()
        shapes = [(side, side) for side in self.deviations.shape]
        if [self.left.shape, self.right.shape] != shapes or not 0 <= self.start <= len(self.mean) - self._size:
            raise ValueError("The bases are [outputs, outputs] and [inputs, inputs] of a layer that lies in θ.")

    def __repr__(self) -> str:
        outputs, inputs = self.deviations.shape
        return f"Gaussian law on a layer of {outputs} × {inputs} parameters, a product of two bases{self._priced}"

    @property
    def _size(self) -> int:
        return self.deviations.numel()

    def _one(self, generator: torch.Generator) -> Float[Tensor, " parameters"]:
        noise = torch.randn(self.deviations.shape, generator=generator).to(self.mean)
        block = self.left @ (self.deviations * noise) @ self.right.T
        theta = self.mean.clone()
        flat = torch.cat([block[:, :-1].flatten(), block[:, -1]]) if self.bias else block.flatten()
        theta[self.start : self.start + self._size] += flat
        return theta

    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return D m and the sum over the products of basis vectors: S² times the squares of D along them."""
        d, (outputs, inputs) = directions.to(self.device).double(), self.deviations.shape
        block = d[:, self.start : self.start + self._size]
        if self.bias:
            weights = block[:, : outputs * (inputs - 1)].reshape(len(d), outputs, inputs - 1)
            block = torch.cat([weights, block[:, outputs * (inputs - 1) :].unsqueeze(2)], 2)
        along = self.left.double().T @ block.reshape(len(d), outputs, inputs) @ self.right.double()
        along = (along * self.deviations.double()).flatten(1)
        return d @ self.mean.double(), along @ along.T


@dataclass(frozen=True)
class Gate:
    """The weights that read the units of one dropout layer: [readers, units, width] in θ, from index `start` on."""

    start: int
    readers: int
    units: int
    width: int  # numbers that weigh one unit: 1, or the size of a kernel
    rate: float  # probability that a unit is off, 0 < rate < 1

    def __post_init__(self):
        """Raise unless the rate lies strictly between 0 and 1."""
        if not 0 < self.rate < 1:
            raise ValueError(f"A rate of {self.rate} leaves nothing on, or nothing off; take one between 0 and 1.")

    def of(self, theta: Tensor) -> Float[Tensor, "*networks readers units width"]:
        """Return the block of θ as a view."""
        shape = (self.readers, self.units, self.width)
        return theta[..., self.start : self.start + math.prod(shape)].unflatten(-1, shape)


@dataclass(frozen=True, eq=False)
class DropoutLaw(NoiseLaw):
    """The networks that dropout makes of one: each unit is on, and scaled up, or off.

    The weights that read unit j become w_j b_j/(1 − p), b_j = 0 with probability p and 1 otherwise: E θ is the
    network itself, and the variance of a weight is w² p/(1 − p).

    References: Gal & Ghahramani 2016, arXiv 1506.02142, section 3; units are off for the whole batch here, as one
    network.
    """

    theta: Tensor  # the trained network, [P]
    gates: tuple[Gate, ...]  # the weights that read units which dropout may switch off
    stored = ("theta",)

    def __repr__(self) -> str:
        units = sum(gate.units for gate in self.gates)
        return f"Dropout law: {units} units of one network, each on or off{self._priced}"

    def _one(self, generator: torch.Generator) -> Float[Tensor, " parameters"]:
        theta = self.theta.clone()
        for gate in self.gates:
            on = torch.rand(gate.units, generator=generator) >= gate.rate
            gate.of(theta).mul_((on / (1 - gate.rate)).to(theta).unsqueeze(1))
        return theta

    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return mean D θ and covariance Σ_j p/(1 − p) (D w_j)(D w_j)ᵀ, w_j the weights that read unit j."""
        d, theta = directions.to(self.device).double(), self.theta.double()
        covariance = d.new_zeros(len(d), len(d))
        for gate in self.gates:
            seen = torch.einsum("druw,ruw->du", gate.of(d), gate.of(theta))
            covariance += gate.rate / (1 - gate.rate) * seen @ seen.T
        return d @ theta, covariance

    def describe(self) -> dict:
        """Return the plain values that, with its tensors, define the law."""
        return super().describe() | {"gates": [astuple(gate) for gate in self.gates]}

    @classmethod
    def described(cls, net: Builder, description: dict, tensors: dict[str, Tensor], **known: Any) -> Law:
        """Restore a dropout law from its network and gates."""
        gates = tuple(Gate(*gate) for gate in description["gates"])
        if any(gate.start < 0 or gate.readers * gate.units * gate.width < 1 for gate in gates):
            raise ValueError("a gate lies outside of the network")
        return cls(net, tensors["theta"], gates, **known)
