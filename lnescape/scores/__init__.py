"""Scores of predictions: how good they are, how well calibrated, and how their members differ.

Every function takes log-probabilities, of several members or of one prediction, and works in float64 without clipping:
a probability may be exactly 0 or 1. An uncertainty is that of the mean over images, for the networks at hand.
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
    logit_average,
    mean_prediction,
    nll,
    score,
)

if TYPE_CHECKING:
    from lnescape.scores.temperature import calibrated_log_likelihood, deep_ensemble_equivalent, fit_temperature, halves

__all__ = [
    "accuracy",
    "auroc",
    "aurc",
    "brier",
    "calibrated_log_likelihood",
    "calibration_error",
    "deep_ensemble_equivalent",
    "disagreement",
    "entropy_split",
    "false_positive_rate",
    "fit_temperature",
    "halves",
    "logit_average",
    "mean_prediction",
    "nll",
    "score",
]


def __getattr__(name: str) -> Any:
    """Import what needs a temperature when it is first used."""
    if name in __all__:
        return getattr(import_module("lnescape.scores.temperature"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
