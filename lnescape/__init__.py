"""Uncertainty of neural-network predictions due to retraining, stated from two or three trainings.

The names stand in the order of the story: data, networks, retrainings, paths between them, methods, the landscape,
predictions and their scores, the uncertainty due to retraining, studies and the results that are kept. Subpackages
(*rooms*) hold more: `lnescape.scores`, `lnescape.retraining`, `lnescape.plots`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Room → the names offered here. A room is imported when one of its names is first used, so that the import of the
# package takes no time. Type checkers read the same names in __init__.pyi.
_ROOMS = {
    "data": ["load", "dataset", "Dataset", "Split", "DataError"],
    "networks": ["network"],
    "weights": [],
    "engines": [],
    "training": ["Recipe", "fit", "members", "fit_subspace", "load_law", "TrainingError"],
    "laws": ["Members", "SubspaceLaw"],
    "subspaces": ["Segment", "PolyChain", "Bezier", "Simplex"],
    "methods": [
        "METHODS", "deep_ensemble", "snapshot_ensemble", "fast_geometric_ensemble", "mode_curve", "learned_subspace",
        "simplex_ensemble", "simplicial_complex", "swag", "laplace", "dropout",
    ],
    "landscape": ["along", "plane", "triangle", "survey", "barrier"],
    "scores": ["score", "accuracy", "nll", "mean_prediction", "entropy_split", "fit_temperature"],
    "retraining": ["log_odds", "type_a", "moderated", "fit_prior", "fidelity", "diagnose", "retrainings_needed"],
    "covariates": [],
    "statement": ["state", "state_arrays", "Statement", "load_statement"],
    "study": ["Cell", "Study", "run_study", "read_study", "StudyError"],
    "results": ["Estimate", "save_result", "load_result", "ResultError"],
    "plots": [],
}  # fmt: skip
__all__ = [name for names in _ROOMS.values() for name in names]


def __getattr__(name: str) -> Any:
    """Import a room when it, or one of its names, is first used."""
    if name in _ROOMS:
        return import_module(f"lnescape.{name}")
    for room, names in _ROOMS.items():
        if name in names:
            globals()[name] = getattr(import_module(f"lnescape.{room}"), name)
            return globals()[name]
    raise AttributeError(f"module 'lnescape' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the names and the rooms."""
    return sorted({"__version__", *__all__, *_ROOMS})
