"""Retraining uncertainty, arrays in, arrays out: the predictions may come from any framework."""

from lnescape.retraining.components import (
    NestedAnalysis,
    crossed_components,
    nested_analysis,
    nested_components,
    reach,
    satterthwaite,
)
from lnescape.retraining.diagnosis import Diagnosis, diagnose
from lnescape.retraining.dispersion import (
    Reliability,
    dithered,
    effective_number,
    effective_number_of,
    excess_kurtosis,
    jackknife,
    normal_twins,
    relative_spread,
    reliability,
    spread_of_log_variance,
)
from lnescape.retraining.equivalent import (
    RetrainingEquivalent,
    log_bias,
    retraining_equivalent,
    squared_error_of,
)
from lnescape.retraining.evaluation import Evaluation, moderated, type_a
from lnescape.retraining.fidelity import Fidelity, Reference, fidelity
from lnescape.retraining.measurand import Measurand, contrast, log_odds, probability
from lnescape.retraining.pattern import partial_r_squared, variance_ratio
from lnescape.retraining.planner import relative_uncertainty, retrainings_needed
from lnescape.retraining.prior import Prior, assumed_number, fit_prior

__all__ = [
    "Diagnosis",
    "Evaluation",
    "Fidelity",
    "Measurand",
    "NestedAnalysis",
    "Prior",
    "Reference",
    "Reliability",
    "RetrainingEquivalent",
    "assumed_number",
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
    "spread_of_log_variance",
    "squared_error_of",
    "type_a",
    "variance_ratio",
]
