"""Two cheap evaluations of the literature beside ours: the infinitesimal jackknife, and batches of the training data.

Both tell how other data would move a prediction, from about one training; here they are judged as estimates of u(x).
"""

from dataclasses import replace

import numpy as np
import torch
from numpy import ndarray

from lnescape.covariates import geometry as gradients
from lnescape.retraining import Evaluation, Reference, fidelity, log_odds
from lnescape.study.cells import Cell, Kind, Study, register
from lnescape.study.observation import COVARIATE_BITS, Observation, Panel
from lnescape.study.retrainings import train
from lnescape.study.store import CellStore
from report.studies.geometry import CERTAIN, level_of_others
from report.studies.moderation import Summary, assembled

N_BATCHES = 5
N_LEVEL, N_TEST = 300, 1000  # calibration images that give a level, and test images that judge
SHOWN = ("ren", "squared_error", "coverage", "rank", "scale", "bias", "dof")  # parts of the fidelity that are stored
FIRST_SEED = 7000  # of the networks that are trained on batches


def _images(panel: Panel) -> ndarray:
    """Number the images that are looked at."""
    return np.concatenate([np.flatnonzero(panel.part == k)[:n] for k, n in enumerate((N_LEVEL, N_TEST))])


def literature(cell: Cell, data, panel: Panel, chosen: ndarray) -> Observation:
    """Store ln u² by two published methods: from each network's gradients, and from networks trained on batches."""
    some = _images(panel)
    images, classes = panel.images[some], chosen[some]
    law = train(cell, data, list(cell.seeds))
    seen = Observation()
    rows = [_by_gradients(law, theta, data, images, classes, cell) for theta in law.thetas]
    for name in rows[0]:
        seen.add(name, np.stack([row[name] for row in rows]), "explored", "compared_image", bits=COVARIATE_BITS)
    by_batches = [np.log(_by_batches(cell, data, images, classes, seed)) for seed in cell.seeds]
    seen.add("batches", np.stack(by_batches), "explored", "compared_image", bits=COVARIATE_BITS)
    seen.add("explored_seed", np.array(cell.seeds), "explored")
    return seen


@torch.no_grad()
def _by_gradients(law, theta, data, images, classes: ndarray, cell: Cell) -> dict[str, ndarray]:
    """Compute ln gᵀH⁻¹SH⁻¹g/N and ln gᵀH⁻¹g/N, H = F + λI, S the covariance of the gradients of the training loss."""
    n = len(data.train)
    with law.lend(theta) as module:
        f = gradients.fisher_sketch(module, data.train.images[: gradients.N_TRAINING], seed=0)
        target = torch.as_tensor(classes, dtype=torch.int64, device=images.device)
        g = gradients.sketched_gradients(module, images, target, gradients.log_odds_of).double()
        s, mean = torch.zeros_like(f), torch.zeros_like(f[0])
        for part, labels in zip(data.train.images.split(2000), data.train.labels.split(2000), strict=True):
            rows = gradients.sketched_gradients(module, part, labels, gradients.log_probability_of).double()
            s, mean = s + rows.T @ rows / n, mean + rows.sum(0) / n
    s -= torch.outer(mean, mean)
    h = f + cell.recipe.weight_decay * torch.eye(len(f), dtype=f.dtype, device=f.device)
    solved = torch.cholesky_solve(g.T, torch.linalg.cholesky(h)).T
    found = {"jackknife": ((solved @ s) * solved).sum(1) / n, "curvature": (solved * g).sum(1) / n}
    return {name: values.log().cpu().numpy() for name, values in found.items()}


def _by_batches(cell: Cell, data, images, classes: ndarray, seed: int) -> ndarray:
    """Train one network on each of K disjoint batches of the training images; return s²/K, the variance of a mean."""
    order, q = np.random.default_rng(seed).permutation(len(data.train)), []
    for k, rows in enumerate(np.array_split(order, N_BATCHES)):
        part = replace(data, train=data.train.subset(rows))
        law = train(cell, part, [FIRST_SEED + N_BATCHES * seed + k])
        q.append(log_odds(law.predict(images).cpu().numpy(), classes)[0])
    return np.var(q, axis=0, ddof=1) / N_BATCHES


def _as_bases(cell: Cell, found: dict) -> dict:
    """Return the networks an axis of their own, since fewer are compared than explored."""
    return {name.replace("explored", "base"): (("base", *axes[1:]), array) for name, (axes, array) in found.items()}


_EACH = 2.0  # trainings: of a network, and as much again for its batches
register("literature", Kind(experiment=literature, scouts=True, explores=True, read=_as_bases,
                            trainings=lambda cell: _EACH * len(cell.seeds)))  # fmt: skip


def beside_literature(study: Study, store: CellStore) -> Summary:
    """Judge them as estimates of u(x): as they are, and with a level that the judges set."""
    everything = assembled(study, store)
    (cell,) = (cell for cell in study.cells if cell.method == "literature")
    stored = store.load(cell).arrays
    level, test = everything.where("calibration")[:N_LEVEL], everything.where("test")[:N_TEST]
    reference = Reference.of(everything.q[:, test], [(row,) for row in cell.seeds])
    found: dict = {"n": len(everything.q), "networks": len(cell.seeds), "n_batches": N_BATCHES, "images": len(test)}
    for name, dof in (("jackknife", CERTAIN), ("curvature", CERTAIN), ("batches", N_BATCHES - 1.0)):
        rows = stored[name].astype(float)
        each = list(zip(cell.seeds, rows, strict=True))
        levels = [level_of_others(everything, row, level, values[:N_LEVEL]) for row, values in each]
        for kind, add in (("as it is", np.zeros(len(rows))), ("level from the judges", np.array(levels))):
            scales = np.exp((rows[:, N_LEVEL:] + add[:, None]) / 2)
            of_each = zip(cell.seeds, scales, strict=True)
            evaluations = [Evaluation(everything.q[row, test], s, dof, 1) for row, s in of_each]
            found.setdefault(name, {})[kind] = fidelity(evaluations, reference).to_dict(*SHOWN)
        found[name]["factor on the variance"] = float(np.exp(-np.mean(levels)))
    return found, {}
