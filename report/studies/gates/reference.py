"""Gates on the reference: how well it knows u(x), and whether retrainings are normal."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining import (
    excess_kurtosis,
    jackknife,
    normal_twins,
    relative_spread,
    reliability,
    spread_of_log_variance,
)
from report.studies.gates.verdict import Verdict

GROUPS = (2, 4, 8)  # retrainings in a group, for the spread of ln s²
TOLERANCE = 0.10  # of the ratio of that spread to its theory, from 1
BAND = 0.95  # share of the simulated normal samples that the band holds
N_TWINS = 200


def g0(q: Float[ndarray, "networks images"]) -> Verdict:
    """Gate G0: the reference's own reliability is known, and stands beside every figure of fidelity.

    The rank correlation over inputs of ln s² between two halves of the retrainings, and by Spearman and Brown that
    of the whole reference; no estimate of u(x) can correlate with the reference above `ceiling`.

    Args:
        q: Log-odds, in nat.

    Returns:
        The verdict: it holds where the reliability could be computed and exceeds twice its standard uncertainty, which
        is by leaving out one block of retrainings at a time.

    Raises:
        ValueError: Fewer than eight retrainings.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> print(g0(rng.normal(size=(32, 300)) * np.exp(rng.normal(size=300))).numbers["half against half"])
        0.9596(36)
    """
    _check_enough(q)
    parts = ("halves", "whole", "ceiling")
    found = jackknife(lambda q: [getattr(reliability(q, n_halvings=10), part) for part in parts], q, n_blocks=16)
    names = ("half against half", "whole reference", "ceiling of a rank correlation")
    passed = all(np.isfinite(e.value) and e.value > 2 * e.u for e in found)
    claim = "the reliability of ln s² of the reference stands beside every figure"
    return Verdict("G0", claim, passed, dict(zip(names, found, strict=True)), len(q))


def _check_enough(q: ndarray) -> None:
    if len(q) < 8:
        raise ValueError(f"{len(q)} retrainings can't decide a gate; eight are the least.")


def g2(q: Float[ndarray, "networks images"], *, n_twins: int = N_TWINS, seed: int = 0) -> Verdict:
    """Gate G2: over retrainings, log-odds are close to normal and s² follows χ².

    Two conditions. The mean over inputs of the sample excess kurtosis lies inside the band of normal samples of the
    same N, simulated with the same correlations between inputs (`normal_twins`). And the standard deviation of ln s²
    over disjoint groups of 2, 4 and 8 retrainings of the same input, root mean square over inputs, is within 10 % of
    √ψ₁(ν/2).

    Args:
        q: Log-odds, in nat.
        n_twins: Simulated samples.
        seed: Seed of the simulation.

    Returns:
        The verdict; a false alarm of its first condition happens in 5 % of normal cases.

    Raises:
        ValueError: Fewer than eight retrainings.

    Example:
        >>> g2(np.random.default_rng(0).normal(size=(64, 300))).passed
        True
    """
    _check_enough(q)
    own = excess_kurtosis(q)
    kurtosis = float(own.mean())
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
    numbers["images inside the 95 % band of single images"] = float(((own >= single[0]) & (own <= single[1])).mean())
    for size, ratio, u in zip(sizes, ratios, np.std(simulated_ratios, 0, ddof=1), strict=True):
        numbers[f"spread of ln s² / theory, groups of {size}"] = Estimate(ratio, u, n=len(q) // size)
    normal = bool(low <= kurtosis <= high)
    chi_square = bool(np.all(np.abs(np.array(ratios) - 1) <= TOLERANCE))
    numbers |= {"kurtosis in the band": normal, "spread within a tenth": chi_square}
    claim = "log-odds are normal over retrainings, and s² follows χ²"
    return Verdict("G2", claim, normal and chi_square, numbers, len(q))


def _ratios(q: ndarray, sizes: list[int]) -> list[float]:
    """Give the observed over the theoretical standard deviation of ln s², for groups of some sizes."""
    squares = [(spread_of_log_variance(q, size) ** 2).mean() for size in sizes]
    return [float(np.sqrt(s) / relative_spread(size - 1)) for s, size in zip(squares, sizes, strict=True)]
