"""What a network does in evaluation mode only: weights that are merged, and torch's fast path of attention."""

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.training.prepared import check_builder
from lnescape.weights import FlatNetwork

CHANCE = torch.Generator().manual_seed(0)
X, Y = torch.randn(240, 8, generator=CHANCE), torch.arange(240) % 3
DATA = ln.dataset(train=(X[:160], Y[:160]), test=(X[160:], Y[160:]))


class LowRank(nn.Linear):
    """A frozen layer with a trained correction of low rank, which evaluation mode may merge with it (LoRA)."""

    def __init__(self, merges):
        super().__init__(8, 3)
        self.requires_grad_(False)
        self.a, self.b = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.zeros(3, 2))
        self.merges, self.merged = merges, False

    def train(self, mode=True):
        super().train(mode)
        if self.merges and self.merged == mode:
            self.weight.data += (-1) ** mode * self.b @ self.a
            self.merged = not mode
        return self

    def forward(self, x):
        return super().forward(x) + (0 if self.merged else x @ self.a.T @ self.b.T)


def test_merged_weights_are_refused_and_move_all_the_same():
    torch.manual_seed(0)
    fixed = nn.Linear(8, 3).state_dict()

    def net(merges):
        layer = LowRank(merges)
        layer.load_state_dict(fixed, strict=False)
        return layer

    check_builder(lambda: net(merges=False), DATA)
    with pytest.raises(ValueError, match="'b' gets no gradient in evaluation mode, though .*merge_weights=False"):
        check_builder(lambda: net(merges=True), DATA)
    merging, plain = (FlatNetwork(net(merges)) for merges in (True, False))
    for theta in torch.randn(3, 22):
        for flat in (merging, plain):
            flat.load(theta)
        torch.testing.assert_close(merging.module(X), plain.module(X))
