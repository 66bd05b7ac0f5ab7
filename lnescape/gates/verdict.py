"""The verdict of one gate."""

from dataclasses import dataclass


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

    def __str__(self) -> str:
        lines = [f"{self.gate} {self.word} (n = {self.n} {self.counted}): {self.claim}"]
        lines += [f"   {name}: {_shown(value)}" for name, value in self.numbers.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """Turn the verdict into what a stored result holds."""
        return {"claim": self.claim, "passed": self.passed, "decided": self.decided, "n": self.n} | self.numbers


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
