"""Summaries of the comparison of methods: settings that were chosen, quality at equal cost, what λ and β do."""

import math

import numpy as np

from lnescape.results import Estimate
from lnescape.scores import Equivalent, deep_ensemble_equivalent
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.comparison import WAYS, candidates, compared
from report.studies.gates import g6

Summary = tuple[dict, dict[str, np.ndarray]]
UNITS = {"nll": "nat", "cll": "nat", "logit_nll": "nat", "member_nll": "nat", "epistemic_entropy": "nat"}
PLAIN = (
    "accuracy", "nll", "brier", "cll", "logit_nll", "calibration_error", "calibration_bias", "aurc", "auroc", "fpr95",
    "disagreement", "epistemic_entropy", "member_accuracy", "member_nll", "trainings", "prediction_seconds",
    "refresh_trainings", "refresh_seconds", "members",
)  # fmt: skip


def settings(study: Study, store: CellStore) -> Summary:
    """Give, for each way, the loss on the validation images under each candidate, and the best one."""
    scouts, cells = study.cells[0], iter(study.cells[1:])
    numbers: dict = {"n": 1}
    for way, own in candidates(scouts).items():
        losses = []
        for _ in own:
            arrays = store.load(next(cells)).arrays
            losses.append(math.inf if arrays["diverged"][0] else float(arrays["validation_nll"][0]))
        numbers[way] = {
            "candidates": [" ".join(f"{name}={value:g}" for name, value in _flat(changes)) for changes in own],
            "validation_nll": losses,
            "chosen": int(np.argmin(losses)),
        }
    return numbers, {}


def _flat(changes: dict) -> list[tuple[str, float]]:
    return [pair for own in changes.values() for pair in (own.items() if isinstance(own, dict) else [("prior", own)])]


def methods(study: Study, store: CellStore) -> Summary:
    """Give every score of every way at every budget, means over bases, and what it is worth in ensemble members."""
    curve = store.load(study.cells[1]).arrays
    scouts = study.cells[0]
    found: dict[str, dict[str, list[dict]]] = {}
    wanted, bases = set(study.cells), set()
    for way, budget, base, cell in compared(scouts):
        if cell in wanted:
            row = {name: float(own[0]) for name, own in store.load(cell).arrays.items() if own.shape == (1,)}
            found.setdefault(way, {}).setdefault(f"{budget:g}", []).append(row)
            bases.add(base)
    table = {way: {budget: _row(rows, curve) for budget, rows in own.items()} for way, own in found.items()}
    numbers = {"n": len(bases), "bases": len(bases), "order": list(table), "ways": table}
    numbers["yardstick_networks"] = len(study.cells[1].seeds)
    entries = [
        (f"{way} at {budget}", own["trainings"].value, own["dee"]["value"])
        for way, rows in table.items()
        for budget, own in rows.items()
        if WAYS[way][0] != "deep_ensemble" and own["diverged"] == 0
    ]
    numbers["G6"] = g6(entries, n=len(bases)).to_dict()
    return numbers, {f"yardstick_{name}": own for name, own in curve.items()}


def _row(rows: list[dict[str, float]], curve: dict[str, np.ndarray]) -> dict:
    """Join the bases: means with the uncertainty of a mean over bases, and DEE of the mean and of each base."""
    kept = [row for row in rows if not row["diverged"]]
    numbers: dict = {"diverged": len(rows) - len(kept), "n": len(kept)}
    if not kept:
        return numbers
    for name in PLAIN:
        values = [row[name] for row in kept if np.isfinite(row[name])]
        if values:
            numbers[name] = Estimate.mean(values, unit=UNITS.get(name, ""))
    worth = [deep_ensemble_equivalent(cll, curve["cll_mean"], curve["cll_sd"]) for cll in (row["cll"] for row in kept)]
    mean = deep_ensemble_equivalent(numbers["cll"].value, curve["cll_mean"], curve["cll_sd"])
    numbers["dee"] = _told(mean) | {"bases": [one.value for one in worth]}
    return numbers


def _told(worth: Equivalent) -> dict:
    return {"value": worth.value, "low": worth.low, "high": worth.high, "text": str(worth)}


def weights(study: Study, store: CellStore) -> Summary:
    """Give the scores for each weight of a penalty, λ or β, in the order of the cells."""
    rows = []
    for cell in study.cells:
        if cell.method != "law":
            continue
        options, arrays = cell.settings["options"], store.load(cell).arrays
        name = "volume_weight" if "volume_weight" in options else "cosine_weight"
        row = {"weight": options[name], "points": options.get("points", 1)}
        row |= {name: float(arrays[name][0]) for name in (*PLAIN, "log_volume", "cosine") if name in arrays}
        rows.append(row | {"diverged": float(arrays["diverged"][0])})
    return {"n": 1, "rows": rows}, {}
