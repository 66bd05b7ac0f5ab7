"""Retraining uncertainty, arrays in, arrays out: the predictions may come from any framework."""

from lnescape.retraining.components import crossed_components, nested_components
from lnescape.retraining.dispersion import (
    Reliability,
    dithered,
    effective_number,
    excess_kurtosis,
    jackknife,
    normal_twins,
    relative_spread,
    reliability,
    spread_of_log_variance,
)
from lnescape.retraining.measurand import contrast, log_odds

__all__ = [
    "Reliability",
    "contrast",
    "crossed_components",
    "dithered",
    "effective_number",
    "excess_kurtosis",
    "jackknife",
    "log_odds",
    "nested_components",
    "normal_twins",
    "relative_spread",
    "reliability",
    "spread_of_log_variance",
]
