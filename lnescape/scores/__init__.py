"""Scores of predictions: how good they are, how well calibrated, and how their members differ.

For classes every function takes log-probabilities, of several members or of one prediction, and works in float64
without clipping: a probability may be exactly 0 or 1. For measured values see `scores.values`. An
uncertainty is that of the mean over images, for the networks at hand.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lnescape.scores.quality import (
    accuracy,
    aurc,
    auroc,
    brier,
    calibration_error,
    disagreement,
    entropy_split,
    false_positive_rate,
    mean_prediction,
    nll,
    score,
)

if TYPE_CHECKING:
    from lnescape.scores.temperature import calibrated_log_likelihood, deep_ensemble_equivalent, fit_temperature, halves
    from lnescape.scores.values import coverage, crps, interval, mae, mixture_nll, r2, rmse, variance_split, with_noise

_OF_VALUES = ("coverage", "crps", "interval", "mae", "mixture_nll", "r2", "rmse", "variance_split", "with_noise")

__all__ = [
    "accuracy", "auroc", "aurc", "brier", "calibrated_log_likelihood", "calibration_error", "coverage", "crps",
    "deep_ensemble_equivalent", "disagreement", "entropy_split", "false_positive_rate", "fit_temperature", "halves",
    "interval", "mae", "mean_prediction", "mixture_nll", "nll", "r2", "rmse", "score",
    "variance_split", "with_noise",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import scores with a temperature, and those of values, at their first use."""
    if name in __all__:
        room = "values" if name in _OF_VALUES else "temperature"
        return getattr(import_module(f"lnescape.scores.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
