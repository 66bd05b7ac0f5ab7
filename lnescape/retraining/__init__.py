"""Retraining uncertainty, arrays in, arrays out: the predictions may come from any framework."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lnescape.retraining.evaluation import Diagnosis, Evaluation, diagnose, moderated, type_a
from lnescape.retraining.measurand import (
    Measurand,
    contrast,
    log_odds,
    probability,
    relative_uncertainty,
    retrainings_needed,
)
from lnescape.retraining.prior import (
    LearnedPrior,
    Prior,
    borrowed_prior,
    effective_number,
    fit_prior,
    shipped_prior,
)

if TYPE_CHECKING:
    from lnescape.retraining.judging import Fidelity, Reference, RetrainingEquivalent, fidelity
    from lnescape.retraining.transfer import KnownPair, learn_prior, with_class_means

__all__ = [
    "Diagnosis",
    "Evaluation",
    "Fidelity",
    "KnownPair",
    "LearnedPrior",
    "Measurand",
    "Prior",
    "Reference",
    "RetrainingEquivalent",
    "borrowed_prior",
    "contrast",
    "diagnose",
    "effective_number",
    "fidelity",
    "fit_prior",
    "learn_prior",
    "log_odds",
    "moderated",
    "probability",
    "relative_uncertainty",
    "retrainings_needed",
    "shipped_prior",
    "type_a",
    "with_class_means",
]


def __getattr__(name: str) -> Any:
    """Import what judges evaluations, and priors that travel, when they are first used."""
    if name in __all__:
        module = "transfer" if name in ("KnownPair", "learn_prior", "with_class_means") else "judging"
        return getattr(import_module(f"lnescape.retraining.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
