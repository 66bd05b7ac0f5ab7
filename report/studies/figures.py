"""Figures over studies: what methods and covariates are worth, how log-odds scatter, coverage, budgets."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy import ndarray

from lnescape.plots import BLUE, DARK, GREEN, PALE, RED, STYLE, canvas

PerImage = Float[ndarray, " images"]
Pictures = Float[ndarray, "images height width"]  # grey
OfNetworks = Float[ndarray, "networks images"]
Points = tuple[ndarray, ndarray]  # x and y
Clouds = Mapping[str, Points]
Named = Mapping[str, ndarray]
Numbers = Mapping[str, float]
Two = tuple[float, float]
Table = Mapping[str, Mapping[str, Mapping]]  # {method: {budget in trainings: row}}
Rens = Mapping[str, Mapping[str, Mapping[int, tuple[float, float, float]]]]  # {name: {covariates: {M: REN, low, high}}}

# Colour of the family, as elsewhere in the course where it has one there; a marker of its own for each method.
LOOKS = {
    "deep ensemble": (STYLE["deep ensemble"]["color"], "o"),
    "short ensemble": (STYLE["deep ensemble"]["color"], "8"),
    "long ensemble": (STYLE["deep ensemble"]["color"], "s"),
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
# Other marks, each with the colour: M retrainings, sets of covariates.
OF_SIZE = {2: ("o", BLUE), 3: ("^", RED), 4: ("s", GREEN)}
LARGER = ("D", DARK)
# The first, second and fourth are those of `lessons.WAYS`: plain, constant, with gradients.
OF_SET = (("x", RED), ("^", GREEN), ("o", DARK), ("D", BLUE), ("s", PALE), ("v", "#CC79A7"))
# Two networks in one panel are told apart by the filling of the marker, so that a copy in grey reads as well.
FILL_OF_NETWORK = ("full", "none")
FILL_OF_METHOD = {"short ensemble": "none"}  # its colour is that of the deep ensemble, its marker nearly so
# Deep-ensemble equivalents beyond what can be measured.
LEFT, RIGHT = 0.6, 1.25  # places of "below one" and "beyond the largest", the second in parts of the largest
EDGE = 0.2  # left end of the axis: between it and LEFT stand numbers and nothing else
TARGET = 30.0  # REN of the gate
FAR = 200.0  # REN at the right edge; an interval without an upper end runs into it


def legend_below(figure: Figure, marks: Sequence[Artist], labels: Sequence[str], *, columns: int) -> None:
    """Put a legend between the panels and the name of the data; the panels make room for it."""
    line = 0.17 / figure.get_figheight()  # one row of the legend, in parts of the figure
    room = line * (-(-len(labels) // columns) + 0.4)
    figure.set_layout_engine("constrained", rect=(0, room, 1, 1 - room))
    close = {"fontsize": 7.5, "handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 1.2, "borderaxespad": 0}
    figure.legend(marks, labels, loc="lower right", bbox_to_anchor=(0.995, 1.2 * line), ncols=columns, **close)


def ticks_at(axis: Axes, *, x: Sequence[float] = (), y: Sequence[float] = ()) -> None:
    """Write plain numbers at some places of logarithmic axes, and mark nothing between them."""
    for place, numbers in ((axis.set_xticks, x), (axis.set_yticks, y)):
        if len(numbers):
            place(numbers, labels=[f"{number:g}" for number in numbers])
    axis.minorticks_off()


def _look_of(way: str) -> dict:
    """Return colour, marker and filling of a method."""
    colour, marker = LOOKS[way]
    return {"color": colour, "marker": marker, "fillstyle": FILL_OF_METHOD.get(way), "linestyle": ""}


def equivalents(
    networks: Mapping[str, Table], budgets: Sequence[str], *, largest: int, single: Numbers, source: str, title: str
) -> Figure:
    """Draw the deep-ensemble equivalent of every method at each budget; the line to beat is dashed.

    `networks` is {network: {method: {budget: its "cll" and "dee": value, low, high, bases}}}; a method that diverged
    has neither. Each of `budgets`, in trainings, has a panel. Values above `largest`, the members of the largest
    ensemble, stand at the right edge. Values below one member stand in the grey field at the left, beside the
    difference in mnat from `single`, {network: CLL of one network, nat}.
    """
    ways = list(next(iter(networks.values())))
    with canvas(len(budgets), 0.9 + 0.33 * len(ways), source, title) as (figure, axes):
        for axis, budget in zip(axes, budgets, strict=True):
            axis.axvspan(EDGE, 1, color="#EEEEEE", linewidth=0)
            for number, (network, table) in enumerate(networks.items()):
                look = {"marker": "os"[number], "fillstyle": FILL_OF_NETWORK[number], "linestyle": "", "markersize": 5}
                for row, way in ((row, way) for row, way in enumerate(ways) if budget in table[way]):
                    _worth(axis, row + 0.18 * (2 * number - 1), way, table[way][budget], single[network], largest, look)
            axis.axvline(max(1.0, float(budget)), color=DARK, linestyle="--", linewidth=0.8)
            for row in range(len(ways) - 1):
                axis.axhline(row + 0.5, color="#DDDDDD", linewidth=0.5)
            right = RIGHT * largest
            axis.set(xscale="log", xlim=(EDGE, right * 1.1), ylim=(len(ways) - 0.5, -0.5))
            ticks = [t for t in (1, 2, 3, 5) if t < largest]
            axis.set_xticks([LEFT, *ticks, right], ["< 1", *map(str, ticks), f"≥ {largest}"], fontsize=7)
            axis.minorticks_off()
            axis.set(title=f"{budget} training{'' if budget == '1' else 's'}", yticks=range(len(ways)), yticklabels=[])
        axes[0].set_yticklabels(ways)
        axes[len(axes) // 2].set_xlabel("deep-ensemble equivalent (members)")
        looks = zip("os", FILL_OF_NETWORK, networks, strict=False)
        marks = [axes[0].plot([], [], mark, color="#333333", fillstyle=fill)[0] for mark, fill, _ in looks]
        figure.legend(marks, list(networks), fontsize=8, loc="outside lower left", ncols=len(networks))
    return figure


def _mnat(difference: float) -> str:
    """Write a difference in nat as mnat with its sign."""
    written = f"{1000 * difference:+.1f}" if abs(difference) < 0.1 else f"{1000 * difference:+.0f}"
    return written.replace("-", "−")


def _worth(axis: Axes, height: float, way: str, row: Mapping, single: float, largest: int, look: Mapping) -> None:
    """Draw one method at one budget: a band, a symbol, a tick for each base."""
    if "dee" not in row:
        axis.text(EDGE, height, " diverged", fontsize=6, va="center")
        return
    dee = row["dee"]
    low, value, high, *bases = np.clip([dee["low"], dee["value"], dee["high"], *dee["bases"]], LEFT, RIGHT * largest)
    axis.plot([low, high], [height] * 2, color=LOOKS[way][0], linewidth=1)
    axis.plot(value, height, color=LOOKS[way][0], **look)
    axis.plot(bases, [height] * len(bases), "|", color=DARK, markersize=6, markeredgewidth=0.7)
    if value == LEFT:
        axis.text(LEFT * 0.86, height, _mnat(float(row["cll"]) - single), fontsize=6, va="center", ha="right")


def diversity(networks: Mapping[str, Mapping[str, Two]], *, least: float, source: str, title: str) -> Figure:
    """Draw how much the members of each method differ against the accuracy of one member.

    `networks` is {network: {method: (mean accuracy of a member, share of images on which two differ)}}, both in %.
    A method whose accuracy is below `least` is named in the corner instead of drawn.
    """
    with canvas(len(networks), 3.4, source, title) as (figure, axes):
        for axis, (network, table) in zip(axes, networks.items(), strict=True):
            for way, (accuracy, differ) in table.items():
                shown = ([accuracy], [differ]) if accuracy >= least else ([], [])
                axis.plot(*shown, markersize=6, label=way, **_look_of(way))
            below = [f"{way}: {accuracy:.0f} %" for way, (accuracy, _) in table.items() if accuracy < least]
            if below:
                words = "\n".join([f"below {least:g} %:", *below])
                axis.text(0.03, 0.03, words, transform=axis.transAxes, fontsize=7, va="bottom")
            axis.set(title=network, xlabel="mean accuracy of a member (%)")
        axes[0].set_ylabel("two members disagree on (%)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=7)
    return figure


def weight_sweep(
    weights: Float[ndarray, " weights"], panels: Mapping[str, Named], *, label: str, source: str, title: str
) -> Figure:
    """Draw quantities against the weight of a penalty; the weight 0 stands apart at the left.

    `weights` ascend from 0; `panels` is {quantity with its unit: {kind of training: its values}}.
    """
    looks = [
        {"color": BLUE, "linestyle": "-", "marker": "o"},
        {"color": RED, "linestyle": "--", "marker": "s", "fillstyle": "none"},
    ]
    decades = np.log10(weights[1:])
    x = np.concatenate([[decades[0] - 1.5], decades])
    with canvas(len(panels), 2.7, source, title) as (figure, axes):
        for axis, (quantity, kinds) in zip(axes, panels.items(), strict=True):
            for look, (kind, values) in zip(looks, kinds.items(), strict=False):
                axis.plot(x[:1], values[:1], **look | {"linestyle": ""}, markersize=4)
                axis.plot(x[1:], values[1:], **look, markersize=4, label=kind)
            shown = decades[:: max(1, len(decades) // 4)]
            axis.set_xticks([x[0], *shown], ["0", *(f"$10^{{{round(d)}}}$" for d in shown)])
            axis.set(title=quantity, xlabel=label)
        if len(next(iter(panels.values()))) > 1:
            axes[0].legend(fontsize=8)
    return figure


def worth_on_pairs(found: Rens, *, source: str, title: str) -> Figure:
    """Draw the REN of a few sets of covariates on every pair of data and network, one panel for each M.

    `found` is {pair: {covariates: {M: (REN, low, high)}}}; a set that was not measured on a pair may be missing there.
    """
    sets = list(dict.fromkeys(name for table in found.values() for name in table))
    sizes = sorted({m for table in found.values() for row in table.values() for m in row})
    step = len(sets) + 1
    with canvas(len(sizes), 0.08 * step * len(found) + 1.1, source, title) as (figure, axes):
        for axis, m in zip(axes, sizes, strict=True):
            for k, (name, (marker, colour)) in enumerate(zip(sets, OF_SET, strict=False)):
                rows = [(n * step + k, *t[name][m]) for n, t in enumerate(found.values()) if m in t.get(name, {})]
                for y, value, low, high in rows:
                    axis.plot(np.minimum([low, high], FAR), [y, y], color=colour, linewidth=1)
                    axis.plot(min(value, FAR), y, marker, color=colour, markersize=4.5)
                    if high > FAR:
                        axis.plot(FAR, y, ">", color=colour, markersize=4, clip_on=False)
                axis.plot([], [], marker, color=colour, markersize=4.5, label=name)
            axis.axvline(m, color=PALE, linewidth=0.8, linestyle=":")
            axis.axvline(TARGET, color=PALE, linewidth=0.8, linestyle="--")
            for n in range(1, len(found)):
                axis.axhline(n * step - 1, color=PALE, linewidth=0.3)
            axis.set(xscale="log", title=f"M = {m}", xlabel="REN, retrainings", ylim=(len(found) * step - 1, -1))
            axis.set(xlim=(1.7, FAR))
            ticks_at(axis, x=(2, 3, 5, 10, 20, 30, 50, 100))
            labels = list(found) if axis is axes[0] else [""] * len(found)
            axis.set_yticks([n * step + (len(sets) - 1) / 2 for n in range(len(found))], labels=labels)
            axis.tick_params(axis="y", length=0)
        handles, labels = axes[0].get_legend_handles_labels()
        legend_below(figure, handles, labels, columns=5)
    return figure


def equivalents_on_pairs(pairs: Mapping[str, Table], *, largest: Mapping[str, int], source: str, title: str) -> Figure:
    """Draw the deep-ensemble equivalent of every method at each budget, one panel for each pair.

    `pairs` is {pair: {method: {budget in trainings: its "dee" with "value"}}}; a method that diverged has no "dee".
    `largest` is {pair: members of its largest ensemble}; values above it stand at the right edge, values below one
    member in the grey field. A dotted line shows plain training at each budget.
    """
    columns = min(4, len(pairs))
    lines = -(-len(pairs) // columns)
    ways = list(dict.fromkeys(way for table in pairs.values() for way in table))
    budgets = sorted({budget for table in pairs.values() for row in table.values() for budget in row}, key=float)
    looks, middle = dict(zip(budgets, OF_SIZE.values(), strict=False)), (len(budgets) - 1) / 2
    with canvas(columns, 0.5 + lines * (0.6 + 0.19 * len(ways)), source, title, rows=lines) as (figure, axes):
        flat: Sequence[Axes] = list(np.ravel(axes))
        for axis, (name, table) in zip(flat, pairs.items(), strict=False):
            axis.axvspan(EDGE, 1, color="#EEEEEE", linewidth=0)
            right = RIGHT * largest[name]
            for k, budget in enumerate(budgets):
                marker, colour = looks[budget]
                rows = [row for row, way in enumerate(ways) if "dee" in table.get(way, {}).get(budget, {})]
                if rows:
                    axis.axvline(max(1.0, float(budget)), color=colour, linewidth=0.7, linestyle=":")
                dee = np.array([table[ways[row]][budget]["dee"]["value"] for row in rows])
                place, heights = np.where(dee >= 1, np.minimum(dee, right), LEFT), np.add(rows, 0.24 * (k - middle))
                axis.plot(place, heights, marker, color=colour, markersize=3.5)
            ticks = [t for t in (1, 2, 3, 5) if t < largest[name]]
            axis.set(xscale="log", xlim=(0.4, 1.1 * right), ylim=(len(ways) - 0.4, -0.6), title=_in_two_lines(name))
            axis.set_xticks([LEFT, *ticks, right], ["< 1", *map(str, ticks), f"≥ {largest[name]}"], fontsize=7)
            axis.minorticks_off()
            first = axis in flat[::columns]
            axis.set_yticks(range(len(ways)), labels=ways if first else [""] * len(ways), fontsize=7.5)
            axis.grid(axis="y", linewidth=0.3, color=PALE)
        for axis in flat[len(pairs) :]:
            axis.axis("off")
        figure.supxlabel("deep-ensemble equivalent (members)", fontsize=9)
        shape = {"markersize": 4, "linestyle": ""}
        marks = [Line2D([], [], marker=marker, color=colour, **shape) for marker, colour in looks.values()]
        words = [f"{budget} training{'' if budget == '1' else 's'}" for budget in looks]
        legend_below(figure, marks, words, columns=len(words))
    return figure


def score_against_cost(
    panels: Mapping[str, tuple[ndarray, Mapping[str, tuple[float, ndarray]]]], *, source: str, title: str
) -> Figure:
    """Draw the test loss against the cost: deep ensembles as the line to beat, other methods as points.

    `panels` is {panel title: (NLL of ensembles of 1, 2, … members, {method: (cost in trainings, NLL of each
    repetition)})}.
    """
    with canvas(len(panels), 3.1, source, title) as (figure, axes):
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
    return figure


def disputed_images(
    images: Float[ndarray, "images height width"], probabilities: Float[ndarray, "images networks classes"], *,
    classes: Sequence[str], source: str, title: str,
) -> Figure:  # fmt: skip
    """Draw images on which retrained networks disagree, with the probabilities that each network gives."""
    with canvas(len(images), 2.5, source, title) as (figure, axes):
        for number, (axis, image, p) in enumerate(zip(axes, images, probabilities, strict=True)):
            thumbnail(axis, image, (0.2, 1.02, 0.6, 0.6))
            _bars(axis, p, classes)
            if number:
                axis.set_yticks([])
        axes[0].set_ylabel("probability")
    return figure


def _bars(axis: Axes, p: Float[ndarray, "networks classes"], classes: Sequence[str]) -> None:
    """Draw one bar for each network, for the three most probable classes."""
    top = np.argsort(p.mean(0))[::-1][:3]
    shades = ["#000000", "#0072B2", "#56B4E9", "#999999", "#CCCCCC"]
    wide = 0.8 / len(p)
    for row, one in enumerate(p):
        axis.bar(np.arange(3) + (row - (len(p) - 1) / 2) * wide, one[top], wide, color=shades[row % len(shades)])
    axis.set(ylim=(0, 1), xticks=range(3), xticklabels=[classes[c] for c in top])


def log_odds_histograms(groups: Mapping[str, tuple[Pictures, OfNetworks]], *, source: str, title: str) -> Figure:
    """Draw log-odds of single images over retrainings, with the normal distribution of the same mean and sd.

    `groups` is {name: (grey images, q of each network)}: one row of panels for each group, one panel for each image.
    """
    columns = max(len(images) for images, _ in groups.values())
    with canvas(columns, 1.3 * len(groups), source, title, rows=len(groups)) as (figure, axes):
        grid = np.atleast_2d(axes)
        for row, (name, (images, q)) in zip(grid, groups.items(), strict=True):
            for axis, image, own in zip(row, images, q.T, strict=True):
                axis.hist(own, bins=16, density=True, color=PALE, edgecolor="white", linewidth=0.4)
                x = np.linspace(own.min() - own.std(), own.max() + own.std(), 100)
                axis.plot(x, np.exp(-0.5 * ((x - own.mean()) / own.std()) ** 2) / own.std() / np.sqrt(2 * np.pi), DARK)
                if own.min() - own.std() < 0 < own.max() + own.std():
                    axis.axvline(0, color=RED, linestyle="--", linewidth=1)
                axis.set(yticks=[], xlim=(x[0], x[-1] + 0.85 * (x[-1] - x[0])))
                axis.spines["left"].set_visible(False)
                axis.annotate(
                    f"u = {own.std(ddof=1):.2f} nat", (0.99, 0.06), xycoords="axes fraction", ha="right", fontsize=7
                )
                thumbnail(axis, image, (0.7, 0.42, 0.3, 0.58))
            row[0].set_ylabel(f"{name} images", fontsize=8)
        figure.supylabel("retrainings", fontsize=8)
        for axis in grid[-1]:
            axis.set_xlabel("log-odds q (nat)")
    return figure


def thumbnail(axis: Axes, image: ndarray, place: tuple[float, float, float, float]) -> None:
    """Draw a small image inside a panel."""
    inset = axis.inset_axes(place)
    inset.imshow(image, cmap="gray_r")
    inset.axis("off")


def undecided_images(images: Pictures, contrast: OfNetworks, *, names: list[str], source: str, title: str) -> Figure:
    """Draw undecided images with their contrast z_c − max z_k over retrainings; below 0 the decision flips."""
    columns = -(-len(images) // 2)
    with canvas(columns, 3.4, source, title, rows=2) as (figure, axes):
        for axis, image, own, name in zip(axes.flat, images, contrast.T, names, strict=True):
            edges = np.linspace(-np.abs(own).max(), np.abs(own).max(), 17)  # 0 is an edge: no bar holds both decisions
            _, _, bars = axis.hist(own, bins=edges, color=BLUE, edgecolor="white", linewidth=0.4)
            for bar, edge in zip(bars, edges, strict=False):
                if edge < -1e-9:
                    bar.set(facecolor=RED, hatch="///", edgecolor="white")
            axis.set_title(f"{name}: {100 * (own < 0).mean():.0f} % flip", fontsize=8, loc="center")
            axis.set(yticks=[], ylim=(0, 1.7 * axis.get_ylim()[1]))
            axis.spines["left"].set_visible(False)
            thumbnail(axis, image, (0.36, 0.62, 0.28, 0.38))
        for axis in axes[-1]:
            axis.set_xlabel("contrast (nat)")
        for axis in axes[:, 0]:
            axis.set_ylabel("retrainings")
    return figure


def u_across_images(
    mean: Mapping[str, PerImage], u: Mapping[str, PerImage], *, scattered: tuple[str, ...], source: str, title: str
) -> Figure:
    """Draw u(x) against the mean log-odds, and its distribution for each set of images.

    Only the single images of the sets in `scattered` are drawn on the left.
    """
    styles = dict(zip(u, ((DARK, "-"), (PALE, (0, (1, 1))), (BLUE, "--"), ("#56B4E9", "-."), (RED, ":")), strict=False))
    with canvas(2, 3.0, source, title) as (figure, (left, right)):
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
    return figure


def convergence(observed: Clouds, theory: Points, *, source: str, title: str) -> Figure:
    """Draw the relative standard deviation of the estimate of u(x) against the number of retrainings.

    `observed` is {network: (retrainings, relative standard deviation)}, `theory` the same for normal observations.
    """
    with canvas(1, 3.0, source, title, width=4.6) as (figure, (axis,)):
        axis.plot(theory[0], 100 * theory[1], color=DARK, label="normal law, √ψ₁(ν/2) / 2")
        axis.plot(theory[0], 100 / np.sqrt(2 * (theory[0] - 1)), color=PALE, linestyle="--", label="GUM, 1/√(2ν)")
        for (name, (n, values)), (marker, colour) in zip(observed.items(), (("o", BLUE), ("^", RED)), strict=False):
            axis.plot(n, 100 * values, marker, color=colour, fillstyle="none", markersize=6, label=f"observed, {name}")
        axis.set(xscale="log", yscale="log", xlabel="retrainings N")
        ticks_at(axis, x=(2, 3, 5, 10, 20, 50), y=(10, 20, 50, 100))
        axis.set_ylabel("standard deviation\nof ln u(x) (%)")
        axis.legend(fontsize=8)
    return figure


def _in_two_lines(name: str) -> str:
    """Put the data set above the network, over a narrow panel."""
    return name.replace(" ", "\n", 1)


def covariate_worth(found: Rens, *, source: str, title: str) -> Figure:
    """Draw the REN of each set of covariates, one panel for each network.

    `found` is {network: {covariates: {M: (REN, low, high)}}}, with rows in the order of the first network.
    """
    rows = list(next(iter(found.values())))
    ticks = [2, 5, 10, 30, 100] if len(found) > 2 else [2, 3, 5, 10, 20, 30, 50]  # narrow panels have room for few
    sizes = sorted({m for table in found.values() for row in table.values() for m in row})
    step = 0.14 if len(sizes) < 3 else 0.25
    height = (0.21 if len(sizes) < 3 else 0.36) * len(rows) + (0.9 if len(sizes) < 3 else 1.2)  # room for the legend
    with canvas(len(found), height, source, title) as (figure, axes):
        for axis, (name, table) in zip(axes, found.items(), strict=True):
            for k, row in enumerate(rows):
                for m, (value, low, high) in table.get(row, {}).items():
                    marker, colour = OF_SIZE.get(m, LARGER)
                    y = k + step * (m - np.mean(sizes))
                    axis.plot([low, high], [y, y], color=colour, linewidth=1)
                    axis.plot(value, y, marker, color=colour, markersize=4)
            for m in (2, 3):
                axis.axvline(m, color=OF_SIZE[m][1], linewidth=0.7, linestyle=":")
            axis.axvline(TARGET, color=PALE, linewidth=0.8, linestyle="--")
            heading = _in_two_lines(name) if len(found) > 2 else name
            axis.set(xscale="log", title=heading, xlabel="REN, retrainings", ylim=(len(rows) - 0.4, -0.6))
            ticks_at(axis, x=[tick for tick in ticks if tick < axis.get_xlim()[1]])
            axis.set_yticks(range(len(rows)), labels=rows if axis is axes[0] else [""] * len(rows), fontsize=7.5)
            axis.grid(axis="y", linewidth=0.3, color=PALE)
        looks = [OF_SIZE.get(m, LARGER) for m in sizes]
        marks = [Line2D([], [], markersize=4, linestyle="", marker=marker, color=colour) for marker, colour in looks]
        place = (-0.03, 0)  # below the names
        axes[0].legend(marks, [f"M = {m}" for m in sizes], fontsize=8, loc="upper right", bbox_to_anchor=place)
    return figure


def frontier(entries: Mapping[str, Sequence[tuple[int, float, float, str]]], *, source: str, title: str) -> Figure:
    """Draw REN against the whole cost in trainings, beside that of as many plain retrainings.

    `entries` is {network: (M, whole cost, REN, a remark or "")}.
    """
    lines = -(-len(entries) // 3)  # at most three panels side by side
    columns = -(-len(entries) // lines)
    top = max(cost for rows in entries.values() for _, cost, _, _ in rows) + 0.5
    line = np.linspace(2, top, 50)
    with canvas(columns, 2.7 * lines, source, title, rows=lines) as (figure, grid):
        axes, spare = np.split(np.ravel(grid), [len(entries)])
        for k, (axis, (name, rows)) in enumerate(zip(axes, entries.items(), strict=True)):
            axis.plot(line, line, color=DARK, linestyle="--", linewidth=1, label="more plain retrainings")
            axis.axhline(TARGET, color=PALE, linewidth=0.8, linestyle=":")
            best = 0.0
            for m, cost, ren, text in sorted(rows, key=lambda row: (row[1], -row[2])):
                marker, colour = OF_SIZE.get(m, LARGER)
                reached = ren > best
                best = max(best, ren)
                look = {"fillstyle": "full" if reached else "none", "alpha": 1 if reached or text else 0.3}
                axis.plot(cost, ren, marker, color=colour, markersize=5, **look)
                if text:  # left of what costs nothing beside the M networks, where no other symbol is
                    place = {"xytext": (-5, -2), "ha": "right"} if cost == m else {"xytext": (4, 3)}
                    axis.annotate(text, (cost, ren), textcoords="offset points", fontsize=6.5, **place)
            for m in sorted({row[0] for row in rows}):
                marker, colour = OF_SIZE.get(m, LARGER)
                axis.plot([], [], marker, color=colour, label=f"M = {m}", markersize=5)
            axis.set(yscale="log", title=name, xlim=(-0.7, top), xticks=range(1, int(top) + 1))  # room for the words
            axis.set_xlabel("cost, trainings in all" if k + columns >= len(entries) else "")
            axis.set_ylabel("" if k % columns else "REN, retrainings")
            axis.tick_params(labelleft=not k % columns)
            ticks_at(axis, y=(2, 3, 5, 10, 20, 30, 50))
        ends = np.array([axis.get_ylim() for axis in axes])
        for axis in axes:
            axis.set_ylim(ends[:, 0].min(), ends[:, 1].max())
        for axis in spare:
            axis.axis("off")
        legend_below(figure, *axes[0].get_legend_handles_labels(), columns=4)
    return figure


# The same marker and colour for a network in every figure that tells networks apart; blue and red mean M elsewhere.
OF_NETWORK = {
    "MNIST MLP": ("o", DARK),
    "MNIST CNN": ("s", "#E69F00"),
    "CIFAR-10 fast CNN": ("^", GREEN),
    "CIFAR-10 fast ResNet": ("D", "#CC79A7"),
    "CIFAR-100 fast ResNet": ("v", "#56B4E9"),
    "FashionMNIST MLP": ("P", DARK),
    "FashionMNIST CNN": ("X", "#E69F00"),
    "FashionMNIST attention": ("*", "#7A5195"),
    "FashionMNIST fixed mixing": ("p", "#999933"),
}
SPARE = (("<", "#882255"), (">", "#117733"), ("h", "#AA4499"), ("8", "#6699CC"))  # of networks without an entry


def looks_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return marker and colour of each network."""
    spare = iter(SPARE)
    return {name: OF_NETWORK.get(name) or next(spare) for name in names}


def coverage(deciles: Mapping[str, Mapping[str, Sequence[float]]], flips: Clouds, *, source: str, title: str) -> Figure:
    """Draw the coverage of intervals by decile of the predicted u, and predicted against observed flips.

    `deciles` is {network: {evaluation: coverage of each decile, in %}}. `flips` is {network: (predicted, observed share
    of retrainings that decide otherwise)}, of two networks, on test images and altered ones.
    """
    looks = (("x", PALE, ":"), ("o", BLUE, "-"), ("^", RED, "--"))
    many = len(deciles) > 2  # then panels are narrow
    with canvas(len(deciles) + 1, 3.1, source, title) as (figure, axes):
        for axis, (name, rows) in zip(axes, deciles.items(), strict=False):
            axis.axhspan(93, 97, color=PALE, alpha=0.25, linewidth=0)
            axis.axhline(95, color=DARK, linewidth=0.6)
            for (label, values), (marker, colour, line) in zip(rows.items(), looks, strict=False):
                axis.plot(range(1, 11), values, line, marker=marker, color=colour, markersize=4, label=label)
            label = "decile of u" if many else "decile of the stated u"
            axis.set(title=_in_two_lines(name) if many else name, xlabel=label, ylim=(50, 101))
            if many and axis is not axes[0]:
                axis.tick_params(labelleft=False)
        axes[0].set_ylabel("retrainings inside (%)")
        last = axes[-1]
        last.plot([0, 1], [0, 1], color=DARK, linewidth=0.6)
        for name, (marker, colour) in looks_of(flips).items():
            predicted, seen = flips[name]
            last.plot(predicted, seen, marker, color=colour, markersize=5, label=name)
        last.set(title="decisions, M = 2", xlabel="predicted risk of a flip", ylabel="observed share")
        last.set(xlim=(0, 1), ylim=(0, 1))
        close = {"fontsize": 6.5, "handlelength": 1.2, "handletextpad": 0.4, "borderpad": 0}
        axes[0].legend(loc="lower right", **(close if many else {"fontsize": 7.5}))
        marks, names = last.get_legend_handles_labels()
        nothing = last.plot([], [], linestyle="")
        legend_below(figure, [*nothing, *marks], ["decisions (test and altered images):", *names], columns=4)
    return figure
