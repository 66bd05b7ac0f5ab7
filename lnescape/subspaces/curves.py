"""Curves through weight space: segment, chain of segments, Bézier curve."""

import math
from dataclasses import replace
from numbers import Integral
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.subspaces.base import Subspace


def _times(t: Tensor) -> Tensor:
    if t.ndim != 1 or not bool(((t >= 0) & (t <= 1)).all()):
        raise ValueError("Times along a curve are numbers between 0 and 1.")
    return t


def _ends(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    for end in (first, last):
        if not isinstance(end, Tensor) or end.ndim != 1:
            what = f"tensor {list(end.shape)}" if isinstance(end, Tensor) else type(end).__name__
            raise TypeError(f"The ends of a curve are points θ [P] such as runs[0], not a {what}; see theta_of.")
    if first.shape != last.shape:
        raise ValueError(
            f"The ends have {first.numel()} and {last.numel()} parameters; both must come from the same builder."
        )
    return first.detach().float(), last.detach().float()


class Curve(Subspace):
    """A curve γ(t), t in [0, 1], from the first vertex to the last."""

    @classmethod
    def between(cls, first: Float[Tensor, " p"], last: Float[Tensor, " p"], *, n_control: int = 1) -> Self:
        """Lay a straight curve between two networks, whose control points training may then move.

        Args:
            first: θ at t = 0, kept bit for bit.
            last: θ at t = 1, kept bit for bit.
            n_control: Control points between them, ≥ 1, spread evenly on the segment.

        Returns:
            The curve, for `fit_subspace`.

        Raises:
            TypeError: Ends that aren't points θ.
            ValueError: Ends of different length, or no control point.

        References:
            Garipov et al. 2018, arXiv 1802.10026, section 3.

        Example:
            >>> Bezier.between(torch.zeros(2), torch.ones(2)).vertices
            tensor([[0.0000, 0.0000],
                    [0.5000, 0.5000],
                    [1.0000, 1.0000]])
        """
        first, last = _ends(first, last)
        if not isinstance(n_control, Integral) or n_control < 1:
            raise ValueError(f"A curve to be learned needs at least one control point, not {n_control}; use Segment.")
        t = torch.linspace(0, 1, n_control + 2, device=first.device).unsqueeze(1)
        vertices = torch.lerp(first, last, t)
        vertices[0], vertices[-1] = first, last
        return cls(vertices, n_control + 2, range(1, n_control + 1))

    def reversed(self) -> Self:
        """Return the same curve run from its last vertex to its first."""
        return replace(self, vertices=self._learned().flip(0))

    def length(self, *, n: int = 100) -> float:
        """Measure the length of the curve, in weight units, as a polygon of n chords.

        Args:
            n: Number of chords, ≥ 1; the error for a Bézier curve falls as 1/n².

        Returns:
            ∫ ‖γ′(t)‖ dt ≈ Σ_i ‖γ(t_i) − γ(t_{i−1})‖.

        Example:
            >>> Segment.between(torch.zeros(2), torch.tensor([3.0, 4.0])).length()
            5.0
        """
        a = self.coefficients(torch.linspace(0, 1, n + 1)).double()
        # ‖Δa V‖² = Δa (V Vᵀ) Δaᵀ needs no point of the curve in full; differences from the first vertex
        # keep the small numbers exact.
        vertices = self._learned()
        edges = (vertices - vertices[0]).double()
        steps = (a[1:] - a[:-1]).to(edges)
        return float(((steps @ (edges @ edges.T)) * steps).sum(1).clamp(min=0).sqrt().sum())


class Segment(Curve):
    """The straight line between two points: a(t) = (1 − t, t)."""

    def __post_init__(self):
        """Refuse a segment of more than two vertices.

        Raises:
            ValueError: More than two vertices.
        """
        super().__post_init__()
        if self.n_vertices > 2:
            raise ValueError(f"A Segment has two vertices, not {self.n_vertices}; use PolyChain or Bezier.")

    @classmethod
    def between(cls, first: Float[Tensor, " p"], last: Float[Tensor, " p"]) -> Self:
        """Join two networks by a straight line; nothing on it is free.

        Args:
            first: θ at t = 0.
            last: θ at t = 1.

        Returns:
            The segment.

        Raises:
            TypeError: Ends that aren't points θ.
            ValueError: Ends of different length.

        Example:
            >>> Segment.between(torch.zeros(2), torch.ones(2)).midpoint()
            tensor([0.5000, 0.5000])
        """
        return cls(torch.stack(_ends(first, last)), 2)

    def coefficients(self, t: Float[Tensor, " points"]) -> Float[Tensor, "points vertices"]:
        """Turn times into coefficients (1 − t, t)."""
        return torch.stack([1 - _times(t), t], 1)

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """E[a] = 1/2; E[t²] = 1/3, E[t(1 − t)] = 1/6."""
        second = torch.full((2, 2), 1 / 6, dtype=torch.float64).fill_diagonal_(1 / 3)
        return second.sum(1), second


class PolyChain(Curve):
    """A chain of K − 1 straight segments, each run through in the same time.

    Between t_k = (k − 1)/(K − 1) and t_{k+1}: a_k = 1 − s, a_{k+1} = s, s = (t − t_k)(K − 1).

    References:
        Garipov et al. 2018, arXiv 1802.10026, section 3.2.
    """

    def coefficients(self, t: Float[Tensor, " points"]) -> Float[Tensor, "points vertices"]:
        """Turn times into coefficients of two neighbouring vertices."""
        knots = torch.arange(self.n_vertices, device=t.device)
        return (1 - (_times(t).unsqueeze(1) * (self.n_vertices - 1) - knots).abs()).clamp(min=0)

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """Each segment, run through in time h = 1/(K − 1), gives its ends h/3 each and h/6 together."""
        second = torch.zeros(self.n_vertices, self.n_vertices, dtype=torch.float64)
        segment = torch.full((2, 2), 1 / 6, dtype=torch.float64).fill_diagonal_(1 / 3) / (self.n_vertices - 1)
        for k in range(self.n_vertices - 1):
            second[k : k + 2, k : k + 2] += segment
        return second.sum(1), second  # Σ_l a_l = 1


class Bezier(Curve):
    """A Bézier curve, a_k(t) = C(K−1, k) tᵏ (1 − t)^{K−1−k}, k = 0 … K − 1.

    With one control point: γ(t) = (1 − t)² w₁ + 2t(1 − t) φ + t² w₂.

    References:
        Garipov et al. 2018, arXiv 1802.10026, section 3.3.
    """

    def coefficients(self, t: Float[Tensor, " points"]) -> Float[Tensor, "points vertices"]:
        """Turn times into Bernstein polynomials."""
        degree = self.n_vertices - 1
        k = torch.arange(self.n_vertices, device=t.device)
        binomial = torch.tensor([float(math.comb(degree, i)) for i in range(self.n_vertices)], device=t.device)
        t = _times(t).unsqueeze(1)
        return binomial * t**k * (1 - t) ** (degree - k)

    def coefficient_moments(self) -> tuple[Float[Tensor, " vertices"], Float[Tensor, "vertices vertices"]]:
        """E[a_k a_l] = C(d, k) C(d, l) / (C(2d, k + l) (2d + 1)) with degree d: an integral of Bernstein products."""
        d = self.n_vertices - 1
        own = torch.tensor([float(math.comb(d, k)) for k in range(d + 1)], dtype=torch.float64)
        whole = torch.tensor([float(math.comb(2 * d, k)) for k in range(2 * d + 1)], dtype=torch.float64)
        rows = torch.arange(d + 1)
        second = torch.outer(own, own) / whole[rows.unsqueeze(1) + rows] / (2 * d + 1)
        return second.sum(1), second  # Σ_l a_l = 1
