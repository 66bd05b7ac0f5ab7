"""Paths and simplexes between trained neural networks, and what they say about uncertainty.

The names in the order of the story: data, networks, retrainings, paths between them, predictions and
their scores, the landscape, and the results that are kept. Figures are in `lnescape.plots`.
"""

from lnescape.data import DataError, Dataset, Split, augment, dataset, load
from lnescape.landscape import Survey, along, barrier, plane, survey, triangle
from lnescape.laws import DropoutLaw, GaussianLaw, Law, Members, Mixture, SubspaceLaw, load_law
from lnescape.methods import (
    METHODS,
    deep_ensemble,
    dropout,
    fast_geometric_ensemble,
    laplace,
    learned_subspace,
    mode_curve,
    simplex_ensemble,
    simplicial_complex,
    snapshot_ensemble,
    swag,
)
from lnescape.networks import cnn, mlp, network, resnet, wide_resnet
from lnescape.results import (
    Estimate,
    ResultError,
    keep_reference,
    list_results,
    load_result,
    normalised_error,
    profile,
    provenance,
    record,
    save_result,
)
from lnescape.retraining import (
    contrast,
    diagnose,
    fidelity,
    fit_prior,
    log_odds,
    moderated,
    probability,
    retrainings_needed,
    type_a,
)
from lnescape.scores import (
    accuracy,
    aurc,
    auroc,
    brier,
    calibrated_log_likelihood,
    calibration_error,
    deep_ensemble_equivalent,
    disagreement,
    entropy_split,
    false_positive_rate,
    fit_temperature,
    logit_average,
    mean_prediction,
    nll,
    score,
)
from lnescape.statement import Statement, state
from lnescape.study import Cell, Study, StudyError, read_study, run_study
from lnescape.subspaces import Bezier, PolyChain, Segment, Simplex, SimplicialComplex
from lnescape.training import Cost, Recipe, TrainingError, fit, fit_subspace, members, refresh_cost
from lnescape.weights import theta_of

__version__ = "0.1.0"


def __getattr__(name: str):
    """Load the figures only when they are used: matplotlib takes as long to import as all the rest."""
    if name == "plots":
        from importlib import import_module

        return import_module("lnescape.plots")
    raise AttributeError(f"module 'lnescape' has no attribute {name!r}")


__all__ = [
    "METHODS",
    "Bezier",
    "Cell",
    "Cost",
    "DataError",
    "Dataset",
    "DropoutLaw",
    "Estimate",
    "GaussianLaw",
    "Law",
    "Members",
    "Mixture",
    "PolyChain",
    "Recipe",
    "ResultError",
    "Segment",
    "Simplex",
    "SimplicialComplex",
    "Split",
    "Statement",
    "Study",
    "StudyError",
    "SubspaceLaw",
    "Survey",
    "TrainingError",
    "accuracy",
    "along",
    "augment",
    "aurc",
    "auroc",
    "barrier",
    "brier",
    "calibrated_log_likelihood",
    "calibration_error",
    "cnn",
    "contrast",
    "dataset",
    "deep_ensemble",
    "deep_ensemble_equivalent",
    "diagnose",
    "disagreement",
    "dropout",
    "entropy_split",
    "false_positive_rate",
    "fast_geometric_ensemble",
    "fidelity",
    "fit",
    "fit_prior",
    "fit_subspace",
    "fit_temperature",
    "keep_reference",
    "laplace",
    "learned_subspace",
    "list_results",
    "load",
    "load_law",
    "load_result",
    "log_odds",
    "logit_average",
    "mean_prediction",
    "members",
    "mlp",
    "mode_curve",
    "moderated",
    "network",
    "nll",
    "normalised_error",
    "plane",
    "probability",
    "profile",
    "provenance",
    "read_study",
    "record",
    "refresh_cost",
    "resnet",
    "retrainings_needed",
    "run_study",
    "save_result",
    "score",
    "simplex_ensemble",
    "simplicial_complex",
    "snapshot_ensemble",
    "state",
    "survey",
    "swag",
    "theta_of",
    "triangle",
    "type_a",
    "wide_resnet",
]
