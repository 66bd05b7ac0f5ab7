"""Summaries: what a complete study says, as the numbers and arrays that notebooks and report read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lnescape.results import Estimate, ResultError, load_result, provenance, save_result
from lnescape.retraining import dithered, relative_spread, spread_of_log_variance
from lnescape.study.cells import Study, trainings
from lnescape.study.panel import PARTS, data_and_panel
from lnescape.study.reading import read_study
from lnescape.study.store import CellStore
from report.studies import (
    class_summaries,
    components,
    control_summaries,
    method_summaries,
    path_summaries,
    single,
    uncertainty,
)
from report.studies.gates import g0, g2

SIZES = (2, 3, 4, 5, 8, 10, 16, 24, 32, 64)  # retrainings, for the curve of how slowly u(x) converges
N_SHOWN = 8  # images of the gallery
Summary = tuple[dict, dict[str, np.ndarray]]


def reference(study: Study, store: CellStore) -> Summary:
    """Sum up reference retrainings: scores, u(x), flips, convergence, gates."""
    ds = read_study(study, folder=store.folder)
    own = np.isin(ds["part"], ["calibration", "test"])
    q, apart = dithered(ds["log_odds"].values), ds["contrast"].values
    u = q.std(0, ddof=1)
    scores = {
        "accuracy": Estimate.mean(100 * ds["accuracy"].values, unit="%"),
        "accuracy_sd": float(100 * ds["accuracy"].values.std(ddof=1)),
        "nll": Estimate.mean(ds["nll"].values, unit="nat"),
    }
    levels = {"low": 0.05, "median": 0.5, "high": 0.95}
    flips = (apart < 0).mean(0)
    parts = {}
    for part in PARTS:
        rows = (ds["part"] == part).values
        quantiles = {level: float(np.quantile(u[rows], at)) for level, at in levels.items()}
        parts[part] = quantiles | {"flips": float(flips[rows].mean())}  # mean share that decides otherwise
    counted = {"ever": 0.0, "twentieth": 0.05, "quarter": 0.25}
    shares = {name: int((flips[own] > least).sum()) for name, least in counted.items()}
    sizes = [size for size in SIZES if len(q) // size >= 2]
    spread = [np.sqrt((spread_of_log_variance(q[:, own], size) ** 2).mean()) / 2 for size in sizes]
    gates = {verdict.gate: verdict.to_dict() for verdict in (g0(q[:, own]), g2(q[:, own]))}
    numbers = {"n": len(q), "images": int(own.sum()), **scores, "u": parts, "flips": shares, **gates}
    numbers["rounding"] = _rounding(q, u)
    theory = [relative_spread(size - 1) / 2 for size in sizes]
    rows = zip(sizes, spread, theory, strict=True)
    numbers["convergence"] = [{"n": n, "observed": float(seen), "theory": known} for n, seen, known in rows]
    return numbers, _gallery(study, q, flips, ds["part"].values)


def _rounding(q: np.ndarray, u: np.ndarray) -> dict[str, float]:
    """Compare the variance that rounding to float16 adds, a step squared over 12, with that of retraining."""
    share = (np.spacing(np.abs(q).astype(np.float16)).astype(float) ** 2 / 12).mean(0) / u**2
    return {"median": float(np.median(share)), "highest": float(share.max())}


def _throughput(study: Study, store: CellStore) -> dict | None:
    """Read how fast the largest run was, end to end, beside the machine's rate of matrix products."""
    if any(cell.method == "law" for cell in study.cells):
        return None  # such cells share trainings: what was computed is less than what they cost
    try:
        return load_result(f"run-{study.name}", folder=store.folder).numbers
    except ResultError:
        return None  # the cells were computed elsewhere


def _gallery(study: Study, q: np.ndarray, flips: np.ndarray, part: np.ndarray) -> dict[str, np.ndarray]:
    """Choose images to look at: typical ones, the most undecided, and the first of the foreign ones."""
    data, _ = data_and_panel(study.cells[0].data, "cpu")
    test, foreign = np.flatnonzero(part == "test"), np.flatnonzero(part == "foreign")
    mean = q[:, test].mean(0)
    easy = test[np.argsort(np.abs(mean - np.median(mean)), kind="stable")[:N_SHOWN]]
    undecided = test[np.argsort(np.abs(flips[test] - 0.5), kind="stable")[:N_SHOWN]]
    pixels = [data.test.pixels[easy - test[0]], data.test.pixels[undecided - test[0]], data.foreign.pixels[:N_SHOWN]]
    names = ("easy", "undecided", "foreign")
    chosen = dict(zip(names, (easy, undecided, foreign[:N_SHOWN]), strict=True))
    return chosen | {f"{name}_pixels": own.numpy() for name, own in zip(names, pixels, strict=True)}


def explored(study: Study, store: CellStore) -> Summary:
    """List, for each cell that explores, its settings and the mean of what it keeps one number of for each network."""
    rows = []
    for cell in study.cells:
        if cell.method == "scouts":
            continue
        arrays = store.load(cell).arrays
        row: dict = {"settings": dict(cell.settings), "options": dict(cell.options), "epochs": cell.recipe.epochs}
        row["first_seed"] = min(cell.seeds)
        row |= {name: Estimate.mean(own) for name, own in arrays.items() if own.dtype == np.float64 and own.ndim == 1}
        rows.append(row)
    return {"n": len(rows), "rows": rows}, {}


SUMMARIES: dict[str, Callable[[Study, CellStore], Summary]] = {
    "reference": reference,
    "crossed": components.crossed,
    "arithmetic": components.arithmetic,
    "branches": components.branches,
    "paths": path_summaries.paths,
    "candidates": path_summaries.candidates,
    "precision": control_summaries.precision,
    "control": control_summaries.control,
    "accuracy": control_summaries.accuracy,
    "own class": class_summaries.own_class,
    "settings": method_summaries.settings,
    "methods": method_summaries.methods,
    "weights": method_summaries.weights,
    "explored": explored,
    "uncertainty": uncertainty.uncertainty,
    "single": single.single,
}


def keep_summary(study: Study) -> Path:
    """Store the summary of a complete study as report/results/STUDY.json.

    Args:
        study: The study.

    Returns:
        The path of the JSON file.

    Raises:
        StudyError: Cells are missing.
    """
    store = CellStore(study)
    store.check_complete()
    numbers, arrays = SUMMARIES[study.summary](study, store)
    stored = [store.load(cell).provenance for cell in study.cells]
    data, _ = data_and_panel(study.cells[0].data, "cpu")
    origin = provenance(
        command=study.command,
        seed=sorted({seed for cell in study.cells for seed in cell.seeds}),
        data=data,
        n=numbers.get("n"),
        cost=sum(map(trainings, study.cells)),
        seconds=round(sum(own["seconds"] for own in stored), 1),
        computed_on=sorted({own["machine"]["device"] for own in stored}),  # "machine" is where it was summed up
        recipe=study.cells[0].recipe.describe(),
        network={"name": study.cells[0].network, "options": study.cells[0].options},
        throughput=_throughput(study, store),
        cells={cell.name: own["code"]["commit"] for cell, own in zip(study.cells, stored, strict=True)},
    )
    return save_result(study.name, numbers=numbers, arrays=arrays, provenance=origin)
