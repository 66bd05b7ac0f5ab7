"""Checks of single arguments: a whole number, a real number, an array of numbers, one of a few names.

Every subpackage (room) checks its arguments here, so that a mistake raises the same error everywhere. Checks of only
one room, such as the shape of images, are in that room.
"""

import difflib
import math
import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

MOST_NAMES = 40  # that a message lists; METHODS, groups and data sets have fewer


def whole(
    value: Any, name: str, *, least: int | None = None, most: int | None = None, error: type[Exception] | None = None
) -> int:
    """Return `value` as int; raise unless it is a whole number from `least` to `most` (numpy scalars are welcome)."""
    wanted = f"{name} must be a whole number{_range(least=least, most=most)}, not {shown(value)}."
    try:
        number = operator.index(value)
    except TypeError:
        raise (error or TypeError)(wanted) from None
    if _is_boolean(value):
        raise (error or TypeError)(wanted)
    if not (least is None or number >= least) or not (most is None or number <= most):
        raise (error or ValueError)(wanted)
    return number


def real(
    value: Any, name: str, *, above: float | None = None, least: float | None = None, below: float | None = None,
    most: float | None = None, error: type[Exception] | None = None,
) -> float:  # fmt: skip
    """Return `value` as float; raise unless it is a finite number within the bounds (numpy scalars are welcome)."""
    bounds = _range(above=above, least=least, below=below, most=most)
    wanted = f"{name} must be a finite number{bounds}, not {shown(value)}."
    scalar = value.item() if getattr(value, "ndim", None) == 0 else value  # numpy and torch alike
    if not isinstance(scalar, Real) or _is_boolean(scalar):
        raise (error or TypeError)(wanted)
    try:
        number = float(scalar)
    except OverflowError:  # an integer beyond the largest float
        raise (error or ValueError)(wanted) from None
    held = ((above, operator.gt), (least, operator.ge), (below, operator.lt), (most, operator.le))
    if not math.isfinite(number) or any(bound is not None and not holds(number, bound) for bound, holds in held):
        raise (error or ValueError)(wanted)
    return number


def one_of(value: Any, known: Iterable[str], what: str, *, error: type[Exception] = ValueError) -> str:
    """Return `value`; raise, with the nearest known name, unless it names a known `what`, such as "data set"."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise error(f"There is no {what} {shown(value)}{nearest(value, known)}")
    return value


def instance(
    value: Any, kind: type | tuple[type, ...], name: str, cure: str, *, error: type[Exception] = TypeError
) -> Any:
    """Return `value`; raise, with a cure, unless it is of a kind."""
    if not isinstance(value, kind):
        found = type(value).__name__
        raise error(f"{name} is {'an' if found[0] in 'aeiouAEIOU' else 'a'} {found}; {cure}.")
    return value


def checked_device(device: Any) -> Any:
    """Return the torch.device; raise unless something can be computed there."""
    import torch

    try:
        probe = torch.zeros(1, device=device)
        probe.item()
    except (RuntimeError, AssertionError, TypeError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"Nothing can be computed on device {str(device)!r} ({cause}); use 'cpu'.") from error
    return probe.device  # with its number: that of tensors on it


def array(values: Any, name: str, axes: str) -> Any:
    """Return `values` as a float64 array; raise unless they are real numbers with axes as "networks images" names."""
    wanted = f"{name} must be real numbers [{axes.replace(' ', ', ')}], "
    try:
        found = numbers(values)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{wanted}an array or lists of one length, not {shown(values)} ({error}).") from None
    if found.ndim != len(axes.split()):
        raise ValueError(f"{wanted}not of shape {found.shape}; give one axis for each of these.")
    return found.astype("float64")


def numbers(values: Any) -> Any:
    """Return real numbers as a numpy array; raise, with the bare cause, for anything else."""
    parts = [of_torch(one) for one in (values if isinstance(values, (list, tuple)) else [values])]
    if n := sum(np.ma.count_masked(one) for one in parts if isinstance(one, np.ma.MaskedArray)):
        raise ValueError(f"{n} numbers are masked; leave them out or fill them")
    found = np.asarray(parts if isinstance(values, (list, tuple)) else parts[0])
    if found.dtype == object:  # such as a column of pandas that may hold missing values
        found = np.array(found.tolist())
    if found.dtype.kind not in "biuf":
        raise TypeError("it holds something else, such as text, dates, complex, missing or sparse numbers")
    return found


def of_torch(value: Any) -> Any:
    """Return a tensor as a numpy array, which knows no bfloat16 and no gradients; other things as they are."""
    if not hasattr(value, "detach"):
        return value
    plain = value.detach().cpu()
    return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()


def texts(values: Any, n: int, what: str, *, error: type[Exception] = ValueError) -> tuple[str, ...]:
    """Return n names as text, their numbers where none are given; raise unless each is given once, in a line."""
    values = range(n) if values is None else values
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{what} is {shown(values)}; pass a list of {n}.")
    found = tuple(map(str, values))
    if len(found) != n or not all(map(str.isprintable, found)):
        raise error(f"{what}: {n} are needed, and {len(found)} were given; give {n} different ones, no line breaks.")
    seen: dict[str, int] = {}
    for k, name in enumerate(found):
        if (first := seen.setdefault(name, k)) < k:
            raise error(f"{what}: {shown(name)} stands at {first} and at {k}; give {n} different ones.")
    return found


def units_of(unit: Any, n: int, *, error: type[Exception] = ValueError) -> tuple[str, ...]:
    """Return the unit of each of n outputs; raise unless one text is given for all, or one for each."""
    units = (unit,) * n if isinstance(unit, str) else unit
    if (
        not isinstance(units, (tuple, list))
        or len(units) != n
        or not all(isinstance(one, str) and one.isprintable() for one in units)
    ):
        what = f"unit is {shown(unit)}, and there {'are' if n > 1 else 'is'} {n} output{'s' * (n > 1)}"
        raise error(f"{what}; give one text in a line, such as '°' or 'mm', or one for each output.")
    return tuple(units)


def check_no_copies(networks: Any) -> None:
    """Raise where two networks are equal, in weights or in all predictions."""
    for number, one in enumerate(networks):
        if (first := next(k for k, other in enumerate(networks) if bool((other == one).all()))) < number:
            raise ValueError(f"Networks {first} and {number} are identical, not two retrainings; leave one out.")


def nearest(name: object, known: Iterable[str]) -> str:
    """Return the end of a message: the nearest known name, and all known names."""
    known = list(known)
    by_small_letters = {other.lower(): other for other in known}
    close = difflib.get_close_matches(str(name).lower(), by_small_letters, n=1, cutoff=0.5)
    guess = f"; did you mean {by_small_letters[close[0]]!r}?" if close else "."
    listed = known if len(known) <= MOST_NAMES else [*known[:5], "…", known[-1]]
    return f"{guess} There are: {', '.join(listed)}."


def _range(
    *, above: float | None = None, least: float | None = None, below: float | None = None, most: float | None = None
) -> str:
    """Return the bounds in words, such as " of at least 1", or nothing."""
    if least is not None and most is not None:
        return f" from {least} to {most}"
    words = (("above", above), ("of at least", least), ("below", below), ("of at most", most))
    parts = [f"{word} {bound}" for word, bound in words if bound is not None]
    return f" {' and '.join(parts)}" if parts else ""


def shown(value: object) -> str:
    """Return the value as it is written, at most 80 characters; numpy scalars without their type."""
    text = repr(value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"


def _is_boolean(value: object) -> bool:
    """Return whether `value` is a boolean of Python, numpy or torch."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
