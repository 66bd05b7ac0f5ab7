"""Figures that compare methods: what each is worth at each cost, how its members differ, what a weight does."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots.style import STYLE, canvas

# Colour of the family, as elsewhere in the course where it has one there; a marker of its own for each method.
LOOKS = {
    "deep ensemble": (STYLE["deep ensemble"]["color"], "o"),
    "short ensemble": (STYLE["deep ensemble"]["color"], "8"),
    "snapshots": ("#CC79A7", "<"),
    "FGE": ("#CC79A7", ">"),
    "mode curve": (STYLE["curve"]["color"], "D"),
    "learned line": (STYLE["line"]["color"], "x"),
    "learned curve": (STYLE["curve"]["color"], "d"),
    "learned triangle": (STYLE["simplex"]["color"], "^"),
    "ESPRO": (STYLE["simplex midpoint"]["color"], "v"),
    "SPRO": (STYLE["simplex midpoint"]["color"], "p"),
    "SWAG": ("#CC79A7", "P"),
    "Laplace": ("#555555", "*"),
    "dropout": ("#555555", "h"),
}
_LEFT, _RIGHT = 0.6, 1.25  # where "below one" and "beyond the largest" stand; the second in parts of the largest
_EDGE = 0.25  # left end of the axis: between it and _LEFT numbers stand where nothing else is drawn
# Networks are told apart by the filling of the marker, so that a copy in grey reads as well.
_FILLS = ("full", "none")


def equivalents(
    networks: Mapping[str, Mapping[str, Mapping[str, Mapping]]],
    budgets: Sequence[str],
    *,
    largest: int,
    single: Mapping[str, float],
    source: str,
    title: str,
) -> Figure:
    """Draw what every method is worth, in members of a deep ensemble, at each budget; the line to beat is dashed.

    Args:
        networks: {network: {method: {budget: its "cll" and "dee": value, low, high, bases}}}; a method that diverged
            has neither.
        budgets: One panel each, in trainings.
        largest: Members of the largest ensemble; what is beyond it stands at the right edge. What is below one member
            stands in the grey field at the left, with the number of mnat by which it is, at its left.
        single: {network: CLL of one network, nat}.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    ways = list(next(iter(networks.values())))
    with canvas(len(budgets), 0.9 + 0.33 * len(ways), source) as (figure, axes):
        for axis, budget in zip(axes, budgets, strict=True):
            axis.axvspan(_EDGE, 1, color="#EEEEEE", linewidth=0)
            for number, (network, table) in enumerate(networks.items()):
                look = {"marker": "os"[number], "fillstyle": _FILLS[number], "linestyle": "", "markersize": 5}
                for row, way in enumerate(ways):
                    _worth(axis, row + 0.18 * (2 * number - 1), way, table[way][budget], single[network], largest, look)
            axis.axvline(max(1.0, float(budget)), color="#000000", linestyle="--", linewidth=0.8)
            for row in range(len(ways) - 1):
                axis.axhline(row + 0.5, color="#DDDDDD", linewidth=0.5)
            right = _RIGHT * largest
            axis.set(xscale="log", xlim=(_EDGE, right * 1.1), ylim=(len(ways) - 0.5, -0.5))
            ticks = [t for t in (1, 2, 3, 5) if t < largest]
            axis.set_xticks([_LEFT, *ticks, right], ["< 1", *map(str, ticks), f"≥ {largest}"], fontsize=7)
            axis.minorticks_off()
            axis.set(title=f"{budget} training{'' if budget == '1' else 's'}", yticks=range(len(ways)), yticklabels=[])
        axes[0].set_yticklabels(ways)
        axes[len(axes) // 2].set_xlabel("deep-ensemble equivalent (members)")
        marks = [axes[0].plot([], [], "os"[k], color="#333333", fillstyle=_FILLS[k])[0] for k in range(len(networks))]
        figure.legend(marks, list(networks), fontsize=8, loc="outside lower left", ncols=len(networks))
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _mnat(difference: float) -> str:
    return f"{1000 * difference:+.1f}" if abs(difference) < 0.1 else f"{1000 * difference:+.0f}"


def _worth(axis: Axes, height: float, way: str, row: Mapping, single: float, largest: int, look: Mapping) -> None:
    """Draw one method at one budget: band, symbol, a tick for each base."""
    if "dee" not in row:
        axis.text(_EDGE, height, " diverged", fontsize=6, va="center")
        return
    dee = row["dee"]
    low, value, high, *bases = np.clip([dee["low"], dee["value"], dee["high"], *dee["bases"]], _LEFT, _RIGHT * largest)
    axis.plot([low, high], [height] * 2, color=LOOKS[way][0], linewidth=1)
    axis.plot(value, height, color=LOOKS[way][0], **look)
    axis.plot(bases, [height] * len(bases), "|", color="#000000", markersize=6, markeredgewidth=0.7)
    if value == _LEFT:
        axis.text(_LEFT * 0.86, height, _mnat(float(row["cll"]) - single), fontsize=6, va="center", ha="right")


def diversity(
    networks: Mapping[str, Mapping[str, tuple[float, float]]], *, least: float, source: str, title: str
) -> Figure:
    """Draw how much the members of each method differ against how good one member is.

    Args:
        networks: {network: {method: (mean accuracy of a member in %, share of images in % on which two differ)}}.
        least: Accuracy in % below which a method is named in the corner instead of drawn.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    with canvas(len(networks), 3.4, source) as (figure, axes):
        for axis, (network, table) in zip(axes, networks.items(), strict=True):
            for way, (accuracy, differ) in table.items():
                color, marker = LOOKS[way]
                shown = ([accuracy], [differ]) if accuracy >= least else ([], [])
                axis.plot(*shown, color=color, marker=marker, linestyle="", markersize=6, label=way)
            below = [f"{way}: {accuracy:.0f} %" for way, (accuracy, _) in table.items() if accuracy < least]
            if below:
                words = "\n".join([f"below {least:g} %:", *below])
                axis.text(0.03, 0.03, words, transform=axis.transAxes, fontsize=7, va="bottom")
            axis.set(title=network, xlabel="mean accuracy of a member (%)")
        axes[0].set_ylabel("two members disagree on (%)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=7)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def weight_sweep(
    weights: Float[ndarray, " weights"],
    panels: Mapping[str, Mapping[str, Float[ndarray, " weights"]]],
    *,
    label: str,
    source: str,
    title: str,
) -> Figure:
    """Draw quantities against the weight of a penalty; the weight 0 stands at the left, apart.

    Args:
        weights: Ascending, the first of them 0.
        panels: {quantity with its unit: {kind of training: its values}}.
        label: Name of the weight.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    looks = [{"color": "#0072B2", "linestyle": "-", "marker": "o"},
             {"color": "#D55E00", "linestyle": "--", "marker": "s", "fillstyle": "none"}]  # fmt: skip
    decades = np.log10(weights[1:])
    x = np.concatenate([[decades[0] - 1.5], decades])
    with canvas(len(panels), 2.7, source) as (figure, axes):
        for axis, (quantity, kinds) in zip(axes, panels.items(), strict=True):
            for look, (kind, values) in zip(looks, kinds.items(), strict=False):
                axis.plot(x[:1], values[:1], **look | {"linestyle": ""}, markersize=4)
                axis.plot(x[1:], values[1:], **look, markersize=4, label=kind)
            shown = decades[:: max(1, len(decades) // 4)]
            axis.set_xticks([x[0], *shown], ["0", *(f"$10^{{{round(d)}}}$" for d in shown)])
            axis.set(title=quantity, xlabel=label)
        if len(next(iter(panels.values()))) > 1:
            axes[0].legend(fontsize=8)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
