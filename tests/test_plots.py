"""Figures: drawn from arrays, named by their data, the same bytes each time, one style for each method."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

import lnescape as ln
from lnescape import plots
from notebooks import course
from report.studies import again, figures, svg

STREAM = np.random.RandomState(0)
TIMES = np.linspace(0, 1, 5)
GRID = np.array([(x, y) for y in range(4) for x in range(5)], float)
ANCHORS = np.array([[0.5, 0.5], [3.5, 0.5], [2.0, 2.5]])
CORNERS = np.array([(i, j, 3 - i - j) for i in range(4) for j in range(4 - i)]) / 3
LOSS = 0.1 + STREAM.rand(20)


def path_losses(**words):
    methods = {"line": (TIMES, 1 + STREAM.rand(3, 5)), "curve": (TIMES, 0.1 + STREAM.rand(5))}
    return plots.path_losses({"training": methods, "test": methods}, **words)


def plane_map(**words):
    return plots.plane_map(GRID, LOSS, anchors=ANCHORS, curve=ANCHORS[[0, 2, 1]], **words)


def triangle_map(**words):
    return plots.triangle_map(CORNERS, LOSS[: len(CORNERS)], **words)


def score_against_cost(**words):
    methods = {"simplex": (1.0, STREAM.rand(3)), "single network": (1.0, STREAM.rand(1))}
    return figures.score_against_cost({"MLP": (1 / np.arange(1, 5), methods)}, **words)


def disputed_images(**words):
    said = STREAM.dirichlet(np.ones(4), (2, 3))
    return figures.disputed_images(STREAM.rand(2, 8, 8), said, classes=["a", "b", "c", "d"], **words)


def log_odds_histograms(**words):
    groups = {name: (STREAM.rand(2, 8, 8), STREAM.randn(30, 2)) for name in ("easy", "foreign")}
    return figures.log_odds_histograms(groups, **words)


def undecided_images(**words):
    return figures.undecided_images(STREAM.rand(4, 8, 8), STREAM.randn(30, 4), names=["a", "b", "c", "d"], **words)


def u_across_images(**words):
    mean, u = ({name: STREAM.rand(20) for name in ("test", "noise", "foreign")} for _ in range(2))
    return figures.u_across_images(mean, u, scattered=("test", "foreign"), **words)


def convergence(**words):
    n = np.array([2, 5, 10])
    return figures.convergence({"MLP": (n, 1 / n), "CNN": (n[:2], 1 / n[:2])}, (n, 1 / n), **words)


def covariate_worth(**words):
    table = {"constant": {2: (9.0, 8.0, 10.0), 3: (10.0, 9.0, 12.0)}, "all": {2: (20.0, 15.0, 30.0)}}
    return figures.covariate_worth({"MLP": table, "CNN": table}, **words)


def frontier(**words):
    rows = [(2, 2.0, 9.0, "constant"), (3, 3.5, 30.0, "")]
    return figures.frontier({"MLP": rows, "CNN": [(4, 4.0, 12.0, "")]}, **words)


def worth_on_pairs(**words):
    table = {"constant": {2: (9.0, 8.0, 10.0), 3: (10.0, 9.0, 12.0)}, "all": {2: (20.0, 15.0, 30.0)}}
    return figures.worth_on_pairs({"MNIST MLP": table, "CIFAR-10 CNN": {"constant": table["constant"]}}, **words)


def equivalents_on_pairs(**words):
    table = {way: {"1": {"dee": {"value": 1.4}}, "3": {}} for way in ("deep ensemble", "SWAG")}
    pairs = [f"pair {k}" for k in range(4)]
    return figures.equivalents_on_pairs(dict.fromkeys(pairs, table), largest=dict.fromkeys(pairs, 10), **words)


def coverage(**words):
    deciles = {"MLP": {"plain": np.linspace(60, 100, 10), "all": np.full(10, 95.0)}}
    return figures.coverage(deciles, {"MNIST MLP": (np.array([0.1, 0.5]), np.array([0.1, 0.4]))}, **words)


def statement(source, title):
    evaluation = ln.type_a(STREAM.randn(4, 30) + np.linspace(-1, 4, 30))
    words = {"title": source, "limits": None, "units": ("nat",), "outputs": (), "quantity": "log-odds"}
    said = SimpleNamespace(evaluation=evaluation, level=0.95, spread=evaluation.u, dof=3.0, chosen=None, **words)
    said.risk = evaluation.below(0.0)
    return plots.statement(said, title=title)


def reliability(**words):
    logp = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    return plots.reliability(logp, torch.arange(50) % 3, n_bins=5, bins="width", **words)


def equivalents(**words):
    worth = {"low": 0.0, "value": 1.4, "high": float("inf"), "bases": [1.2, 1.6]}
    table = {way: {"1": {"dee": worth, "cll": -0.5}, "3": {}} for way in ("deep ensemble", "SWAG")}
    one = {"MLP": -0.4, "CNN": -0.4}
    return figures.equivalents({"MLP": table, "CNN": table}, ["1", "3"], largest=10, single=one, **words)


def diversity(**words):
    found = {"deep ensemble": (98.5, 1.2), "SWAG": (98.4, 0.5), "SPRO": (11.0, 20.0)}
    return figures.diversity({"MLP": found}, least=97.0, **words)


def train_again(**words):
    q, true = STREAM.randn(20), np.exp(STREAM.randn(30))
    three = {way: (STREAM.randn(2), STREAM.rand(2)) for way in ("plain", "constant")}
    clouds = dict.fromkeys(three, (true, true * 1.1, "error 10 %"))
    return again.train_again(STREAM.rand(8, 8), q, (np.round(q, 1), np.zeros(20)), three, clouds=clouds, **words)


def weight_sweep(**words):
    weights = np.array([0, 1e-3, 1e-2, 1e-1])
    kinds = ("1 point", "5 points")
    panels = {name: {kind: STREAM.rand(4) for kind in kinds} for name in ("ln V", "loss (nat)")}
    return figures.weight_sweep(weights, panels, label="λ", **words)


DRAWN = [
    *(path_losses, plane_map, triangle_map, score_against_cost, disputed_images, log_odds_histograms, reliability),
    *(undecided_images, u_across_images, convergence, equivalents, diversity, weight_sweep, covariate_worth),
    *(frontier, coverage, statement, worth_on_pairs, equivalents_on_pairs, train_again),
]


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)] + [axis.get_title("left") for axis in figure.axes]


def test_every_public_function_that_draws_is_tested():
    public = set(plots.__all__) - {"STYLE"}
    of_studies = {n for n, thing in vars(figures).items() if getattr(thing, "__module__", "") == figures.__name__}
    helpers = {"legend_below", "looks_of", "thumbnail", "ticks_at"}
    own = {name for name in of_studies if name[0] != "_"} - helpers | {"train_again"}
    assert public | own == {draw.__name__ for draw in DRAWN}


@pytest.mark.parametrize(("pairs", "shape"), [(2, (1, 2)), (3, (1, 3)), (5, (2, 3))])
def test_a_frontier_of_many_pairs_goes_on_in_a_second_row(pairs, shape):
    rows = [(2, 2.0, 9.0, "constant"), (3, 3.5, 30.0, "")]
    figure = figures.frontier({f"pair {k}": rows for k in range(pairs)}, source="s", title="t")
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    assert [axis.get_title("left") for axis in figure.axes if axis.axison] == [f"pair {k}" for k in range(pairs)]


def test_paths_are_drawn_as_they_are_given():
    values = np.array([[3.0, 2.0, 1.0, 2.0, 3.0], [5.0, 4.0, 3.0, 4.0, 5.0]])
    figure = plots.path_losses({"test": {"line": (TIMES, values)}}, source="s", title="t", logarithmic=False)
    drawn = [line.get_ydata().tolist() for line in figure.axes[0].lines]
    assert drawn == [*values.tolist(), values.mean(0).tolist()]
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "line, n = 2"


def test_flips_are_the_hatched_bars():
    contrast = np.array([[-2.0], [-1.0], [3.0], [2.5]])
    images, names = np.zeros((2, 4, 4)), ["7", "1"]
    figure = figures.undecided_images(images, contrast.repeat(2, 1), names=names, source="s", title="t")
    axis = figure.axes[0]
    assert axis.get_title() == "7: 50 % flip"
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_hatch(), bar.get_height()) for bar in axis.patches]
    assert sum(height for _, hatch, height in bars if hatch) == 2
    assert all((x < 0) == bool(hatch) for x, hatch, _ in bars)


def test_the_spread_is_written_beside_each_histogram():
    q = np.array([[1.0], [3.0], [5.0]])
    figure = figures.log_odds_histograms({"easy": (np.zeros((1, 4, 4)), q)}, source="s", title="t")
    assert "u = 2.00 nat" in words_of(figure)


def test_a_score_is_drawn_at_its_cost_with_the_standard_uncertainty_of_its_mean():
    repetitions = np.array([0.2, 0.3, 0.4])
    panels = {"MLP": (np.array([0.5, 0.4]), {"curve": (1.0, repetitions)})}
    axis = figures.score_against_cost(panels, source="s", title="t").axes[0]
    assert axis.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.4]]
    assert axis.lines[1].get_xydata().tolist() == [[1, 0.2], [1, 0.3], [1, 0.4]]
    bar = axis.containers[0].lines[2][0].get_segments()[0]
    assert bar[:, 1] == pytest.approx([0.3 - 0.1 / 3**0.5, 0.3 + 0.1 / 3**0.5])


def test_methods_are_told_apart_in_grey():
    from report.studies.comparison import WAYS

    assert set(figures.LOOKS) == set(WAYS)
    assert len({marker for _, marker in figures.LOOKS.values()}) == len(figures.LOOKS)


def test_an_equivalent_is_drawn_where_it_is_and_at_the_edge_beyond_the_curve():
    axis = equivalents(source="s", title="t").axes[0]
    points = [line.get_xydata().tolist() for line in axis.lines if line.get_marker() == "o" and len(line.get_xdata())]
    np.testing.assert_allclose(points, [[[1.4, -0.18]], [[1.4, 0.82]]])
    bands = [x.get_xdata().tolist() for x in axis.lines if x.get_marker() == "None" and x.get_linewidth() == 1]
    assert bands == [[0.6, 12.5]] * 4  # below one member, and beyond the largest ensemble
    assert "diverged" in " ".join(words_of(equivalents(source="s", title="t")))


@pytest.mark.parametrize("high", [0.0, 1.3])
def test_what_is_worth_less_than_one_network_has_its_number_where_nothing_else_is_drawn(high):
    row = {"dee": {"low": 0.0, "value": 0.0, "high": high, "bases": [0.0, 1.2]}, "cll": -0.4123}
    table, single = {"MLP": {"SPRO": {"1": row}}}, {"MLP": -0.4}
    axis = figures.equivalents(table, ["1"], largest=10, single=single, source="s", title="t").axes[0]
    (number,) = [text for text in axis.texts if text.get_text() == "−12.3"]
    assert number.get_ha() == "right"
    assert number.get_position()[0] < min(x for line in axis.lines for x in line.get_xdata() if x > 0)


@pytest.mark.parametrize("draw", DRAWN)
def test_a_figure_states_its_data_and_its_claim_and_gives_the_same_bytes_without_a_date(draw, home):
    contents = []
    for _ in range(2):
        STREAM.seed(1)
        figure = draw(source="MNIST, a part", title="What is claimed")
        assert isinstance(figure, Figure)
        assert course.save(figure, "99_claim") is figure
        contents.append((home / "report" / "figures" / "99_claim.svg").read_bytes())
    assert contents[0] == contents[1]
    assert b"<dc:date>" not in contents[0]
    assert [file.name for file in (home / "report" / "figures").iterdir()] == ["99_claim.svg"]
    assert {"Data: MNIST, a part", "What is claimed"} <= set(words_of(figure))
    assert all(axis.has_data() or axis.axison is False or axis.child_axes for axis in figure.axes)


def test_a_long_claim_is_wrapped_and_a_figure_whose_label_is_cut_off_is_not_written(home):
    with plots.canvas(1, 1.5, "s", "A claim of many words " * 8) as (figure, (axis,)):
        axis.plot([0, 1])
    course.save(figure, "99_wrapped")
    axis.set_ylabel("a label that is far longer than its panel is high")
    with pytest.raises(ValueError, match="99_cut.svg is cut off"):
        course.save(figure, "99_cut")
    assert [file.name for file in (home / "report" / "figures").iterdir()] == ["99_wrapped.svg"]


def histogram_line_and_scatter(q):
    groups = {"easy": (np.zeros((2, 4, 4)), q)}
    yield figures.log_odds_histograms(groups, source="s", title="t")
    with plots.canvas(2, 2.0, "s", "t") as (figure, (left, right)):
        left.plot(q[:, 0])
        left.fill_between(range(len(q)), q[:, 0] - 1, q[:, 0] + 1, alpha=0.2, hatch="///")
        right.scatter(q[:, 0], q[:, 1], s=10 * np.exp(q[:, 1]), c=q[:, 0])
    yield figure


def test_inputs_that_differ_in_the_last_bit_give_the_same_bytes(home):
    path = home / "report" / "figures" / "99_claim.svg"
    q = STREAM.randn(60, 2)
    files = set()
    for _ in range(3):
        drawn = [course.save(figure, "99_claim") and path.read_bytes() for figure in histogram_line_and_scatter(q)]
        files.add(tuple(drawn))
        q = np.nextafter(q, STREAM.choice([-np.inf, np.inf], q.shape))
    assert len(files) == 1


def test_coordinates_are_hundredths_and_ids_are_numbered_as_they_appear():
    one, other = (
        f'<path id="m{name}" d="M {x} 1\nL -0.001 2.5" style="stroke-width: 0.125"/><use x="{x}" xlink:href="#m{name}" '
        f'clip-path="url(#p{name})" transform="translate({x} 3) scale(0.015625)"/><clipPath id="p{name}"/>'
        for name, x in (("0123456789", "7.125000"), ("abcdef0123", "7.124999"))
    )
    assert svg.stable(one) == svg.stable(other)
    assert svg.stable(one) == (
        '<path id="m1" d="M 7.13 1\nL 0 2.5" style="stroke-width: 0.125"/><use x="7.13" xlink:href="#m1" '
        'clip-path="url(#p2)" transform="translate(7.13 3) scale(0.015625)"/><clipPath id="p2"/>'
    )


@pytest.mark.parametrize("what", ["color", "marker", "linestyle"])
def test_each_method_has_a_style_of_its_own(what):
    assert len({style[what] for style in plots.STYLE.values()}) == len(plots.STYLE) > 1
