"""What a purchase beside the free groups brings, in REN for each training, against one more plain training."""

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining import Fidelity, Reference, retraining_equivalent

BASE = "all free groups"
MORE = "one more training"


def gains(
    kept: Mapping[tuple[str, int], Fidelity],
    references: Mapping[int, Reference],
    further: Mapping[tuple[str, int], float],
) -> dict:
    """Compare purchases: every mix that adds to the free groups, and one more plain training with them.

    The same networks stand behind both sides of each difference, so that its uncertainty is taken from the difference
    itself, with one network, or block of networks, left out at a time; the images stay as they are.

    Args:
        kept: Fidelity by name of the mix and M.
        references: By M; the rows that they leave out must be the same.
        further: Trainings beside the M networks, by name of the mix and M.

    Returns:
        For each M that has a next one: {purchase: gain (in REN), price (in trainings), rate (gain over price), ahead
        (rate of one more training less this rate)}.
    """
    found: dict[str, dict] = {}
    for m, reference in references.items():
        if m + 1 not in references or references[m + 1].left_out != reference.left_out:
            continue
        base = _rens(kept[BASE, m])
        more = _rens(kept[BASE, m + 1]) - base
        rows = {MORE: _row(more, 1.0, more, reference)}
        for (name, members), fidelity in kept.items():
            if members == m and name.startswith("free + "):
                price = further[name, m]
                rows[name.removeprefix("free + ")] = _row(_rens(fidelity) - base, price, more, reference)
        found[str(m)] = rows
    return found


def _rens(fidelity: Fidelity) -> ndarray:
    return np.array([retraining_equivalent(float(error)) for error in fidelity.left_out])


def _row(gain: ndarray, price: float, more: ndarray, reference: Reference) -> dict:
    def estimate(values: ndarray) -> Estimate:
        if not np.isfinite(values).all():  # too few judges: a squared error of zero or less
            return Estimate(np.nan, np.nan)
        return Estimate(values[0], float(reference.jackknifed(values)), dof=reference.dof, n=len(reference.members))

    rate = gain / price
    return {"gain": estimate(gain), "price": price, "rate": estimate(rate), "ahead": estimate(more - rate)}
