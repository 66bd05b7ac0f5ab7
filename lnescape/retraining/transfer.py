"""The prior of other pairs: coefficients learned from many retrainings of some pairs for another pair.

b ~ N(b̄, T) over pairs, b the coefficients of the covariates in `fit_prior`; b̄ and T by EM (empirical Bayes). A few
pairs leave some directions of b̄ open, between covariates that are nearly equivalent: b̄ ~ N(0, U), U the usual spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.checks import array, instance, one_of, real
from lnescape.retraining.prior import (
    ANY,
    DELTAS,
    PER_UNIT,
    SHRINKAGE,
    STEP,
    LearnedPrior,
    beside,
    checked_covariates,
    dof_of,
    is_indicator,
    log_bias,
    measures,
    profile,
    quasi_likelihood,
    terms,
    units,
)

WIDE = 3.0  # standard deviation under which a pair is fitted alone: wide enough to decide nothing
MOST_STEPS, ENOUGH = 2000, 1e-6  # of EM; the largest change of ln T at which it ends
USUAL = np.array([[SHRINKAGE], [0.03]]) ** 2  # T of z and of z² − 1 where nothing is known
STRENGTH = 2.0  # number of coefficients that it counts as
OUTSIDE = USUAL  # U
LEAST = 1e-6  # of T: where all pairs share a coefficient, T falls towards 0 for ever


@dataclass(frozen=True, eq=False)
class KnownPair:
    """A pair of data and network with many retrainings, for `learn_prior`."""

    # One row for each input, from as few networks as where the prior will be used; in their units, which are needed
    # of the gradient distance.
    covariates: Float[ndarray, "inputs covariates"]
    variance: Float[ndarray, " inputs"]  # s² of each input over many retrainings
    dof: float  # ν, the degrees of freedom of s²
    n_eff: float  # independent inputs that these are worth; see `effective_number`
    names: tuple[str, ...]  # of the covariates
    # Of a usual network, without which no level is learned for one network:
    spread: float | None = None  # variance of q over the inputs
    companion: float | None = None  # result of `beside` with its companion
    network: str = ANY  # kind of its networks, "convolutional" or "fully connected"; "any" for others


class _Fit(NamedTuple):
    """The coefficients of one pair fitted alone, [1, z, indicators, z² − 1], their information, and 1/d₀."""

    b: ndarray
    information: ndarray
    delta: float
    unit: ndarray  # widths from `units`


def learn_prior(
    pairs: Sequence[KnownPair], *, groups: Mapping[str, str] | None = None,
    levels: Mapping[str, Sequence[float]] = {}, companion_levels: Sequence[float] = (),
    provenance: Mapping[str, Any] | None = None,
) -> LearnedPrior:  # fmt: skip
    """Learn a prior of the coefficients of another pair of data and network from some known pairs.

    Each pair p gives an estimate b̂_p and its information I_p by the gamma quasi-likelihood of `fit_prior`, in which s²
    counts with 1/(1/ν + 1/d₀) degrees of freedom, since it scatters around the regression as well. Then, in turn,

    b̄ = (Σ W_p + U⁻¹)⁻¹ Σ W_p b̂_p,  W_p = (I_p⁻¹ + T)⁻¹: the likeliest for given T, under b̄ ~ N(0, U)
    b_p ~ N(m_p, V_p),  V_p = (I_p + T⁻¹)⁻¹,  m_p = V_p (I_p b̂_p + T⁻¹ b̄)
    T of a group = mean of (m_p − b̄)² + V_p over its coefficients and the P pairs, to which a usual spread, 0.12²
    (0.03² for the squares), is added twice. U is that spread, too; b̄ of the gradient distance is free.

    Coefficients are per standard deviation over the inputs of a pair, that of the gradient distance per nat: as theory
    gives it, and alike where u differs more between inputs (studies "…-geometry").

    At last T is multiplied by (P + 1)/(P − 1): b̄ is a mean of P pairs, and the next pair is another one.

    For one network, whose scale nothing shows, the level ln σ² − ln var_x q is averaged over all pairs, and over those
    of one kind of network; its variance for another pair, that of the pattern, Σ T, and that beside the pattern,
    ψ′(d₀/2), add up to ψ′(ν/2), the variance of ln σ² of an estimate with ν degrees of freedom. The level over a
    companion's scale is learned likewise, of networks of all kinds together; see `level_of`.

    Args:
        pairs: Two or more; the covariates that all of them have are learned.
        groups: {covariate: its group}; the coefficients of a group share one spread. Each alone unless given.
        levels: ln σ² − ln var_x q of further pairs, whose covariates nobody kept, by the kind of their networks; see
            `level_of`.
        companion_levels: Levels of further pairs over their companions.
        provenance: How the pairs were made; kept with the prior.

    Returns:
        The prior, for `fit_prior(…, like=)`.

    Raises:
        ValueError: Fewer than two pairs, or no covariate that all of them have.

    References: Dempster, Laird & Rubin 1977, J. R. Stat. Soc. B 39(1), 1, section 4.5, for EM of such components.

    >>> rng = np.random.default_rng(0)
    >>> def pair(slope):
    ...     h = rng.normal(size=(2000, 1))
    ...     s2 = np.exp(slope * h[:, 0]) * rng.chisquare(30, 2000) / 30
    ...     return KnownPair(h, s2, 30, 2000, ("gradient distance",))
    >>> learned = learn_prior([pair(slope) for slope in (0.6, 0.8, 0.7, 0.9)])
    >>> learned.mean[0].round(2)
    array([0.75])
    """
    for pair in instance(pairs, Sequence, "pairs", "pass a list of KnownPair"):
        instance(pair, KnownPair, "a pair", "pass KnownPair(covariates, variance, dof, n_eff, names)")
        _check_pair(pair)
    if len(pairs) < 2:
        raise ValueError(f"Only several pairs show how pairs differ; give two or more, not {len(pairs)}.")
    seen = [(str(kind), level) for kind, some in levels.items() for level in array(some, "levels", "pairs").tolist()]
    seen += [
        (pair.network, _level(pair.variance, pair.dof, np.log(pair.spread)))
        for pair in pairs
        if pair.spread is not None
    ]
    beside_it = array(companion_levels, "companion_levels", "pairs").tolist()
    beside_it += [_level(pair.variance, pair.dof, pair.companion) for pair in pairs if pair.companion is not None]
    if not np.isfinite([*(level for _, level in seen), *beside_it]).all():
        raise ValueError("levels must be finite; leave out pairs whose level isn't known.")
    names = [name for name in _continuous(pairs[0]) if all(name in _continuous(pair) for pair in pairs)]
    if not names:
        raise ValueError("No covariate is there for every pair; name them alike, as columns_of does.")
    for name in groups or {}:
        one_of(name, dict.fromkeys(name for pair in pairs for name in pair.names), "covariate")
    group_of = [(groups or {}).get(name, name) for name in names]
    kinds = list(dict.fromkeys(group_of))
    for k, pair in enumerate(pairs):
        if any(np.array_equal(pair.variance, other.variance) for other in pairs[:k]):
            raise ValueError(f"Pair {k} is a copy of one before it, and would make pairs look alike; leave it out.")
    fits, kind = [_fitted(pair, names) for pair in pairs], np.array([kinds.index(group) for group in group_of])
    mean, t, step = _em(fits, kind, np.isin(names, PER_UNIT))
    spread = np.sqrt(t * (len(pairs) + 1) / (len(pairs) - 1))
    other = _scatter_of(fits, spread[:, kind])
    return LearnedPrior(
        names=tuple(names),
        groups=tuple(group_of),
        mean=mean,
        spread={group: (float(one), float(two)) for group, one, two in zip(kinds, *spread, strict=True)},
        step=float(np.sqrt(step)),
        levels={kind: level[:2] for kind, level in _levels(seen, other=other).items()},
        companion=_levels([(ANY, level) for level in beside_it], other=other).get(ANY),
        provenance=dict(provenance or {}),
    )


def _check_pair(pair: KnownPair) -> None:
    """Raise unless the variances of a pair can be regressed on its covariates."""
    covariates, variance = checked_covariates(pair.covariates, pair.names), array(pair.variance, "variance", "inputs")
    if not pair.names:
        raise ValueError("The covariates of a pair have no names; give them as columns_of does.")
    if len(variance) != len(covariates) or not (np.isfinite(variance) & (variance > 0)).all():
        raise ValueError(f"The variances of a pair must be {len(covariates)} finite numbers above 0, one for each row.")
    for name in ("dof", "n_eff", "spread"):
        if (value := getattr(pair, name)) is not None:
            real(value, f"{name} of a pair", above=0)
    if pair.companion is not None:
        real(pair.companion, "companion of a pair, what `beside` returns,")


def with_class_means(
    covariates: Float[ndarray, "inputs covariates"], names: tuple[str, ...], *,
    like: Float[ndarray, "some covariates"] | None = None,
) -> tuple[Float[ndarray, "inputs more"], tuple[str, ...]]:  # fmt: skip
    """Add the class means of the covariates, which predict the effects of the classes.

    Column "class mean of h": the mean of h over the inputs of the same class; the classes are the indicators.

    Args:
        covariates: Columns with indicators among them, such as those of the group "classes".
        names: Names of the columns.
        like: Inputs over which the means are taken, those of the fit; these unless given.

    Returns:
        The columns with the further ones, and all names.

    >>> h = np.array([[1.0, 1, 0], [3.0, 1, 0], [5.0, 0, 1]])
    >>> with_class_means(h, ("h", "class 0", "class 1"))[0][:, 3]
    array([2., 2., 5.])
    """
    like = covariates if like is None else like
    indicator = is_indicator(like)
    if not indicator.any():
        return covariates, names
    member, rest = like[:, indicator], like[:, ~indicator]
    count = member.sum(0)[:, None]
    means = np.where(count > 0, member.T @ rest / np.maximum(count, 1), rest.mean(0))
    more = tuple(f"class mean of {name}" for name, indicates in zip(names, indicator, strict=True) if not indicates)
    return np.concatenate([covariates, covariates[:, indicator] @ means], 1), (*names, *more)


def level_of(q: Float[ndarray, "networks inputs"], *, companions: Float[ndarray, "some inputs"] | None = None) -> float:
    """Return the level of u: ln σ² over retrainings, as a mean over inputs, less a yardstick that one network shows.

    The yardstick is ln of the variance of q over inputs, averaged over the networks; with companions, the mean of
    `beside` over pairs of a network and a companion.

    Args:
        q: Measurand of many retrainings, in any unit.
        companions: The same of companions of the first of them, trained over `COMPANION` of the epochs.

    Returns:
        The level; −2 where u is e⁻¹ of the standard deviation behind the yardstick.

    Raises:
        ValueError: Fewer than two networks or inputs, or an input at which the networks don't differ.

    >>> rng = np.random.default_rng(0)
    >>> round(level_of(3 * rng.normal(size=5000) + rng.normal(size=(50, 5000))), 1)  # ln(1²/(3² + 1²))
    -2.3
    """
    q = array(q, "q", "networks inputs")
    if min(q.shape) < 2:
        raise ValueError(f"A level needs two networks and two inputs at least, and better tens; q has shape {q.shape}.")
    variance = np.var(q, 0, ddof=1)
    if not (np.isfinite(variance).all() and (variance > 0).all()):
        raise ValueError("q must be finite and scatter at every input; leave out the inputs at which it doesn't.")
    yardstick = np.log(np.var(q, 1).mean())
    if companions is not None:
        companions = array(companions, "companions", "networks inputs")
        if not 0 < len(companions) <= len(q) or companions.shape[1] != q.shape[1]:
            raise ValueError(f"companions have shape {companions.shape}, q {q.shape}; give one for each of the first.")
        yardstick = np.mean([beside(one, other) for one, other in zip(q, companions, strict=False)])
    return _level(variance, len(q) - 1, yardstick)


def _level(variance: ndarray, dof: float, yardstick: float) -> float:
    """Return the level of sample variances over a yardstick."""
    return float(np.log(variance).mean() - log_bias(dof) - yardstick)


def _scatter_of(fits: list[_Fit], spread: ndarray) -> float:
    """Return the variance of ln σ² of a borrowed u but for that of its level: of the pattern, and beside it."""
    from scipy.special import polygamma

    c = spread.shape[1]
    widths = np.mean([(fit.unit[1 : c + 1], fit.unit[-c:]) for fit in fits], 0)  # of the terms of coefficients
    pattern = float(((spread * widths) ** 2).sum())
    return pattern + float(np.mean([polygamma(1, 1 / max(fit.delta, 1e-3) / 2) for fit in fits]))


def _levels(seen: Sequence[tuple[str, float]], *, other: float) -> dict[str, tuple[float, float, float]]:
    """Return, by kind of network, the mean level, ν of a u that rests on it alone, and the level's uncertainty."""
    found = {}
    for kind in dict.fromkeys([ANY, *(kind for kind, _ in seen)]):
        levels = [level for one, level in seen if kind in (ANY, one)]
        if len(levels) > 1:
            variance = float(np.var(levels, ddof=1)) * (1 + 1 / len(levels))
            dof = dof_of(variance + other)
            found[kind] = (float(np.mean(levels) + log_bias(dof)), dof, variance**0.5)
    return found


def _continuous(pair: KnownPair) -> list[str]:
    """Return the names of the covariates that aren't indicators."""
    covariates = np.asarray(pair.covariates, float)
    return [name for name, indicates in zip(pair.names, is_indicator(covariates), strict=True) if not indicates]


def _fitted(pair: KnownPair, names: list[str]) -> _Fit:
    """Fit the coefficients of some covariates and of all indicators of one pair alone."""
    covariates = np.asarray(pair.covariates, float)
    columns = [pair.names.index(name) for name in names]
    indicator = is_indicator(covariates)
    covariates = np.concatenate([covariates[:, columns], covariates[:, indicator]], 1)
    centre, width, squared = measures(covariates, ())
    every = (*names, *(name for name, indicates in zip(pair.names, indicator, strict=True) if indicates))
    x = terms(covariates, centre, width, squared) * (unit := units(every, width, squared))
    tau, weight = np.array([np.inf, *[WIDE] * (x.shape[1] - 1)]), pair.n_eff / len(x)
    b, _, _ = quasi_likelihood(pair.variance, pair.dof, x, weight=weight, tau=tau, mean=np.zeros_like(tau))
    _, likelihood = profile(pair.variance / np.exp(x @ b), pair.dof, 1 / DELTAS)
    delta = float(DELTAS[likelihood.argmax()])
    return _Fit(b, weight / (1 / pair.dof + delta) / 2 * x.T @ x, delta, unit)


def _em(fits: list[_Fit], kind: ndarray, free: ndarray) -> tuple[ndarray, ndarray, float]:
    """Return b̄ [2, covariates] of z and of z² − 1, T [2, groups], and T of the indicators."""
    c, sizes = len(kind), len(fits) * np.bincount(kind)
    t, step = np.tile(USUAL, len(sizes)), STEP**2
    outside = 1 / np.repeat(OUTSIDE, c, axis=1)
    outside[0, free] = 0.0  # a flat law
    for _ in range(MOST_STEPS):
        priors = [_precision(fit, t[:, kind], step) for fit in fits]
        mean = _best_mean(fits, priors, outside)
        squares, of_indicators = np.zeros((2, c)), []
        for fit, (precision, covariance) in zip(fits, priors, strict=True):
            towards = np.concatenate([[0.0], mean[0], np.zeros(len(fit.b) - 1 - 2 * c), mean[1]])
            b, variance = covariance @ (fit.information @ fit.b + precision * towards), np.diag(covariance)
            moved = (b - towards) ** 2 + variance
            squares += np.stack([moved[1 : c + 1], moved[-c:]])
            of_indicators.append(moved[c + 1 : -c])
        before = np.append(t, step)
        sums = np.stack([np.bincount(kind, one) for one in squares])
        t = np.maximum((sums + STRENGTH * USUAL) / (sizes + STRENGTH), LEAST)
        step = np.concatenate(of_indicators).mean() if any(map(len, of_indicators)) else step
        if np.abs(np.log(np.append(t, step) / before)).max() < ENOUGH:
            break
    return mean, t, step


def _precision(fit: _Fit, t: ndarray, step: float) -> tuple[ndarray, ndarray]:
    """Return T⁻¹ of all coefficients of a pair, as a diagonal, and V = (I + T⁻¹)⁻¹; the constant is free."""
    n_indicators = len(fit.b) - 1 - t.size
    precision = np.concatenate([[0.0], 1 / t[0], np.full(n_indicators, 1 / step), 1 / t[1]])
    return precision, np.linalg.pinv(fit.information + np.diag(precision), hermitian=True)


def _best_mean(fits: list[_Fit], priors: list[tuple[ndarray, ndarray]], outside: ndarray) -> ndarray:
    """Return the likeliest b̄ for given T: (Σ W_p + U⁻¹)⁻¹ Σ T⁻¹ V_p I_p b̂_p with W_p = T⁻¹ − T⁻¹ V_p T⁻¹."""
    c = outside.shape[1]
    weights, sums = np.diag(outside.ravel()), np.zeros(2 * c)
    for fit, (precision, covariance) in zip(fits, priors, strict=True):
        shared = np.r_[1 : c + 1, len(fit.b) - c : len(fit.b)]  # not the constant and the indicators
        pull = precision[:, None] * covariance
        weights = weights + (np.diag(precision) - pull * precision)[np.ix_(shared, shared)]
        sums += (pull @ fit.information @ fit.b)[shared]
    return (np.linalg.pinv(weights, hermitian=True) @ sums).reshape(2, c)
