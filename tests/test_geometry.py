"""Gradient distance against closed forms, and its three ways of computing gradients against one another."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.covariates import geometry, gradient_distance
from lnescape.covariates.geometry import SKETCH, log_odds_of, sketched_gradients
from lnescape.retraining import log_odds


def mixed():
    """Every kind of layer whose rule is written out; parameters of both kinds, frozen and trained."""
    first = nn.Conv2d(1, 4, 3, stride=2, padding=1)
    first.weight.requires_grad = False
    return nn.Sequential(
        first, nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Flatten(), nn.Linear(20, 10),
    )  # fmt: skip


def test_sketches_one_input_at_a_time_are_the_same_bit_for_bit(data, monkeypatch):
    known = (mixed().eval(), data.test.images[:6], torch.arange(6), log_odds_of)
    together = sketched_gradients(*known)
    monkeypatch.setattr(geometry, "_IN_CACHE", 1)
    assert torch.equal(sketched_gradients(*known), together)


def test_gradients_by_layers_by_vmap_and_one_by_one_agree(data):
    module = mixed().eval()
    images, classes = data.test.images[:6], torch.arange(6)
    found = [way(module, images, classes, log_odds_of) for way in (geometry._by_vmap, geometry._one_by_one)]
    n = sum(p.numel() for p in module.parameters() if p.requires_grad)
    signs = torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    assert geometry._has_rules(module)
    assert found[0].shape == (6, n)
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)
    by_layers = sketched_gradients(module, images, classes, log_odds_of)
    torch.testing.assert_close(by_layers, geometry._count_sketch(found[0], signs), rtol=1e-4, atol=1e-6)


class Probe(nn.Module):
    """A trained head on a fixed body, which is computed without gradient."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(8, 16).requires_grad_(False), nn.Linear(16, 3)

    def forward(self, x):
        with torch.no_grad():
            x = self.body(x).relu()
        return self.head(x)


class Frames(nn.Module):
    """A layer that sees parts of an input as inputs."""

    def __init__(self):
        super().__init__()
        self.each, self.all = nn.Linear(2, 8), nn.Linear(32, 3)

    def forward(self, x):
        return self.all(self.each(x.reshape(-1, 2)).relu().reshape(len(x), -1))


class Cosine(nn.Module):
    """A layer whose weights are used without calling it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3, bias=False)

    def forward(self, x):
        return 5 * nn.functional.linear(x, nn.functional.normalize(self.layer.weight, dim=1))


class Experts(nn.Module):
    """Layers that each read the inputs above a bound, many of them, few or none."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 3) for _ in range(4))

    def forward(self, x):
        out = self.layers[0](x)
        for layer, bound in zip(self.layers[1:], (0.5, 2.2, 9.0), strict=True):
            out = out.index_add(0, (rows := (x[:, 0] > bound).nonzero()[:, 0]), layer(x[rows]))
        return out


class Sorted(nn.Module):
    """A network that sorts its batch, as code for sequences of many lengths does, and puts the rows back."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x):
        order = x[:, 0].argsort()
        return self.layer(x[order])[order.argsort()]


@pytest.mark.parametrize(("make", "n"), [(Probe, 5), (Frames, 5), (Cosine, 5), (Experts, 300), (Sorted, 140)])
def test_where_the_rules_of_layers_do_not_hold_gradients_are_those_of_autograd(make, n):
    torch.manual_seed(0)
    module, images, classes = make().eval(), torch.randn(n, 8), torch.arange(n) % 3
    images[:128, 0].clamp_(max=0)  # these go to no expert
    assert geometry._has_rules(module)
    exact = geometry._one_by_one(module, images, classes, log_odds_of)
    signs = torch.randint(0, 2, (exact.shape[1],), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    found = sketched_gradients(module, images, classes, log_odds_of)
    torch.testing.assert_close(found, geometry._count_sketch(exact, signs), rtol=1e-4, atol=1e-6)


class Words(nn.Module):
    """Embeddings, called twice, of tokens and places and in bags, with the padding 0; one may be the last layer."""

    def __init__(self, mode, tied):
        super().__init__()
        self.words, self.places = nn.Embedding(400, 48, padding_idx=0), nn.Embedding(6, 48)
        self.bag = nn.EmbeddingBag(400, 48, padding_idx=0, mode=mode)
        self.norm, self.last = nn.LayerNorm(48), nn.Linear(48, 400 if tied else 3, bias=False)
        if tied:
            self.last.weight = self.words.weight

    def forward(self, x):
        every = self.words(x) + self.places(torch.arange(6)) + self.words(x[:, :1])
        return self.last(self.norm(every).tanh().sum(1) + self.bag(x))


class Packed(nn.Module):
    """A recurrent network that drops the padding of its batch, so that inputs look up different numbers of rows."""

    def __init__(self):
        super().__init__()
        self.words, self.cell, self.last = nn.Embedding(400, 48), nn.LSTM(48, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        lengths = (x > 0).sum(1)
        x = self.words(x[:, : int(lengths.max())])
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.last(self.cell(packed)[1][0][-1])


@pytest.mark.parametrize(
    ("make", "holds"),
    [(lambda: Words("mean", tied=False), True), (lambda: Words("sum", tied=False), True), (Packed, True),
     (lambda: Words("max", tied=False), False), (lambda: Words("sum", tied=True), False)],
)  # fmt: skip
def test_gradients_of_large_embeddings_are_those_of_autograd(make, holds):
    torch.manual_seed(0)
    module, x, classes = make().eval(), torch.randint(1, 400, (7, 6)), torch.arange(7) % 3
    x[1:5, 3:], x[5, 4:] = 0, x[5, 0]  # padding, and a token several times
    exact = geometry._one_by_one(module, x, classes, log_odds_of)
    signs = torch.randint(0, 2, (exact.shape[1],), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    assert bool(geometry._tables(module, x, classes, log_odds_of, signs)) == holds
    with pytest.warns(UserWarning, match="one input at a time") if make is Packed else nullcontext():
        found = sketched_gradients(module, x, classes, log_odds_of)
    torch.testing.assert_close(found, geometry._count_sketch(exact, signs), rtol=1e-3, atol=1e-4)


def test_the_measurand_is_the_log_odds():
    logits = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logp = logits.log_softmax(0)[None, None].numpy()
    assert float(log_odds_of(logits, torch.tensor(2))) == pytest.approx(float(log_odds(logp, np.array([2]))[0, 0]))


def test_a_network_smaller_than_the_sketch_has_the_distance_of_linear_algebra(data):
    # Softmax regression has 650 parameters: none share a bucket, and gᵀ(F + rI)⁻¹g can be written out.
    net = lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))  # noqa: E731
    law = ln.members(net, [net()], data)
    images, chosen = data.test.images[:20], np.arange(20) % 10
    found = gradient_distance(law, law[0], images, chosen, training_images=data.train.images[:300], seed=0)
    module = law.module(law[0])
    fisher = geometry.fisher_sketch(module, data.train.images[:300], seed=0)
    x = torch.cat([images.flatten(1), torch.ones(20, 1)], 1).double()
    p = module(images).softmax(1).double()
    # ∂q/∂z_k = 1 for the class, −p_k/(1 − p_c) for the others.
    slope = -p / (1 - p[range(20), chosen])[:, None]
    slope[range(20), chosen] = 1.0
    g = torch.cat([(slope[:, :, None] * x[:, None, :64]).flatten(1), slope], 1).detach()
    signs = torch.randint(0, 2, (650,), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    g = nn.functional.pad(g * signs, (0, SKETCH - 650))
    ridge = geometry.FISHER_RIDGE * fisher.trace() / SKETCH
    kernel = g @ torch.linalg.solve(fisher + ridge * torch.eye(SKETCH), g.T)
    np.testing.assert_allclose(found.distance, kernel.diag().log().numpy(), rtol=1e-4)
    correlation = kernel / torch.outer(kernel.diag(), kernel.diag()).sqrt()
    assert found.effective_inputs == pytest.approx(1 / float(correlation.square().mean()), rel=1e-3)
    assert found.trace == pytest.approx(float(fisher.trace()))


def test_a_sketch_keeps_inner_products(data):
    # Relative error of a norm: about √(2/2048), 3 %; 15 % is five standard deviations (false alarm < 1e-5).
    net = ln.network("mlp", data, width=64)
    module = net().eval()
    images, classes = data.test.images[:40], torch.zeros(40, dtype=torch.int64)
    sketch = sketched_gradients(module, images, classes, log_odds_of)
    whole = geometry._by_vmap(module, images, classes, log_odds_of)
    ratio = (sketch @ sketch.T).diag() / (whole @ whole.T).diag()
    assert float((ratio - 1).abs().max()) < 0.15


def test_inputs_that_are_all_the_same_are_worth_one(data):
    net = ln.network("mlp", data, width=8)
    law = ln.members(net, [net()], data)
    images = data.test.images[:1].expand(50, -1, -1, -1)
    how = {"training_images": data.train.images[:200], "seed": 0}
    with pytest.raises(ValueError, match="ridge must be a finite number above 0"):
        gradient_distance(law, law[0], images, np.zeros(50, int), ridge=0, **how)
    same = gradient_distance(law, law[0], images, np.zeros(50, int), **how)
    other = gradient_distance(law, law[0], data.test.images[:50], np.zeros(50, int), **how)
    assert same.effective_inputs == pytest.approx(1.0, rel=1e-4)
    assert 1 < other.effective_inputs <= 50


def test_a_network_that_vmap_cannot_take_is_computed_one_input_at_a_time(data):
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(10, 64, generator=torch.Generator().manual_seed(0)))

        def forward(self, x):
            scale = 2.0 if float(x.sum()) > 0 else 1.0  # reads a number back
            return x.flatten(1) @ self.weight.T * scale

    module = Branching().eval()
    images = data.test.images[:5]
    with pytest.warns(UserWarning, match="one input at a time"):
        found = sketched_gradients(module, images, torch.zeros(5, dtype=torch.int64), log_odds_of)
    assert found.shape == (5, SKETCH)
    assert bool(found.isfinite().all())


def test_the_fisher_matrix_is_that_of_all_images_and_labels(data):
    # Drawn in parts of the size of the gradients: tr F within 2 % of the sum that takes no draws.
    net = ln.network("mlp", data, width=16)
    law = ln.fit(net, data, seeds=range(1), recipe=ln.Recipe(epochs=10), progress=False)
    module, images = law.module(law[0]), data.train.images[:300]
    p = module(images).softmax(1).double().detach()
    every = images.repeat_interleave(10, 0), torch.arange(10).repeat(300)
    rows = sketched_gradients(module, *every, geometry.log_probability_of).double() * p.flatten()[:, None].sqrt()
    exact = rows.T @ rows / 300
    found = geometry.fisher_sketch(module, images, seed=0)
    assert float(found.trace()) == pytest.approx(float(exact.trace()), rel=0.02)
    assert float((found - exact).norm()) < 0.2 * float(exact.norm())
