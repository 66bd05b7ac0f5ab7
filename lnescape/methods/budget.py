"""The call of a method: its options, and how it shares out a budget of trainings."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path
from time import perf_counter
from typing import Any, TypedDict

import torch
from torch import Tensor

from lnescape.checks import instance, nearest, real
from lnescape.laws import Members, SubspaceLaw
from lnescape.progress import bar
from lnescape.subspaces import Subspace
from lnescape.training import Cost, Prepared, Recipe, TrainingError, walk
from lnescape.training.learned import learn
from lnescape.training.prepared import checked_seeds
from lnescape.training.runs import checked_runs, retrain
from lnescape.weights import Builder


class Options(TypedDict, total=False):
    """Options of every method besides builder, data and budget; all raise ValueError if the budget is too small.

    Attributes:
        seed: Seed of the method. Its trainings have the seeds 100·seed to 100·seed + 99: the same in every method
            and for every budget, and never those of another seed.
        recipe: Recipe of one plain training, the unit of the budget; that of `runs`, else `Recipe()`, unless given.
        device: Device of the training; the data's unless given.
        folder: Where the states of trainings are kept. A killed call resumes from there, and trainings of another
            method or a smaller budget are used again.
        progress: Show bars with the time left.
    """

    seed: int
    recipe: Recipe | None
    device: torch.device | str | None
    folder: Path | str | None
    progress: bool


@dataclass(frozen=True)
class Plan:
    """Shares of a budget: n networks, epochs of training and of exploration for each."""

    n: int
    training: float
    exploring: float


@dataclass(frozen=True, eq=False)
class Request(Prepared):
    """A checked call of a method, before any work: the needs of its trainings, and the request."""

    method: str
    budget: float
    seed: int
    folder: Path | None
    progress: bool
    runs: Members | None
    start: float

    @classmethod
    def checked(
        cls, method: Callable[..., Any], net: Builder, data: Any, *, budget: float, options: Mapping[str, Any],
        runs: Members | None = None,
    ) -> "Request":  # fmt: skip
        """Check the arguments of a method and prepare its trainings."""
        _check_names(method, options)
        budget = real(budget, "budget, in trainings,", above=0)
        (seed,) = checked_seeds([options.get("seed", 0)])
        folder, recipe = options.get("folder"), options.get("recipe")
        if recipe is None and isinstance(runs, Members):
            recipe = runs.recipe
        prepared = Prepared.of(net, data, recipe, device=options.get("device"), folder=folder)
        if runs is not None:
            runs = checked_runs(runs, net, prepared.template, data)
            runs = replace(runs, thetas=runs.thetas.to(prepared.device))
        return cls(
            **vars(prepared), method=method.__name__, budget=budget, seed=seed, runs=runs, start=perf_counter(),
            folder=None if folder is None else Path(folder), progress=options.get("progress", True),
        )  # fmt: skip

    def plan(self, *, each: float, share: float, least: int = 1, pieces: int = 0, times: float = 1.0) -> Plan:
        """Share out the budget among networks and explorations; raise, with the least, where it is too small."""
        # A network and its exploration cost `each` trainings together, of which the exploration takes a `share`. It is
        # made of so many pieces, each of a step at least; a step draws `times` points.
        step = 1 / self.recipe.n_steps(len(self.data.train))  # in trainings
        need = pieces * times * step
        shares: Iterable[tuple[int, float, float]]  # networks, and trainings for each of them and for its exploration
        if self.runs is None:  # fewer networks where these have steps enough
            numbers = range(max(least, int(self.budget / each + 1e-9)), least - 1, -1)
            shares = ((n, (1 - share) * self.budget / n, share * self.budget / n) for n in numbers)
            smallest = least * max(step / (1 - share), need / share if share else 0)
        else:
            n, spent = len(self.runs), self.given / self.plain
            shares, smallest = [(n, 1.0, (self.budget - spent) / n)], spent + n * need
        for n, training, exploring in shares:
            if training >= step and exploring >= need * (1 - 1e-9):
                return Plan(n, training * self.recipe.epochs, exploring * self.recipe.epochs / times)
        enough = f"{math.ceil(1000 * smallest) / 1000:g} here{', the given networks included' if self.runs else ''}"
        asked = f"A budget of {self.budget:g} trainings"
        raise ValueError(f"{asked} is too small for {self.method}; it needs at least {enough}.")

    def networks(self, plan: Plan) -> Members:
        """Train the networks of a plan, or return those that were given."""
        if self.runs is not None:
            return self.runs
        if plan.n > 100:
            raise ValueError(f"{plan.n} networks of one seed are more than 100; use several seeds.")
        # One at a time: those of a larger budget are then those of a smaller one; on one thread bit for bit.
        law = retrain(
            self.under(self.at(plan.training)), [self.network_seed(k) for k in range(plan.n)], group=1,
            folder=self.folder, progress=self.progress,
        )  # fmt: skip
        if law.failed:
            raise TrainingError(f"{self.method} lost seed {min(law.failed)}, which diverged; lower the learning rate.")
        return law

    def network_seed(self, number: int) -> int:
        """Return the seed of one training."""
        return 100 * self.seed + number

    def exploring(
        self, epochs: float, changes: Any, usual: Mapping[str, Any] = {}, *, pull: float = 1.0, steps: int = 1
    ) -> Recipe:
        """Return the recipe of an exploration of `epochs` epochs, with changes, before anything is trained."""
        # `pull` is E α_k, the weight with which the loss pulls a vertex. Weight decay is multiplied by it unless it is
        # among the changes: at full strength it would pull a vertex 1/E α_k times as hard as a network.
        instance(
            changes, Mapping, "exploring", "pass fields of the recipe that differ, such as {'learning_rate': 0.05}"
        )
        known = [field.name for field in fields(Recipe) if field.name != "epochs"]
        for name in changes:
            if name not in known:
                why = "they follow from the budget; " if name == "epochs" else ""
                raise ValueError(f"exploring={{{name!r}: …}} can't be set; {why}known are {', '.join(known)}.")
        recipe = self.recipe.near_a_solution()
        if self.recipe.first_pixels:  # an epoch of whole images costs more than one that begins with small ones
            epochs *= self.plain / self.priced(recipe)
        recipe = replace(recipe, **{"weight_decay": pull * recipe.weight_decay} | dict(usual) | dict(changes))
        made = replace(recipe, epochs=self.within(recipe, epochs))
        if (found := made.n_steps(len(self.data.train))) < steps:
            what = f"{found} step{'' if found == 1 else 's'} for each of its explorations and needs {steps}"
            raise ValueError(f"{self.method} has {what}; raise the budget, explore fewer times, or lower the batch.")
        return made

    def explored(self, theta: Tensor, recipe: Recipe, *, pieces: int, number: int) -> Tensor:
        """Walk on from a network, in `pieces` runs of a recipe; return their ends, [pieces, P]."""
        with bar(pieces, self.method, "pieces", show=self.progress) as shown:
            ends = walk(
                self.under(recipe), theta, pieces=pieces, seed=self.network_seed(number),
                folder=self.folder, on_piece=lambda piece: shown.update(),
            )  # fmt: skip
        if not ends.isfinite().all():
            rate = f"now {recipe.learning_rate:g}"
            raise TrainingError(f"{self.method} diverged after network {number}; lower its learning rate ({rate}).")
        return ends

    def learned(self, subspace: Subspace, recipe: Recipe, *, number: int, **options: Any) -> SubspaceLaw:
        """Learn a subspace under a recipe; the calling method adds the cost."""
        law = learn(
            self.under(recipe), subspace, seed=self.network_seed(number), folder=self.folder, progress=self.progress,
            **options,
        )  # fmt: skip
        return SubspaceLaw(self.net, law.subspace, **self.known)

    def cost(self, trained: Plan, extra: float = 0.0) -> Cost:
        """Return the cost of a plan: its networks, and `extra` operations."""
        base = self.given if self.runs is not None else trained.n * self.priced(self.at(trained.training))
        return Cost(base + extra, self.plain, perf_counter() - self.start)

    @property
    def given(self) -> float:
        """Return the operations of the networks that were given."""
        assert self.runs is not None, "no networks were given"
        cost = self.runs.cost
        return cost.operations if cost is not None else len(self.runs) * self.plain

    def at(self, epochs: float) -> Recipe:
        """Return the plain recipe for another number of epochs."""
        return replace(self.recipe, epochs=self.within(self.recipe, epochs))

    def within(self, recipe: Recipe, epochs: float) -> float:
        """Return the epochs, fewer where whole steps would cost more than 5 % beyond them."""
        per_epoch = len(self.data.train) // recipe.batch
        steps = epochs * per_epoch
        if round(steps) <= 1.05 * steps:
            return epochs
        whole_steps = int(steps + 1e-9) or 0.4  # less than a step is refused later, in words
        return whole_steps / per_epoch


def _check_names(method: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise unless the method takes every option; suggest the nearest name."""
    taken = [name for name in signature(method).parameters if name not in ("net", "data", "options")]
    for name in options:
        if name not in Options.__annotations__:
            known = [*taken, *Options.__annotations__]
            raise TypeError(f"{method.__name__} takes no argument {name!r}{nearest(name, known)}")
