"""Summaries of the controls: other arithmetic, another normalisation."""

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from lnescape.results import Estimate
from lnescape.retraining import dithered, jackknife
from lnescape.study.cells import Study, StudyError
from lnescape.study.reading import read_study
from lnescape.study.store import CellStore


def _parts(study: Study, store: CellStore, of_cell: dict[str, str]) -> dict[str, xr.Dataset]:
    """Separate the retrainings by what `of_cell` says of their cell, in the order of their seeds."""
    ds = read_study(study, folder=store.folder)
    own = np.array([of_cell[name] for name in ds["cell"].values])
    return {name: ds.isel(retraining=own == name).sortby("seed") for name in dict.fromkeys(of_cell.values())}


def _scores(part: xr.Dataset) -> dict[str, Estimate]:
    return {
        "accuracy": Estimate.mean(100 * part["accuracy"].values, unit="%"),
        "nll": Estimate.mean(part["nll"].values, unit="nat"),
        "variance": jackknife(_mean_variance, part["log_odds"].values, unit="nat²")[0],
    }


def accuracy(study: Study, store: CellStore) -> tuple[dict, dict[str, np.ndarray]]:
    """Say how good the networks of one cell are, and what a training took on the machine that computed them."""
    if len(study.cells) != 1:
        raise StudyError(f"An accuracy is summed up of one cell, not {len(study.cells)}; make a study of each.")
    (cell,) = study.cells
    stored = store.load(cell)
    numbers: dict = {"n": len(cell.seeds), "seconds_a_training": stored.provenance["seconds"] / len(cell.seeds)}
    numbers["accuracy"] = Estimate.mean(100 * stored.arrays["accuracy"], unit="%")
    return numbers | {"nll": Estimate.mean(stored.arrays["nll"], unit="nat")}, {}


def precision(study: Study, store: CellStore) -> tuple[dict, dict[str, np.ndarray]]:
    """Compare retrainings in bfloat16 with those under the same seeds in float32, on the test images."""
    parts = _parts(study, store, {cell.name: cell.recipe.precision for cell in study.cells})
    single, half = parts["float32"], parts["bfloat16"]
    numbers: dict = {"n": single.sizes["retraining"], "images": single.sizes["image"]}
    numbers |= {name: _scores(part) for name, part in parts.items()}
    # The same seeds in both: differences are taken pair by pair.
    pairs = np.stack([single["log_odds"].values, half["log_odds"].values])
    differences = {
        "accuracy": Estimate.mean(100 * (half["accuracy"].values - single["accuracy"].values), unit="%"),
        "nll": Estimate.mean(half["nll"].values - single["nll"].values, unit="nat"),
        "variance": jackknife(lambda q: _mean_variance(q[1]) - _mean_variance(q[0]), pairs, axes=(1,), unit="nat²")[0],
    }
    errors = [abs(own.value) / (2 * own.u) for own in differences.values()]
    return numbers | {"differences": differences, "normalised_errors": errors}, {}


def control(study: Study, store: CellStore) -> tuple[dict, dict[str, np.ndarray]]:
    """Compare retrainings of two networks that differ in their normalisation, on the test images.

    Are the same images uncertain? n retrainings with group normalisation, and the first n of those with batch
    normalisation, each say u; the other ones with batch normalisation judge both.

    Args:
        study: The reference, with batch normalisation, and fewer retrainings with group normalisation.
        store: Where its cells are.

    Returns:
        For each normalisation accuracy, loss, mean variance, median u, and rank correlation with the judges' u.
    """
    norm = {cell.name: f"{cell.options.get('norm', 'batch')} norm" for cell in study.cells}
    parts = _parts(study, store, norm)
    batch, group = parts["batch norm"], parts["group norm"]
    n = group.sizes["retraining"]
    numbers: dict = {"n": {name: part.sizes["retraining"] for name, part in parts.items()}}
    numbers |= {"images": batch.sizes["image"]} | {name: _scores(part) for name, part in parts.items()}
    q, other = (dithered(part["log_odds"].values) for part in (batch, group))
    judges = q[n:].std(0, ddof=1)
    for name, own in (("batch norm", q[:n]), ("group norm", other)):
        u = own.std(0, ddof=1)
        numbers[name] |= {"median_u": float(np.median(u)), "rank_correlation": float(spearmanr(u, judges).statistic)}
    return numbers, {}


def _mean_variance(q: np.ndarray) -> float:
    """Give the mean over images of the variance over retrainings."""
    return float(q.var(0, ddof=1).mean())
