"""Networks of many kinds: what they return, what they keep, where their weights come from, and who else trains."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.training.prepared import check_builder
from lnescape.weights import build, seeded, theta_of

RECIPE = ln.Recipe(epochs=1, batch=64, precision="float32")


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))


class Returning(nn.Module):
    """A network that returns what a function makes of logits and features."""

    def __init__(self, make):
        super().__init__()
        self.first, self.last, self.make = nn.Linear(64, 8), nn.Linear(8, 10), make

    def forward(self, x):
        features = torch.relu(self.first(x.flatten(1)))
        return self.make(self.last(features), features)


@pytest.mark.parametrize(
    "make",
    [
        lambda logits, features: (logits, features),
        lambda logits, features: {"features": features, "logits": logits},
        lambda logits, features: {"out": logits},
        lambda logits, features: SimpleNamespace(logits=logits, hidden_states=features),
        lambda logits, features: logits.squeeze(),
    ],
)
def test_a_network_may_return_more_than_logits(data, make):
    plain = ln.fit(lambda: Returning(lambda logits, features: logits), data, seeds=[0], recipe=RECIPE)
    runs = ln.fit(lambda: Returning(make), data, seeds=[0], recipe=RECIPE)
    assert torch.equal(runs.thetas, plain.thetas)
    assert torch.equal(runs.predict(data.test.images[:9]), plain.predict(data.test.images[:9]))
    again = ln.members(lambda: Returning(make), [runs.module(runs[0])], data)
    assert torch.equal(again.thetas, plain.thetas)
    law = ln.swag(lambda: Returning(make), data, runs=runs, budget=2, snapshots=4, recipe=RECIPE, progress=False)
    assert law.predict(data.test.images[:9], n=2).shape == (2, 9, 10)


class InTraining(Returning):
    """A network that returns more in training alone."""

    def forward(self, x):
        logits = super().forward(x)
        return (logits, x) if self.training else logits


def test_a_network_may_return_more_in_training(data):
    plain, more = (
        ln.fit(lambda kind=kind: kind(lambda logits, features: logits), data, seeds=[0], recipe=RECIPE)
        for kind in (Returning, InTraining)
    )
    assert torch.equal(plain.thetas, more.thetas)


@pytest.mark.parametrize("flat", [True, False])
def test_one_logit_is_two_classes(flat):
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    part = (x, (x[:, 0] > 0).long())
    two = ln.dataset(train=part, validation=part, calibration=part, test=part)

    def net():
        layers = [nn.Linear(4, 1), nn.Flatten(0)] if flat else [nn.Linear(4, 1)]
        return nn.Sequential(*layers)

    runs = ln.fit(net, two, seeds=[0], recipe=ln.Recipe(epochs=20, batch=50, precision="float32"))
    logp = runs.predict(two.test.images)
    logit = nn.functional.linear(two.test.images, runs[0][:4].view(1, 4), runs[0][4:])[:, 0]
    torch.testing.assert_close(logp[0, :, 1], nn.functional.logsigmoid(logit))
    assert float((logp[0].argmax(1) == two.test.labels).double().mean()) > 0.9


def test_a_builder_of_the_same_network_is_refused(data, as_users_do):
    one = mlp()
    with pytest.raises(ValueError, match="returns the same network at every call; build a new one inside it"):
        ln.fit(lambda: one, data, seeds=range(3), recipe=RECIPE)
    body = nn.Linear(64, 8)
    with pytest.raises(ValueError, match="the same network"):
        check_builder(lambda: nn.Sequential(nn.Flatten(), body, nn.ReLU(), nn.Linear(8, 10)), data)
    body.requires_grad_(False)  # a part that isn't trained may be shared
    check_builder(lambda: nn.Sequential(nn.Flatten(), body, nn.ReLU(), nn.Linear(8, 10)), data)


class Own(nn.Module):
    """Normalisation by one's own running mean, kept in one way or another."""

    def __init__(self, keep):
        super().__init__()
        keep(self, torch.zeros(64))
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            with torch.no_grad():
                if isinstance(self.mean, list):
                    self.mean[0] = 0.9 * self.mean[0] + 0.1 * x.mean(0)
                else:
                    self.mean.mul_(0.9).add_(0.1 * x.mean(0))
        return self.layer(x - (self.mean[0] if isinstance(self.mean, list) else self.mean))


KEPT = {
    "buffer": lambda own, mean: own.register_buffer("mean", mean),
    "unsaved": lambda own, mean: own.register_buffer("mean", mean, persistent=False),
    "frozen": lambda own, mean: own.register_parameter("mean", nn.Parameter(mean, requires_grad=False)),
    "attribute": lambda own, mean: setattr(own, "mean", mean),
    "list": lambda own, mean: setattr(own, "mean", [mean]),
}


def spectral():
    return nn.Sequential(nn.Flatten(), nn.utils.parametrizations.spectral_norm(nn.Linear(64, 10)))


@pytest.mark.parametrize(
    ("net", "name"),
    [
        (lambda keep=keep: Own(keep), "such as an attribute" if kind in ("attribute", "list") else "'mean'")
        for kind, keep in KEPT.items()
    ]
    + [(spectral, "'1.parametrizations.weight.0._u'")],
)
def test_what_would_be_lost_is_refused_by_name(data, net, name, as_users_do):
    with pytest.raises(ValueError, match=f"{name}.* changes while the network trains, and would be lost"):
        check_builder(net, data)


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (lambda: nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(64, 10)), "changes its inputs in place"),
        (lambda: Returning(lambda logits, features: logits * torch.nan), "NaN or infinite numbers before any training"),
    ],
)
def test_networks_that_spoil_data_or_give_no_numbers_are_refused(data, net, says, as_users_do):
    before = data.train.images.clone()
    with pytest.raises(ValueError, match=says):
        check_builder(net, data)
    assert torch.equal(data.train.images, before)


def test_chance_of_python_and_numpy_follows_the_seed(data):
    def net():
        module = mlp()
        module[1].bias.data += random.random() + np.random.rand()  # noqa: NPY002
        return module

    before = random.getstate()
    one, again = (ln.fit(net, data, seeds=[3], recipe=RECIPE).thetas for _ in range(2))
    assert torch.equal(one, again)
    assert random.getstate() == before
    chance = []
    for seed in (3, 4):
        with seeded(seed):
            chance.append((random.random(), np.random.rand()))  # noqa: NPY002
    assert all(np.not_equal(*chance))


def test_statistics_of_instance_normalisation_are_refreshed(data):
    def net():  # called twice, and the second time its inputs have mean 0
        norm = nn.InstanceNorm2d(4, track_running_stats=True)
        return nn.Sequential(nn.Conv2d(1, 4, 3), norm, norm, nn.Flatten(), nn.Linear(144, 10))

    runs = ln.fit(net, data, seeds=[0], recipe=RECIPE)
    module = runs.module(runs[0])
    maps = module[0](runs.normalisation_images)
    n = len(maps) // 500 * 500 or len(maps)
    torch.testing.assert_close(module[1].running_mean, maps[:n].mean((0, 2, 3)) / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d, lambda n: nn.InstanceNorm1d(n, affine=True, track_running_stats=True)]
)
def test_networks_brought_in_keep_their_statistics_where_that_is_asked_for(data, norm):
    n = data.train.images[0].numel()

    def net():
        return nn.Sequential(
            nn.Flatten(), nn.Linear(n, 24), nn.Unflatten(1, (4, 6)), norm(4), nn.Flatten(), nn.Linear(24, 10)
        )

    networks = [build(net, seed).train() for seed in range(2)]
    for k, network in enumerate(networks):  # statistics that no training image would give
        network(3.0 + k + data.train.images[:50])
        network.eval()
    law, images = ln.members(net, networks, data, statistics="kept"), data.test.images[:20]
    with torch.no_grad():
        alone = torch.stack([network(images).log_softmax(1) for network in networks])
    assert torch.equal(law.predict(images), alone)
    many = norm is nn.BatchNorm1d  # decisions change, and a warning says so
    with pytest.warns(UserWarning, match="pass statistics='kept'") if many else nullcontext():
        recomputed = ln.members(net, networks, data)
    assert not torch.allclose(recomputed.predict(images), alone, atol=0.01)
    from_file = ln.members(net, [network.state_dict() for network in networks], data, statistics="kept")
    assert ln.state(net, data, runs=from_file, covariates="outputs").evaluation.n == len(networks)  # by its own builder
    assert torch.equal(from_file.thetas, law.thetas)


@pytest.mark.parametrize(
    ("wrap", "note"),
    [
        (lambda sd: {"epoch": 3, "model": sd}, "entry 'model'"),
        (lambda sd: {f"module.{name}": value for name, value in sd.items()}, "What a wrapper puts before the names"),
        (lambda sd: {f"_orig_mod.module.{n}": v for n, v in sd.items()}, "What a wrapper puts before the names"),
        (lambda sd: {"state_dict": {f"model.{n}": v for n, v in sd.items()}}, "entry 'state_dict'"),
        (
            lambda sd: {"n_averaged": torch.tensor(3)} | {f"module.{n}": v.numpy() for n, v in sd.items()},
            "a wrapper puts",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:What a wrapper")
def test_what_is_around_a_state_dict_is_left_out_with_a_note(data, wrap, note):
    module = build(mlp, 3)
    with pytest.warns(UserWarning, match=note):
        law = ln.members(mlp, [wrap(module.state_dict())], data)
    assert torch.equal(law[0], theta_of(module))


def test_networks_that_are_copies_are_refused(data):
    one, other = (build(mlp, seed) for seed in range(2))
    with pytest.raises(ValueError, match="Networks 0 and 2 are identical"):
        ln.members(mlp, [one, other, one.state_dict()], data)


def test_weights_of_another_network_are_refused(data, as_users_do):
    deeper = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 10))
    shallow = lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))  # noqa: E731
    with pytest.raises(ValueError, match=r"holds '3\.weight', which the builder's network lacks"):
        ln.members(shallow, [deeper], data)
    odd = {name: value.to(torch.complex64) for name, value in shallow().state_dict().items()}
    with pytest.raises(ValueError, match=r"'1\.weight' is complex"):
        ln.members(shallow, [odd], data)
    for convert in (lambda x: x.to(torch.complex64), lambda x: x.long(), lambda x: x.view(2, -1)):
        with pytest.raises(ValueError, match=r"Network 0 is .*; θ is one row of real numbers, \[650\]"):
            ln.members(shallow, [convert(theta_of(shallow()))], data)
    for convert, says in (
        (lambda x: x.to(torch.int8), "is torch.int8"), (lambda x: x.to("meta"), "something else than tensors"),
        (lambda x: "none", "something else than tensors"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            ln.members(shallow, [{name: convert(value) for name, value in shallow().state_dict().items()}], data)
    with pytest.raises(ValueError, match=r"tensors: 'state_dict' \(dict\); pass the network's alone, .* '1.bias'"):
        ln.members(shallow, [{"state_dict": {"model.1.weight": torch.ones(1), "loss.weight": torch.ones(1)}}], data)
    both = {"model": shallow().state_dict(), "ema": shallow().state_dict()}
    with pytest.raises(ValueError, match="'model' and 'ema' both hold weights"):
        ln.members(shallow, [both], data)
    with pytest.raises(ValueError, match="The parameter '1.weight' is complex"):
        check_builder(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, dtype=torch.complex64)), data)


def test_trainings_in_several_threads_are_those_of_one(data):
    def net():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 10))

    def one(seed):
        return ln.fit(net, data, seeds=[seed], recipe=RECIPE, progress=False)[0]

    alone = [one(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(torch.equal, pool.map(one, range(4)), alone))


@pytest.mark.parametrize("method", ["swag", "fast_geometric_ensemble"])
@pytest.mark.parametrize("budget", [2.2, 3, 4.2, 5, 6, 7])
def test_a_larger_budget_passes_where_a_smaller_one_does(method, budget):
    x = torch.randn(120, 16, generator=torch.Generator().manual_seed(0))
    part = (x, torch.arange(120) % 2)
    two = ln.dataset(train=part, validation=part, calibration=part, test=part)
    law = ln.METHODS[method](
        lambda: nn.Linear(16, 2), two, budget=budget, recipe=ln.Recipe(epochs=4, batch=16), progress=False
    )
    assert law.cost.trainings <= budget * 1.05  # but for whole steps
