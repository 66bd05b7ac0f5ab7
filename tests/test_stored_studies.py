"""The studies that are committed: complete, small, intact, and what the plan asks of them."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lnescape as ln
from lnescape.covariates.explore import MOVEMENT
from lnescape.results.files import unseal
from lnescape.retraining.prior import log_bias
from lnescape.statement.page import DELIVERED
from lnescape.study.store import CellStore
from report.studies.catalogue import STUDIES
from report.studies.comparison import BASES, BUDGETS, CHOSEN, WAYS
from report.studies.dispersion import dithered
from report.studies.gates import g0
from report.studies.geometry import taught
from report.studies.judges import NEW_JUDGES
from report.studies.pairs import (
    FASHION_ATTENTION,
    FASHION_FIXED,
    JUDGES,
    LEVELLED,
    MNIST_MLP,
    WITH_GRADIENTS,
    WITH_LEVEL,
)
from report.studies.summaries import SUMMARIES

RESULTS = Path(__file__).resolve().parent.parent / "report" / "results"
SUMMARY_ALONE = "summary stored; its cells take minutes"
STORED = [study for study in STUDIES.values() if (RESULTS / f"{study.name}.json").is_file()]
COMMITTED = [study for study in STORED if study.remark != SUMMARY_ALONE]
WITH_LAWS = [study for study in COMMITTED if study.name.endswith("-methods")] + [STUDIES["mnist-cnn-uncertainty"]]
# One study of each kind of summary that takes seconds: that with the fewest cells.
LONG = ("reference", "uncertainty", "single", "geometry", "level", "purchases", "values")
SUMMED = {study.summary: study for study in sorted(COMMITTED, key=lambda study: -len(study.cells))}
SUMMED = [study for summary, study in SUMMED.items() if summary not in LONG]
MEGABYTE = 10**6


@pytest.mark.parametrize("folder", sorted({study.folder for study in COMMITTED}))
def test_committed_cells_are_intact(folder):
    cells = {cell.name: (study, cell) for study in COMMITTED if study.folder == folder for cell in study.cells}
    for study, cell in cells.values():  # each once, though several studies share it
        assert CellStore(study).load(cell).arrays is not None


@pytest.mark.parametrize("study", COMMITTED, ids=lambda study: study.name)
def test_a_committed_study_is_complete_and_small(study):
    store = CellStore(study)
    assert store.missing() == []
    before = itertools.takewhile(lambda other: other is not study, COMMITTED)
    shared = {cell.name for earlier in before for cell in earlier.cells}
    own = [path for cell in study.cells for path in store.folder.glob(f"{cell.name}.*")]
    assert sum(path.stat().st_size for path in own if path.name.split(".")[0] not in shared) <= 10 * MEGABYTE
    summary = ln.load_result(study.name)
    assert summary.provenance["command"] == study.command
    made_by_commit = summary.provenance["cells"].values()
    assert sorted(itertools.chain(*made_by_commit)) == sorted(cell.name for cell in study.cells)
    raw = sum(len(cell.seeds) for cell in study.cells if cell.method == "retrainings")
    assert raw <= 128


def test_of_what_is_missing_it_is_said_why():
    unfinished = [study for study in STUDIES.values() if study not in COMMITTED and CellStore(study).missing()]
    known = {"waits for an accelerator", "an example for you to run", SUMMARY_ALONE}
    assert {study.remark for study in unfinished} == known


def flat(numbers, place: str = "") -> dict:
    """Lay out nested numbers by their places."""
    if isinstance(numbers, ln.Estimate):
        numbers = {"value": numbers.value, "u": numbers.u}
    if isinstance(numbers, (list, tuple)):
        numbers = dict(enumerate(numbers))
    if not isinstance(numbers, dict):
        return {place: numbers}
    return {at: one for name, own in numbers.items() for at, one in flat(own, f"{place}/{name}").items()}


@pytest.mark.parametrize("study", SUMMED, ids=lambda study: study.summary)
def test_a_stored_summary_is_what_its_cells_give(study):
    numbers, _ = SUMMARIES[study.summary](study, CellStore(study))
    again, stored = flat(numbers), flat(ln.load_result(study.name).numbers)
    words = {place for place, one in again.items() if one is None or isinstance(one, str)}
    assert {place: again[place] for place in words} == {place: stored.pop(place) for place in words}
    assert stored == pytest.approx({k: one for k, one in again.items() if k not in words}, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("study", WITH_LAWS, ids=lambda study: study.name)
def test_a_study_with_laws_is_read_whole(study):
    seen, laws = ln.read_study(study), [cell for cell in study.cells if cell.method == "law"]
    assert seen.sizes["law"] == len(laws)
    scores = seen["law_nll" if "retraining" in seen.sizes else "nll"].values
    store = CellStore(study)
    for score, cell in list(zip(scores, laws, strict=True))[:: 1 + len(laws) // 10]:
        kept = store.load(cell).arrays
        assert score == kept["nll"] if "nll" in kept else np.isnan(score)
    (first,) = (cell for cell in study.cells if cell.method == "scouts")
    assert ln.read_study(replace(study, cells=(first, laws[0]))).sizes["law"] == 1


def test_all_results_together_are_small_and_each_names_its_command():
    kept = [path for path in RESULTS.rglob("*") if path.is_file() and ".trainings" not in path.parts]
    assert sum(path.stat().st_size for path in kept) <= 40 * MEGABYTE
    known = {study.command for study in STUDIES.values()}
    for path in RESULTS.rglob("*.json"):
        if {".failed", ".claims", ".trainings"} & set(path.parts):
            continue
        command = json.loads(path.read_text())["provenance"]["command"]
        assert command in known or command.startswith("make "), f"{path.name} names {command!r}"


def test_no_stored_cell_is_left_over():
    wanted = {cell.name for study in STUDIES.values() for cell in study.cells}
    for path in RESULTS.glob("*/*.json"):
        assert path.stem in wanted, f"{path} belongs to no study"


@pytest.mark.parametrize(("name", "n", "accuracy"), [("mnist-mlp", 128, 98.0), ("mnist-cnn", 32, 99.0)])
def test_references_are_credible_and_their_gates_are_those_of_the_cells(name, n, accuracy):
    seen, numbers = ln.read_study(name), ln.load_result(name).numbers
    assert seen.sizes["retraining"] == numbers["n"] == n
    assert 100 * seen["accuracy"].values.mean() == pytest.approx(numbers["accuracy"].value)
    assert numbers["accuracy"].value > accuracy
    assert seen.sizes["explored"] == 12
    own = np.isin(seen["part"], ["calibration", "test"])
    assert own.sum() == 7000
    verdict = g0(dithered(seen["log_odds"].values)[:, own])
    assert str(verdict.numbers["whole reference"]) == str(numbers["G0"]["whole reference"])
    # The scouts' seeds serve for nothing else.
    assert seen["seed"].values.max() < 1000


def test_rounding_to_float16_is_far_below_the_noise():
    for name in ("mnist-mlp", "mnist-cnn"):
        assert ln.load_result(name).numbers["rounding"]["highest"] < 1e-3


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_the_settings_of_the_comparison_are_those_that_validation_images_chose(network):
    stored = ln.load_result(f"mnist-{network}-settings").numbers
    for way, chosen in CHOSEN[network].items():
        losses = stored[way]["validation_nll"]
        assert stored[way]["chosen"] == chosen == int(np.argmin(losses))
        assert len(losses) == 3  # the same effort for each
    assert set(CHOSEN[network]) | {"deep ensemble", "short ensemble", "long ensemble"} == set(WAYS)


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_every_method_is_compared_at_its_budget_and_the_claims_are_those_of_the_cells(network):
    result = ln.load_result(f"mnist-{network}-methods")
    ways, curve = result.numbers["ways"], result.arrays["yardstick_cll_mean"]
    assert set(ways) == set(WAYS)
    assert (np.diff(curve) > 0).all()  # more members, a better ensemble: the scale is one
    for way, rows in ways.items():
        for budget in BUDGETS if way != "long ensemble" else (3,):
            row = rows[f"{budget:g}"]
            if row["diverged"] == 2:
                continue
            assert row["n"] + row["diverged"] == len(BASES)
            over = 0.01
            assert -0.01 - 0.05 * budget <= row["trainings"].value - budget <= over * budget
            again = ln.scores.deep_ensemble_equivalent(row["cll"].value, curve, result.arrays["yardstick_cll_sd"])
            assert row["dee"]["text"] == str(again)
    # The plain ensemble of three, made of other networks than the curve, is worth three within its band, or nearly so.
    dee = ways["deep ensemble"]["3"]["dee"]
    assert dee["low"] <= 3 * 1.35
    assert dee["high"] >= 3 / 1.35


@pytest.mark.parametrize("pair", [study.name for study in COMMITTED if study.name.endswith("-class")])
def test_a_class_that_ones_own_networks_chose_is_too_sure_and_still_covered(pair):
    numbers = ln.load_result(pair).numbers
    for members in ("2", "3"):
        own = {name: value["mean"] for name, value in numbers[members].items()}
        assert own["own_excess_disputed"] > 0 > own["scouts_excess_disputed"]  # who chooses, chooses the surer one
        assert abs(own["scouts_excess"]) < 0.02  # nat: no choice, no excess
        assert abs(own["loss_of_coverage"]) < 0.3  # %


TOGETHER = [ln.load_result(study.name) for study in COMMITTED if study.name.endswith("-together")]


def test_the_law_from_noise_to_retraining_is_a_fit_of_the_stored_data_sets():
    rows = []
    for numbers in (one.numbers for one in TOGETHER if one.numbers["candidates"]):
        worth = numbers["candidates"]["noise"], numbers["measured"].value
        rows.append([np.log(1 / n_eff - 1 / numbers["images"]) for n_eff in worth])
    assert len(rows) >= 5
    slope, level = np.polyfit(*np.transpose(rows), 1)
    assert pytest.approx((np.exp(level), slope), rel=0.05) == MOVEMENT  # the level has moved by 3 % since it was fitted


def test_the_page_of_a_statement_tells_what_the_summaries_tell_of_single_sets():
    shown = sorted((row["dof"], row["share"], row["sets"]) for row in unseal(DELIVERED.read_bytes())["rows"])
    of_values = [ln.load_result(name) for name in ("angle-cnn", "diabetes-mlp")]
    rows = [
        (int(m) - 1, row.get("after", row)) for one in TOGETHER + of_values for m, row in one.numbers["single"].items()
    ]
    assert shown == sorted((dof, row["share"], row["sets"]) for dof, row in rows)


def test_the_page_of_a_statement_quotes_the_stored_errors_of_u():
    quoted = unseal(DELIVERED.read_bytes())["errors"]
    assert len(quoted) > 50
    stored = set()
    for name in ln.results.list_results():
        if name.endswith(("-uncertainty", "-geometry", "diabetes-mlp", "angle-cnn")):
            numbers = ln.load_result(name).numbers
            mixes = numbers["mixes"] if "mixes" in numbers else numbers["test"]
            rows = [row for mix in mixes.values() for row in mix.values()]
            rows.append(numbers.get("one network, borrowed scale", {}))
            stored |= {row["squared_error"] ** 0.5 / 2 for row in rows if "squared_error" in row}
    lone = [*ln.load_result("one-training").numbers["pairs"].values()]
    for numbers in (ln.load_result(pair.key).numbers for pair in NEW_JUDGES.values()):
        lone.append(numbers["per unit"]["1"])
        rows = [numbers["per unit"][m] for m in ("2", "3")] + [
            row for mix in numbers["test"].values() for row in mix.values()
        ]
        stored |= {row["squared_error"] ** 0.5 / 2 for row in rows}
    assert {row["error"] for row in quoted if row.get("companion")} == {one["squared_error"] ** 0.5 / 2 for one in lone}
    stored |= {one["squared_error"] ** 0.5 / 2 for one in lone}
    assert {row["error"] for row in quoted} <= stored
    assert {row["quantity"] for row in quoted} == {"log-odds", "value"}


@pytest.mark.parametrize("name", ["angle-cnn", "diabetes-mlp"])
def test_one_network_of_values_is_refused_because_the_scale_of_log_odds_is_wrong_for_it(name):
    numbers = ln.load_result(name).numbers
    borrowed, pattern = numbers["one network, borrowed scale"], numbers["one network"]
    assert not numbers["G9"]["passed"]
    assert numbers["G9"]["REN"] == borrowed["ren"]["value"]
    assert borrowed["bias"].value / 2 > np.log(1.5)  # u too large by half
    kind = "convolutional" if name.endswith("cnn") else "fully connected"
    assert (borrowed["level"], borrowed["dof"]) == pytest.approx(ln.retraining.shipped_prior().levels[kind], rel=1e-5)
    assert pattern["ren"]["low"] > 10  # with the right level, the pattern serves


@pytest.mark.parametrize("pair", WITH_LEVEL, ids=lambda pair: pair.key)
def test_the_level_of_bursts_is_learned_on_other_networks_and_fails_on_all_but_one(pair):
    numbers = ln.load_result(f"{pair.key}-level").numbers
    assert not {pair.key, *(judge.key for judge in JUDGES)} & numbers["ratios"].keys()
    ratio, dof = numbers["lent"]
    assert ratio == pytest.approx(np.mean(list(numbers["ratios"].values())) + log_bias(dof), rel=1e-5)
    one = numbers["one network, level of bursts"]
    assert numbers["G9"]["passed"] == (pair is MNIST_MLP)
    assert numbers["G9"]["REN"] == one["ren"]["value"]
    # u is wrong by half the difference between the ratio that was lent and the pair's own.
    assert one["bias"].value == pytest.approx(ratio - log_bias(dof) - numbers["ratio"], abs=0.1)


@pytest.mark.parametrize("pair", [FASHION_ATTENTION, FASHION_FIXED], ids=lambda pair: pair.key)
def test_the_networks_of_another_kind_taught_nothing_that_judged_them(pair):
    own = pair.key
    assert pair not in (*WITH_GRADIENTS, *LEVELLED, *JUDGES)
    assert not any(own in study for study in ln.retraining.shipped_prior().provenance["studies"])
    lent = ln.load_result(f"{own}-geometry").numbers["one network, borrowed scale"]
    assert (lent["level"], lent["dof"]) == pytest.approx(ln.retraining.shipped_prior().levels["any"], rel=1e-4)


def test_the_shipped_prior_is_what_the_stored_pairs_teach():
    shipped, again = ln.retraining.shipped_prior(), taught()
    np.testing.assert_allclose(again.mean, shipped.mean, rtol=1e-6, atol=1e-9)
    assert (again.names, again.groups) == (shipped.names, shipped.groups)
    for kind, level in again.levels.items():
        assert shipped.levels[kind] == pytest.approx(level, rel=1e-6)
    assert shipped.companion == pytest.approx(again.companion, rel=1e-6)
    assert not shipped.provenance["code"]["uncommitted_changes"]


def test_the_slope_per_unit_carries_over_to_networks_on_which_nothing_was_chosen():
    """By what the borrowed pattern is worth if the judges give its scale: on six of nine, and not beyond doubt."""
    found = [ln.load_result(judge.key).numbers for judge in NEW_JUDGES.values()]
    assert all(one["name"] == name and one["n"] == 18 for name, one in zip(NEW_JUDGES, found, strict=True))
    by_unit, by_deviation = (
        np.log([one[unit]["scale of the judges"]["ren"]["value"] for one in found])
        for unit in ("per unit", "per deviation")
    )
    gain = by_unit - by_deviation
    assert (gain > 0).sum() == 6
    assert 0 < gain.mean() < 2 * gain.std(ddof=1) / 3  # nine networks don't decide it, as the report says


def test_a_companion_carries_the_scale_of_one_training_better_than_what_it_shows_itself():
    numbers = ln.load_result("one-training").numbers
    assert len(numbers["networks"]) > 20
    errors = {what: min(own.values()) for what, own in numbers["left out"].items()}
    assert errors["companion"] < errors["epochs"] < errors["inputs"]
    for name, own in numbers["errors"].items():  # as the rules were fixed, by hand
        level = numbers["networks"][name]["levels"]["companion"]
        assert own["companion"] == pytest.approx(numbers["rules"]["companion"] - level, rel=1e-4)
