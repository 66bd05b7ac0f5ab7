"""Gates on u(x) from few retrainings: some on one pair of data and network, others on several."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnescape.results import Estimate, ResultError
from lnescape.retraining import Fidelity, RetrainingEquivalent
from report.studies.gates.verdict import Verdict

ALL_PAIRS = 5  # of the study plan; verdicts over fewer can still turn
EXPLORATIONS_OF_G3 = ("training path", "bursts", "curve", "line", "simplex", "proxies")  # G3 is asked of each


def g1(constant: Fidelity, members: int, *, n: int) -> Verdict:
    """Gate G1, the pooling law: in distribution a constant prior is worth d₀ ≥ 8; refuted below 4.

    Worth is what is measured: REN − M, since M plain retrainings have REN = M.

    Args:
        constant: Fidelity of the evaluation with a constant prior.
        members: M.
        n: Retrainings behind it.

    Returns:
        The verdict.
    """
    low, high = constant.ren.low - members, constant.ren.high - members
    worth = constant.ren.value - members
    numbers = {"worth": worth, "low": low, "high": high, "claimed": constant.dof - members + 1, "refuted": high < 4}
    return Verdict("G1", "a constant prior is worth d₀ ≥ 8 in distribution", worth >= 8, numbers, n)


def g3(found: Mapping[str, Mapping[str, Estimate]], name: str) -> Verdict:
    """Gate G3: an exploration carries pattern, partial R² > 0.02 with an interval without 0, on 3 of 5 pairs or more.

    Args:
        found: {pair: {exploration: partial R² beyond constant and outputs}}.
        name: The exploration.

    Returns:
        The verdict; undecided while the pairs that are missing can turn it.
    """
    numbers: dict = {pair: own[name] for pair, own in found.items() if name in own}
    holding = sum(carries_pattern(partial) for partial in numbers.values())
    missing, n = ALL_PAIRS - len(numbers), len(numbers)
    numbers |= {"pairs that hold": holding}
    claim = f"{name}: partial R² > 0.02, interval without 0, on at least 3 of {ALL_PAIRS} pairs"
    return Verdict("G3", claim, holding >= 3, numbers, n, "pairs", decided=holding >= 3 or holding + missing < 3)


def carries_pattern(partial: Estimate) -> bool:
    """Tell whether a partial R² is above 0.02 with a 95 % interval that excludes 0."""
    return bool(partial.value > 0.02 and partial.value - partial.expanded(0.95) > 0)


def g4(ratios: Mapping[str, Estimate]) -> Verdict:
    """Gate G4: retraining variance over local variance varies by less than 25 % from pair to pair.

    Args:
        ratios: {pair: ratio of the variances}, by one fixed rule for all pairs.

    Returns:
        The verdict; undecided below five pairs.
    """
    values = np.array([ratio.value for ratio in ratios.values()])
    variation = float(values.std(ddof=1) / values.mean()) if len(values) > 1 else float("nan")
    numbers = dict(ratios) | {"coefficient of variation": variation}
    claim = "retraining variance over local variance: coefficient of variation under 25 % over the pairs"
    return Verdict("G4", claim, variation < 0.25, numbers, len(values), "pairs", decided=len(values) >= ALL_PAIRS)


def g5(inside: Fidelity, shifted: Mapping[str, Fidelity], *, n: int) -> Verdict:
    """Gate G5, few retrainings: at M = 2 REN ≥ 15, and ≥ 12 under every shift with the prior fitted in distribution.

    And 95 % intervals cover 93 to 97 % in every decile of the predicted u, 93 to 98 % under every shift.

    Args:
        inside: Fidelity at M = 2 in distribution.
        shifted: {shift: the same on shifted images}.
        n: Retrainings behind it.

    Returns:
        The verdict.
    """
    deciles = [decile.value for decile in inside.deciles]
    rens = {f"REN, {name}": one.ren.value for name, one in shifted.items()}
    coverages = {f"coverage, {name}": one.coverage for name, one in shifted.items()}
    parts = {
        "REN holds": inside.ren.value >= 15,
        "REN under shift holds": all(ren >= 12 for ren in rens.values()),
        "coverage in every decile holds": all(93 <= value <= 97 for value in deciles),
        "coverage under shift holds": all(93 <= one.value <= 98 for one in coverages.values()),
    }
    numbers = {"REN": inside.ren.value, "lowest decile": min(deciles), "highest decile": max(deciles)}
    numbers |= rens | coverages | parts
    claim = "M = 2: REN ≥ 15, under shift ≥ 12; intervals cover 93 to 97 % by decile, 93 to 98 % under shift"
    return Verdict("G5", claim, all(parts.values()), numbers, n)


Entry = tuple[str, float, RetrainingEquivalent]


def best_within(entries: Sequence[Entry], cost: float) -> Entry:
    """Give the entry of the highest REN among those that cost no more; half a per cent is forgiven.

    Args:
        entries: Name, whole cost in trainings (the M networks and all exploration), REN.
        cost: Trainings.

    Returns:
        The best one; named "none" where nothing is so cheap.
    """
    none = ("none", 0.0, RetrainingEquivalent(0.0, 0.0, 0.0))
    return max((e for e in entries if e[1] <= 1.005 * cost), key=lambda entry: entry[2].value, default=none)


def g7(pairs: Mapping[str, Sequence[Entry]]) -> Verdict:
    """Gate G7, reach: REN ≥ 30 at ≤ 3 trainings, proxies and exploration counted, on every pair.

    Args:
        pairs: {pair: entries as in `best_within`}.

    Returns:
        The verdict; one pair that fails decides it, else it is undecided below five pairs. The best of several entries
        is the best by chance, too: a verdict near the limit is worth little.
    """
    best = {pair: best_within(entries, 3.0) for pair, entries in pairs.items()}
    every = all(e[2].value >= 30 for e in best.values())
    return _reached("G7", "REN ≥ 30 at ≤ 3 trainings on every pair", best, every, failed=not every)


def g8(pairs: Mapping[str, Sequence[Entry]]) -> Verdict:
    """Gate G8, moonshot: REN ≥ 30 at 2 trainings on every pair, and ≥ 60 at ≤ 3 on one.

    Args:
        pairs: {pair: entries as in `best_within`}.

    Returns:
        The verdict, decided as in `g7`.
    """
    two = {pair: best_within(entries, 2.0) for pair, entries in pairs.items()}
    three = {f"{pair}, at 3": best_within(entries, 3.0) for pair, entries in pairs.items()}
    every = all(e[2].value >= 30 for e in two.values())
    passed = every and any(e[2].value >= 60 for e in three.values())
    claim = "REN ≥ 30 at 2 trainings on every pair, and ≥ 60 at ≤ 3 on one"
    return _reached("G8", claim, two | three, passed, failed=not every)


def _reached(gate: str, claim: str, best: Mapping[str, Entry], passed: bool, *, failed: bool) -> Verdict:
    numbers: dict = {name: f"{e[0]}: REN {e[2]} at {e[1]:.2f} trainings" for name, e in best.items()}
    n = len({name.removesuffix(", at 3") for name in best})
    return Verdict(gate, claim, passed, numbers, n, "pairs", decided=failed or n >= ALL_PAIRS)


def over_pairs(found: Mapping[str, Mapping[str, Any]]) -> list[Verdict]:
    """Give the verdicts over several pairs: G3 of each exploration, then G4, G7 and G8.

    Args:
        found: {pair: numbers of its study "…-uncertainty"}: "partial_r2", "ratio" and "entries".

    Returns:
        The verdicts, in this order.

    Raises:
        ResultError: There is no pair, or the numbers of one are those of another study.

    Example:
        >>> over_pairs({"me": {"accuracy": 0.98}})
        Traceback (most recent call last):
        lnescape.results.files.ResultError: The numbers of 'me' lack 'entries'; give those of its study "…-uncertainty".
    """
    if not found:
        raise ResultError('There is no pair to judge; give {pair: numbers of its study "…-uncertainty"}.')
    for pair, own in found.items():
        if lacking := sorted({"partial_r2", "ratio", "entries"} - own.keys()):
            raise ResultError(f'The numbers of {pair!r} lack {lacking[0]!r}; give those of its study "…-uncertainty".')
    partial = {pair: own["partial_r2"] for pair, own in found.items()}
    reached = {
        pair: [(e["name"], e["trainings"], RetrainingEquivalent(e["ren"], e["low"], e["high"])) for e in own["entries"]]
        for pair, own in found.items()
    }
    ratios = {pair: own["ratio"] for pair, own in found.items()}
    return [*(g3(partial, what) for what in EXPLORATIONS_OF_G3), g4(ratios), g7(reached), g8(reached)]
