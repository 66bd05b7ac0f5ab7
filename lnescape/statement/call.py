"""The one call, `state`: builder, data, a few trainings → a `Statement` of uncertainty for every prediction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from lnescape.checks import instance, one_of, real, shown, texts, units_of, whole
from lnescape.covariates import explore
from lnescape.covariates.geometry import N_TRAINING, fisher_of, kind_of
from lnescape.covariates.groups import DEFAULT, FREE, Traces, columns_of, passes_of
from lnescape.laws import Members
from lnescape.progress import bar
from lnescape.retraining import (
    LearnedPrior,
    Measurand,
    contrast,
    effective_number,
    log_odds,
    shipped_prior,
    with_class_means,
)
from lnescape.retraining.prior import COMPANION, FEWEST_INPUTS, assumed_number
from lnescape.statement.arrays import (
    Limits,
    about_classes,
    apart_of,
    believed,
    check_measurand,
    checked_limits,
    origin_of,
    statement_of,
)
from lnescape.statement.page import CHECKED, NOISE, PROXIES, Statement
from lnescape.training import Prepared, Recipe, TrainingError
from lnescape.training.descent import tensor_fingerprint
from lnescape.training.prepared import check_builder, check_inputs, checked_seeds
from lnescape.training.runs import checked_runs, retrain
from lnescape.weights import KEPT_STATISTICS, Builder, Wrapped

MOST_CALIBRATION = 3000  # held-out images that the prior is fitted on
PROXY_SEED = 1_000_000  # first seed of the proxies, far from those of the networks
COMPANION_SEED = 2_000_000
MOST_FISHERS = 16  # matrices of 32 MiB that are held at once
SHORT = 5  # epochs; those that lend a scale took as many, or more
BRIEF = (
    "This training took {epochs:.2g} epochs, and those that lend it their scale five or more; after so few, u can be "
    "several times larger than stated. A second training shows it."
)
ADVICE = (
    "The inputs move together, and a few networks tell little of the scale that they share; a companion "
    f"(companion=True, {COMPANION:g} of a training) or a further training tells more."
)


def state(
    net: Builder, data, *, runs: Members | None = None, seeds: Iterable[int] | None = None,
    images: Shaped[Tensor, "inputs ..."] | None = None, ids: Iterable[Any] | None = None,
    covariates: Iterable[str] | None = None, like: LearnedPrior | Literal["shipped"] | None = "shipped",
    companion: bool = False, proxies: Builder | None = None, n_proxies: int = 40, proxy_epochs: float = 0.2,
    measurand: Measurand = log_odds,
    neighbours: explore.Neighbours | None = None, limits: Limits | None = None, level: float = 0.95,
    recipe: Recipe | None = None, device: torch.device | str | None = None, folder: Path | str | None = None,
    progress: bool = True,
) -> Statement:  # fmt: skip
    """State, for every input, the class and its log-odds, or the value, and its uncertainty due to retraining.

    Trains M networks (or takes those of `runs`), fits the prior of the moderated Type A evaluation on the calibration
    images, without their labels, and evaluates the images. The class of an input is that of the highest mean
    probability over the M networks. Every argument is checked before the first training.

    Measured values are stated in their unit; several outputs share one prior, each in parts of the root mean square of
    its s. At least two trainings are needed: the scale that other pairs lend is that of log-odds, and would make u of
    values too large by half or more (studies "angle-cnn" and "diabetes-mlp").

    Args:
        net: Builder of one network.
        data: The data set.
        runs: Networks trained already; with `fit(…, path=True)` their path is used, too.
        seeds: Seeds of the M trainings, if there are no runs; range(3) unless given. A single seed (classes only) gives
            a Type B evaluation: pattern and scale of u come from the pairs of `like`, the scale from networks of the
            same kind, unless a companion shows it.
        images: Normalised inputs, as in `data.test.images`, which are taken unless given.
        ids: Identifiers of the inputs, each once, or of the whole test set that `dataset` cut in two; the half that
            became the calibration part is not stated. Unless given, their numbers, or their rows in that test set.
        covariates: Names of groups: those of `covariates.FREE`, "gradient distance" and "bursts". Unless given, those
            of `covariates.DEFAULT` for log-odds and values, and of `covariates.FREE` for another measurand.
        like: Prior of `learn_prior`, towards which the coefficients shrink. The package's own unless given, where
            gradient distance is among the covariates; None for no such prior.
        companion: Whether to train a companion, a network from another seed over 0.3 of the epochs. How far its q lie
            from those of the networks gives the scale of u, for one network or for several whose inputs move together.
        proxies: Builder of a narrower network, for cheap retrainings; the statement counts their cost.
        n_proxies: Number of proxies, ≥ 4.
        proxy_epochs: Length of their training, > 0, in parts of the plain one.
        measurand: From log-probabilities and classes to q [networks, images].
        neighbours: From inputs [n, …] to inputs near each, [kinds, n, …], kinds ≥ 2, for the groups "neighbourhood" and
            "differences". Unless given, images are shifted by pixels; other inputs of values are moved by a tenth of
            each feature's scatter.
        limits: Tolerance limits (low, high) of values, in their unit; of several outputs {name: (low, high)}.
        level: Probability of coverage of the intervals, in (0, 1).
        recipe: Recipe of the trainings.
        device: Device to train on; the data's unless given. Runs are not moved.
        folder: Folder for trainings; a killed call resumes from it.
        progress: Show bars with the time left.

    Returns:
        The statement.

    Raises:
        ValueError: Networks, images, groups or numbers that can't be used.
        TrainingError: All trainings diverged, or all but one.

    References: Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3, for the moderation; JCGM 106:2012 for the
    risk.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> stated = state(ln.network("mlp", data, width=16), data, seeds=range(2), recipe=ln.Recipe(epochs=5))
    >>> len(stated.to_dataframe())
    200
    """
    level = real(level, "level", above=0, below=1)
    n_proxies, proxy_epochs = whole(n_proxies, "n_proxies", least=4), real(proxy_epochs, "proxy_epochs", above=0)
    net = _same_builder(net, runs)
    template = check_builder(net, data)
    if covariates is None:
        covariates = DEFAULT if measurand is log_odds else FREE
    groups = _checked_groups(covariates, proxies)
    tolerance = _checked_kind(data, limits, measurand, like, proxies)
    by_gradients = "gradient distance" in groups and measurand is log_odds
    like = _checked_like(like, shipped_prior() if by_gradients else None)
    if runs is not None and seeds is not None:
        raise ValueError("runs are trained already, and seeds= would train others; leave one of them out.")
    seeds = checked_seeds(range(3) if seeds is None else seeds) if runs is None else []
    if runs is not None:
        runs = _retrainings(checked_runs(runs, net, template, data))
        if companion and recipe is None and runs.recipe is None:
            raise ValueError("A companion is trained as the network was; give recipe=, by which that was.")
        recipe, device = recipe or runs.recipe or Recipe(batch=min(Recipe.batch, len(data.train))), runs.device
    tokens = data.train.pixels.dtype == torch.int64 and like is shipped_prior()  # a prior of the user's may know them
    borrows = by_gradients and like is not None and bool(like.levels) and data.values is None and not tokens
    _check_number(len(seeds if runs is None else runs), borrows, values=data.values is not None, tokens=tokens)
    serves = borrows and like is not None and like.companion is not None
    _check_companion(companion, serves)
    if data.values is None:
        check_measurand(measurand, len(seeds if runs is None else runs), data.n_classes)
    images = _checked_images(images, data)
    if neighbours is not None:
        _check_neighbours(neighbours, groups, images[:2])
    rows = data.test.rows if images is data.test.images else None  # in the test set that `dataset` cut in two
    ids = _checked_ids(ids, len(images), rows, n_calibration=len(data.calibration))
    prepared = Prepared.of(net, data, recipe, device=device, folder=folder, template=template)
    request = _Request(
        prepared=prepared, images=images, rows=rows, ids=ids, groups=groups, level=level, limits=tolerance,
        measurand=measurand, neighbours=neighbours, like=like, borrows=borrows, runs=runs, seeds=seeds,
        advises=serves and not companion, n_proxies=n_proxies, folder=folder, progress=progress,
        short=_shortened(prepared) if companion else None,
        proxies=None if proxies is None else _of_proxies(proxies, prepared, proxy_epochs),
    )  # fmt: skip
    _check_sizes(request.data, request.burst if "bursts" in groups else None)
    trained = _trained(request)
    return _of_classes(request, trained) if data.values is None else _of_values(request, trained)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Request:
    """The checked arguments of `state`; nothing is trained yet."""

    prepared: Prepared
    images: Tensor  # to be stated
    rows: Tensor | None  # of the images in the test set that `dataset` cut in two
    ids: tuple[str, ...]
    groups: Sequence[str]
    level: float
    limits: np.ndarray | None
    measurand: Measurand
    neighbours: explore.Neighbours | None
    like: LearnedPrior | None
    borrows: bool  # whether `like` lends a single network its scale
    runs: Members | None  # trained already
    seeds: Sequence[int]  # to train
    advises: bool  # whether a companion could be of use
    short: Prepared | None  # the training of a companion
    proxies: Prepared | None
    n_proxies: int
    folder: Path | str | None
    progress: bool

    @property
    def data(self) -> Any:
        """Return the data, on the device of the training."""
        return self.prepared.data

    @property
    def calibration(self) -> Tensor:
        """Return the inputs that the prior is fitted on."""
        return self.data.calibration.images[:MOST_CALIBRATION]

    @property
    def everything(self) -> Tensor:
        """Return the calibration inputs and those to be stated, one after the other."""
        return torch.cat([self.calibration, self.images.to(self.calibration.device)])

    @property
    def burst(self) -> Recipe:
        """Return the recipe of a burst."""
        return explore.burst_recipe(self.prepared.recipe)

    @property
    def n_trained(self) -> int:
        """Return the number of trainings, those that diverged included."""
        return len(self.seeds) if self.runs is None else len(self.runs) + len(self.runs.failed)


@dataclass(frozen=True, eq=False)
class _Trained:
    """The networks behind a statement, trained now or given."""

    runs: Members
    companions: Members | None = None  # one
    proxies: Members | None = None
    further: float = 0.0  # operations of companions and proxies


def _trained(request: _Request) -> _Trained:
    """Train the networks that are missing."""
    runs, prepared = request.runs, request.prepared
    how: dict[str, Any] = {"folder": request.folder, "progress": request.progress}
    if runs is None:
        template, seeds = prepared.template, list(request.seeds)
        check_inputs(template, request.calibration, "calibration", rows=request.data.calibration.rows)
        check_inputs(template, request.images, "stated", rows=request.rows)
        runs = retrain(prepared, seeds, path="training path" in request.groups, **how)
        if len(runs) == 1 < len(seeds) and not request.borrows:
            what = f"Of the trainings under the seeds {', '.join(map(str, seeds))} all but {runs.seeds[0]} diverged"
            raise TrainingError(f"{what}; lower the learning rate, or give more seeds.")
    companions = narrow = None
    further = 0.0
    if request.short is not None:
        companions = retrain(request.short, [COMPANION_SEED], **how)
        further += prepared.priced(request.short.recipe)
    if request.proxies is not None:
        narrow = retrain(request.proxies, list(range(PROXY_SEED, PROXY_SEED + request.n_proxies)), **how)
        further += narrow.cost.operations
    return _Trained(runs, companions, narrow, further)


def _observable(request: _Request, runs: Members) -> tuple[list[str], dict[str, str]]:
    """Return the groups of covariates that can be observed, and why the others can't."""
    groups, data = request.groups, request.data
    left_out = explore.unavailable(runs, groups, request.images, neighbours=request.neighbours)
    if request.measurand is not log_odds and "gradient distance" in groups:
        left_out["gradient distance"] = "it is that of the log-odds, not of another measurand"
    one_value = data.values is not None and data.n_classes == 1  # there is one output to choose
    return [name for name in groups if name not in left_out and not (name == "classes" and one_value)], left_out


def _explored(
    request: _Request, runs: Members, groups: Sequence[str], everything: Tensor, chosen: explore.Classes, **how: Any
) -> Traces:  # fmt: skip
    """Observe some groups of covariates on all inputs."""
    how |= {"burst": request.burst, "prepared": request.prepared, "neighbours": request.neighbours}
    return explore.explored(runs, request.data, everything, chosen, groups=groups, **how)


def _about(request: _Request, trained: _Trained, groups: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a statement that classes and values share."""
    runs, further = trained.runs, trained.further
    if "bursts" in groups:
        further += len(runs) * explore.N_BURSTS * request.prepared.priced(request.burst)
    each = 1 if request.data.values is None else request.data.n_classes  # each output is explored
    near = None if request.neighbours is None else len(request.neighbours(request.images[:1]))
    return {
        "ids": request.ids, "level": request.level, "title": request.data.title,
        "n_calibration": len(request.calibration), "trainings": float(request.n_trained),
        "further": further / request.prepared.plain,
        "passes": each * passes_of(groups, epochs=0 if runs.path is None else runs.path.shape[1] - 1, near=near),
        "origin": _origin(request.prepared, runs, request.images),
    }  # fmt: skip


def _of_classes(request: _Request, trained: _Trained) -> Statement:
    """State classes."""
    runs, narrow = trained.runs, trained.proxies
    data, measurand, like = request.data, request.measurand, request.like
    everything, n = request.everything, len(request.calibration)
    groups, left_out = _observable(request, runs)
    predicted = _predicted(request, runs, everything)
    logp, mean = predicted.double().cpu().numpy(), predicted.double().exp().mean(0).cpu().numpy()
    chosen = mean.argmax(1)
    n_eff, source = None, CHECKED
    notes, epochs = list(apart_of(logp)), request.prepared.recipe.epochs
    if len(runs) == 1 and epochs < SHORT:
        notes.append(BRIEF.format(epochs=epochs))
    with bar(len(runs), "exploring", "networks", show=request.progress) as progress:
        how: dict[str, Any] = {"measurand": measurand, "on_network": progress.update}
        seen = _explored(request, runs, groups, everything, chosen, predicted=predicted.cpu().numpy(), **how)
        if len(runs) > 1:  # one network borrows its scale
            n_eff = believed(explore.movement(runs, everything[:n], chosen[:n], measurand=measurand), n)
            source = CHECKED if n_eff is None else NOISE
    on_proxies = True  # whether the advice to measure n_eff on them makes sense
    if narrow is not None:
        q = measurand(narrow.predict(everything, progress=request.progress).cpu().numpy(), chosen)
        seen, groups = replace(seen, spreads={"proxies": q.std(0, ddof=1)}), [*groups, "proxies"]
        at_least, enough = effective_number(q[:, :n]), len(narrow) >= explore.ENOUGH_PROXIES
        if enough and at_least > (n_eff or assumed_number(n)):
            n_eff, source = at_least, PROXIES
        elif enough:
            on_proxies = False
            notes.append(
                f"The {len(narrow)} proxies show that the inputs are worth {at_least:.0f} independent ones or more."
            )
    fitted, stated = slice(0, n), slice(n, None)
    columns = columns_of(replace(seen, like=seen.of(range(len(runs)), fitted)), groups)
    if like is not None:
        columns = with_class_means(*columns, like=columns[0][fitted])
    companion = None
    if trained.companions is not None:
        short = trained.companions.predict(everything[:n], progress=request.progress).cpu().numpy()
        companion = measurand(short, chosen[:n])[0], contrast(short, chosen[:n])[0]
    if request.advises and source == NOISE:
        notes.append(ADVICE)
    return statement_of(
        seen.q, columns, (fitted, stated), n_eff=n_eff, n_eff_source=source, like=like, companion=companion,
        network=kind_of(request.prepared.template.module), groups=tuple(groups), left_out=left_out, notes=notes,
        on_proxies=on_proxies, n_proxies=0 if narrow is None else len(narrow), **_about(request, trained, groups),
        **about_classes(logp, mean, chosen, stated, measurand=measurand, classes=tuple(map(str, data.classes))),
    )  # fmt: skip


def _of_values(request: _Request, trained: _Trained) -> Statement:
    """State values: every output in parts of the root mean square of its s, all under one prior."""
    runs, data, everything, n = trained.runs, request.data, request.everything, len(request.calibration)
    k, (groups, left_out) = data.n_classes, _observable(request, runs)
    predicted = _predicted(request, runs, everything).cpu().numpy()
    outputs = [np.full(len(everything), c) for c in range(k)]
    spread = [np.sqrt(explore.value(predicted, output)[:, :n].var(0, ddof=1).mean()) for output in outputs]
    scale = np.array([one if one > 0 else 1.0 for one in spread])

    def in_parts(predicted: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        return explore.value(predicted, chosen) / scale[np.asarray(chosen)]

    fishers: list[Tensor] = []
    if "gradient distance" in groups and k > 1 and len(runs) <= MOST_FISHERS:  # the same for all outputs
        pool = data.train.subset(slice(0, N_TRAINING)).images
        of_each = zip(runs.thetas, runs.streams, strict=True)
        fishers = [fisher_of(runs, theta, pool, seed=seed) for theta, seed in of_each]
    with bar(k * len(runs), "exploring", "networks", show=request.progress) as progress:
        how: dict[str, Any] = {"measurand": in_parts, "on_network": progress.update, "fishers": fishers}
        each = [_explored(request, runs, groups, everything, output, predicted=predicted, **how) for output in outputs]
        moving = [explore.movement(runs, everything[:n], output[:n], measurand=in_parts) for output in outputs]
    parts, every = (slice(0, n * k), slice(n * k, None)), Traces.interleaved(each)
    columns = columns_of(replace(every, like=every.of(range(len(runs)), parts[0])), groups)
    n_eff = believed(float(np.mean(moving)), n)
    return statement_of(
        every.q, columns, parts, n_eff=n_eff, n_eff_source=NOISE if n_eff else CHECKED, scale=scale,
        limits=request.limits, quantity=data.classes[0] if k == 1 else "value", units=units_of(data.unit, k),
        outputs=data.classes if k > 1 else (), groups=tuple(groups), left_out=left_out,
        **_about(request, trained, groups),
    )  # fmt: skip


def _shortened(prepared: Prepared) -> Prepared:
    """Return the training of a companion; raise where it has no step."""
    short = prepared.under(replace(prepared.recipe, epochs=COMPANION * prepared.recipe.epochs))
    if short.recipe.n_steps(len(prepared.data.train)) < short.recipe.least_steps:
        why = f"A companion of {short.recipe.epochs:.2g} epochs would not be trained"
        raise ValueError(f"{why}; give a recipe of more epochs or of smaller batches, or leave companion=True out.")
    return short


def _of_proxies(net: Builder, prepared: Prepared, epochs: float) -> Prepared:
    """Return the training of a proxy, of so many epochs in parts of the plain one."""
    return Prepared.of(net, prepared.data, replace(prepared.recipe, epochs=epochs * prepared.recipe.epochs))


def _predicted(request: _Request, runs: Members, everything: Tensor) -> Float[Tensor, "networks inputs ..."]:
    """Predict the calibration inputs and those to be stated; name one without a finite prediction."""
    predicted, n = runs.predict(everything, progress=request.progress), len(request.calibration)
    if len(wrong := (~predicted.flatten(2).isfinite().all(2).all(0)).nonzero()):
        row, rows = int(wrong[0]), request.data.calibration.rows
        if row >= n:
            named = f"stated input {row - n}, id {request.ids[row - n]}"
        else:
            named = f"calibration input {row}" if rows is None else f"input {int(rows[row])} of the test set"
        raise ValueError(f"The networks can't predict {named} (NaN or infinite numbers); leave that input out.")
    return predicted


def _origin(prepared: Prepared, runs: Members, images: Tensor) -> dict[str, str]:
    """Identify network, data, recipe, trained networks and the inputs that are stated."""
    data, module, known = prepared.data, prepared.template.module, {}
    trained = f"{len(runs)} network{'s' * (len(runs) > 1)}, SHA-256 {tensor_fingerprint(runs.thetas)}…"
    if runs.recipe is not None:
        known["recipe"] = ", ".join(f"{name} {value}" for name, value in runs.recipe.describe().items())
    if runs.seeds:  # not of networks that were trained elsewhere
        trained = f"{trained}, seeds {', '.join(map(str, runs.seeds))}"
    return origin_of(
        network=f"{type(module).__name__}, {runs.thetas.shape[1]} parameters",
        data=f"{data.title}, SHA-256 {data.checksum[:16]}…",
        trained=trained,
        **known,
        stated=f"{len(images)} inputs, SHA-256 {tensor_fingerprint(images)}…",
    )


def _same_builder(net: Builder, runs: Members | None) -> Builder:
    """Return the builder of the runs where it is `net` with its statistics kept, as members(…) makes it, else `net`."""
    inner = getattr(runs, "net", None)
    while isinstance(inner, Wrapped):
        if inner.how == KEPT_STATISTICS and inner.builder == net:
            return inner
        inner = inner.builder
    return net


def _retrainings(runs: Members) -> Members:
    """Return the runs; raise where each cost less than a training."""
    if runs.cost is not None and runs.cost.trainings < 0.99 * len(runs):
        what = f"{len(runs)} networks for {runs.cost.trainings:.2g} trainings are no retrainings but snapshots"
        raise ValueError(f"{what}, or shorter ones; pass what fit returns.")
    return runs


def _checked_like(like: Any, shipped: LearnedPrior | None) -> LearnedPrior | None:
    """Return the prior towards which the coefficients shrink; `shipped` is that of the package, if it applies."""
    if isinstance(like, str):
        one_of(like, ["shipped"], "learned prior")
        return shipped
    if like is not None:
        instance(like, LearnedPrior, "like", "pass what learn_prior returns, 'shipped' or None")
    return like


def _checked_ids(ids: Any, n: int, rows: Any, *, n_calibration: int) -> tuple[str, ...]:
    """Return the identifiers of n inputs, or of those of the test set that lie in `rows`."""
    if rows is not None and ids is None:
        ids = rows.tolist()
    elif rows is not None and isinstance(ids, Iterable) and not isinstance(ids, str):
        ids = list(ids)  # by position, whatever the index of a table
        if len(ids) == n + n_calibration:  # those of the whole of it
            ids = [ids[row] for row in rows.tolist()]
    return texts(ids, n, "ids, one for each input")


def _checked_groups(covariates: Any, proxies: Builder | None) -> list[str]:
    """Return the requested groups, each once and without proxies; raise for an unknown one, or missing proxies."""
    groups = [covariates] if isinstance(covariates, str) else covariates
    instance(groups, Iterable, "covariates", f"pass names of groups, such as {FREE[:2]}")
    groups = [one_of(name, [*FREE, "gradient distance", "bursts", "proxies"], "group of covariates") for name in groups]
    if "proxies" in groups and proxies is None:
        raise ValueError("Proxies need a builder of a narrower network; pass proxies=network('mlp', data, width=32).")
    return [name for name in dict.fromkeys(groups) if name != "proxies"]


def _checked_kind(data, limits: Any, measurand: Any, like: Any, proxies: Any) -> np.ndarray | None:
    """Return the checked limits of values; raise if an argument for classes is passed with values, or the reverse."""
    if data.values is None:
        if limits is not None:
            raise ValueError("limits are those of measured values, and these data hold classes; leave them out.")
        return None
    for name, given in (
        ("measurand", measurand is not log_odds), ("like", isinstance(like, LearnedPrior)),
        ("proxies", proxies is not None),
    ):  # fmt: skip
        if given:
            raise ValueError(f"{name}= is for classes, and these data hold measured values; leave it out.")
    return checked_limits(limits, data.classes, units_of(data.unit, data.n_classes))


def _check_number(n: int, borrows: bool, *, values: bool, tokens: bool) -> None:
    """Raise for a single training where no other pair lends its scale."""
    if n == 1 and not borrows:
        one = "; or one, with gradient distance among the covariates and like='shipped'"
        if values:
            one = ": the scale that other pairs lend to one network is that of log-odds, and wrong for values"
        elif tokens:
            one = ": the scale that other pairs lend to one network is that of images, and wrong for tokens"
        what = "One training shows no spread, so nothing tells how far a second one would differ"
        raise ValueError(f"{what}. Give two or more (seeds=range(2), or runs= of two){one}.")


def _check_companion(companion: Any, serves: bool) -> None:
    """Raise if a companion is requested that no prior can use."""
    if instance(companion, bool, "companion", "pass True or False") and not serves:
        what = "A companion shows the scale of log-odds, of images or features, by a prior that knows companions"
        cure = "keep gradient distance among the covariates and like='shipped', or leave companion= out"
        raise ValueError(f"{what}; {cure}.")


def _checked_images(images: Any, data) -> Tensor:
    """Return the images to be stated; raise unless they are like the test images."""
    like = data.test.images
    images = like if images is None else images
    if not isinstance(images, Tensor) or images.dtype != like.dtype or images.shape[1:] != like.shape[1:]:
        kind = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        want = f"a normalised {str(like.dtype).removeprefix('torch.')} tensor {('n', *like.shape[1:])}"
        raise ValueError(f"The inputs are {kind}; pass {want}, or data.prepare(pixels).")
    if not len(images) or not torch.isfinite(images).all():
        what = "hold NaN or infinite values" if len(images) else "are empty; there is nothing to evaluate"
        raise ValueError(f"The inputs {what}; pass inputs as in data.test.images, or data.prepare(pixels).")
    return images


def _check_neighbours(neighbours: Any, groups: list[str], two: Tensor) -> None:
    """Raise unless the function makes several finite inputs near each of two, and a group of covariates needs them."""
    wanted = "pass a function from inputs [n, …] to inputs near each, [kinds, n, …], two kinds or more, or None"
    if not callable(neighbours):
        raise TypeError(f"neighbours is {shown(neighbours)}; {wanted}.")
    if not {"neighbourhood", "differences"} & set(groups):
        raise ValueError("neighbours= is for the groups 'neighbourhood' and 'differences'; add one to covariates=.")
    try:
        near = neighbours(two)
    except Exception as error:
        raise ValueError(f"neighbours fails with {type(error).__name__}: {error}; {wanted}.") from error
    fits = isinstance(near, Tensor) and near.shape[1:] == two.shape and near.dtype == two.dtype and len(near) > 1
    if not fits or not near.isfinite().all():
        kind = f"{near.dtype} {tuple(near.shape)}" if isinstance(near, Tensor) else f"a {type(near).__name__}"
        what = f"neighbours makes {kind} of {two.dtype} {tuple(two.shape)}{', not all finite' * fits}"
        raise ValueError(f"{what}; {wanted}.")


def _check_sizes(data, burst: Recipe | None) -> None:
    """Raise for too few calibration images to fit the prior on, or bursts without a step."""
    if (n := len(data.calibration)) < FEWEST_INPUTS:
        what = f"The data hold {n} calibration inputs, and the prior needs {FEWEST_INPUTS} or more"
        raise ValueError(f"{what}; pass more as dataset(…, calibration=(inputs, labels)), where any labels will do.")
    if burst is not None and burst.n_steps(len(data.train)) < 1:
        why = f"A burst of {burst.epochs:g} epochs is no step on {len(data.train)} inputs in batches of {burst.batch}"
        raise ValueError(f"{why}; leave 'bursts' out, or lower Recipe.batch.")
