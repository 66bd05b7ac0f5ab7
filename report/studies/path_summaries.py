"""Summaries of the first part's studies: paths, and the triangle's recipe."""

import numpy as np

from lnescape.landscape import barrier
from lnescape.results import Estimate
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.catalogue import CANDIDATES
from report.studies.paths import N_DRAWS, N_TRAINING_IMAGES


def paths(study: Study, store: CellStore) -> tuple[dict, dict[str, np.ndarray]]:
    """Reduce the bases to estimates: means over n bases or n retrainings."""
    found: dict[str, list[np.ndarray]] = {}
    for cell in study.cells:
        for name, array in store.load(cell).arrays.items():
            found.setdefault(name, []).append(array)
    alone = ("single", "ensemble_accuracy", "ensemble_nll", "t")
    arrays = {
        name: parts[0] if len(parts) == 1 or name in alone else np.concatenate(parts) for name, parts in found.items()
    }
    arrays["t"] = np.stack(found["t"])
    n = len(arrays["t"])
    numbers: dict[str, object] = {"n": n, "n_retrainings": len(arrays["single"]), "n_bases": n}
    numbers |= {"images_of_the_training_loss": N_TRAINING_IMAGES, "draws": N_DRAWS}
    for kind in ("line", "curve"):
        for where in ("train", "test"):
            loss, worst = arrays[f"{kind}_{where}_loss"], arrays[f"{kind}_{where}_accuracy"].min(1)
            barriers = [barrier(arrays["t"][0], row) for row in loss]
            numbers[f"{kind}_{where}_barrier"] = Estimate.mean(barriers, unit="nat")
            numbers[f"{kind}_{where}_maximum"] = Estimate.mean(loss.max(1), unit="nat")
            numbers[f"{kind}_{where}_worst_accuracy"] = Estimate.mean(100 * worst, unit="%")
        numbers[f"{kind}_length"] = Estimate.mean(arrays[f"{kind}_length"])
    numbers["length_ratio"] = Estimate.mean(arrays["curve_length"] / arrays["line_length"])
    for what in ("single", "simplex_midpoint", "simplex_ensemble", "curve_ensemble"):
        numbers[f"{what}_accuracy"] = Estimate.mean(100 * arrays[what][:, 0], unit="%")
        numbers[f"{what}_nll"] = Estimate.mean(arrays[what][:, 1], unit="nat")
    numbers["simplex_vertex_nll"] = Estimate.mean(arrays["simplex_vertices"][:, :, 1].mean(1), unit="nat")
    numbers["simplex_cosine"] = Estimate.mean(arrays["simplex_cosines"].mean(1))
    for members in range(2, len(arrays["single"]) + 1):
        numbers[f"ensemble_{members}_accuracy"] = 100 * float(arrays["ensemble_accuracy"][members - 1])
        numbers[f"ensemble_{members}_nll"] = float(arrays["ensemble_nll"][members - 1])
    return numbers, arrays


def candidates(study: Study, store: CellStore) -> tuple[dict, dict[str, np.ndarray]]:
    """Give the loss on the validation images under each candidate recipe of the triangle."""
    losses = []
    for cell in study.cells:
        value, u, n = store.load(cell).arrays["validation_nll"][0].astype(float)
        losses.append(Estimate(value, u, dof=n - 1, unit="nat", n=n))
    return dict(zip(CANDIDATES, losses, strict=True)), {}
