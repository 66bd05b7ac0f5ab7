"""The one training loop: gradient descent on the vertices of a subspace.

A plain training is a subspace with one vertex. Many plain trainings at once are many such
subspaces. One loop serves them all:

    θ = Σ_k a_k v_k → loss and ∇L(θ) on a batch → ∂L/∂v_k = a_k ∇L(θ) + penalty → one fused update.
"""

import hashlib
import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnescape.results import files
from lnescape.training.recipe import Recipe
from lnescape.weights import seeded


@dataclass
class State:
    """State of a descent at the end of an epoch: everything needed to continue as if uninterrupted."""

    epoch: int  # epochs done
    vertices: Tensor  # [S, K, P]
    failed: Tensor  # step at which each of the S diverged, −1 where it didn't
    optimiser: dict[str, Tensor]  # its tensors, such as the velocities [S, F, P] of the F rows that move

    def branched(self, n: int) -> "State":
        """Copy each of the S descents n times, to be continued along n branches: [S n, K, P]."""
        return self._each(lambda tensor: tensor.detach().repeat_interleave(n, 0))

    def rows(self, rows: slice) -> "State":
        """Take some of the S descents."""
        return self._each(lambda tensor: tensor[rows])

    @staticmethod
    def joined(states: list["State"]) -> "State":
        """Put together descents that stand at the same epoch."""
        kept, first = [state.optimiser for state in states], states[0]
        optimiser = {n: torch.cat([o[n] for o in kept]) if v.ndim else v for n, v in first.optimiser.items()}
        vertices, failed = (torch.cat([getattr(state, what) for state in states]) for what in ("vertices", "failed"))
        return State(first.epoch, vertices, failed, optimiser)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "State":
        """Apply `change` to every tensor with one row for each descent; a step count of the optimiser has none."""
        optimiser = {n: change(v) if v.ndim else v.clone() for n, v in self.optimiser.items()}
        return State(self.epoch, change(self.vertices), change(self.failed), optimiser)

    def save(self, file: Path, seeds: Sequence[int] = ()) -> None:
        """Keep the state, and the seeds of its descents, whole or not at all."""
        tensors = {"vertices": self.vertices, "failed": self.failed}
        tensors |= {f"optimiser.{name}": value for name, value in self.optimiser.items()}
        files.save(file, "state", {"name": file.stem, "epoch": self.epoch, "seeds": list(seeds)}, tensors)

    @staticmethod
    def load(file: Path, like: Tensor, *, moving: int = 1) -> "State | None":
        """Read a state of descents like `like` [S, K, P]; warn and return None where it is damaged."""
        # K is free where `like` has none; `moving` of the rows have tensors of the optimiser.
        cure = "it is not used, and what it kept is trained again."
        try:
            with files.loading(file, "state", cure=cure) as (description, tensors):
                vertices, failed = tensors.pop("vertices"), tensors.pop("failed")
                optimiser = {name.removeprefix("optimiser."): value for name, value in tensors.items()}
                (s, k, p), rows = like.shape, [value for name, value in optimiser.items() if name != "step"]
                fits = (
                    description["name"] == file.stem,
                    type(description["epoch"]) is int and description["epoch"] > 0,
                    vertices.dtype == like.dtype and vertices.shape == (s, k or vertices.shape[1], p),
                    failed.dtype == torch.int64 and failed.shape == (s,),
                    set(optimiser) - {"average"} in (set(), {"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"}),
                    all(value.dtype == like.dtype and value.shape == (s, moving, p) for value in rows),
                    "step" not in optimiser or optimiser["step"].ndim == 0,
                )
                if not all(fits):
                    raise ValueError("it was renamed, or belongs to another training")
                return State(description["epoch"], vertices, failed, optimiser)
        except files.ResultError as error:
            if file.is_dir():  # the new training could not be kept there
                raise
            warnings.warn(str(error), stacklevel=2)
            return None


@dataclass
class Descent:
    """A descent: S subspaces of K vertices, of which the rows `free` move."""

    vertices: Tensor  # [S, K, P]
    free: slice
    seeds: list[int]  # one for each of the S; order and augmentation of the images follow from it
    # From a generator to the coefficients [points, K] of this step; None for a single vertex. The loss is the mean over
    # the points.
    draw: Callable[[torch.Generator], Tensor] | None = None
    # From vertices [K, P] and a generator to the gradient, [F, P], of the term added to the loss.
    penalty: Callable[[Tensor, torch.Generator], Tensor] | None = None
    file: Path | None = None  # where the state is kept at every epoch's end
    start: State | None = None  # state to continue from, such as the trunk of a branch; None begins with the vertices


def descend(
    descent: Descent, engine, data, recipe: Recipe, *, on_epoch: Callable[[State], Any] = lambda state: None
) -> dict:
    """Train the free vertices in place; return {seed: step at which its loss became NaN or infinite}."""
    # `on_epoch` is called at every epoch's end with the state. Its tensors are in training: copy those to keep.
    running = _Running(descent, engine, data.train, recipe)
    for epoch in range(running.restore(), math.ceil(recipe.epochs)):
        running.epoch(epoch)
        state = running.state(epoch + 1)
        on_epoch(state)  # before the state is saved, so that records of `on_epoch` are never an epoch behind it
        if descent.file is not None:
            state.save(descent.file, descent.seeds)
        if bool((running.failed >= 0).all()):
            break
    # No later loss reveals divergence in the last step, so check the weights.
    lost = (running.failed < 0) & ~running.vertices.flatten(1).isfinite().all(1)
    running.failed = torch.where(lost, running.total - 1, running.failed)
    descent.vertices.copy_(running.vertices)
    return {s: int(step) for s, step in zip(descent.seeds, running.failed.tolist(), strict=True) if step >= 0}


class _Running:
    """A descent under way: the vertices, the part of them that moves, and its optimiser."""

    def __init__(self, descent: Descent, engine, train, recipe: Recipe):
        self.descent, self.engine, self.recipe = descent, engine, recipe
        self.images, self.labels = train.images, train.targets
        self.n_steps = len(train) // recipe.batch
        self.total = recipe.n_steps(len(train))
        self.vertices = descent.vertices
        self.home = engine.home(len(descent.seeds))  # [S, P], where networks keep their weights, or None
        if descent.draw is None and self.home is not None:  # let it train there: nothing to copy
            self.home.copy_(descent.vertices[:, 0])
            self.vertices = self.home.unsqueeze(1)
        # A view: the optimiser moves the vertices themselves.
        self.moving = torch.nn.Parameter(self.vertices[:, descent.free])
        self.optimiser = recipe.optimiser_for(self.moving)
        self.average = self.moving.detach().clone() if recipe.average_every else None
        self.biases = engine.normalisation_biases() if recipe.bias_rate != 1 else None  # [n], places in θ
        # Which images are mirrored in even epochs, [S, n]; the others are in odd ones.
        self.mirrored = None
        if recipe.flip == "alternate":
            streams = [generator(s, 0, "mirror") for s in descent.seeds]
            self.mirrored = torch.stack([torch.rand(len(train), generator=g) < 0.5 for g in streams])
            self.mirrored = self.mirrored.to(self.images.device)
        # Memory used again at each step: fresh pages cost as much as a small product.
        self.batch = self.images.new_empty(len(descent.seeds) * recipe.batch, *self.images.shape[1:])
        self.slope = torch.empty_like(self.moving, requires_grad=False) if descent.draw else None
        self.failed = torch.full((len(descent.seeds),), -1, device=self.images.device)

    def epoch(self, epoch: int) -> None:
        """Pass once over the training images, in the order and with the augmentation of each seed."""
        seeds, size = self.descent.seeds, self.recipe.batch
        streams = {p: [generator(s, epoch, p) for s in seeds] for p in ("order", "augmentation", "point")}
        order = torch.stack([torch.randperm(len(self.images), generator=g) for g in streams["order"]])
        order = order.to(self.images.device)
        with seeded(generator(seeds[0], epoch, "dropout").initial_seed()):  # for dropout layers and the like
            for step in range(min(self.n_steps, self.total - epoch * self.n_steps)):
                rows = order[:, step * size : (step + 1) * size]
                rate = self.recipe.learning_rate_at((epoch + step / self.n_steps) / self.recipe.epochs)
                self.optimiser.param_groups[0]["lr"] = rate
                torch.index_select(self.images, 0, rows.flatten(), out=self.batch)
                images = _augmented(self.batch.unflatten(0, rows.shape), streams["augmentation"], self.recipe)
                done = epoch * self.n_steps + step
                if self.mirrored is not None:
                    mirror = self.mirrored.gather(1, rows) ^ bool(epoch % 2)
                    images = torch.where(mirror[..., None, None, None], images.flip(-1), images)
                if self.recipe.first_pixels and 2 * done < self.total:
                    images = smaller(images, self.recipe.first_pixels)
                loss = self.step(images, self.labels[rows], streams["point"][0])
                self.join_average(done + 1)
                bad = (self.failed < 0) & ~loss.isfinite()
                self.failed = torch.where(bad, done, self.failed)

    @torch.no_grad()
    def join_average(self, done: int) -> None:
        """Move the running average towards the weights, and the weights onto it; see `Recipe.average_every`."""
        if self.average is None or (done % self.recipe.average_every and done < self.total):
            return
        decay = 0.95**5 * (done / self.total) ** 3 if done < self.total else 1.0
        self.average.lerp_(self.moving, 1 - decay)
        self.moving.copy_(self.average)

    def scaled(self, gradient: Tensor) -> Tensor:
        """Scale the gradient of normalisation biases in place: for SGD the same as a learning rate of their own."""
        # θ ← θ − kη(g + (wd/k) θ) = θ − η(k g + wd θ): the rate times k, the decay divided by k.
        if self.biases is not None:
            gradient[:, self.biases] *= self.recipe.bias_rate
        return gradient

    def step(self, images: Tensor, labels: Tensor, stream: torch.Generator) -> Tensor:
        """Move the vertices by one batch; return the loss of each network."""
        free, vertices = self.descent.free, self.vertices
        if self.descent.draw is None:
            loss, gradient = self.engine.loss_and_gradient(vertices[:, 0], images, labels, self.recipe.loss)
            self.moving.grad = self.scaled(gradient).unsqueeze(1)
        else:
            points = self.descent.draw(stream).to(vertices).split(1)
            loss = 0.0
            for number, a in enumerate(points):
                theta = torch.mm(a, vertices[0], out=self.home)
                part, gradient = self.engine.loss_and_gradient(theta, images, labels, self.recipe.loss)
                gradient = self.scaled(gradient)
                # The chain rule: ∂L/∂v_k = a_k ∇L(θ), into the same memory at each step.
                share = a[:, free].unsqueeze(2) / len(points)
                if number == 0:
                    torch.mul(share, gradient.unsqueeze(1), out=self.slope)
                elif self.slope is not None:
                    self.slope.addcmul_(share, gradient.unsqueeze(1))
                loss = loss + part / len(points)
            self.moving.grad = self.slope
            if self.descent.penalty is not None and self.slope is not None:
                self.slope[0] += self.descent.penalty(vertices[0], stream)
        self.optimiser.step()
        return loss

    def state(self, epoch: int) -> State:
        """Return the state after `epoch` epochs; its tensors are those in training."""
        tensors = {k: v for k, v in self.optimiser.state[self.moving].items() if torch.is_tensor(v)}
        tensors |= {} if self.average is None else {"average": self.average}
        return State(epoch, self.vertices, self.failed, tensors)

    def restore(self) -> int:
        """Restore the state from the file, else from `start`; return the number of epochs done."""
        file, state = self.descent.file, self.descent.start
        if file is not None and file.exists():
            state = State.load(file, self.vertices, moving=self.moving.shape[1]) or state
        if state is None:
            return 0
        self.vertices.copy_(state.vertices)
        self.failed.copy_(state.failed)
        if self.average is not None:
            self.average.copy_(state.optimiser.get("average", self.moving.detach()))
        moved = {n: v.to(self.vertices.device, copy=True) for n, v in state.optimiser.items() if n != "average"}
        self.optimiser.state[self.moving].update(moved)
        return state.epoch


def _augmented(images: Tensor, streams: list[torch.Generator], recipe: Recipe) -> Tensor:
    """Shift and mirror each seed's batch under that seed's own stream."""
    flip = recipe.flip is True  # "alternate" mirrors elsewhere
    if not recipe.shift and not flip:
        return images
    from lnescape.data.shifts import augment

    return augment(images.flatten(0, 1), generator=streams, shift=recipe.shift, flip=flip).view(images.shape)


def smaller(images: Tensor, pixels: int) -> Tensor:
    """Reduce images [networks, batch, channels, height, width] to `pixels` × `pixels`, each pixel a weighted mean."""
    flat = images.flatten(0, 1)
    small = torch.nn.functional.interpolate(flat, (pixels, pixels), mode="bilinear", antialias=True)
    return small.unflatten(0, images.shape[:2])


@lru_cache(maxsize=4096)
def stream_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return the seed of one random stream of a training, such as the order of the images in one epoch."""
    # The streams are independent of each other, and each epoch has its own, so that a training that was killed goes on
    # from an epoch's end as if nothing had happened.
    words = np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(2)
    return int(words[0]) << 16 ^ int(words[1])  # the words overlap; stored results rest on it


def generator(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """Return the CPU generator of one random stream; see `stream_seed`."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, purpose))


def fingerprint(*content: object) -> str:
    """Name a computation by a hash of its inputs: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()[:16]


def tensor_fingerprint(tensor: Tensor) -> str:
    """Name a tensor by its bytes."""
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
