"""Measured values: data in a unit, losses, laws that predict in it, truths that are known, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag
from sklearn.linear_model import Ridge
from torch import nn

import lnescape as ln
from lnescape.data import DataError
from lnescape.data.inputs import Values
from lnescape.engines import engine_for
from lnescape.laws.law import mixture_of
from lnescape.training import gaussian_nll, squared_error
from lnescape.weights import theta_of

RECIPE = ln.Recipe(epochs=4, batch=32)


def noisy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, values around 20 + 5 sin(2 x) mm, and the standard deviation of their noise, 0.5 to 2.5 mm."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (n, 1)).astype("f4")
    sd = 1.5 + x[:, 0] / 2
    return x, 20 + 5 * np.sin(2 * x[:, 0]) + sd * rng.normal(size=n), sd


def made(n: int = 400, **options) -> ln.Dataset:
    x, y, _ = noisy(n)
    return ln.dataset(train=(x, y), test=(x[:100], y[:100]), calibration=(x[:100], y[:100]), unit="mm", **options)


@pytest.fixture(scope="module", params=[False, True], ids=["squared error", "Gaussian"])
def trained(request):
    data = made()
    return data, ln.fit(ln.network("mlp", data, width=16, variance=request.param), data, seeds=range(2), recipe=RECIPE)


def test_a_data_set_of_values_has_a_unit_and_standardised_targets():
    data = made(classes=["length"])
    assert (data.unit, data.classes, data.n_classes) == ("mm", ("length",), 1)
    assert data.train.labels.shape == (360, 1)
    assert "length in mm" in repr(data)
    assert data.train.labels.mean() == pytest.approx(20, abs=0.5)
    targets = data.train.targets
    assert float(targets.mean()) == pytest.approx(0, abs=1e-6)
    assert float(targets.std(correction=0)) == pytest.approx(1)
    torch.testing.assert_close(
        data.values.in_unit(data.test.targets).float(), data.test.labels
    )  # by the training part alone
    assert ln.load("digits").unit is None
    assert ln.load("digits").values is None


def good(**change):
    x, y, _ = noisy(20)
    return {"train": (x, y), "test": (x, y)} | change


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            good(train=(np.ones((4, 2)), [0.5, np.nan, 1.5, np.inf])),
            "2 of 4 are NaN or infinite, the first is",
        ),
        (good(train=(np.ones((4, 2)), [0, 1, 2, 3]), unit="mm"), "classes have no unit; leave unit='mm' out"),
        (good(train=(np.ones((4, 2)), [0.0, 1.0, 2.0, 3.0])), "for values a unit, unit="),
        (good(train=(np.ones((4, 2)), np.ones((4, 2, 2)) / 2)), r"give \[4\] or \[4, outputs\]"),
        (good(test=(np.ones((4, 1), "f4"), [0, 1, 0, 1])), "test labels are classes, train labels 1 values per input"),
        (good(train=(np.ones((4, 1), "f4"), [0.5] * 4)), "the same for every input"),
        (good(classes=("a", "b")), "2 names for 1 values"),
        (good(unit=("mm", "°")), "there is 1 output; give one text"),
        (good(unit="m\nm"), "give one text in a line"),
    ],
)
def test_values_that_cannot_be_used_are_refused_in_one_sentence(parts, message):
    with pytest.raises(DataError, match=message) as caught:
        ln.dataset(**parts)
    assert "\n" not in str(caught.value)


def test_losses_are_those_of_torch():
    outputs, targets = torch.randn(50, 4, requires_grad=True), torch.randn(50, 2)
    value, ln_variance = outputs.chunk(2, -1)
    expected = nn.functional.gaussian_nll_loss(value, targets, ln_variance.exp())
    torch.testing.assert_close(gaussian_nll(outputs, targets), expected)
    torch.testing.assert_close(squared_error(value, targets), gaussian_nll(torch.cat([value, 0 * value], 1), targets))
    (slope,) = torch.autograd.grad(gaussian_nll(outputs, targets), outputs)  # each term's times its variance
    (plain,) = torch.autograd.grad(expected, outputs)
    torch.testing.assert_close(slope, plain * ln_variance.exp().repeat(1, 2))


def test_chains_of_layers_learn_values_as_any_network_does():
    data = made()
    net = ln.network("mlp", data, width=8)
    chain, plain = (engine_for(net, chains=chains) for chains in (True, False))
    theta, (images, targets) = theta_of(net()).unsqueeze(0), (data.train.images[None], data.train.targets[None])
    for loss in (squared_error, nn.functional.huber_loss):
        found = (engine.loss_and_gradient(theta, images, targets, loss) for engine in (chain, plain))
        for own, other in zip(*found, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_the_loss_follows_from_the_outputs_and_a_wrong_one_is_refused():
    data = made()
    one, two = ln.network("mlp", data, width=4), ln.network("mlp", data, width=4, variance=True)
    losses = [ln.fit(net, data, seeds=[0], recipe=RECIPE).recipe.loss for net in (one, two)]
    assert losses == [squared_error, gaussian_nll]
    with pytest.raises(ValueError, match="two outputs per value, mean and ln variance, and the network gives 1 for 1"):
        ln.fit(one, data, seeds=[0], recipe=ln.Recipe(loss=gaussian_nll))
    with pytest.raises(ValueError, match="Squared error takes 1 outputs, not 2"):
        ln.fit(two, data, seeds=[0], recipe=ln.Recipe(loss=squared_error))
    with pytest.raises(ValueError, match=r"shape \(2, 1\), or \(2, 2\) with a ln variance"):
        ln.fit(lambda: nn.Linear(1, 3), data, seeds=[0])
    with pytest.raises(ValueError, match="these are classes"):
        ln.network("mlp", ln.load("digits"), variance=True)
    flat = ln.fit(lambda: nn.Sequential(nn.Linear(1, 1), nn.Flatten(0)), data, seeds=[0], recipe=RECIPE)  # gives [n]
    assert flat.predict(data.test.images).shape == (1, 100, 1)
    own = ln.fit(one, data, seeds=[0], recipe=ln.Recipe(epochs=1, loss=nn.functional.huber_loss))
    assert own.recipe.identity(data)["loss"] == "huber_loss"


def test_laws_predict_in_the_unit_and_remember_it_in_a_file(trained, tmp_path):
    data, law = trained
    predicted = law.predict(data.test.images)
    value = predicted[..., 0] if law.recipe.loss is gaussian_nll else predicted
    assert value.shape == (2, 100, 1)
    assert predicted.ndim == (4 if law.recipe.loss is gaussian_nll else 3)
    assert float((value.mean(0) - data.test.labels).square().mean().sqrt()) < 0.8 * float(data.test.labels.std())
    with law.lend(law[1]) as module:
        outputs = module(data.test.images)[:, :1]
    in_unit = outputs.detach() * data.values.std + data.values.mean
    torch.testing.assert_close(in_unit.double(), value[1], rtol=0, atol=1e-4)
    law.save(tmp_path / "law.safetensors")
    again = ln.load_law(tmp_path / "law.safetensors", law.net)
    assert torch.equal(again.predict(data.test.images), predicted)
    assert again.values.unit == "mm"
    mixture = mixture_of([replace(law, thetas=law.thetas[k : k + 1]) for k in range(2)], cost=None)
    torch.testing.assert_close(mixture.predict(data.test.images, n=2), predicted)
    brought = ln.members(law.net, [law.module(theta) for theta in law.thetas], data)
    torch.testing.assert_close(brought.predict(data.test.images), predicted)


def test_the_landscape_of_values_shows_loss_and_root_mean_square_error(trained):
    data, law = trained
    seen = ln.along(law, ln.Segment.between(law[0], law[1]), data.test, n=3)
    predicted = law.predict(data.test.images)
    assert seen.accuracy is None
    assert seen.rmse.shape == (3,)
    assert seen.rmse[-1] == pytest.approx(float(ln.scores.rmse(predicted[1:], data.test.labels)), rel=1e-5)
    with law.lend(law[0]) as module:
        loss = law.recipe.loss(module(data.test.images), data.test.targets).item()
    assert seen.loss[0] == pytest.approx(loss, rel=1e-4)


def split(x: np.ndarray, y: np.ndarray, n: int, unit: str) -> ln.Dataset:
    """The first n inputs train; the others are for everything else."""
    rest = (x[n:], y[n:])
    return ln.dataset(train=(x[:n], y[:n]), validation=rest, calibration=rest, test=rest, unit=unit)


def test_ridge_regression_has_no_scatter_over_retrainings():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(140, 3)).astype("f4")
    y = x @ np.array([3.0, -1.0, 0.5]) + rng.normal(size=140) + 7
    data = split(x, y, 100, unit="V")
    recipe = ln.Recipe(epochs=150, batch=100, weight_decay=0.1)
    law = ln.fit(lambda: nn.Sequential(nn.Linear(3, 1)), data, seeds=range(3), recipe=recipe)
    predicted = law.predict(data.test.images).double()
    assert float(predicted.std(0).max()) < 1e-3  # V; values scatter by 3 V
    # The decay acts on the bias as well: one more column of ones, standardised values, n times the decay.
    columns = np.c_[x, np.ones(len(x))]
    truth = Ridge(alpha=100 * 0.1, fit_intercept=False).fit(columns[:100], data.train.targets[:, 0])
    expected = data.values.in_unit(torch.tensor(truth.predict(columns[100:]))[:, None])
    torch.testing.assert_close(predicted.mean(0), expected.double(), rtol=0, atol=1e-3)


def test_random_features_scatter_over_seeds_as_their_closed_form_says():
    # More features than inputs: gradient descent keeps the part of the initial weights that no training input sees, so
    # that a prediction has the variance |(I − P)φ|² s², with s² = 1/(3p) of torch's initialisation, P onto the rows.
    n, p, seeds = 10, 60, 50
    rng = np.random.default_rng(1)
    x, frequency, phase = rng.uniform(-1, 1, (n + 20, 3)), rng.normal(size=(3, p)), rng.uniform(0, 6.3, p)
    phi, y = np.cos(5 * x @ frequency + phase).astype("f4"), x[:, 0] + x[:, 1] ** 2
    # Each training input 20 times: batches still see all directions, and an epoch has 20 steps.
    data = split(np.r_[np.repeat(phi[:n], 20, 0), phi[n:]], np.r_[np.repeat(y[:n], 20), y[n:]], 20 * n, unit="K")
    recipe = ln.Recipe(epochs=15, batch=n, learning_rate=0.03, weight_decay=0)
    law = ln.fit(lambda: nn.Sequential(nn.Linear(p, 1)), data, seeds=range(seeds), recipe=recipe, group=seeds)
    found = law.predict(data.test.images).double().var(0).flatten() / data.values.std**2
    seen, new = (np.c_[part.pixels.double(), np.ones(len(part))] for part in (data.train, data.test))
    rows = np.linalg.svd(seen, full_matrices=False)[2][:n]
    truth = ((new - new @ rows.T @ rows) ** 2).sum(1) / (3 * p)
    # ln s² of 50 seeds has the standard deviation √(2/49): 5 of it over 15 inputs fail in 1 of 10 000 sets of seeds.
    np.testing.assert_allclose(np.log(found.numpy()), np.log(truth), atol=5 * (2 / (seeds - 1)) ** 0.5)


def test_the_gaussian_loss_recovers_noise_that_differs_from_input_to_input():
    x, y, _ = noisy(4000)
    data = ln.dataset(train=(x, y), test=(x[:100], y[:100]), unit="mm")
    law = ln.fit(
        ln.network("mlp", data, width=32, variance=True), data, seeds=range(2), recipe=ln.Recipe(learning_rate=0.03)
    )
    grid = torch.linspace(-1.8, 1.8, 60).unsqueeze(1)
    sd = law.predict(grid)[..., 1].sqrt().mean(0)[:, 0].numpy()
    truth = 1.5 + grid[:, 0].numpy() / 2
    # 70 values near each point tell its standard deviation to 9 %; the network smoothes over more of them.
    assert np.abs(np.log(sd / truth)).mean() < 0.1
    assert np.corrcoef(sd, truth)[0, 1] > 0.9
    new, right, _ = noisy(4000, seed=1)
    share, _ = ln.scores.coverage(law.predict(torch.tensor(new)), torch.tensor(right)[:, None])
    assert float(share) == pytest.approx(0.95, abs=0.02)


def test_laplace_of_a_linear_network_is_the_posterior_of_ridge_regression():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(180, 3)).astype("f4")
    y = x @ np.array([3.0, -1.0, 0.5]) + rng.normal(size=180) + 7
    data = split(x, y, 100, unit="V")
    net, recipe = lambda: nn.Sequential(nn.Linear(3, 1)), ln.Recipe(epochs=100, batch=100, weight_decay=0.02)
    law = ln.laplace(net, data, recipe=recipe)
    columns, z = np.c_[x, np.ones(len(x))].astype(float), data.train.targets[:, 0].double().numpy()
    inverse = np.linalg.inv(columns[:100].T @ columns[:100] + 2 * np.eye(4))
    weights = inverse @ columns[:100].T @ z
    dof = 100 - np.trace(columns[:100].T @ columns[:100] @ inverse)
    covariance = ((z - columns[:100] @ weights) ** 2).sum() / dof * inverse
    mean, found = law.moments(torch.eye(4))
    np.testing.assert_allclose(mean.numpy(), weights, atol=1e-3)
    np.testing.assert_allclose(found.numpy(), covariance, atol=1e-2 * covariance.max())
    # In the unit, of the value without noise, from draws: s of 1000 has a standard deviation of 2.2 %.
    sd = law.predict(data.test.images, n=1000).std(0)[:, 0] / data.values.std
    truth = np.sqrt(np.einsum("ij,jk,ik->i", columns[100:], covariance, columns[100:]))
    np.testing.assert_allclose(sd.numpy(), truth, rtol=0.11)


def test_laplace_where_variances_are_predicted_has_the_precision_of_its_formula(monkeypatch):
    """Λ = Σ diag(1/σ², ½) ⊗ φφᵀ + n K w I, by numpy; of half of the images twice as much, but for their choice."""
    data, recipe = made(), ln.Recipe(epochs=1, batch=32, weight_decay=0.01)
    net = lambda: nn.Sequential(nn.Linear(1, 2))  # noqa: E731
    theta = torch.tensor([0.3, 0.5, 0.1, -0.4])
    runs = ln.members(net, [theta], data)
    phi = np.c_[data.train.images.double(), np.ones(360)]
    s = phi @ [0.5, -0.4]
    blocks = [phi.T @ (w[:, None] * phi) + 3.6 * np.eye(2) for w in (np.exp(-s), np.full(360, 0.5))]
    order = [0, 2, 1, 3]  # weights of both outputs, then their biases
    truth = np.linalg.inv(block_diag(*blocks))[np.ix_(order, order)]
    for images, tolerance in ((10_000, 1e-4), (180, 0.2)):
        monkeypatch.setattr("lnescape.methods.gaussian.N_IMAGES", images)
        found = ln.laplace(net, data, runs=runs, recipe=recipe).moments(torch.eye(4))[1].numpy()
        np.testing.assert_allclose(found, truth, atol=tolerance * truth.max())


@pytest.mark.parametrize(
    ("name", "variance"),
    [("deep_ensemble", True), ("snapshot_ensemble", False), ("fast_geometric_ensemble", False), ("mode_curve", False)]
    + [("learned_subspace", True), ("simplex_ensemble", False), ("simplicial_complex", False), ("swag", True)]
    + [("laplace", True), ("dropout", False)],
)
def test_every_method_makes_a_law_of_values(name, variance):
    x = np.random.default_rng(0).normal(size=(200, 4)).astype("f4")
    data = split(x, 3 * x[:, 0] + x[:, 1] + 20, 160, unit="mm")
    net = ln.network("mlp", data, width=8, variance=variance, **({"dropout": 0.05} if name == "dropout" else {}))
    law = ln.METHODS[name](net, data, recipe=ln.Recipe(epochs=4, batch=16, learning_rate=0.05), progress=False)
    predicted = law.predict(data.test.images, n=2)
    assert predicted.shape == (2, 40, 1, 2)[: 3 + variance]
    assert law.values.unit == "mm"
    found = ln.score(predicted, data.test.labels, unit="mm")
    assert float(found["rmse"]) < float(data.test.labels.std())
    assert ("nll" in found) == variance


def test_a_large_mean_doesnt_swallow_how_networks_differ():
    """Networks of 10 kV ± 1 V are evaluated to a millionth of a volt, though float32 resolves a millivolt there."""
    values = Values(torch.tensor([1e4]), torch.tensor([1.0]), "V")
    outputs = torch.tensor([[[0.0]], [[1e-5]]])
    assert float(values.in_unit(outputs).diff(dim=0)) == pytest.approx(1e-5, rel=1e-6)
