"""SWAG: a Gaussian law fitted to the points that stochastic gradient descent passes near a solution."""

from collections.abc import Mapping
from typing import Any, Unpack

from jaxtyping import Float
from torch import Tensor

from lnescape.laws import GaussianLaw, Law, Members
from lnescape.laws.mixture import mixture_of
from lnescape.methods.checks import Options, checked_count
from lnescape.methods.request import Request
from lnescape.training import TrainingError
from lnescape.weights import Builder


def swag(
    net: Builder, data, *, budget: float = 1.5, runs: Members | None = None, snapshots: int = 20,
    exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Fit a Gaussian to snapshots θ_k of a training that goes on at a constant rate; see `gaussian_of`.

    Two thirds of the budget train the networks, a third the snapshots; from 3 on there are several networks, each
    with a Gaussian of its own (MultiSWAG).

    Departures from the paper: the low-rank part uses deviations from the final mean, not from the running one; all
    snapshots enter both parts; several snapshots are taken in an epoch where the budget asks for it.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0, that of the networks included.
        runs: Networks trained already; they are trained here unless given.
        snapshots: K ≥ 2, evenly spaced.
        exploring: Fields of the recipe that differ while snapshots are taken, such as {"learning_rate": 0.05}.
        **options: As in `Options`.

    Returns:
        A Gaussian law, or a mixture of such laws.

    Raises:
        ValueError: Fewer than two snapshots, a budget that is too small, or what `fit` refuses.
        TrainingError: The training diverged.

    References:
        Maddox et al. 2019, arXiv 1902.02476, section 3 and algorithm 1; Wilson & Izmailov 2020, arXiv 2002.08791,
        section 3 (MultiSWAG).

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = swag(ln.network("mlp", data, width=16), data, snapshots=4, recipe=ln.Recipe(epochs=4))
        >>> law.predict(data.test.images, n=5).shape, round(law.cost.trainings, 2)
        (torch.Size([5, 200, 10]), 1.44)
    """
    request = Request.of("swag", net, data, budget=budget, options=options, runs=runs)
    snapshots = checked_count(snapshots, 2, f"snapshots={snapshots!r} have no spread; take two or more.")
    plan = request.plan(each=1.5, share=1 / 3, pieces=snapshots)
    changes = {"schedule": "constant", "learning_rate": request.recipe.learning_rate / 4} | dict(exploring)
    recipe = request.exploring(plan.exploring / snapshots, changes)
    laws = []
    for number, theta in enumerate(request.networks(plan).thetas):
        points = request.explored(theta, recipe, pieces=snapshots, number=number)
        mean, scale, factors = gaussian_of(points)
        if not factors.square().sum().isfinite():
            raise TrainingError(f"swag diverged after network {number}; lower its learning rate by exploring=.")
        laws.append(GaussianLaw(net, mean, scale=scale, factors=factors, **request.known))
    cost = request.cost(plan, plan.n * snapshots * request.priced(recipe))
    return mixture_of(laws, cost=cost)


def gaussian_of(
    points: Float[Tensor, "snapshots parameters"],
) -> tuple[Float[Tensor, " parameters"], Float[Tensor, " parameters"], Float[Tensor, "snapshots parameters"]]:
    """Fit mean and covariance to snapshots: N(θ̄, ½ diag(s²) + ½ DᵀD/(K − 1)).

    θ̄ = (1/K) Σ θ_k,  D_k = θ_k − θ̄,  s² = (1/K) Σ D_k²

    One half of the variance comes from each part, so that for independent snapshots the variance of every parameter is
    right but for a share 1/(2K) that is missing, and covariances between parameters are half of what they are.

    Args:
        points: θ_k, [K, P], K ≥ 2.

    Returns:
        Mean, scale s/√2 and factors D/√(2(K − 1)) of a `GaussianLaw`.

    References:
        Maddox et al. 2019, arXiv 1902.02476, equation 1.

    Example:
        >>> import torch
        >>> mean, scale, factors = gaussian_of(torch.tensor([[0.0], [2.0]]))
        >>> mean.item(), round((scale**2).item(), 3), round((factors**2).sum().item(), 3)
        (1.0, 0.5, 1.0)
    """
    mean = points.mean(0)
    apart = points - mean  # differences first: the mean of squares minus the square of the mean loses digits
    scale = (apart.square().mean(0) / 2).sqrt()
    return mean, scale, apart / (2 * (len(points) - 1)) ** 0.5
