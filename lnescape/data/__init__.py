"""Data: real images in fixed parts, a user's own, and drawn ones that say so."""

from .catalogue import NAMES, load
from .checks import DataError
from .own import dataset
from .shifts import KINDS, STRENGTHS, augment
from .sources import where_found
from .splits import PARTS, Dataset, Split
from .vision import torchvision

__all__ = [
    "KINDS",
    "NAMES",
    "PARTS",
    "STRENGTHS",
    "DataError",
    "Dataset",
    "Split",
    "augment",
    "dataset",
    "load",
    "torchvision",
    "where_found",
]
