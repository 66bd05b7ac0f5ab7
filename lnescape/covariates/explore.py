"""`explored`: look at some inputs with a few trained networks, as the covariates of a statement need it."""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Int
from torch import Tensor

from lnescape.covariates.bursts import bursts
from lnescape.covariates.geometry import N_FISHER, gradient_distance
from lnescape.covariates.groups import Traces
from lnescape.covariates.probes import neighbourhood, other_classes, outputs, under_noise
from lnescape.laws import Members
from lnescape.retraining import Measurand, log_odds
from lnescape.training import Prepared, Recipe

N_NOISE = 8  # draws of weight noise
N_FEATURES = 10_000  # training images behind the second moment of the features
N_BURSTS = 12  # from each network
ENOUGH_PROXIES = 20  # from which on they are believed to tell how many inputs are independent: never too many


def explored(
    law: Members,
    data,
    images: Tensor,
    chosen: Int[np.ndarray, " images"],
    *,
    groups: Iterable[str],
    measurand: Measurand = log_odds,
    burst: Recipe | None = None,
    prepared: Prepared | None = None,
    on_network: Callable[[], object] = lambda: None,
) -> Traces:
    """Observe what some groups of covariates are made of.

    Args:
        law: The trained networks; with their `path`, where the training path is among the groups.
        data: The data set they were trained on.
        images: Normalised images.
        chosen: Class of the measurand for each image.
        groups: Names of `GROUPS`; those that come from elsewhere, learned paths and proxies, are not observed here.
        measurand: From log-probabilities and classes to q.
        burst: Recipe of a burst, where bursts are among the groups.
        prepared: Builder and data as they were checked before, where bursts are among the groups.
        on_network: Called when all of a network is observed.

    Returns:
        The traces.
    """
    groups = set(groups)
    kinds = ("outputs", "shifted", "noise", "path", "bursts", "distance")
    rows: dict[str, list[np.ndarray]] = {name: [] for name in kinds}
    some = data.train.subset(slice(0, N_FEATURES)).images
    ends = bursts(law, data, n=N_BURSTS, recipe=burst, prepared=prepared) if "bursts" in groups else None

    def q_of(thetas: Tensor) -> np.ndarray:
        at = Members(law.net, thetas.to(law.device), normalisation_images=law.normalisation_images)
        return measurand(at.predict(images).cpu().numpy(), chosen)

    logp = law.predict(images).cpu().numpy()
    q = measurand(logp, chosen)
    for number, (theta, seed) in enumerate(zip(law.thetas, law.seeds, strict=True)):
        if "outputs" in groups:
            rows["outputs"].append(outputs(law, theta, images, some))
        if {"neighbourhood", "differences"} & groups:
            rows["shifted"].append(neighbourhood(law, theta, images, chosen, measurand=measurand))
        if "noise" in groups:
            noisy = under_noise(law, theta, images, chosen, n=N_NOISE, seed=seed, measurand=measurand)
            rows["noise"].append(noisy.std(0, ddof=1))
        if "training path" in groups:
            rows["path"].append(np.concatenate([q_of(law.path[number, :-1]), q[number : number + 1]]))
        if "gradient distance" in groups:
            seen = gradient_distance(law, theta, images, chosen, training_images=some[:N_FISHER], seed=seed)
            rows["distance"].append(seen.distance[0])
        if ends is not None:
            rows["bursts"].append(q_of(next(ends)).std(0, ddof=1))
        on_network()
    found = {name: np.stack(own) for name, own in rows.items() if own}
    others = other_classes(logp, chosen) if measurand is log_odds and "differences" in groups else None
    return Traces(q, chosen=chosen, n_classes=data.n_classes, others=others, **found)


def unavailable(law: Members, groups: Iterable[str], images: Tensor) -> dict[str, str]:
    """Tell which groups can't be observed on some networks and images, and why.

    Args:
        law: The trained networks.
        groups: Groups that are asked for.
        images: What is to be observed.

    Returns:
        {group: reason}.
    """
    reasons = {}
    if images.ndim != 4:
        shifted = {"neighbourhood", "differences"} & set(groups)
        reasons |= dict.fromkeys(sorted(shifted), "inputs without height and width can't be shifted")
    if "training path" in groups and law.path is None:
        reasons["training path"] = "where the epochs ended wasn't kept; train with fit(…, path=True)"
    elif "training path" in groups and law.path.shape[1] < 2:
        reasons["training path"] = "one epoch is no path"
    return reasons
