"""The protocol of a law, and prediction at points of weight space in bounded memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.engines import engine_for
from lnescape.results import files
from lnescape.weights import Builder, FlatNetwork, build

# θ are drawn so many numbers at a time (256 MB), whatever the number of networks asked for.
CHUNK = 2**26


@dataclass(frozen=True, eq=False)
class Law(ABC):
    """A probability law over θ; the base of every method.

    Attributes:
        net: Builder of one network.
        recipe: How it was trained, where known.
        cost: What it took, in trainings.
        normalisation_images: Fixed subset of the training images, where there is batch normalisation.
    """

    net: Builder
    _: KW_ONLY
    recipe: Any = None
    cost: Any = None
    normalisation_images: Tensor | None = field(default=None, repr=False)

    def __post_init__(self):
        """Refuse weights that no network can have.

        Raises:
            ValueError: NaN or infinite weights.
        """
        for tensor in self.tensors().values():
            if tensor.is_floating_point() and not torch.isfinite(tensor.sum()):
                raise ValueError(
                    f"The weights of this {type(self).__name__} are NaN or infinite; its training diverged: "
                    "lower the learning rate, or leave that network out."
                )

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that make the law; the first has a last dimension of P parameters."""

    @abstractmethod
    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks; what `sample` calls once n is checked."""

    @abstractmethod
    def moments(
        self, directions: Float[Tensor, "directions parameters"]
    ) -> tuple[Float[Tensor, " directions"], Float[Tensor, "directions directions"]]:
        """State the mean and the covariance of θ, in closed form, as seen along some directions.

        With D the directions as rows: D E[θ] and D Cov[θ] Dᵀ of one draw.

        Args:
            directions: Rows of numbers, [directions, P]; unit vectors pick single parameters.

        Returns:
            Mean and covariance, float64.
        """

    @property
    def device(self) -> torch.device:
        """Where the law lives."""
        return next(iter(self.tensors().values())).device

    @property
    def n_parameters(self) -> int:
        """P."""
        return next(iter(self.tensors().values())).shape[-1]

    def count(self, n: int | None) -> int:
        """Check how many networks are asked for.

        Args:
            n: The number; a law with a known number of members also takes None.

        Returns:
            The number.

        Raises:
            ValueError: No whole number from 1 on.
        """
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n={n}: say how many networks to draw from the law: predict(images, n=20, seed=0).")
        return int(n)

    def sample(self, n: int | None = None, *, seed: int = 0) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw networks, in chunks of bounded memory.

        Args:
            n: How many; all members, in order, for a law of members without n.
            seed: Seed of the draws.

        Returns:
            θ, [chunk, P] at a time.

        Raises:
            ValueError: n is below 1, above the number of members, or missing where it is needed.
        """
        return self.thetas_of(self.count(n), seed)

    def chunks(self, n: int) -> Iterator[int]:
        """Split n draws into chunks whose θ fit in bounded memory; gives the size of each."""
        size = max(1, min(64, CHUNK // self.n_parameters))
        return (min(size, n - start) for start in range(0, n, size))

    def predict(
        self, images: Float[Tensor, "images ..."], n: int | None = None, *, seed: int = 0, batch: int = 500
    ) -> Float[Tensor, "members images classes"]:
        """Predict with n networks drawn from the law.

        ln p_m(class | image), log-softmax of the logits of network m, normalisation refreshed for each.

        Args:
            images: Normalised images, as in `data.test.images`.
            n: Networks; all members, in order, for a law of members without n.
            seed: Seed of the draws.
            batch: Images in one forward pass.

        Returns:
            Log-probabilities in nat, float32 [n, images, classes].

        Raises:
            ValueError: n is below 1, above the number of members, or missing where it is needed; images that
                aren't finite, or that the network can't take.

        Example:
            >>> from lnescape.laws import Members
            >>> law = Members(lambda: nn.Linear(2, 3), torch.zeros(1, 9), seeds=(0,))
            >>> law.predict(torch.ones(1, 2)).exp()
            tensor([[[0.3333, 0.3333, 0.3333]]])
        """
        return predict_at(self, self.sample(n, seed=seed), images, self.count(n), batch=batch)

    def module(self, theta: Float[Tensor, " parameters"]) -> nn.Module:
        """Build the network at θ: a module of its own, in evaluation mode, normalisation refreshed."""
        flat = FlatNetwork(build(self.net, 0), device=theta.device)
        flat.load(theta, self.normalisation_images)
        return flat.module

    def save(self, path: Path | str) -> None:
        """Write the law as one safetensors file; its builder and images stay with the program.

        Args:
            path: The file; its folder is made where there is none.

        Raises:
            ResultError: Nothing can be written there.
        """
        files.save(Path(path), "law", self.description(), self.tensors())

    def description(self) -> dict:
        """Say in plain values what, besides its tensors, makes the law."""
        return {"kind": type(self).__name__}


def predict_at(
    law: Law, chunks: Iterator[Tensor], images: Tensor, n: int, *, batch: int = 500
) -> Float[Tensor, "networks images classes"]:
    """Predict at given points of weight space, chunk by chunk.

    Args:
        law: Tells the builder, the arithmetic and the images for the normalisation.
        chunks: θ, [chunk, P] each, n in all.
        images: Normalised images.
        n: Number of points.
        batch: Images in one forward pass.

    Returns:
        Log-probabilities in nat, [n, images, classes].

    Raises:
        ValueError: Images that aren't finite floats, or that the network can't take; no batch.
        RuntimeError: The memory of an accelerator is full.
    """
    _check_images(images, batch)
    device = law.device
    # In float32 whatever the training used: bfloat16 would add an error of 0.4 % to every log-odds.
    engine = engine_for(law.net, device=device)
    images = images.to(device)
    norm = law.normalisation_images
    norm = None if norm is None else norm.to(device)
    out, done = None, 0
    for thetas in chunks:
        part = None if out is None else out[done : done + len(thetas)]
        try:
            part = engine.log_probabilities(thetas, images, normalisation_images=norm, batch=batch, out=part)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            shape, cause = tuple(images.shape[1:]), str(error).splitlines()[0]
            raise ValueError(
                f"The network can't take images of shape {shape} ({cause}); give it images as in data.test.images."
            ) from error
        if out is None:
            out = part if len(part) == n else part.new_empty(n, *part.shape[1:])
            out[: len(part)] = part
        done += len(thetas)
    return out


def _check_images(images: Tensor, batch: int) -> None:
    cure = "pass data.test.images, or data.prepare(pixels) for images of your own"
    if not isinstance(images, Tensor) or not images.is_floating_point():
        what = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"Images are a float tensor, normalised as in training, not {what}; {cure}.")
    if len(images) == 0 or not torch.isfinite(images.sum()):  # one pass; a finite sum has only finite terms
        raise ValueError(f"The images are {'NaN or infinite' if len(images) else 'none at all'}; {cure}.")
    if batch < 1:
        raise ValueError(f"At least one image goes in a forward pass, not batch={batch}.")
