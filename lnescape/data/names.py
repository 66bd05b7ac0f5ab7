"""Help for a mistyped name."""

import difflib
from collections.abc import Iterable


def nearest(name: object, known: Iterable[str]) -> str:
    """Say which known name a mistyped one probably meant, and which there are.

    Args:
        name: What was asked for.
        known: The names there are.

    Returns:
        One clause to end an error message with.

    Example:
        >>> nearest("cifar_10", ["mnist", "cifar10"])
        "did you mean 'cifar10'? There are: mnist, cifar10."
    """
    known = list(known)
    close = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}There are: {', '.join(known)}."
