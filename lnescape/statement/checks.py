"""What `state` refuses, before any training where that can be told beforehand."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor

from lnescape.covariates import FREE, GROUPS
from lnescape.laws import Members
from lnescape.retraining import Measurand
from lnescape.retraining.prior import FEWEST_INPUTS
from lnescape.training import Recipe
from lnescape.weights import Builder, build, check_builder, identity


def checked_groups(
    covariates: Iterable[str], runs: Members | None, seeds: Any, *, proxies: Any, level: float
) -> list[str]:
    """Give the groups that are asked for, each once; refuse, before any training, what can't be stated."""
    groups = [covariates] if isinstance(covariates, str) else list(dict.fromkeys(covariates))
    known = [name for name in GROUPS if name in (*FREE, "bursts")]
    for name in groups:
        if name == "proxies" and proxies is None:
            raise ValueError(
                "Proxies need a builder of a narrower network; pass proxies=network('mlp', data, width=32)."
            )
        if name not in (*known, "proxies"):
            raise ValueError(f"The covariates {name!r} can't be had in one call; known are {', '.join(known)}.")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} is no probability of coverage; give one in (0, 1), such as 0.95.")
    if runs is not None and not isinstance(runs, Members):
        raise ValueError(f"runs is a {type(runs).__name__}; pass what fit returns, or members(net, networks, data).")
    check_number(len(runs) if runs is not None else len(seeds))
    if runs is not None and runs.cost is not None and runs.cost.trainings < 0.99 * len(runs):
        raise ValueError(
            f"{len(runs)} networks for {runs.cost.trainings:.2g} trainings are no retrainings but snapshots or "
            "shorter ones, whose spread is another; pass what fit returns."
        )
    return [name for name in groups if name != "proxies"]


def checked_images(images: Any, data) -> Tensor:
    """Give the images to be stated; refuse what isn't like the test images."""
    like = data.test.images
    images = like if images is None else images
    if not isinstance(images, Tensor) or images.dtype != like.dtype or images.shape[1:] != like.shape[1:]:
        kind = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(
            f"The images are {kind}; pass a normalised float32 tensor of shape {('n', *like.shape[1:])}, "
            "or data.prepare(pixels)."
        )
    if not len(images):
        raise ValueError("There are no images to be stated; pass images as in data.test.images.")
    return images


def check_number(n: int) -> None:
    """Refuse a single training."""
    if n < 2:
        raise ValueError(
            f"{n} training tells no spread: nothing says how far a second one would fall. Give two or more "
            "(seeds=range(2), or runs= of two); from two on, the prior does the rest."
        )


def check_measurand(measurand: Measurand, logp: np.ndarray, chosen: np.ndarray) -> None:
    """Refuse a measurand that isn't one finite number for each network and image."""
    q = np.asarray(measurand(logp, chosen))
    if q.shape != logp.shape[:2]:
        raise ValueError(f"The measurand gives the shape {q.shape}; of {logp.shape} it must make {logp.shape[:2]}.")
    if not np.isfinite(q).all():
        raise ValueError("The measurand's values aren't finite; compute it from log-probabilities, as log_odds does.")


def check_same(net: Builder, runs: Members, data) -> None:
    """Refuse runs that the builder didn't make: their recipe and cost would be told of another network."""
    check_builder(net, data)
    some = data.train.images[:8]
    if identity(build(net, 0), some) != identity(build(runs.net, 0), some):
        raise ValueError("The builder makes another network than those of runs; pass the one that they were made with.")


def check_data(data, burst: Recipe | None) -> None:
    """Refuse, before any training, data that no prior can be fitted on, or no burst take a step on."""
    if (n := len(data.calibration)) < FEWEST_INPUTS:
        raise ValueError(
            f"The data hold {n} calibration images; the prior is learned on {FEWEST_INPUTS} or more, labels not needed."
        )
    if burst is not None and burst.n_steps(len(data.train)) < 1:
        raise ValueError(
            f"A burst of {burst.epochs:g} epochs is no step on {len(data.train)} training images in batches of "
            f"{burst.batch}; leave 'bursts' out, or lower Recipe.batch."
        )
