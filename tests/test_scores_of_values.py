"""Every score of measured values against a second implementation or a closed form, and what is refused."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from scipy import integrate, stats

import lnescape as ln
from lnescape import scores

rng = np.random.default_rng(0)
LABELS = torch.tensor(rng.normal(size=(30, 2)))
MEANS = LABELS + torch.tensor(rng.normal(size=(4, 30, 2)))
STATED = torch.stack([MEANS, torch.tensor(rng.uniform(0.2, 2.0, (4, 30, 2)))], -1)


def test_errors_are_those_of_scikit_learn():
    mean, right = MEANS.mean(0).numpy(), LABELS.numpy()
    for predicted in (MEANS, STATED):
        assert float(scores.mae(predicted, LABELS)) == pytest.approx(sklearn.metrics.mean_absolute_error(right, mean))
        square = sklearn.metrics.mean_squared_error(right, mean)
        assert float(scores.rmse(predicted, LABELS)) == pytest.approx(square**0.5)
        assert float(scores.r2(predicted, LABELS)) == pytest.approx(sklearn.metrics.r2_score(right, mean))


@pytest.mark.parametrize("measure", [scores.rmse, scores.mae, scores.r2])
def test_the_uncertainty_of_an_error_is_its_scatter_over_sets_of_inputs(measure):
    noise, right = torch.randn(2, 400, 200, 1, generator=torch.Generator().manual_seed(0)).double()
    found = [measure((y + e).unsqueeze(0), y) for e, y in zip(noise, right, strict=True)]
    scatter = np.std([float(one) for one in found], ddof=1)
    # 400 sets tell their scatter to 3.5 %: a ratio off by 16 % fails in fewer than 1 of 100 000 runs.
    assert np.mean([one.u for one in found]) == pytest.approx(scatter, rel=0.16)


def test_likelihood_intervals_and_crps_of_the_mixture():
    m, s, y = MEANS.numpy(), STATED[..., 1].sqrt().numpy(), LABELS.numpy()
    density = stats.norm.pdf(y, m, s).prod(2).mean(0)
    assert float(scores.mixture_nll(STATED, LABELS)) == pytest.approx(-np.log(density).mean())
    low, high = (end.numpy() for end in scores.interval(STATED, level=0.9))
    for end, p in ((low, 0.05), (high, 0.95)):
        np.testing.assert_allclose(stats.norm.cdf(end, m, s).mean(0), p, atol=1e-9)
    share, width = scores.coverage(STATED, LABELS, level=0.9)
    assert float(share) == pytest.approx(((low <= y) & (y <= high)).mean())
    assert float(width) == pytest.approx((high - low).mean())

    def square(z: float, i: int, k: int) -> float:
        return float(stats.norm.cdf(z, m[:, i, k], s[:, i, k]).mean() - (z >= y[i, k])) ** 2

    by_hand = [integrate.quad(square, -12, 12, args=(i, k), points=[y[i, k]], limit=200)[0]
               for i in range(3) for k in range(2)]  # fmt: skip
    assert float(scores.crps(STATED[:, :3], LABELS[:3])) == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_crps_without_variances_is_that_of_the_members():
    m, y = MEANS.numpy(), LABELS.numpy()
    expected = np.abs(m - y).mean(0) - 0.5 * np.abs(m[:, None] - m[None]).mean((0, 1))
    assert float(scores.crps(MEANS, LABELS)) == pytest.approx(expected.mean())
    assert float(scores.crps(MEANS[:1], LABELS)) == pytest.approx(float(scores.mae(MEANS[:1], LABELS)))


def test_the_variance_of_the_mixture_is_the_sum_of_its_parts():
    split = scores.variance_split(STATED)
    network = rng.integers(0, 4, 200_000)
    draws = rng.normal(MEANS[network, 0, 0], STATED[network, 0, 0, 1].sqrt())
    assert float(split.total[0, 0]) == pytest.approx(draws.var(), rel=0.02)  # 4 standard deviations of 200 000 draws
    torch.testing.assert_close(split.total, split.aleatoric + split.epistemic)
    assert not scores.variance_split(MEANS).aleatoric.any()


def test_score_gives_them_all_in_the_unit():
    found = ln.score(STATED, LABELS, unit="°")
    assert list(found)[:4] == ["rmse", "mae", "crps", "r2"]
    assert "coverage" in found
    assert {found[name].unit for name in ("rmse", "mae", "crps", "width")} == {"°"}
    assert found["total_variance"].unit == "(°)²"
    assert found["nll"].unit == "nat"
    assert "nll" not in ln.score(MEANS, LABELS)
    same = ln.score(scores.with_noise(MEANS, 0.5), LABELS)
    assert float(same["aleatoric_variance"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores.mixture_nll(MEANS, LABELS), "state no variances; build them by network"),
        (lambda: scores.rmse(MEANS, LABELS[:, :1]), r"shape \[30, 1\].*pass finite ones \[30, 2\]"),
        (lambda: ln.score(MEANS[..., :1], LABELS[:, 0]), r"shape \[30\].*pass finite ones \[30, 1\]"),
        (lambda: scores.rmse(MEANS, LABELS / 0), "or are NaN"),
        (lambda: scores.rmse(MEANS[0], LABELS), r"not shape \[30, 2\]; pass what law.predict returns"),
        (lambda: scores.crps(-STATED, LABELS), "its variance, above 0"),
        (lambda: scores.r2(MEANS, 0 * LABELS), "no variance to explain"),
        (lambda: scores.with_noise(MEANS, 0.0), "above 0"),
        (lambda: scores.interval(STATED, level=1.5), "level"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_noise_is_added_to_predictions_without_variances(as_users_do):
    with pytest.raises(ValueError, match="variances already"):
        scores.with_noise(STATED, 0.5)
    with pytest.raises(ValueError, match="not list; pass what law.predict returns"):
        scores.with_noise(MEANS.tolist(), 0.5)


def test_arrays_are_scored_as_tensors(as_users_do):
    for predicted, right in ((MEANS.numpy(), LABELS.numpy()), (MEANS, LABELS.numpy())):
        assert str(ln.score(predicted, right, unit="m")) == str(ln.score(MEANS, LABELS, unit="m"))


def test_masked_numbers_are_refused(as_users_do):
    masked = np.ma.masked_less(LABELS.numpy(), float(LABELS.median()))
    cases = [
        lambda: ln.score(MEANS, masked),
        lambda: scores.rmse(MEANS, masked),
        lambda: ln.score(masked[None], LABELS),
    ]
    classes = np.ma.masked_equal(np.arange(4) % 2, 1)
    for call in (*cases, lambda: ln.score(torch.zeros(4, 2).log_softmax(1), classes)):
        with pytest.raises(ValueError, match=r"\d+ numbers are masked; leave those inputs out, or fill them"):
            call()
