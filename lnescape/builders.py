"""Builders: how one network is made, and what is refused before any work is done.

A *builder* is any zero-argument callable that returns an `nn.Module`: a class, a lambda, a partial.
Retraining with seed s means calling the builder, and training what it returns, under seed s.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

Builder = Callable[[], nn.Module]


def build(builder: Builder, seed: int) -> nn.Module:
    """Call a builder under a seed, leaving the global random generator as it was.

    Args:
        builder: Zero-argument callable.
        seed: Seed of the initialisation, ≥ 0.

    Returns:
        What `torch.manual_seed(seed); builder()` returns.

    Example:
        >>> build(lambda: nn.Linear(2, 1), 0).weight.detach()
        tensor([[-0.0053,  0.3793]])
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return builder()


def identity(builder: Builder, images: Tensor) -> str:
    """Name an architecture: what its network prints, and what it says of some images in training mode.

    Two builders may make the same parameters and differ in what they do with them, dropout for instance; trainings
    that are kept in a folder under one name must not mix them.

    Args:
        builder: Makes one network.
        images: A few images it can take.

    Returns:
        A text, the numbers in it rounded so that it doesn't depend on the order of sums.

    Example:
        >>> one, other = (lambda p=p: nn.Sequential(nn.Linear(4, 2), nn.Dropout(p)) for p in (0.1, 0.5))
        >>> identity(one, torch.ones(2, 4)) == identity(other, torch.ones(2, 4))
        False
    """
    module = build(builder, 0).float().train()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        logits = module(images.cpu())
    return f"{module} {' '.join(f'{value:.2g}' for value in logits.double().mean(0).tolist())}"


def check_builder(builder: Builder, data) -> None:
    """Refuse a builder that can't be trained on a data set, before any work is done.

    Args:
        builder: What the user gave.
        data: The `Dataset` that it should be trained on.

    Raises:
        TypeError: Not a callable without arguments, it returns no `nn.Module`, or `data` is no data set.
        ValueError: It fails; no trainable parameters, empty ones or ones without a shape; other shapes or
            other constants at a second call; not one logit for each class.

    Example:
        >>> check_builder(nn.Linear(2, 1), None)
        Traceback (most recent call last):
        TypeError: A network (Linear) was given instead of a builder; pass a function that makes a new one each time.
    """
    _check_callable(builder)
    if not hasattr(data, "train") or not hasattr(data, "n_classes"):
        raise TypeError(f"The data are a {type(data).__name__}; pass what lnescape.load or lnescape.dataset returns.")
    try:
        first, second = build(builder, 0), build(builder, 1)
    except Exception as error:
        raise ValueError(f"The builder fails with {_said(error)}; call it once by itself to see where.") from error
    if not isinstance(first, nn.Module):
        raise TypeError(f"The builder returned a {type(first).__name__}, not an nn.Module; return the network.")
    _check_parameters(first)
    shapes = [[(n, p.shape, p.requires_grad) for n, p in m.named_parameters()] for m in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError("The builder makes another network at its second call; every call must give the same shapes.")
    _check_constants(first, second)
    _check_logits(first, data)


def _said(error: Exception) -> str:
    """Tell an error in one line."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _check_callable(builder: Builder) -> None:
    if isinstance(builder, nn.Module):
        raise TypeError(
            f"A network ({type(builder).__name__}) was given instead of a builder; "
            "pass a function that makes a new one each time."
        )
    if not callable(builder):
        raise TypeError(f"The builder is a {type(builder).__name__}, not callable; pass a function without arguments.")
    try:
        inspect.signature(builder).bind()
    except TypeError as error:
        raise TypeError(f"The builder can't be called without arguments ({error}); wrap it in a lambda.") from error
    except ValueError:  # some callables written in C don't tell their arguments
        pass


def _check_parameters(module: nn.Module) -> None:
    if not any(p.requires_grad for p in module.parameters()):
        raise ValueError("The network has no trainable parameters; nothing can be trained.")
    for name, p in module.named_parameters():
        if is_lazy(p):
            raise ValueError(f"The shape of {name!r} isn't known yet; give lazy layers their sizes in the builder.")
        if p.numel() == 0:
            raise ValueError(f"The parameter {name!r} is empty; give every layer at least one unit.")


def _check_constants(first: nn.Module, second: nn.Module) -> None:
    """Frozen parameters and buffers aren't part of θ, so they must be the same in every network."""
    frozen = {n for n, p in first.named_parameters() if not p.requires_grad}
    others = dict(second.state_dict())
    for name, value in first.state_dict().items():
        is_constant = name in frozen or name in dict(first.named_buffers())
        if is_constant and not torch.equal(value, others[name]):
            raise ValueError(
                f"The constant {name!r} differs between two calls of the builder; "
                "fix its seed, or make it a trainable parameter."
            )


def _check_logits(module: nn.Module, data) -> None:
    module.eval().float()  # training is in float32, whatever the builder's
    with torch.no_grad():
        try:
            logits = module(data.train.images[:2].cpu())
        except Exception as error:
            raise ValueError(
                f"The network can't take float32 images of shape {tuple(data.image_shape)} ({_said(error)}); "
                "fit its first layer to them, or put nn.Flatten() before it."
            ) from error
    if not isinstance(logits, Tensor) or logits.shape != (2, data.n_classes):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"For 2 images the network returns {got}, but {data.name} has {data.n_classes} classes; "
            f"its last layer must give shape (2, {data.n_classes})."
        )
