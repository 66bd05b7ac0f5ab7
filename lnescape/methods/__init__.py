"""Methods: ways to spend a budget of trainings on many networks, all by the same three lines.

law = METHOD(net, data, budget=1.5, seed=0); logp = law.predict(images, n=20); score(logp, labels)
"""

from lnescape.methods.budget import Options
from lnescape.methods.ensembles import deep_ensemble, fast_geometric_ensemble, snapshot_ensemble
from lnescape.methods.gaussian import gaussian_of, laplace, softmax_curvature, swag
from lnescape.methods.uniform import learned_subspace, mode_curve, simplex_ensemble, simplicial_complex
from lnescape.methods.units import dropout

_METHODS = (
    deep_ensemble, snapshot_ensemble, fast_geometric_ensemble, mode_curve, learned_subspace, simplex_ensemble,
    simplicial_complex, swag, laplace, dropout,
)  # fmt: skip
METHODS = {method.__name__: method for method in _METHODS}

__all__ = [
    "METHODS", "Options", "deep_ensemble", "dropout", "fast_geometric_ensemble", "gaussian_of", "laplace",
    "learned_subspace", "mode_curve", "simplex_ensemble", "simplicial_complex", "snapshot_ensemble",
    "softmax_curvature", "swag",
]  # fmt: skip
