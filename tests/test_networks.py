"""Builders and networks: what is made, and what is refused before any work is done."""

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.engines import LinearChain, engine_for
from lnescape.training import count_operations
from lnescape.weights import check_builder


@pytest.fixture(scope="module")
def data():
    return ln.load("digits")


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_residual_networks_of_every_normalisation_take_small_and_large_images(norm):
    narrow = {"depth": 8, "width": 8}
    for build, options in ((ln.networks.resnet, narrow), (ln.networks.wide_resnet, {"depth": 10, "widen": 1})):
        for shape in ((1, 28, 28), (3, 32, 32)):
            assert build(shape, 7, norm=norm, **options)(torch.randn(2, *shape)).shape == (2, 7)


def test_without_normalisation_every_block_begins_as_its_shortcut():
    block = ln.networks.resnet((3, 32, 32), 10, depth=8, norm="none")[1]
    x = torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(block(x), x)


def test_small_convolutional_network_has_the_size_that_is_stated():
    counted = count_operations(lambda: ln.networks.cnn((3, 32, 32), 10), torch.zeros(3, 32, 32), 10)
    assert counted.forward / 2 == pytest.approx(6e6, rel=0.1)  # a multiply-add counts as two


def test_residual_block_halves_and_carries_the_activated_input():
    torch.manual_seed(0)
    block, x = ln.networks.resnet((3, 32, 32), 10, depth=8, norm="none")[2], torch.randn(2, 16, 8, 8)
    assert block(x).shape == (2, 32, 4, 4)
    torch.testing.assert_close(block(x), block.shortcut(x.relu()))  # the other branch begins at zero


def weight_shared_between_layers():
    chain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    chain[2].weight = chain[0].weight
    return chain


def layer_used_twice():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


def frozen_layer():
    chain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    chain[0].requires_grad_(False)
    return chain


def hooked_layer():
    chain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    chain[0].register_forward_hook(lambda module, given, out: 2 * out)
    return chain


def masked_gradient():
    chain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    chain[0].weight.register_hook(lambda gradient: gradient.tril())
    return chain


def changed_forward():
    chain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    chain[0].forward = lambda x: x + x.new_ones(4)
    return chain


@pytest.mark.parametrize(
    "builder",
    [weight_shared_between_layers, layer_used_twice, frozen_layer, hooked_layer, masked_gradient, changed_forward]
    + [lambda: nn.Sequential()],
)
def test_only_plain_chains_are_batched(builder):
    assert engine_for(lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))).many
    assert not LinearChain.accepts(builder())


def test_unknown_network_names_the_nearest(data):
    with pytest.raises(ValueError, match="did you mean 'resnet'"):
        ln.network("resnt", data)


class OtherAtSecondCall:
    width = 3

    def __call__(self):
        self.width += 1
        return nn.Sequential(nn.Flatten(), nn.Linear(64, self.width), nn.Linear(self.width, 10))


class WithRandomConstant(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.rand(64))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(x.flatten(1) * self.mask)


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (nn.Linear(64, 10), "a function that makes a new one"),
        ("mlp", "not callable"),
        (lambda: 3, "not an nn.Module"),
        (lambda width: nn.Linear(64, width), "without arguments"),
        (nn.Flatten, "no trainable parameters"),
        (OtherAtSecondCall(), "every call must give the same shapes"),
        (WithRandomConstant, "'mask' differs between two calls"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), "has 10 classes"),
        (lambda: nn.Linear(5, 10), r"can't take float32 images of shape \(1, 8, 8\)"),
    ],
)
def test_builders_that_cannot_be_trained_are_refused(as_users_do, data, builder, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_builder(builder, data)
