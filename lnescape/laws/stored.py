"""Reading a law back."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from lnescape.laws.law import Law, Members, Mixture, SubspaceLaw
from lnescape.laws.noise import DropoutLaw, Gate, GaussianLaw
from lnescape.results import ResultError, files
from lnescape.subspaces import KINDS
from lnescape.weights import Builder, build, theta_of

Tensors = dict[str, Tensor]


def _members(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    """Make an ensemble of its members and their seeds."""
    seeds = said["seeds"]
    if seeds and (len(seeds) != len(tensors["vectors"]) or not all(type(seed) is int for seed in seeds)):
        raise ValueError("the seeds are not those of the members")
    return Members(net, tensors["vectors"], seeds=tuple(seeds), **known)


def _subspace(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    """Make a law over a subspace of its vertices."""
    return SubspaceLaw(net, KINDS[said["subspace"]].described(tensors["vectors"], said), **known)


def _gaussian(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    """Make a Gaussian law of its moments."""
    return GaussianLaw(net, **tensors, start=said["start"], **known)


def _dropout(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    """Make a dropout law of its network and gates."""
    gates = tuple(Gate(*gate) for gate in said["gates"])
    if any(gate.start < 0 or gate.readers * gate.units * gate.width < 1 for gate in gates):
        raise ValueError("a gate lies outside of the network")
    return DropoutLaw(net, tensors["theta"], gates, **known)


def _mixture(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    """Make a mixture of its laws."""
    laws = []
    for number, own in enumerate(said["components"]):
        prefix = f"{number}."
        part = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        laws.append(_LAWS[own["kind"]](net, part, own, known))
    return Mixture(net, tuple(laws), **known)


_LAWS: dict[str, Callable[[Builder, Tensors, dict, dict], Law]] = {
    "Members": _members,
    "SubspaceLaw": _subspace,
    "GaussianLaw": _gaussian,
    "DropoutLaw": _dropout,
    "Mixture": _mixture,
}
# Each tensor of a law by the last part of its name: the number of its dimensions.
_DIMENSIONS = {"vectors": 2, "mean": 1, "scale": 1, "factors": 2, "theta": 1}


def load_law(path: Path | str, net: Builder, *, normalisation_images: Tensor | None = None) -> Law:
    """Read a law that `save` wrote.

    Args:
        path: The file.
        net: The builder it was trained with.
        normalisation_images: Images for batch normalisation, such as `data.normalisation_images`.

    Returns:
        A law of the kind that was written; its cost is not kept.

    Raises:
        ResultError: The file is missing or damaged, or belongs to another architecture.
    """
    length = theta_of(build(net, 0)).numel()

    def made(said: dict, tensors: Tensors) -> Law:
        if said["kind"] not in _LAWS:
            raise ValueError(f"there is no law {said['kind']}")
        for name, tensor in tensors.items():
            if tensor.ndim != _DIMENSIONS[name.split(".")[-1]] or not tensor.is_floating_point():
                raise ValueError(f"{name} has another shape or type")
        law = _LAWS[said["kind"]](net, tensors, said, {"normalisation_images": normalisation_images})
        if law.n_parameters != length:
            raise ResultError(f"{path} holds networks of {law.n_parameters} parameters, the builder's have {length}.")
        next(law.thetas_of(1, 0))  # what cannot be drawn from is no law
        return law

    return files.load(Path(path), "law", made, cure="write it again with law.save.")
