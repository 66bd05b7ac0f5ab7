"""Checks and preparations that are made once, before any training."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnescape.checks import checked_device, instance, shown, whole
from lnescape.engines import engine_for
from lnescape.training.recipe import Operations, Recipe, count_operations, for_values, resolve
from lnescape.weights import RNG_LOCK, Builder, Template, check_builder, identity, images_to_refresh


@dataclass(frozen=True, eq=False)
class Prepared:
    """A builder, data and a recipe that were checked against one another, with what follows from them.

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
        measure: bool = True, template: Template | None = None,
    ) -> "Prepared":  # fmt: skip
        """Check builder, data, recipe, device and folder, and make ready what a training needs."""
        # Precision "auto" is replaced by what is fastest here; without a measurement it means float32.
        if not torch.is_grad_enabled() or any(map(torch.is_autocast_enabled, ("cpu", "cuda"))):
            raise ValueError(
                "Gradients are switched off here, or autocast is on; train outside torch.no_grad, torch.inference_mode "
                "and torch.autocast (bfloat16: Recipe.precision)."
            )
        template = template or check_builder(net, data)
        recipe = Recipe() if recipe is None else recipe
        instance(recipe, Recipe, "The recipe", "pass lnescape.Recipe(epochs=10, batch=128)")
        n, images = len(data.train), data.train.images
        if n < recipe.batch:
            raise ValueError(f"A batch of {recipe.batch} is larger than the {n} training images; lower Recipe.batch.")
        if recipe.n_steps(n) < 1:
            least = 1 / (n // recipe.batch)
            raise ValueError(f"{recipe.epochs:.2g} epochs are no step; at least {least:.2g} are needed for one.")
        _check_folder(folder)
        place: torch.device = checked_device(images.device if device is None else device)
        with RNG_LOCK:
            recipe = for_values(recipe, data, template.fresh())
            targets = data.train.targets[:2]
            one = images[0].to(place)
            operations = count_operations(template.fresh(), one, data.n_classes, recipe.loss, targets=targets)
            _check_small_images(operations, recipe, images)
            if recipe.batch == 1:
                try:
                    template.fresh().train()(images[:1].cpu())
                except ValueError as error:  # of normalisation
                    raise ValueError(f"The network takes no batch of one ({error}); raise Recipe.batch.") from error
            name = identity(template.fresh(), images[:8])
            data = data.to(place)
            if measure:
                recipe = resolve(recipe, template.fresh, data, place, name=name, folder=folder)
        return cls(template.builder, data, recipe, operations, name, template)

    def under(self, recipe: Recipe) -> "Prepared":
        """Return the same under another recipe, its precision resolved."""
        return replace(self, recipe=recipe)

    def engine(self, *, chains: bool = True):
        """Make an engine around the template; the engine made before must be done."""
        first = [self.template.fresh()]  # an accelerator's engine needs several networks
        return engine_for(
            lambda: first.pop() if first else self.net(),
            device=self.device,
            precision=self.recipe.precision,
            chains=chains,
        )

    def together(self, most: int) -> int:
        """Return how many networks are trained at once, `most` or fewer."""
        return self.operations.together(self.engine(), self.recipe, most)

    def priced(self, recipe: Recipe) -> float:
        """Count the operations of one training under a recipe."""
        return self.operations.training(recipe, len(self.data.train))

    @property
    def device(self) -> torch.device:
        """Return where the training runs."""
        return self.data.train.images.device

    @property
    def plain(self) -> float:
        """Return the operations of one training under this recipe."""
        return self.priced(self.recipe)

    @property
    def known(self) -> dict[str, Any]:
        """Return what every law keeps, besides the cost."""
        images = images_to_refresh(self.template.module, self.data)
        known = {"recipe": self.recipe, "normalisation_images": images, "values": self.data.values}
        return known | {"trained_on": self.data.training_checksum}


def _check_small_images(operations: Operations, recipe: Recipe, images: Tensor) -> None:
    """Raise where pictures are asked for and there are none, or smaller ones don't fit the data or the network."""
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
        raise ValueError(
            f"The network can't take images of {side} × {side} pixels ({str(error).splitlines()[0]}); set "
            "first_pixels=0, or pool to one size before its first linear layer."
        ) from error


def checked_seeds(seeds: Any) -> list[int]:
    """Return distinct seeds as a list of int."""
    if isinstance(seeds, (int, np.integer)):
        raise TypeError(
            f"seeds={seeds} is one number; give range({seeds}) for as many trainings, or [{seeds}] for one."
        )
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
