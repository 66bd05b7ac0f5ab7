"""Simplexes in weight space."""

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
