"""The one call: what it states, on whose networks, what it refuses, and that it survives being killed."""

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.covariates import DEFAULT, FREE
from lnescape.retraining.prior import COMPANION, beside
from lnescape.statement.call import ADVICE, COMPANION_SEED
from lnescape.statement.page import NOISE
from report.studies.small import breast_cancer

DATA = ln.load("mnist5k")
NET = ln.network("mlp", DATA, width=32)
RECIPE = ln.Recipe(epochs=3, precision="float32")
QUIET = {"recipe": RECIPE, "progress": False}


@pytest.fixture(scope="module")
def runs():
    return ln.fit(NET, DATA, seeds=range(3), path=True, recipe=RECIPE, progress=False)


@pytest.fixture(scope="module")
def further():
    """Give what 16 further trainings say of the test inputs."""
    return ln.fit(NET, DATA, seeds=range(50, 66), recipe=RECIPE, progress=False).predict(DATA.test.images).numpy()


@pytest.fixture(scope="module")
def said(runs):
    return ln.state(NET, DATA, runs=runs, progress=False)


def test_it_states_class_value_uncertainty_interval_and_risk_of_every_input(said, runs):
    table = said.to_dataframe()
    logp = runs.predict(DATA.test.images)
    chosen = logp.exp().mean(0).argmax(1).numpy()
    q = ln.log_odds(logp.numpy(), chosen)
    np.testing.assert_array_equal(table["class"], [DATA.classes[c] for c in chosen])
    np.testing.assert_allclose(table["q"], q.mean(0), rtol=1e-5)
    assert said.dof == pytest.approx(said.prior.dof + 2)
    np.testing.assert_allclose(table["u"], table["sigma"] * np.sqrt(said.dof / (said.dof - 2)))
    assert ((table["low"] < table["q"]) & (table["q"] < table["high"])).all()
    np.testing.assert_allclose(table["probability_low"], 1 / (1 + np.exp(-table["low"])))
    assert table["flip"].between(0, 1).all()
    assert said.flip[np.argmin(np.abs(q.mean(0)))] > 0.05 > said.flip[np.argmax(q.mean(0))]


def test_its_intervals_hold_what_other_trainings_say(said, further):
    """95 % intervals against further trainings; 93 to 98 %, since the prior of 500 images claims little."""
    q = ln.log_odds(further, said.chosen)
    low, high = said.evaluation.interval()
    assert 0.92 < ((q >= low) & (q <= high)).mean() < 0.985


def test_the_page_says_what_is_covered_and_what_is_not(said):
    page = str(said)
    for word in ("moderated Type A", "ν_eff", "held-out inputs without labels", "covers", "leaves out", "3 trainings"):
        assert word in page
    assert "worth about 50 independent ones" in page  # 500 calibration images: a reservation
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    least, most = re.search(r"it is ([0-9]+) to [0-9]+ %, on nine later networks up to ([0-9]+) %", readme).groups()
    assert f"ln σ̃ erred by {least} to {most} % on" in said.facts()["evaluation"]
    assert "<table>" in said._repr_html_()
    assert max(map(len, page.splitlines())) < 130
    assert "degrees of freedom" in said.sentence(0)


def test_a_list_of_its_inputs_is_one_of_sentences(said):
    assert repr(list(said[:2])) == f"[{said.sentence(0)}, {said.sentence(1)}]"
    assert repr(said) == str(said)


def test_it_trains_where_nothing_is_handed_in_and_resumes(tmp_path):
    first = ln.state(NET, DATA, seeds=range(2), folder=tmp_path, **QUIET)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("fit-*")}
    again = ln.state(NET, DATA, seeds=range(2), folder=tmp_path, **QUIET)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.glob("fit-*")}  # nothing was trained again
    np.testing.assert_array_equal(first.u, again.u)
    assert first.groups == DEFAULT


ONE_CALL = """
import lnescape as ln
data = ln.load("mnist5k")
recipe = ln.Recipe(epochs=12, precision="float32")
ln.state(ln.network("mlp", data, width=32), data, seeds=range(2), folder={folder!r}, recipe=recipe, progress=False)
"""


def test_killed_in_the_middle_of_a_training_it_goes_on_and_says_the_same(tmp_path):
    """SIGKILL once the first part of a training is there; the second call takes it up, to the same bits."""
    process = subprocess.Popen([sys.executable, "-c", ONE_CALL.format(folder=str(tmp_path))])
    while not list(tmp_path.rglob("fit-*")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    assert process.wait() != 0
    recipe = replace(RECIPE, epochs=12)
    resumed = ln.state(NET, DATA, seeds=range(2), folder=tmp_path, recipe=recipe, progress=False)
    alone = ln.state(NET, DATA, seeds=range(2), recipe=recipe, progress=False)
    np.testing.assert_array_equal(resumed.u, alone.u)
    np.testing.assert_array_equal(resumed.flip, alone.flip)


def test_proxies_and_bursts_are_paid_for(runs):
    narrow = ln.network("mlp", DATA, width=8)
    said = ln.state(NET, DATA, runs=runs, covariates=("outputs", "bursts"), proxies=narrow, n_proxies=6, **QUIET)
    step = {net: ln.fit(net, DATA, seeds=[0], **QUIET).cost.operations for net in (NET, narrow)}
    bursts = 3 * 12 * round(0.25 * 27) / (3 * 27)
    assert said.further == pytest.approx(bursts + 6 * 0.2 * step[narrow] / step[NET], rel=0.05)
    assert said.groups == ("outputs", "bursts", "proxies")
    assert "6 of the narrower network" in said.facts()["cost"]


def test_proxies_that_show_fewer_inputs_than_assumed_are_quoted_as_a_lower_bound(runs):
    narrow = ln.network("mlp", DATA, width=2)
    page = ln.state(NET, DATA, runs=runs, covariates="outputs", proxies=narrow, n_proxies=20, **QUIET)
    assert "from proxies" not in page.facts()["prior"]
    assert "The 20 proxies show that the inputs are worth" in page.reservations()["fit"]
    assert "measure n_eff on proxies" not in page.reservations()["fit"]


class WithNormalisation(nn.Module):
    """A network of one's own."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))

    def forward(self, x):
        return self.body(x)


def own_network():
    network = WithNormalisation()
    network.body[4] = nn.Linear(4 * 13 * 13, 10)
    return network


def test_a_network_of_one_s_own_and_images_of_one_s_own():
    images = DATA.shifted("rotation", 1).images[:60]
    said = ln.state(own_network, DATA, seeds=range(2), images=images, **QUIET)
    assert len(said) == 60
    assert np.isfinite(said.evaluation.scale).all()
    trained = ln.members(own_network, [own_network(), own_network(), own_network()], DATA, recipe=RECIPE)
    said = ln.state(own_network, DATA, runs=trained, images=images, covariates=FREE, progress=False)
    assert "training path" in said.left_out
    assert "path=True" in str(said)


def test_the_measurand_is_an_argument(runs):
    said = ln.state(NET, DATA, runs=runs, measurand=ln.retraining.contrast, progress=False)
    assert "contrast" in str(said)
    assert "probability_low" not in said.to_dataframe()

    def margin(logp, chosen):
        return 2 * ln.retraining.contrast(logp, chosen)

    twice = ln.state(NET, DATA, runs=runs, measurand=margin, progress=False)
    np.testing.assert_allclose(twice.evaluation.mean, 2 * said.evaluation.mean)


def test_saturated_probabilities_stay_finite():
    class Loud(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(784, 10)

        def forward(self, x):
            return 1000 * self.inner(x.flatten(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = ln.members(Loud, [Loud(), Loud(), Loud()], DATA, recipe=RECIPE)
    said = ln.state(Loud, DATA, runs=trained, progress=False)
    assert np.isfinite(said.to_dataframe().select_dtypes("number")).all().all()
    assert trained.predict(DATA.test.images).exp().max() == 1.0  # as far as float32 can tell


def test_inputs_that_are_no_images_leave_out_the_groups_that_move_them():
    draw = np.random.default_rng(0)
    centres, labels = draw.normal(0, 1.5, (3, 8)), draw.integers(0, 3, 1200)
    features = torch.from_numpy((centres[labels] + draw.normal(size=(1200, 8))).astype(np.float32))
    parts = [(features[k : k + 400], torch.from_numpy(labels[k : k + 400])) for k in (0, 400, 800)]
    data = ln.dataset(train=parts[0], calibration=parts[1], test=parts[2], name="a table")
    net = lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))  # noqa: E731
    said = ln.state(net, data, seeds=range(2), covariates=FREE, **QUIET)
    assert {"neighbourhood", "differences"} <= set(said.left_out)
    assert {"outputs", "training path", "noise"} <= set(said.groups)
    assert np.isfinite(said.u).all()


def test_a_class_that_no_input_has_is_named_in_the_reservations(runs):
    few = DATA.test.images[DATA.test.labels != 7]
    labels = DATA.test.labels[DATA.test.labels != 7]
    part = (few, labels)
    data = ln.dataset(train=(DATA.train.images, DATA.train.labels), calibration=part, test=part, name="no sevens")
    never_seven = ln.members(NET, [_without_class_7(theta) for theta in runs.thetas], data, recipe=RECIPE)
    said = ln.state(NET, data, runs=never_seven, progress=False)
    assert "left out: class 7" in str(said)


def _without_class_7(theta):
    theta = theta.clone()
    theta[-3] = -1000.0  # the bias of its logit
    return theta


def test_a_reservation_that_holds_for_values_and_decisions_is_told_once():
    from lnescape.statement.arrays import joined

    values = ("No bound on d₀ (highest at 233): beware.", "Few inputs (50): beware.")
    decisions = ("No bound on d₀ (highest at 1e+03): beware.", "Few inputs (50): beware.", "Class 7 is left out.")
    assert joined(values, decisions) == (
        "No bound on d₀ (highest at 233): beware. The same holds for the decisions.",
        "Few inputs (50): beware.",
        "For the decisions: Class 7 is left out.",
    )


def test_gradient_distance_tells_more_than_all_that_is_free(said, runs, further):
    """Against 16 further trainings, the error of ln u falls; the slope stays near that of the law of scale."""
    free = ln.state(NET, DATA, runs=runs, covariates=FREE, progress=False)
    alone = ln.state(NET, DATA, runs=runs, like=None, progress=False)
    truth = np.log(ln.log_odds(further, said.chosen).std(0, ddof=1))
    error = [np.std(np.log(one.evaluation.scale) - truth) for one in (free, alone, said)]
    assert error[1] < error[0]
    assert error[2] < error[0]
    assert said.groups == DEFAULT
    k = alone.prior.names.index("gradient distance")
    assert 0.6 < alone.prior.coefficients[1 + k] / alone.prior.width[k] < 1.4
    other = ln.state(NET, DATA, runs=runs, covariates=DEFAULT, measurand=ln.retraining.contrast, progress=False)
    assert "gradient distance" in other.left_out


def test_one_training_borrows_its_scale_and_says_so(runs):
    one = ln.members(NET, [runs.module(runs[0])], DATA)
    stated = ln.state(NET, DATA, runs=one, progress=False)
    like = ln.retraining.shipped_prior()
    assert stated.dof == stated.prior.dof == like.levels["fully connected"][1]
    assert "Type B" in stated.sentence(0)
    assert "borrowed from other pairs" in str(stated)
    assert not stated.diagnosis.passed
    # The level is that of the pairs, whatever the pattern: the mean of ln s₀² over inputs like those of the fit.
    q = stated.evaluation.mean
    assert np.log(stated.evaluation.scale**2).mean() == pytest.approx(
        np.log(q.var()) + like.levels["fully connected"][0], abs=0.3
    )


def test_a_companion_is_advised_where_inputs_move_together():
    data, how = breast_cancer(), {"recipe": ln.Recipe(epochs=5, batch=32), "seeds": range(2), "progress": False}
    net = ln.network("mlp", data, width=16)
    alone, beside_it = (ln.state(net, data, companion=some, **how) for some in (False, True))
    assert alone.n_eff_source == beside_it.n_eff_source == NOISE
    assert (ADVICE in alone.notes, ADVICE in beside_it.notes) == (True, False)
    assert ADVICE not in ln.state(net, data, like=None, **how).notes


def test_a_companion_shows_the_scale_of_one_training(runs):
    one = ln.members(NET, [runs.module(runs[0])], DATA)
    like = replace(ln.retraining.shipped_prior(), companion=(-1.0, 8.0, 0.3))
    stated = ln.state(NET, DATA, runs=one, like=like, companion=True, recipe=RECIPE, progress=False)
    short = replace(RECIPE, epochs=COMPANION * RECIPE.epochs)
    other = ln.fit(NET, DATA, seeds=[COMPANION_SEED], recipe=short, progress=False)
    images = DATA.calibration.images
    logp = [law.predict(images).double().numpy() for law in (one, other)]
    q, companion = (ln.log_odds(each, logp[0][0].argmax(1))[0] for each in logp)
    assert stated.dof == 8
    assert stated.prior.coefficients[0] == pytest.approx(beside(q, companion) - 1, abs=1e-3)
    assert stated.further == pytest.approx(COMPANION, rel=0.05)
    assert "its scale known from a companion" in " ".join(str(stated).split())
    both = ln.members(NET, [runs.module(theta) for theta in runs[:2]], DATA)
    how = {"like": like, "recipe": RECIPE, "progress": False}
    alone, beside_it = (ln.state(NET, DATA, runs=both, companion=some, **how) for some in (False, True))
    assert (alone.prior.lent_dof, alone.further) == (0, 0)
    assert 0 < beside_it.prior.lent_dof < 2 / 0.3**2 + 1
    assert beside_it.further == stated.further
    assert beside_it.prior.coefficients[0] != alone.prior.coefficients[0]
    assert "the scale towards that beside a companion" in " ".join(str(beside_it).split())
    with pytest.raises(ValueError, match="a prior that knows companions"):
        ln.state(NET, DATA, companion=True, like=None, **QUIET)
    with pytest.raises(ValueError, match="give recipe="):
        ln.state(NET, DATA, runs=one, companion=True, progress=False)
