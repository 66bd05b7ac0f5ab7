"""A statement that one keeps: chosen inputs, a file, tables, a figure, a sentence, a certificate."""

import json
import re
from io import BytesIO

import numpy as np
import pandas
import pypdf
import pytest
from matplotlib.figure import Figure

import lnescape as ln

RNG = np.random.default_rng(0)
CENTRE = 3 * RNG.normal(size=(200, 4))
CLASSES = ln.state_arrays(
    CENTRE + RNG.normal(size=(3, 200, 4)), names=("cat", "dog", "owl", "elk"), ids=[f"S-{k}" for k in range(200)]
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
    assert f"log-odds {ln.Estimate(row['q'], row['u'])} nat, probability {row['probability']:.2f}" in text
    assert "most likely" not in CLASSES.sentence(int(np.argmin(CLASSES.flip)))


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


def test_a_page_that_has_no_room_says_so():
    with pytest.raises(ValueError, match="no room for a result"):
        VALUES.certificate("unused.pdf", date="today", about={"remarks": "many words " * 1000})
