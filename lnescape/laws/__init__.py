"""Laws: all ways of drawing networks, under one protocol."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lnescape.laws.law import Law, Members, Mixture, SubspaceLaw, law_of, predict_at

if TYPE_CHECKING:
    from lnescape.laws.noise import DropoutLaw, GaussianLaw, KroneckerLaw

__all__ = [
    "DropoutLaw", "GaussianLaw", "KroneckerLaw", "Law", "Members", "Mixture", "SubspaceLaw", "law_of", "predict_at",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import laws of noise when they are first used."""
    if name in __all__:
        return getattr(import_module("lnescape.laws.noise"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
