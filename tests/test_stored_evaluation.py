"""The moderated evaluation on stored retrainings: draws, what mixes cost, and what is put together for them."""

import itertools

import numpy as np
import pytest

import lnescape as ln
from lnescape.covariates import FREE
from lnescape.covariates.groups import Traces
from lnescape.retraining import Reference, fit_prior, moderated
from lnescape.study.store import CellStore, study_named
from report.studies.geometry import ALONE, explained
from report.studies.moderation import Assembled, Mix, Moderation, assembled, draws


@pytest.fixture(scope="module")
def own():
    study = study_named("mnist-cnn-uncertainty")
    return assembled(study, CellStore(study))


@pytest.mark.parametrize("members", [2, 3, 5])
def test_draws_use_every_network_about_as_often(members):
    found = draws(12, members)
    assert len(found) == 30
    assert all(len(set(rows)) == members and max(rows) < 12 for rows in found)
    times = np.bincount(np.concatenate(found), minlength=12)
    assert times.max() - times.min() <= (1 if 12 % members == 0 else 6)
    whole = 12 // members
    assert not set(found[0]).intersection(*found[1:whole])  # the sets of one shuffle are disjoint
    assert found == draws(12, members)


def test_it_puts_together_what_the_cells_hold(own):
    seen = ln.read_study("mnist-cnn")
    watched = np.isin(seen["image"], seen["watched_image"])
    assert own.q.shape == (32, watched.sum())
    # Dithered by half a step of float16 at most.
    stored = seen["log_odds"].values[:, watched]
    np.testing.assert_array_less(np.abs(own.q - stored), 2.0**-10 * np.maximum(np.abs(stored), 1e-2))
    assert own.n_networks == 12
    assert (len(own.where("calibration")), len(own.where("test"))) == (3000, 1000)
    kinds = itertools.product(("rotation", "noise", "contrast"), (1, 2, 3))
    assert set(own.part[own.where("shifted")]) == {f"{kind} {strength}" for kind, strength in kinds}
    assert all(np.isnan(spread[own.where("shifted")]).all() for spread in own.paths["curve"])
    assert all(np.isfinite(spread[own.where("calibration")]).all() for spread in own.paths["curve"])


@pytest.mark.parametrize(("name", "mix"), [("constant", Mix(())), ("all free groups", Mix(FREE))])
def test_a_stored_ren_is_what_the_cells_give(own, name, mix):
    images = own.where("test")
    found = Moderation(own, mix).fidelity(images, Reference.of(own.q[:, images], draws(own.n_networks, 2)))
    stored = ln.load_result("mnist-cnn-uncertainty").numbers["mixes"][name]["2"]
    assert found.ren.value == pytest.approx(stored["ren"]["value"], rel=1e-4)
    assert found.coverage.value == pytest.approx(stored["coverage"].value, rel=1e-4)


def test_all_exploration_is_charged(own):
    key = (0.25, 1.0)
    assert own.bursts[key].trainings == pytest.approx(12 * 0.25 / 5)
    assert Mix(FREE).further(own, 3) == 0
    assert Mix(("bursts",), bursts=key).further(own, 3) == pytest.approx(3 * 0.6)
    assert Mix(("curve", "mode curve")).further(own, 2) == 1 + 3
    proxies = Mix(("proxies",), proxies=(2, 2, 40))
    assert proxies.further(own, 2) == proxies.further(own, 3) == 40 * own.proxies[2, 2][0].trainings
    assert Mix(()).passes(own) == 0
    assert Mix(FREE).passes(own) == 8 + 8 + 4  # shifts, noise, the epochs' ends but the last


def test_one_evaluation_is_that_of_the_library(own):
    rows, fitted, judged = (0, 5), own.where("calibration"), own.where("test")
    (evaluation,), (prior,) = Moderation(own, Mix(()))([rows], judged)
    q, nothing = own.q[list(rows)], np.empty((len(fitted), 0))
    by_hand = fit_prior(q[:, fitted].var(0, ddof=1), 1, nothing)
    assert prior.dof == pytest.approx(by_hand.dof)
    expected = moderated(q[:, judged], by_hand, nothing[: len(judged)])
    np.testing.assert_allclose(evaluation.scale, expected.scale)


def test_bases_and_sets_of_proxies_alternate_between_draws(own):
    images = own.where("test")[:5]
    one = Moderation(own, Mix(("curve", "proxies"), proxies=(2, 2, 40)))
    spreads = [one.traces((0, 1), images, draw).spreads for draw in range(3)]
    for name in ("curve", "proxies"):
        assert any((a[name] != b[name]).any() for a, b in itertools.pairwise(spreads))
        np.testing.assert_array_equal(spreads[0][name], spreads[2][name])
    fixed = Moderation(own, Mix(("curve",), base=1))
    np.testing.assert_array_equal(fixed.traces((0, 1), images, 0).spreads["curve"], spreads[1]["curve"])


def test_differences_learn_their_slopes_where_the_prior_is_fitted(own):
    """What is stated of an image doesn't depend on which others are looked at."""
    rows, judged = [(0, 1)], own.where("test")
    whole = Moderation(own, Mix(("differences",)))(rows, judged)[0][0]
    part = Moderation(own, Mix(("differences",)))(rows, judged[:40])[0][0]
    np.testing.assert_allclose(part.scale, whole.scale[:40])


def test_what_covariates_explain_of_the_variance_is_what_was_planted():
    rng = np.random.default_rng(0)
    mean, h, other = rng.normal(3, 2, 2000), rng.normal(size=2000), rng.normal(size=2000)
    # ln σ² = h − 0.3 q̄ + 0.5 z has the variance 1 + 0.3² · 2² + 0.5² = 1.61.
    q = mean + np.exp((h - 0.3 * mean + 0.5 * other) / 2) * rng.normal(size=(40, 2000))
    outputs = np.tile([mean, np.exp(other), other], (4, 1, 1))
    traces = Traces(q[:4], outputs=outputs, distance=np.tile(h, (4, 1)), chosen=np.arange(2000) % 2, n_classes=2)
    found = explained(Assembled(q, None, traces, np.full(2000, "calibration"), np.zeros(2000), {}, 2000))
    assert found["variance"].value == pytest.approx(1.61, rel=0.1)  # four standard deviations over data like these
    planted = {"gradient distance": 1 / 1.61, "gradient distance, log-odds": 1.36 / 1.61, ALONE: 1}
    for name, share in planted.items():
        assert found["shares"][name].value == pytest.approx(100 * share, abs=4)
    # Over tenths, q̄ has the mean of a tenth of a normal distribution: ±1.75 standard deviations at the ends.
    ends = [found["offset"][0].value, found["offset"][-1].value]
    np.testing.assert_allclose(ends, [0.3 * 2 * 1.755, -0.3 * 2 * 1.755], atol=0.15)
