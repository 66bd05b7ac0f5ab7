"""From the members' log-probabilities to one prediction, and what is refused on the way."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

# Float64 copies are made for this many numbers at a time, 32 MiB, however many members there are.
CHUNK = 2**22
# Float32 rows of 1000 classes sum to one within 1e-5; logits and probabilities are far off.
SUM_TOLERANCE = 1e-3


def mean_prediction(logp: Float[Tensor, "*members images classes"]) -> Float[Tensor, "images classes"]:
    """Average the members' probabilities.

    ln p̄_c(x) = ln (1/M) Σ_m p_mc(x)

    Args:
        logp: Log-probabilities in nat, of members or of one prediction; −∞ is allowed.

    Returns:
        Log-probabilities [images, classes] in nat, float64; of one member its own, bit for bit.

    Raises:
        TypeError: `logp` is no tensor of floats.
        ValueError: It has another shape, is empty, or its rows are not log-probabilities.

    References:
        Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4.

    Example:
        >>> members = torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]]).log()
        >>> mean_prediction(members).exp()
        tensor([[0.7000, 0.3000]], dtype=torch.float64)
    """
    return torch.cat([log_mean(chunk) for chunk in checked_chunks(logp)])


def logit_average(logp: Float[Tensor, "*members images classes"]) -> Float[Tensor, "images classes"]:
    """Average the members' log-probabilities (equally, their logits) and normalise; for comparison only.

    p_c(x) ∝ exp((1/M) Σ_m ln p_mc(x)), the geometric mean

    Args:
        logp: Log-probabilities in nat, of members or of one prediction; −∞ is allowed.

    Returns:
        Log-probabilities [images, classes] in nat, float64.

    Raises:
        ValueError: The members exclude, between them, every class of an image.

    References:
        Wortsman et al. 2021, arXiv:2102.10472, whose released code averages so.

    Example:
        >>> members = torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]]).log()
        >>> logit_average(members).exp()
        tensor([[0.7500, 0.2500]], dtype=torch.float64)
    """
    average = torch.cat([chunk.mean(0) for chunk in checked_chunks(logp)])
    if (excluded := average.isneginf().all(-1)).any():
        raise ValueError(
            f"the logit average of image {int(excluded.nonzero()[0])} is undefined, because each of its classes has "
            "probability 0 for some member; use mean_prediction."
        )
    return average.log_softmax(-1)


def log_mean(logp: Float[Tensor, "members images classes"]) -> Float[Tensor, "images classes"]:
    """Average probabilities given by their logarithms, exactly where all members are equal."""
    top = logp.amax(0)
    top = top.masked_fill(top.isneginf(), 0)  # else −∞ − (−∞)
    return top + (logp - top).exp_().mean(0).log_()


def as_members(logp: Tensor) -> Float[Tensor, "members images classes"]:
    """Give one prediction a dimension of members, and refuse what has no such shape."""
    expected = "log-probabilities are a float tensor [members, images, classes] or [images, classes]"
    if not isinstance(logp, Tensor) or not logp.is_floating_point():
        found = f"of {logp.dtype}" if isinstance(logp, Tensor) else f"a {type(logp).__name__}"
        raise TypeError(f"{expected}, and this is {found}; pass what law.predict returns.")
    if logp.ndim not in (2, 3):
        raise ValueError(f"{expected}, and this has the shape {list(logp.shape)}; reshape it.")
    if logp.numel() == 0:
        raise ValueError(f"{expected}, and this of shape {list(logp.shape)} is empty; nothing can be scored.")
    return logp if logp.ndim == 3 else logp.unsqueeze(0)


def checked_chunks(logp: Tensor) -> Iterator[Float[Tensor, "members images classes"]]:
    """Go through the images in float64, some at a time, once each row is seen to hold log-probabilities."""
    members = as_members(logp)
    n_images = max(1, CHUNK // (members.shape[0] * members.shape[2]))
    for start in range(0, members.shape[1], n_images):
        chunk = members[:, start : start + n_images].double()
        sums = chunk.exp().sum(-1)
        wrong = ~((sums - 1).abs() <= SUM_TOLERANCE)  # so written, nan is wrong too
        if wrong.any():
            member, image = wrong.nonzero()[0].tolist()
            raise ValueError(_refusal(chunk[member, image], f"member {member}, image {start + image}"))
        yield chunk


def _refusal(row: Float[Tensor, " classes"], where: str) -> str:
    """Say what a row that holds no log-probabilities probably is."""
    if row.isnan().any():
        return f"the log-probabilities of {where} contain nan: its training diverged; leave that member out."
    if (row >= 0).all() and abs(float(row.sum()) - 1) <= SUM_TOLERANCE:
        return f"{where} holds probabilities, not their logarithms; pass probabilities.log()."
    return (
        f"the exponentials of {where} sum to {float(row.exp().sum()):.4g}, not to 1: these are logits; "
        "apply torch.log_softmax(logits, dim=-1)."
    )
