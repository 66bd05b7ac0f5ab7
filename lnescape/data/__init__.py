"""Data sets: real images in fixed parts, a user's own, and drawn stand-ins that are named as such."""

from .inputs import DataError
from .known import NAMES, load, torchvision, where_found
from .shifts import KINDS, STRENGTHS
from .splits import PARTS, Dataset, Split, dataset

__all__ = [
    "KINDS", "NAMES", "PARTS", "STRENGTHS", "DataError", "Dataset", "Split", "dataset", "load",
    "torchvision", "where_found",
]  # fmt: skip
