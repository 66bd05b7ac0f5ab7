"""The methods of cells that the report adds to scouts and retrainings: what is trained, and what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnescape import scores
from lnescape.checks import real
from lnescape.covariates import explore, geometry
from lnescape.landscape import along, plane, survey
from lnescape.landscape import triangle as surveyed_triangle
from lnescape.laws import Law, Members, SubspaceLaw
from lnescape.methods import METHODS
from lnescape.retraining import effective_number, log_odds
from lnescape.retraining.prior import shared_movement
from lnescape.scores import accuracy, calibrated_log_likelihood, entropy_split, halves, mean_prediction, nll
from lnescape.study.cells import Cell, Kind, StudyError, check_known, register
from lnescape.study.observation import COVARIATE_BITS, Observation, Panel, observe
from lnescape.study.retrainings import refuse_failed, threads_of, train, watched
from lnescape.subspaces import Bezier, Segment, Simplex
from lnescape.training import TrainingError, count_operations, fit, fit_subspace, refresh_cost
from lnescape.training.descent import State, stream_seed
from report.studies.comparison import BASES, path_of


def crossed(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train every initialisation (the cell's seeds) under every order of the images (`settings["orders"]`)."""
    orders = list(cell.settings["orders"])
    pairs = [(first, order) for first in cell.seeds for order in orders]
    law = train(cell, data, [order for _, order in pairs], initialisations=[first for first, _ in pairs])
    seen = observe(law, data, panel, chosen, keep=cell.keep)
    return _labelled(seen, pairs, "initialisation", "order")


def _labelled(seen: Observation, labels: Sequence[Sequence[int]], *names: str) -> Observation:
    """Add what distinguishes the retrainings: for each of them, a value for each name."""
    for name, values in zip(names, zip(*labels, strict=True), strict=True):
        seen.add(name, np.array(values), "retraining")
    return seen


def arithmetic(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train one seed again and again, in another order of arithmetic each time: (threads, networks together)."""
    # Both decide how sums are split, and nothing else.
    (seed,), runs = cell.seeds, list(cell.settings["runs"])
    parts = []
    for threads, together in runs:
        with threads_of(threads):
            law = train(cell, data, [seed, *range(seed + 1, seed + together)])
        parts.append(law.thetas[:1])
    law = replace(law, thetas=torch.cat(parts), seeds=(seed,) * len(runs))
    seen = _labelled(observe(law, data, panel, chosen, keep=cell.keep), runs, "threads", "together")
    # Runs that share a number here ended with the same bits.
    first: dict[bytes, int] = {}
    numbers = [first.setdefault(row.numpy().tobytes(), k) for k, row in enumerate(law.thetas.cpu())]
    seen.add("same_bits_as", np.array(numbers), "retraining")
    return seen


def branches(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train trunks (the cell's seeds) and, from each, branches that leave after some epochs (`settings["leaves"]`)."""
    # A branch has its trunk's weights and velocities, and from there on an order of the images of its own.
    leaves, n = list(cell.settings["leaves"]), cell.settings["branches"]
    states: dict[int, list[State]] = {epoch: [] for epoch in leaves}

    def watch(state: State) -> None:
        if state.epoch in states:
            states[state.epoch].append(state.branched(1))

    train(cell, data, list(cell.seeds), on_epoch=watch)
    parts, labels = [], []
    for epoch in leaves:
        trunk = State.joined(states[epoch])
        rows = [(seed, epoch, branch) for seed in cell.seeds for branch in range(n)]
        orders = [stream_seed(seed, epoch, f"branch {branch}") for seed, _, branch in rows]
        parts.append(train(cell, data, orders, initialisations=[row[0] for row in rows], start=trunk.branched(n)))
        labels += rows
    law = replace(parts[0], thetas=torch.cat([part.thetas for part in parts]), seeds=tuple(range(len(labels))))
    return _labelled(observe(law, data, panel, chosen, keep=cell.keep), labels, "trunk", "leaves", "branch")


COUNTS = (5, 10, 20, 40)  # numbers of proxies for which the spread is stored


def bursts(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Restart training several times from each retraining (`settings`: n, epochs of a burst, its rate)."""
    law = train(cell, data, list(cell.seeds), folder=scratch)
    recipe = explore.burst_recipe(cell.recipe, epochs=cell.settings["epochs"], rate=cell.settings["rate"])
    some = data.train.subset(slice(0, explore.N_FEATURES))
    rows: dict[str, list] = {"burst_spread": [], "burst_distance": [], "burst_training_loss": [], "burst_shift": []}
    images, classes = panel.images[panel.watched], chosen[panel.watched]
    before = _log_odds(law, law.thetas, images, classes)
    ends = explore.bursts(law, data, n=cell.settings["n"], recipe=recipe)
    for theta, q_before, end in zip(law.thetas, before, ends, strict=True):
        q = _log_odds(law, end, images, classes)
        rows["burst_spread"].append(q.std(0, ddof=1))
        rows["burst_shift"].append(float((q.mean(0) - q_before).mean()))
        rows["burst_distance"].append(float((end - theta).double().square().sum(1).mean().sqrt()))
        reached = Members(law.net, end, normalisation_images=law.normalisation_images).predict(some.images)
        rows["burst_training_loss"].append(np.mean([float(nll(logp, some.labels)) for logp in reached]))
    seen = Observation()
    seen.add("burst_spread", np.stack(rows.pop("burst_spread")), "burst", "watched_image", bits=COVARIATE_BITS)
    for name, values in rows.items():
        seen.add(name, np.array(values), "burst")
    seen.add("burst_seed", np.array(cell.seeds), "burst")
    return seen


# Ridges of the kernel, in parts of Laplace's 1/(N τ²); the last drowns the Fisher matrix.
LAPLACE = (0.1, 1.0, 10.0, 1e6)


def together(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Keep, for each network, ρ of its inputs under noise, along the path, over bursts, and by gradients."""
    some = np.flatnonzero(panel.part == 0)[: explore.N_MOVING]
    images, classes = panel.images[some], chosen[some]
    law, path = watched(cell, data, images, classes, folder=scratch)
    recipe = explore.burst_recipe(cell.recipe, epochs=cell.settings["epochs"], rate=cell.settings["rate"])
    ends = explore.bursts(law, data, n=cell.settings["n"], recipe=recipe)
    late = np.stack(path)[len(path) // 2 :].astype(float)  # [epochs, networks, images]
    rows: dict[str, list[float]] = {}
    for k, (theta, seed, end) in enumerate(zip(law.thetas, law.seeds, ends, strict=True)):
        noisy = explore.under_noise(law, theta, images, classes, n=explore.N_MOVES, seed=seed)
        found = {"noise": shared_movement(noisy), "bursts": shared_movement(_log_odds(law, end, images, classes))}
        if len(late) > 3:
            found["path"] = shared_movement(np.diff(late[:, k], axis=0))
        for name, value in (found | _by_gradients(law, theta, data, images, classes, seed)).items():
            rows.setdefault(name, []).append(value)
    seen = Observation()
    for name, values in rows.items():
        seen.add(name, np.array(values), "explored")
    seen.add("explored_seed", np.array(cell.seeds), "explored")
    return seen


def _by_gradients(
    law: Members, theta: Tensor, data, images: Tensor, classes: np.ndarray, seed: int
) -> dict[str, float]:
    """Return the mean squared cosine of inputs under gᵢᵀ(F + rI)⁻¹gⱼ, for several r, and without the mean gradient."""
    with law.lend(theta) as module, torch.no_grad():
        fisher = geometry.fisher_sketch(module, data.train.images[: explore.N_FEATURES], seed=seed)
        chosen = torch.as_tensor(classes, dtype=torch.int64, device=images.device)
        g = geometry.sketched_gradients(module, images, chosen, geometry.log_odds_of).double()
    eye = torch.eye(len(fisher), dtype=fisher.dtype, device=fisher.device)
    per_weight = 1 / (len(data.train) * float(theta.double().square().mean()))
    ridges = {f"gradients {c:g}": c * per_weight for c in LAPLACE}
    ridges["gradients of the distance"] = geometry.FISHER_RIDGE * float(fisher.trace()) / len(fisher)
    found = {}
    for name, ridge in ridges.items():
        white = torch.linalg.solve_triangular(torch.linalg.cholesky(fisher + ridge * eye), g.T, upper=False)
        for end, rows in (("", white), (", centred", white - white.mean(1, keepdim=True))):
            cosines = torch.nn.functional.normalize(rows, dim=0)
            squares, n = float((cosines.T @ cosines).square().sum()), len(images)
            found[name + end] = (squares - n) / (n * (n - 1))
    return found


def proxies(cell: Cell, data, panel: Panel, chosen: np.ndarray) -> Observation:
    """Train cheap retrainings of a smaller problem and keep how they scatter (the scouts are of the real network)."""
    law = train(cell, data, list(cell.seeds))
    q = _log_odds(law, law.thetas, panel.images, chosen)
    counts = [count for count in COUNTS if count <= len(law)] or [len(law)]
    seen = Observation()
    spread = np.stack([q[:n, panel.watched].std(0, ddof=1) for n in counts])[None]
    seen.add("proxy_spread", spread, "proxies", "n_proxies", "watched_image", bits=COVARIATE_BITS)
    seen.add("proxy_count", np.array(counts), "n_proxies")
    seen.add("effective_inputs", np.array([effective_number(q[:, panel.calibration])]), "proxies")
    costs = [
        count_operations(one.builder(data), data.train.images[0], data.n_classes).training(one.recipe, len(data.train))
        for one in (cell, cell.scouts)
    ]
    seen.add("proxy_trainings", np.array([costs[0] / costs[1]]), "proxies")
    test = data.evaluation
    right = (law.predict(test.images).argmax(2) == test.labels).float().mean()
    seen.add("proxy_accuracy", np.array([float(right)]), "proxies")
    return seen


def _log_odds(law: Members, thetas: Tensor, images: Tensor, chosen: np.ndarray) -> np.ndarray:
    some = Members(law.net, thetas, normalisation_images=law.normalisation_images)
    return log_odds(some.predict(images).cpu().numpy(), chosen)


N_DRAWN = 30  # networks drawn from a law that has no members of its own
N_FOREIGN = 2_000
N_PARTITIONS = 20  # random ways of splitting the yardstick's networks into ensembles
LARGEST = 10  # members of the yardstick's largest ensemble


def law(cell: Cell, data, panel: Panel, chosen: np.ndarray, *, scratch: Path | None = None) -> Observation:
    """Make a law (`settings`: method, budget, options) and observe scores, spread of q, and cost."""
    settings = cell.settings
    options = {"recipe": cell.recipe, "seed": cell.seeds[0], "folder": scratch, "progress": False}
    start = perf_counter()
    seen = Observation()
    try:
        made = METHODS[settings["method"]](
            cell.builder(data), data, budget=settings["budget"], **dict(settings.get("options", {})), **options
        )
    except TrainingError:  # a result, too: with these settings the method has none
        seen.add("diverged", np.ones(1), "law")
        return seen
    seen.add("diverged", np.zeros(1), "law")
    numbers = {"seconds": perf_counter() - start, "trainings": made.cost.trainings}
    n = len(made) if isinstance(made, Members) else N_DRAWN
    numbers |= {"members": n} | _shape(made)
    refresh = refresh_cost(made, data, n)
    numbers |= {"refresh_trainings": refresh.trainings, "refresh_seconds": refresh.seconds}
    # All images in one call: the normalisation of each network is refreshed once.
    official, foreign, some = data.evaluation, data.foreign.subset(slice(0, N_FOREIGN)), data.validation
    start = perf_counter()
    drawn = None if isinstance(made, Members) else n
    images = torch.cat([official.images, foreign.images, some.images])
    logp = made.predict(images, drawn, seed=cell.seeds[0]).cpu()
    numbers["prediction_seconds"] = perf_counter() - start
    parts = logp.split([len(official), len(foreign), len(some)], dim=1)
    numbers |= law_scores(parts[0], official.labels.cpu(), parts[1])
    numbers |= {"validation_nll": float(nll(parts[2], some.labels.cpu()))}
    for name, value in numbers.items():
        seen.add(name, np.array([value], np.float64), "law")
    # Kept where u(x) is evaluated with it. The explored images of the panel are the first of the official test images.
    if n > 1 and path_of(settings) and cell.seeds[0] in BASES:
        q = log_odds(parts[0][:, panel.explored].numpy(), chosen[panel.explored])
        seen.add("spread", q.std(0, ddof=1)[None], "law", "explored_image")
    return seen


def law_scores(logp: Tensor, labels: Tensor, foreign: Tensor) -> dict[str, float]:
    """Score a law's predictions: those of its mean, of its members, and of the logits' average."""
    mean = mean_prediction(logp)
    calibration = scores.calibration_error(mean, labels)
    entropy, away = (entropy_split(p).total for p in (mean, mean_prediction(foreign)))
    single = [accuracy_and_nll(one, labels) for one in logp]
    several = len(logp) > 1
    split = entropy_split(logp)
    found = {
        "accuracy": accuracy(mean, labels),
        "nll": nll(mean, labels),
        "brier": scores.brier(mean, labels),
        "cll": calibrated_log_likelihood(mean, labels, halves(len(labels))),
        "logit_nll": nll(logp.double().mean(0).log_softmax(-1), labels),
        "calibration_error": calibration.value,
        "calibration_bias": calibration.bias,
        "aurc": scores.aurc(mean, labels),
        "auroc": scores.auroc(away, entropy),
        "fpr95": scores.false_positive_rate(away, entropy),
        "disagreement": scores.disagreement(logp) if several else np.nan,
        "epistemic_entropy": split.epistemic.mean(),
        "member_accuracy": np.mean(single, 0)[0],
        "member_nll": np.mean(single, 0)[1],
    }
    return {name: float(value) for name, value in found.items()}


def _shape(made: Law) -> dict[str, float]:
    """Return ln V of a subspace and the mean cosine of two of its vertices, nan for any other law."""
    if not isinstance(made, SubspaceLaw):
        return {"log_volume": np.nan, "cosine": np.nan}
    unit = torch.nn.functional.normalize(made.vectors.double())
    pairs = torch.triu_indices(len(unit), len(unit), 1)
    return {"log_volume": made.subspace.log_volume(), "cosine": float((unit @ unit.T)[pairs[0], pairs[1]].mean())}


def yardstick(cell: Cell, data, panel: Panel, chosen: np.ndarray | None, *, scratch: Path | None = None) -> Observation:
    """Train many networks, and score ensembles of 1, 2, … of them: the curve that DEE is read from."""
    # Means over random partitions into disjoint ensembles; the standard deviation between ensembles is taken within
    # each partition, where they share no network.
    largest = min(LARGEST, len(cell.seeds) // 2)
    if largest < 1:
        raise StudyError("A yardstick needs two networks at least; give the cell more seeds.")
    runs = _fit(cell, data, group=8, folder=scratch)
    labels, half = data.evaluation.labels, halves(len(data.evaluation))
    logp = runs.predict(data.evaluation.images)
    rng, seen = np.random.RandomState(0), Observation()
    names = ("accuracy", "nll", "brier", "cll")
    mean, sd = np.empty((2, largest, len(names)))
    for members in range(1, largest + 1):
        found = []
        for _ in range(1 if members == 1 else N_PARTITIONS):
            order = rng.permutation(len(logp))
            rows = order[: len(order) // members * members].reshape(-1, members)
            means = [mean_prediction(logp[torch.from_numpy(row)]) for row in rows]
            found.append([[float(f(one, labels)) for f in (accuracy, nll, scores.brier)]
                          + [float(calibrated_log_likelihood(one, labels, half))] for one in means])  # fmt: skip
        values = np.array(found)  # [partitions, ensembles, scores]
        mean[members - 1] = values.mean((0, 1))
        sd[members - 1] = np.sqrt(values.var(1, ddof=1).mean(0))
    for column, name in enumerate(names):
        seen.add(f"{name}_mean", mean[:, column], "members")
        seen.add(f"{name}_sd", sd[:, column], "members")
    return seen


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


def accuracy_and_nll(logp: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return accuracy and NLL of the mean prediction."""
    return float(accuracy(logp, labels)), float(nll(logp, labels))


def ensemble(cell, data, panel, chosen) -> Observation:
    """Train the members of a deep ensemble; score 1 to M of them, means over at most 20 random subsets each."""
    law = _fit(cell, data)
    logp, labels = law.predict(data.evaluation.images), data.evaluation.labels
    rng, size, means = np.random.RandomState(0), len(logp), []
    for members in range(1, size + 1):
        subsets = sorted({tuple(sorted(rng.permutation(size)[:members])) for _ in range(N_SUBSETS)})
        means.append(np.mean([accuracy_and_nll(logp[list(rows)], labels) for rows in subsets], 0))
    return _observed(
        {
            "single": np.array([accuracy_and_nll(one, labels) for one in logp]),
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
    middle, vertices = survey(law, law.midpoint().unsqueeze(0), test), survey(law, law.vectors, test)
    validation = nll(law.predict(data.validation.images, n=N_DRAWS, seed=seed), data.validation.labels)
    out = {
        "simplex_ensemble": np.array(_drawn(law, test, seed)),
        "simplex_midpoint": np.array([middle.accuracy[0], middle.loss[0]]),
        "simplex_vertices": np.stack([vertices.accuracy, vertices.loss], 1),
        "simplex_cosines": (corners @ corners.T)[[0, 0, 1], [1, 2, 2]].cpu().numpy(),
        "validation_nll": np.array([validation.value, validation.u, validation.n]),
    }
    if seed == 0:
        seen = surveyed_triangle(law, law.subspace, test)
        out |= {"triangle_coefficients": seen.coordinates, "triangle_loss": seen.loss}
    return _observed(out)


def _fit(cell: Cell, data, *, group: int = 2, folder: Path | None = None) -> Members:
    # In groups of two, wherever they batch: the members of the ensemble are then those of the pairs, bit for bit.
    how: dict[str, Any] = {"recipe": cell.recipe, "workers": 1, "group": group, "folder": folder, "progress": False}
    law = fit(cell.builder(data), data, seeds=cell.seeds, **how)
    refuse_failed(law.failed)
    return law


def _drawn(law: Law, split, seed: int) -> tuple[float, float]:
    return accuracy_and_nll(law.predict(split.images, n=N_DRAWS, seed=seed), split.labels)


def _observed(arrays: dict[str, np.ndarray]) -> Observation:
    """Name the axes; surveys are kept in the precision of figures and tables."""
    seen = Observation(axes={name: AXES[name] for name in arrays})
    for name, array in arrays.items():
        array = np.asarray(array, np.float32)
        seen.arrays[name] = array[None] if AXES[name][0] == "base" else array
    return seen


def _check_law(settings: Mapping[str, Any]) -> None:
    """Refuse a law that its method could not make."""
    check_known(settings["method"], METHODS, "way to a law")
    real(settings["budget"], "the budget, in trainings,", above=0, error=StudyError)
    fixed = ("net", "data", "budget", "runs", "options")
    options = [name for name in signature(METHODS[settings["method"]]).parameters if name not in fixed]
    for name in settings.get("options", {}):
        check_known(name, options, f"option of {settings['method']!r}")


def _crossed(cell: Cell) -> int:
    return len(cell.seeds) * len(cell.settings["orders"])


def _branched(cell: Cell) -> float:
    parts = sum(1 - epoch / cell.recipe.epochs for epoch in cell.settings["leaves"])
    return len(cell.seeds) * (1 + cell.settings["branches"] * parts)


def _as_law(cell: Cell, found: dict) -> dict:
    """Say along the axis of laws which cell each is of, how it was made and at which budget."""
    words = {"cell": cell.name, "method": cell.settings["method"], "budget": cell.settings["budget"]}
    return found | {name: (("law",), np.array([word])) for name, word in words.items()}


_OBSERVED: dict[str, Any] = {"scouts": True, "keep": ("panel", "test", "log_probabilities")}
_BURSTS: dict[str, Any] = {
    "settings": ("n", "epochs", "rate"), "scouts": True, "shares": True, "explores": True,
    "trainings": lambda cell: len(cell.seeds) * (1 + cell.settings["n"] * cell.settings["epochs"] / cell.recipe.epochs),
    "observed": lambda cell: len(cell.seeds) * cell.settings["n"],
}  # fmt: skip
# Images that surveys pass forward: points of the paths × images of the split, and networks drawn from them.
for _method, _kind in {
    "crossed": Kind(experiment=crossed, settings=("orders",), trainings=_crossed, together=_crossed, **_OBSERVED),
    "arithmetic": Kind(
        experiment=arithmetic, settings=("runs",), n_seeds=1,
        trainings=lambda cell: sum(together for _, together in cell.settings["runs"]), **_OBSERVED,
    ),
    "branches": Kind(
        experiment=branches, settings=("leaves", "branches"), trainings=_branched, observed=_branched,
        together=lambda cell: len(cell.seeds) * cell.settings["branches"], **_OBSERVED,
    ),
    "ensemble": Kind(experiment=ensemble),
    "pair": Kind(
        experiment=pair, n_seeds=2, trainings=lambda cell: 3.0, together=lambda cell: 1,
        surveyed=4 * 31 * 10_000 + 200_000,
    ),
    "triangle": Kind(experiment=triangle, optional=("cosine_weight",), n_seeds=1, surveyed=400_000),
    "law": Kind(
        experiment=law, settings=("method", "budget"), optional=("options",), n_seeds=1, scouts=True, shares=True,
        trainings=lambda cell: cell.settings["budget"], surveyed=30 * 23_000, check=_check_law, read=_as_law,
    ),
    "yardstick": Kind(
        experiment=yardstick, shares=True,
        read=lambda cell, found: {f"ensemble_{name}": own for name, own in found.items()},
    ),
    "bursts": Kind(experiment=bursts, **_BURSTS),
    "proxies": Kind(experiment=proxies, scouts=True, explores=True),
    "together": Kind(experiment=together, **_BURSTS),
}.items():  # fmt: skip
    register(_method, _kind)
