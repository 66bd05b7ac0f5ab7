"""Quality of predictions: likelihood, Brier score, calibration, entropy, selection, foreign images, all at once."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lnescape.checks import array, one_of, whole
from lnescape.results import Estimate

# Float64 copies are made for this many numbers at a time, 32 MiB, however many members there are.
CHUNK = 2**22
# Float32 rows of 1000 classes sum to one within 1e-5; logits and probabilities are far off.
SUM_TOLERANCE = 1e-3
# The bias is a mean over this many sets of simulated labels; its own uncertainty is stated with it.
N_SIMULATIONS = 200


def mean_prediction(logp: Float[Tensor, "*members inputs classes"]) -> Float[Tensor, "inputs classes"]:
    """Return the mean prediction, the average of the members' probabilities: ln p̄_c(x) = ln (1/M) Σ_m p_mc(x).

    Args:
        logp: Log-probabilities in nat, of members or of one prediction; −∞ is allowed.

    Returns:
        Log-probabilities [images, classes] in nat, float64; for one member, its log-probabilities bit for bit.

    Raises:
        TypeError: `logp` isn't a tensor of floats.
        ValueError: It has another shape, is empty, or its rows are not log-probabilities.

    References: Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4.

    >>> mean_prediction(torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]]).log()).exp()
    tensor([[0.7000, 0.3000]], dtype=torch.float64)
    """
    return torch.cat([log_mean(chunk) for chunk in checked_chunks(logp)])


def accuracy(logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"]) -> Estimate:
    """Return the share of images whose most probable class is the right one, (1/n) Σ_i [argmax_c p̄_c(x_i) = y_i].

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.

    Returns:
        The share, 0 to 1, with the standard uncertainty of a mean over images.

    Raises:
        TypeError: `labels` isn't a tensor of integers.
        ValueError: There is not one label for each image, or one is out of range.

    >>> print(accuracy(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]).log(), torch.tensor([0, 1, 1])))
    0.67(33)
    """
    mean, labels = mean_and_labels(logp, labels)
    return Estimate.mean((mean.argmax(-1) == labels).double())


def nll(logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"]) -> Estimate:
    """Return the negative log-likelihood of the mean prediction, −(1/n) Σ_i ln p̄_{y_i}(x_i), a proper score.

    The arguments are those of `accuracy`.

    Returns:
        The score in nat, with the standard uncertainty of a mean over images; ∞ where a right class has probability 0.

    References: Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359, section 4.1.

    >>> print(nll(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]).log(), torch.tensor([0, 1, 1])))
    0.41(25) nat
    """
    mean, labels = mean_and_labels(logp, labels)
    return Estimate.mean(0 - mean.gather(1, labels.unsqueeze(1)), unit="nat")


def brier(logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"]) -> Estimate:
    """Return the Brier score of the mean prediction, (1/n) Σ_i Σ_c (p̄_c(x_i) − [c = y_i])², proper and always finite.

    The arguments are those of `accuracy`.

    Returns:
        The score, 0 to 2, with the standard uncertainty of a mean over images.

    References: Brier 1950, Mon. Weather Rev. 78, 1, equation 2.

    >>> print(brier(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]).log(), torch.tensor([0, 1, 1])))
    0.27(22)
    """
    mean, labels = mean_and_labels(logp, labels)
    labels = labels.unsqueeze(1)
    deviation = mean.exp().scatter_add(1, labels, -torch.ones_like(labels, dtype=torch.float64))
    return Estimate.mean(deviation.square().sum(-1))


@dataclass(frozen=True)
class CalibrationError:
    """Calibration error, and its mean under perfect calibration."""

    value: Estimate  # 0 to 1
    bias: Estimate  # mean error of a perfectly calibrated prediction; a `value` near it isn't evidence of a fault

    def __str__(self) -> str:
        return f"{self.value} (under perfect calibration: {self.bias})"


def calibration_error(
    logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"], *, n_bins: int = 15,
    bins: str = "mass", seed: int = 0,
) -> CalibrationError:  # fmt: skip
    """Return the calibration error of the mean prediction's top probability, in bins of equal mass or width.

    Σ_b (n_b/n) |share right in b − mean top probability in b| = (1/n) Σ_b |Σ_{i in b} ([right]_i − p̂_i)|

    The bias is the mean error over labels simulated with probability p̂_i of being right. Equal top probabilities share
    the bin of the first of them, whatever their order.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.
        n_bins: Number of bins, 1 to 10⁶; with fewer images, each image is a bin.
        bins: "mass", equal numbers of images in each, or "width", (0, 1/B], (1/B, 2/B], …, for comparison with papers.
        seed: Seed of the simulated labels.

    Returns:
        `value`, 0 to 1, with its uncertainty over images for fixed bins, and `bias` with that of the simulation.

    References: Nguyen & O'Connor 2015, arXiv:1508.05154, for bins of equal mass; Vaicenavicius et al. 2019,
    arXiv:1902.06977, for labels simulated from the prediction; Guo et al. 2017, arXiv:1706.04599, for "width".

    >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
    >>> round(float(calibration_error(logp, torch.tensor([0, 1, 1, 1]), n_bins=2).value), 3)
    0.15
    """
    confidence, right, placed = confidence_bins(logp, labels, n_bins, bins)
    excess = right.double() - confidence
    sign = _bin_sums(excess, placed).sign()
    return CalibrationError(Estimate.mean(sign[placed] * excess), _bias(confidence, placed, seed))


def confidence_bins(logp: Tensor, labels: Tensor, n_bins: int, bins: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return the top probability of the mean prediction, whether it is right, and its bin, for each image."""
    n_bins, bins = whole(n_bins, "n_bins", least=1, most=10**6), one_of(bins, ("mass", "width"), "kind of bins")
    mean, labels = mean_and_labels(logp, labels)
    top, decided = mean.max(-1)
    confidence = top.exp().clamp(max=1)  # a float32 row may exceed 1 by its rounding; bernoulli refuses that
    if bins == "mass":  # the rank of a tied image is that of the first of its tie
        placed = torch.searchsorted(confidence.sort().values, confidence) * n_bins // len(confidence)
    else:
        placed = (confidence * n_bins).ceil().long().clamp(1, n_bins) - 1
    return confidence, decided == labels, placed


@dataclass(frozen=True)
class TwoParts:
    """Entropy, [images] in nat, or a variance, [inputs, outputs] in the unit squared, and its two parts."""

    total: Tensor  # of the mean prediction, or of the mixture: the sum of the other two
    aleatoric: Tensor  # mean entropy of the members; mean of the variances that they state, 0 where they state none
    epistemic: Tensor  # how much the members differ: mutual information between member and class; variance of values


def entropy_split(logp: Float[Tensor, "*members inputs classes"]) -> TwoParts:
    """Split the entropy of the mean prediction into the members' mean entropy and the part due to their differences.

    H(p̄) = (1/M) Σ_m H(p_m) + (1/M) Σ_m Σ_c p_mc ln(p_mc / p̄_c)

    The last term is computed as it stands, not as a difference, so that small values keep their digits.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction; −∞ is allowed.

    Returns:
        `total`, `aleatoric`, `epistemic`: [images] in nat, float64, from 0 to ln(classes); the epistemic part of equal
        members, or of one, is exactly 0.

    References: Depeweg et al. 2018, arXiv:1710.07283, section 3.

    >>> split = entropy_split(torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]]).log())
    >>> [round(float(part), 4) for part in (split.total, split.aleatoric, split.epistemic)]
    [0.6109, 0.5091, 0.1017]
    """
    parts = []
    for chunk in checked_chunks(logp):
        p, none = chunk.exp(), chunk.new_zeros(())  # p ln p is 0 where p is, though ln p may be −∞
        aleatoric = torch.where(p > 0, -p * chunk, none).sum(-1).mean(0)
        differences = torch.where(p > 0, p * (chunk - log_mean(chunk)), none).sum(-1).mean(0)
        parts.append(torch.stack([aleatoric, differences.clamp(min=0)]))  # rounding may leave -1e-17
    aleatoric, epistemic = torch.cat(parts, dim=1)
    return TwoParts(aleatoric + epistemic, aleatoric, epistemic)


def disagreement(logp: Float[Tensor, "members inputs classes"]) -> Estimate:
    """Return the share of images on which two members decide differently, averaged over pairs of members.

    1 − (1/n) Σ_i Σ_c k_ic (k_ic − 1) / (M (M − 1)), with k_ic the number of members that decide for class c

    Args:
        logp: Log-probabilities in nat, of two members or more.

    Returns:
        The share, 0 to 1, with the standard uncertainty of a mean over images.

    Raises:
        ValueError: There is only one member.

    References: Fort et al. 2019, arXiv:1912.02757, section 4.

    >>> print(disagreement(torch.tensor([[[0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.3, 0.7]]]).log()))
    0.50(50)
    """
    n_members = len(as_members(logp))
    if n_members < 2:
        raise ValueError("one member has nobody to disagree with; pass log-probabilities of two members or more.")
    shares = []
    for chunk in checked_chunks(logp):
        votes = torch.nn.functional.one_hot(chunk.argmax(-1), chunk.shape[-1]).sum(0).double()
        shares.append(1 - (votes * (votes - 1)).sum(-1) / (n_members * (n_members - 1)))
    return Estimate.mean(torch.cat(shares))


def auroc(foreign: Float[Tensor, " foreign"], own: Float[Tensor, " own"]) -> Estimate:
    """Return Pr(foreign > own) + Pr(foreign = own) / 2, the area under the receiver operating characteristic.

    Args:
        foreign: A finite score of each foreign image, higher for more suspect ones (entropy, say).
        own: The same score of each image of the data set.

    Returns:
        The probability, 1 for perfect separation, 0.5 for none; with its uncertainty over both sets of images.

    References: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44, 837, for the uncertainty.

    >>> print(auroc(torch.tensor([0.9, 0.7, 0.4, 0.8]), torch.tensor([0.1, 0.5, 0.3, 0.2])))
    0.938(88)
    """
    foreign, own = _one_each(foreign, "foreign"), _one_each(own, "own")
    found, missed = Estimate.mean(_share_below(foreign, own)), Estimate.mean(_share_below(own, foreign))
    return Estimate(found.value, math.hypot(found.u, missed.u), n=len(foreign) + len(own))


def false_positive_rate(foreign: Float[Tensor, " foreign"], own: Float[Tensor, " own"]) -> Estimate:
    """Return the share of the data set's images taken for foreign where 95 % of the foreign ones are found (FPR95).

    (1/n) Σ_i [own_i ≥ τ], τ the largest threshold that at least 95 % of the foreign images reach

    Args:
        foreign: A finite score of each foreign image, higher for more suspect ones.
        own: The same score of each image of the data set.

    Returns:
        The share, 0 to 1, with its standard uncertainty over the images of the data set, the threshold taken as known.

    References: Hendrycks & Gimpel 2017, arXiv 1610.02136, section 2 (problem); Liang et al. 2018, arXiv 1706.02690,
    section 4.

    >>> print(false_positive_rate(torch.tensor([0.9, 0.7, 0.4, 0.8]), torch.tensor([0.1, 0.5, 0.3, 0.2])))
    0.25(25)
    """
    foreign, own = _one_each(foreign, "foreign"), _one_each(own, "own")
    least = math.ceil(0.95 * len(foreign) - 1e-9)
    threshold = foreign.sort(descending=True).values[least - 1]
    return Estimate.mean((own >= threshold).double())


def aurc(
    logp: Float[Tensor, "*members inputs classes"], labels: Int[Tensor, " inputs"], *,
    certainty: Float[Tensor, " inputs"] | None = None,
) -> Estimate:  # fmt: skip
    """Return the mean error rate over all shares of images kept, the most certain first (area under risk–coverage).

    AURC = (1/n) Σ_k r_k,  r_k the error rate among the k most certain images

    Images of equal certainty count as in every order: each has the mean weight of the places they share.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes, 0 to classes − 1.
        certainty: Higher for images to be kept first; the top probability of the mean prediction unless given.

    Returns:
        The area Σ_i w_i e_i, 0 to 1, lower is better, w_i the weight of the image's place and e_i its error; with a
        standard uncertainty over images, their places taken as known.

    References: Geifman & El-Yaniv 2017, arXiv 1705.08500, section 2 (risk); Ding et al. 2020, arXiv 1903.02050 (area).

    >>> logp = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]).log()
    >>> round(float(aurc(logp, torch.tensor([0, 1, 1, 1]))), 4)  # wrong at the last of four places
    0.0625
    """
    mean, labels = mean_and_labels(logp, labels)
    top, decided = mean.max(-1)
    n = len(top)
    certainty = top if certainty is None else _one_each(certainty, "certainty", n).to(top)
    order = certainty.argsort(descending=True, stable=True)
    # An error at place k enters the rates of k, k + 1, … n images kept: Σ_{j ≥ k} 1/j.
    weight = (1 / torch.arange(1, n + 1, device=top.device, dtype=top.dtype)).flip(0).cumsum(0).flip(0)
    _, tie, size = certainty[order].unique_consecutive(return_inverse=True, return_counts=True)
    shared = torch.bincount(tie, weight) / size
    return Estimate.mean(shared[tie] * (decided != labels)[order])


def score(
    logp: Float[Tensor, "..."], labels: Shaped[Tensor, "inputs *outputs"], *, unit: str | Sequence[str] = ""
) -> dict[str, Estimate]:
    """Return all scores of the mean prediction and, where there are several members, of their differences.

    Args:
        logp: Log-probabilities in nat, of members or of one prediction; or values, as `law.predict` gives them.
        labels: Right classes, 0 to classes − 1; or measured values, floats [images, outputs].
        unit: Unit of the measured values, printed.

    Returns:
        Estimates in reading order: accuracy, nll (nat), brier, calibration_error, calibration_bias (the part of that
        error that chance alone would show) and aurc; with two members or more also total_entropy, aleatoric_entropy and
        epistemic_entropy (nat, means over images) and disagreement. Of measured values rmse, mae, crps, r2; nll (nat),
        coverage and width of 95 % intervals where the networks state variances; total_variance, aleatoric_variance and
        epistemic_variance.

    Raises:
        ValueError: Labels that don't fit the predictions, or outputs of different units.

    >>> print(score(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]).log(), torch.tensor([0, 1, 1]))["nll"])
    0.41(25) nat
    """
    predicted, right = (as_tensor(given)[0] for given in (logp, labels))
    of_values = predicted is not None and (predicted.ndim == 4 or predicted.shape[2:] == (1,))  # of classes two or more
    if of_values or right is not None and right.is_floating_point() and right.ndim == 2:
        from lnescape.scores.values import score_values

        if not of_values and predicted is not None and float(predicted.logsumexp(-1).abs().max()) < 1e-3:
            raise ValueError("These are log-probabilities, and labels one for each class; pass labels.argmax(1).")
        # `score_values` refuses inputs without numbers, and names their type.
        return score_values(logp if predicted is None else predicted, labels if right is None else right, unit=unit)
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
        for part, each in vars(entropy_split(logp)).items():
            scores[f"{part}_entropy"] = Estimate.mean(each, unit="nat")
        scores["disagreement"] = disagreement(logp)
    return scores


def mean_and_labels(logp: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean prediction and the labels as int64; raise where the labels do not belong to it."""
    mean = mean_prediction(logp)
    n_images, n_classes = mean.shape
    labels, found = as_tensor(labels)
    if labels is None or labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels are whole numbers [inputs], and this is {found}; use torch.tensor(labels).")
    labels = labels.to(mean.device, torch.int64)
    if labels.shape != (n_images,):
        what = f"there are predictions for {n_images} inputs and labels of shape {list(labels.shape)}"
        raise ValueError(f"{what}; pass one label for each input, from the same split.")
    if (low := int(labels.min())) < 0 or (high := int(labels.max())) >= n_classes:
        wrong = low if low < 0 else high
        why = f"label {wrong} is out of range: the prediction has classes 0 to {n_classes - 1}"
        raise ValueError(f"{why}; number the classes from 0 (inputs of no class, label -1, have auroc instead).")
    return mean, labels


def as_members(logp: Tensor) -> Float[Tensor, "members inputs classes"]:
    """Return log-probabilities with a dimension of members; raise where they have no such shape."""
    expected = "log-probabilities are floats [members, inputs, classes] or [inputs, classes]"
    logp, found = as_tensor(logp)
    if logp is None or not logp.is_floating_point():
        raise TypeError(f"{expected}, and this is {found}; pass what law.predict returns.")
    if logp.ndim not in (2, 3):
        raise ValueError(f"{expected}, and this has the shape {list(logp.shape)}; reshape it.")
    if logp.numel() == 0:
        raise ValueError(f"{expected}, and this of shape {list(logp.shape)} is empty; nothing can be scored.")
    return logp if logp.ndim == 3 else logp.unsqueeze(0)


def as_tensor(values: Any) -> tuple[Any, str]:
    """Return numbers, arrays or lists as a tensor, None where they hold no numbers, and their type in words."""
    if isinstance(values, np.ma.MaskedArray) and (n := np.ma.count_masked(values)):
        raise ValueError(f"{n} numbers are masked; leave those inputs out, or fill them by filled(…).")
    try:
        tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError):
        return None, f"a {type(values).__name__}"
    return tensor, f"of {tensor.dtype}"


def checked_chunks(logp: Tensor) -> Iterator[Float[Tensor, "members inputs classes"]]:
    """Yield the images in float64, some at a time; raise where a row does not hold log-probabilities."""
    members = as_members(logp)
    n_images = max(1, CHUNK // (members.shape[0] * members.shape[2]))
    for start in range(0, members.shape[1], n_images):
        chunk = members[:, start : start + n_images].double()
        sums = chunk.exp().sum(-1)
        wrong = ~((sums - 1).abs() <= SUM_TOLERANCE)  # so written, nan is wrong too
        if wrong.any():
            member, image = wrong.nonzero()[0].tolist()
            raise ValueError(_refusal(chunk[member, image], f"member {member}, input {start + image}"))
        yield chunk


def _refusal(row: Float[Tensor, " classes"], where: str) -> str:
    """Return the message for a row without log-probabilities, with its probable content."""
    if row.isnan().any():
        return f"the log-probabilities of {where} contain nan: its training diverged; leave that member out."
    if (row >= 0).all() and abs(float(row.sum()) - 1) <= SUM_TOLERANCE:
        return f"{where} holds probabilities, not their logarithms; pass probabilities.log()."
    return (
        f"the exponentials of {where} sum to {float(row.exp().sum()):.4g}, not to 1: these are logits, or "
        "rounded, as in bfloat16; apply torch.log_softmax(logits.float(), dim=-1)."
    )


def log_mean(logp: Float[Tensor, "members inputs classes"]) -> Float[Tensor, "inputs classes"]:
    """Return the logarithm of the mean probability, exactly where all members are equal."""
    top = logp.amax(0)
    top = top.masked_fill(top.isneginf(), 0)  # else −∞ − (−∞)
    return top + (logp - top).exp_().mean(0).log_()


def _bin_sums(excess: Float[Tensor, "*rows inputs"], bins: Int[Tensor, " inputs"]) -> Float[Tensor, "*rows bins"]:
    """Return the sum of the excess in each bin."""
    return excess.new_zeros(*excess.shape[:-1], int(bins.max()) + 1).index_add_(-1, bins, excess)


def _bias(confidence: Float[Tensor, " inputs"], bins: Int[Tensor, " inputs"], seed: int) -> Estimate:
    """Return the mean calibration error over simulated labels of a perfectly calibrated prediction."""
    confidence, bins = confidence.cpu(), bins.cpu()  # the same random numbers on every device
    generator = torch.Generator().manual_seed(seed)
    n = len(confidence)
    errors = []
    for rows in torch.arange(N_SIMULATIONS).split(max(1, CHUNK // n)):
        right = torch.bernoulli(confidence.expand(len(rows), n), generator=generator)
        errors.append(_bin_sums(right - confidence, bins).abs().sum(-1) / n)
    return Estimate.mean(torch.cat(errors))


def _share_below(scores: Tensor, others: Tensor) -> Tensor:
    """Return for each score the share of the others below it, ties counted half."""
    others, scores = others.sort().values, scores.contiguous()
    below = torch.searchsorted(others, scores) + torch.searchsorted(others, scores, right=True)
    return below.double() / (2 * len(others))


def _one_each(values: Any, name: str, n: int | None = None) -> Float[Tensor, " inputs"]:
    """Return one number for each image, of `n` where given, in float64; raise where one is missing or not finite."""
    numbers = torch.from_numpy(array(values, name, "inputs"))
    if len(numbers) == 0 or n not in (None, len(numbers)):
        each = "input" if n is None else f"of {n} inputs"
        raise ValueError(f"{name}: the shape is {list(numbers.shape)}; give one number for each {each}.")
    if (bad := ~numbers.isfinite()).any():
        first = int(bad.nonzero()[0])
        raise ValueError(f"{name}: input {first} has {float(numbers[first])}; give one finite number for each input.")
    return numbers
