"""Every method on every kind of network: the same three lines, a counted cost, nested budgets, clear refusals."""

from contextlib import contextmanager

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import lnescape as ln
from lnescape import engines
from lnescape.methods import gaussian
from lnescape.weights import FlatNetwork

RECIPE = ln.Recipe(epochs=4, batch=100, precision="float32")
CHANGES = {"swag": {"snapshots": 4}, "fast_geometric_ensemble": {"cycles": 3}}


def net_of(kind, data):
    if kind == "chain":  # without dropout: linear layers only, which many networks train through at once
        return ln.network("mlp", data, width=16)
    return ln.network(kind, data, dropout=0.1, **{"mlp": {"width": 16}, "resnet": {"depth": 8, "width": 4}}[kind])


@contextmanager
def counted():
    """Operations of every forward and backward pass, counted where they happen; set-up and prediction are not."""
    total = [0.0]

    def watch(owner, name):
        real = getattr(owner, name)

        def watched(*arguments, **options):
            with FlopCounterMode(display=False) as counter:
                result = real(*arguments, **options)
            total[0] += counter.get_total_flops()
            return result

        patch.setattr(owner, name, watched)

    with pytest.MonkeyPatch.context() as patch:
        for owner in (engines.AnyNetwork, engines.LinearChain):
            watch(owner, "loss_and_gradient")
        for name in ("with_features", "softmax_curvature"):
            watch(gaussian, name)
        root = gaussian._inverse_root

        def watched_root(matrix):  # what the counter doesn't know: P³/3 of Cholesky, P³ of the triangular inverse
            total[0] += 4 / 3 * len(matrix) ** 3
            return root(matrix)

        patch.setattr(gaussian, "_inverse_root", watched_root)
        yield total


@pytest.mark.parametrize("name", list(ln.METHODS))
@pytest.mark.parametrize(("kind", "budget"), [("mlp", 3), ("chain", 1.5), ("resnet", 1.5)])
def test_three_lines_and_the_counted_cost(name, kind, budget, data):
    net = net_of(kind, data)
    if name == "dropout" and kind == "chain":
        pytest.skip("no dropout in a chain")
    with counted() as operations:
        options = {} if name == "laplace" else {"budget": budget}
        law = ln.METHODS[name](net, data, recipe=RECIPE, progress=False, **options, **CHANGES.get(name, {}))
    logp = law.predict(data.test.images, n=None if isinstance(law, ln.Members) else 4, seed=0)
    assert torch.isfinite(logp).all()
    if kind == "chain":  # the others learn little in four epochs
        assert float(ln.score(logp, data.test.labels)["nll"]) < 2.2  # nothing learned: 2.30
    assert law.cost.operations == pytest.approx(operations[0])
    # Whole steps only, so a little less than the budget.
    if name != "laplace":  # its curvature is dear on tiny data
        assert budget - 0.15 <= law.cost.trainings <= 1.05 * budget


@pytest.mark.parametrize("name", list(ln.METHODS))
def test_a_law_is_read_back_as_it_was_written(name, data, tmp_path):
    net, options = ln.network("mlp", data, width=8, dropout=0.1), {} if name == "laplace" else {"budget": 3}
    law = ln.METHODS[name](net, data, recipe=RECIPE, progress=False, **options, **CHANGES.get(name, {}))
    law.save(tmp_path / "law")
    again = ln.load_law(tmp_path / "law", net)
    assert torch.equal(torch.cat([*again.sample(3, seed=1)]), torch.cat([*law.sample(3, seed=1)]))
    images = data.test.images[:5]
    torch.testing.assert_close(again.predict(images, 3, seed=1), law.predict(images, 3, seed=1), rtol=1e-5, atol=1e-5)


def test_laplace_takes_a_layer_that_is_too_large_for_a_full_matrix(data, tmp_path):
    net = ln.network("mlp", data, width=1300)
    runs = ln.fit(net, data, seeds=[0], recipe=ln.Recipe(epochs=1), progress=False)
    law = ln.laplace(net, data, runs=runs, prior_precision="marginal likelihood")
    assert isinstance(law, ln.laws.KroneckerLaw)
    law.save(tmp_path / "law")
    again = ln.load_law(tmp_path / "law", net)
    assert torch.equal(next(again.sample(2, seed=1)), next(law.sample(2, seed=1)))
    assert 1 < law.cost.trainings < 5


def test_a_larger_budget_goes_on_from_a_smaller_one(data, tmp_path):
    net, options = ln.network("mlp", data, width=8), {"recipe": RECIPE, "progress": False, "folder": tmp_path}
    small, large = (ln.deep_ensemble(net, data, budget=b, **options) for b in (1, 3))
    assert torch.equal(large[0], small[0])
    assert (large.seeds, ln.deep_ensemble(net, data, budget=2, seed=3, **options).seeds) == ((0, 1, 2), (300, 301))
    short, long = (ln.snapshot_ensemble(net, data, budget=b, **options) for b in (1, 3))
    assert torch.equal(long[:4], short.thetas)
    one, two = (ln.fast_geometric_ensemble(net, data, budget=b, cycles=3, **options) for b in (1.5, 3))
    assert torch.equal(two[:4], one.thetas)
    with counted() as operations:  # all of it is in the folder
        again = ln.fast_geometric_ensemble(net, data, budget=3, cycles=3, **options)
    assert operations[0] == 0
    assert torch.equal(again.thetas, two.thetas)
    assert again.cost.trainings == two.cost.trainings


def test_explorations_have_the_schedule_and_the_rate_of_their_method(data, monkeypatch):
    seen, real = [], ln.training.walk
    monkeypatch.setattr("lnescape.methods.budget.walk", lambda *a, **o: seen.append(a[0].recipe) or real(*a, **o))
    net = ln.network("mlp", data, width=8)
    for name in ("snapshot_ensemble", "fast_geometric_ensemble", "swag"):
        ln.METHODS[name](net, data, recipe=RECIPE, progress=False, **CHANGES.get(name, {}))
    assert [(r.schedule, r.learning_rate) for r in seen] == [("cosine", 0.1), ("cycle", 0.1), ("constant", 0.025)]


def test_networks_that_are_there_already_are_taken(data):
    net = ln.network("mlp", data, width=8)
    runs = ln.fit(net, data, seeds=[5, 6], recipe=RECIPE, progress=False)
    usual = ln.laplace(net, data, runs=runs)
    assert usual.recipe == runs.recipe
    given = ln.laplace(net, data, runs=runs, prior_precision=len(data.train) * RECIPE.weight_decay)
    assert torch.equal(usual.components[0].factors, given.components[0].factors)
    half = ln.deep_ensemble(net, data, budget=1, members=2, recipe=RECIPE, progress=False)
    around = ln.swag(net, data, runs=half, budget=1.5, snapshots=4, recipe=RECIPE, progress=False)
    assert 1.3 < around.cost.trainings <= 1.5 * 1.05  # they cost one training together; the rest is whole pieces
    for name in ("swag", "fast_geometric_ensemble", "simplex_ensemble", "simplicial_complex", "mode_curve"):
        with counted() as operations:
            law = ln.METHODS[name](
                net, data, budget=3, runs=runs, recipe=RECIPE, progress=False, **CHANGES.get(name, {})
            )
        plain = law.cost.plain
        assert law.cost.operations == pytest.approx(operations[0] + 2 * plain), name
    with pytest.raises(ValueError, match=r"budget of 2 trainings is too small for swag; it needs at least 2\.\d+ here"):
        ln.swag(net, data, budget=2, runs=runs, recipe=RECIPE)


def test_normalisation_is_refreshed_once_for_each_network(data, monkeypatch):
    net = ln.network("resnet", data, depth=8, width=4)
    law = ln.swag(net, data, recipe=RECIPE, snapshots=4, progress=False)
    passed, real = [], FlatNetwork.load

    def load(self, theta, images=None):
        passed.append(real(self, theta, images))
        return passed[-1]

    monkeypatch.setattr(FlatNetwork, "load", load)
    law.predict(data.test.images, n=6, seed=0)
    assert len(passed) == 6
    stated = ln.training.refresh_cost(law, data, 6)
    forward = ln.training.count_operations(net, data.train.images[0], 10).forward
    assert stated.operations == pytest.approx(sum(passed) * forward)
    assert stated.seconds > 0


def test_a_folder_does_not_mix_networks_of_equal_parameters(data, tmp_path):
    """Dropout has no parameters: two rates begin with the same θ, and must not share a training."""
    plain, often = (ln.network("mlp", data, width=8, **more) for more in ({}, {"dropout": 0.5}))
    options = {"seeds": [0], "recipe": RECIPE, "folder": tmp_path, "progress": False}
    assert not torch.equal(ln.fit(plain, data, **options)[0], ln.fit(often, data, **options)[0])
