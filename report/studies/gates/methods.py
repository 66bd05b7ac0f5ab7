"""The gate on the quality of predictions: what methods are worth in members of a deep ensemble."""

import math
from collections.abc import Sequence

from report.studies.gates.verdict import Verdict


def g6(entries: Sequence[tuple[str, float, float]], *, n: int, members: float = 3.0, cost: float = 1.5) -> Verdict:
    """Gate G6: some method is worth at least 3 members of a deep ensemble for at most 1.5 trainings.

    Args:
        entries: Name, cost in trainings and deep-ensemble equivalent of each method that is no deep ensemble; ∞ for a
            method that is better than the largest ensemble.
        n: Bases behind each entry.
        members: Members it must be worth.
        cost: Trainings it may cost; 1 % more is forgiven, since only whole steps are trained.

    Returns:
        The verdict, with the best method within the cost.

    Example:
        >>> g6([("SWAG", 1.5, 2.1), ("FGE", 1.5, 3.2), ("line", 3.0, 4.0)], n=2).numbers["best"]
        'FGE'
    """
    cheap = [entry for entry in entries if entry[1] <= 1.01 * cost]
    best = max(cheap, key=lambda entry: entry[2], default=("none", math.nan, 0.0))
    numbers = {"best": best[0], "its equivalent": best[2], "its cost": best[1]}
    return Verdict("G6", f"DEE ≥ {members:g} at ≤ {cost:g} trainings", best[2] >= members, numbers, n, "bases")
