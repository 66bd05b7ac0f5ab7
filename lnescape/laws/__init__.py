"""Laws: every way to many networks, under one protocol."""

from lnescape.laws.law import Law, Members, Mixture, SubspaceLaw, mixture_of, predict_at
from lnescape.laws.noise import DropoutLaw, Gate, GaussianLaw
from lnescape.laws.stored import load_law

__all__ = [
    "DropoutLaw",
    "Gate",
    "GaussianLaw",
    "Law",
    "Members",
    "Mixture",
    "SubspaceLaw",
    "load_law",
    "mixture_of",
    "predict_at",
]
