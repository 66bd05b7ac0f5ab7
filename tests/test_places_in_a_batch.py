"""A prediction is a function of its input: neither the other inputs of the batch nor its place there change it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.training.prepared import check_builder

CHANCE = torch.Generator().manual_seed(0)
X, Y = torch.randn(240, 12, generator=CHANCE), torch.arange(240) % 3
TOKENS = torch.randint(0, 20, (240, 6), generator=CHANCE)
DATA = ln.dataset(train=(X[:160], Y[:160]), test=(X[160:], Y[160:]))
TEXTS = ln.dataset(train=(TOKENS[:160], Y[:160]), test=(TOKENS[160:], Y[160:]))


class Recurrent(nn.Module):
    """A recurrence in one direction that takes the inputs of a batch for steps in time, where it is told to."""

    def __init__(self, batch_first=True):
        super().__init__()
        self.e, self.r, self.h = nn.Embedding(20, 8), nn.GRU(8, 8, batch_first=batch_first), nn.Linear(8, 3)

    def forward(self, x):
        return self.h(self.r(self.e(x))[0][:, -1])


class Placed(nn.Module):
    """A network that adds 1 to all rows of a batch but the first two, if there are more than so many."""

    def __init__(self, many):
        super().__init__()
        self.h, self.many = nn.Linear(12, 3), many

    def forward(self, x):
        return self.h(x) + ((torch.arange(len(x)) > 1)[:, None] & (len(x) > self.many))


def test_the_place_in_a_batch_that_changes_a_prediction_is_refused():
    for net, data in ((lambda: Recurrent(False), TEXTS), (lambda: Placed(0), DATA)):
        with pytest.raises(ValueError, match="changes with the other inputs of its batch, by"):
            check_builder(net, data)
    check_builder(Recurrent, TEXTS)
    runs = ln.members(lambda: Placed(70), [Placed(70)], DATA)
    runs.predict(X, batch=3)
    with pytest.raises(ValueError, match="other inputs of its batch of 240; build"):
        replace(runs).predict(X)
