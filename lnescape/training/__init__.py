"""Training: recipes, retrainings under many seeds, and learned subspaces."""

from lnescape.training.fit import TrainingError, fit, members
from lnescape.training.recipe import Cost, Operations, Recipe, count_operations
from lnescape.training.subspace import fit_subspace

__all__ = ["Cost", "Operations", "Recipe", "TrainingError", "count_operations", "fit", "fit_subspace", "members"]
