"""Builders and networks: what is made, and what is refused before any work is done."""

import itertools
from functools import partial

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.engines import LinearChain, engine_for
from lnescape.training import count_operations
from lnescape.training.prepared import check_builder


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


def chain():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))


NO_PLAIN_CHAIN = {
    "a weight shared between layers": lambda own: setattr(own[2], "weight", own[0].weight),
    "a layer used twice": lambda own: own.__setitem__(2, own[0]),
    "a frozen layer": lambda own: own[0].requires_grad_(False),
    "a hooked layer": lambda own: own[0].register_forward_hook(lambda module, given, out: 2 * out),
    "a masked gradient": lambda own: own[0].weight.register_hook(lambda gradient: gradient.tril()),
    "another forward pass": lambda own: setattr(own[0], "forward", lambda x: x + x.new_ones(4)),
    "no layer": lambda own: own.__delitem__(slice(None)),
}


@pytest.mark.parametrize("change", NO_PLAIN_CHAIN.values(), ids=NO_PLAIN_CHAIN)
def test_only_plain_chains_are_batched(change):
    assert isinstance(engine_for(chain), LinearChain)
    changed = chain()
    change(changed)
    assert not LinearChain.accepts(changed)


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


class Changed(nn.Module):
    """A network that returns what a function makes of inputs and logits."""

    def __init__(self, make):
        super().__init__()
        self.make, self.layer = make, nn.Linear(64, 10)

    def forward(self, x):
        return self.make(x, self.layer(x.flatten(1)))


class Late(nn.Module):
    """A network that makes a layer when it is first used."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        if not hasattr(self, "layer"):
            self.layer = nn.Linear(64, 10)
        return self.gain * self.layer(x.flatten(1))


def untrained():
    module = Changed(lambda x, y: y)
    module.train = lambda mode=True: None
    return module


def shared():
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    module[1].weight.data = module[0].weight.data.T
    return module


def shuffled():
    order = torch.randperm(64).tolist()
    return Changed(lambda x, y, order=order: x.flatten(1)[:, order[:10]] + y)


class Chance(nn.Module):
    """A network with noise of a generator of its own while it trains, or with a schedule that its passes count."""

    def __init__(self, chance):
        super().__init__()
        self.chance, self.layer = chance, nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x.flatten(1) + (self.chance() if self.training else 0))


LOST = "such as an attribute, changes while the network trains, and would be lost"


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
        (lambda: Changed(lambda x, y: y * 1j), "returns numbers of torch.complex.*, alone, first in a tuple"),
        (lambda: Changed(lambda x, y: y.detach()), "'layer.weight' gets no gradient, though .* requires_grad_"),
        (untrained, r"train\(\) returns nothing; end it with `return self`"),
        (shared, "'0.weight' and '1.weight' share memory, but are two parameters; use one in both"),
        (shuffled, "such as an attribute, differs between two calls of the builder; fix its seed"),
        (Late, "'layer.bias' is made by the first prediction; make it in __init__"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, device="meta")), "no layer device='meta'"),
        (lambda: Chance(partial(torch.rand, 1, generator=torch.Generator().manual_seed(0))), LOST),
        (lambda: Chance(partial(next, itertools.count())), LOST),
        (lambda: nn.Linear(5, 10), r"can't take float32 inputs of shape \(1, 8, 8\)"),
    ],
)
def test_builders_that_cannot_be_trained_are_refused(as_users_do, data, builder, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_builder(builder, data)


class Scaled(nn.CrossEntropyLoss):
    """A loss with a parameter."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


def test_losses_with_parameters_are_refused(data):
    with pytest.raises(ValueError, match="loss has parameters, which nothing trains; freeze them"):
        ln.fit(ln.network("mlp", data), data, seeds=[0], recipe=ln.Recipe(loss=Scaled()))
