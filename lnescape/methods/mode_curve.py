"""Mode-connecting curves: networks met along a low-loss curve between two trained ones."""

from collections.abc import Mapping
from typing import Any, Unpack

from lnescape.laws import Law, Members
from lnescape.laws.mixture import mixture_of
from lnescape.methods.checks import Options
from lnescape.methods.request import Request
from lnescape.subspaces import Bezier
from lnescape.weights import Builder


def mode_curve(
    net: Builder, data, *, budget: float = 3.0, runs: Members | None = None, exploring: Mapping[str, Any] = {},
    **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Join trained networks two by two: γ(t) = (1 − t)² w₁ + 2t(1 − t) φ + t² w₂, φ minimising E_t L(γ(t)).

    Of a budget of 3 a third goes to each network, a third to the curve; from 6 on there are several curves. Departure:
    weight decay acts on φ, multiplied by E 2t(1 − t) = 1/3, the weight with which the loss pulls it; the released code
    adds the decay of the point γ(t) to the loss.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, that of the networks included.
        runs: Networks trained already, an even number; they are trained here unless given.
        exploring: Fields of the recipe that differ for the curve.
        **options: As in `Options`.

    Returns:
        A uniform law over the curve, or a mixture of such laws; its draws lie inside the curve, the networks at its
        ends are not added.

    Raises:
        ValueError: An odd number of networks, a budget that is too small, or what `fit_subspace` refuses.

    References:
        Garipov et al. 2018, arXiv 1802.10026, section 3.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = mode_curve(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=2))
        >>> law.predict(data.test.images, n=5).shape, law.cost.trainings
        (torch.Size([5, 200, 10]), 3.0)
    """
    request = Request.of("mode_curve", net, data, budget=budget, options=options, runs=runs)
    if runs is not None and len(runs) % 2:
        raise ValueError(f"A curve joins two networks, and {len(runs)} were given; pass an even number.")
    n_curves = len(runs) // 2 if runs is not None else max(1, int(budget / 3 + 1e-9))
    plan = request.plan(each=budget / (2 * n_curves), share=1 / 3, least=2 * n_curves, pieces=1)
    recipe = request.exploring(2 * plan.exploring, exploring, pull=1 / 3)
    networks = request.networks(plan)
    laws = []
    for k in range(n_curves):
        straight = Bezier.between(networks[2 * k], networks[2 * k + 1])
        laws.append(request.learned(straight, recipe, number=k))
    cost = request.cost(plan, n_curves * request.priced(recipe))
    return mixture_of(laws, cost=cost)
