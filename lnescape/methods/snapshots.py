"""Snapshots: the networks that one training with a cyclic learning rate passes."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, Unpack

import torch

from lnescape.laws import Members
from lnescape.methods.checks import Options, checked_count
from lnescape.methods.request import Plan, Request
from lnescape.weights import Builder, build, theta_of


def snapshot_ensemble(
    net: Builder, data, *, budget: float = 1.0, cycle: float = 0.25, exploring: Mapping[str, Any] = {},
    **options: Unpack[Options],
) -> Members:  # fmt: skip
    """Train one network in cycles, α(t) = (α₀/2)(cos(π t) + 1), t from 0 to 1 in each, and keep the end of each.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0; what is left of it after the last whole cycle isn't spent.
        cycle: Cost of one cycle in trainings, > 0.
        exploring: Fields of the recipe that differ, such as {"learning_rate": 0.2}.
        **options: As in `Options`.

    Returns:
        A law of one member for each cycle.

    Raises:
        ValueError: Less than one cycle, or what `fit` refuses.
        TrainingError: The training diverged.

    References:
        Huang et al. 2017, arXiv 1704.00109, equation 2.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = snapshot_ensemble(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=4))
        >>> len(law), law.cost.trainings
        (4, 1.0)
    """
    request = Request.of("snapshot_ensemble", net, data, budget=budget, options=options)
    if not isinstance(cycle, Real) or not 0 < cycle < float("inf"):
        raise ValueError(f"cycle={cycle!r} is no cost of a cycle; give a part of a training, such as 0.25.")
    n = int(budget / cycle + 1e-9)
    if n < 1:
        raise ValueError(
            f"A budget of {budget:g} trainings is too small for snapshot_ensemble; a cycle costs {cycle:g}."
        )
    recipe = request.exploring(cycle * request.recipe.epochs, {"schedule": "cosine"} | dict(exploring))
    start = theta_of(build(net, request.network_seed(0))).to(request.data.train.images.device)
    thetas = request.explored(start, recipe, pieces=n, number=0)
    cost = request.cost(Plan(0, 1.0, 0.0), n * request.priced(recipe))
    return Members(net, thetas, seeds=tuple(range(n)), cost=cost, **request.known)


def fast_geometric_ensemble(
    net: Builder, data, *, budget: float = 1.5, runs: Members | None = None, cycles: int = 10,
    exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Members:  # fmt: skip
    """Go on from a trained network with short triangular cycles of the learning rate, and keep the end of each (FGE).

    α(t) = α₁ (1 − |2t − 1|), t from 0 to 1 in each cycle. Two thirds of the budget train the networks, a third the
    cycles; from 3 on there are several networks.

    Departures from the paper: the lowest rate is 0, not α₁/100; the first cycle begins there, where the training ended,
    not at α₁; a cycle is shorter than an epoch where the budget asks for it.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, that of the networks included.
        runs: Networks trained already; they are trained here unless given.
        cycles: Cycles from each network, ≥ 1.
        exploring: Fields of the recipe that differ in the cycles; {"learning_rate": α₁}.
        **options: As in `Options`.

    Returns:
        A law of 1 + cycles members for each network: it, and the ends of its cycles.

    Raises:
        ValueError: No cycle, a budget that is too small, or what `fit` refuses.
        TrainingError: The training diverged.

    References:
        Garipov et al. 2018, arXiv 1802.10026, section 4.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = fast_geometric_ensemble(
        ...     ln.network("mlp", data, width=16), data, cycles=4, recipe=ln.Recipe(epochs=4)
        ... )
        >>> len(law), round(law.cost.trainings, 2)
        (5, 1.44)
    """
    request = Request.of("fast_geometric_ensemble", net, data, budget=budget, options=options, runs=runs)
    cycles = checked_count(cycles, 1, f"cycles={cycles!r} explores nothing; give a whole number from 1 on.")
    plan = request.plan(each=1.5, share=1 / 3, pieces=2 * cycles)
    # At least two steps: the first has a learning rate of 0.
    recipe = request.exploring(plan.exploring / cycles, {"schedule": "cycle"} | dict(exploring), steps=2)
    parts = []
    for number, theta in enumerate(request.networks(plan).thetas):
        parts += [theta.unsqueeze(0), request.explored(theta, recipe, pieces=cycles, number=number)]
    thetas = torch.cat(parts)
    cost = request.cost(plan, plan.n * cycles * request.priced(recipe))
    return Members(net, thetas, seeds=tuple(range(len(thetas))), cost=cost, **request.known)
