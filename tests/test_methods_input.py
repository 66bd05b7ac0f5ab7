"""What the methods refuse, in one sentence and before any training; which dropout a law over θ can stand for."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.laws.noise import Gate
from lnescape.methods.units import gates_of
from lnescape.weights import Template
from report.studies import experiments  # noqa: F401 (it makes cells of laws known)
from tests.test_methods import RECIPE
from tests.tiny import Mixed


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
    gates = gates_of(Template(Channels()), images)
    assert [(gate.units, gate.width) for gate in gates] == [(6, 9), (4, 16)]
    assert [gate.units for gate in gates_of(Template(Mixed()), images)] == [4]


def test_what_read_memory_before_a_dropout_layer_wrote_there_is_no_reader():
    images = torch.rand(4, 3, 8, 8)
    net = ln.network("cnn", SimpleNamespace(image_shape=(3, 8, 8), n_classes=2), dropout=0.1)
    for n in range(40):
        kept = [torch.rand(97 * n + k) for k in range(30)][::2]  # with free memory between them
        assert len(gates_of(Template(net()), images)) == 2, len(kept)


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


class Shared(Functional):
    """One dropout layer in two places."""

    def forward(self, x):
        return self.b(self.drop(self.a(self.drop(x.flatten(1)))))


class Tied(nn.Module):
    """A last layer with the weights of the first."""

    def __init__(self):
        super().__init__()
        self.first, self.last = (nn.Linear(64, 10, bias=False) for _ in range(2))
        self.middle = nn.Linear(10, 64)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(self.middle(self.first(x.flatten(1))))


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
        ("laplace", Tied, {}, "shared with another layer; laplace needs its own"),
        ("laplace", squashed, {}, "doesn't end in a linear layer; laplace needs nn.Linear"),
        ("laplace", wide, {"structure": "full"}, "A full curvature of 20010 parameters is too large, 12000 at most"),
        ("laplace", None, {"structure": "block"}, "no structure of the curvature 'block'"),
        ("laplace", None, {"prior_precision": "evidence"}, "no prior precision 'evidence'"),
        ("laplace", None, {"prior_precision": 0.0}, "prior_precision must be a finite number above 0"),
        ("deep_ensemble", None, {"budget": 0}, "budget, in trainings, must be a finite number above 0, not 0"),
        ("deep_ensemble", None, {"budget": "2"}, "budget, in trainings, must be a finite number above 0, not '2'"),
        ("deep_ensemble", None, {"budget": 0.01}, r"too small for deep_ensemble; it needs at least 0\.0\d+ here"),
        ("deep_ensemble", None, {"members": 0}, "members must be a whole number of at least 1, not 0"),
        ("deep_ensemble", None, {"members": 1000}, r"too small for deep_ensemble; it needs at least [0-9.]+ here"),
        ("snapshot_ensemble", None, {"budget": 0.1}, r"too small for snapshot_ensemble; a cycle costs 0\.25"),
        ("fast_geometric_ensemble", None, {"cycles": 0}, "cycles must be a whole number of at least 1, not 0"),
        ("swag", None, {"snapshots": 1}, "snapshots must be a whole number of at least 2, not 1"),
        ("swag", None, {"snapshots": 1000}, r"too small for swag; it needs at least [0-9.]+ here"),
        ("simplex_ensemble", None, {"budget": 0.05}, r"too small for simplex_ensemble; it needs at least 0\.\d+ here"),
        ("simplex_ensemble", None, {"points": 0}, "points must be a whole number of at least 1, not 0"),
        ("learned_subspace", None, {"shape": "square"}, "There is no shape 'square'; .*line, curve, triangle"),
        ("mode_curve", None, {"runs": 3}, "A curve joins two networks, and 3 were given"),
        ("simplicial_complex", None, {"n_connectors": 0}, "n_connectors must be a whole number of at least 1, not 0"),
        ("simplicial_complex", None, {"runs": 1}, "a complex joins two or more"),
        ("simplex_ensemble", None, {"n_vertices": 1}, "n_vertices must be a whole number of at least 2, not 1"),
        ("simplex_ensemble", None, {"volume_weight": -1}, "volume_weight must be a finite number of at least 0"),
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
    with pytest.raises((TypeError, ValueError), match=message):
        ln.METHODS[method](net, data, recipe=RECIPE, progress=False, **options)


def test_a_budget_that_is_said_to_be_enough_is(data):
    net = ln.network("mlp", data, width=8)
    for name, method in ln.METHODS.items():
        if name in ("dropout", "snapshot_ensemble"):  # other nets, other words
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
    with pytest.raises(TypeError, match="runs is a list; pass what fit"):
        ln.swag(net, data, runs=[net()])
    with pytest.raises(ln.TrainingError, match="swag diverged after network 0; lower its learning rate"):
        ln.swag(net, data, recipe=replace(RECIPE, weight_decay=0.0), exploring={"learning_rate": 1e8}, progress=False)


def test_laws_refuse_nan_and_no_draws(data, as_users_do):
    net, p = nn.Linear, 12
    theta = torch.full((p,), torch.nan)
    for make in (
        lambda: ln.laws.GaussianLaw(net, theta),
        lambda: ln.laws.GaussianLaw(net, torch.zeros(p), scale=theta),
        lambda: ln.Members(net, theta[None]),
        lambda: ln.laws.DropoutLaw(net, theta, ()),
    ):
        with pytest.raises(ValueError, match="are NaN or infinite; its training diverged"):
            make()
    law = ln.laws.GaussianLaw(lambda: nn.Linear(3, 3), torch.zeros(p), scale=torch.ones(p))
    for n in (0, -1, None, 2.5):
        with pytest.raises(ValueError, match="how many networks to draw"):
            law.predict(torch.zeros(2, 3), n)
    with pytest.raises(ValueError, match="at least one law"):
        ln.laws.Mixture(net, ())


def test_laws_and_walks_refuse_what_does_not_fit(data, as_users_do):
    net = ln.network("mlp", data, width=8)
    theta = ln.weights.theta_of(net())
    other = ln.laws.GaussianLaw(net, torch.zeros(5))
    for make, message in (
        (lambda: ln.laws.GaussianLaw(net, theta, scale=torch.ones(3)), "The scale is one number ≥ 0"),
        (lambda: ln.laws.GaussianLaw(net, theta, scale=-torch.ones_like(theta)), "The scale is one number ≥ 0"),
        (lambda: ln.laws.GaussianLaw(net, theta, factors=torch.ones(2, 9000)), "factors act on parameters 0 to 9000"),
        (lambda: ln.laws.Mixture(net, (ln.Members(net, theta[None]), other)), "mix laws of one architecture"),
        (lambda: Gate(0, 8, 64, 1, 1.0), "A rate of 1.0 leaves nothing on"),
        (
            lambda: ln.training.refresh_cost(ln.Members(net, theta[None]), data, -1),
            "n must be a whole number .* not -1",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match=r"A complex joins a tensor \[M, P\] of networks"):
        ln.subspaces.SimplicialComplex.joining([theta, theta], 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "swagg", "budget": 1.5}, "no way to a law 'swagg'; did you mean 'swag'"),
        ({"method": "swag", "budget": 0}, "the budget, in trainings, must be a finite number above 0, not 0"),
        ({"method": "swag", "budget": 2, "options": {"snapshot": 3}}, "no option of 'swag' 'snapshot'; did you mean"),
    ],
)
def test_cells_of_laws_are_refused_before_they_are_sent(settings, message):
    scouts = ln.Cell(method="scouts", data="digits", network="mlp", seeds=(0, 1), recipe=RECIPE)
    with pytest.raises(ln.StudyError, match=message):
        scouts.but(method="law", scouts=scouts, seeds=(0,), settings=settings)
