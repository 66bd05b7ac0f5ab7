"""The recipe of a training, and what a training costs."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lnescape.builders import Builder, build
from lnescape.engines import AnyNetwork, Loss, engine_for
from lnescape.weights import normalisation_layers

_CHOICES = {
    "schedule": ("onecycle", "cosine", "constant"),
    "optimiser": ("sgd", "adamw"),
    "precision": ("auto", "float32", "bfloat16"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. With the data, the builder and a seed it fixes the result.

    Attributes:
        epochs: Passes over the training images, ≥ 1.
        batch: Images in a step; the last incomplete batch of an epoch is left out.
        learning_rate: The highest of the schedule.
        momentum: Of Nesterov's kind for "sgd"; β₁ for "adamw".
        weight_decay: Coefficient of θ added to the gradient ("sgd"), decoupled for "adamw".
        schedule: "onecycle" (up over the first quarter of the steps, then half a cosine down to 0),
            "cosine" (down only) or "constant".
        optimiser: "sgd" or "adamw".
        shift: Augmentation by shifts of up to so many pixels.
        flip: Augmentation by mirror images.
        precision: Of the products: "float32", "bfloat16", or "auto" (a short measurement decides for
            networks with convolutions, float32 otherwise; `fit` records what it chose).
        loss: Callable from logits [n, classes] and labels [n] to the mean loss.

    Example:
        >>> Recipe(epochs=5).learning_rate_at(0.25)
        0.1
    """

    epochs: int = 10
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "onecycle"
    optimiser: str = "sgd"
    shift: int = 0
    flip: bool = False
    precision: str = "auto"
    loss: Callable[[Tensor, Tensor], Tensor] = field(default=F.cross_entropy)

    def __post_init__(self):
        """Refuse settings that can't train.

        Raises:
            ValueError: Something is out of range or not known.
        """
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not known; use one of {', '.join(known)}.")
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(f"There must be at least one epoch and one image a step, not {self.epochs}, {self.batch}.")
        if not self.learning_rate > 0 or not 0 <= self.momentum < 1 or self.weight_decay < 0 or self.shift < 0:
            raise ValueError("The learning rate must be > 0, momentum in [0, 1), weight decay and shift ≥ 0.")

    def learning_rate_at(self, progress: float) -> float:
        """Give the learning rate when a share `progress` in [0, 1] of all steps is done."""
        rising = 0.25 if self.schedule == "onecycle" else 0.0
        if self.schedule == "constant":
            return self.learning_rate
        if progress < rising:
            return self.learning_rate * progress / rising
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - rising) / (1 - rising)))

    def optimiser_for(self, parameter: Tensor) -> torch.optim.Optimizer:
        """Make the optimiser of one flat parameter, updated by one fused operation."""
        options = {"lr": self.learning_rate, "weight_decay": self.weight_decay, "fused": True}
        if self.optimiser == "adamw":
            return torch.optim.AdamW([parameter], betas=(self.momentum, 0.999), **options)
        return torch.optim.SGD([parameter], momentum=self.momentum, nesterov=self.momentum > 0, **options)

    def describe(self) -> dict:
        """Return the recipe as plain values, for provenance."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {"loss": getattr(self.loss, "__name__", type(self.loss).__name__)}


def resolve(recipe: Recipe, builder: Builder, data, device: torch.device) -> Recipe:
    """Replace precision "auto" by what a short measurement on this machine recommends.

    bfloat16 is taken where the network has convolutions and its training step is at least 1.25 times as
    fast as in float32; chains of linear layers stay in float32, whose results are the reference.

    Args:
        recipe: The recipe asked for.
        builder: Makes one network.
        data: The data set, for one batch of images.
        device: Where the training will run.

    Returns:
        The same recipe with precision "float32" or "bfloat16".
    """
    if recipe.precision != "auto":
        return recipe
    engine = engine_for(builder)
    if engine.many or not engine.has_convolution:
        return replace(recipe, precision="float32")
    times = [_seconds_a_step(builder, data, device, recipe, name) for name in ("float32", "bfloat16")]
    return replace(recipe, precision="bfloat16" if times[0] > 1.25 * times[1] else "float32")


def _seconds_a_step(builder: Builder, data, device: torch.device, recipe: Recipe, precision: str) -> float:
    engine = AnyNetwork(build(builder, 0), device=device, precision=precision)
    images = data.train.images[: recipe.batch].to(device).unsqueeze(0)
    labels = data.train.labels[: recipe.batch].to(device).unsqueeze(0)
    seconds = []
    with torch.random.fork_rng():  # dropout must not move the user's generator
        for _ in range(5):
            start = time.perf_counter()
            value, _ = engine.loss_and_gradient(engine.home, images, labels, recipe.loss)
            value.item()  # wait for an accelerator
            seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


@dataclass(frozen=True)
class Cost:
    """What a law cost to train, counted in floating-point operations, not guessed.

    trainings = operations / operations of one plain training of the same network.

    Attributes:
        operations: Floating-point operations, forward and backward.
        plain: Those of one plain training.
        seconds: Wall time of this call; trainings done elsewhere are not in it.

    Example:
        >>> Cost(operations=3e12, plain=1e12) + Cost(operations=1e12, plain=1e12)
        Cost: 4 trainings
    """

    operations: float
    plain: float
    seconds: float = 0.0

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

    def training(self, recipe: Recipe, n_images: int) -> float:
        """Count a plain training: every step of every epoch."""
        return recipe.epochs * (n_images // recipe.batch) * recipe.batch * self.step


def count_operations(builder: Builder, image: Tensor, n_classes: int, loss: Loss = F.cross_entropy) -> Operations:
    """Count the operations of one image by watching every product of a real pass.

    Args:
        builder: Makes one network.
        image: One image, normalised.
        n_classes: Number of classes.
        loss: The loss, whose backward pass is watched.

    Returns:
        Operations per image; a multiply-add counts as two.

    Example:
        >>> count_operations(lambda: torch.nn.Linear(4, 3), torch.zeros(4), 3)
        Operations(forward=24.0, step=48.0)
    """
    module = build(builder, 0).train()
    images = image.cpu().expand(2, *image.shape)  # batch normalisation refuses a single image
    labels = torch.arange(2) % n_classes
    with torch.random.fork_rng(), FlopCounterMode(display=False) as forward:
        module(images)
    with torch.random.fork_rng(), FlopCounterMode(display=False) as step:
        loss(module(images), labels).backward()
    return Operations(forward.get_total_flops() / 2, step.get_total_flops() / 2)


def has_normalisation(builder: Builder) -> bool:
    """Tell whether a builder's networks keep statistics of the data."""
    return bool(normalisation_layers(build(builder, 0)))


@lru_cache(maxsize=4096)
def stream_seed(seed: int, epoch: int, purpose: str) -> int:
    """Derive the seed of one random stream, such as the order of the images in one epoch.

    The streams of a training are independent of each other, and each epoch has its own, so that a
    training that was killed goes on from an epoch's end as if nothing had happened.

    Args:
        seed: The seed of the training.
        epoch: Number of the epoch.
        purpose: What the numbers are for; another word gives another stream.

    Returns:
        A seed for `torch.Generator`.

    Example:
        >>> stream_seed(0, 0, "order") == stream_seed(0, 0, "order") != stream_seed(0, 1, "order")
        True
    """
    import numpy as np

    words = np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(2)
    return int(words[0]) << 16 ^ int(words[1])


def generator(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """Make the CPU generator of one random stream; see `stream_seed`."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, purpose))
