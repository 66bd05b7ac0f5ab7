"""Figures over all pairs of data and network: what a few ways are worth on each, for u(x) and for the score."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from lnescape.plots.methods import LOOKS
from lnescape.plots.style import canvas, legend_below

DARK, PALE = "#000000", "#999999"
_BELOW = (0.6, 0.7, 0.83)  # where what is below one member stands, in turn, so that neighbours can be told apart
_FAR = 75.0  # REN at the right edge; an interval without an upper end runs into it
_FILLS = {"short ensemble": "none"}  # of the deep ensemble's colour, and nearly of its shape
_LOOKS = (("x", PALE), ("s", "#0072B2"), ("o", DARK), ("^", "#D55E00"), ("D", "#009E73"), ("v", "#CC79A7"))


def worth_on_pairs(
    found: Mapping[str, Mapping[str, Mapping[int, tuple[float, float, float]]]], *, source: str, title: str
) -> Figure:
    """Show what a few sets of covariates are worth on every pair of data and network, one panel for each M.

    Args:
        found: {pair: {covariates: {M: (REN, low, high)}}}; a set that wasn't measured on a pair may be missing there.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    sets = list(dict.fromkeys(name for table in found.values() for name in table))
    sizes = sorted({m for table in found.values() for row in table.values() for m in row})
    step = len(sets) + 1
    with canvas(len(sizes), 0.13 * step * len(found) + 1.1, source) as (figure, axes):
        for axis, m in zip(axes, sizes, strict=True):
            for k, (name, (marker, colour)) in enumerate(zip(sets, _LOOKS, strict=False)):
                rows = [(n * step + k, *t[name][m]) for n, t in enumerate(found.values()) if m in t.get(name, {})]
                for y, value, low, high in rows:
                    axis.plot(np.minimum([low, high], _FAR), [y, y], color=colour, linewidth=1)
                    axis.plot(min(value, _FAR), y, marker, color=colour, markersize=4.5)
                axis.plot([], [], marker, color=colour, markersize=4.5, label=name)
            axis.axvline(m, color=PALE, linewidth=0.8, linestyle=":")
            axis.axvline(30, color=PALE, linewidth=0.8, linestyle="--")
            for n in range(1, len(found)):
                axis.axhline(n * step - 1, color=PALE, linewidth=0.3)
            axis.set(xscale="log", title=f"M = {m}", xlabel="REN, retrainings", ylim=(len(found) * step - 1, -1))
            axis.set(xlim=(1.7, _FAR))
            axis.set_xticks([2, 3, 5, 10, 20, 30, 50], labels=["2", "3", "5", "10", "20", "30", "50"])
            axis.minorticks_off()
            labels = list(found) if axis is axes[0] else [""] * len(found)
            axis.set_yticks([n * step + (len(sets) - 1) / 2 for n in range(len(found))], labels=labels)
            axis.tick_params(axis="y", length=0)
        handles, labels = axes[0].get_legend_handles_labels()
        legend_below(figure, handles, labels, columns=5)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def equivalents_on_pairs(
    pairs: Mapping[str, Mapping[str, Mapping[str, Mapping]]], *, largest: Mapping[str, int], source: str, title: str
) -> Figure:
    """Show the deep-ensemble equivalent of every method at each budget, one panel for each pair of data and network.

    Args:
        pairs: {pair: {method: {budget in trainings: its "dee" with "value"}}}; a method that diverged has none.
        largest: {pair: members of its largest ensemble}; what is beyond stands at the upper edge, what is below one
            member in the grey field.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    columns = min(3, len(pairs))
    lines = -(-len(pairs) // columns)
    ways = list(dict.fromkeys(way for table in pairs.values() for way in table))
    shift = dict(zip(ways, np.linspace(-0.36, 0.36, len(ways)), strict=True))
    with canvas(columns, 0.4 + 2.3 * lines, source, rows=lines) as (figure, axes):
        flat: Sequence = list(np.ravel(axes))
        for axis, (name, table) in zip(flat, pairs.items(), strict=False):
            budgets = list(next(iter(table.values())))
            top = 1.15 * largest[name]
            axis.axhspan(0.5, 1, color="#EEEEEE", linewidth=0)
            for x, budget in enumerate(budgets):
                axis.plot([x - 0.45, x + 0.45], [max(1.0, float(budget))] * 2, "--", color=DARK, linewidth=0.8)
                for way in (way for way in table if "dee" in table[way].get(budget, {})):
                    dee = table[way][budget]["dee"]["value"]
                    height = min(dee, top) if dee >= 1 else _BELOW[ways.index(way) % len(_BELOW)]
                    colour, marker = LOOKS[way]
                    axis.plot(x + shift[way], height, marker, color=colour, markersize=4.5, fillstyle=_FILLS.get(way))
            ticks = [t for t in (1, 2, 3, 5, 10, 20) if t < largest[name]]
            axis.set(yscale="log", ylim=(0.5, 1.1 * top), title=name, xlim=(-0.5, len(budgets) - 0.5))
            axis.set_yticks([_BELOW[1], *ticks, top], labels=["< 1", *map(str, ticks), f"≥ {largest[name]}"])
            axis.minorticks_off()
            axis.set_xticks(range(len(budgets)), labels=budgets)
            axis.set(xlabel="cost (trainings)", ylabel="DEE (members)" if axis in flat[::columns] else "")
        look = {way: {"marker": LOOKS[way][1], "color": LOOKS[way][0], "fillstyle": _FILLS.get(way)} for way in ways}
        marks = [flat[0].plot([], [], linestyle="", markersize=4.5, **look[way])[0] for way in ways]
        for axis in flat[len(pairs) :]:
            axis.axis("off")
        if len(flat) > len(pairs):
            flat[-1].legend(marks, ways, loc="center", fontsize=7)
        else:
            figure.legend(marks, ways, loc="outside right center", fontsize=7)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
