"""What a pair of data and network has stored for the moderated evaluation, put together on one axis of images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy import ndarray

from lnescape.covariates import RIDGE, Traces
from lnescape.retraining import dithered
from lnescape.study.cells import Cell, Study
from lnescape.study.observation import RIDGES, normalised
from lnescape.study.panel import PARTS, Panel
from lnescape.study.store import CellStore
from report.studies.comparison import WAYS

# Learned paths: the group of covariates, the way of the comparison that it was made by, and its budget. All of it is
# further cost: the networks that a path begins with are none of the M.
PATHS = {
    "line": ("learned line", 1),
    "curve": ("learned curve", 1),
    "simplex": ("learned triangle", 1),
    "grown simplex": ("ESPRO", 1.5),
    "mode curve": ("mode curve", 3),
    "SWAG": ("SWAG", 1.5),
    "FGE": ("FGE", 1.5),
}


@dataclass(frozen=True)
class Burst:
    """Bursts of one length and rate: their spread for each network and image, and what they cost and found.

    Attributes:
        spread: [networks, images].
        trainings: Cost of all bursts from one network.
        n: Bursts from each network.
        distance: Root mean square distance that they went, for each network.
        training_loss: Where they ended, for each network, nat.
    """

    spread: ndarray
    trainings: float
    n: int
    distance: ndarray
    training_loss: ndarray


@dataclass(frozen=True)
class ProxySet:
    """Proxies of one width and schedule.

    Attributes:
        spread: {number of proxies: [images]}.
        trainings: Cost of one proxy, in trainings of the real network.
        effective_inputs: n_eff of the calibration images, measured on all proxies of the set.
        accuracy: Mean share of the official test images that they get right.
    """

    spread: dict[int, ndarray]
    trainings: float
    effective_inputs: float
    accuracy: float


@dataclass(frozen=True)
class Assembled:
    """All that is stored of one pair of data and network, on the images of its panel on which covariates are observed.

    Attributes:
        q: Log-odds, [retrainings, images].
        contrast: To the runner-up, [retrainings, images].
        traces: Of the first retrainings, those that may play the method.
        part: Part of the panel of each image.
        label: Right class, −1 for foreign images.
        log_probabilities: [first retrainings, predicted images, classes], of the first test images.
        facts: {name: one number for each of the first retrainings}, such as the training loss.
        n_calibration: Calibration images of the whole panel, on which proxies measured n_eff.
        bursts: {(epochs, rate): bursts}.
        proxies: {(width, epochs): disjoint sets of proxies}.
        paths: {group: spread for each base}, nan where it wasn't observed: on shifted and foreign images.
    """

    q: ndarray
    contrast: ndarray
    traces: Traces
    part: ndarray
    label: ndarray
    log_probabilities: ndarray
    facts: dict[str, ndarray]
    n_calibration: int
    bursts: dict[tuple[float, float], Burst] = field(default_factory=dict)
    proxies: dict[tuple[int, float], list[ProxySet]] = field(default_factory=dict)
    paths: dict[str, list[ndarray]] = field(default_factory=dict)

    def where(self, *parts: str) -> ndarray:
        """Number the images of some parts of the panel; "shifted" stands for all nine shifted sets."""
        known = [name for name in PARTS if name not in ("calibration", "test", "foreign")]
        wanted = [name for part in parts for name in (known if part == "shifted" else [part])]
        return np.flatnonzero(np.isin(self.part, wanted))

    @property
    def n_networks(self) -> int:
        """How many retrainings may play the method."""
        return len(self.traces.q)


def assembled(study: Study, store: CellStore) -> Assembled:
    """Put together the cells of a study of uncertainty.

    Args:
        study: Retrainings, bursts, proxies and laws of one pair.
        store: Where they are stored.

    Returns:
        All of it, dithered where it was rounded.
    """
    cells = {method: [cell for cell in study.cells if cell.method == method] for method in _METHODS}

    def joined(method: str, name: str) -> ndarray:
        return np.concatenate([store.load(cell).arrays[name] for cell in cells[method]])

    def explored(name: str) -> ndarray:
        own = [cell for cell in cells["retrainings"] if "covariates" in cell.keep]
        return np.concatenate([store.load(cell).arrays[name] for cell in own])

    scouts = store.load(cells["scouts"][0]).arrays
    panel = Panel(None, None, scouts["part"])
    watched = panel.watched
    q = dithered(joined("retrainings", "log_odds")[:, watched])
    seen = {name: explored(stored).astype(float) for name, stored in _OBSERVED.items()}
    traces = Traces(
        q=q[: len(seen["noise"])], **seen, chosen=scouts["chosen"][watched], n_classes=int(scouts["chosen"].max()) + 1
    )
    if all("gradients" in cell.keep for cell in cells["retrainings"] if "covariates" in cell.keep):
        traces = replace(traces, distance=explored("gradient_distance")[:, RIDGES.index(RIDGE)].astype(float))
    facts = {name: explored(name) for name in ("training_loss", "gradient_scatter", "distance")}
    return Assembled(
        q, dithered(joined("retrainings", "contrast")[:, watched], seed=1), traces,
        np.array(PARTS)[scouts["part"][watched]], scouts["label"][watched],
        normalised(explored("log_probabilities")), facts, int((scouts["part"] == 0).sum()),
        _bursts(cells["bursts"], store), _proxies(cells["proxies"], store), _paths(cells["law"], store, panel),
    )  # fmt: skip


_METHODS = ("scouts", "retrainings", "bursts", "proxies", "law")
_OBSERVED = {
    "outputs": "outputs",
    "shifted": "shifted_log_odds",
    "path": "path_log_odds",
    "noise": "noise_spread",
    "others": "other_log_odds",
}  # name in `Traces`: in the cells


def path_of(settings: Mapping[str, Any]) -> str | None:
    """Name the group of covariates that the spread along a law of these settings is, None where it is none."""
    own = settings["method"], settings.get("options", {}).get("shape"), settings["budget"]
    groups = {(WAYS[way][0], WAYS[way][1].get("shape"), budget): group for group, (way, budget) in PATHS.items()}
    return groups.get(own)


def _bursts(cells: Iterable[Cell], store: CellStore) -> dict[tuple[float, float], Burst]:
    found: dict[tuple[float, float], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.settings["epochs"], cell.settings["rate"]), []).append(cell)
    out = {}
    for key, own in found.items():
        parts = [store.load(cell).arrays for cell in own]
        spread, distance, loss = (
            np.concatenate([part[name] for part in parts]).astype(float)
            for name in ("burst_spread", "burst_distance", "burst_training_loss")
        )
        n = own[0].settings["n"]
        out[key] = Burst(spread, n * key[0] / own[0].recipe.epochs, n, distance, loss)
    return out


def _proxies(cells: Iterable[Cell], store: CellStore) -> dict[tuple[int, float], list[ProxySet]]:
    found: dict[tuple[int, float], list[ProxySet]] = {}
    for cell in cells:
        own = store.load(cell).arrays
        spread = dict(zip(own["proxy_count"].tolist(), own["proxy_spread"][0].astype(float), strict=True))
        numbers = [float(own[name][0]) for name in ("proxy_trainings", "effective_inputs", "proxy_accuracy")]
        size = cell.options.get("width", cell.options.get("narrow"))
        found.setdefault((size, cell.recipe.epochs), []).append(ProxySet(spread, *numbers))
    return found


def _paths(cells: Iterable[Cell], store: CellStore, panel: Panel) -> dict[str, list[ndarray]]:
    """Give the spread along each learned path, one for each base; cells say what they are by method and shape."""
    out: dict[str, list[ndarray]] = {}
    seen = panel.watched < panel.explored.stop
    for group in PATHS:
        own = [cell for cell in cells if path_of(cell.settings) == group]
        stored = [store.load(cell).arrays for cell in own]
        for spread in (arrays["spread"][0] for arrays in stored if "spread" in arrays):
            everywhere = np.full(len(seen), np.nan)
            everywhere[seen] = spread[panel.watched[seen]]
            out.setdefault(group, []).append(everywhere)
    return out
