"""The picture "Train again": stored retrainings of a few images, what three of them state of u(x), and what is true.

`gathered` takes the numbers from the stored cells of the perceptron on MNIST. `chart` is a Vega-Lite specification of
them, which JupyterLab and the site draw without a kernel and without a network.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy import ndarray

from lnescape import plots
from lnescape.covariates.groups import DEFAULT
from lnescape.results import load_result
from lnescape.retraining import Evaluation, Reference, fidelity
from lnescape.study.observation import Panel
from lnescape.study.store import CellStore
from report.studies import figures
from report.studies.catalogue import STUDIES
from report.studies.geometry import from_one, kind_of_study, learned_for
from report.studies.moderation import Mix, Moderation, assembled, draws
from report.studies.svg import path_of, save

PLAIN, FREE, ONE = "plain", "with gradients", "from one training"
WAYS = {  # of stating u(x) from three retrainings
    PLAIN: Mix(None),
    "constant": Mix(()),
    FREE: Mix(DEFAULT),  # beside a prior that was learned on other pairs
}
KINDS = {"safe": "easy", "disputed": "undecided", "foreign": "foreign"}  # name in the picture: in the stored result
OF_KIND = 2  # images
MEMBERS, REDRAWS = 3, 10
CLOUD = 500  # images
BINS = 4  # of dots, in one u(x)
COLOURS = dict(zip((*WAYS, ONE), (plots.RED, plots.GREEN, plots.BLUE, "#CC79A7"), strict=True))
LIVE = "application/vnd.vegalite.v5+json"


def gathered() -> dict:
    """Collect the shown images with their retrainings, what each draw states of them, and the cloud of each way."""
    study = STUDIES["mnist-mlp-geometry"]
    store, stored = CellStore(study), load_result("mnist-mlp")
    everything = assembled(study, store)
    scouts = store.load(next(cell for cell in study.cells if cell.method == "scouts")).arrays
    watched = Panel(torch.empty(0), torch.empty(0), scouts["part"]).watched
    shown = []
    for kind, name in KINDS.items():
        seen = np.flatnonzero(np.isin(stored.arrays[name], watched))[:OF_KIND]
        shown += [(kind, stored.arrays[name][k], stored.arrays[f"{name}_pixels"][k, 0]) for k in seen]
    places = np.searchsorted(watched, [place for _, place, _ in shown])
    test = everything.where("test")
    drawn = draws(everything.n_networks, MEMBERS)
    reference = Reference.of(everything.q[:, test], drawn)
    learned = learned_for(study.name)
    ways = {}
    for way, mix in (WAYS | {FREE: replace(WAYS[FREE], like=learned)}).items():
        stated, _ = Moderation(everything, mix)(drawn, np.concatenate([test, places]))
        of_test = [replace(one, mean=one.mean[: len(test)], scale=one.scale[: len(test)]) for one in stated]
        shown_scale = np.array([one.scale[len(test) :] for one in stated[:REDRAWS]])
        ways[way] = _judged(of_test, reference) | {"shown": shown_scale}
    alone = Reference.of(everything.q[:, test], [(row,) for row in range(everything.n_networks)])
    ways[ONE] = _judged(from_one(everything, [learned] * everything.n_networks, kind_of_study(study)), alone)
    return {
        "kinds": [kind for kind, *_ in shown],
        "pixels": np.array([pixels for *_, pixels in shown]),
        "classes": scouts["chosen"][[place for _, place, _ in shown]],
        "q": everything.q[:, places],
        "drawn": np.array(drawn[:REDRAWS]),
        "true": everything.q[everything.n_networks :][:, test[:CLOUD]].std(0, ddof=1),
        "ways": ways,
        "source": f"{stored.provenance['data']['title']}, perceptron, {len(everything.q)} retrainings",
    }


def _judged(evaluations: Sequence[Evaluation], reference: Reference) -> dict:
    """Return the error of ln u in percent and the REN over all evaluations, and what the first of them state."""
    judged = fidelity(evaluations, reference)
    error = 50 * float(np.sqrt(judged.squared_error.value))
    scale = np.array([one.scale[:CLOUD] for one in evaluations[:REDRAWS]])
    return {"error": error, "ren": judged.ren.value, "scale": scale}


def piled(q: ndarray) -> tuple[ndarray, ndarray, float]:
    """Return the place of each dot on the axis, its height on the pile of earlier ones, and the width of a pile."""
    width = float(q.std(ddof=1) / BINS)
    bins = np.round((q - q.mean()) / width).astype(int)
    height = np.array([(bins[:k] == row).sum() for k, row in enumerate(bins)])
    return q.mean() + bins * width, height, width


def _png(pixels: ndarray) -> str:
    """Encode an image, dark on white, as an address that holds the picture itself."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(255 - pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _table(rows: Iterable[Sequence[float]], *names: str) -> dict:
    """Write numbers as the data of a view, in one short text."""
    lines = [",".join(names), *(",".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in row) for row in rows)]
    return {"values": "\n".join(lines), "format": {"type": "csv", "parse": dict.fromkeys(names, "number")}}


def _tables(found: dict) -> dict[str, dict]:
    """Lay the numbers out as the data of the views."""
    dots, bell, bands, three, images = [], [], [], [], []
    z = np.linspace(-4, 4, 41)
    plain, free = (found["ways"][way]["shown"] for way in (PLAIN, FREE))
    for k, q in enumerate(found["q"].T):
        u = q.std(ddof=1)
        x, height, width = piled(q)
        dots += [(k, i + 1, *dot) for i, dot in enumerate(zip(x, height, strict=True))]
        density = len(q) * width / u * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        bell += [(k, *point) for point in zip(q.mean() + u * z, density, strict=True)]
        images.append({"image": k, "url": _png(found["pixels"][k]), "truth": f"truth, all {len(q)}: u = {u:.2f} nat"})
        for d, rows in enumerate(found["drawn"].tolist()):
            three += [(k, d + 1, row) for row in q[rows]]
            bands += [(k, d + 1, row, q[rows].mean(), scale[d, k]) for row, scale in enumerate((plain, free))]
    ways = found["ways"]
    names = [f"{way}{d + 1}" for way in ways for d in range(REDRAWS)]
    cloud = np.vstack([found["true"], *(row["scale"] for row in ways.values())]).T
    errors = [
        {
            "way": way,
            "error": f"error {row['error']:.0f} %",
            "worth": f"as accurate as {row['ren']:.0f} plain retrainings",
        }
        for way, row in ways.items()
    ]
    return {
        "dots": _table(dots, "image", "i", "q", "h"),
        "bell": _table(bell, "image", "q", "h"),
        "bands": _table(bands, "image", "draw", "row", "mean", "s"),
        "three": _table(three, "image", "draw", "q"),
        "cloud": _table(cloud, "u", *names),
        "images": {"values": images},
        "errors": {"values": errors},
    }


def chart(found: dict) -> dict:
    """Return the Vega-Lite specification: one image on the left, stated against true u of 500 images on the right."""
    names = [f"{kind}, as a {c}" for kind, c in zip(found["kinds"], found["classes"], strict=True)]
    q = found["q"]
    mean, u = q.mean(0), q.std(0, ddof=1)
    ends = np.minimum(mean - 4.2 * u, q.min(0)), np.maximum(mean + 4.2 * u, q.max(0))
    low, high = (end.round(2).tolist() for end in ends)
    wrong = np.abs(np.log(found["ways"][PLAIN]["shown"][:, OF_KIND] / u[OF_KIND]))
    typical = 1 + int(np.argsort(wrong)[len(wrong) // 2])  # the draw that is shown first errs as the median one does
    tables = _tables(found)
    params = [
        {"name": "image", "value": OF_KIND, "bind": {
            "input": "select", "name": "image ", "options": list(range(len(names))), "labels": names}},
        {"name": "trained", "value": 60, "bind": {
            "input": "range", "name": "retrainings ", "min": 1, "max": len(q), "step": 1}},
        {"name": "draw", "value": typical, "bind": {
            "input": "range", "name": "other three ", "min": 1, "max": len(found["drawn"]), "step": 1}},
        {"name": "way", "value": PLAIN, "bind": {
            "input": "radio", "name": "u as stated ", "options": list(COLOURS)}},
        {"name": "low", "expr": f"{low}[image]"},
        {"name": "high", "expr": f"{high}[image]"},
    ]  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": "Retrainings of one image pile up on the axis of log-odds; beside it, u(x) of 500 images as "
        "stated from three retrainings, or from one, against the true one. Trained on " + found["source"],
        "params": params,
        "columns": 2,
        "spacing": 24,
        "concat": [_one_image(tables), _all_images(tables)],
        "config": {
            "view": {"stroke": None},
            "font": "sans-serif",
            "axis": {"grid": False},
            "title": {"anchor": "start"},
        },
    }


def _one_image(tables: dict[str, dict]) -> dict:
    """Return the view of one image: bell, dots, and under them the bands of three retrainings."""
    of_image, of_draw = {"filter": "datum.image == image"}, {"filter": "datum.image == image && datum.draw == draw"}
    x = {"type": "quantitative", "title": "log-odds q of the class (nat)", "scale": {
        "domain": [{"expr": "low"}, {"expr": "high"}], "nice": False, "zero": False}}  # fmt: skip
    y = {"type": "quantitative", "axis": None, "scale": {"domain": [-9, 19], "nice": False}}
    place = {"x": {**x, "field": "q"}, "y": {**y, "field": "y"}}
    colour = {"condition": {"test": "datum.row == 0", "value": COLOURS[PLAIN]}, "value": COLOURS[FREE]}
    said = f"(datum.row ? 'moderated, {FREE}: ' : 'plain s of the three: ') + format(datum.s, '.2f') + ' nat'"
    return {
        "width": 300, "height": 300,
        "title": "Each dot: the network trained again",
        "layer": [
            {"data": tables["bell"], "transform": [of_image], "mark": {"type": "area", "color": "#DDDDDD"},
             "encoding": {**place, "y": {**y, "field": "h", "stack": None}, "y2": {"datum": 0}}},
            {"data": tables["dots"],
             "transform": [of_image, {"filter": "datum.i <= trained"}, {"calculate": "datum.h + 0.5", "as": "y"}],
             "mark": {"type": "circle", "size": 42, "opacity": 1, "color": "#444444"}, "encoding": place},
            {"data": tables["bands"],
             "transform": [of_draw, {"calculate": "datum.mean - datum.s", "as": "q"}, {"calculate": said, "as": "said"},
                           {"calculate": "datum.mean + datum.s", "as": "high"},
                           {"calculate": "-2.6 - 3.6 * datum.row", "as": "y"},
                           {"calculate": "-1 - 3.6 * datum.row", "as": "above"}],
             "layer": [
                 {"mark": {"type": "bar", "height": 9, "clip": True},
                  "encoding": {**place, "x2": {"field": "high"}, "color": colour}},
                 {"mark": {"type": "text", "align": "left", "fontSize": 11},
                  "encoding": {"x": {"value": 0}, "y": {**y, "field": "above"}, "text": {"field": "said"},
                               "color": colour}}]},
            {"data": tables["three"], "transform": [of_draw, {"calculate": "-2.6", "as": "y"}],
             "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 46, "color": "black", "opacity": 1},
             "encoding": place},
            {"data": tables["images"], "transform": [of_image], "layer": [
                {"mark": {"type": "text", "align": "right", "baseline": "top", "color": "#555555", "fontSize": 11},
                 "encoding": {"x": {"value": 300}, "y": {"value": 0}, "text": {"field": "truth"}}},
                {"mark": {"type": "image", "width": 56, "height": 56, "aspect": False},
                 "encoding": {"x": {"value": 28}, "y": {"value": 32}, "url": {"field": "url"}}}]},
        ],
    }  # fmt: skip


def _all_images(tables: dict[str, dict]) -> dict:
    """Return the view of many images: u as stated from a few retrainings against the true one, and the error."""
    x = {
        "field": "u", "type": "quantitative", "title": "true u(x), nat", "axis": {"values": [0.1, 0.3, 1, 3]},
        "scale": {"type": "log", "domain": [0.1, 5], "nice": False, "clamp": True},
    }  # fmt: skip
    y = {**x, "field": "stated", "title": "u(x) as stated, nat"}
    scale = {"domain": list(COLOURS), "range": list(COLOURS.values())}
    colour = {"field": "way", "type": "nominal", "legend": None, "scale": scale}
    text = {"type": "text", "align": "left", "baseline": "top"}
    return {
        "width": 300, "height": 300,
        "title": f"{CLOUD} images: u(x) as stated, and as it is",
        "layer": [
            {"data": {"values": [{"u": 0.1, "stated": 0.1}, {"u": 5, "stated": 5}]},
             "mark": {"type": "line", "color": "#999999"}, "encoding": {"x": x, "y": y}},
            {"data": tables["cloud"],
             "transform": [{"calculate": "datum[way + draw]", "as": "stated"}, {"calculate": "way", "as": "way"}],
             "mark": {"type": "circle", "size": 12, "opacity": 0.6}, "encoding": {"x": x, "y": y, "color": colour}},
            {"data": tables["errors"], "transform": [{"filter": "datum.way == way"}], "layer": [
                {"mark": {**text, "fontSize": 20, "fontWeight": "bold"},
                 "encoding": {"x": {"value": 6}, "y": {"value": 4}, "text": {"field": "error"}, "color": colour}},
                {"mark": {**text, "fontSize": 11},
                 "encoding": {"x": {"value": 6}, "y": {"value": 28}, "text": {"field": "worth"}, "color": colour}}]},
        ],
    }  # fmt: skip


def train_again(
    image: ndarray, q: ndarray, piles: figures.Points, three: figures.Clouds, *,
    clouds: Mapping[str, tuple[ndarray, ndarray, str]], of: str = "the class", source: str, title: str,
) -> Figure:  # fmt: skip
    """Draw retrainings of one grey image with what three of them state, and stated against true u of many images.

    `image` is [height, width], `q` [retrainings] the log-odds `of` a class; `piles` are the places and heights of the
    dots of `q`; `three` is {way: (mean, u) of each draw}; `clouds` is {way: (true u, stated u, a remark)}.
    """
    colours = dict(zip(clouds, (plots.RED, plots.GREEN, plots.BLUE), strict=False))
    with plots.canvas(1 + len(clouds), 2.9, source, title, width=9.0) as (figure, axes):
        first, *others = axes
        z = np.linspace(-4, 4, 100)
        step = np.diff(np.unique(piles[0])).min()
        bell = len(q) * step / q.std(ddof=1) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        first.fill_between(q.mean() + q.std(ddof=1) * z, bell, color="#DDDDDD", linewidth=0)
        first.plot(piles[0], piles[1] + 0.5, "o", color="#444444", markersize=2.6)
        middle = first.get_yaxis_transform()
        y = -1.5
        for way, (means, stated) in three.items():
            top = y
            for mean, u in zip(means, stated, strict=True):
                first.plot([mean - u, mean + u], [y, y], color=colours[way], linewidth=1.3, solid_capstyle="butt")
                y -= 0.75
            words = {"color": colours[way], "fontsize": 7, "va": "center", "ha": "right", "transform": middle}
            first.text(1, (top + y) / 2, f"three:\n{way}".replace("with ", "with\n"), **words)
            y -= 1.2
        first.set(title=f"one image, {len(q)} retrainings", xlabel=f"log-odds q of {of} (nat)", yticks=[])
        first.spines["left"].set_visible(False)
        first.set_xlim(q.mean() - 4.2 * q.std(), q.mean() + 4.2 * q.std())
        figures.thumbnail(first, image, (0, 0.72, 0.3, 0.28))
        for axis, (way, (true, stated, remark)) in zip(others, clouds.items(), strict=True):
            axis.plot([0.1, 5], [0.1, 5], color=plots.PALE, linewidth=1)
            axis.plot(true, np.clip(stated, 0.1, 5), ".", color=colours[way], markersize=2, alpha=0.5)
            axis.set(xscale="log", yscale="log", xlim=(0.1, 5), ylim=(0.1, 5), title=f"{way}: {remark}")
            axis.set(xlabel="true u(x), nat")
            figures.ticks_at(axis, x=(0.1, 0.3, 1, 3), y=(0.1, 0.3, 1, 3))
            axis.set_box_aspect(1)
        others[0].set_ylabel("stated from three, nat")
    return figure


class Picture:
    """The chart in a notebook: live where Vega-Lite is known, as in JupyterLab, and a still picture elsewhere."""

    def __init__(self, name: str, title: str):
        """Gather the numbers, and write the still picture to `report/figures/NAME.svg`."""
        found = gathered()
        k = found["kinds"].index("disputed")
        q, ways = found["q"][:, k], found["ways"]
        x, height, _ = piled(q)
        three = {way: (q[found["drawn"]].mean(1), ways[way]["shown"][:, k]) for way in (PLAIN, FREE)}
        clouds = {way: (found["true"], ways[way]["scale"][0], f"error {ways[way]['error']:.0f} %") for way in WAYS}
        image, source = found["pixels"][k], found["source"]
        words = {"of": f"“{found['classes'][k]}”", "source": source, "title": title}
        still = train_again(image, q, (x, height), three, clouds=clouds, **words)
        save(still, name)
        svg = path_of(name).read_text()
        self._shown = {LIVE: chart(found), "image/svg+xml": svg, "text/plain": title}

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        """Return every form of the picture, from which the reader's program takes the first that it knows."""
        return self._shown, {"image/svg+xml": {"alt": self._shown[LIVE]["description"]}}
