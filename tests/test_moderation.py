"""The moderated evaluation on data drawn from its own model, and on data that break it; what it refuses."""

import re
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import f as law_of_f

from lnescape.retraining import diagnose, effective_number, fit_prior, moderated, type_a
from lnescape.retraining.prior import profile, quasi_likelihood, shared_movement

N = 4000
NONE = np.empty((N, 0))


def drawn(members, dof, *, seed, tails="normal", shared=0.1, slopes=(0.8, -0.4), held_out=30):
    """Draw from the model: ln s₀² linear in two covariates, inputs correlated through the same networks."""
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(N, 2))
    s0 = np.exp(0.5 * (0.3 + h @ slopes))
    sigma = s0 * np.sqrt(dof / rng.chisquare(dof, N))
    factors, loadings = rng.normal(size=(members + held_out, 12)), rng.normal(size=(12, N))
    loadings /= np.sqrt((loadings**2).sum(0))
    own = rng.normal(size=(members + held_out, N)) if tails == "normal" else rng.standard_t(3, (members + held_out, N))
    q = 5 + sigma * (np.sqrt(shared) * factors @ loadings + np.sqrt(1 - shared) * own)
    return q, h, s0


@pytest.mark.parametrize(("members", "dof"), [(2, 4.0), (3, 12.0), (5, 4.0)])
def test_data_from_the_model_give_back_dof_scale_and_coverage(members, dof):
    """Means over 10 draws; the bounds are four standard errors or more, 1 false alarm in 1 000 cases."""
    found = []
    for seed in range(10):
        q, h, s0 = drawn(members, dof, seed=seed)
        prior = fit_prior(q[:members].var(0, ddof=1), members - 1, h, n_eff=effective_number(q))
        low, high = moderated(q[:members], prior, h).interval()
        covered = ((q[members:] >= low) & (q[members:] <= high)).mean()
        found.append([prior.dof, np.log(prior.variance(h) / s0**2).mean(), covered])
        assert diagnose(q[:members], prior, h).p_values["scale"] > 1e-6
    used, scale, covered = np.mean(found, 0)
    assert used == pytest.approx(dof, rel=0.25)
    assert scale == pytest.approx(0, abs=0.06)
    assert covered == pytest.approx(0.95, abs=0.006)


@pytest.mark.filterwarnings("ignore:The likelihood puts no bound", "ignore:The inputs are worth about")
@pytest.mark.parametrize(("members", "shared", "slopes"), [(3, 0.1, (0.8, -0.4)), (2, 0.3, (0, 0)), (3, 0.5, (0, 0))])
def test_the_diagnosis_passes_data_from_the_model(members, shared, slopes):
    """20 sets at a false alarm of 1 in 100 each, at most: three or more fail once in 1 000. Worth 900, 130, 50."""
    failed = np.zeros(2, int)
    for seed in range(20):
        q, h, _ = drawn(members, 8.0, seed=100 + seed, shared=shared, slopes=slopes)
        prior = fit_prior(q[:members].var(0, ddof=1), members - 1, h, n_eff=effective_number(q))
        failed += [not diagnose(own, prior, h).passed for own in (q[:members], q[members : 2 * members])]  # and others
    assert (failed <= 2).all()


def test_the_diagnosis_passes_classes_each_of_which_moves_together():
    """False alarms as above. The inputs are worth some 130, those of one of ten classes some 13 and not 100."""
    failed, classes = 0, np.arange(N) % 10
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shared, own = rng.normal(size=(32, 10))[:, classes], rng.normal(size=(32, N))
        q = 5 + np.sqrt(8 / rng.chisquare(8, N)) * (np.sqrt(0.3) * shared + np.sqrt(0.7) * own)
        h = np.eye(10)[classes][:, :9]
        prior = fit_prior(q[:2].var(0, ddof=1), 1, h, n_eff=effective_number(q))
        failed += not diagnose(q[2:4], prior, h).passed
    assert failed <= 2


@pytest.mark.parametrize("n_eff", [None, 300.0])
def test_the_diagnosis_finds_a_rare_class_of_another_scale(n_eff):
    """One input in ten has three times the spread; assumed to be worth 300, inputs still tell it."""
    q, h, _ = drawn(2, 8.0, seed=0)
    rare = (np.arange(N) % 10 == 0).astype(float)
    columns = np.concatenate([h, rare[:, None]], 1)
    prior = fit_prior(q[:2].var(0, ddof=1), 1, columns, n_eff=n_eff or effective_number(q))
    for factor in (1 / 3, 3.0):
        wider = 5 + (q[:2] - 5) * np.where(rare == 1, factor, 1.0)
        assert re.search(r"pattern over .*covariate 2\b", str(diagnose(wider, prior, columns)))
    few = diagnose(wider[:, :5], prior, columns[:5])
    assert not few.passed
    assert "too few" in str(few)


def test_the_diagnosis_names_heavy_tails_a_wrong_pattern_and_a_wrong_scale():
    q, h, _ = drawn(5, 12.0, seed=0, tails="t")
    prior = fit_prior(q[:5].var(0, ddof=1), 4, h, n_eff=effective_number(q))
    assert "heavy tails" in str(diagnose(q[:5], prior, h))
    q, h, _ = drawn(2, 12.0, seed=0)
    waved = 5 + (q - 5) * np.exp(0.7 * np.sin(3 * h[:, 0]))  # a law that no square of a covariate tells
    prior = fit_prior(waved[:2].var(0, ddof=1), 1, h, n_eff=effective_number(q))
    assert re.search(r"pattern over .*covariate 0\b", str(diagnose(waved[:2], prior, h)))
    prior = fit_prior(q[:2].var(0, ddof=1), 1, h, n_eff=effective_number(q))
    found = diagnose(5 + 2 * (q[:2] - 5), prior, h)
    assert "times what the prior expects" in str(found)
    assert found.factor == pytest.approx(4, rel=0.25)
    rng, level = np.random.default_rng(0), np.repeat([[0.0], [3.0]], N // 2, 0)
    scatter = np.where(level[:, 0] > 0, np.sqrt(3 / rng.chisquare(3, N)), 1.0)  # about the prior, of one half only
    for sigma, says in ((scatter, "one d₀ doesn't fit all"), (rng.choice([0.1, 1.0], N), r"the law of the model, F")):
        q = np.exp(level[:, 0]) * sigma * rng.normal(size=(5, N))
        prior = fit_prior(q.var(0, ddof=1), 4, level, n_eff=N)
        assert says in str(diagnose(q, prior, level))


def test_the_profile_likelihood_is_that_of_f():
    """Against scipy's density and another search for c."""
    ratio = np.random.default_rng(0).f(2, 8, 500)
    log_c, likelihood = profile(ratio, 2, np.array([6.0, 12.0]))
    for k, d in enumerate((6.0, 12.0)):
        best = minimize_scalar(lambda c, d=d: -law_of_f(2, d, scale=np.exp(c)).logpdf(ratio).sum(), bracket=(-0.5, 0.5))
        assert log_c[k] == pytest.approx(best.x, abs=1e-5)
    true = [law_of_f(2, d, scale=np.exp(c)).logpdf(ratio).sum() for d, c in zip((6.0, 12.0), log_c, strict=True)]
    assert likelihood[1] - likelihood[0] == pytest.approx(true[1] - true[0], abs=1e-8)


def test_the_degrees_of_freedom_are_a_posterior_mean_less_the_cost_of_the_fit():
    """δ̄ on a fine even grid, its likelihood tempered, and one coefficient, the constant, paid for."""
    variance, delta = np.random.default_rng(0).f(2, 8, 2000), np.linspace(1e-3, 2, 500)
    likelihood = profile(variance, 2, 1 / delta)[1]
    posterior = np.exp(3 * 100 / 2000 * (likelihood - likelihood.max()) - delta / 0.1)
    used = 1 / ((posterior * delta).sum() / posterior.sum() + 1 / (2 * 100))
    assert fit_prior(variance, 2, np.empty((2000, 0)), n_eff=100).dof == pytest.approx(used, rel=0.01)


def test_the_quasi_likelihood_against_a_second_implementation():
    """A general minimiser finds the same maximum; shrinkage pulls to zero."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    x = np.concatenate([np.ones((400, 1)), rng.normal(size=(400, 3))], 1)
    variance = np.exp(x @ [0.2, 0.5, -0.3, 0.0]) * rng.chisquare(3, 400) / 3
    tau = np.array([np.inf, 0.2, 0.2, 0.2])

    def minus(b):
        eta = x @ b
        return 0.5 * 3 / 2 * (variance * np.exp(-eta) + eta).sum() + (b**2 / tau**2).sum() / 2

    b, n, _ = quasi_likelihood(variance, 3, x, weight=0.5, tau=tau, mean=np.zeros(4))
    np.testing.assert_allclose(b, minimize(minus, np.zeros(4), tol=1e-12).x, atol=1e-4)
    assert 1 < n < 4
    pulled, *_ = quasi_likelihood(variance, 3, x, weight=0.5, tau=tau / 1000, mean=np.zeros(4))
    assert np.abs(pulled[1:]).max() < 1e-3


def test_the_moderated_variance_is_the_mean_of_both_by_degrees_of_freedom():
    rng = np.random.default_rng(0)
    q = rng.normal(size=(3, N)) / np.sqrt(rng.chisquare(8, N) / 8)
    prior = fit_prior(q.var(0, ddof=1), 2, NONE, n_eff=N)
    plain, both = type_a(q), moderated(q, prior, NONE)
    known = prior.variance(NONE)
    weight = prior.dof / (prior.dof + 2)
    np.testing.assert_allclose(both.scale**2, weight * known + (1 - weight) * plain.scale**2)
    assert both.dof == prior.dof + 2
    assumed, most = (fit_prior(q.var(0, ddof=1), 2, NONE, n_eff=n_eff).n_eff for n_eff in (None, 1e9))
    assert (assumed, most) == (300, N)  # never more than there are


@pytest.mark.filterwarnings("ignore:The likelihood puts no bound", "ignore:The inputs are worth about")
def test_shrinkage_guards_against_what_two_networks_happen_to_share():
    """One σ for all, but inputs correlated through 12 factors, and covariates that know these: s² of two networks has a
    pattern over them that the next two don't repeat. The fit takes it for σ(x) without shrinkage, hardly with it."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(12, N)) / np.sqrt(12)
    worth = effective_number(rng.normal(size=(200, 12)) @ loadings + 0.5 * rng.normal(size=(200, N)))  # about 20
    error = {}
    for name, tau in (("shrunk", 0.12), ("free", np.inf)):
        found = []
        for _ in range(5):
            q = rng.normal(size=(2, 12)) @ loadings + 0.5 * rng.normal(size=(2, N))
            prior = fit_prior(q.var(0, ddof=1), 1, loadings.T, n_eff=worth, shrinkage=tau)
            found.append(np.log(prior.variance(loadings.T)).std())
            assert prior.dof < worth / prior.n_coefficients  # what was spent on coefficients, ν = 1
        error[name] = np.mean(found)
    assert error["shrunk"] < 0.5 * error["free"]


def test_an_indicator_that_is_absent_in_the_fit_says_so_and_changes_nothing():
    rng = np.random.default_rng(0)
    q = rng.normal(size=(3, N)) / np.sqrt(rng.chisquare(8, N) / 8)
    columns = np.stack([(np.arange(N) % 3 == k).astype(float) for k in range(4)], 1)  # class 3 is absent
    with pytest.warns(UserWarning, match="left out: class 3"):
        prior = fit_prior(q.var(0, ddof=1), 2, columns, n_eff=N, names=tuple(f"class {k}" for k in range(4)))
    new = columns[:2].copy()
    new[0] = [0, 0, 0, 1]  # an input of that class: as one of no class
    assert prior.variance(new)[0] == pytest.approx(prior.variance(np.zeros((1, 4)))[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v, h: (v[:20], h[:20]), "too few to find d₀"),
        (lambda v, h: (np.zeros_like(v), h), "exactly the same"),
        (lambda v, h: (np.where(np.arange(N) == 3, np.nan, v), h), "finite and not negative"),
        (lambda v, h: (v, np.where(np.arange(2) == 1, np.nan, h)), "covariate entropy isn't finite"),
        (lambda v, h: (v, h[:100]), "rows of covariates"),
        (lambda v, h: (v, h[:, 0]), "one axis for each"),
    ],
)
def test_what_no_prior_can_be_fitted_on_is_refused(change, says, as_users_do):
    q, h, _ = drawn(2, 8.0, seed=0)
    variance, covariates = change(q[:2].var(0, ddof=1), h)
    with pytest.raises(ValueError, match=says):
        fit_prior(variance, 1, covariates, n_eff=300, names=("margin", "entropy"))


def test_one_network_rounded_probabilities_and_other_columns_are_refused():
    with pytest.raises(ValueError, match="train a second one"):
        type_a(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="not from probabilities of 0 or 1"):
        type_a(np.array([[np.inf, 1.0], [2.0, 3.0]]))
    prior = fit_prior(np.random.default_rng(0).f(1, 8, N), 1, NONE, n_eff=300)
    with pytest.raises(ValueError, match="fitted on 0 covariates"):
        prior.variance(np.ones((5, 2)))


def test_what_can_not_be_identified_is_said():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="little more than its prior"):
        fit_prior(rng.f(1, 4, 400), 1, np.empty((400, 0)))  # worth 40
    with pytest.warns(UserWarning, match="no bound on d₀"):
        fit_prior(rng.chisquare(9, N) / 9, 9, NONE, n_eff=N)  # one σ for all


def test_large_arrays_take_bounded_memory():
    """10⁵ inputs × 64 retrainings, twelve covariates."""
    import tracemalloc

    rng = np.random.default_rng(0)
    q, h = rng.normal(size=(64, 100_000)), rng.normal(size=(100_000, 12))
    tracemalloc.start()
    with warnings.catch_warnings(action="ignore"):
        prior = fit_prior(q.var(0, ddof=1), 63, h)
    moderated(q, prior, h).interval()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e9


def test_a_slope_known_beforehand_is_kept_where_the_data_decide_nothing():
    # ln σ² = 0.9 h exactly, two networks on few independent inputs: without the slope the coefficient shrinks to zero.
    rng = np.random.default_rng(1)
    h = 0.4 * rng.normal(size=2000)
    s2 = np.exp(0.9 * h) * rng.chisquare(1, 2000)
    how = {"n_eff": 60, "names": ("h",)}
    with warnings.catch_warnings(action="ignore"):  # 60 inputs are few for d₀
        shrunk = fit_prior(s2, 1, h[:, None], **how)
        known = fit_prior(s2, 1, h[:, None], slopes={"h": (0.9, 0.05)}, **how)
        scaled = fit_prior(s2, 1, 1000 * h[:, None], slopes={"h": (9e-4, 5e-5)}, **how)  # in another unit
        step = (h > 0).astype(float)[:, None]
        stepped = fit_prior(np.exp(step[:, 0]) * rng.chisquare(2, 2000) / 2, 2, step, n_eff=60)
    error = [np.log(prior.variance(h[:, None])) - 0.9 * h for prior in (shrunk, known)]
    assert error[1].std() < 0.03 < error[0].std()
    np.testing.assert_allclose(scaled.variance(1000 * h[:, None]), known.variance(h[:, None]))
    assert stepped.coefficients[1] == pytest.approx(15 / (15 + 0.2**-2), abs=0.1)  # shrinks; five standard errors
    far = known.centre + known.width * [[5.0], [50.0]]  # beyond four standard deviations the law is not extrapolated
    assert np.ptp(known.variance(far)) == 0
    with pytest.raises(ValueError, match="none of the covariates"):
        fit_prior(s2, 1, h[:, None], slopes={"other": (1, 1)}, **how)


def moving(members, *, modes, share, seed, n=150, judges=300):
    """Draw ln σ² linear in a covariate, and q of which a share moves along few common modes; calibration, then test."""
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(2 * n, 1))
    sigma = np.exp(0.4 * h[:, 0]) * np.sqrt(10 / rng.chisquare(10, 2 * n))
    loadings = rng.normal(size=(modes, 2 * n))
    loadings /= np.sqrt((loadings**2).sum(0))
    factors, own = (rng.normal(size=(members + judges, size)) for size in (modes, 2 * n))
    return h, sigma * (np.sqrt(share) * factors @ loadings + np.sqrt(1 - share) * own)


@pytest.mark.filterwarnings("ignore:The likelihood puts no bound", "ignore:The inputs are worth about")
@pytest.mark.parametrize(("members", "modes", "share"), [(2, 1, 0.97), (3, 1, 0.9), (3, 2, 0.8), (2, 4, 0.8)])
def test_intervals_cover_where_inputs_move_together(members, modes, share):
    """60 sets; coverage falls short by four standard errors of their mean once in 30 000. Inputs worth 1.1 to 6."""
    found = []
    for seed in range(60):
        h, q = moving(members, modes=modes, share=share, seed=seed)
        fitted, stated, n_eff = slice(0, 150), slice(150, None), effective_number(q[members:, :150])
        prior = fit_prior(q[:members, fitted].var(0, ddof=1), members - 1, h[fitted], n_eff=n_eff)
        evaluation = moderated(q[:members, stated], prior, h[stated])
        low, high = evaluation.interval()
        found.append(((q[members:, stated] >= low) & (q[members:, stated] <= high)).mean())
        assert evaluation.dof <= (members - 1) * n_eff + 1e-9
    assert np.mean(found) > 0.95 - 4 * np.std(found) / np.sqrt(len(found))


def test_the_movement_that_inputs_share_is_found_from_few_draws():
    """r² = 1/4 between all inputs: 100 sets of 16 draws, whose mean has a standard error of 0.009."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        common, sign = rng.normal(size=(16, 1)), rng.choice([-1, 1], 300)
        found.append(shared_movement(sign * common + rng.normal(size=(16, 300))))
    assert np.mean(found) == pytest.approx(0.25, abs=0.05)
    assert shared_movement(np.arange(4.0)[:, None] * np.ones(10)) == pytest.approx(1)
