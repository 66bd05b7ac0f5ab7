"""Methods whose law is Gaussian: SWAG, from the points that training passes, and Laplace's approximation."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.checks import real, whole
from lnescape.laws.law import Law, Members, mixture_of
from lnescape.laws.noise import GaussianLaw
from lnescape.methods.budget import Options, Plan, Request
from lnescape.training import TrainingError
from lnescape.weights import Builder, last_layer, places, with_features

N_IMAGES = 10_000  # of the curvature, a fixed random sample
LARGEST = 12_000  # parameters of the last layer: each square matrix of them takes 1.2 GB, and there are three at once


def swag(
    net: Builder, data, *, budget: float = 1.5, runs: Members | None = None, snapshots: int = 20,
    exploring: Mapping[str, Any] = {}, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Fit a Gaussian to snapshots θ_k of a training that goes on at a constant rate (from budget 3 on: MultiSWAG).

    N(θ̄, ½ diag(s²) + ½ DᵀD/(K − 1)), θ̄ = (1/K) Σ θ_k, D_k = θ_k − θ̄, s² = (1/K) Σ D_k². Departures from the paper:
    the low-rank part uses deviations from the final mean, not from the running one; all snapshots enter both parts;
    several snapshots are taken in an epoch where the budget asks for it.

    Args:
        net: Builder of one network.
        data: The data set.
        budget: Cost in trainings, > 0: two thirds for the networks (several from 3 on), a third for the snapshots.
        runs: Networks trained already; they are trained here unless given.
        snapshots: K ≥ 2, evenly spaced.
        exploring: Fields of the recipe that differ while snapshots are taken, such as {"learning_rate": 0.05}.
        **options: As in `Options`.

    Returns:
        A Gaussian law, or a mixture of such laws.

    Raises:
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
    request = Request.checked("swag", net, data, budget=budget, options=options, runs=runs)
    snapshots = whole(snapshots, "snapshots", least=2)
    plan = request.plan(each=1.5, share=1 / 3, pieces=snapshots)
    usual = {"schedule": "constant", "learning_rate": request.recipe.learning_rate / 4}
    recipe = request.exploring(plan.exploring / snapshots, exploring, usual)
    laws = []
    for number, theta in enumerate(request.networks(plan).thetas):
        points = request.explored(theta, recipe, pieces=snapshots, number=number)
        mean, scale, factors = gaussian_of(points)
        if not factors.square().sum().isfinite():
            raise TrainingError(f"swag diverged after network {number}; lower its learning rate by exploring=.")
        laws.append(GaussianLaw(request.net, mean, scale=scale, factors=factors, **request.known))
    cost = request.cost(plan, plan.n * snapshots * request.priced(recipe))
    return mixture_of(laws, cost=cost)


def gaussian_of(
    points: Float[Tensor, "snapshots parameters"],
) -> tuple[Float[Tensor, " parameters"], Float[Tensor, " parameters"], Float[Tensor, "snapshots parameters"]]:
    """Return mean, scale s/√2 and factors D/√(2(K − 1)) of the `GaussianLaw` of K ≥ 2 snapshots, see `swag`.

    One half of the variance comes from each part, so that for independent snapshots the variance of every parameter is
    right but for a share 1/(2K) that is missing, and covariances between parameters are half of what they are.

    References:
        Maddox et al. 2019, arXiv 1902.02476, equation 1.

    Example:
        >>> mean, scale, factors = gaussian_of(torch.tensor([[0.0], [2.0]]))
        >>> mean.item(), round((scale**2).item(), 3), round((factors**2).sum().item(), 3)
        (1.0, 0.5, 1.0)
    """
    mean = points.mean(0)
    apart = points - mean  # differences first: the mean of squares minus the square of the mean loses digits
    scale = (apart.square().mean(0) / 2).sqrt()
    return mean, scale, apart / (2 * (len(points) - 1)) ** 0.5


def laplace(
    net: Builder, data, *, budget: float | None = None, runs: Members | None = None,
    prior_precision: float | None = None, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Put N(θ̂, Λ⁻¹) on the last layer, Λ = Σ_i (diag(p_i) − p_i p_iᵀ) ⊗ φ_i φ_iᵀ + δ I.

    φ_i are the inputs of the last layer, with a 1 for the bias, p_i the predicted probabilities, of up to 10 000
    training images, scaled up to all of them. For softmax regression Λ is the exact Hessian of the summed loss.

    Args:
        net: Builder of one network whose last layer is linear.
        data: The data set.
        budget: Cost in trainings, > 0, that of the curvature included, which is dear on tiny data; from 2 on several
            networks are trained. What one plain training, or `runs`, and the curvature cost unless given.
        runs: Networks trained already; they are trained here unless given.
        prior_precision: δ > 0; unless given images × weight decay, what the decay of "sgd" amounts to.
        **options: As in `Options`.

    Returns:
        A Gaussian law, or a mixture of such laws.

    Raises:
        ValueError: The last layer isn't linear, or too large, or the budget too small.

    References:
        Daxberger et al. 2021, arXiv 2106.14806, sections 2 and 3; Eschenhagen et al. 2021, arXiv 2111.03577 (mixture).

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> law = laplace(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=2))
        >>> law.predict(data.test.images, n=5).shape, law.factors.shape
        (torch.Size([5, 200, 10]), torch.Size([170, 170]))
    """
    asked = 1.0 if budget is None else budget
    request = Request.checked("laplace", net, data, budget=asked, options=options, runs=runs)
    start, size = _block(request.template.fresh(), request.data.train.images[:2].cpu())
    data, recipe = request.data, request.recipe
    precision = len(data.train) * recipe.weight_decay if prior_precision is None else prior_precision
    precision = real(precision, "prior_precision", above=0)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:N_IMAGES]
    some = data.train.images[order.to(data.train.images.device)]
    n = len(runs) if runs is not None else max(1, int(request.budget + 1e-9))
    each, step = _operations(request, len(some), size, data.n_classes), request.plain / recipe.n_steps(len(data.train))
    while runs is None and budget is not None and n > 1 and n * (each + step) > budget * request.plain:
        n -= 1
    extra, least = n * each, (n * step if runs is None else request.given) + n * each
    if budget is not None and least > 1.05 * budget * request.plain:
        raise ValueError(
            f"A budget of {budget:g} trainings is too small for laplace; it needs at least "
            f"{math.ceil(1000 * least / request.plain) / 1000:g} here, {extra / request.plain:.3g} for the curvature."
        )
    plan = Plan(n, recipe.epochs, 0.0)
    if runs is None and budget is not None:
        request = replace(request, budget=max(budget - extra / request.plain, n * step / request.plain))
        plan = request.plan(each=request.budget / n, share=0.0, least=n)
    networks = request.networks(plan)
    laws = []
    for theta in networks.thetas:
        with networks.lend(theta) as module:
            logits, features = with_features(module, some)
        assert features is not None, "_block found the last layer"
        curvature = softmax_curvature(logits, features, bias=size > features.shape[1] * logits.shape[1])
        curvature *= len(data.train) / len(some)
        curvature.diagonal().add_(precision)
        laws.append(GaussianLaw(request.net, theta, factors=_inverse_root(curvature), start=start, **request.known))
    return mixture_of(laws, cost=request.cost(plan, extra))


def _inverse_root(curvature: Float[Tensor, "p p"]) -> Float[Tensor, "p p"]:
    """Give L⁻¹ of Λ = L Lᵀ: factors whose sum of squares is Λ⁻¹."""
    lower, failed = torch.linalg.cholesky_ex(curvature)
    if int(failed):
        raise ValueError("The curvature of the last layer is singular; raise prior_precision.")
    eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
    return torch.linalg.solve_triangular(lower, eye, upper=False).float()


def softmax_curvature(
    logits: Float[Tensor, "images classes"], features: Float[Tensor, "images features"], *, bias: bool = True
) -> Float[Tensor, "parameters parameters"]:
    """Return Σ_i (diag(p_i) − p_i p_iᵀ) ⊗ φ_i φ_iᵀ, float64, in the order of the layer's parameters in θ.

    Example:
        >>> softmax_curvature(torch.zeros(1, 2), torch.tensor([[2.0]]), bias=False)
        tensor([[ 1., -1.],
                [-1.,  1.]], dtype=torch.float64)
    """
    p, phi = logits.double().softmax(1), features.double()
    if bias:
        phi = torch.cat([phi, phi.new_ones(len(phi), 1)], 1)
    classes, width = p.shape[1], phi.shape[1]
    blocks = phi.new_empty(classes, width, classes, width)
    for first in range(classes):
        for second in range(first, classes):
            weight = p[:, first] * (float(first == second) - p[:, second])
            blocks[first, :, second] = blocks[second, :, first] = (phi * weight.unsqueeze(1)).T @ phi
    matrix = blocks.reshape(classes * width, -1)
    if not bias:
        return matrix
    own = torch.arange(classes * width, device=p.device).view(classes, width)
    order = torch.cat([own[:, :-1].flatten(), own[:, -1]])
    return matrix[order.unsqueeze(1), order]


def _block(module: nn.Module, images: Tensor) -> tuple[int, int]:
    """Find where the parameters of the last layer lie in θ."""
    module = module.cpu().float().eval()
    layer = last_layer(module, images)
    if layer is None:
        raise ValueError("The network doesn't end in a linear layer; laplace needs nn.Linear to give the logits.")
    if [name for name, _ in layer.named_parameters()] not in (["weight"], ["weight", "bias"]):
        raise ValueError("The last layer's weights are made of others (weight_norm?); laplace needs a plain nn.Linear.")
    starts = places(module)
    where = [starts.get(id(p), -1) for p in layer.parameters()]
    # Frozen ones have no place; the bias must follow the weight.
    if -1 in where or where[1:] not in ([], [where[0] + layer.weight.numel()]):
        raise ValueError("The last layer's weights are frozen or shared with another layer; laplace needs its own.")
    size = sum(p.numel() for p in layer.parameters())
    if size > LARGEST:
        raise ValueError(f"The last layer has {size} parameters; laplace (curvature: P × P) takes {LARGEST} at most.")
    return where[0], size


def _operations(request: Request, n_images: int, size: int, classes: int) -> float:
    """Count, for one network, a forward pass of the images, the products of the curvature, and its inverse root."""
    blocks = classes * (classes + 1) / 2
    inverse = 4 / 3 * size**3  # Cholesky decomposition, P³/3, and triangular inverse, P³
    return n_images * (request.operations.forward + 2 * blocks * (size // classes) ** 2) + inverse
