"""What a network does in evaluation mode only: weights that are merged, and torch's fast path of attention."""

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.covariates.geometry import _count_sketch, _one_by_one, log_odds_of, sketched_gradients
from lnescape.training.prepared import check_builder
from lnescape.weights import FlatNetwork
from tests.test_odd_tensors import DATA, X, Y


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


class Padded(nn.Module):
    """A transformer of torch's own, under a mask of the padding."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.e, self.h = nn.Embedding(30, 8), nn.Linear(8, 3)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True), 1)

    def forward(self, x):
        padding = x == 0
        hidden = self.layers(self.e(x), src_key_padding_mask=padding)
        return self.h(hidden.masked_fill(padding[..., None], 0).sum(1))


TOKENS = torch.randint(1, 30, (200, 6), generator=torch.Generator().manual_seed(0))
TOKENS[::2, 4:] = 0


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_attention_with_padding_has_gradients_at_once_and_no_gates():
    module = Padded().eval()
    with torch.no_grad():  # where torch would take its fast path
        found = sketched_gradients(module, TOKENS[:5], torch.zeros(5).long(), log_odds_of)  # a warning is an error here
    n = sum(p.numel() for p in module.parameters())
    signs = torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    alone = _one_by_one(module, TOKENS[:5], torch.zeros(5).long(), log_odds_of)
    torch.testing.assert_close(found, _count_sketch(alone, signs), rtol=1e-3, atol=1e-5)
    texts = ln.dataset(train=(TOKENS[:160], Y[:160]), test=(TOKENS[160:], Y[160:200]))
    with pytest.raises(ValueError, match="No weights can stand for the dropout layer"):
        ln.dropout(lambda: Padded(0.1), texts, recipe=ln.Recipe(epochs=1, batch=32), progress=False)
    assert torch.backends.mha.get_fastpath_enabled()
