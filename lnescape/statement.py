"""The one call, `state`: builder, data, a few trainings → a `Statement` of uncertainty for every prediction."""

import math
import textwrap
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Shaped
from numpy import ndarray
from torch import Tensor

from lnescape.checks import one_of, real, whole
from lnescape.covariates.explore import (
    ENOUGH_PROXIES,
    N_BURSTS,
    burst_recipe,
    explored,
    movement,
    proxy_recipe,
    unavailable,
)
from lnescape.covariates.geometry import SLOPE
from lnescape.covariates.groups import DEFAULT, FREE, columns_of, passes_of
from lnescape.laws import Members
from lnescape.progress import bar
from lnescape.results import Estimate
from lnescape.results.files import MOST_JSON, read, unseal
from lnescape.retraining import (
    Diagnosis,
    Evaluation,
    LearnedPrior,
    Measurand,
    Prior,
    borrowed_prior,
    contrast,
    diagnose,
    effective_number,
    fit_prior,
    log_odds,
    moderated,
    relative_uncertainty,
    shipped_prior,
    with_class_means,
)
from lnescape.retraining.prior import FEWEST_INPUTS, assumed_number
from lnescape.training import Prepared, Recipe
from lnescape.training.prepared import checked_seeds
from lnescape.training.runs import retrain
from lnescape.weights import Builder, Template, build, check_builder, identity

if TYPE_CHECKING:
    import pandas

MOST_CALIBRATION = 3000  # held-out images that the prior is fitted on
PROXY_SEED = 1_000_000  # first seed of the proxies, far from those of the networks
BURST_EPOCHS, BURST_RATE = 0.25, 1.0
COVERS = (
    "the spread of one further training of this network, on these data, by this recipe, under another seed: "
    "initialisation, order of the images, augmentation, dropout."
)
LEAVES_OUT = (
    "the choice of the training images, their labels, an error that all trainings share, another recipe or machine. A "
    "small u(x) doesn't mean that the class is right."
)
BORROWED = (
    "Pattern and scale of u are borrowed from other pairs of data and network, and hold as far as this one is like "
    "them; a second training would show its scale."
)
N_SHOWN = 5
SINGLE_SETS = Path(__file__).with_name("single_sets.json")  # made of the summaries "…-together"
DOUBTFUL = 0.05  # probability to decide otherwise above which a decision is counted as doubtful

__all__ = ["Statement", "state"]


@dataclass(frozen=True, repr=False)
class Statement:
    """Hold the uncertainty of every prediction due to retraining; print it for one page.

    Attributes:
        chosen: Class of each input, that of the highest mean probability over the M networks.
        probability: Mean probabilities, [inputs, classes].
        evaluation: q̄, σ̃ and ν_eff: `evaluation.u` is the standard uncertainty, `evaluation.interval()` the interval.
        flip: Probability that one further retraining decides for another class.
        level: Probability of coverage of the intervals.
        prior: The prior of the moderation.
        diagnosis: Whether the variances of these inputs are those that the prior expects.
        classes: Names of the classes.
        title: Title of the data.
        measurand: The measurand.
        groups: Groups of covariates in use.
        left_out: {group that was asked for: why it isn't in use}.
        notes: Reservations about the fit.
        trainings: M, and those that diverged.
        further: Further cost, in trainings.
        passes: Forward passes for each input and network beside that of the prediction.
        n_calibration: Images that the prior was fitted on.
        measured: Whether n_eff was measured on proxies; else it is assumed, or estimated from noise if that is less.
        n_proxies: Number of proxies.
        transferred: Whether the coefficients shrink towards those that other pairs taught.
    """

    chosen: ndarray
    probability: ndarray
    evaluation: Evaluation
    flip: ndarray
    level: float
    prior: Prior
    diagnosis: Diagnosis
    classes: tuple[str, ...]
    title: str
    measurand: Measurand
    groups: tuple[str, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    trainings: float
    further: float
    passes: int
    n_calibration: int
    measured: bool = False
    n_proxies: int = 0
    transferred: bool = False

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def dof(self) -> float:
        """ν_eff, of σ̃ and of every interval."""
        return self.evaluation.dof

    @property
    def u(self) -> ndarray:
        """Standard uncertainty of each prediction due to retraining; nan where ν_eff ≤ 2."""
        return self.evaluation.u

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return a table with one row for each input.

        Returns:
            class, probability (of that class, mean of the networks), q (q̄), u, sigma (σ̃), dof (ν_eff), low and high
            (interval of one further retraining), and for log-odds probability_low and probability_high, flip.
        """
        import pandas

        low, high = self.evaluation.interval(self.level)
        columns = {
            "class": [self.classes[c] for c in self.chosen],
            "probability": self.probability[np.arange(len(self)), self.chosen],
            "q": self.evaluation.mean,
            "u": self.u,
            "sigma": self.evaluation.scale,
            "dof": np.full(len(self), self.dof),
            "low": low,
            "high": high,
        }
        if self.measurand is log_odds:
            columns["probability_low"], columns["probability_high"] = self.evaluation.probability_interval(self.level)
        return pandas.DataFrame(columns | {"flip": self.flip})

    def sentence(self, index: int) -> str:
        """Return the statement on one input, as for a certificate.

        Args:
            index: Its number.

        Returns:
            Two sentences.
        """
        low, high = (float(end[index]) for end in self.evaluation.interval(self.level))
        spread = "standard uncertainty" if self.dof > 2 else "dispersion σ̃"
        unit = " nat" if self.measurand is log_odds else ""
        value = f"{self._name} {self.evaluation.mean[index]:.2f}{unit}"
        return (
            f"Input {index}: class {self.classes[self.chosen[index]]!r}, {value}, {spread} due to retraining "
            f"{self._spread[index]:.2f}{unit} ({self.dof:.1f} degrees of freedom, {self._kind}). One further "
            f"retraining gives a value between {low:.2f} and {high:.2f}{unit} with a probability of {self.level:.0%}, "
            f"and decides for another class with one of {_percent(self.flip[index])}."
        )

    def facts(self) -> dict[str, str]:
        """Return the lines of the page, {heading: text}."""
        n, u_known = self.evaluation.n, self.dof > 2
        symbol = "u" if u_known else "σ̃ (ν_eff ≤ 2: no u in the sense of JCGM 101)"
        quantiles = np.quantile(self._spread, [0.05, 0.5, 0.95])
        assumed = self.prior.n_eff >= assumed_number(self.n_calibration)
        how = "measured on the proxies" if self.measured else "assumed" if assumed else "from noise on the weights"
        fitted = "fitted on" if n > 1 else "borrowed from other pairs of data and network, its scale from q over"
        worth = f", worth {self.prior.n_eff:.0f} independent ones ({how})" if n > 1 else ""
        missing = "".join(f"; without {name}: {reason}" for name, reason in self.left_out.items())
        elsewhere = (
            "; coefficients shrink towards those of other pairs of data and network"
            if self.transferred and n > 1
            else ""
        )
        lost = round(self.trainings) - n
        diverged = f" ({lost} diverged)" if lost > 0 else ""
        further = f" + {self.further:.2f} for exploration" if self.further else ", no further one"
        narrow = f", {self.n_proxies} of the narrower network" if self.n_proxies else ""
        relative = relative_uncertainty(n, prior_dof=self.prior.dof)
        return {
            "measurand": f"{self._name} of the class with the highest mean probability over the networks",
            "evaluation": f"{self._kind}, ν = {n - 1}, and a prior worth d₀ = {self.prior.dof:.1f}: ν_eff = "
            f"{self.dof:.1f}; {'u' if u_known else 'σ̃'} is known to about {relative:.0%}",
            "prior": f"{fitted} {self.n_calibration} held-out images without labels{worth}; covariates: "
            f"{', '.join(self.groups) or 'none'}{missing}{elsewhere}",
            **({"one set": _single_set(n - 1, self.prior.n_eff)} if n > 1 else {}),
            "cost": f"{self.trainings:g} trainings{diverged}{further}; {self.passes} forward passes an input and "
            f"network{narrow}",
            symbol: f"median {quantiles[1]:.2f}; 5 % of inputs are below {quantiles[0]:.2f}, "
            f"5 % above {quantiles[2]:.2f}",
            "decisions": f"{int((self.flip > DOUBTFUL).sum())} of {len(self)} would fall otherwise in more than "
            f"{DOUBTFUL:.0%} of retrainings",
            "covers": COVERS,
            "leaves out": LEAVES_OUT,
            "reservations": " ".join([*self.notes, *self.diagnosis.messages]) or "none found",
        }

    @property
    def _name(self) -> str:
        return "log-odds" if self.measurand is log_odds else getattr(self.measurand, "__name__", "measurand")

    @property
    def _kind(self) -> str:
        """Kind of the evaluation in the GUM's words."""
        n = self.evaluation.n
        return f"moderated Type A evaluation of {n} retrainings" if n > 1 else "Type B evaluation, one training"

    @property
    def _spread(self) -> ndarray:
        """Standard uncertainty where it exists, else σ̃."""
        return self.u if self.dof > 2 else self.evaluation.scale

    def _table(self) -> list[list[str]]:
        """Return the heading and the rows of the inputs whose decisions are the most doubtful."""
        low, high = self.evaluation.interval(self.level)
        rows = [["input", "class", f"{self._name}, q̄(u)", f"{self.level:.0%} interval", "decides otherwise"]]
        for i in np.argsort(-self.flip, kind="stable")[:N_SHOWN]:
            value, interval = str(Estimate(self.evaluation.mean[i], self._spread[i])), f"[{low[i]:.1f}, {high[i]:.1f}]"
            rows.append([str(i), self.classes[self.chosen[i]], value, interval, _percent(self.flip[i])])
        return rows

    def __str__(self) -> str:
        lines = [f"Uncertainty of {len(self)} predictions due to retraining · {self.title}", ""]
        for name, text in self.facts().items():
            head, *rest = textwrap.wrap(text, 98)
            lines += [f"{name.split(' (')[0]:>13}  {head}", *(f"{'':15}{line}" for line in rest)]
        rows = self._table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*lines, "", "The most doubtful decisions:", *table])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left = "style='text-align:left;vertical-align:top'"
        facts = "".join(
            f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>"
            for name, text in self.facts().items()
        )
        kinds = ["th", *["td"] * N_SHOWN]
        rows = "".join(
            "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) + "</tr>"
            for kind, row in zip(kinds, self._table(), strict=False)
        )
        title = f"Uncertainty of {len(self)} predictions due to retraining · {escape(self.title)}"
        return f"<h4>{title}</h4><table>{facts}</table><p>The most doubtful decisions:</p><table>{rows}</table>"


def _single_set(dof: int, n_eff: float) -> str:
    """Return what single sets of networks delivered where the common scale was known nearly as well: ν n_eff."""
    rows = unseal(read(SINGLE_SETS, most=MOST_JSON, cure="Install lnescape again."))["rows"]
    row = min(rows, key=lambda row: abs(math.log(row["dof"] * row["n_eff"] / (dof * n_eff))))
    return (
        f"the scale that all inputs share has ν n_eff = {dof * n_eff:.3g} degrees of freedom; where it had "
        f"{row['dof'] * row['n_eff']:.3g} ({row['title']}), {row['share']:.0%} of {row['sets']} single sets of "
        f"{row['dof'] + 1} networks had 95 % intervals that cover 90 to 99 %"
    )


def _percent(p: float) -> str:
    """Return a probability in per cent."""
    return "< 0.1 %" if p < 0.001 else f"{100 * p:.2g} %"


def state(
    net: Builder,
    data,
    *,
    runs: Members | None = None,
    seeds: Iterable[int] = range(3),
    images: Shaped[Tensor, "images ..."] | None = None,
    covariates: Iterable[str] | None = None,
    like: LearnedPrior | Literal["shipped"] | None = "shipped",
    proxies: Builder | None = None,
    n_proxies: int = 40,
    proxy_epochs: float = 0.2,
    measurand: Measurand = log_odds,
    level: float = 0.95,
    recipe: Recipe | None = None,
    device: torch.device | str | None = None,
    folder: Path | str | None = None,
    progress: bool = True,
) -> Statement:
    """State, for every input, the class, its log-odds, and the uncertainty of the prediction due to retraining.

    Trains M networks (or takes those of `runs`), fits the prior of the moderated Type A evaluation on the calibration
    images, without their labels, and evaluates the images. The class of an input is that of the highest mean
    probability over the M networks. Every argument is checked before the first training.

    Args:
        net: Builder of one network.
        data: The data set.
        runs: Networks trained already; with `fit(…, path=True)` their path serves as well.
        seeds: Of the M trainings, where there are no runs. One makes a Type B evaluation: pattern and scale of u are
            borrowed from the pairs of `like`.
        images: Normalised inputs, as in `data.test.images`, which are taken unless given.
        covariates: Groups of `covariates.GROUPS`. Unless given, those of `covariates.DEFAULT`, with gradient distance,
            for the log-odds, and those of `covariates.FREE` for another measurand. "bursts" may be added.
        like: Prior of `learn_prior`, towards which the coefficients shrink. The package's own unless given, where
            gradient distance is among the covariates; None for no such prior.
        proxies: Builder of a narrower network, for cheap retrainings; the statement counts their cost.
        n_proxies: How many of them, ≥ 4.
        proxy_epochs: Length of their training, > 0, in parts of the plain one.
        measurand: From log-probabilities and classes to q [networks, images].
        level: Probability of coverage of the intervals, in (0, 1).
        recipe: How to train.
        device: Where to train; the data's device unless given. Runs stay where they are.
        folder: Where trainings are kept: killed and called again, it goes on from there.
        progress: Show bars with the time left.

    Returns:
        The statement.

    Raises:
        ValueError: No networks, one where nothing lends its scale, networks of another builder, an unknown group,
            images that the network can't take, too few calibration images, predictions without spread, a number out
            of its range.

    References:
        Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3, for the moderation; JCGM 106:2012 for the risk.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> stated = state(ln.network("mlp", data, width=16), data, seeds=range(2), recipe=ln.Recipe(epochs=5))
        >>> len(stated.to_dataframe())
        200
    """
    level = real(level, "level", above=0, below=1)
    n_proxies, proxy_epochs = whole(n_proxies, "n_proxies", least=4), real(proxy_epochs, "proxy_epochs", above=0)
    groups = _checked_groups(
        (DEFAULT if measurand is log_odds else FREE) if covariates is None else covariates, proxies
    )
    _check_prior(like)
    template = check_builder(net, data)
    seeds = checked_seeds(seeds) if runs is None else []
    if runs is not None:
        _check_runs(runs, net, template, data)
        recipe, device = recipe or runs.recipe or Recipe(batch=min(Recipe.batch, len(data.train))), runs.device
    n_trained = len(seeds) if runs is None else len(runs) + len(runs.failed)
    lends = like == "shipped" if isinstance(like, str) else like is not None and like.level is not None
    borrows = lends and "gradient distance" in groups and measurand is log_odds
    _check_number(n_trained if runs is None else len(runs), borrows)
    _check_measurand(measurand, n_trained, data.n_classes)
    images = _checked_images(images, data)
    prepared = Prepared.of(net, data, recipe, device=device, folder=folder, template=template)
    data, recipe = prepared.data, prepared.recipe
    burst = burst_recipe(recipe, epochs=BURST_EPOCHS, rate=BURST_RATE)
    _check_sizes(data, burst if "bursts" in groups else None)
    if proxies is not None:
        of_proxies = Prepared.of(proxies, data, proxy_recipe(recipe, epochs=proxy_epochs))
    if runs is None:
        runs = retrain(prepared, seeds, folder=folder, path="training path" in groups, progress=progress)
        _check_number(len(runs), borrows)
    left_out = unavailable(runs, groups, images)
    if measurand is not log_odds and "gradient distance" in groups:
        left_out["gradient distance"] = "it is that of the log-odds, not of another measurand"
    groups = [name for name in groups if name not in left_out]
    if isinstance(like, str):  # the shipped one knows gradient distance, and serves with it only
        like = shipped_prior() if "gradient distance" in groups else None
    calibration = data.calibration.images[:MOST_CALIBRATION]
    everything = torch.cat([calibration, images.to(calibration.device)])
    logp = runs.predict(everything).double()
    chosen = logp.exp().mean(0).argmax(1).cpu().numpy()
    with bar(len(runs), "exploring", "networks", show=progress) as shown:
        looked: dict[str, Any] = {"groups": groups, "measurand": measurand, "burst": burst, "prepared": prepared}
        seen = explored(runs, data, everything, chosen, on_network=shown.update, **looked)
    further = _exploring_cost(len(runs), groups, burst, recipe, len(data.train))
    n, measured = len(calibration), False
    n_eff = None
    if len(runs) > 1:  # one network borrows its scale
        worth = 1 / (1 / n + movement(runs, calibration, chosen[:n], measurand=measurand))
        n_eff = worth if worth < assumed_number(n) else None  # believed where it is less than assumed
    if proxies is not None:
        numbers = list(range(PROXY_SEED, PROXY_SEED + n_proxies))
        narrow = retrain(of_proxies, numbers, folder=folder, progress=progress)
        q = measurand(narrow.predict(everything).cpu().numpy(), chosen)
        seen = replace(seen, spreads={"proxies": q.std(0, ddof=1)})
        groups.append("proxies")
        at_least, n_proxies = effective_number(q[:, :n]), len(narrow)
        if measured := n_proxies >= ENOUGH_PROXIES and at_least > (n_eff or assumed_number(n)):
            n_eff = at_least
        further += narrow.cost.operations / prepared.plain
    parts = slice(0, len(calibration)), slice(len(calibration), None)
    columns = columns_of(replace(seen, like=seen.of(range(len(seen.q)), parts[0])), groups)
    if like is not None:
        columns = with_class_means(*columns, like=columns[0][parts[0]])
    evaluation, prior, notes = _evaluated(seen.q, columns, parts, n_eff, like)
    second, _, of_decisions = _evaluated(contrast(logp.cpu().numpy(), chosen), columns, parts, n_eff, like)
    return Statement(
        chosen=chosen[parts[1]], probability=logp.exp().mean(0).cpu().numpy()[len(calibration) :],
        evaluation=evaluation, flip=second.below(0.0), level=level, prior=prior,
        diagnosis=diagnose(seen.q[:, parts[1]], prior, columns[0][parts[1]]),
        classes=tuple(map(str, data.classes)), title=data.title, measurand=measurand, groups=tuple(groups),
        left_out=left_out, notes=_joined(notes, of_decisions), trainings=float(n_trained), further=further,
        passes=passes_of(groups, epochs=0 if runs.path is None else runs.path.shape[1]), n_calibration=len(calibration),
        measured=measured, n_proxies=0 if proxies is None else n_proxies, transferred=like is not None,
    )  # fmt: skip


def _evaluated(
    q: np.ndarray,
    columns: tuple[np.ndarray, tuple[str, ...]],
    parts: tuple[slice, slice],
    n_eff: float | None,
    like: LearnedPrior | None,
) -> tuple[Evaluation, Prior, tuple[str, ...]]:
    """Fit the prior on the first part of the images, evaluate the second; warnings become notes."""
    (h, names), (fitted, stated) = columns, parts
    if len(q) == 1:
        assert like is not None, "see _check_number"
        prior = borrowed_prior(q[0, fitted], h[fitted], names=names, like=like)
        return moderated(q[:, stated], prior, h[stated]), prior, (BORROWED,)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        slopes = {name: SLOPE for name in names if name == "gradient distance" and like is None}
        variance = q[:, fitted].var(0, ddof=1)
        prior = fit_prior(variance, len(q) - 1, h[fitted], n_eff=n_eff, names=names, like=like, slopes=slopes)
    return moderated(q[:, stated], prior, h[stated]), prior, tuple(str(one.message) for one in caught)


def _joined(notes: tuple[str, ...], of_decisions: tuple[str, ...]) -> tuple[str, ...]:
    """Add the notes on the fit for the decisions; those that differ only in a number stand once."""
    joined = list(notes)
    for note in of_decisions:
        same = [k for k, other in enumerate(joined) if other.split(" (")[0] == note.split(" (")[0]]
        if not same:
            joined.append(f"For the decisions: {note}")
        elif joined[same[0]] != note:
            joined[same[0]] += " The same holds for the decisions."
    return tuple(joined)


def _exploring_cost(n: int, groups: list[str], burst: Recipe, recipe: Recipe, n_images: int) -> float:
    """Return the cost of the bursts in trainings."""
    if "bursts" not in groups:
        return 0.0
    return n * N_BURSTS * burst.n_steps(n_images) / recipe.n_steps(n_images)


def _checked_groups(covariates: Any, proxies: Builder | None) -> list[str]:
    """Return the groups asked for, each once and without the proxies; raise where one can't be observed."""
    groups = [covariates] if isinstance(covariates, str) else covariates
    if not isinstance(groups, Iterable):
        raise TypeError(f"covariates is a {type(covariates).__name__}; pass names of groups, such as {FREE[:2]}.")
    groups = [one_of(name, [*FREE, "gradient distance", "bursts", "proxies"], "group of covariates") for name in groups]
    if "proxies" in groups and proxies is None:
        raise ValueError("Proxies need a builder of a narrower network; pass proxies=network('mlp', data, width=32).")
    return [name for name in dict.fromkeys(groups) if name != "proxies"]


def _check_prior(like: Any) -> None:
    """Raise unless `like` is a learned prior, the name of the shipped one, or None."""
    if isinstance(like, str):
        one_of(like, ["shipped"], "learned prior")
    elif not (like is None or isinstance(like, LearnedPrior)):
        raise TypeError(f"like is a {type(like).__name__}; pass what learn_prior returns, 'shipped' or None.")


def _check_runs(runs: Any, net: Builder, template: Template, data) -> None:
    """Raise unless `runs` are retrainings of the networks that the builder makes."""
    if not isinstance(runs, Members):
        raise TypeError(f"runs is a {type(runs).__name__}; pass what fit returns, or members(net, networks, data).")
    if runs.cost is not None and runs.cost.trainings < 0.99 * len(runs):
        raise ValueError(
            f"{len(runs)} networks for {runs.cost.trainings:.2g} trainings are no retrainings but snapshots or "
            "shorter ones, whose spread is another; pass what fit returns."
        )
    some = data.train.images[:8]
    if runs.net is not net and identity(template.fresh(), some) != identity(build(runs.net, 0), some):
        raise ValueError("The builder makes another network than those of runs; pass the one that they were made with.")


def _check_number(n: int, borrows: bool) -> None:
    """Raise for no training, or a single one where no other pair lends its scale."""
    if n < 1 or (n == 1 and not borrows):
        raise ValueError(
            f"{n} training has no spread: nothing shows how far a second one would fall. Give two or more "
            "(seeds=range(2), or runs= of two); or one, with gradient distance among the covariates and like='shipped'."
        )


def _check_measurand(measurand: Any, n_networks: int, n_classes: int) -> None:
    """Raise unless the measurand makes one finite number for each network and image; tried on two images."""
    logp = np.log(np.random.default_rng(0).dirichlet(np.ones(n_classes), (n_networks, 2)))
    takes = "it takes log-probabilities [networks, images, classes] and one class for each image, as log_odds does"
    if not callable(measurand):
        raise TypeError(f"The measurand is a {type(measurand).__name__}, not a function; {takes}.")
    try:
        q = np.asarray(measurand(logp, np.zeros(2, int)), float)
    except Exception as error:
        raise ValueError(f"The measurand fails with {type(error).__name__}: {error}; {takes}.") from error
    if q.shape != logp.shape[:2]:
        raise ValueError(f"The measurand gives the shape {q.shape}; of {logp.shape} it must make {logp.shape[:2]}.")
    if not np.isfinite(q).all():
        raise ValueError(f"The measurand's values aren't finite; {takes}.")


def _checked_images(images: Any, data) -> Tensor:
    """Return the images to be stated; raise unless they are like the test images."""
    like = data.test.images
    images = like if images is None else images
    if not isinstance(images, Tensor) or images.dtype != like.dtype or images.shape[1:] != like.shape[1:]:
        kind = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(
            f"The images are {kind}; pass a normalised {str(like.dtype).removeprefix('torch.')} tensor of shape "
            f"{('n', *like.shape[1:])}, or data.prepare(pixels)."
        )
    if not len(images) or not torch.isfinite(images).all():
        what = "hold NaN or infinite values" if len(images) else "are none; there are no images to state"
        raise ValueError(f"The images {what}; pass images as in data.test.images, or data.prepare(pixels).")
    return images


def _check_sizes(data, burst: Recipe | None) -> None:
    """Raise for too few calibration images to fit the prior on, or bursts without a step."""
    if (n := len(data.calibration)) < FEWEST_INPUTS:
        raise ValueError(
            f"The data hold {n} calibration images; the prior is learned on {FEWEST_INPUTS} or more, labels not needed:"
            " pass more as dataset(…, calibration=…)."
        )
    if burst is not None and burst.n_steps(len(data.train)) < 1:
        raise ValueError(
            f"A burst of {burst.epochs:g} epochs is no step on {len(data.train)} training images in batches of "
            f"{burst.batch}; leave 'bursts' out, or lower Recipe.batch."
        )
