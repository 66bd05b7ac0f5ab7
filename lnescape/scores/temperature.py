"""Temperature: one number that mends over- or underconfidence, fitted on other images than it is scored on."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.quality import mean_and_labels

RANGE = (0.05, 20.0)  # a temperature outside of it mends nothing


def fit_temperature(logp: Float[Tensor, "*members images classes"], labels: Int[Tensor, " images"]) -> float:
    """Find the temperature T that minimises the mean of −ln softmax(ln p̄ / T)_y.

    The loss is convex in 1/T; it is found by bounded minimisation over ln T, to 10⁻⁸.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes.

    Returns:
        T, between 0.05 and 20: above 1 where the mean prediction is too sure of itself.

    References:
        Guo et al. 2017, arXiv 1706.04599, section 4.2; applied to the mean prediction as in Ashukha et al. 2020,
        arXiv 2002.06470, section 4.

    Example:
        >>> logp = torch.tensor([[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.99, 0.01]]).log()
        >>> round(fit_temperature(logp, torch.tensor([0, 0, 1, 1])), 3)  # three of four are right: p = 3/4
        4.183
    """
    from scipy.optimize import minimize_scalar

    mean, labels = mean_and_labels(logp, labels)
    mean = _finite(mean)
    low, high = map(math.log, RANGE)
    found = minimize_scalar(
        lambda ln_t: float(_losses(mean, labels, math.exp(ln_t)).mean()),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return math.exp(found.x)


def calibrated_log_likelihood(
    logp: Float[Tensor, "*members images classes"],
    labels: Int[Tensor, " images"],
    half: Int[Tensor, " images"],
) -> Estimate:
    """Give the log-likelihood after temperature scaling, each half of the images with the other's temperature (CLL).

    CLL = (1/n) Σ_i ln softmax(ln p̄(x_i) / T_{other half of i})_{y_i}

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes.
        half: 0 or 1 for each image: which half it belongs to.

    Returns:
        The mean in nat, ≤ 0, higher is better, with the standard uncertainty of a mean over images.

    Raises:
        ValueError: An empty half.

    References:
        Ashukha et al. 2020, arXiv 2002.06470, section 4.

    Example:
        >>> logp = torch.tensor([[0.99, 0.01]] * 8).log()  # far too sure: of each four, three are right
        >>> found = calibrated_log_likelihood(logp, torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]), halves(8))
        >>> round(float(found), 4)  # ¾ ln ¾ + ¼ ln ¼
        -0.5623
    """
    mean, labels = mean_and_labels(logp, labels)
    half = half.to(mean.device)
    if half.shape != labels.shape or not {0, 1} <= set(half.unique().tolist()):
        raise ValueError("half tells for each image whether it is in half 0 or 1, and none of them may be empty.")
    losses = mean.new_empty(len(mean))
    for part in (0, 1):
        own, other = half == part, half != part
        losses[own] = _losses(_finite(mean[own]), labels[own], fit_temperature(mean[other], labels[other]))
    return Estimate.mean(-losses, unit="nat")


def _finite(mean: Tensor) -> Tensor:
    """Probabilities of exactly 0 become about the smallest float64, e⁻⁷⁰⁰: −∞/T would stay −∞ at every temperature."""
    return mean.clamp(min=-700.0)


def _losses(mean: Tensor, labels: Tensor, temperature: float) -> Float[Tensor, " images"]:
    scaled = (mean / temperature).log_softmax(-1)
    return -scaled.gather(1, labels.unsqueeze(1)).squeeze(1)


def halves(n: int) -> Int[Tensor, " images"]:
    """Put every other image in the same half: 0, 1, 0, 1 and so on."""
    return torch.arange(n) % 2
