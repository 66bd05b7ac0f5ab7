"""Groups of covariates: from observations by networks and exploration to the columns of the prior, with costs."""

# `columns_of` computes a group only if its observation exists: none is None in the functions of groups.
# mypy: disable-error-code="arg-type, index, operator, union-attr"

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.checks import one_of

FLOOR = 1e-6  # in the unit of q: added to standard deviations, so that none has an infinite logarithm
N_BINS = 10  # bins of q̄ in which the slope of another quantity on q is fitted
_OBSERVED = ("q", "outputs", "shifted", "path", "noise", "others", "bursts", "distance")  # arrays [networks, …, images]


@dataclass(frozen=True, eq=False)
class Traces:
    """Observations of n inputs by M networks and cheap exploration around them; unknown ones are None."""

    q: ndarray  # the measurand, [M, n]
    outputs: ndarray | None = None  # `OUTPUTS` of each network, [M, 3, n]
    shifted: ndarray | None = None  # q on moved images, [M, 8, n]
    path: ndarray | None = None  # q at the epochs' ends, [M, epochs, n]
    noise: ndarray | None = None  # standard deviation of q under noise on the weights, [M, n]
    others: ndarray | None = None  # log-odds of other classes, [M, others, n]
    bursts: ndarray | None = None  # standard deviation of q over the bursts from each network, [M, n]
    distance: ndarray | None = None  # gradient distance ln gᵀ(F + rI)⁻¹g of each network, [M, n]
    chosen: ndarray | None = None  # class of the measurand, [n]
    n_classes: int = 0  # or outputs of values
    values: bool = False  # whether q are measured values
    spreads: Mapping[str, ndarray] = field(default_factory=dict)  # sd of q along learned paths or over proxies, [n]
    # Traces of the same networks on the inputs of the fit, if these are others. Slopes and the like are fitted there,
    # so that the covariates of an input don't depend on the other inputs.
    like: "Traces | None" = None

    def of(self, networks: Iterable[int], images: slice | ndarray = slice(None)) -> "Traces":
        """Take some of the networks and some of the images."""
        rows, every = list(networks), [name for name in _OBSERVED if getattr(self, name) is not None]
        some: dict[str, Any] = {name: getattr(self, name)[rows][..., images] for name in every}
        some["spreads"] = {name: values[images] for name, values in self.spreads.items()}
        return replace(self, **some, chosen=None if self.chosen is None else self.chosen[images], like=None)

    @staticmethod
    def interleaved(outputs: "list[Traces]") -> "Traces":
        """Put the outputs of values beside each other, input by input."""
        some: dict[str, Any] = {}
        for name in (*_OBSERVED, "chosen"):
            parts = [getattr(one, name) for one in outputs]
            some[name] = None if parts[0] is None else np.stack(parts, -1).reshape(*parts[0].shape[:-1], -1)
        return Traces(**some, n_classes=outputs[0].n_classes, values=True)


Columns = dict[str, ndarray]
Observed = Float[ndarray, "networks inputs"]
Kinds = Float[ndarray, "networks kinds inputs"]


def ln_of(spread: ndarray) -> ndarray:
    """Return ln of standard deviations, never infinite."""
    return np.log(spread + FLOOR)


def _outputs(seen: Traces) -> Columns:
    """Return mean log-odds and modulus, or value; spread and log-sum-exp of logits; distance in the last layer."""
    lse, spread, distance = seen.outputs.mean(0)
    q = seen.q.mean(0)
    if seen.values:
        fitted = seen.like or seen
        q = q - np.array([fitted.q[:, fitted.chosen == k].mean() for k in range(seen.n_classes)])[seen.chosen]
        columns = {"value": q, "|value|": np.abs(q), "ln stated variance": lse, "ln Mahalanobis": distance}
        return {name: column for name, column in columns.items() if not np.isnan(column).any()}
    columns = {"q": q, "|q|": np.abs(q), "ln spread of the logits": ln_of(spread), "log-sum-exp": lse}
    return columns | ({} if np.isnan(distance).any() else {"ln Mahalanobis": distance})


def _classes(seen: Traces) -> Columns:
    """Return one indicator for each class: some classes are learned more steadily than others."""
    if seen.values and seen.n_classes == 1:
        return {}
    return {f"class {k}": (seen.chosen == k).astype(float) for k in range(seen.n_classes)}


def _path(seen: Traces) -> Columns:
    """Return the spread of q over the epochs' ends of each training."""
    columns = {"ln sd over epochs": ln_of(seen.path.std(1, ddof=1)).mean(0)}
    late = seen.path[:, seen.path.shape[1] // 2 :]
    if late.shape[1] > 1:
        columns["ln sd over late epochs"] = ln_of(late.std(1, ddof=1)).mean(0)
    return columns


def _differences(seen: Traces) -> Columns:
    """Return the networks' differences beyond q: on shifted images, for other classes, at earlier epochs, if known."""
    fitted, columns = seen.like or seen, {}
    for name, kind, last in (
        ("on shifted images", "shifted", None),
        ("at earlier epochs", "path", -1),
        ("for other classes", "others", None),
    ):
        values, known = getattr(seen, kind), getattr(fitted, kind)
        if values is not None and values[:, :last].shape[1]:
            columns[f"ln difference {name}"] = difference(values[:, :last], seen.q, like=(known[:, :last], fitted.q))
    return columns


def _spread(seen: Traces, name: str) -> Columns:
    """Return the spread of q along a learned path, under a law, or over cheap retrainings."""
    return {f"ln sd {name}": ln_of(seen.spreads[name])}


@dataclass(frozen=True)
class Group:
    """One group of covariates."""

    columns: Callable[[Traces], Columns]  # named columns, [n] each
    need: str  # name of the observation that it reads, a field of the traces or a key of their `spreads`


PATHS = ("line", "curve", "mode curve", "simplex", "ESPRO", "SWAG", "FGE")  # learned around a network, or between two
GROUPS: dict[str, Group] = {
    "outputs": Group(_outputs, "outputs"),
    "classes": Group(_classes, "chosen"),
    "neighbourhood": Group(lambda seen: {"ln sd over shifts": ln_of(seen.shifted.std(1, ddof=1)).mean(0)}, "shifted"),
    "training path": Group(_path, "path"),
    "noise": Group(lambda seen: {"ln sd under noise": ln_of(seen.noise).mean(0)}, "noise"),
    "differences": Group(_differences, "shifted"),
    "gradient distance": Group(lambda seen: {"gradient distance": seen.distance.mean(0)}, "distance"),
    "bursts": Group(lambda seen: {"ln sd over bursts": ln_of(np.sqrt((seen.bursts**2).mean(0)))}, "bursts"),
    **{name: Group(partial(_spread, name=name), name) for name in (*PATHS, "proxies")},
}
DEFAULT = ("outputs", "classes", "gradient distance")  # the sharpest known, by a learned prior
FREE = ("outputs", "classes", "neighbourhood", "training path", "noise", "differences")  # no further training


# As many as `explore` has shifts, draws of noise and bursts; a gradient counts as three, a learned path has 30 points.
PASSES = {"shifted": 8, "noise": 8, "bursts": 12, "distance": 3} | dict.fromkeys(PATHS, 30)


def passes_of(groups: Iterable[str], *, epochs: int, near: int | None = None) -> int:
    """Count the forward passes that some groups take for each input and network, beside that of the prediction."""
    # `near` is the number of neighbours of each input, where they are the user's.
    known = PASSES | {"path": epochs} | ({} if near is None else {"shifted": near})
    return sum(known.get(need, 0) for need in {GROUPS[name].need for name in groups})


def freed(values: Kinds, q: Observed, *, like: tuple[ndarray, ndarray] | None = None) -> Kinds:
    """Free other quantities of the networks from their regression on q: r_mk = (v_mk − v̄_k) − β_k (q_m − q̄)."""
    # β_k is the least-squares slope over networks and inputs in each of ten bins of q̄. For normal retrainings whose
    # slope is β, r is independent of the differences in q given the variances: r² adds information on σ².
    fitted_values, fitted_q = like or (values, q)
    dq, dv = fitted_q - fitted_q.mean(0), fitted_values - fitted_values.mean(0)
    edges = np.quantile(fitted_q.mean(0), np.linspace(0, 1, N_BINS + 1)[1:-1])
    bins = np.searchsorted(edges, fitted_q.mean(0))
    squares = np.bincount(bins, (dq**2).sum(0), minlength=N_BINS)
    products = (dq[:, None] * dv).sum(0)  # [kinds, images]
    slope = np.stack([np.bincount(bins, weights, minlength=N_BINS) for weights in products])
    slope = np.divide(slope, squares, out=np.zeros_like(slope), where=squares > 0)
    bins = np.searchsorted(edges, q.mean(0))
    return values - values.mean(0) - slope[:, bins] * (q - q.mean(0))[:, None]


def difference(values: Kinds, q: Observed, *, like: tuple[ndarray, ndarray]) -> Float[ndarray, " inputs"]:
    """Return ln of the networks' root mean square difference in other quantities, freed of its regression on q."""
    return ln_of(np.sqrt(np.mean(freed(values, q, like=like) ** 2, (0, 1))))


def columns_of(seen: Traces, groups: Iterable[str]) -> tuple[Float[ndarray, "inputs covariates"], tuple[str, ...]]:
    """Put the columns of some groups side by side."""
    columns: Columns = {}
    for name in groups:
        one_of(name, GROUPS, "group of covariates")
        need = GROUPS[name].need
        if need not in seen.spreads and getattr(seen, need, None) is None:
            raise ValueError(f"The covariates {name!r} need what wasn't observed ({need}); leave them out.")
        columns |= GROUPS[name].columns(seen)
    n = seen.q.shape[1]
    return np.stack(list(columns.values()), 1) if columns else np.empty((n, 0)), tuple(columns)
