"""Subspaces of weight space: curves and simplexes spanned by a few vertices."""

from lnescape.subspaces.base import Subspace, combine
from lnescape.subspaces.curves import Bezier, Curve, PolyChain, Segment
from lnescape.subspaces.simplex import Simplex, SimplicialComplex

KINDS = {kind.__name__: kind for kind in (Segment, PolyChain, Bezier, Simplex, SimplicialComplex)}

__all__ = [
    "KINDS",
    "Bezier",
    "Curve",
    "PolyChain",
    "Segment",
    "Simplex",
    "SimplicialComplex",
    "Subspace",
    "combine",
]
