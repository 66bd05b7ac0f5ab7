"""The verdict of one gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lnescape.results import ResultError

HOLDS = " holds"  # ends the names of the parts of a claim


@dataclass(frozen=True)
class Verdict:
    """Hold the verdict of one gate.

    Args:
        gate: "G0", "G2", …
        claim: What it asks.
        passed: Whether it holds.
        numbers: What it was decided by: estimates and plain numbers, by name.
        n: How many retrainings, or other things, are behind it.
        counted: What n counts.
        decided: False where what isn't measured yet can still turn the verdict.
    """

    gate: str
    claim: str
    passed: bool
    numbers: dict
    n: int
    counted: str = "retrainings"
    decided: bool = True

    @property
    def word(self) -> str:
        """The verdict in one word or two."""
        if not self.decided:
            return "undecided, holds so far" if self.passed else "undecided"
        return "passed" if self.passed else "FAILED"

    @property
    def failing(self) -> str:
        """Name the parts of the claim that fail, of a claim that has parts ("coverage under shift holds": False)."""
        parts = (name for name, value in self.numbers.items() if name.endswith(HOLDS) and value is False)
        return ", ".join(name.removesuffix(HOLDS) for name in parts)

    def __str__(self) -> str:
        lines = [f"{self.gate} {self.word} (n = {self.n} {self.counted}): {self.claim}"]
        lines += [f"   {name}: {_shown(value)}" for name, value in self.numbers.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """Turn the verdict into what a stored result holds."""
        return {"claim": self.claim, "passed": self.passed, "decided": self.decided, "n": self.n} | self.numbers

    @classmethod
    def from_dict(cls, gate: str, stored: Mapping[str, Any]) -> "Verdict":
        """Turn what a stored result holds into the verdict again.

        Args:
            gate: "G0", "G2", …
            stored: What `to_dict` gave.

        Returns:
            The verdict.

        Raises:
            ResultError: It holds no verdict.

        Example:
            >>> verdict = Verdict("G5", "both", False, {"REN holds": True, "coverage holds": False}, 24)
            >>> again = Verdict.from_dict("G5", verdict.to_dict())
            >>> again == verdict, again.failing
            (True, 'coverage')
        """
        parts = ("claim", "passed", "decided", "n")
        if lacking := [name for name in parts if name not in stored]:
            raise ResultError(
                f"This is no stored verdict of {gate}, it lacks {lacking[0]!r}; give what `to_dict` gave."
            )
        own = {name: stored[name] for name in parts}
        return cls(gate, **own, numbers={name: value for name, value in stored.items() if name not in own})


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
