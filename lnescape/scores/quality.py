"""How good the mean prediction is: accuracy, negative log-likelihood, Brier score."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.predictions import mean_prediction


def accuracy(logp: Float[Tensor, "*members images classes"], labels: Int[Tensor, " images"]) -> Estimate:
    """Give the share of images whose most probable class is the right one.

    (1/n) Σ_i [argmax_c p̄_c(x_i) = y_i]

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        The share, 0 to 1, with the standard uncertainty of a mean over images.

    Raises:
        TypeError: `labels` is no tensor of integers.
        ValueError: There is not one label for each image, or one is out of range.

    Example:
        >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
        >>> print(accuracy(logp, torch.tensor([0, 1, 1, 1])))
        0.75(25)
    """
    mean, labels = mean_and_labels(logp, labels)
    return Estimate.mean((mean.argmax(-1) == labels).double())


def nll(logp: Float[Tensor, "*members images classes"], labels: Int[Tensor, " images"]) -> Estimate:
    """Give the negative log-likelihood of the mean prediction, a proper score.

    −(1/n) Σ_i ln p̄_{y_i}(x_i)

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        The score in nat, ≥ 0, with the standard uncertainty of a mean over images; ∞ where a right class has
        probability 0.

    References:
        Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359, section 4.1.

    Example:
        >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
        >>> print(nll(logp, torch.tensor([0, 1, 1, 1])))
        0.40(18) nat
    """
    mean, labels = mean_and_labels(logp, labels)
    return Estimate.mean(0 - mean.gather(1, labels.unsqueeze(1)), unit="nat")


def brier(logp: Float[Tensor, "*members images classes"], labels: Int[Tensor, " images"]) -> Estimate:
    """Give the Brier score of the mean prediction, a proper score that stays finite.

    (1/n) Σ_i Σ_c (p̄_c(x_i) − [c = y_i])²

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        The score, 0 to 2, with the standard uncertainty of a mean over images.

    References:
        Brier 1950, Mon. Weather Rev. 78, 1, equation 2.

    Example:
        >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
        >>> print(brier(logp, torch.tensor([0, 1, 1, 1])))
        0.25(16)
    """
    mean, labels = mean_and_labels(logp, labels)
    labels = labels.unsqueeze(1)
    deviation = mean.exp().scatter_add(1, labels, -torch.ones_like(labels, dtype=torch.float64))
    return Estimate.mean(deviation.square().sum(-1))


def mean_and_labels(logp: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Reduce the members to their mean prediction and refuse labels that do not belong to it."""
    mean = mean_prediction(logp)
    n_images, n_classes = mean.shape
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        found = f"of {labels.dtype}" if isinstance(labels, Tensor) else f"a {type(labels).__name__}"
        raise TypeError(f"labels are a tensor of integers [images], and this is {found}; use torch.tensor(labels).")
    if labels.shape != (n_images,):
        raise ValueError(
            f"there are predictions for {n_images} images and labels of shape {list(labels.shape)}; "
            "pass one label for each image, from the same split."
        )
    if (low := int(labels.min())) < 0 or (high := int(labels.max())) >= n_classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"label {wrong} is out of range, because the prediction has classes 0 to {n_classes - 1}; "
            "number the classes from 0 (images that belong to no class, label -1, have auroc instead)."
        )
    return mean, labels.to(mean.device, torch.int64)
