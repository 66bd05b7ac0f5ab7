"""What the page of a statement claims: what it is known from, what it can't show, and what identifies it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import lnescape as ln
from lnescape.results.files import unseal
from lnescape.retraining import effective_number
from lnescape.statement.page import DELIVERED


def drawn(m, n=1000, *, common=0.0, seed=0):
    """Draw values of m networks, normal around each input's own mean, with a share of the variance in common."""
    rng = np.random.default_rng(seed)
    noise = common**0.5 * rng.normal(size=(m, 1)) + (1 - common) ** 0.5 * rng.normal(size=(m, n))
    return 3 * rng.normal(size=n) + noise


@pytest.mark.parametrize("dof", [1.5, 3.0, 8.0])
def test_sigma_is_known_as_well_as_the_law_of_its_degrees_of_freedom_says(dof):
    """Against numerical integration over χ²: rms of ln σ̃ − ln σ, σ̃² = σ² χ²/ν."""
    claimed = ln.retraining.judging.squared_error_of(dof) ** 0.5 / 2
    error = stats.chi2(dof).expect(lambda x: (np.log(x / dof) / 2) ** 2) ** 0.5
    assert claimed == pytest.approx(error, rel=1e-4)
    stated = ln.state_arrays(drawn(3), unit="m")
    stated = replace(stated, evaluation=replace(stated.evaluation, dof=dof))
    assert f"σ̃ is known to about {100 * error:.0f} % by the model" in stated.facts()["evaluation"]


def test_three_networks_show_inputs_that_move_together_and_two_cannot():
    apart = [ln.state_arrays(drawn(3, seed=seed), unit="m") for seed in range(20)]
    assert {one.prior.n_eff for one in apart} == {100}
    assert "together" not in str(apart[0].reservations())
    together = ln.state_arrays(drawn(3, common=0.9), unit="m")
    assert together.prior.n_eff < 30
    assert "from the networks" in together.facts()["prior"]
    assert "The inputs move together" in together.reservations()["fit"]
    assert together.dof < apart[0].dof / 2
    two = ln.state_arrays(drawn(2, common=0.9), unit="m")
    assert two.prior.n_eff == 100
    assert "Two networks don't show" in two.reservations()["fit"]
    known = ln.state_arrays(drawn(2, common=0.9), unit="m", n_eff=effective_number(drawn(12, common=0.9)))
    assert "given by the user" in known.facts()["prior"]
    assert "Two networks don't" not in known.reservations().get("fit", "")


def test_what_was_measured_elsewhere_is_quoted_only_where_it_was_measured():
    few = ln.state_arrays(drawn(3, 200), unit="m").facts()
    assert "here on 200, and so few may do less well" in few["evaluation"]
    assert "less well" not in ln.state_arrays(drawn(3), unit="m").facts()["evaluation"]
    assert "how far the inputs move together was not measured" in few["one set"]
    assert "sets of networks and inputs, not for every set;" in few["one set"]
    logits = np.stack([drawn(3, 200), np.zeros((3, 200))], 2)
    of_classes = ln.state_arrays(logits - np.log(np.exp(logits).sum(2, keepdims=True)))
    assert "not for every set or class;" in of_classes.facts()["one set"]  # whose inputs move together
    rows = [row for row in unseal(DELIVERED.read_bytes())["rows"] if (row["quantity"], row["dof"]) == ("value", 2)]
    assert len(rows) == 2
    stated = replace(ln.state_arrays(drawn(3), unit="m"), n_eff_source="from the networks")
    for row in rows:  # the most like it is quoted
        alike = replace(stated, prior=replace(stated.prior, n_eff=1.1 * row["n_eff"])).facts()["one set"]
        assert f"with {2 * row['n_eff']:.3g} ({row['title']})" in alike


def test_copies_but_for_noise_are_no_retrainings():
    values = drawn(2)
    assert "predict nearly the same" not in ln.state_arrays(values, unit="m").reservations()["fit"]
    values[1] = values[0] + 1e-5 * values[1]
    assert "Networks 0 and 1 predict nearly the same" in ln.state_arrays(values, unit="m").reservations()["fit"]


def test_diverged_trainings_are_a_reservation():
    stated = replace(ln.state_arrays(drawn(3), unit="m"), trainings=5.0)
    assert "2 of 5 trainings diverged" in stated.reservations()["trainings"]


def test_two_statements_on_different_inputs_have_different_identifications(tmp_path):
    values, more = drawn(3), {"calibration": drawn(3, 200, seed=1)}
    plain = ln.state_arrays(values, unit="m").origin
    assert plain != ln.state_arrays(values + 1, unit="m").origin
    calibrated = ln.state_arrays(values, unit="m", **more).origin
    assert calibrated != ln.state_arrays(values, unit="m", calibration=drawn(3, 200, seed=2)).origin
    assert "covariate x" in ln.state_arrays(values, unit="m", covariates={"x": values[0]}).origin


def test_the_risk_of_another_decision_follows_from_the_printed_contrast(tmp_path):
    logits = 2 * np.random.default_rng(0).normal(size=(500, 3)) + np.random.default_rng(1).normal(size=(3, 500, 3))
    stated = ln.state_arrays(logits - np.log(np.exp(logits).sum(2, keepdims=True)), ids=range(500))
    table = stated.to_dataframe()
    ratio = -table.contrast / (table.contrast_sigma * np.sqrt(1 + 1 / 3))
    np.testing.assert_allclose(stats.t.cdf(ratio, table.contrast_dof), table.flip, rtol=1e-9)
    stated.save(tmp_path / "kept")
    kept, pdf = ln.load_statement(tmp_path / "kept"), []
    np.testing.assert_array_equal(kept[7:9].flip, stated.flip[7:9])
    for k, one in enumerate((stated, kept)):  # also the order of what identifies it
        one.certificate(tmp_path / f"{k}.pdf", date="today")
        pdf.append((tmp_path / f"{k}.pdf").read_bytes())
    assert pdf[0] == pdf[1]


@pytest.mark.parametrize(("k", "apart", "doubted"), [(10, 9.0, False), (11, 9.0, True), (3, 0.5, True)])
def test_with_many_classes_or_near_draws_the_risk_of_another_decision_is_doubted(k, apart, doubted):
    rng = np.random.default_rng(0)
    logits = apart * rng.normal(size=(400, k)) + rng.normal(size=(3, 400, k))
    stated = ln.state_arrays(logits - np.log(np.exp(logits).sum(2, keepdims=True)))
    assert ("with many classes" in stated.reservations().get("decisions", "")) == doubted
