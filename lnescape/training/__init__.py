"""Training: recipes, retrainings under many seeds, and learned subspaces."""

from lnescape.engines.plain import gaussian_nll, squared_error
from lnescape.training.learned import GrowingVolume, fit_subspace
from lnescape.training.prepared import Prepared
from lnescape.training.recipe import Cost, Recipe, count_operations, refresh_cost
from lnescape.training.runs import TrainingError, fit, load_law, members, walk

__all__ = [
    "Cost", "GrowingVolume", "Prepared", "Recipe", "TrainingError", "count_operations", "fit",
    "fit_subspace", "gaussian_nll", "load_law", "members", "refresh_cost", "squared_error", "walk",
]  # fmt: skip
