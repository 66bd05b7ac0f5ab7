"""Laws whose draws are combinations of stored vectors: members of an ensemble, points of a curve or simplex."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.laws.base import Law
from lnescape.subspaces import Subspace, combine


@dataclass(frozen=True, eq=False)
class Combinations(Law):
    """θ = Σ_k a_k v_k with random coefficients a; the base of members and subspaces."""

    @property
    @abstractmethod
    def vectors(self) -> Float[Tensor, "vectors parameters"]:
        """The stored vectors that draws are combinations of, [K, P]."""

    @abstractmethod
    def coefficients(self, n: int, seed: int) -> Float[Tensor, "n vectors"]:
        """Draw n points as coefficients of the stored vectors, [n, K]."""

    @abstractmethod
    def coefficient_moments(self) -> tuple[Float[Tensor, " vectors"], Float[Tensor, "vectors vectors"]]:
        """State E[a_k] and E[a_k a_l] of one draw, float64."""

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that make the law."""
        return {"vectors": self.vectors}

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks."""
        a = self.coefficients(n, seed)
        return (combine(part, self.vectors) for part in a.split(list(self.chunks(n))))

    def moments(
        self, directions: Float[Tensor, "directions parameters"]
    ) -> tuple[Float[Tensor, " directions"], Float[Tensor, "directions directions"]]:
        """State the mean and the covariance of one draw: X E[a] and X Cov[a] Xᵀ with X = D Vᵀ."""
        mean, second = self.coefficient_moments()
        # From the first vector on, so that nearly equal ones keep their digits; Σ a = 1 makes it the same.
        first = self.vectors[0].double()
        x = directions.double() @ (self.vectors.double() - first).T
        mean, second = mean.to(x), second.to(x)
        return directions.double() @ first + x @ mean, x @ (second - torch.outer(mean, mean)) @ x.T


@dataclass(frozen=True, eq=False)
class Members(Combinations):
    """The empirical law of some trained networks: a deep ensemble.

    Attributes:
        thetas: The members, [M, P].
        seeds: The seed of each.
        failed: {seed: step} of trainings that diverged and are not among the members.
        path: θ at each epoch's end, [M, epochs, P] on the CPU, where `fit` was asked to keep it; not saved.

    References:
        Lakshminarayanan et al. 2017, arXiv 1612.01474.
    """

    thetas: Tensor
    _: KW_ONLY
    seeds: tuple[int, ...] = ()
    failed: dict = field(default_factory=dict)
    path: Tensor | None = field(default=None, repr=False)

    @property
    def vectors(self) -> Float[Tensor, "members parameters"]:
        """The members, [M, P]."""
        return self.thetas

    def __len__(self) -> int:
        return len(self.thetas)

    def __getitem__(self, index: int | slice) -> Float[Tensor, "*members parameters"]:
        return self.thetas[index]

    def __repr__(self) -> str:
        return (
            f"Members: {len(self)} networks of {self.thetas.shape[1]} parameters, seeds {list(self.seeds)}; {self.cost}"
        )

    def count(self, n: int | None) -> int:
        """Check how many members are asked for; all of them where n isn't given."""
        if n is None:
            return len(self)
        if not isinstance(n, Integral) or not 1 <= n <= len(self):
            raise ValueError(f"{n} networks were asked of a law with {len(self)} members; take 1 to {len(self)}.")
        return int(n)

    def sample(self, n: int | None = None, *, seed: int = 0) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw members without replacement; all of them, in order, where n isn't given."""
        return super().sample(n, seed=seed) if n is not None else iter(self.thetas.split(list(self.chunks(len(self)))))

    def coefficients(self, n: int, seed: int) -> Float[Tensor, "n members"]:
        """Choose n members without replacement."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        return torch.eye(len(self))[order[:n]]

    def coefficient_moments(self) -> tuple[Float[Tensor, " members"], Float[Tensor, "members members"]]:
        """One member is drawn: E[a] = 1/M, E[a aᵀ] = I/M."""
        eye = torch.eye(len(self), dtype=torch.float64) / len(self)
        return eye.sum(0), eye

    def description(self) -> dict:
        """Say in plain values what, besides its tensors, makes the law."""
        return super().description() | {"seeds": list(self.seeds)}


@dataclass(frozen=True, eq=False)
class SubspaceLaw(Combinations):
    """The uniform law over a curve or a simplex: time t, or Dirichlet(1, …, 1) coefficients.

    Attributes:
        subspace: The learned subspace.
    """

    subspace: Subspace

    @property
    def vectors(self) -> Float[Tensor, "vertices parameters"]:
        """The vertices, [K, P]."""
        return self.subspace.vertices

    def __repr__(self) -> str:
        return f"Uniform law over a {self.subspace}; {self.cost}"

    def coefficients(self, n: int, seed: int) -> Float[Tensor, "n vertices"]:
        """Draw n points uniformly in the coordinate."""
        return self.subspace.draw(n, torch.Generator().manual_seed(seed))

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """State E[a_k] and E[a_k a_l] of a uniform point, float64."""
        return self.subspace.coefficient_moments()

    def at(self, coordinates: Tensor | float) -> Float[Tensor, "*points parameters"]:
        """Give θ at some coordinates; see `Subspace.at`."""
        return self.subspace.at(coordinates)

    def midpoint(self) -> Float[Tensor, " parameters"]:
        """Give θ in the middle of the subspace."""
        return self.subspace.midpoint()

    def description(self) -> dict:
        """Say in plain values what, besides its tensors, makes the law."""
        return super().description() | self.subspace.description()
