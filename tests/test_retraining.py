"""The measurand, the dispersion of retrainings, components of variance and gates, on problems with known answers."""

import numpy as np
import pytest
import torch

from lnescape.retraining import contrast, log_odds, probability
from lnescape.retraining.judging import split_half
from report.studies.dispersion import (
    crossed_components,
    excess_kurtosis,
    nested_components,
    normal_twins,
    relative_spread,
    spread_of_log_variance,
)
from report.studies.gates import g0, g2


def test_log_odds_keep_every_digit_where_probabilities_have_none_left():
    logits = np.array([[[50.0, 0.0, -1.0]], [[0.0, 0.0, 0.0]]])
    q = log_odds(logits, np.array([0]))[:, 0]
    assert q[0] == pytest.approx(50 - np.log(1 + np.exp(-1)), abs=1e-12)  # 1 − p is 1e-22: beyond float64
    assert q[1] == pytest.approx(-np.log(2))
    logp = torch.log_softmax(torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64), 2)
    chosen = np.arange(7) % 5
    p = np.take_along_axis(logp.exp().numpy(), chosen[None, :, None].repeat(3, 0), 2)[:, :, 0]
    np.testing.assert_allclose(log_odds(logp.numpy(), chosen), np.log(p / (1 - p)), rtol=1e-10)


@pytest.mark.parametrize("measurand", [log_odds, contrast, probability])
def test_probabilities_are_refused_as_log_probabilities(measurand):
    p = np.full((2, 3, 4), 0.25)
    with pytest.raises(ValueError, match=r"probabilities, not log-probabilities or logits; pass np\.log"):
        measurand(p, np.zeros(3, int))
    assert measurand(np.log(p), np.zeros(3, int)).shape == (2, 3)
    assert measurand(p + 1, np.zeros(3, int)).shape == (2, 3)  # logits that are positive


def test_the_contrast_is_negative_where_the_network_decides_otherwise():
    rng = np.random.default_rng(0)
    logits, chosen = rng.normal(size=(4, 50, 3)), rng.integers(0, 3, 50)
    assert np.array_equal(contrast(logits, chosen) < 0, logits.argmax(2) != chosen)


@pytest.mark.parametrize("dof", [1, 3, 20])
def test_the_spread_of_ln_s2_is_that_of_chi_square(dof):
    simulated = np.log(np.random.default_rng(0).chisquare(dof, 400_000)).std()
    assert relative_spread(dof) == pytest.approx(simulated, rel=0.01)  # 0.01 is five standard errors or more


def test_groups_are_disjoint_and_leftovers_unused():
    q = np.random.default_rng(0).normal(size=(11, 3))
    by_hand = np.log(q[:9].reshape(3, 3, 3).var(1, ddof=1)).std(0, ddof=1)
    np.testing.assert_allclose(spread_of_log_variance(q, 3), by_hand)


def test_kurtosis_against_a_second_implementation():
    from scipy.stats import kurtosis

    q = np.random.default_rng(0).standard_t(5, (30, 40))
    np.testing.assert_allclose(excess_kurtosis(q), kurtosis(q, axis=0), atol=1e-12)


def test_twins_have_the_covariance_of_the_images():
    rng = np.random.default_rng(1)
    q = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(20, 6))
    twins = normal_twins(q, 2000, seed=0).reshape(-1, 6)
    scale = np.sqrt(np.outer(*(np.diag(np.cov(q.T)),) * 2))
    assert np.abs((np.cov(twins.T) - np.cov(q.T)) / scale).max() < 0.03  # standard error 0.007


def test_reliability_is_what_the_two_variances_say():
    """ln s² = ln σ² + noise of variance ψ₁(ν/2): correlation of two halves in closed form (for Pearson; ranks near)."""
    rng = np.random.default_rng(0)
    spread = 0.5
    q = rng.normal(size=(32, 20_000)) * np.exp(spread / 2 * rng.normal(size=20_000))
    known = spread**2 / (spread**2 + relative_spread(15) ** 2)
    found, together = split_half(q, n_halvings=4), spread**2 / (spread**2 + relative_spread(31) ** 2)
    assert (found.halves, found.whole) == pytest.approx((known, together), abs=0.03)
    assert found.ceiling == pytest.approx(together**0.5, abs=0.03)
    assert abs(split_half(rng.normal(size=(32, 5000)), n_halvings=4).halves) < 0.05  # one σ for all: nothing to know


def test_crossed_components_are_unbiased():
    rng = np.random.default_rng(0)
    shape = (5000, 6, 5)
    first, order = 1.5 * rng.normal(size=(5000, 6, 1)), 0.7 * rng.normal(size=(5000, 1, 5))
    q = (first + order + 0.4 * rng.normal(size=shape)).transpose(1, 2, 0)
    found = {name: value.mean() for name, value in crossed_components(q).items()}
    for name, known in (("initialisation", 1.5**2), ("order", 0.7**2), ("interaction", 0.4**2)):
        assert found[name] == pytest.approx(known, rel=0.06)  # standard errors below 1.2 %


def test_nested_components_are_unbiased_and_reproduce_the_guide():
    rng = np.random.default_rng(0)
    q = (1.5 * rng.normal(size=(5000, 8, 1)) + 0.7 * rng.normal(size=(5000, 8, 3))).transpose(1, 2, 0)
    found = {name: value.mean() for name, value in nested_components(q).items()}
    assert found["trunk"] == pytest.approx(1.5**2, rel=0.06)
    assert found["branch"] == pytest.approx(0.7**2, rel=0.03)


def test_g2_passes_normal_retrainings_and_fails_heavy_tails():
    """Of 10 normal samples with correlated images, 8 % fail by the band of 60 twins; three or more, once in 24."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(10, 150))
    samples = [rng.normal(size=(48, 10)) @ mixing + rng.normal(size=(48, 150)) for _ in range(10)]
    assert sum(g2(q, n_twins=60, seed=k).passed for k, q in enumerate(samples)) >= 8
    assert not g2(rng.standard_t(4, size=(48, 150)), n_twins=60).passed


def test_g0_states_its_uncertainty():
    rng = np.random.default_rng(0)
    verdict = g0(rng.normal(size=(32, 400)) * np.exp(rng.normal(size=400)))
    assert verdict.passed
    assert (verdict.gate, verdict.n) == ("G0", 32)
    assert not g0(rng.normal(size=(32, 400))).passed  # nothing to know: its reliability is zero within its uncertainty
