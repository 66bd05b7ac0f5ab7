"""`Statement`: the uncertainty of every prediction, as a page, a table, a sentence."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining import Diagnosis, Evaluation, Measurand, Prior, log_odds, relative_uncertainty

if TYPE_CHECKING:
    import pandas

COVERS = (
    "the spread of one further training of this network, on these data, by this recipe, under another seed: "
    "initialisation, order of the images, augmentation, dropout."
)
LEAVES_OUT = (
    "the choice of the training images, their labels, an error that all trainings share, another recipe or machine. A "
    "small u(x) doesn't mean that the class is right."
)
N_SHOWN = 5
DOUBTFUL = 0.05  # probability to decide otherwise above which a decision is counted as doubtful


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
        measured: Whether n_eff was measured, on proxies, or assumed.
        n_proxies: Number of proxies.
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
            f"{self._spread[index]:.2f}{unit} ({self.dof:.1f} degrees of freedom, moderated Type A evaluation of "
            f"{self.evaluation.n} retrainings). One further retraining gives a value between {low:.2f} and "
            f"{high:.2f}{unit} with a probability of {self.level:.0%}, and decides for another class with one of "
            f"{_percent(self.flip[index])}."
        )

    def facts(self) -> dict[str, str]:
        """Return the lines of the page, {heading: text}."""
        n, u_known = self.evaluation.n, self.dof > 2
        symbol = "u" if u_known else "σ̃ (ν_eff ≤ 2: no u in the sense of JCGM 101)"
        quantiles = np.quantile(self._spread, [0.05, 0.5, 0.95])
        worth = "measured on the proxies" if self.measured else "assumed"
        missing = "".join(f"; without {name}: {reason}" for name, reason in self.left_out.items())
        lost = round(self.trainings) - n
        diverged = f" ({lost} diverged)" if lost > 0 else ""
        further = f" + {self.further:.2f} for exploration" if self.further else ", no further one"
        narrow = f", {self.n_proxies} of the narrower network" if self.n_proxies else ""
        relative = relative_uncertainty(n, prior_dof=self.prior.dof)
        return {
            "measurand": f"{self._name} of the class with the highest mean probability over the networks",
            "evaluation": f"moderated Type A: {n} retrainings, ν = {n - 1}, and a prior worth d₀ = "
            f"{self.prior.dof:.1f}: ν_eff = {self.dof:.1f}; {'u' if u_known else 'σ̃'} is known to about {relative:.0%}",
            "prior": f"fitted on {self.n_calibration} held-out images without labels, worth {self.prior.n_eff:.0f} "
            f"independent ones ({worth}); covariates: {', '.join(self.groups) or 'none'}{missing}",
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


def _percent(p: float) -> str:
    """Return a probability in per cent."""
    return "< 0.1 %" if p < 0.001 else f"{100 * p:.2g} %"
