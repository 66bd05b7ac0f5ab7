"""Reading a law back."""

import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from lnescape.laws.base import Law
from lnescape.laws.combinations import Members, SubspaceLaw
from lnescape.laws.dropout import DropoutLaw, Gate
from lnescape.laws.gaussian import GaussianLaw
from lnescape.laws.mixture import Mixture
from lnescape.subspaces import KINDS
from lnescape.weights import Builder, build, theta_of

Tensors = dict[str, Tensor]


def _members(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    return Members(net, tensors["vectors"], seeds=tuple(said["seeds"]), **known)


def _subspace(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    return SubspaceLaw(net, KINDS[said["subspace"]].described(tensors["vectors"], said), **known)


def _gaussian(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    return GaussianLaw(net, **tensors, start=said["start"], **known)


def _dropout(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
    return DropoutLaw(net, tensors["theta"], tuple(Gate(*gate) for gate in said["gates"]), **known)


def _mixture(net: Builder, tensors: Tensors, said: dict, known: dict) -> Law:
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


def load_law(path: Path | str, net: Builder, *, normalisation_images: Tensor | None = None) -> Law:
    """Read a law that `save` wrote.

    Args:
        path: The file.
        net: The builder it was trained with.
        normalisation_images: Images for batch normalisation, such as `data.normalisation_images`.

    Returns:
        A law of the kind that was written; its cost is not kept.

    Raises:
        ValueError: The file is missing or damaged, or belongs to another architecture.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            said = json.loads(file.metadata()["law"])
    except (SafetensorError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path} holds no law that can be read ({error}); write it again with law.save.") from error
    law = _LAWS[said["kind"]](net, tensors, said, {"normalisation_images": normalisation_images})
    if law.n_parameters != (length := theta_of(build(net, 0)).numel()):
        raise ValueError(f"{path} holds networks of {law.n_parameters} parameters, the builder's have {length}.")
    return law
