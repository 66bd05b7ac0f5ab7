"""Figures from arrays; nothing here trains or reads files.

One colour, one marker and one kind of line belong to each method through the whole course, safe for
colour-blind readers and distinct in grey. Every figure shows the name of its data (`source`).
"""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.results import figures_folder, live_folder

# Okabe and Ito's palette; line and marker carry the same distinction in grey.
STYLE = {
    "line": {"color": "#000000", "linestyle": ":", "marker": "x"},
    "curve": {"color": "#D55E00", "linestyle": "-", "marker": "D"},
    "simplex": {"color": "#0072B2", "linestyle": "--", "marker": "^"},
    "simplex midpoint": {"color": "#56B4E9", "linestyle": (0, (7, 2)), "marker": "v"},
    "deep ensemble": {"color": "#009E73", "linestyle": "-.", "marker": "o"},
    "single network": {"color": "#999999", "linestyle": (0, (1, 3)), "marker": "s"},
}
WIDTH = 6.3  # inches: the text width of the report
_SETTINGS = {
    "font.family": "DejaVu Sans",  # carried by matplotlib, so the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "svg.hashsalt": "lnescape",  # the same picture gives the same file
    "svg.fonttype": "path",
}


@contextmanager
def _canvas(columns: int, height: float, source: str, *, width: float = WIDTH):
    """Open a figure in the house's style, and name the data in its corner."""
    import matplotlib.pyplot as plt
    from seaborn import axes_style

    with plt.rc_context(axes_style("ticks") | _SETTINGS):
        figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False, layout="constrained")
        yield figure, axes[0]
        figure.supxlabel(f"Data: {source}", x=0.995, ha="right", fontsize=7, color="#555555")
        plt.close(figure)  # a notebook then shows it once, as the value of its cell


def _write(figure: Figure, folder: Path, name: str) -> None:
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.part"
    with plt.rc_context(_SETTINGS):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    temporary.replace(folder / f"{name}.svg")


def save(figure: Figure, name: str) -> Figure:
    """Write a figure of the report to report/figures/NAME.svg, byte for byte the same each time.

    Args:
        figure: The figure.
        name: Number of its notebook and a word, such as "03_barrier".

    Returns:
        The figure, to be shown.
    """
    _write(figure, figures_folder(), name)
    return figure


def save_live(figure: Figure, name: str) -> Figure:
    """Write a figure of what was trained just now to report/live/NAME.svg, for the run sheet.

    Args:
        figure: The figure.
        name: Number of its notebook and a word, such as "03_barrier".

    Returns:
        The figure, to be shown.
    """
    _write(figure, live_folder(), name)
    return figure


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
    with _canvas(len(panels), 2.9, source) as (figure, axes):
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

    with _canvas(1, 2.6, source) as (figure, (axis,)):
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
        for name, spot, side in zip(("network 1", "network 2"), anchors, (-1, 1), strict=False):
            place = "right" if side < 0 else "left"
            axis.annotate(name, spot, (8 * side, 4), textcoords="offset points", ha=place, color="white")
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
    with _canvas(1, 3.2, source, width=0.7 * WIDTH) as (figure, (axis,)):
        filled = axis.tricontourf(x, y, loss, levels=12, cmap="cividis")
        figure.colorbar(filled, ax=axis, label="mean test loss (nat)")
        axis.plot(x, y, ".", color="white", markersize=2)
        for number, (corner, place) in enumerate(zip(corners, ("right", "left", "center"), strict=True), 1):
            axis.annotate(
                f"vertex {number}", corner, (0, -12 if number < 3 else 6), textcoords="offset points", ha=place
            )
        axis.set(title=title, aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.12, 1.0))
        axis.axis("off")
    return figure


def score_against_cost(
    panels: Mapping[str, tuple[ndarray, Mapping[str, tuple[float, ndarray]]]], *, source: str, title: str
) -> Figure:
    """Draw a score against what it cost: deep ensembles as the line to beat, other methods as points.

    Args:
        panels: {panel title: (NLL of ensembles of 1, 2, … members, {method: (cost in trainings, NLL of each
            repetition)})}.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    with _canvas(len(panels), 3.1, source) as (figure, axes):
        for axis, (heading, (ensemble, methods)) in zip(axes, panels.items(), strict=True):
            cost = np.arange(1, len(ensemble) + 1)
            axis.plot(cost, ensemble, **STYLE["deep ensemble"], label="deep ensemble", markersize=4)
            for method, (trainings, values) in methods.items():
                style = {k: v for k, v in STYLE[method].items() if k != "linestyle"}
                axis.plot(np.full(len(values), trainings), values, **style, linestyle="", markersize=4, alpha=0.35)
                # Beside the raw points: the mean, with one standard uncertainty of it.
                u = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
                axis.errorbar(
                    trainings + 0.25, np.mean(values), u, **style, capsize=3, label=f"{method}, n = {len(values)}"
                )
            axis.set(title=heading, xlabel="cost (trainings)", xticks=cost)
            axis.legend(fontsize=8)
        axes[0].set_ylabel("test loss (nat)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def disputed_images(
    images: Float[ndarray, "images height width"],
    probabilities: Float[ndarray, "images networks classes"],
    *,
    classes: Sequence[str],
    source: str,
    title: str,
) -> Figure:
    """Show images on which retrained networks disagree, with what each network says of each.

    Args:
        images: Grey images.
        probabilities: p_m(class | image).
        classes: Names of the classes.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    with _canvas(len(images), 2.5, source) as (figure, axes):
        for number, (axis, image, p) in enumerate(zip(axes, images, probabilities, strict=True)):
            place = axis.inset_axes((0.2, 1.02, 0.6, 0.6))
            place.imshow(image, cmap="gray_r")
            place.axis("off")
            _bars(axis, p, classes)
            if number:
                axis.set_yticks([])
        axes[0].set_ylabel("probability")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _bars(axis: Axes, p: Float[ndarray, "networks classes"], classes: Sequence[str]) -> None:
    """Draw, for the three most probable classes, one bar a network."""
    top = np.argsort(p.mean(0))[::-1][:3]
    shades = ["#000000", "#0072B2", "#56B4E9", "#999999", "#CCCCCC"]
    wide = 0.8 / len(p)
    for row, own in enumerate(p):
        axis.bar(np.arange(3) + (row - (len(p) - 1) / 2) * wide, own[top], wide, color=shades[row % len(shades)])
    axis.set(ylim=(0, 1), xticks=range(3), xticklabels=[classes[c] for c in top])
