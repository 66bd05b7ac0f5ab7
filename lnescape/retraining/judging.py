"""Fidelity: quality of an evaluation of u(x), judged on retrainings it didn't use, in plain retrainings (REN)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.checks import array, instance, whole
from lnescape.results import Estimate
from lnescape.retraining.evaluation import Evaluation
from lnescape.retraining.prior import log_bias

N_HALVINGS = 4  # of the reference of each draw
N_BLOCKS = 10  # of networks that no evaluation used, left out one block at a time
N_DECILES = 10


@dataclass(frozen=True)
class SplitHalf:
    """Reliability of N retrainings in ordering the inputs by uncertainty, as rank correlations."""

    halves: float  # rank correlation of ln s² between two halves of them, mean over random halvings
    whole: float  # the same between all of them and N others, by Spearman and Brown
    ceiling: float  # rank correlation that an exact u(x) would have with all of them, about √whole


def split_half(q: Float[ndarray, "networks inputs"], *, n_halvings: int = 20, seed: int = 0) -> SplitHalf:
    """Return the split-half reliability of ln s², by Spearman and Brown (1910)."""
    from scipy.stats import spearmanr

    q = array(q, "q", "networks inputs")
    rng, found = np.random.default_rng(seed), []
    for _ in range(n_halvings):
        order = rng.permutation(len(q))
        parts = [np.log(q[rows].var(0, ddof=1)) for rows in np.array_split(order, 2)]
        found.append(spearmanr(*parts).statistic)
    halves = float(np.mean(found))
    both = 2 * halves / (1 + halves)
    return SplitHalf(halves, both, float(np.sqrt(max(both, 0.0))))


@dataclass(frozen=True)
class RetrainingEquivalent:
    """REN, the number of retrainings that an evaluation of u(x) is worth, with a 95 % interval, ∞ if unbounded."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def squared_error_of(dof: float) -> float:
    """Return E (ln s² − ln σ²)² = ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]² with ν degrees of freedom, about 2/ν; nat²."""
    from scipy.special import polygamma

    return float(polygamma(1, dof / 2) + log_bias(dof) ** 2)


def retraining_equivalent(squared_error: float) -> float:
    """Invert `squared_error_of`: the number 1 + ν of plain retrainings whose s² errs as much; ∞ for none or less."""
    from scipy.optimize import brentq

    if squared_error <= squared_error_of(1e6):
        return float("inf")
    return 1 + float(
        np.exp(brentq(lambda log: squared_error_of(np.exp(log)) - squared_error, np.log(1e-3), np.log(1e6)))
    )


@dataclass(frozen=True, eq=False)
class Reference:
    """The retrainings that each draw leaves unused, prepared by `of` for all evaluations of these draws."""

    q: ndarray  # all retrainings, [N, inputs]
    members: tuple[tuple[int, ...], ...]  # for each draw, the rows that it uses
    # Rows that are left out together: first none, then each row that some draw uses, then blocks of the others.
    left_out: tuple[tuple[int, ...], ...]
    n_bases: int  # rows that some draw uses
    halves: ndarray  # ln s² of the two halves, freed of its bias, [left out, draws, halvings, 2, inputs]
    variance: ndarray  # s² of the whole reference, [left out, draws, inputs]

    @staticmethod
    def of(q: Float[ndarray, "networks inputs"], members: Sequence[Sequence[int]], *, seed: int = 0) -> "Reference":
        """Halve at random, for each draw, the retrainings that it doesn't use; `members` are the rows of each draw."""
        q = array(q, "q", "networks inputs")
        draws = tuple(tuple(whole(row, "a row of q", least=0, most=len(q) - 1) for row in rows) for rows in members)
        if not draws or not np.isfinite(q).all():
            raise ValueError("There is no draw, or q isn't finite; give the rows of q of each draw, such as [(0, 1)].")
        if (same := np.flatnonzero(np.ptp(q, 0) == 0)).size:
            raise ValueError(f"All retrainings agree on input {same[0]}, where u is 0 and has no ln; leave it out.")
        if min(len(q) - len(rows) for rows in draws) < 8:
            raise ValueError(f"{len(q)} retrainings leave fewer than eight to judge each evaluation; train more.")
        if set.intersection(*map(set, draws)):
            raise ValueError("A network is in every draw, so that none is left without it; give several draws, apart.")
        bases = sorted({row for rows in draws for row in rows})
        others = np.setdiff1d(np.arange(len(q)), bases)
        blocks = [tuple(block.tolist()) for block in np.array_split(others, N_BLOCKS) if len(block)]
        left_out: tuple[tuple[int, ...], ...] = ((), *((row,) for row in bases), *blocks)
        rng = np.random.default_rng(seed)
        orders = [[rng.permutation(np.setdiff1d(np.arange(len(q)), rows)) for _ in range(N_HALVINGS)] for rows in draws]
        halves = np.empty((len(left_out), len(draws), N_HALVINGS, 2, q.shape[1]), np.float32)
        variance = np.empty((len(left_out), len(draws), q.shape[1]), np.float32)
        for k, gone in enumerate(left_out):
            stays = np.ones(len(q), bool)
            stays[list(gone)] = False
            for d in range(len(draws)):
                unused = np.sort(orders[d][0])
                variance[k, d] = q[unused[stays[unused]]].var(0, ddof=1)
                for h, order in enumerate(orders[d]):
                    for half, rows in enumerate(np.array_split(order, 2)):  # they stay, but for the rows left out
                        rows = rows[stays[rows]]
                        halves[k, d, h, half] = np.log(q[rows].var(0, ddof=1)) - log_bias(len(rows) - 1)
        return Reference(q, draws, left_out, len(bases), halves, variance)

    @cached_property
    def ranks(self) -> ndarray:
        """Ranks of s² over inputs, [left out, draws, inputs]: the same for all evaluations."""
        from scipy.stats import rankdata

        return rankdata(self.variance, axis=-1).astype(np.float32)

    def kept(self, k: int) -> ndarray:
        """Return which draws use none of the rows that are left out."""
        return np.array([not set(rows) & set(self.left_out[k]) for rows in self.members])

    @property
    def dof(self) -> int:
        """Degrees of freedom of `jackknifed`, no more than the fewer of its two parts have."""
        parts = [n for n in (self.n_bases, len(self.left_out) - 1 - self.n_bases) if n > 1]
        return min(parts) - 1

    def jackknifed(self, values: ndarray) -> ndarray | float:
        """Return the standard uncertainty of a statistic from its values with nothing and with each block left out."""
        bases, others = values[1 : 1 + self.n_bases], values[1 + self.n_bases :]
        variance = 0.0
        for part in (bases, others):
            if len(part) > 1:
                variance = variance + (len(part) - 1) / len(part) * ((part - part.mean(0)) ** 2).sum(0)
        return np.sqrt(variance)


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Quality of an evaluation, averaged over draws of its networks."""

    ren: RetrainingEquivalent
    scale: Estimate  # ΣV̂ ν_eff/(ν_eff − 2)/ΣV_ref; for ν_eff ≤ 2 without that factor
    bias: Estimate  # mean of ln V̂ − ln V_ref, each freed of its own bias, nat
    rank: Estimate  # rank correlation of V̂ and V_ref over inputs; nan where V̂ is the same for all
    ceiling: float  # rank correlation of an exact u(x)
    coverage: Estimate  # share of held-out retrainings inside the 95 % interval, %
    deciles: list[Estimate]  # the same by decile of the predicted scale, lowest first
    dof: float  # mean of the claimed ν_eff
    squared_error: Estimate  # from which `ren` follows, nat²
    left_out: ndarray  # the squared error without each part of `Reference.left_out`; not stored

    def to_dict(self, *names: str) -> dict:
        """Return the numbers of these names, or all that a stored result holds."""
        # The squared error without its uncertainty, from which the interval of REN follows; deciles without theirs.
        names = names or tuple(name for name in self.__dataclass_fields__ if name != "left_out")
        plain = {"ren": dict(vars(self.ren)), "squared_error": self.squared_error.value}
        plain["deciles"] = [decile.value for decile in self.deciles]
        return {name: plain[name] if name in plain else getattr(self, name) for name in names}


def fidelity(evaluations: Sequence[Evaluation], reference: Reference, *, level: float = 0.95) -> Fidelity:
    """Judge evaluations of the same kind, one for each draw of networks, by the retrainings that each didn't use.

    E e_A e_B = ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]² gives ν, REN = 1 + ν; e_k = ln V̂ − ln V_k + ψ(ν_k/2) − ln(ν_k/2)
    against two halves of the reference, whose independent noise drops out. Uncertainties come from leaving out one
    network, or block of networks, at a time, that of the squared error from the spread over inputs, too; the interval
    of REN is that of the squared error, with Student's factor of the fewer parts. Where few draws share their networks,
    leaving out one takes whole draws away, and the uncertainties are too large.

    Args:
        evaluations: One for each draw, on the inputs of the reference.
        reference: The retrainings, and which of them each draw used.
        level: Coverage probability of the intervals that are judged, in (0, 1).

    Returns:
        REN, scale, bias (nat), rank correlation and its ceiling, coverage (%) in all and by decile of the predicted u.

    Raises:
        ValueError: Another number of evaluations than draws.

    References: Abramowitz & Stegun 1964, section 26.4, for ln χ²; Efron & Tibshirani 1993, chapter 11, for the
    jackknife.
    """
    from scipy.stats import rankdata, t

    instance(reference, Reference, "reference", "pass Reference.of(q, members), q of all retrainings")
    for one in instance(evaluations, Sequence, "evaluations", "pass a list, one for each draw of the reference"):
        instance(one, Evaluation, "an evaluation", "pass what type_a or moderated returns")
    if len(evaluations) != len(reference.members):
        raise ValueError(f"{len(evaluations)} evaluations for {len(reference.members)} draws; give one for each.")
    log_v = np.log(np.stack([one.scale**2 for one in evaluations]))
    dof = np.array([one.dof for one in evaluations])
    n_inputs, ranks = log_v.shape[1], [rankdata(v) for v in log_v]
    inside = [_inside(one, reference, d, level) for d, one in enumerate(evaluations)]
    factor = np.where(dof > 2, dof / np.maximum(dof - 2, 1e-9), 1.0)
    rows, single = [], None
    for k, gone in enumerate(reference.left_out):
        kept = np.flatnonzero(reference.kept(k))
        halves = reference.halves[k, kept]
        products = np.mean((log_v[kept, None] - halves[:, :, 0]) * (log_v[kept, None] - halves[:, :, 1]), 1)
        single = _image_variance(products) if single is None else single
        v = reference.variance[k, kept]
        scale = np.mean((np.exp(log_v[kept]) * factor[kept, None]).sum(1) / v.sum(1))
        dof_left = np.array([len(reference.q) - len({*reference.members[d], *gone}) - 1.0 for d in kept])
        bias = np.mean(log_v[kept].mean(1) - log_bias(dof[kept]) - np.log(v).mean(1) + log_bias(dof_left))
        with np.errstate(invalid="ignore"):  # no order, where all inputs have the same V̂
            rank = np.mean([np.corrcoef(ranks[d], reference.ranks[k, d])[0, 1] for d in kept])
        covered = np.mean([np.nanmean(np.delete(inside[d], list(gone), 0), 0) for d in kept], 0)
        rows.append([products.mean(), scale, bias, rank, *covered])
    values = np.array(rows)
    u = np.asarray(reference.jackknifed(values))
    u[0] = np.hypot(u[0], np.sqrt(single / n_inputs))
    n = len(evaluations)
    found = [Estimate(*pair, n=n) for pair in zip(values[0], u, strict=True)]
    half = t.ppf(0.975, reference.dof) * u[0]
    low, high = values[0, 0] - half, values[0, 0] + half
    return Fidelity(
        ren=RetrainingEquivalent(*map(retraining_equivalent, (values[0, 0], high, low))),
        scale=found[1], bias=found[2], rank=found[3], ceiling=split_half(reference.q, n_halvings=4).ceiling,
        coverage=found[4], deciles=found[5:],
        dof=float(dof.mean()), squared_error=found[0], left_out=values[:, 0],
    )  # fmt: skip


def _image_variance(products: ndarray) -> float:
    """Return the variance over inputs of the mean over draws, less the part due to the scatter of the draws."""
    scatter = products.var(0, ddof=1).mean() / len(products) if len(products) > 1 else 0.0
    return max(float(products.mean(0).var(ddof=1) - scatter), 0.0)


def _inside(one: Evaluation, reference: Reference, d: int, level: float) -> ndarray:
    """Return the share of inputs whose interval holds each retraining, [networks, all inputs and each decile]."""
    low, high = one.interval(level)
    hit = (reference.q >= low) & (reference.q <= high)
    deciles = np.array_split(np.argsort(one.scale, kind="stable"), N_DECILES)
    shares = 100 * np.stack([hit.mean(1), *(hit[:, images].mean(1) for images in deciles)], 1)
    shares[list(reference.members[d])] = np.nan  # the evaluation used them
    return shares


def compared(evaluation: Evaluation, q: Float[ndarray, "networks *inputs"], *, level: float) -> dict[str, Estimate]:
    """Compare an evaluation with later retrainings: the share inside its intervals and, from three on, its scale."""
    low, high = evaluation.interval(level)
    inside = ((q >= low) & (q <= high)).reshape(len(q), -1).mean(1)
    found = {"inside": Estimate.mean(inside)}
    if len(q) > 2:
        s2 = q.var(0, ddof=1)
        kept = (s2 > 0) & (evaluation.scale > 0)
        # ln σ̃² and ln s² are both too low on average, by what their degrees of freedom say.
        stated = 2 * np.log(evaluation.scale[kept]) - log_bias(evaluation.dof)
        away = (stated - np.log(s2[kept]) + log_bias(len(q) - 1)) / 2
        found["σ̃ / s"] = Estimate(float(np.exp(away.mean())), float("nan"))
    return found
