"""The engine of accelerators: several networks of any architecture at once, their step captured and replayed."""

import random
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lnescape.engines.plain import AnyNetwork, Loss
from lnescape.weights import FlatNetwork

_WARM_UP = 3  # steps before the capture, in which libraries choose their kernels
# Floating-point operations of one step that keep an accelerator busy: two wide residual networks beside each other
# still took 0.6 of the time of one after the other ("bench-accelerator").
_ENOUGH = 8e11


class SideBySide(AnyNetwork):
    """Forward and backward passes of several networks, each on a batch and in a stream of its own."""

    # The hundreds of small kernels of a step, started one by one from Python, leave an accelerator idle most of the
    # time; captured once as a graph, all networks' kernels are started by one call and run beside one another. Steps
    # that no graph can hold are computed kernel by kernel: those that read a number back in the forward pass, draw
    # random numbers on the CPU, or put new tensors in place of buffers. Other Python code of a module, such as a
    # count of its calls, runs once, when the step is captured. On a CPU the networks are computed one after another.

    def __init__(
        self, module: nn.Module, *, device: torch.device | str = "cpu", precision: str = "float32",
        again: Callable[[], nn.Module] | None = None,
    ):  # fmt: skip
        super().__init__(module, device=device, precision=precision)
        # How to make the module again: not every module can be copied.
        self._again = again or (lambda: deepcopy(self.flat.module))
        self._thetas = self._gradients = self.flat.theta.new_empty(0, len(self.flat.theta))
        self._networks: list[FlatNetwork] = []
        self._streams: list[torch.cuda.Stream] = []
        self._captured: tuple | None = None  # `_kind` of the captured step
        self._graph: torch.cuda.CUDAGraph | None = None

    def together(self, most: int, operations: float) -> int:
        """Return the number of networks to train at once: the more, the fewer operations a step takes."""
        return max(1, min(most, int(_ENOUGH // max(operations, 1.0))))

    def home(self, n: int = 1) -> Float[Tensor, "networks parameters"]:
        """Return the buffer in which n networks keep their weights; θ written here need not be copied."""
        if len(self._networks) != n:
            self._graph = self._captured = None  # it computes with the former buffers
            self._thetas = self.flat.theta.repeat(n, 1)
            self._gradients = torch.zeros_like(self._thetas)
            self._networks = [FlatNetwork(self._again(), device=self.device) for _ in range(n)]
            for network, theta, gradient in zip(self._networks, self._thetas, self._gradients, strict=True):
                network.theta, network.gradient = theta, gradient
                network.bind()
                network.module.train()
            if self.device.type == "cuda":
                self._streams = [torch.cuda.Stream(self.device) for _ in range(n)]
        return self._thetas

    def loss_and_gradient(
        self, thetas: Float[Tensor, "networks parameters"], images: Shaped[Tensor, "networks batch ..."],
        labels: Shaped[Tensor, "networks batch *outputs"], loss: Loss,
    ) -> tuple[Float[Tensor, " networks"], Float[Tensor, "networks parameters"]]:  # fmt: skip
        """Compute L(θ_s) and ∇L(θ_s) of S networks in training mode; ∇L is valid until the next call."""
        home = self.home(len(thetas))
        if (thetas.data_ptr(), thetas.stride()) != (home.data_ptr(), home.stride()):
            home.copy_(thetas)
        if self.device.type != "cuda":
            return self._step(images, labels, loss), self._gradients
        if self._captured != _kind(images, labels, loss):
            self._capture(images, labels, loss)
        self._images.copy_(images)
        self._labels.copy_(labels)
        if self._graph is None:
            return self._step(self._images, self._labels, loss), self._gradients
        self._graph.replay()
        return self._losses.clone(), self._gradients

    def _step(self, images: Tensor, labels: Tensor, loss: Loss) -> Tensor:
        """Write every network's gradient into its row and return the losses."""
        self._gradients.zero_()
        values = []
        here = torch.cuda.current_stream(self.device) if self._streams else None
        for row, network in enumerate(self._networks):
            if here is not None:
                self._streams[row].wait_stream(here)
            with torch.cuda.stream(self._streams[row]) if self._streams else nullcontext(), torch.enable_grad():
                with self._arithmetic():
                    logits = network.module(self._laid_out(images[row]))
                value = loss(logits.float(), labels[row])
                value.backward()
                values.append(value.detach())
        if here is not None:
            for stream in self._streams:
                here.wait_stream(stream)
        return torch.stack(values)

    def _capture(self, images: Tensor, labels: Tensor, loss: Loss) -> None:
        """Capture a step on buffers of this shape; without a graph where none can hold it."""
        self._captured = self._graph = None
        self._images, self._labels = images.clone(), labels.clone()
        here, side = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)
        side.wait_stream(here)
        # A capture must not follow work of the default stream. Random numbers drawn here are no part of training. The
        # context of the stream also restores it where a capture breaks off.
        with torch.random.fork_rng(devices=[side.device.index]), torch.cuda.stream(side):
            before = _cpu_rng_states()
            for _ in range(_WARM_UP):
                self._step(self._images, self._labels, loss)
            if _cpu_rng_states() == before and self._never_waits(loss):
                self._graph = self._graph_on(side, loss)
        here.wait_stream(side)
        self._captured = _kind(images, labels, loss)

    def _graph_on(self, side: torch.cuda.Stream, loss: Loss) -> torch.cuda.CUDAGraph | None:
        """Capture one step; None, with a warning, where it can't be captured."""
        graph, held = torch.cuda.CUDAGraph(), self._buffers()
        try:
            with torch.cuda.graph(graph, stream=side):
                self._losses = self._step(self._images, self._labels, loss)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.synchronize(self.device)
            cause = str(error).splitlines()[0]
            warnings.warn(f"A step can't be captured ({cause}); it is computed kernel by kernel, slower.", stacklevel=2)
            return None
        return graph if self._buffers() == held else None  # else the graph would read memory that is gone

    def _never_waits(self, loss: Loss) -> bool:
        """Return whether a step goes through without reading anything back from the accelerator."""
        mode = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(action="ignore"):  # torch warns that the mode is a prototype
            try:
                torch.cuda.set_sync_debug_mode("error")
                self._step(self._images, self._labels, loss)
            except RuntimeError:
                return False
            finally:
                torch.cuda.set_sync_debug_mode(mode)
                torch.cuda.synchronize(self.device)
        return True

    def _buffers(self) -> list[int]:
        return [buffer.data_ptr() for network in self._networks for buffer in network.module.buffers()]


def _kind(images: Tensor, labels: Tensor, loss: Loss) -> tuple:
    """Return the shapes, types and loss that a captured graph is valid for."""
    return images.shape, images.dtype, labels.shape, labels.dtype, loss


def _cpu_rng_states() -> tuple:
    """Return the states of the random generators of the CPU."""
    _, drawn, position, *_ = tuple(np.random.get_state())  # noqa: NPY002 - a user's module may draw from it
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), np.asarray(drawn).tobytes(), position
