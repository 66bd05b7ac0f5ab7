"""What is refused before any training, so that no work is lost."""

import operator
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from lnescape.training.cost import Operations, count_operations
from lnescape.training.recipe import Recipe, resolve
from lnescape.weights import Builder, check_builder


def checked_seeds(seeds: Any) -> list[int]:
    """Return distinct seeds as a list of plain numbers.

    Args:
        seeds: Whole numbers from 0 on; one alone stands for itself.

    Returns:
        The seeds.

    Raises:
        TypeError: Not whole numbers.
        ValueError: None, one twice, or one that is negative or beyond 2⁶³ − 1.

    Example:
        >>> checked_seeds(range(3))
        [0, 1, 2]
    """
    try:
        numbers = [operator.index(s) for s in (seeds if isinstance(seeds, Iterable) else [seeds])]
    except TypeError as error:
        raise TypeError(f"Seeds are whole numbers from 0 on, such as range(3), not {seeds!r}.") from error
    if not numbers:
        raise ValueError("No seeds were given; pass one for each training, such as seeds=range(3).")
    if not all(0 <= s < 2**63 for s in numbers):
        raise ValueError(f"Seeds are whole numbers from 0 on (below 2⁶³), not {numbers}.")
    if len(set(numbers)) < len(numbers):
        twice = next(s for s in numbers if numbers.count(s) > 1)
        raise ValueError(f"Seed {twice} is given twice; the same seed gives the same network, no second retraining.")
    return numbers


def prepare(
    net: Builder, data, recipe: Any, *, device: torch.device | str | None, folder: Any
) -> tuple[Any, Recipe, Operations]:
    """Check builder, data, recipe, device and folder, and make ready what a training needs.

    Args:
        net: Builder of one network.
        data: The data set.
        recipe: How to train; `Recipe()` where None.
        device: Where; the data's own device where None.
        folder: Where states are to be kept, or None.

    Returns:
        The data on the device, the recipe with its precision resolved, and the operations per image.

    Raises:
        TypeError: What is given is no recipe.
        ValueError: A batch larger than the data.
    """
    check_builder(net, data)
    recipe = Recipe() if recipe is None else recipe
    if not isinstance(recipe, Recipe):
        raise TypeError(f"The recipe is a {type(recipe).__name__}; pass lnescape.Recipe(epochs=10, batch=128).")
    if len(data.train) < recipe.batch:
        raise ValueError(
            f"A batch of {recipe.batch} is larger than the {len(data.train)} training images; lower Recipe.batch."
        )
    if recipe.n_steps(len(data.train)) < 1:
        least = 1 / (len(data.train) // recipe.batch)
        raise ValueError(f"{recipe.epochs:.2g} epochs are no step; at least {least:.2g} are needed for one.")
    _check_folder(folder)
    device = checked_device(data.train.images.device if device is None else device)
    operations = count_operations(net, data.train.images[0], data.n_classes, recipe.loss)
    data = data.to(device)
    return data, resolve(recipe, net, data, device), operations


def _check_folder(folder: Any) -> None:
    if folder is None:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, TypeError) as error:
        raise ValueError(f"No state can be kept in {folder} ({error}); name a folder that can be written.") from error


def checked_device(device: torch.device | str) -> torch.device:
    """Refuse a device that isn't there.

    Args:
        device: Such as "cpu" or "cuda".

    Returns:
        The device.

    Raises:
        ValueError: Nothing can be computed there.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"Nothing can be computed on device {str(device)!r} ({cause}); use 'cpu'.") from error
    return torch.device(device)
