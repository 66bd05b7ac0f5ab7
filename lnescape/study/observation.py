"""Observations of a trained network on a panel of images: named arrays with named axes, mostly float16."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pkgutil import resolve_name

import numpy as np
import torch
from torch import Tensor

from lnescape.covariates import FREE, explore, gradient_distance
from lnescape.covariates.geometry import N_TRAINING
from lnescape.data import Dataset, load
from lnescape.data.shifts import KINDS as SHIFTS
from lnescape.data.shifts import STRENGTHS
from lnescape.laws import Members
from lnescape.retraining import contrast, log_odds
from lnescape.scores import accuracy, nll

N_TEST, N_AWAY = 2000, 250  # test images; images of each shifted set and of the foreign one
N_EXPLORED_TEST = 1000  # test images on which laws are observed, besides all calibration images
N_WATCHED = {"calibration": 3000, "test": 1000}  # images on which covariates are observed, besides all others
N_LOG_PROBABILITIES = 1000  # test images of which all log-probabilities are kept
PARTS = ("calibration", "test", *(f"{kind} {strength}" for kind in SHIFTS for strength in STRENGTHS), "foreign")


@dataclass(frozen=True)
class Panel:
    """Images in a fixed order: calibration, test, nine shifted sets, foreign."""

    images: Tensor
    labels: Tensor
    part: np.ndarray

    @property
    def test(self) -> slice:
        """Where the test images lie."""
        return slice(*np.searchsorted(self.part, [1, 2]).tolist())

    @property
    def calibration(self) -> slice:
        """Where the calibration images lie."""
        return slice(0, self.test.start)

    @property
    def explored(self) -> slice:
        """Where the images lie on which laws are observed: the calibration part and the first of the test part."""
        return slice(0, min(self.test.start + N_EXPLORED_TEST, self.test.stop))

    @property
    def watched(self) -> np.ndarray:
        """Number the images on which covariates are observed: the first ones of calibration and test, all others."""
        parts = [np.flatnonzero(self.part == k)[: N_WATCHED.get(name)] for k, name in enumerate(PARTS)]
        return np.concatenate(parts)

    @property
    def predicted(self) -> slice:
        """Where the images lie of which all log-probabilities are kept."""
        return slice(self.test.start, min(self.test.start + N_LOG_PROBABILITIES, self.test.stop))


def panel_of(data: Dataset, *, altered: bool = True) -> Panel:
    """Put together the panel of a data set, with its shifted and foreign images or without."""
    away = []
    if altered:
        away = [data.shifted(kind, strength) for kind in SHIFTS for strength in STRENGTHS] + [data.foreign]
    splits = [data.calibration, data.test.subset(slice(0, N_TEST)), *(s.subset(slice(0, N_AWAY)) for s in away)]
    part = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    images, labels = (torch.cat([getattr(split, what) for split in splits]) for what in ("images", "labels"))
    return Panel(images, labels, part)


@lru_cache(maxsize=2)  # on a device and, to count operations, on the CPU
def data_and_panel(name: str, device: str) -> tuple[Dataset, Panel]:
    """Load a data set and its panel once in a process."""
    of_user = ":" in name
    data = resolve_name(name)().to(device) if of_user else load(name, device=device)
    return data, panel_of(data, altered=not of_user)


# Bits of the mantissa of log-probabilities and of observations behind covariates: a relative error of 0.4 % at most.
COVARIATE_BITS = 7
# Along these axes the arrays of a study's cells are joined; every array has one of them first, or belongs to scouts.
GROWING = ("retraining", "explored", "base", "law", "burst", "proxies")
OTHERS = "*"  # in place of the names of all arrays whose axes a cell doesn't list


@dataclass
class Observation:
    """Named arrays with the names of their axes, as a cell stores them."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, name: str, array: np.ndarray, *axes: str, bits: int = 10) -> None:
        """Keep an array; float64 and float32 observations of an image become float16, scores stay as they are."""
        array = np.asarray(array)
        if array.dtype.kind == "f" and array.ndim > 1:
            array = rounded(array, bits).astype(np.float16)
        self.arrays[name], self.axes[name] = array, axes

    def axes_by_name(self) -> dict[str, list[str]]:
        """List the axes of each array; the most common ones once, for all arrays that have no entry."""
        (common, _), *_ = Counter(self.axes.values()).most_common(1)
        others = {name: list(axes) for name, axes in self.axes.items() if axes != common}
        return {OTHERS: list(common), **others}


def rounded(array: np.ndarray, bits: int) -> np.ndarray:
    """Round numbers to `bits` bits of the mantissa: a relative error of 2^−(bits + 1) at most."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(np.ldexp(mantissa, bits + 1)), exponent - bits - 1)


def normalised(logp: np.ndarray) -> np.ndarray:
    """Return rounded log-probabilities normalised again."""
    from scipy.special import log_softmax

    return log_softmax(logp.astype(np.float64), axis=-1)


def observe(
    law: Members, data, panel: Panel, chosen: np.ndarray, *, keep: Sequence[str], path: list[np.ndarray] | None = None
) -> Observation:
    """Observe every member of a law."""
    seen = Observation()
    scores = [scores_of(law, row, data) for row in range(len(law))]
    for name, values in zip(("accuracy", "nll"), zip(*scores, strict=True), strict=True):
        seen.add(name, np.array(values), "retraining")
    if {"panel", "test"} & set(keep):
        where, axis = (slice(None), "image") if "panel" in keep else (panel.test, "test_image")
        logp = law.predict(panel.images[where]).cpu().numpy()
        seen.add("log_odds", log_odds(logp, chosen[where]), "retraining", axis)
        if "panel" in keep:
            seen.add("contrast", contrast(logp, chosen), "retraining", axis)
    if "log_probabilities" in keep:
        logp = law.predict(panel.images[panel.predicted]).cpu().numpy()
        seen.add("log_probabilities", logp, "retraining", "predicted_image", "class", bits=COVARIATE_BITS)
    if "covariates" in keep:
        _explore(seen, law, data, panel.images[panel.watched], chosen[panel.watched])
        assert path is not None, "the training was not watched"
        seen.add("path_log_odds", np.stack(path, 1), "explored", "epoch", "watched_image", bits=COVARIATE_BITS)
    if "gradients" in keep:
        _observe_gradients(seen, law, data, panel, chosen)
        if "covariates" not in keep:  # of which the gradient distance needs the outputs beside it
            images, some = panel.images[panel.watched], data.train.images[: explore.N_FEATURES]
            found = np.stack([explore.outputs(law, theta, images, some) for theta in law.thetas])
            seen.add("outputs", found, "explored", "output", "watched_image", bits=COVARIATE_BITS)
    return seen


def _observe_gradients(seen: Observation, law: Members, data, panel: Panel, chosen: np.ndarray) -> None:
    """Observe gradient distances, and the number of independent inputs by their kernel."""
    images, calibration = panel.images[panel.watched], panel.part[panel.watched] == 0
    found = [
        gradient_distance(
            law, theta, images, chosen[panel.watched], training_images=data.train.images[:N_TRAINING],
            seed=seed, together=calibration,
        )
        for theta, seed in zip(law.thetas, law.streams, strict=True)
    ]  # fmt: skip
    seen.add("gradient_distance", np.stack([one.distance for one in found]), "explored", "watched_image", bits=8)
    seen.add("gradient_inputs", np.array([one.effective_inputs for one in found]), "explored")
    seen.add("fisher_trace", np.array([one.trace for one in found]), "explored")
    pool = data.train.subset(slice(0, N_TRAINING))
    losses = [float(nll(logp[None], pool.labels)) for logp in law.predict(pool.images)]
    seen.add("pool_loss", np.array(losses), "explored")


def scores_of(law: Members, row: int, data) -> tuple[float, float]:
    """Return accuracy and loss of one member on the official test set."""
    one = Members(law.net, law.thetas[row : row + 1], normalisation_images=law.normalisation_images)
    logp = one.predict(data.evaluation.images)
    return float(accuracy(logp, data.evaluation.labels)), float(nll(logp, data.evaluation.labels))


def _explore(seen: Observation, law: Members, data, images: Tensor, chosen: np.ndarray) -> None:
    """Observe the quantities behind the covariates, and those that may predict whether exploring pays."""
    groups = [name for name in FREE if name != "training path"]
    traces = explore.explored(law, data, images, chosen, groups=groups)
    for name, array, axes in (
        ("shifted_log_odds", traces.shifted, ("shift",)),
        ("noise_spread", traces.noise, ()),
        ("outputs", traces.outputs, ("output",)),
        ("other_log_odds", traces.others, ("other",)),
    ):
        assert array is not None, f"{name} was not observed"
        seen.add(name, array, "explored", *axes, "watched_image", bits=COVARIATE_BITS)
    noise = [explore.gradient_noise(law, theta, data, recipe=law.recipe) for theta in law.thetas]
    for name, values in zip(("training_loss", "gradient_scatter"), zip(*noise, strict=True), strict=True):
        seen.add(name, np.array(values), "explored")
    # Root mean square distance to the other networks of the cell, nan where there is none.
    apart = torch.cdist(law.thetas.double(), law.thetas.double()).square().sum(1) / max(len(law) - 1, 1)
    seen.add("distance", (apart.sqrt() if len(law) > 1 else apart * np.nan).cpu().numpy(), "explored")
    seen.add("explored_seed", np.array(law.seeds), "explored")
