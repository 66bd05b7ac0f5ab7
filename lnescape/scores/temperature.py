"""Temperature, which corrects over- and underconfidence; the likelihood after it; the deep-ensemble equivalent."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.quality import mean_and_labels

RANGE = (0.05, 20.0)  # times the largest difference between log-probabilities where that is below, above 1 nat
_FLAT = 1e-15  # losses that differ by less, in nat, are equal: a few roundings in float64
_NEAR = 1e-3  # of ln T: this near to a bound is at it; a loss that such a step doesn't change is flat


def fit_temperature(logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"]) -> float:
    """Return the temperature T that minimises the mean of −ln softmax(ln p̄ / T)_y.

    The loss is convex in 1/T; it is minimised over ln T, to 10⁻⁸. Where several temperatures are equally good (each
    image is right and sure, say), T is the one nearest to 1.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        T, above 1 where the mean prediction is too sure of itself. With s the largest difference in nat between two
        log-probabilities of an image, T is between 0.05 min(1, s) and 20 max(1, s); a warning says that it is a bound.

    References: Guo et al. 2017, arXiv 1706.04599, section 4.2; for the mean prediction Ashukha et al. 2020, arXiv
    2002.06470.

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
        cause = "every input is right" if best < 0 else "right classes are no more probable than others"
        warnings.warn(
            f"the temperature {math.exp(best):.3g} is a bound, because {cause}; fit it on more inputs.", stacklevel=2
        )
    return math.exp(best)


def calibrated_log_likelihood(
    logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"], half: Int[Tensor, " inputs"]
) -> Estimate:
    """Return the log-likelihood after temperature scaling, each half of the images with the other's temperature (CLL).

    CLL = (1/n) Σ_i ln softmax(ln p̄(x_i) / T_{other half of i})_{y_i}

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.
        half: 0 or 1 for each image, the half it belongs to, such as `halves(n)`.

    Returns:
        The mean in nat, ≤ 0, higher is better, with the standard uncertainty of a mean over images.

    Raises:
        ValueError: `half` is not 0 or 1 for each image, or a half is empty.

    References: Ashukha et al. 2020, arXiv 2002.06470, section 4.

    >>> logp = torch.tensor([[0.99, 0.01]] * 8).log()  # far too sure: of each four, three are right
    >>> found = calibrated_log_likelihood(logp, torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]), halves(8))
    >>> round(float(found), 4)  # ¾ ln ¾ + ¼ ln ¼
    -0.5623
    """
    mean, labels = mean_and_labels(logp, labels)
    half = torch.as_tensor(half, device=mean.device)
    if half.shape != labels.shape or set(half.unique().tolist()) != {0, 1}:
        raise ValueError(f"half must be 0 or 1 for each of {len(mean)} inputs, and both must occur; use halves(n).")
    losses = mean.new_empty(len(mean))
    for part in (0, 1):
        scored, others = half == part, half != part
        temperature = fit_temperature(mean[others], labels[others])
        losses[scored] = _losses(_finite(mean[scored]), labels[scored], temperature)
    return Estimate.mean(-losses, unit="nat")


def halves(n: int) -> Int[Tensor, " inputs"]:
    """Return 0, 1, 0, 1 and so on: every other image is in the same half."""
    return torch.arange(n) % 2


@dataclass(frozen=True)
class Equivalent:
    """Deep-ensemble equivalent; prints as "2.4 (1.9 to 3.1)", or "< 1" and "≥ 10" where the curve ends."""

    value: float  # members, from 1 to L; 0 where it is below one member, ∞ where it is beyond L
    low: float  # read off an ensemble curve one standard deviation higher
    high: float  # off a curve one standard deviation lower
    largest: int  # L, members of the largest ensemble of the curve

    def __str__(self) -> str:
        if self.low == self.high:  # both beyond the curve: 0, or ∞
            return self._one(self.value)
        return f"{self._one(self.value)} ({self._one(self.low)} to {self._one(self.high)})"

    def _one(self, members: float) -> str:
        """Return one number of members as text."""
        if members < 1:
            return "< 1"
        return f"≥ {self.largest}" if math.isinf(members) else f"{members:.1f}"


def deep_ensemble_equivalent(
    cll: float, mean: Float[np.ndarray, " members"], sd: Float[np.ndarray, " members"]
) -> Equivalent:
    """Return the size of the smallest deep ensemble whose calibrated log-likelihood is as high.

    DEE = min{l ≥ 1: CLL_DE(l) ≥ CLL}, linear between whole numbers

    Args:
        cll: Calibrated log-likelihood of the prediction, in nat.
        mean: CLL of deep ensembles of 1, 2, … L members, mean over ensembles.
        sd: Its standard deviation over ensembles, ≥ 0.

    Returns:
        `value`, with `low` and `high` from the curve's mean ± 1 standard deviation: members, 0 below one, ∞ beyond L.

    Raises:
        ValueError: The curves are empty, of unequal length or not finite, or the likelihood is nan.

    References: Ashukha et al. 2020, arXiv 2002.06470, section 4 (deep ensemble equivalent).

    >>> print(deep_ensemble_equivalent(-0.25, np.array([-0.4, -0.3, -0.2]), np.array([0.02, 0.02, 0.02])))
    2.5 (2.3 to 2.7)
    """
    mean, sd = np.asarray(mean, float), np.asarray(sd, float)
    shapes = mean.ndim == 1 and len(mean) > 0 and mean.shape == sd.shape
    if not shapes or not np.isfinite([mean, sd]).all() or (sd < 0).any():
        raise ValueError("The curve of ensembles is one finite mean and standard deviation for 1, 2, … L members.")
    if math.isnan(cll):
        raise ValueError("The prediction's log-likelihood is nan; a method that diverged is worth nothing.")
    low, value, high = (_members(cll, curve) for curve in (mean + sd, mean, mean - sd))
    return Equivalent(value, low, high, len(mean))


def _minimum(loss, low: float, high: float) -> float:
    """Return where the loss is least between the bounds, to 10⁻⁸."""
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-8}).x)


def _nearest_to_one(loss, best: float) -> float:
    """Return the ln T nearest to 0 at which the loss is as low as at `best`: `best`, unless the loss is flat there."""
    from scipy.optimize import bisect

    least = loss(best) + _FLAT
    if loss(0.0) <= least:
        return 0.0
    step = math.copysign(_NEAR, -best)
    if abs(best) <= _NEAR or loss(best + step) > least:
        return best
    return float(bisect(lambda ln_t: loss(ln_t) - least, best + step, 0.0, xtol=1e-8))


def _finite(mean: Tensor) -> Tensor:
    """Clamp ln p at −700 nat, about the smallest float64: −∞/T would stay −∞ at every temperature."""
    return mean.clamp(min=-700.0)


def _losses(mean: Tensor, labels: Tensor, temperature: float) -> Float[Tensor, " inputs"]:
    """Return −ln p of the right class of each image, in nat, at the temperature."""
    scaled = (mean / temperature).log_softmax(-1)
    return -scaled.gather(1, labels.unsqueeze(1)).squeeze(1)


def _members(cll: float, curve: Float[np.ndarray, " members"]) -> float:
    """Return where the curve first reaches `cll`: 0 before its beginning, ∞ beyond its end."""
    reached = np.flatnonzero(curve >= cll)
    if len(reached) == 0:
        return math.inf
    k = int(reached[0])
    if k == 0:  # one member is as good, or better
        return 1.0 if curve[0] == cll else 0.0
    return k + float((cll - curve[k - 1]) / (curve[k] - curve[k - 1]))
