"""Diagnosis: whether the variances that were seen are those that a prior expects."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.retraining.dispersion import effective_number_of
from lnescape.retraining.evaluation import type_a
from lnescape.retraining.prior import Prior, checked_covariates

N_BINS = 10
MATERIAL = 1.5  # factor on s² in a bin below which a pattern isn't told: 20 % of u
FEWEST = 20  # inputs, below which nothing is checked
FALSE_ALARM = 0.01  # at most, of all checks together, for inputs that follow the model


@dataclass(frozen=True)
class Diagnosis:
    """Hold what was found against a prior.

    Attributes:
        messages: One sentence for each check that failed, or why nothing could be checked.
        p_values: {check: probability of a deviation as large, if the model holds}; empty where nothing was checked.
        factor: Typical s² over what the prior expects; 1 where it fits, nan where nothing was checked.
    """

    messages: tuple[str, ...]
    p_values: dict[str, float]
    factor: float

    @property
    def passed(self) -> bool:
        """Whether the prior was checked and nothing speaks against it."""
        return bool(self.p_values) and not self.messages

    def __str__(self) -> str:
        return "\n".join(self.messages) or "Nothing speaks against the prior."


def diagnose(
    q: Float[ndarray, "networks images"], prior: Prior, covariates: Float[ndarray, "images covariates"]
) -> Diagnosis:
    """Compare s² of some inputs with the prior: those it was fitted on, or new ones, such as shifted images.

    Under the model s²/s₀² ~ F(ν, d₀), of which the distribution function makes uniform, and Φ⁻¹ normal numbers Z.
    Checked are the mean of Z (scale), its mean in bins of each covariate and of s₀² (pattern; ten bins, or one for each
    value), its variance in ten bins of s₀² (one d₀ for all?), the law of Z as a whole, and, from three networks on,
    whether the farthest of them is as far from q̄, in units of s, as in normal samples (tails). All inputs share the
    networks: n of them, all or those of a bin, count as `effective_number_of` n. A pattern is told where it makes a
    factor of 1.5 on s² in some bin; the shrinkage of a fit on few inputs can leave one. With two networks heavy tails
    and a smaller d₀ look the same, and the tails can't be checked.

    Args:
        q: What the networks say.
        prior: The prior.
        covariates: Of these inputs.

    Returns:
        The diagnosis; of data that follow the model, 1 in 100 fails at most: by how much networks differ, inputs differ
        together, and what they share drops out of the comparison of bins.

    Example:
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

    plain = type_a(q)
    covariates = checked_covariates(covariates, prior.names)
    expected = prior.variance(covariates)
    # The d₀ of the highest likelihood: the one in use is lower, by what the fit costs.
    if len(expected) < FEWEST:
        return Diagnosis((f"{len(expected)} inputs are too few to check the prior on; give {FEWEST}.",), {}, np.nan)
    law = f(plain.dof, min(prior.dof_likeliest, 1e4))
    ratio = plain.scale**2 / expected
    z = np.clip(norm.ppf(np.clip(law.cdf(ratio), 1e-12, 1 - 1e-12)), -5, 5)

    def worth(n: int) -> float:
        return effective_number_of(n, n_eff=prior.n_eff, n_measured=prior.n_inputs)

    n_eff = worth(len(z))
    scale = z.mean() * np.sqrt(n_eff)
    p_values = {"scale": float(2 * norm.sf(abs(scale)))}
    variance, factor, material = z.var(), float(np.median(ratio) / law.median()), set()
    pattern = {"s₀²": expected} | dict(zip(_named(prior, covariates), covariates.T, strict=True))
    for name, values in pattern.items():
        bins = _bins(values)
        means = np.array([z[own].mean() - z.mean() for own in bins])
        weights = np.array([worth(int(own.sum())) for own in bins]) / max(variance, 1e-12)
        p_values[f"pattern over {name}"] = float(chi2.sf((weights * means**2).sum(), max(len(bins) - 1, 1)))
        factors = [np.median(ratio[own]) / np.median(ratio) for own in bins]
        if factors and max(max(factors), 1 / max(min(factors), 1e-12)) > MATERIAL:
            material.add(f"pattern over {name}")
    spread = [(z[own].var(), worth(int(own.sum()))) for own in _bins(expected)]
    excess = sum(n / 2 * (v / variance - 1) ** 2 for v, n in spread)
    p_values["one d₀"] = float(chi2.sf(excess, max(len(spread) - 1, 1)))
    distance = kstest((z - z.mean()) / z.std(), "norm").statistic
    p_values["law"] = min(1.0, float(2 * np.exp(-2 * n_eff * distance**2)))
    if plain.n > 2:
        p_values["tails"] = _tails(np.asarray(q, np.float64), n_eff)
    limit = FALSE_ALARM / len(p_values)
    failed = [n for n, p in p_values.items() if p < limit and (n in material or not n.startswith("pattern"))]
    return Diagnosis(tuple(_told(name, factor) for name in failed), p_values, factor)


def _tails(q: ndarray, n_eff: float) -> float:
    """Compare the farthest network, |q_m − q̄|/s on average over inputs, with normal samples of as many networks."""
    from scipy.stats import norm

    def farthest(q: ndarray) -> ndarray:
        s = q.std(0, ddof=1)
        return np.abs(q - q.mean(0)).max(0)[s > 0] / s[s > 0]

    normal = farthest(np.random.default_rng(0).normal(size=(len(q), 200_000)))
    return float(2 * norm.sf(abs(farthest(q).mean() - normal.mean()) / normal.std() * np.sqrt(n_eff)))


def _named(prior: Prior, covariates: ndarray) -> list[str]:
    names = list(prior.names) if len(prior.names) == covariates.shape[1] else []
    return names or [f"covariate {k}" for k in range(covariates.shape[1])]


def _bins(values: ndarray) -> list[ndarray]:
    """Sort inputs into ten bins of equal numbers, or one for each value where there are no more than ten; as masks."""
    distinct = np.unique(values)
    edges = distinct[1:]
    if len(distinct) > N_BINS:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    return [own for own in (bins == k for k in range(len(edges) + 1)) if own.sum() > 1]


def _told(check: str, factor: float) -> str:
    if check == "scale":
        return f"The variances are typically {factor:.2g} times what the prior expects: it was fitted for other inputs."
    if check == "tails":
        return "Single networks lie farther from their mean than normal ones would: log-odds have heavy tails."
    if check == "law":
        return "The variances don't follow the law of the model, F(ν, d₀)."
    if check == "one d₀":
        return "The variances scatter around the prior more for some inputs than for others: one d₀ doesn't fit all."
    return f"The variances deviate from the prior along a {check}: the covariates don't tell their law."
