"""The two methods of cells that every study begins with, scouts and retrainings; training the networks of a cell."""

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnescape.laws import Members
from lnescape.retraining import log_odds
from lnescape.scores import mean_prediction
from lnescape.study.cells import KEPT, Cell, Kind, StudyError, checked, register
from lnescape.study.observation import Observation, Panel, observe
from lnescape.training import Prepared, TrainingError, fit
from lnescape.training.runs import train_groups

N_WATCHED_EPOCHS = 15  # most epochs of which every end is watched


@contextmanager
def threads_of(n: int) -> Iterator[None]:
    """Compute with `n` threads in a block, and restore their former number."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def refuse_failed(failed: Iterable[int]) -> None:
    """Raise where the training of a seed diverged."""
    for seed in failed:
        raise StudyError(f"Seed {seed} diverged; lower the learning rate of the recipe.")


def train(cell: Cell, data, seeds: list[int], **rest: Any) -> Members:
    """Train the networks of some seeds under a cell's recipe, in the largest groups that batch; see `train_group`."""
    prepared = checked(lambda: Prepared.of(cell.builder(data), data, cell.recipe))
    thetas = []
    for trained in train_groups(prepared, seeds, most=len(seeds), **rest):
        refuse_failed(trained.failed)
        thetas.append(trained.thetas)
    return Members(prepared.net, torch.cat(thetas), seeds=tuple(seeds), **prepared.known)


def watched(
    cell: Cell, data, images: Tensor, chosen: np.ndarray, *, folder: Path | None = None
) -> tuple[Members, list[np.ndarray]]:
    """Train the networks of a cell; return them, and q at the watched ends of epochs, [networks, images] each."""
    seeds = cell.seeds
    how: dict[str, Any] = {"recipe": cell.recipe, "group": len(seeds), "workers": 1, "progress": False}
    try:
        with warnings.catch_warnings():  # damaged files go on to be named
            warnings.filterwarnings("ignore", "The loss became NaN")  # refused below
            warnings.filterwarnings("ignore", "The trainings of seeds")  # without their path: done again below
            law = fit(cell.builder(data), data, seeds=seeds, folder=folder, path=True, **how)
            if law.path is None and not law.failed:  # kept by a cell that had no use for the path
                law = fit(cell.builder(data), data, seeds=seeds, path=True, **how)
    except TrainingError as error:
        raise StudyError(str(error)) from error
    refuse_failed(law.failed)
    assert law.path is not None, "fit kept no path"
    # Of a long training some ten epochs' ends, evenly apart up to the last one.
    n_epochs = law.path.shape[1]
    every = 1 if n_epochs <= N_WATCHED_EPOCHS else math.ceil(n_epochs / 10)
    ends = []
    for theta in law.path[:, (n_epochs - 1) % every :: every].unbind(1):
        before = Members(law.net, theta.to(images.device), normalisation_images=data.normalisation_images)
        ends.append(log_odds(before.predict(images).cpu().numpy(), chosen).astype(np.float16))
    return law, ends


def scouts(cell: Cell, data, panel: Panel, chosen: None) -> Observation:
    """Train a few networks for this purpose alone: their mean prediction fixes the class of the measurand."""
    if data.values is not None:
        raise StudyError("A study's cells are of classes, and these data hold measured values; use fit and state.")
    law = train(cell, data, list(cell.seeds))
    decided = mean_prediction(law.predict(panel.images)).argmax(1).cpu().numpy().astype(np.int16)
    seen = observe(law, data, panel, decided, keep=())
    for name, array in (("chosen", decided), ("label", panel.labels.cpu().numpy()), ("part", panel.part)):
        seen.add(name, array.astype(np.int16), "image")
    return seen


def retrainings(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Train one network for each seed, initialisation and order both from it."""
    wanted = "covariates" in cell.keep
    if wanted:
        law, path = watched(cell, data, panel.images[panel.watched], chosen[panel.watched], folder=scratch)
    else:
        law, path = train(cell, data, list(cell.seeds)), None
    seen = observe(law, data, panel, chosen, keep=cell.keep, path=path)
    seen.add("seed", np.array(cell.seeds), "retraining")
    return seen


register("scouts", Kind(experiment=scouts))
register("retrainings", Kind(experiment=retrainings, scouts=True, keep=KEPT, shares=True))
