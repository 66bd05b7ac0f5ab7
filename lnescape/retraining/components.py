"""Components of the variance over retrainings, and how many retrainings a stated quality of u(x) takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def crossed_components(q: Float[ndarray, "initialisations orders images"]) -> dict[str, Float[ndarray, " images"]]:
    """Split the variance of a crossed design, one retraining in each cell.

    q_ij = μ + A_i + B_j + AB_ij;  E MS_A = σ_AB² + J σ_A²,  E MS_B = σ_AB² + I σ_B²,  E MS_AB = σ_AB².
    The interaction holds what arithmetic adds.

    Args:
        q: Measurand per initialisation, order and image, in nat; at least two initialisations and orders.

    Returns:
        Unbiased estimates of "initialisation", "order" and "interaction" for each image, nat²; the first two may
        be negative by chance.

    References:
        Searle, Casella & McCulloch 1992, *Variance Components*, section 4.6.

    Example:
        >>> import numpy as np
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


def nested_components(q: Float[ndarray, "trunks branches images"]) -> dict[str, Float[ndarray, " images"]]:
    """Split the variance of branches that leave trunks.

    q_mj = μ + B_m + W_mj;  E MS_B = n σ_B² + σ_W²,  E MS_W = σ_W².

    Args:
        q: Measurand per trunk, branch and image, in nat; at least two trunks, and two branches n from each.

    Returns:
        Unbiased estimates of "trunk", σ_B², and "branch", σ_W², for each image, nat²; the first may be negative by
        chance.

    References:
        JCGM 100:2008 (GUM), annex H.5 (analysis of variance).

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> q = 2 * rng.normal(size=(30, 1, 400)) + rng.normal(size=(30, 5, 400))
        >>> {name: round(float(value.mean()), 2) for name, value in nested_components(q).items()}
        {'trunk': 4.01, 'branch': 0.99}
    """
    found = nested_analysis(q)
    return {"trunk": np.asarray(found.between), "branch": np.asarray(found.within)}


@dataclass(frozen=True)
class NestedAnalysis:
    """Hold the analysis of variance of M trunks with n branches each, for every input.

    Attributes:
        mean: q̄ over all branches.
        ms_between: MS_B, mean square between trunks, M − 1 degrees of freedom.
        ms_within: MS_W, mean square within trunks, M(n − 1) degrees of freedom.
        n_trunks: M.
        n_branches: n.
    """

    mean: ndarray | float
    ms_between: ndarray | float
    ms_within: ndarray | float
    n_trunks: int
    n_branches: int

    @property
    def f(self) -> ndarray | float:
        """F = MS_B/MS_W; about 1 where trunks make no difference."""
        return self.ms_between / self.ms_within

    @property
    def between(self) -> ndarray | float:
        """σ_B² = (MS_B − MS_W)/n, unbiased; negative by chance."""
        return (self.ms_between - self.ms_within) / self.n_branches

    @property
    def within(self) -> ndarray | float:
        """σ_W² = MS_W."""
        return self.ms_within

    def total(self) -> tuple[ndarray | float, ndarray | float]:
        """Return σ_T² = MS_B/n + (1 − 1/n) MS_W, the variance of one further retraining, and its degrees of freedom.

        Returns:
            The variance, unbiased, and ν_T by Welch and Satterthwaite.
        """
        m, n = self.n_trunks, self.n_branches
        terms = [(1 / n, self.ms_between, m - 1), (1 - 1 / n, self.ms_within, m * (n - 1))]
        return satterthwaite(terms)

    def around_the_mean(self) -> ndarray | float:
        """Variance of a further retraining around q̄: σ_T² + σ_B²/M + σ_W²/(M n), which is σ_T² + MS_B/(M n)."""
        return self.total()[0] + self.ms_between / (self.n_trunks * self.n_branches)


def nested_analysis(q: Float[ndarray, "trunks branches *images"]) -> NestedAnalysis:
    """Analyse the variance of a nested design.

    MS_B = n Σ_m (q̄_m − q̄)²/(M − 1),  MS_W = Σ_mj (q_mj − q̄_m)²/(M(n − 1)).

    Args:
        q: Measurand per trunk, branch and image; at least two trunks, and two branches from each.

    Returns:
        The analysis.

    Raises:
        ValueError: One trunk, or one branch of each.

    References:
        JCGM 100:2008 (GUM), annex H.5 (analysis of variance).

    Example:
        >>> found = nested_analysis(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]))
        >>> float(found.ms_between), float(found.ms_within), round(float(found.total()[0]), 3)
        (6.0, 1.0, 2.667)
    """
    m, n = q.shape[:2]
    if m < 2 or n < 2:
        raise ValueError(f"{m} trunks with {n} branches each can't be analysed; two of each are the least.")
    between, within = n * q.mean(1).var(0, ddof=1), q.var(1, ddof=1).mean(0)
    return NestedAnalysis(np.asarray(q.mean((0, 1))), np.asarray(between), np.asarray(within), m, n)


def satterthwaite(
    terms: Sequence[tuple[float, ndarray | float, float]],
) -> tuple[ndarray | float, ndarray | float]:
    """Return a combination of mean squares and its effective degrees of freedom.

    V = Σ a_k MS_k,  ν = V²/Σ (a_k MS_k)²/ν_k.

    Args:
        terms: (a_k, MS_k, ν_k) for each.

    Returns:
        V and ν.

    References:
        JCGM 100:2008 (GUM), annex G.4, equation G.2b (Welch and Satterthwaite).

    Example:
        >>> satterthwaite([(0.5, 2.0, 4), (0.5, 2.0, 4)])
        (2.0, 8.0)
    """
    value = sum(a * ms for a, ms, _ in terms)
    return value, value**2 / sum((a * ms) ** 2 / dof for a, ms, dof in terms)


def reach(kappa: float, n_trunks: int, n_branches: float = np.inf) -> float:
    """Return the degrees of freedom that M trunks with n branches each have for σ_T², if the trunk fixes a share κ.

    σ_B² = κ, σ_W² = 1 − κ in the Satterthwaite formula; as n → ∞, ν_T → (M − 1)/κ²: local exploration multiplies the
    degrees of freedom by at most 1/κ². Nested networks keep their trunk, so that κ = 1 where exploring shows nothing.

    Args:
        kappa: κ = σ_B²/σ_T², in [0, 1].
        n_trunks: M ≥ 2.
        n_branches: n ≥ 1; ∞ for the bound.

    Returns:
        ν_T.

    Raises:
        ValueError: κ or a number is out of range.

    Example:
        >>> reach(0.5, 3), round(reach(0.5, 3, 4), 2), reach(1.0, 3)
        (8.0, 4.74, 2.0)
    """
    if not 0 <= kappa <= 1 or n_trunks < 2 or n_branches < 1:
        raise ValueError(f"κ={kappa}, M={n_trunks}, n={n_branches}: κ lies in [0, 1], M from 2 on, n from 1 on.")
    if np.isinf(n_branches):
        return float("inf") if kappa == 0 else (n_trunks - 1) / kappa**2
    between = (kappa + (1 - kappa) / n_branches, n_trunks - 1)
    within = ((1 - 1 / n_branches) * (1 - kappa), n_trunks * (n_branches - 1))
    return 1 / sum(share**2 / dof for share, dof in (between, within) if dof)


def relative_uncertainty(n: int, *, prior_dof: float = 0.0) -> float:
    """Return the relative standard uncertainty of u from N retrainings, u(u)/u ≈ 1/√(2ν), ν = N − 1 + d₀.

    Args:
        n: Retrainings.
        prior_dof: d₀, how many retrainings the prior is worth; 0 without one.

    Returns:
        A ratio; ∞ without any degree of freedom.

    References:
        JCGM 100:2008 (GUM), annex E.4.3.

    Example:
        >>> round(relative_uncertainty(51), 3), round(relative_uncertainty(3, prior_dof=25), 2)
        (0.1, 0.14)
    """
    dof = n - 1 + prior_dof
    return math.inf if dof <= 0 else 1 / math.sqrt(2 * dof)


def retrainings_needed(relative: float, *, prior_dof: float = 0.0) -> int:
    """Return how many retrainings it takes to know u to a relative standard uncertainty r: N ≥ 1 + 1/(2r²) − d₀.

    Args:
        relative: r, such as 0.1 for 10 %.
        prior_dof: d₀, how many retrainings the prior is worth; 0 without one.

    Returns:
        Retrainings, at least 2: a prior has no scale without two.

    Raises:
        ValueError: r isn't positive.

    References:
        JCGM 100:2008 (GUM), annex E.4.3.

    Example:
        >>> [retrainings_needed(r) for r in (0.25, 0.10, 0.05)], retrainings_needed(0.15, prior_dof=18)
        ([9, 51, 201], 6)
    """
    if not relative > 0 or not math.isfinite(relative):
        raise ValueError(f"relative={relative!r} is no relative standard uncertainty; give one above 0, such as 0.1.")
    return max(2, math.ceil(1 + 1 / (2 * relative**2) - prior_dof - 1e-9))
