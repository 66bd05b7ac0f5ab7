"""What changes a training without changing one forward pass has another name in the folder that keeps it."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import lnescape as ln
from lnescape.weights import identity

SOME = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A network whose gradients and chance nothing prints."""

    def __init__(self, rate=1.0, skipped=0.0, stops=False):
        super().__init__()
        self.a, self.b, self.skipped, self.stops = nn.Linear(6, 6), nn.Linear(6, 3), skipped, stops
        self.a.weight.register_hook(lambda gradient: rate * gradient)

    def forward(self, x):
        h = x if self.training and torch.rand(()) < self.skipped else x + self.a(x).relu()
        return self.b(h) + self.b(h.detach() if self.stops else h)


def test_hooks_stops_of_gradients_and_rare_chance_are_told_apart():
    nets = [Net(), Net(rate=0.1), Net(stops=True), Net(skipped=0.05), Net(skipped=0.4)]
    names = [identity(net, SOME) for net in nets]
    assert names == [identity(net, SOME) for net in nets]
    assert len(set(names)) == 5
    assert all(p.grad is None for net in nets for p in net.parameters())
    assert len({identity(net, SOME, training=False) for net in nets}) == 1  # by which stored studies know a network


def test_the_weight_of_any_class_is_told_apart():
    x, y = torch.randn(200, 6), torch.arange(200) % 100
    data = ln.dataset(train=(x, y), test=(x, y))
    heavy = torch.ones(100).index_fill_(0, torch.tensor([80]), 20.0)
    losses = [partial(F.cross_entropy, weight=w) for w in (torch.ones(100), heavy)]
    assert len({str(ln.Recipe(loss=loss).identity(data)) for loss in losses}) == 2
