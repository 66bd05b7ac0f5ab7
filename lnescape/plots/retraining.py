"""Figures of retraining: how log-odds scatter, what is undecided, u(x), and how slowly it becomes known."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots.style import canvas

DARK, RED, BLUE, PALE = "#000000", "#D55E00", "#0072B2", "#999999"


def log_odds_histograms(
    groups: Mapping[str, tuple[Float[ndarray, "images height width"], Float[ndarray, "networks images"]]],
    *,
    source: str,
    title: str,
) -> Figure:
    """Show how the log-odds of single images scatter over retrainings, beside the normal law of same mean and sd.

    Args:
        groups: {name: (grey images, q of each network)}; one row of panels each, one panel an image.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    columns = max(len(images) for images, _ in groups.values())
    with canvas(columns, 1.3 * len(groups), source, rows=len(groups)) as (figure, axes):
        grid = np.atleast_2d(axes)
        for row, (name, (images, q)) in zip(grid, groups.items(), strict=True):
            for axis, image, own in zip(row, images, q.T, strict=True):
                axis.hist(own, bins=16, density=True, color=PALE, edgecolor="white", linewidth=0.4)
                x = np.linspace(own.min() - own.std(), own.max() + own.std(), 100)
                axis.plot(x, np.exp(-0.5 * ((x - own.mean()) / own.std()) ** 2) / own.std() / np.sqrt(2 * np.pi), DARK)
                if own.min() - own.std() < 0 < own.max() + own.std():
                    axis.axvline(0, color=RED, linestyle="--", linewidth=1)
                axis.set(yticks=[], xlim=(x[0], x[-1] + 0.45 * (x[-1] - x[0])))
                axis.spines["left"].set_visible(False)
                axis.annotate(
                    f"u = {own.std(ddof=1):.2f}", (0.99, 0.06), xycoords="axes fraction", ha="right", fontsize=7
                )
                _thumbnail(axis, image, (0.7, 0.42, 0.3, 0.58))
            row[0].set_ylabel(name)
        for axis in grid[-1]:
            axis.set_xlabel("log-odds q (nat)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _thumbnail(axis: Axes, image: ndarray, place: tuple[float, float, float, float]) -> None:
    inset = axis.inset_axes(place)
    inset.imshow(image, cmap="gray_r")
    inset.axis("off")


def undecided_images(
    images: Float[ndarray, "images height width"],
    contrast: Float[ndarray, "networks images"],
    *,
    names: list[str],
    source: str,
    title: str,
) -> Figure:
    """Show undecided images with their contrast to the runner-up over retrainings; below 0 the decision flips.

    Args:
        images: Grey images.
        contrast: z_c − max z_k of each network.
        names: What each image is called, such as "7 or another".
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    columns = -(-len(images) // 2)
    with canvas(columns, 3.4, source, rows=2) as (figure, axes):
        for axis, image, own, name in zip(axes.flat, images, contrast.T, names, strict=True):
            edges = np.linspace(-np.abs(own).max(), np.abs(own).max(), 17)  # 0 is an edge: no bar holds both decisions
            _, _, bars = axis.hist(own, bins=edges, color=BLUE, edgecolor="white", linewidth=0.4)
            for bar, edge in zip(bars, edges, strict=False):
                if edge < -1e-9:
                    bar.set(facecolor=RED, hatch="///", edgecolor="white")
            axis.set_title(f"{name}: {100 * (own < 0).mean():.0f} % flip", fontsize=8, loc="center")
            axis.set(yticks=[], ylim=(0, 1.7 * axis.get_ylim()[1]))
            axis.spines["left"].set_visible(False)
            _thumbnail(axis, image, (0.36, 0.62, 0.28, 0.38))
        for axis in axes[-1]:
            axis.set_xlabel("contrast (nat)")
        for axis in axes[:, 0]:
            axis.set_ylabel("retrainings")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def u_across_images(
    mean: Mapping[str, Float[ndarray, " images"]],
    u: Mapping[str, Float[ndarray, " images"]],
    *,
    scattered: tuple[str, ...],
    source: str,
    title: str,
) -> Figure:
    """Show u(x) against the mean log-odds, and its distribution for each set of images.

    Args:
        mean: {set: mean log-odds of each image}.
        u: {set: standard deviation of the log-odds}.
        scattered: The sets whose single images are drawn on the left.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    styles = dict(zip(u, ((DARK, "-"), (PALE, (0, (1, 1))), (BLUE, "--"), ("#56B4E9", "-."), (RED, ":")), strict=False))
    with canvas(2, 3.0, source) as (figure, (left, right)):
        for name, marker in zip(scattered, (".", "x"), strict=False):
            left.plot(
                mean[name], u[name], marker, color=styles[name][0], markersize=3, alpha=0.5, label=name, rasterized=True
            )
        left.axvline(0, color=PALE, linestyle="--", linewidth=0.8)
        left.set(xlabel="mean log-odds (nat)", ylabel="u(x), nat", title="each image")
        left.legend(fontsize=8)
        for name, values in u.items():
            colour, line = styles[name]
            share = np.arange(1, len(values) + 1) / len(values)
            right.plot(np.sort(values), 100 * share, color=colour, linestyle=line, linewidth=1.6, label=name)
        right.set(xlabel="u(x), nat", ylabel="images with less (%)", title="all images", ylim=(0, 100))
        right.legend(fontsize=8)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def convergence(
    observed: Mapping[str, tuple[ndarray, ndarray]], theory: tuple[ndarray, ndarray], *, source: str, title: str
) -> Figure:
    """Show how slowly the estimate of u(x) converges with the number of retrainings.

    Args:
        observed: {network: (retrainings, relative standard deviation of the estimate)}.
        theory: The same for normal observations.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    with canvas(1, 3.0, source, width=4.6) as (figure, (axis,)):
        axis.plot(theory[0], 100 * theory[1], color=DARK, label="normal law, √ψ₁(ν/2) / 2")
        axis.plot(theory[0], 100 / np.sqrt(2 * (theory[0] - 1)), color=PALE, linestyle="--", label="GUM, 1/√(2ν)")
        for (name, (n, values)), (marker, colour) in zip(observed.items(), (("o", BLUE), ("^", RED)), strict=False):
            axis.plot(n, 100 * values, marker, color=colour, fillstyle="none", markersize=6, label=f"observed, {name}")
        ticks = [2, 3, 5, 10, 20, 50]
        axis.set(xscale="log", yscale="log", xlabel="retrainings N", title=title)
        axis.set_xticks(ticks, labels=[str(tick) for tick in ticks])
        axis.set_yticks([10, 20, 50, 100], labels=["10", "20", "50", "100"])
        axis.minorticks_off()
        axis.set_ylabel("standard deviation\nof ln u(x) (%)")
        axis.legend(fontsize=8)
    return figure
