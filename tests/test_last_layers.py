"""The last linear layer of a network: what it reads, and whether its output is the network's."""

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.covariates.explore import outputs
from lnescape.weights import last_layer, with_features
from tests.test_odd_tensors import X, Y

DATA = ln.dataset(train=(X[:100], Y[:100]), test=(X[180:], Y[180:]), calibration=(X[100:180], Y[100:180]))


class Last(nn.Module):
    """A network that reads its batch by a last layer in one way or another."""

    def __init__(self, read):
        super().__init__()
        self.first, self.last, self.read = nn.Linear(8, 6), nn.Linear(6, 3), read

    def forward(self, x):
        return self.read(self.last, self.first(x).relu())


def positive(layer, x):
    out, rows = x.new_zeros(len(x), 3), x[:, 0] > 0
    out[rows] = layer(x[rows])
    return out


def of_points(layer, x):
    return layer(x[:, None].expand(-1, 2, -1).flatten(0, 1)).view(-1, 2, 3).sum(1)


def sorted_first(layer, x):
    order = x[:, 0].argsort()
    return layer(x[order])[order.argsort()]


@pytest.mark.parametrize("read", [positive, of_points, sorted_first])
def test_rows_that_are_no_inputs_in_their_order_are_no_features(read):
    net, plain = (lambda: Last(read)), (lambda: Last(lambda layer, x: layer(x)))
    if read is not sorted_first:
        logits, features = with_features(module := net(), X)
        torch.testing.assert_close(logits, module(X).detach())
        assert features is None
    assert with_features(plain(), X)[1].shape == (240, 6)
    for builder, missing in ((net, True), (plain, False)):
        law = ln.members(builder, [builder()], DATA)
        assert np.isnan(outputs(law, law[0], X, X)[2]).all() == missing


def test_a_network_without_features_is_stated():
    net = lambda: Last(of_points)  # noqa: E731
    runs = ln.members(net, [net(), net()], DATA)
    assert ln.state(net, DATA, runs=runs, covariates="outputs", progress=False).u.shape == (60,)


def test_logits_that_were_changed_in_place_are_no_layers_output():
    assert last_layer(Last(lambda layer, x: layer(x)), X) is not None
    assert last_layer(Last(lambda layer, x: layer(x).mul_(10.0)), X) is None
    with pytest.raises(ValueError, match="doesn't end in a linear layer"):
        ln.laplace(lambda: Last(lambda layer, x: layer(x).mul_(10.0)), DATA, recipe=ln.Recipe(epochs=1, batch=32))


@pytest.mark.usefixtures("as_users_do")
def test_without_weight_decay_the_precision_of_the_last_layer_is_given(data):
    net, recipe = ln.network("mlp", data, width=8), ln.Recipe(epochs=1, weight_decay=0.0)
    with pytest.raises(ValueError, match="Without weight decay the prior precision is 0; pass prior_precision="):
        ln.laplace(net, data, recipe=recipe)
    with pytest.raises(ValueError, match="did you mean 'marginal likelihood'"):
        ln.laplace(net, data, recipe=recipe, prior_precision="marginal")
    assert ln.laplace(net, data, recipe=recipe, prior_precision=1.0).factors is not None
