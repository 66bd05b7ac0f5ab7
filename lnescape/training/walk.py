"""`walk`: go on training from a trained network, and keep the points that the training passes."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.builders import Builder
from lnescape.engines import engine_for
from lnescape.training.descent import Descent, State, descend, fingerprint, tensor_fingerprint
from lnescape.training.recipe import Recipe
from lnescape.training.streams import stream_seed


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

    The optimiser's velocity is carried from piece to piece, as if nothing had been looked at.

    Args:
        net: Builder of one network.
        data: The data set, on the device of the training.
        theta: Where the walk begins.
        recipe: Of one piece, its precision resolved; `epochs` may be a fraction.
        pieces: Number of pieces, ≥ 1.
        seed: Seed of the order of the images.
        folder: Where the state is kept at every epoch's and piece's end, or None.
        on_piece: Called with the number of each piece that is done.

    Returns:
        The ends, [pieces, P]; NaN from where the walk diverged.
    """
    engine = engine_for(net, device=data.train.images.device, precision=recipe.precision)
    place = (recipe.describe(), seed, data.checksum, str(data.train.images.device))
    name = fingerprint(tensor_fingerprint(theta), *place) if folder is not None else ""
    state = State(0, theta.view(1, 1, -1).clone(), torch.full((1,), -1, device=theta.device), {})
    ends = []
    for piece in range(pieces):
        seen: list[State] = []
        file = Path(folder) / f"walk-{name}-{piece}.safetensors" if folder is not None else None
        descent = Descent(
            state.vertices.clone(), slice(0, 1), [stream_seed(seed, piece, "walk")], file=file, start=state
        )
        descend(descent, engine, data, recipe, on_epoch=lambda state, seen=seen: seen.append(state.branched(1)))
        # Nothing is seen where a piece was finished before: its file then holds the state.
        last = seen[-1] if seen else State.load(file)
        state = State(0, last.vertices.to(theta.device, copy=True), last.failed.to(theta.device), last.optimiser)
        ends.append(descent.vertices[0, 0].clone())
        on_piece(piece)
    return torch.stack(ends)
