"""Networks that nobody wrote for this package go through it unchanged; `NETWORKS` is a page of the site, too."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pandas
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.training import count_operations
from lnescape.training.prepared import check_builder
from lnescape.weights import build, theta_of

RECIPE = ln.Recipe(epochs=2, batch=32, learning_rate=0.05, precision="float32")
CHANCE = torch.Generator().manual_seed(0)


def tokens(labels):
    x = torch.randint(0, 20, (len(labels), 6), generator=CHANCE)
    x[:, 0] = 10 * labels + x[:, 0] % 10
    return x


def series(labels):
    return torch.randn(len(labels), 2, 16, generator=CHANCE) + labels[:, None, None]


def features(labels):
    return torch.randn(len(labels), 12, generator=CHANCE) + labels[:, None]


def pictures(labels):
    return torch.randn(len(labels), 1, 6, 6, generator=CHANCE) + labels[:, None, None, None]


@cache
def data(inputs: Callable):
    """Make a small data set of two classes."""
    labels = {"train": 192, "validation": 20, "calibration": 60, "test": 30}
    parts = {part: torch.arange(n) % 2 for part, n in labels.items()}
    return ln.dataset(**{part: (inputs(own), own) for part, own in parts.items()}, name=inputs.__name__)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.place = nn.Embedding(20, 8), nn.Parameter(torch.zeros(6, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.layer(self.embed(x) + self.place).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.LSTM(2, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.cell(x.transpose(1, 2))[0][:, -1])


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(20, 2, mode="mean")

    def forward(self, x):
        return self.bag(x)


def convolution():
    body = nn.Sequential(nn.Conv1d(2, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return nn.Sequential(body, nn.Linear(8, 2))


def normalised():
    first = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU())
    second = nn.Sequential(nn.Conv2d(4, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True), nn.ReLU())
    return nn.Sequential(first, second, nn.Flatten(), nn.Linear(16, 2))


def weight_norm():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(12, 8))
    return nn.Sequential(layer, nn.ReLU(), nn.Linear(8, 2))


def single_logit():
    return nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1))


class Tuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(12, 8), nn.Linear(8, 2)

    def forward(self, x):
        hidden = self.first(x).relu()
        return self.last(hidden), hidden


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.back, self.last = nn.Embedding(20, 8), nn.Linear(8, 20, bias=False), nn.Linear(20, 2)
        self.back.weight = self.embed.weight

    def forward(self, x):
        return self.last(self.back(self.embed(x).mean(1)))


def body():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())


BEFORE = build(body, 7).train()
BEFORE(pictures(torch.arange(50) % 2))  # statistics of its own


class Pretrained(nn.Module):
    """A body trained before, frozen and kept in evaluation mode, and a new last layer."""

    def __init__(self):
        super().__init__()
        self.body, self.last = body(), nn.Linear(64, 2)
        self.body.load_state_dict(BEFORE.state_dict())
        self.body.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x):
        return self.last(self.body(x))


NETWORKS = {
    "attention": (Attention, tokens),
    "recurrent": (Recurrent, series),
    "embedding of tokens": (Bag, tokens),
    "convolution in one dimension": (convolution, series),
    "group and instance normalisation": (normalised, pictures),
    "weight normalisation": (weight_norm, features),
    "a single logit": (single_logit, features),
    "a tuple": (Tuple, features),
    "tied weights": (Tied, tokens),
    "a frozen body, trained before": (Pretrained, pictures),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch, of gradients for each input
def test_every_kind_of_network_goes_through_unchanged(name):
    net, inputs = NETWORKS[name]
    own = data(inputs)
    runs = ln.fit(net, own, seeds=range(2), recipe=RECIPE, progress=False)
    curve = ln.fit_subspace(net, own, ln.Bezier.between(runs[0], runs[1]), recipe=RECIPE, progress=False)
    swag = ln.swag(net, own, runs=runs, budget=3, snapshots=4, recipe=RECIPE, progress=False)
    for law, n in ((runs, 2), (curve, 3), (swag, 4)):
        logp = law.predict(own.test.images, n=n)
        assert logp.shape == (n, 30, 2)
        torch.testing.assert_close(logp.exp().sum(2), torch.ones(n, 30))
    assert ln.state(net, own, runs=runs, progress=False).u.shape == (30,)
    module = runs.module(runs[0]).double()  # the network alone says the same
    with torch.no_grad():
        logits = module(own.test.images if inputs is tokens else own.test.images.double())
    torch.testing.assert_close(logits.float().log_softmax(1), runs.predict(own.test.images)[0], atol=1e-4, rtol=1e-4)


def test_statistics_of_a_body_kept_in_evaluation_mode_stay():
    own = data(pictures)
    runs = ln.fit(Pretrained, own, seeds=[0], recipe=RECIPE, progress=False)
    torch.testing.assert_close(runs.module(runs[0]).body[1].running_mean, BEFORE[1].running_mean)
    state = {name: value + 1.0 for name, value in Pretrained().state_dict().items()}
    with pytest.raises(ValueError, match=r"The constant 'body\.\S+' differs"):
        theta_of(state, like=Pretrained())


class AcrossTheBatch(Attention):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1)


class Chance(Tuple):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x)[0])


@pytest.mark.parametrize(
    ("net", "inputs", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(12, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 2)),
         features, r"changes with the other inputs of its batch, by .*track_running_stats=True"),
        (AcrossTheBatch, tokens, "changes with the other inputs of its batch.*batch_first=True"),
        (Chance, features, "differs at a second call.*no chance act in evaluation mode"),
    ],
)  # fmt: skip
def test_predictions_that_are_no_function_of_the_input_are_refused(net, inputs, message):
    with pytest.raises(ValueError, match=message):
        check_builder(net, data(inputs))


class InLargeBatches(nn.Module):
    """A network whose inputs are centred by those of their batch, where there are more than so many."""

    def __init__(self, many):
        super().__init__()
        self.layer, self.many = nn.Linear(12, 2), many

    def forward(self, x):
        return self.layer(x - x[self.many :].mean(0) if len(x) > self.many else x)


def test_inputs_that_meet_in_large_batches_only_are_refused():
    given = data(features)
    with pytest.raises(ValueError, match="changes with the other inputs of its batch, by"):
        check_builder(lambda: InLargeBatches(8), given)
    runs = ln.members(lambda: InLargeBatches(100), [InLargeBatches(100)], given)
    runs.predict(torch.rand(200, 12), batch=100)
    with pytest.raises(ValueError, match="other inputs of its batch of 200; build"):
        replace(runs).predict(torch.rand(200, 12))


def test_log_probabilities_have_a_loss_of_their_own():
    def net():
        return nn.Sequential(nn.Linear(12, 2), nn.LogSoftmax(1))

    given, quick = data(features), ln.Recipe(epochs=2, batch=16, precision="float32")
    runs = [ln.fit(net, given, seeds=[0], recipe=replace(quick, loss=loss)) for loss in (quick.loss, nn.NLLLoss())]
    torch.testing.assert_close(runs[0].thetas, runs[1].thetas)


def test_recurrence_attention_and_sums_have_a_cost():
    assert count_operations(Recurrent, data(series).train.images[0], 2).forward >= 2 * 16 * 4 * 8 * (2 + 8)
    assert count_operations(Attention, data(tokens).train.images[0], 2).forward > 2 * 6 * 8 * (4 * 8 + 2 * 16)
    assert count_operations(Bag, data(tokens).train.images[0], 2).forward == 2 * 40


INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, ">i4")


def test_labels_of_any_whole_numbers_are_the_same():
    x, y = torch.randn(12, 3), [0, 1, 2] * 4
    given = [y, tuple(y), torch.tensor(y), [torch.tensor(k) for k in y], np.array(y)[::-1][::-1], pandas.Series(y)]
    given += [np.array(y, dtype) for dtype in INTEGERS]
    given += [pandas.Series(y, dtype="Int64"), pandas.Series(y, dtype="category"), pandas.Series(y, dtype=object)]
    for labels in given:
        own = ln.dataset(train=(x, labels), test=(x, labels))
        assert own.n_classes == 3
        assert own.train.labels.dtype == torch.int64
        assert sorted(own.evaluation.labels.tolist()) == sorted(y)


@pytest.mark.parametrize("shape", [(5,), (2, 7), (6, 6), (1, 6, 6), (2, 3, 4, 5)])
@pytest.mark.parametrize("make", [torch.tensor, np.array, lambda x: x[::-1].copy()[::-1]])
@pytest.mark.parametrize(
    ("given", "kept"), [(np.float64, torch.float32), (np.int32, torch.int64), (np.uint8, torch.uint8)]
)
def test_inputs_keep_shape_and_values(shape, make, given, kept):
    x = np.random.default_rng(0).integers(0, 9, (8, *shape)).astype(given)
    own = ln.dataset(train=(make(x), [0, 1] * 4), test=(x.tolist() if kept == torch.int64 else x, [0, 1] * 4))
    assert own.image_shape == shape
    assert own.train.pixels.dtype == own.test.pixels.dtype == kept
    everything = torch.cat([own.train.pixels, own.validation.pixels]).flatten(1).double()
    assert sorted(everything.tolist()) == sorted(x.reshape(8, -1).tolist())
    scale = 255 if kept == torch.uint8 else 1
    expected = torch.tensor(x[:2]) / scale
    torch.testing.assert_close(own.prepare(x[:2]), expected.to(own.train.images.dtype))


def test_a_table_of_pandas_is_a_batch_of_features():
    table = pandas.DataFrame({"a": [0.5, 1.5] * 4, "b": range(8)})
    own = ln.dataset(train=(table, pandas.Series([0, 1] * 4)), test=(table, [0, 1] * 4))
    assert own.image_shape == (2,)


def test_tokens_that_cannot_be_used_are_named():
    with pytest.raises(ValueError, match="normalise=True makes floats of whole numbers; pass floats"):
        ln.dataset(
            train=(torch.ones(8, 3).long(), [0, 1] * 4), test=(torch.ones(8, 3).long(), [0, 1] * 4), normalise=True
        )
    law = ln.members(Bag, [Bag()], data(tokens))
    for wrong in (torch.full((3, 6), 20), torch.rand(3, 6)):
        with pytest.raises(ValueError, match=r"can't take inputs of shape \(6,\)"):
            law.predict(wrong)
    with pytest.raises(ValueError, match="pixels are int64"):
        data(tokens).prepare(torch.rand(3, 6))
