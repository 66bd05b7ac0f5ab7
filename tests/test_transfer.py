"""The prior of other pairs: known truth, what it gains on another pair, how it is kept, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from torch import nn

import lnescape as ln
from lnescape.covariates.geometry import kind_of
from lnescape.results import ResultError
from lnescape.retraining import (
    KnownPair,
    LearnedPrior,
    borrowed_prior,
    fit_prior,
    learn_prior,
    with_class_means,
)
from lnescape.retraining.prior import _adapted, _placed, beside, measures, terms
from lnescape.retraining.transfer import USUAL, _em, _Fit

NAMES = ("a", "b", "c")
GROUPS = {"a": "wide", "b": "wide", "c": "narrow"}
MEAN = np.array([0.6, -0.3, 0.4])
SPREAD = {"wide": 0.2, "narrow": 0.05}
SPREADS = np.array([0.2, 0.2, 0.05])


def drawn(rng, slopes, n, dof, d0=20):
    """Draw covariates, true variances around exp(slopes · h), and sample variances."""
    h = rng.normal(size=(n, 3))
    truth = np.exp(h @ slopes)
    return h, truth, truth * d0 / rng.chisquare(d0, n) * rng.chisquare(dof, n) / dof


def learned(n_pairs, seed=0, n_eff=1500, **options):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(n_pairs):
        h, _, variance = drawn(rng, MEAN + SPREADS * rng.normal(size=3), 1500, 40)
        pairs.append(KnownPair(h, variance, 40, n_eff, NAMES))
    return learn_prior(pairs, groups=GROUPS, **options)


@pytest.fixture(scope="module")
def prior():
    return learned(60, provenance={"made": "by a test"})


def test_planted_means_and_spreads_are_found(prior):
    """b̄ to three of its standard uncertainties √(T/P), √T to 25 %; squares, which the truth lacks, have none."""
    assert prior.names == NAMES
    assert prior.groups == ("wide", "wide", "narrow")
    assert (np.abs(prior.mean[0] - MEAN) < 3 * SPREADS / np.sqrt(60) + 0.01).all()
    for group, spread in SPREAD.items():
        assert prior.spread[group][0] == pytest.approx(spread, rel=0.25)
        assert prior.spread[group][1] < 0.02
    assert np.abs(prior.mean[1]).max() < 0.01


@pytest.mark.filterwarnings("ignore:The likelihood puts no bound")
def test_em_ends_where_the_likelihood_is_highest():
    """Against the marginal law b̂ ~ N(b̄, I⁻¹ + T), maximised by another method, where two covariates say the same."""
    rng, kind, free = np.random.default_rng(1), np.array([0, 0, 1, 1]), np.array([False, False, False, True])
    fits = []
    for _ in range(4):
        x = rng.normal(size=(200, 12))  # a constant, four covariates, three indicators, four squares
        x[:, 0], x[:, 2] = 1, x[:, 1] + 0.05 * x[:, 2]
        fits.append(_Fit(0.3 + 0.2 * rng.normal(size=12), x.T @ x, 0.05, np.ones(12)))

    def surprise(values):
        mean, t, step = values[:8].reshape(2, 4), np.exp(values[8:12]).reshape(2, 2), np.exp(values[12])
        total = np.delete(mean**2 / np.repeat(USUAL, 4, 1), 3).sum() / 2  # the fourth is free
        total += (np.log(t) + USUAL / t).sum()  # the usual spread, counted twice
        spread = np.concatenate([[1e4], t[0, kind], np.full(3, step), t[1, kind]])
        centre = np.concatenate([[0], mean[0], np.zeros(3), mean[1]])
        for fit in fits:
            law = multivariate_normal(centre, np.linalg.inv(fit.information) + np.diag(spread))
            total -= law.logpdf(fit.b)
        return total

    mean, t, step = _em(fits, kind, free)
    ended = np.concatenate([mean.ravel(), np.log(t).ravel(), [np.log(step)]])
    best = minimize(surprise, ended + 0.05 * rng.normal(size=13), method="BFGS")
    np.testing.assert_allclose(ended, best.x, atol=2e-3)


def test_two_networks_know_more_with_what_other_pairs_taught(prior):
    """The mean squared error of ln s₀² over inputs, beyond its level, is less than half of that by shrinkage to 0."""
    rng, errors = np.random.default_rng(1), []
    for _ in range(20):
        h, truth, variance = drawn(rng, MEAN + SPREADS * rng.normal(size=3), 1000, 1)
        fits = [fit_prior(variance, 1, h, n_eff=100, names=NAMES, like=like) for like in (None, prior)]
        errors.append([np.log(fit.variance(h) / truth).var() for fit in fits])
    usual, with_it = np.mean(errors, 0)
    assert with_it < 0.5 * usual


def test_few_pairs_claim_less(prior):
    """The spread of the next pair around b̄ of three is wider than that of the pairs themselves."""
    assert learned(3).spread["narrow"][0] > prior.spread["narrow"][0]
    usual = 0.12 * 2**0.5, 0.03 * 2**0.5  # times (P + 1)/(P − 1)
    assert learned(3, n_eff=1e-6).spread["narrow"] == pytest.approx(usual, rel=1e-3)


@pytest.mark.filterwarnings("ignore:The likelihood puts no bound")
def test_the_slope_on_gradient_distance_travels_per_nat():
    """Planted slope 0.8 on inputs that differ little; used where they differ three times as much, to 0.05."""
    rng, names = np.random.default_rng(3), ("gradient distance", "a")

    def pair(width):
        h = rng.normal(size=(1500, 2)) * [width, 5]
        return KnownPair(h, np.exp(0.8 * h[:, 0] + 0.05 * h[:, 1]) * rng.chisquare(40, 1500) / 40, 40, 1500, names, 1.0)

    like = learn_prior([pair(width) for width in (0.3, 0.4, 0.5, 0.5)])
    assert like.mean[0] == pytest.approx([0.8, 0.25], abs=0.05)  # the other one per standard deviation
    wide, new = 1.2 * rng.normal(size=(1500, 2)), pair(1.2)
    alone = borrowed_prior(rng.normal(size=1500), wide, names=names, like=like)
    two = fit_prior(new.variance, 40, new.covariates, n_eff=100, names=names, like=like)
    for fit, h in ((alone, wide), (two, new.covariates)):
        assert np.polyfit(h[:, 0], np.log(fit.variance(h)), 1)[0] == pytest.approx(0.8, abs=0.05)


def test_what_it_does_not_know_shrinks_as_ever(prior):
    rng = np.random.default_rng(2)
    h, _, variance = drawn(rng, MEAN, 1000, 2)
    more = np.concatenate([h, rng.normal(size=(1000, 1)), rng.integers(0, 2, (1000, 1))], 1)
    names = (*NAMES, "new", "class 0")
    fit = fit_prior(variance, 2, more, n_eff=300, names=names, like=prior)
    assert np.isfinite(fit.variance(more)).all()
    placed = _placed(prior, NAMES, np.ones(3, bool))  # inputs that decide nothing leave the spreads as they were
    assert list(placed[1][1:]) == [prior.spread[GROUPS[name]][power] for power in (0, 1) for name in NAMES]
    x = terms(h, *measures(h, ()))
    _, tau = _adapted(variance, 2, x, weight=1e-12, tau=np.full(7, np.inf), learned=placed)
    np.testing.assert_allclose(tau[1:], placed[1][1:], rtol=1e-6)
    assert abs(fit.coefficients[4]) < 0.12
    with pytest.raises(ValueError, match=r"None of the covariates \(new, class 0\)"):
        fit_prior(variance, 2, more[:, 3:], n_eff=300, names=names[3:], like=prior)
    with pytest.raises(ValueError, match=r"None of the covariates \(without names\)"):
        fit_prior(variance, 2, h, n_eff=300, like=prior)


def test_it_is_kept_in_a_sealed_file(prior, tmp_path):
    file = tmp_path / "prior.json"
    prior.save(file)
    again = LearnedPrior.load(file)
    np.testing.assert_array_equal(again.mean, prior.mean)
    for name in ("names", "groups", "spread", "step"):
        assert getattr(again, name) == getattr(prior, name)
    assert again.provenance == {"made": "by a test"}
    file.write_bytes(file.read_bytes().replace(b"wide", b"wild"))
    with pytest.raises(ResultError, match="checksum"):
        LearnedPrior.load(file)
    with pytest.raises(ResultError, match="missing"):
        LearnedPrior.load(tmp_path / "none.json")


def test_class_means_are_those_of_the_inputs_of_the_fit():
    fitted = np.array([[1.0, 1, 0, 0], [3.0, 1, 0, 0], [5.0, 0, 1, 0]])
    names = ("h", "class 0", "class 1", "class 2")
    judged, more = with_class_means(np.array([[9.0, 0, 1, 0], [9.0, 0, 0, 1]]), names, like=fitted)
    assert more == (*names, "class mean of h")
    np.testing.assert_array_equal(judged[:, 4], [5, 3])  # a class that the fit hasn't seen has the mean of all


def test_a_network_borrows_the_level_of_its_kind_or_else_of_all():
    like = learned(2, levels={"convolutional": [-2.0, -2.1], "fully connected": [-2.6]})
    rng, given = np.random.default_rng(1), {"names": NAMES, "like": like}
    q, h = rng.normal(size=400), rng.normal(size=(400, len(NAMES)))
    kinds = ("convolutional", "any", "fully connected")
    many, of_all, too_few = (borrowed_prior(q, h, network=kind, **given) for kind in kinds)
    assert many.dof > of_all.dof == too_few.dof  # one level shows no spread
    assert many.coefficients[0] > of_all.coefficients[0]
    steep = borrowed_prior(q, h, names=NAMES, like=replace(like, mean=like.mean + 0.1))  # keeps its level on average
    assert np.log(steep.variance(h)).mean() == pytest.approx(np.log(q.var()) + like.levels["any"][0])
    with pytest.raises(ValueError, match="There is no kind of network 'convolution'"):
        borrowed_prior(q, h, network="convolution", **given)
    net = ln.network("mlp", ln.load("digits"), width=8)
    assert kind_of(net()) == "fully connected"
    assert kind_of(nn.LSTM(3, 4)) == kind_of(nn.MultiheadAttention(4, 2)) == "any"


def test_pairs_that_teach_nothing_are_refused():
    rng = np.random.default_rng(3)
    h, _, variance = drawn(rng, MEAN, 200, 10)
    pair = KnownPair(h, variance, 10, 100, NAMES)
    with pytest.raises(ValueError, match="two or more"):
        learn_prior([pair])
    with pytest.raises(ValueError, match="have no names"):
        learn_prior([pair, replace(pair, names=())])
    with pytest.raises(ValueError, match="No covariate is there for every pair"):
        learn_prior([pair, KnownPair(h, variance, 10, 100, ("d", "e", "f"))])


def test_a_prior_is_learned_from_retrainings_of_ones_own(data):
    recipe, pairs = ln.Recipe(epochs=3, precision="float32"), []
    for width in (8, 16):
        net = ln.network("mlp", data, width=width)
        runs = ln.fit(net, data, seeds=range(12), recipe=recipe, progress=False)
        short = ln.fit(net, data, seeds=range(50, 52), recipe=replace(recipe, epochs=1), progress=False)
        pairs.append(ln.covariates.known_pair(runs, data, companions=short if width == 16 else None))
    assert [(pair.dof, pair.network, len(pair.variance)) for pair in pairs] == [(9, "fully connected", 200)] * 2
    logp = runs.predict(data.calibration.images).double().numpy()  # the first two networks play, the others judge
    q = ln.log_odds(logp, np.exp(logp[2:]).mean(0).argmax(1))
    np.testing.assert_allclose(pairs[1].variance, q[2:].var(0, ddof=1), rtol=1e-3)
    assert pairs[1].spread == pytest.approx(q[0].var(), rel=1e-3)
    others = ln.log_odds(short.predict(data.calibration.images).numpy(), np.exp(logp[2:]).mean(0).argmax(1))
    assert pairs[0].companion is None
    assert pairs[1].companion == pytest.approx(np.mean([beside(q[k], others[k]) for k in range(2)]), abs=1e-3)
    with pytest.raises(ValueError, match="from 12 retrainings or more, not 3"):
        ln.covariates.known_pair(ln.members(runs.net, list(runs.thetas[:3]), data), data)
    stated = ln.state(runs.net, data, runs=ln.members(runs.net, list(runs.thetas[:2]), data), like=learn_prior(pairs))
    assert stated.like not in ("", "shipped")
    assert "not judged with this prior" in stated.facts()["evaluation"]
    assert stated.origin["prior of other pairs"] == f"SHA-256 {stated.like}…"
