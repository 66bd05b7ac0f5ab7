"""Covariates: what each group makes of traces, independence of s², bursts, proxies' recipe; what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import lnescape as ln
from lnescape.covariates.explore import (
    burst_recipe,
    bursts,
    explored,
    gradient_noise,
    other_classes,
    unavailable,
)
from lnescape.covariates.groups import FREE, GROUPS, Traces, columns_of, freed

DATA = ln.load("digits")
NET = ln.network("mlp", DATA, width=16)
RECIPE = ln.Recipe(epochs=4, batch=64, precision="float32")


@pytest.fixture(scope="module")
def runs():
    return ln.fit(NET, DATA, seeds=[0, 1, 2], recipe=RECIPE, path=True, progress=False)


@pytest.fixture(scope="module")
def seen(runs):
    chosen = runs.predict(DATA.test.images).mean(0).argmax(1).numpy()
    return explored(runs, DATA, DATA.test.images, chosen, groups=(*FREE, "bursts"), burst=burst_recipe(RECIPE))


def test_the_path_ends_at_the_networks_and_survives_in_a_folder(runs, tmp_path):
    assert runs.path.shape == (3, 4, runs.thetas.shape[1])
    assert torch.equal(runs.path[:, -1], runs.thetas)
    options = {"seeds": [0, 1], "recipe": RECIPE, "path": True, "folder": tmp_path, "progress": False}
    first, again = ln.fit(NET, DATA, **options), ln.fit(NET, DATA, **options)
    assert torch.equal(first.path, again.path)
    assert torch.equal(first.thetas, ln.fit(NET, DATA, seeds=[0, 1], recipe=RECIPE, progress=False).thetas)
    assert ln.fit(NET, DATA, seeds=[0], recipe=RECIPE, progress=False).path is None


def test_every_group_gives_finite_columns_of_its_own(seen):
    everything, names = columns_of(seen, (*FREE, "bursts"))
    assert everything.shape == (len(DATA.test), len(names))
    assert len(set(names)) == len(names)
    assert np.isfinite(everything).all()
    for group in (*FREE, "bursts"):
        own, _ = columns_of(seen, [group])
        assert own.shape[1] >= 1


def test_columns_are_what_they_say(seen, runs):
    own, names = columns_of(seen, ["outputs", "neighbourhood", "training path", "classes"])
    columns = dict(zip(names, own.T, strict=True))
    np.testing.assert_allclose(columns["q"], seen.q.mean(0))
    np.testing.assert_allclose(columns["ln sd over shifts"], np.log(seen.shifted.std(1, ddof=1)).mean(0), atol=1e-4)
    np.testing.assert_allclose(columns["ln sd over epochs"], np.log(seen.path.std(1, ddof=1)).mean(0), atol=1e-4)
    assert np.array_equal(columns["class 3"] == 1, seen.chosen == 3)
    np.testing.assert_allclose(columns["log-sum-exp"], seen.outputs[:, 0].mean(0))
    np.testing.assert_allclose(columns["ln spread of the logits"], np.log(seen.outputs[:, 1].mean(0)), atol=1e-4)
    np.testing.assert_allclose(seen.path[:, -1], seen.q, rtol=1e-5)  # the last epoch's end is the network
    last = ln.members(NET, list(runs.path[2]), DATA).predict(DATA.test.images).numpy()
    np.testing.assert_allclose(seen.path[2], ln.log_odds(last, seen.chosen), rtol=1e-4)


def test_columns_are_those_of_all_networks_and_of_the_epochs_that_they_name():
    rng, n = np.random.default_rng(0), 400
    q, path = rng.normal(size=(3, n)), rng.normal(size=(3, 6, n))
    path[:, -1] = q
    known = {"distance": rng.normal(size=(3, n)), "bursts": rng.uniform(1, 2, (3, n)), "path": path, "shifted": path}
    own, names = columns_of(Traces(q, **known), ["gradient distance", "bursts", "training path", "differences"])
    columns = dict(zip(names, own.T, strict=True))
    np.testing.assert_allclose(columns["gradient distance"], known["distance"].mean(0))
    np.testing.assert_allclose(columns["ln sd over bursts"], np.log((known["bursts"] ** 2).mean(0)) / 2, atol=1e-5)
    late = np.log(path[:, 3:].std(1, ddof=1)).mean(0)
    np.testing.assert_allclose(columns["ln sd over late epochs"], late, atol=1e-3)
    earlier = np.log((freed(path[:, :-1], q) ** 2).mean((0, 1))) / 2  # without the last, which is q
    np.testing.assert_allclose(columns["ln difference at earlier epochs"], earlier, atol=1e-4)
    values = Traces(q, outputs=rng.normal(size=(3, 3, n)), chosen=np.zeros(n, int), n_classes=1, values=True)
    few = replace(values.of(range(3), slice(0, 9)), like=values)  # what is learned, is learned on the inputs of the fit
    np.testing.assert_allclose(columns_of(few, ["outputs"])[0], columns_of(values, ["outputs"])[0][:9])


def test_some_networks_and_images_can_be_taken(seen):
    part = seen.of([0, 2], np.arange(10))
    assert part.q.shape == (2, 10)
    np.testing.assert_array_equal(part.shifted, seen.shifted[[0, 2]][:, :, :10])
    np.testing.assert_array_equal(part.chosen, seen.chosen[:10])


def test_freed_differences_tell_nothing_of_s2_but_of_sigma():
    """Normal retrainings, another quantity correlated with q: given σ, ln of the freed squares and of s² are
    uncorrelated (|r| < 0.05, 4 standard errors of 0.011); over inputs of different σ both follow σ."""
    rng = np.random.default_rng(0)
    sigma = np.exp(0.6 * rng.normal(size=8000))
    for scale, bound in ((np.ones(8000), (-0.05, 0.05)), (sigma, (0.15, 1.0))):
        q = 3 + scale * rng.normal(size=(2, 8000))
        other = (0.7 * (q - 3) + 0.5 * scale * rng.normal(size=q.shape))[:, None]
        r = np.corrcoef(np.log(freed(other, q)[:, 0].var(0)), np.log(q.var(0, ddof=1)))[0, 1]
        assert bound[0] < r < bound[1]


def test_slopes_are_learned_on_other_inputs_where_those_are_given():
    rng = np.random.default_rng(1)
    q, others = rng.normal(size=(3, 400)), rng.normal(size=(3, 50))
    like = (2 * q[:, None], q)  # the slope is 2 there
    np.testing.assert_allclose(freed(2 * others[:, None], others, like=like), 0, atol=1e-12)
    rest = freed(5 * others[:, None], others, like=like)
    np.testing.assert_allclose(rest[:, 0], 3 * (others - others.mean(0)), rtol=1e-10)


def test_bursts_begin_at_their_network_and_are_counted_in_order(runs):
    tiny = list(bursts(runs, DATA, n=3, recipe=burst_recipe(RECIPE, epochs=0.25, rate=1e-9)))
    for own, theta in zip(tiny, runs.thetas, strict=True):
        torch.testing.assert_close(own, theta.expand(3, -1), rtol=0, atol=1e-6)
    large = next(bursts(runs, DATA, n=3, recipe=burst_recipe(RECIPE)))
    more = next(bursts(runs, DATA, n=4, recipe=burst_recipe(RECIPE)))
    torch.testing.assert_close(large, more[:3], rtol=1e-4, atol=1e-5)  # the first of more are those of fewer
    assert (large - runs.thetas[0]).norm(dim=1).min() > 0.01
    with pytest.raises(ln.TrainingError, match="lower its rate"):
        list(bursts(runs, DATA, n=2, recipe=burst_recipe(RECIPE, epochs=2, rate=1e6)))


def test_other_classes_are_the_log_odds_of_the_next_ones():
    logp = torch.log_softmax(torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)), 2).numpy()
    chosen = np.array([0, 1, 2, 3, 4, 4])
    seen = other_classes(logp, chosen)
    assert seen.shape == (2, 3, 6)
    np.testing.assert_allclose(seen[:, 0], ln.log_odds(logp, (chosen + 1) % 5))
    assert other_classes(logp[:, :, :2], np.zeros(6, int)).shape == (2, 0, 6)  # two classes: p and 1 − p say the same


def test_gradients_of_batches_scatter_about_their_mean(runs):
    loss, scatter = gradient_noise(runs, runs[0], DATA, recipe=RECIPE, n=8)
    assert 0 < loss < 1
    half = gradient_noise(runs, runs[0], DATA, recipe=ln.Recipe(epochs=4, batch=128, precision="float32"), n=8)[1]
    assert 0.25 < half / scatter < 1  # twice the images, half the variance; 8 gradients tell it roughly


def test_what_was_not_observed_or_is_not_known_is_named(runs):
    bare = Traces(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="no group of covariates 'noises'"):
        columns_of(bare, ["noises"])
    for name in GROUPS:
        with pytest.raises(ValueError, match="leave them out"):
            columns_of(bare, [name])
    short = ln.fit(NET, DATA, seeds=[0], recipe=RECIPE, progress=False)
    assert "fit(…, path=True)" in unavailable(short, FREE, DATA.test.images)["training path"]
    assert unavailable(runs, FREE, DATA.test.images) == {}
