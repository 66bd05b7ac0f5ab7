"""`read_study`: the stored cells of a study as one `xarray.Dataset` with named axes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnescape.covariates.explore import OUTPUTS, SHIFTS
from lnescape.study.cells import KINDS, Cell, Study, StudyError
from lnescape.study.observation import GROWING, PARTS, Panel, normalised
from lnescape.study.store import CellStore, study_named

if TYPE_CHECKING:
    import xarray

# Arrays of one number for each retraining that identify it: coordinates.
COORDINATES = (
    "seed", "initialisation", "order", "trunk", "leaves", "branch", "threads", "together", "same_bits_as", "method",
    "budget",
)  # fmt: skip


def read_study(study: str | Study, *, folder: Path | str | None = None) -> xarray.Dataset:
    """Read all stored cells of a study.

    | variable | axes | content |
    |---|---|---|
    | `log_odds`, `contrast` | retraining, image | q(x; ω) and z_c − max z_k, nat |
    | `log_probabilities` | retraining, predicted_image, class | ln p, nat, first 1 000 test images |
    | `accuracy`, `nll` | retraining | on the whole official test set; a share, nat |
    | `path_log_odds` | explored, epoch, watched_image | q at the epochs' ends |
    | `shifted_log_odds` | explored, shift, watched_image | q on the image moved by a few pixels |
    | `noise_spread` | explored, watched_image | standard deviation of q under noise on the weights |
    | `outputs` | explored, output, watched_image | functions of a network's outputs, by name |
    | `other_log_odds` | explored, other, watched_image | log-odds of the next classes after c(x) |
    | `training_loss`, `gradient_scatter`, `distance`, `pool_loss` | explored | facts about each network |

    Images carry the coordinates `part` ("calibration", "test", "rotation 1", …, "foreign"), `label` and `chosen`, the
    class c(x) that the scouts fixed; retrainings carry `seed`, or its substitute in the study, and `cell`. Arrays
    that only some cells keep of their retrainings are left out; those of only some laws are NaN for the others. Where
    laws and retrainings keep arrays of one name, that of the laws is `law_NAME`.

    Args:
        study: Its name, or the study.
        folder: Where its cells are stored; `report/results/DATA-NETWORK` unless given.

    Returns:
        The data set, float64; `attrs` holds the names of study and data, and the number of cells that are missing.

    Raises:
        StudyError: Nothing of it is stored, a cell is damaged, or cells follow different scouts.
    """
    import xarray

    study = study_named(study)
    store = CellStore(study, folder)
    store.check(writing=False)
    stored = [cell for cell in study.cells if store.has(cell)]
    if all(cell.method == "scouts" for cell in stored):
        what = "but scouts " if stored else ""
        raise StudyError(f"Nothing {what}of the study {study.name!r} is stored in {store.folder}; run {study.command}.")
    if sum(cell.method == "scouts" for cell in stored) > 1:
        raise StudyError(f"The study {study.name!r} follows several scouts; make a Study for each, and read those.")
    variables, panel, on_test = _gathered(stored, store)
    origin = store.load(stored[-1]).provenance
    attrs = {"study": study.name, "title": study.title, "data": origin["data"]["title"]}
    attrs |= {"missing": len(study.cells) - len(stored), "command": study.command}
    known = {*COORDINATES, "cell", "chosen", "label", "part", "explored_seed"}
    return xarray.Dataset(variables, _coordinates(variables, panel, on_test), attrs).set_coords(
        [name for name in variables if name.removeprefix("law_") in known]
    )


def _gathered(stored: list[Cell], store: CellStore) -> tuple[dict, Panel | None, bool]:
    """Join the cells' arrays along their growing axes; on the test images only, where some cells keep no others."""
    arrays: dict[tuple[str, str], dict[int, np.ndarray]] = {}  # name and first axis → number of the cell → array
    axes: dict[tuple[str, str], tuple[str, ...]] = {}
    panel, on_test = None, any("test" in cell.keep for cell in stored)
    for number, cell in enumerate(stored):
        found = _arrays_of(cell, store)
        if cell.method == "scouts":
            panel = Panel(torch.empty(0), torch.empty(0), found["part"][1])
        for name, (names, array) in found.items():
            if "image" in names and on_test and panel is not None:
                array = array[..., panel.test]
            array = normalised(array) if name == "log_probabilities" else array
            names = tuple("image" if axis == "test_image" else axis for axis in names)
            key = (name, names[0] if names else "")
            arrays.setdefault(key, {})[number] = array.astype(np.float64) if array.dtype.kind == "f" else array
            axes[key] = names
    everyone = len(_joined(arrays.get(("accuracy", "retraining"), {})))
    laws = sorted({number for (_, axis), parts in arrays.items() if axis == "law" for number in parts})
    variables = {}
    for (name, axis), parts in arrays.items():
        whole = next(iter(parts.values()))
        if axis in GROWING:
            whole = _joined(parts if axis != "law" else {number: parts.get(number) for number in laws})
        # Retrainings and laws both have scores, for one: the plain name is that of the retrainings.
        plain = axis == "retraining" or (name, "retraining") not in arrays
        if axis != "retraining" or len(whole) == everyone:
            variables[name if plain else f"{axis}_{name}"] = (axes[name, axis], whole)
    return variables, panel, on_test


def _arrays_of(cell: Cell, store: CellStore) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Read the arrays of one cell, {name: (axes, array)}, by the names that they have in the whole."""
    result = store.load(cell)
    found = {name: (tuple(result.numbers["axes"][name]), array) for name, array in result.arrays.items()}
    if cell.method == "scouts":
        return {name: found[name] for name in ("chosen", "label", "part")}
    if (read := KINDS[cell.method].read) is not None:
        return read(cell, found)
    if "accuracy" in found:
        found["cell"] = (("retraining",), np.array([cell.name] * len(found["accuracy"][1])))
    return found


def _joined(parts: Mapping[int, np.ndarray | None]) -> np.ndarray:
    """Join arrays along their first axis; one row of NaN replaces an array that a cell doesn't keep."""
    kept = [part for part in parts.values() if part is not None]
    if len(kept) == len(parts):
        return np.concatenate(kept) if kept else np.empty(0)
    nothing = np.full((1, *kept[0].shape[1:]), np.nan)
    return np.concatenate([nothing if part is None else part.astype(np.float64) for part in parts.values()])


def _coordinates(variables: dict, panel: Panel | None, on_test: bool) -> dict:
    """Number the images in the order of the panel, and name shifts, outputs and parts."""
    known: dict[str, Any] = {"shift": [f"{down:+d} {right:+d}" for down, right in SHIFTS], "output": list(OUTPUTS)}
    if panel is not None:
        everything = np.arange(len(panel.part))
        known |= {"image": everything[panel.test] if on_test else everything}
        known |= {"explored_image": everything[panel.explored], "predicted_image": everything[panel.predicted]}
        known |= {"watched_image": everything[panel.watched]}
        variables["part"] = (variables["part"][0], np.array(PARTS)[variables["part"][1]])
    used = {axis for axes, _ in variables.values() for axis in axes}
    if "epoch" in used:
        known["epoch"] = 1 + np.arange(variables["path_log_odds"][1].shape[1])
    return {axis: values for axis, values in known.items() if axis in used}
