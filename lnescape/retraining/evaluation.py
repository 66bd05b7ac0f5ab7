"""Evaluations of u(x): what M retrainings say of every input, with degrees of freedom and intervals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.retraining.prior import Prior


@dataclass(frozen=True)
class Evaluation:
    """Hold the mean of M retrainings, the dispersion of one further retraining, and its degrees of freedom.

    Attributes:
        mean: q̄, the mean over the M retrainings, for each input.
        scale: σ̃, the dispersion of one further retraining: of the measurand's unit.
        dof: ν_eff, the degrees of freedom of σ̃.
        n: M, the retrainings behind the mean.
    """

    mean: ndarray
    scale: ndarray
    dof: float
    n: int

    @property
    def u(self) -> Float[ndarray, " images"]:
        """Standard uncertainty in the sense of JCGM 101: σ̃ √(ν_eff/(ν_eff − 2)), nan where ν_eff ≤ 2."""
        if self.dof <= 2:
            return np.full_like(self.scale, np.nan)
        return self.scale * np.sqrt(self.dof / (self.dof - 2))

    def interval(
        self, level: float = 0.95, *, of: Literal["retraining", "mean"] = "retraining"
    ) -> tuple[Float[ndarray, " images"], Float[ndarray, " images"]]:
        """Give the coverage interval q̄ ± t_{ν_eff} σ̃ √(1 + 1/M) of one further retraining.

        Args:
            level: Probability of coverage, in (0, 1).
            of: "retraining", or "mean", for the expectation over retrainings: without the 1 under the root.

        Returns:
            Lower and upper ends, in the unit of the measurand.

        Raises:
            ValueError: The level is no probability, or something else is asked for.

        References:
            JCGM 100:2008 (GUM), annex G.3, for Student's t.

        Example:
            >>> low, high = type_a(np.array([[1.0], [3.0]])).interval()
            >>> float(low[0].round(1)), float(high[0].round(1))
            (-20.0, 24.0)
        """
        from scipy.stats import t

        if not 0 < level < 1 or of not in ("retraining", "mean"):
            raise ValueError(f"level={level}, of={of!r}: give a level in (0, 1), and 'retraining' or 'mean'.")
        half = t.ppf((1 + level) / 2, self.dof) * self.scale * np.sqrt((of == "retraining") + 1 / self.n)
        return self.mean - half, self.mean + half

    def probability_interval(
        self, level: float = 0.95, *, of: Literal["retraining", "mean"] = "retraining"
    ) -> tuple[Float[ndarray, " images"], Float[ndarray, " images"]]:
        """Give the interval of log-odds mapped to probabilities of the class, p = 1/(1 + e^−q).

        The map is monotone, so that the coverage is the same; the interval lies inside [0, 1] and is not symmetric.

        Args:
            level: Probability of coverage.
            of: As in `interval`.

        Returns:
            Lower and upper ends, in [0, 1].
        """
        from scipy.special import expit

        low, high = self.interval(level, of=of)
        return expit(low), expit(high)

    def below(self, limit: float = 0.0) -> Float[ndarray, " images"]:
        """Give the probability that one further retraining falls below a limit.

        T_ν((limit − q̄)/(σ̃ √(1 + 1/M))), T_ν the distribution function of Student's t. For the contrast to the runner-up
        and the limit 0 it is the flip probability: the risk that a further retraining decides otherwise.

        Args:
            limit: In the unit of the measurand.

        Returns:
            Probabilities.

        References:
            JCGM 106:2012, section 7, for the probability of conformity.

        Example:
            >>> float(type_a(np.array([[-1.0], [1.0]])).below(0.0)[0])
            0.5
        """
        from scipy.stats import t

        return t.cdf((limit - self.mean) / (self.scale * np.sqrt(1 + 1 / self.n)), self.dof)


def checked_measurand(q: ndarray, n_least: int = 2) -> ndarray:
    """Refuse observations that no spread can be had from.

    Args:
        q: What the networks say, [networks, images].
        n_least: Networks that are needed.

    Returns:
        The same, float64.

    Raises:
        ValueError: One network, no inputs, or numbers that aren't finite.
    """
    q = np.asarray(q, np.float64)
    if q.ndim != 2 or not q.shape[1]:
        raise ValueError(f"The observations have shape {q.shape}; give one row for each network: [networks, images].")
    if len(q) < n_least:
        raise ValueError(
            f"{len(q)} network can't tell how retraining spreads: there is nothing to compare it with. Train a second "
            "one, the least; of one alone, exploring around it gives a local spread, which is no u(x)."
        )
    if not np.isfinite(q).all():
        raise ValueError(
            f"{int((~np.isfinite(q)).sum())} observations aren't finite; compute log-odds from logits or "
            "log-probabilities (`log_odds`), not from rounded probabilities of exactly 0 or 1."
        )
    return q


def type_a(q: Float[ndarray, "networks images"]) -> Evaluation:
    """Evaluate u(x) from the retrainings of each input alone: plain Type A.

    σ̃² = s² = Σ_m (q_m − q̄)²/(M − 1), ν = M − 1.

    Args:
        q: What the networks say.

    Returns:
        The evaluation.

    Raises:
        ValueError: One network, or numbers that aren't finite.

    References:
        JCGM 100:2008 (GUM), section 4.2.

    Example:
        >>> evaluation = type_a(np.array([[1.0], [2.0], [3.0]]))
        >>> float(evaluation.scale[0]), evaluation.dof, float(evaluation.u[0])  # two degrees of freedom: no u
        (1.0, 2.0, nan)
    """
    q = checked_measurand(q)
    return Evaluation(q.mean(0), q.std(0, ddof=1), float(len(q) - 1), len(q))


def moderated(
    q: Float[ndarray, "networks images"], prior: Prior, covariates: Float[ndarray, "images covariates"]
) -> Evaluation:
    """Evaluate u(x) from the retrainings and a prior that all inputs share: moderated Type A.

    σ̃²(x) = (d₀ s₀²(x) + ν s²(x))/(d₀ + ν),  ν_eff = d₀ + ν.

    Args:
        q: What the networks say; the same networks that the prior was fitted on, or others.
        prior: The prior.
        covariates: What it needs to know of each input, columns as in the fit.

    Returns:
        The evaluation; its degrees of freedom count the prior's d₀.

    Raises:
        ValueError: One network, numbers that aren't finite, or other covariates than the prior knows.

    References:
        Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3, equation for the posterior variance.

    Example:
        >>> from lnescape.retraining.prior import fit_prior
        >>> rng = np.random.default_rng(0)
        >>> q = rng.normal(size=(3, 1000)) / np.sqrt(rng.chisquare(8, 1000) / 8)
        >>> prior = fit_prior(q.var(0, ddof=1), 2, np.empty((1000, 0)), n_eff=1000)
        >>> round(moderated(q, prior, np.empty((1000, 0))).dof)  # 8 of the law drawn from and 2 of three, or nearly
        11
    """
    plain = type_a(q)
    if len(covariates) != q.shape[1]:
        raise ValueError(f"There are {q.shape[1]} inputs and {len(covariates)} rows of covariates; give as many.")
    variance = (prior.dof * prior.variance(covariates) + plain.dof * plain.scale**2) / (prior.dof + plain.dof)
    return Evaluation(plain.mean, np.sqrt(variance), prior.dof + plain.dof, plain.n)
