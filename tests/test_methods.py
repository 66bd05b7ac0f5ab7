"""Every method on every kind of network: the same three lines, a counted cost, nested budgets, clear refusals."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import lnescape as ln
from lnescape import engines
from lnescape.methods import laplace
from lnescape.methods.dropout import gates_of
from tests.test_training import Mixed

RECIPE = ln.Recipe(epochs=4, batch=100, precision="float32")
CHANGES = {"swag": {"snapshots": 4}, "fast_geometric_ensemble": {"cycles": 3}}


@pytest.fixture(scope="module")
def data():
    return ln.load("digits")


@pytest.fixture(scope="module", params=["mlp", "chain", "cnn", "resnet"])
def net(request, data):
    small = {"mlp": {"width": 16}, "cnn": {"width": 4}, "resnet": {"depth": 8, "width": 4}}
    if request.param == "chain":  # without dropout: linear layers only, which many networks train through at once
        return ln.network("mlp", data, width=16)
    return ln.network(request.param, data, dropout=0.1, **small[request.param])


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
            watch(laplace_module, name)
        root = laplace_module._inverse_root

        def watched_root(matrix):  # what the counter doesn't know: P³/3 of Cholesky, P³ of the triangular inverse
            total[0] += 4 / 3 * len(matrix) ** 3
            return root(matrix)

        patch.setattr(laplace_module, "_inverse_root", watched_root)
        yield total


laplace_module = __import__("sys").modules[laplace.__module__]


@pytest.mark.parametrize("name", list(ln.METHODS))
@pytest.mark.parametrize("budget", [1.5, 3])
def test_three_lines_and_the_counted_cost(name, budget, net, data):
    if name == "dropout" and engines.engine_for(net).many:
        pytest.skip("no dropout in a chain")
    with counted() as operations:
        law = ln.METHODS[name](net, data, budget=budget, recipe=RECIPE, progress=False, **CHANGES.get(name, {}))
    logp = law.predict(data.test.images, n=None if isinstance(law, ln.Members) else 4, seed=0)
    assert torch.isfinite(logp).all()
    if isinstance(engines.engine_for(net), engines.LinearChain):  # the others learn little in four epochs
        assert float(ln.score(logp, data.test.labels)["nll"]) < 2.2  # nothing learned: 2.30
    assert law.cost.operations == pytest.approx(operations[0])
    # Whole steps only, so a little more or less than the budget.
    if name != "laplace":  # its curvature is dear on tiny data
        assert abs(law.cost.trainings - budget) <= 0.15


@pytest.mark.parametrize("name", list(ln.METHODS))
def test_a_law_is_read_back_as_it_was_written(name, data, tmp_path):
    net = ln.network("mlp", data, width=8, dropout=0.1)
    law = ln.METHODS[name](net, data, budget=3, recipe=RECIPE, progress=False, **CHANGES.get(name, {}))
    law.save(tmp_path / "law")
    again = ln.load_law(tmp_path / "law", net)
    images = data.test.images[:5]
    torch.testing.assert_close(again.predict(images, 3, seed=1), law.predict(images, 3, seed=1), rtol=1e-5, atol=1e-5)


def test_a_larger_budget_goes_on_from_a_smaller_one(data, tmp_path):
    net, options = ln.network("mlp", data, width=8), {"recipe": RECIPE, "progress": False, "folder": tmp_path}
    small, large = (ln.deep_ensemble(net, data, budget=b, **options) for b in (1, 3))
    assert torch.equal(large[0], small[0])
    short, long = (ln.snapshot_ensemble(net, data, budget=b, **options) for b in (1, 3))
    assert torch.equal(long[:4], short.thetas)
    one, two = (ln.fast_geometric_ensemble(net, data, budget=b, cycles=3, **options) for b in (1.5, 3))
    assert torch.equal(two[:4], one.thetas)
    with counted() as operations:  # all of it is in the folder
        again = ln.fast_geometric_ensemble(net, data, budget=3, cycles=3, **options)
    assert operations[0] == 0
    assert torch.equal(again.thetas, two.thetas)
    assert again.cost.trainings == two.cost.trainings


def test_networks_that_are_there_already_are_taken(data):
    net = ln.network("mlp", data, width=8)
    runs = ln.fit(net, data, seeds=[5, 6], recipe=RECIPE, progress=False)
    assert ln.laplace(net, data, runs=runs, budget=2).recipe == runs.recipe
    half = ln.deep_ensemble(net, data, budget=1, members=2, recipe=RECIPE, progress=False)
    around = ln.swag(net, data, runs=half, budget=1.5, snapshots=4, recipe=RECIPE, progress=False)
    assert around.cost.trainings == pytest.approx(1.5, abs=0.1)  # they cost one training together
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
    passed, real = [], engines.FlatNetwork.load

    def load(self, theta, images=None):
        passed.append(real(self, theta, images))
        return passed[-1]

    monkeypatch.setattr(engines.FlatNetwork, "load", load)
    law.predict(data.test.images, n=6, seed=0)
    assert len(passed) == 6
    stated = ln.refresh_cost(law, data, 6)
    forward = ln.training.count_operations(net, data.train.images[0], 10).forward
    assert stated.operations == pytest.approx(sum(passed) * forward)
    assert stated.seconds > 0


class Channels(nn.Module):
    """Channels are switched off before a convolution, and once more before the last layer."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 4, 3), nn.Linear(64, 10)
        self.drop, self.again = nn.Dropout2d(0.5), nn.Dropout2d(0.25)

    def forward(self, x):
        x = torch.relu(self.second(self.drop(torch.relu(self.first(x)))))
        return self.last(self.again(x).flatten(1))


def test_channels_that_are_off_are_weights_that_are_zero(data):
    images = data.test.images[:4]
    gates = gates_of(Channels, images)
    assert [(gate.units, gate.width) for gate in gates] == [(6, 9), (4, 16)]
    assert [gate.units for gate in gates_of(Mixed, images)] == [4]


class Twice(nn.Module):
    """What dropout lets through is read by two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.drop, self.a, self.b = nn.Linear(64, 8), nn.Dropout(0.5), nn.Linear(8, 10), nn.Linear(8, 10)

    def forward(self, x):
        h = self.drop(self.first(x.flatten(1)))
        return self.a(h) + self.b(h)


class Pixels(nn.Sequential):
    """Single pixels are switched off before a convolution."""

    def __init__(self):
        super().__init__(nn.Dropout(0.5), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))


class Functional(nn.Module):
    """Half of its dropout is in no layer."""

    def __init__(self):
        super().__init__()
        self.drop, self.a, self.b = nn.Dropout(0.5), nn.Linear(64, 8), nn.Linear(8, 10)

    def forward(self, x):
        h = nn.functional.dropout(torch.relu(self.a(x.flatten(1))), 0.5, self.training)
        return self.b(self.drop(h))


class Shared(nn.Module):
    """One dropout layer in two places."""

    def __init__(self):
        super().__init__()
        self.drop, self.a, self.b = nn.Dropout(0.5), nn.Linear(64, 8), nn.Linear(8, 10)

    def forward(self, x):
        return self.b(self.drop(self.a(self.drop(x.flatten(1)))))


def squashed():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Hardtanh())


def wide():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2000), nn.ReLU(), nn.Linear(2000, 10))


@pytest.mark.parametrize(
    ("method", "net", "options", "message"),
    [
        ("dropout", None, {}, r"has no dropout layer; put nn\.Dropout before a linear layer"),
        ("dropout", Twice, {}, "No weights can stand for the dropout layer 'drop'"),
        ("dropout", Functional, {}, "switches units off outside its dropout layers"),
        ("dropout", Shared, {}, "'drop' is used 2 times; give each place its own"),
        ("dropout", Pixels, {}, "No weights can stand for the dropout layer '0'"),
        ("laplace", squashed, {}, "doesn't end in a linear layer; laplace needs nn.Linear"),
        ("laplace", wide, {}, "The last layer has 20010 parameters.* 12000 at most"),
        ("laplace", None, {"prior_precision": 0.0}, "is no prior"),
        ("deep_ensemble", None, {"budget": 0}, "budget=0 is no number of trainings"),
        ("deep_ensemble", None, {"budget": "2"}, "budget='2' is no number of trainings"),
        ("deep_ensemble", None, {"budget": 0.01}, r"too small for deep_ensemble; it needs at least 0\.0\d+ here"),
        ("deep_ensemble", None, {"members": 0}, "members=0 makes no ensemble"),
        ("deep_ensemble", None, {"members": 1000}, r"too small for deep_ensemble; it needs at least [0-9.]+ here"),
        ("snapshot_ensemble", None, {"budget": 0.1}, r"too small for snapshot_ensemble; a cycle costs 0\.25"),
        ("fast_geometric_ensemble", None, {"cycles": 0}, "cycles=0 explores nothing"),
        ("swag", None, {"snapshots": 1}, "snapshots=1 have no spread"),
        ("swag", None, {"snapshots": 1000}, r"too small for swag; it needs at least [0-9.]+ here"),
        ("simplex_ensemble", None, {"budget": 0.05}, r"too small for simplex_ensemble; it needs at least 0\.\d+ here"),
        ("simplex_ensemble", None, {"points": 0}, "points=0 leaves nothing to train at"),
        ("learned_subspace", None, {"shape": "square"}, "shape='square' is not known; use line, curve, triangle"),
        ("mode_curve", None, {"runs": 3}, "A curve joins two networks, and 3 were given"),
        ("simplicial_complex", None, {"n_connectors": 0}, "n_connectors=0 join nothing; give one or more"),
        ("simplicial_complex", None, {"runs": 1}, "a complex joins two or more"),
        ("simplex_ensemble", None, {"n_vertices": 1}, "n_vertices=1 make no simplex"),
        ("simplex_ensemble", None, {"volume_weight": -1}, "volume_weight=-1 is no weight"),
        ("swag", None, {"exploring": {"learning_rte": 0.1}}, "can't be set; known are batch, learning_rate"),
        ("swag", None, {"exploring": {"epochs": 3}}, "they follow from the budget"),
        ("swag", None, {"exploring": {"batch": 1000}}, "has 0 steps for each of its explorations and needs 1"),
        ("snapshot_ensemble", None, {"cycle": 0.01}, "has 0 steps for each of its explorations"),
        ("swag", None, {"runs": -2}, "runs are 2 networks of 650 parameters, the builder's have \\d+"),
    ],
)
def test_requests_that_cannot_be_met(method, net, options, message, data, as_users_do):
    net = net or ln.network("mlp", data, width=8)
    options = dict(options)
    if "runs" in options:
        other = ln.network("mlp", data, depth=0) if options["runs"] < 0 else net
        options["runs"] = ln.members(other, [other() for _ in range(abs(options["runs"]))], data)
    with pytest.raises(ValueError, match=message):
        ln.METHODS[method](net, data, recipe=RECIPE, progress=False, **options)


def test_a_budget_that_is_said_to_be_enough_is(data):
    net = ln.network("mlp", data, width=8)
    for name, method in ln.METHODS.items():
        if name in ("dropout", "snapshot_ensemble", "laplace"):  # other nets, other words, a dear curvature
            continue
        with pytest.raises(ValueError, match="too small") as refusal:
            method(net, data, budget=0.01, recipe=RECIPE, progress=False)
        least = float(str(refusal.value).split("at least ")[1].split()[0])
        method(net, data, budget=least, recipe=RECIPE, progress=False)


def test_unknown_arguments_and_wrong_runs_are_named(data, as_users_do):
    net = ln.network("mlp", data, width=8)
    with pytest.raises(TypeError, match="swag takes no argument 'seeds'; did you mean 'seed'"):
        ln.swag(net, data, seeds=3)
    with pytest.raises(TypeError, match="swag takes no argument 'snapshot'; did you mean 'snapshots'"):
        ln.swag(net, data, snapshot=3)
    with pytest.raises(TypeError, match=r"runs are a list; pass what lnescape\.fit"):
        ln.swag(net, data, runs=[net()])
    with pytest.raises(ln.TrainingError, match="swag diverged after network 0; lower its learning rate"):
        ln.swag(net, data, recipe=replace(RECIPE, weight_decay=0.0), exploring={"learning_rate": 1e8}, progress=False)


def test_laws_refuse_nan_and_no_draws(data, as_users_do):
    net, p = nn.Linear, 12
    theta = torch.full((p,), torch.nan)
    for make in (
        lambda: ln.GaussianLaw(net, theta),
        lambda: ln.GaussianLaw(net, torch.zeros(p), scale=theta),
        lambda: ln.Members(net, theta[None]),
        lambda: ln.DropoutLaw(net, theta, ()),
    ):
        with pytest.raises(ValueError, match="are NaN or infinite; its training diverged"):
            make()
    law = ln.GaussianLaw(lambda: nn.Linear(3, 3), torch.zeros(p), scale=torch.ones(p))
    for n in (0, -1, None, 2.5):
        with pytest.raises(ValueError, match="say how many networks to draw"):
            law.predict(torch.zeros(2, 3), n)
    with pytest.raises(ValueError, match="at least one law"):
        ln.Mixture(net, ())


def test_a_folder_does_not_mix_networks_of_equal_parameters(data, tmp_path):
    """Dropout has no parameters: two rates begin with the same θ, and must not share a training."""
    plain, often = (ln.network("mlp", data, width=8, **more) for more in ({}, {"dropout": 0.5}))
    options = {"seeds": [0], "recipe": RECIPE, "folder": tmp_path, "progress": False}
    assert not torch.equal(ln.fit(plain, data, **options)[0], ln.fit(often, data, **options)[0])
