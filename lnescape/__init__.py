"""Paths and simplexes between trained neural networks, and what they say about uncertainty."""

from lnescape.data import DataError, Dataset, Split, augment, dataset, load
from lnescape.landscape import Survey, along, barrier, plane, survey, triangle
from lnescape.laws import Law, Members, SubspaceLaw, load_law
from lnescape.networks import cnn, mlp, network, resnet, wide_resnet
from lnescape.subspaces import Bezier, PolyChain, Segment, Simplex
from lnescape.training import Cost, Recipe, TrainingError, fit, fit_subspace, members
from lnescape.weights import theta_of

__version__ = "0.1.0"
