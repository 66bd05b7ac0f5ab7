"""Covariates: predictors of u for an input, from few networks and cheap exploration around them."""

from lnescape.covariates.explore import known_pair
from lnescape.covariates.geometry import Geometry, gradient_distance
from lnescape.covariates.groups import DEFAULT, FREE, GROUPS

__all__ = ["DEFAULT", "FREE", "GROUPS", "Geometry", "gradient_distance", "known_pair"]
