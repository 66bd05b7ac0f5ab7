"""Laws: every way to many networks, under one protocol.

A law holds its builder, and the images that refresh its batch normalisation. It can be drawn from
(`sample`), asked for predictions (`predict`), priced (`cost`), written and read (`save`, `load`).
"""

import json
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.builders import Builder, build
from lnescape.engines import engine_for
from lnescape.subspaces import KINDS, Subspace
from lnescape.weights import FlatNetwork

# θ are drawn so many numbers at a time (256 MB), whatever the number of networks asked for.
_CHUNK = 2**26


@dataclass(frozen=True, eq=False)
class Law:
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

    def coefficients(self, n: int | None, seed: int) -> Tensor:
        """Draw n points as coefficients of the stored vectors, [n, K]."""
        raise TypeError("A plain Law can't be drawn from; use what fit or fit_subspace return.")

    @property
    def vectors(self) -> Float[Tensor, "vectors parameters"]:
        """The stored vectors that draws are combinations of, [K, P]."""
        raise TypeError("A plain Law holds no networks; use what fit or fit_subspace return.")

    def sample(self, n: int | None = None, *, seed: int = 0) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw networks, in chunks of bounded memory.

        Args:
            n: How many; all members, in order, for a law of members without n.
            seed: Seed of the draws.

        Yields:
            θ, [chunk, P].
        """
        from lnescape.subspaces import combine

        a = self.coefficients(n, seed)
        size = max(1, min(64, _CHUNK // self.vectors.shape[1]))
        for start in range(0, len(a), size):
            yield combine(a[start : start + size], self.vectors)

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
            >>> law = Members(lambda: nn.Linear(2, 3), torch.zeros(1, 9), seeds=(0,))
            >>> law.predict(torch.ones(1, 2)).exp()
            tensor([[[0.3333, 0.3333, 0.3333]]])
        """
        count = len(self.coefficients(n, seed))
        return predict_at(self, self.sample(n, seed=seed), images, count, batch=batch)

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
            ValueError: Nothing can be written there.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        path = Path(path)
        temporary = path.with_name(f".{path.name}.part")
        text = json.dumps(self._description() | {"kind": type(self).__name__}, default=str)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"vectors": self.vectors.cpu().contiguous()}, temporary, {"law": text})
            temporary.replace(path)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"The law can't be written to {path} ({error}); name a file that can be.") from error

    def _description(self) -> dict:
        return {}


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
    device = law.vectors.device
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


@dataclass(frozen=True, eq=False)
class Members(Law):
    """The empirical law of some trained networks: a deep ensemble.

    Attributes:
        thetas: The members, [M, P].
        seeds: The seed of each.
        failed: {seed: step} of trainings that diverged and are not among the members.

    References:
        Lakshminarayanan et al. 2017, arXiv 1612.01474.
    """

    thetas: Tensor
    _: KW_ONLY
    seeds: tuple[int, ...] = ()
    failed: dict = field(default_factory=dict)

    @property
    def vectors(self) -> Float[Tensor, "members parameters"]:
        """The members, [M, P]."""
        return self.thetas

    def __len__(self) -> int:
        return len(self.thetas)

    def __getitem__(self, index: int | slice) -> Float[Tensor, "*members parameters"]:
        return self.thetas[index]

    def __repr__(self) -> str:
        return (
            f"Members: {len(self)} networks of {self.thetas.shape[1]} parameters, seeds {list(self.seeds)}; {self.cost}"
        )

    def coefficients(self, n: int | None, seed: int) -> Float[Tensor, "n members"]:
        """Choose n members without replacement; all of them, in order, where n isn't given."""
        everyone = torch.eye(len(self))
        if n is None:
            return everyone
        if not isinstance(n, Integral) or not 1 <= n <= len(self):
            raise ValueError(f"{n} networks were asked of a law with {len(self)} members; take 1 to {len(self)}.")
        return everyone[torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:n]]

    def _description(self) -> dict:
        return {"seeds": list(self.seeds)}


@dataclass(frozen=True, eq=False)
class SubspaceLaw(Law):
    """The uniform law over a curve or a simplex: time t, or Dirichlet(1, …, 1) coefficients.

    Attributes:
        subspace: The learned subspace.
    """

    subspace: Subspace

    @property
    def vectors(self) -> Float[Tensor, "vertices parameters"]:
        """The vertices, [K, P]."""
        return self.subspace.vertices

    def __repr__(self) -> str:
        return f"Uniform law over a {self.subspace}; {self.cost}"

    def coefficients(self, n: int | None, seed: int) -> Float[Tensor, "n vertices"]:
        """Draw n points uniformly in the coordinate."""
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n={n}: say how many networks to draw from the subspace: predict(images, n=20, seed=0).")
        return self.subspace.draw(n, torch.Generator().manual_seed(seed))

    def at(self, coordinates: Tensor | float) -> Float[Tensor, "*points parameters"]:
        """Give θ at some coordinates; see `Subspace.at`."""
        return self.subspace.at(coordinates)

    def midpoint(self) -> Float[Tensor, " parameters"]:
        """Give θ in the middle of the subspace."""
        return self.subspace.midpoint()

    def _description(self) -> dict:
        free, grown = self.subspace.free, self.subspace.grown
        return {"subspace": type(self.subspace).__name__, "free": [free.start, free.stop], "grown": grown}


def load_law(path: Path | str, net: Builder, *, normalisation_images: Tensor | None = None) -> Law:
    """Read a law that `save` wrote.

    Args:
        path: The file.
        net: The builder it was trained with.
        normalisation_images: Images for batch normalisation, such as `data.normalisation_images`.

    Returns:
        A `Members` or a `SubspaceLaw`.

    Raises:
        ValueError: The file is missing or damaged, or belongs to another architecture.
    """
    from safetensors import SafetensorError, safe_open

    from lnescape.weights import theta_of

    try:
        with safe_open(path, "pt") as file:
            vectors, said = file.get_tensor("vectors"), json.loads(file.metadata()["law"])
    except (SafetensorError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path} holds no law that can be read ({error}); write it again with law.save.") from error
    length = theta_of(build(net, 0)).numel()
    if vectors.shape[1] != length:
        raise ValueError(f"{path} holds networks of {vectors.shape[1]} parameters, the builder's have {length}.")
    if said["kind"] == "Members":
        return Members(net, vectors, seeds=tuple(said["seeds"]), normalisation_images=normalisation_images)
    subspace = KINDS[said["subspace"]](vectors, len(vectors), range(*said["free"]), said.get("grown", False))
    return SubspaceLaw(net, subspace, normalisation_images=normalisation_images)
