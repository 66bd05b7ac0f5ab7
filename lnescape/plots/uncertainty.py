"""Figures of u(x) from few retrainings: what each covariate brings, at what cost, coverage, budget, a statement."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots.style import canvas, legend_below

DARK, RED, BLUE, GREEN, PALE = "#000000", "#D55E00", "#0072B2", "#009E73", "#999999"
OF_SIZE = {2: ("o", BLUE), 3: ("^", RED), 4: ("s", GREEN)}  # marker and colour for M retrainings
LARGER = ("D", DARK)
OF_NETWORK = (("o", BLUE), ("^", RED), ("s", GREEN), ("D", DARK), ("v", PALE))


def covariate_worth(
    found: Mapping[str, Mapping[str, Mapping[int, tuple[float, float, float]]]], *, source: str, title: str
) -> Figure:
    """Show what each set of covariates is worth, in retrainings, for two and three real ones.

    Args:
        found: {network: {covariates: {M: (REN, low, high)}}}; rows in the order of the first network.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    rows = list(next(iter(found.values())))
    ticks = [2, 5, 10, 30, 100] if len(found) > 2 else [2, 3, 5, 10, 20, 30, 50]  # narrow panels have room for few
    with canvas(len(found), 0.21 * len(rows) + 0.9, source) as (figure, axes):
        for axis, (name, table) in zip(axes, found.items(), strict=True):
            for k, row in enumerate(rows):
                for m, (value, low, high) in table.get(row, {}).items():
                    marker, colour = OF_SIZE.get(m, LARGER)
                    y = k + 0.14 * (m - 2.5)
                    axis.plot([low, high], [y, y], color=colour, linewidth=1)
                    axis.plot(value, y, marker, color=colour, markersize=4, label=f"M = {m}" if k == 0 else None)
            for m in (2, 3):
                axis.axvline(m, color=OF_SIZE[m][1], linewidth=0.7, linestyle=":")
            axis.axvline(30, color=PALE, linewidth=0.8, linestyle="--")
            axis.set(xscale="log", title=name, xlabel="REN, retrainings", ylim=(len(rows) - 0.4, -0.6))
            right = axis.get_xlim()[1]
            shown = [tick for tick in ticks if tick < right]
            axis.set_xticks(shown, labels=map(str, shown))
            axis.minorticks_off()
            axis.set_yticks(range(len(rows)), labels=rows if axis is axes[0] else [""] * len(rows), fontsize=7.5)
            axis.grid(axis="y", linewidth=0.3, color=PALE)
        below_the_names = {"loc": "upper right", "bbox_to_anchor": (-0.03, 0), "borderaxespad": 0.5}
        axes[0].legend(fontsize=8, **below_the_names)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def frontier(
    entries: Mapping[str, Sequence[tuple[int, float, float, str]]], *, source: str, title: str, target: float = 30
) -> Figure:
    """Show REN against the whole cost in trainings, and what the same cost buys as plain retrainings.

    Args:
        entries: {network: (M, whole cost, REN, what is written beside it or "")}.
        source: Title of the data.
        title: The claim of the figure.
        target: REN of the gate.

    Returns:
        The figure.
    """
    lines = -(-len(entries) // 3)  # at most three panels side by side
    columns = -(-len(entries) // lines)
    many = len(entries) > 2  # then the panels share their scales, and are labelled at the edges only
    last = max(cost for rows in entries.values() for _, cost, _, _ in rows) + 0.5
    with canvas(columns, 3.2 if lines == 1 else 2.7 * lines, source, rows=lines) as (figure, grid):
        axes = list(np.ravel(grid))
        for axis, (name, rows) in zip(axes, entries.items(), strict=False):
            top = last if many else max(cost for _, cost, _, _ in rows) + 0.5
            line = np.linspace(2, top, 50)
            axis.plot(line, line, color=DARK, linestyle="--", linewidth=1, label="more plain retrainings")
            axis.axhline(target, color=PALE, linewidth=0.8, linestyle=":")
            best = 0.0
            for m, cost, ren, text in sorted(rows, key=lambda row: (row[1], -row[2])):
                marker, colour = OF_SIZE.get(m, LARGER)
                reached = ren > best
                best = max(best, ren)
                axis.plot(cost, ren, marker, color=colour, markersize=5, fillstyle="full" if reached else "none")
                if text:  # left of what costs nothing beside the M networks, where no other symbol is
                    place = {"xytext": (-5, -2), "ha": "right"} if cost == m else {"xytext": (4, 3)}
                    axis.annotate(text, (cost, ren), textcoords="offset points", fontsize=6.5, **place)
            for m in sorted({row[0] for row in rows}):
                marker, colour = OF_SIZE.get(m, LARGER)
                axis.plot([], [], marker, color=colour, label=f"M = {m}", markersize=5)
            axis.set(yscale="log", title=name, xlabel="cost, trainings in all", ylabel="REN, retrainings")
            axis.set(xlim=(0 if many else 1, top), xticks=range(1, int(top) + 1))
            axis.set_yticks([2, 3, 5, 10, 20, 30, 50], labels=["2", "3", "5", "10", "20", "30", "50"])
            axis.minorticks_off()
        for axis in axes[len(entries) :]:
            axis.axis("off")
        if not many:
            axes[0].legend(fontsize=7.5, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.2))
        else:
            ends = [axis.get_ylim() for axis in axes[: len(entries)]]
            for k, axis in enumerate(axes[: len(entries)]):
                axis.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
                axis.set_xlabel(axis.get_xlabel() if k + columns >= len(entries) else "")
                if k % columns:
                    axis.set_ylabel("")
                    axis.tick_params(labelleft=False)
            legend_below(figure, *axes[0].get_legend_handles_labels(), columns=4)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def coverage(
    deciles: Mapping[str, Mapping[str, Sequence[float]]],
    flips: Mapping[str, tuple[ndarray, ndarray]],
    *,
    source: str,
    title: str,
) -> Figure:
    """Show the coverage of intervals by decile of the predicted u, and foreseen against observed flips.

    Args:
        deciles: {network: {evaluation: coverage in per cent of each decile}}.
        flips: {network: (foreseen, observed share of retrainings that decide otherwise)}; of two networks, on test
            images and altered ones, as the studies store them, and as the figure says.
        source: Title of the data.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    looks = (("x", PALE, ":"), ("o", BLUE, "-"), ("^", RED, "--"))
    many = len(deciles) > 2  # then panels are narrow
    with canvas(len(deciles) + 1, 3.1, source) as (figure, axes):
        for axis, (name, rows) in zip(axes, deciles.items(), strict=False):
            axis.axhspan(93, 97, color=PALE, alpha=0.25, linewidth=0)
            axis.axhline(95, color=DARK, linewidth=0.6)
            for (label, values), (marker, colour, line) in zip(rows.items(), looks, strict=False):
                axis.plot(range(1, 11), values, line, marker=marker, color=colour, markersize=4, label=label)
            axis.set(title=name, xlabel="decile of u" if many else "decile of the stated u", ylim=(50, 101))
            if many and axis is not axes[0]:
                axis.tick_params(labelleft=False)
        axes[0].set_ylabel("retrainings inside (%)")
        last = axes[-1]
        last.plot([0, 1], [0, 1], color=DARK, linewidth=0.6)
        for (name, (said, seen)), (marker, colour) in zip(flips.items(), OF_NETWORK, strict=False):
            last.plot(said, seen, marker, color=colour, markersize=5, label=name)
        last.set(title="decisions, M = 2", xlabel="foreseen risk to flip", ylabel="observed", xlim=(0, 1), ylim=(0, 1))
        close = (
            {"fontsize": 6.5, "handlelength": 1.2, "handletextpad": 0.4, "borderpad": 0} if many else {"fontsize": 7.5}
        )
        axes[0].legend(loc="lower right", **close)
        marks, names = last.get_legend_handles_labels()
        nothing = last.plot([], [], linestyle="")
        legend_below(figure, [*nothing, *marks], ["decisions (test and altered images):", *names], columns=4)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def budget(parts: Mapping[str, tuple[float, float]], *, source: str, title: str, unit: str = "nat²") -> Figure:
    """Show a budget of uncertainty as bars: the variance that each source brings.

    Args:
        parts: {source: (variance, its standard uncertainty)}.
        source: Title of the data.
        title: The claim of the figure.
        unit: Of the variances.

    Returns:
        The figure.
    """
    hatches = ("", "///", "...", "xxx", "\\\\\\", "++")
    with canvas(1, 0.42 * len(parts) + 0.9, source, width=5.6) as (figure, (axis,)):
        for k, ((_, (value, u)), hatch) in enumerate(zip(parts.items(), hatches, strict=False)):
            axis.barh(k, value, color="white", edgecolor=BLUE, hatch=hatch, height=0.6)
            axis.errorbar(value, k, xerr=u, color=DARK, capsize=2, linewidth=1)
        axis.set_yticks(range(len(parts)), labels=list(parts))
        axis.set(xlabel=f"variance of log-odds ({unit}), ±1 standard uncertainty", ylim=(len(parts) - 0.5, -0.5))
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def statement(said, *, n: int = 40, title: str) -> Figure:
    """Show a statement: intervals of some inputs, from the surest to the least sure, and u(x) over all.

    Args:
        said: A `Statement`.
        n: Inputs whose intervals are drawn, evenly chosen by q̄.
        title: The claim of the figure.

    Returns:
        The figure.
    """
    low, high = said.evaluation.interval(said.level)
    order = np.argsort(said.evaluation.mean)
    rows = order[np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)]
    spread = said.u if said.dof > 2 else said.evaluation.scale
    with canvas(2, 2.8, said.title) as (figure, (left, right)):
        doubtful = said.flip[rows] > 0.05
        for mask, colour, marker, label in ((~doubtful, BLUE, "o", "sure"), (doubtful, RED, "^", "decision may flip")):
            x = np.flatnonzero(mask)
            left.vlines(x, low[rows][mask], high[rows][mask], color=colour, linewidth=1.2)
            left.plot(x, said.evaluation.mean[rows][mask], marker, color=colour, markersize=3.5, label=label)
        left.axhline(0, color=DARK, linewidth=0.6)
        left.set(xlabel="some inputs, by q̄", ylabel="q (nat)", title=f"q̄ and {said.level:.0%} interval", xticks=[])
        left.legend(fontsize=8)
        right.hist(spread, bins=40, color=PALE)
        name = "u(x)" if said.dof > 2 else "σ̃(x)"
        right.set(xlabel=f"{name} (nat), ν = {said.dof:.1f}", ylabel="inputs", title="all inputs")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
