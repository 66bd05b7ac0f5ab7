"""Summary of gradient distance: how well the local geometry of the landscape foretells u(x), on one pair."""

import numpy as np
from numpy import ndarray

from lnescape.covariates import FREE
from lnescape.data.shifts import KINDS as SHIFTS
from lnescape.results import Estimate
from lnescape.retraining import Evaluation, Reference, effective_number, fidelity, log_bias
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.moderation import Assembled, Mix, Moderation, assembled, draws

MIXES = {
    "constant": Mix(()),
    "all free groups": Mix(FREE),
    "gradient distance": Mix(("gradient distance",)),
    "outputs, classes, gradient distance": Mix(("outputs", "classes", "gradient distance")),
}
SIZES = (2, 3)  # M
CERTAIN = 1e6  # degrees of freedom of a dispersion that is no estimate from retrainings


def geometry(study: Study, store: CellStore) -> tuple[dict, dict[str, ndarray]]:
    """Judge gradient distance alone and beside outputs and classes, on held-out retrainings and images."""
    own = assembled(study, store)
    known = {name: mix for name, mix in MIXES.items() if name != "all free groups" or own.traces.path is not None}
    test = own.where("test")
    found: dict = {"n": len(own.q), "networks": own.n_networks, "images": len(test)}
    retrained = [store.load(cell).arrays["accuracy"] for cell in study.cells if cell.method == "retrainings"]
    found["accuracy"] = Estimate.mean(100 * np.concatenate(retrained), unit="%")
    found |= _law_of_scale(own) | {"one network": _one_network(own, test)}
    places = {"test": test, **{kind: _away(own, kind) for kind in (*SHIFTS, "foreign")}}
    for members in SIZES:
        drawn = draws(own.n_networks, members)
        for place, judged in places.items():
            reference = Reference.of(own.q[:, judged], drawn)
            for name, mix in known.items():
                evaluations, _ = Moderation(own, mix)(drawn, judged, own.where("calibration"))
                row = fidelity(evaluations, reference).to_dict() | {"passes": mix.passes(own)}
                found.setdefault(place, {}).setdefault(name, {})[str(members)] = row
    return found, {}


def _away(own: Assembled, kind: str) -> ndarray:
    """Number the images of one kind of shift at all strengths, or the foreign ones."""
    return own.where(*(part for part in np.unique(own.part) if part.split(" ")[0] == kind))


def _law_of_scale(own: Assembled) -> dict:
    """Fit ln s² of all retrainings on the mean gradient distance of the players, on the calibration images."""
    images, n = own.where("calibration"), len(own.q)
    h = own.traces.distance.mean(0)[images]
    log_variance = np.log(own.q[:, images].var(0, ddof=1)) - log_bias(n - 1)
    facts = {name: Estimate.mean(own.facts[name]) for name in ("fisher_trace", "training_loss") if name in own.facts}
    return facts | {
        "slope": float(np.polyfit(h, log_variance, 1)[0]),
        "level": float((log_variance - h).mean()),
        "correlation": float(np.corrcoef(h, log_variance)[0, 1]),
        "effective_inputs": effective_number(own.q[:, images]),
        "effective_inputs_by_gradients": Estimate.mean(own.facts["gradient_inputs"]),
    }


def _one_network(own: Assembled, test: ndarray) -> dict:
    """Judge the pattern of one network at slope one; its level, one number, is taken from the retrainings."""
    images = own.where("calibration")
    reference = Reference.of(own.q[:, test], [(row,) for row in range(own.n_networks)])
    evaluations = []
    for row, h in enumerate(own.traces.distance):
        rest = np.delete(own.q, row, axis=0)
        log_variance = np.log(rest[:, images].var(0, ddof=1)) - log_bias(len(rest) - 1)
        level = (log_variance - h[images]).mean()
        evaluations.append(Evaluation(own.q[row, test], np.exp((level + h[test]) / 2), CERTAIN, 1))
    return fidelity(evaluations, reference).to_dict()
