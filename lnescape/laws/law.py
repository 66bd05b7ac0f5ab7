"""The protocol of a law, and the laws whose draws combine networks: members, subspaces, mixtures.

A law is any source of networks. It draws them (`sample`), predicts in bounded memory (`predict`), states mean and
covariance (`moments`), has a `cost`, and is kept in a file (`save`, `training.load_law`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lnescape.checks import instance, whole
from lnescape.data.inputs import Values
from lnescape.engines import engine_for
from lnescape.progress import bar
from lnescape.results import files
from lnescape.subspaces import KINDS, Subspace, combine
from lnescape.weights import Builder, FlatNetwork, architecture, build, constants_of, wrapped, wrappers_of

# Numbers of θ that are drawn at a time (256 MB), whatever the number of networks.
CHUNK = 2**26
_KINDS: dict[str, type["Law"]] = {}
# Each tensor of a stored law by the last part of its name: the number of its dimensions.
_DIMENSIONS = {"vectors": 2, "mean": 1, "scale": 1, "factors": 2, "theta": 1, "left": 2, "right": 2, "deviations": 2}
# Mean and covariance of θ along some directions.
Moments = tuple[Float[Tensor, " directions"], Float[Tensor, "directions directions"]]


@dataclass(frozen=True, eq=False)
class Law(ABC):
    """A probability law over θ; the base of every method."""

    net: Builder  #: builder of one network
    _: KW_ONLY
    recipe: Any = None  #: recipe of its training, where known
    cost: Any = None  #: cost of the training, in trainings
    #: fixed subset of the training images, where there is batch normalisation
    normalisation_images: Tensor | None = field(default=None, repr=False)
    values: Values | None = field(default=None, repr=False)  #: standardisation of measured values; None for classes
    #: SHA-256 of the images and labels it was trained on, and of their normalisation; empty where unknown
    trained_on: str = field(default="", repr=False)
    stored: ClassVar[tuple[str, ...]] = ()  # names of the tensors that define the law; the first one's last axis is P
    facts: ClassVar[tuple[str, ...]] = ()  # names of the plain values that complete the definition

    def __post_init__(self):
        """Raise unless all weights are finite."""
        if not all(torch.isfinite(tensor.sum()) for tensor in self.tensors().values()):
            cure = "its training diverged: lower the learning rate, or leave that network out"
            raise ValueError(f"The weights of this {type(self).__name__} are NaN or infinite; {cure}.")

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that define the law, by name."""
        return {name: getattr(self, name) for name in self.stored if getattr(self, name) is not None}

    @abstractmethod
    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks; `sample` calls it once n is checked."""

    @abstractmethod
    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return D E[θ] and D Cov[θ] Dᵀ of one draw, in closed form, float64, along directions, the rows of D."""

    @property
    def device(self) -> torch.device:
        """Return the device of its tensors."""
        return next(iter(self.tensors().values())).device

    @property
    def _priced(self) -> str:
        """Return the end of the repr: the cost, where it is known."""
        return "" if self.cost is None else f"; {self.cost}"

    @property
    def n_parameters(self) -> int:
        """Return P, the number of parameters of one network."""
        return next(iter(self.tensors().values())).shape[-1]

    def count(self, n: int | None) -> int:
        """Return n as int; raise unless it is at least 1. A law of members takes None for all of them."""
        return whole(n, "n, how many networks to draw from the law,", least=1, error=ValueError)

    def sample(self, n: int | None = None, *, seed: int = 0) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Return θ of n networks, in chunks [chunk, P]; of a law of members without n, all of them, in order."""
        return self.thetas_of(self.count(n), whole(seed, "seed", least=-(2**63), most=2**63 - 1))

    def chunks(self, n: int) -> Iterator[int]:
        """Return the sizes of the chunks of n draws, so that θ of each fit in bounded memory."""
        size = max(1, min(64, CHUNK // self.n_parameters))
        return (min(size, n - start) for start in range(0, n, size))

    def predict(
        self, images: Shaped[Tensor, "inputs ..."], n: int | None = None, *, seed: int = 0, batch: int = 500,
        progress: bool = True,
    ) -> Float[Tensor, "..."]:  # fmt: skip
        """Predict with n networks drawn from the law: ln p_m(class | image), or values; normalisation is refreshed.

        Args:
            images: Normalised images, as in `data.test.images`.
            n: Networks; all members, in order, for a law of members without n.
            seed: Seed of the draws.
            batch: Images in one forward pass.
            progress: Show a bar with the time left (from two seconds on).

        Returns:
            Log-probabilities in nat, float32 [n, images, classes]. Measured values in their unit, [n, images, outputs]
            or, where the networks state variances, [n, images, outputs, 2]: each value and its variance.

        >>> law = Members(lambda: nn.Linear(2, 3), torch.zeros(1, 9), seeds=(0,))
        >>> law.predict(torch.ones(1, 2)).exp()
        tensor([[[0.3333, 0.3333, 0.3333]]])
        """
        return predict_at(self, self.sample(n, seed=seed), images, self.count(n), batch=batch, progress=progress)

    def module(self, theta: Float[Tensor, " parameters"]) -> nn.Module:
        """Return the network at θ, such as `law[0]`: a new module in evaluation mode, its normalisation refreshed."""
        # Its outputs for measured values are standardised; `law.values.in_unit` converts them to the unit.
        flat = FlatNetwork(build(self.net, 0), device=theta.device)
        flat.load(theta, self.normalisation_images)
        return flat.module

    @contextmanager
    def lend(self, theta: Float[Tensor, " parameters"]) -> Iterator[nn.Module]:
        """Lend the network at θ for a `with` block, as `module` makes it, but built once and used again."""
        with self._kept("network", lambda: FlatNetwork(build(self.net, 0), device=self.device)) as flat:
            flat.load(theta.to(self.device), self.normalisation_images)
            yield flat.module

    @contextmanager
    def _kept(self, what: str, make: Callable[[], Any]) -> Iterator[Any]:
        """Lend an engine or a network that is kept between calls; a concurrent caller gets a new one."""
        shelf, key = self.__dict__.setdefault("_shelf", {}), (what, str(self.device))
        with torch.inference_mode(False):  # the kept object must work outside of it, too
            kept = shelf.pop(key, None) or make()
        yield kept
        shelf[key] = kept  # not after an error, which may have left it in any state

    def __getstate__(self) -> dict:
        """Leave out the engine and the network kept between calls."""
        return {name: value for name, value in self.__dict__.items() if name != "_shelf"}

    def save(self, path: Path | str) -> None:
        """Write the law as one safetensors file; its builder and images stay with the program."""
        files.save(Path(path), "law", self.describe(), self.tensors())

    def describe(self) -> dict:
        """Return the plain values that, with its tensors, define the law."""
        more: dict[str, Any] = {} if self.values is None else {"values": self.values.describe()}
        more |= {"trained_on": self.trained_on, "wrappers": wrappers_of(self.net)}
        module = build(self.net, 0)
        more |= {"architecture": architecture(module), "constants": constants_of(module)}
        if self.recipe is not None:
            more["recipe"] = self.recipe.describe()
        if self.cost is not None:
            more["cost"] = asdict(self.cost)
        return {"kind": type(self).__name__} | {name: getattr(self, name) for name in self.facts} | more

    @classmethod
    def described(cls, net: Builder, description: dict, tensors: dict[str, Any], **known: Any) -> "Law":
        """Restore a law from its description and its tensors."""
        return cls(net, **tensors, **{name: description[name] for name in cls.facts}, **known)

    def __init_subclass__(cls):
        """Register this kind of law for `load_law`."""
        _KINDS[cls.__name__] = cls


def predict_at(
    law: Law, chunks: Iterator[Tensor], images: Tensor, n: int, *, batch: int = 500, progress: bool = True
) -> Float[Tensor, "..."]:
    """Predict as `Law.predict` does, at n points of weight space that are given in chunks."""
    _check_images(images, batch)
    device, norm, out, done = law.device, law.normalisation_images, None, 0
    images = images.to(device, torch.float32 if images.is_floating_point() else None)
    norm = None if norm is None else norm.to(device)
    # In float32 whatever the training used: bfloat16 would add an error of 0.4 % to every log-odds.
    with (
        law._kept("engine", lambda: engine_for(law.net, device=device)) as engine,
        bar(n * len(images), "predicting", "predictions", show=progress) as shown,
    ):
        for thetas in chunks:
            part = None if out is None else out[done : done + len(thetas)]
            try:
                part = engine.log_probabilities(
                    thetas, images, normalisation_images=norm, batch=batch, out=part, softmax=law.values is None,
                    on_batch=shown.update,
                )  # fmt: skip
            except (RuntimeError, IndexError) as error:  # the latter for a token that was never seen
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                why = f"inputs of shape {tuple(images.shape[1:])} ({str(error).splitlines()[0]})"
                raise ValueError(f"The network can't take {why}; give it inputs as in data.test.images.") from error
            if out is None:
                out = part if len(part) == n else part.new_empty(n, *part.shape[1:])
                out[: len(part)] = part
            done += len(thetas)
    assert out is not None, "no network was drawn"
    return out if law.values is None else law.values.in_unit(out)


def _check_images(images: Tensor, batch: int) -> None:
    """Raise unless the images are finite floats, or tokens, at least one, in batches of at least one."""
    cure = "pass data.test.images, or data.prepare(pixels) for inputs of your own"
    if not isinstance(images, Tensor) or not (images.is_floating_point() or images.dtype == torch.int64):
        what = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"Inputs are a float tensor, normalised as in training, or int64 tokens, not {what}; {cure}.")
    if len(images) == 0 or not torch.isfinite(images.sum()):  # one pass; a finite sum has only finite terms
        raise ValueError(f"The inputs are {'NaN or infinite' if len(images) else 'none at all'}; {cure}.")
    whole(batch, "batch", least=1)


@dataclass(frozen=True, eq=False)
class Members(Law):
    """The empirical law of some trained networks: a deep ensemble.

    References: Lakshminarayanan et al. 2017, arXiv 1612.01474.
    """

    thetas: Tensor  #: the members, [M, P]
    _: KW_ONLY
    seeds: tuple[int, ...] = ()  #: the seed of each; empty where a member has none of its own
    failed: dict = field(default_factory=dict)  #: {seed: step} of trainings that diverged and are not among the members
    #: θ at each epoch's end, [M, epochs, P] on the CPU, with `fit(…, path=True)`; not saved
    path: Tensor | None = field(default=None, repr=False)
    stored, facts = ("vectors",), ("seeds",)

    @property
    def vectors(self) -> Float[Tensor, "members parameters"]:
        """Return the members, [M, P]."""
        return self.thetas

    def __len__(self) -> int:
        return len(self.thetas)

    def __getitem__(self, index: int | slice) -> Float[Tensor, "*members parameters"]:
        return self.thetas[index]

    def subset(self, rows: slice | Sequence[int]) -> "Members":
        """Return the law of some of the members, at their share of the cost.

        Args:
            rows: Their numbers, from 0 on, each once, or a slice.

        Returns:
            A law with their seeds and paths, whose `failed` is empty.

        Raises:
            TypeError: `rows` names no members.
            IndexError: No member, one twice, or one that isn't there.

        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> five = ln.fit(ln.network("mlp", data, width=16), data, seeds=range(5), recipe=ln.Recipe(epochs=1))
        >>> five.subset([0, 3]).seeds, five.subset(slice(2, None)).cost.trainings
        ((0, 3), 3.0)
        """
        instance(rows, (slice, Iterable), "rows", "name members, such as [0, 2] or slice(2)")
        if isinstance(rows, slice):
            rows = range(len(self))[rows]
        last = len(self) - 1
        chosen = [whole(row, "number of a member", least=0, most=last, error=IndexError) for row in rows]
        if not chosen or len(set(chosen)) < len(chosen):
            raise IndexError(f"Members {chosen} of {len(self)}: name one or more, each once.")
        cost, path, share = self.cost, self.path, len(chosen) / len(self)
        return replace(
            self, thetas=self.thetas[chosen], seeds=tuple(self.seeds[row] for row in chosen) if self.seeds else (),
            failed={}, path=None if path is None else path[chosen],
            cost=cost and replace(cost, operations=cost.operations * share, seconds=cost.seconds * share),
        )  # fmt: skip

    def __repr__(self) -> str:
        many = f"{len(self)} network{'s' * (len(self) != 1)}"
        seeds = f", seeds {list(self.seeds)}" if self.seeds else ""
        return f"Members: {many} of {self.thetas.shape[1]} parameters{seeds}{self._priced}"

    @property
    def streams(self) -> tuple[int, ...]:
        """Return the number of each member's random streams: its seed, or its place where seeds are not known."""
        return self.seeds or tuple(range(len(self)))

    def count(self, n: int | None) -> int:
        """Return n as int, the number of members for None; raise unless it lies between 1 and that number."""
        if n is None:
            return len(self)
        return whole(n, f"n, how many of {len(self)} members to draw,", least=1, most=len(self), error=ValueError)

    def sample(self, n: int | None = None, *, seed: int = 0) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw members without replacement; all of them, in order, where n isn't given."""
        return super().sample(n, seed=seed) if n is not None else iter(self.thetas.split(list(self.chunks(len(self)))))

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Choose n members without replacement, in chunks."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        return (self.thetas[rows] for rows in order[:n].to(self.device).split(list(self.chunks(n))))

    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return the mean and the covariance of one member drawn."""
        x = directions.to(self.device).double() @ self.thetas.double().T
        return x.mean(1), x.cov(correction=0).view(len(x), len(x))

    def describe(self) -> dict:
        """Return the plain values that, with its tensors, define the law."""
        return super().describe() | {"failed": list(self.failed.items())}

    @classmethod
    def described(cls, net: Builder, description: dict, tensors: dict[str, Tensor], **known: Any) -> Law:
        """Restore an ensemble from its members and their seeds."""
        seeds = description["seeds"]
        if seeds and (len(seeds) != len(tensors["vectors"]) or not all(type(seed) is int for seed in seeds)):
            raise ValueError("the seeds are not those of the members")
        return cls(net, tensors["vectors"], seeds=tuple(seeds), failed=dict(description.get("failed", [])), **known)


@dataclass(frozen=True, eq=False)
class SubspaceLaw(Law):
    """The uniform law over a curve or a simplex: time t, or Dirichlet(1, …, 1) coefficients."""

    subspace: Subspace  #: the learned subspace
    stored = ("vectors",)

    @property
    def vectors(self) -> Float[Tensor, "vertices parameters"]:
        """Return the vertices, [K, P]."""
        assert self.subspace.vertices is not None, "the subspace was not learned"
        return self.subspace.vertices

    def __repr__(self) -> str:
        return f"Uniform law over a {self.subspace}{self._priced}"

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n points uniformly in the coordinate, in chunks."""
        a = self.subspace.draw(n, torch.Generator().manual_seed(seed))
        return (combine(part, self.vectors) for part in a.split(list(self.chunks(n))))

    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return the mean and the covariance of one draw: X E[a] and X Cov[a] Xᵀ with X = D Vᵀ."""
        mean, second = self.subspace.coefficient_moments()
        directions = directions.to(self.device)
        # From the first vertex on, so that nearly equal ones keep their digits; Σ a = 1 makes it the same.
        first = self.vectors[0].double()
        x = directions.double() @ (self.vectors.double() - first).T
        mean, second = mean.to(x), second.to(x)
        return directions.double() @ first + x @ mean, x @ (second - torch.outer(mean, mean)) @ x.T

    def at(self, coordinates: Tensor | float) -> Float[Tensor, "*points parameters"]:
        """Return θ at some coordinates; see `Subspace.at`."""
        return self.subspace.at(coordinates)

    def midpoint(self) -> Float[Tensor, " parameters"]:
        """Return θ in the middle of the subspace."""
        return self.subspace.midpoint()

    def describe(self) -> dict:
        """Return the plain values that, with its tensors, define the law."""
        return super().describe() | self.subspace.describe()

    @classmethod
    def described(cls, net: Builder, description: dict, tensors: dict[str, Tensor], **known: Any) -> Law:
        """Restore the law over a subspace from its description and vertices."""
        return cls(net, KINDS[description["subspace"]].described(tensors["vectors"], description), **known)


@dataclass(frozen=True, eq=False)
class Mixture(Law):
    """Several laws with equal weight, such as SWAG around each of three networks.

    Every component gives n/M of n draws; if that isn't a whole number, the first components in a random order give one
    more. Draws are in the order of the components.

    References: Wilson & Izmailov 2020, arXiv 2002.08791, section 3 (MultiSWAG).
    """

    components: tuple[Law, ...]  # the laws, of one architecture

    def __post_init__(self):
        """Raise unless there are components of one size."""
        if not self.components:
            raise ValueError("A mixture needs at least one law; give it components.")
        if len(sizes := {law.n_parameters for law in self.components}) > 1:
            raise ValueError(f"The laws have networks of {sorted(sizes)} parameters; mix laws of one architecture.")
        super().__post_init__()

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that define the law, by name: those of component k begin with "k."."""
        laws = enumerate(self.components)
        return {f"{number}.{name}": tensor for number, law in laws for name, tensor in law.tensors().items()}

    def __repr__(self) -> str:
        return f"Mixture of {len(self.components)} laws, the first a {self.components[0]!r}{self._priced}"

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks, with a separate seed for each component."""
        counts = np.full(len(self.components), n // len(self.components))
        counts[np.random.RandomState(seed % 2**32).permutation(len(counts))[: n % len(counts)]] += 1
        for number, (law, count) in enumerate(zip(self.components, counts.tolist(), strict=True)):
            if count:
                drawn = np.random.SeedSequence([seed % 2**64, number]).generate_state(1, np.uint64)[0]
                yield from law.thetas_of(law.count(count), int(drawn) >> 1)

    def moments(self, directions: Float[Tensor, "directions parameters"]) -> Moments:
        """Return the mean of the components' covariances, plus the covariance of their means."""
        moments = [law.moments(directions) for law in self.components]
        means = torch.stack([mean for mean, _ in moments])
        apart = means - means.mean(0)
        within = torch.stack([covariance for _, covariance in moments]).mean(0)
        return means.mean(0), within + apart.T @ apart / len(means)

    def describe(self) -> dict:
        """Return the plain values that, with its tensors, define the law."""
        return super().describe() | {"components": [law.describe() for law in self.components]}

    @classmethod
    def described(cls, net: Builder, description: dict, tensors: dict[str, Tensor], **known: Any) -> Law:
        """Restore a mixture from the descriptions and tensors of its laws."""
        laws = []
        for number, component in enumerate(description["components"]):
            part = {name.split(".", 1)[1]: value for name, value in tensors.items() if name.startswith(f"{number}.")}
            laws.append(_KINDS[component["kind"]].described(net, component, part, **known | {"cost": None}))
        return cls(net, tuple(laws), **known)


def mixture_of(laws: Sequence[Law], *, cost: Any) -> Law:
    """Return one law for several, with their cost: the law itself where there is one, else a mixture."""
    first = laws[0]
    if len(laws) == 1:
        return replace(first, cost=cost)
    names = ("recipe", "normalisation_images", "values", "trained_on")
    return Mixture(first.net, tuple(laws), cost=cost, **{name: getattr(first, name) for name in names})


def law_of(net: Builder, description: dict, tensors: dict[str, Tensor], **known: Any) -> Law:
    """Make the law of a description and tensors that `save` wrote; raise unless they describe one."""
    import_module("lnescape.laws.noise")  # it registers its laws
    if description["kind"] not in _KINDS:
        raise ValueError(f"there is no law {description['kind']}")
    for name, tensor in tensors.items():
        if tensor.ndim != _DIMENSIONS[name.split(".")[-1]] or not tensor.is_floating_point():
            raise ValueError(f"{name} has another shape or type")
    known["trained_on"] = str(description.get("trained_on", ""))
    if "values" in description:
        known["values"] = Values.described(description["values"])
    builder = wrapped(net, description.get("wrappers", []))
    law = _KINDS[description["kind"]].described(builder, description, tensors, **known)
    next(law.thetas_of(1, 0))  # a law that cannot be drawn from is refused here
    return law
