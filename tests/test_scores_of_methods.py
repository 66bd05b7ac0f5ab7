"""Scores that compare methods, each against a second implementation; DEE tests itself on stored networks."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from sklearn.metrics import roc_curve

import lnescape as ln
from lnescape.scores import halves
from lnescape.scores.temperature import Equivalent

RESULTS = Path(__file__).resolve().parent.parent / "report" / "results"


@pytest.fixture(scope="module")
def sample():
    """300 images, 4 classes, 3 members that are too sure of themselves."""
    rng = np.random.RandomState(0)
    logits = 3 * rng.normal(size=(3, 300, 4))
    labels = (logits.mean(0) / 3 + rng.gumbel(size=(300, 4))).argmax(1)
    return torch.from_numpy(logits).log_softmax(2), torch.from_numpy(labels)


def mean_of(logp: torch.Tensor) -> np.ndarray:
    return np.log(np.exp(logp.numpy()).mean(0))


def loss(log_p: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    z = log_p / temperature
    return float(np.mean(np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), labels]))


def test_temperature_and_cll_are_those_of_another_minimiser(sample):
    logp, labels = sample
    log_p, y = mean_of(logp), labels.numpy()

    def best(rows):  # the loss is convex in 1/T
        found = optimize.brent(lambda inverse: loss(log_p[rows], y[rows], 1 / inverse), brack=(0.05, 0.5, 3), tol=1e-12)
        return 1 / found

    everything = np.arange(300)
    assert ln.fit_temperature(logp, labels) == pytest.approx(best(everything), rel=1e-6)
    assert best(everything) > 1.5  # the members are too sure
    even, odd = everything[::2], everything[1::2]
    expected = -(loss(log_p[even], y[even], best(odd)) + loss(log_p[odd], y[odd], best(even))) / 2
    found = ln.scores.calibrated_log_likelihood(logp, labels, halves(300))
    assert float(found) == pytest.approx(expected, abs=1e-6)
    assert float(found) > -float(ln.nll(logp, labels))


@pytest.mark.filterwarnings("ignore:the temperature .* is a bound")
def test_temperature_of_certain_errors_stays_finite():
    logp = torch.tensor([[0.0, -math.inf], [0.0, -math.inf]])
    wrong = ln.scores.calibrated_log_likelihood(logp, torch.tensor([1, 1]), torch.tensor([0, 1]))
    assert float(wrong) == pytest.approx(-math.log(2) - 0.5 / 20, abs=1e-3)  # T = 20 s
    with pytest.raises(ValueError, match="both must occur"):
        ln.scores.calibrated_log_likelihood(logp, torch.tensor([0, 0]), torch.tensor([0, 0]))


@pytest.mark.parametrize("certain", [37.5, 100.0, 800.0, 1e5])
def test_a_temperature_where_the_loss_is_flat_is_the_one_nearest_to_1(certain):
    labels = torch.arange(400) % 3
    logits = torch.nn.functional.one_hot(labels, 3).double()
    assert ln.fit_temperature((certain * logits).log_softmax(1), labels) == 1
    assert ln.fit_temperature((0 * logits).log_softmax(1), labels) == 1  # no temperature changes uniform predictions
    unsure = ln.fit_temperature((10 * logits).log_softmax(1), labels)  # flat where e^(-10/T) is below a rounding
    assert unsure == pytest.approx(10 / 36, rel=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.1, 10.0, 100.0, 600.0])
def test_the_bounds_of_the_temperature_follow_the_logits(scale):
    logp = torch.tensor([[scale, 0.0]] * 4).double().log_softmax(1)
    found = ln.fit_temperature(logp, torch.tensor([0, 0, 0, 1]))
    assert found == pytest.approx(scale / math.log(3), rel=1e-4)


@pytest.mark.parametrize(("labels", "cause"), [([0, 0], "every input is right"), ([1, 1], "no more probable")])
def test_a_temperature_at_its_bound_says_so(labels, cause):
    with pytest.warns(UserWarning, match=f"is a bound, because .*{cause}"):
        ln.fit_temperature(torch.tensor([[0.6, 0.4]] * 2).log(), torch.tensor(labels))


@pytest.mark.usefixtures("as_users_do")
@pytest.mark.parametrize("bad", [[0.9, math.nan, 0.8, 0.7], [0.9, math.inf, 0.8, 0.7], [0.9, 0.8], [[0.9]], 0.5])
def test_side_inputs_are_checked_as_the_main_ones_are(bad):
    logp, labels = torch.tensor([[0.6, 0.4]] * 4).log(), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match="certainty"):
        ln.scores.aurc(logp, labels, certainty=bad)
    with pytest.raises(ValueError, match="half must be 0 or 1 for each of 4 inputs"):
        ln.scores.calibrated_log_likelihood(logp, labels, bad)
    if len(np.shape(bad)) != 1 or not np.isfinite(bad).all():
        for foreign, other in ((bad, [0.5]), ([0.5], bad)):
            with pytest.raises(ValueError, match="foreign|own"):
                ln.scores.auroc(foreign, other)


def test_aurc_is_the_mean_of_the_risks_and_ties_are_averaged_over_orders(sample):
    logp, labels = sample
    log_p, y = mean_of(logp), labels.numpy()
    order = np.argsort(-log_p.max(1), kind="stable")
    wrong = (log_p.argmax(1) != y)[order]
    expected = np.mean([wrong[:k].mean() for k in range(1, 301)])
    assert float(ln.scores.aurc(logp, labels)) == pytest.approx(expected, abs=1e-9)
    # Ties: the mean over many random orders of the tied images. Tolerance: five standard errors of 4 000 orders.
    coarse = np.round(log_p.max(1), 1)
    rng, areas = np.random.RandomState(1), []
    for _ in range(4000):
        order = np.lexsort((rng.rand(300), -coarse))
        own = (log_p.argmax(1) != y)[order]
        areas.append(np.mean(np.cumsum(own) / np.arange(1, 301)))
    found = float(ln.scores.aurc(logp, labels, certainty=torch.from_numpy(coarse)))
    assert abs(found - np.mean(areas)) < 5 * np.std(areas) / math.sqrt(4000)


def test_false_positive_rate_is_that_of_the_curve():
    rng = np.random.RandomState(0)
    foreign, own = rng.normal(1.5, 1, 200), rng.normal(0, 1, 500)
    false, true, _ = roc_curve(np.r_[np.ones(200), np.zeros(500)], np.r_[foreign, own], drop_intermediate=False)
    expected = false[np.flatnonzero(true >= 0.95)[0]]
    found = ln.scores.false_positive_rate(torch.from_numpy(foreign), torch.from_numpy(own))
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_dee_reads_the_curve_from_its_first_crossing_and_says_where_it_ends(as_users_do):
    mean, sd = np.array([-0.5, -0.3, -0.35, -0.1]), np.full(4, 0.05)
    assert ln.scores.deep_ensemble_equivalent(-0.3, mean, sd).value == 2
    assert ln.scores.deep_ensemble_equivalent(-0.4, mean, sd).value == pytest.approx(1.5)
    assert ln.scores.deep_ensemble_equivalent(-0.2, mean, sd).value == pytest.approx(3.6)
    assert str(ln.scores.deep_ensemble_equivalent(-0.9, mean, sd)) == "< 1"
    assert str(ln.scores.deep_ensemble_equivalent(-0.01, mean, sd)) == "≥ 4"
    assert str(ln.scores.deep_ensemble_equivalent(-0.12, mean, sd)) == "3.9 (3.7 to ≥ 4)"
    assert str(Equivalent(1.2, 0.0, 1.4, 4)) == "1.2 (< 1 to 1.4)"
    for wrong in ([], [-0.5, np.nan], [-0.5]):
        with pytest.raises(ValueError, match="one finite mean and standard deviation"):
            ln.scores.deep_ensemble_equivalent(-0.3, np.array(wrong), np.array([0.1, 0.1]))


def test_a_deep_ensemble_of_m_members_scores_m():
    """The self-test of the scale, on the stored predictions of 128 retrainings, 1 000 test images each.

    64 of them make the curve, the 64 others the ensembles that are scored. The CLL of an ensemble scatters by sd around
    the curve; the mean over k disjoint ensembles must lie within the band of that mean, stated for a false alarm of 1 %
    in all four sizes together (the curve's own uncertainty, of as many networks, included).
    """
    seen = ln.read_study("mnist-mlp")
    logp = torch.from_numpy(seen["log_probabilities"].values).log_softmax(2)  # float16 rows need not sum to one
    where = seen["image"].values.searchsorted(seen["predicted_image"].values)
    labels, half = torch.from_numpy(seen["label"].values[where].astype(np.int64)), halves(logp.shape[1])

    def cll(rows) -> float:
        return float(ln.scores.calibrated_log_likelihood(logp[rows], labels, half))

    rng = np.random.RandomState(0)
    makers, scored = np.split(rng.permutation(128), 2)
    sizes = (1, 2, 3, 4, 5, 6, 8)
    curve = {m: [cll(rows) for rows in makers[: 64 // m * m].reshape(-1, m)] for m in sizes}
    largest = np.interp(np.arange(1, 9), sizes, [np.mean(curve[m]) for m in sizes])
    spread = np.interp(np.arange(1, 9), sizes, [np.std(curve[m], ddof=1) for m in sizes])
    for m in (1, 2, 3, 5):
        own = [cll(rows) for rows in scored[: 64 // m * m].reshape(-1, m)]
        k = len(own)
        t = stats.t.ppf(1 - 0.01 / 8, k - 1)
        band = t * spread * np.sqrt(1 / (64 // np.arange(1, 9)) + 1 / k)
        worth = ln.scores.deep_ensemble_equivalent(float(np.mean(own)), largest, band)
        assert worth.low <= m <= worth.high, f"{m} members score {worth}"
        assert abs(worth.value - m) < 0.3 * m or m == 1  # a scale that is off by two is seen
