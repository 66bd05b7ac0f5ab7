"""Measured values stated: covariates against closed forms, the statement against the networks, and what is refused."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.covariates import explore, gradient_distance
from lnescape.covariates.explore import JITTER, MOVEMENT_OF_VALUES, jitter, movement, neighbourhood, value
from lnescape.covariates.geometry import FISHER_RIDGE, curvature_of_values
from lnescape.covariates.groups import Traces
from lnescape.weights import build

RECIPE = ln.Recipe(epochs=3, batch=32, learning_rate=0.05)


def table(outputs: int = 2, n: int = 400) -> ln.Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype("f4") * [1, 1, 10, 1]
    y = np.stack([3 * np.sin(x[:, 0]) + x[:, 1], x[:, 2] + 50], 1) + 0.1 * rng.normal(size=(n, 2))
    x, y = x.astype("f4"), y[:, :outputs]
    half = (x[200:300], y[200:300])
    return ln.dataset(train=(x[:200], y[:200]), validation=half, calibration=half, test=(x[300:], y[300:]),
                      unit=("mm", "°")[:outputs], classes=["across", "along"][:outputs])  # fmt: skip


DATA = table()
NET = ln.network("mlp", DATA, width=16)


@pytest.fixture(scope="module")
def runs():
    return ln.fit(NET, DATA, seeds=range(3), recipe=RECIPE, progress=False)


def linear(data: ln.Dataset) -> ln.Members:
    def net():
        return nn.Sequential(nn.Linear(4, data.n_classes))

    return ln.members(net, [net() for _ in range(2)], data)


def test_gradient_distance_of_a_linear_network_is_that_of_its_inputs():
    law, x, images = linear(DATA), DATA.train.images, DATA.test.images[:30]
    for output in (0, 1):
        found = gradient_distance(law, law[0], images, np.full(30, output), training_images=x, seed=0).distance
        columns = np.c_[x.numpy(), np.ones(len(x))].astype(float)
        moment = columns.T @ columns / len(x)
        ridge = FISHER_RIDGE * 2 * np.trace(moment) / 2048  # of the two outputs together, in the sketch's dimensions
        phi = np.c_[images.numpy(), np.ones(30)]
        truth = np.log(np.einsum("ij,jk,ik->i", phi, np.linalg.inv(moment + ridge * np.eye(5)), phi))
        np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-3)


def test_a_stated_variance_is_that_of_the_output_that_is_asked_for():
    """Of a linear network with two values: its covariate, and the curvature ½ e^s φφᵀ of its ln variance s."""
    x, images = DATA.train.images, DATA.test.images[:30]
    net = lambda: nn.Sequential(nn.Linear(4, 4))  # noqa: E731
    law = ln.members(net, [net()], DATA)
    seen = explore.outputs(law, law[0], images, x, chosen=np.arange(30) % 2)
    with law.lend(law[0]) as module, torch.no_grad():
        stated, s = module(images)[range(30), 2 + torch.arange(30) % 2], module(x)[:, 2:]
        found = curvature_of_values(module, x, 2)
    np.testing.assert_allclose(seen[0], stated, rtol=1e-5)
    weights = 2 + 0.5 * s.double().exp().sum(1)  # of both values, and of both ln variances
    assert float(found.trace()) == pytest.approx(float((weights * (1 + x.square().sum(1))).mean()), rel=1e-4)


def test_inputs_are_moved_by_a_tenth_of_each_features_scatter():
    law, images = linear(DATA), DATA.test.images[:20]
    near = jitter(DATA.train.images)(images)
    step = (near - images).squeeze()[:, 0]  # the same for every input
    scatter = step.square().mean(0).sqrt() / DATA.train.images.std(0)
    assert near.shape == (8, 20, 4)
    assert (scatter / JITTER > 0.3).all()
    assert (scatter / JITTER < 2).all()
    chosen = np.zeros(20, int)
    found = neighbourhood(law, law[0], images, chosen, measurand=value, neighbours=jitter(DATA.train.images))
    with law.lend(law[0]) as module:
        moved = (step @ module[0].weight[0].detach() * DATA.values.std[0]).numpy()
    np.testing.assert_allclose(found - found.mean(0), np.tile((moved - moved.mean())[:, None], 20), atol=1e-4)


def test_outputs_are_interleaved_input_by_input():
    one, two = (Traces(np.full((2, 3), k) + np.arange(3.0), chosen=np.full(3, k), values=True, n_classes=2)
                for k in (0, 10))  # fmt: skip
    both = Traces.interleaved([one, two])
    assert both.q[0].tolist() == [0, 10, 1, 11, 2, 12]
    assert both.chosen.tolist() == [0, 10] * 3


def test_a_statement_of_values_is_in_their_unit(runs):
    stated = ln.state(NET, DATA, runs=runs, limits={"across": (-3, 3), "along": (40, 60)}, progress=False)
    predicted = runs.predict(DATA.test.images).double().numpy()
    np.testing.assert_allclose(stated.evaluation.mean, predicted.mean(0), rtol=1e-5)
    assert DATA.unit == stated.units == ("mm", "°")
    assert stated.outputs == ("across", "along")
    assert stated.risk.shape == (100, 2)
    assert "The highest risk:" in str(stated)
    assert stated.facts()["limits"].startswith("across: -3 to 3 mm; along: 40 to 60 °; ")
    table = stated.to_dataframe()
    assert len(table) == 200
    assert list(table["unit"]) == 100 * ["mm", "°"]
    # Ten further retrainings: of 2 000 values, moving together, most must lie in their 95 % intervals.
    more = ln.fit(NET, DATA, seeds=range(10, 20), recipe=RECIPE, progress=False).predict(DATA.test.images).numpy()
    low, high = stated.evaluation.interval(0.95)
    assert ((low <= more) & (more <= high)).mean() > 0.85
    near = {"covariates": ("noise", "neighbourhood"), "neighbours": lambda x: torch.stack([x, 1.1 * x, 0.9 * x])}
    again = ln.state(NET, DATA, runs=runs, progress=False, **near)
    assert again.groups == ("noise", "neighbourhood")
    assert "ln sd over shifts" in again.prior.names


def test_inputs_that_move_together_are_worth_fewer():
    # q = w x of one feature: under any noise all inputs move together, whatever else differs.
    x = torch.linspace(1, 2, 60).unsqueeze(1)
    data = ln.dataset(train=(x, 3 * x + 0.5), test=(x, 3 * x + 0.5), unit="mm")
    law = ln.members(lambda: nn.Linear(1, 1), [nn.Linear(1, 1) for _ in range(2)], data)
    found = movement(law, data.test.images, np.zeros(30, int), measurand=value)
    assert found == pytest.approx(MOVEMENT_OF_VALUES, rel=0.01)


def test_stated_variances_are_a_covariate_of_one_value():
    data = table(outputs=1)
    net = ln.network("mlp", data, width=8, variance=True)
    runs = ln.fit(net, data, seeds=range(2), recipe=RECIPE, progress=False)
    stated = ln.state(net, data, runs=runs, progress=False)
    np.testing.assert_allclose(stated.evaluation.mean, runs.predict(data.test.images)[:, :, 0, 0].mean(0), rtol=1e-5)
    assert "ln stated variance" in stated.prior.names
    assert "classes" not in stated.groups
    assert stated.quantity == "across"
    assert stated.u.shape == (100,)
    assert "mm" in stated.sentence(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": {"across": (3, -3)}}, "wrong order"),
        ({"limits": ([1, 2, 3], [4, 5, 6])}, "for 3 outputs, the predictions for 2"),
        ({"limits": ((-3, 3), (40, 60))}, r"don't say which output they are for; pass \{'across': \(low, high\)"),
        ({"limits": {"cross": (-3, 3)}}, "did you mean 'across'"),
        ({"limits": {"across": (3,)}}, r"limits of 'across' are \(3,\); pass \(low, high\)"),
        ({"limits": {}}, "limits is empty"),
        ({"measurand": ln.retraining.contrast}, "measurand= is for classes"),
        ({"proxies": NET}, "proxies= is for classes"),
        ({"neighbours": torch.clone}, "is for the groups 'neighbourhood'"),
        ({"neighbours": torch.clone, "covariates": ["neighbourhood"]}, r"makes torch.float32 \(2, 4\) of.*kinds"),
        ({"neighbours": lambda x: x.nearest, "covariates": ["neighbourhood"]}, "neighbours fails with AttributeError"),
        ({"seeds": [0]}, "One training shows no spread.*is that of log-odds, and wrong for values"),
    ],
)
def test_what_cannot_be_stated_of_values_is_refused_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        ln.state(NET, DATA, recipe=RECIPE, progress=False, **options)
    assert "\n" not in str(caught.value)


def test_classes_have_no_tolerance_limits():
    data = ln.load("digits")
    with pytest.raises(ValueError, match="these data hold classes"):
        ln.state(ln.network("mlp", data, width=8), data, limits=(0, 1))


def test_the_story_of_the_guide_runs_with_a_table_of_values():
    guide = (Path(__file__).parent.parent / "site" / "guide.md").read_text()
    (story,) = re.findall(r"\*\*Measured values\.\*\*.*?```python\n(.*?)```", guide, re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(story, "guide.md", "exec"), {"ln": ln})
    assert re.search(r"^\d+\.\d+\(\d+\.?\d*\) points$", said.getvalue(), re.MULTILINE)
    assert "outside" in said.getvalue()
    assert "in points" in said.getvalue()


RNG = np.random.default_rng(3)
SPREAD = np.exp(RNG.normal(size=(300, 1)))
TWO = 10 * RNG.normal(size=(300, 2)) + SPREAD * RNG.normal(size=(3, 300, 2))


def test_u_of_several_outputs_has_their_unit_and_depends_on_no_other_input():
    stated = ln.state_arrays(TWO, unit="m", n_eff=100)
    assert np.allclose(ln.state_arrays(TWO * 1e-9, unit="Gm", n_eff=100).u, 1e-9 * stated.u, rtol=1e-9)
    mixed = ln.state_arrays(TWO * [1, 1e6], unit=("m", "µm"), n_eff=100)
    assert np.allclose(mixed.u, stated.u * [1, 1e6], rtol=1e-9)
    few = ln.state_arrays(TWO[:, :10], calibration=TWO, unit="m", n_eff=100)
    odd = np.concatenate([TWO[:, :10], 1000 + TWO[:, :1]], 1)
    assert np.array_equal(ln.state_arrays(odd, calibration=TWO, unit="m", n_eff=100).u[:10], few.u)


def test_copies_of_an_output_are_no_further_inputs():
    copies = np.repeat(TWO[:, :, :1], 8, 2) + 1e-9 * RNG.normal(size=(3, 300, 8))
    one, eight = ln.state_arrays(TWO[:, :, 0], unit="m"), ln.state_arrays(copies, unit="m")
    assert one.prior.n_eff == eight.prior.n_eff == 30
    with pytest.raises(ValueError, match="10 are too few"):
        ln.state_arrays(copies[:, :10], unit="m")


def test_errors_in_different_units_have_no_mean_and_a_constant_value_no_r2():
    values, right = torch.randn(2, 30, 2), torch.randn(30, 2)
    with pytest.raises(ValueError, match="'mm' and 'V' have no mean"):
        ln.score(values, right, unit=("mm", "V"))
    right[:, 1] = 5.0
    assert "r2" not in ln.score(values, right, unit="mm")


DIGITS = ln.load("digits")


def test_a_dead_network_is_stated_with_the_others():
    net = ln.network("mlp", DIGITS, width=8)
    runs = ln.fit(net, DIGITS, seeds=range(2), recipe=RECIPE, progress=False)
    dead = {name: torch.full_like(one, -9.0) for name, one in build(net, 0).state_dict().items()}
    stated = ln.state(net, DIGITS, runs=ln.members(net, [*runs.thetas, dead], DIGITS), progress=False)
    assert np.isfinite(stated.evaluation.scale).all()


def test_gradients_are_held_for_some_inputs_at_a_time(monkeypatch):
    net = ln.network("mlp", DIGITS, width=8)
    runs = ln.fit(net, DIGITS, seeds=[0], recipe=RECIPE, progress=False)
    images, chosen = DIGITS.test.images[:100], np.zeros(100, int)
    known = {"training_images": DIGITS.train.images, "seed": 0, "together": slice(0, 60)}
    whole = gradient_distance(runs, runs[0], images, chosen, **known)
    monkeypatch.setattr("lnescape.covariates.geometry.AT_ONCE", 7)
    parts = gradient_distance(runs, runs[0], images, chosen, **known)
    assert np.allclose(parts.distance, whole.distance, atol=1e-4)
    assert np.allclose(parts.effective_inputs, whole.effective_inputs, rtol=1e-4)


def test_a_survey_gives_the_error_of_each_output_in_its_unit():
    data = table()
    runs = ln.fit(ln.network("mlp", data, width=8), data, seeds=range(2), recipe=RECIPE, progress=False)
    seen = ln.along(runs, ln.Segment.between(runs[0], runs[1]), data.test, n=2, progress=False)
    off = runs.predict(data.test.images) - data.test.labels
    np.testing.assert_allclose(seen.rmse, off.square().mean(1).sqrt(), rtol=1e-4)
