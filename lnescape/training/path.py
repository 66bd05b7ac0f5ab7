"""The path of a training: θ at every epoch's end, the cheapest non-linear path in weight space."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.training.descent import State


def keeping_path(on_epoch: Callable[[State], object], folder: Path, name: str) -> Callable[[State], object]:
    """Write θ of every network at each epoch's end, then call on.

    Args:
        on_epoch: What is called besides.
        folder: Where the files go; one for each epoch, so that a killed training loses none.
        name: Of the training.

    Returns:
        What a descent is to call.
    """
    from safetensors.torch import save_file

    def keep(state: State) -> None:
        theta = state.vertices[:, 0].detach().cpu().contiguous().clone()
        file = _file(folder, name, state.epoch)
        temporary = file.with_suffix(f".{os.getpid()}.part")
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"theta": theta}, temporary)
        temporary.replace(file)
        on_epoch(state)

    return keep


def read_path(folder: Path, name: str, epochs: int) -> Float[Tensor, "networks epochs parameters"] | None:
    """Read the epochs' ends that a training wrote.

    Args:
        folder: Where the files are.
        name: Of the training.
        epochs: How many there should be.

    Returns:
        θ at each epoch's end, on the CPU; None where some are missing, as for a training that was kept before without.
    """
    from safetensors.torch import load_file

    files = [_file(folder, name, epoch) for epoch in range(1, epochs + 1)]
    if not all(file.exists() for file in files):
        return None
    return torch.stack([load_file(file)["theta"] for file in files], 1)


def _file(folder: Path, name: str, epoch: int) -> Path:
    return folder / f"path-{name}-{epoch:04d}.safetensors"
