"""Inputs that move together: small and binary data sets, what their inputs are worth, and what single sets deliver."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import torch
from numpy import ndarray

from lnescape.covariates.explore import movement_law
from lnescape.covariates.groups import DEFAULT, FREE
from lnescape.data import Dataset, dataset, load
from lnescape.data.splits import PARTS, SPLIT_SEED
from lnescape.retraining import effective_number, shipped_prior
from lnescape.retraining.prior import assumed_number, shared_movement, worth_of
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.dispersion import jackknife, log_variance
from report.studies.gates import g11
from report.studies.moderation import Assembled, Mix, Moderation, Summary, assembled

OF_VALUES = "outputs + gradient distance"  # what a statement takes for measured values


def breast_cancer() -> Dataset:
    """Return the breast cancer data of scikit-learn: 569 patients, 30 features, two classes."""
    from sklearn.datasets import load_breast_cancer

    raw = load_breast_cancer()
    return _table(raw, "breast cancer, 569 patients", (250, 269, 419))


def wine() -> Dataset:
    """Return the wine data of scikit-learn: 178 wines, 13 features, three classes."""
    from sklearn.datasets import load_wine

    return _table(load_wine(), "wine, 178 bottles", (80, 88, 138))


def digits() -> Dataset:
    """Return the embedded digits: 1 197 training images, ten classes."""
    return cut("digits", dict.fromkeys(PARTS, 1197), range(10), "digits, 8×8")


def _two_classes(name: str, classes: tuple[int, int], n: int, title: str) -> Dataset:
    """Take the first n training images of two classes, and 300 for calibration and for the test each."""
    return cut(name, dict(zip(PARTS, (n, 50, 300, 300), strict=True)), classes, title)


# Two classes each: the name, the classes, the number of training images, and the title of the data.
garments = partial(_two_classes, "fashion_mnist", (2, 4), 500, "FashionMNIST, 500 pullovers and coats")
four_or_nine = partial(_two_classes, "mnist", (4, 9), 300, "MNIST, 300 fours and nines")
three_or_five = partial(_two_classes, "mnist", (3, 5), 500, "MNIST, 500 threes and fives")
sneaker_or_boot = partial(_two_classes, "fashion_mnist", (7, 9), 300, "FashionMNIST, 300 sneakers and boots")
car_or_truck = partial(_two_classes, "cifar10", (1, 9), 500, "CIFAR-10, 500 cars and trucks")
cat_or_dog = partial(_two_classes, "cifar10", (3, 5), 1000, "CIFAR-10, 1 000 cats and dogs")


def cut(name: str, sizes: dict[str, int], classes: Sequence[int], title: str) -> Dataset:
    """Take the first images of some classes from each part of a data set that is known by name."""
    whole, parts = load(name), {}
    for part, n in sizes.items():
        split = getattr(whole, part)
        some = split.subset(np.flatnonzero(np.isin(split.labels.numpy(), classes))[:n])
        parts[part] = (some.images, torch.as_tensor(np.searchsorted(classes, some.labels.numpy())))
    return dataset(**parts, name=title, classes=[whole.classes[k] for k in classes])


def first_images(name: str, sizes: Mapping[str, int]) -> Dataset:
    """Take the first images of each part of a data set, as a user would bring them: none are altered or foreign.

    `sizes` are by part, all images where there is none. Pixels lie between 0 and 1.
    """
    whole, parts = load(name), {}
    for part in PARTS:
        split = getattr(whole, part)
        some = split.subset(np.arange(min(sizes.get(part, len(split)), len(split))))
        parts[part] = (some.pixels, some.labels)
    return dataset(**parts, name=whole.title, classes=whole.classes)


def _table(raw, name: str, ends: tuple[int, int, int]) -> Dataset:
    """Cut a table of scikit-learn into train, validation, calibration and test, each feature standardised."""
    rows = np.random.RandomState(SPLIT_SEED).permutation(len(raw.target))
    parts = np.split(rows, ends)
    train = raw.data[parts[0]]
    images = ((raw.data - train.mean(0)) / train.std(0)).astype(np.float32)
    cut = [(images[part], raw.target[part].astype(np.int64)) for part in parts]
    return dataset(**dict(zip(PARTS, cut, strict=True)), name=name, classes=tuple(map(str, raw.target_names)))


SIZES = (2, 3)  # M
N_SETS = 40
INSIDE = (90.0, 99.0)  # per cent: coverage of 95 % intervals that a single set should deliver


def together(study: Study, store: CellStore) -> Summary:
    """Estimate n_eff, test its predictors, and measure the coverage of single sets of networks."""
    stored = assembled(study, store)
    images = stored.where("calibration")
    q, n = stored.q[:, images], len(images)
    found: dict = {"n": len(q), "images": n, "networks": stored.n_networks, "assumed": assumed_number(n)}
    found["measured"] = jackknife(effective_number, q, n_blocks=12)[0]
    shown = movements(study, store)
    found["candidates"] = {name: worth_of(n, values.mean()) for name, values in shown.items()}
    if shown:
        found |= {
            "corrected": _left_out(study, shown, n),
            "estimated": worth_of(n, movement_law(shown["noise"].mean())),
        }
    mix = _stated(stored, study)
    found["groups"] = list(mix.groups or ())
    found["single"] = {str(m): _single_sets(stored, mix, m, found, shown) for m in SIZES}
    shares = {f"M = {m}": row["after"]["share"] for m, row in found["single"].items()}
    return found | {"G11": g11(shares, n=len(q)).to_dict()}, {}


def _stated(stored: Assembled, study: Study) -> Mix:
    """Return the covariates of a statement; the shipped prior is kept from the pairs that it was learned on."""
    if stored.traces.distance is None:
        return Mix(FREE)
    return Mix(DEFAULT, like=shipped_prior() if ":" in study.cells[0].data else None)


def movements(study: Study, store: CellStore) -> dict[str, ndarray]:
    """Read ρ of each candidate for each network that was looked at; nothing where none was."""
    cells = [store.load(cell).arrays for cell in study.cells if cell.method == "together"]
    names = [name for name in (cells[0] if cells else ()) if name != "explored_seed"]
    return {name: np.concatenate([arrays[name] for arrays in cells]) for name in names}


def _left_out(study: Study, shown: dict[str, ndarray], n: int) -> dict[str, float]:
    """Predict n_eff by ln ρ = a + b ln ρ_candidate, fitted on the other data sets."""
    from report.studies.catalogue import STUDIES

    others = [other for other in STUDIES.values() if other.name.endswith("-together") and other.name != study.name]
    seen = []
    for other in others:
        store = CellStore(other)
        if not store.missing() and (found := movements(other, store)):  # of single networks
            stored = assembled(other, store)
            seen.append((shared_movement(stored.q[:, stored.where("calibration")]), found))
    predicted = {}
    for name, values in shown.items():
        rows = [(found[name].mean(), true) for true, found in seen if name in found]
        if len(rows) > 2:
            slope, level = np.polyfit(*np.log(np.maximum(rows, 1e-6)).T, 1)
            predicted[name] = worth_of(n, min(np.exp(level + slope * np.log(max(values.mean(), 1e-6))), 1.0))
    return predicted


def single_sets(n_networks: int, members: int) -> list[tuple[int, ...]]:
    """Draw sets of M networks, each once."""
    sets = list(combinations(range(n_networks), members))
    return [sets[k] for k in np.random.default_rng(0).permutation(len(sets))[:N_SETS]]


def _single_sets(stored: Assembled, mix: Mix, members: int, found: dict, shown: dict[str, ndarray]) -> dict:
    """Return the share of single sets of networks whose 95 % intervals cover 90 to 99 %, for three values of n_eff."""
    sets = single_sets(stored.n_networks, members)
    before = covered(stored, mix, sets, [found["assumed"]] * len(sets), bounded=False)
    if not shown:  # nothing but the assumption is known, too large to bound anything
        return {"before": before, "after": before}
    noise = shown["noise"]
    by_set = [noise[list(rows)] if len(noise) == stored.n_networks else noise for rows in sets]
    worth = [min(found["assumed"], worth_of(found["images"], movement_law(one.mean()))) for one in by_set]
    measured = covered(stored, mix, sets, [found["measured"].value] * len(sets))
    return {"before": before, "measured": measured, "after": covered(stored, mix, sets, worth)}


def covered(stored: Assembled, mix: Mix, sets, worth, *, bounded: bool = True, scales: Sequence | None = None) -> dict:
    """Evaluate each set with its n_eff, and count the other retrainings inside its intervals.

    With `scales`, what is known of each set's scale beside it, the error of the scale is given, too: the root mean
    square over sets of the mean over inputs of ln σ̃² − ln σ².
    """
    shares, dofs, errors, test = [], [], [], stored.where("test")
    for rows, n_eff, scale in zip(sets, worth, scales or [None] * len(sets), strict=True):
        (evaluation,), (prior,) = Moderation(stored, replace(mix, n_eff=n_eff, scale=scale))([rows], test)
        if not bounded:  # ν_eff as it was before inputs that move together bounded it
            evaluation = replace(evaluation, dof=prior.dof + len(rows) - 1)
        low, high = evaluation.interval()
        others = np.delete(stored.q[:, test], rows, axis=0)
        shares.append(100 * ((others >= low) & (others <= high)).mean())
        dofs.append(evaluation.dof)
        errors.append((2 * np.log(evaluation.scale) - log_variance(others)).mean())
    inside = np.array([INSIDE[0] <= share <= INSIDE[1] for share in shares])
    return {
        "share": float(inside.mean()), "below": float((np.array(shares) < INSIDE[0]).mean()), "sets": len(sets),
        "mean": float(np.mean(shares)), "lowest": min(shares), "highest": max(shares), "dof": float(np.mean(dofs)),
        "n_eff": float(np.mean(worth)),
    } | ({} if scales is None else {"error": float(np.sqrt(np.mean(np.square(errors))))})  # fmt: skip
