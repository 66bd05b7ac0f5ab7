"""The moderated evaluation on stored retrainings: draws of few networks, mixes of covariates, and their cost."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from lnescape.covariates import ENOUGH_PROXIES, FREE, Traces, columns_of, passes_of
from lnescape.retraining import (
    Evaluation,
    Prior,
    assumed_number,
    effective_number_of,
    fit_prior,
    moderated,
    type_a,
)
from report.studies.assembled import PATHS, Assembled

N_DRAWS = 30


@dataclass(frozen=True)
class Mix:
    """One way to evaluate u(x): groups of covariates, and which bursts, proxies and base of a path they are from.

    Attributes:
        groups: Names of `GROUPS`; None for plain Type A, empty for a constant prior.
        bursts: (epochs, rate), where bursts are among the groups.
        proxies: (width, epochs, how many), where proxies are.
        base: Of the learned path; None for another one in each draw.
        shrunk: Whether the coefficients are shrunk.
        n_eff: Independent inputs that those of the fit are taken to be worth; as `fit_prior` assumes unless given.
    """

    groups: tuple[str, ...] | None
    bursts: tuple[float, float] | None = None
    proxies: tuple[int, float, int] | None = None
    base: int | None = None
    shrunk: bool = True
    n_eff: float | None = None

    def further(self, all_of: Assembled, n_networks: int) -> float:
        """Count what it costs beside the M networks, in trainings."""
        cost = sum(float(PATHS[name][1]) for name in self.groups or () if name in PATHS)
        if self.bursts is not None:
            cost += n_networks * all_of.bursts[self.bursts].trainings
        if self.proxies is not None:
            width, epochs, n = self.proxies
            cost += n * all_of.proxies[width, epochs][0].trainings
        return cost

    def passes(self, all_of: Assembled) -> float:
        """Count forward passes for each input and network, beside that of the prediction."""
        return float(passes_of(self.groups or (), epochs=all_of.traces.path.shape[1] - 1))


def usual_mixes(burst: tuple[float, float], proxy: tuple[int, float, int]) -> dict[str, Mix]:
    """Name the mixes of the table.

    Args:
        burst: Chosen setting of the bursts.
        proxy: Chosen proxies.

    Returns:
        From plain Type A to all groups.
    """
    b, p = {"bursts": burst}, {"proxies": proxy}
    mixes = {"none (plain Type A)": Mix(None), "constant": Mix(())}
    mixes |= {name: Mix((name,)) for name in FREE}
    mixes |= {"bursts": Mix(("bursts",), **b), "proxies": Mix(("proxies",), **p)}
    mixes |= {name: Mix((name,)) for name in PATHS}
    mixes["outputs + neighbourhood + path"] = Mix(("outputs", "neighbourhood", "training path"))
    mixes["all free groups"] = Mix(FREE)
    mixes["all free groups, without shrinkage"] = Mix(FREE, shrunk=False)
    mixes["free + bursts"] = Mix((*FREE, "bursts"), **b)
    mixes["free + proxies"] = Mix((*FREE, "proxies"), **p)
    mixes["free + bursts + proxies"] = Mix((*FREE, "bursts", "proxies"), **b, **p)
    mixes["free + curve"] = Mix((*FREE, "curve"))
    mixes["free + simplex"] = Mix((*FREE, "simplex"))
    return mixes


def draws(n_networks: int, members: int, *, n: int = N_DRAWS, seed: int = 0) -> list[tuple[int, ...]]:
    """Draw sets of M networks so that each network is drawn about as often.

    Args:
        n_networks: Networks that may play the method.
        members: M.
        n: Draws.
        seed: Seed.

    Returns:
        n sets of rows; the sets of one shuffle are disjoint.
    """
    rng, found = np.random.default_rng(seed), []
    while len(found) < n:
        order = rng.permutation(n_networks)
        found += [tuple(sorted(order[k : k + members].tolist())) for k in range(0, n_networks - members + 1, members)]
    return found[:n]


@dataclass(frozen=True)
class Moderation:
    """The evaluations of one mix for one measurand: fitted on the calibration images, made on any others.

    Attributes:
        all_of: What is stored.
        mix: The covariates.
        q: The measurand, [retrainings, images]; the log-odds unless another is given.
    """

    all_of: Assembled
    mix: Mix
    q: ndarray | None = None

    def traces(self, rows: Sequence[int], images: ndarray, draw: int) -> Traces:
        """Give what M networks show of some images; the sets of proxies alternate between draws."""
        own, mix = self.all_of, self.mix
        seen = own.traces.of(rows, images)
        if mix.bursts is not None:
            seen = replace(seen, bursts=own.bursts[mix.bursts].spread[list(rows)][:, images])
        spreads = {}
        if mix.proxies is not None:
            width, epochs, n = mix.proxies
            sets = own.proxies[width, epochs]
            spreads["proxies"] = sets[draw % len(sets)].spread[n][images]
        for name in set(mix.groups or ()) & set(PATHS):
            bases = own.paths[name]
            spreads[name] = bases[(draw if mix.base is None else mix.base) % len(bases)][images]
        return replace(seen, spreads=spreads)

    def prior(self, rows: Sequence[int], images: ndarray, draw: int) -> Prior:
        """Fit the prior of M networks on some images."""
        seen = self.traces(rows, images, draw)
        q = (self.all_of.q if self.q is None else self.q)[list(rows)][:, images]
        h, names = columns_of(seen, self.mix.groups)
        n_eff = self.mix.n_eff
        if self.mix.proxies is not None and self.mix.proxies[2] >= ENOUGH_PROXIES:
            sets = self.all_of.proxies[self.mix.proxies[:2]]
            worth = sets[draw % len(sets)].effective_inputs
            measured = effective_number_of(len(images), n_eff=worth, n_measured=self.all_of.n_calibration)
            n_eff = max(measured, assumed_number(len(images)))  # proxies tell a lower bound
        more = {} if self.mix.shrunk else {"shrinkage": np.inf}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # n_eff and d₀ are reported as numbers
            return fit_prior(q.var(0, ddof=1), len(rows) - 1, h, n_eff=n_eff, names=names, **more)

    def __call__(
        self, members: Sequence[Sequence[int]], judged: ndarray, fitted: ndarray
    ) -> tuple[list[Evaluation], list[Prior]]:
        """Evaluate u(x) for each draw of networks.

        Args:
            members: Rows of each draw.
            judged: Images that are evaluated.
            fitted: Images that the prior is fitted on.

        Returns:
            Evaluations, and the priors (none for plain Type A).
        """
        q = self.all_of.q if self.q is None else self.q
        evaluations, priors = [], []
        for draw, rows in enumerate(members):
            own = q[list(rows)][:, judged]
            if self.mix.groups is None:
                evaluations.append(type_a(own))
                continue
            priors.append(self.prior(rows, fitted, draw))
            seen = replace(self.traces(rows, judged, draw), like=self.traces(rows, fitted, draw))
            h, _ = columns_of(seen, self.mix.groups)
            evaluations.append(moderated(own, priors[-1], h))
        return evaluations, priors
