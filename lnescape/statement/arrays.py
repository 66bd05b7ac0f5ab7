"""A statement from arrays, predictions of M networks of any framework; the evaluation that all statements share."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from lnescape.checks import array, check_no_copies, instance, numbers, one_of, real, shown, texts, units_of
from lnescape.covariates.explore import other_classes
from lnescape.covariates.geometry import SLOPE
from lnescape.covariates.groups import Columns, difference, ln_of
from lnescape.results.kept import code, versions
from lnescape.retraining import (
    Evaluation,
    LearnedPrior,
    Measurand,
    Prior,
    borrowed_prior,
    contrast,
    diagnose,
    fit_prior,
    log_odds,
    moderated,
    shipped_prior,
)
from lnescape.retraining.measurand import refuse_probabilities
from lnescape.retraining.prior import (
    ANY,
    FEWEST_INPUTS,
    ON_PROXIES,
    FitWarning,
    assumed_number,
    shared_movement,
    worth_of,
)
from lnescape.statement.page import ASSERTED, ASSUMED, DECISIONS, FROM_PACKAGE, GIVEN, NETWORKS, Statement
from lnescape.training.descent import fingerprint, tensor_fingerprint

Named = tuple[ndarray, tuple[str, ...]]  # covariates, a column each, and their names
Limits = tuple[Any, Any] | Mapping[str, tuple[Any, Any]]  # of all outputs, or by their names
_BORROWED = (
    "borrowed from other pairs of data and network, and are right as far as this one is like them; a second training "
    "would show the scale"
)
_CHOOSES = "The stated network also chooses the class, so the risk of another decision may be too low."
BORROWED = f"Pattern and scale of u are {_BORROWED}, and a companion most of it. {_CHOOSES}"
LENT = f"The pattern of u, and the step from a companion to its scale, are {_BORROWED} without borrowing. {_CHOOSES}"
MANY = 10  # classes; with ten, risks of the class that two networks chose were right, with a hundred too low by a fifth
OFTEN = 0.15  # mean risk; simulated networks whose decisions are nearly draws flip more often, with few classes, too
CROWDED = (
    f"{DECISIONS}The stated networks also choose the class; with many classes, or many decisions that are nearly "
    "draws, a further network decides otherwise more often than stated."
)
BY_TWO = (
    "Two networks don't show whether the inputs move together; if they do, all intervals can be too narrow at once."
)
TOGETHER = "The inputs move together over the networks: all intervals can be too wide, or too narrow, at once."
MOST_TIED = 0.1  # share of inputs for which all networks may agree exactly; from a fifth on, u and ν_eff suffer
NEARLY_EQUAL = 1e-4  # difference of two networks, in parts of how much their predictions vary over inputs
MUCH = 0.05  # share of inputs; beyond twice the usual, by so much one network may decide otherwise without a note
ROUNDED = 0.1  # nat; by so much the ln of a sum of probabilities may differ from 0, as in bfloat16


def state_arrays(
    predictions: ndarray | Sequence[Any], *, calibration: ndarray | Sequence[Any] | None = None,
    covariates: Mapping[str, ndarray] | None = None, calibration_covariates: Mapping[str, ndarray] | None = None,
    unit: str | Sequence[str] | None = None, limits: Limits | None = None, ids: Iterable[Any] | None = None,
    names: Sequence[Any] | None = None, n_eff: float | None = None, measurand: Measurand = log_odds,
    level: float = 0.95, title: str = "predictions as arrays",
) -> Statement:  # fmt: skip
    """State the uncertainty due to retraining from predictions of M networks, whatever framework they come from.

    Log-probabilities: the class of an input is that of the highest mean probability, and its log-odds are evaluated.
    Values (if `unit` is given): each output is evaluated as it is; several share one prior, each in parts of the
    root mean square of its s. Covariates come from the arrays: the mean prediction, the spread of the logits, the
    class, and differences in other classes or outputs beyond those in q; and those given.

    Args:
        predictions: Log-probabilities in nat, [networks, inputs, classes], or values, [networks, inputs] or
            [networks, inputs, outputs], of M ≥ 2 networks that differ in the seed alone.
        calibration: The same networks' predictions of inputs that the prior is fitted on, 50 or more, no labels needed;
            the inputs themselves unless given.
        covariates: {name: one number for each input}, in addition to those.
        calibration_covariates: The same for the calibration inputs, if these are given.
        unit: Unit of values, one for all outputs or one for each; "" for plain numbers. None means log-probabilities.
        limits: Tolerance limits (low, high) of values, in their unit; of several outputs {name: (low, high)}.
        ids: Identifiers of the inputs, each once; their numbers unless given.
        names: Of the classes, or of the outputs; their numbers unless given.
        n_eff: Independent inputs that the calibration inputs are worth, see `retraining.effective_number`; with
            patients or batches of several inputs each, at most the number of these. Unless given, it is assumed, or
            estimated from three networks or more where that is less.
        measurand: For log-probabilities: from them and classes to q, [networks, inputs].
        level: Probability of coverage of the intervals, in (0, 1).
        title: Title of the data.

    Returns:
        The statement.

    Raises:
        ValueError: One network, too few calibration inputs, or shapes, numbers and limits that don't fit.

    References: Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3, for the moderation; JCGM 106:2012 for the
    risk.

    >>> rng = np.random.default_rng(0)
    >>> angle = 20 + 3 * rng.normal(size=(3, 1000)) / np.sqrt(rng.chisquare(8, 1000) / 8)
    >>> stated = state_arrays(angle, unit="°", limits=(10, 30))
    >>> round(float(np.median(stated.u)), 1), float(stated.risk.mean().round(3))
    (3.3, 0.031)
    """
    level, _ = real(level, "level", above=0, below=1), instance(title, str, "title", "give it as text")
    p, known = _both_stacked(predictions, calibration, unit)
    if unit is None and limits is not None:
        raise ValueError("limits are those of measured values, and these are log-probabilities; leave them out.")
    if unit is not None and measurand is not log_odds:
        raise ValueError("measurand= is for classes, and these are measured values; leave it out.")
    ids = texts(ids, p.shape[1], "ids, one for each input")
    check_no_copies(p)
    everything, n = (p, 0) if known is None else (np.concatenate([known, p], 1), known.shape[1])
    parts = slice(0, n or None), slice(n, None)
    given = _given(covariates, calibration_covariates, p.shape[1], n)
    if unit is None:
        q, columns, about = _of_classes(everything, parts, measurand, names)
    else:
        q, columns, about = _of_values(everything, parts, unit, names, limits)
    if taken := columns.keys() & given.keys():
        raise ValueError(f"The covariate {min(taken)!r} is there already; give yours another name.")
    k = len(about["units"])
    columns |= {name: np.repeat(values, k) for name, values in given.items()}
    h = np.stack(list(columns.values()), 1), tuple(columns)
    rows = slice(0, n * k or None), slice(n * k, None)
    about["groups"] = (*about["groups"], *given)
    n_eff, source, of_movement = _independent_inputs(q[:, rows[0]], k, n_eff)
    notes = _nearly_equal(p) + (apart_of(everything) if unit is None else ()) + of_movement
    used = {} if known is None else {"calibration": _sha256(known)}
    used |= {f"covariate {name}": _sha256(values) for name, values in given.items()}
    return statement_of(
        q, h, rows, n_eff=n_eff, level=level, title=title, left_out={}, trainings=float(len(p)), n_eff_source=source,
        n_calibration=n or p.shape[1], ids=ids, itself=known is None, covers=ASSERTED, notes=notes, **about,
        origin=origin_of(data=title, trained=f"{len(p)} networks, predictions {_sha256(p)}", **used),
    )  # fmt: skip


def _both_stacked(predictions: Any, calibration: Any, unit: Any) -> tuple[ndarray, ndarray | None]:
    """Return the predictions of the inputs and those for calibration, if any; raise unless they fit each other."""
    p, known = _stacked(predictions, "predictions", unit), None
    if calibration is not None:
        known = _stacked(calibration, "calibration predictions", unit)
        if known.ndim != p.ndim or len(known) != len(p) or known.shape[2:] != p.shape[2:]:
            what = f"The predictions are {p.shape} and those for calibration {known.shape}"
            raise ValueError(f"{what}; give those of the same networks, which differ in the number of inputs alone.")
    of_fit = p if known is None else known
    if len(of_fit) > of_fit.shape[1]:
        what = f"The first axis is that of the networks, {len(of_fit)} for {of_fit.shape[1]} inputs"
        raise ValueError(f"{what}; if it is the other way round, give np.swapaxes(predictions, 0, 1).")
    return p, known


def _independent_inputs(q: ndarray, k: int, n_eff: float | None) -> tuple[float | None, str, tuple[str, ...]]:
    """Return the number of independent inputs that those of the fit are worth, how it was found, and notes on it."""
    m, n = len(q), q.shape[1] // k
    seen = None
    if m > 2:
        # r² of few normal draws is low by ν/(ν + 2) where it is small, and a larger ρ is on the safe side elsewhere.
        moving = [shared_movement(q[:, c::k]) * (1 + 2 / (m - 1)) for c in range(k)]
        seen = believed(float(np.mean(moving)), n)
    if n_eff is not None:
        n_eff = real(n_eff, "n_eff", least=1, most=n)
        if seen is None or seen >= n_eff / 2:
            return n_eff, GIVEN, ()
        return n_eff, GIVEN, (f"{TOGETHER} They show {seen:.0f} independent inputs, where n_eff={n_eff:g} was given.",)
    if m == 2:
        return None, ASSUMED, (BY_TWO,)
    return (None, ASSUMED, ()) if seen is None else (seen, NETWORKS, (TOGETHER,))


def statement_of(
    q: ndarray, columns: Named, parts: tuple[slice, slice], *, n_eff: float | None = None,
    like: LearnedPrior | None = None, companion: tuple[ndarray, ndarray] | None = None, network: str = ANY,
    contrasts: ndarray | None = None, scale: ndarray | float = 1.0, notes: Sequence[str] = (),
    on_proxies: bool = False, **about: Any,
) -> Statement:  # fmt: skip
    """Fit the prior on the first part of the inputs and state the second; q of values in parts of a scale each."""
    (h, _), (_, stated) = columns, parts
    k = len(about["units"])
    # `companion` are its q and contrasts of the first part.
    how: dict[str, Any] = {"n_eff": n_eff, "like": like, "network": network, "outputs": k}
    of_q, of_contrasts = companion or (None, None)
    evaluation, prior, of_fit = _evaluated(q, columns, parts, companion=of_q, **how)
    of_decisions = None
    if contrasts is not None:
        of_decisions, _, more = _evaluated(contrasts, columns, parts, companion=of_contrasts, **how)
        of_fit = joined(of_fit, more)
        often = len(about["classes"]) > MANY or of_decisions.below(0.0).mean() > OFTEN
        if often and evaluation.n > 1:
            notes = (*notes, CROWDED)
    if companion is not None:
        of_fit = tuple(note.replace(BORROWED, LENT) for note in of_fit)
    if not on_proxies:  # there are none, or they have shown it
        of_fit = tuple(note.replace(ON_PROXIES, "") for note in of_fit)
    if like is not None:
        checksum, packaged = (fingerprint(one.to_dict()) for one in (like, shipped_prior()))
        about["like"] = FROM_PACKAGE if checksum == packaged else checksum
        about["origin"] |= {"prior of other pairs": f"SHA-256 {checksum}…"}
    shape = (-1, k) if about.get("outputs") else (-1,)
    mean, sigma = ((values.reshape(-1, k) * scale).reshape(shape) for values in (evaluation.mean, evaluation.scale))
    return Statement(
        evaluation=Evaluation(mean, sigma, evaluation.dof, evaluation.n), prior=prior, notes=(*of_fit, *notes),
        contrast=of_decisions, diagnosis=diagnose(q[:, stated], prior, h[stated]), network=network,
        companion=companion is not None,
        extrapolated=np.any(prior.beyond(h[stated]).reshape(-1, k), axis=1), **about,
    )  # fmt: skip


def about_classes(
    logp: ndarray, mean: ndarray, chosen: ndarray, stated: slice, *, measurand: Measurand, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Return the fields of a statement on classes besides the evaluation; `mean` are mean probabilities."""
    name = "log-odds" if measurand is log_odds else getattr(measurand, "__name__", "measurand")
    return {
        "quantity": name, "units": ("nat" if measurand in (log_odds, contrast) else "",), "classes": classes,
        "chosen": chosen[stated], "probability": mean[stated], "likelier": logp[:, stated].mean(0).argmax(1),
        "contrasts": contrast(logp, chosen),
    }  # fmt: skip


def _of_classes(
    logp: ndarray, parts: tuple[slice, slice], measurand: Measurand, names: Sequence[Any] | None
) -> tuple[ndarray, Columns, dict[str, Any]]:
    """Return q, covariates and the fields of a statement on classes, from log-probabilities."""
    if logp.ndim != 3 or logp.shape[2] < 2:
        what = f"Log-probabilities are [networks, inputs, classes], not {logp.shape}"
        raise ValueError(f"{what}; values need their unit, unit='' for plain numbers.")
    total = np.logaddexp.reduce(logp, 2, keepdims=True)
    far = float(total.flat[np.abs(total).argmax()])
    if abs(far) > ROUNDED:
        if ((logp >= 0) & (logp <= 1)).all():
            why = "These lie between 0 and 1 and don't sum to 1, as probabilities of several labels"
            raise ValueError(f"{why}; state each label by itself, from np.log(np.stack([1 - p, p], -1)).")
        why = f"The exponentials of an input sum to {np.exp(far):.3g}, not to 1"
        raise ValueError(f"{why}; take log_softmax of logits, or name the unit of values, unit='' for plain numbers.")
    mean, (fitted, stated) = np.exp(logp - total).mean(0), parts
    chosen = mean.argmax(1)
    check_measurand(measurand, len(logp), logp.shape[2])
    q, k = np.asarray(measurand(logp, chosen), np.float64), logp.shape[2]
    columns = {"q": q.mean(0), "|q|": np.abs(q.mean(0)), "ln spread of the logits": ln_of(logp.std(2, ddof=1).mean(0))}
    columns |= {f"class {c}": (chosen == c).astype(float) for c in range(k)}
    others = other_classes(logp, chosen)
    groups: tuple[str, ...] = ("outputs", "classes")
    if others.shape[1]:
        columns["ln difference for other classes"] = _difference(others, q, fitted)
        groups = (*groups, "differences for other classes")
    classes = texts(names, k, "names, one for each class")
    about = about_classes(logp, mean, chosen, stated, measurand=measurand, classes=classes)
    return q, columns, about | {"groups": groups}


def _of_values(
    values: ndarray, parts: tuple[slice, slice], unit: Any, names: Sequence[Any] | None, limits: Any
) -> tuple[ndarray, Columns, dict[str, Any]]:
    """Return q in parts of each output's root mean square of s, covariates and the fields of a statement on values."""
    values = values if values.ndim == 3 else values[:, :, None]
    m, n, k = values.shape
    if k > 1 and np.allclose(np.exp(np.minimum(values, 1)).sum(2), 1, atol=1e-4):
        raise ValueError(f"The predictions are log-probabilities, and classes have no unit; leave unit={unit!r} out.")
    several, named = k > 1 or names is not None, texts(names, k, "names, one for each output")
    units = units_of(unit, k)
    if len(flat := np.flatnonzero(np.ptp(values, (0, 1)) == 0)) and k > 1:
        raise ValueError(f"Output {flat[0]} is the same for all networks and inputs; leave it out.")
    scale = np.sqrt(values[:, parts[0]].var(0, ddof=1).mean(0))
    scale = np.where(scale > 0, scale, 1.0)
    q = values / scale
    columns = {"value": q.mean(0).ravel()}
    groups: tuple[str, ...] = ("outputs",)
    if k > 1:
        # Means and spreads are of the fitted part, so that the statement of an input doesn't depend on the others.
        mean, fitted = q.mean(0), parts[0]
        spread = mean[fitted].std(0)
        columns["value"] = ((mean - mean[fitted].mean(0)) / np.where(spread > 0, spread, 1.0)).ravel()
        columns |= {f"output {c}": np.tile(np.arange(k) == c, n).astype(float) for c in range(k)}
        rest = [_difference(np.delete(q, c, 2).transpose(0, 2, 1), q[:, :, c], fitted) for c in range(k)]
        columns["ln difference in other outputs"] = np.stack([one - one[fitted].mean() for one in rest], 1).ravel()
        groups = (*groups, "differences in other outputs")
    about = {
        "quantity": "value", "units": units,
        "outputs": named if several else (),
        "limits": checked_limits(limits, named, units),
        "scale": scale, "groups": groups,
    }  # fmt: skip
    return q.reshape(m, n * k), columns, about


def checked_limits(limits: Any, outputs: Sequence[str], units: Sequence[str]) -> ndarray | None:
    """Return tolerance limits as [2] or [2, outputs]; raise unless the lower is below the upper."""
    if limits is None:
        return None
    named = limits if isinstance(limits, Mapping) else None
    if named is not None:
        for name, ends in named.items():
            if not isinstance(ends, (tuple, list, ndarray)) or len(ends) != 2:
                raise ValueError(f"The limits of {name!r} are {shown(ends)}; pass (low, high), ±inf for none.")
        if not named:
            raise ValueError("limits is empty; pass {name: (low, high)}, or leave it out.")
        known = {one_of(name, outputs, "output with limits"): ends for name, ends in named.items()}
        limits = tuple(zip(*(known.get(name, (-np.inf, np.inf)) for name in outputs), strict=True))
    try:
        low, high = (numbers(end).astype(float) for end in limits[:])  # a set has no order
    except (TypeError, ValueError):
        what, several = f"limits is {shown(limits)}", "of several outputs {name: (low, high)}"
        raise ValueError(f"{what}; pass (low, high), each a number (±inf for none), {several}.") from None
    k = len(outputs)
    if named is None and not {low.size, high.size} <= {1, k}:
        raise ValueError(f"The limits are for {max(low.size, high.size)} outputs, the predictions for {k}.")
    # Two rows could be two outputs or two ends, and limits in one unit are none in another.
    if named is None and k > 1 and (low.ndim or high.ndim or len(set(units)) > 1):
        example = ", ".join(f"{name!r}: (low, high)" for name in outputs)
        raise ValueError(f"Limits {limits} don't say which output they are for; pass {{{example}}}.")
    if not (low < high).all():
        raise ValueError(f"The limits {limits} are in the wrong order, or not numbers; pass (low, high).")
    return np.stack(np.broadcast_arrays(*((low, high) if k > 1 else (low.reshape(()), high.reshape(())))))


def _evaluated(
    q: ndarray, columns: Named, parts: Sequence[slice], *, n_eff: float | None, like: LearnedPrior | None,
    network: str, outputs: int, companion: ndarray | None,
) -> tuple[Evaluation, Prior, tuple[str, ...]]:  # fmt: skip
    """Fit the prior on the first part of the inputs, evaluate the second; warnings become notes."""
    (h, names), (fitted, stated) = columns, parts
    notes: tuple[str, ...] = ()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if len(q) == 1 and like is not None:
            notes, single = (BORROWED,), q[0, fitted]
            like = like if companion is None else like.with_companion(single, companion)
            prior = borrowed_prior(single, h[fitted], names=names, like=like, network=network)
        else:
            _check_ties(q[:, fitted])
            slopes = {"gradient distance": SLOPE} if like is None and "gradient distance" in names else {}
            variance = q[:, fitted].var(0, ddof=1)
            more: dict[str, Any] = {"like": like, "slopes": slopes, "outputs": outputs}
            if like is not None and companion is not None:
                worth = assumed_number(len(companion)) if n_eff is None else n_eff
                more["scale"] = like.scale_beside(q[:, fitted], companion, n_eff=worth)
            prior = fit_prior(variance, len(q) - 1, h[fitted], n_eff=n_eff, names=names, **more)
    for one in caught:
        if not issubclass(one.category, FitWarning):  # of another library, which is nothing to state
            warnings.warn(one.message, stacklevel=2)
    notes += tuple(str(one.message) for one in caught if issubclass(one.category, FitWarning))
    return moderated(q[:, stated], prior, h[stated]), prior, notes


def _check_ties(q: ndarray) -> None:
    """Raise where all networks predict the same number, up to rounding of doubles, for many inputs."""
    tied = np.ptp(q, 0) <= 1e-14 * np.abs(q).max(0)
    if MOST_TIED < tied.mean() < 1:
        what = f"At {tied.sum()} of {len(tied)} inputs all networks give the same number, as after rounding or clipping"
        raise ValueError(f"{what}; give predictions with all their digits, of networks with different seeds.")


def joined(notes: tuple[str, ...], of_decisions: tuple[str, ...]) -> tuple[str, ...]:
    """Add the notes on the fit for the decisions; those that differ only in a number stand once."""
    merged = list(notes)
    for note in of_decisions:
        same = [k for k, other in enumerate(merged) if other.split(" (")[0] == note.split(" (")[0]]
        if not same:
            merged.append(f"{DECISIONS}{note}")
        elif merged[same[0]] != note:
            merged[same[0]] += " The same holds for the decisions."
    return tuple(merged)


def believed(moving: float, n: int) -> float | None:
    """Return the number of independent inputs that n are worth by their shared movement; None above the assumed one."""
    worth = worth_of(n, moving)
    return worth if worth < assumed_number(n) else None


def _nearly_equal(p: ndarray) -> tuple[str, ...]:
    """Return a note where two networks predict nearly the same, as copies do, or states of one training."""
    size = NEARLY_EQUAL * np.sqrt(p.var(1).mean())
    alike = [(i, j) for i, j in combinations(range(len(p)), 2) if np.sqrt(((p[i] - p[j]) ** 2).mean()) < size]
    if not alike:
        return ()
    i, j = alike[0]
    return (f"Networks {i} and {j} predict nearly the same; make sure that each is a training from another seed.",)


def apart_of(logp: ndarray) -> tuple[str, ...]:
    """Return a note where one of three networks or more decides otherwise far more often than the others."""
    if len(logp) < 3 or logp.shape[1] < FEWEST_INPUTS:
        return ()
    decided = logp.argmax(2)
    differ = np.array([[(a != b).mean() for a in decided] for b in decided])
    mean = differ.sum(0) / (len(differ) - 1)
    k = int(mean.argmax())
    others = np.delete(np.delete(differ, k, 0), k, 1)
    among = others.sum() / (len(others) * (len(others) - 1))
    if mean[k] < 2 * among + MUCH:
        return ()
    what = f"Network {k} decides differently from the others on {mean[k]:.0%} of the inputs, they from each other on"
    return (f"{what} {among:.0%}; check that it was trained to the end, and the order of its classes and inputs.",)


def _sha256(values: ndarray) -> str:
    """Return the beginning of a checksum, as text."""
    return f"SHA-256 {tensor_fingerprint(torch.from_numpy(np.ascontiguousarray(values)))}…"


def check_measurand(measurand: Any, n_networks: int, n_classes: int) -> None:
    """Raise unless the measurand makes one finite number for each network and image; tried on two images."""
    logp = np.log(np.random.default_rng(0).dirichlet(np.ones(n_classes), (n_networks, 2)))
    takes = "it takes log-probabilities [networks, inputs, classes] and one class for each input, as log_odds does"
    if not callable(measurand):
        raise TypeError(f"The measurand is a {type(measurand).__name__}, not a function; {takes}.")
    try:
        q = measurand(logp, np.zeros(2, int))
        instance(q, np.ndarray, "what it returns", "return an array of numpy")
    except Exception as error:
        raise ValueError(f"The measurand fails with {type(error).__name__}: {error}; {takes}.") from error
    if q.shape != logp.shape[:2]:
        raise ValueError(f"The measurand gives the shape {q.shape}; of {logp.shape} it must make {logp.shape[:2]}.")
    if not np.isfinite(q).all():
        raise ValueError(f"The measurand's values aren't finite; {takes}.")


def origin_of(**known: str) -> dict[str, str]:
    """Return the identification of a statement: the given facts, and the versions of the software."""
    of_code = code()
    software = [f"lnescape {of_code['version']} ({of_code['sha256'][:12]}…)"]
    return known | {"software": ", ".join([*software, *(f"{name} {one}" for name, one in versions().items())])}


def _stacked(predictions: Any, what: str, unit: Any) -> ndarray:
    """Return predictions as one float64 array, a row for each network; raise unless there are two finite ones."""
    try:
        found = np.stack([numbers(one) for one in predictions]).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The {what} are no arrays of one shape, one for each network: {error}.") from None
    if found.ndim not in (2, 3) or not found.size:
        why = f"The {what} have the shape {found.shape}"
        raise ValueError(f"{why}; give [networks, inputs] or [networks, inputs, …], values without variances.")
    if len(found) < 2:
        raise ValueError(
            "One network shows no spread, so nothing tells how far a second would differ; give two or more."
        )
    if not np.isfinite(found).all():
        cure = "leave these inputs out, or predict them again"
        if unit is None:
            cure = "take log_softmax of logits; smooth probabilities of 0, as by (votes + 1)/(trees + classes)"
        raise ValueError(f"{int((~np.isfinite(found)).sum())} numbers of the {what} aren't finite; {cure}.")
    if (size := np.abs(found).max()) and not 1e-150 < size < 1e150:
        raise ValueError(f"The {what} are as large as {size:.0e}, whose square is no double; take another unit.")
    if unit is None and found.ndim == 3:
        refuse_probabilities(found)
    return found


def _given(covariates: Any, of_calibration: Any, n: int, n_calibration: int) -> Columns:
    """Return the user's covariates of calibration inputs and inputs, one after the other."""
    for one in (covariates, of_calibration):
        instance({} if one is None else one, Mapping, "covariates", "pass {name: one number for each input}")
    given, known = dict(covariates or {}), dict(of_calibration or {})
    if n_calibration and given.keys() != known.keys() or not n_calibration and known:
        listed = f"inputs ({', '.join(given) or 'none'}) and calibration inputs ({', '.join(known) or 'none'})"
        raise ValueError(f"Covariates are given of {listed}; give the same ones, the latter with calibration= alone.")
    columns = {}
    for name, values in given.items():
        what, both = f"The covariate {name!r}", ([known[name]] if n_calibration else []) + [values]
        both = [array(part, what, "inputs") for part in both]
        if [len(part) for part in both] != [one for one in (n_calibration, n) if one]:
            raise ValueError(f"{what} isn't one number for each input; give {n} numbers.")
        columns[str(name)] = np.concatenate(both)
    return columns


def _difference(values: ndarray, q: ndarray, fitted: slice) -> ndarray:
    """Return ln of the networks' difference in other quantities [networks, kinds, inputs], freed of regression on q."""
    return difference(values, q, like=(values[..., fitted], q[:, fitted]))
