"""A cell that makes a law by one of the methods, and scores what it predicts."""

from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from lnescape.laws import Law, Members, SubspaceLaw
from lnescape.methods import METHODS
from lnescape.retraining import log_odds
from lnescape.scores import (
    accuracy,
    aurc,
    auroc,
    brier,
    calibrated_log_likelihood,
    calibration_error,
    disagreement,
    entropy_split,
    false_positive_rate,
    halves,
    logit_average,
    mean_prediction,
    nll,
)
from lnescape.study.cells import Cell, StudyError
from lnescape.study.observation import Observation
from lnescape.study.panel import Panel
from lnescape.training import TrainingError, fit, refresh_cost
from report.studies.assembled import path_of

N_DRAWS = 30  # networks drawn from a law that has no members of its own
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
    n = len(made) if isinstance(made, Members) else N_DRAWS
    numbers |= {"members": n} | _shape(made)
    refresh = refresh_cost(made, data, n)
    numbers |= {"refresh_trainings": refresh.trainings, "refresh_seconds": refresh.seconds}
    # All images in one call: the normalisation of each network is refreshed once.
    own, foreign, some = data.evaluation, data.foreign.subset(slice(0, N_FOREIGN)), data.validation
    start = perf_counter()
    drawn = None if isinstance(made, Members) else n
    images = torch.cat([own.images, foreign.images, some.images])
    logp = made.predict(images, drawn, seed=cell.seeds[0]).cpu()
    numbers["prediction_seconds"] = perf_counter() - start
    parts = logp.split([len(own), len(foreign), len(some)], dim=1)
    numbers |= scores(parts[0], own.labels.cpu(), parts[1])
    numbers |= {"validation_nll": float(nll(parts[2], some.labels.cpu()))}
    for name, value in numbers.items():
        seen.add(name, np.array([value], np.float64), "law")
    # Kept where u(x) is evaluated with it. The explored images of the panel are the first of the official test images.
    if n > 1 and path_of(settings):
        q = log_odds(parts[0][:, panel.explored].numpy(), chosen[panel.explored])
        seen.add("spread", q.std(0, ddof=1)[None], "law", "explored_image")
    return seen


def scores(logp: Tensor, labels: Tensor, foreign: Tensor) -> dict[str, float]:
    """Score a law's predictions: those of its mean, of its members, and of the logits' average.

    Args:
        logp: On the official test images, [members, images, classes].
        labels: Their classes.
        foreign: On foreign images.

    Returns:
        Plain numbers; disagreement is nan for one member.
    """
    mean = mean_prediction(logp)
    calibration = calibration_error(mean, labels)
    entropy, away = (entropy_split(p).total for p in (mean, mean_prediction(foreign)))
    single = [(float(accuracy(own, labels)), float(nll(own, labels))) for own in logp]
    several = len(logp) > 1
    split = entropy_split(logp)
    found = {
        "accuracy": accuracy(mean, labels),
        "nll": nll(mean, labels),
        "brier": brier(mean, labels),
        "cll": calibrated_log_likelihood(mean, labels, halves(len(labels))),
        "logit_nll": nll(logit_average(logp), labels),
        "calibration_error": calibration.value,
        "calibration_bias": calibration.bias,
        "aurc": aurc(mean, labels),
        "auroc": auroc(away, entropy),
        "fpr95": false_positive_rate(away, entropy),
        "disagreement": disagreement(logp) if several else np.nan,
        "epistemic_entropy": split.epistemic.mean(),
        "member_accuracy": np.mean(single, 0)[0],
        "member_nll": np.mean(single, 0)[1],
    }
    return {name: float(value) for name, value in found.items()}


def _shape(made: Law) -> dict[str, float]:
    """Give ln V of a subspace and the mean cosine of two of its vertices, nan for any other law."""
    if not isinstance(made, SubspaceLaw):
        return {"log_volume": np.nan, "cosine": np.nan}
    unit = torch.nn.functional.normalize(made.vectors.double())
    pairs = torch.triu_indices(len(unit), len(unit), 1)
    return {"log_volume": made.subspace.log_volume(), "cosine": float((unit @ unit.T)[pairs[0], pairs[1]].mean())}


def yardstick(cell: Cell, data, panel: Panel, chosen: np.ndarray | None, *, scratch: Path | None = None) -> Observation:
    """Train many networks, and score ensembles of 1, 2, … of them: the curve that DEE is read from.

    Means over random partitions into disjoint ensembles; the standard deviation between ensembles is taken within each
    partition, where they share no network.

    Args:
        cell: Its seeds are those of the networks.
        data: The data set.
        panel: Not used.
        chosen: Not used.
        scratch: Where trainings are kept that several cells begin with.

    Returns:
        Mean and standard deviation of every score, [members].

    Raises:
        StudyError: One network only, or one that diverged.
    """
    largest = min(LARGEST, len(cell.seeds) // 2)
    if largest < 1:
        raise StudyError("A yardstick needs two networks at least; give the cell more seeds.")
    how = {"recipe": cell.recipe, "workers": 1, "group": 8, "folder": scratch, "progress": False}
    runs = fit(cell.builder(data), data, seeds=cell.seeds, **how)
    labels, half = data.evaluation.labels, halves(len(data.evaluation))
    logp = runs.predict(data.evaluation.images)
    rng, seen = np.random.RandomState(0), Observation()
    names = ("accuracy", "nll", "brier", "cll")
    if runs.failed:
        raise StudyError(f"Seed {min(runs.failed)} diverged; lower the learning rate of the recipe.")
    mean, sd = np.empty((2, largest, len(names)))
    for members in range(1, largest + 1):
        found = []
        for _ in range(1 if members == 1 else N_PARTITIONS):
            order = rng.permutation(len(logp))
            rows = order[: len(order) // members * members].reshape(-1, members)
            means = [mean_prediction(logp[torch.from_numpy(row)]) for row in rows]
            found.append([[float(f(own, labels)) for f in (accuracy, nll, brier)]
                          + [float(calibrated_log_likelihood(own, labels, half))] for own in means])  # fmt: skip
        values = np.array(found)  # [partitions, ensembles, scores]
        mean[members - 1] = values.mean((0, 1))
        sd[members - 1] = np.sqrt(values.var(1, ddof=1).mean(0))
    for column, name in enumerate(names):
        seen.add(f"{name}_mean", mean[:, column], "members")
        seen.add(f"{name}_sd", sd[:, column], "members")
    return seen
