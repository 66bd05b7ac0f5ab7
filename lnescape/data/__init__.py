"""Data sets: real images in fixed parts, a user's own, and drawn stand-ins that are named as such."""

from .inputs import DataError, Values
from .known import NAMES, load, torchvision, where_found
from .splits import Dataset, Split, dataset

__all__ = ["NAMES", "DataError", "Dataset", "Split", "Values", "dataset", "load", "torchvision", "where_found"]
