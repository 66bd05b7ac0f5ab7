"""u(x) from one training: which yardstick carries its scale from network to network, and what a companion is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy import ndarray

from lnescape.covariates.groups import DEFAULT
from lnescape.retraining import LearnedPrior
from lnescape.retraining import prior as fitting
from lnescape.retraining.prior import ANY, COMPANION, PER_UNIT, log_bias
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.gates import g9
from report.studies.geometry import MIXES as OF_GEOMETRY
from report.studies.geometry import SIZES, judged_at_level, law_of_scale, learn, level_of_others, others
from report.studies.judges import NEW_JUDGES
from report.studies.moderation import Assembled, Mix, Summary, accuracy_of, assembled, by_mix, complete, judged_by_size
from report.studies.pairs import (
    FASHION_ATTENTION,
    FASHION_CNN,
    FASHION_FIXED,
    FASHION_MLP,
    MNIST_CNN,
    MNIST_MLP,
    PAIRS,
    WITH_GRADIENTS,
    Pair,
    kind_of_network,
)
from report.studies.scale import (
    BY_COMPANION,
    BY_PATH,
    COMPANIONS,
    SEEN,
    cells,
    levels_and_yardsticks,
    over_companions,
)

Rows = Mapping[str, Mapping[str, Any]]
STORED = tuple(pair for pair, _ in COMPANIONS)
# Pairs on which u(x) from one training is judged: gradients and companions of the same seeds are stored.
JUDGED = (*PAIRS, FASHION_MLP, FASHION_CNN, FASHION_ATTENTION)
# Networks on which each rule was fixed, by their names in the table.
_MAIN = {pair.label for pair in (MNIST_MLP, MNIST_CNN, *STORED)}
_FASHION = {pair.label for pair in (FASHION_MLP, FASHION_CNN, FASHION_ATTENTION, FASHION_FIXED)}
_SMALL = {name for name in SEEN if name not in _MAIN | _FASHION}
KNOWN = {
    "inputs": _MAIN | _SMALL,
    "epochs": _MAIN | _FASHION,
    "companion": _FASHION | _SMALL | {"CIFAR-10 perceptron"},
}
TRAINED = "one-training"  # the study that trains the others


@dataclass(frozen=True)
class Shown:
    """What each network of a pair shows, and ln σ² of the others; one number for each network."""

    kind: str
    arrays: Mapping[str, ndarray]

    def levels(self, yardstick: str) -> ndarray:
        """Return the level over a yardstick, by each network."""
        return self.arrays["of_others"] - self.arrays[f"over_{yardstick}"]


def shown(folder: Path) -> dict[str, Shown]:
    """Read what is known of every network, by name."""
    _, store = complete(TRAINED, folder)
    found = {name: Shown(kind_of_network(cell.network), store.load(cell).arrays) for name, cell in cells().items()}
    return found | {pair.label: _of_stored(pair, folder) for pair in STORED}


def _of_stored(pair: Pair, folder: Path) -> Shown:
    """Compare the networks of a stored pair with their companions."""
    stored = assembled(*complete(pair.key, folder))
    short, store = complete(f"{pair.key}-companions", folder)
    companions = _companions(short, store)
    images = stored.where("calibration")[: companions.shape[1]]
    path = stored.traces.of(range(stored.n_networks), images).path
    assert path is not None, "the path was not kept"
    return Shown(kind_of_network(pair.network), levels_and_yardsticks(stored.q[:, images], path, companions))


def _companions(study: Study, store: CellStore) -> ndarray:
    """Read q of companions, from the last cell of a study."""
    return store.load(study.cells[-1]).arrays["companion"].astype(float)


def one_training(study: Study, store: CellStore) -> Summary:
    """Judge three yardsticks over all networks, and u(x) from one training and its companion on pairs."""
    folder = store.folder.parent
    found = shown(folder)
    levels = {name: {what: float(own.levels(what).mean()) for what in KNOWN} for name, own in found.items()}
    rows = {
        name: {"kind": own.kind, "after": [what for what in KNOWN if name not in KNOWN[what]], "levels": levels[name]}
        | {"scatter": float(own.levels("companion").std(ddof=1))}  # of the level over companions, from one to the next
        for name, own in found.items()
    }
    numbers: dict = {"n": len(rows), "networks": rows, "rules": {"epochs": BY_PATH, "companion": BY_COMPANION}}
    numbers["errors"] = {
        name: {"epochs": BY_PATH.get(own.kind, BY_PATH[ANY]) - levels[name]["epochs"]}
        | {"companion": BY_COMPANION - levels[name]["companion"]}
        for name, own in found.items()
    }  # of ln u², by the rules as they were fixed
    numbers["left out"] = {
        what: {
            word: float(np.sqrt(np.mean(np.square([*errors_left_out(rows, what, same_kind=same).values()]))))
            for word, same in (("all", False), ("kind", True))
        }
        for what in KNOWN
    }  # root mean square of ln u²
    numbers["trainings"] = 1 + COMPANION
    numbers["pairs"] = {pair.key: _judged(pair, found, folder) for pair in JUDGED}
    return numbers, {}


def errors_left_out(rows: Rows, what: str, *, same_kind: bool) -> dict[str, float]:
    """Return the error of ln u² of each network, by the mean level of the others, of all kinds or of its own."""
    found = {}
    for name, own in rows.items():
        alike = [row for n, row in rows.items() if n != name and (not same_kind or row["kind"] == own["kind"])]
        found[name] = float(np.mean([row["levels"][what] for row in alike]) - own["levels"][what])
    return found


def of_others(found: Mapping[str, Shown], but: str = "") -> list[float]:
    """Return the levels over a companion of all networks but one."""
    return [float(own.levels("companion").mean()) for name, own in found.items() if name != but]


def _judged(pair: Pair, found: Mapping[str, Shown], folder: Path) -> dict:
    """Judge each network of a pair beside its companion, by the level of all other networks."""
    study, store = complete(f"{pair.key}-geometry", folder)
    learned = learn(others(study.name), folder, companion_levels=of_others(found, but=pair.label))
    return _beside_companion(assembled(study, store), learned, found[pair.label].arrays["over_companion"])


def _beside_companion(stored: Assembled, learned: LearnedPrior, over_companion: ndarray) -> dict:
    """Judge each network with the pattern of a prior, and the scale that its companion shows."""
    assert learned.companion is not None, "no level was learned"
    level, dof, _ = learned.companion
    one = judged_at_level(stored, learned, level + over_companion, dof)
    numbers = one.to_dict("ren", "bias", "coverage", "deciles", "squared_error")
    return numbers | {"level": level, "dof": dof, "G9": g9(one, n=len(stored.q)).to_dict()}


MIXES = {name: mix for name, mix in OF_GEOMETRY.items() if set(mix.groups or ()) <= set(DEFAULT)}
# Unit of the learned coefficient of the gradient distance, as `prior.units` reads it; all else stays the same.
UNITS = {"per unit": PER_UNIT, "per deviation": ()}


def judge(study: Study, store: CellStore) -> Summary:
    """Judge one network with its companion, two and three, on networks that taught nothing but a level."""
    folder, stored = store.folder.parent, assembled(study, store)
    name = next(name for name, pair in NEW_JUDGES.items() if pair.key == study.name)
    companions = _companions(study, store)
    images, test = stored.where("calibration"), stored.where("test")
    over_companion = over_companions(stored.q[: stored.n_networks, images[: companions.shape[1]]], companions)
    players, nothing = range(stored.n_networks), np.zeros(len(images))
    of_judges = np.array([level_of_others(stored, row, images, nothing) for row in players])
    levels = of_others(shown(folder), but=name)
    found: dict = {"n": len(stored.q), "networks": stored.n_networks, "images": len(test), "name": name}
    found["accuracy"] = accuracy_of(study, store)
    found |= law_of_scale(stored) | {"width": float(stored.traces.distance[:, images].std(1).mean())}
    found["level over a companion"] = float((of_judges - over_companion).mean())
    rows, _ = judged_by_size(stored, MIXES, SIZES, test)
    found["test"] = by_mix({key: row.to_dict("ren", "coverage", "squared_error") for key, row in rows.items()})
    for words, unit in UNITS.items():
        with patch.object(fitting, "PER_UNIT", unit):
            learned = learn(WITH_GRADIENTS, folder, companion_levels=levels)
            rows, _ = judged_by_size(stored, {words: Mix(DEFAULT, like=learned)}, SIZES, test)
            one = _beside_companion(stored, learned, over_companion)
            known = judged_at_level(stored, learned, of_judges + log_bias(one["dof"]), one["dof"])
        found[words] = {"1": one, "scale of the judges": known.to_dict("ren")}
        found[words] |= {
            str(members): row.to_dict("ren", "coverage", "squared_error") for (_, members), row in rows.items()
        }
    return found, {}
