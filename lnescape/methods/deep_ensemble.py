"""Deep ensemble: the same network, trained again under other seeds."""

from dataclasses import replace
from typing import Unpack

from lnescape.laws import Members
from lnescape.methods.checks import Options, checked_count
from lnescape.methods.request import Plan, Request
from lnescape.weights import Builder


def deep_ensemble(
    net: Builder, data, *, budget: float = 3.0, members: int | None = None, **options: Unpack[Options]
) -> Members:
    """Train independent networks; p̄(y | x) = (1/M) Σ_m p(y | x, θ_m).

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, shared out evenly.
        members: M; as many as fully trained ones fit into the budget unless given. With more of them than that each
            is trained for a shorter time, with a schedule that ends in that time.
        **options: As in `Options`.

    Returns:
        A law of M members.

    Raises:
        ValueError: No member, a budget that is too small, or what `fit` refuses.

    References:
        Lakshminarayanan et al. 2017, arXiv 1612.01474, equation 3 (without adversarial training).

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = deep_ensemble(ln.network("mlp", data, width=16), data, budget=2, recipe=ln.Recipe(epochs=2))
        >>> len(law), law.cost.trainings
        (2, 2.0)
    """
    request = Request.of("deep_ensemble", net, data, budget=budget, options=options)
    if members is not None:
        members = checked_count(members, 1, f"members={members!r} makes no ensemble; give a whole number from 1 on.")
    n = members or max(1, int(budget + 1e-9))
    whole = request.plan(each=budget / n, share=0.0, least=n)
    plan = Plan(n, whole.training, 0.0)
    return replace(request.networks(plan), recipe=request.recipe, cost=request.cost(plan))
