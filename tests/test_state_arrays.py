"""Statements from arrays: values and classes of any framework, what they state, and what is refused."""

import re
import warnings

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from scipy.stats import norm, t
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

import lnescape as ln
from lnescape.covariates import DEFAULT
from lnescape.results.estimate import percent, two_digits
from lnescape.retraining import fit_prior

D0, M, N = 8.0, 3, 4000


def drawn(seed: int = 0, networks: int = M):
    """Values of networks whose variances follow the model, with d₀ = 8, in degrees; and σ of each input."""
    rng = np.random.default_rng(seed)
    sigma = 2.0 / np.sqrt(rng.chisquare(D0, N) / D0)
    return rng.uniform(0, 40, N) + sigma * rng.normal(size=(networks, N)), sigma


VALUES, SIGMA = drawn(networks=M + 50)
ANGLE = ln.state_arrays(VALUES[:M], unit="°", limits=(10, 30), n_eff=N)
LOGP = np.log(np.random.default_rng(0).dirichlet(np.ones(3), (3, 100)))


def test_values_get_u_and_an_interval_that_covers_further_retrainings():
    """The share inside has a standard uncertainty of 0.05 % (200 000 values): 0.5 % is ten of them."""
    low, high = ANGLE.evaluation.interval()
    assert ((VALUES[M:] >= low) & (VALUES[M:] <= high)).mean() == pytest.approx(0.95, abs=0.005)
    assert ANGLE.dof == pytest.approx(D0 + M - 1, rel=0.2)
    assert (ANGLE.units, ANGLE.quantity, ANGLE.flip) == (("°",), "value", None)


def test_values_as_a_column_of_one_output_are_stated_as_without_it():
    column = ln.state_arrays(VALUES[:M, :, None], unit="°", limits=(10, 30), n_eff=N)
    assert column.rows() == ANGLE.rows()
    assert (
        ln.state_arrays(VALUES[:M, :100], unit="°", names=["phi"]).sentence().startswith("Input 0, output phi: value ")
    )


def test_the_risk_is_that_of_a_further_retraining_outside_the_limits():
    """The mean risk against the mean of what is known exactly, of inputs spread evenly across both limits."""
    true = norm.cdf(10, VALUES.mean(0), SIGMA) + norm.sf(30, VALUES.mean(0), SIGMA)
    assert ANGLE.risk.mean() == pytest.approx(true.mean(), abs=0.01)
    one = ANGLE[7]
    width = one.evaluation.scale * np.sqrt(1 + 1 / M)
    outside = [t.cdf(sign * (limit - one.evaluation.mean) / width, one.dof) for sign, limit in ((1, 10), (-1, 30))]
    assert one.risk[0] == pytest.approx(float(sum(outside)[0]))
    high_only = ln.state_arrays(VALUES[:M], unit="°", limits=(-np.inf, 30), n_eff=N)
    np.testing.assert_allclose(high_only.risk, 1 - high_only.evaluation.below(30.0))
    assert f"outside [10, 30] ° is {percent(one.risk[0])}." in one.sentence()
    assert (
        f"; for {(ANGLE.risk > 0.05).sum()} of {N} values, a further training falls outside" in ANGLE.facts()["limits"]
    )


def test_a_class_of_less_than_a_half_is_no_doubtful_decision():
    logits = np.log([0.4, 0.2, 0.2, 0.2]) + 0.05 * np.random.default_rng(0).normal(size=(3, 200, 4))
    stated = ln.state_arrays(log_softmax(logits, -1))
    assert stated.evaluation.mean.max() < 0  # log-odds
    assert stated.flip.max() < 0.01


def test_intervals_have_the_level_that_is_asked_for():
    """By Student's t; of a class as probabilities as well; of the expectation, over the networks' number alone."""
    evaluation, stated = ANGLE.evaluation, ln.state_arrays(LOGP, level=0.8)
    for of, size in (("retraining", 1 + 1 / M), ("mean", 1 / M)):
        half = t.ppf(0.95, evaluation.dof) * evaluation.scale * np.sqrt(size)
        np.testing.assert_allclose(evaluation.interval(0.9, of=of), [evaluation.mean - half, evaluation.mean + half])
    table, half = stated.to_dataframe(), t.ppf(0.9, stated.dof) * stated.evaluation.scale * np.sqrt(1 + 1 / M)
    np.testing.assert_allclose(table["low"], stated.evaluation.mean - half)
    np.testing.assert_allclose(table["probability_low"], expit(table["low"]))
    np.testing.assert_allclose(table["probability_high"], expit(stated.evaluation.mean + half))


def test_each_of_several_outputs_is_in_its_own_unit():
    """Two outputs, one a thousand times the other: the statement of each is that of the other, scaled."""
    other, _ = drawn(1)
    both = ln.state_arrays(np.stack([VALUES[:M], 1000 * other], 2), unit=("°", "mm"), names=("angle", "length"))
    again = ln.state_arrays(np.stack([VALUES[:M], other], 2), unit=("°", "m"), names=("angle", "length"))
    assert both.u.shape == (N, 2)
    np.testing.assert_allclose(both.u, again.u * [1, 1000], rtol=1e-6)
    alone = ln.state_arrays(VALUES[:M], unit="°")
    assert np.corrcoef(np.log(both.u[:, 0]), np.log(alone.u))[0, 1] > 0.95
    table = both["5"].to_dataframe()
    assert list(table["output"]) == ["angle", "length"]
    assert list(table["unit"]) == ["°", "mm"]
    assert both["5"].sentence().count("Input 5, output ") == 2
    medians = [two_digits(np.median(u)) for u in both.u.T]
    assert re.findall(r"median (\S+ \S+);", both.facts()["u"]) == [f"{medians[0]} °", f"{medians[1]} mm"]


def test_covariates_of_one_s_own_foretell_u():
    log_sigma = np.log(SIGMA)
    known = ln.state_arrays(VALUES[:M], unit="°", covariates={"ln σ": log_sigma}, n_eff=N)
    errors = [np.std(np.log(one.evaluation.scale) - log_sigma) for one in (known, ANGLE)]
    assert errors[0] < 0.5 * errors[1]
    assert known.groups == ("outputs", "ln σ")
    half = slice(0, N // 2), slice(N // 2, N)
    apart = ln.state_arrays(
        VALUES[:M, half[1]], unit="°", calibration=VALUES[:M, half[0]], covariates={"ln σ": log_sigma[half[1]]},
        calibration_covariates={"ln σ": log_sigma[half[0]]}, n_eff=N // 2,
    )  # fmt: skip
    assert np.corrcoef(np.log(apart.u), log_sigma[half[1]])[0, 1] > 0.95
    assert (apart.n_calibration, apart.itself, known.itself) == (N // 2, False, True)
    assert f"fitted on the {N} inputs themselves" in str(known)


def test_inputs_unlike_those_of_the_fit_are_named():
    """Of 1 000 inputs, 30 have a covariate of the user's own 10 standard deviations away."""
    rng = np.random.default_rng(4)
    size = rng.normal(size=2000)
    size[1000:1030] = 10.0
    own = {"covariates": {"size": size[1000:]}, "calibration_covariates": {"size": size[:1000]}}
    q = rng.normal(size=(3, 2000))
    stated = ln.state_arrays(q[:, 1000:], calibration=q[:, :1000], unit="", **own)
    table = stated.to_dataframe()
    assert table["extrapolated"][:30].all()
    assert table["extrapolated"][30:].mean() < 0.01
    assert "u is extrapolated for 3" in stated.reservations()["extrapolation"]
    assert "unlike those that the prior was fitted on" in stated.sentence(0)
    assert "unlike" not in stated.sentence(40) + str(stated[40:])
    two = rng.normal(size=(3, 2000, 2))  # what is given of an input is that of both its outputs
    several = ln.state_arrays(two[:, 1000:], calibration=two[:, :1000], unit="", **own)
    assert several.extrapolated[:30].all()
    assert several.extrapolated[30:].mean() < 0.02


def test_a_class_that_no_calibration_input_is_given_is_extrapolated():
    logits = np.random.default_rng(0).normal(size=(3, 600, 3)) + 3 * np.eye(3)[np.arange(600) % 3]
    logp = logits - np.logaddexp.reduce(logits, 2, keepdims=True)
    chosen = np.exp(logp).mean(0).argmax(1)
    stated = ln.state_arrays(logp[:, 300:], calibration=logp[:, :300][:, chosen[:300] < 2])
    np.testing.assert_array_equal(stated.extrapolated[stated.chosen == 2], True)
    assert stated.extrapolated[stated.chosen != 2].mean() < 0.2


def test_classes_are_stated_as_by_the_one_call():
    data = ln.load("digits")
    net = ln.network("mlp", data, width=16)
    quiet = {"progress": False, "recipe": ln.Recipe(epochs=5)}
    runs = ln.fit(net, data, seeds=range(3), **quiet)
    logp, known = (runs.predict(part.images).numpy() for part in (data.test, data.calibration))
    stated = ln.state_arrays(logp, calibration=known, names=data.classes)
    called = ln.state(net, data, runs=runs, covariates=("outputs", "classes"), progress=False)
    np.testing.assert_array_equal(stated.chosen, called.chosen)
    np.testing.assert_allclose(stated.evaluation.mean, called.evaluation.mean, rtol=1e-5)
    assert np.corrcoef(np.log(stated.evaluation.scale), np.log(called.evaluation.scale))[0, 1] > 0.8
    assert stated.groups == ("outputs", "classes", "differences for other classes")
    assert called.likelier[np.argmin(called.flip)] == called.chosen[np.argmin(called.flip)]
    groups = (*DEFAULT, "neighbourhood", "differences")  # what is stated of an input doesn't depend on the others
    whole, few = (ln.state(net, data, runs=runs, images=data.test.images[:n], covariates=groups) for n in (200, 10))
    np.testing.assert_allclose(few.u, whole.u[:10], rtol=1e-3)


def test_real_values_of_another_library_are_covered():
    """442 patients, regressors of scikit-learn: 95 % intervals against 12 further seeds, which share one training set.

    One set of three networks of so few inputs covers 80 to 100 %, as the statement says.
    """
    x, y = load_diabetes(return_X_y=True)
    x = scale(x)
    settings = {"early_stopping": True, "learning_rate_init": 0.01}
    trained = [MLPRegressor(random_state=seed, **settings).fit(x[:242], y[:242]) for seed in range(15)]
    q = np.stack([one.predict(x[242:]) for one in trained])
    stated = ln.state_arrays(q[:3], unit="mg/dl", ids=range(242, 442))
    low, high = stated.evaluation.interval()
    assert 0.8 < ((q[3:] >= low) & (q[3:] <= high)).mean() <= 1
    assert stated["242"].ids == ("242",)


@pytest.mark.parametrize(
    ("predictions", "options", "says"),
    [
        (VALUES[:1], {"unit": "°"}, "One network shows no spread"),
        (VALUES[:3], {}, "values need their unit"),
        (VALUES[:3, :20], {"unit": "°"}, "50 inputs or more"),
        ([[1.0, 2.0], [1.0]], {"unit": ""}, "no arrays of one shape"),
        (np.where(VALUES[:3] > 30, np.nan, VALUES[:3]), {"unit": "°"}, "aren't finite"),
        (VALUES[:3], {"unit": "°", "limits": (30, 10)}, "wrong order"),
        (VALUES[:3], {"unit": "°", "limits": 30}, r"pass \(low, high\)"),
        (VALUES[:3], {"unit": "°", "limits": ((1, 2), (3, 4))}, "limits are for 2 outputs, the predictions for 1"),
        (LOGP, {"unit": "°"}, "classes have no unit"),
        (LOGP, {"names": ("a", "b")}, "names, one for each class: 3 are needed, and 2 were given"),
        (LOGP, {"names": "abc"}, "pass a list of 3"),
        (LOGP[:, :, :1], {"unit": ("°", "m")}, "there is 1 output"),
        (VALUES[:3], {"unit": 5}, "give one text in a line"),
        (LOGP, {"ids": [1] * 100}, "give 100 different ones"),
        (LOGP, {"ids": ["a\nb", *range(99)]}, "no line breaks"),
        (LOGP, {"ids": 5}, "pass a list of 100"),
        (np.ma.masked_greater(VALUES[:3], 30), {"unit": "°"}, "numbers are masked"),
        (VALUES[:3] * 1j, {"unit": "°"}, "complex"),
        (VALUES[:3].astype(str), {"unit": "°"}, "text"),
        (VALUES[:3], {"unit": "°", "limits": {10, 30}}, r"pass \(low, high\)"),
        (VALUES[:3], {"unit": "°", "limits": (None, 30)}, "±inf for none"),
        (1e200 * VALUES[:3], {"unit": "°"}, "are as large as 5e.201, whose square is no double; take another unit"),
        (1e-200 * VALUES[:3], {"unit": "°"}, "take another unit"),
        (VALUES[:3], {"unit": "°", "measurand": ln.retraining.contrast}, "is for classes"),
        (np.stack([VALUES[:3], np.ones_like(VALUES[:3])], 2), {"unit": "°"}, "Output 1 is the same"),
        (LOGP, {"limits": (0, 1)}, "are those of measured values"),
        (np.exp(LOGP), {}, "These are probabilities"),  # before log_softmax is advised
        (LOGP, {"calibration": np.exp(LOGP)}, "These are probabilities"),
        (LOGP, {"measurand": lambda logp: logp}, "measurand fails"),
        (LOGP, {"covariates": {"q": np.ones(100)}}, "'q' is there already"),
        (LOGP, {"covariates": {"age": np.ma.masked_less(np.arange(100), 5)}}, "5 numbers are masked"),
        (LOGP, {"covariates": [np.ones(100)]}, "pass {name:"),
        (LOGP, {"calibration": LOGP[:2]}, "of the same networks"),
        (LOGP, {"calibration": np.abs(LOGP[:, :, 0])}, "of the same networks"),
        (LOGP, {"covariates": {"age": np.ones(3)}}, "'age' isn't one number for each input"),
        (LOGP, {"calibration": LOGP, "covariates": {"age": np.ones(100)}}, "give the same ones"),
        (LOGP, {"n_eff": 0}, "n_eff must be a finite number from 1 to"),
        (LOGP, {"level": 95}, "level .* below 1"),
    ],
)
@pytest.mark.usefixtures("as_users_do")
def test_wrong_use_is_refused_in_one_sentence(predictions, options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        ln.state_arrays(predictions, **options)


@pytest.mark.usefixtures("as_users_do")
def test_tensors_are_taken_and_copies_are_refused():
    given = [torch.tensor(one, requires_grad=True) for one in LOGP]
    stated = ln.state_arrays(given, ids=torch.arange(100))
    assert np.array_equal(stated.u, ln.state_arrays(LOGP).u)
    assert stated.ids[3] == "3"
    with pytest.raises(ValueError, match="Networks 0 and 2 are identical"):
        ln.state_arrays(torch.tensor(LOGP[[0, 1, 0]]).bfloat16())


@pytest.mark.parametrize("step", [0.2, 0.3])
def test_rounded_predictions_are_refused(step):
    rng = np.random.default_rng(5)
    values = rng.uniform(0, 50, 400) + 0.1 * rng.normal(size=(3, 400))
    with pytest.raises(ValueError, match="inputs all networks give the same number, as after rounding"):
        ln.state_arrays(np.round(values / step) * step, unit="mm")
    assert ln.state_arrays(values, unit="mm").u.min() > 0.01


def test_values_far_from_zero_differ_and_an_input_where_networks_agree_has_a_certain_risk():
    values = np.random.default_rng(0).normal(size=(3, 200))
    values[:, 7] = 1.5
    far = ln.state_arrays(1.7e9 + 1e-3 * values, unit="s")  # the scatter is some thousands of units of the last digit
    assert np.median(far.evaluation.scale) == pytest.approx(1e-3, rel=0.5)
    agreed = ln.type_a(values)
    assert (agreed.below(1.4)[7], agreed.below(1.6)[7]) == (0, 1)


def test_one_network_of_three_that_decides_otherwise_is_named():
    rng = np.random.default_rng(0)
    p = log_softmax(6 * rng.normal(size=(400, 5)) + rng.normal(size=(3, 400, 5)), 2)
    assert "Network" not in str(ln.state_arrays(p).notes)
    p[1] = p[1, :, [1, 0, 2, 3, 4]].T
    assert "Network 1 decides differently" in str(ln.state_arrays(p).notes)


def test_a_statement_is_compared_with_later_networks():
    found = ANGLE.compare(VALUES[M:])
    assert abs(found["inside"].value - 0.95) < 0.01
    assert abs(found["σ̃ / s"].value - 1) < 0.05
    stated = np.stack([VALUES[M:, :, None], np.ones_like(VALUES[M:, :, None])], -1)  # values beside their variances
    assert ANGLE.compare(stated)["inside"] == found["inside"]
    for wrong, why in (
        (VALUES[M:, :10], "predict the same inputs"),
        (VALUES[:0], "are empty"),
        ("x", "pass predictions"),
    ):
        with pytest.raises(ValueError, match=why):
            ANGLE.compare(wrong)


def test_fewer_inputs_than_networks_are_stated_with_a_calibration_and_are_odd_without():
    few = ln.state_arrays(VALUES[:5, :3], calibration=VALUES[:5, 3:500], unit="°")
    assert len(few) == 3
    with pytest.raises(ValueError, match="if it is the other way round"):
        ln.state_arrays(VALUES[:5, :3], unit="°")


def test_warnings_of_others_are_no_reservations(monkeypatch):
    def old(*arguments, **named):
        warnings.warn("np.trapz is deprecated", DeprecationWarning, stacklevel=2)
        return fit_prior(*arguments, **named)

    monkeypatch.setattr("lnescape.statement.arrays.fit_prior", old)
    with pytest.warns(DeprecationWarning, match="trapz"):
        stated = ln.state_arrays(LOGP)
    assert "trapz" not in str(stated)
