"""What changes a training or a prediction though nothing looks different: it is told apart, refused, or warned of."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.study import StudyError, run_study, running
from lnescape.study.observation import data_and_panel
from lnescape.study.store import CellStore
from lnescape.weights import identity, theta_of
from tests import tiny
from tests.tiny import TINY, narrow, table

RNG = torch.Generator().manual_seed(0)
LABELS = torch.arange(240) % 3
IMAGES = torch.randn(3, 4, generator=RNG)[LABELS] + torch.randn(240, 4, generator=RNG)
DATA = ln.dataset(train=(IMAGES[:160], LABELS[:160]), test=(IMAGES[160:], LABELS[160:]))
QUICK = ln.Recipe(epochs=1, batch=32)


def fit(net, data=DATA, **options):
    return ln.fit(net, data, **({"seeds": [0], "recipe": QUICK, "progress": False} | options))


def plain():
    return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))


def chain(activation=nn.ReLU):
    return nn.Sequential(nn.Linear(4, 8), activation(), nn.Linear(8, 3))


def pinball(tau):
    return lambda z, t: torch.maximum(tau * (t - z), (tau - 1) * (t - z)).mean()


def bounded(most):
    return lambda z, t: (z - t).clamp(-most, most).square().mean()


@pytest.mark.parametrize(("one", "other"), [(pinball(0.1), pinball(0.9)), (bounded(3), bounded(30))])
def test_losses_that_differ_for_some_residuals_only_are_told_apart(one, other):
    values = ln.dataset(train=(IMAGES[:160], IMAGES[:160, :1]), test=(IMAGES[160:], IMAGES[160:, :1]), unit="K")
    names = [ln.Recipe(loss=loss).identity(values) for loss in (one, other, one)]
    assert names[0] == names[2] != names[1]


class Scaled(nn.Module):
    """A network whose last layer begins at zero, and whose constant nothing prints."""

    def __init__(self, factor=1.0, activation=torch.relu):
        super().__init__()
        self.a, self.b, self.factor, self.activation = nn.Linear(4, 8), nn.Linear(8, 3), factor, activation
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)

    def forward(self, x):
        return self.factor * self.b(self.activation(self.a(x)))


def test_networks_that_begin_with_the_same_outputs_are_told_apart(tmp_path):
    some = DATA.train.images[:8]
    nets = [lambda: Scaled(0.1), lambda: Scaled(4.0), lambda: Scaled(0.1, torch.tanh)]
    assert len({identity(net(), some) for net in nets}) == 3
    module = Scaled()
    before = theta_of(module)
    identity(module, some)
    assert torch.equal(theta_of(module), before)
    apart = [fit(net, folder=tmp_path).thetas for net in nets[:2]]
    assert not torch.equal(*apart)


def test_a_training_is_known_by_what_it_sees(tmp_path):
    fit(plain, seeds=range(2), folder=tmp_path)
    more = ln.dataset(train=DATA.train, validation=DATA.validation, test=DATA.test, calibration=DATA.test)
    fit(plain, more, seeds=range(2), folder=tmp_path)
    kept = set(tmp_path.iterdir())
    normalised = ln.dataset(train=(IMAGES[:160], LABELS[:160]), test=(IMAGES[160:], LABELS[160:]), normalise=True)
    assert normalised.checksum == DATA.checksum
    fit(plain, normalised, seeds=range(2), folder=tmp_path)
    assert kept < set(tmp_path.iterdir())


def test_one_seed_more_trains_no_other_again(tmp_path):
    net = ln.network("mlp", DATA, width=8)  # seeds of which train together
    two = fit(net, seeds=range(2), folder=tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    three = fit(net, seeds=range(3), folder=tmp_path)
    assert torch.equal(three.thetas[:2], two.thetas)
    assert len(list(tmp_path.iterdir())) == len(before) + 1
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())


def test_a_statement_refuses_networks_of_other_data():
    runs = fit(plain, seeds=range(2))
    other = ln.dataset(train=(10 * IMAGES[:160], LABELS[:160]), test=(10 * IMAGES[160:], LABELS[160:]))
    with pytest.raises(ValueError, match="trained on other inputs"):
        ln.state(plain, other, runs=runs, progress=False)


def test_parts_of_a_data_set_keep_their_normalisation():
    digits = ln.load("digits")
    parts = {part: getattr(digits, part) for part in ("train", "validation", "calibration", "test")}
    assert torch.equal(ln.dataset(**parts).test.images, digits.test.images)


def test_a_builder_that_seeds_itself_is_warned_of():
    def same():
        torch.manual_seed(42)
        return plain()

    with pytest.warns(UserWarning, match="doesn't include the initialisation"):
        fit(same, seeds=range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(plain, seeds=range(2))


def one_logit():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))


class WithFeatures(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        features = self.a(x).relu()
        return self.b(features), features


def normalised():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))


BINARY = ln.dataset(train=(IMAGES[:160], LABELS[:160].clamp(max=1)), test=(IMAGES[160:], LABELS[160:].clamp(max=1)))


@pytest.mark.parametrize("make", [
    lambda: (one_logit, fit(one_logit, BINARY)),
    lambda: (WithFeatures, fit(WithFeatures, BINARY)),
    lambda: (normalised, ln.members(normalised, [normalised()], BINARY, statistics="kept")),
], ids=["one logit", "a tuple", "kept statistics"])  # fmt: skip
def test_a_law_that_was_saved_predicts_the_same(tmp_path, make):
    net, law = make()
    law.save(tmp_path / "law")
    again = ln.load_law(tmp_path / "law", net)
    assert torch.equal(again.predict(BINARY.test.images), law.predict(BINARY.test.images))


def test_snapshots_that_were_saved_are_still_no_retrainings(tmp_path):
    law = ln.snapshot_ensemble(plain, DATA, budget=1, cycle=0.25, recipe=replace(QUICK, epochs=4), progress=False)
    runs = fit(plain, seeds=[3, 5])
    for one in (law, runs):
        one.save(tmp_path / "law")
        again = ln.load_law(tmp_path / "law", plain)
        assert (again.recipe, again.cost) == (one.recipe, one.cost)
        if one is law:
            with pytest.raises(ValueError, match="are no retrainings"):
                ln.state(plain, DATA, runs=again)
        else:
            assert (again.seeds, again.failed) == (one.seeds, one.failed)


def test_values_in_another_unit_and_a_single_seed_that_is_left_are_refused(monkeypatch):
    mm, inch = (
        ln.dataset(train=(IMAGES[:160], IMAGES[:160, :1]), test=(IMAGES[160:], IMAGES[160:, :1]), unit=unit)
        for unit in ("mm", "in")
    )
    net = lambda: nn.Linear(4, 1)  # noqa: E731
    with pytest.raises(ValueError, match="in 'mm', and the data set is in 'in'; pass the one"):
        ln.state(net, inch, runs=fit(net, mm, seeds=[0, 1]))
    digits = ln.load("digits")
    small = ln.network("mlp", digits, width=4)
    one = replace(fit(small, digits, seeds=[5]), failed={3: 1})
    monkeypatch.setattr("lnescape.statement.call.retrain", lambda *_, **__: one)
    with pytest.raises(ln.TrainingError, match="all but 5 diverged.*give more seeds"):
        ln.state(small, digits, seeds=[3, 5], like=None, recipe=QUICK)


def test_members_compute_what_the_builder_computes():
    with pytest.raises(ValueError, match="computes something else"):
        ln.members(lambda: Tied(torch.relu), [Tied(torch.sin)], DATA)
    with pytest.raises(ValueError, match="are one"):
        ln.members(lambda: Tied(tie=True), [Tied()], DATA)
    assert len(ln.members(Tied, [Tied()], DATA)) == 1


class Tied(nn.Module):
    def __init__(self, activation=torch.relu, tie=False):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(4, n, bias=False) for n in (4, 4, 3))
        self.activation = activation
        if tie:
            self.b.weight = self.a.weight

    def forward(self, x):
        return self.c(self.activation(self.b(self.activation(self.a(x)))))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.h = nn.Embedding(50, 4), nn.Linear(24, 3)

    def forward(self, x):
        return self.h(self.e(x).flatten(1))


@pytest.mark.parametrize(("row", "part"), [(100, "train input"), (200, "input 70 of the test set")])
def test_a_token_without_an_embedding_is_named_before_any_training(row, part, monkeypatch):
    monkeypatch.setattr("lnescape.training.runs.train_group", None)
    tokens = torch.randint(0, 50, (240, 6), generator=torch.Generator().manual_seed(1))
    tokens[row, 2] = 50
    split = {"train": (tokens[:120], LABELS[:120]), "validation": (tokens[120:130], LABELS[120:130])}
    data = ln.dataset(**split, test=(tokens[130:], LABELS[130:]))
    with pytest.raises(ValueError, match=f"can't predict {part}"):
        ln.state(Tokens, data, seeds=range(2), recipe=QUICK, progress=False)


@pytest.mark.parametrize("net", [plain, chain])
def test_what_inference_mode_predicted_predicts_again_outside(net):
    runs = fit(net)
    with torch.inference_mode():
        inside = runs.predict(DATA.test.images)
    outside = runs.predict(DATA.test.images.double())
    np.testing.assert_array_equal(inside, outside)
    with pytest.raises(ValueError, match=r"gives \[9, 2, 3\] for 9|can't take inputs of shape \(2, 4\)"):
        runs.predict(torch.zeros(9, 2, 4))


def changed_table():
    """Give the table of the tiny study with other numbers."""
    data = table()
    return replace(data, test=replace(data.test, pixels=data.test.pixels + 1))


def changed_network(image_shape, n_classes):
    """Make a wider network."""
    return ln.networks.mlp(image_shape, n_classes, width=16)


def normalised_table():
    """Give the table of the tiny study, its features normalised."""
    data = table()
    mean, std = data.train.pixels.mean(0), data.train.pixels.std(0)
    return replace(data, **{part: replace(getattr(data, part), mean=mean, std=std) for part in ("train", "test")})


def changed_activation(image_shape, n_classes):
    """Make a network of as many operations, which prints the same."""
    net = narrow(image_shape, n_classes)
    for layer in net:
        if type(layer) is torch.nn.ReLU:
            layer.forward = torch.tanh
    return net


@pytest.mark.parametrize(("what", "name", "other"), [
    ("data", "tests.tiny:table", changed_table),
    ("data", "tests.tiny:table", normalised_table),
    ("network", "tests.tiny:narrow", changed_network),
    ("network", "tests.tiny:narrow", changed_activation),
])  # fmt: skip
def test_what_a_name_stands_for_must_not_change(tmp_path, monkeypatch, what, name, other):
    data_and_panel.cache_clear()
    scouts = tiny.SCOUTS
    if what == "network":
        scouts = replace(scouts, network=name, options={})
    cells = tuple(scouts.but(method="retrainings", scouts=scouts, seeds=(seed,)) for seed in (0, 1))
    one, both = (replace(TINY, cells=some) for some in (cells[:1], cells))
    assert run_study(one, folder=tmp_path, executor=running.InlineExecutor(), progress=False) == {}
    monkeypatch.setattr(name.replace(":", "."), other)
    data_and_panel.cache_clear()
    refused = f"different {what} under the name '{name}'.*give the changed one another name"
    with pytest.raises(StudyError, match=refused):  # by the store
        run_study(both, folder=tmp_path, executor=running.InlineExecutor(), progress=False)
    monkeypatch.setattr(running, "compute", None)
    with pytest.raises(StudyError, match=refused):  # before anything is computed
        run_study(both, folder=tmp_path, workers=1, progress=False)
    data_and_panel.cache_clear()
    assert len(CellStore(both, tmp_path).missing()) == 1
