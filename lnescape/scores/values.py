"""Scores of measured values: errors, likelihood, intervals, continuous ranked probability, and parts of the variance.

Predictions are [networks, inputs, outputs] or, with a variance beside each value, [networks, inputs, outputs, 2]; a
network without variances is sure of its value. The mean prediction is the mixture of the networks.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.checks import real
from lnescape.results import Estimate
from lnescape.scores.quality import CHUNK, TwoParts, as_tensor


def with_noise(values: Float[Tensor, "networks inputs outputs"], variance: Any) -> Float[Tensor, "networks inputs o 2"]:
    """Return predictions with the same variance of the noise for all inputs, such as the mean square of residuals.

    Args:
        values: Predicted values, in their unit.
        variance: Variance in the unit squared, > 0, one number or one for each output.

    Returns:
        Values and variances.

    Raises:
        ValueError: A variance that isn't above 0, more than one for each output, or predictions that have variances.

    >>> with_noise(torch.zeros(1, 1, 1), 4.0)
    tensor([[[[0., 4.]]]])
    """
    _as_values(values)
    if values.ndim == 4:
        raise ValueError("The predictions have variances already; pass values alone, [networks, inputs, outputs].")
    given = torch.as_tensor(variance, dtype=values.dtype, device=values.device)
    if list(given.shape) not in ([], [1], list(values.shape[2:])) or not bool((given.isfinite() & (given > 0)).all()):
        what = "The variance of the noise is one number or one for each output, finite and above 0"
        raise ValueError(f"{what}; take the mean square of residuals.")
    return torch.stack([values, given.expand_as(values)], -1)


def rmse(predicted: Tensor, labels: Tensor, *, unit: str = "") -> Estimate:
    """Return the root mean square error of the mean value, √((1/n) Σ_i (ȳ(x_i) − y_i)²).

    Args:
        predicted: Values with or without variances, in the unit.
        labels: Measured values, [inputs, outputs].
        unit: Their unit, printed.

    Returns:
        The error in the unit; its uncertainty is that of a mean over inputs, through the root.

    >>> print(rmse(torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[0.0], [2.0], [3.0]]), unit="mm"))
    0.82(20) mm
    """
    values, _, labels = _checked(predicted, labels)
    square = Estimate.mean((values.mean(0) - labels).square().mean(1))
    root = math.sqrt(square.value)
    return Estimate(root, square.u / (2 * root) if root else 0.0, dof=square.dof, unit=unit, n=square.n)


def mae(predicted: Tensor, labels: Tensor, *, unit: str = "") -> Estimate:
    """Return the mean absolute error of the mean value; arguments and unit as for `rmse`."""
    values, _, labels = _checked(predicted, labels)
    return Estimate.mean((values.mean(0) - labels).abs().mean(1), unit=unit)


def r2(predicted: Tensor, labels: Tensor) -> Estimate:
    """Return the share of the variance that the mean value explains, 1 − Σ(ȳ − y)²/Σ(y − mean y)², mean over outputs.

    Raises:
        ValueError: A measured value never changes.

    >>> round(float(r2(torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[0.0], [2.0], [4.0]]))), 3)
    0.875
    """
    values, _, labels = _checked(predicted, labels)
    left, all_of_it = (values.mean(0) - labels).square(), (labels - labels.mean(0)).square()
    if bool((all_of_it.sum(0) == 0).any()):
        raise ValueError("A value is the same for every input, and has no variance to explain; leave it out.")
    ratio = left.mean(0) / all_of_it.mean(0)
    scatter = Estimate.mean(((left - ratio * all_of_it) / all_of_it.mean(0)).mean(1))  # of the ratio, to first order
    return Estimate(1 - float(ratio.mean()), scatter.u, dof=scatter.dof, n=scatter.n)


def mixture_nll(predicted: Tensor, labels: Tensor) -> Estimate:
    """Return the negative log-likelihood of the mixture, −(1/n) Σ_i ln (1/M) Σ_m Π_k N(y_ik; μ_mik, σ²_mik).

    The arguments are those of `rmse`, the values with variances.

    Returns:
        Mean over inputs, in nat; ln of a density, so that it depends on the unit of the values.

    Raises:
        ValueError: No variances.

    References: Lakshminarayanan et al. 2017, arXiv 1612.01474, section 2.4.

    >>> round(float(mixture_nll(torch.tensor([[[[0.0, 1.0]]]]), torch.zeros(1, 1))), 4)  # ½ ln 2π
    0.9189
    """
    values, variances, labels = _checked(predicted, labels, stated=True)
    logs = -0.5 * ((2 * math.pi * variances).log() + (values - labels).square() / variances).sum(2)
    return Estimate.mean(math.log(len(logs)) - logs.logsumexp(0), unit="nat")


def crps(predicted: Tensor, labels: Tensor, *, unit: str = "") -> Estimate:
    """Return the continuous ranked probability score of the mixture, ∫ (F(z) − [z ≥ y])² dz, a proper score.

    (1/M) Σ_m A(y − μ_m, σ²_m) − (1/2M²) Σ_ml A(μ_m − μ_l, σ²_m + σ²_l), A(d, s²) = 2s φ(d/s) + d (2Φ(d/s) − 1); without
    variances A(d, 0) = |d|. The arguments are those of `rmse`.

    Returns:
        Mean over inputs and outputs, in the unit; of one value without variance its absolute error.

    References: Grimit et al. 2006, Q. J. R. Meteorol. Soc. 132, 2925; Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102,
    359.

    >>> round(float(crps(torch.tensor([[[[0.0, 1.0]]]]), torch.zeros(1, 1))), 4)  # (√2 − 1)/√π
    0.2337
    """
    values, variances, labels = _checked(predicted, labels)
    found, size = [], max(1, CHUNK // (len(values) ** 2 * values.shape[2]))
    for mean, variance, right in zip(*(part.split(size, -2) for part in (values, variances, labels)), strict=True):
        pairs = _absolute(mean[:, None] - mean, variance[:, None] + variance).mean((0, 1))
        found.append(_absolute(right - mean, variance).mean(0) - 0.5 * pairs)
    return Estimate.mean(torch.cat(found).mean(1), unit=unit)


def _absolute(apart: Tensor, variance: Tensor) -> Tensor:
    """Return E|d + s ε|, ε normal."""
    s = variance.sqrt()
    z = torch.where(s > 0, apart / s.clamp_min(1e-300), 0.0)
    inner = 2 * s * (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi) + apart * (2 * torch.special.ndtr(z) - 1)
    return torch.where(s > 0, inner, apart.abs())


def interval(predicted: Tensor, *, level: float = 0.95) -> tuple[Tensor, Tensor]:
    """Return the ends of the mixture's central interval: its quantiles at (1 ∓ level)/2.

    Args:
        predicted: Values with variances.
        level: Probability that the mixture gives the interval, in (0, 1).

    Returns:
        Lower and upper end, [inputs, outputs] in the unit, float64.

    Raises:
        ValueError: No variances.

    >>> low, high = interval(torch.tensor([[[[10.0, 4.0]]]]))
    >>> round(low.item(), 3), round(high.item(), 3)
    (6.08, 13.92)
    """
    values, variances = _as_values(predicted, stated=True)
    level, s = real(level, "level", above=0, below=1), variances.sqrt()
    return _quantile(values, s, (1 - level) / 2), _quantile(values, s, (1 + level) / 2)


def _quantile(values: Tensor, s: Tensor, p: float) -> Float[Tensor, "inputs outputs"]:
    """Return where the distribution function of the mixture is p, by bisection between the networks' own quantiles."""
    each = values + s * torch.special.ndtri(torch.tensor(p, dtype=values.dtype))
    low, high = each.amin(0), each.amax(0)
    for _ in range(60):
        middle = (low + high) / 2
        below = torch.special.ndtr((middle - values) / s).mean(0) < p
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def coverage(predicted: Tensor, labels: Tensor, *, level: float = 0.95, unit: str = "") -> tuple[Estimate, Estimate]:
    """Return the share of measured values inside the mixture's central interval, and the interval's mean width.

    Args:
        predicted: Values with variances, in the unit.
        labels: Measured values, [inputs, outputs].
        level: Probability that the mixture gives the interval, in (0, 1).
        unit: Unit of the width, printed.

    Returns:
        The share, 0 to 1, and the width in the unit, with the uncertainty of means over inputs.
    """
    (low, high), (_, _, labels) = interval(predicted, level=level), _checked(predicted, labels)
    inside = ((labels >= low) & (labels <= high)).double().mean(1)
    return Estimate.mean(inside), Estimate.mean((high - low).mean(1), unit=unit)


def variance_split(predicted: Tensor) -> TwoParts:
    """Split the variance of the mixture into the mean stated variance and the scatter of the networks' values.

    (1/M) Σ σ²_m + (1/M) Σ (μ_m − μ̄)²; the second is that of the M networks at hand, and (M − 1)/M of an estimate for
    further ones.

    Returns:
        `total`, `aleatoric`, `epistemic`: [inputs, outputs] in the unit squared, float64.

    References: Lakshminarayanan et al. 2017, arXiv 1612.01474, section 2.4; Depeweg et al. 2018, arXiv 1710.07283.

    >>> split = variance_split(torch.tensor([[[[1.0, 0.5]]], [[[3.0, 1.5]]]]))
    >>> split.total.item(), split.aleatoric.item(), split.epistemic.item()
    (2.0, 1.0, 1.0)
    """
    values, variances = _as_values(predicted)
    stated, scatter = variances.mean(0), values.var(0, unbiased=False)
    return TwoParts(stated + scatter, stated, scatter)


def score_values(predicted: Tensor, labels: Tensor, *, unit: str | Sequence[str] = "") -> dict[str, Estimate]:
    """Return all scores of measured values, r2 where they vary; `score` calls it."""
    units = [unit] if isinstance(unit, str) else list(dict.fromkeys(unit))
    if len(units) > 1:
        what = f"Errors in {' and '.join(map(repr, units))} have no mean"
        raise ValueError(f"{what}; score each output k alone: score(p[:, :, [k]], y[:, [k]], unit=…).")
    unit = units[0]
    measures: dict[str, Callable] = {"rmse": rmse, "mae": mae, "crps": crps}
    scores = {name: measure(predicted, labels, unit=unit) for name, measure in measures.items()}
    if (labels != labels[:1]).any(0).all():
        scores["r2"] = r2(predicted, labels)
    if predicted.ndim == 4:
        scores["nll"] = mixture_nll(predicted, labels)
        scores["coverage"], scores["width"] = coverage(predicted, labels, unit=unit)
    if predicted.ndim == 4 or len(predicted) > 1:
        for part, each in vars(variance_split(predicted)).items():
            scores[f"{part}_variance"] = Estimate.mean(each.mean(1), unit=f"({unit})²" if unit else "")
    return scores


def _as_values(predicted: Any, *, stated: bool = False) -> tuple[Tensor, Tensor]:
    """Return values and variances in float64, [networks, inputs, outputs]; raise where they are none."""
    if not isinstance(predicted, Tensor) or not predicted.is_floating_point() or predicted.ndim not in (3, 4):
        shape = f"shape {list(predicted.shape)}" if isinstance(predicted, Tensor) else type(predicted).__name__
        what = "Predicted values are floats [networks, inputs, outputs], with variances [networks, inputs, outputs, 2]"
        raise ValueError(f"{what}, not {shape}; pass what law.predict returns.")
    if predicted.ndim == 3 and stated:
        what = "These networks state no variances; build them by network(…, variance=True)"
        raise ValueError(f"{what}, or add that of the noise by scores.with_noise.")
    if predicted.ndim == 4 and (predicted.shape[3] != 2 or not bool((predicted[..., 1] > 0).all())):
        raise ValueError("The last axis holds a value and its variance, above 0; pass what law.predict returns.")
    if not bool(predicted.isfinite().all()) or not predicted.numel():
        raise ValueError("Predicted values are NaN or infinite, or none; leave out networks that diverged.")
    both = predicted.double()
    return (both, torch.zeros_like(both)) if both.ndim == 3 else (both[..., 0], both[..., 1])


def _checked(predicted: Any, labels: Any, *, stated: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, variances and labels, float64; raise unless there is one label for each value of an input."""
    values, variances = _as_values(predicted, stated=stated)
    right, found = as_tensor(labels)
    if right is None or right.is_complex():
        raise ValueError(f"Measured values are real numbers, and this is {found}; pass numbers.")
    right = right.to(values.device, torch.float64)
    if right.shape != values.shape[1:] or not bool(right.isfinite().all()):
        need = list(values.shape[1:])
        raise ValueError(f"Measured values have shape {list(right.shape)}, or are NaN; pass finite ones {need}.")
    return values, variances, right
