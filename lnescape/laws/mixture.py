"""Mixtures: several laws, each around a training of its own, as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.laws.base import Law


@dataclass(frozen=True, eq=False)
class Mixture(Law):
    """Several laws with equal weight, such as SWAG around each of three networks.

    Draws are shared out evenly: of n draws every component gives n/M, the first components in a random order one
    more where that is no whole number. They come component by component.

    Attributes:
        components: The laws, of one architecture.

    References:
        Wilson & Izmailov 2020, arXiv 2002.08791, section 3 (MultiSWAG).
    """

    components: tuple[Law, ...]

    def __post_init__(self):
        """Refuse a mixture of nothing.

        Raises:
            ValueError: No components, components of unlike size, or weights that no network can have.
        """
        if not self.components:
            raise ValueError("A mixture needs at least one law; give it components.")
        if len(sizes := {law.n_parameters for law in self.components}) > 1:
            raise ValueError(f"The laws have networks of {sorted(sizes)} parameters; mix laws of one architecture.")
        super().__post_init__()

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that make the law: those of component k begin with "k."."""
        laws = enumerate(self.components)
        return {f"{number}.{name}": tensor for number, law in laws for name, tensor in law.tensors().items()}

    def __repr__(self) -> str:
        return f"Mixture of {len(self.components)} laws, the first a {self.components[0]!r}; in all {self.cost}"

    def thetas_of(self, n: int, seed: int) -> Iterator[Float[Tensor, "chunk parameters"]]:
        """Draw n networks, in chunks, each component under a seed of its own."""
        counts = np.full(len(self.components), n // len(self.components))
        counts[np.random.RandomState(seed % 2**32).permutation(len(counts))[: n % len(counts)]] += 1
        for number, (law, count) in enumerate(zip(self.components, counts.tolist(), strict=True)):
            if count:
                own = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]
                yield from law.thetas_of(law.count(count), int(own >> 1))

    def moments(
        self, directions: Float[Tensor, "directions parameters"]
    ) -> tuple[Float[Tensor, " directions"], Float[Tensor, "directions directions"]]:
        """State the moments of one draw: the mean of the components' covariances, and the covariance of their means."""
        means, covariances = zip(*(law.moments(directions) for law in self.components), strict=True)
        means = torch.stack(means)
        apart = means - means.mean(0)
        return means.mean(0), torch.stack(covariances).mean(0) + apart.T @ apart / len(means)

    def description(self) -> dict:
        """Say in plain values what, besides its tensors, makes the law."""
        return super().description() | {"components": [law.description() for law in self.components]}


def mixture_of(laws: Sequence[Law], *, cost: Any) -> Law:
    """Make one law of several: the law itself where there is one, else a mixture.

    Args:
        laws: At least one, of one architecture.
        cost: What they took together.

    Returns:
        The law, with its cost.
    """
    first = laws[0]
    if len(laws) == 1:
        return replace(first, cost=cost)
    known = {"recipe": first.recipe, "normalisation_images": first.normalisation_images}
    return Mixture(first.net, tuple(laws), cost=cost, **known)
