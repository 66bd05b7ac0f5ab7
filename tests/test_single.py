"""From one training: a rule that is learned on other pairs, against simulated pairs whose law is known."""

import numpy as np
import pytest
from scipy.special import polygamma

import lnescape as ln
from lnescape.retraining import Reference, fidelity
from lnescape.retraining.prior import log_bias
from report.studies.uncertainty import RULES, learned
from tests.test_users_networks import RECIPE, Bag, data, features, single_logit, tokens

FACTOR, N_BURSTS, N, IMAGES, SPREAD = 1.5, 12, 40, 3000, 0.6


def pair(seed: int, size: float):
    """ln σ² is normal with an sd of SPREAD; bursts have a FACTOR-th of the variance of retraining."""
    rng = np.random.default_rng(seed)
    variance = size * np.exp(SPREAD * rng.normal(size=IMAGES))
    q = rng.normal(size=(N, IMAGES)) * np.sqrt(variance)
    bursts = variance / FACTOR * rng.chisquare(N_BURSTS - 1, size=(8, IMAGES)) / (N_BURSTS - 1)
    return bursts, q, (bursts, np.log(q.var(0, ddof=1)) - log_bias(N - 1), N)


PAIRS = [pair(seed, size) for seed, size in enumerate((0.5, 1.0, 2.0))]


@pytest.fixture(scope="module")
def found():
    rules = {kind: learned([of_rule for *_, of_rule in PAIRS], kind) for kind in RULES}
    bursts, q, _ = pair(9, 4.0)
    reference = Reference.of(q, [(row,) for row in range(len(bursts))])
    return {kind: (rule, fidelity(rule(bursts, q[: len(bursts)]), reference)) for kind, rule in rules.items()}


def test_factor_and_slope_are_those_of_the_simulation(found):
    rule, _ = found["factor and slope"]
    noise = polygamma(1, (N_BURSTS - 1) / 2)  # of ln b, twelve bursts
    assert rule.slope == pytest.approx(SPREAD**2 / (SPREAD**2 + noise), abs=0.03)
    assert rule.level == pytest.approx(np.log(FACTOR) - log_bias(N_BURSTS - 1), abs=0.03)
    assert found["one factor"][0].level == rule.level


def test_what_it_is_worth_is_what_theory_says(found):
    """Var(ln σ² | ln b) = s²n/(s² + n), n the noise of ln b: inverted, that is the worth; and ν is claimed truly."""
    rule, judged = found["factor and slope"]
    noise = polygamma(1, (N_BURSTS - 1) / 2)
    left = SPREAD**2 * noise / (SPREAD**2 + noise)
    assert judged.squared_error.value == pytest.approx(left + log_bias(rule.dof) ** 2, abs=0.02)
    assert judged.ren.value == pytest.approx(1 + rule.dof, rel=0.15)
    assert judged.coverage.value == pytest.approx(95, abs=1)


def test_a_borrowed_scale_of_images_is_refused_for_tokens():
    with pytest.raises(ValueError, match="is that of images, and wrong for tokens"):
        ln.state(Bag, data(tokens), seeds=[0], recipe=RECIPE, progress=False)
    for net, inputs, n in ((Bag, tokens, 2), (single_logit, features, 1)):
        assert len(ln.state(net, data(inputs), seeds=range(n), recipe=RECIPE, progress=False))


def test_a_pair_of_another_size_betrays_one_variance(found):
    _, plain = found["one variance"]
    _, judged = found["factor and slope"]
    assert plain.coverage.value < 80
    assert plain.ren.value < judged.ren.value / 2
