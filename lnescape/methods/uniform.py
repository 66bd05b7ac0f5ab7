"""Methods whose law is uniform on a subspace: learned curves between networks, subspaces from scratch, simplexes.

In all of them weight decay is multiplied by E α_k, the weight with which the loss pulls a vertex, or by 0.4 for grown
vertices: that is between the 1/2 of the second one and the 1/3 of the third. Departures of both
kinds of simplexes from the released code of Benton et al. are listed at `lnescape.fit_subspace`; besides, the learning
rate falls to zero within each vertex.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

from lnescape.checks import one_of, real, whole
from lnescape.laws.law import Law, Members, mixture_of
from lnescape.methods.budget import Options, Request
from lnescape.subspaces import Bezier, Segment, Simplex, SimplicialComplex
from lnescape.weights import Builder

SHAPES = {"line": Segment.from_scratch(2), "curve": Bezier.from_scratch(3), "triangle": Simplex.from_scratch(3)}
GROWING = {"schedule": "cosine"}
PULL = 0.4  # of a grown vertex; E α_k is 1/2 beside one other, 1/3 beside two


def mode_curve(
    net: Builder, data, *, budget: float = 3.0, runs: Members | None = None, exploring: Mapping[str, Any] = {},
    **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Join trained networks two by two: γ(t) = (1 − t)² w₁ + 2t(1 − t) φ + t² w₂, φ minimising E_t L(γ(t)).

    Departure: weight decay acts on φ, multiplied by E 2t(1 − t) = 1/3; the released code adds the decay of the point
    γ(t) to the loss.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0: of 3, one for each network and one for the curve; from 6 on several curves.
        runs: Networks trained already, an even number; they are trained here unless given.
        exploring: Fields of the recipe that differ for the curve.
        **options: As in `Options`.

    Returns:
        A uniform law over the curve, the networks at its ends not added; or a mixture of such laws.

    Raises:
        ValueError: An odd number of networks.

    References: Garipov et al. 2018, arXiv 1802.10026, section 3.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = mode_curve(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=2))
    >>> law.predict(data.test.images, n=5).shape, law.cost.trainings
    (torch.Size([5, 200, 10]), 3.0)
    """
    request = Request.checked(mode_curve, net, data, budget=budget, options=options, runs=runs)
    if runs is not None and len(runs) % 2:
        raise ValueError(f"A curve joins two networks, and {len(runs)} were given; pass an even number.")
    n_curves = len(runs) // 2 if runs is not None else max(1, int(budget / 3 + 1e-9))
    plan = request.plan(each=budget / (2 * n_curves), share=1 / 3, least=2 * n_curves, pieces=1)
    recipe = request.exploring(2 * plan.exploring, exploring, pull=1 / 3)
    networks = request.networks(plan)
    straight = [Bezier.between(networks[2 * k], networks[2 * k + 1]) for k in range(n_curves)]
    laws = [request.learned(curve, recipe, number=k) for k, curve in enumerate(straight)]
    return mixture_of(laws, cost=request.cost(plan, n_curves * request.priced(recipe)))


def learned_subspace(
    net: Builder, data, *, budget: float = 1.0, shape: str = "line", cosine_weight: float = 1.0, points: int = 1,
    exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Learn a subspace of networks from scratch: minimise E_α L(Σ_k α_k v_k) + β cos²(v_i, v_j), i ≠ j at random.

    α is uniform on the subspace, one for each batch. Departure: the penalty counts weights of two and more dimensions,
    not convolutions only.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0; from 2 on several subspaces are learned.
        shape: "line" (2 ends), "curve" (quadratic Bézier) or "triangle".
        cosine_weight: β ≥ 0.
        points: Points drawn for each batch; the number of steps in the budget is divided by it.
        exploring: Fields of the recipe that differ, such as {"learning_rate": 0.2}: an end moves less than a network
            alone would, as its gradient is multiplied by α_k.
        **options: As in `Options`.

    Returns:
        A uniform law over the subspace, or a mixture of such laws.

    References: Wortsman et al. 2021, arXiv 2102.10472, algorithm 1.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = learned_subspace(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=2))
    >>> law.predict(data.test.images, n=5).shape, law.cost.trainings
    (torch.Size([5, 200, 10]), 1.0)
    """
    request = Request.checked(learned_subspace, net, data, budget=budget, options=options)
    empty = SHAPES[one_of(shape, SHAPES, "shape")]
    points = whole(points, "points", least=1)
    plan = request.plan(each=1.0, share=0.0, times=points)
    recipe = request.exploring(plan.training / points, exploring, pull=1 / empty.n_vertices)
    cosine_weight = real(cosine_weight, "cosine_weight", least=0)
    laws = [request.learned(empty, recipe, number=k, cosine_weight=cosine_weight, points=points) for k in range(plan.n)]
    cost = request.cost(plan, plan.n * (points * request.priced(recipe) - request.priced(request.at(plan.training))))
    return mixture_of(laws, cost=cost)


def simplex_ensemble(
    net: Builder, data, *, budget: float = 1.5, runs: Members | None = None, n_vertices: int = 3,
    volume_weight: float = 1e-8, points: int = 1, exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Grow a simplex around each trained network, vertex by vertex: minimise E_α L(Σ_k α_k v_k) − λ ln V (ESPRO).

    V = √det(EᵀE)/d!, E the edges.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0: two thirds for the networks (several from 3 on), a third for the vertices.
        runs: Networks trained already; they are trained here unless given.
        n_vertices: Vertices of each simplex, the network included, ≥ 2.
        volume_weight: λ ≥ 0.
        points: Points drawn for each batch; the number of steps in the budget is divided by it.
        exploring: Fields of the recipe that differ for the vertices.
        **options: As in `Options`.

    Returns:
        A uniform law over the simplex, or a mixture of such laws.

    References: Benton et al. 2021, arXiv 2102.13042, section 4 and equation 4.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = simplex_ensemble(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=4))
    >>> law.subspace.n_vertices, law.predict(data.test.images, n=5).shape
    (3, torch.Size([5, 200, 10]))
    """
    request = Request.checked(simplex_ensemble, net, data, budget=budget, options=options, runs=runs)
    n_new = whole(n_vertices, "n_vertices", least=2) - 1
    points, volume_weight = whole(points, "points", least=1), real(volume_weight, "volume_weight", least=0)
    plan = request.plan(each=1.5, share=1 / 3, pieces=n_new, times=points)
    recipe = request.exploring(plan.exploring / n_new, exploring, GROWING, pull=PULL)
    grow = {"points": points, "volume_weight": volume_weight}
    laws = [
        request.learned(Simplex.around(theta, n_vertices), recipe, number=k, **grow)
        for k, theta in enumerate(request.networks(plan).thetas)
    ]
    return mixture_of(laws, cost=request.cost(plan, plan.n * n_new * points * request.priced(recipe)))


def simplicial_complex(
    net: Builder, data, *, budget: float = 3.0, runs: Members | None = None, n_connectors: int = 2,
    volume_weight: float = 1e-8, points: int = 1, exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Join trained networks by simplexes with shared connectors: minimise E_θ L(θ) − λ ln Σ_m V_m (SPRO).

    θ is uniform in one of the M simplexes conv(w_m, u₁, …, u_J); the connectors u are learned one after another.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0: two thirds for the networks (two up to 4.5), a third for the connectors.
        runs: Networks trained already, two or more; they are trained here unless given.
        n_connectors: J ≥ 1.
        volume_weight: λ ≥ 0.
        points: Points drawn for each batch; the number of steps in the budget is divided by it.
        exploring: Fields of the recipe that differ for the connectors.
        **options: As in `Options`.

    Returns:
        A law over the complex.

    Raises:
        ValueError: One network only.

    References: Benton et al. 2021, arXiv 2102.13042, section 4.2.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = simplicial_complex(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=4))
    >>> law.subspace.n_vertices, law.predict(data.test.images, n=5).shape
    (4, torch.Size([5, 200, 10]))
    """
    request = Request.checked(simplicial_complex, net, data, budget=budget, options=options, runs=runs)
    n_connectors = whole(n_connectors, "n_connectors", least=1)
    points, volume_weight = whole(points, "points", least=1), real(volume_weight, "volume_weight", least=0)
    if runs is not None and len(runs) < 2:
        raise ValueError("One network was given, and a complex joins two or more; use simplex_ensemble around one.")
    plan = request.plan(each=1.5, share=1 / 3, least=2, pieces=1, times=points)
    recipe = request.exploring(plan.n * plan.exploring / n_connectors, exploring, GROWING, pull=PULL)
    joined = SimplicialComplex.joining(request.networks(plan).thetas, n_connectors)
    law = request.learned(joined, recipe, number=0, points=points, volume_weight=volume_weight)
    return replace(law, cost=request.cost(plan, points * n_connectors * request.priced(recipe)))
