"""Deep-ensemble equivalent (DEE): how many members of a deep ensemble a prediction is worth."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Equivalent:
    """Deep-ensemble equivalent and its band.

    Args:
        value: Number of members, from 1 to L; 0 where it is below one member, ∞ where it is beyond L.
        low: The least it may be worth: read off an ensemble curve one standard deviation higher.
        high: The most: off a curve one standard deviation lower.
        largest: L, members of the largest ensemble of the curve.
    """

    value: float
    low: float
    high: float
    largest: int

    def __str__(self) -> str:
        """Return value and band, such as "2.4 (1.9 to 3.1)"; "< 1" and "≥ 10" where the curve ends."""
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
        The equivalent, with the band that the curve's mean ± 1 standard deviation gives.

    Raises:
        ValueError: The curves are empty, of unequal length or not finite, or the likelihood is nan.

    References:
        Ashukha et al. 2020, arXiv 2002.06470, section 4 (deep ensemble equivalent).

    Example:
        >>> print(deep_ensemble_equivalent(-0.25, np.array([-0.4, -0.3, -0.2]), np.array([0.02, 0.02, 0.02])))
        2.5 (2.3 to 2.7)
        >>> print(deep_ensemble_equivalent(-0.5, np.array([-0.4, -0.3, -0.2]), np.array([0.02, 0.02, 0.02])))
        < 1
    """
    mean, sd = np.asarray(mean, float), np.asarray(sd, float)
    shapes = mean.ndim == 1 and len(mean) > 0 and mean.shape == sd.shape
    if not shapes or not np.isfinite([mean, sd]).all() or (sd < 0).any():
        raise ValueError("The curve of ensembles is one finite mean and standard deviation for 1, 2, … L members.")
    if math.isnan(cll):
        raise ValueError("The prediction's log-likelihood is nan; a method that diverged is worth nothing.")
    low, value, high = (_members(cll, curve) for curve in (mean + sd, mean, mean - sd))
    return Equivalent(value, low, high, len(mean))


def _members(cll: float, curve: Float[np.ndarray, " members"]) -> float:
    """Return where the curve first reaches `cll`: 0 before its beginning, ∞ beyond its end."""
    reached = np.flatnonzero(curve >= cll)
    if len(reached) == 0:
        return math.inf
    k = int(reached[0])
    if k == 0:  # one member is as good, or better
        return 1.0 if curve[0] == cll else 0.0
    return k + float((cll - curve[k - 1]) / (curve[k] - curve[k - 1]))
