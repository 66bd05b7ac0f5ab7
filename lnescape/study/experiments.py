"""The two methods of cells that every study begins with: scouts and retrainings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from lnescape.scores import mean_prediction
from lnescape.study.cells import KEPT, Cell, Kind, register
from lnescape.study.observation import Observation, observe
from lnescape.study.panel import Panel
from lnescape.study.trained import train, watched


def scouts(cell: Cell, data, panel: Panel, chosen: None) -> Observation:
    """Train a few networks that serve for nothing else; the class of the measurand is what their mean decides."""
    law = train(cell, data, list(cell.seeds))
    chosen = mean_prediction(law.predict(panel.images)).argmax(1).cpu().numpy().astype(np.int16)
    seen = observe(law, data, panel, chosen, keep=())
    for name, array in (("chosen", chosen), ("label", panel.labels.cpu().numpy()), ("part", panel.part)):
        seen.add(name, array.astype(np.int16), "image")
    return seen


def retrainings(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Train one network for each seed, initialisation and order both from it."""
    wanted = "covariates" in cell.keep
    if wanted:
        law, path = watched(cell, data, panel.images[panel.watched], chosen[panel.watched], folder=scratch)
    else:
        law, path = train(cell, data, list(cell.seeds)), None
    seen = observe(law, data, panel, chosen, keep=cell.keep, path=path)
    seen.add("seed", np.array(cell.seeds), "retraining")
    return seen


register("scouts", Kind(experiment=scouts))
register("retrainings", Kind(experiment=retrainings, scouts=True, keep=KEPT, shares=True))


@contextmanager
def threads_of(n: int) -> Iterator[None]:
    """Compute with so many threads, and leave torch as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
