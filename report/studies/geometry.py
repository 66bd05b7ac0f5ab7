"""Gradient distance and the prior of other pairs: their test on one pair's retrainings, and the prior of all pairs.

`python -m report.studies.geometry` learns the prior that the package ships.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy import ndarray
from scipy.special import polygamma

from lnescape.covariates.geometry import SLOPE
from lnescape.covariates.groups import DEFAULT, FREE, columns_of
from lnescape.data.shifts import KINDS as SHIFTS
from lnescape.results import Estimate, load_result, provenance, results_folder
from lnescape.retraining import (
    Evaluation,
    Fidelity,
    KnownPair,
    LearnedPrior,
    Reference,
    borrowed_prior,
    effective_number,
    fidelity,
    learn_prior,
    level_of,
    moderated,
    shipped_prior,
    transfer,
    with_class_means,
)
from lnescape.retraining import prior as fitting
from lnescape.retraining.prior import ANY, PER_UNIT, SHIPPED, SHRINKAGE, assumed_number, is_indicator
from lnescape.study.cells import Study
from lnescape.study.observation import PARTS
from lnescape.study.store import CellStore
from report.studies import moderation
from report.studies.dispersion import jackknife, log_variance
from report.studies.gates import g1, g5, g9, g10
from report.studies.judges import NEW_JUDGES, SCALE_SEEN
from report.studies.moderation import Assembled, Mix, Moderation, Summary, accuracy_of, assembled, complete, draws
from report.studies.pairs import FASHION_ATTENTION, JUDGES, LEVELLED, SMALL, WITH_GRADIENTS, Pair, kind_of_network
from report.studies.uncertainty import gain_in_ren

ALONE = "outputs, classes, gradient distance"
MIXES = {
    "constant": Mix(()),
    "all free groups": Mix(FREE),
    "gradient distance": Mix(("gradient distance",)),
    ALONE: Mix(DEFAULT),
}
SIZES = (2, 3)  # M
TRANSFER = "prior of other pairs"  # learned on covariates of two networks
TENTHS = 10  # of the images, by log-odds
SETS = 4  # of networks, whose covariates a prior is learned on
# Constants of the fit that nothing but judgement or a pilot set, beside the shrinkage, n_eff and the slope.
TRIED = ("CLIP", "STEP", "MEAN_DELTA", "TEMPER")
CERTAIN = 1e6  # degrees of freedom of a dispersion that is no estimate from retrainings


def geometry(study: Study, store: CellStore) -> Summary:
    """Judge gradient distance alone and beside outputs and classes, on held-out retrainings and images."""
    stored, folder = assembled(study, store), store.folder.parent
    learned, found = _prior_for(study, folder)
    mixes = MIXES | {TRANSFER: Mix(DEFAULT, like=learned)}
    if stored.traces.path is None:  # the weights of the former players were not kept, and all covariates go together
        del mixes["all free groups"]
    places = {kind: where for kind in ("test", *SHIFTS, "foreign") if len(where := stored.where(kind))}
    n = len(stored.q)
    found |= {"n": n, "networks": stored.n_networks, "images": len(places["test"])}
    found["accuracy"] = accuracy_of(study, store)
    found |= law_of_scale(stored) | {"explained": explained(stored), "one network": one_network(stored)}
    one = one_borrowed(stored, learned, study)
    found["one network, borrowed scale"] = one.to_dict() | lent(learned, study)
    found["usual u"] = float(np.exp(level_of(stored.q[:, stored.where("calibration")]) / 2))
    kept, judges = _judged_at(stored, mixes, places)
    for (place, members, name), judged in kept.items():
        shown = ("ren", "coverage") if place != "test" else ("ren", "coverage", "squared_error", "dof")
        row = judged.to_dict(*(() if (place, name) == ("test", TRANSFER) else shown))
        found.setdefault(place, {}).setdefault(name, {})[str(members)] = row
    shifted = {kind: kept[kind, 2, TRANSFER] for kind in SHIFTS if kind in places}
    with_others, without, alone = (kept["test", 2, name] for name in (TRANSFER, ALONE, "gradient distance"))
    gain = gain_in_ren(with_others, without, judges[2])
    found["G1"] = g1(kept["test", 2, "constant"], n=n).to_dict()
    found["G5"] = g5(with_others, shifted, n=n).to_dict()
    found["G9"] = g9(one, n=n).to_dict()
    found["G10"] = g10(with_others, without, gain=gain, n=n).to_dict()
    found["sensitivity"] = sensitivity(stored, judges[2])
    if "learned" in found:
        found["taught otherwise"] = taught_otherwise(stored, study, folder, judges[2])
    found["gain over gradient distance"] = gain_in_ren(with_others, alone, judges[2])
    return found, {}


def _prior_for(study: Study, folder: Path) -> tuple[LearnedPrior, dict]:
    """Return the prior that judges a pair, and what is stored of it."""
    if study.name.startswith(FASHION_ATTENTION.key):  # it came after the prior that the package ships was learned
        return shipped_prior(), {}
    seen = levels(folder, but=study.name.removesuffix("-geometry"))
    learned = learn(others(study.name), folder, levels=by_kind(seen))
    return learned, {"levels": seen, "learned": learned.to_dict()}


def _judged_at(
    stored: Assembled, mixes: Mapping[str, Mix], places: Mapping[str, ndarray]
) -> tuple[dict[tuple[str, int, str], Fidelity], dict[int, Reference]]:
    """Judge each mix by place, M and name; return the references of the test images by M, too."""
    kept, judges = {}, {}
    for members in SIZES:
        drawn = draws(stored.n_networks, members)
        references = {place: Reference.of(stored.q[:, judged], drawn) for place, judged in places.items()}
        judges[members] = references["test"]
        for name, mix in mixes.items():
            # Each prior is fitted once, and judged at every place.
            evaluations, _ = Moderation(stored, mix)(drawn, np.arange(stored.q.shape[1]))
            for place, judged in places.items():
                there = [replace(one, mean=one.mean[judged], scale=one.scale[judged]) for one in evaluations]
                kept[place, members, name] = fidelity(there, references[place])
    return kept, judges


def law_of_scale(stored: Assembled) -> dict:
    """Fit ln s² of all retrainings on the mean gradient distance of the players, on the calibration images."""
    images = stored.where("calibration")
    h, seen = stored.traces.distance.mean(0)[images], log_variance(stored.q[:, images])
    known = {"fisher_trace", "training_loss"} & set(stored.facts)
    facts = {name: Estimate.mean(stored.facts[name]) for name in sorted(known)}
    return facts | {
        "slope": float(np.polyfit(h, seen, 1)[0]),
        "level": float((seen - h).mean()),
        "correlation": float(np.corrcoef(h, seen)[0, 1]),
        "effective_inputs": effective_number(stored.q[:, images]),
        "effective_inputs_by_gradients": Estimate.mean(stored.facts["gradient_inputs"]),
    }


def explained(stored: Assembled) -> dict[str, Any]:
    """Estimate the share (%) of the variance of ln σ² over calibration images that covariates of all players explain.

    The fit is by least squares. ln s² scatters around ln σ² with the variance ψ₁((n − 1)/2), which is subtracted. The
    offset of a tenth of the images, in the order of their mean log-odds, is the mean residual of the line on h.
    """
    images = stored.where("calibration")
    q, h = stored.q[:, images], stored.traces.distance.mean(0)[images]
    mean, one = q.mean(0), np.ones(len(images))
    free, _ = columns_of(stored.traces.of(range(stored.n_networks), images), DEFAULT)
    designs = {"gradient distance": (h,), "gradient distance, log-odds": (h, mean, mean**2), ALONE: (free,)}
    terms = [_span(np.column_stack([one, *columns])) for columns in ((), *designs.values())]
    tenths = np.array_split(np.argsort(mean), TENTHS)

    def of(q: ndarray) -> ndarray:
        y = np.log(q.var(0, ddof=1))
        rests = [y - x @ (x.T @ y) for x in terms]
        noise = polygamma(1, (len(q) - 1) / 2)
        left = np.array([(rest**2).sum() / (len(x) - x.shape[1]) for rest, x in zip(rests, terms, strict=True)]) - noise
        return np.array([left[0], *(100 * (1 - left[1:] / left[0])), *(rests[1][some].mean() for some in tenths)])

    variance, *estimates = jackknife(of, q)
    shares = dict(zip(designs, estimates, strict=False))
    beyond = {"log-odds": [mean[some].mean() for some in tenths], "offset": estimates[len(designs) :]}
    return {"variance": variance, "shares": shares} | beyond


def _span(columns: ndarray) -> ndarray:
    """Return an orthonormal basis of what the columns span; indicators of all classes and a constant are dependent."""
    u, size, _ = np.linalg.svd(columns, full_matrices=False)
    return u[:, size > 1e-10 * size[0]]


def sensitivity(stored: Assembled, judge: Reference) -> dict[str, dict[str, dict[str, float]]]:
    """Return REN and coverage of two networks with each constant of the fit as it is, halved and doubled."""
    n = len(stored.where("calibration"))

    def judged(**changes: Any) -> dict[str, float]:
        return _worth(stored, replace(MIXES[ALONE], **changes), judge)

    found: dict[str, dict[str, dict[str, float]]] = {"none": {"1": judged()}}
    for factor in (0.5, 2.0):
        rows = {"SHRINKAGE": judged(shrinkage=factor * SHRINKAGE)}
        rows["n_eff"] = judged(n_eff=factor * assumed_number(n))
        with patch.object(moderation, "SLOPE", (SLOPE[0], factor * SLOPE[1])):
            rows["SLOPE"] = judged()
        for name in TRIED:
            with patch.object(fitting, name, factor * getattr(fitting, name)):
                rows[name] = judged()
        for name, row in rows.items():
            found.setdefault(name, {})[f"{factor:g}"] = row
    return found


def taught_otherwise(stored: Assembled, study: Study, folder: Path, judge: Reference) -> dict[str, dict[str, float]]:
    """Return REN and coverage of two networks with a prior of other data alone, and under other laws of its mean."""
    pairs = others(study.name)
    priors = {"other data": learn([pair for pair in pairs if pair.data != study.cells[0].data], folder)}
    for name, factor in (("law halved", 0.5), ("law doubled", 2.0), ("no law", 1e6)):
        with patch.object(transfer, "OUTSIDE", factor**2 * transfer.OUTSIDE):
            priors[name] = learn(pairs, folder)
    return {name: _worth(stored, Mix(DEFAULT, like=one), judge) for name, one in priors.items()}


def _worth(stored: Assembled, mix: Mix, judge: Reference) -> dict[str, float]:
    """Return REN and coverage of a mix on the test images."""
    one = Moderation(stored, mix).fidelity(stored.where("test"), judge)
    return {"ren": one.ren.value, "coverage": one.coverage.value}


def one_network(stored: Assembled) -> dict:
    """Judge the pattern of one network at slope one; its level, one number, is taken from the retrainings."""
    images, test, evaluations = stored.where("calibration"), stored.where("test"), []
    for row, h in enumerate(stored.traces.distance):
        level = level_of_others(stored, row, images, h[images])
        evaluations.append(Evaluation(stored.q[row, test], np.exp((level + h[test]) / 2), CERTAIN, 1))
    return judged_alone(stored, evaluations).to_dict()


def level_of_others(stored: Assembled, row: int, images: ndarray, known: ndarray) -> float:
    """Return what is missing to ln s² of all retrainings but one, on average over some images."""
    return float((log_variance(np.delete(stored.q, row, axis=0)[:, images]) - known).mean())


def from_one(stored: Assembled, priors: Sequence[LearnedPrior], network: str) -> list[Evaluation]:
    """Evaluate u(x) by each network alone, with pattern and scale of a prior, one for each network."""
    images, judged, evaluations = stored.where("calibration"), stored.where("test"), []
    for row, learned in enumerate(priors):
        h, names = columns_of(stored.traces.of((row,), images), DEFAULT)
        further, _ = columns_of(stored.traces.of((row,), judged), DEFAULT)
        further, _ = with_class_means(further, names, like=h)
        h, names = with_class_means(h, names)
        prior = borrowed_prior(stored.q[row, images], h, names=names, like=learned, network=network)
        evaluations.append(moderated(stored.q[[row]][:, judged], prior, further))
    return evaluations


def one_borrowed(stored: Assembled, learned: LearnedPrior, study: Study) -> Fidelity:
    """Judge each network alone, with pattern and scale that were both learned on other pairs."""
    return judged_alone(stored, from_one(stored, [learned] * stored.n_networks, kind_of_study(study)))


def judged_alone(stored: Assembled, evaluations: Sequence[Evaluation]) -> Fidelity:
    """Judge evaluations by one network each by all other networks."""
    q, each = stored.q[:, stored.where("test")], [(row,) for row in range(stored.n_networks)]
    return fidelity(evaluations, Reference.of(q, each))


def judged_at_level(stored: Assembled, learned: LearnedPrior, log_variance: ndarray, dof: float) -> Fidelity:
    """Judge each network by the pattern of a prior; ln s₀² is, as a mean over inputs, `log_variance` of the network."""
    # A level is relative to the variance of q over inputs, as `borrowed_prior` has it.
    levels = log_variance - np.log(stored.q[: stored.n_networks, stored.where("calibration")].var(1))
    priors = [replace(learned, levels={ANY: (float(one), dof)}) for one in levels]
    return judged_alone(stored, from_one(stored, priors, ANY))


def learned_for(study: str) -> LearnedPrior:
    """Read the prior that judged the pair of a study, learned on the others."""
    return LearnedPrior.from_dict(load_result(study).numbers["learned"])


def others(study: str) -> list[Pair]:
    """List the pairs that teach a prior which is judged on the pair of this study."""
    # By the name of the study: two pairs share a folder where their data and kind of network are the same.
    return [pair for pair in WITH_GRADIENTS if not study.startswith(f"{pair.key}-")]


def learn(pairs: Sequence[Pair], folder: Path, **more: Any) -> LearnedPrior:
    """Learn a prior from what is stored of some pairs."""
    known, groups = zip(*(_teaching(f"{pair.key}-geometry", folder) for pair in pairs), strict=True)
    return learn_prior(list(known), groups=groups[0], **more)


@lru_cache(maxsize=2 * len(WITH_GRADIENTS))  # cells never change, and each pair teaches the priors of all others
def _teaching(name: str, folder: Path) -> tuple[KnownPair, dict[str, str]]:
    """Read what the pair of a study teaches, and the group of each covariate."""
    stored = assembled(*complete(name, folder))
    return _known(stored), _groups(stored)


# The level needs log-odds alone, so that every network teaches it that was trained again and again.
WITH_LEVELS = (*(pair.key for pair in LEVELLED), *(f"{name}-together" for name in SMALL))


def levels(folder: Path, *, but: str = "", also: Sequence[str] = ()) -> dict[str, float]:
    """Return the level of every network but one on the calibration images, by the name of its study."""
    return {name: _level_on(name, folder) for name in (*WITH_LEVELS, *also) if name != but}


def _level_on(name: str, folder: Path) -> float:
    """Return the level of all retrainings of a study."""
    study, store = complete(name, folder)
    images = store.load(study.cells[0]).arrays["part"] == PARTS.index("calibration")
    q = [store.load(cell).arrays["log_odds"] for cell in study.cells if cell.method == "retrainings"]
    return level_of(np.concatenate(q)[:, images].astype(float))


def by_kind(seen: Mapping[str, float]) -> dict[str, list[float]]:
    """Sort levels by the kind of the networks."""
    from report.studies.catalogue import STUDIES

    found: dict[str, list[float]] = {}
    for name, level in seen.items():
        found.setdefault(kind_of_study(STUDIES[name]), []).append(level)
    return found


def kind_of_study(study: Study) -> str:
    """Name the kind of a study's networks."""
    return kind_of_network(study.cells[0].network)


def lent(learned: LearnedPrior, study: Study) -> dict[str, float]:
    """Return the level that a network of a study borrows, and its degrees of freedom."""
    return dict(zip(("level", "dof"), learned.levels[kind_of_study(study)], strict=True))


def _columns(stored: Assembled, rows: Sequence[int]) -> tuple[ndarray, tuple[str, ...]]:
    """Return the covariates that travel, on the calibration images."""
    return with_class_means(*columns_of(stored.traces.of(rows, stored.where("calibration")), DEFAULT))


def _known(stored: Assembled) -> KnownPair:
    """Stack the covariates of some sets of two networks, each standardised by itself; the other networks judge.

    The gradient distance is centred only: its coefficient is per unit.
    """
    images, covariates, variances = stored.where("calibration"), [], []
    for rows in draws(stored.n_networks, 2, n=SETS):
        h, names = _columns(stored, rows)
        indicator = is_indicator(h)
        width = np.where(indicator | np.isin(names, PER_UNIT) | (h.std(0) == 0), 1.0, h.std(0))
        covariates.append((h - np.where(indicator, 0.0, h.mean(0))) / width)
        variances.append(np.delete(stored.q, rows, axis=0)[:, images].var(0, ddof=1))
    n_eff = effective_number(stored.q[:, images])
    return KnownPair(np.concatenate(covariates), np.concatenate(variances), len(stored.q) - 3, n_eff, names)


def _groups(stored: Assembled) -> dict[str, str]:
    """Name the group of each covariate; the class means are a group of their own."""
    seen = stored.traces.of((0, 1), stored.where("calibration"))
    found = {name: group for group in DEFAULT for name in columns_of(seen, (group,))[1]}
    return found | {name: "class means" for name in _columns(stored, (0, 1))[1] if name not in found}


def taught(**more: Any) -> LearnedPrior:
    """Learn what the package ships, from all pairs that keep gradient distances and the levels of all networks.

    Levels over inputs are those that were known when the networks with attention were judged by it; levels over a
    companion are those of all networks, which the new judges have become since.
    """
    known = by_kind(levels(results_folder(), also=[f"{pair.key}-geometry" for pair in JUDGES]))
    return learn(WITH_GRADIENTS, results_folder(), levels=known, companion_levels=levels_beside(), **more)


def levels_beside(*, but: str = "") -> list[float]:
    """Return the levels over a companion of all networks but one, by its name in "one-training"."""
    networks = load_result("one-training").numbers["networks"].items()
    found = [row["levels"]["companion"] for name, row in networks if name != but]
    return found + [load_result(name).numbers["level over a companion"] for name in _of_new_judges()]


def _of_new_judges() -> list[str]:
    """Name the studies of judges whose companions the prior doesn't know already."""
    return [judge.key for name, judge in NEW_JUDGES.items() if name not in SCALE_SEEN]


def ship() -> None:
    """Put the prior into the package."""
    names = [f"{pair.key}-geometry" for pair in WITH_GRADIENTS]
    names += ["one-training", *_of_new_judges()]
    origin = provenance(command="python -m report.studies.geometry", seed=[0], data=None, n=len(names), studies=names)
    learned = taught(provenance=origin)
    learned.save(SHIPPED)
    print(f"{SHIPPED}: {len(learned.names)} covariates from {', '.join(names)}")


if __name__ == "__main__":
    ship()
