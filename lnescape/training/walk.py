"""`walk`: go on training from a trained network, and keep the points that the training passes."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.engines import engine_for
from lnescape.training.descent import Descent, State, descend, fingerprint, tensor_fingerprint
from lnescape.training.recipe import Recipe
from lnescape.training.streams import stream_seed
from lnescape.weights import Builder, build, identity, theta_of


def walk(
    net: Builder,
    data,
    theta: Float[Tensor, " parameters"],
    *,
    recipe: Recipe,
    pieces: int,
    seed: int,
    folder: Path | str | None = None,
    on_piece: Callable[[int], object] = lambda piece: None,
) -> Float[Tensor, "pieces parameters"]:
    """Train on from θ, piece after piece, each a run through the recipe's schedule; keep where each piece ends.

    The optimiser's velocity is carried from piece to piece, as if nothing had been looked at. The first n pieces of a
    longer walk are those of a shorter one.

    Args:
        net: Builder of one network.
        data: The data set, on the device of the training.
        theta: Where the walk begins.
        recipe: Of one piece, its precision resolved; `epochs` may be a fraction.
        pieces: Number of pieces, ≥ 1.
        seed: Seed of the order of the images.
        folder: Where the ends so far are kept, so that a killed walk goes on from its last piece; or None.
        on_piece: Called with the number of each piece that is done.

    Returns:
        The ends, [pieces, P]; NaN from where the walk diverged.

    Raises:
        ValueError: No piece, a piece without a step, another network's θ, or a damaged file.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> net = ln.network("mlp", data, width=16)
        >>> start = ln.weights.theta_of(net())
        >>> walk(net, data, start, recipe=ln.Recipe(epochs=0.5, batch=64), pieces=3, seed=0).shape
        torch.Size([3, 1482])
    """
    length = theta_of(build(net, 0)).numel()
    if pieces < 1 or recipe.n_steps(len(data.train)) < 1 or len(theta) != length:
        given = f"{pieces}, {recipe.n_steps(len(data.train))} and {len(theta)}"
        raise ValueError(
            f"A walk needs a piece, a step in each, and a θ of {length} numbers, not {given}; "
            "raise pieces or epochs, or pass a network of this builder."
        )
    engine = engine_for(net, device=theta.device, precision=recipe.precision)
    file, state = None, State(0, theta.new_empty(1, 0, len(theta)), torch.full((1,), -1, device=theta.device), {})
    if folder is not None:
        place = (recipe.identity(), seed, data.checksum, str(theta.device))
        place += (identity(build(net, 0), data.train.images[:8]),)
        file = Path(folder) / f"walk-{fingerprint(tensor_fingerprint(theta), *place)}.safetensors"
        state = State.load(file, state.vertices, otherwise=state) if file.exists() else state
    ends = list(state.vertices[0].to(theta.device))
    for piece in range(len(ends), pieces):
        begin = State(0, (ends[-1] if ends else theta).view(1, 1, -1), state.failed, state.optimiser)
        descent = Descent(begin.vertices.clone(), slice(0, 1), [stream_seed(seed, piece, "walk")], start=begin)
        seen: list[State] = []
        descend(descent, engine, data, recipe, on_epoch=lambda state, seen=seen: seen.append(state.branched(1)))
        ends.append(descent.vertices[0, 0].clone())
        state = State(piece + 1, torch.stack(ends).unsqueeze(0), seen[-1].failed, seen[-1].optimiser)
        if file is not None:
            state.save(file)
        on_piece(piece)
    return torch.stack(ends[:pieces])
