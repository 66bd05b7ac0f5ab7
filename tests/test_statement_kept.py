"""A statement that one keeps: chosen inputs, a file, tables, a figure, a sentence, a certificate."""

import json
import re
from decimal import Decimal
from io import BytesIO

import numpy as np
import pandas
import pypdf
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.special import log_softmax

import lnescape as ln
from lnescape.results.estimate import percent
from lnescape.statement.certificate import MARGIN, WIDTH, _table

RNG = np.random.default_rng(0)
CENTRE = 3 * RNG.normal(size=(200, 4))
CLASSES = ln.state_arrays(
    log_softmax(CENTRE + RNG.normal(size=(3, 200, 4)), -1),
    names=("cat", "dog", "owl", "elk"),
    ids=[f"S-{k}" for k in range(200)],
)
SPREAD = 2 / np.sqrt(RNG.chisquare(8, 300) / 8)
VALUES = ln.state_arrays(20 + SPREAD * RNG.normal(size=(3, 300)), unit="mm", limits=(14, 26), title="gauge blocks")
BOTH = pytest.mark.parametrize("stated", [CLASSES, VALUES], ids=["classes", "values"])


@BOTH
def test_inputs_are_chosen_by_number_identifier_and_slice(stated):
    one, name = stated[3], stated.ids[3]
    assert (len(one), one.ids) == (1, (name,))
    assert stated[name].u == one.u == stated.u[3:4]
    assert stated[-1].ids == stated.ids[-1:]
    assert stated[10:20].ids == stated.ids[10:20]
    np.testing.assert_array_equal(stated[stated.risk > 0.05].u, stated.u[stated.risk > 0.05])
    assert stated.sentence(name) == stated.sentence(3) == one.sentence()
    assert [len(each) for each in stated[:3]] == [1, 1, 1]
    with pytest.raises(KeyError, match="There is no input 'S-9999'"):
        stated["S-9999"]
    with pytest.raises(IndexError):
        stated[len(stated)]


@BOTH
def test_a_kept_statement_is_the_same_in_every_number_and_word(stated, tmp_path):
    stated.save(tmp_path / "kept")
    again = ln.load_statement(tmp_path / "kept")
    assert str(again) == str(stated)
    assert again.origin == stated.origin
    pandas.testing.assert_frame_equal(again.to_dataframe(), stated.to_dataframe(), check_exact=True)
    with pytest.raises(ln.ResultError, match="is missing; write it again"):
        ln.load_statement(tmp_path / "nothing")
    (tmp_path / "kept").write_bytes((tmp_path / "kept").read_bytes()[:-1] + b"x")
    with pytest.raises(ln.ResultError, match="is damaged"):
        ln.load_statement(tmp_path / "kept")


@BOTH
def test_tables_hold_the_numbers(stated, tmp_path):
    stated.to_csv(tmp_path / "table.csv")
    stated.to_json(tmp_path / "table.json")
    table = pandas.read_csv(tmp_path / "table.csv", dtype={"id": str})
    pandas.testing.assert_frame_equal(table, stated.to_dataframe(), check_dtype=False)
    kept = json.loads((tmp_path / "table.json").read_text())
    assert [row["u"] for row in kept["rows"]] == stated.u.tolist()
    assert kept["identification"]["software"].startswith("lnescape")
    arrays = stated.to_xarray()
    np.testing.assert_array_equal(arrays["u"], stated.u)
    assert list(arrays["input"].values) == list(stated.ids)


def test_the_sentence_gives_the_probability_beside_the_log_odds_and_the_likelier_class():
    doubtful = int(np.flatnonzero(CLASSES.likelier != CLASSES.chosen)[0])
    chosen, likelier = (CLASSES.classes[c[doubtful]] for c in (CLASSES.chosen, CLASSES.likelier))
    text = CLASSES.sentence(doubtful)
    assert f"class {chosen!r}" in text
    assert f"most likely for {likelier!r}" in text
    assert CLASSES.flip[doubtful] > 0.5
    row = CLASSES.to_dataframe().iloc[doubtful]
    low, high = map(float, re.search(r"a probability between ([\d.]+) and ([\d.]+),", text).groups())
    assert (low, high) == (
        pytest.approx(row["probability_low"], abs=0.006),
        pytest.approx(row["probability_high"], abs=0.006),
    )
    assert f"log-odds {ln.Estimate(row['q'], row['u'])} nat, mean probability {row['probability']:.2f}" in text
    assert f"for another class is {percent(row['flip'])}, most likely" in text
    assert "most likely" not in CLASSES.sentence(int(np.argmin(CLASSES.flip)))
    # A risk, and no count of retrainings: what two trainings leave open of the mean makes more inputs doubtful.
    doubtful = (CLASSES.flip > 0.05).sum()
    assert (
        CLASSES.facts()["decisions"]
        == f"for {doubtful} of 200 inputs, a further training decides otherwise with a risk above 5 %"
    )


def test_figures_show_limits_and_intervals():
    assert all(isinstance(stated.plot(), Figure) for stated in (CLASSES, VALUES, CLASSES["S-3"]))


def numbers_of(pdf: bytes) -> str:
    return pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text().replace("−", "-")


@BOTH
def test_the_numbers_of_the_certificate_are_those_of_the_arrays(stated, tmp_path):
    words = {"date": "28 November 2026", "about": {"number": "2026-017", "network": "of the customer"}}
    stated.certificate(tmp_path / "one.pdf", **words)
    stated.certificate(tmp_path / "two.pdf", **words)
    pdf = (tmp_path / "one.pdf").read_bytes()
    assert pdf == (tmp_path / "two.pdf").read_bytes()
    assert len(pypdf.PdfReader(BytesIO(pdf)).pages) == 1
    text = numbers_of(pdf)
    for word in ("2026-017", "of the customer", "28 November 2026", stated.kind, "Not covered", f"{stated.dof:.1f}"):
        assert word in text
    lines = text.splitlines()
    for i in stated.worst(10):
        cells = " ".join(lines).split(f" {stated.ids[i]} ")
        row = stated[int(i)].to_dataframe().iloc[0]
        value = str(ln.Estimate(row["q"], row["u"])).split("(")[0]
        mine = [cell for cell in cells[1:] if value in cell[:60]]
        assert mine, f"{stated.ids[i]}: no {value}"
        seen = [float(x) for x in re.findall(r"-?\d+\.?\d*", mine[0])]
        k = (row["high"] - row["low"]) / 2 / row["u"]
        start = seen.index(float(value))
        expected = [row["q"], row["u"], row["dof"], k, row["low"], row["high"], 100 * stated.risk[i]]
        assert seen[start : start + 7] == pytest.approx(expected, rel=0.06, abs=0.06)


@pytest.mark.parametrize(("centre", "scale"), [(5e-7, 2e-9), (1013.25, 1e-7), (6e23, 2e20), (0.0, 40.0)])
def test_numbers_of_any_size_have_two_digits_of_their_uncertainty(centre, scale):
    at, limit = "2", centre - 3.25 * scale
    stated = ln.state_arrays(centre + scale * RNG.normal(size=(3, 100)), unit="m", limits=(limit, np.inf))[at]
    row = stated.to_dataframe().iloc[0]
    text, half = stated.sentence(), (row["high"] - row["low"]) / 2
    for end, found in zip(("low", "high"), re.search(r"in \[(\S+), (\S+)\] m", text).groups(), strict=True):
        assert float(found) == pytest.approx(row[end], rel=0, abs=0.051 * half)
    assert float(re.search(r"falls below (\S+) m is", text)[1]) == pytest.approx(limit, rel=1e-14)
    heading, cells = _table(stated)
    value, u = (Decimal(cell.replace("−", "-")) for cell in cells[1:3])
    assert len(u.as_tuple().digits) == 2 or u > 99
    assert float(u) == pytest.approx(row["u"], rel=0.051)
    assert float(value) == pytest.approx(row["q"], rel=0, abs=0.051 * row["u"])
    if u < 10:
        assert value.as_tuple().exponent == u.as_tuple().exponent


def test_nothing_runs_over_the_edge_of_the_page_or_into_its_neighbour(tmp_path):
    values = 20 + SPREAD[:60, None] * RNG.normal(size=(3, 60, 2))
    ids = [f"laboratory/series-17/specimen-{'of-the-customer-' * 3}{k}" for k in range(60)]
    stated = ln.state_arrays(values, unit=("m·s-1", "µm·m⁻¹·K⁻¹"), names=["u", "k"], ids=ids, title="long " * 30)
    page = stated.certificate(tmp_path / "a.pdf", date="today", about={"a very long heading": "x" * 300})
    page.set_dpi(300)  # letters are set to whole pixels
    boxes = [(text.get_window_extent(), text) for text in page.texts if text.get_text()]
    left, right = (page.dpi / 72 * x for x in (MARGIN - 1, WIDTH - MARGIN + 1))
    assert [text for box, text in boxes if box.x0 < left or box.x1 > right] == []
    # Letters reach into the line above, but not as far as its middle.
    small = [box.padded(-0.2 * box.height) for box, _ in boxes]
    assert [a for k, a in enumerate(small) if any(a.overlaps(b) for b in small[:k])] == []
    text = numbers_of((tmp_path / "a.pdf").read_bytes())
    row = stated[int(stated.worst(1)[0])].to_dataframe().iloc[0]
    assert f"{row['q']:.1f} m·s-1" in text


def test_letters_that_the_font_lacks_are_named_and_taken_from_another(tmp_path):
    rare = {"about": {"laboratory": "ᶁ 測"}, "date": "2026-01-02"}
    with pytest.raises(ValueError, match="lack ᶁ測; add one that has them"):
        VALUES.certificate(tmp_path / "page.pdf", **rare)
    with rc_context({"font.family": "STIXGeneral"}), pytest.raises(ValueError, match="lack 測; "):
        VALUES.certificate(tmp_path / "page.pdf", **rare)


def test_a_page_that_has_no_room_says_so():
    with pytest.raises(ValueError, match="no room for a result"):
        VALUES.certificate("unused.pdf", date="today", about={"remarks": "many words " * 500})


def test_a_long_name_doesnt_shrink_the_table():
    named = ln.state_arrays(log_softmax(CENTRE + RNG.normal(size=(3, 200, 4)), -1), names=("a" * 300, "b", "c", "d"))
    assert max(len(row[1]) for row in _table(named)) == 40
