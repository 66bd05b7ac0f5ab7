"""Evaluations of u(x) for every input from M retrainings, and checks of the prior against them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.checks import array, instance, one_of, real
from lnescape.retraining.prior import Prior, checked_covariates, effective_number_of

Ends = tuple[Float[ndarray, "*images"], Float[ndarray, "*images"]]  # lower and upper ends of intervals

N_BINS = 10
MATERIAL = 1.5  # factor on s² in a bin below which a pattern isn't reported: 20 % of u
FEWEST = 20  # inputs, below which nothing is checked
PATTERN = "pattern over "  # a covariate, or s₀²: beginning of the names of checks
PASS_PRIOR = "pass what fit_prior or borrowed_prior returns"
FALSE_ALARM = 0.01  # at most, of all checks together, for inputs that follow the model


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Mean of M retrainings, the dispersion of one further retraining, and its degrees of freedom."""

    mean: ndarray  # q̄, the mean over the M retrainings, for each input
    scale: ndarray  # σ̃, the dispersion of one further retraining: of the measurand's unit
    dof: float  # ν_eff, the degrees of freedom of σ̃
    n: int  # M, the retrainings behind the mean

    @property
    def u(self) -> Float[ndarray, "*images"]:
        """Standard uncertainty in the sense of JCGM 101: σ̃ √(ν_eff/(ν_eff − 2)), nan where ν_eff ≤ 2."""
        if self.dof <= 2:
            return np.full_like(self.scale, np.nan)
        return self.scale * np.sqrt(self.dof / (self.dof - 2))

    def interval(self, level: float = 0.95, *, of: Literal["retraining", "mean"] = "retraining") -> Ends:
        """Return the coverage interval q̄ ± t_{ν_eff} σ̃ √(1 + 1/M) of one further retraining.

        Args:
            level: Probability of coverage, in (0, 1).
            of: "retraining", or "mean", for the expectation over retrainings: without the 1 under the root.

        Returns:
            Lower and upper ends, in the unit of the measurand.

        Raises:
            ValueError: The level isn't a probability, or `of` is neither of the two.

        References: JCGM 100:2008 (GUM), annex G.3, for Student's t.

        >>> low, high = type_a(np.array([[1.0], [3.0]])).interval()
        >>> float(low[0].round(1)), float(high[0].round(1))
        (-20.0, 24.0)
        """
        from scipy.stats import t

        level = real(level, "level", above=0, below=1)
        one_of(of, ("retraining", "mean"), "interval")
        half = t.ppf((1 + level) / 2, self.dof) * self.scale * np.sqrt((of == "retraining") + 1 / self.n)
        return self.mean - half, self.mean + half

    def probability_interval(self, level: float = 0.95, *, of: Literal["retraining", "mean"] = "retraining") -> Ends:
        """Return the ends of `interval` of log-odds as probabilities, p = 1/(1 + e^−q), which keeps the coverage."""
        from scipy.special import expit

        low, high = self.interval(level, of=of)
        return expit(low), expit(high)

    def below(self, limit: float | ndarray = 0.0) -> Float[ndarray, "*images"]:
        """Return the probability that one further retraining falls below a limit.

        T_ν((limit − q̄)/(σ̃ √(1 + 1/M))), T_ν the distribution function of Student's t. For the contrast to the runner-up
        and the limit 0 it is the flip probability: the risk that a further retraining decides for another class.

        Args:
            limit: Limit in the unit of the measurand.

        Returns:
            Probabilities.

        References: JCGM 106:2012, section 7, for the probability of conformity.

        >>> float(type_a(np.array([[-1.0], [1.0]])).below(0.0)[0])
        0.5
        """
        from scipy.stats import t

        spread = self.scale * np.sqrt(1 + 1 / self.n)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread == 0, limit > self.mean, t.cdf((limit - self.mean) / spread, self.dof))


def type_a(q: Float[ndarray, "networks inputs"]) -> Evaluation:
    """Evaluate u(x) from the retrainings of each input alone, plain Type A: σ̃² = Σ_m (q_m − q̄)²/(M − 1), ν = M − 1.

    Args:
        q: Measurand per network and image.

    Returns:
        The evaluation.

    Raises:
        ValueError: One network, or numbers that aren't finite.

    References: JCGM 100:2008 (GUM), section 4.2.

    >>> evaluation = type_a(np.array([[1.0], [2.0], [3.0]]))
    >>> float(evaluation.scale[0]), evaluation.dof, float(evaluation.u[0])  # two degrees of freedom: no u
    (1.0, 2.0, nan)
    """
    q = _checked_observations(q)
    return Evaluation(q.mean(0), q.std(0, ddof=1), float(len(q) - 1), len(q))


def moderated(
    q: Float[ndarray, "networks inputs"], prior: Prior, covariates: Float[ndarray, "inputs covariates"]
) -> Evaluation:
    """Evaluate u(x) from the retrainings and a prior that all inputs share: moderated Type A.

    σ̃²(x) = (d₀ s₀²(x) + ν s²(x))/(d₀ + ν),  ν_eff = min(d₀ + ν, ν n_eff + ν_lent).

    The scale that all inputs share is known with no more than ν n_eff degrees of freedom, and those that a
    companion adds; d₀ allows for this (`fit_prior`, steps 3 and 4), but not enough if nearly all inputs move as one.

    One network has ν = 0: the prior, such as a borrowed one (`borrowed_prior`), decides alone: Type B.

    Args:
        q: Measurand per network and image; of the networks that the prior was fitted on, or of others.
        prior: The prior.
        covariates: Covariates of each input, with the columns of the fit.

    Returns:
        The evaluation.

    Raises:
        ValueError: Numbers that aren't finite, or other covariates than those of the prior.

    References: Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3, equation for the posterior variance.

    >>> from lnescape.retraining.prior import fit_prior
    >>> rng = np.random.default_rng(0)
    >>> q = rng.normal(size=(3, 1000)) / np.sqrt(rng.chisquare(8, 1000) / 8)
    >>> prior = fit_prior(q.var(0, ddof=1), 2, np.empty((1000, 0)), n_eff=1000)
    >>> round(moderated(q, prior, np.empty((1000, 0))).dof)  # 8 of the law drawn from and 2 of three, or nearly
    11
    """
    q, prior = _checked_observations(q, least=1), instance(prior, Prior, "prior", PASS_PRIOR)
    covariates = checked_covariates(covariates, prior.names, n=q.shape[1])
    mean, dof = q.mean(0), len(q) - 1
    variance = (prior.dof * prior.variance(covariates) + ((q - mean) ** 2).sum(0)) / (prior.dof + dof)
    known = prior.dof if dof == 0 else min(prior.dof + dof, dof * prior.n_eff + prior.lent_dof)
    return Evaluation(mean, np.sqrt(variance), known, len(q))


def _checked_observations(q: ndarray, *, least: int = 2) -> ndarray:
    """Return the measurand as float64 [networks, images]; raise where it has no spread to evaluate."""
    q = array(q, "the observations", "networks inputs")
    if not q.shape[1]:
        raise ValueError("q has no input; give q [networks, inputs] with at least one input.")
    if len(q) < least:
        what = f"{len(q)} network can't show how retraining spreads"
        raise ValueError(f"{what}; train a second one. What exploring around one network shows is not u(x).")
    if not np.isfinite(q).all():
        cure = "compute log-odds from logits or log-probabilities (`log_odds`), not from probabilities of 0 or 1"
        raise ValueError(f"{int((~np.isfinite(q)).sum())} observations aren't finite; {cure}.")
    return q


@dataclass(frozen=True)
class Diagnosis:
    """Checks of a prior."""

    # a sentence for each check that failed, one for all patterns, or why nothing could be checked
    messages: tuple[str, ...]
    # {check: probability of a deviation as large, if the model holds}; empty where nothing was checked
    p_values: dict[str, float]
    factor: float  # typical s² over the prior's expectation; 1 where it fits, nan where nothing was checked

    @property
    def passed(self) -> bool:
        """Whether the prior was checked and nothing speaks against it."""
        return bool(self.p_values) and not self.messages

    def __str__(self) -> str:
        return "\n".join(self.messages) or "Nothing speaks against the prior."


def diagnose(
    q: Float[ndarray, "networks inputs"], prior: Prior, covariates: Float[ndarray, "inputs covariates"]
) -> Diagnosis:
    """Compare s² of some inputs with the prior: those it was fitted on, or new ones, such as shifted images.

    Under the model s²/s₀² ~ F(ν, d₀); its distribution function makes uniform numbers of them, and Φ⁻¹ normal ones, Z.
    The checks are the mean of Z (scale), its mean in bins of each covariate and of s₀² (pattern; ten bins, or one for
    each value), its variance in ten bins of s₀² (one d₀ for all?), the law of Z as a whole, and, from three networks
    on, whether the farthest of them is as far from q̄, in units of s, as in normal samples (tails). All inputs share the
    networks: n of them count as `effective_number_of` n, a bin in proportion, as if no other bin moved along with it. A
    pattern is reported where it makes a factor of 1.5 on s² in some bin; the shrinkage of a fit on few inputs can leave
    one. With two networks heavy tails and a smaller d₀ look the same, and the tails can't be checked.

    Args:
        q: Measurand per network and image.
        prior: The prior.
        covariates: Covariates of these inputs.

    Returns:
        The diagnosis. For data that follow the model, at most 1 in 100 fails where n_eff was assumed; fewer if inputs
        move together, since the common part drops out where bins are compared. More may fail where a large n_eff was
        given: the errors of steep or needless slopes then show.

    Raises:
        ValueError: Numbers that aren't finite, or other covariates than those of the prior.

    >>> from lnescape.retraining.prior import fit_prior
    >>> rng = np.random.default_rng(0)
    >>> q = rng.normal(size=(3, 2000)) / np.sqrt(rng.chisquare(8, 2000) / 8)
    >>> prior = fit_prior(q.var(0, ddof=1), 2, np.empty((2000, 0)), n_eff=2000)
    >>> print(diagnose(q, prior, np.empty((2000, 0))))
    Nothing speaks against the prior.
    >>> diagnose(2 * q, prior, np.empty((2000, 0))).passed
    False
    """
    from scipy.stats import chi2, f, kstest, norm

    prior, q = instance(prior, Prior, "prior", PASS_PRIOR), array(q, "the observations", "networks inputs")
    if len(q) == 1:
        return Diagnosis(("One network shows no spread, so that nothing checks the borrowed scale.",), {}, np.nan)
    plain = type_a(q)
    covariates = checked_covariates(covariates, prior.names, n=q.shape[1])
    expected = prior.variance(covariates)
    if len(expected) < FEWEST:
        return Diagnosis((f"{len(expected)} inputs are too few to check the prior on; give {FEWEST}.",), {}, np.nan)
    # The d₀ of the highest likelihood: the one in use is lower, by the cost of the fit.
    law = f(plain.dof, min(prior.dof_likeliest, 1e4))
    ratio = plain.scale**2 / expected
    z = np.clip(norm.ppf(np.clip(law.cdf(ratio), 1e-12, 1 - 1e-12)), -5, 5)

    n_eff = effective_number_of(len(z), n_eff=prior.n_eff, n_measured=prior.n_inputs)

    scale = z.mean() * np.sqrt(n_eff)
    p_values = {"scale": float(2 * norm.sf(abs(scale)))}
    names = prior.names or [f"covariate {k}" for k in range(covariates.shape[1])]
    patterns = {"s₀²": expected} | dict(zip(names, covariates.T, strict=True))
    along = {f"{PATTERN}{name}": _along(values, z, ratio, n_eff) for name, values in patterns.items()}
    p_values |= {name: p for name, (p, _) in along.items()}
    spread = [(z[one].var(), _worth(one, n_eff)) for one in _bins(expected)]
    excess = sum(n / 2 * (v / z.var() - 1) ** 2 for v, n in spread)
    p_values["one d₀"] = float(chi2.sf(excess, max(len(spread) - 1, 1)))
    distance = kstest((z - z.mean()) / z.std(), "norm").statistic
    p_values["law"] = min(1.0, float(2 * np.exp(-2 * n_eff * distance**2)))
    if plain.n > 2:
        p_values["tails"] = _tails(q, n_eff)
    limit, factor = FALSE_ALARM / len(p_values), float(np.median(ratio) / law.median())
    immaterial = {name for name, (_, material) in along.items() if not material}
    failed = [name for name, p in p_values.items() if p < limit and name not in immaterial]
    return Diagnosis(_messages(failed, factor), p_values, factor)


def _worth(some: ndarray, n_eff: float) -> float:
    """Return how many independent inputs some of them, a mask, are worth."""
    return max(n_eff * float(some.mean()), 1.0)


def _along(values: ndarray, z: ndarray, ratio: ndarray, n_eff: float) -> tuple[float, bool]:
    """Return the p-value of equal means of z along a covariate, and whether s² differs enough to matter."""
    from scipy.stats import chi2

    bins = _bins(values)
    means = np.array([z[one].mean() - z.mean() for one in bins])
    weights = np.array([_worth(one, n_eff) for one in bins]) / max(z.var(), 1e-12)
    p_value = float(chi2.sf((weights * means**2).sum(), max(len(bins) - 1, 1)))
    factors = [np.median(ratio[one]) / np.median(ratio) for one in bins]
    return p_value, bool(factors and max(max(factors), 1 / max(min(factors), 1e-12)) > MATERIAL)


def _tails(q: ndarray, n_eff: float) -> float:
    """Compare the farthest network, |q_m − q̄|/s on average over inputs, with normal samples of equal size."""
    from scipy.stats import norm

    mean, sd = _farthest_of_normal(len(q))
    return float(2 * norm.sf(abs(_farthest(q).mean() - mean) / sd * np.sqrt(n_eff)))


def _farthest(q: ndarray) -> ndarray:
    """Return max |q_m − q̄|/s of each input."""
    s = q.std(0, ddof=1)
    return np.abs(q - q.mean(0)).max(0)[s > 0] / s[s > 0]


@lru_cache(maxsize=64)
def _farthest_of_normal(n: int) -> tuple[float, float]:
    """Return mean and standard deviation of max |q_m − q̄|/s of n normal numbers, by simulation in 16 MB or less."""
    found = _farthest(np.random.default_rng(0).normal(size=(n, min(200_000, 2_000_000 // n))))
    return float(found.mean()), float(found.std())


def _bins(values: ndarray) -> list[ndarray]:
    """Sort inputs into ten bins of equal numbers, or one for each value where there are no more than ten; as masks."""
    distinct = np.unique(values)
    edges = distinct[1:]
    if len(distinct) > N_BINS:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    return [mask for mask in (bins == k for k in range(len(edges) + 1)) if mask.sum() > 1]


def _messages(failed: list[str], factor: float) -> tuple[str, ...]:
    """Return the sentences for the checks that failed."""
    scale = f"The variances are typically {factor:.2g} times what the prior expects"
    scatter = "The variances scatter around the prior more for some inputs than for others"
    farther = "Single networks lie farther from their mean than normal ones would"
    known = {
        "scale": f"{scale}: other inputs, or ones moving together.",
        "one d₀": f"{scatter}: one d₀ doesn't fit all.",
        "law": "The variances don't follow the law of the model, F(ν, d₀).",
        "tails": f"{farther}: heavy tails, or inputs that move together.",
    }
    messages = [known[check] for check in failed if check in known]
    if over := ", ".join(check.removeprefix(PATTERN) for check in failed if check.startswith(PATTERN)):
        what = f"The variances deviate from the prior along a {PATTERN}{over}"
        messages.append(f"{what}: the covariates don't describe their law.")
    return tuple(messages)
