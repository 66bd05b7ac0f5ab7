"""How retrainings scatter: what is expected of s², whether they are normal, and how well a reference knows u(x)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate


def relative_spread(dof: float) -> float:
    """Give the standard deviation of ln s², s² a sample variance of normal observations.

    √ψ₁(ν/2); half of it is the relative standard uncertainty of s, about 1/√(2ν).

    Args:
        dof: Degrees of freedom ν > 0.

    Returns:
        The standard deviation, a pure number.

    References:
        The logarithm of a χ² variable; for 1/√(2ν), JCGM 100:2008 (GUM), annex E.4.3.

    Example:
        >>> round(relative_spread(127), 4)
        0.126
    """
    from scipy.special import polygamma

    return float(np.sqrt(polygamma(1, dof / 2)))


def spread_of_log_variance(q: Float[ndarray, "networks images"], size: int) -> Float[ndarray, " images"]:
    """Give the standard deviation of ln s² over disjoint groups of retrainings, for each image.

    Args:
        q: What the networks say.
        size: Retrainings in a group, ≥ 2; those left over are not used.

    Returns:
        Its standard deviation, to be compared with `relative_spread(size − 1)`; nan with fewer than two groups.

    Example:
        >>> q = np.random.default_rng(0).normal(size=(400, 500))
        >>> rms = np.sqrt((spread_of_log_variance(q, 4) ** 2).mean())
        >>> round(float(rms / relative_spread(3)), 2)
        1.01
    """
    n_groups = len(q) // size
    if n_groups < 2:
        return np.full(q.shape[1], np.nan)
    grouped = q[: n_groups * size].reshape(n_groups, size, -1)
    return np.log(grouped.var(1, ddof=1)).std(0, ddof=1)


def excess_kurtosis(q: Float[ndarray, "networks images"]) -> Float[ndarray, " images"]:
    """Give the sample excess kurtosis g₂ = m₄/m₂² − 3 over the networks, 0 for a normal law up to its bias.

    Args:
        q: What the networks say.

    Returns:
        g₂ of each image. Its expectation for normal samples is −6/(N + 1), which a band of simulated normal
        samples of the same N shares.

    References:
        Joanes & Gill 1998, The Statistician 47(1), 183, for g₂ and its bias.

    Example:
        >>> excess_kurtosis(np.array([[-1.0], [1.0], [-1.0], [1.0]]))
        array([-2.])
    """
    centred = q - q.mean(0)
    squares = centred**2
    return (squares**2).mean(0) / squares.mean(0) ** 2 - 3


def normal_twins(q: Float[ndarray, "networks images"], n: int, *, seed: int) -> Float[ndarray, "n networks images"]:
    """Simulate normal retrainings whose images are correlated as those observed.

    q* = G Z/√(N − 1), G of independent standard normal numbers, Z the observed q less its mean: each row of q*
    is normal with the sample covariance of the images. All images share the same networks, so that a mean over
    images varies far more than if they were independent, and these twins vary as much.

    Args:
        q: What N networks say.
        n: How many twins.
        seed: Seed of G.

    Returns:
        The twins, mean 0.
    """
    rng = np.random.default_rng(seed)
    scaled = (q - q.mean(0)) / np.sqrt(len(q) - 1)
    return np.stack([rng.normal(size=(len(q), len(q))) @ scaled for _ in range(n)])


def effective_number(q: Float[ndarray, "networks images"]) -> float:
    """Give how many independent inputs n inputs are worth that share their networks.

    Narrow or briefly trained networks scatter more in common than those they stand for: what they say is a lower bound
    (studies "mnist-mlp-uncertainty" and "mnist-cnn-uncertainty").

    1/n_eff = 1/n + mean over i ≠ j of r²_ij, r the correlation of two inputs over the networks; its noise, 1/(N − 1),
    is taken off. The variance of a mean over inputs of s², or of a smooth function of it, is that of n_eff independent
    ones, since s²_i and s²_j of normal inputs have the correlation r².

    Args:
        q: What N networks say; many cheap ones will do.

    Returns:
        n_eff, between 1 and n.

    Raises:
        ValueError: Fewer than four networks or two images.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> shared = rng.normal(size=(200, 1)) * np.ones(400)  # all inputs move together, but for a little
        >>> round(effective_number(shared + 0.1 * rng.normal(size=(200, 400))), 2)
        1.02
    """
    n_networks, n = q.shape
    if n_networks < 4 or n < 2:
        raise ValueError(f"{n_networks} networks and {n} images tell no correlations; four and two are the least.")
    z = q - q.mean(0)
    size = np.sqrt((z**2).sum(0))
    z = z[:, size > 0] / size[size > 0]
    n = z.shape[1]
    squares = float(((z @ z.T) ** 2).sum())  # Σ_ij r²_ij, through the small matrix
    mean = max((squares - n) / (n * (n - 1)) - 1 / (n_networks - 1), 0.0)
    return float(1 / (1 / n + mean))


def effective_number_of(n: int, *, n_eff: float, n_measured: int) -> float:
    """Give the effective number for n inputs, where n_measured inputs like them were worth n_eff.

    1/n_eff(n) = 1/n + ρ, ρ = 1/n_eff − 1/n_measured the mean of r²: what inputs share doesn't average out.

    Args:
        n: Inputs.
        n_eff: Worth of the inputs that it was measured on.
        n_measured: Their number.

    Returns:
        n_eff of the n inputs; never above 1/ρ.

    Example:
        >>> round(effective_number_of(2500, n_eff=300, n_measured=5000))
        283
    """
    return 1 / (1 / n + max(1 / n_eff - 1 / n_measured, 0.0))


def dithered(q: Float[ndarray, "*any images"], *, seed: int = 0) -> Float[ndarray, "*any images"]:
    """Spread numbers that were kept in float16 evenly over the step that they were rounded to.

    Two networks that say nearly the same can be rounded to the same number, and ln s² of the two would be −∞. A
    uniform number of ± half a step takes the rounding back in law; it adds a variance of step²/12.

    Args:
        q: Numbers that are exact in float16.
        seed: Seed of the uniform numbers.

    Returns:
        Numbers that round to the same float16, float64.

    Example:
        >>> dithered(np.array([[10.0, 10.0]])).round(4)
        array([[10.0011,  9.9982]])
    """
    step = np.spacing(np.abs(q).astype(np.float16)).astype(np.float64)
    return q + step * (np.random.default_rng(seed).random(q.shape) - 0.5)


@dataclass(frozen=True)
class Reliability:
    """Hold what a reference of N retrainings knows about which inputs are uncertain.

    Attributes:
        halves: Rank correlation of ln s² between two halves of the retrainings, mean over random halvings.
        whole: The same for the whole reference and another one of its size, by Spearman and Brown.
        ceiling: The rank correlation that an exact u(x) would have with the whole reference, about √whole.
    """

    halves: float
    whole: float
    ceiling: float


def reliability(q: Float[ndarray, "networks images"], *, n_halvings: int = 20, seed: int = 0) -> Reliability:
    """Give the split-half reliability of ln s²: how well half of the retrainings predicts the other half.

    r = rank correlation of ln s²_A and ln s²_B over the inputs; for the whole reference 2r/(1 + r).

    Args:
        q: What the networks say.
        n_halvings: Random halvings that are averaged over.
        seed: Seed of the halvings.

    Returns:
        Reliability of a half, of the whole, and the ceiling.

    Raises:
        ValueError: Fewer than four networks or three images.

    References:
        Spearman 1910 and Brown 1910, Br. J. Psychol. 3, 271 and 296.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> q = rng.normal(size=(64, 2000)) * np.exp(rng.normal(size=2000))
        >>> round(reliability(q).halves, 2)
        0.98
    """
    from scipy.stats import spearmanr

    if len(q) < 4 or q.shape[1] < 3:
        raise ValueError(f"{len(q)} networks and {q.shape[1]} images can't be halved; four and three are the least.")
    rng, found = np.random.default_rng(seed), []
    for _ in range(n_halvings):
        order = rng.permutation(len(q))
        parts = [np.log(q[rows].var(0, ddof=1)) for rows in np.array_split(order, 2)]
        found.append(spearmanr(*parts).statistic)
    halves = float(np.mean(found))
    whole = 2 * halves / (1 + halves)
    return Reliability(halves, whole, float(np.sqrt(max(whole, 0.0))))


def jackknife(
    statistic: Callable[[ndarray], Any],
    q: ndarray,
    *,
    axes: tuple[int, ...] = (0,),
    n_blocks: int | None = None,
    unit: str = "",
) -> list[Estimate]:
    """Give statistics with the standard uncertainties that leaving out one block of each factor at a time shows.

    u² = Σ_factors (B − 1)/B Σ_b (T_b − T̄)², T_b the statistic without block b.

    Args:
        statistic: From an array like `q` to one number, or to several.
        q: What the networks say.
        axes: The factors whose levels are left out; the networks, first, unless given.
        n_blocks: Blocks of each factor; every level alone unless given.
        unit: Of the statistics.

    Returns:
        One estimate for each number.

    References:
        Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, chapter 11.

    Example:
        >>> print(jackknife(np.mean, np.array([0.46, 0.48, 0.50, 0.52]), unit="nat")[0])  # as a mean's own formula
        0.490(13) nat
    """
    variance, sizes = 0.0, []
    for axis in axes:
        blocks = np.array_split(np.arange(q.shape[axis]), min(n_blocks or q.shape[axis], q.shape[axis]))
        left = np.array([np.atleast_1d(statistic(np.delete(q, block, axis))) for block in blocks])
        variance = variance + (len(blocks) - 1) / len(blocks) * ((left - left.mean(0)) ** 2).sum(0)
        sizes.append(len(blocks))
    n = q.shape[axes[0]] if len(axes) == 1 else None
    pairs = zip(np.atleast_1d(statistic(q)), np.sqrt(variance), strict=True)
    return [Estimate(value, u, dof=min(sizes) - 1, unit=unit, n=n) for value, u in pairs]
