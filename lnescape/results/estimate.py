"""One reported number with its uncertainty, and whether two of them agree."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np

from lnescape.checks import one_of

# Outside these powers of ten a number is easier to read in scientific notation.
PLAIN_EXPONENTS = range(-4, 6)
INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Estimate:
    """One estimate: value, standard uncertainty, degrees of freedom, unit.

    Prints as value(u) unit, u in units of the last digit shown and rounded to two digits.

    References: JCGM 100:2008 (GUM), 7.2.2 for the notation, 7.2.6 for the two digits.

    >>> print(Estimate(0.48412, 0.0213, unit="nat"), Estimate(0.983, 0.012).scaled(100, "%"))
    0.484(21) nat 98.3(1.2) %
    """

    value: float  #: in `unit`; nan where it is undefined
    u: float  #: standard uncertainty, in `unit`, ≥ 0; nan where it is unknown
    _: KW_ONLY
    dof: float = math.inf  #: degrees of freedom of `u`, ≥ 0; infinite where `u` is known exactly
    unit: str = ""  #: printed after the number; empty for a plain number
    evaluation: str = "A"  #: "A" from repeated observations, "B" by other means, "A+B" from both
    n: int | None = None  #: number of observations behind the estimate

    def __post_init__(self) -> None:
        """Turn numpy and torch scalars into floats; raise unless u and dof are those of an uncertainty."""
        for name in ("value", "u", "dof"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.n is not None:
            object.__setattr__(self, "n", int(self.n))
        if self.u < 0 or self.dof < 0:
            raise ValueError(f"u = {self.u} or dof = {self.dof} is negative; pass the root of a variance, and n - 1.")
        one_of(self.evaluation, ("A", "B", "A+B"), "evaluation")

    @classmethod
    def mean(cls, values: Iterable[float], *, unit: str = "") -> "Estimate":
        """Estimate a mean x̄ from independent observations, u = s/√n, n − 1 degrees of freedom (Type A, GUM, 4.2).

        Args:
            values: The observations, in `unit`, at least one; one alone leaves `u` unknown (nan).
            unit: Unit of the values.

        Returns:
            The mean with its standard uncertainty, in `unit`.

        Raises:
            ValueError: There is no observation.

        >>> print(Estimate.mean([0.46, 0.48, 0.50, 0.52], unit="nat"))
        0.490(13) nat
        """
        if hasattr(values, "detach"):  # a tensor, on whatever device
            values = values.detach().cpu().double().numpy()
        sample = np.asarray(values if hasattr(values, "__len__") else list(values), np.float64)
        n = sample.size
        if n == 0:
            raise ValueError("a mean needs at least one observation, and the sample is empty.")
        with np.errstate(invalid="ignore"):  # an infinite observation: the mean is, u is unknown
            u = float(sample.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
            return cls(float(sample.mean()), u, dof=n - 1, unit=unit, n=n)

    def expanded(self, coverage: float = 0.95) -> float:
        """Return U = t_p(dof) u, half the interval of this coverage (GUM, G.3), in `unit`; nan without dof."""
        from scipy import stats

        if not 0 < coverage < 1:
            raise ValueError(f"coverage = {coverage} isn't a probability between 0 and 1; try 0.95.")
        if self.dof == 0:
            return math.nan
        return float(stats.t.ppf((1 + coverage) / 2, self.dof)) * self.u

    def scaled(self, factor: float, unit: str) -> "Estimate":
        """Express the estimate in another unit: one of the old is `factor` of the new, 100 from a fraction to %."""
        return replace(self, value=self.value * factor, u=self.u * abs(factor), unit=unit)

    def to_dict(self) -> dict:
        """Return the estimate as plain values, for JSON: its text, and its fields but for usual ones; nan is None."""
        numbers = {name: float_to_json(getattr(self, name)) for name in ("value", "u", "dof")}
        fields = {**numbers, "unit": self.unit, "evaluation": self.evaluation, "n": self.n, "text": str(self)}
        return {name: value for name, value in fields.items() if name not in USUAL or USUAL[name] != value}

    @classmethod
    def from_dict(cls, fields: dict) -> "Estimate":
        """Restore an estimate from the values of `to_dict`; "text" is ignored."""
        fields = USUAL | fields
        value, u, dof = (float_from_json(fields[name]) for name in ("value", "u", "dof"))
        return cls(value, u, dof=dof, unit=fields["unit"], evaluation=fields["evaluation"], n=fields["n"])

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        number = _notation(self.value, self.u)
        return f"{number} {self.unit}" if self.unit and number != "nan" else number


USUAL: dict[str, Any] = {"dof": "Infinity", "unit": "", "evaluation": "A"}  # left out of JSON


def is_estimate(fields: Mapping[str, Any]) -> bool:
    """Return whether an object of JSON is a stored estimate: by exactly its keys."""
    return fields.keys() - USUAL.keys() == {"value", "u", "n", "text"}


def _notation(value: float, u: float) -> str:
    """Write value(u), both to the place of the second digit of u."""
    if not math.isfinite(value):
        return str(value)
    if u < 1e-15 * abs(value) or u == 0:  # below the rounding of a float there is no digit to show
        return f"{value + 0.0:.6g}"  # no "-0"
    if not math.isfinite(u):
        return f"{value:.6g}({u})"
    x, s, power = _rounded(value, u)
    digits = format(s, "f") if s >= 1 else "".join(map(str, s.as_tuple().digits))
    return f"{x:f}({digits}){power}"


def _rounded(value: float, u: float) -> tuple[Decimal, Decimal, str]:
    """Round both to the second digit of u; where that takes many digits, take a power of ten out, given as text."""
    x, s = Decimal(repr(float(value))), _at_two_digits(u)
    x = x.quantize(Decimal(1).scaleb(int(s.as_tuple().exponent)), ROUND_HALF_EVEN)
    x = abs(x) if x == 0 else x  # no "-0.00"
    leading = max(x.adjusted() if x else s.adjusted(), s.adjusted())
    if leading in PLAIN_EXPONENTS:
        return x, s, ""
    return x.scaleb(-leading), s.scaleb(-leading), f"e{leading:+03d}"


def _at_two_digits(u: float) -> Decimal:
    """Round to two significant digits, as it is written: 0.0996 becomes 0.10, not 0.100."""
    return Decimal(f"{Decimal(repr(float(u))):.1e}")


def share_text(p: float) -> str:
    """Return a share as it was chosen, in per cent."""
    return f"{100 * p:.4g} %"


def percent(p: float) -> str:
    """Return a risk in per cent; below 1 %, it has not been verified (report, decisions)."""
    return "< 1 %" if p < 0.01 else "> 99 %" if p > 0.99 else f"{100 * p:.1f} %"


def probability_text(p: float) -> str:
    """Return a probability with two digits of its distance from 0 or 1, whichever is nearer."""
    if not 1e-9 < p < 1 - 1e-9:
        return "< 1e-9" if p < 0.5 else "> 0.999999999"
    place = int(_at_two_digits(min(p, 1 - p)).as_tuple().exponent)
    return f"{p:.{max(2, -place)}f}"


def two_digits(x: float) -> str:
    """Return a number with two digits."""
    return _at(x, x)


def value_and_u(value: float, u: float) -> tuple[str, str]:
    """Return a value and its uncertainty apart, both to the place of the second digit of u."""
    return _at(value, u), two_digits(u)


def interval_text(low: float, high: float) -> str:
    """Return both ends of an interval in one notation, to the place of the second digit of half its length."""
    ends = [_at(end, (high - low) / 2) for end in (low, high)]
    if math.isfinite(high - low) and len({"e" in end for end in ends}) == 2:
        ends = [f"{Decimal(end):f}" for end in ends]
    return f"[{', '.join(ends)}]"


def _at(x: float, u: float) -> str:
    """Return a number to the place of the second digit of another."""
    if not math.isfinite(x) or not math.isfinite(u) or abs(u) <= 1e-15 * abs(x):
        return f"{x + 0.0:.6g}"
    rounded, _, power = _rounded(x, abs(u))
    return f"{rounded:f}{power}"


def normalised_error(a: Estimate, b: Estimate) -> float:
    """Compare two independent estimates of a quantity; they agree where E_n = |a − b| / (2 √(u_a² + u_b²)) ≤ 1.

    Args:
        a: One estimate.
        b: Another, in the same unit.

    Returns:
        E_n ≥ 0; 0 for equal values without uncertainty, ∞ for different ones, nan if unknown.

    Raises:
        ValueError: The units differ.

    References: ISO 13528:2022, 9.7; ISO/IEC 17043.

    >>> round(normalised_error(Estimate(0.484, 0.021), Estimate(0.520, 0.015)), 3)
    0.697
    """
    if a.unit != b.unit:
        what = f"an estimate in {a.unit or 'no unit'!r} cannot be compared with one in {b.unit or 'no unit'!r}"
        raise ValueError(f"{what}; bring both to one unit with .scaled(factor, unit).")
    distance, u = abs(a.value - b.value), math.hypot(a.u, b.u)
    if math.isnan(distance) or math.isnan(u):
        return math.nan
    if u == 0:
        return 0.0 if distance == 0 else math.inf
    return distance / (2 * u)


def float_to_json(x: float) -> float | str | None:
    """Write a float so that JSON can hold it: nan as null, infinities as words."""
    if math.isnan(x):
        return None
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return x


def float_from_json(x: float | str | None) -> float:
    """Read a number that `float_to_json` wrote."""
    if x is None:
        return math.nan
    return INFINITIES[x] if isinstance(x, str) else float(x)
