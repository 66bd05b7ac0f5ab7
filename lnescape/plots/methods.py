"""Figures that compare methods: what each is worth at each cost, how its members differ, what a weight does."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
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
# Networks are told apart by the filling of the marker, so that a copy in grey reads as well.
_FILLS = ("full", "none")


def equivalents(
    networks: Mapping[str, Mapping[str, Mapping[str, Mapping]]], budgets: Sequence[str], *, largest: int, source: str,
    title: str,
) -> Figure:  # fmt: skip
    """Draw what every method is worth, in members of a deep ensemble, at each budget; the line to beat is dashed.

    Args:
        networks: {network: {method: {budget: its "dee": value, low, high, bases}}}; a method that diverged has none.
        budgets: One panel each, in trainings.
        largest: Members of the largest ensemble; what is beyond it stands at the right edge, what is below one member
            at the left.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    ways = list(next(iter(networks.values())))
    left, right = 0.8, 1.25 * largest

    def place(members: float) -> float:
        return float(np.clip(members, left, right))

    with canvas(len(budgets), 0.7 + 0.33 * len(ways), source) as (figure, axes):
        for axis, budget in zip(axes, budgets, strict=True):
            for number, table in enumerate(networks.values()):
                shift = 0.18 * (1 - 2 * number)
                for row, way in enumerate(ways):
                    dee = table[way][budget].get("dee")
                    if dee is None:
                        axis.text(left, row + shift, " diverged", fontsize=6, va="center")
                        continue
                    style = {"color": LOOKS[way][0], "marker": "os"[number], "fillstyle": _FILLS[number]}
                    values = [place(dee[name]) for name in ("low", "value", "high")]
                    axis.plot(values[::2], [row + shift] * 2, color=style["color"], linewidth=1)
                    axis.plot(values[1], row + shift, **style, linestyle="", markersize=5)
                    axis.plot([place(own) for own in dee["bases"]], [row + shift] * len(dee["bases"]), "|",
                              color="#000000", markersize=6, markeredgewidth=0.7)  # fmt: skip
            axis.axvline(max(1.0, float(budget)), color="#000000", linestyle="--", linewidth=0.8)
            for row in range(len(ways)):
                axis.axhline(row + 0.5, color="#DDDDDD", linewidth=0.5)
            axis.set(xscale="log", xlim=(left * 0.93, right * 1.07), ylim=(len(ways) - 0.5, -0.5))
            ticks = [1, 2, 3, 5, largest]
            axis.set_xticks([left, *ticks, right], ["< 1", *map(str, ticks[:-1]), "", f"≥ {largest}"], fontsize=7)
            axis.minorticks_off()
            axis.set(title=f"{budget} trainings", yticks=range(len(ways)), yticklabels=[])
        axes[0].set_yticklabels(ways)
        axes[len(axes) // 2].set_xlabel("deep-ensemble equivalent (members)")
        for number, network in enumerate(networks):
            axes[-1].plot([], [], "os"[number], color="#333333", fillstyle=_FILLS[number], label=network)
        axes[-1].legend(fontsize=7, loc="lower right")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def diversity(
    networks: Mapping[str, Mapping[str, tuple[float, float]]], *, source: str, title: str
) -> Figure:  # fmt: skip
    """Draw how much the members of each method differ against how good one member is.

    Args:
        networks: {network: {method: (mean accuracy of a member in %, share of images in % on which two differ)}}.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    with canvas(len(networks), 3.4, source) as (figure, axes):
        for axis, (network, table) in zip(axes, networks.items(), strict=True):
            for way, (accuracy, differ) in table.items():
                color, marker = LOOKS[way]
                axis.plot(accuracy, differ, color=color, marker=marker, linestyle="", markersize=6, label=way)
            axis.set(title=network, xlabel="mean accuracy of a member (%)", yscale="log")
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
