"""From one training: u(x) from the bursts of a single network, by a rule that was learned on the other pairs."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.special import polygamma

from lnescape.retraining import Evaluation, Reference, fidelity, log_bias, retraining_equivalent
from lnescape.study.cells import Study, check_known
from lnescape.study.store import CellStore
from report.studies.assembled import Assembled, assembled
from report.studies.uncertainty import RULE

Summary = tuple[dict, dict[str, ndarray]]
KINDS = ("one variance", "one factor", "factor and slope")


@dataclass(frozen=True)
class Rule:
    """ln V̂(x) = level + mean ln w + slope · (ln w(x) − mean ln w), w(x) the variance of bursts from one network.

    Slope 1 multiplies all variances by one factor, as gate G4 has it; a lower one also pulls them together, since
    twelve bursts tell each variance badly. Without bursts (``slope`` None), ``level`` is ln σ² of every image.

    Attributes:
        level: ln σ² less ln w, in the mean over images; nat.
        slope: Of ln σ² over ln w; None for one variance of all images.
        dof: ν of the plain retrainings whose error is that of the rule on the pairs that it was learned on.
    """

    level: float
    slope: float | None
    dof: float

    def __call__(self, bursts: ndarray, q: ndarray) -> list[Evaluation]:
        """Evaluate u(x) for each network by itself.

        Args:
            bursts: w, [networks, images].
            q: Log-odds of the same networks, [networks, images].

        Returns:
            One evaluation for each network.
        """
        log_v = _predicted(self.level, self.slope, np.log(bursts)) + log_bias(self.dof)
        return [Evaluation(own, np.exp(v / 2), self.dof, 1) for own, v in zip(q, log_v, strict=True)]


def learned(pairs: list[tuple[ndarray, ndarray, int]], kind: str) -> Rule:
    """Learn a rule by least squares in which every pair counts as much.

    Args:
        pairs: For each pair, w [networks, images], ln s² of its N retrainings, freed of its bias [images], and N.
        kind: One of `KINDS`.

    Returns:
        The rule.

    Raises:
        StudyError: There is no such kind; the nearest is suggested.

    Example:
        >>> w = np.exp(np.random.default_rng(0).normal(size=(1, 2000)))
        >>> rule = learned([(w, np.log(2.0) + 0.5 * np.log(w[0]), 1000)], "factor and slope")
        >>> round(rule.slope, 6)
        0.5
    """
    check_known(kind, KINDS, "rule")
    logs = [(np.log(w), np.broadcast_to(v, w.shape)) for w, v, _ in pairs]
    slope = None if kind == "one variance" else 1.0
    if kind == "factor and slope":
        centred = [(x - x.mean(1, keepdims=True), y) for x, y in logs]
        slope = float(np.mean([(x * y).mean() for x, y in centred]) / np.mean([(x * x).mean() for x, _ in centred]))
    level = float(np.mean([y.mean() - (0.0 if slope is None else x.mean()) for x, y in logs]))
    noise = np.mean([float(polygamma(1, (n - 1) / 2)) for *_, n in pairs])  # of the ln s² that it was learned on
    error = np.mean([((y - _predicted(level, slope, x)) ** 2).mean() for x, y in logs]) - noise
    return Rule(level, slope, retraining_equivalent(float(error)) - 1)


def _predicted(level: float, slope: float | None, log_w: ndarray) -> ndarray:
    if slope is None:
        return np.full_like(log_w, level)
    mean = log_w.mean(1, keepdims=True)
    return level + mean + slope * (log_w - mean)


def single(study: Study, store: CellStore) -> Summary:
    """Judge rules for one training that were learned on all pairs but this one.

    Args:
        study: Reference and bursts of this pair.
        store: Where its cells are; those of the other pairs are beside it.

    Returns:
        For each kind of rule its fidelity, what it costs and what was learned.

    Raises:
        StudyError: Cells of another pair are missing.
    """
    from report.studies.catalogue import STUDIES

    own = assembled(study, store)
    others = [other for other in STUDIES.values() if other.summary == "single" and other.folder != study.folder]
    stores = [CellStore(other, store.folder.parent / other.folder) for other in others]
    for one in stores:
        one.check_complete()
    pairs = [_learned_on(assembled(other, one)) for other, one in zip(others, stores, strict=True)]
    images = own.where("test")
    bursts = own.bursts[RULE].spread[:, images] ** 2
    reference = Reference.of(own.q[:, images], [(row,) for row in range(own.n_networks)])
    found = {}
    for kind in KINDS:
        rule = learned(pairs, kind)
        cost = 1.0 + (0.0 if rule.slope is None else own.bursts[RULE].trainings)
        judged = fidelity(rule(bursts, own.q[: own.n_networks, images]), reference).to_dict()
        if rule.slope is None:
            del judged["rank"]  # one variance of all images has none
        found[kind] = judged | {"trainings": cost, "level": rule.level, "slope": rule.slope}
    return {"n": len(own.q), "networks": own.n_networks, "learned on": [o.folder for o in others], "rules": found}, {}


def _learned_on(pair: Assembled) -> tuple[ndarray, ndarray, int]:
    images, n = pair.where("calibration"), len(pair.q)
    return pair.bursts[RULE].spread[:, images] ** 2, np.log(pair.q[:, images].var(0, ddof=1)) - log_bias(n - 1), n
