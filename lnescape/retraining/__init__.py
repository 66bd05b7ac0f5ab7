"""Retraining uncertainty, arrays in, arrays out: the predictions may come from any framework."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lnescape.retraining.components import (
    NestedAnalysis,
    crossed_components,
    nested_analysis,
    nested_components,
    reach,
    relative_uncertainty,
    retrainings_needed,
    satterthwaite,
)
from lnescape.retraining.evaluation import Diagnosis, Evaluation, diagnose, moderated, type_a
from lnescape.retraining.measurand import Measurand, contrast, log_odds, probability
from lnescape.retraining.prior import (
    LearnedPrior,
    Prior,
    assumed_number,
    borrowed_prior,
    effective_number,
    effective_number_of,
    fit_prior,
    shipped_prior,
)

if TYPE_CHECKING:
    from lnescape.retraining.judging import (
        Fidelity,
        Reference,
        Reliability,
        RetrainingEquivalent,
        dithered,
        excess_kurtosis,
        fidelity,
        jackknife,
        log_bias,
        normal_twins,
        partial_r_squared,
        relative_spread,
        reliability,
        retraining_equivalent,
        spread_of_log_variance,
        squared_error_of,
        variance_ratio,
    )
    from lnescape.retraining.transfer import KnownPair, learn_prior, with_class_means

__all__ = [
    "Diagnosis",
    "Evaluation",
    "Fidelity",
    "KnownPair",
    "LearnedPrior",
    "Measurand",
    "NestedAnalysis",
    "Prior",
    "Reference",
    "Reliability",
    "RetrainingEquivalent",
    "assumed_number",
    "borrowed_prior",
    "contrast",
    "crossed_components",
    "diagnose",
    "dithered",
    "effective_number",
    "effective_number_of",
    "excess_kurtosis",
    "fidelity",
    "fit_prior",
    "jackknife",
    "learn_prior",
    "log_bias",
    "log_odds",
    "moderated",
    "nested_analysis",
    "nested_components",
    "normal_twins",
    "partial_r_squared",
    "probability",
    "reach",
    "relative_spread",
    "relative_uncertainty",
    "reliability",
    "retraining_equivalent",
    "retrainings_needed",
    "satterthwaite",
    "shipped_prior",
    "spread_of_log_variance",
    "squared_error_of",
    "type_a",
    "variance_ratio",
    "with_class_means",
]


def __getattr__(name: str) -> Any:
    """Import what judges evaluations, and priors that travel, when they are first used."""
    if name in __all__:
        module = "transfer" if name in ("KnownPair", "learn_prior", "with_class_means") else "judging"
        return getattr(import_module(f"lnescape.retraining.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
