"""Retraining uncertainty, arrays in, arrays out: the predictions may come from any framework."""

from lnescape.retraining.evaluation import Diagnosis, Evaluation, diagnose, moderated, type_a
from lnescape.retraining.judging import Fidelity, Reference, RetrainingEquivalent, fidelity
from lnescape.retraining.measurand import (
    Measurand,
    contrast,
    log_odds,
    probability,
    relative_uncertainty,
    retrainings_needed,
)
from lnescape.retraining.prior import LearnedPrior, Prior, borrowed_prior, effective_number, fit_prior, shipped_prior
from lnescape.retraining.transfer import KnownPair, learn_prior, level_of, with_class_means

__all__ = [
    "Diagnosis", "Evaluation", "Fidelity", "KnownPair", "LearnedPrior", "Measurand", "Prior", "Reference",
    "RetrainingEquivalent", "borrowed_prior", "contrast", "diagnose", "effective_number", "fidelity", "fit_prior",
    "learn_prior", "level_of", "log_odds", "moderated", "probability", "relative_uncertainty", "retrainings_needed",
    "shipped_prior", "type_a", "with_class_means",
]  # fmt: skip
