"""Laws: every way to many networks, under one protocol.

A law holds its builder, and the images that refresh its batch normalisation. It can be drawn from (`sample`), asked
for predictions (`predict`) and for its own mean and covariance (`moments`), priced (`cost`), written and read (`save`,
`load_law`).
"""

from lnescape.laws.base import Law, predict_at
from lnescape.laws.combinations import Members, SubspaceLaw
from lnescape.laws.dropout import DropoutLaw, Gate
from lnescape.laws.gaussian import GaussianLaw
from lnescape.laws.mixture import Mixture
from lnescape.laws.stored import load_law

__all__ = ["DropoutLaw", "Gate", "GaussianLaw", "Law", "Members", "Mixture", "SubspaceLaw", "load_law", "predict_at"]
