"""Summaries of the studies that take the variance over retrainings apart."""

import numpy as np

from lnescape.results import Estimate
from lnescape.retraining import crossed_components, jackknife, nested_components
from lnescape.study.cells import Study
from lnescape.study.reading import read_study
from lnescape.study.store import CellStore

Summary = tuple[dict, dict[str, np.ndarray]]


def crossed(study: Study, store: CellStore) -> Summary:
    """Split the variance into initialisation, order and their interaction, means over the test images."""
    ds = read_study(study, folder=store.folder)
    index = [np.unique(ds[name], return_inverse=True)[1] for name in ("initialisation", "order")]
    q = np.empty((*(i.max() + 1 for i in index), ds.sizes["image"]))
    q[tuple(index)] = ds["log_odds"].values
    numbers: dict = {"n": q.shape[0] * q.shape[1], "initialisations": q.shape[0], "orders": q.shape[1]}
    for name in ("initialisation", "order", "interaction"):

        def mean(q, name=name):
            return crossed_components(q)[name].mean()

        numbers[name] = jackknife(mean, q, axes=(0, 1), unit="nat²")[0]
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
            "trunk": jackknife(lambda q: component(q, "trunk"), q, unit="nat²")[0],
            "branch": jackknife(lambda q: component(q, "branch"), q, unit="nat²")[0],
            "kappa": jackknife(share, q)[0],
        }
    numbers = {"leaves": rows, "trunks": q.shape[0], "branches": q.shape[1], "images": q.shape[2]}
    return numbers | {"epochs": study.cells[0].recipe.epochs, "n": q.shape[0]}, {}
