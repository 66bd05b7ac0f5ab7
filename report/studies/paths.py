"""Experiments of the first part: ensembles, the line and the curve between two networks, learned triangles."""

import numpy as np
import torch

from lnescape.landscape import along, plane, survey
from lnescape.landscape import triangle as surveyed_triangle
from lnescape.laws import Law
from lnescape.scores import accuracy, nll
from lnescape.study.cells import StudyError
from lnescape.study.observation import Observation
from lnescape.subspaces import Bezier, Segment, Simplex
from lnescape.training import fit, fit_subspace

N_DRAWS, N_SUBSETS = 20, 20  # networks drawn from a subspace; subsets of an ensemble's members
N_TRAINING_IMAGES = 10_000  # of the training loss: its standard error is far below any barrier
N_MAP_IMAGES = 2_000  # of the map of one plane
# Names of the axes: "base" in front of what is surveyed for each base of a study; for a map one base is enough.
_ALONG = {f"{kind}_{where}_{what}": ("base", "t") for kind in ("line", "curve") for where in ("train", "test")
          for what in ("loss", "accuracy")}  # fmt: skip
AXES = _ALONG | {
    "t": ("t",),
    "line_length": ("base",),
    "curve_length": ("base",),
    "curve_ensemble": ("base", "score"),
    "plane_positions": ("plane_point", "direction"),
    "plane_loss": ("plane_point",),
    "plane_anchors": ("anchor", "direction"),
    "simplex_ensemble": ("base", "score"),
    "simplex_midpoint": ("base", "score"),
    "simplex_vertices": ("base", "vertex", "score"),
    "simplex_cosines": ("base", "edge"),
    "validation_nll": ("base", "value_u_n"),
    "triangle_coefficients": ("triangle_point", "vertex"),
    "triangle_loss": ("triangle_point",),
    "single": ("member", "score"),
    "ensemble_accuracy": ("members",),
    "ensemble_nll": ("members",),
}


def scores(logp: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Give accuracy and NLL of the mean prediction."""
    return float(accuracy(logp, labels)), float(nll(logp, labels))


def ensemble(cell, data, panel, chosen) -> Observation:
    """Train the members of a deep ensemble; score 1 to M of them, means over at most 20 random subsets each."""
    law = _fit(cell, data)
    logp, labels = law.predict(data.evaluation.images), data.evaluation.labels
    rng, size, means = np.random.RandomState(0), len(logp), []
    for members in range(1, size + 1):
        subsets = sorted({tuple(sorted(rng.permutation(size)[:members])) for _ in range(N_SUBSETS)})
        means.append(np.mean([scores(logp[list(rows)], labels) for rows in subsets], 0))
    return _observed(
        {
            "single": np.array([scores(own, labels) for own in logp]),
            "ensemble_accuracy": np.array(means)[:, 0],
            "ensemble_nll": np.array(means)[:, 1],
        }
    )


def pair(cell, data, panel, chosen) -> Observation:
    """Train two networks, survey the line between them, learn the curve and survey that."""
    test, number = data.evaluation, cell.seeds[0] // 2
    train = data.train.subset(slice(0, N_TRAINING_IMAGES))
    runs = _fit(cell, data)
    bend = Bezier.between(*runs)
    curve = fit_subspace(runs.net, data, bend, seed=number, recipe=cell.recipe, progress=False)
    out: dict[str, np.ndarray] = {}
    for kind, path in (("line", Segment.between(*runs)), ("curve", curve.subspace)):
        for where, split in (("train", train), ("test", test)):
            seen = along(runs, path, split)
            out |= {"t": seen.coordinates, f"{kind}_{where}_loss": seen.loss, f"{kind}_{where}_accuracy": seen.accuracy}
        out[f"{kind}_length"] = np.array(path.length())
    out["curve_ensemble"] = np.array(_drawn(curve, test, number))
    if number == 0:  # the map of the figure: one base is enough to look at
        seen = plane(runs, curve.subspace.vertices[[0, 2, 1]], data.train.subset(slice(0, N_MAP_IMAGES)))
        out |= {"plane_positions": seen.coordinates, "plane_loss": seen.loss, "plane_anchors": seen.anchors}
    return _observed(out)


def triangle(cell, data, panel, chosen) -> Observation:
    """Learn a triangle of networks from scratch and survey it."""
    test, (seed,) = data.evaluation, cell.seeds
    weight = cell.settings.get("cosine_weight", 1.0)
    net, shape = cell.builder(data), Simplex.from_scratch(3)
    law = fit_subspace(net, data, shape, seed=seed, recipe=cell.recipe, cosine_weight=weight, progress=False)
    corners = torch.nn.functional.normalize(law.vectors)
    validation = nll(law.predict(data.validation.images, n=N_DRAWS, seed=seed), data.validation.labels)
    out = {
        "simplex_ensemble": np.array(_drawn(law, test, seed)),
        "simplex_midpoint": np.array(survey(law, law.midpoint().unsqueeze(0), test))[::-1, 0],
        "simplex_vertices": np.stack(survey(law, law.vectors, test)[::-1], 1),
        "simplex_cosines": (corners @ corners.T)[[0, 0, 1], [1, 2, 2]].cpu().numpy(),
        "validation_nll": np.array([validation.value, validation.u, validation.n]),
    }
    if seed == 0:
        seen = surveyed_triangle(law, law.subspace, test)
        out |= {"triangle_coefficients": seen.coordinates, "triangle_loss": seen.loss}
    return _observed(out)


def _fit(cell, data):
    # In groups of two, wherever they batch: the members of the ensemble are then those of the pairs, bit for bit.
    law = fit(cell.builder(data), data, seeds=cell.seeds, recipe=cell.recipe, workers=1, group=2, progress=False)
    if law.failed:
        raise StudyError(f"Seed {next(iter(law.failed))} diverged; lower the learning rate of the recipe.")
    return law


def _drawn(law: Law, split, seed: int) -> tuple[float, float]:
    return scores(law.predict(split.images, n=N_DRAWS, seed=seed), split.labels)


def _observed(arrays: dict[str, np.ndarray]) -> Observation:
    """Name the axes; surveys are kept in the precision of figures and tables."""
    seen = Observation(axes={name: AXES[name] for name in arrays})
    for name, array in arrays.items():
        array = np.asarray(array, np.float32)
        seen.arrays[name] = array[None] if AXES[name][0] == "base" else array
    return seen
