"""How retrainings scatter: spread of ln s², shape, components of the variance, uncertainties by leaving out."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining.judging import Reference
from lnescape.retraining.prior import log_bias, measures, terms

N_IMAGE_BLOCKS = 20  # of inputs, left out one at a time


def relative_spread(dof: float) -> float:
    """Return the standard deviation √ψ₁(ν/2) of ln s², s² a sample variance of normal observations.

    Half of it is the relative standard uncertainty of s, about 1/√(2ν): JCGM 100:2008 (GUM), annex E.4.3.

    >>> round(relative_spread(127), 4)
    0.126
    """
    from scipy.special import polygamma

    return float(np.sqrt(polygamma(1, dof / 2)))


def log_variance(q: Float[ndarray, "networks images"]) -> Float[ndarray, " images"]:
    """Return ln s² over retrainings less its bias, which estimates ln σ²."""
    return np.log(q.var(0, ddof=1)) - log_bias(len(q) - 1)


def spread_of_log_variance(q: Float[ndarray, "networks images"], size: int) -> Float[ndarray, " images"]:
    """Return the standard deviation of ln s² over disjoint groups of so many retrainings, two at least.

    To be compared with `relative_spread(size − 1)`. Retrainings that are left over are not used.

    >>> q = np.random.default_rng(0).normal(size=(400, 500))
    >>> rms = np.sqrt((spread_of_log_variance(q, 4) ** 2).mean())
    >>> round(float(rms / relative_spread(3)), 2)
    1.01
    """
    n_groups = len(q) // size
    grouped = q[: n_groups * size].reshape(n_groups, size, -1)
    return np.log(grouped.var(1, ddof=1)).std(0, ddof=1)


def excess_kurtosis(q: Float[ndarray, "networks images"]) -> Float[ndarray, " images"]:
    """Return the sample excess kurtosis g₂ = m₄/m₂² − 3 over N networks: −6/(N + 1) on average for normal samples.

    Joanes & Gill 1998, The Statistician 47(1), 183, for g₂ and its bias.

    >>> excess_kurtosis(np.array([[-1.0], [1.0], [-1.0], [1.0]]))
    array([-2.])
    """
    centred = q - q.mean(0)
    squares = centred**2
    return (squares**2).mean(0) / squares.mean(0) ** 2 - 3


def normal_twins(q: Float[ndarray, "networks images"], n: int, *, seed: int) -> Float[ndarray, "n networks images"]:
    """Simulate normal retrainings of mean 0 whose images are correlated as those observed.

    q* = G Z/√(N − 1), G of independent standard normal numbers, Z the observed q less its mean: each row of q* is
    normal with the sample covariance of the images. A mean over images that share their networks varies far more than
    one over independent images, and the twins show by how much.
    """
    rng = np.random.default_rng(seed)
    scaled = (q - q.mean(0)) / np.sqrt(len(q) - 1)
    return np.stack([rng.normal(size=(len(q), len(q))) @ scaled for _ in range(n)])


def dithered(q: Float[ndarray, "*any images"], *, seed: int = 0) -> Float[ndarray, "*any images"]:
    """Spread numbers that were kept in float16 evenly over the step that they were rounded to.

    Two nearly equal numbers can be rounded to one number, and ln s² of the two would be −∞. A uniform number of ± half
    a step undoes the rounding in law; it adds a variance of step²/12.

    >>> dithered(np.array([[10.0, 10.0]])).round(4)
    array([[10.0011,  9.9982]])
    """
    step = np.spacing(np.abs(q).astype(np.float16)).astype(np.float64)
    return q + step * (np.random.default_rng(seed).random(q.shape) - 0.5)


def crossed_components(q: Float[ndarray, "initialisations orders images"]) -> dict[str, Float[ndarray, " images"]]:
    """Split the variance of a crossed design, one retraining in each cell, without bias; a part may be negative.

    q_ij = μ + A_i + B_j + AB_ij;  E MS_A = σ_AB² + J σ_A²,  E MS_B = σ_AB² + I σ_B²,  E MS_AB = σ_AB².
    The interaction holds what arithmetic adds. Searle, Casella & McCulloch 1992, *Variance Components*, section 4.6.

    >>> rng = np.random.default_rng(0)
    >>> q = 2 * rng.normal(size=(30, 1, 400)) + rng.normal(size=(1, 30, 400)) + 0.5 * rng.normal(size=(30, 30, 400))
    >>> {name: round(float(value.mean()), 2) for name, value in crossed_components(q).items()}
    {'initialisation': 3.99, 'order': 0.98, 'interaction': 0.25}
    """
    n_first, n_order = q.shape[:2]
    rows, columns, mean = q.mean(1, keepdims=True), q.mean(0, keepdims=True), q.mean((0, 1), keepdims=True)
    ms_first = n_order * ((rows - mean) ** 2).sum((0, 1)) / (n_first - 1)
    ms_order = n_first * ((columns - mean) ** 2).sum((0, 1)) / (n_order - 1)
    ms_both = ((q - rows - columns + mean) ** 2).sum((0, 1)) / ((n_first - 1) * (n_order - 1))
    first, order = (ms_first - ms_both) / n_order, (ms_order - ms_both) / n_first
    return {"initialisation": first, "order": order, "interaction": ms_both}


def nested_components(q: Float[ndarray, "trunks branches *images"]) -> dict[str, Float[ndarray, "*images"]]:
    """Split the variance of n branches that leave each trunk, without bias; that of the trunk may be negative.

    q_mj = μ + B_m + W_mj;  E MS_B = n σ_B² + σ_W²,  E MS_W = σ_W². JCGM 100:2008 (GUM), annex H.5.

    >>> {name: round(float(part), 3) for name, part in nested_components(np.array([[1.0, 2, 3], [3, 4, 5]])).items()}
    {'trunk': 1.667, 'branch': 1.0}
    """
    n, within = q.shape[1], q.var(1, ddof=1).mean(0)
    between = n * q.mean(1).var(0, ddof=1)
    return {"trunk": np.asarray((between - within) / n), "branch": np.asarray(within)}


def satterthwaite(terms: Sequence[tuple[float, ndarray | float, float]]) -> tuple[ndarray | float, ndarray | float]:
    """Return V = Σ a_k MS_k of terms (a_k, MS_k, ν_k), and its degrees of freedom ν = V²/Σ (a_k MS_k)²/ν_k.

    JCGM 100:2008 (GUM), annex G.4, equation G.2b (Welch and Satterthwaite).

    >>> satterthwaite([(0.5, 2.0, 4), (0.5, 2.0, 4)])
    (2.0, 8.0)
    """
    value = sum(a * ms for a, ms, _ in terms)
    return value, value**2 / sum((a * ms) ** 2 / dof for a, ms, dof in terms)


def reach(kappa: float, n_trunks: int, n_branches: float = np.inf) -> float:
    """Return the degrees of freedom that M trunks with n branches each have for σ_T², if the trunk fixes a share κ.

    σ_B² = κ, σ_W² = 1 − κ in the Satterthwaite formula; as n → ∞, ν_T → (M − 1)/κ²: local exploration multiplies the
    degrees of freedom by at most 1/κ². Nested networks keep their trunk, so that κ = 1 where exploring shows nothing.

    >>> reach(0.5, 3), round(reach(0.5, 3, 4), 2), reach(1.0, 3)
    (8.0, 4.74, 2.0)
    """
    if np.isinf(n_branches):
        return float("inf") if kappa == 0 else (n_trunks - 1) / kappa**2
    between = (kappa + (1 - kappa) / n_branches, n_trunks - 1)
    within = ((1 - 1 / n_branches) * (1 - kappa), n_trunks * (n_branches - 1))
    return 1 / sum(share**2 / dof for share, dof in (between, within) if dof)


def jackknife(
    statistic: Callable[[ndarray], Any], q: ndarray, *, axes: tuple[int, ...] = (0,), n_blocks: int | None = None,
    unit: str = "",
) -> list[Estimate]:  # fmt: skip
    """Return one number or several of `q`, with uncertainties from leaving out one block of each factor at a time.

    u² = Σ_factors (B − 1)/B Σ_b (T_b − T̄)², T_b the statistic without block b; every level of the factors in `axes` is
    a block, or `n_blocks` of each. Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, chapter 11.

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


def partial_r_squared(
    base: list[Float[ndarray, "images covariates"]],
    more: list[Float[ndarray, "images covariates"]],
    reference: Reference,
) -> Estimate:
    """Return the share of the variance of ln V_ref over inputs that covariates explain beyond others: partial R².

    (SSE₀ − SSE₁)/SSE₀, each SSE over its residual degrees of freedom, of least squares of ln V_ref on [1, z, z²] of the
    base covariates (0), and of the base and the further ones (1), given for each draw of the reference. The noise of
    V_ref counts as unexplained. Mean over draws, with the uncertainty from leaving out networks and blocks of inputs.
    """
    n = reference.q.shape[1]
    whole = np.ones(n, bool)
    both = [(b, np.concatenate([b, m], 1)) for b, m in zip(base, more, strict=True)]
    designs = [[terms(h, *measures(h, ())) for h in covariates] for covariates in both]

    def mean(k: int, images: ndarray) -> float:
        kept = np.flatnonzero(reference.kept(k))
        y = np.log(reference.variance[k])
        return float(np.mean([_partial(designs[d][0][images], designs[d][1][images], y[d, images]) for d in kept]))

    values = np.array([mean(k, whole) for k in range(len(reference.left_out))])
    blocks = np.array_split(np.random.default_rng(0).permutation(n), N_IMAGE_BLOCKS)
    left = np.array([mean(0, ~np.isin(np.arange(n), block)) for block in blocks])
    of_images = (len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()
    u = np.hypot(reference.jackknifed(values), np.sqrt(of_images))
    return Estimate(values[0], float(u), dof=reference.dof, n=len(base))


def _partial(x0: ndarray, x1: ndarray, y: ndarray) -> float:
    """Return partial R² of the terms x1 beyond x0."""
    mean_squares = []
    for x in (x0, x1):
        coefficients, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
        mean_squares.append(((y - x @ coefficients) ** 2).sum() / (len(y) - rank))
    return 1 - mean_squares[1] / mean_squares[0]


def variance_ratio(local: Float[ndarray, "networks images"], reference: Reference) -> Estimate:
    """Return the ratio of the retraining variance to a local variance, Σ V_ref/Σ V_local over inputs.

    `local` is the variance near each network that may play the method, in the order of the first rows of the reference.
    The uncertainty comes from leaving out one network, local and reference, at a time.
    """

    def ratio(rows: ndarray) -> float:
        return float(reference.q[rows].var(0, ddof=1).sum() / local[rows[rows < len(local)]].mean(0).sum())

    everyone = np.arange(len(reference.q))
    values = np.array([ratio(np.setdiff1d(everyone, gone)) for gone in reference.left_out])
    return Estimate(values[0], float(reference.jackknifed(values)), dof=reference.dof, n=len(local))
