"""Cells that explore around trained networks, for the covariates of the moderated evaluation."""

from pathlib import Path

import numpy as np
import torch

import lnescape.covariates as covariates
from lnescape.covariates import N_FEATURES
from lnescape.laws import Members
from lnescape.retraining import effective_number, log_odds
from lnescape.scores import nll
from lnescape.study.cells import Cell
from lnescape.study.observation import COVARIATE_BITS, Observation
from lnescape.study.panel import Panel
from lnescape.study.trained import train
from lnescape.training import count_operations

COUNTS = (5, 10, 20, 40)  # proxies, of whose first so many the spread is kept


def bursts(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Restart training several times from each retraining (`settings`: n, epochs of a burst, its rate)."""
    law = train(cell, data, list(cell.seeds), folder=scratch)
    recipe = covariates.burst_recipe(cell.recipe, epochs=cell.settings["epochs"], rate=cell.settings["rate"])
    some = data.train.subset(slice(0, N_FEATURES))
    rows: dict[str, list] = {"burst_spread": [], "burst_distance": [], "burst_training_loss": [], "burst_shift": []}
    images, classes = panel.images[panel.watched], chosen[panel.watched]
    before = _log_odds(law, law.thetas, images, classes)
    ends = covariates.bursts(law, data, n=cell.settings["n"], recipe=recipe)
    for theta, q_before, own in zip(law.thetas, before, ends, strict=True):
        q = _log_odds(law, own, images, classes)
        rows["burst_spread"].append(q.std(0, ddof=1))
        rows["burst_shift"].append(float((q.mean(0) - q_before).mean()))
        rows["burst_distance"].append(float((own - theta).double().square().sum(1).mean().sqrt()))
        reached = Members(law.net, own, normalisation_images=law.normalisation_images).predict(some.images)
        rows["burst_training_loss"].append(np.mean([float(nll(logp, some.labels)) for logp in reached]))
    seen = Observation()
    seen.add("burst_spread", np.stack(rows.pop("burst_spread")), "burst", "watched_image", bits=COVARIATE_BITS)
    for name, values in rows.items():
        seen.add(name, np.array(values), "burst")
    seen.add("burst_seed", np.array(cell.seeds), "burst")
    return seen


def proxies(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train cheap retrainings of a smaller problem and keep how they scatter (the scouts are of the real network)."""
    law = train(cell, data, list(cell.seeds))
    q = _log_odds(law, law.thetas, panel.images, chosen)
    counts = [count for count in COUNTS if count <= len(law)] or [len(law)]
    seen = Observation()
    spread = np.stack([q[:n, panel.watched].std(0, ddof=1) for n in counts])[None]
    seen.add("proxy_spread", spread, "proxies", "n_proxies", "watched_image", bits=COVARIATE_BITS)
    seen.add("proxy_count", np.array(counts), "n_proxies")
    seen.add("effective_inputs", np.array([effective_number(q[:, panel.calibration])]), "proxies")
    costs = [
        count_operations(own.builder(data), data.train.images[0], data.n_classes).training(own.recipe, len(data.train))
        for own in (cell, cell.scouts)
    ]
    seen.add("proxy_trainings", np.array([costs[0] / costs[1]]), "proxies")
    test = data.evaluation
    right = (law.predict(test.images).argmax(2) == test.labels).float().mean()
    seen.add("proxy_accuracy", np.array([float(right)]), "proxies")
    return seen


def _log_odds(law: Members, thetas: torch.Tensor, images: torch.Tensor, chosen: np.ndarray) -> np.ndarray:
    some = Members(law.net, thetas, normalisation_images=law.normalisation_images)
    return log_odds(some.predict(images).cpu().numpy(), chosen)
