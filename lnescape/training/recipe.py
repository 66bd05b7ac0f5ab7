"""The recipe of a training, and its cost in floating-point operations, stated in trainings."""

import hashlib
import math
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lnescape.checks import one_of, real, whole
from lnescape.engines import engine_for
from lnescape.engines.plain import Loss, gaussian_nll, squared_error
from lnescape.laws import Law
from lnescape.results import ResultError, files
from lnescape.weights import Builder, build, refresh_normalisation, seeded, undisturbed

_CHOICES = {
    "schedule": ("onecycle", "cosine", "cycle", "constant", "slanted"),
    "optimiser": ("sgd", "adamw"),
    "precision": ("auto", "float32", "bfloat16"),
    "flip": (False, True, "alternate"),
}
_REALS: dict[str, dict[str, Any]] = {
    "epochs": {"above": 0, "most": 10**6},
    "learning_rate": {"above": 0},
    "momentum": {"least": 0, "below": 1},
    "weight_decay": {"least": 0},
    "bias_rate": {"above": 0},
}
# Fields that came later. Left at their default they are not described, so that older cells keep their names.
_LATER = ("bias_rate", "first_pixels", "average_every")


@dataclass(frozen=True)
class Recipe:
    """Recipe of a training. With the data, the builder and a seed it fixes the result.

    References: Jordan 2024, arXiv 2404.00498 ("slanted", "alternate", and the last three); Zhang et al. 2019, arXiv
    1907.08610.

    >>> Recipe(epochs=5).learning_rate_at(0.25)
    0.1
    """

    epochs: float = 10  #: passes over the training images, > 0; 2.5 are two and a half
    batch: int = 128  #: images in a step; the last incomplete batch of an epoch is left out
    learning_rate: float = 0.1  #: the highest of the schedule
    momentum: float = 0.9  #: of Nesterov's kind for "sgd"; β₁ for "adamw"
    weight_decay: float = 5e-4  #: coefficient of θ added to the gradient ("sgd"), decoupled for "adamw"
    #: "onecycle" (up over the first quarter of the steps, then half a cosine down to 0), "cosine" (down only), "cycle"
    #: (linearly up over the first half, then down to 0), "slanted" (linearly from 0.2 to 1 over 23 % of the steps, then
    #: linearly down to 0.07) or "constant"
    schedule: str = "onecycle"
    optimiser: str = "sgd"  #: "sgd" or "adamw"
    shift: int = 0  #: largest shift in augmentation, in pixels
    #: augmentation by mirror images: True mirrors each with probability 1/2; "alternate" draws that once and turns it
    #: over from epoch to epoch, so that two epochs show each image both ways
    flip: bool | str = False
    #: of the products: "float32", "bfloat16", or "auto" (a short measurement decides for networks with convolutions,
    #: float32 otherwise; `fit` records the choice)
    precision: str = "auto"
    #: from logits [n, classes] and labels [n] to the mean loss; for measured values from outputs and standardised
    #: values [n, outputs]: unless given, `squared_error` for one output a value, `gaussian_nll` for two
    loss: Callable[[Tensor, Tensor], Tensor] = field(default=F.cross_entropy)
    #: learning rate of the biases of normalisation layers, in parts of the others' ("sgd" only); their weight decay is
    #: divided by it, so that the product of the two stays
    bias_rate: float = 1.0
    #: side of the images, in pixels, during the first half of the steps; 0 leaves them as they are
    first_pixels: int = 0
    #: steps after which the weights are replaced by their running average (Lookahead), 0 for never:
    #: a ← d a + (1 − d) θ, then θ ← a, with d = 0.774 (t/T)³ after t of T steps; the result is a
    average_every: int = 0

    def __post_init__(self):
        """Raise ValueError unless the settings can train."""
        for name, least in {"batch": 1, "shift": 0, "first_pixels": 0, "average_every": 0}.items():
            object.__setattr__(self, name, whole(getattr(self, name), name, least=least, error=ValueError))
        for name, bounds in _REALS.items():
            number = real(getattr(self, name), name, **bounds, error=ValueError)
            if not isinstance(getattr(self, name), int):  # an int stays one, since names of cells depend on it
                object.__setattr__(self, name, number)
        if not callable(self.loss) or isinstance(self.loss, type):
            raise ValueError(f"loss={self.loss!r} must be a function of logits and labels, such as F.cross_entropy.")
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if getattr(value, "ndim", None) == 0:  # a scalar of numpy
                value = value.item()
                object.__setattr__(self, name, value)
            if not any(type(value) is type(one) and value == one for one in known):
                choices = ", ".join(map(str, known))
                raise ValueError(f"{name}={getattr(self, name)!r} is not known; use one of {choices}.")
        if self.bias_rate != 1 and self.optimiser != "sgd":
            raise ValueError(f"bias_rate={self.bias_rate:g} needs optimiser='sgd'; leave it at 1 for others.")

    def n_steps(self, n_images: int) -> int:
        """Count the steps of a training on `n_images` images."""
        return round(self.epochs * (n_images // self.batch))

    @property
    def least_steps(self) -> int:
        """Return the fewest steps that move the weights: two if the first one has rate zero, else one."""
        return 1 if self.learning_rate_at(0.0) > 0 else 2

    def learning_rate_at(self, progress: float) -> float:
        """Return the learning rate after a share `progress` in [0, 1] of all steps."""
        rising = 0.25 if self.schedule == "onecycle" else 0.0
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "cycle":
            return self.learning_rate * (1 - abs(2 * progress - 1))
        if self.schedule == "slanted":
            rising = 0.23
            part = 0.2 + 0.8 * progress / rising if progress < rising else 1 - 0.93 * (progress - rising) / (1 - rising)
            return self.learning_rate * part
        if progress < rising:
            return self.learning_rate * progress / rising
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - rising) / (1 - rising)))

    def optimiser_for(self, parameter: Tensor) -> torch.optim.Optimizer:
        """Make the optimiser of one flat parameter, updated by one fused operation."""
        options: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay, "fused": True}
        if self.optimiser == "adamw":
            return torch.optim.AdamW([parameter], betas=(self.momentum, 0.999), **options)
        return torch.optim.SGD([parameter], momentum=self.momentum, nesterov=self.momentum > 0, **options)

    def near_a_solution(self) -> "Recipe":
        """Return the recipe without the settings for a training from scratch: small images, averaged weights."""
        return replace(self, first_pixels=0, average_every=0)

    def identity(self, data) -> dict:
        """Return plain values that distinguish recipes, those of a user's loss at fixed random outputs included."""
        if self.loss in (F.cross_entropy, squared_error, gaussian_nll):
            return self.describe()
        n, device, at = data.n_classes, data.train.images.device, []
        with seeded(0), torch.no_grad():
            for size in (0.1, 1.0, 10.0, 100.0):  # losses may differ for small residuals only, or for large ones
                outputs, values = torch.randn(64, 2 * n).to(device), size * torch.randn(64, n).to(device)
                outputs[:, :n] *= size
                # Classes may have weights: each is the right one once.
                for first in range(0, n if data.values is None else 1, 64):
                    targets = torch.arange(first, first + 64).to(device) % n if data.values is None else values
                    try:
                        at.append(f"{float(self.loss(outputs[:, :n], targets)):.6g}")
                    except Exception:  # of values and their variances
                        at.append(f"{float(self.loss(outputs, targets)):.6g}")
        return self.describe() | {"loss_at": at}

    def describe(self) -> dict:
        """Return the recipe as plain values, for provenance."""
        every = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {n: value for n, value in every.items() if n not in _LATER or value != getattr(Recipe, n)}
        return plain | {"loss": getattr(self.loss, "__name__", type(self.loss).__name__)}

    @classmethod
    def described(cls, description: dict) -> "Recipe | None":
        """Restore a recipe from the values of `describe`; return None if its loss is a function of the user's."""
        loss = {f.__name__: f for f in (F.cross_entropy, squared_error, gaussian_nll)}.get(description["loss"])
        return None if loss is None else cls(**{**description, "loss": loss})


def for_values(recipe: Recipe, data, module: nn.Module) -> Recipe:
    """Return the recipe with the loss that goes with a network's outputs; raise where its loss needs others."""
    if data.values is None:
        return recipe
    with torch.no_grad():
        n, outputs = data.n_classes, module.cpu().float().eval()(data.train.images[:2].cpu()).shape[1]
    if recipe.loss is F.cross_entropy:
        return replace(recipe, loss=squared_error if outputs == n else gaussian_nll)
    if recipe.loss is gaussian_nll and outputs != 2 * n:
        what = f"two outputs per value, mean and ln variance, and the network gives {outputs} for {n}"
        cure = "build it by network(…, variance=True), or leave the loss out of the recipe"
        raise ValueError(f"The Gaussian loss takes {what}; {cure}.")
    if recipe.loss is squared_error and outputs != n:
        raise ValueError(f"Squared error takes {n} outputs, not {outputs}; leave the loss out of the recipe.")
    return recipe


_CHOSEN: dict[tuple, str] = {}  # precisions that were measured in this process


def resolve(
    recipe: Recipe, builder: Builder, data, device: torch.device, *, name: str = "", folder: Path | str | None = None
) -> Recipe:  # fmt: skip
    """Return the recipe with "auto" replaced by the precision that a short measurement recommends."""
    # bfloat16 where the network has convolutions and its step is then at least 1.25 times as fast; chains of linear
    # layers stay in float32, whose results are the reference. `name` is that of the network, to remember the choice by:
    # in this process, and in the folder that keeps the states, so that trainings go on with the precision they had.
    if recipe.precision != "auto":
        return recipe
    if not any(isinstance(part, nn.Conv2d) for part in build(builder, 0).modules()):
        return replace(recipe, precision="float32")
    key = (name, tuple(data.train.images.shape[1:]), recipe.batch, str(device), torch.get_num_threads())
    digest = hashlib.sha256(repr(key[:-1]).encode()).hexdigest()[:16]
    file = None if folder is None else Path(folder) / f"precision-{digest}.safetensors"
    if file is not None and files.is_file(file):
        with suppress(ResultError), files.loading(file, "precision", cure="") as (kept, _):  # damaged: measured again
            _CHOSEN[key] = one_of(kept["precision"], ["float32", "bfloat16"], "precision")
    if not name or key not in _CHOSEN:
        _CHOSEN[key] = "bfloat16" if _is_faster(builder, data, device, recipe) else "float32"
    if file is not None:
        files.save(file, "precision", {"precision": _CHOSEN[key]}, {})
    return replace(recipe, precision=_CHOSEN[key])


def _is_faster(builder: Builder, data, device: torch.device, recipe: Recipe) -> bool:
    """Return whether bfloat16 is faster, on batches that grow from two images on as long as there is time."""
    n = 2 if device.type == "cpu" else recipe.batch
    while True:
        n = min(n, recipe.batch)
        plain = _seconds_a_step(builder, data, device, replace(recipe, batch=n), "float32")
        if plain > 2:
            return False  # an attempt would take longer than one should wait
        half = _seconds_a_step(builder, data, device, replace(recipe, batch=n), "bfloat16")
        if n == recipe.batch or half > 2 * plain or 4 * (plain + half) > 0.2:  # five steps of each: a second
            return plain > 1.25 * half
        n *= 4


def _seconds_a_step(builder: Builder, data, device: torch.device, recipe: Recipe, precision: str) -> float:
    """Return the shortest of up to five training steps, for a second at most."""
    engine = engine_for(builder, device=device, precision=precision)
    images, labels = (x[: recipe.batch].to(device).unsqueeze(0) for x in (data.train.images, data.train.targets))
    seconds: list[float] = []
    with undisturbed():  # dropout must not move the user's generator
        while len(seconds) < 6 and sum(seconds[1:]) < 1:
            start = time.perf_counter()
            value, _ = engine.loss_and_gradient(engine.home(), images, labels, recipe.loss)
            value.item()  # wait for an accelerator
            seconds.append(time.perf_counter() - start)
    return min(seconds[1:])  # the first one loads libraries, and captures a graph


@dataclass(frozen=True)
class Cost:
    """Cost of training a law: counted floating-point operations over those of one plain training.

    >>> Cost(operations=3e12, plain=1e12) + Cost(operations=1e12, plain=1e12)
    Cost: 4 trainings
    """

    operations: float  # floating-point operations, forward and backward
    plain: float  # those of one plain training of the same network
    seconds: float = 0.0  # wall time of this call; trainings done elsewhere are not in it

    @property
    def trainings(self) -> float:
        """The cost in trainings of the real network."""
        return self.operations / self.plain

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.operations + other.operations, self.plain, self.seconds + other.seconds)

    def __repr__(self) -> str:
        clock = f", {self.seconds:.1f} s here" if self.seconds else ""
        return f"Cost: {self.trainings:.4g} training{'' if self.trainings == 1 else 's'}{clock}"


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one image: `forward` alone, and a training `step` (both passes)."""

    forward: float
    step: float
    draws: bool = field(default=False, repr=False)  # whether training draws random numbers, as for dropout
    # From a side in pixels to the operations of a step on an image of that side.
    step_at: Callable[[int], float] | None = field(default=None, repr=False, compare=False)

    def training(self, recipe: Recipe, n_images: int) -> float:
        """Count a plain training: every step, each on a whole batch, of all images where they are fewer than that."""
        batch = min(recipe.batch, n_images)
        steps = max(round(recipe.epochs * (n_images // batch)), 1)
        if not recipe.first_pixels or self.step_at is None:
            return steps * batch * self.step
        first = (steps + 1) // 2  # the steps on smaller images
        return batch * (first * self.step_at(recipe.first_pixels) + (steps - first) * self.step)


def count_operations(
    network: Builder | nn.Module, image: Tensor, n_classes: int, loss: Loss = F.cross_entropy, *,
    targets: Tensor | None = None,
) -> Operations:  # fmt: skip
    """Count the operations of one image by watching every product of a real pass; a multiply-add counts as two."""
    module = network if isinstance(network, nn.Module) else build(network, 0)
    module = module.cpu().float().train()
    images = image.cpu().expand(2, *image.shape).contiguous()  # batch normalisation refuses a single image
    labels = (torch.arange(2) % n_classes if targets is None else targets).to(image.device)  # two of them
    chance = [torch.get_rng_state, *([torch.cuda.get_rng_state] if image.is_cuda else [])]

    def value(module: nn.Module, images: Tensor) -> Tensor:
        return _checked_loss(loss, module(images).to(image.device), labels)  # where its class weights are, too

    def step(module: nn.Module, images: Tensor) -> float:
        return _counted(lambda: value(module, images).backward())

    @cache
    def step_at(pixels: int) -> float:
        return step(deepcopy(module).cpu(), F.interpolate(images, (pixels, pixels)))  # it may be in training by then

    with undisturbed(), torch.enable_grad():  # `members` may be called where gradients are switched off
        before = [state() for state in chance]
        value(module, images)
        draws = not all(map(torch.equal, before, [state() for state in chance]))
        # A network without any product, such as a bag of embeddings, adds up its weights.
        sums = 2.0 * sum(p.numel() for p in module.parameters())
        forward = _counted(lambda: module(images)) or sums
        return Operations(forward, step(module, images) or 3 * sums, draws, step_at)


def _counted(call: Callable[[], object]) -> float:
    """Count the operations of a call for one of two images; recurrence and attention take a form that torch counts."""
    with warnings.catch_warnings(action="ignore"):  # torch warns of another maker's accelerators when flags are set
        plain = torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH)
        with undisturbed(), plain[0], plain[1], FlopCounterMode(display=False) as counted:
            call()
    return counted.get_total_flops() / 2


def refresh_cost(law: Law, data, n: int) -> Cost:
    """Measure the cost of refreshing the normalisation of n networks, which precedes their predictions.

    Every network that a law draws has statistics of its own, from one forward pass of the same fixed images: the same
    for all methods. A cost of prediction, not of training; 0 where there is no such layer.

    Args:
        law: The law; its images are used.
        data: The data set, for the unit of cost.
        n: Networks drawn, ≥ 0.

    Returns:
        The cost, its `seconds` those of one measured refresh times n.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> net = ln.network("resnet", data, depth=8, width=4)
    >>> round(refresh_cost(ln.members(net, [net()], data), data, 20).trainings, 2)
    0.59
    """
    n, images, module = whole(n, "n", least=0), law.normalisation_images, build(law.net, 0)
    step = count_operations(module, data.train.images[0], data.n_classes)
    plain = step.training(law.recipe or Recipe(), len(data.train))
    if images is None:
        return Cost(0.0, plain)
    module, start = module.to(law.device), time.perf_counter()
    passed = refresh_normalisation(module, images.to(law.device))
    return Cost(n * passed * step.forward, plain, n * (time.perf_counter() - start))


def _checked_loss(loss: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss; raise unless it is one number with a gradient."""
    if isinstance(loss, nn.Module) and any(p.requires_grad for p in loss.parameters()):
        raise ValueError("The loss has parameters, which nothing trains; freeze them, or move them to the network.")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Using a target size")  # broadcasting would give a wrong loss
            value = loss(logits, labels)
    except Exception as error:
        takes = "standardised values [n, outputs]" if labels.is_floating_point() else "labels [n], whole numbers"
        raise ValueError(f"The loss fails ({error}); it takes logits [n, classes] and {takes}.") from error
    if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
        got = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"The loss returns {got}; it must return the mean over the batch, one number with a gradient.")
    with torch.no_grad():
        probe = torch.linspace(-1, 2, logits.numel(), device=logits.device).view_as(logits)
        classes = logits.shape[-1] > 1 and not labels.is_floating_point()
        odd = classes and float(loss(probe, labels) + loss(-probe, labels)) == 0
        if odd and bool((logits.logsumexp(1).abs() > 1e-3).any()):
            what = "The loss is a sum of the network's outputs, such as nn.NLLLoss, and has no minimum"
            raise ValueError(f"{what}; use F.cross_entropy, or end the network in nn.LogSoftmax(1).")
        twice = float(loss(torch.cat([logits, logits]), torch.cat([labels, labels])))
    if twice > 1.9 * float(value.detach()) > 0:
        raise ValueError("The loss returns a sum over the batch; it must return the mean, as with reduction='mean'.")
    return value
