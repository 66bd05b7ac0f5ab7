"""Covariates: what a prior may know about an input, from few networks and cheap exploration around them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lnescape.covariates.explore import (
    ENOUGH_PROXIES,
    N_BURSTS,
    N_FEATURES,
    OUTPUTS,
    SHIFTS,
    burst_recipe,
    bursts,
    companions,
    explored,
    gradient_noise,
    moved,
    neighbourhood,
    other_classes,
    outputs,
    proxy_recipe,
    unavailable,
    under_noise,
)
from lnescape.covariates.groups import DEFAULT, FREE, GROUPS, Group, Traces, columns_of, freed, passes_of

if TYPE_CHECKING:
    from lnescape.covariates.geometry import N_TRAINING, RIDGE, SLOPE, Geometry, gradient_distance

__all__ = [
    "DEFAULT",
    "ENOUGH_PROXIES",
    "FREE",
    "GROUPS",
    "Geometry",
    "Group",
    "N_BURSTS",
    "N_FEATURES",
    "OUTPUTS",
    "N_TRAINING",
    "RIDGE",
    "SHIFTS",
    "SLOPE",
    "Traces",
    "burst_recipe",
    "bursts",
    "columns_of",
    "companions",
    "explored",
    "freed",
    "gradient_distance",
    "gradient_noise",
    "moved",
    "neighbourhood",
    "other_classes",
    "outputs",
    "passes_of",
    "proxy_recipe",
    "unavailable",
    "under_noise",
]


def __getattr__(name: str) -> Any:
    """Import the gradient distance when it is first used."""
    if name in __all__:
        return getattr(import_module("lnescape.covariates.geometry"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
