"""How the members differ: entropy split, disagreement; and how well a score tells foreign images."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.predictions import as_members, checked_chunks, log_mean


@dataclass(frozen=True)
class EntropySplit:
    """Hold the entropy of the mean prediction and its two parts, each [images] in nat.

    Args:
        total: Entropy of the mean prediction, the sum of the two others.
        aleatoric: Mean entropy of the members.
        epistemic: Mutual information between member and class, ≥ 0; how much the members differ.
    """

    total: Float[Tensor, " images"]
    aleatoric: Float[Tensor, " images"]
    epistemic: Float[Tensor, " images"]


def entropy_split(logp: Float[Tensor, "*members images classes"]) -> EntropySplit:
    """Split the entropy of the mean prediction into the members' own and what comes from their differences.

    H(p̄) = (1/M) Σ_m H(p_m) + (1/M) Σ_m Σ_c p_mc ln(p_mc / p̄_c)

    The last term is computed as it stands, not as a difference, so that small values keep their digits.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction; −∞ is allowed.

    Returns:
        Three tensors [images] in nat, float64, from 0 to ln(classes); the epistemic part of one member, or of equal
        ones, is exactly 0.

    References:
        Depeweg et al. 2018, arXiv:1710.07283, section 3.

    Example:
        >>> members = torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]]).log()
        >>> split = entropy_split(members)
        >>> [round(float(part), 4) for part in (split.total, split.aleatoric, split.epistemic)]
        [0.6109, 0.5091, 0.1017]
    """
    parts = []
    for chunk in checked_chunks(logp):
        p, none = chunk.exp(), chunk.new_zeros(())  # p ln p is 0 where p is, though ln p may be −∞
        own = torch.where(p > 0, -p * chunk, none).sum(-1).mean(0)
        differences = torch.where(p > 0, p * (chunk - log_mean(chunk)), none).sum(-1).mean(0)
        parts.append(torch.stack([own, differences.clamp(min=0)]))  # rounding may leave -1e-17
    aleatoric, epistemic = torch.cat(parts, dim=1)
    return EntropySplit(aleatoric + epistemic, aleatoric, epistemic)


def disagreement(logp: Float[Tensor, "members images classes"]) -> Estimate:
    """Give the share of images on which two members decide differently, averaged over pairs of members.

    1 − (1/n) Σ_i Σ_c k_ic (k_ic − 1) / (M (M − 1)), with k_ic the number of members that decide for class c

    Args:
        logp: Log-probabilities in nat, of two members or more.

    Returns:
        The share, 0 to 1, with the standard uncertainty of a mean over images.

    Raises:
        ValueError: There is one member only.

    References:
        Fort et al. 2019, arXiv:1912.02757, section 4.

    Example:
        >>> members = torch.tensor([[[0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.3, 0.7]], [[0.7, 0.3], [0.4, 0.6]]]).log()
        >>> print(disagreement(members))
        0.33(33)
    """
    n_members = len(as_members(logp))
    if n_members < 2:
        raise ValueError("one member has nobody to disagree with; pass log-probabilities of two members or more.")
    shares = []
    for chunk in checked_chunks(logp):
        votes = torch.nn.functional.one_hot(chunk.argmax(-1), chunk.shape[-1]).sum(0).double()
        shares.append(1 - (votes * (votes - 1)).sum(-1) / (n_members * (n_members - 1)))
    return Estimate.mean(torch.cat(shares))
