"""Methods whose law is Gaussian: SWAG, from the points that training passes, and Laplace's approximation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.checks import one_of, real, whole
from lnescape.data.inputs import LN_VARIANCE
from lnescape.laws.law import Law, Members, mixture_of
from lnescape.laws.noise import GaussianLaw, KroneckerLaw
from lnescape.methods.budget import Options, Plan, Request
from lnescape.training import TrainingError, gaussian_nll
from lnescape.weights import Builder, last_layer, places, with_features

N_IMAGES = 10_000  # of the curvature, a fixed random sample
LARGEST = 12_000  # parameters of the last layer: each square matrix of them takes 1.2 GB, and there are three at once
MARGINAL = "marginal likelihood"


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
        exploring: Fields of the recipe that differ while snapshots are taken, such as {"learning_rate": 0.05}; unless
            given, the learning rate is a constant quarter of the recipe's.
        **options: As in `Options`.

    Returns:
        A Gaussian law, or a mixture of such laws.

    Raises:
        TrainingError: The training diverged.

    References: Maddox et al. 2019, arXiv 1902.02476, section 3 and algorithm 1; Wilson & Izmailov 2020, arXiv
    2002.08791, section 3 (MultiSWAG).

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = swag(ln.network("mlp", data, width=16), data, snapshots=4, recipe=ln.Recipe(epochs=4))
    >>> law.predict(data.test.images, n=5).shape, round(law.cost.trainings, 2)
    (torch.Size([5, 200, 10]), 1.44)
    """
    request = Request.checked(swag, net, data, budget=budget, options=options, runs=runs)
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
    return mixture_of(laws, cost=request.cost(plan, plan.n * snapshots * request.priced(recipe)))


def gaussian_of(
    points: Float[Tensor, "snapshots parameters"],
) -> tuple[Float[Tensor, " parameters"], Float[Tensor, " parameters"], Float[Tensor, "snapshots parameters"]]:
    """Return mean, scale s/√2 and factors D/√(2(K − 1)) of the `GaussianLaw` of K ≥ 2 snapshots, see `swag`.

    One half of the variance comes from each part, so that for independent snapshots the variance of every parameter is
    right but for a share 1/(2K) that is missing, and covariances between parameters are half of the true ones.

    References: Maddox et al. 2019, arXiv 1902.02476, equation 1.

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
    prior_precision: float | Literal["marginal likelihood"] | None = None,
    structure: Literal["full", "Kronecker", "diagonal"] | None = None, **options: Unpack[Options],
) -> Law:  # fmt: skip
    """Put N(θ̂, Λ⁻¹) on the last layer, Λ = H + δ I, H = Σ_i (diag(p_i) − p_i p_iᵀ) ⊗ φ_i φ_iᵀ.

    φ_i are the inputs of the last layer, with a 1 for the bias, p_i the predicted probabilities, of up to 10 000
    training images, scaled up to all of them. For softmax regression Λ is the exact Hessian of the summed loss.
    Beyond 12 000 parameters H is approximated by (mean of diag(p_i) − p_i p_iᵀ) ⊗ Σ φ_i φ_iᵀ, or by its diagonal.

    The marginal likelihood of the layer, ½ (P ln δ − δ ‖θ̂‖² − ln det Λ) and a constant, is highest where δ = γ/‖θ̂‖²,
    γ = Σ h/(h + δ) over the eigenvalues h of H. Compared with `laplace-torch` on digits, δ is the same within the
    tolerance of a search, and so is the covariance, full and diagonal; its Kronecker form treats the bias apart. That
    package needs ten others and supports neither θ as one vector nor a budget, hence this code.

    Measured values: Λ_k = (Σ_i φ_i φ_iᵀ + n K w I)/σ_k² for each of K outputs, w the weight decay,
    σ_k² = RSS_k/(n − γ), γ = tr[Σ φφᵀ (Σ φφᵀ + n K w I)⁻¹]: for linear regression the exact posterior of ridge
    regression. Where variances are predicted, Λ = Σ_i diag(1/σ_i², ½) ⊗ φ_i φ_iᵀ + n K w I instead.

    Args:
        net: Builder of one network whose last layer is linear.
        data: The data set.
        budget: Cost in trainings, > 0, including the curvature, which is expensive on tiny data; several networks from
            2 on. Unless given, the cost of one plain training, or of `runs`, and of the curvature.
        runs: Networks trained already; they are trained here unless given.
        prior_precision: δ > 0, or "marginal likelihood", for each network the δ of the highest one; unless given
            images × weight decay, the equivalent of the decay of "sgd".
        structure: Of H: "full", up to 12 000 parameters of the layer, "Kronecker" or "diagonal"; the first unless
            given, or the second where the layer is larger.
        **options: As in `Options`.

    Returns:
        A Gaussian law, or a mixture of such laws.

    Raises:
        ValueError: The last layer isn't linear, or too large for a full matrix, or the budget too small.

    References: Daxberger et al. 2021, arXiv 2106.14806, sections 2 and 3; Eschenhagen et al. 2021, arXiv 2111.03577
    (mixture); MacKay 1992, Neural Computation 4, 415, for the precision; Ritter et al. 2018, ICLR, for the Kronecker
    factors.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = laplace(ln.network("mlp", data, width=16), data, recipe=ln.Recipe(epochs=2))
    >>> law.predict(data.test.images, n=5).shape, law.factors.shape
    (torch.Size([5, 200, 10]), torch.Size([170, 170]))
    """
    asked = 1.0 if budget is None else budget
    request = Request.checked(laplace, net, data, budget=asked, options=options, runs=runs)
    place = _place(request.template.fresh(), request.data.train.images[:2].cpu())
    size = place.stop - place.start
    form = _checked_structure(structure, size)
    if form != "full" and request.data.values is not None:
        what = f"The curvature of measured values is a full one, up to {LARGEST} parameters, and the layer has {size}"
        raise ValueError(f"{what}; leave structure out, or take a narrower last layer.")
    data, recipe = request.data, request.recipe
    precision = _checked_precision(prior_precision, len(data.train) * recipe.weight_decay)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:N_IMAGES]
    some = data.train.images[order.to(data.train.images.device)]
    n = len(runs) if runs is not None else max(1, int(request.budget + 1e-9))
    each = _operations(request, len(some), size, structure=form, marginal=precision is None)
    step = request.plain / recipe.n_steps(len(data.train))
    while runs is None and budget is not None and n > 1 and n * (each + step) > budget * request.plain:
        n -= 1
    extra, least = n * each, (n * step if runs is None else request.given) + n * each
    if budget is not None and least > 1.05 * budget * request.plain:
        need = f"{math.ceil(1000 * least / request.plain) / 1000:g} here, {extra / request.plain:.3g} for the curvature"
        raise ValueError(f"A budget of {budget:g} trainings is too small for laplace; it needs at least {need}.")
    plan = Plan(n, recipe.epochs, 0.0)
    if runs is None and budget is not None:
        request = replace(request, budget=max(budget - extra / request.plain, n * step / request.plain))
        plan = request.plan(each=request.budget / n, share=0.0, least=n)
    networks = request.networks(plan)
    laws: list[Law] = []
    for theta in networks.thetas:
        with networks.lend(theta) as module:
            logits, features = with_features(module, some)
        assert features is not None, "_place found the last layer"
        layer = _Layer(theta, place, logits, features, len(data.train) / len(some))
        if data.values is None:
            laws.append(_LAWS[form](request, layer, precision))
        else:
            targets = data.train.targets[order.to(logits.device)]
            laws.append(_of_values(request, layer, precision, targets=targets, by_decay=prior_precision is None))
    return mixture_of(laws, cost=request.cost(plan, extra))


@dataclass(frozen=True)
class _Layer:
    """The last layer of one network, with its inputs and outputs for some images."""

    theta: Tensor  # the network
    place: slice  # of the layer's weights in θ
    logits: Tensor
    features: Tensor
    share: float  # of all training images over these

    @property
    def bias(self) -> bool:
        """Return whether the layer has a bias."""
        return len(self.theta[self.place]) > self.features.shape[1] * self.logits.shape[1]

    def read(self) -> tuple[Tensor, Tensor]:
        """Return the probabilities and the inputs, a 1 for the bias included, float64."""
        phi = self.features.double()
        return self.logits.double().softmax(1), torch.cat([phi, phi.new_ones(len(phi), int(self.bias))], 1)

    def likeliest_precision(self, eigenvalues: Float[Tensor, " parameters"]) -> float:
        """Return the δ of the highest marginal likelihood, δ = γ/‖θ̂‖², γ = Σ h/(h + δ), from the eigenvalues h of H."""
        # MacKay 1992, Neural Computation 4(3), 415, equation 4.9.
        h, precision, squares = eigenvalues.clamp_min(0.0), 1.0, float(self.theta[self.place].double().square().sum())
        for _ in range(1000):  # each step raises the marginal likelihood
            before, precision = precision, float((h / (h + precision)).sum()) / squares
            if not 0 < precision < math.inf:
                raise ValueError("No prior precision has a highest marginal likelihood here; pass one as a number.")
            if abs(precision - before) < 1e-9 * precision:
                break
        return precision


def _full(request: Request, layer: _Layer, precision: float | None) -> Law:
    """Make the law of the full curvature."""
    curvature = softmax_curvature(layer.logits, layer.features, bias=layer.bias)
    curvature *= layer.share
    return _with_precision(request, layer, precision, curvature)


def _with_precision(request: Request, layer: _Layer, precision: float | None, curvature: Float[Tensor, "p p"]) -> Law:
    """Make the law N(θ̂, Λ⁻¹) of Λ = H + δ I, of the likeliest δ unless it is given."""
    if precision is None:
        precision = layer.likeliest_precision(torch.linalg.eigvalsh(curvature))
    curvature.diagonal().add_(precision)
    factors = _inverse_root(curvature)
    return GaussianLaw(request.net, layer.theta, factors=factors, start=layer.place.start, **request.known)


def _inverse_root(curvature: Float[Tensor, "p p"]) -> Float[Tensor, "p p"]:
    """Return L⁻¹ of Λ = L Lᵀ: factors whose sum of squares is Λ⁻¹."""
    lower, failed = torch.linalg.cholesky_ex(curvature)
    if int(failed):
        raise ValueError("The curvature of the last layer is singular; raise prior_precision.")
    eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
    # In rows, as a file keeps them, so that a law that was read back draws the same bits.
    return torch.linalg.solve_triangular(lower, eye, upper=False).float().contiguous()


def _kronecker(request: Request, layer: _Layer, precision: float | None) -> Law:
    """Make the law of the product of two small matrices."""
    p, phi = layer.read()
    left, out = torch.linalg.eigh(torch.diag(p.mean(0)) - p.T @ p / len(p))
    right, inside = torch.linalg.eigh(layer.share * phi.T @ phi)
    curvature = left.clamp_min(0).unsqueeze(1) * right.clamp_min(0)
    precision = layer.likeliest_precision(curvature.flatten()) if precision is None else precision
    deviations = (curvature + precision).rsqrt().float()
    known = {"start": layer.place.start, "bias": layer.bias, **request.known}
    out, inside = out.float().contiguous(), inside.float().contiguous()
    return KroneckerLaw(request.net, layer.theta, out, inside, deviations, **known)


def _diagonal(request: Request, layer: _Layer, precision: float | None) -> Law:
    """Make the law of the diagonal of the curvature."""
    p, phi = layer.read()
    curvature = layer.share * (p * (1 - p)).T @ phi.square()
    if layer.bias:
        curvature = torch.cat([curvature[:, :-1].flatten(), curvature[:, -1]])
    precision = layer.likeliest_precision(curvature.flatten()) if precision is None else precision
    scale = torch.zeros_like(layer.theta)
    scale[layer.place] = (curvature.flatten() + precision).rsqrt().to(scale)
    return GaussianLaw(request.net, layer.theta, scale=scale, **request.known)


_LAWS = {"full": _full, "Kronecker": _kronecker, "diagonal": _diagonal}


def _of_values(request: Request, layer: _Layer, precision: float | None, *, targets: Tensor, by_decay: bool) -> Law:
    """Make the law of measured values, a block of the curvature for each output; `by_decay` with its own precisions."""
    n, k = len(request.data.train), targets.shape[1]
    (_, phi), decay, outputs = layer.read(), n * k * request.recipe.weight_decay, layer.logits.double()
    eye = torch.eye(phi.shape[1], dtype=phi.dtype, device=phi.device)
    if outputs.shape[1] == k:
        moment = layer.share * phi.T @ phi
        # γ is the effective number of parameters, so that residuals of few inputs show the noise and not the fit.
        gamma = float(torch.linalg.solve(moment + decay * eye, moment).trace())
        noise = layer.share * (targets - outputs).square().sum(0) / max(n - gamma, 1.0)
        noise = noise.clamp_min(math.exp(-LN_VARIANCE))
        blocks, prior = [moment / s2 for s2 in noise], decay / noise
    else:
        inverse = (-outputs[:, k:].clamp(-LN_VARIANCE, LN_VARIANCE)).exp()
        weights = layer.share * torch.cat([inverse, torch.full_like(inverse, 0.5)], 1)
        blocks, prior = [(phi * w[:, None]).T @ phi for w in weights.T], torch.full_like(weights[0], decay)
    curvature = _in_order(torch.block_diag(*blocks), outputs.shape[1], layer.bias)
    if by_decay:
        curvature += _in_order(torch.block_diag(*(one * eye for one in prior)), outputs.shape[1], layer.bias)
        precision = 0.0
    return _with_precision(request, layer, precision, curvature)


def _in_order(matrix: Float[Tensor, "p p"], outputs: int, bias: bool) -> Float[Tensor, "p p"]:
    """Put the weights of all outputs before their biases, as in θ."""
    if not bias:
        return matrix
    positions = torch.arange(len(matrix), device=matrix.device).view(outputs, -1)
    order = torch.cat([positions[:, :-1].flatten(), positions[:, -1]])
    return matrix[order.unsqueeze(1), order]


def softmax_curvature(
    logits: Float[Tensor, "images classes"], features: Float[Tensor, "images features"], *, bias: bool = True
) -> Float[Tensor, "parameters parameters"]:
    """Return Σ_i (diag(p_i) − p_i p_iᵀ) ⊗ φ_i φ_iᵀ, float64, in the order of the layer's parameters in θ.

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
    return _in_order(blocks.reshape(classes * width, -1), classes, bias)


def _place(module: nn.Module, images: Tensor) -> slice:
    """Find where the parameters of the last layer lie in θ."""
    module = module.cpu().float().eval()
    layer = last_layer(module, images)
    if layer is None:
        raise ValueError("The network doesn't end in a linear layer; laplace needs nn.Linear to give the logits.")
    if [name for name, _ in layer.named_parameters()] not in (["weight"], ["weight", "bias"]):
        raise ValueError("The last layer's weights are made of others (weight_norm?); laplace needs a plain nn.Linear.")
    inputs: list[Tensor] = []  # of the layer, before and after its weights were doubled
    with layer.register_forward_pre_hook(lambda layer, given: inputs.append(given[0].detach())):
        for _ in range(2):
            module(images)
            for p in layer.parameters():
                p.data.mul_(2.0)
    apart = not torch.equal(inputs[-1], inputs[len(inputs) // 2 - 1])
    starts = places(module)
    where = [starts.get(id(p), -1) for p in layer.parameters()]
    # Frozen ones have no place; the bias must follow the weight.
    if apart or -1 in where or where[1:] not in ([], [where[0] + layer.weight.numel()]):
        raise ValueError("The last layer's weights are frozen or shared with another layer; laplace needs its own.")
    return slice(where[0], where[0] + sum(p.numel() for p in layer.parameters()))


def _checked_precision(prior_precision: Any, usual: float) -> float | None:
    """Return the prior precision, None for the one of the highest marginal likelihood; raise where none is known."""
    if isinstance(prior_precision, str):
        one_of(prior_precision, [MARGINAL], "prior precision")
        return None
    if prior_precision is None and not usual:
        raise ValueError(
            f"Without weight decay the prior precision is 0; pass prior_precision=, above 0 or {MARGINAL!r}."
        )
    return real(usual if prior_precision is None else prior_precision, "prior_precision", above=0)


def _checked_structure(structure: Any, size: int) -> str:
    """Return the structure of the curvature; raise where a full one is too large."""
    if structure is None:
        return "full" if size <= LARGEST else "Kronecker"
    if one_of(structure, _LAWS, "structure of the curvature") == "full" and size > LARGEST:
        raise ValueError(f"A full curvature of {size} parameters is too large, {LARGEST} at most; take 'Kronecker'.")
    return structure


def _operations(request: Request, n_images: int, size: int, *, structure: str, marginal: bool) -> float:
    """Count, for one network, a forward pass of the images, the curvature, its inverse root, and its eigenvalues."""
    classes = request.data.n_classes * (2 if request.recipe.loss is gaussian_nll else 1)
    width, forward = size // classes, request.operations.forward
    if structure == "diagonal":
        return n_images * (forward + 2.0 * size)
    if structure == "Kronecker":  # two products, and two decompositions of 9 n³
        return n_images * (forward + 2 * (classes**2 + width**2)) + 9.0 * (classes**3 + width**3)
    blocks = classes * (classes + 1) / 2
    inverse = 4 / 3 * size**3  # Cholesky decomposition, P³/3, and triangular inverse, P³
    return n_images * (forward + 2 * blocks * width**2) + inverse + marginal * 4 / 3 * size**3
