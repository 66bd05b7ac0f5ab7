"""Cells that explore around trained networks, for the covariates of the moderated evaluation."""

from pathlib import Path

import numpy as np
import torch

import lnescape.covariates as covariates
from lnescape.covariates.explore import N_FEATURES
from lnescape.laws import Members
from lnescape.retraining import effective_number, log_odds
from lnescape.scores import nll
from lnescape.study.cells import Cell
from lnescape.study.observation import Observation, explore, scores_of
from lnescape.study.panel import Panel
from lnescape.study.trained import train, watched
from lnescape.training import count_operations

COUNTS = (5, 10, 20, 40)  # proxies, of whose first so many the spread is kept


def exploration(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train the retrainings once more; observe, on images that theirs left out, what the covariates need."""
    # The loss is kept as well: where it is that of the retrainings of the same seeds, these are the same networks. So
    # is what may tell beforehand whether exploring pays: training loss, scatter of gradients, distance to the others.
    outside = panel.outside
    images, classes = panel.images[outside], chosen[outside]
    law, path = watched(cell, data, images, classes)
    seen = Observation()
    explore(seen, law, data, images, chosen=classes, axis="outside_image")
    seen.add("path_log_odds", np.stack(path, 1), "explored", "epoch", "outside_image")
    logp = law.predict(panel.images).cpu().numpy()
    seen.add("other_log_odds", covariates.other_classes(logp, chosen), "explored", "other", "image")
    scores = [scores_of(law, row, data) for row in range(len(law))]
    seen.add("explored_nll", np.array(scores)[:, 1], "explored")
    noise = [covariates.gradient_noise(law, theta, data, recipe=cell.recipe) for theta in law.thetas]
    for name, values in zip(("training_loss", "gradient_scatter"), zip(*noise, strict=True), strict=True):
        seen.add(name, np.array(values), "explored")
    # Root mean square distance to the other networks of the cell, nan where there is none.
    apart = torch.cdist(law.thetas.double(), law.thetas.double()).square().sum(1) / max(len(law) - 1, 1)
    seen.add("distance", (apart.sqrt() if len(law) > 1 else apart * np.nan).cpu().numpy(), "explored")
    seen.add("explored_seed", np.array(cell.seeds), "explored")
    return seen


def bursts(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Restart training several times from each retraining (`settings`: n, epochs of a burst, its rate)."""
    law = train(cell, data, list(cell.seeds), folder=scratch)
    recipe = covariates.burst_recipe(cell.recipe, epochs=cell.settings["epochs"], rate=cell.settings["rate"])
    some = data.train.subset(slice(0, N_FEATURES))
    rows: dict[str, list] = {"burst_spread": [], "burst_distance": [], "burst_training_loss": [], "burst_shift": []}
    before = _log_odds(law, law.thetas, panel, chosen)
    ends = covariates.bursts(law, data, n=cell.settings["n"], recipe=recipe)
    for theta, q_before, own in zip(law.thetas, before, ends, strict=True):
        q = _log_odds(law, own, panel, chosen)
        rows["burst_spread"].append(q.std(0, ddof=1))
        rows["burst_shift"].append(float((q.mean(0) - q_before).mean()))
        rows["burst_distance"].append(float((own - theta).double().square().sum(1).mean().sqrt()))
        reached = Members(law.net, own, normalisation_images=law.normalisation_images).predict(some.images)
        rows["burst_training_loss"].append(np.mean([float(nll(logp, some.labels)) for logp in reached]))
    seen = Observation()
    for name, values in rows.items():
        seen.add(name, np.stack(values), "burst", *(("image",) if name == "burst_spread" else ()))
    seen.add("burst_seed", np.array(cell.seeds), "burst")
    return seen


def proxies(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train cheap retrainings of a smaller problem and keep how they scatter (the scouts are of the real network)."""
    law = train(cell, data, list(cell.seeds))
    q = _log_odds(law, law.thetas, panel, chosen)
    counts = [count for count in COUNTS if count <= len(law)] or [len(law)]
    seen = Observation()
    seen.add("proxy_spread", np.stack([q[:n].std(0, ddof=1) for n in counts])[None], "proxies", "n_proxies", "image")
    seen.add("proxy_mean", q.mean(0)[None], "proxies", "image")
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


def _log_odds(law: Members, thetas: torch.Tensor, panel: Panel, chosen: np.ndarray) -> np.ndarray:
    some = Members(law.net, thetas, normalisation_images=law.normalisation_images)
    return log_odds(some.predict(panel.images).cpu().numpy(), chosen)
