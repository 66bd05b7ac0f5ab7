"""Every score against a second implementation, its special values, and what it refuses."""

import itertools
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import torch

from lnescape import scores
from lnescape.scores import quality

TIGHT = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(params=[1, 5], ids=["one member", "five members"])
def sample(request):
    """Log-probabilities of members that are mostly right, as numpy probabilities of their mean, and labels."""
    generator = torch.Generator().manual_seed(request.param)
    labels = torch.randint(7, (450,), generator=generator)
    logits = 1.5 * torch.randn(request.param, 450, 7, generator=generator)
    logits += 2 * torch.nn.functional.one_hot(labels, 7)
    logp = logits.log_softmax(-1)
    return logp, scipy.special.softmax(logits.double().numpy(), axis=-1).mean(0), labels


def test_accuracy_nll_and_brier_equal_those_of_scikit_learn(sample):
    logp, p, labels = sample
    y = labels.numpy()
    assert float(scores.accuracy(logp, labels)) == pytest.approx(
        sklearn.metrics.accuracy_score(y, p.argmax(1)), abs=1e-6
    )
    assert float(scores.nll(logp, labels)) == pytest.approx(sklearn.metrics.log_loss(y, p, labels=range(7)), abs=1e-6)
    brier = sum(sklearn.metrics.brier_score_loss(y == k, p[:, k]) for k in range(7))
    assert float(scores.brier(logp, labels)) == pytest.approx(brier, abs=1e-6)


def test_the_standard_uncertainty_is_that_of_a_mean_over_images(sample):
    logp, p, labels = sample
    y = labels.numpy()
    per_image = {
        "accuracy": p.argmax(1) == y,
        "nll": -np.log(p[range(450), y]),
        "brier": ((p - np.eye(7)[y]) ** 2).sum(1),
    }
    for name, values in per_image.items():
        estimate = getattr(scores, name)(logp, labels)
        assert estimate.u == pytest.approx(scipy.stats.sem(values), abs=1e-6), name
        assert (estimate.n, estimate.dof) == (450, 449)
    assert scores.nll(logp, labels).unit == "nat"


def test_the_mean_prediction_is_that_of_the_probabilities(sample):
    logp, p, _ = sample
    np.testing.assert_allclose(scores.mean_prediction(logp), np.log(p), **TIGHT)


def test_one_member_equal_members_and_no_members_are_the_same_prediction(sample):
    logp = sample[0][0]
    for several in (logp, logp[None], logp.expand(7, -1, -1)):
        assert torch.equal(scores.mean_prediction(several), logp.double())


# --- calibration ------------------------------------------------------------------------------------------------------


def reference_calibration_error(p, labels, n_bins):
    """Equal-mass bins by a plain loop, for confidences without ties."""
    order = np.argsort(p.max(1))
    right = p.argmax(1) == labels
    bins = [order[[n_bins * rank // len(order) == b for rank in range(len(order))]] for b in range(n_bins)]
    return sum(len(b) / len(order) * abs(right[b].mean() - p.max(1)[b].mean()) for b in bins)


@pytest.mark.parametrize("n_bins", [1, 7, 15, 450])
def test_calibration_error_equals_a_plain_loop(sample, n_bins):
    logp, p, labels = sample
    found = scores.calibration_error(logp, labels, n_bins=n_bins).value
    assert float(found) == pytest.approx(reference_calibration_error(p, labels.numpy(), n_bins), abs=1e-6)


def two_classes(confidence):
    """Log-probabilities of two classes, the first with the given probability."""
    confidence = torch.as_tensor(confidence, dtype=torch.float64)
    return torch.stack([confidence, 1 - confidence], -1).log()


def test_bias_is_the_mean_absolute_deviation_of_a_binomial():
    levels, size = (0.6, 0.75, 0.9), 100
    logp = two_classes(np.repeat(levels, size))
    bias = scores.calibration_error(logp, torch.zeros(300, dtype=torch.int64), n_bins=3).bias
    k = np.arange(size + 1)
    exact = sum(scipy.stats.binom.pmf(k, size, c) @ np.abs(k - size * c) for c in levels) / (3 * size)
    assert bias.n == quality.N_SIMULATIONS
    assert 0 < bias.u < 0.05 * exact
    assert abs(float(bias) - exact) < 4 * bias.u
    same = scores.calibration_error(logp, torch.zeros(300, dtype=torch.int64), n_bins=3).bias
    assert same == bias


def test_uncertainty_of_the_calibration_error_is_its_spread_over_sets_of_images(monkeypatch):
    monkeypatch.setattr(quality, "N_SIMULATIONS", 2)  # the bias is not looked at here
    rng = np.random.RandomState(0)
    found = []
    for _ in range(200):
        confidence = rng.uniform(0.6, 0.95, 300)  # right 25 points less often than it says
        labels = torch.as_tensor(rng.uniform(size=300) > confidence - 0.25).long()
        found.append(scores.calibration_error(two_classes(confidence), labels, n_bins=5).value)
    assert np.mean([e.u for e in found]) == pytest.approx(np.std([float(e) for e in found]), rel=0.15)
    assert np.mean([float(e) for e in found]) == pytest.approx(0.25, abs=0.005)


def test_tied_confidences_share_a_bin_whatever_their_order():
    logp = two_classes([0.6] * 5 + [0.8] * 7 + [1.0] * 28)
    labels = torch.tensor([0, 1] * 20)
    expected = (abs(3 - 5 * 0.6) + abs(3 - 7 * 0.8) + abs(14 - 28)) / 40
    assert float(scores.calibration_error(logp, labels, n_bins=8).value) == pytest.approx(expected, abs=1e-12)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    shuffled = scores.calibration_error(logp[order], labels[order], n_bins=8).value
    assert float(shuffled) == pytest.approx(expected, abs=1e-12)


def test_fewer_images_than_bins_get_one_bin_each():
    error = scores.calibration_error(two_classes([0.9, 0.6, 0.7]), torch.tensor([0, 1, 0]))
    assert float(error.value) == pytest.approx((0.1 + 0.6 + 0.3) / 3, abs=1e-12)
    alone = 2 * (0.9 * 0.1 + 0.6 * 0.4 + 0.7 * 0.3) / 3  # mean absolute deviation of one draw: 2 c (1 - c)
    assert abs(float(error.bias) - alone) < 4 * error.bias.u < 0.3 * alone


# --- spread between members -------------------------------------------------------------------------------------------


def test_entropies_equal_those_of_scipy_and_add_up(sample):
    logp, p, _ = sample
    split = scores.entropy_split(logp)
    np.testing.assert_allclose(split.total, scipy.stats.entropy(p, axis=1), **TIGHT)
    np.testing.assert_allclose(split.aleatoric, scipy.stats.entropy(logp.exp(), axis=2).mean(0), **TIGHT)
    assert torch.equal(split.total, split.aleatoric + split.epistemic)
    assert (split.epistemic > 0).all() if len(logp) > 1 else (split.epistemic == 0).all()


def test_equal_members_have_no_epistemic_entropy_at_all(sample):
    split = scores.entropy_split(sample[0][:1].expand(7, -1, -1))
    assert (split.epistemic == 0).all()
    assert (split.total > 0).all()
    nearly = torch.stack([sample[0][0].double(), sample[0][0].double() + 1e-16])  # rounding must not go below 0
    assert (scores.entropy_split(nearly).epistemic >= 0).all()


def test_a_tiny_epistemic_entropy_keeps_its_digits():
    d = 1e-7  # members (1/2 + d, 1/2 - d) and (1/2 - d, 1/2 + d): mutual information 2 d² to leading order
    p = torch.tensor([[[0.5 + d, 0.5 - d]], [[0.5 - d, 0.5 + d]]], dtype=torch.float64)
    assert float(scores.entropy_split(p.log()).epistemic) == pytest.approx(2 * d**2, rel=0.02)


def test_disagreement_equals_a_loop_over_pairs(sample):
    logp = torch.cat([sample[0], sample[0].roll(3, dims=1)])
    votes = logp.argmax(-1).numpy()
    pairs, found = [(a != b) for a, b in itertools.combinations(votes, 2)], scores.disagreement(logp)
    assert float(found) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert found.u == pytest.approx(scipy.stats.sem(np.mean(pairs, axis=0)), abs=1e-6)


def test_disagreement_is_0_for_equal_and_1_for_all_different_decisions():
    logp = (torch.eye(4) * 5).log_softmax(-1)
    assert float(scores.disagreement(logp.expand(3, 4, 4))) == 0
    assert float(scores.disagreement(torch.stack([logp, logp.roll(1, 0), logp.roll(2, 0)]))) == 1


def test_auroc_is_the_mann_whitney_statistic_with_the_uncertainty_of_delong():
    rng = np.random.RandomState(0)
    foreign, own = np.round(rng.normal(1, 1, 60), 1), np.round(rng.normal(0, 1, 90), 1)  # rounded: with ties
    found = scores.auroc(torch.as_tensor(foreign), torch.as_tensor(own))
    assert float(found) == pytest.approx(scipy.stats.mannwhitneyu(foreign, own).statistic / (60 * 90), abs=1e-12)
    wins = np.array([[(f > o) + 0.5 * (f == o) for o in own] for f in foreign])
    delong = wins.mean(1).var(ddof=1) / 60 + wins.mean(0).var(ddof=1) / 90
    assert found.u == pytest.approx(math.sqrt(delong), abs=1e-12)


# --- special values ---------------------------------------------------------------------------------------------------


def test_certain_predictions_give_finite_scores_without_clipping():
    certain = torch.full((3, 4), -math.inf)
    certain[torch.arange(3), torch.arange(3)] = 0.0
    nearly = torch.full((3, 4), -1000.0)
    nearly[torch.arange(3), torch.arange(3)] = 0.0
    right, wrong = torch.arange(3), torch.arange(1, 4)
    for logp in (certain, nearly):
        assert str(scores.nll(logp, right)) == "0 nat"
        assert float(scores.brier(logp, right)) == 0
        assert float(scores.brier(logp, wrong)) == 2
        split = scores.entropy_split(torch.stack([logp, logp.roll(1, 0)]))  # certain and contradicting: one bit
        np.testing.assert_allclose(split.epistemic, math.log(2), atol=1e-12)
        assert (split.aleatoric == 0).all()
        assert float(scores.calibration_error(logp, wrong).value) == 1
    assert float(scores.nll(nearly, wrong)) == 1000
    assert float(scores.nll(certain, wrong)) == math.inf


def test_uniform_predictions_score_as_the_closed_form_says():
    logp = torch.full((2, 30, 10), 0.1).log()
    labels = torch.arange(30) % 10
    found = scores.score(logp, labels)
    assert float(found["nll"]) == pytest.approx(math.log(10), abs=1e-6)
    assert float(found["total_entropy"]) == pytest.approx(math.log(10), abs=1e-6)
    assert float(found["brier"]) == pytest.approx(0.9, abs=1e-6)
    assert float(found["calibration_error"]) == pytest.approx(0, abs=1e-6)


def test_bins_of_equal_width_are_those_of_papers():
    p = torch.tensor([0.95, 0.85, 0.55, 0.75], dtype=torch.float64)  # in four bins: (0.75, 1] and (0.5, 0.75]
    error = scores.calibration_error(
        torch.stack([p, 1 - p], 1).log(), torch.tensor([0, 1, 0, 1]), n_bins=4, bins="width"
    )
    assert float(error.value) == pytest.approx((abs(1 - 1.8) + abs(1 - 1.3)) / 4, abs=1e-6)


def test_score_gathers_the_scores_in_reading_order(sample):
    logp, _, labels = sample
    found = scores.score(logp, labels)
    names = ["accuracy", "nll", "brier", "calibration_error", "calibration_bias", "aurc"]
    if len(logp) > 1:
        names += ["total_entropy", "aleatoric_entropy", "epistemic_entropy", "disagreement"]
        assert found["disagreement"] == scores.disagreement(logp)
        assert float(found["epistemic_entropy"]) == pytest.approx(float(scores.entropy_split(logp).epistemic.mean()))
        assert found["epistemic_entropy"].unit == "nat"
    assert list(found) == names
    assert [found[name] for name in names[:3]] == [getattr(scores, name)(logp, labels) for name in names[:3]]
    calibrated = scores.calibration_error(logp, labels)
    assert (found["calibration_error"], found["calibration_bias"]) == (calibrated.value, calibrated.bias)


def test_scores_do_not_depend_on_how_many_images_are_taken_at_a_time(sample, monkeypatch):
    logp, _, labels = sample
    whole = scores.score(logp, labels)
    monkeypatch.setattr(quality, "CHUNK", 64)
    parts = scores.score(logp, labels)
    for name in whole:
        assert float(parts[name]) == pytest.approx(float(whole[name]), abs=1e-12), name


# --- bad input --------------------------------------------------------------------------------------------------------


UNIFORM = torch.full((2, 3, 4), 0.25).log()
DIVERGED = UNIFORM.clone()
DIVERGED[1, 2, 0] = math.nan


@pytest.mark.usefixtures("as_users_do")
@pytest.mark.parametrize(
    ("logp", "labels", "sentence"),
    [
        ("logp", [0, 1, 2], r"this is a str; pass what law\.predict returns"),
        (UNIFORM.long(), [0, 1, 2], r"this is of torch\.int64"),
        (UNIFORM[0, 0], [0], r"this has the shape \[4\]"),
        (UNIFORM[:, :0], [], r"of shape \[2, 0, 4\] is empty"),
        (UNIFORM.exp(), [0, 1, 2], r"member 0, input 0 holds probabilities.*pass probabilities\.log\(\)"),
        (UNIFORM + 3, [0, 1, 2], r"sum to 20\.09, not to 1: these are logits, or rounded.*apply torch\.log_softmax"),
        (UNIFORM + 0.0011, [0, 1, 2], "sum to 1.001, not to 1"),
        (DIVERGED, [0, 1, 2], "of member 1, input 2 contain nan: its training diverged"),
        (UNIFORM, [0, 1], r"for 3 inputs and labels of shape \[2\]"),
        (UNIFORM, [[0, 1, 2]], r"for 3 inputs and labels of shape \[1, 3\]"),
        (UNIFORM, [0, 1, 4], "label 4 is out of range.*classes 0 to 3"),
        (UNIFORM, [0, 1, -1], "label -1 is out of range.*auroc instead"),
        (UNIFORM, [0.0, 1.0, 2.0], r"this is of torch\.float32; use torch\.tensor\(labels\)"),
    ],
)
def test_what_is_no_prediction_or_no_label_is_refused_in_one_sentence(logp, labels, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        scores.score(logp, torch.tensor(labels))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_users_do")
def test_other_refusals():
    assert scores.nll(UNIFORM.tolist(), [0, 1, 2]) == scores.nll(UNIFORM.double(), torch.tensor([0, 1, 2]))
    with pytest.raises(TypeError, match="this is a list"):
        scores.nll(UNIFORM, ["a", "b", "c"])
    with pytest.raises(ValueError, match="nobody to disagree with"):
        scores.disagreement(UNIFORM[:1])
    with pytest.raises(ValueError, match="n_bins must be a whole number from 1"):
        scores.calibration_error(UNIFORM, torch.tensor([0, 1, 2]), n_bins=0)
    with pytest.raises(ValueError, match="foreign: input 1 has nan"):
        scores.auroc(torch.tensor([0.1, math.nan]), torch.tensor([0.2]))
    with pytest.raises(ValueError, match="own: the shape is"):
        scores.auroc(torch.tensor([0.1]), torch.tensor([]))
