"""Telling foreign images from the data's own by a score, such as the entropy of the prediction."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.results import Estimate


def auroc(foreign: Float[Tensor, " foreign"], own: Float[Tensor, " own"]) -> Estimate:
    """Give the probability that a foreign image has a higher score than one of the data's own.

    Pr(foreign > own) + Pr(foreign = own) / 2, the area under the receiver operating characteristic

    Args:
        foreign: A score of each foreign image, higher for more suspect ones (entropy, say); finite.
        own: The same score of each image of the data's own.

    Returns:
        The probability: 1 tells all apart, 0.5 none; with its standard uncertainty over both sets of images.

    Raises:
        ValueError: A set is empty, not one-dimensional, or holds a number that is not finite.

    References:
        DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44, 837, for the uncertainty.

    Example:
        >>> print(auroc(torch.tensor([0.9, 0.7, 0.4, 0.8]), torch.tensor([0.1, 0.5, 0.3, 0.2])))
        0.938(88)
    """
    from sklearn.metrics import roc_auc_score

    foreign, own = _checked(foreign, "foreign"), _checked(own, "own")
    is_foreign = torch.cat([torch.ones_like(foreign), torch.zeros_like(own)])
    value = roc_auc_score(is_foreign.numpy(), torch.cat([foreign, own]).numpy())
    u_foreign, u_own = Estimate.mean(_share_below(foreign, own)).u, Estimate.mean(_share_below(own, foreign)).u
    return Estimate(value, (u_foreign**2 + u_own**2) ** 0.5, n=len(is_foreign))


def _share_below(scores: Tensor, others: Tensor) -> Tensor:
    """Say for each score which share of the others lies below it, ties counted half."""
    others, scores = others.sort().values, scores.contiguous()
    below = torch.searchsorted(others, scores) + torch.searchsorted(others, scores, right=True)
    return below.double() / (2 * len(others))


def false_positive_rate(
    foreign: Float[Tensor, " foreign"], own: Float[Tensor, " own"], *, found: float = 0.95
) -> Estimate:
    """Give the share of own images that are taken for foreign where 95 % of the foreign ones are found (FPR95).

    (1/n) Σ_i [own_i ≥ τ], τ the largest threshold that at least 95 % of the foreign images reach

    Args:
        foreign: A score of each foreign image, higher for more suspect ones; finite.
        own: The same score of each image of the data's own.
        found: Share of the foreign images to be found, 0 < found ≤ 1.

    Returns:
        The share, 0 to 1, with its standard uncertainty over the own images, the threshold taken as known.

    Raises:
        ValueError: A set is empty or holds a number that is not finite, or a share out of range.

    References:
        Hendrycks & Gimpel 2017, arXiv 1610.02136, section 2, for the problem; Liang et al. 2018, arXiv 1706.02690,
        section 4, for the rate.

    Example:
        >>> own = torch.tensor([0.1, 0.5, 0.3, 0.2])
        >>> print(false_positive_rate(torch.tensor([0.9, 0.7, 0.4, 0.8]), own))
        0.25(25)
    """
    foreign, own = _checked(foreign, "foreign"), _checked(own, "own")
    if not 0 < found <= 1:
        raise ValueError(f"found={found} is no share of the foreign images; take 0.95.")
    least = math.ceil(found * len(foreign) - 1e-9)
    threshold = foreign.sort(descending=True).values[least - 1]
    return Estimate.mean((own >= threshold).double())


def _checked(scores: Tensor, name: str) -> Tensor:
    if scores.ndim != 1 or len(scores) == 0 or not scores.isfinite().all():
        raise ValueError(
            f"the scores of the {name} images, of shape {list(scores.shape)}, are not one finite number for each; "
            "pass entropy_split(logp).total, say."
        )
    return scores.detach().cpu().double()
