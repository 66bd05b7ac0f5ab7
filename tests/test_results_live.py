"""The size of a live part, and its numbers beside the stored reference."""

import math

import pytest

from lnescape.results import Estimate, load_result
from notebooks import course
from tests.test_results import Data


def test_profile_is_the_parameter_then_the_environment_then_quick(monkeypatch):
    monkeypatch.delenv("LNESCAPE_PROFILE", raising=False)
    assert course.profile() == "quick"
    monkeypatch.setenv("LNESCAPE_PROFILE", "standard")
    assert course.profile("") == "standard"
    assert course.profile("quick") == "quick"
    with pytest.raises(ValueError, match="notebook's parameter. 'standart'; did you mean 'standard'. There are: quick"):
        course.profile("standart")
    monkeypatch.setenv("LNESCAPE_PROFILE", "fast")
    with pytest.raises(ValueError, match="LNESCAPE_PROFILE. 'fast'. There are: quick, standard"):
        course.profile()


ESTIMATES = {"test loss": Estimate(0.5, 0.1, unit="nat"), "accuracy <best>": Estimate(0.9, 0.01)}


def test_a_record_without_reference_is_written_and_says_so(home):
    shown = course.record("03_paths", "quick", ESTIMATES, data=Data(), figures=["03_barrier"])
    assert shown.path == home / "report" / "live" / "03_paths.json"
    live = load_result("03_paths", folder=course.live_folder())
    assert [row["quantity"] for row in live.numbers["rows"]] == list(ESTIMATES)  # in reading order
    assert live.numbers["rows"][0]["here"] == ESTIMATES["test loss"]
    assert (live.numbers["title"], live.numbers["stand_in"]) == (Data.title, True)
    assert (live.numbers["profile"], live.numbers["figures"]) == ("quick", ["03_barrier"])
    assert live.provenance["seconds"] >= 0
    assert live.provenance["command"] == "make report PROFILE=quick"
    assert "No reference is stored" in str(shown)
    assert shown.rows[0]["agrees"] is None
    with pytest.raises(TypeError, match="'loss' is a float, not an Estimate"):
        course.record("03_paths", "quick", {"loss": 0.5}, data=Data())


def test_a_record_may_come_from_no_image_at_all(home):
    shown = course.record("10_synthesis", "quick", ESTIMATES, data=None)
    live = load_result("10_synthesis", folder=course.live_folder())
    assert (live.numbers["title"], live.numbers["stand_in"], live.provenance["data"]) == ("none", False, None)
    assert len(shown.rows) == len(ESTIMATES)


def test_a_record_is_compared_with_the_kept_reference(home):
    course.record("03_paths", "quick", ESTIMATES, data=Data())
    path = course.keep_reference("03_paths")
    assert path == home / "report" / "results" / "live-quick-03_paths.json"
    new = {
        "test loss": Estimate(0.9, 0.1, unit="nat"),  # E_n = 0.4 / (2 √0.02)
        "accuracy <best>": Estimate(0.7, 0.01),
        "barrier": Estimate(1, 0.1),
    }
    shown = course.record("03_paths", "quick", new, data=Data())
    assert str(shown).splitlines() == [
        "quantity         here          stored reference  E_n   agrees",
        "---------------  ------------  ----------------  ----  ------",
        "test loss        0.90(10) nat  0.50(10) nat      1.41  no",
        "accuracy <best>  0.700(10)     0.900(10)         7.07  no",
        "barrier          1.00(10)      –                 –     –",
    ]
    assert "<td>accuracy &lt;best&gt;</td><td>0.700(10)</td>" in shown._repr_html_()
    stored = load_result("03_paths", folder=course.live_folder()).numbers["rows"]
    assert stored[0]["normalised_error"] == pytest.approx(0.4 / (2 * math.sqrt(0.02)))
    assert [row["agrees"] for row in stored] == [False, False, None]
    again = course.record("03_paths", "quick", ESTIMATES, data=Data())
    assert [(row["normalised_error"], row["agrees"]) for row in again.rows] == [(0, True), (0, True)]
    assert course.record("03_paths", "standard", ESTIMATES, data=Data()).rows[0]["reference"] is None


def test_a_reference_that_does_not_serve_is_left_aside(home):
    course.record("03_paths", "quick", ESTIMATES, data=Data())
    path = course.keep_reference("03_paths")
    other_unit = {"test loss": Estimate(0.5, 0.1, unit="bit")}
    assert course.record("03_paths", "quick", other_unit, data=Data()).rows[0]["agrees"] is None
    path.write_text(path.read_text(encoding="utf-8").replace("0.9", "0.8"), encoding="utf-8")
    shown = course.record("03_paths", "quick", ESTIMATES, data=Data())
    assert "left aside" in shown.note
    assert "edited by hand" in shown.note
    assert shown.rows[0]["reference"] is None
