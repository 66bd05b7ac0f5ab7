"""The scale of fidelity tests itself: REN, coverage, scale, pattern; components, the planner, and their sources."""

import numpy as np
import pytest
from scipy.stats import t

from lnescape.retraining import Evaluation, Reference, effective_number, fidelity, retrainings_needed, type_a
from lnescape.retraining.judging import retraining_equivalent, squared_error_of
from report.studies.dispersion import nested_components, partial_r_squared, reach, satterthwaite, variance_ratio

RNG = np.random.default_rng(0)
SIGMA = np.exp(0.5 * RNG.normal(size=1500))
Q = RNG.normal(size=(80, 1500)) * SIGMA


def draws(members, n=16, of=80):
    rng = np.random.default_rng(members)
    return [tuple(rng.choice(of, members, replace=False).tolist()) for _ in range(n)]


@pytest.mark.parametrize("members", [2, 3, 5, 10])
def test_a_plain_ensemble_of_m_is_worth_m(members):
    """REN within 6 %, five standard errors or more; intervals cover 95 % of held-out retrainings."""
    drawn = draws(members)
    found = fidelity([type_a(Q[list(rows)]) for rows in drawn], Reference.of(Q, drawn))
    assert found.ren.value == pytest.approx(members, rel=0.06)
    assert found.ren.low <= found.ren.value <= found.ren.high
    assert found.coverage.value == pytest.approx(95, abs=0.7)
    assert found.bias.value == pytest.approx(0, abs=0.08)
    inflated = (members - 1) / (members - 3) if members > 3 else 1.0  # u² over σ̃²
    assert found.scale.value == pytest.approx(inflated, rel=0.1)
    if members == 2:  # two numbers don't tell which inputs are uncertain: intervals of the lowest u hold far too few
        assert found.deciles[0].value < 70 < 99 < found.deciles[-1].value


def test_an_exact_u_is_worth_all_and_ranks_at_the_ceiling():
    drawn = draws(2)
    exact = [Evaluation(Q[list(rows)].mean(0), SIGMA, 1e6, 2) for rows in drawn]
    found = fidelity(exact, Reference.of(Q, drawn))
    assert found.ren.value > 300
    assert found.scale.value == pytest.approx(1, abs=0.05)
    assert found.rank.value == pytest.approx(found.ceiling, abs=0.02)
    assert all(93.5 < decile.value < 96.5 for decile in found.deciles)


def test_every_network_may_play_and_judge():
    drawn = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)]  # none is left that only judges
    found = fidelity([type_a(Q[list(rows)]) for rows in drawn], Reference.of(Q[:12], drawn))
    assert found.ren.value == pytest.approx(3, rel=0.2)
    assert found.ren.low < 3 < found.ren.high


def test_the_interval_of_ren_has_students_factor():
    reference = Reference.of(Q, draws(2))
    found = fidelity([type_a(Q[list(rows)]) for rows in draws(2)], reference)
    assert reference.dof == 9  # of ten blocks of the networks that no draw uses
    half = t.ppf(0.975, reference.dof) * found.squared_error.u
    ends = [retraining_equivalent(found.squared_error.value + sign * half) for sign in (1, -1)]
    assert [found.ren.low, found.ren.high] == pytest.approx(ends)


def test_few_judges_are_freed_of_their_bias_and_no_network_judges_itself():
    q, drawn = np.random.default_rng(1).normal(size=(10, 20_000)), [(0, 1), (2, 3)]
    exact = [Evaluation(q[list(rows)].mean(0), np.ones(20_000), 1e6, 2) for rows in drawn]
    found = fidelity(exact, Reference.of(q, drawn))
    assert found.bias.value == pytest.approx(0, abs=0.02)
    assert found.squared_error.value == pytest.approx(0, abs=0.02)
    narrow = [Evaluation(q[k], np.full(20_000, 1e-9), 1e6, 1) for k in (0, 1)]
    assert fidelity(narrow, Reference.of(q, [(0,), (1,)])).coverage.value == 0


def test_a_wrong_scale_is_seen_by_ren_scale_bias_and_coverage():
    drawn = draws(2)
    found = fidelity([Evaluation(Q[list(rows)].mean(0), SIGMA / 2, 1e6, 2) for rows in drawn], Reference.of(Q, drawn))
    assert found.ren.value < 4
    assert found.scale.value == pytest.approx(0.25, abs=0.02)
    assert found.bias.value == pytest.approx(-np.log(4), abs=0.05)
    assert found.coverage.value < 75


def test_the_error_is_inverted_and_bounded():
    for dof in (1, 2, 7.5, 300):
        assert retraining_equivalent(squared_error_of(dof)) == pytest.approx(1 + dof, rel=1e-6)
    assert retraining_equivalent(-0.1) == np.inf
    simulated = np.log(np.random.default_rng(0).chisquare(3, 400_000) / 3)
    assert squared_error_of(3) == pytest.approx((simulated**2).mean(), rel=0.01)


def test_the_uncertainty_of_the_squared_error_is_that_of_repetition():
    """u of E e_A e_B by leaving out networks and inputs, against its spread over 12 data sets."""
    values, stated = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        loadings = rng.normal(size=(8, 400))
        q = rng.normal(size=(40, 8)) @ loadings / 4 + rng.normal(size=(40, 400))  # inputs share the networks
        drawn = [(k, k + 1) for k in range(0, 12, 2)]
        found = fidelity([type_a(q[list(rows)]) for rows in drawn], Reference.of(q, drawn)).squared_error
        values.append(found.value)
        stated.append(found.u)
    # Known to 21 %. Disjoint draws of two are the worst case: too large by up to √2.
    assert 0.7 < np.mean(stated) / np.std(values, ddof=1) < 2.1


def test_judges_are_needed():
    with pytest.raises(ValueError, match="fewer than eight"):
        Reference.of(Q[:9], [(0, 1)])
    with pytest.raises(ValueError, match="one for each"):
        fidelity([type_a(Q[:2])], Reference.of(Q, [(0, 1), (2, 3)]))
    with pytest.raises(ValueError, match="in every draw"):
        Reference.of(Q, [(0, 1), (0, 2)])


def test_inputs_that_share_networks_are_worth_what_the_variance_of_their_mean_says():
    """Var of the mean of s² over inputs = 2σ⁴/(ν n_eff), by simulation."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(5, 200))
    loadings /= np.sqrt((loadings**2).sum(0)) / np.sqrt(0.6)
    many = rng.normal(size=(4000, 5)) @ loadings + np.sqrt(0.4) * rng.normal(size=(4000, 200))
    n_eff = effective_number(many)
    means = [many[k : k + 4].var(0, ddof=1).mean() for k in range(0, 4000, 4)]
    assert n_eff == pytest.approx(2 / 3 / np.var(means), rel=0.2)  # the variance is known to 4.5 %
    assert effective_number(many[:40]) == pytest.approx(n_eff, rel=0.3)  # the noise of r² is taken off
    assert effective_number(rng.normal(size=(400, 300))) > 200


def test_partial_r_squared_and_the_ratio_of_variances():
    rng = np.random.default_rng(1)
    known, more, none = rng.normal(size=(3, 1500))
    q = rng.normal(size=(60, 1500)) * np.exp(0.5 * (known + 0.5 * more))
    drawn = [(k, k + 1) for k in range(0, 8, 2)]
    reference = Reference.of(q, drawn)
    base = [known[:, None]] * len(drawn)
    noise = 0.25 / (0.25 + 2 / 57)  # ln V = … + more/2: what is left to explain, over that and the reference's noise
    found = partial_r_squared(base, [more[:, None]] * len(drawn), reference)
    assert found.value == pytest.approx(noise, abs=0.05)
    idle = partial_r_squared(base, [none[:, None]] * len(drawn), reference)
    assert abs(idle.value) < 4 * idle.u + 0.002
    ratio = variance_ratio(np.full((8, 1500), 2.0), Reference.of(Q, drawn))
    assert ratio.value == pytest.approx(float(Q.var(0, ddof=1).sum() / 3000))


# GUM, table H.9: mean of five readings of a Zener standard on each of ten days, V, and their standard deviation, µV.
DAYS = [10.000172, 10.000116, 10.000013, 10.000144, 10.000106, 10.000031, 10.000060, 10.000125, 10.000163, 10.000041]
SPREADS = [60, 77, 111, 101, 67, 93, 80, 73, 88, 86]


def test_the_guide_s_example_of_an_analysis_of_variance():
    pattern = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    readings = np.array(DAYS)[:, None] + 1e-6 * np.array(SPREADS)[:, None] * pattern / pattern.std(ddof=1)
    between, within = (1e12 * float(part) for part in nested_components(readings).values())
    ms_between = within + 5 * between
    assert round(np.sqrt(ms_between / 5)) == 57  # s(V̄_j)
    assert round(np.sqrt(ms_between)) == 128  # s_a
    assert round(np.sqrt(within)) == 85  # s_b
    assert round(5 * 57**2 / 85**2, 2) == 2.25  # F as the guide prints it, of rounded inputs
    assert round(ms_between / within, 3) == 2.262
    assert round(np.sqrt(between)) == 43  # s_B
    assert round(np.sqrt(ms_between / 50)) == 18  # s(V̄)


def test_satterthwaite_against_monte_carlo():
    """The variance of a combination of mean squares, and the total variance of a nested design, are those simulated."""
    rng = np.random.default_rng(0)
    terms = [(0.5, 4.0, 3), (0.5, 1.0, 12)]
    simulated = sum(a * ms * rng.chisquare(dof, 200_000) / dof for a, ms, dof in terms)
    value, dof = satterthwaite(terms)
    assert simulated.mean() == pytest.approx(value, rel=0.01)
    assert 2 * value**2 / simulated.var() == pytest.approx(dof, rel=0.03)
    m, n, kappa = 4, 3, 0.5
    q = np.sqrt(kappa) * rng.normal(size=(m, 1, 50_000)) + np.sqrt(1 - kappa) * rng.normal(size=(m, n, 50_000))
    total = sum(nested_components(q).values())
    assert total.mean() == pytest.approx(1, rel=0.01)
    assert 2 / total.var() == pytest.approx(reach(kappa, m, n), rel=0.04)


def test_reach_is_bounded_by_what_the_trunk_fixes():
    assert reach(0.5, 3, 10_000) == pytest.approx(8, rel=0.001)


def test_the_planner_says_what_the_guide_says():
    assert [retrainings_needed(r) for r in (0.25, 0.10, 0.05)] == [9, 51, 201]
    assert retrainings_needed(0.10, prior_dof=40) == 11
    assert retrainings_needed(0.5, prior_dof=90) == 2
    with pytest.raises(ValueError, match="relative standard uncertainty"):
        retrainings_needed(0)
