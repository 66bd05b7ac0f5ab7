"""`state`: from a builder, data and a few trainings to a statement of uncertainty for every prediction."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.covariates import (
    ENOUGH_PROXIES,
    FREE,
    N_BURSTS,
    burst_recipe,
    columns_of,
    explored,
    passes_of,
    proxy_recipe,
    unavailable,
)
from lnescape.laws import Members
from lnescape.retraining import (
    Evaluation,
    Measurand,
    Prior,
    assumed_number,
    contrast,
    diagnose,
    effective_number,
    fit_prior,
    log_odds,
    moderated,
)
from lnescape.statement.checks import (
    check_data,
    check_measurand,
    check_number,
    check_same,
    checked_groups,
    checked_images,
)
from lnescape.statement.page import Statement
from lnescape.training import Recipe, fit
from lnescape.training.checks import checked_seeds, prepare
from lnescape.weights import Builder

MOST_CALIBRATION = 3000  # held-out images that the prior is fitted on
PROXY_SEED = 1_000_000  # first seed of the proxies, far from those of the networks
BURST_EPOCHS, BURST_RATE = 0.25, 1.0


def state(
    net: Builder,
    data,
    *,
    runs: Members | None = None,
    seeds: Iterable[int] = range(3),
    images: Float[Tensor, "images ..."] | None = None,
    covariates: Iterable[str] = FREE,
    proxies: Builder | None = None,
    n_proxies: int = 40,
    proxy_epochs: float = 0.2,
    measurand: Measurand = log_odds,
    level: float = 0.95,
    recipe: Recipe | None = None,
    device: torch.device | str | None = None,
    folder: Path | str | None = None,
    progress: bool = True,
) -> Statement:
    """State, for every input, the class, its log-odds, and the uncertainty of the prediction due to retraining.

    Trains M networks (or takes those of `runs`), fits the prior of the moderated Type A evaluation on the calibration
    images, without their labels, and evaluates the images. The class of an input is what the mean probability of the M
    networks decides.

    Args:
        net: Builder of one network.
        data: The data set.
        runs: Networks trained already, two or more; with `fit(…, path=True)` their path serves as well.
        seeds: Of the M trainings, where there are no runs; two or more.
        images: Normalised inputs, as in `data.test.images`, which are taken unless given.
        covariates: Groups of `covariates.GROUPS`: those without further training unless given; "bursts" may be added.
        proxies: Builder of a narrower network, for cheap retrainings; their cost is stated.
        n_proxies: How many of them, ≥ 4.
        proxy_epochs: Length of their training, in parts of the plain one.
        measurand: From log-probabilities and classes to q [networks, images].
        level: Probability of coverage of the intervals.
        recipe: How to train.
        device: Where; that of the runs, or else the data's own, unless given.
        folder: Where trainings are kept: killed and called again, it goes on from there.
        progress: Show bars with the time left.

    Returns:
        The statement.

    Raises:
        ValueError: Fewer than two networks, networks of another builder, an unknown group, images that the network
            can't take, too few calibration images, predictions that tell no spread, a level that is no probability.

    References:
        Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3, for the moderation; JCGM 106:2012 for the risk.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> said = state(ln.network("mlp", data, width=16), data, seeds=range(2), recipe=ln.Recipe(epochs=5))
        >>> len(said.to_dataframe())
        200
    """
    seeds = checked_seeds(seeds) if runs is None else []
    groups = checked_groups(covariates, runs, seeds, proxies=proxies, level=level)
    images = checked_images(images, data)
    if proxies is not None and n_proxies < 4:
        raise ValueError(f"n_proxies={n_proxies} tell no pattern; give four or more, such as 40.")
    if runs is not None:
        check_same(net, runs, data)
        recipe, device = recipe or runs.recipe, runs.device
    data, recipe, operations = prepare(net, data, recipe, device=device, folder=folder)
    burst = burst_recipe(recipe, epochs=BURST_EPOCHS, rate=BURST_RATE)
    check_data(data, burst if "bursts" in groups else None)
    n_trained = len(seeds) if runs is None else len(runs) + len(runs.failed)
    if runs is None:
        work = {"recipe": recipe, "device": device, "folder": folder, "progress": progress}
        runs = fit(net, data, seeds=seeds, path="training path" in groups, **work)
        check_number(len(runs))
    left_out = unavailable(runs, groups, images)
    groups = [name for name in groups if name not in left_out]
    calibration = data.calibration.images[:MOST_CALIBRATION]
    everything = torch.cat([calibration, images.to(calibration.device)])
    logp = runs.predict(everything).double()
    chosen = logp.exp().mean(0).argmax(1).cpu().numpy()
    check_measurand(measurand, logp[:, :8].cpu().numpy(), chosen[:8])
    with _bar(len(runs), progress) as bar:
        seen = explored(
            runs, data, everything, chosen, groups=groups, measurand=measurand, burst=burst, on_network=bar.update
        )
    further, n_eff = _exploring_cost(len(runs), groups, burst, recipe, len(data.train)), None
    if proxies is not None:
        cheap = proxy_recipe(recipe, epochs=proxy_epochs)
        work = {"recipe": cheap, "device": device, "folder": folder, "progress": progress}
        narrow = fit(proxies, data, seeds=range(PROXY_SEED, PROXY_SEED + n_proxies), **work)
        q = measurand(narrow.predict(everything).cpu().numpy(), chosen)
        seen = replace(seen, spreads={"proxies": q.std(0, ddof=1)})
        groups.append("proxies")
        measured = effective_number(q[:, : len(calibration)])  # a lower bound
        believed = len(narrow) >= ENOUGH_PROXIES and measured > assumed_number(len(calibration))
        n_eff, n_proxies = measured if believed else None, len(narrow)
        further += narrow.cost.operations / operations.training(recipe, len(data.train))
    parts = slice(0, len(calibration)), slice(len(calibration), None)
    columns = columns_of(replace(seen, like=seen.of(range(len(seen.q)), parts[0])), groups)
    evaluation, prior, notes = _evaluated(seen.q, columns, parts, n_eff)
    diagnosis = diagnose(seen.q[:, parts[1]], prior, columns[0][parts[1]])
    second, _, of_decisions = _evaluated(contrast(logp.cpu().numpy(), chosen), columns, parts, n_eff)
    notes = _joined(notes, of_decisions)
    return Statement(
        chosen=chosen[parts[1]], probability=logp.exp().mean(0).cpu().numpy()[len(calibration) :],
        evaluation=evaluation, flip=second.below(0.0), level=level, prior=prior, diagnosis=diagnosis,
        classes=tuple(map(str, data.classes)), title=data.title, measurand=measurand, groups=tuple(groups),
        left_out=left_out, notes=notes, trainings=float(n_trained), further=further,
        passes=passes_of(groups, epochs=0 if runs.path is None else runs.path.shape[1]), n_calibration=len(calibration),
        measured=n_eff is not None, n_proxies=0 if proxies is None else n_proxies,
    )  # fmt: skip


def _evaluated(
    q: np.ndarray, columns: tuple[np.ndarray, tuple[str, ...]], parts: tuple[slice, slice], n_eff: float | None
) -> tuple[Evaluation, Prior, tuple[str, ...]]:
    """Fit the prior on the first part of the images, evaluate the second; warnings become notes."""
    (h, names), (fitted, stated) = columns, parts
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prior = fit_prior(q[:, fitted].var(0, ddof=1), len(q) - 1, h[fitted], n_eff=n_eff, names=names)
    return moderated(q[:, stated], prior, h[stated]), prior, tuple(str(one.message) for one in caught)


def _joined(notes: tuple[str, ...], of_decisions: tuple[str, ...]) -> tuple[str, ...]:
    """Add what has to be said of the fit for the decisions; what differs in its number only isn't told twice."""
    told = list(notes)
    for note in of_decisions:
        same = [k for k, other in enumerate(told) if other.split(" (")[0] == note.split(" (")[0]]
        if not same:
            told.append(f"For the decisions: {note}")
        elif told[same[0]] != note:
            told[same[0]] += " The same holds for the decisions."
    return tuple(told)


def _exploring_cost(n: int, groups: list[str], burst: Recipe, recipe: Recipe, n_images: int) -> float:
    if "bursts" not in groups:
        return 0.0
    return n * N_BURSTS * burst.n_steps(n_images) / recipe.n_steps(n_images)


def _bar(n: int, progress: bool):
    from tqdm import tqdm

    return tqdm(total=n, unit="network", desc="exploring", delay=2, leave=False, disable=not progress)
