"""REN, the retraining equivalent number: how many plain retrainings an evaluation of u(x) is worth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class RetrainingEquivalent:
    """Hold a retraining equivalent number.

    Attributes:
        value: REN.
        low: Lower end of its 95 % interval.
        high: Upper end; ∞ where the data put no bound.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def log_bias(dof: float | Float[ndarray, "*any"]) -> float | Float[ndarray, "*any"]:
    """Give E ln(s²/σ²) = ψ(ν/2) − ln(ν/2), by which ln s² is too low on average.

    Args:
        dof: ν > 0.

    Returns:
        The bias in nat, negative.

    References:
        Abramowitz & Stegun 1964, section 26.4 with 6.3: the logarithm of a χ² variable.

    Example:
        >>> round(float(log_bias(1)), 4)
        -1.2704
    """
    from scipy.special import psi

    return psi(np.asarray(dof) / 2) - np.log(np.asarray(dof) / 2)


def squared_error_of(dof: float) -> float:
    """Give E (ln s² − ln σ²)² = ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]² of a sample variance with ν degrees of freedom.

    Args:
        dof: ν > 0.

    Returns:
        The mean squared error in nat²; about 2/ν.

    Example:
        >>> round(squared_error_of(1), 3), round(squared_error_of(100), 4)
        (6.549, 0.0203)
    """
    from scipy.special import polygamma

    return float(polygamma(1, dof / 2) + log_bias(dof) ** 2)


def retraining_equivalent(squared_error: float) -> float:
    """Invert `squared_error_of`: the number of plain retrainings, 1 + ν, whose s² errs as much.

    Args:
        squared_error: E (ln V̂ − ln σ²)², nat².

    Returns:
        REN; ∞ for an error of zero or less, which noise can make of a small one.

    Example:
        >>> round(retraining_equivalent(squared_error_of(4)), 6)
        5.0
    """
    from scipy.optimize import brentq

    if squared_error <= squared_error_of(1e6):
        return float("inf")
    return 1 + float(
        np.exp(brentq(lambda log: squared_error_of(np.exp(log)) - squared_error, np.log(1e-3), np.log(1e6)))
    )
