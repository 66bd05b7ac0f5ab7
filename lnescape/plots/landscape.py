"""Figures of the landscape: losses along paths, on planes, in triangles."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots.style import STYLE, WIDTH, canvas


def path_losses(
    panels: Mapping[str, Mapping[str, tuple[ndarray, ndarray]]],
    *,
    source: str,
    title: str,
    quantity: str = "mean loss (nat)",
    logarithmic: bool = True,
) -> Figure:
    """Draw what happens along paths: every path as a thin line, their mean as a thick one.

    Args:
        panels: {panel title: {method: (times [n], values [paths, n])}}.
        source: Title of the data.
        title: The claim of the figure.
        quantity: Label of the vertical axis, with its unit.
        logarithmic: Whether that axis is logarithmic.

    Returns:
        The figure.
    """
    with canvas(len(panels), 2.9, source) as (figure, axes):
        for number, (axis, (heading, methods)) in enumerate(zip(axes, panels.items(), strict=True)):
            for method, (t, values) in methods.items():
                style = {k: v for k, v in STYLE[method].items() if k != "marker"}
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
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def plane_map(
    positions: Float[ndarray, "points 2"],
    loss: Float[ndarray, " points"],
    *,
    anchors: Float[ndarray, "3 2"],
    curve: Float[ndarray, "times 2"],
    source: str,
    title: str,
) -> Figure:
    """Draw the loss on the plane through two networks and the control point of the curve between them.

    Args:
        positions: Where, in weight units, on a regular grid, x running fastest.
        loss: Mean loss, nat.
        anchors: The two networks and the control point.
        curve: Points of the curve, in the same plane.
        source: Title of the data.
        title: The claim of the figure.

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
        axis.set(title=title, xlabel="along the line (weight units)", ylabel="across (weight units)", aspect="equal")
    return figure


def triangle_map(
    coefficients: Float[ndarray, "points 3"], loss: Float[ndarray, " points"], *, source: str, title: str
) -> Figure:
    """Draw the loss inside a triangle of weight space, as an equilateral one.

    Args:
        coefficients: Convex coefficients of the points.
        loss: Mean loss, nat.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
    x, y = (coefficients @ corners).T
    with canvas(1, 3.2, source, width=0.7 * WIDTH) as (figure, (axis,)):
        filled = axis.tricontourf(x, y, loss, levels=12, cmap="cividis")
        figure.colorbar(filled, ax=axis, label="mean test loss (nat)")
        axis.plot(x, y, ".", color="white", markersize=2)
        for number, (corner, place) in enumerate(zip(corners, ("right", "left", "center"), strict=True), 1):
            axis.annotate(
                f"vertex {number}", corner, (0, -12 if number < 3 else 6), textcoords="offset points", ha=place
            )
        axis.set(aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.12, 1.0))
        axis.axis("off")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
