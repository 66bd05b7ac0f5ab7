"""Gaussian laws over θ: independent noise on every parameter, and noise that parameters share."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.laws.base import Law


@dataclass(frozen=True, eq=False)
class GaussianLaw(Law):
    """A Gaussian law around a network, of low rank plus a diagonal.

    θ = m + s ∘ z + Fᵀ z′ with z, z′ standard normal, so Cov[θ] = diag(s²) + Fᵀ F. z′ is shared by all layers.

    Attributes:
        mean: m, [P].
        scale: s, [P], in weight units; None where no parameter has noise of its own.
        factors: F, [K, Q], in weight units, acting on Q neighbouring parameters.
        start: Index in θ of the first of them; the factors of SWAG act on all, those of Laplace on one layer.
    """

    mean: Tensor
    _: KW_ONLY
    scale: Tensor | None = None
    factors: Tensor | None = None
    start: int = 0

    def __post_init__(self):
        """Refuse what makes no Gaussian around the mean.

        Raises:
            ValueError: Shapes that don't fit, a negative scale, or weights that no network can have.
        """
        super().__post_init__()
        p = len(self.mean)
        if self.scale is not None and (self.scale.shape != self.mean.shape or bool((self.scale < 0).any())):
            raise ValueError(f"The scale is one number ≥ 0 for each of {p} parameters; pass standard deviations.")
        if self.factors is not None and not 0 <= self.start <= self.start + self.factors.shape[-1] <= p:
            reach = f"{self.start} to {self.start + self.factors.shape[-1]}"
            raise ValueError(f"The factors act on parameters {reach}, and there are {p}; pass [K, Q], start ≤ P − Q.")

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that make the law."""
        every = {"mean": self.mean, "scale": self.scale, "factors": self.factors}
        return {name: tensor for name, tensor in every.items() if tensor is not None}

    def __repr__(self) -> str:
        rank = 0 if self.factors is None else len(self.factors)
        own = "no noise" if self.scale is None else "noise"
        return f"Gaussian law in {len(self.mean)} dimensions, {own} of its own on each, {rank} shared; {self.cost}"

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks."""
        generator = torch.Generator().manual_seed(seed)
        for size in self.chunks(n):
            # One network after another, so that the size of a chunk doesn't change what is drawn.
            yield torch.stack([self._one(generator) for _ in range(size)])

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
        return slice(self.start, self.start + self.factors.shape[1])

    def moments(
        self, directions: Float[Tensor, "directions parameters"]
    ) -> tuple[Float[Tensor, " directions"], Float[Tensor, "directions directions"]]:
        """State the mean and the covariance: D m and D (diag(s²) + Fᵀ F) Dᵀ."""
        d = directions.double()
        covariance = d.new_zeros(len(d), len(d))
        if self.scale is not None:
            own = d * self.scale.double()
            covariance += own @ own.T
        if self.factors is not None:
            shared = d[:, self._block] @ self.factors.double().T
            covariance += shared @ shared.T
        return d @ self.mean.double(), covariance

    def description(self) -> dict:
        """Say in plain values what, besides its tensors, makes the law."""
        return super().description() | {"start": self.start}
