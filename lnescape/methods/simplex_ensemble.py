"""Simplex ensembles: vertices grown around trained networks (ESPRO), or connectors that join them (SPRO).

Departures from the released code of Benton et al., for both: the mean of the losses at the points of a step, not
their sum (which multiplies the printed learning rate by their number); one point a step unless told otherwise, not
five; the height of the new vertex, and so ln V, by QR in float64, not the squared Cayley–Menger determinant in
float32; the volume of the whole complex, not of one simplex of it; λ as it is, not divided by the log-volume of
random vertices, and no number added to V; a new vertex starts 1 % off the centroid, where the volume has a slope, not
at it; the learning rate falls to zero within each vertex; weight decay is multiplied by E α_k, the weight with which
the loss pulls a vertex; a uniform point lies in each simplex of a complex with equal probability.
"""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any, Unpack

from lnescape.laws import Law, Members
from lnescape.laws.mixture import mixture_of
from lnescape.methods.checks import Options, checked_count
from lnescape.methods.request import Request
from lnescape.subspaces import Simplex, SimplicialComplex
from lnescape.weights import Builder

GROWING = {"schedule": "cosine"}
PULL = 0.4  # E α_k of a new vertex: 1/2 beside one other, 1/3 beside two


def simplex_ensemble(
    net: Builder, data, *, budget: float = 1.5, runs: Members | None = None, n_vertices: int = 3,
    volume_weight: float = 1e-8, points: int = 1, exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Grow a simplex around each trained network, vertex by vertex: minimise E_α L(Σ_k α_k v_k) − λ ln V (ESPRO).

    V = √det(EᵀE)/d!, E the edges. Two thirds of the budget train the networks, a third the vertices; from 3 on there
    are several networks.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, that of the networks included.
        runs: Networks trained already; they are trained here unless given.
        n_vertices: Vertices of each simplex, the network included, ≥ 2.
        volume_weight: λ ≥ 0.
        points: Points drawn for each batch; the budget then buys so many times fewer steps.
        exploring: Fields of the recipe that differ for the vertices.
        **options: As in `Options`.

    Returns:
        A uniform law over the simplex, or a mixture of such laws.

    Raises:
        ValueError: A budget that is too small, or what `fit_subspace` refuses.

    References:
        Benton et al. 2021, arXiv 2102.13042, section 4 and equation 4.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = simplex_ensemble(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=4))
        >>> law.subspace.n_vertices, law.predict(data.test.images, n=5).shape
        (3, torch.Size([5, 200, 10]))
    """
    request = Request.of("simplex_ensemble", net, data, budget=budget, options=options, runs=runs)
    refusal = f"n_vertices={n_vertices!r} make no simplex around a network; give two or more, the network included."
    n_new = checked_count(n_vertices, 2, refusal) - 1
    _check_growth(points, volume_weight)
    plan = request.plan(each=1.5, share=1 / 3, pieces=n_new, times=points)
    recipe = request.exploring(plan.exploring / n_new, GROWING | dict(exploring), pull=PULL)
    grow = {"points": points, "volume_weight": volume_weight}
    laws = [
        request.learned(Simplex.around(theta, n_vertices), recipe, number=k, **grow)
        for k, theta in enumerate(request.networks(plan).thetas)
    ]
    cost = request.cost(plan, plan.n * n_new * points * request.priced(recipe))
    return mixture_of(laws, cost=cost)


def simplicial_complex(
    net: Builder, data, *, budget: float = 3.0, runs: Members | None = None, n_connectors: int = 2,
    volume_weight: float = 1e-8, points: int = 1, exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Join trained networks by simplexes with shared connectors: minimise E_θ L(θ) − λ ln Σ_m V_m (SPRO).

    θ is uniform in one of the M simplexes conv(w_m, u₁, …, u_J). Two thirds of the budget train the networks (two up
    to a budget of 4.5), a third the connectors, one after another.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, that of the networks included.
        runs: Networks trained already, two or more; they are trained here unless given.
        n_connectors: J ≥ 1.
        volume_weight: λ ≥ 0.
        points: Points drawn for each batch; the budget then buys so many times fewer steps.
        exploring: Fields of the recipe that differ for the connectors.
        **options: As in `Options`.

    Returns:
        A law over the complex.

    Raises:
        ValueError: One network only, a budget that is too small, or what `fit_subspace` refuses.

    References:
        Benton et al. 2021, arXiv 2102.13042, section 4.2.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = simplicial_complex(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=4))
        >>> law.subspace.n_vertices, law.predict(data.test.images, n=5).shape
        (4, torch.Size([5, 200, 10]))
    """
    request = Request.of("simplicial_complex", net, data, budget=budget, options=options, runs=runs)
    checked_count(n_connectors, 1, f"n_connectors={n_connectors!r} join nothing; give one or more.")
    _check_growth(points, volume_weight)
    if runs is not None and len(runs) < 2:
        raise ValueError("One network was given, and a complex joins two or more; use simplex_ensemble around one.")
    plan = request.plan(each=1.5, share=1 / 3, least=2, pieces=1, times=points)
    recipe = request.exploring(plan.n * plan.exploring / n_connectors, GROWING | dict(exploring), pull=PULL)
    joined = SimplicialComplex.joining(request.networks(plan).thetas, n_connectors)
    law = request.learned(joined, recipe, number=0, points=points, volume_weight=volume_weight)
    return replace(law, cost=request.cost(plan, points * n_connectors * request.priced(recipe)))


def _check_growth(points: Any, volume_weight: Any) -> None:
    checked_count(points, 1, f"points={points!r} leaves nothing to train at; draw one for each batch, or more.")
    if not isinstance(volume_weight, Real) or not 0 <= volume_weight < float("inf"):
        raise ValueError(f"volume_weight={volume_weight!r} is no weight λ; give a number from 0 on, such as 1e-8.")
