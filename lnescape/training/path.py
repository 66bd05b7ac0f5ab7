"""The path of a training: θ at every epoch's end, the cheapest non-linear path in weight space."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.results import ResultError, files
from lnescape.training.descent import State

_CURE = "the path is not used, and its training is done again."


def keeping_path(on_epoch: Callable[[State], object], folder: Path, name: str) -> Callable[[State], object]:
    """Return an `on_epoch` that keeps θ of every network in one file for each epoch, then calls the given one."""

    def keep(state: State) -> None:
        file = _file(folder, name, state.epoch)
        files.save(file, "path", {"name": file.stem}, {"theta": state.vertices[:, 0]})
        on_epoch(state)

    return keep


def read_path(folder: Path, name: str, epochs: int) -> Float[Tensor, "networks epochs parameters"] | None:
    """Read θ at the end of each epoch, on the CPU; None where epochs are missing, as they are without `path=True`."""
    kept = [_file(folder, name, epoch) for epoch in range(1, epochs + 1)]
    return torch.stack([_theta(file) for file in kept], 1) if all(map(files.is_file, kept)) else None


def forget_damaged(state: Path, folder: Path, name: str) -> None:
    """Remove a kept training where files of its path are damaged or gone, so that it is trained again."""
    kept = sorted(folder.glob(f"path-{name}-*.safetensors"))
    try:
        if kept != [_file(folder, name, epoch) for epoch in range(1, len(kept) + 1)]:
            raise ResultError(f"Epochs before {kept[0]} are missing; {_CURE}")
        if len({_theta(file).shape for file in kept}) > 1:
            raise ResultError(f"{kept[0]} and its followers differ in shape; {_CURE}")
    except ResultError as error:
        warnings.warn(str(error), stacklevel=2)
        with files.writing(folder):
            for file in (state, *kept):
                file.unlink(missing_ok=True)


def _theta(file: Path) -> Float[Tensor, "networks parameters"]:
    """Read θ of every network at one epoch's end."""

    def made(said: dict, tensors: dict[str, Tensor]) -> Tensor:
        (theta,) = tensors.values()
        if said["name"] != file.stem or theta.ndim != 2 or not theta.is_floating_point():
            raise ValueError("it was renamed, or belongs to another training")
        return theta

    return files.load(file, "path", made, cure=_CURE)


def _file(folder: Path, name: str, epoch: int) -> Path:
    """Name the file of one epoch."""
    return folder / f"path-{name}-{epoch:04d}.safetensors"
