"""What the prior of a moderated evaluation may know about an input, from few networks and cheap exploration."""

from lnescape.covariates.bursts import burst_recipe, bursts, proxy_recipe
from lnescape.covariates.explore import ENOUGH_PROXIES, N_BURSTS, explored, unavailable
from lnescape.covariates.geometry import N_FISHER, RIDGE, Geometry, gradient_distance
from lnescape.covariates.groups import FREE, GROUPS, Group, Traces, columns_of, freed, passes_of
from lnescape.covariates.probes import (
    OUTPUTS,
    SHIFTS,
    companions,
    gradient_noise,
    moved,
    neighbourhood,
    other_classes,
    outputs,
    under_noise,
)

__all__ = [
    "ENOUGH_PROXIES",
    "FREE",
    "GROUPS",
    "Geometry",
    "Group",
    "N_BURSTS",
    "N_FISHER",
    "OUTPUTS",
    "RIDGE",
    "SHIFTS",
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
