"""Whether the top probability means what it says, and what chance alone would show."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lnescape.results import Estimate
from lnescape.scores.predictions import CHUNK
from lnescape.scores.quality import mean_and_labels

# The bias is a mean over this many sets of simulated labels; its own uncertainty is stated with it.
N_SIMULATIONS = 200


@dataclass(frozen=True)
class CalibrationError:
    """Hold a calibration error and what of it chance would show.

    Args:
        value: The calibration error, 0 to 1.
        bias: Its mean if the prediction were perfectly calibrated; a `value` near it is no evidence of a fault.
    """

    value: Estimate
    bias: Estimate

    def __str__(self) -> str:
        """Print both."""
        return f"{self.value} (under perfect calibration: {self.bias})"


def calibration_error(
    logp: Float[Tensor, "*members images classes"],
    labels: Int[Tensor, " images"],
    *,
    n_bins: int = 15,
    seed: int = 0,
) -> CalibrationError:
    """Compare the mean prediction's top probability with how often it is right, in bins of equal mass.

    Σ_b (n_b/n) |share right in b − mean top probability in b| = (1/n) Σ_b |Σ_{i in b} ([right]_i − p̂_i)|

    The bias is the mean of the same number over labels simulated with probability p̂_i of being right. Equal top
    probabilities share a bin whatever their order: that of the first of them.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.
        n_bins: Number of bins, ≥ 1; with fewer images than that, each has a bin of its own.
        seed: Seed of the simulated labels.

    Returns:
        The error, 0 to 1, with its standard uncertainty over images for fixed bins, and its bias with that of the
        simulation.

    Raises:
        ValueError: There is no bin.

    References:
        Nguyen & O'Connor 2015, arXiv:1508.05154, for bins of equal mass; Vaicenavicius et al. 2019,
        arXiv:1902.06977, for labels simulated from the prediction.

    Example:
        >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
        >>> error = calibration_error(logp, torch.tensor([0, 1, 1, 1]), n_bins=2)
        >>> round(float(error.value), 3)
        0.15
    """
    if n_bins < 1:
        raise ValueError(f"n_bins = {n_bins} leaves no bin to put an image in; use 15.")
    mean, labels = mean_and_labels(logp, labels)
    top, decided = mean.max(-1)
    confidence = top.exp().clamp(max=1)  # a float32 row may exceed 1 by its rounding; bernoulli refuses that
    bins = _equal_mass_bins(confidence, n_bins)
    excess = (decided == labels).double() - confidence
    sign = _bin_sums(excess.unsqueeze(0), bins).sign().squeeze(0)
    return CalibrationError(Estimate.mean(sign[bins] * excess), _bias(confidence, bins, seed))


def _equal_mass_bins(confidence: Float[Tensor, " images"], n_bins: int) -> Int[Tensor, " images"]:
    """Number the bin of each image; the rank of a tied image is that of the first of its tie."""
    n = len(confidence)
    first_rank = torch.searchsorted(confidence.sort().values, confidence)
    return first_rank * n_bins // n


def _bin_sums(excess: Float[Tensor, "rows images"], bins: Int[Tensor, " images"]) -> Float[Tensor, "rows bins"]:
    sums = excess.new_zeros(len(excess), int(bins.max()) + 1)
    return sums.index_add_(1, bins, excess)


def _bias(confidence: Float[Tensor, " images"], bins: Int[Tensor, " images"], seed: int) -> Estimate:
    """Simulate labels of a perfectly calibrated prediction, some sets at a time."""
    confidence, bins = confidence.cpu(), bins.cpu()  # the same random numbers on every device
    generator = torch.Generator().manual_seed(seed)
    n = len(confidence)
    errors = []
    for rows in torch.arange(N_SIMULATIONS).split(max(1, CHUNK // n)):
        right = torch.bernoulli(confidence.expand(len(rows), n), generator=generator)
        errors.append(_bin_sums(right - confidence, bins).abs().sum(-1) / n)
    return Estimate.mean(torch.cat(errors))
