"""The trained networks of a cell."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lnescape.builders import check_builder
from lnescape.engines import engine_for
from lnescape.laws import Members
from lnescape.retraining import log_odds
from lnescape.study.cells import Cell, StudyError
from lnescape.training.descent import State
from lnescape.training.fit import train_group
from lnescape.weights import normalisation_layers


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
        on_epoch: Called with the state at each epoch's end (for each network in turn, where they don't batch).
        folder: Where trainings are kept that several cells begin with.

    Returns:
        The trained networks.

    Raises:
        StudyError: A network diverged; a batch larger than the data.
    """
    net, device = cell.builder(data), data.train.images.device
    check_builder(net, data)
    if len(data.train) < cell.recipe.batch:
        raise StudyError(
            f"A batch of {cell.recipe.batch} is larger than the {len(data.train)} training images; lower the recipe's."
        )
    module = net()
    first = list(seeds if initialisations is None else initialisations)
    together = len(seeds) if engine_for(net).many else 1
    thetas = []
    for begin in range(0, len(seeds), together):
        rows = slice(begin, begin + together)
        part = None if start is None else start.rows(rows)
        theta, failed = train_group(
            net, data, seeds[rows], recipe=cell.recipe, device=device, initialisations=first[rows], start=part,
            on_epoch=on_epoch, folder=folder,
        )  # fmt: skip
        if failed:
            raise StudyError(f"Seed {next(iter(failed))} diverged; lower the learning rate of the recipe.")
        thetas.append(theta)
    norm = data.normalisation_images if normalisation_layers(module) else None
    return Members(net, torch.cat(thetas), seeds=tuple(seeds), recipe=cell.recipe, normalisation_images=norm)


def watched(cell: Cell, data, images: Tensor, chosen: np.ndarray) -> tuple[Members, list[np.ndarray]]:
    """Train the networks of a cell and watch what they say at each epoch's end.

    Args:
        cell: Network, recipe and seeds.
        data: The data set.
        images: What is watched.
        chosen: Class of the measurand for each of them.

    Returns:
        The trained networks, and for each epoch q, [networks, images].
    """
    seen: list[tuple[int, np.ndarray]] = []

    def watch(state: State) -> None:
        law = Members(cell.builder(data), state.vertices[:, 0].clone(), normalisation_images=data.normalisation_images)
        seen.append((state.epoch, log_odds(law.predict(images).cpu().numpy(), chosen).astype(np.float16)))

    law = train(cell, data, list(cell.seeds), on_epoch=watch)
    epochs = range(1, math.ceil(cell.recipe.epochs) + 1)
    return law, [np.concatenate([q for at, q in seen if at == epoch]) for epoch in epochs]
