"""Networks trained side by side, against each trained alone; on an accelerator captured, against started one by one."""

import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lnescape as ln
from lnescape.data.shifts import augment
from lnescape.engines import AnyNetwork
from lnescape.engines.side_by_side import SideBySide
from lnescape.networks import resnet
from lnescape.training import Prepared
from lnescape.weights import build, theta_of
from tests.tiny import QUICK, Mixed

needs_accelerator = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_accelerator)]


class ReadsBack(nn.Module):
    """A network whose forward pass depends on a number that is read back: no graph can hold it."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(64, 10)

    def forward(self, x):
        """Scale the images by a number that the processor computes."""
        return self.last(x.flatten(1) / max(float(x.abs().max()), 1e-6))


class Normed(nn.Module):
    """A network that can't be copied, with a head that holds on to its first self, and chance in training."""

    def __init__(self):
        super().__init__()
        self.first = nn.utils.weight_norm(nn.Linear(64, 8))
        self.last = nn.Linear(8, 10)
        self.head = lambda h: F.linear(h, self.last.weight)

    def forward(self, x):
        """Map images to logits."""
        return self.head(F.dropout(self.first(x.flatten(1)), 0.0, self.training))


def normalised():
    """A small residual network with batch normalisation."""
    return resnet((1, 8, 8), 10, depth=8, width=4)


def batches(data, n, device):
    images = torch.stack([data.train.images[64 * k : 64 * (k + 1)] for k in range(n)])
    return images.to(device), torch.stack([data.train.labels[64 * k : 64 * (k + 1)] for k in range(n)]).to(device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.filterwarnings("ignore:.*weight_norm")
@pytest.mark.parametrize("builder", [normalised, ReadsBack, Normed])
def test_side_by_side_is_each_alone(data, device, builder):
    torch.manual_seed(0)
    alone = AnyNetwork(build(builder, 0), device=device)
    together = SideBySide(build(builder, 0), device=device, again=lambda: build(builder, 0))
    thetas = torch.randn(3, len(alone.flat.theta), device=device) / 10
    for step in range(3):  # where a step can be captured, the second and third are replayed
        images, labels = batches(data, 3 + step, device)
        losses, gradients = together.loss_and_gradient(thetas, images[step:], labels[step:], F.cross_entropy)
        for row, theta in enumerate(thetas):
            own = images[step + row].unsqueeze(0), labels[step + row].unsqueeze(0)
            loss, gradient = alone.loss_and_gradient(theta.unsqueeze(0), *own, F.cross_entropy)
            torch.testing.assert_close(losses[row], loss[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(gradients[row], gradient[0], rtol=1e-3, atol=1e-5)
        thetas = thetas - 0.01 * gradients


def test_other_numbers_of_networks_take_other_buffers(data):
    engine, images = SideBySide(normalised()), batches(data, 3, "cpu")
    thetas = torch.stack([theta_of(build(normalised, seed)) for seed in range(3)])
    loss, _ = engine.loss_and_gradient(thetas, *images, F.cross_entropy)
    first = engine.home(3)
    for n in (2, 3):
        again, _ = engine.loss_and_gradient(first[:n], *(own[:n] for own in images), F.cross_entropy)
        torch.testing.assert_close(again, loss[:n])
    one = engine.loss_and_gradient(engine.home(3)[:1].expand(3, -1), *images, F.cross_entropy)[0]
    torch.testing.assert_close(one[0], loss[0])
    assert not torch.isclose(one[1], loss[1])


def test_a_training_side_by_side_is_each_alone(data, monkeypatch):
    def engine(builder, *, module, chains, **where):
        return SideBySide(module, **where)

    few = replace(QUICK, batch=512)  # few steps: in fifty, a difference in the last digit can grow a million-fold
    alone = ln.fit(normalised, data, seeds=range(3), recipe=few)
    monkeypatch.setattr(sys.modules["lnescape.training.prepared"], "engine_for", engine)
    together = ln.fit(normalised, data, seeds=range(3), recipe=few)
    torch.testing.assert_close(together.thetas, alone.thetas, rtol=1e-3, atol=1e-4)


def test_several_generators_each_move_their_own_part():
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    both, alone = ([torch.Generator().manual_seed(seed) for seed in (1, 2)] for _ in range(2))
    parts = [augment(part, generator=g, shift=2, flip=True) for part, g in zip(images.split(3), alone, strict=True)]
    assert torch.equal(augment(images, generator=both, shift=2, flip=True), torch.cat(parts))


def test_small_steps_are_put_together_and_large_ones_are_not(data, monkeypatch):
    engine = SideBySide(nn.Linear(4, 2))
    assert [engine.together(16, operations) for operations in (0.0, 1e6, 1e11, 1e15)] == [16, 16, 8, 1]
    monkeypatch.setattr(sys.modules["lnescape.training.prepared"], "engine_for", lambda *a, **k: engine)
    for builder, draws in ((normalised, False), (Mixed, True)):  # dropout would share one stream of chance
        prepared = Prepared.of(builder, data, QUICK)
        assert (prepared.operations.draws, prepared.together(16)) == (draws, 1 if draws else 16)


@needs_accelerator
def test_networks_on_an_accelerator_train_as_on_a_processor(data):
    slowly = replace(QUICK, learning_rate=1e-3)  # a training is chaotic: at full rate the last digits soon decide
    for builder in (normalised, ReadsBack):
        here = ln.fit(builder, data, seeds=range(3), recipe=slowly)
        there = ln.fit(builder, data, seeds=range(3), recipe=slowly, device="cuda")
        begun = torch.stack([theta_of(build(builder, seed)) for seed in range(3)])
        moved = (here.thetas - begun).norm(dim=1)
        assert ((there.thetas.cpu() - here.thetas).norm(dim=1) < 0.05 * moved).all()
