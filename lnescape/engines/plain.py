"""Engines of one network of any kind, and of many chains of linear layers in batched products."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from lnescape.data.inputs import LN_VARIANCE
from lnescape.weights import FlatNetwork, normalisation_biases

Loss = Callable[[Tensor, Tensor], Tensor]
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")  # of a module


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return ½ mean (z − f)², z the standardised values: the Gaussian likelihood of standard deviation 1."""
    return 0.5 * F.mse_loss(outputs, targets)


def gaussian_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return ½ mean [s + (z − f)² exp(−s)]; the first half of the outputs is f, the second s, the ln variance.

    Its gradient is that of each term times exp s, as if it were constant: f − z and ½ (exp s − (z − f)²). Where a
    small variance multiplies the steps of f, training diverges at rates that suit squared error.

    References: Seitzer et al. 2022, arXiv 2203.09168, equation 5, β = 1.
    """
    value, ln_variance = outputs.chunk(2, -1)
    ln_variance = ln_variance.clamp(-LN_VARIANCE, LN_VARIANCE)
    terms = 0.5 * (ln_variance + (targets - value).square() * (-ln_variance).exp())
    weighted = (terms * ln_variance.detach().exp()).mean()
    return weighted + (terms.mean() - weighted).detach()


def _overruns(layer: nn.Conv2d, device: torch.device) -> bool:
    """Return whether a layer's backward pass would write past its memory where images lie with their channels last."""
    # oneDNN 3.12, of torch 2.13, on processors without AVX-512: the process ends with "corrupted size vs. prev_size".
    if device.type != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512":
        return False
    return layer.kernel_size == (1, 1) and layer.stride != (1, 1) and layer.in_channels < 8


class AnyNetwork:
    """Forward and backward passes of any module, one network at a time."""

    def __init__(self, module: nn.Module, *, device: torch.device | str = "cpu", precision: str = "float32"):
        self.flat = FlatNetwork(module, device=device)
        self.precision = precision
        self.device = torch.device(device)
        convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
        self.has_convolution = bool(convolutions)
        self.channels_last = self.has_convolution and not any(_overruns(layer, self.device) for layer in convolutions)
        self.checked = False  # that a prediction depends on its input alone

    def normalisation_biases(self) -> Int[Tensor, " biases"]:
        """Return the places in θ of the biases of normalisation layers."""
        return normalisation_biases(self.flat.module).to(self.device)

    def _arithmetic(self) -> AbstractContextManager:
        """Compute in bfloat16 or float32 within a block, whatever the caller does."""
        # Pass enabled=False as well: the caller may be inside torch.autocast.
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def _laid_out(self, images: Tensor) -> Tensor:
        """Return images in the layout of memory that convolutions are fastest on."""
        if not self.has_convolution or images.ndim != 4:
            return images
        if self.channels_last:
            return images.contiguous(memory_format=torch.channels_last)
        return images.clone(memory_format=torch.contiguous_format)  # grey ones may lie either way

    def together(self, most: int, operations: float) -> int:
        """Return 1, the number of networks to train at once; other engines allow up to `most`."""
        return 1

    def home(self, n: int = 1) -> Float[Tensor, "1 parameters"]:
        """Return the network's buffer; θ written here need not be copied."""
        return self.flat.theta.unsqueeze(0)

    def loss_and_gradient(
        self, thetas: Float[Tensor, "1 parameters"], images: Shaped[Tensor, "1 batch ..."],
        labels: Shaped[Tensor, "1 batch *outputs"], loss: Loss,
    ) -> tuple[Float[Tensor, " 1"], Float[Tensor, "1 parameters"]]:  # fmt: skip
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
        self, thetas: Float[Tensor, "networks parameters"], images: Shaped[Tensor, "inputs ..."], *,
        normalisation_images: Tensor | None = None, batch: int = 500, out: Tensor | None = None, softmax: bool = True,
        on_batch: Callable[..., object] = lambda n: None,
    ) -> Float[Tensor, "networks inputs classes"]:  # fmt: skip
        """Compute ln p(class | image) at every θ, or plain outputs, in evaluation mode, normalisation refreshed."""
        if normalisation_images is not None:
            normalisation_images = self._laid_out(normalisation_images)
        for row, theta in enumerate(thetas):
            with self._arithmetic():
                self.flat.load(theta, normalisation_images)
            for start in range(0, len(images), batch):
                part = images[start : start + batch]
                with self._arithmetic():
                    logits = self.flat.module(self._laid_out(part))
                    if not self.checked:
                        turned = self._laid_out(part[:8].flip(0))  # the first row may depend on none behind it
                        self._check_batch_independence(logits, self.flat.module(turned).flip(0))
                if logits.ndim != 2 or len(logits) != len(part):
                    raise RuntimeError(f"the network gives {list(logits.shape)} for {len(part)} of them")
                if out is None:
                    out = logits.new_empty(len(thetas), len(images), logits.shape[1], dtype=torch.float32)
                place = out[row, start : start + batch]
                torch.log_softmax(logits.float(), 1, out=place) if softmax else place.copy_(logits)
                on_batch(len(place))
        assert out is not None, "no network, or no image"
        return out

    def _check_batch_independence(self, among: Tensor, alone: Tensor) -> None:
        """Raise where the first predictions change with the other inputs of a whole batch; once is enough."""
        self.checked = True
        exact = self.device.type == "cpu" and self.precision != "bfloat16"
        near = 1e-3 if exact else 1e-2  # else sums are rounded to 11 bits or 8, another way for each batch
        if not torch.allclose(among[: len(alone)], alone, near, near * (1 + float(alone.abs().max())), equal_nan=True):
            what = f"A prediction changes with the other inputs of its batch of {len(among)}"
            raise ValueError(f"{what}; build the network without what looks at other inputs.")


class LinearChain:
    """Forward and backward passes of many chains x → max(0, W x + b) → … → logits at once."""

    # The weights of S networks are views [S, n_out, n_in] into θ [S, P]; each layer is one batched product. The
    # backward pass is written out because its results then go straight into the flat gradient: a third faster than
    # through the tape.

    def __init__(self, module: nn.Module, *, device: torch.device | str = "cpu", precision: str = "float32"):
        self.shapes = [(m.out_features, m.in_features) for m in module.modules() if isinstance(m, nn.Linear)]
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._memory: dict[str, Tensor] = {}

    def normalisation_biases(self) -> Int[Tensor, " 0"]:
        """Return no places: chains of linear layers have no normalisation."""
        return torch.empty(0, dtype=torch.int64, device=self.device)

    def together(self, most: int, operations: float) -> int:
        """Return `most`: all networks are trained at once."""
        return most

    def home(self, n: int = 1) -> None:
        """Return None: θ is read from any tensor."""

    @staticmethod
    def accepts(module: nn.Module) -> bool:
        """Return whether a module is [Flatten,] Linear, ReLU, Linear, ReLU, …, Linear, all trainable."""
        if type(module) is not nn.Sequential:
            return False
        layers = list(module)
        if layers and isinstance(layers[0], nn.Flatten):
            layers = layers[1:]
        linear, between = layers[::2], layers[1::2]
        return (
            len(layers) % 2 == 1
            and all(type(m) is nn.Linear and m.bias is not None for m in linear)
            and all(type(m) is nn.ReLU for m in between)
            # Each layer has a weight and a bias of its own, and there are no others: a shared one is listed once.
            and [id(p) for m in linear for p in (m.weight, m.bias)] == [id(p) for p in module.parameters()]
            and all(p.requires_grad for p in module.parameters())
            and not any("forward" in vars(m) or any(getattr(m, hooks) for hooks in _HOOKS) for m in module.modules())
            and not any(p._backward_hooks or p._post_accumulate_grad_hooks for p in module.parameters())
        )

    def _views(self, flat: Float[Tensor, "networks parameters"]) -> list[tuple[Tensor, Tensor]]:
        """Return weight [S, n_out, n_in] and bias [S, n_out] of each layer, as views into a flat tensor."""
        views, start = [], 0
        for n_out, n_in in self.shapes:
            stop = start + n_out * n_in
            views.append((flat[:, start:stop].unflatten(1, (n_out, n_in)), flat[:, stop : stop + n_out]))
            start = stop + n_out
        return views

    def _buffer(self, name: str, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Reuse memory from step to step: fresh pages cost as much as a small product."""
        n, held = math.prod(shape), self._memory.get(name)
        if held is None or held.numel() < n:
            with torch.inference_mode(False):  # it must work outside of it, too
                held = self._memory[name] = torch.empty(n, dtype=dtype or self.dtype, device=self.device)
        return held[:n].view(shape)

    def _forward(self, weights: list[tuple[Tensor, Tensor]], x: Float[Tensor, "s batch n"]) -> list[Tensor]:
        """Return the input of every layer and, last, the logits."""
        values = [x]
        for layer, (weight, bias) in enumerate(weights):
            out = self._buffer(f"values {layer}", *x.shape[:2], weight.shape[1])
            torch.baddbmm(bias.unsqueeze(1), values[-1], weight.transpose(1, 2), out=out)
            values.append(out.relu_() if layer + 1 < len(weights) else out)
        return values

    def _cast(self, thetas: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return weights and biases of each layer, in the precision of the products."""
        if self.dtype == torch.float32:
            return self._views(thetas)
        return self._views(self._buffer("weights", *thetas.shape).copy_(thetas))

    @torch.no_grad()
    def loss_and_gradient(
        self, thetas: Float[Tensor, "networks parameters"], images: Shaped[Tensor, "networks batch ..."],
        labels: Shaped[Tensor, "networks batch *outputs"], loss: Loss,
    ) -> tuple[Float[Tensor, " networks"], Float[Tensor, "networks parameters"]]:  # fmt: skip
        """Compute L(θ_s) and ∇L(θ_s) of S networks, each on a batch of its own; ∇L is valid until the next call."""
        weights = self._cast(thetas)
        values = self._forward(weights, images.flatten(2).to(self.dtype))
        gradient = self._buffer("gradient", *thetas.shape, dtype=torch.float32)
        value, slope = _loss_and_slope(values[-1].float(), labels, loss)
        slope = slope.to(self.dtype)
        for layer in reversed(range(len(weights))):
            weight_gradient, bias_gradient = self._views(gradient)[layer]
            if self.dtype == torch.float32:  # straight into the flat gradient
                torch.bmm(slope.transpose(1, 2), values[layer], out=weight_gradient)
            else:
                product = self._buffer(f"product {layer}", *weight_gradient.shape)
                weight_gradient.copy_(torch.bmm(slope.transpose(1, 2), values[layer], out=product))
            torch.sum(slope, 1, dtype=torch.float32, out=bias_gradient)
            if layer:
                below = self._buffer(f"slope {layer}", *values[layer].shape)
                torch.bmm(slope, weights[layer][0], out=below)
                # In one pass: the slope where the unit was on, else 0.
                slope = torch.ops.aten.threshold_backward.grad_input(below, values[layer], 0, grad_input=below)
        return value, gradient

    @torch.no_grad()
    def log_probabilities(
        self, thetas: Float[Tensor, "networks parameters"], images: Shaped[Tensor, "inputs ..."], *,
        normalisation_images: Tensor | None = None, batch: int = 500, out: Tensor | None = None, softmax: bool = True,
        on_batch: Callable[..., object] = lambda n: None,
    ) -> Float[Tensor, "networks inputs classes"]:  # fmt: skip
        """Compute ln p(class | image) at every θ, or plain outputs."""
        flat = images.flatten(1).to(self.dtype)
        if out is None:
            out = torch.empty(len(thetas), len(images), self.shapes[-1][0], device=self.device)
        for first in range(0, len(thetas), 16):  # 16 networks at a time bound the memory for hidden units
            weights = self._cast(thetas[first : first + 16])
            for start in range(0, len(images), batch):
                part = flat[start : start + batch].expand(len(weights[0][0]), -1, -1)
                logits = self._forward(weights, part)[-1].float()
                out[first : first + 16, start : start + batch] = logits.log_softmax(2) if softmax else logits
                on_batch(logits[..., 0].numel())
        return out


def _loss_and_slope(logits: Float[Tensor, "s batch classes"], labels: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """Compute each network's loss and its derivative with respect to the logits."""
    if loss is F.cross_entropy:  # its derivative is known: (softmax − one-hot)/batch
        logp = logits.log_softmax(2)
        value = -logp.gather(2, labels.unsqueeze(2)).squeeze(2).mean(1)
        slope = logp.exp_()
        slope.scatter_add_(2, labels.unsqueeze(2), slope.new_full((1, 1, 1), -1.0).expand(*labels.shape, 1))
        return value, slope.div_(labels.shape[1])
    if loss is squared_error:  # as is this one: (f − z)/(batch · outputs)
        off = logits - labels
        return 0.5 * off.square().mean((1, 2)), off / off[0].numel()
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        values = torch.stack([loss(row.clone(), target) for row, target in zip(leaf, labels, strict=True)])
        (slope,) = torch.autograd.grad(values.sum(), leaf)
    return values.detach(), slope
