"""Simplexes in weight space."""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.subspaces.base import Subspace


class Simplex(Subspace):
    """All convex combinations of K vertices; its coordinates are the coefficients themselves.

    A uniform point has coefficients drawn from the Dirichlet(1, …, 1) law.

    References:
        Wortsman et al. 2021, arXiv 2102.10472; Benton et al. 2021, arXiv 2102.13042.
    """

    coordinate_ndim = 1

    @classmethod
    def around(cls, theta: Float[Tensor, " p"], n_vertices: int = 3) -> Self:
        """Ask for a simplex grown vertex by vertex around a trained network.

        Args:
            theta: The first vertex, kept bit for bit.
            n_vertices: K, the first included, ≥ 2.

        Returns:
            A simplex of one place K times, for `fit_subspace`.

        Raises:
            TypeError: What is given is no point θ.

        References:
            Benton et al. 2021, arXiv 2102.13042, section 4.

        Example:
            >>> Simplex.around(torch.zeros(5)).n_vertices
            3
        """
        if not isinstance(theta, Tensor) or theta.ndim != 1:
            raise TypeError(f"A simplex grows around a point θ [P] such as runs[0], not a {type(theta).__name__}.")
        return cls(theta.detach().float().repeat(n_vertices, 1), n_vertices, range(1, n_vertices), grown=True)

    def coefficients(self, coordinates: Float[Tensor, "points vertices"]) -> Float[Tensor, "points vertices"]:
        """Check that coordinates are convex coefficients: ≥ 0, with sum 1."""
        if coordinates.shape[-1] != self.n_vertices:
            raise ValueError(f"This simplex has {self.n_vertices} coefficients, not {coordinates.shape[-1]}.")
        if not bool((coordinates >= 0).all() & ((coordinates.sum(-1) - 1).abs() <= 1e-5).all()):
            raise ValueError("Coefficients in a simplex are ≥ 0 and sum to one; divide them by their sum.")
        return coordinates

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "points vertices"]:
        """Draw n points uniformly: normalised exponentials follow Dirichlet(1, …, 1)."""
        e = torch.empty(n, self.n_vertices, dtype=torch.float64).exponential_(generator=generator)
        return (e / e.sum(1, keepdim=True)).float()

    def midpoint(self) -> Float[Tensor, " parameters"]:
        """Give the centroid, with equal coefficients."""
        return self.at(torch.full((self.n_vertices,), 1 / self.n_vertices))

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """Of the Dirichlet(1, …, 1) law: E[a_k a_l] = (1 + [k = l]) / (K (K + 1))."""
        k = self.n_vertices
        second = (1 + torch.eye(k, dtype=torch.float64)) / (k * (k + 1))
        return second.sum(1), second


@dataclass(frozen=True, eq=False)
class SimplicialComplex(Simplex):
    """Several simplexes that share all vertices but one: from each of M modes to the same connectors.

    Simplex m has the vertices w_m, u_1 … u_J; its coordinates are all K = M + J coefficients, those of the other
    modes being 0. A uniform point lies in each simplex with probability 1/M (for simplexes of unequal volume that
    is not uniform in volume).

    Attributes:
        n_modes: M; the first rows of the vertices.

    References:
        Benton et al. 2021, arXiv 2102.13042, section 4.2 (SPRO).
    """

    n_modes: int = 1

    @classmethod
    def joining(cls, modes: Float[Tensor, "modes p"], n_connectors: int = 1) -> Self:
        """Ask for connectors, learned one after another, that join trained networks.

        Args:
            modes: The networks, kept bit for bit, [M, P], M ≥ 2.
            n_connectors: J ≥ 1.

        Returns:
            A complex for `fit_subspace`, its connectors at the centroid of the modes.

        Raises:
            TypeError: The modes are no tensor, or the number of connectors is none.
            ValueError: Fewer than two modes, or no connector.

        Example:
            >>> SimplicialComplex.joining(torch.eye(2), 2).n_vertices
            4
        """
        if not isinstance(modes, Tensor) or modes.ndim != 2 or not isinstance(n_connectors, Integral):
            raise TypeError("A complex joins a tensor [M, P] of networks, such as runs.thetas, by a whole number.")
        if len(modes) < 2 or n_connectors < 1:
            raise ValueError(
                f"A complex joins at least two networks by at least one connector, not {len(modes)} by {n_connectors}; "
                "around one network grow Simplex.around(θ, 3)."
            )
        vertices = torch.cat([modes.detach().float(), modes.detach().float().mean(0).repeat(n_connectors, 1)])
        return cls(vertices, len(vertices), range(len(modes), len(vertices)), grown=True, n_modes=len(modes))

    def rows(self, mode: int) -> list[int]:
        """List the vertices of one simplex."""
        return [mode, *range(self.n_modes, self.n_vertices)]

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "points vertices"]:
        """Draw n points: a simplex, then a uniform point in it."""
        mode = torch.randint(self.n_modes, (n,), generator=generator)
        inner = Simplex(None, self.n_vertices - self.n_modes + 1).draw(n, generator)
        a = torch.zeros(n, self.n_vertices)
        a[:, self.n_modes :] = inner[:, 1:]
        return a.scatter_(1, mode.unsqueeze(1), inner[:, :1])

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """Average those of the simplexes."""
        _, inner = Simplex(None, self.n_vertices - self.n_modes + 1).coefficient_moments()
        second = torch.zeros(self.n_vertices, self.n_vertices, dtype=torch.float64)
        for mode in range(self.n_modes):
            rows = torch.tensor(self.rows(mode))
            second[rows.unsqueeze(1), rows] += inner / self.n_modes
        return second.sum(1), second

    def log_volume(self) -> float:
        """Compute ln Σ_m V_m, the volume of all simplexes together."""
        vertices = self._learned()
        each = [Simplex(vertices[self.rows(m)], len(self.rows(m))).log_volume() for m in range(self.n_modes)]
        return float(torch.tensor(each, dtype=torch.float64).logsumexp(0))

    def description(self) -> dict:
        """Say in plain values what, besides its vertices, makes the subspace."""
        return super().description() | {"n_modes": self.n_modes}

    @classmethod
    def described(cls, vertices: Float[Tensor, "vertices parameters"], said: dict) -> Self:
        """Make a subspace again from its vertices and its description."""
        return replace(super().described(vertices, said), n_modes=said["n_modes"])
