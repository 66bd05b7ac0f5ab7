"""Temperature: one number that mends over- or underconfidence, fitted on other images than it is scored on."""

import math
import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.quality import mean_and_labels

RANGE = (0.05, 20.0)  # times the largest difference between log-probabilities where that is below, above 1 nat
_FLAT = 1e-15  # losses that differ by less, in nat, are equal: a few roundings in float64
_NEAR = 1e-3  # of ln T: this near to a bound is at it; a loss that such a step doesn't change is flat


def fit_temperature(logp: Float[Tensor, "*members images classes"], labels: Int[Tensor, " images"]) -> float:
    """Return the temperature T that minimises the mean of −ln softmax(ln p̄ / T)_y.

    The loss is convex in 1/T; it is minimised over ln T, to 10⁻⁸. Where several temperatures are equally good (each
    image is right and sure, say), T is the one nearest to 1.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        T, above 1 where the mean prediction is too sure of itself. With s the largest difference in nat between two
        log-probabilities of an image, T is between 0.05 min(1, s) and 20 max(1, s); a warning says that it is a bound.

    References:
        Guo et al. 2017, arXiv 1706.04599, section 4.2; applied to the mean prediction as in Ashukha et al. 2020,
        arXiv 2002.06470, section 4.

    Example:
        >>> logp = torch.tensor([[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.99, 0.01]]).log()
        >>> round(fit_temperature(logp, torch.tensor([0, 0, 1, 1])), 3)  # three of four are right: p = 3/4
        4.183
    """
    mean, labels = mean_and_labels(logp, labels)
    mean = _finite(mean)
    spread = float((mean.amax(1) - mean.amin(1)).max())
    bounds = (math.log(RANGE[0] * min(1.0, spread or 1.0)), math.log(RANGE[1] * max(1.0, spread)))

    def loss(ln_t: float) -> float:
        return float(_losses(mean, labels, math.exp(ln_t)).mean())

    low, high = map(math.log, RANGE)
    best = _minimum(loss, low, high)
    if best < low + _NEAR and bounds[0] < low:
        best = _minimum(loss, bounds[0], low + _NEAR)
    elif best > high - _NEAR and bounds[1] > high:
        best = _minimum(loss, high - _NEAR, bounds[1])
    best = _nearest_to_one(loss, best)
    if not bounds[0] + _NEAR < best < bounds[1] - _NEAR:
        cause = "every image is right" if best < 0 else "right classes are no more probable than others"
        warnings.warn(
            f"the temperature {math.exp(best):.3g} is a bound, because {cause}; fit it on more images.", stacklevel=2
        )
    return math.exp(best)


def calibrated_log_likelihood(
    logp: Float[Tensor, "*members images classes"],
    labels: Int[Tensor, " images"],
    half: Int[Tensor, " images"],
) -> Estimate:
    """Return the log-likelihood after temperature scaling, each half of the images with the other's temperature (CLL).

    CLL = (1/n) Σ_i ln softmax(ln p̄(x_i) / T_{other half of i})_{y_i}

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.
        half: 0 or 1 for each image: the half it belongs to.

    Returns:
        The mean in nat, ≤ 0, higher is better, with the standard uncertainty of a mean over images.

    Raises:
        ValueError: `half` is not 0 or 1 for each image, or a half is empty.

    References:
        Ashukha et al. 2020, arXiv 2002.06470, section 4.

    Example:
        >>> logp = torch.tensor([[0.99, 0.01]] * 8).log()  # far too sure: of each four, three are right
        >>> found = calibrated_log_likelihood(logp, torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]), halves(8))
        >>> round(float(found), 4)  # ¾ ln ¾ + ¼ ln ¼
        -0.5623
    """
    mean, labels = mean_and_labels(logp, labels)
    half = torch.as_tensor(half, device=mean.device)
    if half.shape != labels.shape or set(half.unique().tolist()) != {0, 1}:
        raise ValueError(
            f"half must be 0 or 1 for each of {len(mean)} images, and none of the halves may be empty; use halves(n)."
        )
    losses = mean.new_empty(len(mean))
    for part in (0, 1):
        scored, others = half == part, half != part
        temperature = fit_temperature(mean[others], labels[others])
        losses[scored] = _losses(_finite(mean[scored]), labels[scored], temperature)
    return Estimate.mean(-losses, unit="nat")


def halves(n: int) -> Int[Tensor, " images"]:
    """Return 0, 1, 0, 1 and so on: every other image is in the same half."""
    return torch.arange(n) % 2


def _minimum(loss, low: float, high: float) -> float:
    """Return where the loss is least between the bounds, to 10⁻⁸."""
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-8}).x)


def _nearest_to_one(loss, best: float) -> float:
    """Return the ln T nearest to 0 at which the loss is as low as at `best`: `best`, unless the loss is flat there."""
    least = loss(best) + _FLAT
    if loss(0.0) <= least:
        return 0.0
    step = math.copysign(_NEAR, -best)
    if abs(best) <= _NEAR or loss(best + step) > least:
        return best
    flat, above = best + step, 0.0
    while abs(above - flat) > 1e-8:
        middle = (flat + above) / 2
        flat, above = (middle, above) if loss(middle) <= least else (flat, middle)
    return flat


def _finite(mean: Tensor) -> Tensor:
    """Probabilities of exactly 0 become about the smallest float64, e⁻⁷⁰⁰: −∞/T would stay −∞ at every temperature."""
    return mean.clamp(min=-700.0)


def _losses(mean: Tensor, labels: Tensor, temperature: float) -> Float[Tensor, " images"]:
    """Return −ln p of the right class of each image, in nat, at the temperature."""
    scaled = (mean / temperature).log_softmax(-1)
    return -scaled.gather(1, labels.unsqueeze(1)).squeeze(1)
