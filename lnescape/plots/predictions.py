"""Figures of predictions: scores against cost, images that retrained networks dispute."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots.style import STYLE, canvas


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
    with canvas(len(panels), 3.1, source) as (figure, axes):
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
    with canvas(len(images), 2.5, source) as (figure, axes):
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
