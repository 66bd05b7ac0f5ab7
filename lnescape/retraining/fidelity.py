"""Fidelity: how good an evaluation of u(x) is, judged on retrainings that it didn't use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining.dispersion import reliability
from lnescape.retraining.equivalent import RetrainingEquivalent, log_bias, retraining_equivalent
from lnescape.retraining.evaluation import Evaluation

N_HALVINGS = 4  # of the reference of each draw
N_BLOCKS = 10  # of networks that no evaluation used, left out one block at a time
N_DECILES = 10


@dataclass(frozen=True)
class Reference:
    """Hold what the retrainings that each draw leaves over say, prepared once for all evaluations of these draws.

    Attributes:
        q: All retrainings, [N, inputs].
        members: For each draw, the rows that it uses.
        left_out: Rows that are left out together, for the jackknife: first none, then each row that some draw uses,
            then blocks of the others.
        n_bases: How many rows some draw uses.
        halves: ln s² of the two halves, freed of its bias, [left out, draws, halvings, 2, inputs].
        variance: s² of the whole reference, [left out, draws, inputs].
    """

    q: ndarray
    members: tuple[tuple[int, ...], ...]
    left_out: tuple[tuple[int, ...], ...]
    n_bases: int
    halves: ndarray
    variance: ndarray

    @staticmethod
    def of(q: Float[ndarray, "networks inputs"], members: Sequence[Sequence[int]], *, seed: int = 0) -> "Reference":
        """Halve, for each draw, the retrainings that it doesn't use, at random.

        Args:
            q: What all retrainings say.
            members: For each draw, the rows that its evaluation uses.
            seed: Seed of the halvings.

        Returns:
            The reference.

        Raises:
            ValueError: A draw leaves fewer than eight retrainings over.
        """
        q = np.asarray(q, np.float64)
        members = tuple(tuple(int(row) for row in rows) for rows in members)
        if min(len(q) - len(rows) for rows in members) < 8:
            raise ValueError(
                f"{len(q)} retrainings leave fewer than eight to judge an evaluation of {len(members[0])}; train more."
            )
        if set.intersection(*map(set, members)):
            raise ValueError("A network is in every draw, so that none is left without it; give several draws, apart.")
        bases = sorted({row for rows in members for row in rows})
        others = np.setdiff1d(np.arange(len(q)), bases)
        blocks = [tuple(block.tolist()) for block in np.array_split(others, min(N_BLOCKS, len(others))) if len(block)]
        left_out = ((), *((row,) for row in bases), *blocks)
        rng = np.random.default_rng(seed)
        orders = [
            [rng.permutation(np.setdiff1d(np.arange(len(q)), rows)) for _ in range(N_HALVINGS)] for rows in members
        ]
        halves = np.empty((len(left_out), len(members), N_HALVINGS, 2, q.shape[1]), np.float32)
        variance = np.empty((len(left_out), len(members), q.shape[1]), np.float32)
        for k, gone in enumerate(left_out):
            for d in range(len(members)):
                variance[k, d] = q[np.setdiff1d(orders[d][0], gone)].var(0, ddof=1)
                for h, order in enumerate(orders[d]):
                    for half, rows in enumerate(np.array_split(order, 2)):  # they stay, but for the rows left out
                        rows = rows[~np.isin(rows, gone)]
                        halves[k, d, h, half] = np.log(q[rows].var(0, ddof=1)) - log_bias(len(rows) - 1)
        return Reference(q, members, left_out, len(bases), halves, variance)

    def kept(self, k: int) -> ndarray:
        """Tell which draws use none of the rows that are left out."""
        return np.array([not set(rows) & set(self.left_out[k]) for rows in self.members])

    @property
    def dof(self) -> int:
        """Degrees of freedom of `jackknifed`, no more than the fewer of its two parts have."""
        parts = [n for n in (self.n_bases, len(self.left_out) - 1 - self.n_bases) if n > 1]
        return min(parts) - 1

    def jackknifed(self, values: ndarray) -> ndarray | float:
        """Give the standard uncertainty of a statistic from its values with nothing and with each block left out."""
        bases, others = values[1 : 1 + self.n_bases], values[1 + self.n_bases :]
        variance = 0.0
        for part in (bases, others):
            if len(part) > 1:
                variance = variance + (len(part) - 1) / len(part) * ((part - part.mean(0)) ** 2).sum(0)
        return np.sqrt(variance)


@dataclass(frozen=True)
class Fidelity:
    """Hold how good an evaluation is, on average over draws of its networks.

    Attributes:
        ren: Retraining equivalent number, with a 95 % interval.
        scale: ΣV̂ ν_eff/(ν_eff − 2)/ΣV_ref; for ν_eff ≤ 2 without that factor.
        bias: Mean of ln V̂ − ln V_ref, each freed of its own bias, in nat.
        rank: Rank correlation of V̂ and V_ref over inputs; nan where V̂ is the same for all.
        ceiling: What an exact u(x) would have as rank correlation.
        coverage: Share of held-out retrainings inside the 95 % interval, in per cent.
        deciles: The same by decile of the predicted scale, lowest first.
        deciles_sd: Its standard deviation from draw to draw, per decile, in per cent.
        dof: Mean of the claimed ν_eff.
        squared_error: What `ren` was inverted from, with its uncertainty, nat².
        left_out: The squared error with nothing, and with each row or block of the reference, left out; not stored.
    """

    ren: RetrainingEquivalent
    scale: Estimate
    bias: Estimate
    rank: Estimate
    ceiling: float
    coverage: Estimate
    deciles: list[Estimate]
    deciles_sd: list[float]
    dof: float
    squared_error: Estimate
    left_out: ndarray

    def to_dict(self) -> dict:
        """Turn it into what a stored result holds."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("ren", "left_out")}
        return own | {"ren": {"value": self.ren.value, "low": self.ren.low, "high": self.ren.high}}


def fidelity(evaluations: Sequence[Evaluation], reference: Reference, *, level: float = 0.95) -> Fidelity:
    """Judge evaluations of the same kind, one for each draw of networks, by the retrainings that each didn't use.

    E e_A e_B = ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]² gives ν, REN = 1 + ν; e_k = ln V̂ − ln V_k + ψ(ν_k/2) − ln(ν_k/2)
    against two halves of the reference: their own noise, independent, drops out. Uncertainties are by leaving out one
    network, or block of networks, at a time, and from the spread over inputs. Where few draws share their networks,
    leaving out one takes whole draws away, and they are too large.

    Args:
        evaluations: One for each draw, on the inputs of the reference.
        reference: The retrainings, and which of them each draw used.
        level: Of the intervals that are judged.

    Returns:
        Fidelity.

    Raises:
        ValueError: Another number of evaluations than draws.

    References:
        Abramowitz & Stegun 1964, section 26.4, for ln χ²; Efron & Tibshirani 1993, chapter 11, for the jackknife.
    """
    from scipy.stats import rankdata

    if len(evaluations) != len(reference.members):
        raise ValueError(
            f"There are {len(evaluations)} evaluations for {len(reference.members)} draws; give one for each."
        )
    log_v = np.log(np.stack([one.scale**2 for one in evaluations]))
    dof = np.array([one.dof for one in evaluations])
    n_inputs, ranks = log_v.shape[1], [rankdata(own) for own in log_v]
    inside = [_inside(one, reference, d, level) for d, one in enumerate(evaluations)]
    factor = np.where(dof > 2, dof / np.maximum(dof - 2, 1e-9), 1.0)
    rows, single = [], None
    for k in range(len(reference.left_out)):
        kept = reference.kept(k)
        halves = reference.halves[k, kept]
        products = np.mean((log_v[kept, None] - halves[:, :, 0]) * (log_v[kept, None] - halves[:, :, 1]), 1)
        single = _image_variance(products) if single is None else single
        v = reference.variance[k, kept]
        scale = np.mean((np.exp(log_v[kept]) * factor[kept, None]).sum(1) / v.sum(1))
        bias = np.mean(log_v[kept].mean(1) - log_bias(dof[kept]) - np.log(v).mean(1) + _bias_of(reference, k, kept))
        with np.errstate(invalid="ignore"):  # no order, where all inputs have the same V̂
            rank = np.mean(
                [np.corrcoef(ranks[d], rankdata(own))[0, 1] for d, own in zip(np.flatnonzero(kept), v, strict=True)]
            )
        covered = _covered(inside, reference, k)
        rows.append([products.mean(), scale, bias, rank, *covered])
    values = np.array(rows)
    u = reference.jackknifed(values)
    u[0] = np.hypot(u[0], np.sqrt(single / n_inputs))
    n = len(evaluations)
    by_draw = np.array([_covered([own], None, 0)[1:] for own in inside])
    found = [Estimate(value, own, n=n) for value, own in zip(values[0], u, strict=True)]
    low, high = values[0, 0] - 1.96 * u[0], values[0, 0] + 1.96 * u[0]
    return Fidelity(
        ren=RetrainingEquivalent(*map(retraining_equivalent, (values[0, 0], high, low))),
        scale=found[1], bias=found[2], rank=found[3], ceiling=reliability(reference.q, n_halvings=4).ceiling,
        coverage=found[4], deciles=found[5:], deciles_sd=by_draw.std(0, ddof=1).tolist() if n > 1 else [],
        dof=float(dof.mean()), squared_error=found[0], left_out=values[:, 0],
    )  # fmt: skip


def _image_variance(products: ndarray) -> float:
    """Give the variance from input to input of the mean over draws, less what the draws' own scatter makes of it."""
    scatter = products.var(0, ddof=1).mean() / len(products) if len(products) > 1 else 0.0
    return max(float(products.mean(0).var(ddof=1) - scatter), 0.0)


def _bias_of(reference: Reference, k: int, kept: ndarray) -> Float[ndarray, " draws"]:
    """Give the bias of ln s² of the whole reference of each draw that is kept."""
    gone = set(reference.left_out[k])
    sizes = [len(reference.q) - len(set(rows) | gone) for rows, own in zip(reference.members, kept, strict=True) if own]
    return log_bias(np.array(sizes) - 1.0)


def _inside(one: Evaluation, reference: Reference, d: int, level: float) -> ndarray:
    """Give, for one draw, the share of inputs whose interval holds each retraining, nan for those that were used."""
    # [networks, all inputs and each decile]
    low, high = one.interval(level)
    hit = (reference.q >= low) & (reference.q <= high)
    deciles = np.array_split(np.argsort(one.scale, kind="stable"), N_DECILES)
    shares = 100 * np.stack([hit.mean(1), *(hit[:, own].mean(1) for own in deciles)], 1)
    shares[list(reference.members[d])] = np.nan
    return shares


def _covered(inside: list[ndarray], reference: Reference | None, k: int) -> ndarray:
    """Average the shares over draws and held-out networks, without those that are left out."""
    if reference is None:
        return np.nanmean(inside[0], 0)
    kept, gone = reference.kept(k), list(reference.left_out[k])
    return np.mean([np.nanmean(np.delete(own, gone, 0), 0) for own, use in zip(inside, kept, strict=True) if use], 0)
