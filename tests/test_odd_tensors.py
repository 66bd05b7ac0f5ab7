"""Tensors beside plain weights: complex and frozen ones, statistics, views of a weight, and those of TorchScript."""

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.results import ResultError
from lnescape.training.prepared import check_builder

CHANCE = torch.Generator().manual_seed(0)
X, Y = torch.randn(240, 8, generator=CHANCE), torch.arange(240) % 3
DATA = ln.dataset(train=(X[:160], Y[:160]), test=(X[160:], Y[160:]))


class Turned(nn.Module):
    """A layer that turns pairs of features by fixed angles, as rotary embeddings do."""

    def __init__(self, step=1.0):
        super().__init__()
        self.register_buffer("turns", torch.polar(torch.ones(4), step * torch.arange(4.0)))

    def forward(self, x):
        return torch.view_as_real(torch.view_as_complex(x.unflatten(1, (4, 2))) * self.turns).flatten(1)


def rotated(step=1.0):
    return nn.Sequential(Turned(step), nn.Linear(8, 3))


def test_complex_constants_keep_both_parts():
    nets = [rotated(), rotated()]
    law = ln.members(rotated, nets, DATA)
    torch.testing.assert_close(law.predict(X), torch.stack([net(X).log_softmax(1) for net in nets]).detach())
    with pytest.raises(ValueError, match="The constant '0.turns' differs"):
        ln.members(rotated, [rotated(0.5).state_dict()], DATA)
    with pytest.raises(ValueError, match="'1.bias' is complex in the state dict"):
        ln.members(rotated, [{**nets[0].state_dict(), "1.bias": torch.ones(3) * 1j}], DATA)


class Activated(nn.BatchNorm1d):
    """A normalisation layer that holds the activation behind it, as timm's do."""

    def forward(self, x):
        return super().forward(x).relu()


def test_statistics_of_layers_that_do_more_are_not_kept():
    def net():
        return nn.Sequential(nn.Linear(8, 6), Activated(6), nn.Linear(6, 3))

    with pytest.raises(ValueError, match="torch's own normalisation layers, and Activated isn't one; use nn.BatchNorm"):
        ln.members(net, [net().state_dict()], DATA, statistics="kept")


def test_a_law_is_read_with_the_frozen_weights_that_it_was_made_with(tmp_path):
    def net(scale=1.0, turned=1.0):
        body = nn.Linear(8, 6, bias=False).requires_grad_(False)
        nn.init.constant_(body.weight, scale)
        body.register_buffer("mask", torch.full((2,), -torch.inf))
        return nn.Sequential(Turned(turned), body, nn.BatchNorm1d(6), nn.Linear(6, 3))

    ln.members(net, [net(), net()], DATA).save(tmp_path / "law")
    ln.load_law(tmp_path / "law", lambda: net(1 + 1e-7))
    for other in (lambda: net(1.01), lambda: net(turned=1.01)):
        with pytest.raises(ResultError, match="other frozen weights or buffers than the builder's; pass the builder"):
            ln.load_law(tmp_path / "law", other)


class Tied(nn.Linear):
    """A layer whose output goes back through its weight, which it keeps as a view or takes when it is called."""

    def __init__(self, keep):
        super().__init__(8, 3)
        keep(self)

    def forward(self, x):
        return super().forward(x) @ (self.back if hasattr(self, "back") else self.weight.T)[:3]


@pytest.mark.parametrize("keep", [
    lambda own: setattr(own, "back", own.weight.detach().t()),
    lambda own: own.register_buffer("back", own.weight.detach().t()),
])  # fmt: skip
def test_a_view_of_a_weight_that_would_not_follow_it_is_refused(keep):
    check_builder(lambda: Tied(lambda own: None), DATA)
    with pytest.raises(ValueError, match="'back' shares memory with the parameter 'weight', and would not follow it"):
        check_builder(lambda: Tied(keep), DATA)


@pytest.mark.filterwarnings("ignore:.*jit.script")
def test_torchscript_is_refused():
    with pytest.raises(TypeError, match="returns TorchScript, which has no gradient for each input; return its nn.Mod"):
        check_builder(lambda: torch.jit.script(nn.Linear(8, 3)), DATA)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_statistics_that_the_builder_moves_are_no_constants():
    def lazy():
        net = nn.Sequential(nn.LazyLinear(6), nn.LazyBatchNorm1d(), nn.LazyLinear(3))
        net(torch.zeros(4, 8))
        return net

    def orthogonal(**options):
        return nn.Sequential(nn.utils.parametrizations.orthogonal(nn.Linear(8, 8), **options), nn.Linear(8, 3))

    check_builder(lazy, DATA)
    with pytest.raises(ValueError, match="differs between two calls of the builder; pass use_trivialization=False"):
        check_builder(orthogonal, DATA)
    check_builder(lambda: orthogonal(use_trivialization=False), DATA)
