"""Summaries of the studies that take the variance over retrainings apart."""

from collections.abc import Callable

import numpy as np

from lnescape.results import Estimate
from lnescape.retraining import crossed_components, nested_components
from lnescape.study.cells import Study
from lnescape.study.reading import read_study
from lnescape.study.store import CellStore

Summary = tuple[dict, dict[str, np.ndarray]]


def jackknifed(statistic: Callable[[np.ndarray], float], q: np.ndarray, axes: tuple[int, ...], unit: str) -> Estimate:
    """Estimate with the uncertainty that leaving out one level of each crossed factor shows.

    u² = Σ_factors (L − 1)/L Σ_l (T_l − T̄)², L the levels of a factor.

    Args:
        statistic: From an array to one number.
        q: The array.
        axes: The factors, as axes of the array.
        unit: Of the statistic.

    Returns:
        The estimate.

    References:
        Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, chapter 11.
    """
    variance = 0.0
    for axis in axes:
        left = np.array([statistic(np.delete(q, level, axis)) for level in range(q.shape[axis])])
        variance += (len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()
    return Estimate(statistic(q), np.sqrt(variance), dof=min(q.shape[axis] for axis in axes) - 1, unit=unit)


def crossed(study: Study, store: CellStore) -> Summary:
    """Split the variance into initialisation, order and their interaction, means over the test images."""
    ds = read_study(study, folder=store.folder)
    index = [np.unique(ds[name], return_inverse=True)[1] for name in ("initialisation", "order")]
    q = np.empty((*(i.max() + 1 for i in index), ds.sizes["image"]))
    q[tuple(index)] = ds["log_odds"].values
    numbers: dict = {"n": q.shape[0] * q.shape[1], "initialisations": q.shape[0], "orders": q.shape[1]}
    for name in ("initialisation", "order", "interaction"):
        numbers[name] = jackknifed(lambda q, name=name: crossed_components(q)[name].mean(), q, (0, 1), "nat²")
    return numbers | {"images": q.shape[2]}, {}


def arithmetic(study: Study, store: CellStore) -> Summary:
    """Give the variance of one seed over orders of arithmetic, mean over the test images, for each seed."""
    found, different = [], []
    for cell in (cell for cell in study.cells if cell.method == "arithmetic"):
        arrays = store.load(cell).arrays
        rows = np.unique(arrays["same_bits_as"])  # runs that end in the same bits are one observation
        different.append(len(rows))
        found.append(arrays["log_odds"][rows].astype(float).var(0, ddof=1).mean() if len(rows) > 1 else 0.0)
    numbers = {"variance": Estimate.mean(found, unit="nat²"), "different_bits": different, "n": len(found)}
    return numbers, {}


def branches(study: Study, store: CellStore) -> Summary:
    """Give, for each epoch at which branches leave, the share κ of the variance that the trunk has fixed."""
    ds = read_study(study, folder=store.folder)
    leaves = np.unique(ds["leaves"])
    rows = {}
    for epoch in leaves:
        part = ds["log_odds"].values[(ds["leaves"] == epoch).values]
        trunks = ds["trunk"].values[(ds["leaves"] == epoch).values]
        q = np.stack([part[trunks == trunk] for trunk in np.unique(trunks)])

        def component(q, name):
            return float(nested_components(q)[name].mean())

        def share(q):
            fixed, free = component(q, "trunk"), component(q, "branch")
            return fixed / (fixed + free)

        rows[str(int(epoch))] = {
            "trunk": jackknifed(lambda q: component(q, "trunk"), q, (0,), "nat²"),
            "branch": jackknifed(lambda q: component(q, "branch"), q, (0,), "nat²"),
            "kappa": jackknifed(share, q, (0,), ""),
        }
    numbers = {"leaves": rows, "trunks": q.shape[0], "branches": q.shape[1], "images": q.shape[2]}
    return numbers | {"epochs": study.cells[0].recipe.epochs, "n": q.shape[0]}, {}
