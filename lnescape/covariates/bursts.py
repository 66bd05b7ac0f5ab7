"""Exploration that costs training: bursts near a solution, and proxies, cheap retrainings of a smaller problem."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.laws import Members
from lnescape.training import Prepared, Recipe, TrainingError
from lnescape.training.descent import State
from lnescape.training.runs import train_groups
from lnescape.training.streams import stream_seed

TOGETHER = 16  # networks trained at the same time, where they batch


def burst_recipe(recipe: Recipe, *, epochs: float = 0.25, rate: float = 1.0) -> Recipe:
    """Give the recipe of a burst: a short restart at a raised learning rate that falls to zero along half a cosine.

    Args:
        recipe: Of one plain training.
        epochs: Length of a burst, in epochs.
        rate: Its first learning rate, in parts of the highest of the plain training.

    Returns:
        The recipe.

    Example:
        >>> burst_recipe(Recipe(learning_rate=0.2), rate=0.5).learning_rate_at(0.0)
        0.1
    """
    near = recipe.near_a_solution()
    return replace(near, epochs=epochs, learning_rate=rate * recipe.learning_rate, schedule="cosine")


def proxy_recipe(recipe: Recipe, *, epochs: float = 0.5) -> Recipe:
    """Give the recipe of a proxy retraining: a shorter schedule.

    Args:
        recipe: Of one plain training.
        epochs: Length, in parts of the plain training's.

    Returns:
        The recipe.

    Example:
        >>> proxy_recipe(Recipe(epochs=10)).epochs
        5.0
    """
    return replace(recipe, epochs=epochs * recipe.epochs)


def bursts(
    law: Members, data, *, n: int, recipe: Recipe, prepared: Prepared | None = None
) -> Iterator[Float[Tensor, "n parameters"]]:
    """Restart training n times from each member of a law, each time in another order of the images.

    Every burst begins at the member itself, at rest, so that bursts are independent given the member.

    Args:
        law: Trained networks, with their seeds.
        data: The data set they were trained on.
        n: Bursts from each network, ≥ 2.
        recipe: Of one burst, its precision resolved; see `burst_recipe`.
        prepared: Builder and data as they were checked before; checked here unless given.

    Yields:
        For each member, where its bursts end, [n, P].

    Raises:
        TrainingError: A burst diverged.
        ValueError: Fewer than two bursts, or bursts of no step.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> plain = ln.Recipe(epochs=2, batch=64, precision="float32")
        >>> runs = ln.fit(ln.network("mlp", data, width=16), data, seeds=[0, 1], recipe=plain)
        >>> [ends.shape[0] for ends in bursts(runs, data, n=3, recipe=burst_recipe(plain))]
        [3, 3]
    """
    if n < 2 or recipe.n_steps(len(data.train)) < 1:
        steps = recipe.n_steps(len(data.train))
        raise ValueError(f"{n} bursts of {steps} steps show no spread; give two or more, of a step at least.")
    if prepared is None:
        prepared = Prepared.of(law.net, data, recipe, measure=False)
    for theta, seed in zip(law.thetas, law.seeds, strict=True):
        orders = [stream_seed(seed, k, "burst") for k in range(n)]
        start = State(0, theta.expand(n, 1, -1).clone(), torch.full((n,), -1, device=theta.device), {})
        ends = []
        for trained in train_groups(prepared.under(recipe), orders, most=TOGETHER, start=start):
            if trained.failed:
                raise TrainingError(
                    f"A burst from the network of seed {seed} diverged; lower its rate "
                    f"(now {recipe.learning_rate:g}), or leave bursts out."
                )
            ends.append(trained.thetas.clone())
        yield torch.cat(ends)
