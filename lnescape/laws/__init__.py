"""Laws: every way to many networks, under one protocol."""

from lnescape.laws.law import Law, Members, Mixture, SubspaceLaw, load_law, predict_at
from lnescape.laws.noise import DropoutLaw, GaussianLaw, KroneckerLaw

__all__ = [
    "DropoutLaw", "GaussianLaw", "KroneckerLaw", "Law", "Members", "Mixture", "SubspaceLaw", "load_law", "predict_at",
]  # fmt: skip
