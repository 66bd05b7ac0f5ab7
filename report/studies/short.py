"""Short trainings of the same network: they show the level of u that one training lacks."""

from pathlib import Path

import numpy as np
from numpy import ndarray

from lnescape.retraining import Reference, fidelity, level_of
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.catalogue import SHORT_EPOCHS
from report.studies.dispersion import dithered
from report.studies.gates import g9
from report.studies.geometry import complete, from_one, kind_of_study, learn, lent, level_on, others
from report.studies.moderation import assembled
from report.studies.pairs import SHORTENED, SMALL

BOUGHT = 2  # short trainings beside one plain training; 1 + 2 · 0.15 = 1.3 trainings in all
# The study that holds the retrainings of each network.
WHOLE = {pair.key: f"{pair.key}-geometry" for pair in SHORTENED} | {name: f"{name}-together" for name in SMALL}


def short(study: Study, store: CellStore) -> tuple[dict, dict[str, ndarray]]:
    """Judge each network alone, with the level that two short trainings show.

    The level of full trainings is a straight line in that of the short ones, fitted to the other networks.
    """
    # Small data sets teach nothing: there a short training has some forty steps, and may not have begun to learn.
    folder, name = store.folder.parent, study.name.removesuffix("-short")
    seen, known = levels_of_short(name, folder), [pair.key for pair in SHORTENED if pair.key != name]
    x = np.array([np.mean(levels_of_short(key, folder)) for key in known])
    y = np.array([level_on(WHOLE[key], folder, "test") for key in known])
    slope, intercept = np.polyfit(x, y, 1)
    # The prior divides the squares of its levels by n − 1; residuals of a line have n − 2 degrees of freedom.
    residuals = (y - intercept - slope * x) * np.sqrt((len(x) - 1) / (len(x) - 2))

    whole, place = complete(WHOLE[name], folder)
    own = assembled(whole, place)
    test, evaluations, lent_levels = own.where("test"), [], []
    for level in seen:
        likely = list(intercept + slope * level + residuals)
        learned = learn(others(whole.name), folder, levels={kind_of_study(whole): likely})
        evaluations += from_one(own, test, learned, whole)
        lent_levels.append(lent(learned, whole))
    players = [(row,) for _ in seen for row in range(own.n_networks)]
    one, n = fidelity(evaluations, Reference.of(own.q[:, test], players)), len(own.q)
    numbers: dict = {"n": n, "networks": own.n_networks, "images": len(test), "trainings": 1 + BOUGHT * SHORT_EPOCHS}
    numbers |= {"short": seen, "whole": level_on(WHOLE[name], folder, "test"), "lent": lent_levels}
    numbers |= {"slope": slope, "intercept": intercept, "scatter": float(residuals.std(ddof=1))}
    return numbers | {"one network, short trainings": one.to_dict(), "G9": g9(one, n=n).to_dict()}, {}


def levels_of_short(name: str, folder: Path) -> list[float]:
    """Give the level that each two short trainings show on the test images."""
    study, store = complete(f"{name}-short", folder)
    q = dithered(store.load(study.cells[-1]).arrays["log_odds"])
    return [level_of(q[first : first + BOUGHT]) for first in range(0, len(q), BOUGHT)]
