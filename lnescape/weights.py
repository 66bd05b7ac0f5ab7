"""A network as a point θ of weight space: builders, the flat tensor of the parameters, and features.

A *builder* is any zero-argument callable that returns an `nn.Module`: a class, a lambda, a partial. Retraining with
seed s means calling the builder, and training its network, under seed s.

θ holds the trainable parameters of one network. The parameters of a `FlatNetwork` are views into one buffer, so that
moving the whole network, or reading its whole gradient, is one operation on one tensor, and no layer is ever rewritten.
Statistics of batch normalisation are not in θ: they are a function of θ and of a fixed subset of the training images,
and are recomputed where they are needed.
"""

import hashlib
import inspect
import random
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as Names
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

__all__ = ["theta_of"]

Builder = Callable[[], nn.Module]


# All threads share the global random generator: whoever seeds it, to build or to train, has it alone.
RNG_LOCK = threading.RLock()
_ATTENTION_LOCK = threading.RLock()


def build(builder: Builder, seed: int) -> nn.Module:
    """Call a builder under a seed, leaving the global random generator as it was."""
    with seeded(seed):
        return builder()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have torch's global generators alone for a `with` block, and leave them as they were."""
    # All devices by name: without them, torch warns where there are two or more.
    with RNG_LOCK, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, Python and numpy for a `with` block, and leave them as they were."""
    with undisturbed():
        before, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            yield
        finally:
            random.setstate(before)
            np.random.set_state(of_numpy)  # noqa: NPY002


@contextmanager
def plain_attention() -> Iterator[None]:
    """Switch off torch's fast path for attention in evaluation mode: it calls no layers, and vmap doesn't know it."""
    with _ATTENTION_LOCK:  # the switch is that of all threads
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(before)


class Template:
    """One network of a builder, used again and again; each use finds it as it was built, but for its weights."""

    # Counting, timing, naming and training all pass images through a network, which may change its buffers. To build it
    # for each of them takes the time of many steps of training.

    def __init__(
        self, module: nn.Module, builder: Builder | None = None, *, varies: bool = True, begun: Mapping[int, int] = {}
    ):  # fmt: skip
        self.module = module
        self.varies = varies  # the initial weights differ from seed to seed
        self.begun = begun  # {seed: hash of θ that the builder gave under it}
        self.builder = builder or self.fresh
        parts = [part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule)]
        self._built = [(part, _copied({**vars(part), "_buffers": part._buffers})) for part in parts]

    def fresh(self) -> nn.Module:
        """Return the network with buffers and attributes as they were built; whoever used it before must be done."""
        for part, built in self._built:
            for name in vars(part).keys() - built.keys():
                del vars(part)[name]
            vars(part).update(_copied(built))
        return self.module

    @property
    def n_parameters(self) -> int:
        """Return P, the number of trainable parameters."""
        return sum(p.numel() for p in trainable(self.module))

    def check_beginning(self, seed: int, theta: Tensor) -> None:
        """Raise where the builder makes other weights than before under the same seed."""
        if self.begun.get(seed, begun := hash_of(theta)) != begun:
            what = f"The builder gives other weights when it is called again under seed {seed}"
            raise ValueError(f"{what}; draw them from the global generator of torch, numpy or Python, which is seeded.")


def hash_of(theta: Tensor) -> int:
    """Return a hash of the numbers of θ, for comparison within a process."""
    return hash(theta.cpu().numpy().tobytes())


def _copied(attributes: dict) -> dict:
    """Copy a module's attributes: plain tensors and buffers are new, everything else is the same."""
    copies = {name: value.detach().clone() if type(value) is Tensor else value for name, value in attributes.items()}
    buffers = attributes["_buffers"].items()
    return copies | {"_buffers": {name: None if value is None else value.detach().clone() for name, value in buffers}}


def identity(module: nn.Module, images: Tensor, *, training: bool = True) -> str:
    """Name an architecture by its network's repr and by numbers computed from inputs like some images."""
    # Two builders may make the same parameters and use them differently, dropout for instance; results kept under one
    # name must not mix them. Weights and inputs are drawn from a stream that is the same on every machine (a
    # last layer that begins at zero would hide the others), in float64, and numbers rounded: sums may come in another
    # order. Stored studies hold the name in evaluation mode: outputs alone, once.
    module, some, digits = module.cpu().float().train(training), images.cpu(), 6
    before = [p.detach().clone() for p in trainable(module)]
    rng = np.random.RandomState(0)
    if some.is_floating_point():
        some = torch.from_numpy(rng.uniform(0.1, 1, some.shape))
    with RNG_LOCK, torch.no_grad():
        for p in trainable(module.double()):
            p.copy_(torch.as_tensor(rng.normal(size=p.shape)) / max(1, p[0].numel() if p.ndim > 1 else 10) ** 0.5)
        try:
            values = _computed(module, some, training)
        except Exception:  # of a network that computes in float32 whatever its weights
            digits = 2
            values = _computed(module.float(), some.float() if some.is_floating_point() else some, training)
        for p, value in zip(trainable(module.float()), before, strict=True):
            p.copy_(value)
    return f"{module} {' '.join(f'{value:.{digits}g}' for value in values)}"


def _computed(module: nn.Module, some: Tensor, training: bool) -> list[float]:
    """Return mean outputs; in training also the norm of each gradient, and outputs of 16 further passes."""
    with seeded(0), torch.set_grad_enabled(training):
        logits = module(some)
        values = logits.detach().double().mean(0).tolist()
        if training and logits.requires_grad:
            module.zero_grad()
            logits.square().sum().backward()
            lengths = [0.0 if p.grad is None else float(p.grad.norm()) for p in trainable(module)]
            values += [length if length > 1e-6 * max(lengths) else 0.0 for length in lengths]  # others are rounding
            module.zero_grad()
        with torch.no_grad():
            for _ in range(16 * training):  # a block that is left out by chance may well be there once
                values += module(some[:2]).double().mean(0).tolist()
    return values


def architecture(module: nn.Module) -> str:
    """Return a hash of a network's repr, without its class, and of the names and shapes of its state dict."""
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    return hashlib.sha256(f"{str(module).partition('(')[2]} {shapes}".encode()).hexdigest()[:16]


def constants_of(module: nn.Module) -> list[float]:
    """Return norm and projection on one direction of the frozen weights and buffers, which no training moves."""
    moved = statistics_names(module) | {
        n for n, p in module.named_parameters(remove_duplicate=False) if p.requires_grad
    }
    squares, along = 0.0, 0.0
    for number, (name, tensor) in enumerate(module.state_dict().items()):
        if name not in moved:
            real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            x = real.flatten().cpu().double().nan_to_num(2.0, 1.0, -1.0)  # masks hold −∞
            squares += float(x.square().sum())
            along += float(x @ (torch.arange(len(x)).double() + number).cos())
    return [squares**0.5, along]


def _only_logits(module: nn.Module, inputs: tuple, output: Any) -> Any:
    """Return the logits of a network's output: its `logits`, else its first part; a single logit z becomes (0, z)."""
    output = _rows(inputs, _named(output))
    if isinstance(output, Tensor) and output.shape[1:] == (1,):
        return torch.cat([torch.zeros_like(output), output], 1)
    return output


def _only_values(module: nn.Module, inputs: tuple, output: Any) -> Any:
    """Return the values of a network's output; parts of one shape, such as mean and variance, as they are."""
    shapes = [part.shape for part in output if isinstance(part, Tensor)] if isinstance(output, Sequence) else []
    ambiguous = len(set(shapes)) < len(shapes)
    return output if ambiguous else _rows(inputs, _named(output))


HOOKS = {"logits": _only_logits, "values": _only_values}
KEPT_STATISTICS = "kept statistics"


@dataclass(frozen=True, eq=False)
class Wrapped:
    """A builder whose networks return their logits or values alone, or keep the statistics of their normalisation."""

    builder: Builder
    how: str  # a name of `HOOKS`, or `KEPT_STATISTICS`

    def __call__(self) -> nn.Module:
        """Build a network."""
        module = self.builder()
        if self.how in HOOKS:
            module.register_forward_hook(HOOKS[self.how])
        else:
            _keep_statistics(module)
        return module


def wrappers_of(builder: Builder) -> list[str]:
    """Name the wrappers of a builder, the outermost first."""
    return [builder.how, *wrappers_of(builder.builder)] if isinstance(builder, Wrapped) else []


def wrapped(builder: Builder, names: Sequence[str]) -> Builder:
    """Put the wrappers named by `wrappers_of` around a builder; return a wrapped one as it is."""
    if isinstance(builder, Wrapped):
        return builder
    for name in reversed(names):
        if name not in (*HOOKS, KEPT_STATISTICS):
            raise ValueError(f"there is nothing called {name} to put around a builder")
        builder = Wrapped(builder, name)
    return builder


def _named(output: Any) -> Any:
    """Return the `logits`, first or only part of a network's output."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        named = output.get("logits") if len(output) > 1 else next(iter(output.values()), None)
    else:
        named = getattr(output, "logits", None)
    return output[0] if named is None and isinstance(output, Sequence) and output else named


def _rows(inputs: tuple, output: Any) -> Any:
    """Return outputs with one row for each input: a column for [n], a row where a batch of one was squeezed."""
    return output.reshape(len(inputs[0]), -1) if isinstance(output, Tensor) and output.ndim < 2 else output


def _keep_statistics(module: nn.Module) -> None:
    """Make parameters of the statistics of torch's own normalisation layers, which no training moves."""
    for layer in normalisation_layers(module):
        if not type(layer).__module__.startswith("torch.nn.modules."):
            continue  # it may do more, such as an activation; `members` refuses it
        for name in ("running_mean", "running_var"):
            value = layer._buffers.pop(name)
            assert value is not None, "normalisation_layers lists those that keep statistics"
            layer.register_parameter(name, nn.Parameter(value))
        layer._buffers.pop("num_batches_tracked")
        layer.__class__ = Frozen


class Frozen(_NormBase):
    """Normalise by the statistics that were brought in, in training as well."""

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise every channel."""
        mean, variance = self.running_mean.detach(), self.running_var.detach()  # type: ignore[union-attr]
        return nn.functional.batch_norm(input, mean, variance, self.weight, self.bias, False, 0.0, self.eps)


def check_callable(builder: Builder) -> None:
    """Raise unless the builder can be called without arguments."""
    kind = type(builder).__name__
    if isinstance(builder, nn.Module):
        raise TypeError(f"A network ({kind}) was given instead of a builder; pass a function that makes a new one.")
    if not callable(builder):
        raise TypeError(f"The builder is a {kind}, not callable; pass a function without arguments.")
    try:
        inspect.signature(builder).bind()
    except TypeError as error:
        raise TypeError(f"The builder can't be called without arguments ({error}); wrap it in a lambda.") from error
    except ValueError:  # some callables written in C have no signature
        pass


def trainable(module: nn.Module) -> Iterator[nn.Parameter]:
    """Go through the parameters that make up θ, each shared one once, in `parameters()` order."""
    return (p for p in module.parameters() if p.requires_grad)


def places(module: nn.Module) -> dict[int, int]:
    """Return where in θ each trainable parameter begins, {id of the parameter: index}, in the order of θ."""
    found, start = {}, 0
    for p in trainable(module):
        found[id(p)] = start
        start += p.numel()
    return found


def theta_of(network: nn.Module | dict, like: nn.Module | None = None) -> Float[Tensor, " parameters"]:
    """Read θ = (w₁, …, w_P) from a network or its state dict: trainable parameters, in `parameters()` order.

    Args:
        network: A module, or a state dict saved from one.
        like: For a state dict, a module of the same architecture, which gives names and order.

    Returns:
        A new tensor [P] that shares no memory with the network.

    Raises:
        ValueError: A state dict without `like`, with missing names, other shapes or other constants.

    >>> theta_of(nn.Linear(3, 2)).shape
    torch.Size([8])
    """
    if isinstance(network, nn.Module):
        return torch.cat([p.detach().reshape(-1).float() for p in trainable(network)])
    if like is None:
        raise ValueError("A state dict does not record the order of the parameters; pass like=builder() too.")
    names = [name for name, p in like.named_parameters() if p.requires_grad]
    every_name = {name for name, p in like.named_parameters(remove_duplicate=False) if p.requires_grad}
    statistics, found = statistics_names(like), unwrapped(network, like)
    known = {*like.state_dict(), *(name for name in found if name.endswith("num_batches_tracked"))}
    if extra := [name for name in found if name not in known]:
        raise ValueError(f"The state dict holds {extra[0]!r}, which the builder's network lacks; pass its own builder.")
    for name, wanted in like.state_dict().items():
        if name not in found:
            if name in statistics:
                continue
            raise ValueError(f"The state dict lacks {name!r}; it was saved from another architecture.")
        is_whole = wanted.is_floating_point() and not found[name].is_floating_point()
        if is_whole or found[name].is_complex() and not wanted.is_complex():
            kind = "complex" if found[name].is_complex() else str(found[name].dtype)
            raise ValueError(f"{name!r} is {kind} in the state dict; θ holds real numbers only.")
        if found[name].shape != wanted.shape:
            there, here = tuple(found[name].shape), tuple(wanted.shape)
            raise ValueError(f"{name!r} has shape {there} in the state dict, {here} in the network that is built.")
        if name not in every_name | statistics and not torch.equal(found[name].to(wanted), wanted):
            raise ValueError(f"The constant {name!r} differs between the state dict and the network that is built.")
    of_parameter = {id(p): name for name, p in like.named_parameters()}  # the first of its names
    for name, p in like.named_parameters(remove_duplicate=False):
        if name in found and not torch.equal(found[name], found[first := of_parameter[id(p)]]):
            raise ValueError(f"{name!r} and {first!r} differ in the state dict, and are one in the builder's network.")
    return torch.cat([found[name].detach().reshape(-1).to(torch.float32) for name in names])


def unwrapped(network: Mapping, like: nn.Module) -> Mapping:
    """Return the tensors of a state dict, freed of a checkpoint's nesting and a wrapper's prefix; warn of either."""
    known = like.state_dict().keys()
    if not known & network.keys():
        inner = {n: v.state_dict() if isinstance(v, nn.Module) else v for n, v in network.items()}
        held = [n for n, v in inner.items() if isinstance(v, Mapping) and v and _stripped(v, known)]
        if len(held) > 1:
            raise ValueError(f"{' and '.join(map(repr, held))} both hold weights; pass one of them.")
        if held:
            warnings.warn(f"The state dict is taken from the entry {held[0]!r} of what was given.", stacklevel=4)
            network = inner[held[0]]
    stripped = _stripped(network, known)
    if stripped is not None and stripped.keys() != network.keys():
        wrapper = next(name for name in network if name not in known)
        warnings.warn(f"What a wrapper puts before the names, as in {wrapper!r}, is left out.", stacklevel=4)
    found = network if stripped is None else stripped
    tensors = {}
    for name, value in found.items():
        try:
            tensor = torch.as_tensor(value).detach()
            tensors[str(name)] = tensor.to_dense() if tensor.is_sparse else tensor.cpu()
        except (TypeError, ValueError, RuntimeError) as error:  # NotImplementedError, of tensors without numbers, too
            what = f"The state dict holds something else than tensors: {name!r} ({type(value).__name__})"
            raise ValueError(f"{what}; pass the network's alone, with names such as {min(known)!r}.") from error
    return tensors


def _stripped(network: Mapping, known: Names[str]) -> dict | None:
    """Return a state dict whose names lack the prefix of a wrapper; None if no name is known then."""
    plain: dict = {str(name): value for name, value in network.items() if name != "n_averaged"}  # of an AveragedModel
    while plain and not known & plain.keys():
        prefix = next(iter(plain)).partition(".")[0] + "."
        if not all(name.startswith(prefix) for name in plain):
            return None
        plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    return plain


def statistics_names(module: nn.Module) -> set[str]:
    """Return the names of all normalisation statistics that follow the data."""
    layers = normalisation_layers(module)
    return {
        f"{prefix}.{name}".lstrip(".")
        for prefix, layer in module.named_modules()
        if layer in layers
        for name, _ in layer.named_buffers(recurse=False)
    }


def normalisation_layers(module: nn.Module) -> list[_NormBase]:
    """List the layers whose statistics follow the data (batch normalisation, most often)."""
    mode = module.training
    module.train()  # a module may leave a part, such as a body trained before, in evaluation mode: that part's stay
    layers = [m for m in module.modules() if isinstance(m, _NormBase) and m.track_running_stats and m.training]
    module.train(mode)
    return layers


def images_to_refresh(module: nn.Module, data) -> Tensor | None:
    """Return the training images that refresh the module's normalisation layers; None where it has none."""
    return data.normalisation_images if normalisation_layers(module) else None


def normalisation_biases(module: nn.Module) -> Int[Tensor, " biases"]:
    """Return the places in θ of the trainable biases of normalisation layers, batch, group or layer."""
    found = places(module)
    layers = [m for m in module.modules() if isinstance(m, (_NormBase, nn.GroupNorm, nn.LayerNorm))]
    biases = [layer.bias for layer in layers if layer.bias is not None and id(layer.bias) in found]
    return torch.cat([torch.empty(0, dtype=torch.int64), *(torch.arange(b.numel()) + found[id(b)] for b in biases)])


def refresh_normalisation(module: nn.Module, images: Shaped[Tensor, "images ..."] | None, *, batch: int = 500) -> int:
    """Recompute the batch normalisation statistics for the present parameters; return the number of images passed."""
    # Mean and variance of every normalisation layer become the average over batches, the last incomplete one left out,
    # with all else (dropout) in evaluation mode: Izmailov et al. 2018, arXiv 1803.05407, section 3.2.
    layers = normalisation_layers(module)
    module.eval()
    if not layers:
        return 0
    if images is None or len(images) == 0:
        raise ValueError("The network has batch normalisation; give the law inputs of the training set to refresh it.")
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for a plain average over batches
        layer.train()
    batches = [part for part in images.split(batch) if len(part) == batch] or [images]

    calls: Counter[nn.Module] = Counter()

    def count(layer: _NormBase, _: Any) -> None:  # None means no average at all here, and a layer may be called twice
        calls[layer] += 1
        layer.momentum = 1 / calls[layer]

    with torch.no_grad(), ExitStack() as hooks:
        for layer in layers:
            if isinstance(layer, _InstanceNorm):
                hooks.enter_context(layer.register_forward_pre_hook(count))
        for part in batches:
            module(part)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    module.eval()
    return sum(map(len, batches))


class FlatNetwork:
    """A module whose trainable parameters, and their gradients, are views into two flat float32 buffers."""

    def __init__(self, module: nn.Module, *, device: torch.device | str = "cpu"):
        self.module = module.to(device).float()  # which leaves complex buffers as they are
        self.theta = theta_of(self.module)  # [P]; writing to it moves the network
        self.gradient = torch.zeros_like(self.theta)  # [P]; a backward pass adds to it
        self.bind()

    def bind(self) -> None:
        """Make the parameters views of the buffers (again, where a copy or a cast has broken that)."""
        start = 0
        for p in trainable(self.module):
            stop = start + p.numel()
            p.data = self.theta[start:stop].view(p.shape)
            p.grad = self.gradient[start:stop].view(p.shape)
            start = stop

    def __deepcopy__(self, memo: dict) -> "FlatNetwork":
        """Copy the module and bind the copy to its own buffers."""
        return FlatNetwork(deepcopy(self.module, memo), device=self.theta.device)

    def load(self, theta: Float[Tensor, " parameters"], images: Tensor | None = None) -> int:
        """Move the network to θ and refresh its normalisation; return the number of images passed."""
        if theta.shape != self.theta.shape:
            raise ValueError(f"θ has {theta.numel()} numbers, the network {self.theta.numel()} parameters.")
        self.module.train()  # a layer that makes something else of its weights in eval(), such as their sum, undoes it
        self.theta.copy_(theta)
        return refresh_normalisation(self.module, None if images is None else images.to(self.theta.device))


@torch.no_grad()
def with_features(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return logits, and the inputs [images, features] of the last linear layer called; None without a row for each."""
    logits, features = [], []
    with _watched(module) as seen:
        for part in images.split(500):
            seen.clear()
            logits.append(module(part))
            features += [inputs for _, inputs, *_ in seen[-1:] if len(inputs) == len(part)]
    return torch.cat(logits), torch.cat(features) if len(features) == len(logits) else None


@torch.no_grad()
def last_layer(module: nn.Module, images: Tensor) -> nn.Linear | None:
    """Return the linear layer whose output the logits are, or None where the network ends in anything else."""
    with _watched(module) as seen:
        logits = module(images)
    # Not where they were changed in place since, divided by a temperature for instance.
    return seen[-1][0] if seen and seen[-1][2] is logits and seen[-1][3] == logits._version else None


@contextmanager
def _watched(module: nn.Module) -> Iterator[list[tuple[nn.Linear, Tensor, Tensor, int]]]:
    """List layer, input and output of every linear layer that is called, and how often the output was changed."""
    seen: list[tuple[nn.Linear, Tensor, Tensor, int]] = []

    def note(layer: nn.Linear, inputs: tuple, output: Tensor) -> None:
        seen.append((layer, inputs[0], output, output._version))

    with ExitStack() as hooks:
        for layer in (m for m in module.modules() if isinstance(m, nn.Linear)):
            hooks.enter_context(layer.register_forward_hook(note))
        yield seen
