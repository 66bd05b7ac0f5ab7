"""The measurand q(x; ω), a number for each retraining ω and input x, and the precision of u(x) from N of them."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lnescape.checks import array, real, whole

# From log-probabilities [networks, images, classes] and a class for each image to q, [networks, images].
Measurand = Callable[[ndarray, ndarray], ndarray]


def log_odds(
    logp: Float[ndarray, "networks inputs classes"], chosen: Int[ndarray, " inputs"]
) -> Float[ndarray, "networks inputs"]:
    """Return the log-odds of a class that was fixed beforehand, q = ln p_c − ln Σ_{k≠c} p_k, the measurand by default.

    Args:
        logp: Log-probabilities in nat (logits will do: a constant cancels).
        chosen: The class c of each image, the same for all networks.

    Returns:
        q in nat, float64.

    Raises:
        ValueError: Probabilities were passed, or classes that don't fit.

    >>> log_odds(np.log([[[0.5, 0.3, 0.2]]]), np.array([0])).round(6)
    array([[0.]])
    """
    inside, others = _split(logp, chosen)
    return inside - np.logaddexp.reduce(others, axis=2)


def contrast(
    logp: Float[ndarray, "networks inputs classes"], chosen: Int[ndarray, " inputs"]
) -> Float[ndarray, "networks inputs"]:
    """Return the contrast to the runner-up, z_c − max_{k≠c} z_k, negative where the network decides for another class.

    The arguments are those of `log_odds`.

    Returns:
        The contrast in nat, float64.

    >>> contrast(np.log([[[0.5, 0.3, 0.2]]]), np.array([2])).round(4)
    array([[-0.9163]])
    """
    inside, others = _split(logp, chosen)
    return inside - others.max(2)


def probability(
    logp: Float[ndarray, "networks inputs classes"], chosen: Int[ndarray, " inputs"]
) -> Float[ndarray, "networks inputs"]:
    """Return the probability p_c of the class; intervals are better made in log-odds and mapped.

    The arguments are those of `log_odds`.

    Returns:
        Probabilities, float64; near 0 and 1 they are far from normal over retrainings.

    >>> probability(np.log([[[0.5, 0.3, 0.2]]]), np.array([1])).round(4)
    array([[0.3]])
    """
    from scipy.special import expit

    return expit(log_odds(logp, chosen))


def refuse_probabilities(logp: ndarray) -> None:
    """Raise if `logp` holds probabilities instead of log-probabilities or logits."""
    if logp.size and (logp >= 0).all() and (abs(logp.sum(2) - 1) <= 2e-2).all():  # bfloat16 rounds by 2⁻⁹
        raise ValueError("These are probabilities, not log-probabilities or logits; pass np.log(probabilities).")


def _split(logp: ndarray, chosen: ndarray) -> tuple[ndarray, ndarray]:
    """Separate the chosen class [networks, images] from the others, −∞ in its place."""
    others = array(logp, "logp", "networks inputs classes")  # a copy
    refuse_probabilities(others)
    chosen, shape = np.asarray(chosen), others.shape
    fits = chosen.shape == shape[1:2] and chosen.dtype.kind in "iu"
    if not fits or chosen.size and not 0 <= chosen.min() <= chosen.max() < shape[2]:
        what = f"Predictions are [networks, inputs, classes], here {list(shape)}, and chosen is one class, from 0 on"
        here = f"here {chosen.dtype} {list(chosen.shape)}"
        raise ValueError(f"{what}, for each input, {here}; take logp.mean(0).argmax(1).")
    index = np.broadcast_to(chosen[None, :, None], (*others.shape[:2], 1))
    inside = np.take_along_axis(others, index, 2)[:, :, 0]
    np.put_along_axis(others, index, -np.inf, 2)
    return inside, others


def relative_uncertainty(n: int, *, prior_dof: float = 0.0) -> float:
    """Return the relative standard uncertainty of u from N retrainings, u(u)/u ≈ 1/√(2ν), ν = N − 1 + d₀.

    Args:
        n: Retrainings.
        prior_dof: d₀, number of retrainings that the prior is worth; 0 without one.

    Returns:
        A ratio; ∞ without any degree of freedom.

    References: JCGM 100:2008 (GUM), annex E.4.3.

    >>> round(relative_uncertainty(51), 3), round(relative_uncertainty(3, prior_dof=25), 2)
    (0.1, 0.14)
    """
    dof = whole(n, "n", least=1) - 1 + real(prior_dof, "prior_dof", least=0)
    return math.inf if dof <= 0 else 1 / math.sqrt(2 * dof)


def retrainings_needed(relative: float, *, prior_dof: float = 0.0) -> int:
    """Return the number of retrainings that determine u to a relative standard uncertainty r: N ≥ 1 + 1/(2r²) − d₀.

    Args:
        relative: r > 0, such as 0.1 for 10 %.
        prior_dof: d₀, number of retrainings that the prior is worth; 0 without one.

    Returns:
        Number of retrainings, at least 2, the fewest that show a spread.

    Raises:
        ValueError: r isn't positive.

    References: JCGM 100:2008 (GUM), annex E.4.3.

    >>> [retrainings_needed(r) for r in (0.25, 0.10, 0.05)], retrainings_needed(0.15, prior_dof=18)
    ([9, 51, 201], 6)
    """
    relative = real(relative, "relative, a relative standard uncertainty such as 0.1,", above=0)
    prior_dof = real(prior_dof, "prior_dof", least=0)
    return max(2, math.ceil(1 + 1 / (2 * relative**2) - prior_dof - 1e-9))
