"""Bad input meets one sentence with cause and cure, before any work is lost; as users meet it, without shape checks."""

import tempfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from tests.tiny import QUICK

pytestmark = pytest.mark.usefixtures("as_users_do")


@pytest.fixture(scope="module")
def net(data):
    return ln.network("mlp", data, width=8)


@pytest.fixture(scope="module")
def runs(net, data):
    return ln.fit(net, data, seeds=range(3), recipe=QUICK)


class Returning(nn.Module):
    """A network of double precision whose forward pass gives what `answer` makes of images and logits."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.layer = answer, nn.Linear(64, 10).double()

    def forward(self, x):
        return self.answer(x, self.layer(x.flatten(1)))


def failing():
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (failing, "fails with ZeroDivisionError: division by zero; call it once by itself"),
        (lambda: nn.Linear("a", 3), "fails with TypeError"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 0), nn.Linear(0, 10)),
            "'1.weight' is empty; give every layer at least one unit",
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "'1.weight' holds no numbers yet"),
        (lambda: Returning(lambda x, y: (str(y), x)), "returns str"),
        (lambda: Returning(lambda x, y: {}["a"]), "KeyError: 'a'"),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.usefixtures("no_training")
def test_builders(data, builder, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ln.fit(builder, data, seeds=[0])


def test_a_network_built_in_double_precision_is_trained_in_single(data):
    try:
        torch.set_default_dtype(torch.float64)
        runs = ln.fit(lambda: Returning(lambda x, y: y), data, seeds=[0, 1], recipe=QUICK)
        for subspace in (ln.Bezier.between(runs[0], runs[1]), ln.Simplex.from_scratch(3)):
            law = ln.fit_subspace(lambda: Returning(lambda x, y: y), data, subspace, recipe=QUICK)
            assert law.vectors.dtype == law.predict(data.test.images, n=2).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert runs.thetas.dtype == torch.float32


def test_names_of_options_and_data(data):
    for request in (lambda: ln.network("mlp", "digits"), lambda: ln.fit(ln.network("mlp", data), "digits", seeds=[0])):
        with pytest.raises(TypeError, match="data are a str; pass what lnescape.load"):
            request()


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (range(0), "No seeds were given"),
        (3.5, "whole numbers from 0 on, such as range"),
        ([0.5], "whole numbers"),
        (None, "whole numbers"),
        ([2**70], "below 2⁶³"),
        (np.array([4, 4]), "Seed 4 is given twice"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_seeds(net, data, seeds, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ln.fit(net, data, seeds=seeds)


def test_seeds_from_arrays_are_plain_numbers(net, data, runs):
    again = ln.fit(net, data, seeds=np.arange(3), recipe=QUICK)
    assert again.seeds == (0, 1, 2)
    assert all(type(seed) is int for seed in again.seeds)
    assert torch.equal(again.thetas, runs.thetas)


@pytest.mark.parametrize(
    "setting",
    [{"batch": 0}, {"batch": 2.5}, {"epochs": "3"}, {"shift": 0.5}, {"learning_rate": float("inf")}]
    + [{"weight_decay": float("nan")}, {"momentum": "0.9"}, {"loss": "nll"}, {"loss": nn.CrossEntropyLoss}],
)
def test_recipes(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"{name}.* must be|an epoch or a part of one"):
        ln.Recipe(**setting)


def each(logits, labels):
    return nn.functional.cross_entropy(logits, labels, reduction="none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": {"epochs": 1}}, "recipe is a dict"),
        ({"recipe": replace(QUICK, loss=each)}, r"returns a tensor \[2\]; it must return the mean"),
        ({"recipe": replace(QUICK, loss=lambda x, y: 1.0)}, "returns a float; it must"),
        ({"recipe": replace(QUICK, loss=lambda x, y: x.detach().sum())}, "with a gradient"),
        ({"recipe": replace(QUICK, loss=lambda x, y: x @ y)}, "it takes logits"),
        ({"recipe": ln.Recipe(batch=10**6)}, "larger than the 1197 training inputs"),
        ({"device": "gpu"}, "device 'gpu'"),
        ({"folder": __file__}, "name a folder that can be written"),
        ({"folder": f"{__file__}/below"}, "name a folder that can be written"),
    ],
)
@pytest.mark.parametrize("what", ["fit", "fit_subspace"])
@pytest.mark.usefixtures("no_training")
def test_requests_to_train(net, data, what, arguments, message):
    simplex = ln.Simplex.from_scratch(3)
    call, rest = {"fit": (ln.fit, {"seeds": [0]}), "fit_subspace": (ln.fit_subspace, {"subspace": simplex})}[what]
    with pytest.raises((TypeError, ValueError), match=message):
        call(net, data, **rest, **arguments)


@pytest.mark.usefixtures("no_training")
def test_a_folder_that_cannot_be_written(net, data, tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError("Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(ValueError, match="Permission denied.*name a folder that can be written"):
        ln.fit(net, data, seeds=[0], folder=tmp_path)


@pytest.mark.parametrize("setting", [{"group": 0}, {"workers": 0}, {"workers": -2}])
def test_workers(net, data, setting):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        ln.fit(net, data, seeds=[0], **setting)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda v: ln.Bezier.between(list(v[0]), list(v[1])), "points θ .* not a list"),
        (lambda v: ln.Segment.between(v, v), "not a tensor"),
        (lambda v: ln.Simplex(list(v), 3), r"use torch.stack"),
        (lambda v: ln.Simplex(v.long(), 3), "not torch.int64"),
        (lambda v: ln.Simplex(v, 4), "of 4 vertices needs a tensor"),
        (lambda v: ln.Simplex.from_scratch(2.5), "n_vertices of a Simplex must be .* at least 2, not 2.5"),
        (lambda v: ln.Simplex.from_scratch(1), "n_vertices of a Simplex must be .* at least 2, not 1"),
        (lambda v: ln.Simplex.around(v), "around a point θ"),
        (lambda v: ln.Segment.from_scratch(3), "has two vertices, not 3"),
        (lambda v: ln.Bezier.between(v[0], v[1], n_control=1.5), "n_control .* at least 1, not 1.5"),
        (lambda v: ln.Simplex(v, 3).at([-0.5, 0.5, 1.0]), "≥ 0 and sum to one"),
        (lambda v: ln.Simplex(v, 3).at([0.5, 0.2, 0.2]), "≥ 0 and sum to one"),
        (lambda v: ln.Simplex(v, 3).at([torch.nan, 0.5, 0.5]), "≥ 0 and sum to one"),
        (lambda v: ln.Bezier.from_scratch(3).length(), "no vertices yet"),
        (lambda v: ln.Simplex.from_scratch(3).log_volume(), "no vertices yet"),
    ],
)
def test_subspaces(request_, message):
    with pytest.raises((TypeError, ValueError), match=message):
        request_(torch.eye(3, 5))


@pytest.mark.parametrize(
    ("subspace", "options", "message"),
    [
        (ln.Simplex, {}, "Simplex isn't a subspace"),
        (ln.Simplex.from_scratch(2), {"seed": -1}, "whole numbers from 0"),
        (ln.Simplex.from_scratch(2), {"cosine_weight": -1.0}, "must be a finite number of at least 0"),
        (ln.Simplex.from_scratch(2), {"volume_weight": float("nan")}, "must be a finite number of at least 0"),
        (ln.Simplex.from_scratch(2), {"plain": 3}, "plain is an int"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_subspaces_to_learn(net, data, subspace, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ln.fit_subspace(net, data, subspace, **options)


@pytest.mark.parametrize("kind", ["chain", "any"])
def test_predictions(kind, net, data, runs):
    small = partial(ln.networks.cnn, (1, 8, 8), 10)
    law = runs if kind == "chain" else ln.members(small, [small()], data)
    images = data.test.images
    bad = {"NaN": images * torch.nan, "none at all": images[:0], "uint8": data.test.pixels, "ndarray": images.numpy()}
    bad |= {r"can't take inputs of shape \(1, 28, 28\)": torch.rand(5, 1, 28, 28), "not Split": data.test}
    for message, given in bad.items():
        with pytest.raises((TypeError, ValueError), match=f"{message}.*data.test.images"):
            law.predict(given)
    with pytest.raises(ValueError, match="batch must be a whole number of at least 1"):
        law.predict(images, batch=0)
    subspace = ln.SubspaceLaw(law.net, ln.Simplex(law[:1].repeat(3, 1), 3))
    for n in (0, 2.5, None):
        with pytest.raises(ValueError, match="how many networks"):
            subspace.predict(images, n=n)


def test_networks_from_elsewhere(net, data):
    with pytest.raises(TypeError, match="is a str"):
        ln.members(net, ["a.pt"], data)


def test_files_of_laws(net, runs, tmp_path):
    with pytest.raises(ValueError, match="cannot write .*name a folder that can be written"):
        runs.save(tmp_path)
    with pytest.raises(ValueError, match="missing"):
        ln.load_law(tmp_path / "absent", net)
    runs.save(tmp_path / "made" / "law.safetensors")
    assert len(ln.load_law(tmp_path / "made" / "law.safetensors", net)) == 3


def test_landscapes(data, runs):
    line, part = ln.Segment.between(runs[0], runs[1]), data.test
    simplex = ln.Simplex(runs.thetas, 3)
    for request, message in (
        (lambda: ln.along(runs, line, part, n=1), "n must be a whole number of at least 2"),
        (lambda: ln.along(runs, line, part.images), "pass a part of the data"),
        (lambda: ln.along(runs, line, data.foreign), "have no labels"),
        (lambda: ln.survey(runs, runs[0], part), rf"Points have shape \[{len(runs[0])}\]; give"),
        (lambda: ln.survey(runs, torch.zeros(2, 5), part), "Points have shape"),
        (lambda: ln.plane(runs, runs[:3], part, n=1), "n must be a whole number of at least 2"),
        (lambda: ln.triangle(runs, line, part), "is a Simplex, not a Segment"),
        (lambda: ln.triangle(runs, simplex, part, n=1), "n must be a whole number of at least 2"),
        (lambda: ln.barrier(np.zeros(3), np.zeros(4)), "one loss for each time"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            request()


def test_training_that_diverges_in_its_last_step_or_through_its_volume(net, data, runs):
    one_step = replace(
        QUICK, epochs=1, batch=len(data.train), schedule="constant", learning_rate=1e38, weight_decay=1e3
    )
    with pytest.raises(ln.TrainingError, match="seed 0 at step 0"):
        ln.fit(net, data, seeds=[0], recipe=one_step)
    with pytest.raises(ln.TrainingError, match="lower the learning rate"):
        ln.fit_subspace(net, data, ln.Simplex.around(runs[0], 3), recipe=replace(QUICK, learning_rate=1e6))
