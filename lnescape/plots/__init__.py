"""Figures from arrays; nothing here trains or reads files."""

from lnescape.plots.landscape import path_losses, plane_map, triangle_map
from lnescape.plots.methods import diversity, equivalents, weight_sweep
from lnescape.plots.pairs import equivalents_on_pairs, worth_on_pairs
from lnescape.plots.predictions import disputed_images, score_against_cost
from lnescape.plots.retraining import convergence, log_odds_histograms, u_across_images, undecided_images
from lnescape.plots.style import STYLE, save, save_live
from lnescape.plots.uncertainty import budget, covariate_worth, coverage, frontier, statement

__all__ = [
    "STYLE",
    "budget",
    "convergence",
    "covariate_worth",
    "coverage",
    "disputed_images",
    "diversity",
    "equivalents",
    "equivalents_on_pairs",
    "frontier",
    "log_odds_histograms",
    "path_losses",
    "plane_map",
    "save",
    "save_live",
    "score_against_cost",
    "statement",
    "triangle_map",
    "u_across_images",
    "undecided_images",
    "weight_sweep",
    "worth_on_pairs",
]
