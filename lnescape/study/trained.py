"""The trained networks of a cell."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lnescape.laws import Members
from lnescape.retraining import log_odds
from lnescape.study.cells import Cell, StudyError, checked
from lnescape.training import Prepared, TrainingError, fit
from lnescape.training.descent import State
from lnescape.training.runs import train_groups

N_WATCHED_EPOCHS = 15  # up to so many, every epoch's end is watched


def train(
    cell: Cell,
    data,
    seeds: list[int],
    *,
    initialisations: list[int] | None = None,
    start: State | None = None,
    on_epoch: Callable[[State], object] = lambda state: None,
    folder: Path | None = None,
) -> Members:
    """Train the networks of some seeds under a cell's recipe: together where they batch, else one by one.

    Args:
        cell: Network and recipe.
        data: The data set.
        seeds: Of the order of the images, one for each network.
        initialisations: Seeds of the initial weights; the same unless given.
        start: State to go on from; one network in it for each seed.
        on_epoch: Called with the state at each epoch's end (for each group in turn, where not all train at once).
        folder: Where trainings are kept that several cells begin with.

    Returns:
        The trained networks.

    Raises:
        StudyError: A network diverged; a batch larger than the data.
    """
    prepared = checked(lambda: Prepared.of(cell.builder(data), data, cell.recipe, measure=False))
    some = {"initialisations": initialisations, "start": start, "folder": folder, "on_epoch": on_epoch}
    thetas = []
    for trained in train_groups(prepared, seeds, most=len(seeds), **some):
        if trained.failed:
            raise StudyError(f"Seed {next(iter(trained.failed))} diverged; lower the learning rate of the recipe.")
        thetas.append(trained.thetas)
    known = {"recipe": cell.recipe, "normalisation_images": prepared.normalisation_images}
    return Members(prepared.net, torch.cat(thetas), seeds=tuple(seeds), **known)


def watched(
    cell: Cell, data, images: Tensor, chosen: np.ndarray, *, folder: Path | None = None
) -> tuple[Members, list[np.ndarray]]:
    """Train the networks of a cell, and say what each of them said at every epoch's end.

    Args:
        cell: Network, recipe and seeds.
        data: The data set.
        images: What is watched.
        chosen: Class of the measurand for each of them.
        folder: Where trainings are kept that several cells begin with.

    Returns:
        The trained networks, and q at each epoch's end that is watched, [networks, images].

    Raises:
        StudyError: A network diverged.
    """
    seeds, how = cell.seeds, {"recipe": cell.recipe, "group": len(cell.seeds), "workers": 1, "progress": False}
    try:
        with warnings.catch_warnings(action="ignore"):  # of seeds that diverged, which are refused below
            law = fit(cell.builder(data), data, seeds=seeds, folder=folder, path=True, **how)
            if law.path is None and not law.failed:  # kept by a cell that had no use for the path
                law = fit(cell.builder(data), data, seeds=seeds, path=True, **how)
    except TrainingError as error:
        raise StudyError(str(error)) from error
    if law.failed:
        raise StudyError(f"Seed {next(iter(law.failed))} diverged; lower the learning rate of the recipe.")
    # Of a long training some ten epochs' ends, evenly apart up to the last one.
    n_epochs = law.path.shape[1]
    every = 1 if n_epochs <= N_WATCHED_EPOCHS else math.ceil(n_epochs / 10)
    said = []
    for theta in law.path[:, (n_epochs - 1) % every :: every].unbind(1):
        before = Members(law.net, theta.to(images.device), normalisation_images=data.normalisation_images)
        said.append(log_odds(before.predict(images).cpu().numpy(), chosen).astype(np.float16))
    return law, said
