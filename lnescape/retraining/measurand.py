"""The measurand q(x; ω): one real number for each retraining ω and input x; u(x) = sd_ω q(x; ω)."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

# From log-probabilities [networks, images, classes] and a class for each image to q, [networks, images].
Measurand = Callable[[ndarray, ndarray], ndarray]


def log_odds(
    logp: Float[ndarray, "networks images classes"], chosen: Int[ndarray, " images"]
) -> Float[ndarray, "networks images"]:
    """Return the log-odds of a class that was fixed beforehand, the measurand by default.

    q = ln p_c − ln(1 − p_c) = ln p_c − ln Σ_{k≠c} p_k, which loses no digit where p_c is close to 1.

    Args:
        logp: Log-probabilities in nat (logits will do: a constant cancels).
        chosen: The class c of each image, the same for all networks.

    Returns:
        q in nat, float64.

    Raises:
        ValueError: Probabilities were passed.

    Example:
        >>> log_odds(np.log([[[0.5, 0.3, 0.2]]]), np.array([0])).round(6)
        array([[0.]])
    """
    inside, others = _split(logp, chosen)
    return inside - np.logaddexp.reduce(others, axis=2)


def contrast(
    logp: Float[ndarray, "networks images classes"], chosen: Int[ndarray, " images"]
) -> Float[ndarray, "networks images"]:
    """Return the contrast to the runner-up, negative where the network decides for another class.

    z_c − max_{k≠c} z_k, z the logits or the log-probabilities.

    Args:
        logp: Log-probabilities or logits in nat.
        chosen: The class c of each image.

    Returns:
        The contrast in nat, float64.

    Example:
        >>> contrast(np.log([[[0.5, 0.3, 0.2]]]), np.array([2])).round(4)
        array([[-0.9163]])
    """
    inside, others = _split(logp, chosen)
    return inside - others.max(2)


def probability(
    logp: Float[ndarray, "networks images classes"], chosen: Int[ndarray, " images"]
) -> Float[ndarray, "networks images"]:
    """Return the probability p_c of the class.

    Over retrainings it is far from normal near 0 and 1; intervals are better made in log-odds and mapped.

    Args:
        logp: Log-probabilities in nat (logits will do).
        chosen: The class c of each image.

    Returns:
        Probabilities, float64.

    Example:
        >>> probability(np.log([[[0.5, 0.3, 0.2]]]), np.array([1])).round(4)
        array([[0.3]])
    """
    from scipy.special import expit

    return expit(log_odds(logp, chosen))


def _split(logp: ndarray, chosen: ndarray) -> tuple[ndarray, ndarray]:
    """Separate the chosen class [networks, images] from the others, −∞ in its place."""
    others = np.array(logp, np.float64)
    if others.size and (others >= 0).all() and (abs(others.sum(2) - 1) <= 1e-3).all():
        raise ValueError("These are probabilities, not log-probabilities or logits; pass np.log(probabilities).")
    index = np.broadcast_to(np.asarray(chosen)[None, :, None], (*others.shape[:2], 1))
    inside = np.take_along_axis(others, index, 2)[:, :, 0]
    np.put_along_axis(others, index, -np.inf, 2)
    return inside, others
