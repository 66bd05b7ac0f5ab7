"""The method whose law switches units off: dropout."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from lnescape.laws.law import Law, mixture_of
from lnescape.laws.noise import DropoutLaw, Gate
from lnescape.methods.budget import Options, Request
from lnescape.weights import Builder, FlatNetwork, Template, places, plain_attention, undisturbed

_LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_CURE = (
    "put nn.Dropout before a linear layer, or nn.Dropout2d before a convolution, such as "
    "lnescape.network('mlp', data, dropout=0.1)"
)


def dropout(net: Builder, data, *, budget: float = 1.0, **options: Unpack[Options]) -> Law:
    """Train with dropout, and predict with it: units are off for a whole batch, θ ∘ b/(1 − p) is one network.

    Args:
        net: Builder of one network that has dropout layers.
        data: The data set.
        budget: Cost in trainings, > 0; from 2 on several networks are trained.
        **options: As in `Options`.

    Returns:
        A dropout law, or a mixture of such laws.

    References: Gal & Ghahramani 2016, arXiv 1506.02142, section 3 and equation 6.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> law = dropout(ln.network("mlp", data, width=16, dropout=0.1), data, recipe=ln.Recipe(epochs=2))
    >>> law.predict(data.test.images, n=5).shape, law.cost.trainings
    (torch.Size([5, 200, 10]), 1.0)
    """
    request = Request.checked(dropout, net, data, budget=budget, options=options)
    gates = gates_of(request.template, request.data.train.images[:4].cpu())
    plan = request.plan(each=1.0, share=0.0)
    laws = [DropoutLaw(request.net, theta, gates, **request.known) for theta in request.networks(plan).thetas]
    return mixture_of(laws, cost=request.cost(plan))


@plain_attention()
def gates_of(template: Template, images: Tensor) -> tuple[Gate, ...]:
    """Return a gate for each dropout layer: the weights that read it; raise unless they represent the layer."""
    module = template.fresh().cpu().float().eval()
    layers: dict[str, Any] = {name: m for name, m in module.named_modules() if isinstance(m, _LAYERS) and 0 < m.p < 1}
    if not layers:
        raise ValueError(f"The network has no dropout layer; {_CURE}.")
    starts = places(module)
    with torch.no_grad(), _reading(module, layers) as (written, read):
        module(images)
    gates = []
    for name, layer in layers.items():
        if len(written.get(name, ())) > 1:
            raise ValueError(f"The dropout layer {name!r} is used {len(written[name])} times; give each place its own.")
        shape, place = written.get(name, [(None, None)])[0]
        readers = [m for m, x in read if x.data_ptr() == place]
        gate = _gate(layer, shape, readers[0], starts) if len(readers) == 1 else None
        if gate is None:
            raise ValueError(f"No weights can stand for the dropout layer {name!r}; {_CURE}.")
        gates.append(gate)
    _check_that_layers_are_all_there_is(module, images, layers)
    _check_that_weights_stand_for_units(template, images, layers, gates)
    return tuple(gates)


@contextmanager
def _reading(module: nn.Module, layers: dict[str, Any]) -> Iterator[tuple[dict, list]]:
    """Note where each dropout layer writes its output, and from where linear layers and convolutions read."""
    written: dict[str, list[tuple[torch.Size, int]]] = {}
    read: list[tuple[nn.Module, Tensor]] = []  # alive, as are those below, so that no place is used twice
    kept: list[Tensor] = []

    def write(name: str, output: Tensor) -> Tensor:
        kept.append(output.clone(memory_format=torch.contiguous_format))  # flattening then copies nothing
        written.setdefault(name, []).append((output.shape, kept[-1].data_ptr()))
        return kept[-1]

    with ExitStack() as hooks:
        for name, m in layers.items():
            hook = m.register_forward_hook(lambda m, inputs, output, name=name: write(name, output))
            hooks.enter_context(hook)
        for m in module.modules():
            if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
                hook = m.register_forward_pre_hook(lambda m, inputs: read.append((m, inputs[0])))
                hooks.enter_context(hook)
        yield written, read


def _gate(layer: Any, shape: Any, reader: Any, starts: dict[int, int]) -> Gate | None:
    """Describe the weights of the reader; None where they don't represent the layer."""
    weight = reader.weight
    if id(weight) not in starts or getattr(reader, "groups", 1) != 1:
        return None
    elementwise = isinstance(layer, nn.Dropout)
    n_inputs = shape[1:].numel() if isinstance(reader, nn.Linear) or elementwise else shape[1]
    seen = weight.shape[1]
    if n_inputs != seen:  # a pixel is switched off, or a token: the weights are the same for all
        return None
    units = seen if elementwise else shape[1]
    width = weight[0].numel() // units
    return Gate(starts[id(weight)], weight.shape[0], units, width, layer.p)


@torch.no_grad()
def _check_that_layers_are_all_there_is(module: nn.Module, images: Tensor, layers: dict[str, Any]) -> None:
    """Refuse chance that no layer shows, such as torch.nn.functional.dropout."""
    for layer in layers.values():
        layer.p = 0.0
    with undisturbed():
        first, second = module.train()(images), module(images)
    module.eval()
    if not torch.equal(first, second):
        raise ValueError("The network switches units off outside its dropout layers, too; use nn.Dropout for that.")


@torch.no_grad()
def _check_that_weights_stand_for_units(
    template: Template, images: Tensor, layers: dict[str, nn.Module], gates: list[Gate]
) -> None:
    """Compare a network whose weights are off with one whose units are, on one draw."""
    flat = FlatNetwork(template.fresh().eval())
    modules = dict(flat.module.named_modules())
    law = DropoutLaw(template.fresh, flat.theta.clone(), tuple(gates))
    drawn = next(law.sample(1, seed=0))[0]
    generator = torch.Generator().manual_seed(0)
    with ExitStack() as hooks:
        for name, gate in zip(layers, gates, strict=True):
            on = (torch.rand(gate.units, generator=generator) >= gate.rate) / (1 - gate.rate)

            def switched(m: nn.Module, inputs: tuple, output: Tensor, on: Tensor = on) -> Tensor:
                shape = output.shape[1:]
                return output * (on.view(shape) if shape.numel() == len(on) else on.view(-1, *[1] * (len(shape) - 1)))

            hooks.enter_context(modules[name].register_forward_hook(switched))
        expected = flat.module(images)
    flat.theta.copy_(drawn)
    if not torch.allclose(flat.module(images), expected, rtol=1e-3, atol=1e-4):
        raise ValueError(f"The units that dropout switches off are read elsewhere, too; {_CURE}.")
