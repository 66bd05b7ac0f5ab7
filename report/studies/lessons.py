"""Figures of the course that teach one idea each: what retraining does, and how few trainings state it."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots import BLUE, DARK, GREEN, PALE, RED, STYLE, canvas
from lnescape.retraining.judging import squared_error_of
from lnescape.retraining.prior import log_bias
from report.studies.figures import Clouds, Named, Numbers, PerImage, Two, legend_below, looks_of, thumbnail, ticks_at

Retrained = Float[ndarray, " retrainings"]
InPlane = Float[ndarray, "times 2"]
Predictions = Mapping[str, Float[ndarray, "images classes"]]

WAYS = ((RED, "o"), (GREEN, "^"), (BLUE, "D"))  # of stating u(x), from the poorest to the best
FIELD = "#DDDDDD"  # what is true
FACTS = {
    "training_loss": "training loss (nat)",
    "gradient_scatter": "scatter of the gradients",
    "distance": "distance of solutions",
}


def retrainings_of_one_image(
    image: Float[ndarray, "height width"], q: Retrained, *, of: str = "the class", source: str, title: str
) -> Figure:
    """Draw the log-odds `of` a class of one grey image over retrainings, and u as half the width of their middle."""
    u, mean = q.std(ddof=1), q.mean()
    with canvas(1, 2.4, source, title, width=5.2) as (figure, (axis,)):
        counts, _, _ = axis.hist(q, bins=20, color=PALE, edgecolor="white", linewidth=0.4)
        axis.axvline(0, color=RED, linestyle="--", linewidth=1)
        height = 1.12 * counts.max()
        axis.annotate("", (mean - u, height), (mean + u, height), arrowprops={"arrowstyle": "<->", "color": BLUE})
        label = {"color": BLUE, "ha": "center", "va": "bottom", "fontsize": 8}
        label["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # the dashed line stops at the words
        axis.text(mean, 1.05 * height, f"mean ± u(x), u = {u:.2f} nat", **label)
        axis.set(xlabel=f"log-odds q of {of} (nat); left of 0 its probability is below ½", ylabel="retrainings")
        axis.set(ylim=(0, 1.3 * height), xlim=(min(q.min(), 0) - 0.6, q.max() + 1.6))
        thumbnail(axis, image, (0.84, 0.55, 0.16, 0.42))
    return figure


def three_jump(q: Retrained, s: PerImage, u: PerImage, *, source: str, title: str) -> Figure:
    """Draw what three retrainings state, ten times over for one image, and the ratio s/u over all images.

    `q` are all retrainings of one image; `s` is the standard deviation of three of them, `u` that of all others, for
    each of many images.
    """
    mean, truth = q.mean(), q.std(ddof=1)
    with canvas(2, 3.0, source, title) as (figure, (left, right)):
        left.axvspan(mean - truth, mean + truth, color=FIELD, linewidth=0)
        left.axvline(mean, color="white", linewidth=1)
        for row, three in enumerate(q[:30].reshape(10, 3)):
            ends = three.mean() + three.std(ddof=1) * np.array([-1, 1])
            left.plot(ends, [row, row], color=RED, linewidth=4, alpha=0.6, solid_capstyle="butt")
            left.plot(three, [row] * 3, "D", color=DARK, markersize=3.5)
        left.set(xlabel="log-odds q (nat)", ylabel="ten sets of three trainings", yticks=[], ylim=(9.7, -0.7))
        left.set_title("one image", fontsize=9)
        bins = np.geomspace(0.05, 3.2, 34)
        right.hist(np.clip(s / u, bins[0], bins[-1]), bins=bins, color=RED, alpha=0.6)
        right.axvline(1, color=DARK, linewidth=1)
        right.set(xscale="log", xlabel="s from three / true u", ylabel="images")
        ticks_at(right, x=(0.1, 0.3, 1, 3))
        right.set_title(f"{len(s)} images", fontsize=9)
    return figure


def spread_of_variances(variance: PerImage, dof: int, prior: Two, *, source: str, title: str) -> Figure:
    """Draw how ln s² scatters over images, beside two laws: one u for all images, and u that differs.

    `prior` is (d₀, s₀²): then s²/s₀² follows Fisher's F(ν, d₀).
    """
    from scipy.stats import chi2, f

    seen = np.log(variance)
    x = np.linspace(*np.quantile(seen, (0.002, 0.999)), 200)
    s2, (d0, location) = np.exp(x), prior
    common = np.exp(seen.mean() - log_bias(dof))  # the one variance that has this mean of ln s²
    laws = {  # densities of ln s²
        "if u were the same for all images": (s2 * chi2.pdf(s2, dof, scale=common / dof), "--", RED),
        f"if u differs, d₀ = {d0:.1f}": (s2 * f.pdf(s2, dof, d0, scale=location), "-", BLUE),
    }
    with canvas(1, 2.7, source, title, width=5.2) as (figure, (axis,)):
        axis.hist(
            seen, bins=50, range=(x[0], x[-1]), density=True, color=FIELD, label=f"s² of {dof + 1}, {len(seen)} images"
        )
        for name, (density, line, colour) in laws.items():
            axis.plot(x, density, line, color=colour, linewidth=1.6, label=name)
        axis.set(xlabel="ln s²", ylabel="density over images", ylim=(0, 1.15 * axis.get_ylim()[1]))
        axis.legend(fontsize=8, loc="upper left")
    return figure


def regression(
    h: PerImage, panels: Mapping[str, tuple[PerImage, float]], slope: float, *, label: str, source: str, title: str
) -> Figure:
    """Draw ln variances against one covariate, {panel: (values, intercept of its line)}; the slope is common."""
    ends = np.array([h.min(), h.max()])
    with canvas(len(panels), 2.9, source, title) as (figure, axes):
        low, high = np.quantile(np.concatenate([values for values, _ in panels.values()]), (0.005, 1.0))
        for axis, (name, (values, intercept)) in zip(axes, panels.items(), strict=True):
            axis.plot(h, np.maximum(values, low), ".", color=BLUE, markersize=2, alpha=0.5)
            axis.plot(ends, intercept + slope * ends, color=DARK, linewidth=1.4)
            axis.set(xlabel=label, ylim=(low - 0.2, high + 0.3))
            axis.set_title(name, fontsize=9)
        axes[0].set_ylabel("ln variance of q")
    return figure


def stated_against_true(
    stated: Mapping[str, PerImage], true: PerImage, errors: Numbers, *, source: str, title: str
) -> Figure:
    """Draw u(x) as each way states it against the true one, with the error of ln u in percent in the panel."""
    ends = np.array([0.5 * true.min(), 2 * true.max()])
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5) if ends[0] < tick < ends[1]]
    with canvas(len(stated), 2.9, source, title, width=7.2) as (figure, axes):
        for axis, (way, values), (colour, _) in zip(axes, stated.items(), WAYS, strict=False):
            axis.plot(ends, ends, color=PALE, linewidth=1)
            axis.set(xscale="log", yscale="log")
            ticks_at(axis, x=ticks, y=ticks)
            axis.plot(true, np.clip(values, *ends), ".", color=colour, markersize=2.5, alpha=0.5)
            axis.text(0.04, 0.95, f"error {errors[way]:.0f} %", transform=axis.transAxes, va="top", color=colour,
                      fontsize=11, fontweight="bold")  # fmt: skip
            axis.set_title(way, fontsize=9)
            axis.set(xlabel="true u(x), nat", xlim=ends, ylim=ends)
            axis.set_box_aspect(1)
        axes[0].set_ylabel("stated u(x), nat")
    return figure


def scale_of_ren(found: Mapping[str, Two], *, source: str, title: str) -> Figure:
    """Draw the error of u against the number of plain retrainings, and read ways of stating u off that curve.

    `found` is {way: (REN, error of ln u in percent)}.
    """
    n = np.geomspace(2, 200, 100)
    curve = 50 * np.sqrt([squared_error_of(m - 1) for m in n])
    with canvas(1, 2.9, source, title, width=5.2) as (figure, (axis,)):
        axis.plot(n, curve, color=DARK, linewidth=1.4, label="plain retrainings")
        for (way, (ren, error)), (colour, marker) in zip(found.items(), WAYS, strict=False):
            axis.plot([n[0], ren, ren], [error, error, 4], ":", color=colour, linewidth=1)
            axis.plot(ren, error, marker, color=colour, markersize=6, label=f"{way}: REN {ren:.0f}")
        axis.set(xscale="log", yscale="log", xlim=(2, 200), ylim=(4, 130), xlabel="number of plain retrainings")
        axis.set_ylabel("error of u (%)")
        ticks_at(axis, x=(2, 3, 5, 10, 30, 100), y=(5, 10, 20, 50, 100))
        axis.legend(fontsize=8, loc="upper right")
    return figure


def levels(
    ratios: Mapping[str, Mapping[str, float]], later: Mapping[str, tuple[str, float]], *, source: str, title: str
) -> Figure:
    """Draw for each network how large a usual u is beside the standard deviation of q over images, by kind.

    `ratios` is {kind: {network: ratio}}; `later` is {kind: (network, ratio)}, of a network outside the kind's mean.
    """
    names, row = [], 0
    with canvas(1, 3.8, source, title, width=5.6) as (figure, (axis,)):
        for (kind, known), colour in zip(ratios.items(), (BLUE, RED), strict=True):
            judge, ratio = later[kind]
            order = [judge, *sorted(known, key=known.__getitem__)]
            rows, usual = range(row, row + len(order)), np.exp(np.mean(np.log([*known.values()])))
            axis.plot([usual, usual], [row - 0.4, row + len(order) - 0.6], color=colour, linewidth=1)
            axis.plot([known[name] for name in order[1:]], rows[1:], "o", color=colour, markersize=5, label=kind)
            axis.plot(ratio, row, "o", color=colour, markersize=5, fillstyle="none")
            names, row = [*names, *order], row + len(order) + 1
            names.append("")
        axis.plot([], [], "o", color=DARK, fillstyle="none", markersize=5, label="computed after the rule")
        axis.set_yticks([k for k, name in enumerate(names) if name], labels=[name for name in names if name])
        axis.set(xscale="log", xlim=(0.1, 1), ylabel="network")
        axis.set_xlabel("u of a usual image / standard deviation of q over images")
        ticks_at(axis, x=(0.1, 0.2, 0.3, 0.5, 1))
        axis.grid(axis="y", color=FIELD, linewidth=0.6)
        axis.legend(fontsize=8, loc="center left")
    return figure


def yardsticks(
    factors: Mapping[str, Mapping[str, float]], new: Mapping[str, Sequence[str]], *, source: str, title: str
) -> Figure:
    """Draw the factor on u of each network if its scale is borrowed from the others, one row for each yardstick.

    `factors` is {yardstick: {network: factor}}; `new` names, for each, the networks that its rule was not fixed on.
    """
    with canvas(1, 2.4, source, title, width=5.6) as (figure, (axis,)):
        axis.axvline(1, color=FIELD, linewidth=4)
        for row, (name, own) in enumerate(factors.items()):
            for after, colour, fill in ((False, BLUE, "full"), (True, RED, "none")):
                some = np.sort([factor for network, factor in own.items() if (network in new[name]) is after])
                places = row + (0.16 if after else -0.16) + np.resize([-0.06, 0.0, 0.06], len(some))
                axis.plot(some, places, "o", color=colour, fillstyle=fill, markersize=4.5)
        axis.plot([], [], "o", color=BLUE, markersize=4.5, label="the rule was fixed on it")
        axis.plot([], [], "o", color=RED, fillstyle="none", markersize=4.5, label="no part in the rule")
        axis.set_yticks(range(len(factors)), labels=list(factors))
        axis.set(xscale="log", xlim=(0.2, 5), ylim=(len(factors) - 0.4, -0.6), ylabel="yardstick")
        axis.set_xlabel("stated u / true u of one training, geometric mean")
        ticks_at(axis, x=(0.25, 0.5, 1, 2, 4))
        legend_below(figure, *axis.get_legend_handles_labels(), columns=2)
    return figure


def beforehand(
    facts: Mapping[str, Numbers], partial: Mapping[str, Mapping[str, Two]], *, source: str, title: str
) -> Figure:
    """Draw what bursts (filled) and proxies (hollow) tell of u(x) against facts that are known beforehand.

    `facts` is {pair: {fact: value}} with the facts in `FACTS`; `partial` is {pair: {exploration: (partial R², expanded
    uncertainty at 95 %)}}.
    """
    with canvas(len(FACTS), 2.7, source, title) as (figure, axes):
        for axis, (fact, label) in zip(axes, FACTS.items(), strict=True):
            for name, (marker, colour) in looks_of(facts).items():
                known = facts[name]
                hollow = 1.02 if fact == "distance" else 1.12  # a little to the right
                for what, fill, shift in (("bursts", "full", 1.0), ("proxies", "none", hollow)):
                    value, bar = partial[name].get(what, (np.nan, np.nan))
                    look = {"fmt": marker, "color": colour, "fillstyle": fill, "markersize": 5, "elinewidth": 0.8}
                    axis.errorbar(known[fact] * shift, value, bar, **look)
                axis.plot([], [], marker, color=colour, markersize=5, label=name)
            axis.axhline(0.02, color=PALE, linewidth=0.8, linestyle="--")
            low = min(-0.01, axis.get_ylim()[0])
            axis.set(xscale="linear" if fact == "distance" else "log", xlabel=label, ylim=(low, None))
        axes[0].set_ylabel("partial R²")
        legend_below(figure, *axes[0].get_legend_handles_labels(), columns=5)
    return figure


def ring_valley(line: InPlane, curve: InPlane, control: Float[ndarray, "2"], *, source: str, title: str) -> Figure:
    """Draw the valley L(w) = (‖w‖² − 1)² of two weights from above, with a line and a curve between two solutions."""
    grid = np.linspace(-2.1, 2.1, 121)
    x, y = np.meshgrid(grid, np.linspace(-1.9, 2.3, 121))
    with canvas(1, 3.3, source, title, width=4.6) as (figure, (axis,)):
        heights = np.linspace(0, 1.6, 13)
        filled = axis.contourf(x, y, np.minimum((x**2 + y**2 - 1) ** 2, 1.6), levels=heights, cmap="cividis")
        figure.colorbar(filled, ax=axis, label="loss", ticks=[0, 0.4, 0.8, 1.2, 1.6])
        axis.plot(*line.T, ":", color="white", linewidth=2, label="line")
        axis.plot(*curve.T, color="white", linewidth=2, label="learned curve")
        axis.plot(*line[[0, -1]].T, "o", color="white", markeredgecolor="black", markersize=8)
        axis.plot(*control, "D", color="white", markeredgecolor="black", label="control point")
        axis.legend(facecolor="#00204C", labelcolor="white", frameon=True, loc="lower left", fontsize=8)
        axis.set(xlabel="w₁", ylabel="w₂", aspect="equal")
    return figure


def even_points(clouds: Mapping[str, Float[ndarray, "points 3"]], *, source: str, title: str) -> Figure:
    """Draw points of a triangle, named by their coefficients, one panel for each way to draw them."""
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
    with canvas(len(clouds), 2.5, source, title) as (figure, axes):
        for axis, (name, coefficients) in zip(axes, clouds.items(), strict=True):
            axis.plot(*corners[[0, 1, 2, 0]].T, color=DARK, linewidth=1)
            axis.plot(*(coefficients @ corners).T, ".", color=BLUE, markersize=1.5)
            axis.set(aspect="equal", xticks=[], yticks=[], xlabel="along the first edge", ylabel="across it")
            axis.set_title(name, fontsize=9)
    return figure


def few_numbers(s: Float[ndarray, " samples"], n: int, *, source: str, title: str) -> Figure:
    """Draw the standard deviations of many samples of n normal numbers, whose true one is 1."""
    with canvas(1, 2.3, source, title, width=5.2) as (figure, (axis,)):
        axis.hist(s, bins=np.linspace(0, 2.5, 51), color=PALE)
        axis.axvline(1, color=DARK, linewidth=1.4, label="true standard deviation")
        low, high = np.quantile(s, (0.025, 0.975))
        axis.axvspan(low, high, color=BLUE, alpha=0.15, linewidth=0, label=f"19 of 20: {low:.2f} to {high:.2f}")
        axis.set(xlabel=f"standard deviation of {n} numbers", ylabel="samples", xlim=(0, 3.4))  # room for the legend
        axis.legend(fontsize=8, loc="upper right")
    return figure


def read_equivalent(
    curve: Float[ndarray, " sizes"], method: float, equivalent: float, *, source: str, title: str
) -> Figure:
    """Draw the log-likelihood of deep ensembles of 1, 2, … members, and read the equivalent of a method off it."""
    size = np.arange(1, len(curve) + 1)
    with canvas(1, 2.5, source, title, width=5.2) as (figure, (axis,)):
        axis.plot(size, curve, "o-", color=GREEN, label="deep ensembles")
        axis.plot([size[0], equivalent], [method] * 2, "--", color=BLUE, label="the method's log-likelihood")
        axis.plot([equivalent] * 2, [method, curve.min()], ":", color=BLUE)
        axis.text(equivalent + 0.03, curve.min(), f"DEE = {equivalent:.2f}", color=BLUE, va="bottom", fontsize=9)
        axis.set(xlabel="members", ylabel="log-likelihood (nat)", xticks=size)
        axis.legend(fontsize=8, loc="upper left")
    return figure


def one_function(places: Mapping[str, Two], *, source: str, title: str) -> Figure:
    """Draw the plane of two weights (b, a) with curves of equal a b, each one function, and some named networks."""
    b = np.linspace(0.15, 4.6, 200)
    with canvas(1, 2.9, source, title, width=4.6) as (figure, (axis,)):
        for product, line in ((0.5, ":"), (1, "-"), (2, "--")):
            axis.plot(b, product / b, color=BLUE, linestyle=line, linewidth=1.4, label=f"a b = {product}")
        for name, spot in places.items():
            axis.plot(*spot, "o", color=DARK, markersize=6)
            axis.annotate(name, spot, (6, 5), textcoords="offset points", fontweight="bold")
        axis.set(xlim=(0, 4.6), ylim=(0, 3), xlabel="incoming weight b", ylabel="outgoing weight a")
        axis.legend(title="one function each")
    return figure


def weights_and_function(seen: Mapping[str, tuple[ndarray, ...]], *, floor: float, source: str, title: str) -> Figure:
    """Draw distance in function and share of other decisions against distance in weights.

    `seen` is {kind of network: (distance in ‖θ‖, distance D in nat, images decided otherwise in percent)}; a D below
    `floor` is drawn there.
    """
    looks = (("x", DARK), ("+", DARK), ("s", PALE), ("^", BLUE), ("o", GREEN))
    with canvas(2, 3.1, source, title) as (figure, axes):
        for (kind, (far, gap, otherwise)), (marker, colour) in zip(seen.items(), looks, strict=False):
            hollow = {"markersize": 6, "fillstyle": "none", "markeredgewidth": 1.3, "color": colour, "label": kind}
            axes[0].plot(far, np.maximum(gap, floor), marker, **hollow)
            axes[1].plot(far, otherwise, marker, **hollow)
        axes[0].set(yscale="log", ylabel="distance D in function (nat)")
        axes[1].set(ylabel="images decided otherwise (%)")
        for axis in axes:
            axis.set(xscale="log", xlabel="distance in weights (in ‖θ‖)")
        axes[0].legend(loc="lower left", fontsize=8)
    return figure


def clouds(
    points: Clouds, lines: Mapping[str, Clouds], *, x: str, y: str, source: str, title: str, log: bool = False
) -> Figure:
    """Draw a cloud of inputs in each panel, with lines over it, on one vertical scale.

    `points` is {heading: (x, y)}, `lines` {heading: {label: (x, y)}}.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator

    looks = ((DARK, "-"), (RED, "--"))
    wide = {"width": 4.6} if len(points) == 1 else {}
    with canvas(len(points), 2.9, source, title, **wide) as (figure, axes):
        for axis, (heading, cloud) in zip(axes, points.items(), strict=True):
            axis.plot(*cloud, ".", color=BLUE, markersize=2.5, alpha=0.5, rasterized=True)
            for (label, line), (colour, style) in zip(lines.get(heading, {}).items(), looks, strict=False):
                axis.plot(*line, style, color=colour, linewidth=1.2, label=label)
            axis.set_title(heading, fontsize=9)
            axis.set_xlabel(x)
            for k, scale in enumerate((axis.xaxis, axis.yaxis) if log else ()):
                axis.set(**{f"{'xy'[k]}scale": "log"})
                near = all(max(one[k]) < 30 * min(one[k]) for one in points.values())
                scale.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,)))
                scale.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
            axis.minorticks_off()
        ends = np.array([axis.get_ylim() for axis in axes])
        for axis in axes:
            axis.set_ylim(ends[:, 0].min(), ends[:, 1].max())
        axes[0].set_ylabel(y)
        if axes[0].get_legend_handles_labels()[1]:
            axes[0].legend(fontsize=8)
    return figure


def proper_scores(p: Float[ndarray, " reports"], scores: Named, truth: float, *, source: str, title: str) -> Figure:
    """Draw the expected value of each score against the reported probability; the true one is dashed."""
    with canvas(len(scores), 2.3, source, title) as (figure, axes):
        for axis, (name, values) in zip(axes, scores.items(), strict=True):
            axis.plot(p, values, color=BLUE)
            axis.axvline(truth, color=RED, linestyle="--", linewidth=1)
            axis.set(title=name, xlabel="reported p of class 1", xlim=(0, 1))
        axes[0].set(ylabel="expected score", ylim=(0.7, 2.0))
    return figure


def reliabilities(
    panels: Mapping[str, Predictions], labels: Int[ndarray, " images"], *, source: str, title: str
) -> Figure:
    """Draw reliability diagrams of several predictions, {panel: {way: log-probabilities}}, in bins of equal mass.

    Bars are one standard uncertainty of the share, over the images of the bin.
    """
    from lnescape import Estimate

    looks = (STYLE["single network"], {"color": "#CC79A7", "linestyle": "-", "marker": "D", "fillstyle": "none"},
             STYLE["deep ensemble"])  # fmt: skip
    with canvas(len(panels), 3.1, source, title) as (figure, axes):
        for axis, (heading, ways) in zip(axes, panels.items(), strict=True):
            axis.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
            for (way, logp), look in zip(ways.items(), looks, strict=False):
                top, right = np.exp(logp.max(1)), (logp.argmax(1) == labels).astype(float)
                bins = np.array_split(top.argsort(), 10)
                shares = [Estimate.mean(right[rows]) for rows in bins]
                bars = ([top[rows].mean() for rows in bins], [s.value for s in shares], [s.u for s in shares])
                axis.errorbar(*bars, **look, markersize=4, capsize=2, linewidth=1, label=way)
            axis.set(title=heading, xlabel="mean top probability", xlim=(0.25, 1.03), ylim=(0, 1.05))
        axes[0].set_ylabel("share right, ±1 standard uncertainty")
        axes[0].legend(fontsize=8)
    return figure


def shares_below(panels: Mapping[str, Mapping[str, PerImage]], *, least: float, source: str, title: str) -> Figure:
    """Draw the share of images with less than each value, {quantity: {set of images: values}}, from `least` on."""
    with canvas(len(panels), 2.8, source, title) as (figure, axes):
        for axis, (quantity, sets) in zip(axes, panels.items(), strict=True):
            for (name, values), (colour, line) in zip(sets.items(), ((DARK, "-"), (BLUE, "--")), strict=False):
                share = 100 * np.arange(1, len(values) + 1) / len(values)
                axis.plot(np.sort(np.maximum(values, least / 1000)), share, color=colour, linestyle=line, label=name)
            axis.set(xscale="log", xlim=(least, None), ylim=(0, 100), xlabel=quantity)
        axes[0].set_ylabel("images with less (%)")
        axes[-1].legend(fontsize=8, loc="upper left")
    return figure


def entropies(quantities: Mapping[str, PerImage], parts: Mapping[str, PerImage], *, source: str, title: str) -> Figure:
    """Draw the parts of the entropy of each image, {"aleatoric", "epistemic"}, against each quantity."""
    with canvas(len(quantities), 2.9, source, title) as (figure, axes):
        for axis, (label, x) in zip(axes, quantities.items(), strict=True):
            for (part, values), (marker, colour) in zip(parts.items(), (("x", PALE), (".", BLUE)), strict=True):
                axis.plot(x, values, marker, color=colour, markersize=3, alpha=0.6, label=part, rasterized=True)
            axis.set(yscale="log", xlabel=label)
        axes[0].set_ylabel("entropy (nat of information)")
        axes[0].legend(fontsize=8, markerscale=2)
    return figure


def two_questions(questions: Mapping[str, Float[ndarray, "retrainings images"]], *, source: str, title: str) -> Figure:
    """Draw u in tenths of the mean log-odds, and the mean log-odds of all images, for two questions to one network."""
    with canvas(2, 2.9, source, title) as (figure, (left, right)):
        for (name, own), line, colour in zip(questions.items(), ("o-", "s--"), (DARK, RED), strict=True):
            mean, variance = own.mean(0), own.var(0, ddof=1)
            parts = np.array_split(np.argsort(mean), 10)
            u = [np.sqrt(variance[part].mean()) for part in parts]
            left.plot([mean[part].mean() for part in parts], u, line, color=colour, label=name)
            right.hist(mean, bins=np.arange(-6, 9, 0.75), histtype="step", linestyle=line[1:], color=colour)
        left.set(xlabel="mean log-odds (nat)", ylabel="u, root mean square (nat)", ylim=(0, 1.2))
        left.legend(loc="lower right")
        right.axvline(0, color=PALE, linewidth=1)
        right.set(xlabel="mean log-odds (nat)", ylabel="images")
    return figure


def beyond_gradients(
    panels: Mapping[str, Mapping[str, tuple[ndarray, ndarray, ndarray]]], *, source: str, title: str
) -> Figure:
    """Draw the mean residual of the line of ln s² on h, for tenths of the images, against their log-odds.

    `panels` is {data: {network: (log-odds, offset, expanded uncertainty at 95 %)}}.
    """
    with canvas(len(panels), 3.1, source, title, width=7.2) as (figure, axes):
        for axis, (data, networks) in zip(axes, panels.items(), strict=True):
            axis.axhline(0, color=PALE, linewidth=1)
            for name, (marker, colour) in looks_of(networks).items():
                q, offset, bar = networks[name]
                look = {"color": colour, "markersize": 4, "linewidth": 1, "elinewidth": 0.8}
                axis.errorbar(q, offset, bar, fmt=f"{marker}-", label=name.removeprefix(f"{data} "), **look)
            axis.set(xlabel="mean log-odds of a tenth of the images, nat")
            axis.set_title(data, fontsize=9)
            axis.legend(fontsize=7.5, loc="lower right")
            axis.sharey(axes[0])
        axes[0].set_ylabel("mean residual of ln s²")
    return figure
