"""The moderated evaluation on what a pair of data and network has stored: draws, mixes of covariates, their cost."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from lnescape.covariates.explore import ENOUGH_PROXIES, burst_recipe
from lnescape.covariates.geometry import SLOPE
from lnescape.covariates.groups import Traces, columns_of, passes_of
from lnescape.networks import NETWORKS
from lnescape.results import Estimate
from lnescape.retraining import Evaluation, Fidelity, LearnedPrior, Prior, Reference, fidelity, moderated, type_a
from lnescape.retraining.prior import SHRINKAGE, assumed_number, effective_number_of, fit_prior
from lnescape.retraining.transfer import with_class_means
from lnescape.study.cells import Cell, Study
from lnescape.study.observation import PARTS, Panel
from lnescape.study.store import CellStore
from lnescape.training import count_operations
from report.studies.comparison import path_of
from report.studies.dispersion import dithered
from report.studies.pairs import PATHS


@dataclass(frozen=True)
class Burst:
    """Bursts of one length and rate: their spread for each network and image, and what they cost and found."""

    spread: ndarray  # [networks, images]
    trainings: float  # cost of all bursts from one network
    n: int  # bursts from each network
    distance: ndarray  # root mean square distance that they went, for each network
    training_loss: ndarray  # where they ended, for each network, nat


@dataclass(frozen=True)
class ProxySet:
    """Proxies of one width and schedule."""

    spread: dict[int, ndarray]  # {number of proxies: [images]}
    trainings: float  # cost of one proxy, in trainings of the real network
    effective_inputs: float  # n_eff of the calibration images, measured on all proxies of the set
    accuracy: float  # mean share of the official test images that they get right


@dataclass(frozen=True)
class Assembled:
    """All that is stored of one pair of data and network, on the images on which covariates are observed."""

    q: ndarray  # log-odds, [retrainings, images]
    contrast: ndarray | None  # to the runner-up, [retrainings, images]; not kept of every pair
    traces: Traces  # of the first retrainings, those that may play the method
    part: ndarray  # part of the panel of each image
    label: ndarray  # right class, −1 for foreign images
    facts: dict[str, ndarray]  # one number for each of the first retrainings, such as the training loss
    n_calibration: int  # calibration images of the whole panel, on which proxies measured n_eff
    bursts: dict[tuple[float, float], Burst] = field(default_factory=dict)  # by epochs and rate
    proxies: dict[tuple[int, float], list[ProxySet]] = field(default_factory=dict)  # disjoint sets by width and epochs
    paths: dict[str, list[ndarray]] = field(default_factory=dict)  # spread for each base; nan on shifted and foreign

    def where(self, *parts: str) -> ndarray:
        """Number the images of some parts of the panel, of a kind of shift at all strengths, or of all "shifted"."""

        def names(part: str) -> set[str]:
            return {part, part.split()[0], "shifted"} if " " in part else {part}

        return np.flatnonzero(np.isin(self.part, [part for part in PARTS if names(part) & set(parts)]))

    @property
    def n_networks(self) -> int:
        """How many retrainings may play the method."""
        return len(self.traces.q)


# Shape, classes and training images of data whose trainings begin with small images: known here without the data.
CIFAR = {"cifar10": ((3, 32, 32), 10, 45_000), "cifar100": ((3, 32, 32), 100, 45_000)}
_METHODS = ("scouts", "retrainings", "bursts", "proxies", "law")
_OBSERVED = {
    "outputs": "outputs",
    "shifted": "shifted_log_odds",
    "path": "path_log_odds",
    "noise": "noise_spread",
    "others": "other_log_odds",
    "distance": "gradient_distance",
}  # name in `Traces`: in the cells
Stored = tuple[Cell, dict[str, ndarray]]  # a cell and its arrays
Summary = tuple[dict, dict[str, ndarray]]  # numbers and arrays of a stored result
_FACTS = ("training_loss", "gradient_scatter", "distance", "fisher_trace", "gradient_inputs")


def assembled(study: Study, store: CellStore) -> Assembled:
    """Put together the cells of a study of uncertainty."""
    stored = [(cell, store.load(cell).arrays) for cell in study.cells if cell.method in _METHODS]
    of_method = {method: [one for one in stored if one[0].method == method] for method in _METHODS}
    retrained = [arrays for _, arrays in of_method["retrainings"]]
    players = [arrays for cell, arrays in of_method["retrainings"] if {"covariates", "gradients"} & set(cell.keep)]
    kept = set.intersection(*map(set, players))

    def joined(parts: list[dict[str, ndarray]], name: str) -> ndarray:
        return np.concatenate([arrays[name] for arrays in parts])

    scouts = of_method["scouts"][0][1]
    panel = Panel(torch.empty(0), torch.empty(0), scouts["part"])
    watched = panel.watched
    q = dithered(joined(retrained, "log_odds")[:, watched])
    seen = {name: joined(players, own).astype(float) for name, own in _OBSERVED.items() if own in kept}
    apart = None
    if all("contrast" in arrays for arrays in retrained):
        apart = dithered(joined(retrained, "contrast")[:, watched], seed=1)
    n = sum(len(arrays["log_odds"]) for arrays in players)  # they stand first
    traces = Traces(q=q[:n], **seen, chosen=scouts["chosen"][watched], n_classes=int(scouts["chosen"].max()) + 1)
    return Assembled(
        q, apart, traces, np.array(PARTS)[scouts["part"][watched]], scouts["label"][watched],
        {name: joined(players, name) for name in _FACTS if name in kept}, int((scouts["part"] == 0).sum()),
        _bursts(of_method["bursts"]), _proxies(of_method["proxies"]), _paths(of_method["law"], panel),
    )  # fmt: skip


def complete(name: str, folder: Path) -> tuple[Study, CellStore]:
    """Find a study all of whose cells are stored."""
    from report.studies.catalogue import STUDIES

    store = CellStore(STUDIES[name], folder / STUDIES[name].folder)
    store.check_complete()
    return STUDIES[name], store


def accuracy_of(study: Study, store: CellStore) -> Estimate:
    """Estimate the mean accuracy of the retrainings of a study, in per cent."""
    each = [store.load(cell).arrays["accuracy"] for cell in study.cells if cell.method == "retrainings"]
    return Estimate.mean(100 * np.concatenate(each), unit="%")


def _bursts(stored: Iterable[Stored]) -> dict[tuple[float, float], Burst]:
    found: dict[tuple[float, float], list[Stored]] = {}
    for cell, arrays in stored:
        found.setdefault((cell.settings["epochs"], cell.settings["rate"]), []).append((cell, arrays))
    out = {}
    for key, own in found.items():
        spread, distance, loss = (
            np.concatenate([arrays[name] for _, arrays in own]).astype(float)
            for name in ("burst_spread", "burst_distance", "burst_training_loss")
        )
        first = own[0][0]
        out[key] = Burst(spread, first.settings["n"] * _price(first), first.settings["n"], distance, loss)
    return out


@lru_cache
def _price(cell: Cell) -> float:
    """Return what one burst costs, in plain trainings of equal floating-point operations."""
    plain = cell.recipe
    burst = burst_recipe(plain, epochs=cell.settings["epochs"], rate=cell.settings["rate"])
    if not plain.first_pixels:  # all steps cost the same
        return burst.epochs / plain.epochs
    shape, n_classes, n_images = CIFAR[cell.data]
    network = NETWORKS[cell.network](shape, n_classes, **cell.options)
    operations = count_operations(network, torch.zeros(shape), n_classes)
    return operations.training(burst, n_images) / operations.training(plain, n_images)


def _proxies(stored: Iterable[Stored]) -> dict[tuple[int, float], list[ProxySet]]:
    found: dict[tuple[int, float], list[ProxySet]] = {}
    for cell, own in stored:
        spread = dict(zip(own["proxy_count"].tolist(), own["proxy_spread"][0].astype(float), strict=True))
        numbers = [float(own[name][0]) for name in ("proxy_trainings", "effective_inputs", "proxy_accuracy")]
        size = cell.options.get("width", cell.options.get("narrow"))
        found.setdefault((size, cell.recipe.epochs), []).append(ProxySet(spread, *numbers))
    return found


def _paths(stored: Iterable[Stored], panel: Panel) -> dict[str, list[ndarray]]:
    """Return the spread along each learned path, one for each base; cells say what they are by method and shape."""
    out: dict[str, list[ndarray]] = {group: [] for group in PATHS}
    seen = panel.watched < panel.explored.stop
    for cell, arrays in stored:
        if "spread" in arrays and (group := path_of(cell.settings)):
            everywhere = np.full(len(seen), np.nan)
            everywhere[seen] = arrays["spread"][0][panel.watched[seen]]
            out[group].append(everywhere)
    return {group: spreads for group, spreads in out.items() if spreads}


N_DRAWS = 30


@dataclass(frozen=True)
class Mix:
    """One way to evaluate u(x): groups of covariates, and which bursts, proxies and base of a path they are from."""

    groups: tuple[str, ...] | None  # of covariates; None for plain Type A, empty for a constant prior
    bursts: tuple[float, float] | None = None  # (epochs, rate), where bursts are among the groups
    proxies: tuple[int, float, int] | None = None  # (width, epochs, how many), where proxies are
    base: int | None = None  # of the learned path; None for another one in each draw
    shrinkage: float = SHRINKAGE  # of the coefficients; ∞ for none
    n_eff: float | None = None  # independent inputs that those of the fit are worth; assumed unless given
    like: LearnedPrior | None = None  # what other pairs teach; class means of the covariates are added then
    scale: tuple[float, float] | None = None  # mean over inputs of ln σ² and its uncertainty, known beside the networks

    def further(self, all_of: Assembled, n_networks: int) -> float:
        """Count what it costs beside the M networks, in trainings."""
        cost = sum(float(PATHS[name][1]) for name in self.groups or () if name in PATHS)
        if self.bursts is not None:
            cost += n_networks * all_of.bursts[self.bursts].trainings
        if self.proxies is not None:
            width, epochs, n = self.proxies
            cost += n * all_of.proxies[width, epochs][0].trainings
        return cost

    def passes(self, all_of: Assembled) -> float:
        """Count forward passes for each input and network, beside that of the prediction."""
        path = all_of.traces.path
        return float(passes_of(self.groups or (), epochs=0 if path is None else path.shape[1] - 1))


def draws(n_networks: int, members: int, *, n: int = N_DRAWS) -> list[tuple[int, ...]]:
    """Draw sets of M networks so that all networks are drawn about equally often."""
    rng, found = np.random.default_rng(0), []
    while len(found) < n:
        order = rng.permutation(n_networks)
        found += [tuple(sorted(order[k : k + members].tolist())) for k in range(0, n_networks - members + 1, members)]
    return found[:n]


@dataclass(frozen=True)
class Moderation:
    """The evaluations of one mix for one measurand: fitted on the calibration images, made on any others."""

    all_of: Assembled
    mix: Mix
    q: ndarray | None = None  # the measurand, [retrainings, images]; the log-odds unless another is given

    def traces(self, rows: Sequence[int], images: ndarray, draw: int) -> Traces:
        """Return what M networks show of some images; the sets of proxies alternate between draws."""
        own, mix = self.all_of, self.mix
        seen = own.traces.of(rows, images)
        if mix.bursts is not None:
            seen = replace(seen, bursts=own.bursts[mix.bursts].spread[list(rows)][:, images])
        spreads = {}
        if mix.proxies is not None:
            width, epochs, n = mix.proxies
            sets = own.proxies[width, epochs]
            spreads["proxies"] = sets[draw % len(sets)].spread[n][images]
        for name in set(mix.groups or ()) & set(PATHS):
            bases = own.paths[name]
            spreads[name] = bases[(draw if mix.base is None else mix.base) % len(bases)][images]
        return replace(seen, spreads=spreads)

    def _prior(self, q: ndarray, h: ndarray, names: tuple[str, ...], draw: int) -> Prior:
        """Fit the prior of M networks on the images of q and of the covariates h."""
        n, n_eff = q.shape[1], self.mix.n_eff
        if self.mix.proxies is not None and self.mix.proxies[2] >= ENOUGH_PROXIES:
            sets = self.all_of.proxies[self.mix.proxies[:2]]
            worth = sets[draw % len(sets)].effective_inputs
            measured = effective_number_of(n, n_eff=worth, n_measured=self.all_of.n_calibration)
            n_eff = max(measured, assumed_number(n))  # proxies tell a lower bound
        more: dict[str, Any] = {"shrinkage": self.mix.shrinkage}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # n_eff and d₀ are reported as numbers
            if self.mix.like is not None:
                more |= {"like": self.mix.like, "scale": self.mix.scale}
            elif "gradient distance" in names:
                more["slopes"] = {"gradient distance": SLOPE}
            return fit_prior(q.var(0, ddof=1), len(q) - 1, h, n_eff=n_eff, names=names, **more)

    def __call__(self, members: Sequence[Sequence[int]], judged: ndarray) -> tuple[list[Evaluation], list[Prior]]:
        """Evaluate u(x) for each draw of networks."""
        mix, everything = self.mix, self.all_of.q if self.q is None else self.q
        fitted = self.all_of.where("calibration")
        evaluations, priors = [], []
        for draw, rows in enumerate(members):
            q = everything[list(rows)]
            if mix.groups is None:
                evaluations.append(type_a(q[:, judged]))
                continue
            of_fit = self.traces(rows, fitted, draw)
            known, names = columns_of(of_fit, mix.groups)
            h, _ = columns_of(replace(self.traces(rows, judged, draw), like=of_fit), mix.groups)
            if mix.like is not None:
                (h, _), (known, names) = with_class_means(h, names, like=known), with_class_means(known, names)
            priors.append(self._prior(q[:, fitted], known, names, draw))
            evaluations.append(moderated(q[:, judged], priors[-1], h))
        return evaluations, priors

    def fidelity(self, judged: ndarray, reference: Reference) -> Fidelity:
        """Judge the mix by the retrainings that each draw of networks leaves over."""
        return fidelity(self(reference.members, judged)[0], reference)


def by_mix(rows: Mapping[tuple[str, int], dict]) -> dict[str, dict[str, dict]]:
    """Nest rows {(mix, M): row} as summaries hold them."""
    nested: dict[str, dict[str, dict]] = {}
    for (name, members), row in rows.items():
        nested.setdefault(name, {})[str(members)] = row
    return nested


def judged_by_size(
    stored: Assembled, mixes: Mapping[str, Mix], sizes: Iterable[int], images: ndarray
) -> tuple[dict[tuple[str, int], Fidelity], dict[int, Reference]]:
    """Judge each mix with each number of networks, {(mix, M): fidelity}, and give what judged them."""
    references = {m: Reference.of(stored.q[:, images], draws(stored.n_networks, m)) for m in sizes}
    each = ((name, m) for m in references for name in mixes)
    return {(name, m): Moderation(stored, mixes[name]).fidelity(images, references[m]) for name, m in each}, references
