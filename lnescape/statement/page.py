"""A statement on every input, as a page, a table, a sentence, a file and a certificate."""

import datetime
import json
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.checks import instance, numbers, one_of, shown, whole
from lnescape.results import Estimate
from lnescape.results.estimate import (
    float_to_json,
    interval_text,
    percent,
    probability_text,
    share_text,
    two_digits,
)
from lnescape.results.files import MOST_JSON, read, unseal, write
from lnescape.retraining import Diagnosis, Evaluation, Prior
from lnescape.retraining.judging import compared, squared_error_of
from lnescape.retraining.measurand import log_odds
from lnescape.retraining.prior import ANY

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

COVERS = (
    "the spread of one further training of this network, on these data, by this recipe, under another seed, through "
    "whatever the seed decides: initialisation, order of the training data, augmentation, dropout."
)
# Predictions as arrays: only the user knows how the networks were trained.
ASSERTED = "the spread of one further training that differs from those given as they differ from each other."
LEAVES_OUT = (
    "the choice of the training data, their labels or target values, an error that all trainings share, another recipe "
    "or machine. A small u(x) doesn't mean that the prediction is right."
)
NONE_FOUND = "none found; rare failures of a training, and heavy tails with two or three networks, can't be detected"
N_SHOWN = 5
ASSUMED, GIVEN, NOISE = "assumed", "given by the user", "from noise on the weights"  # how n_eff was found
CHECKED, NETWORKS, PROXIES = "assumed; noise on the weights shows no fewer", "from the networks", "from proxies"
FROM_PACKAGE = "shipped"  # the prior of other pairs that the package brings, whose errors are known
ENOUGH = 1000  # calibration inputs; on fewer, errors that were measured with up to 3000 get a reservation
DELIVERED = Path(__file__).with_name("delivered.json")  # made by report/studies/delivered.py
DOUBTFUL = 0.05  # risk above which a decision, or conformity with limits, is counted as doubtful
DECISIONS = "For the decisions: "  # before a note that is about them alone
# Headings of columns of `to_dataframe`.
NAMING = {"id": "input", "output": "output", "class": "class"}
RISKS = {"flip": "decides otherwise", "risk": "outside limits"}
EXTRAPOLATED = 0.01  # share of inputs above which it is a reservation; 0.7 % of those of the fit, at most, lie as far
# Arrays with a row for each input, in addition to those of the evaluations.
ROWS = ("chosen", "probability", "likelier", "extrapolated")
EVALUATIONS = ("evaluation", "contrast")


@dataclass(frozen=True, repr=False, eq=False)
class Statement:
    """The uncertainty of every prediction due to retraining; prints as one page.

    `stated[i]`, `stated["id of mine"]` and `stated[10:20]` are statements of one or some of the inputs.
    """

    #: q̄, σ̃ and ν_eff: `evaluation.u` is the standard uncertainty, `evaluation.interval()` the interval. Arrays are
    #: [inputs], or [inputs, outputs] for values of several outputs
    evaluation: Evaluation
    level: float  #: probability of coverage of the intervals
    prior: Prior  #: the prior of the moderation
    diagnosis: Diagnosis  #: whether the variances of these inputs are those that the prior expects
    title: str  #: title of the data
    quantity: str  #: name of the quantity: "log-odds", "value" or the value's name, or the name of another measurand
    units: tuple[str, ...]  #: unit of the quantity; one for each output of values
    groups: tuple[str, ...]  #: groups of covariates in use
    left_out: Mapping[str, str]  #: {requested group: why it isn't in use}
    notes: tuple[str, ...]  #: reservations about the fit
    trainings: float  #: M, and those that diverged
    n_calibration: int  #: inputs that the prior was fitted on
    #: class of each input, that of the highest mean probability over the M networks; None for values
    chosen: ndarray | None = None
    probability: ndarray | None = None  #: mean probabilities, [inputs, classes]; None for values
    #: of the contrast, the logit of the class less the largest other one, as `evaluation`; None for values
    contrast: Evaluation | None = None
    #: class of the highest mean log-probability, for which a typical retraining decides; None for values
    likelier: ndarray | None = None
    classes: tuple[str, ...] = ()  #: names of the classes
    outputs: tuple[str, ...] = ()  #: names of the outputs, where values have several
    #: whether a covariate of the input lies over 4 standard deviations from those that the prior was fitted on
    extrapolated: ndarray | None = None
    #: tolerance limits (low, high) of values, in their unit, [2] or [2, outputs]; None without limits
    limits: ndarray | None = None
    ids: tuple[str, ...] = ()  #: identifiers of the inputs
    further: float = 0.0  #: further cost, in trainings
    passes: int = 0  #: forward passes for each input and network beside that of the prediction
    n_eff_source: str = ASSUMED  #: how n_eff was found
    n_proxies: int = 0  #: number of proxies
    network: str = ANY  #: kind of network whose level is borrowed after one training, "any" for all kinds
    companion: bool = False  #: whether a companion showed the scale of one training
    like: str = ""  #: "shipped", or the checksum of another prior that the coefficients shrink towards
    itself: bool = False  #: whether the prior was fitted on the inputs themselves
    covers: str = COVERS  #: sources of the spread that is stated
    #: {item: identification}: network, data, recipe, checksums, versions
    origin: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.evaluation.mean)

    def __getitem__(self, key: int | str | slice | ndarray) -> "Statement":
        """Return the statement of one input, by number or identifier, or of some of them."""
        if isinstance(key, str):
            key = self.ids.index(one_of(key, self.ids, "input", error=KeyError))
        try:
            rows = np.atleast_1d(np.arange(len(self))[key])
        except (IndexError, TypeError):
            rows = np.arange(0)
        if rows.ndim != 1 or not len(rows):
            named = f"; the input of that name is stated[{str(key)!r}]" if str(key) in self.ids else ""
            raise IndexError(f"There is no input {key}; {len(self)} are stated, numbered from 0{named}.")
        known = {name: getattr(self, name) for name in ROWS}
        some: dict[str, Any] = {name: None if values is None else values[rows] for name, values in known.items()}
        for name in EVALUATIONS:
            if (one := getattr(self, name)) is not None:
                some[name] = replace(one, mean=one.mean[rows], scale=one.scale[rows])
        return replace(self, ids=tuple(self.ids[i] for i in rows), **some)

    def __iter__(self) -> Iterator["Statement"]:
        return (self[i] for i in range(len(self)))

    @property
    def dof(self) -> float:
        """ν_eff, of σ̃ and of every interval."""
        return self.evaluation.dof

    @property
    def u(self) -> ndarray:
        """Standard uncertainty of each prediction due to retraining; nan where ν_eff ≤ 2."""
        return self.evaluation.u

    @property
    def spread(self) -> ndarray:
        """Standard uncertainty where it exists, else σ̃."""
        return self.u if self.dof > 2 else self.evaluation.scale

    @property
    def flip(self) -> Float[ndarray, " inputs"] | None:
        """Probability that one further retraining decides for another class, its contrast below 0; None for values."""
        return None if self.contrast is None else self.contrast.below(0.0)

    @property
    def risk(self) -> Float[ndarray, "*inputs"] | None:
        """Probability that one further retraining decides for another class, or falls outside the limits.

        For values P(q < low) + P(q > high), q Student's t around q̄ with the dispersion σ̃ √(1 + 1/M): JCGM 106:2012,
        section 7. None without limits.
        """
        if self.limits is None:
            return self.flip
        low, high = self.limits
        return self.evaluation.below(low) + 1 - self.evaluation.below(high)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return a table with one row for each input, and for each output of it where there are several.

        Returns:
            id, output (where there are several), class and probability (of that class, mean of the networks), q (q̄),
            u, sigma (σ̃), dof (ν_eff), low and high (interval of one further retraining), unit, for log-odds
            probability_low and probability_high, for classes flip and its basis (contrast, contrast_sigma,
            contrast_dof), for values with limits risk, and extrapolated.
        """
        import pandas

        n, k = len(self), len(self.outputs) or 1
        low, high = self.evaluation.interval(self.level)
        columns: dict[str, Any] = {"id": np.repeat(np.array(self.ids, object), k)}
        if self.outputs:
            columns["output"] = list(self.outputs) * n
        if self.chosen is not None and self.probability is not None:
            columns["class"] = [self.classes[c] for c in self.chosen]
            columns["probability"] = self.probability[np.arange(n), self.chosen]
        arrays = {"q": self.evaluation.mean, "u": self.u, "sigma": self.evaluation.scale}
        columns |= {name: values.ravel() for name, values in arrays.items()} | {"dof": np.full(n * k, self.dof)}
        columns |= {"low": low.ravel(), "high": high.ravel(), "unit": list(self.units) * n}
        if self.quantity == "log-odds":
            columns["probability_low"], columns["probability_high"] = self.evaluation.probability_interval(self.level)
        if self.risk is not None:
            columns["risk" if self.contrast is None else "flip"] = self.risk.ravel()
        if self.contrast is not None:
            columns |= {"contrast": self.contrast.mean, "contrast_sigma": self.contrast.scale}
            columns["contrast_dof"] = np.full(n, self.contrast.dof)
        if self.extrapolated is not None:
            columns["extrapolated"] = np.repeat(self.extrapolated, k)
        return pandas.DataFrame(columns)

    def to_csv(self, path: Path | str) -> None:
        """Write the table of `to_dataframe` to a file, as text with commas."""
        write(Path(path), self.to_dataframe().to_csv(index=False, lineterminator="\n").encode())

    def to_json(self, path: Path | str) -> None:
        """Write the page, the identification and the table to a file, as JSON; nan becomes null."""
        rows = [{k: float_to_json(v) if isinstance(v, float) else v for k, v in row.items()} for row in self._records()]
        content = {"page": self.facts(), "identification": dict(self.origin), "rows": rows}
        write(Path(path), json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode())

    def to_xarray(self) -> "xarray.Dataset":
        """Return the columns of `to_dataframe` by input, and for classes `probabilities`; the page as attributes."""
        import xarray

        index = ["input", "output"] if self.outputs else ["input"]
        table = self.to_dataframe().rename(columns={"id": "input"}).set_index(index)
        found = xarray.Dataset.from_dataframe(table).reindex(
            {"input": list(self.ids)} | ({"output": list(self.outputs)} if self.outputs else {})
        )
        if self.probability is not None:
            dims = ("input", "class_name")
            found["probabilities"] = xarray.DataArray(self.probability, {"class_name": list(self.classes)}, dims)
        return found.assign_attrs(self.facts() | dict(self.origin))

    def save(self, path: Path | str) -> None:
        """Keep the statement as one sealed file, for `load_statement`; raise ResultError where that is impossible."""
        from lnescape.statement.saved import keep

        keep(self, Path(path))

    def compare(self, later: Any) -> dict[str, Estimate]:
        """Compare the statement with networks that were trained later, as they predict the same inputs in their order.

        Args:
            later: Log-probabilities [networks, inputs, classes], as `law.predict` returns them, or values in their unit
                [networks, inputs] or [networks, inputs, outputs]; q [networks, inputs] of another measurand.

        Returns:
            "inside", the share of their q inside the intervals; for classes "decided otherwise", and its mean stated
            risk; from three networks on "σ̃ / s", the geometric mean over inputs of the stated over the measured
            scatter. The u of shares is that over networks, since inputs share them.

        Raises:
            ValueError: Predictions of other inputs, or for a measurand that this statement can't compute.
        """
        try:
            q, logp = np.asarray(numbers(later), np.float64), None
        except (TypeError, ValueError) as error:
            raise ValueError(f"later is {shown(later)} ({error}); pass predictions [networks, inputs, …].") from None
        if not len(q) or not np.isfinite(q).all():
            raise ValueError("The predictions are empty, or not finite; leave out networks that diverged.")
        q = q[..., 0] if self.chosen is None and q.ndim == 4 and q.shape[3] == 2 else q  # without stated variances
        shape, wide = self.evaluation.mean.shape, (len(self), len(self.classes))
        if self.chosen is not None and self.quantity == "log-odds" and q.shape[1:] == wide:
            logp, q = q, log_odds(q, self.chosen)
        if q.shape[1:] not in (shape, (*shape, 1)):
            what = f"The predictions are {q.shape}, a row for each network; {list(shape)} are stated"
            raise ValueError(f"{what}; predict the same inputs, in their order (of another measurand give its q).")
        found = compared(self.evaluation, q.reshape(len(q), *shape), level=self.level)
        if logp is not None and self.risk is not None:
            found["decided otherwise"] = Estimate.mean((logp.argmax(2) != self.chosen).mean(1))
            found["stated risk"] = Estimate(float(self.risk.mean()), float("nan"))
        return found

    def plot(self, *, n: int = 40, title: str = "") -> "Figure":
        """Draw the intervals of n inputs, and the distribution of u(x); see `plots.statement`."""
        from lnescape.plots import statement

        usual = f"Every prediction with its interval, from {self.evaluation.n} trainings"
        return statement(self, n=whole(n, "n", least=0), title=title or usual)

    def certificate(
        self, path: Path | str, *, date: str | datetime.date, about: Mapping[str, str] | None = None, n: int = 20
    ) -> "Figure":
        """Write the statement as one page to sign: identification, measurand, method, results, reservations.

        The PDF holds no clock: the same statement and the same arguments make the same bytes.

        Args:
            path: The file, a PDF of one page, A4.
            date: Date of the statement, as it is to be printed.
            about: {heading: text} of further identification, such as its number, or of another network or recipe.
            n: Inputs in the table, at most, as far as the page has room; those of the highest risk, or largest u.

        Returns:
            The page as a figure.

        Raises:
            ValueError: The file's name doesn't end in .pdf, or the page has no room for a result.
            ResultError: The file can't be written.
        """
        from lnescape.statement.certificate import as_pdf, certificate_of

        if Path(path).suffix.lower() != ".pdf":
            raise ValueError(f"A certificate is a PDF, and {Path(path).name!r} doesn't end in .pdf.")
        instance(about or {}, Mapping, "about", "give {heading: text}")
        date = date.isoformat() if isinstance(date, datetime.date) else date
        for what, text in {"date": date, **(about or {})}.items():
            instance(text, str, what, "give it as text")
        page = certificate_of(self, date=date, about=about or {}, n=whole(n, "n", least=1))
        write(Path(path), as_pdf(page, f"Uncertainty due to retraining: {self.title}"))
        return page

    def reservations(self) -> dict[str, str]:
        """Return the reservations by subject, each once; empty if none was found."""
        of_decisions = [note for note in self.notes if note.startswith(DECISIONS)]
        fit = [note for note in self.notes if note not in of_decisions]
        groups = {"fit": fit, "decisions": [note.removeprefix(DECISIONS) for note in of_decisions]}
        if lost := self._lost:
            what = f"{lost} of {lost + self.evaluation.n} trainings diverged"
            groups["trainings"] = [f"{what}; all that is stated is of a training that does not."]
        groups["diagnosis"] = list(self.diagnosis.messages)
        if self.extrapolated is not None and self.extrapolated.mean() > EXTRAPOLATED:
            some = f"u is extrapolated for {self.extrapolated.sum()} of {len(self)} inputs"
            groups["extrapolation"] = [f"{some}, which are unlike those that the prior was fitted on."]
        return {name: " ".join(dict.fromkeys(notes)) for name, notes in groups.items() if notes}

    def worst(self, n: int) -> ndarray:
        """Return the numbers of the n inputs with the highest risk, or the largest u where there is no risk."""
        order = (self.spread if self.risk is None else self.risk).reshape(len(self), -1).max(1)
        return np.argsort(-order, kind="stable")[: whole(n, "n", least=0)]

    def sentence(self, index: int | str = 0) -> str:
        """Return the statement on one input, by number or identifier: two or three sentences for each output."""
        one = self[index]
        if len(one) != 1:
            raise ValueError(f"sentence() is on one input, and {shown(index)} names {len(one)}; call it for each.")
        return " ".join(one._sentence(k) for k in range(len(self.units)))

    def facts(self) -> dict[str, str]:
        """Return the lines of the page, {heading: text}."""
        n, u_known = self.evaluation.n, self.dof > 2
        symbol = "u" if u_known else "σ̃ (ν_eff ≤ 2: no u in the sense of JCGM 101)"
        of_kind = "networks" if self.network == ANY else f"{self.network} networks"
        source = "known from a companion, a short training of another seed, on"
        source = source if self.companion else f"from other {of_kind} and from q over"
        lent = f"borrowed from other pairs of data and network, its scale {source}"
        fitted = "fitted on" if n > 1 else lent
        inputs = (
            f"the {self.n_calibration} inputs themselves"
            if self.itself
            else f"{self.n_calibration} held-out inputs without labels"
        )
        worth = f", worth {self.prior.n_eff:.0f} independent ones ({self.n_eff_source})" if n > 1 else ""
        groups = ["which output" if self.outputs and name == "classes" else name for name in self.groups]
        missing = "".join(f"; without {name}: {reason}" for name, reason in self.left_out.items())
        elsewhere = "; coefficients shrink towards those of other pairs of data and network (Type B)"
        if self.companion:
            elsewhere += (
                f", the scale towards that beside a companion, worth {self.prior.lent_dof:.1f} degrees of freedom"
            )
        diverged = f" ({self._lost} diverged)" if self._lost else ""
        further = f" + {self.further:.2f} for exploration" if self.further else "; no exploration"
        narrow = f", {self.n_proxies} of the narrower network" if self.n_proxies else ""
        passes = f"; {self.passes} forward passes per input and network{narrow}" if self.passes or narrow else ""
        known = self.quantity in ("log-odds", "contrast", "probability")
        of = " of the class with the highest mean probability over the networks" if known else ", the user's measurand"
        of = "" if self.chosen is None else of
        unit = f", in {', '.join(dict.fromkeys(self.units))}" if any(self.units) else ""
        return {
            "measurand": f"{self.quantity}{of}{unit}",
            symbol: "; ".join(self._quantiles(k) for k in range(len(self.units))),
            **self._decisions(),
            "covers": self.covers,
            "leaves out": LEAVES_OUT,
            "reservations": " ".join(self.reservations().values()) or NONE_FOUND,
            "evaluation": f"{self.kind}, ν = {n - 1}, and a prior worth d₀ = {self.prior.dof:.1f}: ν_eff = "
            f"{self.dof:.1f}; σ̃ is known to about {self._known()}",
            "prior": f"{fitted} {inputs}{worth}; covariates: {', '.join(groups) or 'none'}{missing}"
            f"{elsewhere if self.like and n > 1 else ''}",
            **({"one set": self._one_set()} if n > 1 else {}),
            "cost": f"{self.trainings:g} training{'s' * (self.trainings != 1)}{diverged}{further}{passes}",
        }

    @property
    def _lost(self) -> int:
        """Number of trainings that diverged."""
        return max(round(self.trainings) - self.evaluation.n, 0)

    @property
    def kind(self) -> str:
        """Kind of the evaluation in the GUM's words."""
        n = self.evaluation.n
        return f"moderated Type A evaluation of {n} retrainings" if n > 1 else "Type B evaluation, one training"

    def rows(self) -> list[list[str]]:
        """Return the heading, and a row for each input and output: the results as text."""
        unit = f" in {self.units[0]}" if len(set(self.units)) == 1 and self.units[0] else ""
        table = []
        for row in self._records():
            cells = {heading: str(row[name]) for name, heading in NAMING.items() if name in row}
            cells |= {f"{self.quantity}, q̄(u){unit}": self._value(row, "" if unit else row["unit"])}
            cells |= {f"{share_text(self.level)} interval": interval_text(row["low"], row["high"])}
            cells |= {heading: percent(row[name]) for name, heading in RISKS.items() if name in row}
            table.append(cells)
        return [list(table[0]), *(list(cells.values()) for cells in table)]

    def _records(self) -> list[dict[str, Any]]:
        """Return the rows of the table as dictionaries."""
        return self.to_dataframe().to_dict("records")

    def _value(self, row: Mapping[str, Any], unit: str) -> str:
        """Write q̄(u)."""
        return str(Estimate(row["q"], row["u"] if self.dof > 2 else row["sigma"], unit=unit))

    def _sentence(self, k: int) -> str:
        """Write the sentences on one output of the one input that is stated."""
        row = self._records()[k]
        unit = f" {row['unit']}" if row["unit"] else ""
        spread = "standard uncertainty" if self.dof > 2 else "dispersion σ̃"
        output = f", output {row['output']}" if self.outputs else ""
        what = f"class {row['class']!r}, {self.quantity} " if "class" in row else f"{self.quantity} "
        value, ends = self._value(row, row["unit"]), interval_text(row["low"], row["high"])
        chance = further = ending = ""
        if self.quantity == "log-odds":
            chance = f", mean probability {probability_text(row['probability'])}"
            both = [probability_text(row[f"probability_{end}"]) for end in ("low", "high")]
            further = f", a probability between {both[0]} and {both[1]},"
        if self.flip is not None and self.likelier is not None and self.chosen is not None:
            other = self.likelier[0] != self.chosen[0]
            likely = f", most likely for {self.classes[self.likelier[0]]!r}" if other else ""
            ending = f" The risk that it decides for another class is {percent(row['flip'])}{likely}."
        elif self.limits is not None and (outside := self._tolerance(k)[1]):
            ending = f" The risk that it falls {outside} is {percent(row['risk'])}."
        if row.get("extrapolated"):
            ending += " The input is unlike those that the prior was fitted on, and its uncertainty is extrapolated."
        return (
            f"Input {self.ids[0]}{output}: {what}{value}{chance} (the {spread} due to retraining in brackets, "
            f"{self.dof:.1f} degrees of freedom, {self.kind}). One further retraining gives a value in {ends}{unit}"
            f"{further} with a probability of {share_text(self.level)}, on average over sets of networks and inputs."
            f"{ending}"
        )

    def _quantiles(self, k: int) -> str:
        """Write how large u is over the inputs, for one output."""
        low, median, high = np.quantile(self.spread.reshape(len(self), -1)[:, k], [0.05, 0.5, 0.95])
        name, unit = f"{self.outputs[k]}: " if self.outputs else "", f" {self.units[k]}" if self.units[k] else ""
        if len(self) == 1:
            return f"{name}{two_digits(median)}{unit}"
        ends = f"5 % of inputs are below {two_digits(low)}, 5 % above {two_digits(high)}"
        return f"{name}median {two_digits(median)}{unit}; {ends}"

    def _decisions(self) -> dict[str, str]:
        """Return the entry on doubtful decisions, or conformities with limits; none without a risk."""
        if self.risk is None:
            return {}
        doubtful = f"for {int((self.risk > DOUBTFUL).sum())} of {self.risk.size}"
        above = f"with a risk above {share_text(DOUBTFUL)}"
        if self.limits is None:
            return {"decisions": f"{doubtful} inputs, a further training decides otherwise {above}"}
        doubtful += " values, a further training falls outside"
        names = [f"{name}: " for name in self.outputs] or [""]
        each = "; ".join(f"{name}{self._tolerance(k)[0]}" for k, name in enumerate(names))
        return {"limits": f"{each}; {doubtful} {above}, which is not the risk that the true value is outside"}

    def _tolerance(self, k: int) -> tuple[str, str]:
        """Write the tolerance limits of one output with all their digits, and where a value is outside them."""
        assert self.limits is not None, "only values with limits have a tolerance"
        low, high = np.broadcast_to(self.limits.reshape(2, -1), (2, len(self.units)))[:, k]
        unit, least, most = f" {self.units[k]}".rstrip(), f"{low:.15g}", f"{high:.15g}"
        if np.isfinite(low) and np.isfinite(high):
            return f"{least} to {most}{unit}", f"outside [{least}, {most}]{unit}"
        if np.isfinite(low):
            return f"at least {least}{unit}", f"below {least}{unit}"
        return (f"at most {most}{unit}", f"above {most}{unit}") if np.isfinite(high) else ("none", "")

    def _known(self) -> str:
        """Return the accuracy of σ̃ as text: by the model, and as measured if these covariates were judged."""
        by_model = f"{100 * squared_error_of(self.dof) ** 0.5 / 2:.0f} % by the model"
        if self.like not in ("", FROM_PACKAGE):
            return f"{by_model}; not judged with this prior"
        quantity = "value" if self.chosen is None else self.quantity
        wanted = {"quantity": quantity, "like": bool(self.like), "networks": self.evaluation.n}
        if self.evaluation.n == 1:
            wanted["companion"] = self.companion
            if self.network != ANY and not self.companion:  # the accuracy of the level depends on the kind
                wanted["network"] = self.network
        alike = [row for row in _delivered()["errors"] if wanted.items() <= row.items()]
        found = [row for row in alike if set(row["groups"]) == set(self.groups)]
        if not found:
            return f"{by_model}; not judged for these covariates"
        errors = sorted({f"{100 * row['error']:.0f}" for row in found}, key=float)
        inputs, n = " and inputs" if self.contrast is not None else "", self.evaluation.n
        few = f"; here on {self.n_calibration}, and so few may do less well" if self.n_calibration < ENOUGH else ""
        ends = " to ".join(dict.fromkeys([errors[0], errors[-1]]))
        return (
            f"{by_model}; with {n} training{'s' * (n > 1)} and these covariates ln σ̃ erred by {ends} % on "
            f"{len(found)} pair{'s' * (len(found) > 1)} of data and network with many retrainings{inputs}, and a prior "
            f"fitted on up to 3000 inputs{few}"
        )

    def _one_set(self) -> str:
        """Return as text the coverage of single sets of networks whose common scale was known nearly as well."""
        each = "every set" if self.chosen is None else "every set or class"  # inputs of one class move together
        level = f"{share_text(self.level)} holds on average over sets of networks and inputs, not for {each}"
        if self.n_eff_source in (ASSUMED, GIVEN):
            return f"{level}; how far the inputs move together was not measured: if nearly as one, fewer are inside"
        dof, quantity = self.evaluation.n - 1, "value" if self.chosen is None else "log-odds"
        common = dof * self.prior.n_eff + self.prior.lent_dof
        known = [row for row in _delivered()["rows"] if row["quantity"] == quantity]
        known = [row for row in known if row["dof"] == dof] or known
        row = min(known, key=lambda row: abs(math.log(row["dof"] * row["n_eff"] / common)))
        here, there = (f"{number:.3g}" for number in (common, row["dof"] * row["n_eff"]))
        return (
            f"{level}; the inputs' common scale is evaluated with {here} degrees of freedom; with {there} "
            f"({row['title']}), {share_text(row['share'])} of {row['sets']} sets of {row['dof'] + 1} networks had 95 % "
            "intervals that cover 90 to 99 %"
        )

    def _heading(self) -> str:
        """Return the first line of the page."""
        return f"Uncertainty of {len(self)} prediction{'s' * (len(self) != 1)} due to retraining · {self.title}"

    def __str__(self) -> str:
        lines = [self._heading(), ""]
        for name, text in self.facts().items():
            head, *rest = textwrap.wrap(text, 98)
            lines += [f"{name.split(' (')[0]:>13}  {head}", *(f"{'':15}{line}" for line in rest)]
        heading, rows = self._shown()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*lines, "", heading, *table])

    def __repr__(self) -> str:
        # Of one input, as in a list of them, the sentence.
        return self.sentence() if len(self) == 1 else str(self)

    def _shown(self) -> tuple[str, list[list[str]]]:
        """Return a heading and the rows of the inputs with the highest risk, or the largest u."""
        of_risk = "The most doubtful:" if self.limits is None else "The highest risk:"
        return "The largest u:" if self.risk is None else of_risk, self[self.worst(N_SHOWN)].rows()

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], kind: str) -> str:
            return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"

        left = "style='text-align:left;vertical-align:top'"
        pairs = [(escape(name), escape(text)) for name, text in self.facts().items()]
        facts = "".join(f"<tr><th {left}>{name}</th><td {left}>{text}</td></tr>" for name, text in pairs)
        heading, (first, *others) = self._shown()
        table = row(first, "th") + "".join(row(cells, "td") for cells in others)
        return f"<h4>{escape(self._heading())}</h4><table>{facts}</table><p>{heading}</p><table>{table}</table>"


def load_statement(path: Path | str) -> Statement:
    """Read a statement that `save` wrote; raise ResultError where the file is missing, damaged or of another kind."""
    from lnescape.statement.saved import read_back

    return read_back(Path(path))


@cache
def _delivered() -> dict[str, Any]:
    """Return measurements on many retrainings: errors of u by covariates, and the coverage of single sets."""
    return unseal(read(DELIVERED, most=MOST_JSON, cure="Install lnescape again."))
