"""What is kept of a trained network: named arrays with named axes, in float16 where their noise allows it."""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

import lnescape.covariates as covariates
from lnescape.covariates.explore import N_FEATURES, N_NOISE
from lnescape.laws import Members
from lnescape.retraining import contrast, log_odds
from lnescape.scores import accuracy, nll
from lnescape.study.panel import Panel

# Along these axes the arrays of a study's cells are joined; every array has one of them first, or belongs to scouts.
GROWING = ("retraining", "explored", "base", "law", "burst", "proxies")


@dataclass
class Observation:
    """Named arrays with the names of their axes, as a cell stores them.

    Args:
        arrays: {name: array}.
        axes: {name: names of its axes}.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, name: str, array: np.ndarray, *axes: str) -> None:
        """Keep an array; float64 and float32 observations of an image become float16, scores stay as they are."""
        array = np.asarray(array)
        if array.dtype.kind == "f" and array.ndim > 1:
            array = array.astype(np.float16)
        self.arrays[name], self.axes[name] = array, axes


def observe(
    law: Members, data, panel: Panel, chosen: np.ndarray, *, keep: tuple[str, ...], path: list[np.ndarray] | None = None
) -> Observation:
    """Observe every member of a law.

    Args:
        law: The trained networks.
        data: The data set, for the scores.
        panel: The images.
        chosen: Class of the measurand for each image of the panel.
        keep: As in `Cell.keep`.
        path: q at the epochs' ends, [networks, explored images] each, where it was watched.

    Returns:
        accuracy and nll on the official test set (float64), and what `keep` asks for.
    """
    seen = Observation()
    scores = [scores_of(law, row, data) for row in range(len(law))]
    for name, values in zip(("accuracy", "nll"), zip(*scores, strict=True), strict=True):
        seen.add(name, np.array(values), "retraining")
    if {"panel", "test"} & set(keep):
        where, axis = (slice(None), "image") if "panel" in keep else (panel.test, "test_image")
        logp = law.predict(panel.images[where]).cpu().numpy()
        seen.add("log_odds", log_odds(logp, chosen[where]), "retraining", axis)
        seen.add("contrast", contrast(logp, chosen[where]), "retraining", axis)
    if "log_probabilities" in keep:
        logp = law.predict(panel.images[panel.predicted]).cpu().numpy()
        seen.add("log_probabilities", logp, "retraining", "predicted_image", "class")
    if "covariates" in keep:
        explore(seen, law, data, panel.images[panel.explored], chosen=chosen[panel.explored])
        seen.add("path_log_odds", np.stack(path, 1), "explored", "epoch", "explored_image")
    return seen


def scores_of(law: Members, row: int, data) -> tuple[float, float]:
    """Give accuracy and loss of one member on the official test set."""
    one = Members(law.net, law.thetas[row : row + 1], normalisation_images=law.normalisation_images)
    logp = one.predict(data.evaluation.images)
    return float(accuracy(logp, data.evaluation.labels)), float(nll(logp, data.evaluation.labels))


def explore(
    seen: Observation, law: Members, data, images: Tensor, *, chosen: np.ndarray, axis: str = "explored_image"
) -> None:
    """Observe what the covariates that need no further training are made of.

    Args:
        seen: Where it is added.
        law: The trained networks, with their seeds.
        data: The data set.
        images: What is observed.
        chosen: Class of the measurand for each of them.
        axis: Name of the axis of the images.
    """
    rows = {"shifted_log_odds": [], "noise_spread": [], "outputs": []}
    some = data.train.subset(slice(0, N_FEATURES)).images
    for theta, seed in zip(law.thetas, law.seeds, strict=True):
        rows["shifted_log_odds"].append(covariates.neighbourhood(law, theta, images, chosen))
        noisy = covariates.under_noise(law, theta, images, chosen, n=N_NOISE, seed=seed)
        rows["noise_spread"].append(noisy.std(0, ddof=1))
        rows["outputs"].append(covariates.outputs(law, theta, images, some))
    for name, axes in zip(rows, (("shift",), (), ("output",)), strict=True):
        seen.add(name, np.stack(rows[name]), "explored", *axes, axis)
