"""The loss as a landscape over weight space: along paths, on planes, inside triangles, and barriers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.checks import instance, real, whole
from lnescape.laws import Law, predict_at
from lnescape.progress import bar
from lnescape.subspaces import Curve, Simplex, SimplicialComplex

__all__ = ["Survey", "along", "barrier", "plane", "survey", "triangle"]


@dataclass(frozen=True, eq=False)
class Survey:
    """Loss and accuracy at surveyed points of weight space, as arrays that a figure takes."""

    # mean cross-entropy over the images, nat; of measured values `squared_error` or `gaussian_nll`, [n]
    loss: np.ndarray
    accuracy: np.ndarray | None  # share of correct decisions, [n]; None for measured values
    # root mean square error of measured values, in their unit, [n], of several outputs [n, outputs]; None for classes
    rmse: np.ndarray | None
    # where: times [n], plane positions [n, 2] in weight units, or coefficients [n, K]; None for points of `survey`
    coordinates: np.ndarray | None = None
    anchors: np.ndarray | None = None  # plane positions of the points that define a plane, [3, 2]; None elsewhere


def survey(law: Law, thetas: Float[Tensor, "points parameters"], split) -> Survey:
    """Measure mean loss and accuracy, or root mean square error, of the networks at given points.

    L(θ) = −(1/n) Σ_i ln p(y_i | x_i, θ), normalisation refreshed at every θ; for measured values `squared_error` or
    `gaussian_nll`, whichever goes with the networks' outputs.

    Args:
        law: Any law of the same builder.
        thetas: The points, [n, P].
        split: Images and labels, such as `data.test`.

    Returns:
        The survey, without coordinates.

    Raises:
        ValueError: Points of another network, or images without labels.
    """
    if thetas.ndim != 2:
        raise ValueError(f"Points have shape {list(thetas.shape)}; give [n, parameters], as runs[:1].")
    return _surveyed(law, thetas, lambda some: some, split, progress=False)


def _surveyed(
    law: Law, points: Tensor, at: Callable[[Tensor], Tensor], split, progress: bool, **where: np.ndarray
) -> Survey:
    """Survey the networks at some points at a time, which bounds the memory for their weights."""
    instance(law, Law, "law", "pass what fit, members or a method returns")
    if not hasattr(split, "images"):
        raise ValueError(f"A {type(split).__name__} has no inputs and labels; pass a part of the data, as data.test.")
    if not (split.labels >= 0 if law.values is None else split.labels.isfinite()).all():
        raise ValueError("These inputs have no labels, so their loss is undefined; pass data.test.")
    losses, qualities = [], []
    with bar(len(points), "survey", "points", show=progress) as shown:
        for some in points.split(16):
            thetas, want = at(some), law.n_parameters
            if thetas.shape[1] != want:
                what = f"Points have shape {list(thetas.shape)}, the networks {want} parameters"
                raise ValueError(f"{what}; give [n, {want}].")
            predicted = predict_at(law, iter([thetas]), split.images, len(thetas))
            labels = split.labels.to(predicted.device)
            if law.values is None:
                labels = labels.expand(len(thetas), -1)
                loss = -predicted.double().gather(2, labels.unsqueeze(2)).mean((1, 2))
                quality = (predicted.argmax(2) == labels).double().mean(1)
            else:
                loss, quality = _of_values(predicted.double(), labels.double(), law.values.std.double())
            losses.append(loss)
            qualities.append(quality)
            shown.update(len(some))
    measured, found = torch.cat(losses).cpu().numpy(), torch.cat(qualities).cpu().numpy()
    accuracy, rmse = (found, None) if law.values is None else (None, found)
    return Survey(measured, accuracy, rmse, **where)


def _of_values(predicted: Tensor, labels: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of standardised values and the root mean square error in the unit, of each network."""
    stated = predicted.ndim == 4  # a variance beside each value
    off = (predicted[..., 0] if stated else predicted) - labels
    square, std = (off / std.to(off)).square(), std.to(off)
    if stated:
        variance = predicted[..., 1] / std.square()
        square = variance.log() + square / variance
    rmse = off.square().mean(1).sqrt()  # each output may have a unit of its own
    return 0.5 * square.mean((1, 2)), rmse[:, 0] if rmse.shape[1] == 1 else rmse


def along(law: Law, curve: Curve, split, *, n: int = 31, progress: bool = True) -> Survey:
    """Survey the loss along a curve, at n evenly spaced times.

    Args:
        law: Any law of the same builder.
        curve: `Segment`, `PolyChain` or `Bezier`.
        split: Images and labels.
        n: Points, ends included, ≥ 2.
        progress: Show a bar with the time left (from two seconds on).

    Returns:
        The survey; `coordinates` are the times t.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> net = ln.network("mlp", data, depth=0)
    >>> runs = ln.fit(net, data, seeds=[0, 1], recipe=ln.Recipe(epochs=1))
    >>> along(runs, ln.Segment.between(runs[0], runs[1]), data.test, n=5).coordinates
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    instance(curve, Curve, "curve", "pass a Segment, a PolyChain or a Bezier, such as law.subspace")
    t = torch.linspace(0, 1, whole(n, "n", least=2))
    return _surveyed(law, t, curve.at, split, progress, coordinates=t.double().numpy())


def barrier(t: Float[np.ndarray, " points"], loss: Float[np.ndarray, " points"]) -> float:
    """Compute the barrier of a path: the largest rise of the loss above the straight line between its ends.

    sup_t [L(γ(t)) − ((1 − t) L(γ(0)) + t L(γ(1)))], over the surveyed times; ≥ 0 as the ends count.

    Args:
        t: Times, from 0 to 1.
        loss: L(γ(t)), nat, one for each.

    Returns:
        The barrier, nat.

    Raises:
        ValueError: Not one loss for each time, or times that don't run from 0 to 1.

    References: Frankle et al. 2020, arXiv 1912.05671, section 2; Draxler et al. 2018, arXiv 1803.00885.

    >>> barrier(np.array([0.0, 0.5, 1.0]), np.array([0.1, 2.0, 0.3]))
    1.8
    """
    t, loss = np.asarray(t), np.asarray(loss)
    if t.shape != loss.shape or not t.size:
        raise ValueError(f"There are {t.size} times and {loss.size} losses; give one loss for each time.")
    if t[0] != 0 or t[-1] != 1 or not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"Times run from 0 to 1, here from {t[0]} to {t[-1]}; give the whole path, from end to end.")
    if not np.isfinite(loss).all():
        raise ValueError("A loss along the path is NaN or infinite; its network diverged, take another path.")
    return float(np.max(loss - ((1 - t) * loss[0] + t * loss[-1])))


def plane(
    law: Law, points: Float[Tensor, "3 parameters"], split, *, n: int = 21, margin: float = 0.25, progress: bool = True
) -> Survey:
    """Survey the loss on the plane through three points of weight space.

    θ(x, y) = p₁ + x u + y v with orthonormal u ∥ p₂ − p₁ and v ⊥ u in the plane (Gram–Schmidt).

    Args:
        law: Any law of the same builder.
        points: Three points, such as the ends and the control point of a curve.
        split: Images and labels.
        n: Points along each axis, ≥ 2.
        margin: Extent of the map beyond the points, as a fraction of theirs.
        progress: Show a bar with the time left (from two seconds on).

    Returns:
        The survey of n² positions, x running fastest; `anchors` are the positions of the three points.

    Raises:
        ValueError: Not three points, or three on one line.

    References: Garipov et al. 2018, arXiv 1802.10026, figure 1.
    """
    n, margin = whole(n, "n", least=2), real(margin, "margin", least=0)
    if not isinstance(points, Tensor) or points.ndim != 2 or len(points) != 3:
        raise ValueError("A plane goes through three points, a tensor [3, P]; use torch.stack([a, b, c]).")
    origin, first, second = points.double()
    u = (first - origin) / (first - origin).norm()
    v = (second - origin) - torch.dot(second - origin, u) * u
    if not v.norm() > 1e-6 * (first - origin).norm():  # nan where two points are the same
        raise ValueError("The three points lie on one line and span no plane; take a learned curve's control point.")
    v = v / v.norm()
    axes = torch.stack([u, v])
    anchors = ((points.double() - origin) @ axes.T).cpu()
    low, high = anchors.amin(0), anchors.amax(0)
    reach = margin * (high - low)
    x, y = (torch.linspace(*ends, n, dtype=torch.float64) for ends in zip(low - reach, high + reach, strict=True))
    grid = torch.cartesian_prod(y, x).flip(1)
    where = {"coordinates": grid.numpy(), "anchors": anchors.numpy()}
    return _surveyed(law, grid, lambda some: (origin + some.to(axes) @ axes).float(), split, progress, **where)


def triangle(law: Law, simplex: Simplex, split, *, n: int = 11, progress: bool = True) -> Survey:
    """Survey the loss inside a triangle, on a regular grid of convex coefficients with n points along each edge.

    The arguments are those of `along`, with a simplex of three vertices in place of the curve.

    Returns:
        The survey; `coordinates` are the coefficients, [n(n + 1)/2, 3].

    Raises:
        TypeError: `simplex` isn't a Simplex, or is a complex of several.
        ValueError: The simplex isn't a triangle.
    """
    if isinstance(simplex, SimplicialComplex):  # its vertices don't all belong to one simplex
        raise TypeError("A triangle is a Simplex, not a SimplicialComplex; survey its edges with along().")
    if not isinstance(simplex, Simplex):
        raise TypeError(f"A triangle is a Simplex, not a {type(simplex).__name__}; of a law, pass law.subspace.")
    if simplex.n_vertices != 3:
        raise ValueError(f"A triangle has 3 vertices, this simplex {simplex.n_vertices}; choose three of them.")
    n = whole(n, "n", least=2)
    steps = [(i, j, n - 1 - i - j) for i in range(n) for j in range(n - i)]
    a = torch.tensor(steps, dtype=torch.float32) / (n - 1)
    return _surveyed(law, a, simplex.at, split, progress, coordinates=a.double().numpy())
