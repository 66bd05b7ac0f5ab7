"""Gradient distance: how far a small random displacement of the weights moves a prediction.

A displacement δθ ~ (0, Σ) moves q(x) by gᵀδθ, g = ∂q(x)/∂θ, with variance gᵀΣg. Near a solution the inverse of the
Fisher matrix is the classical guess for Σ up to a factor, so ln gᵀ(F + rI)⁻¹g predicts ln u²(x) up to a constant.
"""

import warnings
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from lnescape.checks import real
from lnescape.laws import Law
from lnescape.retraining.prior import ANY
from lnescape.training.descent import generator
from lnescape.weights import places, plain_attention, trainable

SKETCH = 2048  # dimensions of the count sketch
FISHER_RIDGE = 1e-2  # in parts of the mean eigenvalue of the sketched Fisher matrix
# Of ln u² on h, mean and standard deviation: one by the law of scale u² ∝ gᵀ(F + rI)⁻¹g, and how far it may be off.
SLOPE = (1.0, 0.2)
N_FISHER = 5000  # gradients behind the Fisher matrix
N_TRAINING = 20_000  # training images that they are drawn from
AT_ONCE = 4000  # inputs whose sketched gradients are held
_NUMBERS = 2**26  # of gradients that are held at once: 256 MiB
_TABLE = 2**14  # numbers in an embedding from which on only the rows that an input looks up get a gradient
_IN_CACHE = 2**21  # numbers that are sketched at once: fresh memory takes ten times as long

# From the logits of one input, [classes], and a class to a number.
Quantity = Callable[[Tensor, Tensor], Tensor]
# Of one parameter: gradients [images, numbers], or their factors [images, places, outputs], [images, places, inputs].
Rows = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Geometry:
    """Gradient-based quantities of one network for some inputs."""

    distance: Float[np.ndarray, " inputs"]  # h = ln gᵀ(F + rI)⁻¹g
    # number of independent inputs that the named ones are worth, by the kernel gᵢᵀ(F + rI)⁻¹gⱼ: 1/n_eff = mean over
    # all i, j of its squared correlation
    effective_inputs: float
    trace: float  # tr F, in nat² per unit of weight²


def kind_of(module: nn.Module) -> str:
    """Return "convolutional", "fully connected", or "any" for other kinds, such as recurrent networks and attention."""
    # The kind sets the usual ratio of u to the spread of q over inputs.
    owners = [part for part in module.modules() if any(p.ndim > 1 for p in part.parameters(recurse=False))]
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    if any(isinstance(part, convolutions) for part in owners):
        return "convolutional" if all(isinstance(part, (*convolutions, nn.Linear)) for part in owners) else ANY
    return "fully connected" if owners and all(isinstance(part, nn.Linear) for part in owners) else ANY


def log_odds_of(logits: Float[Tensor, " classes"], chosen: Int[Tensor, ""]) -> Float[Tensor, ""]:
    """Compute the log-odds z_c − ln Σ_{k≠c} exp z_k of one input, differentiably."""
    is_chosen = torch.arange(len(logits), device=logits.device) == chosen
    return output_of(logits, chosen) - torch.where(is_chosen, -torch.inf, logits).logsumexp(0)


def log_probability_of(logits: Float[Tensor, " classes"], label: Int[Tensor, ""]) -> Float[Tensor, ""]:
    """Compute ln p of one label."""
    return output_of(logits.log_softmax(0), label)


def output_of(outputs: Float[Tensor, " outputs"], chosen: Int[Tensor, ""]) -> Float[Tensor, ""]:
    """Return one output of a network for one input, a standardised value or ln variance."""
    return torch.where(torch.arange(len(outputs), device=outputs.device) == chosen, outputs, 0.0).sum()


def sketched_gradients(
    module: nn.Module, images: Shaped[Tensor, "inputs ..."], classes: Int[Tensor, " inputs"], quantity: Quantity
) -> Float[Tensor, "inputs sketch"]:
    """Compute the gradient of a quantity of each input, by a network in evaluation mode, in a count sketch."""
    # Parameter j goes to bucket j mod 2 048 with a random sign; inner products are kept on average over the signs
    # (Charikar, Chen, Farach-Colton 2002, ICALP). The weights of a large linear layer, whose gradient is an outer
    # product, go to the buckets of a tensor sketch (Pham, Pagh 2013, KDD).
    n = sum(p.numel() for p in trainable(module))
    signs = torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(0)).mul(2.0).sub(1).to(images.device)
    size = max(1, min(128, _NUMBERS // n))
    # A layer may read a part of its batch, as experts do, or sort it; alone, an input is the whole of it.
    by_layers = next((k for k in (size, 1) if _rules_hold(module, images[:k], classes[:k], quantity)), 0)
    ways: tuple[Callable[..., Tensor], ...]  # the fastest first
    if by_layers:
        size, ways = by_layers, (partial(_sketched, signs=signs),)
    elif tables := _tables(module, images, classes, quantity, signs):
        unread = sum(weight.numel() for weight in {table.weight for table in tables})
        read = sum(table.embedding_dim for table in tables) * images[0].numel()
        size = max(1, min(128, _NUMBERS // (n - unread + read)))
        ways = tuple(partial(_by_tables, signs=signs, tables=tables, at_once=k) for k in (True, False))
    else:
        ways = tuple(partial(_whole, gradients=gradients, signs=signs) for gradients in (_by_vmap, _one_by_one))
    rows = []
    for part, chosen in zip(images.split(size), classes.split(size), strict=True):
        try:
            rows.append(ways[0](module, part, chosen, quantity))
        except RuntimeError as error:
            if len(ways) == 1:
                raise
            cause = str(error).splitlines()[0]
            warnings.warn(f"Gradients are computed one input at a time, slower: {cause}", stacklevel=2)
            ways = ways[1:]
            rows.append(ways[0](module, part, chosen, quantity))
    return torch.cat(rows)


def _whole(
    module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity, *,
    gradients: Callable[..., Tensor], signs: Tensor,
) -> Tensor:  # fmt: skip
    """Sketch gradients that are first written whole."""
    return _count_sketch(gradients(module, images, classes, quantity), signs)


def _sketched(module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity, signs: Tensor) -> Tensor:
    """Sketch gradients by the rules of layers, half by half where one of them reads a part of the inputs."""
    sketch = images.new_zeros(len(images), SKETCH)
    try:
        _by_layers(module, images, classes, quantity, take=partial(_add_sketch, sketch, signs))
    except RuntimeError:
        if (half := len(images) // 2) == 0:
            raise
        parts = zip(images.tensor_split([half]), classes.tensor_split([half]), strict=True)
        return torch.cat([_sketched(module, *part, quantity, signs) for part in parts])
    return sketch


def _count_sketch(rows: Rows, signs: Tensor, first: int = 0) -> Float[Tensor, "inputs sketch"]:
    """Sketch the gradients of parameters first, first + 1, …, whose signs are given."""
    factors, before = rows if isinstance(rows, tuple) else (rows,), first % SKETCH
    width = -(-(before + len(signs)) // SKETCH) * SKETCH
    size, sketched = max(1, _IN_CACHE // width), []
    padded = factors[0].new_zeros(min(size, len(factors[0])), width)
    for part in zip(*(factor.split(size) for factor in factors), strict=True):
        rows = padded[: len(part[0])]
        inside = rows[:, before : before + len(signs)]
        if len(part) == 1:
            torch.mul(part[0], signs, out=inside)
        else:
            slope, x = part
            torch.bmm(slope.transpose(1, 2), x, out=inside.view(len(x), slope.shape[2], x.shape[2]))
            inside.mul_(signs)
        sketched.append(rows.view(len(rows), -1, SKETCH).sum(1))
    return torch.cat(sketched)


def _add_sketch(sketch: Tensor, signs: Tensor, p: Tensor, first: int, rows: Rows) -> None:
    """Add the sketched gradients of the parameter p, the weights of a linear layer by their factors."""
    if isinstance(rows, tuple) and p.ndim == 2:
        sketch.add_(_tensor_sketch(*rows, seed=first))
    else:
        sketch.add_(_count_sketch(rows, signs[first : first + p.numel()], first))


def _tensor_sketch(slope: Tensor, x: Tensor, seed: int) -> Float[Tensor, "inputs sketch"]:
    """Sketch Σ slope xᵀ, the gradient of a linear layer's weights, from sketches of both factors."""
    # Weight (i, j) goes to bucket h(i) + h'(j) mod 2 048 with the sign s(i) s'(j): a circular convolution.
    stream, waves = torch.Generator().manual_seed(seed), []
    for factor in (slope, x):
        bucket = torch.randint(0, SKETCH, (factor.shape[-1],), generator=stream).to(factor.device)
        signs = torch.randint(0, 2, (factor.shape[-1],), generator=stream).mul(2).sub(1).to(factor)
        sketch = factor.new_zeros(*factor.shape[:-1], SKETCH).index_add_(-1, bucket, factor * signs)
        waves.append(torch.fft.rfft(sketch))
    return torch.fft.irfft((waves[0] * waves[1]).sum(1), SKETCH)


def _linear(layer: nn.Linear, x: Tensor, slope: Tensor) -> Iterator[tuple[Tensor, Rows]]:
    """Yield each parameter of a linear layer with its gradient for every input, or the two factors of a large one."""
    slope, x = slope.reshape(len(x), -1, slope.shape[-1]), x.reshape(len(x), -1, x.shape[-1])
    yield layer.weight, (slope, x) if layer.weight.numel() > SKETCH else slope.transpose(1, 2) @ x
    if layer.bias is not None:
        yield layer.bias, slope.sum(1)


def _convolution(layer: nn.Conv2d, x: Tensor, slope: Tensor) -> Iterator[tuple[Tensor, Rows]]:
    """Yield the weights of a convolution with the factors of their gradient for every input, and its bias."""
    slope = slope.flatten(2)
    if layer.weight.requires_grad:
        assert not isinstance(layer.padding, str), "see _has_rules"
        patches = nn.functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        yield layer.weight, (slope.transpose(1, 2), patches.transpose(1, 2))
    if layer.bias is not None:
        yield layer.bias, slope.sum(2)


def _batch_norm(layer: nn.BatchNorm2d, x: Tensor, slope: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each parameter of a batch normalisation, its statistics frozen, with its gradient for every input."""
    if layer.weight.requires_grad:
        plain = nn.functional.batch_norm(x, layer.running_mean, layer.running_var, eps=layer.eps)
        yield layer.weight, (slope * plain).flatten(2).sum(2)
    yield layer.bias, slope.flatten(2).sum(2)


_RULES: dict[type[nn.Module], Callable[..., Any]]
_RULES = {nn.Linear: _linear, nn.Conv2d: _convolution, nn.BatchNorm2d: _batch_norm}


def _has_rules(module: nn.Module) -> bool:
    """Return whether every trainable parameter belongs to a layer with a written rule."""
    owners = [m for m in module.modules() if any(p.requires_grad for p in m.parameters(recurse=False))]
    plain = all(m.groups == 1 and m.padding_mode == "zeros" and not isinstance(m.padding, str)
                for m in owners if isinstance(m, nn.Conv2d))  # fmt: skip
    frozen = all(m.track_running_stats and m.affine for m in owners if isinstance(m, nn.BatchNorm2d))
    return plain and frozen and all(type(m) in _RULES for m in owners)


def _rules_hold(module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity) -> bool:
    """Return whether the layers' rules give the gradients of autograd, on the first, middle and last of some inputs."""
    # They don't where a layer is not called, is called on parts of an input, or gets its input without gradient.
    if not _has_rules(module) or not images.is_floating_point():
        return False
    some = torch.tensor([0, len(images) // 2, len(images) - 1]).unique()
    exact = _one_by_one(module, images[some], classes[some], quantity)
    found = torch.zeros_like(exact)

    def take(p: Tensor, first: int, rows: Rows) -> None:
        whole = (rows[0][some].transpose(1, 2) @ rows[1][some]).flatten(1) if isinstance(rows, tuple) else rows[some]
        found[:, first : first + whole.shape[1]] += whole

    try:
        _by_layers(module, images, classes, quantity, take=take)
    except (RuntimeError, IndexError):
        return False
    return torch.allclose(found, exact, 1e-2, 1e-3 * float(exact.abs().max()))


def _by_layers(
    module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity, *, take: Callable[..., None]
) -> None:
    """Call `take` with every parameter's gradients, or their two factors, from its layer's input and output slope."""
    where = places(module)

    def note(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if not len(inputs[0]):  # an expert without inputs
            return
        if len(inputs[0]) != len(images):
            raise RuntimeError(f"a layer reads {len(inputs[0])} rows of {len(images)} inputs")

        def collect(slope: Tensor) -> None:
            for p, rows in _RULES[type(layer)](layer, inputs[0].detach(), slope):
                if id(p) in where:
                    take(p, where[id(p)], rows if isinstance(rows, tuple) else rows.flatten(1))

        output.register_hook(collect)

    with ExitStack() as hooks, torch.enable_grad():
        for layer in (m for m in module.modules() if any(p.requires_grad for p in m.parameters(recurse=False))):
            hooks.enter_context(layer.register_forward_hook(note))
        leaf = images.detach().clone().requires_grad_()
        values = vmap(quantity)(module(leaf), classes)
        torch.autograd.grad(values.sum(), leaf)  # the hooks see every slope on its way


def _tables(
    module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity, signs: Tensor
) -> list[nn.Embedding | nn.EmbeddingBag]:
    """List the large embeddings; none unless the gradients of the rows that they look up are those of autograd."""
    # They don't where the weights of an embedding are read elsewhere, too, or a bag gives the largest of its rows.
    tables = [m for m in module.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))]
    tables = [m for m in tables if m.weight.requires_grad and m.weight.numel() > _TABLE]
    if not tables:
        return []
    some = torch.tensor([0, len(images) // 2, len(images) - 1]).unique()
    exact = _count_sketch(_one_by_one(module, images[some], classes[some], quantity), signs)
    try:
        found = _by_tables(module, images[some], classes[some], quantity, signs=signs, tables=tables, at_once=False)
    except (RuntimeError, IndexError):
        return []
    return tables if torch.allclose(found, exact, 1e-2, 1e-3 * float(exact.abs().max())) else []


@plain_attention()
def _by_tables(
    module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity, *,
    signs: Tensor, tables: list[nn.Embedding | nn.EmbeddingBag], at_once: bool,
) -> Float[Tensor, "inputs sketch"]:  # fmt: skip
    """Sketch gradients, those of large embeddings from the rows that each input looks up, by the same signs."""
    # A zero is added to every row where it is looked up: the gradient of this zero is that of the row.
    where, named = places(module), dict(module.named_parameters())
    begins = {table: where[id(table.weight)] for table in tables}  # functional_call puts others in their place
    weights, value = _value_of(module, quantity, apart={id(table.weight) for table in tables})

    def watched(parts: dict, image: Tensor, chosen: Tensor) -> tuple[Tensor, list[Tensor]]:
        read: list[Tensor] = []  # places in θ of the numbers looked up

        def note(table: nn.Embedding | nn.EmbeddingBag, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            tokens, width = inputs[0], table.embedding_dim
            read.append(begins[table] + width * tokens[..., None] + torch.arange(width, device=tokens.device))
            if parts is weights:
                return output
            zero = parts.get(len(read) - 1)
            if zero is None or zero.shape != read[-1].shape:
                raise RuntimeError("inputs look up different numbers of rows")
            counts = torch.ones_like(tokens) if table.padding_idx is None else tokens != table.padding_idx
            zero = zero * counts[..., None]
            if isinstance(table, nn.EmbeddingBag):
                zero = zero.sum(-2) / (counts.sum(-1, keepdim=True).clamp_min(1) if table.mode == "mean" else 1)
            return output + zero

        with ExitStack() as hooks:
            for table in tables:
                hooks.enter_context(table.register_forward_hook(note))
            return value({k: p for k, p in parts.items() if k in weights}, image, chosen), read

    sketch, size = torch.zeros(len(images), SKETCH, device=images.device), len(images) if at_once else 1
    for rows, some, chosen in zip(*(x.split(size) for x in (sketch, images, classes)), strict=True):
        first = watched(weights, some[0], chosen[0])[1]
        parts = weights | {k: torch.zeros(i.shape, device=i.device) for k, i in enumerate(first)}
        if at_once:
            with _for_vmap():
                found, read = vmap(grad(watched, has_aux=True), in_dims=(None, 0, 0))(parts, some, chosen)
        else:
            found, read = _plain_gradient(watched, parts, some[0], chosen[0])
        for k, gradient in found.items():
            gradient = gradient.reshape(len(rows), -1)
            if k in weights:
                _add_sketch(rows, signs, named[k], where[id(named[k])], gradient)
            else:
                place = read[k].reshape(len(rows), -1)
                rows.scatter_add_(1, place % SKETCH, gradient * signs[place])
    return sketch


@contextmanager
def _for_vmap() -> Iterator[None]:
    """Take the kernel of attention that has rules for batches, and keep quiet where torch has none for a layer."""
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.filterwarnings("ignore", "There is a performance drop")  # no user can cure that
        yield


@plain_attention()
def _by_vmap(module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity) -> Float[Tensor, "inputs p"]:
    """Compute gradients of any module whose operations have rules for batches."""
    weights, value = _value_of(module, quantity)
    with _for_vmap():
        found = vmap(grad(value), in_dims=(None, 0, 0))(weights, images, classes)
    return torch.cat([g.flatten(1) for g in found.values()], 1)


def _one_by_one(module: nn.Module, images: Tensor, classes: Tensor, quantity: Quantity) -> Float[Tensor, "inputs p"]:
    """Compute gradients of any module, one input at a time."""
    weights, value = _value_of(module, quantity)
    rows = []
    for image, chosen in zip(images, classes, strict=True):
        parts, _ = _plain_gradient(lambda *of: (value(*of), None), weights, image, chosen)
        rows.append(torch.cat([(part.to_dense() if part.is_sparse else part).flatten() for part in parts.values()]))
    return torch.stack(rows)


def _plain_gradient(watched: Callable[..., Any], weights: dict, image: Tensor, chosen: Tensor) -> tuple[dict, Any]:
    """Differentiate the first of two results by the weights, without torch.func, which takes fewer modules."""
    leaves = {name: p.clone().requires_grad_() for name, p in weights.items()}
    with torch.enable_grad():
        result, beside = watched(leaves, image, chosen)
        found = torch.autograd.grad(result, list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, found, strict=True)), beside


def _value_of(
    module: nn.Module, quantity: Quantity, apart: Container[int] = ()
) -> tuple[dict[str, Tensor], Callable[..., Tensor]]:
    """Split a module into its weights, in the order of θ, and the function of weights, input and class."""
    named = dict(module.named_parameters())
    free = {name: p.detach() for name, p in named.items() if p.requires_grad and id(p) not in apart}
    frozen = {name: p.detach() for name, p in named.items() if name not in free} | dict(module.named_buffers())

    def value(weights: dict[str, Tensor], image: Tensor, chosen: Tensor) -> Tensor:
        return quantity(functional_call(module, weights | frozen, (image.unsqueeze(0),))[0], chosen)

    return free, value


@torch.no_grad()
def fisher_sketch(module: nn.Module, images: Tensor, *, seed: int) -> Float[Tensor, "sketch sketch"]:
    """Compute the sketched Fisher matrix F = E ∇ln p(y*) ∇ln p(y*)ᵀ, the labels y* drawn from the network."""
    p = torch.cat([module(part) for part in images.split(500)]).double().softmax(1).cpu()
    # A trained network is sure of most images, and their gradients vanish. Pairs of image and label are drawn in parts
    # of p(y) |e_y − p|², to which ∇ln p(y) is nearly proportional, and weighted back: the same mean, little scatter.
    size = 1 - 2 * p + p.square().sum(1, keepdim=True)
    share = (p * size).flatten()
    n = min(N_FISHER, len(share))
    # Evenly spaced from one random start; on the CPU, so that they do not depend on the device.
    start = torch.rand(1, generator=generator(seed, 0, "fisher"), dtype=torch.float64)
    drawn = torch.searchsorted(share.cumsum(0), (torch.arange(n) + start) / n * share.sum()).clamp_max(len(share) - 1)
    label = (drawn % p.shape[1]).to(images.device)
    picked = images[(drawn // p.shape[1]).to(images.device)]
    rows = sketched_gradients(module, picked, label, log_probability_of)
    weight = share.sum() / (len(images) * n * size.flatten()[drawn])
    return ((rows * weight[:, None].to(rows)).T @ rows).double()


@torch.no_grad()
def curvature_of_values(module: nn.Module, images: Tensor, n_values: int) -> Float[Tensor, "sketch sketch"]:
    """Compute the sketched curvature of the loss of values: E Σ_k ∇f_k ∇f_kᵀ, plus ½ exp(s_k) ∇s_k ∇s_kᵀ if stated."""
    width = module(images[:1]).shape[1]
    m = min(N_FISHER // width, len(images))
    some = images[torch.arange(m, device=images.device) * len(images) // m]
    outputs = torch.cat([module(part) for part in some.split(500)]).double()
    total = torch.zeros(SKETCH, SKETCH, dtype=torch.float64, device=images.device)
    for k in range(width):
        index = torch.full((m,), k, dtype=torch.int64, device=images.device)
        rows = sketched_gradients(module, some, index, output_of)
        weight = torch.ones_like(outputs[:, k]) if k < n_values else 0.5 * outputs[:, k].exp()
        total += ((rows * weight[:, None].to(rows)).T @ rows).double() / m
    return total


def fisher_of(law: Law, theta: Tensor, training_images: Tensor, *, seed: int) -> Float[Tensor, "sketch sketch"]:
    """Compute the sketched Fisher matrix of one network of a law, or the curvature of the loss of measured values."""
    with law.lend(theta) as module:
        images = training_images.to(law.device)
        if law.values is not None:
            return curvature_of_values(module, images, len(law.values.mean))
        return fisher_sketch(module, images, seed=seed)


@torch.no_grad()
def gradient_distance(
    law: Law, theta: Float[Tensor, " parameters"], images: Tensor, chosen: Int[np.ndarray, " inputs"], *,
    training_images: Tensor, seed: int, ridge: float = FISHER_RIDGE, fisher: Tensor | None = None,
    together: slice | Bool[np.ndarray, " inputs"] = slice(0, 3000),
) -> Geometry:  # fmt: skip
    """Compute h = ln gᵀ(F + rI)⁻¹g of one network for some inputs.

    g is the gradient of the log-odds of the class `chosen` or, of measured values, of the output `chosen`.

    Args:
        law: Gives builder and normalisation; its statistics are frozen.
        theta: θ of one network.
        images: Normalised images.
        chosen: Class of the measurand for each image, or number of the output.
        training_images: Images that those of the Fisher matrix are drawn from.
        seed: Seed of the drawn labels.
        ridge: r > 0, as a fraction of the mean eigenvalue of F.
        fisher: F as `fisher_of` returns it; computed unless given.
        together: Images whose number of independent inputs is computed, such as those that a prior is fitted on; the
            first 3 000 unless given.

    Returns:
        Distances and related quantities. Cost: three forward passes per image (a backward pass counts two).

    Raises:
        ValueError: The ridge isn't positive.

    References: MacKay 1992, Neural Computation 4, 448 (gᵀH⁻¹g as the variance of a prediction).
    """
    ridge = real(ridge, "ridge", above=0)
    images = images.to(law.device)
    fisher = fisher_of(law, theta, training_images, seed=seed) if fisher is None else fisher
    classes = torch.as_tensor(np.asarray(chosen), dtype=torch.int64, device=images.device)
    with law.lend(theta) as module:
        quantity: Quantity = log_odds_of if law.values is None else output_of
        unit = torch.eye(SKETCH, dtype=fisher.dtype, device=fisher.device) * fisher.trace() / SKETCH
        factor = torch.linalg.cholesky(fisher + ridge * unit)
        wanted = torch.zeros(len(images), dtype=torch.bool)
        wanted[torch.from_numpy(np.arange(len(images))[together])] = True
        logs, directions = [], []
        for inputs, of_inputs, some in zip(*(x.split(AT_ONCE) for x in (images, classes, wanted)), strict=True):
            rows = sketched_gradients(module, inputs, of_inputs, quantity)
            # Rows of G L⁻ᵀ have the inner products gᵢᵀ(F + rI)⁻¹gⱼ; in float32, to about 1 in 1 000.
            white = torch.linalg.solve_triangular(factor.to(rows), rows.T, upper=False).T
            squares = white.square().sum(1)
            logs.append(squares.clamp_min(torch.finfo(squares.dtype).tiny).log())
            directions.append(nn.functional.normalize(white[some.to(white.device)]))
    named = torch.cat(directions)
    worth = len(named) ** 2 / float((named.T @ named).square().sum())  # the mean of r² over all pairs of inputs
    return Geometry(torch.cat(logs).cpu().numpy(), worth, float(fisher.trace()))
