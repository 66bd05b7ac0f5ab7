"""Methods whose law is made of members: deep ensembles, snapshots of one training, short cycles from a network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

import torch

from lnescape.checks import real, whole
from lnescape.laws import Members
from lnescape.methods.budget import Options, Plan, Request
from lnescape.weights import Builder, build, theta_of


def deep_ensemble(
    net: Builder, data, *, budget: float = 3.0, members: int | None = None, **options: Unpack[Options]
) -> Members:
    """Train independent networks; p̄(y | x) = (1/M) Σ_m p(y | x, θ_m).

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, shared out evenly.
        members: M; unless given, as many as are fully trained. More are trained for a shorter time, schedule included.
        **options: As in `Options`.

    Returns:
        A law of M members.

    References: Lakshminarayanan et al. 2017, arXiv 1612.01474, equation 3 (without adversarial training).

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = deep_ensemble(ln.network("mlp", data, width=16), data, budget=2, recipe=ln.Recipe(epochs=2))
    >>> len(law), law.cost.trainings
    (2, 2.0)
    """
    request = Request.checked(deep_ensemble, net, data, budget=budget, options=options)
    if members is not None:
        members = whole(members, "members", least=1)
    n = members or max(1, int(budget + 1e-9))
    plan = request.plan(each=budget / n, share=0.0, least=n)
    return replace(request.networks(plan), recipe=request.recipe, cost=request.cost(plan))


def snapshot_ensemble(
    net: Builder, data, *, budget: float = 1.0, cycle: float = 0.25, exploring: Mapping[str, Any] = {},
    **options: Unpack[Options],
) -> Members:  # fmt: skip
    """Train one network in cycles, α(t) = (α₀/2)(cos(π t) + 1), t from 0 to 1 in each, and keep the end of each.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0; any rest after the last whole cycle isn't spent.
        cycle: Cost of one cycle in trainings, > 0.
        exploring: Fields of the recipe that differ, such as {"learning_rate": 0.2}.
        **options: As in `Options`.

    Returns:
        A law of one member for each cycle.

    Raises:
        ValueError: Less than one cycle.

    References: Huang et al. 2017, arXiv 1704.00109, equation 2.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = snapshot_ensemble(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=4))
    >>> len(law), law.cost.trainings
    (4, 1.0)
    """
    request = Request.checked(snapshot_ensemble, net, data, budget=budget, options=options)
    cycle = real(cycle, "cycle, in trainings,", above=0)
    n = int(budget / cycle + 1e-9)
    if n < 1:
        raise ValueError(f"A budget of {budget:g} is too small for snapshot_ensemble; a cycle costs {cycle:g}.")
    recipe = request.exploring(cycle * request.recipe.epochs, exploring, {"schedule": "cosine"})
    start = theta_of(build(request.net, request.network_seed(0))).to(request.device)
    thetas = request.explored(start, recipe, pieces=n, number=0)
    cost = request.cost(Plan(0, 1.0, 0.0), n * request.priced(recipe))
    return Members(request.net, thetas, cost=cost, **request.known)


def fast_geometric_ensemble(
    net: Builder, data, *, budget: float = 1.5, runs: Members | None = None, cycles: int = 10,
    exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Members:  # fmt: skip
    """Go on from a trained network with short triangular cycles of the learning rate, and keep the end of each (FGE).

    α(t) = α₁ (1 − |2t − 1|), t from 0 to 1 in each cycle. Departures from the paper: the lowest rate is 0, not α₁/100;
    the first cycle begins there, not at α₁; a cycle is shorter than an epoch where the budget asks for it.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0: two thirds for the networks (several from 3 on), a third for the cycles.
        runs: Networks trained already; they are trained here unless given.
        cycles: Cycles from each network, ≥ 1.
        exploring: Fields of the recipe that differ in the cycles; {"learning_rate": α₁}.
        **options: As in `Options`.

    Returns:
        A law of 1 + cycles members for each network: it, and the ends of its cycles.

    References: Garipov et al. 2018, arXiv 1802.10026, section 4.

    >>> import lnescape as ln
    >>> data, recipe = ln.load("digits"), ln.Recipe(epochs=4)
    >>> law = fast_geometric_ensemble(ln.network("mlp", data, width=16), data, cycles=4, recipe=recipe)
    >>> len(law), round(law.cost.trainings, 2)
    (5, 1.44)
    """
    request = Request.checked(fast_geometric_ensemble, net, data, budget=budget, options=options, runs=runs)
    cycles = whole(cycles, "cycles", least=1)
    plan = request.plan(each=1.5, share=1 / 3, pieces=2 * cycles)
    # At least two steps: the first has a learning rate of 0.
    recipe = request.exploring(plan.exploring / cycles, exploring, {"schedule": "cycle"}, steps=2)
    parts = []
    for number, theta in enumerate(request.networks(plan).thetas):
        parts += [theta.unsqueeze(0), request.explored(theta, recipe, pieces=cycles, number=number)]
    thetas = torch.cat(parts)
    cost = request.cost(plan, plan.n * cycles * request.priced(recipe))
    return Members(request.net, thetas, cost=cost, **request.known)
