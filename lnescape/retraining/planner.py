"""The planner: how many retrainings a stated quality of u(x) takes."""

import math


def relative_uncertainty(n: int, *, prior_dof: float = 0.0) -> float:
    """Give the relative standard uncertainty of u from N retrainings, u(u)/u ≈ 1/√(2ν), ν = N − 1 + d₀.

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
    """Give how many retrainings it takes to know u to a relative standard uncertainty r: N ≥ 1 + 1/(2r²) − d₀.

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
