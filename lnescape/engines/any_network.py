"""The engine of every module: one network at a time."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lnescape.weights import FlatNetwork, normalisation_biases, normalisation_layers

Loss = Callable[[Tensor, Tensor], Tensor]


class AnyNetwork:
    """Forward and backward passes of any module, one network at a time.

    Images go in `channels_last` order where there are convolutions; products run in bfloat16 under
    autocast where asked.
    """

    many = False

    def __init__(self, module: nn.Module, *, device: torch.device | str = "cpu", precision: str = "float32"):
        self.flat = FlatNetwork(module, device=device)
        self.precision = precision
        self.device = torch.device(device)
        self.has_convolution = any(isinstance(m, nn.Conv2d) for m in module.modules())
        self.has_normalisation = bool(normalisation_layers(module))

    def normalisation_biases(self) -> Int[Tensor, " biases"]:
        """Give the places in θ of the biases of normalisation layers."""
        return normalisation_biases(self.flat.module).to(self.device)

    def _arithmetic(self) -> AbstractContextManager:
        if self.precision == "bfloat16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def _laid_out(self, images: Tensor) -> Tensor:
        if self.has_convolution and images.ndim == 4:
            return images.contiguous(memory_format=torch.channels_last)
        return images

    def together(self, most: int, operations: float) -> int:
        """Tell how many networks to train at once, `most` or fewer, where a step takes so many operations."""
        return 1

    def home(self, n: int = 1) -> Float[Tensor, "1 parameters"]:
        """Give the network's own buffer; θ written here need not be copied."""
        if n != 1:
            raise ValueError(f"This engine computes one network at a time, not {n}; see its `together`.")
        return self.flat.theta.unsqueeze(0)

    def loss_and_gradient(
        self,
        thetas: Float[Tensor, "1 parameters"],
        images: Float[Tensor, "1 batch ..."],
        labels: Int[Tensor, "1 batch"],
        loss: Loss,
    ) -> tuple[Float[Tensor, " 1"], Float[Tensor, "1 parameters"]]:
        """Compute L(θ) and ∇L(θ) of one network on one batch, in training mode; ∇L is valid until the next call."""
        if thetas.data_ptr() != self.flat.theta.data_ptr():
            self.flat.theta.copy_(thetas[0])
        if not self.flat.module.training:
            self.flat.module.train()
        self.flat.gradient.zero_()
        with torch.enable_grad():
            with self._arithmetic():
                logits = self.flat.module(self._laid_out(images[0]))
            value = loss(logits.float(), labels[0])
            value.backward()
        return value.detach().unsqueeze(0), self.flat.gradient.unsqueeze(0)

    @torch.no_grad()
    def log_probabilities(
        self,
        thetas: Float[Tensor, "networks parameters"],
        images: Float[Tensor, "images ..."],
        *,
        normalisation_images: Tensor | None = None,
        batch: int = 500,
        out: Tensor | None = None,
    ) -> Float[Tensor, "networks images classes"]:
        """Compute ln p(class | image) at every θ, in evaluation mode, normalisation refreshed."""
        for row, theta in enumerate(thetas):
            if self.has_normalisation and normalisation_images is not None:
                normalisation_images = self._laid_out(normalisation_images)
            with self._arithmetic():
                self.flat.load(theta, normalisation_images)
            for start in range(0, len(images), batch):
                with self._arithmetic():
                    logits = self.flat.module(self._laid_out(images[start : start + batch]))
                if out is None:
                    out = logits.new_empty(len(thetas), len(images), logits.shape[1], dtype=torch.float32)
                torch.log_softmax(logits.float(), 1, out=out[row, start : start + batch])
        return out
