"""Fidelity: how retrainings scatter, and how good an evaluation of u(x) is, judged on retrainings it didn't use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining.evaluation import Evaluation
from lnescape.retraining.prior import terms_of

N_IMAGE_BLOCKS = 20  # of inputs, left out one at a time
N_HALVINGS = 4  # of the reference of each draw
N_BLOCKS = 10  # of networks that no evaluation used, left out one block at a time
N_DECILES = 10


def relative_spread(dof: float) -> float:
    """Return the standard deviation √ψ₁(ν/2) of ln s², s² a sample variance of normal observations.

    Half of it is the relative standard uncertainty of s, about 1/√(2ν).

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
    """Return the standard deviation of ln s² over disjoint groups of retrainings, for each image.

    Args:
        q: Measurand per network and image.
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
    """Return the sample excess kurtosis g₂ = m₄/m₂² − 3 over the networks, 0 for a normal law up to its bias.

    Args:
        q: Measurand per network and image.

    Returns:
        g₂ of each image; for normal samples of N networks its expectation is −6/(N + 1).

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

    q* = G Z/√(N − 1), G of independent standard normal numbers, Z the observed q less its mean: each row of q* is
    normal with the sample covariance of the images. A mean over images that share their networks varies far more than
    one over independent images, and the twins show by how much.

    Args:
        q: Measurand per network and image.
        n: How many twins.
        seed: Seed of G.

    Returns:
        The twins, mean 0.
    """
    rng = np.random.default_rng(seed)
    scaled = (q - q.mean(0)) / np.sqrt(len(q) - 1)
    return np.stack([rng.normal(size=(len(q), len(q))) @ scaled for _ in range(n)])


def dithered(q: Float[ndarray, "*any images"], *, seed: int = 0) -> Float[ndarray, "*any images"]:
    """Spread numbers that were kept in float16 evenly over the step that they were rounded to.

    Two nearly equal numbers can be rounded to one number, and ln s² of the two would be −∞. A uniform number of ± half
    a step undoes the rounding in law; it adds a variance of step²/12.

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
    """Hold how well a reference of N retrainings orders the inputs by their uncertainty.

    Attributes:
        halves: Rank correlation of ln s² between two halves of the retrainings, mean over random halvings.
        whole: The same for the whole reference and another one of its size, by Spearman and Brown.
        ceiling: The rank correlation that an exact u(x) would have with the whole reference, about √whole.
    """

    halves: float
    whole: float
    ceiling: float


def reliability(q: Float[ndarray, "networks images"], *, n_halvings: int = 20, seed: int = 0) -> Reliability:
    """Return the split-half reliability of ln s²: how well half of the retrainings predicts the other half.

    r = rank correlation of ln s²_A and ln s²_B over the inputs; for the whole reference 2r/(1 + r).

    Args:
        q: Measurand per network and image.
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
    """Return statistics, with standard uncertainties from leaving out one block of each factor at a time.

    u² = Σ_factors (B − 1)/B Σ_b (T_b − T̄)², T_b the statistic without block b.

    Args:
        statistic: From an array like `q` to one number, or to several.
        q: Measurand per network and image.
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


@dataclass(frozen=True)
class RetrainingEquivalent:
    """Hold REN, a retraining equivalent number: how many plain retrainings an evaluation of u(x) is worth.

    Attributes:
        value: REN.
        low: Lower end of its 95 % interval.
        high: Upper end; ∞ where the data put no bound.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def log_bias(dof: float | Float[ndarray, "*any"]) -> float | Float[ndarray, "*any"]:
    """Return E ln(s²/σ²) = ψ(ν/2) − ln(ν/2), by which ln s² is too low on average.

    Args:
        dof: ν > 0.

    Returns:
        The bias in nat, negative.

    References:
        Abramowitz & Stegun 1964, section 26.4 with 6.3: the logarithm of a χ² variable.

    Example:
        >>> round(float(log_bias(1)), 4)
        -1.2704
    """
    from scipy.special import psi

    return psi(np.asarray(dof) / 2) - np.log(np.asarray(dof) / 2)


def squared_error_of(dof: float) -> float:
    """Return E (ln s² − ln σ²)² = ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]² of a sample variance with ν degrees of freedom.

    Args:
        dof: ν > 0.

    Returns:
        The mean squared error in nat²; about 2/ν.

    Example:
        >>> round(squared_error_of(1), 3), round(squared_error_of(100), 4)
        (6.549, 0.0203)
    """
    from scipy.special import polygamma

    return float(polygamma(1, dof / 2) + log_bias(dof) ** 2)


def retraining_equivalent(squared_error: float) -> float:
    """Invert `squared_error_of`: the number of plain retrainings, 1 + ν, whose s² errs as much.

    Args:
        squared_error: E (ln V̂ − ln σ²)², nat².

    Returns:
        REN; ∞ for an error of zero or less, which noise can make of a small one.

    Example:
        >>> round(retraining_equivalent(squared_error_of(4)), 6)
        5.0
    """
    from scipy.optimize import brentq

    if squared_error <= squared_error_of(1e6):
        return float("inf")
    return 1 + float(
        np.exp(brentq(lambda log: squared_error_of(np.exp(log)) - squared_error, np.log(1e-3), np.log(1e6)))
    )


@dataclass(frozen=True)
class Reference:
    """Hold the retrainings that each draw leaves over, prepared once for all evaluations of these draws.

    Attributes:
        q: All retrainings, [N, inputs].
        members: For each draw, the rows that it uses.
        left_out: Rows that are left out together, for the jackknife: first none, then each row that some draw uses,
            then blocks of the others.
        n_bases: How many rows some draw uses.
        halves: ln s² of the two halves, freed of its bias, [left out, draws, halvings, 2, inputs].
        variance: s² of the whole reference, [left out, draws, inputs].
    """

    q: ndarray
    members: tuple[tuple[int, ...], ...]
    left_out: tuple[tuple[int, ...], ...]
    n_bases: int
    halves: ndarray
    variance: ndarray

    @staticmethod
    def of(q: Float[ndarray, "networks inputs"], members: Sequence[Sequence[int]], *, seed: int = 0) -> "Reference":
        """Halve, for each draw, the retrainings that it doesn't use, at random.

        Args:
            q: Measurand per retraining and input.
            members: For each draw, the rows that its evaluation uses.
            seed: Seed of the halvings.

        Returns:
            The reference.

        Raises:
            ValueError: A draw leaves fewer than eight retrainings over.
        """
        q = np.asarray(q, np.float64)
        draws = tuple(tuple(int(row) for row in rows) for rows in members)
        if min(len(q) - len(rows) for rows in draws) < 8:
            raise ValueError(
                f"{len(q)} retrainings leave fewer than eight to judge an evaluation of {len(draws[0])}; train more."
            )
        if set.intersection(*map(set, draws)):
            raise ValueError("A network is in every draw, so that none is left without it; give several draws, apart.")
        bases = sorted({row for rows in draws for row in rows})
        others = np.setdiff1d(np.arange(len(q)), bases)
        blocks = [tuple(block.tolist()) for block in np.array_split(others, min(N_BLOCKS, len(others))) if len(block)]
        left_out: tuple[tuple[int, ...], ...] = ((), *((row,) for row in bases), *blocks)
        rng = np.random.default_rng(seed)
        orders = [[rng.permutation(np.setdiff1d(np.arange(len(q)), rows)) for _ in range(N_HALVINGS)] for rows in draws]
        halves = np.empty((len(left_out), len(draws), N_HALVINGS, 2, q.shape[1]), np.float32)
        variance = np.empty((len(left_out), len(draws), q.shape[1]), np.float32)
        for k, gone in enumerate(left_out):
            for d in range(len(draws)):
                variance[k, d] = q[np.setdiff1d(orders[d][0], gone)].var(0, ddof=1)
                for h, order in enumerate(orders[d]):
                    for half, rows in enumerate(np.array_split(order, 2)):  # they stay, but for the rows left out
                        rows = rows[~np.isin(rows, gone)]
                        halves[k, d, h, half] = np.log(q[rows].var(0, ddof=1)) - log_bias(len(rows) - 1)
        return Reference(q, draws, left_out, len(bases), halves, variance)

    def kept(self, k: int) -> ndarray:
        """Return which draws use none of the rows that are left out."""
        return np.array([not set(rows) & set(self.left_out[k]) for rows in self.members])

    @property
    def dof(self) -> int:
        """Degrees of freedom of `jackknifed`, no more than the fewer of its two parts have."""
        parts = [n for n in (self.n_bases, len(self.left_out) - 1 - self.n_bases) if n > 1]
        return min(parts) - 1

    def jackknifed(self, values: ndarray) -> ndarray | float:
        """Return the standard uncertainty of a statistic from its values with nothing and with each block left out."""
        bases, others = values[1 : 1 + self.n_bases], values[1 + self.n_bases :]
        variance = 0.0
        for part in (bases, others):
            if len(part) > 1:
                variance = variance + (len(part) - 1) / len(part) * ((part - part.mean(0)) ** 2).sum(0)
        return np.sqrt(variance)


@dataclass(frozen=True)
class Fidelity:
    """Hold how good an evaluation is, on average over draws of its networks.

    Attributes:
        ren: Retraining equivalent number, with a 95 % interval.
        scale: ΣV̂ ν_eff/(ν_eff − 2)/ΣV_ref; for ν_eff ≤ 2 without that factor.
        bias: Mean of ln V̂ − ln V_ref, each freed of its own bias, in nat.
        rank: Rank correlation of V̂ and V_ref over inputs; nan where V̂ is the same for all.
        ceiling: What an exact u(x) would have as rank correlation.
        coverage: Share of held-out retrainings inside the 95 % interval, in per cent.
        deciles: The same by decile of the predicted scale, lowest first.
        deciles_sd: Its standard deviation from draw to draw, per decile, in per cent.
        dof: Mean of the claimed ν_eff.
        squared_error: What `ren` was inverted from, with its uncertainty, nat².
        left_out: The squared error with nothing, and with each row or block of the reference, left out; not stored.
    """

    ren: RetrainingEquivalent
    scale: Estimate
    bias: Estimate
    rank: Estimate
    ceiling: float
    coverage: Estimate
    deciles: list[Estimate]
    deciles_sd: list[float]
    dof: float
    squared_error: Estimate
    left_out: ndarray

    def to_dict(self) -> dict:
        """Return the numbers that a stored result holds."""
        rest = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("ren", "left_out")}
        return rest | {"ren": {"value": self.ren.value, "low": self.ren.low, "high": self.ren.high}}


def fidelity(evaluations: Sequence[Evaluation], reference: Reference, *, level: float = 0.95) -> Fidelity:
    """Judge evaluations of the same kind, one for each draw of networks, by the retrainings that each didn't use.

    E e_A e_B = ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]² gives ν, REN = 1 + ν; e_k = ln V̂ − ln V_k + ψ(ν_k/2) − ln(ν_k/2)
    against two halves of the reference, whose independent noise drops out. Uncertainties come from leaving out one
    network, or block of networks, at a time, and from the spread over inputs. Where few draws share their networks,
    leaving out one takes whole draws away, and the uncertainties are too large.

    Args:
        evaluations: One for each draw, on the inputs of the reference.
        reference: The retrainings, and which of them each draw used.
        level: Of the intervals that are judged.

    Returns:
        The fidelity.

    Raises:
        ValueError: Another number of evaluations than draws.

    References:
        Abramowitz & Stegun 1964, section 26.4, for ln χ²; Efron & Tibshirani 1993, chapter 11, for the jackknife.
    """
    from scipy.stats import rankdata

    if len(evaluations) != len(reference.members):
        raise ValueError(
            f"There are {len(evaluations)} evaluations for {len(reference.members)} draws; give one for each."
        )
    log_v = np.log(np.stack([one.scale**2 for one in evaluations]))
    dof = np.array([one.dof for one in evaluations])
    n_inputs, ranks = log_v.shape[1], [rankdata(v) for v in log_v]
    inside = [_inside(one, reference, d, level) for d, one in enumerate(evaluations)]
    factor = np.where(dof > 2, dof / np.maximum(dof - 2, 1e-9), 1.0)
    rows, single = [], None
    for k in range(len(reference.left_out)):
        kept = reference.kept(k)
        halves = reference.halves[k, kept]
        products = np.mean((log_v[kept, None] - halves[:, :, 0]) * (log_v[kept, None] - halves[:, :, 1]), 1)
        single = _image_variance(products) if single is None else single
        v = reference.variance[k, kept]
        scale = np.mean((np.exp(log_v[kept]) * factor[kept, None]).sum(1) / v.sum(1))
        bias = np.mean(log_v[kept].mean(1) - log_bias(dof[kept]) - np.log(v).mean(1) + _bias_of(reference, k, kept))
        with np.errstate(invalid="ignore"):  # no order, where all inputs have the same V̂
            pairs = zip(np.flatnonzero(kept), v, strict=True)
            rank = np.mean([np.corrcoef(ranks[d], rankdata(one))[0, 1] for d, one in pairs])
        covered = _covered(inside, reference, k)
        rows.append([products.mean(), scale, bias, rank, *covered])
    values = np.array(rows)
    u = np.asarray(reference.jackknifed(values))
    u[0] = np.hypot(u[0], np.sqrt(single / n_inputs))
    n = len(evaluations)
    by_draw = np.array([np.nanmean(shares, 0)[1:] for shares in inside])
    found = [Estimate(*pair, n=n) for pair in zip(values[0], u, strict=True)]
    low, high = values[0, 0] - 1.96 * u[0], values[0, 0] + 1.96 * u[0]
    return Fidelity(
        ren=RetrainingEquivalent(*map(retraining_equivalent, (values[0, 0], high, low))),
        scale=found[1], bias=found[2], rank=found[3], ceiling=reliability(reference.q, n_halvings=4).ceiling,
        coverage=found[4], deciles=found[5:], deciles_sd=by_draw.std(0, ddof=1).tolist() if n > 1 else [],
        dof=float(dof.mean()), squared_error=found[0], left_out=values[:, 0],
    )  # fmt: skip


def _image_variance(products: ndarray) -> float:
    """Return the variance from input to input of the mean over draws, less what the draws' own scatter makes of it."""
    scatter = products.var(0, ddof=1).mean() / len(products) if len(products) > 1 else 0.0
    return max(float(products.mean(0).var(ddof=1) - scatter), 0.0)


def _bias_of(reference: Reference, k: int, kept: ndarray) -> Float[ndarray, " draws"]:
    """Return the bias of ln s² of the whole reference of each draw that is kept."""
    gone = set(reference.left_out[k])
    sizes = [len(reference.q) - len(set(rows) | gone) for rows, use in zip(reference.members, kept, strict=True) if use]
    return np.asarray(log_bias(np.array(sizes) - 1.0))


def _inside(one: Evaluation, reference: Reference, d: int, level: float) -> ndarray:
    """Return the share of inputs whose interval holds each retraining, [networks, all inputs and each decile]."""
    low, high = one.interval(level)
    hit = (reference.q >= low) & (reference.q <= high)
    deciles = np.array_split(np.argsort(one.scale, kind="stable"), N_DECILES)
    shares = 100 * np.stack([hit.mean(1), *(hit[:, images].mean(1) for images in deciles)], 1)
    shares[list(reference.members[d])] = np.nan  # the evaluation used them
    return shares


def _covered(inside: list[ndarray], reference: Reference, k: int) -> ndarray:
    """Average the shares over draws and held-out networks, without those that are left out."""
    kept, gone = reference.kept(k), list(reference.left_out[k])
    return np.mean([np.nanmean(np.delete(one, gone, 0), 0) for one, use in zip(inside, kept, strict=True) if use], 0)


def partial_r_squared(
    base: list[Float[ndarray, "images covariates"]],
    more: list[Float[ndarray, "images covariates"]],
    reference: Reference,
) -> Estimate:
    """Return the share of the variance of ln V_ref over inputs that covariates explain beyond others: partial R².

    (SSE₀ − SSE₁)/SSE₀, each SSE over its residual degrees of freedom, of least squares of ln V_ref on [1, z, z²] of the
    base covariates (0), and of the base and the further ones (1). The noise of V_ref counts as unexplained.

    Args:
        base: For each draw of the reference, covariates of the inputs.
        more: Further covariates.
        reference: The retrainings that judge, and the draws.

    Returns:
        Mean over draws, with the uncertainty from leaving out networks and blocks of inputs; may be negative.
    """
    n = reference.q.shape[1]
    whole = np.ones(n, bool)
    designs = [(terms_of(b), terms_of(np.concatenate([b, m], 1))) for b, m in zip(base, more, strict=True)]

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

    Args:
        local: Variance near each network that may play the method, in the order of the first rows of the reference.
        reference: The retrainings.

    Returns:
        The ratio with all retrainings; its uncertainty from leaving out one network, local and reference, at a time.
    """

    def ratio(rows: ndarray) -> float:
        return float(reference.q[rows].var(0, ddof=1).sum() / local[rows[rows < len(local)]].mean(0).sum())

    everyone = np.arange(len(reference.q))
    values = np.array([ratio(np.setdiff1d(everyone, gone)) for gone in reference.left_out])
    return Estimate(values[0], float(reference.jackknifed(values)), dof=reference.dof, n=len(local))
