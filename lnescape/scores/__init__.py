"""Scores of predictions: how good they are, how well calibrated, and how their members differ.

Every function takes log-probabilities, of several members or of one prediction, and works in float64 without clipping:
a probability may be exactly 0 or 1. An uncertainty is that of the mean over images, for the networks at hand.
"""

from lnescape.scores.calibration import CalibrationError, calibration_error
from lnescape.scores.predictions import logit_average, mean_prediction
from lnescape.scores.quality import accuracy, brier, nll
from lnescape.scores.spread import EntropySplit, auroc, disagreement, entropy_split
from lnescape.scores.summary import score

__all__ = [
    "CalibrationError",
    "EntropySplit",
    "accuracy",
    "auroc",
    "brier",
    "calibration_error",
    "disagreement",
    "entropy_split",
    "logit_average",
    "mean_prediction",
    "nll",
    "score",
]
