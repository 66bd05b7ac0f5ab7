"""Cells: the small frozen descriptions that a study is made of, and the names that follow from them."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch.nn.functional as F

from lnescape.checks import instance, one_of
from lnescape.data import NAMES
from lnescape.networks import NETWORKS, network
from lnescape.training import Recipe
from lnescape.training.prepared import checked_seeds
from lnescape.weights import Builder

# Raised by hand when the same cell would give other numbers: a change of the training loop, of a default, of the
# panel of images. It is part of every name, so that results of two versions never mix. A golden test guards it.
RECIPE_VERSION = 1
COVARIATES_VERSION = 2  # the same for the observations behind covariates: part of the names of their cells alone
KEPT = ("panel", "test", "covariates", "gradients", "log_probabilities")


class StudyError(ValueError):
    """A study can't be run or read; the message gives cause and cure."""


def _one_a_seed(cell: "Cell") -> int:
    return len(cell.seeds)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Behaviour of a method of cells: its experiment, requirements and cost."""

    experiment: Callable[..., Any]  # function of a module, (cell, data, panel, chosen) → Observation
    settings: tuple[str, ...] = ()  # names of required settings
    optional: tuple[str, ...] = ()  # names of optional settings
    n_seeds: int | None = None  # any number unless given
    scouts: bool = False  # whether it needs scouts
    keep: tuple[str, ...] = ()  # names that `Cell.keep` may hold; empty where there is no choice
    shares: bool = False  # whether cells share trainings, kept in the folder that the experiment gets as scratch=
    explores: bool = False  # whether covariates are computed, whose version is then part of the name
    trainings: Callable[["Cell"], float] = _one_a_seed  # cost
    together: Callable[["Cell"], int] = _one_a_seed  # networks trained at the same time, where they batch
    observed: Callable[["Cell"], float] | None = None  # networks observed; those trained together unless given
    surveyed: int = 0  # further images passed forward
    check: Callable[[Mapping[str, Any]], None] | None = None  # raises StudyError where settings can't be run
    read: Callable[["Cell", dict], dict] | None = None  # names {name: (axes, array)} for `read_study`


KINDS: dict[str, Kind] = {}  # by method; this package adds scouts and retrainings, a study adds its own


def register(method: str, kind: Kind) -> None:
    """Add a method of cells."""
    KINDS[method] = kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One unit of work: some networks, trained together, and the quantities kept of them.

    >>> cell = Cell(method="scouts", data="digits", network="mlp", seeds=(0, 1), recipe=Recipe(precision="float32"))
    >>> cell.name
    'scouts-dd374bcc0f6c'
    """

    method: str  #: "scouts" (they choose the class of the measurand), "retrainings", or one that `register` added
    #: as for `load`, or "module:function", a function of your own that returns a data set; of that the panel holds the
    #: calibration and test images alone
    data: str
    #: as for `network`, or "module:function", a function from (image_shape, n_classes, **options) to an `nn.Module`
    network: str
    seeds: Sequence[int]  #: one for each training
    recipe: Recipe = Recipe()  #: how one network is trained
    options: Mapping[str, Any] = field(default_factory=dict)  #: arguments of the network, such as {"width": 50}
    settings: Mapping[str, Any] = field(default_factory=dict)  #: arguments of the method
    #: of each network, where the method leaves a choice: "panel" (log-odds and contrast on all images of the panel),
    #: "test" (log-odds on the test images), "covariates", "gradients" (gradient distances), "log_probabilities" (of
    #: 1 000 test images); "panel" and "log_probabilities" unless given
    keep: Sequence[str] = ()
    scouts: "Cell | None" = None  #: whose retrainings fix the class c(x) of the measurand, where the method needs one

    def __post_init__(self) -> None:
        """Validate the fields for the method; copy mutable ones, so that later changes outside don't reach the cell."""
        check_known(self.method, KINDS, "method")
        instance(self.recipe, Recipe, "recipe", "pass Recipe(precision='float32')", error=StudyError)
        for name in ("options", "settings"):
            instance(getattr(self, name), Mapping, name, "pass a dict, such as {'width': 50}", error=StudyError)
        rules = KINDS[self.method]
        seeds = checked(lambda: checked_seeds(self.seeds))
        if len(seeds) != (rules.n_seeds or len(seeds)):
            raise StudyError(f"A cell of method {self.method!r} has {rules.n_seeds} seeds, not {len(seeds)}.")
        keep = (self.keep,) if isinstance(self.keep, str) else tuple(self.keep)
        keep = keep or (("panel", "log_probabilities") if rules.keep else ())
        for what in keep:
            check_known(what, KEPT, "thing to keep")
        keep = tuple(sorted(set(keep) & set(rules.keep)))
        for name in self.settings:
            check_known(name, rules.settings + rules.optional, f"setting of {self.method!r}")
        if missing := [name for name in rules.settings if name not in self.settings]:
            raise StudyError(f"A cell of method {self.method!r} needs settings={{{missing[0]!r}: …}}.")
        if rules.scouts and not (isinstance(self.scouts, Cell) and self.scouts.method == "scouts"):
            raise StudyError(f"A cell of method {self.method!r} needs scouts=, the cell that fixes the class c(x).")
        if rules.check is not None:
            rules.check(self.settings)
        if self.recipe.precision == "auto":
            raise StudyError("Precision 'auto' depends on the machine; give a cell Recipe(precision='float32').")
        if not (isinstance(self.data, str) and ":" in self.data):
            check_known(self.data, NAMES, "data set")
        if not (isinstance(self.network, str) and ":" in self.network):
            check_known(self.network, NETWORKS, "network")
        plain = {name: checked(partial(plain_copy, getattr(self, name))) for name in ("options", "settings")}
        fixed = {"seeds": tuple(seeds), "keep": keep, "scouts": self.scouts if rules.scouts else None} | plain
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        loss_name(self.recipe)

    def but(self, **changes: Any) -> "Cell":
        """Return the cell with other values in some fields, of the cell or of its recipe."""
        of_cell, recipe = ({f.name for f in fields(kind)} for kind in (Cell, Recipe))
        for name in changes:
            check_known(name, sorted(of_cell | recipe), "field of a cell or its recipe")
        inner = {name: value for name, value in changes.items() if name not in of_cell}
        outer = {name: value for name, value in changes.items() if name in of_cell}
        return replace(self, recipe=replace(outer.pop("recipe", self.recipe), **inner), **outer)

    def content(self) -> dict[str, Any]:
        """Return the cell as plain values, from which its name is made."""
        # Fields left at their default aren't named: one that is added later, with a default that changes nothing,
        # leaves every name as it was.
        plain = {"recipe_version": RECIPE_VERSION, "seeds": list(self.seeds), "keep": list(self.keep)}
        if "covariates" in self.keep or KINDS[self.method].explores:
            plain["covariates_version"] = COVARIATES_VERSION
        plain |= {name: getattr(self, name) for name in ("method", "data", "network")}
        plain |= {name: dict(value) for name in ("options", "settings") if (value := getattr(self, name))}
        usual = Recipe().describe()
        recipe = self.recipe.describe() | {"loss": loss_name(self.recipe)}
        plain["recipe"] = {name: value for name, value in recipe.items() if value != usual.get(name)}
        if self.scouts is not None:
            plain["scouts"] = self.scouts.name
        return plain

    @cached_property  # read by every comparison of two cells
    def name(self) -> str:
        """Method and hash of the content; the name of its stored result."""
        text = json.dumps(self.content(), sort_keys=True)
        return f"{self.method}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def folder(self) -> str:
        """Name of the folder that the results of this pair of data and network share."""
        return "-".join(name.split(":")[-1] for name in (self.data, self.network)).replace("_", "-")

    def builder(self, data) -> Builder:
        """Make the builder of its networks, sized for a data set."""
        if ":" not in self.network:
            return network(self.network, data, **self.options)
        return partial(resolve_name(self.network), tuple(data.image_shape), data.n_classes, **self.options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Study:
    """A named list of cells."""

    name: str  # lower-case letters, digits, hyphens
    title: str  # purpose in a few words
    cells: tuple[Cell, ...]  # in the order in which they are computed; scouts first
    command: str = ""  # command that runs it
    remark: str = ""  # printed by `lnescape status` where cells are missing

    def __post_init__(self) -> None:
        """Put each cell's scouts, where they are not listed, at the front."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name):
            raise StudyError(f"{self.name!r} can't name a study; use lower-case letters, digits and hyphens.")
        cells = instance(self.cells, (tuple, list), "cells", "pass a tuple of Cell", error=StudyError)
        for cell in cells:
            instance(cell, Cell, "A cell", "pass a tuple of Cell", error=StudyError)
        scouts = [cell.scouts for cell in self.cells if cell.scouts is not None]
        object.__setattr__(self, "cells", tuple(dict.fromkeys([*scouts, *self.cells])))
        if not self.cells:
            raise StudyError(f"The study {self.name!r} has no cells; give it at least one.")
        if not self.command:
            object.__setattr__(self, "command", f"lnescape.run_study(…) on your study {self.name!r}")

    @property
    def folder(self) -> str:
        """Name of the folder that holds its results."""
        return self.cells[0].folder

    def keep_summary(self) -> Path | None:
        """Store a summary once all cells are there, and return its path; None here, for subclasses to override."""
        return None


def trainings(cell: Cell) -> float:
    """Return the cost of a cell, in plain trainings of its network, by their floating-point operations."""
    return float(KINDS[cell.method].trainings(cell))


def loss_name(recipe: Recipe) -> str:
    """Name a recipe's loss so that another process finds it."""
    if recipe.loss is F.cross_entropy:
        return "cross_entropy"
    place = f"{getattr(recipe.loss, '__module__', '')}:{getattr(recipe.loss, '__qualname__', '<')}"
    if "<" in place:
        raise StudyError("The loss of a cell must be a function of a module, which other processes can import.")
    return place


def plain_copy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy nested plain values, as JSON holds them."""
    return json.loads(json.dumps(dict(values), allow_nan=False))


def checked(make: Callable[[], Any]) -> Any:
    """Return the result of `make`; raise its TypeError or ValueError as a StudyError."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        raise StudyError(str(error)) from error


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Raise, with the nearest known name, unless `name` is one of them."""
    one_of(name, known, what, error=StudyError)
