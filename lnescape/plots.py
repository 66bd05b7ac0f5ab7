"""Figures of landscapes, predictions and statements, from arrays. Nothing here trains or reads files.

One colour, one marker and one kind of line belong to each method through the whole course, safe for
colour-blind readers and distinct in grey. Every figure shows the name of its data (`source`).
"""

from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.scores.quality import confidence_bins

__all__ = ["STYLE", "path_losses", "plane_map", "reliability", "statement", "triangle_map"]

# Okabe and Ito's palette; line and marker carry the same distinction in grey.
STYLE: dict[str, dict[str, Any]] = {
    "line": {"color": "#000000", "linestyle": ":", "marker": "x"},
    "matched line": {"color": "#CC79A7", "linestyle": (0, (4, 1)), "marker": "+"},
    "curve": {"color": "#D55E00", "linestyle": "-", "marker": "D"},
    "simplex": {"color": "#0072B2", "linestyle": "--", "marker": "^"},
    "simplex midpoint": {"color": "#56B4E9", "linestyle": (0, (7, 2)), "marker": "v"},
    "deep ensemble": {"color": "#009E73", "linestyle": "-.", "marker": "o"},
    "single network": {"color": "#999999", "linestyle": (0, (1, 3)), "marker": "s"},
}
DARK, RED, BLUE, GREEN, PALE = "#000000", "#D55E00", "#0072B2", "#009E73", "#999999"
WIDTH = 6.3  # inches: the text width of the report
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # carried by matplotlib, so the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "svg.fonttype": "path",
}


@contextmanager
def canvas(columns: int, height: float, source: str, title: str = "", *, width: float = WIDTH, rows: int = 1):
    """Open a figure in the house's style, with its claim above and the name of its data in the corner."""
    import matplotlib.pyplot as plt
    from seaborn import axes_style

    with plt.rc_context(axes_style("ticks") | SETTINGS):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
        yield figure, axes if rows > 1 else axes[0]
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold", wrap=True)
        figure.supxlabel(f"Data: {source}", x=0.995, ha="right", fontsize=7, color="#555555")
        plt.close(figure)  # a notebook then shows it once, as the value of its cell


def path_losses(
    panels: Mapping[str, Mapping[str, tuple[ndarray, ndarray]]], *, source: str, title: str,
    quantity: str = "mean loss (nat)", logarithmic: bool = True,
) -> Figure:  # fmt: skip
    """Draw a quantity along paths: each path as a thin line, their mean as a thick one.

    Args:
        panels: {panel title: {method: (times [n], values [paths, n])}}.
        source: Name of the data.
        title: Claim of the figure.
        quantity: Label of the vertical axis, with its unit.
        logarithmic: Whether that axis is logarithmic.

    Returns:
        The figure.
    """
    with canvas(len(panels), 2.9, source, title) as (figure, axes):
        for number, (axis, (heading, methods)) in enumerate(zip(axes, panels.items(), strict=True)):
            for k, (method, (t, values)) in enumerate(methods.items()):
                style = {"color": f"C{k}"} | STYLE.get(method, {}) | {"marker": None}
                values = np.atleast_2d(values)
                if len(values) > 1:
                    axis.plot(t, values.T, **(style | {"linewidth": 0.6, "alpha": 0.5}))
                axis.plot(t, values.mean(0), **style, linewidth=2, label=f"{method}, n = {len(values)}")
            axis.set(title=heading, xlabel="time t along the path")
            if logarithmic:
                axis.set_yscale("log")
            if not number:
                axis.set_ylabel(quantity)
        axes[0].legend(loc="lower center" if logarithmic else "upper right")
    return figure


def plane_map(
    positions: Float[ndarray, "points 2"], loss: Float[ndarray, " points"], *, anchors: Float[ndarray, "3 2"],
    curve: Float[ndarray, "times 2"], source: str, title: str,
) -> Figure:  # fmt: skip
    """Draw the loss on the plane through two networks and the control point of the curve between them.

    Args:
        positions: Points of a regular grid, in weight units, x running fastest.
        loss: Mean loss, nat.
        anchors: The two networks and the control point.
        curve: Points of the curve, in weight units of the same plane.
        source: Name of the data.
        title: Claim of the figure.

    Returns:
        The figure.
    """
    from matplotlib.colors import LogNorm

    with canvas(1, 2.6, source) as (figure, (axis,)):
        n = len(np.unique(positions[:, 0].round(6)))
        x, y, z = (values.reshape(-1, n) for values in (*positions.T, loss))
        norm = LogNorm(loss.min(), loss.max())
        levels = np.geomspace(loss.min(), loss.max(), 14)
        filled = axis.contourf(x, y, z, levels=levels, cmap="cividis", norm=norm)
        axis.contour(x, y, z, levels=levels, colors="white", linewidths=0.3)
        bar = figure.colorbar(filled, ax=axis, label="mean training loss (nat)", shrink=0.75)
        bar.set_ticks(levels[::3], labels=[f"{level:.2g}" for level in levels[::3]])
        bar.minorticks_off()
        axis.plot(*anchors[:2].T, color="white", linestyle=":", linewidth=2, label="line")
        axis.plot(*curve.T, color="white", linewidth=2, label="learned curve")
        axis.plot(*anchors[:2].T, "o", color="white", markeredgecolor="black", markersize=8)
        for number, (spot, place) in enumerate(zip(anchors[:2], ("left", "right"), strict=True), 1):
            shift = -4 if place == "left" else 4
            style = {"textcoords": "offset points", "ha": place, "va": "top", "color": "white"}
            axis.annotate(f"network {number}", spot, (shift, -6), **style)
        axis.plot(*anchors[2], "D", color="white", markeredgecolor="black", label="control point")
        axis.legend(facecolor="#00204C", labelcolor="white", frameon=True, loc="upper right", fontsize=8)
        axis.set_title(title, fontweight="bold")
        axis.set(xlabel="along the line (distance in weights)", ylabel="across it", aspect="equal")
    return figure


def triangle_map(
    coefficients: Float[ndarray, "points 3"], loss: Float[ndarray, " points"], *, source: str, title: str
) -> Figure:
    """Draw the loss inside a triangle of weight space, as an equilateral one.

    Args:
        coefficients: Convex coefficients of the points.
        loss: Mean loss, nat.
        source: Name of the data.
        title: Claim of the figure.

    Returns:
        The figure.
    """
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
    x, y = (coefficients @ corners).T
    with canvas(1, 3.2, source, title, width=0.7 * WIDTH) as (figure, (axis,)):
        filled = axis.tricontourf(x, y, loss, levels=12, cmap="cividis")
        figure.colorbar(filled, ax=axis, label="mean test loss (nat)")
        axis.plot(x, y, ".", color="white", markersize=2)
        for number, (corner, place) in enumerate(zip(corners, ("right", "left", "center"), strict=True), 1):
            axis.annotate(
                f"vertex {number}", corner, (0, -12 if number < 3 else 6), textcoords="offset points", ha=place
            )
        axis.set(aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.12, 1.0))
        axis.axis("off")
    return figure


def reliability(logp, labels, *, n_bins: int = 15, bins: str = "mass", source: str, title: str) -> Figure:
    """Draw the share of right decisions against the top probability, bin by bin (a reliability diagram).

    Args:
        logp: Log-probabilities in nat, of members or of one prediction.
        labels: Right classes.
        n_bins: Number of bins, ≥ 1.
        bins: "mass" or "width", as in `scores.calibration_error`.
        source: Name of the data.
        title: Claim of the figure.

    Returns:
        The figure; bars are one standard uncertainty of the share, √(p̄(1 − p̄)/n), p̄ the mean top probability of a bin.

    References: Guo et al. 2017, arXiv 1706.04599, figure 4.
    """
    confidence, right, placed = (part.cpu().numpy() for part in confidence_bins(logp, labels, n_bins, bins))
    n = np.bincount(placed)
    mean, share = (np.bincount(placed, part)[n > 0] / n[n > 0] for part in (confidence, right))
    with canvas(1, 3.1, source, title, width=0.5 * WIDTH) as (figure, (axis,)):
        axis.plot([0, 1], [0, 1], color=PALE, linewidth=1, label="calibrated")
        u = np.sqrt(mean * (1 - mean) / n[n > 0])
        axis.errorbar(mean, share, u, color=BLUE, marker="o", markersize=4, linestyle="", capsize=2)
        axis.set(xlabel="mean top probability of a bin", ylabel="share right", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.legend(fontsize=8)
    return figure


def statement(stated, *, n: int = 40, title: str) -> Figure:
    """Draw a statement: intervals of some inputs, in the order of q̄, and the distribution of u(x) over all inputs.

    Args:
        stated: A `Statement`; one row of panels for each output.
        n: Number of inputs whose intervals are drawn, spaced evenly in the order of q̄.
        title: Claim of the figure.

    Returns:
        The figure.
    """
    k, limits, risk = len(stated.units), stated.limits, stated.risk
    mean, spread, low, high = (
        values.reshape(-1, k)
        for values in (stated.evaluation.mean, stated.spread, *stated.evaluation.interval(stated.level))
    )
    doubted = np.zeros(mean.shape, bool) if risk is None else risk.reshape(-1, k) > 0.05
    labels = ("sure", "decision may flip") if limits is None else ("within limits", "may fall outside")
    with canvas(2, 2.8 * k, stated.title, title, rows=k) as (figure, axes):
        for j, (left, right) in enumerate([axes] if k == 1 else axes):
            order = np.argsort(mean[:, j])
            rows = order[np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)]
            doubtful = doubted[rows, j]
            for mask, colour, marker, label in ((~doubtful, BLUE, "o", labels[0]), (doubtful, RED, "^", labels[1])):
                x = np.flatnonzero(mask)
                left.vlines(x, low[rows[mask], j], high[rows[mask], j], color=colour, linewidth=1.2)
                left.plot(x, mean[rows[mask], j], marker, color=colour, markersize=3.5, label=label)
            lines = np.zeros((1, k)) if limits is None else np.broadcast_to(limits.reshape(2, -1), (2, k))
            if risk is not None:
                for line in lines[:, j]:
                    left.axhline(line, color=DARK, linewidth=0.6)
                left.legend(fontsize=8)
            unit = f" ({stated.units[j]})" if stated.units[j] else ""
            name = stated.outputs[j] if stated.outputs else stated.quantity if stated.chosen is None else "q"
            left.set(xlabel="some inputs, by q̄", ylabel=f"{name}{unit}", xticks=[])
            left.set_title(f"q̄ and {100 * stated.level:.4g} % interval")
            right.hist(spread[:, j], bins=40, color=PALE)
            name = "u" if stated.dof > 2 else "σ̃"
            right.set(xlabel=f"{name}(x){unit}, $\\nu_\\mathrm{{eff}}$ = {stated.dof:.1f}", ylabel="inputs")
            right.set_title("all inputs")
    return figure
