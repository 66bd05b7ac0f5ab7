"""Subspaces of weight space: coordinates → convex coefficients → θ. Geometry only, nothing trains here.

Every subspace is spanned by K vertices v_k. A point is a convex combination θ = Σ_k a_k v_k; the
kinds differ in how coordinates (a time t along a curve, or the coefficients themselves in a simplex)
become coefficients a(t), and in which vertices are given, which are to be learned.
"""

import math
from dataclasses import dataclass, replace
from numbers import Integral
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Subspace:
    """Convex combinations of K vertices; the base of curves and simplexes.

    θ(a) = Σ_k a_k v_k with a_k ≥ 0 and Σ_k a_k = 1.

    Attributes:
        vertices: The v_k, float32 [K, P]; None while all of them are still to be made from scratch.
        n_vertices: K.
        free: The rows that training may move.
        grown: Whether the free vertices are added one at a time around the first.
    """

    vertices: Tensor | None
    n_vertices: int
    free: range = range(0)
    grown: bool = False

    coordinate_ndim: ClassVar[int] = 0  # one number for a curve, K coefficients for a simplex

    def __post_init__(self):
        """Refuse vertices that don't span anything.

        Raises:
            TypeError: Vertices that aren't a float tensor.
            ValueError: Fewer than two vertices, another shape than [K, P], or values that aren't finite.
        """
        kind, v = type(self).__name__, self.vertices
        if not isinstance(self.n_vertices, Integral) or self.n_vertices < 2:
            raise ValueError(f"A {kind} needs a whole number of at least two vertices, not {self.n_vertices}.")
        if v is None:
            return
        if not isinstance(v, Tensor) or not v.is_floating_point():
            what = str(v.dtype) if isinstance(v, Tensor) else type(v).__name__
            raise TypeError(f"The vertices of a {kind} are a float tensor [K, P], not {what}; use torch.stack([θ, …]).")
        if v.ndim != 2 or len(v) != self.n_vertices:
            raise ValueError(f"A {kind} of {self.n_vertices} vertices needs a tensor [K, P], not {list(v.shape)}.")
        if not torch.isfinite(v).all():
            raise ValueError("A vertex holds NaN or infinite weights; its training diverged, leave it out.")

    @classmethod
    def from_scratch(cls, n_vertices: int = 2) -> Self:
        """Ask for a subspace all of whose vertices are learned together from random beginnings.

        Args:
            n_vertices: K, ≥ 2.

        Returns:
            A subspace without vertices, for `fit_subspace`.

        References:
            Wortsman et al. 2021, arXiv 2102.10472.

        Example:
            >>> from lnescape.subspaces import Simplex
            >>> Simplex.from_scratch(3)
            Simplex of 3 vertices, to be learned from scratch
        """
        return cls(None, n_vertices, range(int(n_vertices)))

    def with_vertices(self, vertices: Float[Tensor, "vertices parameters"]) -> Self:
        """Return the same kind of subspace on other vertices, shape [K, P]."""
        return replace(self, vertices=vertices, n_vertices=len(vertices))

    def coefficients(self, coordinates: Tensor) -> Float[Tensor, "points vertices"]:
        """Turn coordinates into convex coefficients [n, K]."""
        raise TypeError("A plain Subspace has no coordinates; use Segment, PolyChain, Bezier or Simplex.")

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "points vertices"]:
        """Draw the coefficients of n ≥ 1 points, uniformly in the coordinate, shape [n, K]."""
        return self.coefficients(torch.rand(n, generator=generator))

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """State E[a_k] and E[a_k a_l] of a point drawn uniformly in the coordinate, float64."""
        raise TypeError("A plain Subspace has no coordinates; use Segment, PolyChain, Bezier or Simplex.")

    def at(self, coordinates: Tensor | float) -> Float[Tensor, "*points parameters"]:
        """Give the points at some coordinates.

        θ = Σ_k a_k v_k. Where one coefficient is 1 the vertex itself is returned, bit for bit.

        Args:
            coordinates: For curves times t in [0, 1], one number or [n]; for a simplex coefficients, [K]
                or [n, K].

        Returns:
            θ, [P] for one point or [n, P].

        Raises:
            ValueError: The subspace is not learned yet, or the coordinates are out of range.

        Example:
            >>> from lnescape.subspaces import Segment
            >>> Segment.between(torch.zeros(2), torch.ones(2)).at(0.25)
            tensor([0.2500, 0.2500])
        """
        vertices = self._learned()
        given = torch.as_tensor(coordinates, dtype=torch.float32)
        points = given.ndim == self.coordinate_ndim + 1
        a = self.coefficients(given if points else given.unsqueeze(0))
        thetas = combine(a, vertices)
        return thetas if points else thetas[0]

    def _learned(self) -> Tensor:
        if self.vertices is None:
            raise ValueError("This subspace has no vertices yet; learn them with fit_subspace.")
        return self.vertices

    def midpoint(self) -> Float[Tensor, " parameters"]:
        """Give the point in the middle: t = 1/2, or equal coefficients."""
        return self.at(0.5)

    def description(self) -> dict:
        """Say in plain values what, besides its vertices, makes the subspace."""
        return {"subspace": type(self).__name__, "free": [self.free.start, self.free.stop], "grown": self.grown}

    @classmethod
    def described(cls, vertices: Float[Tensor, "vertices parameters"], said: dict) -> Self:
        """Make a subspace again from its vertices and its description."""
        return cls(vertices, len(vertices), range(*said["free"]), said.get("grown", False))

    def log_volume(self) -> float:
        """Compute ln V of the simplex that the vertices span.

        V = √det(EᵀE) / d!, E = (v_2 − v_1, …, v_K − v_1), d = K − 1. By QR in float64, so that ln V is
        exact to about 10⁻⁹ for flat simplexes too, where the Cayley–Menger determinant in float32 fails.

        Returns:
            ln V, natural logarithm of a d-dimensional volume in weight units; −∞ where it is flat.

        References:
            Benton et al. 2021, arXiv 2102.13042, section 4.1 (who use Cayley–Menger).

        Example:
            >>> from lnescape.subspaces import Simplex
            >>> round(Simplex(torch.eye(3), 3).log_volume(), 6) == round(math.log(math.sqrt(3) / 2), 6)
            True
        """
        vertices = self._learned().double()
        edges = (vertices[1:] - vertices[0]).T
        diagonal = torch.linalg.qr(edges, mode="r").R.diagonal().abs()
        return float(diagonal.log().sum()) - math.lgamma(self.n_vertices)

    def __repr__(self) -> str:
        """Describe the subspace in a line."""
        kind = f"{type(self).__name__} of {self.n_vertices} vertices"
        if self.vertices is None:
            return f"{kind}, to be learned from scratch"
        return f"{kind} in {self.vertices.shape[1]} dimensions"


def combine(
    coefficients: Float[Tensor, "points vertices"], vertices: Float[Tensor, "vertices parameters"]
) -> Float[Tensor, "points parameters"]:
    """Form convex combinations; a coefficient of exactly 1 returns its vertex bit for bit."""
    at_vertex = (coefficients == 1).any(1)
    nearest = coefficients.argmax(1).to(vertices.device)
    if bool(at_vertex.all()):  # members of an ensemble: nothing to combine
        return vertices[nearest]
    thetas = coefficients.to(vertices) @ vertices
    at_vertex = at_vertex.to(vertices.device)
    thetas[at_vertex] = vertices[nearest[at_vertex]]
    return thetas
