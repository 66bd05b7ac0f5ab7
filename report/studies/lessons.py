"""Figures of the course that teach one idea each: what retraining does, and how few trainings state it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape.plots import BLUE, DARK, GREEN, PALE, RED, canvas
from report.studies.figures import legend_below

WAYS = ((RED, "o"), (GREEN, "^"), (BLUE, "D"))  # of stating u(x), from the poorest to the best
FIELD = "#DDDDDD"  # what is true
RATIOS = (0.1, 0.3, 1, 3)
OF_PAIR = (("o", DARK), ("s", BLUE), ("^", RED), ("D", GREEN), ("v", "#CC79A7"))
FACTS = {
    "training_loss": "training loss (nat)",
    "gradient_scatter": "scatter of the gradients",
    "distance": "distance of solutions",
}


def retrainings_of_one_image(
    image: Float[ndarray, "height width"], q: Float[ndarray, " retrainings"], *, source: str, title: str
) -> Figure:
    """Draw the log-odds of one grey image over retrainings as a histogram, and u as half the width of its middle."""
    u, mean = q.std(ddof=1), q.mean()
    with canvas(1, 2.4, source, title, width=5.2) as (figure, (axis,)):
        counts, _, _ = axis.hist(q, bins=20, color=PALE, edgecolor="white", linewidth=0.4)
        axis.axvline(0, color=RED, linestyle="--", linewidth=1)
        height = 1.12 * counts.max()
        axis.annotate("", (mean - u, height), (mean + u, height), arrowprops={"arrowstyle": "<->", "color": BLUE})
        axis.text(
            mean, 1.03 * height, f"mean ± u(x), u = {u:.2f} nat", color=BLUE, ha="center", va="bottom", fontsize=8
        )
        axis.set(xlabel="log-odds q of the class (nat); left of 0, another class is likelier", ylabel="retrainings")
        axis.set(ylim=(0, 1.3 * height), xlim=(min(q.min(), 0) - 0.6, q.max() + 1.6))
        inset = axis.inset_axes((0.84, 0.55, 0.16, 0.42))
        inset.imshow(image, cmap="gray_r")
        inset.axis("off")
    return figure


def three_jump(
    q: Float[ndarray, " retrainings"],
    s: Float[ndarray, " images"],
    u: Float[ndarray, " images"],
    *,
    source: str,
    title: str,
) -> Figure:
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
        left.set(xlabel="log-odds q (nat)", ylabel="ten times three trainings", yticks=[], ylim=(9.7, -0.7))
        left.set_title("one image", fontsize=9)
        bins = np.geomspace(0.05, 3.2, 34)
        right.hist(np.clip(s / u, bins[0], bins[-1]), bins=bins, color=RED, alpha=0.6)
        right.axvline(1, color=DARK, linewidth=1)
        right.set(xscale="log", xlabel="s from three / true u", ylabel="images")
        right.set_xticks(RATIOS, labels=[f"{tick:g}" for tick in RATIOS])
        right.minorticks_off()
        right.set_title(f"{len(s)} images", fontsize=9)
    return figure


def spread_of_variances(
    variance: Float[ndarray, " images"], dof: int, prior: tuple[float, float], *, source: str, title: str
) -> Figure:
    """Draw how ln s² scatters over images, beside two laws: one u for all images, and u that differs.

    `prior` is (d₀, s₀²): then s²/s₀² follows Fisher's F(ν, d₀).
    """
    from scipy.stats import chi2, f

    seen = np.log(variance)
    x = np.linspace(*np.quantile(seen, (0.002, 0.999)), 200)
    d0, location = prior
    common = np.exp(seen.mean() - _log_mean(dof))  # the one variance that has this mean of ln s²
    laws = {
        "if u were the same for all images": (
            dof * np.exp(x) / common * chi2.pdf(dof * np.exp(x) / common, dof),
            "--",
            RED,
        ),
        f"if u differs, d₀ = {d0:.1f}": (np.exp(x) / location * f.pdf(np.exp(x) / location, dof, d0), "-", BLUE),
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


def _log_mean(dof: float) -> float:
    """Return the mean of ln(s²/σ²) with ν degrees of freedom."""
    from scipy.special import digamma

    return float(digamma(dof / 2) - np.log(dof / 2))


def regression(
    h: Float[ndarray, " images"],
    panels: Mapping[str, tuple[Float[ndarray, " images"], float]],
    slope: float,
    *,
    label: str,
    source: str,
    title: str,
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
    stated: Mapping[str, Float[ndarray, " images"]],
    true: Float[ndarray, " images"],
    errors: Mapping[str, float],
    *,
    source: str,
    title: str,
) -> Figure:
    """Draw u(x) as each way states it against the true one, with the error of ln u in percent in the panel."""
    ends = np.array([0.5 * true.min(), 2 * true.max()])
    with canvas(len(stated), 2.9, source, title, width=7.2) as (figure, axes):
        for axis, (way, values), (colour, _) in zip(axes, stated.items(), WAYS, strict=False):
            _diagonal(axis, ends)
            axis.plot(true, np.clip(values, *ends), ".", color=colour, markersize=2.5, alpha=0.5)
            axis.text(0.04, 0.95, f"error {errors[way]:.0f} %", transform=axis.transAxes, va="top", color=colour,
                      fontsize=11, fontweight="bold")  # fmt: skip
            axis.set_title(way, fontsize=9)
            axis.set(xlabel="true u(x), nat", xlim=ends, ylim=ends)
            axis.set_box_aspect(1)
        axes[0].set_ylabel("stated u(x), nat")
    return figure


def _diagonal(axis: Axes, ends: ndarray) -> None:
    """Draw the line of equal u on logarithmic axes."""
    axis.plot(ends, ends, color=PALE, linewidth=1)
    axis.set(xscale="log", yscale="log")
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5) if ends[0] < tick < ends[1]]
    for place in (axis.set_xticks, axis.set_yticks):
        place(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.minorticks_off()


def scale_of_ren(found: Mapping[str, tuple[float, float]], *, source: str, title: str) -> Figure:
    """Draw the error of u against the number of plain retrainings, and read ways of stating u off that curve.

    `found` is {way: (REN, error of ln u in percent)}.
    """
    from scipy.special import polygamma

    n = np.geomspace(2, 200, 100)
    curve = 50 * np.sqrt([polygamma(1, (m - 1) / 2) + _log_mean(m - 1) ** 2 for m in n])
    with canvas(1, 2.9, source, title, width=5.2) as (figure, (axis,)):
        axis.plot(n, curve, color=DARK, linewidth=1.4, label="plain retrainings")
        for (way, (ren, error)), (colour, marker) in zip(found.items(), WAYS, strict=False):
            axis.plot([n[0], ren, ren], [error, error, 4], ":", color=colour, linewidth=1)
            axis.plot(ren, error, marker, color=colour, markersize=6, label=f"{way}: REN {ren:.0f}")
        axis.set(xscale="log", yscale="log", xlim=(2, 200), ylim=(4, 130), xlabel="number of plain retrainings")
        axis.set_ylabel("error of u (%)")
        axis.set_xticks([2, 3, 5, 10, 30, 100], labels=["2", "3", "5", "10", "30", "100"])
        axis.set_yticks([5, 10, 20, 50, 100], labels=["5", "10", "20", "50", "100"])
        axis.minorticks_off()
        axis.legend(fontsize=8, loc="upper right")
    return figure


def beforehand(
    facts: Mapping[str, Mapping[str, float]],
    partial: Mapping[str, Mapping[str, tuple[float, float]]],
    *,
    source: str,
    title: str,
) -> Figure:
    """Draw what bursts (filled) and proxies (hollow) tell of u(x) against facts that are known beforehand.

    `facts` is {pair: {fact: value}} with the facts in `FACTS`; `partial` is {pair: {exploration: (partial R², expanded
    uncertainty at 95 %)}}.
    """
    with canvas(len(FACTS), 2.7, source) as (figure, axes):
        for axis, (fact, label) in zip(axes, FACTS.items(), strict=True):
            for (name, own), (marker, colour) in zip(facts.items(), OF_PAIR, strict=False):
                hollow = 1.02 if fact == "distance" else 1.12  # a little to the right
                for what, fill, shift in (("bursts", "full", 1.0), ("proxies", "none", hollow)):
                    value, bar = partial[name].get(what, (np.nan, np.nan))
                    look = {"fmt": marker, "color": colour, "fillstyle": fill, "markersize": 5, "elinewidth": 0.8}
                    axis.errorbar(own[fact] * shift, value, bar, **look)
                axis.plot([], [], marker, color=colour, markersize=5, label=name)
            axis.axhline(0.02, color=PALE, linewidth=0.8, linestyle="--")
            low = min(-0.01, axis.get_ylim()[0])
            axis.set(xscale="linear" if fact == "distance" else "log", xlabel=label, ylim=(low, None))
        axes[0].set_ylabel("partial R²")
        legend_below(figure, *axes[0].get_legend_handles_labels(), columns=5)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def ring_valley(
    line: Float[ndarray, "times 2"],
    curve: Float[ndarray, "times 2"],
    control: Float[ndarray, "2"],
    *,
    source: str,
    title: str,
) -> Figure:
    """Draw the valley L(w) = (‖w‖² − 1)² of two weights from above, with a line and a curve between two solutions."""
    grid = np.linspace(-2.1, 2.1, 121)
    x, y = np.meshgrid(grid, np.linspace(-1.9, 2.3, 121))
    with canvas(1, 3.3, source, title, width=4.6) as (figure, (axis,)):
        levels = np.linspace(0, 1.6, 13)
        filled = axis.contourf(x, y, np.minimum((x**2 + y**2 - 1) ** 2, 1.6), levels=levels, cmap="cividis")
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
        axis.set(xlabel=f"standard deviation of {n} numbers", ylabel="samples")
        axis.legend(fontsize=8)
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
