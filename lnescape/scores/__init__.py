"""Scores of predictions: how good they are, how well calibrated, and how their members differ.

Every function takes log-probabilities, of several members or of one prediction, and works in float64 without clipping:
a probability may be exactly 0 or 1. An uncertainty is that of the mean over images, for the networks at hand.
"""

from lnescape.scores.quality import (
    CalibrationError,
    EntropySplit,
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
from lnescape.scores.temperature import (
    Equivalent,
    calibrated_log_likelihood,
    deep_ensemble_equivalent,
    fit_temperature,
    halves,
)

__all__ = [
    "CalibrationError",
    "EntropySplit",
    "Equivalent",
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
