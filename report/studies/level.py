"""The level of u from the bursts of one network; its pattern over inputs is that of the gradient distance."""

import numpy as np
from numpy import ndarray

from lnescape.retraining.prior import log_bias
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.dispersion import log_variance
from report.studies.gates import g9
from report.studies.geometry import judged_at_level, kind_of_study, learn, lent, others
from report.studies.moderation import Assembled, Summary, assembled, complete
from report.studies.pairs import CIFAR10_FAST_CNN, CIFAR10_RESNET20, MNIST_CNN, MNIST_MLP, RULE, SHORT

# The study that holds retrainings and bursts of each network that teaches the ratio; those on FashionMNIST judge it.
TEACHING = {pair.key: f"{pair.key}-uncertainty" for pair in (MNIST_MLP, MNIST_CNN, *SHORT, CIFAR10_RESNET20)}
TEACHING[CIFAR10_FAST_CNN.key] = f"{CIFAR10_FAST_CNN.key}-level"


def level(study: Study, store: CellStore) -> Summary:
    """Judge each network alone, with the level that its bursts show.

    ln σ² over retrainings is, on average over inputs, that of the bursts plus a constant: the mean over other networks.
    """
    folder, key = store.folder.parent, study.name.removesuffix("-level")
    ratios = {name: _ratio(assembled(*complete(TEACHING[name], folder))) for name in TEACHING if name != key}
    learned = learn(others(study.name), folder, levels={kind_of_study(study): list(ratios.values())})
    stored = assembled(study, store)
    ratio, dof = lent(learned, study).values()
    one = judged_at_level(stored, learned, ratio + local_levels(stored), dof)
    n, burst = len(stored.q), stored.bursts[RULE]
    numbers: dict = {"n": n, "networks": stored.n_networks, "images": len(stored.where("test"))}
    numbers |= {"trainings": 1 + burst.trainings, "bursts": burst.n}
    numbers |= {"ratio": _ratio(stored), "ratios": ratios, "lent": [ratio, dof]}
    return numbers | {"one network, level of bursts": one.to_dict(), "G9": g9(one, n=n).to_dict()}, {}


def local_levels(stored: Assembled) -> ndarray:
    """Give, for each network, the mean over the calibration images of ln s² of its bursts."""
    burst = stored.bursts[RULE]
    spread = burst.spread[:, stored.where("calibration")].astype(float)
    return 2 * np.log(np.maximum(spread, np.finfo(np.float16).tiny)).mean(1) - log_bias(burst.n - 1)


def _ratio(stored: Assembled) -> float:
    """Return ln σ² over retrainings less that of the bursts, averaged over calibration images and networks."""
    return float(log_variance(stored.q[:, stored.where("calibration")]).mean() - local_levels(stored).mean())
