"""Scores of predictions: how good they are, how well calibrated, and how their members differ.

For classes every function takes log-probabilities, of several members or of one prediction, and works in float64
without clipping: a probability may be exactly 0 or 1. For measured values see `scores.values`. An
uncertainty is that of the mean over images, for the networks at hand.
"""

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
from lnescape.scores.temperature import calibrated_log_likelihood, deep_ensemble_equivalent, fit_temperature, halves
from lnescape.scores.values import coverage, crps, interval, mae, mixture_nll, r2, rmse, variance_split, with_noise

__all__ = [
    "accuracy", "auroc", "aurc", "brier", "calibrated_log_likelihood", "calibration_error", "coverage", "crps",
    "deep_ensemble_equivalent", "disagreement", "entropy_split", "false_positive_rate", "fit_temperature", "halves",
    "interval", "logit_average", "mae", "mean_prediction", "mixture_nll", "nll", "r2", "rmse", "score",
    "variance_split", "with_noise",
]  # fmt: skip
