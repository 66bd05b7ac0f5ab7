"""Subspaces of weight space: coordinates → convex coefficients → θ. Geometry only, nothing trains here.

Every subspace is spanned by K vertices v_k. A point is a convex combination θ = Σ_k a_k v_k. Kinds differ in how
coordinates (a time t along a curve, or the coefficients themselves in a simplex) become coefficients a(t), and in which
vertices are given or learned.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.checks import whole

Moments = tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]


@dataclass(frozen=True, eq=False)
class Subspace(ABC):
    """Convex combinations of K vertices; the base of curves and simplexes.

    θ(a) = Σ_k a_k v_k with a_k ≥ 0 and Σ_k a_k = 1.
    """

    vertices: Tensor | None  #: the v_k, float32 [K, P]; None while all of them are still to be made from scratch
    n_vertices: int  #: K
    free: range = range(0)  #: the rows that training may move
    grown: bool = False  #: whether the free vertices are added one at a time around the first

    coordinate_ndim: ClassVar[int] = 0  #: one number for a curve, K coefficients for a simplex

    def __post_init__(self):
        """Raise unless the vertices are K ≥ 2 finite points."""
        kind, v = type(self).__name__, self.vertices
        whole(self.n_vertices, f"n_vertices of a {kind}", least=2, error=ValueError)
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
        """Return a subspace whose K ≥ 2 vertices `fit_subspace` learns together from random beginnings."""
        return cls(None, n_vertices, range(int(n_vertices)))

    def with_vertices(self, vertices: Float[Tensor, "vertices parameters"]) -> Self:
        """Return the same kind of subspace on other vertices, shape [K, P]."""
        return replace(self, vertices=vertices, n_vertices=len(vertices))

    @abstractmethod
    def coefficients(self, coordinates: Tensor) -> Float[Tensor, "points vertices"]:
        """Turn coordinates into convex coefficients [n, K]."""

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "points vertices"]:
        """Draw the coefficients of n ≥ 1 points, uniformly in the coordinate, shape [n, K]."""
        return self.coefficients(torch.rand(n, generator=generator, dtype=torch.float32))

    @abstractmethod
    def coefficient_moments(self) -> Moments:
        """Return E[a_k] and E[a_k a_l] of a point drawn uniformly in the coordinate, float64."""

    def at(self, coordinates: Tensor | float) -> Float[Tensor, "*points parameters"]:
        """Return θ = Σ_k a_k v_k, [P] or [n, P], at one or n coordinates; a_k = 1 gives the vertex bit for bit.

        >>> Segment.between(torch.zeros(2), torch.ones(2)).at(0.25)
        tensor([0.2500, 0.2500])
        """
        vertices, given = self._learned(), torch.as_tensor(coordinates, dtype=torch.float32)
        points = given.ndim == self.coordinate_ndim + 1
        a = self.coefficients(given if points else given.unsqueeze(0))
        thetas = combine(a, vertices)
        return thetas if points else thetas[0]

    def _learned(self) -> Tensor:
        """Return the vertices; raise unless there are any."""
        if self.vertices is None:
            raise ValueError("This subspace has no vertices yet; learn them with fit_subspace.")
        return self.vertices

    def midpoint(self) -> Float[Tensor, " parameters"]:
        """Return the point in the middle: t = 1/2, or equal coefficients."""
        return self.at(0.5)

    def describe(self) -> dict:
        """Return the plain values that, with its vertices, define the subspace."""
        return {"subspace": type(self).__name__, "free": [self.free.start, self.free.stop], "grown": self.grown}

    @classmethod
    def described(cls, vertices: Float[Tensor, "vertices parameters"], description: dict) -> Self:
        """Restore a subspace from its vertices and its description."""
        return cls(vertices, len(vertices), range(*description["free"]), description.get("grown", False))

    def log_volume(self) -> float:
        """Return ln V of the simplex that the vertices span, V in weight units to the power d.

        V = √det(EᵀE) / d!, E = (v_2 − v_1, …, v_K − v_1), d = K − 1. By QR in float64: exact to about 10⁻⁹ for flat
        simplexes too, where the Cayley–Menger determinant in float32 (Benton et al. 2021, section 4.1) fails. Where the
        vertices lie in a plane of less than d dimensions, V is zero but for rounding, 10⁻¹⁶ of the edges.

        >>> round(math.exp(Simplex(torch.eye(3), 3).log_volume()), 6)  # √3/2
        0.866025
        """
        vertices = self._learned().double()
        edges = (vertices[1:] - vertices[0]).T
        diagonal = torch.linalg.qr(edges, mode="r").R.diagonal().abs()
        return float(diagonal.log().sum()) - math.lgamma(self.n_vertices)

    def __repr__(self) -> str:
        v = self.vertices
        where = ", to be learned from scratch" if v is None else f" in {v.shape[1]} dimensions"
        return f"{type(self).__name__} of {self.n_vertices} vertices{where}"


def combine(
    coefficients: Float[Tensor, "points vertices"], vertices: Float[Tensor, "vertices parameters"]
) -> Float[Tensor, "points parameters"]:
    """Form convex combinations; a coefficient of exactly 1 returns its vertex bit for bit."""
    coefficients = coefficients.to(vertices)
    at_vertex, nearest = (coefficients == 1).any(1), coefficients.argmax(1)
    if bool(at_vertex.all()):  # members of an ensemble: nothing to combine
        return vertices[nearest]
    thetas = coefficients @ vertices
    thetas[at_vertex] = vertices[nearest[at_vertex]]
    return thetas


def _times(t: Tensor) -> Tensor:
    """Return times along a curve; raise unless they lie in [0, 1]."""
    if t.ndim != 1 or not bool(((t >= 0) & (t <= 1)).all()):
        raise ValueError("Times along a curve are numbers between 0 and 1.")
    return t


def _ends(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends of a curve in float32; raise unless they are points of one weight space."""
    for end in (first, last):
        if not isinstance(end, Tensor) or end.ndim != 1:
            what = f"tensor {list(end.shape)}" if isinstance(end, Tensor) else type(end).__name__
            raise TypeError(f"The ends of a curve are points θ [P] such as runs[0], not a {what}; see theta_of.")
    if first.shape != last.shape:
        raise ValueError(f"The ends have {first.numel()} and {last.numel()} parameters; give them the same builder.")
    return first.detach().float(), last.detach().float()


def _binomials(n: int) -> Tensor:
    """Return C(n, k), k = 0 … n, in float64."""
    return torch.tensor([float(math.comb(n, k)) for k in range(n + 1)], dtype=torch.float64)


class Curve(Subspace):
    """A curve γ(t), t in [0, 1], from the first vertex to the last."""

    @classmethod
    def between(cls, first: Float[Tensor, " p"], last: Float[Tensor, " p"], *, n_control: int = 1) -> Self:
        """Return a straight curve from one network to another, kept bit for bit, with control points to be learned.

        >>> Bezier.between(torch.zeros(2), torch.ones(2), n_control=1).vertices
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [1.0000, 1.0000]])
        """
        first, last = _ends(first, last)
        whole(n_control, "n_control of a curve to be learned (a straight one is a Segment)", least=1, error=ValueError)
        t = torch.linspace(0, 1, n_control + 2, dtype=first.dtype, device=first.device).unsqueeze(1)
        vertices = torch.lerp(first, last, t)
        vertices[0], vertices[-1] = first, last
        return cls(vertices, n_control + 2, range(1, n_control + 1))

    def length(self, *, n: int = 100) -> float:
        """Return the length ∫ ‖γ′(t)‖ dt in weight units, by a polygon of n ≥ 1 chords; its error falls as 1/n².

        >>> Segment.between(torch.zeros(2), torch.tensor([3.0, 4.0])).length()
        5.0
        """
        a = self.coefficients(torch.linspace(0, 1, whole(n, "n", least=1) + 1)).double()
        # ‖Δa V‖² = Δa (V Vᵀ) Δaᵀ needs no point of the curve in full; differences from the first vertex
        # keep the small numbers exact.
        vertices = self._learned()
        edges = (vertices - vertices[0]).double()
        steps = (a[1:] - a[:-1]).to(edges)
        return float(((steps @ (edges @ edges.T)) * steps).sum(1).clamp(min=0).sqrt().sum())


class PolyChain(Curve):
    """A chain of K − 1 straight segments that take the same time each, a_k(t) = max(0, 1 − |(K − 1) t − k|).

    References: Garipov et al. 2018, arXiv 1802.10026, section 3.2.
    """

    def coefficients(self, t: Float[Tensor, " points"]) -> Float[Tensor, "points vertices"]:
        """Turn times into coefficients of two neighbouring vertices."""
        knots = torch.arange(self.n_vertices, device=t.device)
        return (1 - (_times(t).unsqueeze(1) * (self.n_vertices - 1) - knots).abs()).clamp(min=0)

    def coefficient_moments(self) -> Moments:
        """Return the moments: a segment, of time h = 1/(K − 1), adds h/3 for each of its ends and h/6 for both."""
        second = torch.zeros(self.n_vertices, self.n_vertices, dtype=torch.float64)
        segment = torch.full((2, 2), 1 / 6, dtype=torch.float64).fill_diagonal_(1 / 3) / (self.n_vertices - 1)
        for k in range(self.n_vertices - 1):
            second[k : k + 2, k : k + 2] += segment
        return second.sum(1), second  # Σ_l a_l = 1


class Bezier(Curve):
    """A Bézier curve, a_k(t) = C(K−1, k) tᵏ (1 − t)^{K−1−k}, k = 0 … K − 1.

    With one control point: γ(t) = (1 − t)² w₁ + 2t(1 − t) φ + t² w₂.

    References: Garipov et al. 2018, arXiv 1802.10026, section 3.3.
    """

    def coefficients(self, t: Float[Tensor, " points"]) -> Float[Tensor, "points vertices"]:
        """Turn times into Bernstein polynomials."""
        degree = self.n_vertices - 1
        k = torch.arange(self.n_vertices, device=t.device)
        t = _times(t).unsqueeze(1)
        return _binomials(degree).to(t) * t**k * (1 - t) ** (degree - k)

    def coefficient_moments(self) -> Moments:
        """Return E[a_k a_l] = C(d, k) C(d, l) / (C(2d, k + l) (2d + 1)), d the degree."""
        d = self.n_vertices - 1
        binomials, rows = _binomials(d), torch.arange(d + 1)
        second = torch.outer(binomials, binomials) / _binomials(2 * d)[rows.unsqueeze(1) + rows] / (2 * d + 1)
        return second.sum(1), second  # Σ_l a_l = 1


class Segment(Bezier):
    """The straight line between two points, a Bézier curve without control points: a(t) = (1 − t, t)."""

    def __post_init__(self):
        """Raise unless there are two vertices."""
        super().__post_init__()
        if self.n_vertices > 2:
            raise ValueError(f"A Segment has two vertices, not {self.n_vertices}; use PolyChain or Bezier.")

    @classmethod
    def between(cls, first: Float[Tensor, " p"], last: Float[Tensor, " p"]) -> Self:  # type: ignore[override]
        """Return the straight line from one network to another, on which nothing is free."""
        return cls(torch.stack(_ends(first, last)), 2)

    def coefficients(self, t: Float[Tensor, " points"]) -> Float[Tensor, "points vertices"]:
        """Turn times into coefficients (1 − t, t), exactly."""
        return torch.stack([1 - _times(t), t], 1)


class Simplex(Subspace):
    """All convex combinations of K vertices, its coordinates; a uniform point follows Dirichlet(1, …, 1).

    References: Wortsman et al. 2021, arXiv 2102.10472; Benton et al. 2021, arXiv 2102.13042.

    >>> Simplex.from_scratch(3), Simplex.around(torch.zeros(5), n_vertices=3)
    (Simplex of 3 vertices, to be learned from scratch, Simplex of 3 vertices in 5 dimensions)
    """

    coordinate_ndim = 1

    @classmethod
    def around(cls, theta: Float[Tensor, " p"], n_vertices: int = 3) -> Self:
        """Return a simplex whose K − 1 ≥ 1 vertices beside θ, kept bit for bit, `fit_subspace` grows one by one."""
        if not isinstance(theta, Tensor) or theta.ndim != 1:
            raise TypeError(f"A simplex grows around a point θ [P] such as runs[0], not a {type(theta).__name__}.")
        n_vertices = whole(n_vertices, "n_vertices of a Simplex", least=2, error=ValueError)
        return cls(theta.detach().float().repeat(n_vertices, 1), n_vertices, range(1, n_vertices), grown=True)

    def coefficients(self, coordinates: Float[Tensor, "points vertices"]) -> Float[Tensor, "points vertices"]:
        """Return the coordinates, which are the coefficients; raise unless they are ≥ 0, with sum 1."""
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
        """Return the centroid, with equal coefficients."""
        return self.at(torch.full((self.n_vertices,), 1 / self.n_vertices))

    def coefficient_moments(self) -> Moments:
        """Return the moments of the Dirichlet(1, …, 1) law: E[a_k a_l] = (1 + [k = l]) / (K (K + 1))."""
        k = self.n_vertices
        second = (1 + torch.eye(k, dtype=torch.float64)) / (k * (k + 1))
        return second.sum(1), second


@dataclass(frozen=True, eq=False, repr=False)
class SimplicialComplex(Simplex):
    """Several simplexes that share all vertices but one: from each of M modes to the same connectors (SPRO).

    Simplex m has the vertices w_m, u_1 … u_J; its coordinates are all K = M + J coefficients, those of the other modes
    being 0. A uniform point lies in each simplex with probability 1/M, whatever their volumes.

    References: Benton et al. 2021, arXiv 2102.13042, section 4.2.

    >>> SimplicialComplex.joining(torch.eye(2), n_connectors=2)
    SimplicialComplex of 4 vertices in 2 dimensions
    """

    n_modes: int = 1  # M; the first rows of the vertices

    @classmethod
    def joining(cls, modes: Float[Tensor, "modes p"], n_connectors: int = 1) -> Self:
        """Return a complex of M ≥ 2 networks, [M, P], kept bit for bit, and of J ≥ 1 connectors to be learned."""
        whole(n_connectors, "n_connectors", least=1)
        if not isinstance(modes, Tensor) or modes.ndim != 2:
            raise TypeError("A complex joins a tensor [M, P] of networks, such as runs.thetas.")
        if len(modes) < 2:
            raise ValueError("A complex joins at least two networks; around one network grow Simplex.around(θ, 3).")
        vertices = torch.cat([modes.detach().float(), modes.detach().float().mean(0).repeat(n_connectors, 1)])
        return cls(vertices, len(vertices), range(len(modes), len(vertices)), grown=True, n_modes=len(modes))

    def rows(self, mode: int) -> list[int]:
        """List the vertices of one simplex."""
        return [mode, *range(self.n_modes, self.n_vertices)]

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "points vertices"]:
        """Draw n points: a simplex, then a uniform point in it."""
        mode = torch.randint(self.n_modes, (n,), generator=generator)
        inner = Simplex(None, self.n_vertices - self.n_modes + 1).draw(n, generator)
        a = inner.new_zeros(n, self.n_vertices)
        a[:, self.n_modes :] = inner[:, 1:]
        return a.scatter_(1, mode.unsqueeze(1), inner[:, :1])

    def coefficient_moments(self) -> Moments:
        """Return the mean of the moments of the simplexes."""
        _, inner = Simplex(None, self.n_vertices - self.n_modes + 1).coefficient_moments()
        second = torch.zeros(self.n_vertices, self.n_vertices, dtype=torch.float64)
        for mode in range(self.n_modes):
            rows = torch.tensor(self.rows(mode))
            second[rows.unsqueeze(1), rows] += inner / self.n_modes
        return second.sum(1), second

    def log_volume(self) -> float:
        """Return ln Σ_m V_m, the volume of all simplexes together."""
        vertices = self._learned()
        each = [Simplex(vertices[self.rows(m)], len(self.rows(m))).log_volume() for m in range(self.n_modes)]
        return float(torch.tensor(each, dtype=torch.float64).logsumexp(0))

    def describe(self) -> dict:
        """Return the plain values that, with its vertices, define the subspace."""
        return super().describe() | {"n_modes": self.n_modes}

    @classmethod
    def described(cls, vertices: Float[Tensor, "vertices parameters"], description: dict) -> Self:
        """Restore a subspace from its vertices and its description."""
        return replace(super().described(vertices, description), n_modes=description["n_modes"])


KINDS = {kind.__name__: kind for kind in (Segment, PolyChain, Bezier, Simplex, SimplicialComplex)}
