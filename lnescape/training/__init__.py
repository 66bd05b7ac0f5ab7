"""Training: recipes, retrainings under many seeds, and learned subspaces."""

from lnescape.training.cost import Cost, Operations, count_operations, refresh_cost
from lnescape.training.fit import TrainingError, fit, members
from lnescape.training.penalties import GrowingVolume
from lnescape.training.recipe import Recipe
from lnescape.training.subspace import fit_subspace
from lnescape.training.walk import walk

__all__ = [
    "Cost",
    "GrowingVolume",
    "Operations",
    "Recipe",
    "TrainingError",
    "count_operations",
    "fit",
    "fit_subspace",
    "members",
    "refresh_cost",
    "walk",
]
