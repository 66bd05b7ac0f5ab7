"""What it changes that the class of the measurand is chosen by the very networks that make the statement."""

import warnings

import numpy as np
from numpy import ndarray

from lnescape.retraining import fit_prior, log_odds, moderated
from lnescape.study.cells import Study
from lnescape.study.reading import read_study
from lnescape.study.store import CellStore
from report.studies.moderation import draws

SIZES = (2, 3)  # M
N_EFF = 100.0  # independent inputs that the images of the fit are taken to be worth


def own_class(study: Study, store: CellStore) -> tuple[dict, dict[str, ndarray]]:
    """Let M networks choose the class, as on a user's network, and compare with the class of the scouts.

    Of the images whose log-probabilities are kept, the even ones fit a prior with outputs, and the odd ones are judged
    by the networks that are not among the M. A class that was chosen for its high probability is, on average, less
    probable to those that did not choose.

    Args:
        study: The reference.
        store: Where its cells are.

    Returns:
        For each M: share of images with another class than the scouts', which are the disputed ones; for each choice
        of the class, on all images and on the disputed ones, the coverage of 95 % intervals (%) and the mean of q̄ less
        the judges' mean (nat). Means over draws, and the sd between draws.
    """
    ds = read_study(study, folder=store.folder)
    logp = ds["log_probabilities"].values
    scouts = ds["chosen"].sel(image=ds["predicted_image"].values).values.astype(int)
    numbers: dict = {"n": len(logp), "images": logp.shape[1] // 2, "classes": logp.shape[2]}
    for members in SIZES:
        rows: dict[str, list[float]] = {"other": []}
        for mine in draws(len(logp), members):
            own = np.exp(logp[list(mine)]).mean(0).argmax(1)
            rows["other"].append(float((own != scouts).mean()))
            for name, chosen in (("scouts", scouts), ("own", own)):
                for what, value in _judged(log_odds(logp, chosen), list(mine), own != scouts).items():
                    rows.setdefault(f"{name}_{what}", []).append(value)
        rows["loss_of_coverage"] = np.subtract(rows["scouts_coverage"], rows["own_coverage"])
        numbers[str(members)] = {
            name: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))} for name, values in rows.items()
        }
    return numbers, {}


def _judged(q: ndarray, mine: list[int], disputed: ndarray) -> dict[str, float]:
    """Fit on the even images, judge on the odd ones, all of them and those whose class is disputed."""
    fitted, judged = q[mine][:, ::2], q[mine][:, 1::2]
    others = np.delete(q, mine, axis=0)[:, 1::2]
    with warnings.catch_warnings(action="ignore"):  # few images: what is assumed of 1/d₀ decides now and then
        prior = fit_prior(fitted.var(0, ddof=1), len(mine) - 1, _outputs(fitted), n_eff=N_EFF)
    evaluation = moderated(judged, prior, _outputs(judged))
    low, high = evaluation.interval()
    inside, excess = 100.0 * ((others >= low) & (others <= high)), judged.mean(0) - others.mean(0)
    found = {"coverage": float(inside.mean()), "excess": float(excess.mean())}
    some = disputed[1::2]
    if some.any():
        found |= {"coverage_disputed": float(inside[:, some].mean()), "excess_disputed": float(excess[some].mean())}
    return found


def _outputs(q: ndarray) -> ndarray:
    return np.stack([q.mean(0), np.abs(q.mean(0))], 1)
