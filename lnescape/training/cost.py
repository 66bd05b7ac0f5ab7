"""What a law costs, counted in floating-point operations and told in trainings."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lnescape.engines import Loss
from lnescape.laws import Law
from lnescape.training.recipe import Recipe
from lnescape.weights import Builder, build, refresh_normalisation


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
    """Floating-point operations of one image: `forward` alone, and a training `step` (both passes).

    `draws` tells whether the network draws chance in training, such as for dropout.
    """

    forward: float
    step: float
    draws: bool = field(default=False, repr=False)
    # From a side in pixels to the operations of a step on an image of that side.
    step_at: Callable[[int], float] | None = field(default=None, repr=False, compare=False)

    def together(self, engine, recipe: Recipe, most: int) -> int:
        """Tell how many networks an engine should train at once, `most` or fewer."""
        if self.draws:
            return 1  # networks beside each other would share one stream of chance
        return engine.together(most, self.step * recipe.batch)

    def training(self, recipe: Recipe, n_images: int) -> float:
        """Count a plain training: every step, each on a whole batch, of all images where they are fewer than that."""
        batch = min(recipe.batch, n_images)
        steps = max(round(recipe.epochs * (n_images // batch)), 1)
        if not recipe.first_pixels or self.step_at is None:
            return steps * batch * self.step
        first = (steps + 1) // 2  # the steps on smaller images
        return batch * (first * self.step_at(recipe.first_pixels) + (steps - first) * self.step)


def count_operations(
    network: Builder | nn.Module, image: Tensor, n_classes: int, loss: Loss = F.cross_entropy
) -> Operations:
    """Count the operations of one image by watching every product of a real pass; a multiply-add counts as two."""
    module = network if isinstance(network, nn.Module) else build(network, 0)
    module = module.cpu().float().train()
    images = image.cpu().expand(2, *image.shape)  # batch normalisation refuses a single image
    labels = torch.arange(2) % n_classes

    def step(module: nn.Module, images: Tensor) -> float:
        with torch.random.fork_rng(), FlopCounterMode(display=False) as counted:
            _checked_loss(loss, module(images), labels).backward()
        return counted.get_total_flops() / 2

    @cache
    def step_at(pixels: int) -> float:
        return step(deepcopy(module).cpu(), F.interpolate(images, (pixels, pixels)))  # it may be in training by then

    with torch.random.fork_rng(), FlopCounterMode(display=False) as forward:
        before = torch.get_rng_state()
        module(images)
        draws = not torch.equal(before, torch.get_rng_state())
    return Operations(forward.get_total_flops() / 2, step(module, images), draws, step_at)


def refresh_cost(law: Law, data, n: int) -> Cost:
    """Count and time what it takes to refresh the normalisation of n networks, before they can predict.

    Every network that a law draws has statistics of its own, from one forward pass of the same fixed images: the
    same for all methods. A cost of prediction, not of training; 0 where there is no such layer.

    Args:
        law: The law; its images are used.
        data: The data set, for the unit of cost.
        n: Networks drawn.

    Returns:
        The cost, its `seconds` those of one measured refresh times n.

    Raises:
        ValueError: n is negative.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> net = ln.network("resnet", data, depth=8, width=4)
        >>> round(refresh_cost(ln.members(net, [net()], data), data, 20).trainings, 2)
        0.59
    """
    if n < 0:
        raise ValueError(f"n={n} networks can't be drawn; say how many, from 0 on.")
    images = law.normalisation_images
    module = build(law.net, 0)
    step = count_operations(module, data.train.images[0], data.n_classes)
    plain = step.training(law.recipe or Recipe(), len(data.train))
    if images is None:
        return Cost(0.0, plain)
    module = module.to(law.device)
    start = perf_counter()
    passed = refresh_normalisation(module, images.to(law.device))
    return Cost(n * passed * step.forward, plain, n * (perf_counter() - start))


def _checked_loss(loss: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    try:
        value = loss(logits, labels)
    except Exception as error:
        raise ValueError(f"The loss fails ({error}); it takes logits [n, classes] and labels [n].") from error
    if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
        got = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) and value.ndim else f"{value!r}"
        raise ValueError(f"The loss returns {got}; it must return the mean over the batch, one number with a gradient.")
    return value
