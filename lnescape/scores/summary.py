"""All scores of a prediction at once."""

from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.calibration import calibration_error
from lnescape.scores.predictions import as_members
from lnescape.scores.quality import accuracy, brier, mean_and_labels, nll
from lnescape.scores.selective import aurc
from lnescape.scores.spread import disagreement, entropy_split


def score(logp: Float[Tensor, "*members images classes"], labels: Int[Tensor, " images"]) -> dict[str, Estimate]:
    """Score the mean prediction, and where there are several members, how they differ.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        Estimates in reading order: accuracy, nll (nat), brier, calibration_error and calibration_bias, what of that
        error chance alone would show, and aurc; with two members or more also total_entropy, aleatoric_entropy and
        epistemic_entropy (nat, means over images) and disagreement.

    Example:
        >>> import torch
        >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
        >>> print(score(logp, torch.tensor([0, 1, 1, 1]))["nll"])
        0.40(18) nat
    """
    mean, labels = mean_and_labels(logp, labels)
    calibration = calibration_error(mean, labels)
    scores = {
        "accuracy": accuracy(mean, labels),
        "nll": nll(mean, labels),
        "brier": brier(mean, labels),
        "calibration_error": calibration.value,
        "calibration_bias": calibration.bias,
        "aurc": aurc(mean, labels),
    }
    if len(as_members(logp)) > 1:
        split = entropy_split(logp)
        for part in ("total", "aleatoric", "epistemic"):
            scores[f"{part}_entropy"] = Estimate.mean(getattr(split, part), unit="nat")
        scores["disagreement"] = disagreement(logp)
    return scores
