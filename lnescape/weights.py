"""θ: a trained network as one point, a flat tensor of its trainable parameters.

The parameters of a `FlatNetwork` are views into one buffer, so that moving the whole network, or
reading its whole gradient, is one operation on one tensor, and no layer is ever rewritten.
Statistics of batch normalisation are not in θ: they are a function of θ and of a fixed subset of the
training images, and are recomputed where they are needed.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def trainable(module: nn.Module) -> Iterator[nn.Parameter]:
    """Go through the parameters that make up θ, each shared one once, in `parameters()` order."""
    return (p for p in module.parameters() if p.requires_grad)


def places(module: nn.Module) -> dict[int, int]:
    """Tell where in θ each trainable parameter begins: {id of the parameter: index}.

    Args:
        module: A network.

    Returns:
        The places, in the order of θ.

    Example:
        >>> list(places(nn.Linear(3, 2)).values())
        [0, 6]
    """
    found, start = {}, 0
    for p in trainable(module):
        found[id(p)] = start
        start += p.numel()
    return found


def theta_of(network: nn.Module | dict, like: nn.Module | None = None) -> Float[Tensor, " parameters"]:
    """Read θ from a network, or from the state dict of one.

    θ = (w₁, …, w_P): the trainable parameters, flattened row by row and joined in `parameters()` order.

    Args:
        network: A module, or a state dict saved from one.
        like: For a state dict, a module of the same architecture, which tells names and order.

    Returns:
        A new tensor [P] that shares no memory with the network.

    Raises:
        ValueError: A state dict without `like`, with missing names, other shapes or other constants.

    Example:
        >>> theta_of(nn.Linear(3, 2)).shape
        torch.Size([8])
    """
    if isinstance(network, nn.Module):
        return torch.cat([p.detach().reshape(-1).float() for p in trainable(network)])
    if like is None:
        raise ValueError("A state dict alone doesn't tell the order of its parameters; pass like=builder() too.")
    names = [name for name, p in like.named_parameters() if p.requires_grad]
    statistics = _statistics_names(like)
    for name, own in like.state_dict().items():
        if name not in network:
            if name in statistics:
                continue
            raise ValueError(f"The state dict lacks {name!r}; it was saved from another architecture.")
        if network[name].shape != own.shape:
            there, here = tuple(network[name].shape), tuple(own.shape)
            raise ValueError(f"{name!r} has shape {there} in the state dict, {here} in the network that is built.")
        is_constant = name not in names and name not in statistics and not _is_shared(like, name)
        if is_constant and not torch.equal(network[name].to(own), own):
            raise ValueError(f"The constant {name!r} differs between the state dict and the network that is built.")
    return torch.cat([network[name].detach().reshape(-1).to(torch.float32) for name in names])


def _is_shared(module: nn.Module, name: str) -> bool:
    """Tell whether a name of the state dict is a second name of a trainable parameter."""
    every = dict(module.named_parameters(remove_duplicate=False))
    return name in every and every[name].requires_grad


def _statistics_names(module: nn.Module) -> set[str]:
    return {
        f"{prefix}.{name}".lstrip(".")
        for prefix, layer in module.named_modules()
        if isinstance(layer, _NormBase)
        for name, _ in layer.named_buffers(recurse=False)
    }


def normalisation_layers(module: nn.Module) -> list[_NormBase]:
    """List the layers that keep statistics of the data (batch normalisation, most often)."""
    return [m for m in module.modules() if isinstance(m, _NormBase) and m.track_running_stats]


def images_to_refresh(module: nn.Module, data) -> Tensor | None:
    """Return the training images that refresh the module's normalisation layers; None where it has none."""
    return data.normalisation_images if normalisation_layers(module) else None


def refresh_normalisation(module: nn.Module, images: Float[Tensor, "images ..."] | None, *, batch: int = 500) -> int:
    """Recompute the statistics of batch normalisation for the present parameters.

    Mean and variance of every normalisation layer become the average over batches of `images`, with
    everything else (dropout) in evaluation mode. Afterwards the whole module is in evaluation mode.

    Args:
        module: Any module; without such layers nothing is done.
        images: A fixed subset of the training images, normalised as in training.
        batch: Images per forward pass; the last incomplete batch is left out where there are several.

    Returns:
        The number of images passed forward, to be counted as cost.

    Raises:
        ValueError: The network has such layers and there are no images.

    References:
        Izmailov et al. 2018, arXiv 1803.05407, section 3.2.

    Example:
        >>> layer = nn.BatchNorm1d(1)
        >>> refresh_normalisation(layer, torch.tensor([[1.0], [3.0]]))
        2
        >>> layer.running_mean
        tensor([2.])
    """
    layers = normalisation_layers(module)
    module.eval()
    if not layers:
        return 0
    if images is None or len(images) == 0:
        raise ValueError("The network has batch normalisation; give the law images of the training set to refresh it.")
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for a plain average over batches
        layer.train()
    batches = [part for part in images.split(batch) if len(part) == batch] or [images]
    with torch.no_grad():
        for part in batches:
            module(part)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    module.eval()
    return sum(map(len, batches))


class FlatNetwork:
    """A module whose trainable parameters, and their gradients, are views into two flat buffers.

    Attributes:
        module: The module itself, every layer as its author wrote it.
        theta: The parameters, float32 [P]; writing here moves the network.
        gradient: The gradients, float32 [P]; a backward pass adds to it.

    Example:
        >>> flat = FlatNetwork(nn.Linear(2, 1))
        >>> flat.theta.fill_(1.0)
        tensor([1., 1., 1.])
        >>> flat.module(torch.ones(1, 2)).item()
        3.0
    """

    def __init__(self, module: nn.Module, *, device: torch.device | str = "cpu"):
        self.module = module.to(device, torch.float32)
        self.theta = theta_of(self.module)
        self.gradient = torch.zeros_like(self.theta)
        self.bind()

    def bind(self) -> None:
        """Make the parameters views of the buffers (again, where a copy or a cast has broken that)."""
        start = 0
        for p in trainable(self.module):
            stop = start + p.numel()
            p.data = self.theta[start:stop].view(p.shape)
            p.grad = self.gradient[start:stop].view(p.shape)
            start = stop

    def __deepcopy__(self, memo: dict) -> "FlatNetwork":
        """Copy the module and bind the copy to buffers of its own."""
        from copy import deepcopy

        return FlatNetwork(deepcopy(self.module, memo), device=self.theta.device)

    def load(self, theta: Float[Tensor, " parameters"], images: Tensor | None = None) -> int:
        """Move the network to θ, refresh its normalisation and leave it in evaluation mode.

        Args:
            theta: The point, [P].
            images: The fixed subset for the normalisation; needed only where there is such a layer.

        Returns:
            The number of images that the refresh passed forward.

        Raises:
            ValueError: θ has another length.
        """
        if theta.shape != self.theta.shape:
            raise ValueError(f"θ has {theta.numel()} numbers, the network {self.theta.numel()} parameters.")
        self.theta.copy_(theta)
        return refresh_normalisation(self.module, images)
