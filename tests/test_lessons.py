"""What the course draws and tabulates to teach: drawn from arrays, described in words, read from stored results."""

import numpy as np
import pandas as pd
import pytest

from notebooks import course
from report.studies import lessons, tables

STREAM = np.random.default_rng(0)
Q = STREAM.normal(5, 1, (60, 40))
U = Q.std(0, ddof=1)


WORDS = {"source": "simulated", "title": "What is claimed"}


def stated_against_true(**words):
    return lessons.stated_against_true({"plain": U, "prior": U}, U, {"plain": 71.2, "prior": 8.4}, **words)


def scale_of_ren(**words):
    return lessons.scale_of_ren({"plain": (3.0, 71.0), "prior": (70.0, 8.6)}, **words)


def drawn(words=WORDS):
    yield lessons.retrainings_of_one_image(STREAM.random((8, 8)), Q[:, 0], **words)
    yield lessons.three_jump(Q[:, 0], Q[:3].std(0, ddof=1), U, **words)
    yield lessons.spread_of_variances(Q[:3].var(0, ddof=1), 2, (7.0, 1.0), **words)
    yield lessons.regression(
        np.log(U), {"ours": (np.log(U), 0.0), "true": (2 * np.log(U), 1.0)}, 2.0, label="h", **words
    )
    yield from (stated_against_true(**words), scale_of_ren(**words))
    facts = {"MNIST MLP": {"training_loss": 0.1, "gradient_scatter": 1.0, "distance": 30.0}}
    yield lessons.beforehand(facts, {"MNIST MLP": {"bursts": (0.2, 0.1)}}, **words)
    later = {"a kind": ("one", 0.3), "another": ("two", 0.2)}
    yield lessons.levels({"a kind": {"a pair": 0.3}, "another": {"more": 0.4}}, later, **words)
    yield lessons.yardsticks({"q": {"one": 0.6, "two": 2.0}, "more": {"one": 0.9}}, {"q": ["two"], "more": []}, **words)
    yield lessons.ring_valley(Q[:5, :2], Q[:5, 2:4], Q[0, :2], **words)
    yield lessons.even_points({"even": STREAM.dirichlet(np.ones(3), 50)}, **words)
    yield lessons.few_numbers(U, 60, **words)
    yield lessons.read_equivalent(np.array([-0.05, -0.045]), -0.046, 1.8, **words)
    yield lessons.one_function({"A": (1.0, 1.0)}, **words)
    yield lessons.weights_and_function({"a copy": (U, 0 * U, U)}, floor=1e-7, **words)
    yield lessons.clouds({"one": (U, U), "two": (U, U)}, {"one": {"equal": (U, U)}}, x="true", y="u", log=True, **words)
    yield lessons.proper_scores(U, {"NLL": U}, 0.7, **words)
    yield lessons.reliabilities({"test": {"one": np.log(STREAM.dirichlet(np.ones(3), 40))}}, np.arange(40) % 3, **words)
    yield lessons.shares_below({"entropy (nat)": {"test": U}}, least=0.1, **words)
    yield lessons.entropies({"u": U}, {"aleatoric": U, "epistemic": U}, **words)
    yield lessons.two_questions({"class": Q, "family": Q + 1}, **words)
    panels = {"MNIST": {"MNIST CNN": (U, U, U)}, "others": {"FashionMNIST attention": (U, U, U)}}
    yield lessons.beyond_gradients(panels, **words)


def test_each_figure_says_what_it_claims_and_where_its_data_are_from():
    figures = list(drawn())
    own = {name for name, thing in vars(lessons).items() if getattr(thing, "__module__", "") == lessons.__name__}
    assert len(figures) == len([name for name in own if name[0] != "_"])
    for figure in figures:
        words = course.alternative(figure)
        assert words.startswith("What is claimed. ")
        assert words.endswith("Data: simulated")
        assert " against " in words


def test_an_alternative_text_has_what_is_written_in_the_panels():
    words = course.alternative(stated_against_true(**WORDS))
    assert "plain: stated u(x), nat against true u(x), nat (error 71 %)" in words


def test_plain_retrainings_lie_on_their_scale():
    curve = scale_of_ren(**WORDS).axes[0].lines[0]
    for n, error in ((3, 71), (10, 26)):  # in percent, as simulated in the course
        assert np.interp(n, *curve.get_data()) == pytest.approx(error, abs=1)


def test_a_table_has_at_most_six_columns_and_the_same_bytes_each_time():
    frame = pd.DataFrame(np.eye(2, 6), index=["a", "b"])
    assert course.table(frame, "rows").to_html() == course.table(frame, "rows").to_html()
    with pytest.raises(ValueError, match="7 columns; show at most 6"):
        course.table(pd.DataFrame(np.eye(2, 7)))


def test_tables_are_those_of_the_stored_results():
    stored = tables.stored_of_pairs("-uncertainty")
    ren = stored["MNIST MLP"].numbers["mixes"]["constant"]["3"]["ren"]
    row = tables.worths(stored, "3")["constant"]["MNIST MLP"]
    assert row == f"{ren['value']:.1f} [{ren['low']:.1f}, {ren['high']:.1f}]"
    of_two = stored["MNIST MLP"].numbers["mixes"]["all free groups"]["2"]["ren"]["value"]
    assert tables.left_out(stored)["none"]["MNIST MLP"] == of_two
    gates = tables.verdicts(tables.stored_of_pairs(), stored, tables.stored_of_pairs("-methods"))
    assert {row[0] for row in gates} == {f"G{k}" for k in range(9)}
    assert {row[2] for row in gates} <= {"passed", "FAILED", "undecided"}
