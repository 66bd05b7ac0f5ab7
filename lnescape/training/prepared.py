"""Checks and preparations that are made once, before any training."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lnescape.checks import checked_device, instance, shown, whole
from lnescape.engines import engine_for
from lnescape.training.recipe import Operations, Recipe, count_operations, for_values, resolve
from lnescape.weights import (
    HOOKS,
    RNG_LOCK,
    Builder,
    Frozen,
    Template,
    Wrapped,
    build,
    check_callable,
    hash_of,
    identity,
    images_to_refresh,
    seeded,
    statistics_names,
    theta_of,
    trainable,
    undisturbed,
)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A builder, data and a recipe, checked against one another, with derived quantities.

    Made once by each public call and passed on: its network is the template of every engine.
    """

    net: Builder
    data: Any  # on the device of the training
    recipe: Recipe  # with its precision resolved
    operations: Operations
    identity: str
    template: Template

    @classmethod
    def of(
        cls, net: Builder, data, recipe: Any = None, *, device: torch.device | str | None = None, folder: Any = None,
        template: Template | None = None,
    ) -> "Prepared":  # fmt: skip
        """Check builder, data, recipe, device and folder, and derive the quantities that a training needs."""
        # `resolve` replaces precision "auto" by a measured choice.
        if not torch.is_grad_enabled() or any(map(torch.is_autocast_enabled, ("cpu", "cuda"))):
            what = "Gradients are needed, and are switched off here, or autocast is on; call this outside torch.no_grad"
            raise ValueError(f"{what}, torch.inference_mode and torch.autocast (bfloat16: Recipe.precision).")
        template = template or check_builder(net, data)
        recipe = Recipe() if recipe is None else recipe
        instance(recipe, Recipe, "The recipe", "pass lnescape.Recipe(epochs=10, batch=128)")
        n, images = len(data.train), data.train.images
        if n < recipe.batch:
            why = f"A batch of {recipe.batch} is larger than the {n} training inputs"
            raise ValueError(f"{why}; pass recipe=Recipe(batch=…), {n} or less.")
        if recipe.n_steps(n) < recipe.least_steps:
            few = "less than a step" if recipe.n_steps(n) < 1 else "no step at a learning rate above zero"
            least = recipe.least_steps / (n // recipe.batch)
            raise ValueError(f"{recipe.epochs:.2g} epochs are {few}; use at least {least:.2g}.")
        _check_folder(folder)
        place: torch.device = checked_device(images.device if device is None else device)
        with RNG_LOCK:
            recipe = for_values(recipe, data, template.fresh())
            targets = data.train.targets[:2]
            one = images[0].to(place)
            operations = count_operations(template.fresh(), one, data.n_classes, recipe.loss, targets=targets)
            _check_small_images(operations, recipe, images)
            name = identity(template.fresh(), images[:8])
            data = data.to(place)
            recipe = resolve(recipe, template.fresh, data, place, name=name, folder=folder)
        return cls(template.builder, data, recipe, operations, name, template)

    def under(self, recipe: Recipe) -> "Prepared":
        """Return the same under another recipe, whose precision isn't "auto"."""
        return replace(self, recipe=recipe)

    def engine(self, *, chains: bool = True):
        """Make an engine around the template; the engine made before must be done."""
        where: dict[str, Any] = {"device": self.device, "precision": self.recipe.precision}
        return engine_for(self.net, module=self.template.fresh(), chains=chains, **where)

    def together(self, most: int) -> int:
        """Return the number of networks trained at once, `most` or fewer."""
        if self.operations.draws:
            return 1  # networks trained together would share one random stream
        return self.engine().together(most, self.operations.step * self.recipe.batch)

    def priced(self, recipe: Recipe) -> float:
        """Count the operations of one training under a recipe."""
        return self.operations.training(recipe, len(self.data.train))

    @property
    def device(self) -> torch.device:
        """Return the device of the training."""
        return self.data.train.images.device

    @property
    def plain(self) -> float:
        """Return the operations of one training under this recipe."""
        return self.priced(self.recipe)

    @property
    def known(self) -> dict[str, Any]:
        """Return the fields common to all laws, except builder and cost."""
        images = images_to_refresh(self.template.module, self.data)
        known = {"recipe": self.recipe, "normalisation_images": images, "values": self.data.values}
        return known | {"trained_on": self.data.training_checksum}


def _check_small_images(operations: Operations, recipe: Recipe, images: Tensor) -> None:
    """Raise unless the inputs are images where the recipe needs them, and `first_pixels` fits data and network."""
    side = recipe.first_pixels
    if (recipe.shift or recipe.flip) and images.ndim != 4:
        need = f"shift and flip need images [n, channels, height, width], and these are {['n', *images.shape[1:]]}"
        raise ValueError(f"{need}; leave them out of the recipe.")
    if not side:
        return
    if images.ndim != 4 or side >= min(images.shape[2:]):
        shape = f"the sides of the images, which are {list(images.shape[1:])}"
        raise ValueError(f"first_pixels={side} must be smaller than {shape}; 0 leaves images as they are.")
    try:
        assert operations.step_at is not None
        operations.step_at(side)
    except RuntimeError as error:
        what = f"The network can't take images of {side} × {side} pixels ({str(error).splitlines()[0]})"
        raise ValueError(f"{what}; set first_pixels=0, or pool to one size before its first linear layer.") from error


def checked_seeds(seeds: Any) -> list[int]:
    """Return distinct seeds as a list of int."""
    if isinstance(seeds, (int, np.integer)):
        raise TypeError(f"seeds={seeds} is one number; give range({seeds}) for as many, or [{seeds}] for one.")
    try:
        numbers = [whole(s, "a seed") for s in seeds]
    except TypeError as error:
        raise TypeError(f"Seeds are whole numbers from 0 on, such as range(3), not {shown(seeds)}.") from error
    if not numbers:
        raise ValueError("No seeds were given; pass one for each training, such as seeds=range(3).")
    if not all(0 <= s < 2**63 for s in numbers):
        raise ValueError(f"Seeds are whole numbers from 0 on (below 2⁶³), not {numbers}.")
    if len(set(numbers)) < len(numbers):
        twice = next(s for s in numbers if numbers.count(s) > 1)
        raise ValueError(f"Seed {twice} is given twice; the same seed gives the same network, no second retraining.")
    return numbers


def _check_folder(folder: Any) -> None:
    """Raise unless files can be written to the folder, where one is given."""
    if folder is None:
        return
    try:
        if Path(folder).parts[:1] == ("~",):
            raise ValueError("'~' isn't expanded: use Path(…).expanduser()")
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"No state can be kept in {folder} ({error}); name a folder that can be written.") from error


def check_builder(builder: Builder, data) -> Template:
    """Return one network of the builder, to be used again; raise unless it can be trained on the data."""
    check_callable(builder)
    if not hasattr(data, "train") or not hasattr(data, "n_classes"):
        raise TypeError(f"The data are a {type(data).__name__}; pass what lnescape.load or lnescape.dataset returns.")
    first, second = _two_networks(builder)
    names = {name for name, _ in first.named_parameters()}
    some = data.train.images[:8].cpu().clone(memory_format=torch.contiguous_format)
    varies = not all(torch.equal(a, b) for a, b in zip(trainable(first), trainable(second), strict=True))
    known: dict[str, Any] = {"varies": varies, "begun": {k: hash_of(theta_of(m)) for k, m in ((0, first), (1, second))}}
    template = Template(first, builder, **known)
    how = "logits" if data.values is None else "values"
    if _wrong_output(first, data, some):  # (logits, features) for instance, or one number per input
        template = Template(Wrapped(template.fresh, how)(), Wrapped(builder, how), **known)
        second.register_forward_hook(HOOKS[how])
        if got := _wrong_output(template.module, data, some):
            n, what = data.n_classes, "classes" if data.values is None else "values per input"
            more = "" if data.values is None else f", or (2, {2 * n}) with a ln variance for each"
            why = f"For 2 inputs the network returns {got}, but {data.name} has {n} {what}"
            raise ValueError(f"{why}; return a tensor of shape (2, {n}){more}, alone, first in a tuple or as 'logits'.")
    if late := {name for name, _ in first.named_parameters()} - names:
        raise ValueError(f"The parameter {min(late)!r} is made by the first prediction; make it in __init__.")
    if data.train.images.dtype == torch.int64:  # an embedding may have too few rows
        tokens = data.train.images.flatten(1)
        ends = torch.stack([tokens.amax(1).argmax(), tokens.amin(1).argmin()])
        check_inputs(template, data.train.images[ends], "train")
    _check_batch_independence(template, data.train.images[:64].cpu())
    differing = _differing(template, second, some[:2])
    _check_buffers(second, some[:2])
    if torch.is_grad_enabled():
        _check_gradients(second, some[:2])
    if data.values is None:
        _check_no_probabilities(second, data.train.images[:64].cpu())
    if differing is not None:
        cure = "pass use_trivialization=False" if ".base'" in differing else "fix its seed, or let it be trained"
        raise ValueError(f"{differing} differs between two calls of the builder; {cure}.")
    return template


def _two_networks(builder: Builder) -> tuple[nn.Module, nn.Module]:
    """Call the builder under two seeds; raise unless it gives two networks of the same parameters."""
    try:
        first, second = build(builder, 0), build(builder, 1)
    except Exception as error:
        raise ValueError(f"The builder fails with {_in_a_line(error)}; call it once by itself to see where.") from error
    if not isinstance(first, nn.Module):
        raise TypeError(f"The builder returned a {type(first).__name__}, not an nn.Module; return the network.")
    if isinstance(first, torch.jit.ScriptModule):
        raise TypeError("The builder returns TorchScript, which has no gradient for each input; return its nn.Module.")
    if not isinstance(first.train(), nn.Module):
        raise TypeError("The network's train() returns nothing; end it with `return self`, as torch's does.")
    _check_parameters(first)
    shapes, others = ([(n, p.shape, p.requires_grad) for n, p in m.named_parameters()] for m in (first, second))
    if shapes != others:
        raise ValueError("The builder makes another network at its second call; every call must give the same shapes.")
    if {id(p) for p in trainable(first)} & {id(p) for p in trainable(second)}:
        raise ValueError("The builder returns the same network at every call; build a new one inside it.")
    return first, second


def _in_a_line(error: Exception) -> str:
    """Describe an error in one line."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _check_parameters(module: nn.Module) -> None:
    """Raise unless there is something to train, and every parameter has a size."""
    if not any(p.requires_grad for p in module.parameters()):
        raise ValueError("The network has no trainable parameters; nothing can be trained.")
    begins: dict[int, str] = {}
    for name, p in module.named_parameters():
        if is_lazy(p) or p.is_meta:
            raise ValueError(f"{name!r} holds no numbers yet; give lazy layers sizes, and no layer device='meta'.")
        if p.is_complex():
            raise ValueError(f"The parameter {name!r} is complex; give its real and imaginary part as two parameters.")
        if p.numel() == 0:
            raise ValueError(f"The parameter {name!r} is empty; give every layer at least one unit.")
        if (other := begins.setdefault(p.data_ptr(), name)) != name:
            raise ValueError(f"{other!r} and {name!r} share memory, but are two parameters; use one in both places.")
    owners = {p.untyped_storage().data_ptr(): name for name, p in module.named_parameters()}
    for part in module.modules():
        for name, value in (*vars(part).items(), *part.named_buffers(recurse=False)):
            if type(value) is not Tensor or value.layout != torch.strided:
                continue
            if owner := owners.get(value.untyped_storage().data_ptr()):
                what = f"The attribute {name!r} shares memory with the parameter {owner!r}, and would not follow it"
                raise ValueError(f"{what}; compute it in forward(), or clone() it.")


def _differing(template: Template, second: nn.Module, some: Tensor) -> str | None:
    """Give two networks of a builder the same θ; name a remaining difference, or return None."""
    first, others = template.fresh().float().eval(), second.float().eval().state_dict()
    constants = {n for n, p in first.named_parameters() if not p.requires_grad} | set(dict(first.named_buffers()))
    statistics = statistics_names(first)  # a builder may pass inputs, to give lazy layers their sizes
    for name, value in first.state_dict().items():
        if name in statistics:
            others[name].copy_(value)
        elif name in constants and not torch.equal(value, others[name]):
            return f"The constant {name!r}"
    with seeded(0), torch.no_grad():
        for p, value in zip(trainable(second), trainable(first), strict=True):
            p.copy_(value)
        same = torch.allclose(second(some), first(some), 1e-3, 1e-3)
    return None if same else "Something beside parameters and buffers, such as an attribute,"


def _check_batch_independence(template: Template, some: Tensor) -> None:
    """Raise where a prediction isn't finite, or differs from call to call, or with the other inputs of its batch."""
    module = template.fresh().float().eval()
    with undisturbed(), torch.no_grad():
        alone, first, again, turned = (module(x.clone()).double() for x in (some[:2], some, some, some.flip(0)))
    if not first.isfinite().all():
        raise ValueError("The network gives NaN or infinite numbers before any training; make every output finite.")
    mixed = ("changes with the other inputs of its batch", "keep statistics (track_running_stats=True), or give layers "
             "the batch as their first axis (batch_first=True)")  # fmt: skip
    for other, (cause, cure) in (
        (again, ("differs at a second call", "let no chance act in evaluation mode, as F.dropout(…, self.training)")),
        (alone, mixed),
        (turned.flip(0), mixed),  # a layer that takes rows for steps in time lets the first two depend on none behind
    ):
        apart = float((other - first[: len(other)]).abs().max())
        if not apart <= 1e-3 * (1 + float(first.abs().max())):  # NaN either
            raise ValueError(f"A prediction {cause}, by {apart:.2g}: it isn't a function of the input; {cure}.")


def check_inputs(template: Template, images: Tensor, part: str, *, rows: Tensor | None = None) -> None:
    """Raise, before any training, where the network that was built has no finite prediction for an input."""
    # `rows` are the numbers of these inputs in the test set, where that was cut in two.
    module = template.fresh().cpu().float().eval()

    def problem(some: Sequence[int]) -> str:
        with undisturbed(), torch.no_grad():
            try:
                return "" if module(images[some].cpu()).isfinite().all() else "it gives NaN or infinite numbers"
            except (RuntimeError, IndexError) as error:
                return str(error).splitlines()[0]

    for start in range(0, len(images), 500):
        some = list(range(len(images))[start : start + 500])
        if together := problem(some):
            row, cause = some[0], together
            for alone in some:
                if why := problem([alone]):
                    row, cause = alone, why
                    break
            named = f"{part} input {row}" if rows is None else f"input {int(rows[row])} of the test set"
            what = f"The network can't predict {named} ({cause}); leave that input out"
            raise ValueError(f"{what}, or change the network, such as the number of tokens that it knows.")


def _check_no_probabilities(module: nn.Module, some: Tensor) -> None:
    """Raise where a network, whose weights are spoilt here, ends in a softmax or a sigmoid."""
    module.eval().float()
    with torch.no_grad():
        given = module(some)
        for _ in range(3):  # outputs between 0 and 1 at weights a thousand times as large aren't logits
            for p in trainable(module):
                p.mul_(10)
            larger = module(some)
            if not larger.isfinite().all():  # of a deep network
                break
            given = larger
    held = given[:, 1:] if given.shape[1] == 2 and not given[:, 0].any() else given  # of a single one, beside its 0
    if bool(((held >= 0) & (held <= 1 + 1e-6)).all()) and bool(held.any()):
        what = "The network gives probabilities, and the loss takes logits"
        raise ValueError(f"{what}; leave out the softmax or sigmoid at its end (log_softmax may stay).")


def _check_buffers(module: nn.Module, some: Tensor) -> None:
    """Raise if training changes state outside θ and the refreshed statistics: buffers, attributes, constants."""
    kept = statistics_names(module.float()) | {n for n, p in module.named_parameters() if p.requires_grad}

    def both() -> Tensor:
        with seeded(0):  # in evaluation and in training mode, always from the same random stream
            return torch.cat([module.train(mode)(some) for mode in (False, True)])

    with seeded(0), torch.no_grad():
        module(some)  # which may make buffers
        before = {n: t.detach().clone() for n, t in (*module.named_buffers(), *module.named_parameters())}
        first = both()
        for _ in range(3):
            module(some)
        after = dict((*module.named_buffers(), *module.named_parameters()))
        changed = [n for n, t in after.items() if n not in kept and not torch.equal(t, before.get(n, t))]
        for name in kept & after.keys():
            after[name].copy_(before[name])
        apart = float((both() - first).abs().max())
    what = f"The tensor {changed[0]!r}" if changed else "Something beside parameters and buffers, such as an attribute,"
    if changed or apart > 1e-4 * (1 + float(first.abs().max())):
        cure = "use torch's own normalisation layers, draw from its global generator, or leave out what changes it"
        raise ValueError(f"{what} changes while the network trains, and would be lost; {cure}.")


def _check_gradients(module: nn.Module, some: Tensor) -> None:
    """Raise where predictions, in training or evaluation, depend on a trainable parameter that gets no gradient."""

    def predicted(mode: bool) -> Tensor:
        with seeded(0), torch.enable_grad():
            return module.train(mode)(some)

    parts = dict(module.named_modules())
    for mode, when, cure in (
        (True, "", "freeze it by requires_grad_(False), or compute with it without no_grad and detach"),
        (False, " in evaluation mode", "compute with it there as in training (LoRA: merge_weights=False)"),
    ):
        module.zero_grad()
        if (first := predicted(mode)).requires_grad:
            first.square().sum().backward()
        for name, p in module.named_parameters():
            frozen = isinstance(parts[name.rpartition(".")[0]], Frozen)
            if p.requires_grad and p.grad is None and not frozen:
                module.train()
                p.data.add_(1.0)
                if not torch.allclose(predicted(mode), first, 1e-4, 1e-4, equal_nan=True):
                    raise ValueError(f"{name!r} gets no gradient{when}, though predictions depend on it; {cure}.")


def _wrong_output(module: nn.Module, data, some: Tensor) -> str | None:
    """Describe an output of the wrong form; None if it has a column for each class, or one or two for each value."""
    module.float()  # training is in float32, whatever the builder's
    kind = str(some.dtype).removeprefix("torch.")
    widths = (data.n_classes,) if data.values is None else (data.n_classes, 2 * data.n_classes)
    for n, training in ((2, False), (1, False), (2, True)):  # some squeeze a batch of one, some return more in training
        given = some[:n].clone()
        with undisturbed(), torch.no_grad():
            try:
                logits = module.train(training)(given)
            except Exception as error:
                if n == 1:  # batch statistics, which are refused further on
                    continue
                what = f"{kind} inputs of shape {tuple(data.image_shape)} ({_in_a_line(error)})"
                cure = (
                    "fit its first layer to them, or put nn.Flatten() before it (grey images: give unsqueeze(1); whole "
                    "numbers are tokens, give features as floats; uint8 are pixels, give tokens as int64)"
                )
                if isinstance(error, TypeError):  # an argument is missing
                    cure = "let forward() take one tensor, and take it apart inside where it holds several inputs"
                raise ValueError(f"The network can't take {what}; {cure}.") from error
        if not torch.equal(given, some[:n]):
            what = "The network changes its inputs in place, and so the data"
            raise ValueError(f"{what}; leave inplace=True out of its first layers, or begin with x = x.clone().")
        if not isinstance(logits, Tensor) or not logits.is_floating_point():
            return type(logits).__name__ if not isinstance(logits, Tensor) else f"numbers of {logits.dtype}"
        if logits.ndim != 2 or len(logits) != n or logits.shape[1] not in widths:
            return f"{tuple(logits.shape)}{'' if n == 2 else ' for one'}"
    return None
