"""Cells: the small frozen descriptions that a study is made of, and the names that follow from them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pkgutil import resolve_name
from typing import Any

from lnescape.builders import Builder
from lnescape.data.names import nearest
from lnescape.networks import NETWORKS, network
from lnescape.training import Recipe

# Raised by hand when the same cell would give other numbers: a change of the training loop, of a default, of the
# panel of images. It is part of every name, so that results of two versions never mix. A golden test guards it.
RECIPE_VERSION = 1
METHODS = ("scouts", "retrainings", "crossed", "arithmetic", "branches", "ensemble", "pair", "triangle")
KEPT = ("panel", "test", "covariates", "log_probabilities")


class StudyError(ValueError):
    """A study can't be run or read; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One unit of work: some networks, trained together, and what is kept of them.

    Attributes:
        method: What is done: "scouts", "retrainings", "crossed" (initialisation × order), "arithmetic" (one seed
            again and again), "branches" (that leave the trunk of a training), "pair" (line and curve between two
            retrainings) or "triangle" (learned from scratch).
        data: Name of the data set, as for `load`.
        network: "mlp", "cnn", "resnet", "wide_resnet", or "module:function", a function of your own from
            (image_shape, n_classes, **options) to an `nn.Module`.
        seeds: One for each training.
        recipe: How one network is trained.
        options: Arguments of the network, such as {"width": 50}.
        settings: Arguments of the method.
        keep: What is kept of each network: "panel" (log-odds and contrast on all images of the panel), "test" (on
            the test images only), "covariates", "log_probabilities" (of 1 000 test images).
        scouts: The cell whose retrainings fix the class c(x) of the measurand; None for the scouts themselves.

    Example:
        >>> cell = Cell(method="scouts", data="digits", network="mlp", seeds=(0, 1), recipe=Recipe(precision="float32"))
        >>> cell.name
        'scouts-35322febc0c0'
    """

    method: str
    data: str
    network: str
    seeds: Sequence[int]
    recipe: Recipe = Recipe()
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    keep: tuple[str, ...] = ("panel", "log_probabilities")
    scouts: "Cell | None" = None

    def __post_init__(self) -> None:
        """Refuse what no method could run.

        Raises:
            StudyError: A method, a network or something to keep isn't known; there are no seeds, or one twice.
        """
        object.__setattr__(self, "seeds", tuple(int(seed) for seed in self.seeds))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"A cell needs distinct seeds, not {self.seeds}.")
        if self.recipe.precision == "auto":
            raise StudyError("A cell says its precision, so that no two machines differ: Recipe(precision='float32').")
        check_known(self.method, METHODS, "method")
        for what in self.keep:
            check_known(what, KEPT, "thing to keep")
        if ":" not in self.network:
            check_known(self.network, NETWORKS, "network")

    def but(self, **changes: Any) -> "Cell":
        """Give the same cell with other values in some fields.

        Args:
            **changes: Fields of a cell, or of its recipe.

        Returns:
            A new cell.

        Raises:
            StudyError: A field isn't known; the nearest one is suggested.
        """
        own, recipe = ({f.name for f in fields(kind)} for kind in (Cell, Recipe))
        for name in changes:
            check_known(name, sorted(own | recipe), "field of a cell or its recipe")
        inner = {name: value for name, value in changes.items() if name not in own}
        outer = {name: value for name, value in changes.items() if name in own}
        return replace(self, recipe=replace(outer.pop("recipe", self.recipe), **inner), **outer)

    def content(self) -> dict[str, Any]:
        """Describe the cell in plain values, the ground of its name.

        Returns:
            Its fields, those left at their default not named: one that is added later, with a default that changes
            nothing, leaves every name as it was.
        """
        plain = {"recipe_version": RECIPE_VERSION, "seeds": list(self.seeds), "keep": sorted(self.keep)}
        plain |= {name: getattr(self, name) for name in ("method", "data", "network")}
        plain |= {name: dict(value) for name in ("options", "settings") if (value := getattr(self, name))}
        usual = Recipe().describe()
        plain["recipe"] = {k: v for k, v in self.recipe.describe().items() if v != usual[k]}
        if self.scouts is not None:
            plain["scouts"] = self.scouts.name
        return plain

    @property
    def name(self) -> str:
        """Method and hash of the content; the name of its stored result."""
        text = json.dumps(self.content(), sort_keys=True)
        return f"{self.method}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def folder(self) -> str:
        """Name of the folder that the results of this pair of data and network share."""
        return f"{self.data}-{self.network.split(':')[-1]}".replace("_", "-")

    def builder(self, data) -> Builder:
        """Make the builder of its networks, sized for a data set."""
        if ":" not in self.network:
            return network(self.network, data, **self.options)
        make = resolve_name(self.network)
        return lambda: make(tuple(data.image_shape), data.n_classes, **self.options)

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Study:
    """A named list of cells.

    Attributes:
        name: What the commands call it.
        title: What it is for.
        cells: In the order in which they are computed; scouts first.
        summary: What is made of them once all are there; a key of `summaries.SUMMARIES`.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]
    summary: str = "reference"

    def __post_init__(self) -> None:
        """Put each cell's scouts, where they are not listed, at the front."""
        scouts = [cell.scouts for cell in self.cells if cell.scouts is not None]
        object.__setattr__(self, "cells", tuple(dict.fromkeys([*scouts, *self.cells])))

    @property
    def folder(self) -> str:
        """Name of the folder that holds its results."""
        return self.cells[0].folder

    @property
    def command(self) -> str:
        """What to type to run it."""
        return f"lnescape study {self.name}"


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that isn't known, and suggest the nearest.

    Args:
        name: What was given.
        known: The names there are.
        what: What is named, for the message.

    Raises:
        StudyError: The name isn't among them.
    """
    known = list(known)
    if name not in known:
        raise StudyError(f"There is no {what} {name!r}; {nearest(name, known)}")
