"""Gates: the verdicts of the study plan, computed from stored retrainings, published passed or failed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining import Fidelity, RetrainingEquivalent
from lnescape.retraining.judging import split_half
from report.studies.dispersion import excess_kurtosis, jackknife, normal_twins, relative_spread, spread_of_log_variance

HOLDS = " holds"  # ends the names of the parts of a claim
GROUPS = (2, 4, 8)  # retrainings in a group, for the spread of ln s²
TOLERANCE = 0.10  # of the ratio of that spread to its theory, from 1
BAND = 0.95  # share of the simulated normal samples that the band holds
N_TWINS = 200
ALL_PAIRS = 5  # of the study plan; verdicts over fewer can still turn
EXPLORATIONS_OF_G3 = ("training path", "bursts", "curve", "line", "simplex", "proxies")  # G3 is asked of each
SINGLE_SETS = 0.90  # share of them that G11 asks for


@dataclass(frozen=True)
class Verdict:
    """Verdict of one gate."""

    gate: str  # "G0", "G2", …
    claim: str
    passed: bool
    numbers: dict  # what it was decided by: estimates and plain numbers, by name
    n: int  # how many retrainings, pairs or bases are behind it
    decided: bool = True  # False where what isn't measured yet can still turn the verdict

    @property
    def word(self) -> str:
        """The verdict in one word or two."""
        if not self.decided:
            return "undecided, holds so far" if self.passed else "undecided"
        return "passed" if self.passed else "FAILED"

    @property
    def failing(self) -> str:
        """Name the parts of the claim that fail, of a claim that has parts ("coverage under shift holds": False)."""
        parts = (name for name, value in self.numbers.items() if name.endswith(HOLDS) and value is False)
        return ", ".join(name.removesuffix(HOLDS) for name in parts)

    def to_dict(self) -> dict:
        """Turn the verdict into what a stored result holds."""
        return {"claim": self.claim, "passed": self.passed, "decided": self.decided, "n": self.n} | self.numbers

    @classmethod
    def from_dict(cls, gate: str, stored: Mapping[str, Any]) -> "Verdict":
        """Turn what a stored result holds into the verdict again."""
        plain = {name: stored[name] for name in ("claim", "passed", "decided", "n")}
        return cls(gate, **plain, numbers={name: value for name, value in stored.items() if name not in plain})


def g0(q: Float[ndarray, "networks images"]) -> Verdict:
    """Gate G0: the reference's own reliability is significant, and is reported with every fidelity."""
    # The rank correlation over inputs of ln s² between two halves of the retrainings, and by Spearman and Brown that of
    # all; no estimate of u(x) can correlate with the reference above the ceiling. It holds above two uncertainties, by
    # leaving out one block of retrainings at a time.
    parts = ("halves", "whole", "ceiling")
    found = jackknife(lambda q: [getattr(split_half(q, n_halvings=10), part) for part in parts], q, n_blocks=16)
    names = ("half against half", "whole reference", "ceiling of a rank correlation")
    passed = all(np.isfinite(e.value) and e.value > 2 * e.u for e in found)
    claim = "the reliability of ln s² of the reference stands beside every figure"
    return Verdict("G0", claim, passed, dict(zip(names, found, strict=True)), len(q))


def g1(constant: Fidelity, *, n: int) -> Verdict:
    """Gate G1, the pooling law: in distribution a constant prior is worth d₀ ≥ 8; refuted below 4."""
    # Worth is what is measured at M = 2: REN − M, since M plain retrainings have REN = M.
    worth, low, high = constant.ren.value - 2, constant.ren.low - 2, constant.ren.high - 2
    numbers = {"worth": worth, "low": low, "high": high, "claimed": constant.dof - 1, "refuted": high < 4}
    return Verdict("G1", "a constant prior is worth d₀ ≥ 8 in distribution", worth >= 8, numbers, n)


def g2(
    q: Float[ndarray, "networks images"], *, n_twins: int = N_TWINS, seed: int = 0, what: str = "log-odds"
) -> Verdict:
    """Gate G2: over retrainings, log-odds (or values) are close to normal and s² follows χ²."""
    # The mean over inputs of the sample excess kurtosis lies inside the band of normal samples of the same N, simulated
    # with the same correlations between inputs: 6 % of normal cases fail by that of 200 twins. And the standard
    # deviation of ln s² over disjoint groups of 2, 4 and 8 retrainings, root mean square over inputs, is within 10 % of
    # √ψ₁(ν/2): where 24 retrainings or fewer leave few groups, up to 12 % of normal cases fail by it, too.
    each = excess_kurtosis(q)
    kurtosis = float(each.mean())
    sizes = [size for size in GROUPS if len(q) // size >= 2]
    ratios = _ratios(q, sizes)
    simulated, simulated_ratios = [], []
    for k in range(n_twins):
        (twin,) = normal_twins(q, 1, seed=seed + k)
        simulated.append(excess_kurtosis(twin).astype(np.float32))
        simulated_ratios.append(_ratios(twin, sizes))
    tails = [(1 - BAND) / 2, (1 + BAND) / 2]
    low, high = np.quantile(np.mean(simulated, 1), tails)
    single = np.quantile(simulated[:20], tails)
    numbers = {"mean excess kurtosis": kurtosis, "band, low": float(low), "band, high": float(high)}
    numbers["images inside the 95 % band of single images"] = float(((each >= single[0]) & (each <= single[1])).mean())
    for size, ratio, u in zip(sizes, ratios, np.std(simulated_ratios, 0, ddof=1), strict=True):
        numbers[f"spread of ln s² / theory, groups of {size}"] = Estimate(ratio, u, n=len(q) // size)
    normal = bool(low <= kurtosis <= high)
    chi_square = bool(np.all(np.abs(np.array(ratios) - 1) <= TOLERANCE))
    numbers |= {"kurtosis in the band": normal, "spread within a tenth": chi_square}
    claim = f"{what} are normal over retrainings, and s² follows χ²"
    return Verdict("G2", claim, normal and chi_square, numbers, len(q))


def _ratios(q: ndarray, sizes: list[int]) -> list[float]:
    """Return the observed over the theoretical standard deviation of ln s², for groups of some sizes."""
    squares = [(spread_of_log_variance(q, size) ** 2).mean() for size in sizes]
    return [float(np.sqrt(s) / relative_spread(size - 1)) for s, size in zip(squares, sizes, strict=True)]


def g3(found: Mapping[str, Mapping[str, Estimate]], name: str) -> Verdict:
    """Gate G3: an exploration carries pattern, partial R² > 0.02, interval without 0, on 3 of 5 pairs."""
    numbers: dict = {pair: by_name[name] for pair, by_name in found.items() if name in by_name}
    holding = sum(bool(r2.value > 0.02 and r2.value > r2.expanded(0.95)) for r2 in numbers.values())
    missing, n = ALL_PAIRS - len(numbers), len(numbers)
    numbers |= {"pairs that hold": holding}
    claim = f"{name}: partial R² > 0.02, interval without 0, on at least 3 of {ALL_PAIRS} pairs"
    return Verdict("G3", claim, holding >= 3, numbers, n, decided=holding >= 3 or holding + missing < 3)


def g4(ratios: Mapping[str, Estimate]) -> Verdict:
    """Gate G4: retraining variance over local variance varies by less than 25 % from pair to pair."""
    values = np.array([ratio.value for ratio in ratios.values()])
    variation = float(values.std(ddof=1) / values.mean()) if len(values) > 1 else float("nan")
    numbers = dict(ratios) | {"coefficient of variation": variation}
    claim = "retraining variance over local variance: coefficient of variation under 25 % over the pairs"
    return Verdict("G4", claim, variation < 0.25, numbers, len(values), decided=len(values) >= ALL_PAIRS)


def g5(inside: Fidelity, shifted: Mapping[str, Fidelity], *, n: int) -> Verdict:
    """Gate G5, few retrainings: at M = 2 REN ≥ 15, and ≥ 12 under every shift with the prior fitted in distribution."""
    # 95 % intervals must cover 93 to 97 % in every decile of the predicted u, 93 to 98 % under every shift. Where no
    # shifts were stored, nothing is claimed of them.
    deciles = [decile.value for decile in inside.deciles]
    rens = {f"REN, {name}": one.ren.value for name, one in shifted.items()}
    coverages = {f"coverage, {name}": one.coverage for name, one in shifted.items()}
    parts = {
        "REN holds": inside.ren.value >= 15,
        "coverage in every decile holds": all(93 <= value <= 97 for value in deciles),
    }
    claim = "M = 2: REN ≥ 15; intervals cover 93 to 97 % by decile"
    if shifted:
        parts["REN under shift holds"] = all(ren >= 12 for ren in rens.values())
        parts["coverage under shift holds"] = all(93 <= one.value <= 98 for one in coverages.values())
        claim = "M = 2: REN ≥ 15, under shift ≥ 12; intervals cover 93 to 97 % by decile, 93 to 98 % under shift"
    numbers = {"REN": inside.ren.value, "lowest decile": min(deciles), "highest decile": max(deciles)}
    numbers |= rens | coverages | parts
    return Verdict("G5", claim, all(parts.values()), numbers, n)


def g6(entries: Sequence[tuple[str, float, float]], *, n: int) -> Verdict:
    """Gate G6: some method is worth at least 3 members of a deep ensemble for at most 1.5 trainings."""
    cheap = [(way, cost, worth) for way, cost, worth in entries if cost <= 1.01 * 1.5]
    best, cost, worth = max(cheap, key=lambda entry: entry[2], default=("none", math.nan, 0.0))
    numbers = {"best": best, "its equivalent": worth, "its cost": cost}
    return Verdict("G6", "DEE ≥ 3 at ≤ 1.5 trainings", worth >= 3, numbers, n)


class Entry(NamedTuple):
    """Cost and worth of a mix with some number of networks."""

    name: str
    cost: float  # trainings in all
    ren: RetrainingEquivalent


def entries_of(mixes: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """List each mix of a summary, {name: {M: row}}, with each number of networks."""
    return [
        Entry(f"{name}, M = {m}", int(m) + row["further"], RetrainingEquivalent(**row["ren"]))
        for name, rows in mixes.items()
        for m, row in rows.items()
    ]


def best_within(entries: Sequence[Entry], cost: float) -> Entry:
    """Return the entry of the highest REN among those that cost no more; half a per cent is forgiven."""
    none = Entry("none", 0.0, RetrainingEquivalent(0.0, 0.0, 0.0))
    return max((one for one in entries if one.cost <= 1.005 * cost), key=lambda one: one.ren.value, default=none)


def g7(pairs: Mapping[str, Sequence[Entry]]) -> Verdict:
    """Gate G7, reach: REN ≥ 30 at ≤ 3 trainings, proxies and exploration counted, on every pair."""
    # The best of several entries is the best by chance, too: a verdict near the limit is worth little.
    best = {pair: best_within(entries, 3.0) for pair, entries in pairs.items()}
    every = all(one.ren.value >= 30 for one in best.values())
    decided = not every or len(pairs) >= ALL_PAIRS
    claim = "REN ≥ 30 at ≤ 3 trainings on every pair"
    return Verdict("G7", claim, every, _reached(best), len(pairs), decided=decided)


def g8(pairs: Mapping[str, Sequence[Entry]]) -> Verdict:
    """Gate G8, moonshot: REN ≥ 30 at 2 trainings on every pair, and ≥ 60 at ≤ 3 on one."""
    two = {pair: best_within(entries, 2.0) for pair, entries in pairs.items()}
    three = {f"{pair}, at 3": best_within(entries, 3.0) for pair, entries in pairs.items()}
    every = all(one.ren.value >= 30 for one in two.values())
    passed = every and any(one.ren.value >= 60 for one in three.values())
    decided = not every or len(pairs) >= ALL_PAIRS
    claim = "REN ≥ 30 at 2 trainings on every pair, and ≥ 60 at ≤ 3 on one"
    return Verdict("G8", claim, passed, _reached(two | three), len(pairs), decided=decided)


def _reached(best: Mapping[str, Entry]) -> dict[str, str]:
    return {pair: f"{one.name}: REN {one.ren} at {one.cost:.2f} trainings" for pair, one in best.items()}


def g9(one: Fidelity, *, n: int) -> Verdict:
    """Gate G9, one training, nothing of the pair but it: REN ≥ 20; coverage 93–97 %, 91–98.5 % in every decile."""
    deciles = [decile.value for decile in one.deciles]
    numbers: dict = {"REN": one.ren.value, "coverage": one.coverage}
    numbers |= {"lowest decile": min(deciles), "highest decile": max(deciles)}
    covered = 93 <= one.coverage.value <= 97 and all(91 <= value <= 98.5 for value in deciles)
    claim = "one training: REN ≥ 20; intervals cover 93 to 97 %, 91 to 98.5 % by decile"
    return Verdict("G9", claim, one.ren.value >= 20 and covered, numbers, n)


def g10(with_others: Fidelity, alone: Fidelity, *, gain: Estimate, n: int) -> Verdict:
    """Gate G10, transfer: at M = 2 the prior of other pairs gains. Without a true gain, half of the cases pass."""
    numbers = {"REN": with_others.ren.value, "REN without": alone.ren.value, "gain": gain}
    return Verdict("G10", "M = 2: the prior of other pairs gains", numbers["REN"] > numbers["REN without"], numbers, n)


def g11(shares: Mapping[str, float], *, n: int) -> Verdict:
    """Gate G11, single sets: of at least 90 % of sets of M networks, 95 % intervals cover 90 to 99 %."""
    passed = all(share >= SINGLE_SETS for share in shares.values())
    return Verdict("G11", "in 90 % of single sets, 95 % intervals cover 90 to 99 %", passed, dict(shares), n)


def over_pairs(found: Mapping[str, Mapping[str, Any]], ratios: Mapping[str, Estimate]) -> list[Verdict]:
    """Return the verdicts over several pairs: G3 of each exploration, G4 from the ratios, G7 and G8."""
    partial = {pair: numbers["partial_r2"] for pair, numbers in found.items()}
    reached = {pair: entries_of(numbers["mixes"]) for pair, numbers in found.items()}
    return [*(g3(partial, what) for what in EXPLORATIONS_OF_G3), g4(ratios), g7(reached), g8(reached)]
