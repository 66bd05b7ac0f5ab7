"""Summaries of u(x) from few retrainings: fidelity of every mix, purchases, one training alone, gates."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray
from scipy.special import polygamma

from lnescape.covariates.groups import FREE, columns_of
from lnescape.data.shifts import KINDS as SHIFTS
from lnescape.results import Estimate
from lnescape.retraining import Evaluation, Fidelity, Reference, RetrainingEquivalent, effective_number, fidelity
from lnescape.retraining.judging import retraining_equivalent
from lnescape.retraining.prior import log_bias
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.dispersion import log_variance, partial_r_squared, variance_ratio
from report.studies.gates import best_within, entries_of, g1, g5
from report.studies.moderation import (
    Assembled,
    Mix,
    Moderation,
    ProxySet,
    Summary,
    assembled,
    by_mix,
    complete,
    draws,
    judged_by_size,
)
from report.studies.pairs import PATHS, RESTARTED, RULE

SIZES = (2, 3, 4)  # M
BASE = "all free groups"
MORE = "one more training"
UNDER_SHIFT = {"constant": Mix(()), BASE: Mix(FREE)}
WITH_DECILES = ("none (plain Type A)", "constant", BASE)  # those of other mixes would fill a third
N_EFFS = (100.0, 200.0, 300.0, 600.0, 1200.0)
CHEAP_BURSTS, CHEAP_PROXIES = 0.3, 1.0  # trainings: from each network, and in all; dearer ones can't be chosen
EXPLORATIONS = ("training path", "bursts", "line", "curve", "mode curve", "simplex", "proxies")


def usual_mixes(burst: tuple[float, float] | None, proxy: tuple[int, float, int]) -> dict[str, Mix]:
    """Name the mixes of the table; those of bursts where there are some."""
    b, p = {"bursts": burst}, {"proxies": proxy}
    mixes = {"none (plain Type A)": Mix(None), "constant": Mix(())}
    mixes |= {name: Mix((name,)) for name in FREE}
    mixes |= {"bursts": Mix(("bursts",), **b), "proxies": Mix(("proxies",), **p)}
    mixes |= {name: Mix((name,)) for name in PATHS}
    mixes["outputs + neighbourhood + path"] = Mix(("outputs", "neighbourhood", "training path"))
    mixes[BASE] = Mix(FREE)
    mixes["all free groups, without shrinkage"] = Mix(FREE, shrinkage=np.inf)
    mixes["free + bursts"] = Mix((*FREE, "bursts"), **b)
    mixes["free + proxies"] = Mix((*FREE, "proxies"), **p)
    mixes["free + bursts + proxies"] = Mix((*FREE, "bursts", "proxies"), **b, **p)
    mixes["free + curve"] = Mix((*FREE, "curve"))
    mixes["free + simplex"] = Mix((*FREE, "simplex"))
    return {name: mix for name, mix in mixes.items() if burst or "bursts" not in (mix.groups or ())}


def uncertainty(study: Study, store: CellStore) -> Summary:
    """Judge every mix of covariates, on held-out retrainings and images."""
    stored = assembled(study, store)
    numbers: dict = {"n": len(stored.q), "networks": stored.n_networks}
    numbers |= sweeps(stored)
    chosen = numbers["chosen"]
    mixes = usual_mixes(tuple(chosen["bursts"]) if stored.bursts else None, tuple(chosen["proxies"]))
    mixes = {name: mix for name, mix in mixes.items() if set(mix.groups or ()) & set(PATHS) <= set(stored.paths)}
    test = stored.where("test")
    kept, references = judged_by_size(stored, mixes, SIZES, test)
    further = {(name, members): mixes[name].further(stored, members) for name, members in kept}
    rows = {}
    for key, found in kept.items():
        shown = ("ren", "squared_error", "coverage", "dof", *(("deciles",) if key[0] in WITH_DECILES else ()))
        rows[key] = found.to_dict(*shown) | {"further": further[key], "passes": mixes[key[0]].passes(stored)}
    table = by_mix(rows)
    numbers |= {"mixes": table, "draws": len(references[2].members)}
    # Leave out each free group in turn, and keep all; vary how many independent inputs those of the fit are worth.
    left = {name: Mix(tuple(other for other in FREE if other != name)) for name in FREE}
    judged = {name: Moderation(stored, mix).fidelity(test, references[2]) for name, mix in left.items()}
    judged = {"none": kept[BASE, 2]} | judged
    numbers["leave_one_out"] = {name: one.to_dict("ren", "coverage") for name, one in judged.items()}
    varied = {n_eff: Moderation(stored, Mix(FREE, n_eff=n_eff)).fidelity(test, references[2]) for n_eff in N_EFFS}
    numbers["sensitivity"] = [{"n_eff": n} | one.to_dict("ren", "coverage", "dof") for n, one in varied.items()]
    numbers["gains"] = gains(kept, references, further)
    numbers["shift"], shifted = _under_shift(stored)
    numbers |= _patterns(stored, mixes) | _decisions(stored)
    numbers["facts"] = {name: Estimate.mean(values) for name, values in stored.facts.items()}
    numbers["effective_inputs"] = effective_number(stored.q[:, stored.where("calibration")])
    for cost in (2, 3):
        best = best_within(entries_of(table), cost)
        ren = {"ren": best.ren.value, "low": best.ren.low, "high": best.ren.high}
        numbers.setdefault("best", {})[str(cost)] = {"name": best.name, "trainings": best.cost} | ren
    numbers["G1"] = g1(kept["constant", 2], n=len(stored.q)).to_dict()
    numbers["G5"] = g5(kept[BASE, 2], shifted, n=len(stored.q)).to_dict()
    return numbers, {}


def sweeps(stored: Assembled) -> dict:
    """Vary bursts and proxies, judged on the calibration images by other networks, and choose the best cheap ones."""
    judged = stored.where("calibration")
    drawn = draws(stored.n_networks, 3)
    reference = Reference.of(stored.q[:, judged], drawn)

    def judge(mix: Mix, seen: Assembled = stored) -> RetrainingEquivalent:
        return fidelity(Moderation(seen, mix)(drawn, judged)[0], reference).ren

    bursts = [_burst_row(stored, key, judge) for key in stored.bursts]
    for row, burst in zip(bursts, stored.bursts.values(), strict=True):
        row["ratio"] = variance_ratio(burst.spread[:, judged] ** 2, reference)
    proxies = [_proxy_row(sets, (*key, n), judge) for key, sets in stored.proxies.items() for n in sets[0].spread]
    proxy = _best(proxies, CHEAP_PROXIES)
    chosen = {"proxies": [proxy["width"], proxy["epochs"], proxy["n"]]}
    if bursts:
        burst = _best(bursts, 1.005 * CHEAP_BURSTS)
        chosen["bursts"] = [burst["epochs"], burst["rate"]]
    return {"bursts": bursts, "proxies": proxies, "chosen": chosen}


def _burst_row(stored: Assembled, key: tuple[float, float], judge: Callable[..., RetrainingEquivalent]) -> dict:
    """Judge bursts of one length and rate; those of other players show how much is about the network they left."""
    burst, mix = stored.bursts[key], Mix(("bursts",), bursts=key)
    swapped = replace(stored, bursts={key: replace(burst, spread=np.roll(burst.spread, 1, axis=0))})
    alone = judge(mix)
    return {
        "epochs": key[0], "rate": key[1], "trainings": burst.trainings, "n": burst.n,
        "alone": {"ren": alone.value, "low": alone.low, "high": alone.high},
        "with_free": {"ren": judge(replace(mix, groups=(*FREE, "bursts"))).value},
        "of_others": {"ren": judge(mix, swapped).value},
        "distance": Estimate.mean(burst.distance / stored.facts["distance"]),
        "training_loss": Estimate.mean(burst.training_loss, unit="nat"),
    }  # fmt: skip


def _proxy_row(
    sets: Sequence[ProxySet], key: tuple[int, float, int], judge: Callable[..., RetrainingEquivalent]
) -> dict:
    """Judge n proxies of one width and length."""
    width, epochs, n = key
    mix = Mix(("proxies",), proxies=key)
    return {
        "width": width, "epochs": epochs, "n": n, "trainings": n * sets[0].trainings,
        "alone": {"ren": judge(mix).value}, "with_free": {"ren": judge(replace(mix, groups=(*FREE, "proxies"))).value},
        "accuracy": 100 * np.mean([one.accuracy for one in sets]),
        "effective_inputs": np.mean([one.effective_inputs for one in sets]),
    }  # fmt: skip


def _best(rows: list[dict], limit: float) -> dict:
    """Choose the row of the highest REN within a limit of trainings."""
    limit = max(limit, min(row["trainings"] for row in rows))  # where a training is short, all bursts are dear
    return max((row for row in rows if row["trainings"] <= limit), key=lambda row: row["alone"]["ren"])


def _under_shift(stored: Assembled) -> tuple[dict, dict[str, Fidelity]]:
    """Judge priors fitted in distribution on shifted and foreign images."""
    kept = {kind: judged_by_size(stored, UNDER_SHIFT, (2, 3), stored.where(kind))[0] for kind in (*SHIFTS, "foreign")}
    table = {
        kind: by_mix({key: found.to_dict("ren", "coverage") for key, found in there.items()})
        for kind, there in kept.items()
    }
    return table, {kind: kept[kind][BASE, 2] for kind in SHIFTS}


def _patterns(stored: Assembled, mixes: dict[str, Mix]) -> dict:
    """Return G3's partial R² of each exploration beyond constant and outputs, and G4's ratio by one rule."""
    images = stored.where("test")
    drawn = draws(stored.n_networks, 3)
    reference = Reference.of(stored.q[:, images], drawn)
    base = [columns_of(stored.traces.of(rows, images), ("outputs",))[0] for rows in drawn]
    partial = {}
    for name in (name for name in EXPLORATIONS if name in mixes):
        found = []
        for number in range(len(stored.paths.get(name, [0]))):
            one = Moderation(stored, replace(mixes[name], base=number))
            seen = [columns_of(one.traces(rows, images, draw), (name,))[0] for draw, rows in enumerate(drawn)]
            found.append(partial_r_squared(base, seen, reference))
        partial[name] = _over_bases(found)
    v = stored.q[stored.n_networks :][:, images].var(0, ddof=1)
    paths = stored.paths.items()
    ratios = {name: [float(v.sum() / (s[images] ** 2).sum()) for s in spreads] for name, spreads in paths}
    found = {"partial_r2": partial, "path_ratios": ratios}
    if RULE in stored.bursts:
        found["ratio"] = variance_ratio(stored.bursts[RULE].spread[:, images] ** 2, reference)
    return found


def _over_bases(found: list[Estimate]) -> Estimate:
    """Average over the bases of a learned path: their common uncertainty, and their spread."""
    values = np.array([one.value for one in found])
    spread = values.var(ddof=1) / len(values) if len(values) > 1 else 0.0
    u = np.sqrt(np.mean([one.u**2 for one in found]) + spread)
    return Estimate(values.mean(), u, dof=found[0].dof, n=found[0].n)


def _decisions(stored: Assembled) -> dict:
    """Compare the predicted probability that a further retraining decides otherwise with how often one did."""
    judged, members = stored.where("test", "shifted"), 2
    drawn = draws(stored.n_networks, members)
    evaluations, _ = Moderation(stored, Mix(FREE), stored.contrast)(drawn, judged)
    edges = np.array([0, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 1.0])
    rows = []
    for low, high in itertools.pairwise(edges):
        predicted, count = [], 0
        observed = np.full((len(drawn), len(stored.q)), np.nan)  # by each retraining that a draw doesn't use
        for d, (networks, one) in enumerate(zip(drawn, evaluations, strict=True)):
            p = one.below(0.0)
            hit = (p >= low) & ((p < high) | (high == 1.0))
            if hit.any():
                predicted.append(p[hit].mean())
                rest = np.setdiff1d(np.arange(len(stored.q)), networks)
                observed[d, rest] = (stored.contrast[rest][:, judged[hit]] < 0).mean(1)
            count += int(hit.sum())
        if predicted:
            row = {"low": low, "high": high, "predicted": float(np.mean(predicted)), "count": count / len(drawn)}
            rows.append(row | {"observed": _left_out(observed, drawn, stored.n_networks)})
    return {"flips": rows}


def _left_out(shares: ndarray, drawn: Sequence[tuple[int, ...]], n_players: int) -> Estimate:
    """Average shares [draws, retrainings]; the uncertainty from leaving out each retraining, as player and as judge."""

    def mean(without: int | None = None) -> float:
        draws_kept = [d for d, rows in enumerate(drawn) if without not in rows and not np.isnan(shares[d]).all()]
        kept = shares[draws_kept] if without is None else np.delete(shares[draws_kept], without, 1)
        return float(np.nanmean(kept)) if len(kept) else np.nan

    left = np.array([mean(row) for row in range(shares.shape[1])])
    parts = [part[np.isfinite(part)] for part in (left[:n_players], left[n_players:])]
    variance = sum((len(part) - 1) / len(part) * ((part - part.mean()) ** 2).sum() for part in parts)
    n = min(map(len, parts))
    return Estimate(mean(), np.sqrt(variance), dof=n - 1, n=n)


Judged = Mapping[tuple[str, int], Fidelity]  # by mix and M
Costs = Mapping[tuple[str, int], float]


def gains(
    kept: Judged, references: Mapping[int, Reference], further: Costs, *, base: str = BASE, joined: str = "free + "
) -> dict:
    """Compare purchases: every mix that adds to the free groups, and one more plain training with them."""
    # {M: {purchase: gain in REN, price in trainings, rate = gain over price, ahead = rate of one more training − its}}.
    # The same networks stand behind both sides of each difference, so that its uncertainty is taken from the difference
    # itself, with one network, or block of networks, left out at a time; the images stay as they are.
    found: dict[str, dict] = {}
    for m, reference in references.items():
        if m + 1 not in references or references[m + 1].left_out != reference.left_out:
            continue
        free = _rens(kept[base, m])
        more = _rens(kept[base, m + 1]) - free
        rows = {MORE: _row(more, 1.0, more, reference)}
        for (name, members), judged in kept.items():
            if members == m and name.startswith(joined):
                price = further[name, m]
                rows[name.removeprefix(joined)] = _row(_rens(judged) - free, price, more, reference)
        found[str(m)] = rows
    return found


def _rens(fidelity: Fidelity) -> ndarray:
    return np.array([retraining_equivalent(float(error)) for error in fidelity.left_out])


def gain_in_ren(one: Fidelity, other: Fidelity, reference: Reference) -> Estimate:
    """Return the REN of one evaluation less that of another, with the uncertainty of the difference."""
    return _estimate(_rens(one) - _rens(other), reference)


def _estimate(values: ndarray, reference: Reference) -> Estimate:
    if not np.isfinite(values).all():  # too few judges: a squared error of zero or less
        return Estimate(np.nan, np.nan)
    return Estimate(values[0], float(reference.jackknifed(values)), dof=reference.dof, n=len(reference.members))


def _row(gain: ndarray, price: float, more: ndarray, reference: Reference) -> dict:
    rate = gain / price
    found = {"gain": gain, "rate": rate, "ahead": more - rate}
    return {"price": price} | {name: _estimate(values, reference) for name, values in found.items()}


RULES = ("one variance", "one factor", "factor and slope")


@dataclass(frozen=True)
class Rule:
    """ln V̂(x) = level + mean ln w + slope · (ln w(x) − mean ln w), w(x) the variance of bursts from one network."""

    # Slope 1 multiplies all variances by one factor, as gate G4 has it; a lower one also pulls them together, since
    # twelve bursts tell each variance badly. Without bursts (slope None), the level is ln σ² of every image.
    level: float  # ln σ² less ln w, in the mean over images; nat
    slope: float | None  # of ln σ² over ln w; None for one variance of all images
    dof: float  # ν of the plain retrainings whose error is that of the rule on the pairs that it was learned on

    def __call__(self, bursts: ndarray, q: ndarray) -> list[Evaluation]:
        """Evaluate u(x) for each network by itself."""
        log_v = _predicted(self.level, self.slope, np.log(bursts)) + log_bias(self.dof)
        return [Evaluation(own, np.exp(v / 2), self.dof, 1) for own, v in zip(q, log_v, strict=True)]


def learned(pairs: list[tuple[ndarray, ndarray, int]], kind: str) -> Rule:
    """Learn a rule by least squares in which every pair counts as much."""
    logs = [(np.log(w), np.broadcast_to(v, w.shape)) for w, v, _ in pairs]
    slope = None if kind == "one variance" else 1.0
    if kind == "factor and slope":
        centred = [(x - x.mean(1, keepdims=True), y) for x, y in logs]
        slope = float(np.mean([(x * y).mean() for x, y in centred]) / np.mean([(x * x).mean() for x, _ in centred]))
    level = float(np.mean([y.mean() - (0.0 if slope is None else x.mean()) for x, y in logs]))
    noise = np.mean([float(polygamma(1, (n - 1) / 2)) for *_, n in pairs])  # of the ln s² that it was learned on
    error = np.mean([((y - _predicted(level, slope, x)) ** 2).mean() for x, y in logs]) - noise
    return Rule(level, slope, retraining_equivalent(float(error)) - 1)


def _predicted(level: float, slope: float | None, log_w: ndarray) -> ndarray:
    if slope is None:
        return np.full_like(log_w, level)
    mean = log_w.mean(1, keepdims=True)
    return level + mean + slope * (log_w - mean)


def single(study: Study, store: CellStore) -> Summary:
    """Judge rules for one training that were learned on all other pairs with such bursts."""
    stored = assembled(study, store)
    names = [f"{pair.key}-single" for pair in RESTARTED]
    others = [complete(name, store.folder.parent) for name in names if name != study.name]
    pairs = [_learned_on(assembled(*other)) for other in others]
    images = stored.where("test")
    bursts = stored.bursts[RULE].spread[:, images] ** 2
    reference = Reference.of(stored.q[:, images], [(row,) for row in range(stored.n_networks)])
    found = {}
    for kind in RULES:
        rule = learned(pairs, kind)
        cost = 1.0 + (0.0 if rule.slope is None else stored.bursts[RULE].trainings)
        stated = fidelity(rule(bursts, stored.q[: stored.n_networks, images]), reference)
        judged = stated.to_dict("ren", "squared_error", "coverage", "scale")
        found[kind] = judged | {"trainings": cost, "level": rule.level, "slope": rule.slope}
    numbers = {"n": len(stored.q), "networks": stored.n_networks, "learned on": [one.folder for one, _ in others]}
    return numbers | {"rules": found}, {}


def _learned_on(pair: Assembled) -> tuple[ndarray, ndarray, int]:
    images = pair.where("calibration")
    return pair.bursts[RULE].spread[:, images] ** 2, log_variance(pair.q[:, images]), len(pair.q)
