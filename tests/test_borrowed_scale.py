"""A scale that is borrowed from other pairs: for one network altogether, for several in part."""

import numpy as np
import pytest
from scipy.special import polygamma

import lnescape as ln
from lnescape.retraining import (
    KnownPair,
    borrowed_prior,
    effective_number,
    fit_prior,
    learn_prior,
    level_of,
    moderated,
    shipped_prior,
)
from lnescape.retraining.prior import _lent, beside, dof_of, log_bias
from report.studies.geometry import levels_beside
from report.studies.pairs import SMALL, SMALL_JUDGES
from tests.test_transfer import GROUPS, NAMES, learned


@pytest.mark.parametrize("compared", [False, True])
def test_a_borrowed_scale_covers_over_many_pairs(compared):
    """95 % intervals of one network in 60 worlds of 5 pairs: 93 to 97 % (false alarm below 1 in 1 000)."""
    rng, covered, dofs = np.random.default_rng(0), [], []

    def pair(n=600):
        # The level over inputs differs between pairs by 0.4; that over a companion by 0.1, whatever the former is.
        level, slope = rng.normal(-2, 0.4), rng.normal(0.8, 0.05)
        h = rng.normal(size=(n, 1))
        variance = np.exp(level + slope * h[:, 0]) * 20 / rng.chisquare(20, n)
        mean = rng.normal(size=n)
        q = mean + rng.normal(size=(3, n)) * np.sqrt(variance)
        return h, variance, q, 3 + 0.5 * (mean + np.exp(rng.normal(0.3, 0.1)) * rng.normal(size=n) * np.sqrt(variance))

    for _ in range(60):
        made = [pair() for _ in range(5)]
        known = [
            KnownPair(h, v * rng.chisquare(30, len(v)) / 30, 30, len(v), ("h",), float(q[0].var()), beside(q[0], short))
            for h, v, q, short in made[1:]
        ]
        like = learn_prior(known)
        h, _, q, short = made[0]
        lent = like.with_companion(q[0], short) if compared else like
        evaluation = moderated(q[:1], borrowed_prior(q[0], h, names=("h",), like=lent), h)
        low, high = evaluation.interval()
        covered.append(((low <= q[1:]) & (q[1:] <= high)).mean())
        dofs.append(evaluation.dof)
    assert 0.93 < np.mean(covered) < 0.97
    assert bool(np.mean(dofs) > 3.8) is compared  # the level is one part of what is borrowed


def test_a_level_is_that_of_the_variance_however_few_networks_tell_it():
    """ln s² of few networks is too low on average, and ln of a variance with ν degrees of freedom is, too."""
    rng = np.random.default_rng(0)
    q = 3 * rng.normal(size=20_000) + rng.normal(size=(3, 20_000))
    assert level_of(q) == pytest.approx(np.log(1 / 10), abs=0.03)  # its standard uncertainty is 0.009
    short = 1 - 2 * q[:2] + 2 * rng.normal(size=(2, 20_000))  # beside it, q has the variance 1/(1/10 + 4/4)
    assert level_of(q, companions=short) == pytest.approx(-np.log(1 / (1 / 10 + 1)), abs=0.03)
    with pytest.raises(ValueError, match="one for each of the first"):
        level_of(q, companions=np.tile(short, (2, 1)))
    h = rng.normal(size=(2, 3000, 1))
    pairs = [KnownPair(one, rng.chisquare(2, 3000) / 2, 2, 3000, ("h",), spread=1.0) for one in h]
    level, dof = learn_prior(pairs).levels["any"]
    assert level == pytest.approx(log_bias(dof), abs=0.1)  # ln σ² is 0; four standard uncertainties
    # The variance of ln σ² for another pair: of the mean level and beside it, of the pattern, and beside that, d₀ = 20.
    known = learned(2, levels={"any": [-2.0, -2.4]})
    level, dof = known.levels["any"]
    assert level == pytest.approx(-2.2 + log_bias(dof))
    pattern = sum(np.square(known.spread[GROUPS[name]]).sum() for name in NAMES)
    assert polygamma(1, dof / 2) == pytest.approx(0.08 * (1 + 1 / 2) + pattern + polygamma(1, 10), rel=0.05)


def test_a_prior_without_a_level_lends_no_scale():
    like = learned(2)
    assert not like.levels
    with pytest.raises(ValueError, match="no level"):
        borrowed_prior(np.zeros(100), np.zeros((100, 3)), names=NAMES, like=like)
    with pytest.raises(ValueError, match="no level over a companion"):
        like.with_companion(np.arange(9.0), np.arange(9.0))
    with pytest.raises(ValueError, match="give finite q of both"):
        learned(2, companion_levels=[-1.0, -1.2]).with_companion(np.arange(9.0), np.full(9, np.nan))
    with pytest.raises((TypeError, ValueError), match="companion_levels"):
        learned(2, companion_levels=-1.0)


def test_a_stored_companion_was_judged_on_data_that_taught_it_nothing():
    assert len(levels_beside(but="wine perceptron")) == len(levels_beside()) - 1
    for name in (*SMALL, *SMALL_JUDGES):
        numbers = ln.load_result(f"{name}-companion").numbers
        taught = f"{name.replace('-', ' ')} perceptron" in ln.load_result("one-training").numbers["networks"]
        assert taught == (name in SMALL)
        for single in numbers["single"].values():
            assert set(single) == {"own", "borrowed", "beside"}
            assert single["own"]["dof"] < single["beside"]["dof"] < single["own"]["dof"] + 2 / 0.35**2
        if name in SMALL:  # the networks' own scale is that of the study of inputs that move together
            together = ln.load_result(f"{name}-together").numbers["single"]
            for m, single in numbers["single"].items():
                assert single["own"]["share"] == together[m]["after"]["share"]
                assert single["own"]["mean"] == pytest.approx(together[m]["after"]["mean"], abs=0.01)


def moving_together(rng, like, n=200, m=2):
    """Evaluate two networks without and with their companion; their inputs share most of their movement."""
    level, longer = rng.normal(-2, 1), np.exp(rng.normal(0.3, 0.2))  # a companion scatters more than a network
    h, mean = rng.normal(size=(n, 1)), rng.normal(size=n)
    scale = np.exp((level + 0.8 * h[:, 0]) / 2)
    shared = rng.normal(size=(m + 41, 3)) @ rng.normal(size=(3, n)) / np.sqrt(3)
    moves = scale * (np.sqrt(0.95) * shared + np.sqrt(0.05) * rng.normal(size=(m + 41, n)))
    q, companion, n_eff = mean + moves[1:], mean + longer * moves[0], effective_number(mean + moves)
    known = {"n_eff": n_eff, "names": ("h",), "like": like}
    scales = (None, like.scale_beside(q[:m], companion, n_eff=n_eff))
    priors = [fit_prior(q[:m].var(0, ddof=1), m - 1, h, **known, scale=one) for one in scales]
    return [moderated(q[:m], one, h) for one in priors], q[m:], np.log(scale**2)


@pytest.mark.filterwarnings("ignore:The inputs are worth", "ignore:The likelihood puts no bound")
def test_a_companion_serves_where_inputs_move_together():
    """In 200 worlds the error of the scale falls by a tenth at least, and 95 % intervals cover 93 to 97 % on average.

    False alarm below 1 in 1 000, by the scatter between worlds.
    """
    rng = np.random.default_rng(0)
    h = rng.normal(size=(6, 1500, 1))
    known = [KnownPair(one, np.exp(0.8 * one[:, 0]) * rng.chisquare(40, 1500) / 40, 40, 1500, ("h",)) for one in h]
    like = learn_prior(known, companion_levels=[*-np.log(1 + np.exp(rng.normal(0.3, 0.2, 30)) ** 2)])
    errors, covered = [], []
    for _ in range(200):
        evaluations, judges, truth = moving_together(rng, like)
        errors.append([(2 * np.log(one.scale) - truth).mean() for one in evaluations])
        low, high = evaluations[1].interval()
        covered.append(((low <= judges) & (judges <= high)).mean())
    alone, beside_it = np.sqrt(np.mean(np.square(errors), 0))
    assert beside_it < 0.9 * alone
    assert 0.93 < np.mean(covered) < 0.97


def test_a_scale_that_is_known_elsewhere_is_weighed_by_what_is_known_of_both():
    shift, gained = _lent(0.0, 6.0, 0.1, 0.6)
    fitted = polygamma(1, 3.0)
    assert shift == pytest.approx(0.1 * fitted / (fitted + 0.36))
    assert dof_of(1 / (1 / fitted + 1 / 0.36)) == pytest.approx(6 + gained)
    assert _lent(0.0, 1e5, 0.1, 0.6)[0] == pytest.approx(0, abs=1e-4)  # many inputs tell it
    for known in (2.0, 10.0):  # a scale that is far off counts next to nothing
        far = [_lent(0.0, known, d, 0.6) for d in (4.0, 8.0, 16.0)]
        assert 1 > far[0][0] > far[1][0] > far[2][0] > 0
        assert far[2][1] < 0.1


def test_a_scale_beside_a_companion_is_that_of_the_level_and_of_few_inputs():
    rng, like = np.random.default_rng(0), learned(2, companion_levels=[-1.0, -1.4])
    q = rng.normal(size=(2, 500))
    short = q.mean(0) + rng.normal(size=500)
    mean, u = like.scale_beside(q, short, n_eff=20)
    assert mean == pytest.approx(np.mean([beside(one, short) for one in q]) - 1.2)
    assert u**2 == pytest.approx(0.08 * (1 + 1 / 2) + polygamma(1, 1 / 2) / 20)
    with pytest.raises(ValueError, match="no level over a companion"):
        learned(2).scale_beside(q, short, n_eff=20)


def test_a_scale_that_is_known_exactly_has_endless_degrees_of_freedom_and_priors_can_be_compared():
    assert dof_of(1e-8) == pytest.approx(2e8, rel=1e-4)
    assert dof_of(1e-5) == pytest.approx(2e5, rel=1e-4)
    assert shipped_prior() == shipped_prior()
    assert shipped_prior() in {shipped_prior(): 0}
