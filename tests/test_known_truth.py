"""One scenario for all laws: θ of a small linear network, whose mean and covariance are known by other means.

Draws are compared with the truth along every parameter and some random directions, mean and variance. The bound is
set so that all comparisons of one law together raise a false alarm once in a million; a factor of two in a law's
variance of the draws is seen each time, as one of the tests shows.
"""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import lnescape as ln
from lnescape.laws.law import mixture_of
from lnescape.laws.noise import Gate
from lnescape.methods import gaussian_of
from lnescape.subspaces import PolyChain, Segment

P, N = 12, 4000  # parameters of the network; draws
FALSE_ALARMS = 1e-6


def net():
    return nn.Linear(3, 3)


def points(n: int, seed: int = 0) -> torch.Tensor:
    """Weights of unlike size, so that no scale is mistaken for another."""
    noise = torch.randn(n, P, generator=torch.Generator().manual_seed(seed))
    return noise * torch.linspace(0.2, 2.0, P) + torch.linspace(-1, 1, P)


def of_coefficients(a: np.ndarray, vertices: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of Σ a_k v_k from equally probable coefficients, [points, K]."""
    thetas = a @ vertices.double().numpy()
    return thetas.mean(0), np.cov(thetas.T, ddof=0)


def times(curve) -> np.ndarray:
    """Coefficients at the middles of many equal intervals of time."""
    return curve.coefficients((torch.arange(200_000) + 0.5) / 200_000).double().numpy()


def members():
    law = ln.Members(net, points(5))
    return law, *of_coefficients(np.eye(5), law.thetas)


def segment():
    law = ln.SubspaceLaw(net, Segment(points(2), 2))
    return law, *of_coefficients(times(law.subspace), law.vectors)


def chain():
    law = ln.SubspaceLaw(net, PolyChain(points(4), 4))
    return law, *of_coefficients(times(law.subspace), law.vectors)


def bezier():
    law = ln.SubspaceLaw(net, ln.Bezier(points(4), 4))
    return law, *of_coefficients(times(law.subspace), law.vectors)


def simplex():
    law = ln.SubspaceLaw(net, ln.Simplex(points(4), 4))
    v = law.vectors.double().numpy()
    return law, v.mean(0), v.T @ stats.dirichlet(np.ones(4)).cov() @ v


def complex_():
    shape = ln.subspaces.SimplicialComplex.joining(points(2), 2).with_vertices(points(4, seed=1))
    law, v = ln.SubspaceLaw(net, shape), points(4, seed=1).double().numpy()
    parts = [v[[mode, 2, 3]] for mode in (0, 1)]
    inner = stats.dirichlet(np.ones(3)).cov()
    means = np.array([part.mean(0) for part in parts])
    return law, means.mean(0), np.mean([p.T @ inner @ p for p in parts], 0) + np.cov(means.T, ddof=0)


def swag():
    """Snapshots are draws of a known Gaussian: half the covariance from each part, as the paper has it."""
    root = np.tril(np.random.RandomState(0).normal(size=(P, P))) / 2
    target = root @ root.T
    draws = torch.from_numpy(np.random.RandomState(1).normal(size=(200_000, P)) @ root.T).float()
    mean, scale, factors = gaussian_of(draws)
    # 200 000 snapshots stand in the factors of the law only through their sum of squares.
    factors = torch.linalg.cholesky(factors.double().T @ factors.double()).T.float()
    law = ln.laws.GaussianLaw(net, mean, scale=scale, factors=factors)
    return law, np.zeros(P), (np.diag(np.diag(target)) + target) / 2


def dropout():
    """Three inputs, each read by three units: all eight patterns, enumerated."""
    theta, rate = points(1)[0], 0.3
    law = ln.laws.DropoutLaw(net, theta, (Gate(0, 3, 3, 1, rate),))
    on = np.array(list(itertools.product([0, 1], repeat=3)))
    weight = np.prod(np.where(on == 1, 1 - rate, rate), 1)
    patterns = theta.double().numpy() * np.concatenate([np.tile(on / (1 - rate), (1, 3)), np.ones((8, 3))], 1)
    mean = weight @ patterns
    return law, mean, (patterns - mean).T @ np.diag(weight) @ (patterns - mean)


def softmax_regression(mixing=torch.eye(3)):  # noqa: B008
    """400 images of a softmax regression with three inputs and three classes."""
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) @ mixing
    labels = (x + torch.randn(400, 3, generator=torch.Generator().manual_seed(1))).argmax(1)
    parts = {"train": (x, labels), "validation": (x[:50], labels[:50]), "calibration": (x[:50], labels[:50])}
    return ln.dataset(**parts, test=(x[:50], labels[:50]), name="softmax regression")


def laplace():
    """The precision is the Hessian of the summed loss and of the prior, by automatic differentiation."""
    data, precision = softmax_regression(), 3.0
    theta = points(1)[0] / 4

    def potential(t):
        logits = data.train.images @ t[:9].view(3, 3).T + t[9:]
        return nn.functional.cross_entropy(logits, data.train.labels, reduction="sum") + precision / 2 * (t @ t)

    hessian = torch.autograd.functional.hessian(potential, theta).double().numpy()
    recipe = ln.Recipe(epochs=1, batch=50)
    law = ln.laplace(net, data, runs=ln.members(net, [theta], data), prior_precision=precision, recipe=recipe)
    return law, theta.double().numpy(), np.linalg.inv(hessian)


def in_parts(structure):
    """The covariance by numpy, of the product of two matrices or of a diagonal, at the best precision of a grid."""
    # Inputs of unlike size that go together: no basis is taken for its transpose.
    mixing = torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.4, 0.3], [0.5, 0.0, 2.0]])
    data, theta = softmax_regression(mixing), points(1)[0] / 4
    phi = np.c_[data.train.images.double().numpy(), np.ones(len(data.train))]
    order = np.r_[[4 * c + j for c in range(3) for j in range(3)], [3, 7, 11]]  # weights, then the bias
    p = torch.softmax(torch.from_numpy(phi) @ torch.from_numpy(_rows(theta)).T, 1).numpy()
    curvature = np.kron(np.diag(p.mean(0)) - p.T @ p / len(p), phi.T @ phi)
    if structure == "diagonal":
        curvature = np.diag(((p * (1 - p)).T @ phi**2).ravel())
    curvature = curvature[np.ix_(order, order)]
    h, squares, grid = (
        np.linalg.eigvalsh(curvature),
        float(theta.double() @ theta.double()),
        np.geomspace(0.1, 100, 20001),
    )
    evidence = P * np.log(grid) - grid * squares - np.log(h[:, None].clip(0) + grid).sum(0)
    runs, recipe = ln.members(net, [theta], data), ln.Recipe(epochs=1, batch=50)
    law = ln.laplace(net, data, runs=runs, prior_precision="marginal likelihood", structure=structure, recipe=recipe)
    covariance = np.linalg.inv(curvature + grid[evidence.argmax()] * np.eye(P))
    return law, theta.double().numpy(), covariance


def _rows(theta):
    return np.c_[theta[:9].view(3, 3).double().numpy(), theta[9:].double().numpy()]


def kronecker():
    return in_parts("Kronecker")


def diagonal():
    return in_parts("diagonal")


def mixed():
    laws = [dropout(), laplace()]
    means = np.array([mean for _, mean, _ in laws])
    covariance = np.mean([own for _, _, own in laws], 0) + np.cov(means.T, ddof=0)
    return mixture_of([law for law, _, _ in laws], cost=None), means.mean(0), covariance


SCENARIO = [members, segment, chain, bezier, simplex, complex_, swag, laplace, kronecker, diagonal, dropout, mixed]


@functools.cache
def known(scenario):
    """A law, its draws, and the true mean and covariance: once for all tests."""
    law, mean, covariance = scenario()
    return law, drawn(law), mean, covariance


def drawn(law) -> np.ndarray:
    if isinstance(law, ln.Members):  # its draws are without replacement; of five points, a tenth of them is enough
        return np.concatenate([next(law.sample(1, seed=seed)).numpy() for seed in range(N // 10)])
    return torch.cat(list(law.sample(N, seed=7))).double().numpy()


def worst(thetas: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """The largest deviation from the truth in any direction, of mean and variance, in standard deviations."""
    directions = np.concatenate([np.eye(P), np.random.RandomState(0).normal(size=(8, P))])
    x = (thetas - mean) @ directions.T
    variance = np.einsum("dp,pq,dq->d", directions, covariance, directions)
    live = variance > 1e-9 * variance.max()
    assert np.abs(x[:, ~live]).max(initial=0) < 1e-3  # where the truth has no spread, the draws have none
    x, variance, n = x[:, live], variance[live], len(x)
    of_mean = x.mean(0) / np.sqrt(variance / n)
    fourth = (x**4).mean(0)
    of_variance = ((x**2).mean(0) - variance) / np.sqrt((fourth - (x**2).mean(0) ** 2) / n)
    return float(np.abs([of_mean, of_variance]).max())


BOUND = stats.norm.isf(FALSE_ALARMS / (2 * 2 * (P + 8)))


@pytest.mark.parametrize("scenario", SCENARIO)
def test_mean_and_covariance_of_the_draws_are_the_known_ones(scenario):
    _, thetas, mean, covariance = known(scenario)
    # SWAG fits its Gaussian to 200 000 draws: 1/20 of the noise of 4 000, which the bound forgives.
    assert worst(thetas, mean, covariance) < BOUND


@pytest.mark.parametrize("scenario", SCENARIO)
def test_what_a_law_states_of_itself_is_the_known_truth(scenario):
    law, _, mean, covariance = known(scenario)
    tolerance = 0.03 if scenario is swag else 1e-4  # five standard deviations of the fit to 200 000 snapshots
    stated_mean, stated = law.moments(torch.eye(P))
    np.testing.assert_allclose(stated_mean, mean, atol=tolerance)
    np.testing.assert_allclose(stated, covariance, atol=tolerance * np.abs(covariance).max())


@pytest.mark.parametrize("scenario", SCENARIO)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_factor_of_two_in_the_variance_is_seen(scenario, factor):
    _, thetas, mean, covariance = known(scenario)
    assert worst(mean + math.sqrt(factor) * (thetas - mean), mean, covariance) > 2 * BOUND


def test_laws_without_spread_are_their_network():
    theta = points(1)[0]
    flat = [
        ln.SubspaceLaw(net, ln.Simplex.around(theta, 3)),
        ln.laws.GaussianLaw(net, theta, scale=torch.zeros(P), factors=torch.zeros(2, P)),
        ln.Members(net, theta[None]),
        ln.laws.Mixture(net, (ln.Members(net, theta[None]), ln.Members(net, theta[None]))),
    ]
    images = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    expected = flat[2].predict(images)[0]
    for law in flat:
        n = 1 if isinstance(law, ln.Members) else 2
        torch.testing.assert_close(law.predict(images, n)[0], expected, rtol=0, atol=1e-6)
        assert float(law.moments(torch.eye(P))[1].abs().max()) < 1e-12


def test_the_components_of_a_mixture_draw_by_chance_of_their_own():
    gaussian = ln.laws.GaussianLaw(net, torch.zeros(P), scale=torch.ones(P))
    one, other = torch.cat(list(ln.laws.Mixture(net, (gaussian, gaussian)).sample(2, seed=1)))
    assert not torch.equal(one, other)
    apart = ln.laws.Mixture(net, (ln.Members(net, points(1)), ln.Members(net, points(1, seed=1))))
    assert len({float(next(apart.sample(1, seed=seed))[0, 0]) for seed in range(8)}) == 2  # the one more is either's


def test_the_order_of_what_is_given_does_not_matter():
    order, directions = torch.tensor([2, 0, 3, 1]), torch.eye(P)
    given = points(4)
    for make in (
        lambda v: ln.Members(net, v),
        lambda v: ln.SubspaceLaw(net, ln.Simplex(v, 4)),
        lambda v: ln.laws.GaussianLaw(net, gaussian_of(v)[0], scale=gaussian_of(v)[1], factors=gaussian_of(v)[2]),
        lambda v: ln.laws.Mixture(net, tuple(ln.laws.GaussianLaw(net, t, scale=torch.ones(P)) for t in v)),
    ):
        for one, other in zip(make(given).moments(directions), make(given[order]).moments(directions), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    images = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    means = [ln.mean_prediction(ln.Members(net, v).predict(images)) for v in (given, given[order])]
    torch.testing.assert_close(*means, rtol=1e-6, atol=1e-7)


def test_every_method_finds_the_one_optimum_of_a_convex_problem():
    """Softmax regression with weight decay: all networks that low loss allows lie close around one known point."""
    from scipy.optimize import minimize

    data, decay = softmax_regression(), 0.05
    x, y = data.train.images.double(), data.train.labels

    def potential(t):
        t = torch.from_numpy(t).requires_grad_()
        loss = nn.functional.cross_entropy(x @ t[:9].view(3, 3).T + t[9:], y) + decay / 2 * (t @ t)
        (slope,) = torch.autograd.grad(loss, t)
        return loss.item(), slope.numpy()

    optimum = minimize(potential, np.zeros(P), jac=True, method="BFGS", tol=1e-8).x
    recipe = ln.Recipe(epochs=60, batch=200, learning_rate=0.3, weight_decay=decay, precision="float32")
    # The loss pulls a vertex with weight E a_k only, and so does weight decay unless it is set otherwise.
    options = {"learned_subspace": {"cosine_weight": 0.0}}
    options |= {"swag": {"exploring": {"learning_rate": 0.01}}, "snapshot_ensemble": {"cycle": 1.0}}
    for name, method in ln.METHODS.items():
        if name == "dropout":  # another loss: held to its own truth above
            continue
        law = method(net, data, budget=3.0, recipe=recipe, progress=False, **options.get(name, {}))
        mean, covariance = law.moments(torch.eye(P))
        assert np.linalg.norm(mean.numpy() - optimum) < 0.05 * np.linalg.norm(optimum), name
        if name != "laplace":
            assert float(covariance.trace()) < 0.05 * float(optimum @ optimum), name
