"""The panel: the fixed images on which every retraining of a study is observed."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lnescape.data import Dataset, load
from lnescape.data.shifts import KINDS, STRENGTHS

N_TEST, N_AWAY = 2000, 250  # test images; images of each shifted set and of the foreign one
N_EXPLORED_TEST = 1000  # test images on which laws are observed, besides all calibration images
N_WATCHED = {"calibration": 3000, "test": 1000}  # images on which covariates are observed, besides all others
N_LOG_PROBABILITIES = 1000  # test images of which all log-probabilities are kept
PARTS = ("calibration", "test", *(f"{kind} {strength}" for kind in KINDS for strength in STRENGTHS), "foreign")


@dataclass(frozen=True)
class Panel:
    """Images in a fixed order: calibration, test, nine shifted sets, foreign.

    Args:
        images: Normalised, [images, channels, height, width].
        labels: Right classes, −1 for foreign images.
        part: For each image its part, an index into `PARTS`.
    """

    images: Tensor | None
    labels: Tensor | None
    part: np.ndarray

    @property
    def test(self) -> slice:
        """Where the test images lie."""
        return slice(*np.searchsorted(self.part, [1, 2]).tolist())

    @property
    def calibration(self) -> slice:
        """Where the calibration images lie."""
        return slice(0, self.test.start)

    @property
    def explored(self) -> slice:
        """Where the images lie on which laws are observed: the calibration part and the first of the test part."""
        return slice(0, min(self.test.start + N_EXPLORED_TEST, self.test.stop))

    @property
    def watched(self) -> np.ndarray:
        """Number the images on which covariates are observed: the first ones of calibration and test, all others."""
        parts = [np.flatnonzero(self.part == k)[: N_WATCHED.get(name)] for k, name in enumerate(PARTS)]
        return np.concatenate(parts)

    @property
    def predicted(self) -> slice:
        """Where the images lie of which all log-probabilities are kept."""
        return slice(self.test.start, min(self.test.start + N_LOG_PROBABILITIES, self.test.stop))


def panel_of(data: Dataset) -> Panel:
    """Put together the panel of a data set.

    Args:
        data: The data set; all its calibration images, its first 2 000 test images, and the first 250 of each
            shifted set and of the foreign one are taken.

    Returns:
        The panel, on the device of the data.

    Example:
        >>> panel = panel_of(load("digits"))
        >>> len(panel.images), panel.test, panel.explored
        (2400, slice(200, 400, None), slice(0, 400, None))
    """
    away = [data.shifted(kind, strength) for kind in KINDS for strength in STRENGTHS] + [data.foreign]
    splits = [data.calibration, data.test.subset(slice(0, N_TEST)), *(s.subset(slice(0, N_AWAY)) for s in away)]
    part = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    images, labels = (torch.cat([getattr(split, what) for split in splits]) for what in ("images", "labels"))
    return Panel(images, labels, part)


@lru_cache(maxsize=1)
def data_and_panel(name: str, device: str) -> tuple[Dataset, Panel]:
    """Load a data set and its panel once in a process."""
    data = load(name, device=device)
    return data, panel_of(data)
