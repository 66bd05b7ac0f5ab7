"""Methods: every way from a budget of trainings to many networks, through the same three lines.

law = METHOD(net, data, budget=1.5, seed=0); logp = law.predict(images, n=20); score(logp, labels)
"""

from lnescape.methods.checks import Options
from lnescape.methods.deep_ensemble import deep_ensemble
from lnescape.methods.dropout import dropout
from lnescape.methods.laplace import laplace, softmax_curvature
from lnescape.methods.learned_subspace import learned_subspace
from lnescape.methods.mode_curve import mode_curve
from lnescape.methods.simplex_ensemble import simplex_ensemble, simplicial_complex
from lnescape.methods.snapshots import fast_geometric_ensemble, snapshot_ensemble
from lnescape.methods.swag import gaussian_of, swag

METHODS = {
    method.__name__: method
    for method in (
        deep_ensemble,
        snapshot_ensemble,
        fast_geometric_ensemble,
        mode_curve,
        learned_subspace,
        simplex_ensemble,
        simplicial_complex,
        swag,
        laplace,
        dropout,
    )
}

__all__ = [
    "METHODS",
    "Options",
    "deep_ensemble",
    "dropout",
    "fast_geometric_ensemble",
    "gaussian_of",
    "laplace",
    "learned_subspace",
    "mode_curve",
    "simplex_ensemble",
    "simplicial_complex",
    "snapshot_ensemble",
    "softmax_curvature",
    "swag",
]
