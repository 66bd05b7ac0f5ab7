"""What every method takes, and what is refused before anything is trained."""

from collections.abc import Mapping
from inspect import signature
from numbers import Integral
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypedDict

import torch

from lnescape.checks import nearest
from lnescape.laws import Members
from lnescape.training import Recipe


class Options(TypedDict, total=False):
    """What every method takes besides builder, data and budget.

    Attributes:
        seed: Seed of the method. Its trainings have the seeds 100·seed to 100·seed + 99: the same in every method
            and for every budget, and never those of another seed.
        recipe: Recipe of one plain training, the unit of the budget; that of the given networks, else `Recipe()`,
            unless given.
        device: Where; the data's own device unless given.
        folder: Where the states of trainings are kept. A killed call goes on from there, and what another method or a
            smaller budget has trained already isn't trained again.
        progress: Show bars with the time left.
    """

    seed: int
    recipe: Recipe | None
    device: torch.device | str | None
    folder: Path | str | None
    progress: bool


def check_names(method: str, options: Mapping[str, Any]) -> None:
    """Refuse what is no argument of the method.

    Args:
        method: Its name.
        options: What was given besides the method's own arguments.

    Raises:
        TypeError: A name isn't known; the nearest is suggested.
    """
    taken = signature(resolve_name(f"lnescape.methods:{method}")).parameters
    known = [name for name in taken if name not in ("net", "data", "options")] + list(Options.__annotations__)
    for name in options:
        if name not in Options.__annotations__:
            raise TypeError(f"{method} takes no argument {name!r}; {nearest(name, known)}")


def checked_runs(runs: Any, length: int) -> Members:
    """Refuse networks that aren't there, or that another builder made.

    Args:
        runs: What was given.
        length: Parameters of the builder's networks.

    Returns:
        The networks.

    Raises:
        TypeError: No law of members.
        ValueError: None, or of another number of parameters.
    """
    if not isinstance(runs, Members):
        raise TypeError(f"runs are a {type(runs).__name__}; pass what lnescape.fit or lnescape.members returns.")
    if len(runs) == 0 or runs.n_parameters != length:
        raise ValueError(
            f"runs are {len(runs)} networks of {runs.n_parameters} parameters, the builder's have {length}; pass at "
            "least one network that this builder made."
        )
    return runs


def checked_count(value: Any, least: int, refusal: str) -> int:
    """Refuse what is no whole number from `least` on, with a sentence that begins with the value.

    Args:
        value: What was given.
        least: The smallest that makes sense.
        refusal: What to say.

    Returns:
        The number.

    Raises:
        ValueError: It isn't one.
    """
    if not isinstance(value, Integral) or value < least:
        raise ValueError(refusal)
    return int(value)
