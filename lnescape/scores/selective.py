"""Selective prediction: how many errors remain when the least certain images are left to a human."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.quality import mean_and_labels


def aurc(
    logp: Float[Tensor, "*members images classes"],
    labels: Int[Tensor, " images"],
    *,
    certainty: Float[Tensor, " images"] | None = None,
) -> Estimate:
    """Give the mean error rate over all shares of images kept, the most certain first (area under risk–coverage).

    AURC = (1/n) Σ_k r_k,  r_k the error rate among the k most certain images

    Images of equal certainty count as if in every order: each has the mean of the places they share.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes.
        certainty: Higher for images to be kept first; the top probability of the mean prediction unless given.

    Returns:
        The area, 0 to 1, lower is better, with a standard uncertainty over images: the area is Σ_i w_i e_i, w_i the
        weight of the image's place and e_i its error, and the places are taken as known.

    Raises:
        ValueError: Not one certainty for each image.

    References:
        Geifman & El-Yaniv 2017, arXiv 1705.08500, section 2, for risk and coverage; Ding et al. 2020, arXiv 1903.02050,
        for the area.

    Example:
        >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
        >>> round(float(aurc(logp, torch.tensor([0, 1, 1, 1]))), 4)  # wrong at the last of four places
        0.0625
    """
    mean, labels = mean_and_labels(logp, labels)
    top, decided = mean.max(-1)
    certainty = top if certainty is None else certainty.to(top)
    if certainty.shape != top.shape:
        found = list(certainty.shape)
        raise ValueError(f"there are {len(top)} images and certainties of shape {found}; pass one for each image.")
    n = len(top)
    order = certainty.argsort(descending=True, stable=True)
    # An error at place k enters the rates of k, k + 1, … n images kept: Σ_{j ≥ k} 1/j.
    weight = (1 / torch.arange(1, n + 1, device=top.device, dtype=top.dtype)).flip(0).cumsum(0).flip(0)
    _, tie = certainty[order].unique_consecutive(return_inverse=True)
    sums = torch.zeros(int(tie.max()) + 1, dtype=top.dtype, device=top.device).index_add_(0, tie, weight)
    counts = torch.zeros_like(sums).index_add_(0, tie, torch.ones_like(weight))
    errors = (decided != labels).double()[order]
    return Estimate.mean((sums / counts)[tie] * errors)
