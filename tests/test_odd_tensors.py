"""Tensors that a network holds beside plain weights: complex numbers."""

import pytest
import torch
from torch import nn

import lnescape as ln

CHANCE = torch.Generator().manual_seed(0)
X, Y = torch.randn(240, 8, generator=CHANCE), torch.arange(240) % 3
DATA = ln.dataset(train=(X[:160], Y[:160]), test=(X[160:], Y[160:]))


class Rotated(nn.Module):
    """A network that turns pairs of features by fixed angles, as rotary embeddings do."""

    def __init__(self, step=1.0):
        super().__init__()
        self.h = nn.Linear(8, 3)
        self.register_buffer("turns", torch.polar(torch.ones(4), step * torch.arange(4.0)))

    def forward(self, x):
        return self.h(torch.view_as_real(torch.view_as_complex(x.unflatten(1, (4, 2))) * self.turns).flatten(1))


def test_complex_constants_keep_both_parts():
    nets = [Rotated(), Rotated()]
    law = ln.members(Rotated, nets, DATA)
    torch.testing.assert_close(law.predict(X), torch.stack([net(X).log_softmax(1) for net in nets]).detach())
    with pytest.raises(ValueError, match="The constant 'turns' differs"):
        ln.members(Rotated, [Rotated(0.5).state_dict()], DATA)
    with pytest.raises(ValueError, match="'h.bias' is complex in the state dict"):
        ln.members(Rotated, [{**nets[0].state_dict(), "h.bias": torch.ones(3) * 1j}], DATA)


class Activated(nn.BatchNorm1d):
    """A normalisation layer that holds the activation behind it, as timm's do."""

    def forward(self, x):
        return super().forward(x).relu()


def test_statistics_of_layers_that_do_more_are_not_kept():
    def net():
        return nn.Sequential(nn.Linear(8, 6), Activated(6), nn.Linear(6, 3))

    with pytest.raises(ValueError, match="torch's own normalisation layers, and Activated isn't one; use nn.BatchNorm"):
        ln.members(net, [net().state_dict()], DATA, statistics="kept")
