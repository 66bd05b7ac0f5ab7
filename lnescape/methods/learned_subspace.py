"""Learned subspaces: lines, curves and triangles of networks, all ends trained at once from scratch."""

from collections.abc import Mapping
from typing import Any, Unpack

from lnescape.checks import real
from lnescape.laws import Law
from lnescape.laws.mixture import mixture_of
from lnescape.methods.checks import Options, checked_count
from lnescape.methods.request import Request
from lnescape.subspaces import Bezier, Segment, Simplex
from lnescape.weights import Builder

SHAPES = {
    "line": lambda: Segment.from_scratch(2),
    "curve": lambda: Bezier.from_scratch(3),
    "triangle": lambda: Simplex.from_scratch(3),
}


def learned_subspace(
    net: Builder, data, *, budget: float = 1.0, shape: str = "line", cosine_weight: float = 1.0, points: int = 1,
    exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Learn a subspace of networks from scratch: minimise E_α L(Σ_k α_k v_k) + β cos²(v_i, v_j), i ≠ j at random.

    α is uniform on the subspace, one for each batch. Batch normalisation is refreshed at every network drawn, as the
    paper does. Departures: the penalty counts weights of two and more dimensions, not convolutions only; weight decay
    is multiplied by E α_k, since the loss pulls an end with that weight only.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0; from 2 on several subspaces are learned.
        shape: "line" (2 ends), "curve" (quadratic Bézier) or "triangle".
        cosine_weight: β ≥ 0.
        points: Points drawn for each batch; the budget then buys so many times fewer steps.
        exploring: Fields of the recipe that differ, such as {"learning_rate": 0.2}: an end moves less than a network
            alone would, as its gradient is multiplied by α_k.
        **options: As in `Options`.

    Returns:
        A uniform law over the subspace, or a mixture of such laws.

    Raises:
        ValueError: A shape that isn't known, a budget that is too small, or what `fit_subspace` refuses.

    References:
        Wortsman et al. 2021, arXiv 2102.10472, algorithm 1.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = learned_subspace(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=2))
        >>> law.predict(data.test.images, n=5).shape, law.cost.trainings
        (torch.Size([5, 200, 10]), 1.0)
    """
    request = Request.of("learned_subspace", net, data, budget=budget, options=options)
    if shape not in SHAPES:
        raise ValueError(f"shape={shape!r} is not known; use {', '.join(SHAPES)}.")
    points = checked_count(
        points, 1, f"points={points!r} leaves nothing to train at; draw one for each batch, or more."
    )
    plan = request.plan(each=1.0, share=0.0, times=points)
    empty = SHAPES[shape]()
    recipe = request.exploring(plan.training / points, exploring, pull=1 / empty.n_vertices)
    options = {"cosine_weight": real(cosine_weight, "cosine_weight", least=0), "points": points}
    laws = [request.learned(empty, recipe, number=k, **options) for k in range(plan.n)]
    cost = request.cost(plan, plan.n * (points * request.priced(recipe) - request.priced(request.at(plan.training))))
    return mixture_of(laws, cost=cost)
