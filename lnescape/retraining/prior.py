"""The prior of the moderated evaluation: the distribution of variances over inputs, given their covariates.

s² | σ² ~ σ² χ²_ν/ν,  1/σ² ~ χ²_{d₀}/(d₀ s₀²),  ln s₀²(x) = a + b·h(x)
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lnescape.checks import array, instance, one_of, real
from lnescape.results.files import MOST_JSON, reading, seal, unseal, write

CLIP = 4.0  # standardised covariates beyond are taken as this far: the law is not extrapolated
SHRINKAGE = 0.12  # standard deviation of the normal prior on every coefficient but the constant
STEP = 0.2  # the same for the step of an indicator, a column of zeros and ones; chosen on MNIST's calibration images
MEAN_DELTA = 0.1  # mean of the exponential prior on δ = 1/d₀
TEMPER = 3.0  # the likelihood of δ counts as that of this many times n_eff inputs
DELTAS = np.geomspace(1e-3, 2.0, 48)  # where the likelihood of δ is computed
FEWEST_INPUTS = 50
NO_COMPANION = "The learned prior has no level over a companion; learn it on pairs with `companion`."
ON_PROXIES = ", or measure n_eff on proxies (effective_number)"  # advice where it is assumed
# Covariates whose slope on ln s₀² is known from theory. Slopes learned on other pairs are per unit, here nat, and not
# per standard deviation over the inputs: that is larger where u(x) differs more, and the slope is the same.
PER_UNIT = ("gradient distance",)
LENT = 1.0  # number of coefficients that a spread learned on few other pairs counts as
ANY = "any"  # kind of network, where it isn't known or no prior was learned on its kind
KINDS = (ANY, "convolutional", "fully connected")
SHIPPED = Path(__file__).with_name("learned.json")
COMPANION = 0.3  # epochs of a companion, a training from another seed, in parts of those of a network
LEAST = 1e-12  # in the squared unit of q: a square below is taken as this much
REFITS = 8  # rounds in which the pair at hand corrects such spreads


class FitWarning(UserWarning):
    """Warn of what a user of the fit should know; a statement prints it among its reservations."""


@dataclass(frozen=True, eq=False)
class Prior:
    """A fitted prior."""

    # of [1, z, z² − 1], z the standardised covariates; indicators, of zeros and ones, have no square
    coefficients: ndarray
    centre: ndarray  # mean of each covariate where the prior was fitted
    width: ndarray  # its standard deviation; 1 for an indicator, ∞ for one that didn't vary
    squared: ndarray  # which of them have a square
    dof: float  # d₀ as it is used: 1/(δ̄ + p/(ν n_eff)), δ̄ the posterior mean of 1/d₀
    dof_likeliest: float  # d₀ of the highest likelihood, for comparison
    n_coefficients: float  # p, number of coefficients decided by the data rather than by the shrinkage
    n_eff: float  # independent inputs that those of the fit are worth
    n_inputs: int  # inputs of the fit
    names: tuple[str, ...] = ()  # of the covariates
    # degrees of freedom that `scale` of `fit_prior` adds to the ν n_eff of the scale of all inputs
    lent_dof: float = 0.0

    def variance(self, covariates: Float[ndarray, "inputs covariates"]) -> Float[ndarray, " inputs"]:
        """Return s₀² of some inputs, in the squared unit of the measurand; the columns are those of the fit."""
        return np.exp(terms(self._columns(covariates), self.centre, self.width, self.squared) @ self.coefficients)

    def beyond(self, covariates: Float[ndarray, "inputs covariates"]) -> Bool[ndarray, " inputs"]:
        """Return which inputs have a covariate that s₀² clips: over 4 standard deviations from the mean of the fit."""
        # Or that differs at all where it was the same for all: the class of an input that none of the fit was given.
        same = 1e-9 * np.maximum(np.abs(self.centre), 1)
        most = np.where(np.isinf(self.width), same, CLIP * self.width)
        return (np.abs(self._columns(covariates) - self.centre) > most).any(1)

    def _columns(self, covariates: ndarray) -> ndarray:
        """Return the covariates as float64; raise unless they have the number of columns of the fit."""
        covariates = checked_covariates(covariates, self.names)
        if covariates.shape[1] != len(self.centre):
            what = f"The prior was fitted on {len(self.centre)} covariates ({', '.join(self.names)})"
            raise ValueError(f"{what}, and {covariates.shape[1]} are given; pass the same columns.")
        return covariates


@dataclass(frozen=True, eq=False)
class LearnedPrior:
    """A normal prior on the coefficients of `fit_prior` that `learn_prior` learned on other pairs.

    b ~ N(b̄, T), one b̄ for each coefficient, one √T for each group of covariates, their squares apart. Coefficients are
    per standard deviation over the inputs at hand, those of the gradient distance per nat.
    """

    names: tuple[str, ...]  # of the covariates, without indicators
    groups: tuple[str, ...]  # group of each of them
    mean: ndarray  # b̄ of z and of z² − 1, [2, covariates]
    spread: Mapping[str, tuple[float, float]]  # {group: √T of z and of z² − 1}
    step: float  # √T of indicators, whose b̄ is 0
    # {kind of network: (level, ν)}, "any" for all kinds; the level is ln of u² of a usual input over the variance of q
    # over inputs, a mean over networks: the scale that is borrowed where there is one network only. ν are the degrees
    # of freedom of a u that is borrowed altogether. Empty if nothing was learned.
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    # (level, ν, u of the level) over the result of `beside`, for networks of all kinds: a sharper scale
    companion: tuple[float, float, float] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)  # how it was made

    def with_companion(self, q: Float[ndarray, " inputs"], companion: Float[ndarray, " inputs"]) -> "LearnedPrior":
        """Return the prior for `borrowed_prior` with the level that a network shows beside its companion."""
        if self.companion is None:
            raise ValueError(NO_COMPANION)
        level, dof, _ = self.companion
        return replace(self, levels={ANY: (level + beside(q, companion) - float(np.log(np.var(q))), dof)})

    def scale_beside(
        self, q: Float[ndarray, "networks inputs"], companion: Float[ndarray, " inputs"], *, n_eff: float
    ) -> tuple[float, float]:
        """Return the mean over inputs of ln σ² of networks as their companion shows it, and its u, for `fit_prior`."""
        n_eff = real(n_eff, "n_eff", above=0)
        if self.companion is None:
            raise ValueError(NO_COMPANION)
        level, dof, u = self.companion
        shown = float(np.mean([beside(one, companion) for one in array(q, "q", "networks inputs")]))
        noise = np.pi**2 / 2 / n_eff  # the variance of ln r², r normal, over n_eff independent inputs
        return shown + level - float(log_bias(dof)), float(np.sqrt(u**2 + noise))

    def save(self, path: Path | str) -> None:
        """Write the prior as one sealed JSON file; raise ResultError where that is impossible."""
        write(Path(path), seal(self.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """Return the prior as plain values, for JSON."""
        plain = {name: dict(getattr(self, name)) for name in ("spread", "levels", "provenance")}
        return {"kind": "learned prior"} | vars(self) | plain | {"mean": self.mean.tolist()}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "LearnedPrior":
        """Restore the prior from the values of `to_dict`; raise ValueError unless they describe one."""
        if content.get("kind") != "learned prior":
            raise ValueError(f"it holds {content.get('kind', 'something else')}, no learned prior")
        names, groups = tuple(map(str, content["names"])), tuple(map(str, content["groups"]))
        mean, step = np.array(content["mean"], float), float(content["step"])
        spread = {str(name): (float(one), float(two)) for name, (one, two) in content["spread"].items()}
        if mean.shape != (2, len(names)) or len(groups) != len(names) or not set(groups) <= set(spread):
            raise ValueError("names, groups and numbers don't belong together")
        if not np.isfinite(mean).all() or not all(0 < one < np.inf for one in (step, *sum(spread.values(), ()))):
            raise ValueError("a mean isn't finite, or a spread isn't positive")
        levels = {str(kind): (float(level), float(dof)) for kind, (level, dof) in content["levels"].items()}
        shown = content.get("companion")
        companion = None if shown is None else (float(shown[0]), float(shown[1]), float(shown[2]))
        for level, *known in (*levels.values(), *([companion] if companion else [])):
            if not (np.isfinite(level) and all(0 < one < np.inf for one in known)):
                raise ValueError("a level isn't finite, or its degrees of freedom aren't positive")
        return LearnedPrior(names, groups, mean, spread, step, levels, companion, dict(content["provenance"]))

    @staticmethod
    def load(path: Path | str) -> "LearnedPrior":
        """Read a prior that `save` wrote; raise ResultError where the file is missing, damaged or of another kind."""
        with reading(Path(path), "make it again with learn_prior(…).save(path).") as file:
            return LearnedPrior.from_dict(unseal(file.read(MOST_JSON + 1)))  # which refuses more than MOST_JSON


@cache
def shipped_prior() -> LearnedPrior:
    """Return the prior that the package ships, for the covariates of `covariates.DEFAULT`.

    Returns:
        The prior learned from the pairs listed in its `provenance`, with the levels of all networks.

    >>> "gradient distance" in shipped_prior().names
    True
    """
    return LearnedPrior.load(SHIPPED)


def fit_prior(
    variance: Float[ndarray, " inputs"], dof: float, covariates: Float[ndarray, "inputs covariates"], *,
    n_eff: float | None = None, shrinkage: float = SHRINKAGE, names: tuple[str, ...] = (),
    like: LearnedPrior | None = None, scale: tuple[float, float] | None = None,
    slopes: Mapping[str, tuple[float, float]] | None = None, outputs: int = 1,
) -> Prior:  # fmt: skip
    """Fit the prior on the sample variances of many inputs.

    1. Covariates are standardised, clipped at ±4, and enter as [1, z, z²]; b maximises the gamma quasi-likelihood
       (n_eff/n) Σ (ν/2)(−s²/μ − ln μ) − Σ b²/(2τ²), ln μ = a + b·h, τ the shrinkage (the constant a is free).
       Indicators, such as those of a class, enter as they are, without a square, with τ = 0.2. With `like`, the
       coefficients that it knows shrink towards its b̄ with its √T, and the indicators with its step. A spread known
       from few pairs is uncertain itself: T of a group becomes (T + Σ (b − b̄)² + var b)/(1 + number), in turns.
    2. The scale and d₀ follow from s²/(c μ) ~ F(ν, d₀), by maximum likelihood over c for each δ = 1/d₀.
    3. δ̄ is the mean under the prior e^(−δ/0.1), the likelihood tempered by min(1, 3 n_eff/n), and
       d₀ = 1/(δ̄ + p/(ν n_eff)): the cost of fitting p coefficients is taken off.
    4. With `scale`, the fitted mean over inputs of ln σ², of variance ψ′(ν n_eff/2), and the one given are averaged
       with the weights 1/variance. The latter's variance is u², or (u² + d² + var d)/2 if that is more, in turns, d the
       difference left: a scale that disagrees counts less. In d₀, 1/(ν n_eff + ν_lent) is the cost of the constant.

    Inputs share the networks, so that n of them are worth n_eff: `effective_number`.

    Args:
        variance: s² of each input, ν degrees of freedom each.
        dof: ν = M − 1.
        covariates: One row for each input; no column for a constant prior.
        n_eff: Independent inputs that these are worth; `assumed_number`, min(n/10, 300), unless given.
        shrinkage: τ; ∞ for none.
        names: Names of the covariates, for messages and `like`.
        like: Prior that `learn_prior` learned on other pairs of data and network.
        scale: Mean over inputs of ln σ² and its standard uncertainty, if known from elsewhere, such as from a
            companion (`like.scale_beside`).
        slopes: {covariate: (mean, standard deviation)} of d ln s₀²/dh, if known from theory or experience, per unit of
            the raw covariate, which enters without a square.
        outputs: Rows for each input, where networks give several values; they may move together, and count once.

    Returns:
        The prior.

    Raises:
        ValueError: Too few inputs, numbers that aren't finite, no spread, or no covariate that `like` knows.

    Warns:
        UserWarning: A covariate doesn't vary, n_eff < 100, or the likelihood puts no bound on d₀.

    References: Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3 (the model; moments there, likelihood here).

    >>> rng = np.random.default_rng(0)
    >>> h = rng.normal(size=(4000, 1))
    >>> sigma2 = np.exp(0.8 * h[:, 0]) * 10 / rng.chisquare(10, 4000)  # d₀ = 10
    >>> prior = fit_prior(sigma2 * rng.chisquare(2, 4000) / 2, 2, h, n_eff=4000)
    >>> round(prior.dof), round(float(prior.coefficients[1]), 1)
    (10, 0.8)
    """
    variance = _checked_variance(variance, outputs)
    covariates = checked_covariates(covariates, names, n=len(variance))
    n, dof = len(variance), real(dof, "dof, the degrees of freedom of the variances,", above=0)
    assumed = n_eff is None
    n_eff = (
        assumed_number(n // outputs) if n_eff is None else min(max(real(n_eff, "n_eff", above=0), 1.0), n // outputs)
    )
    shrinkage = math.inf if shrinkage == math.inf else real(shrinkage, "shrinkage", above=0)
    if like is not None:
        instance(like, LearnedPrior, "like", "pass what learn_prior or shipped_prior returns, or None")
    centre, width, squared = measures(covariates, names)
    unit, learned = np.ones(1 + len(width) + squared.sum()), None
    if like is not None:
        learned, unit = _placed(like, names, squared), units(names, width, squared)
    x = terms(covariates, centre, width, squared) * unit
    tau = np.concatenate([[np.inf], np.where(squared, shrinkage, STEP), np.full(squared.sum(), shrinkage)])
    tau = tau if np.isfinite(shrinkage) else np.full_like(tau, np.inf)
    mean = np.zeros_like(tau)
    if learned is not None:
        mean, tau = _adapted(variance, dof, x, weight=n_eff / n, tau=tau, learned=learned)
    _put_slopes(tau, mean, slopes or {}, names=names, width=width / unit[1 : 1 + len(width)], squared=squared)
    coefficients, p, _ = quasi_likelihood(variance, dof, x, weight=n_eff / n, tau=tau, mean=mean)
    ratio = variance / np.exp(x @ coefficients)
    log_scale, likelihood = profile(ratio, dof, 1 / DELTAS)
    likeliest = float(1 / DELTAS[likelihood.argmax()])
    weight = min(1.0, TEMPER * n_eff / n) * (likelihood - likelihood.max()) - DELTAS / MEAN_DELTA
    weight = np.exp(weight - weight.max()) * np.gradient(DELTAS)
    delta = float((weight * DELTAS).sum() / weight.sum())
    coefficients[0] += np.interp(delta, DELTAS, log_scale)
    known, lent_dof = dof * n_eff, 0.0
    if scale is not None:
        fitted = float((x @ coefficients).mean() - log_bias(1 / delta))
        shift, lent_dof = _lent(fitted, known, *_mean_and_u(scale, "scale, ln σ²,"))
        coefficients[0] += shift
    used = 1 / (delta + (p - 1) / known + 1 / (known + lent_dof))
    coefficients *= unit
    _warn(n_eff, assumed, likeliest)
    return Prior(coefficients, centre, width, squared, used, likeliest, p, n_eff, n, tuple(names), lent_dof)


def borrowed_prior(
    q: Float[ndarray, " inputs"], covariates: Float[ndarray, "inputs covariates"], *, names: tuple[str, ...],
    like: LearnedPrior, network: str = ANY,
) -> Prior:  # fmt: skip
    """Borrow the whole prior from other pairs, since one network shows no spread: a Type B evaluation.

    ln s₀²(x) = ln var_x q + level + b̄·z(x), z the covariates standardised on these inputs; the gradient distance is
    centred only.

    Args:
        q: Measurand of one network.
        covariates: One row for each input.
        names: Of the covariates.
        like: Prior that `learn_prior` learned, with a level; with a companion, `like.with_companion(q, companion)`.
        network: Kind of the network; its level is borrowed if `like` has it, else that of all kinds.

    Returns:
        The prior; d₀ is the ν of everything that is borrowed.

    Raises:
        ValueError: The prior has no level, knows none of the covariates, or there is no such kind of network.

    References: JCGM 100:2008 (GUM), section 4.3 and equation G.3, for Type B evaluations and their degrees of freedom.
    """
    if not like.levels:
        raise ValueError("The learned prior has no level; learn it on pairs whose `spread` is given, or train twice.")
    covariates, q = checked_covariates(covariates, names), array(q, "q", "inputs")
    if len(q) != len(covariates) or not np.isfinite(q).all() or np.ptp(q) == 0:
        what = f"q must be {len(covariates)} finite numbers that differ, one for each row of covariates"
        raise ValueError(f"{what}: how it varies over inputs is the only scale of one network.")
    centre, width, squared = measures(covariates, names)
    mean, _, _ = _placed(like, names, squared)
    one_of(network, dict.fromkeys([*KINDS, *like.levels]), "kind of network")
    level, dof = like.levels.get(network, like.levels[ANY])
    mean = mean * units(names, width, squared)
    mean[0] = np.log(np.var(q)) + level
    return Prior(mean, centre, width, squared, dof, dof, 0.0, float(len(q)), len(q), tuple(names))


def beside(q: Float[ndarray, " inputs"], companion: Float[ndarray, " inputs"]) -> float:
    """Return the mean over inputs of ln r², r the residual of q on that of a companion, less the mean of ln χ²₁."""
    q, companion = array(q, "q", "inputs"), array(companion, "companion", "inputs")
    if len(q) != len(companion) or len(q) < 3 or not (np.isfinite(q).all() and np.isfinite(companion).all()):
        what = f"A network predicts {len(q)} inputs and its companion {len(companion)}"
        raise ValueError(f"{what}; give finite q of both on the same inputs, three or more.")
    slope, constant = np.polyfit(companion, q, 1)
    return float(np.log(np.maximum((q - slope * companion - constant) ** 2, LEAST)).mean() - log_bias(1))


def _placed(like: LearnedPrior, names: tuple[str, ...], squared: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Return, for each coefficient, its learned mean, its learned spread (nan if unknown), and its group by number."""
    known = {name: k for k, name in enumerate(like.names)}
    if not set(names) & set(known):
        what = f"None of the covariates ({', '.join(names) or 'without names'}) is known to the learned prior"
        raise ValueError(f"{what}, which knows {', '.join(known)}; pass names=, as columns_of returns them.")
    kinds = list(like.spread)
    rows: list[tuple[float, float, int]] = [(0.0, np.nan, -1)]  # the constant is free
    for power in (0, 1):
        for name, has_square in zip(names, squared, strict=True):
            if not has_square and power == 0:
                rows.append((0.0, like.step, 2 * len(kinds)))
            elif has_square and name in known:
                mean, kind = like.mean[power, known[name]], like.groups[known[name]]
                rows.append((float(mean), like.spread[kind][power], power * len(kinds) + kinds.index(kind)))
            elif has_square:
                rows.append((0.0, np.nan, -1))
    means, spreads, groups = zip(*rows, strict=True)
    return np.array(means), np.array(spreads), np.array(groups)


def _adapted(
    variance: ndarray, dof: float, x: ndarray, *, weight: float, tau: ndarray, learned: tuple[ndarray, ndarray, ndarray]
) -> tuple[ndarray, ndarray]:
    """Return mean and spread of each coefficient, the learned spreads corrected by the pair at hand."""
    mean, spread, group = learned
    information = weight * dof / 2 * x.T @ x
    tau = np.where(np.isnan(spread), tau, spread)
    first = tau**2
    for _ in range(REFITS):
        b, _, var_b = quasi_likelihood(variance, dof, x, weight=weight, tau=tau, mean=mean, information=information)
        seen = (b - mean) ** 2 + var_b
        for number in range(group.max() + 1):
            if (of_group := group == number).any():
                tau[of_group] = np.sqrt((LENT * first[of_group][0] + seen[of_group].sum()) / (LENT + of_group.sum()))
    return mean, tau


def _put_slopes(
    tau: ndarray, mean: ndarray, slopes: Mapping[str, tuple[float, float]], *, names, width: ndarray, squared: ndarray
) -> None:
    """Put slopes that are known beforehand into `mean` and `tau`, for standardised covariates."""
    second = len(squared) + np.cumsum(squared)  # where the squares stand
    for name, known in slopes.items():
        if name not in names:
            raise ValueError(f"The slope of {name!r} is given, which is none of the covariates: {', '.join(names)}.")
        slope, spread = _mean_and_u(known, f"slope of {name!r}")
        k = names.index(name)
        if np.isfinite(width[k]):
            mean[1 + k], tau[1 + k] = slope * width[k], spread * width[k]
        if squared[k]:
            tau[second[k]] = 1e-3  # next to nothing


def _mean_and_u(known: Any, what: str) -> tuple[float, float]:
    """Return prior knowledge as a mean and its standard deviation; raise unless it has both."""
    mean, u = known if isinstance(known, Sequence) and len(known) == 2 else (known, None)
    return real(mean, f"the mean {what}"), real(u, f"the standard deviation of the {what}", above=0)


def quasi_likelihood(
    variance: ndarray, dof: float, x: ndarray, *, weight: float, tau: ndarray, mean: ndarray,
    information: ndarray | None = None,
) -> tuple[ndarray, float, ndarray]:  # fmt: skip
    """Maximise w Σ (ν/2)(−s²/μ − ln μ) − Σ (b − b̄)²/(2τ²), ln μ = X b; return b, the number set by data, var b."""
    # Fisher's scoring: the expected curvature, (ν/2) w XᵀX + 1/τ², is the same at each step and inverted once.
    weight = weight * dof / 2
    penalty = tau**-2.0
    information = weight * x.T @ x if information is None else information
    curvature = information + np.diag(penalty)
    solve = np.linalg.pinv(curvature, hermitian=True)  # covariates may be equal or constant
    n_decided = float(np.trace(solve @ information))
    b = mean.copy()
    b[0] = np.log((variance * np.exp(-x @ mean)).mean())

    def value(b: ndarray) -> float:
        eta = x @ b
        return float(weight * (-variance * np.exp(-eta) - eta).sum() - (penalty * (b - mean) ** 2).sum() / 2)

    now = value(b)
    for _ in range(200):
        step = solve @ (x.T @ (weight * (variance * np.exp(-x @ b) - 1)) - penalty * (b - mean))
        size = 1.0
        while (then := value(b + size * step)) < now and size > 1e-6:
            size /= 2
        b, gained, now = b + size * step, then - now, then
        if gained < 1e-9 * max(abs(now), 1.0):
            break
    return b, n_decided, np.diag(solve)


def _lent(level: float, known: float, mean: float, u: float) -> tuple[float, float]:
    """Return how far ln σ² of `known` degrees of freedom moves towards a borrowed mean, and the ν that it gains."""
    from scipy.special import polygamma

    fitted, variance = float(polygamma(1, known / 2)), u**2
    for _ in range(REFITS):
        share = fitted / (fitted + variance)
        seen = u**2 * LENT + ((1 - share) * (mean - level)) ** 2 + share * variance
        variance = max(u**2, seen / (LENT + 1))  # agreement may be by chance
    share = fitted / (fitted + variance)
    return share * (mean - level), max(dof_of(share * variance) - known, 0.0)


def dof_of(variance: float) -> float:
    """Return ν of a sample variance s² whose ln s² has this variance, ψ′(ν/2)."""
    from scipy.optimize import brentq
    from scipy.special import polygamma

    if variance < 1e-5:  # ψ′(x) is about 1/x
        return 2 / variance
    return float(2 * brentq(lambda half: polygamma(1, half) - variance, 1e-3, 1e6))


def log_bias(dof: float | Float[ndarray, "*any"]) -> float | Float[ndarray, "*any"]:
    """Return E ln(s²/σ²) = ψ(ν/2) − ln(ν/2), by which ln s² is too low on average; nat, negative."""
    from scipy.special import psi

    return psi(np.asarray(dof) / 2) - np.log(np.asarray(dof) / 2)


def profile(ratio: ndarray, dof: float, d: ndarray) -> tuple[ndarray, ndarray]:
    """Return, for each d, the ln c that maximises the likelihood of ratio/c ~ F(ν, d), and that log-likelihood."""
    from scipy.special import gammaln

    d, x = d[:, None], ratio[None]
    log_c = np.full((len(d), 1), np.log(ratio.mean()))
    for _ in range(100):  # fixed point of the score: mean of (ν + d) y/(d + ν y) = 1, y = ratio/c
        y = x * np.exp(-log_c)
        score = ((dof + d) * y / (d + dof * y)).mean(1, keepdims=True)
        curvature = ((dof + d) * y * d / (d + dof * y) ** 2).mean(1, keepdims=True)
        step = (score - 1) / curvature
        log_c += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    y = x * np.exp(-log_c)
    # Less (ν/2 − 1) Σ ln ratio, which depends on neither c nor d and would be infinite where two networks agree.
    constant = gammaln((dof + d) / 2) - gammaln(d / 2) + dof / 2 * np.log(dof / d) - dof / 2 * log_c
    log_likelihood = constant[:, 0] * len(ratio) - ((dof + d) / 2 * np.log1p(dof * y / d)).sum(1)
    return log_c[:, 0], log_likelihood


def effective_number(q: Float[ndarray, "networks inputs"]) -> float:
    """Return the number of independent inputs that n inputs of the same networks are worth.

    1/n_eff = 1/n + ρ, ρ = mean over i ≠ j of r²_ij, r the correlation of two inputs over the networks; its noise,
    1/(N − 1), is taken off. The variance of a mean over inputs of s², or of a smooth function of it, is that of n_eff
    independent ones, since s²_i and s²_j of normal inputs have the correlation r² (but for ρ/n, which is left out).
    From few networks n_eff is too large, by (N + 1)/(N − 2) where r² are small: an eighth from 24. Narrow or briefly
    trained networks scatter more in common than those they represent: they give a lower bound (studies
    "mnist-mlp-uncertainty" and "mnist-cnn-uncertainty").

    Args:
        q: Measurand per network and image, of N networks; many cheap ones will do.

    Returns:
        n_eff > 0, at most n.

    Raises:
        ValueError: Fewer than four networks or two images, or networks that don't differ.

    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(200, 1)) * np.ones(400)  # all inputs move together, but for a little
    >>> round(effective_number(shared + 0.1 * rng.normal(size=(200, 400))), 2)
    1.02
    """
    q = array(q, "q", "networks inputs")
    n_networks, n = q.shape
    if n_networks < 4 or n < 2:
        raise ValueError(f"{n_networks} networks and {n} inputs show no correlations; four and two are the least.")
    if not np.isfinite(q).all():
        raise ValueError("q must be finite; leave out networks that diverged.")
    mean, n = _squared_correlation(q)
    if not n:
        raise ValueError("The networks give the same q for every input; give predictions of different networks.")
    return worth_of(n, mean - 1 / (n_networks - 1))


def _squared_correlation(q: ndarray) -> tuple[float, int]:
    """Return the observed mean of r²_ij over pairs of inputs that move, and the number of these inputs."""
    z = q - q.mean(0)
    size = np.sqrt((z**2).sum(0))
    z = z[:, size > 0] / size[size > 0]
    n = z.shape[1]
    squares = float(((z @ z.T) ** 2).sum())  # Σ_ij r²_ij, through the small matrix
    return (squares - n) / max(n * (n - 1), 1), n


def shared_movement(q: Float[ndarray, "draws inputs"]) -> float:
    """Return ρ ≤ 1, the mean of r²_ij over pairs of inputs, freed of the noise of few draws, at least three."""
    # r² of n draws has the mean 1/ν where inputs are independent, ν = n − 1, and is 1 where they move as one: ρ is the
    # mean of (r² − 1/ν)/(1 − 1/ν). In between this is too small, by ν/(ν + 2) where r² are small.
    noise = 1 / (len(q) - 1)
    return (_squared_correlation(array(q, "q", "draws inputs"))[0] - noise) / (1 - noise)


def effective_number_of(n: int, *, n_eff: float, n_measured: int) -> float:
    """Return the effective number for n inputs, where n_measured inputs like them were worth n_eff."""
    # 1/n_eff(n) = 1/n + ρ, ρ = 1/n_eff − 1/n_measured the mean of r²: the common part of inputs doesn't average out.
    return worth_of(n, 1 / n_eff - 1 / n_measured)


def worth_of(n: int, movement: float) -> float:
    """Return the number of independent inputs that n are worth, from their mean r² over pairs."""
    return float(1 / (1 / n + max(movement, 0.0)))


def assumed_number(n: int) -> float:
    """Return the number of independent inputs that n are assumed to be worth if unmeasured: n/10, at most 300."""
    # Measured on MNIST and 5 000 images: 800 (MLP) and 190 (CNN).
    return float(min(n / 10, 300))


def checked_covariates(covariates: ndarray, names: tuple[str, ...] = (), *, n: int | None = None) -> ndarray:
    """Return covariates as float64 [n inputs, covariates]; raise where one isn't finite, with its name."""
    covariates = array(covariates, "covariates", "inputs covariates")
    if n is not None and len(covariates) != n:
        raise ValueError(f"There are {n} inputs and {len(covariates)} rows of covariates; give as many.")
    if names and len(names) != covariates.shape[1]:
        raise ValueError(f"There are {covariates.shape[1]} covariates and {len(names)} names; give one name for each.")
    bad = ~np.isfinite(covariates)
    if bad.any():
        column = int(bad.any(0).argmax())
        name = names[column] if names else f"number {column}"
        what = f"The covariate {name} isn't finite for {int(bad[:, column].sum())} of {len(covariates)} inputs"
        raise ValueError(f"{what}; leave its group out, or those inputs.")
    return covariates


def _checked_variance(variance: ndarray, outputs: int) -> ndarray:
    """Return variances as float64; raise where no prior can be fitted on them."""
    variance = array(variance, "variance", "inputs")
    if (n := len(variance) // outputs) < FEWEST_INPUTS:
        what = f"A prior is learned from how variances differ over inputs; {n} are too few to find d₀"
        raise ValueError(f"{what}: give {FEWEST_INPUTS} inputs or more, unlabelled ones will do.")
    if not np.isfinite(variance).all() or (variance < 0).any():
        raise ValueError("The sample variances must be finite and not negative; compute them from finite log-odds.")
    zero = float((variance == 0).mean())
    if zero > 0.5:
        what = f"The networks give exactly the same for {zero:.0%} of the inputs, so that there is no spread"
        raise ValueError(f"{what}; pass predictions of different networks, trained under different seeds.")
    return variance


def is_indicator(covariates: ndarray) -> ndarray:
    """Return which columns hold only zeros and ones."""
    return ((covariates == 0) | (covariates == 1)).all(0)


def measures(covariates: ndarray, names: tuple[str, ...]) -> tuple[ndarray, ndarray, ndarray]:
    """Return centre and width of each covariate, and whether it has a square; warn of those that don't vary."""
    centre, width = covariates.mean(0), covariates.std(0)
    constant = width <= 1e-12 * np.maximum(np.abs(centre), 1)
    squared = ~is_indicator(covariates)
    if constant.any():
        known = names or [f"number {k}" for k in range(len(centre))]
        which = [name for name, same in zip(known, constant, strict=True) if same]
        listed = ", ".join(which[:5]) + f", … ({len(which)} in all)" * (len(which) > 5)
        what = f"Covariates that are the same for all inputs are left out: {listed}."
        warnings.warn(what, FitWarning, stacklevel=3)
    return centre, np.where(constant, np.inf, np.where(squared, width, 1.0)), squared


def units(names: tuple[str, ...], width: ndarray, squared: ndarray) -> ndarray:
    """Return, for each of [1, z, z² − 1], the width that takes a learned coefficient to standardised z; 1 for most."""
    linear = np.where(np.isin(names, PER_UNIT) & np.isfinite(width), width, 1.0)
    return np.concatenate([[1.0], linear, linear[squared] ** 2])


def terms(covariates: ndarray, centre: ndarray, width: ndarray, squared: ndarray) -> ndarray:
    """Return [1, z, z² − 1], z standardised and clipped; z² less 1, so that the constant keeps its meaning."""
    z = np.clip((covariates - centre) / width, -CLIP, CLIP)
    return np.concatenate([np.ones((len(z), 1)), z, z[:, squared] ** 2 - 1], 1)


def _warn(n_eff: float, assumed: bool, likeliest: float) -> None:
    """Warn where d₀ rests on little data or has no upper bound."""
    if n_eff < 100:
        source = "assumed from the number of inputs" if assumed else "measured or estimated"
        what = f"The inputs are worth about {n_eff:.0f} independent ones ({source}): d₀ is little more than its prior"
        warnings.warn(f"{what}; fit on more inputs{ON_PROXIES}.", FitWarning, stacklevel=3)
    if likeliest > 100:
        what = f"The likelihood puts no bound on d₀ (highest at {likeliest:.4g}): beyond the covariates, inputs seem to"
        assumed_mean = f"The assumption that 1/d₀ is {MEAN_DELTA:g} on average keeps it finite"
        warnings.warn(f"{what} share one law. {assumed_mean}.", FitWarning, stacklevel=3)
