"""The one training loop: gradient descent on the vertices of a subspace.

A plain training is a subspace with one vertex. Many plain trainings at once are many such
subspaces. One loop serves them all:

    θ = Σ_k a_k v_k → loss and ∇L(θ) on a batch → ∂L/∂v_k = a_k ∇L(θ) + penalty → one fused update.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lnescape.training.recipe import Recipe, generator


@dataclass
class Descent:
    """State of a descent: S subspaces of K vertices, of which the rows `free` move.

    Attributes:
        vertices: [S, K, P].
        free: The rows that move.
        seeds: One seed for each of the S; order and augmentation of the images follow from it.
        draw: From a generator to coefficients [S, K] of this step; None for a single vertex.
        penalty: From vertices [K, P] and a generator to the gradient [K, P] of what is added to the loss.
        file: Where the state is kept at every epoch's end; None keeps nothing.
    """

    vertices: Tensor
    free: slice
    seeds: list[int]
    draw: Callable[[torch.Generator], Tensor] | None = None
    penalty: Callable[[Tensor, torch.Generator], Tensor] | None = None
    file: Path | None = None


def descend(descent: Descent, engine, data, recipe: Recipe, *, on_epoch: Callable[[], None] = lambda: None) -> dict:
    """Train the free vertices in place.

    Args:
        descent: What is trained; its `vertices` hold the result.
        engine: Computes loss and gradient at θ.
        data: The data set; its training images are used.
        recipe: Epochs, batch, schedule, optimiser, augmentation, loss.
        on_epoch: Called at the end of every epoch, for a progress bar.

    Returns:
        {seed: step at which its loss became NaN or infinite}; the other seeds are not disturbed.
    """
    images, labels = data.train.images, data.train.labels
    if len(images) < recipe.batch:
        raise ValueError(f"A batch of {recipe.batch} is larger than the {len(images)} training images; lower Recipe.batch.")
    vertices, home = descent.vertices, getattr(engine, "home", None)
    plain = descent.draw is None
    if plain and home is not None:  # let a single network train in its own buffer: nothing to copy
        home.copy_(vertices[:, 0])
        vertices = home.unsqueeze(1)
    moving = vertices[:, descent.free]
    parameter = torch.nn.Parameter(moving)
    if parameter.data_ptr() != moving.data_ptr():
        raise RuntimeError("The free vertices were copied; they must be updated in place.")
    optimiser = recipe.optimiser_for(parameter)
    failed = torch.full((len(descent.seeds),), -1, device=images.device)
    first_epoch = _restore(descent, vertices, optimiser, parameter, failed)
    n_steps = len(images) // recipe.batch
    for epoch in range(first_epoch, recipe.epochs):
        streams = {p: [generator(s, epoch, p) for s in descent.seeds] for p in ("order", "augmentation", "point")}
        order = torch.stack([torch.randperm(len(images), generator=g) for g in streams["order"]]).to(images.device)
        with torch.random.fork_rng():  # only dropout layers need the global generator
            torch.manual_seed(generator(descent.seeds[0], epoch, "dropout").initial_seed())
            for step in range(n_steps):
                index = order[:, step * recipe.batch : (step + 1) * recipe.batch]
                batch = _augmented(images[index], streams["augmentation"], recipe)
                optimiser.param_groups[0]["lr"] = recipe.learning_rate_at((epoch + step / n_steps) / recipe.epochs)
                if plain:
                    a, thetas = None, vertices[:, 0]
                else:
                    a = descent.draw(streams["point"][0]).to(vertices)
                    thetas = torch.bmm(a.unsqueeze(1), vertices, out=_point(engine, vertices)).squeeze(1)
                loss, gradient = engine.loss_and_gradient(thetas, batch, labels[index], recipe.loss)
                parameter.grad = _vertex_gradient(descent, vertices, a, gradient, streams["point"][0])
                optimiser.step()
                failed = torch.where((failed < 0) & ~loss.isfinite(), epoch * n_steps + step, failed)
        _keep(descent, vertices, optimiser, parameter, failed, epoch + 1)
        on_epoch()
        if bool((failed >= 0).all()):
            break
    descent.vertices.copy_(vertices)
    return {s: int(step) for s, step in zip(descent.seeds, failed.tolist(), strict=True) if step >= 0}


def _augmented(images: Tensor, streams: list[torch.Generator], recipe: Recipe) -> Tensor:
    """Shift and mirror each seed's batch under that seed's own stream."""
    if not recipe.shift and not recipe.flip:
        return images
    from lnescape.data import augment

    options = {"shift": recipe.shift, "flip": recipe.flip}
    return torch.stack([augment(own, generator=g, **options) for own, g in zip(images, streams, strict=True)])


def _point(engine, vertices: Tensor) -> Tensor:
    """Where θ of this step is written: the network's own buffer, [1, 1, P]."""
    return engine.home.unsqueeze(1) if hasattr(engine, "home") else torch.empty_like(vertices[:, :1])


def _vertex_gradient(
    descent: Descent, vertices: Tensor, a: Tensor | None, gradient: Tensor, stream: torch.Generator
) -> Tensor:
    """Apply the chain rule ∂L/∂v_k = a_k ∇L(θ), and add the penalty's gradient."""
    if a is None:
        return gradient.unsqueeze(1)
    result = a[:, descent.free].unsqueeze(2) * gradient.unsqueeze(1)
    if descent.penalty is not None:
        result[0] += descent.penalty(vertices[0], stream)[descent.free]
    return result


def fingerprint(*content: object) -> str:
    """Name a computation by what goes into it: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()[:16]


def tensor_fingerprint(tensor: Tensor) -> str:
    """Name a tensor by its bytes."""
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]


def _keep(descent: Descent, vertices, optimiser, parameter, failed, epoch: int) -> None:
    """Write the state of the descent, all or nothing."""
    if descent.file is None:
        return
    from safetensors.torch import save_file

    state = {f"optimiser.{k}": v for k, v in optimiser.state[parameter].items() if torch.is_tensor(v)}
    tensors = {"vertices": vertices, "failed": failed, **state}
    temporary = descent.file.with_suffix(".part")
    descent.file.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, {"epoch": str(epoch)})
    temporary.replace(descent.file)


def _restore(descent: Descent, vertices, optimiser, parameter, failed) -> int:
    """Take up a descent where its file left it; returns the number of epochs already done."""
    if descent.file is None or not descent.file.exists():
        return 0
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(descent.file, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            epoch = int(file.metadata()["epoch"])
    except (SafetensorError, KeyError, OSError) as error:
        raise ValueError(f"{descent.file} is damaged ({error}); delete it to train again from the start.") from error
    vertices.copy_(tensors["vertices"])
    failed.copy_(tensors["failed"])
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            optimiser.state[parameter][name.removeprefix("optimiser.")] = value.to(vertices.device)
    return epoch
