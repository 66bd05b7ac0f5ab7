"""Networks trained side by side, against each trained alone; on an accelerator captured, against started one by one."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lnescape as ln
from lnescape.builders import build
from lnescape.engines import AnyNetwork, SideBySide, engine_for
from lnescape.networks import resnet
from lnescape.weights import theta_of
from tests.test_training import QUICK, Mixed

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


def normalised():
    """A small residual network with batch normalisation."""
    return resnet((1, 8, 8), 10, depth=8, width=4)


@pytest.fixture(scope="module")
def data():
    return ln.load("digits")


def batches(data, n, device):
    images = torch.stack([data.train.images[64 * k : 64 * (k + 1)] for k in range(n)])
    return images.to(device), torch.stack([data.train.labels[64 * k : 64 * (k + 1)] for k in range(n)]).to(device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("builder", [normalised, ReadsBack])
def test_side_by_side_is_each_alone(data, device, builder):
    torch.manual_seed(0)
    alone, together = (kind(build(builder, 0), device=device) for kind in (AnyNetwork, SideBySide))
    thetas = torch.randn(3, len(alone.flat.theta), device=device) / 10
    for step in range(3):  # the second and third replay what the first has captured
        images, labels = batches(data, 3 + step, device)
        losses, gradients = together.loss_and_gradient(thetas, images[step:], labels[step:], F.cross_entropy)
        for row, theta in enumerate(thetas):
            own = images[step + row].unsqueeze(0), labels[step + row].unsqueeze(0)
            loss, gradient = alone.loss_and_gradient(theta.unsqueeze(0), *own, F.cross_entropy)
            torch.testing.assert_close(losses[row], loss[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(gradients[row], gradient[0], rtol=1e-3, atol=1e-5)
        thetas = thetas - 0.01 * gradients


def test_small_steps_are_put_together_and_large_ones_are_not():
    engine = SideBySide(nn.Linear(4, 2))
    assert [engine.together(16, operations) for operations in (1e6, 1e11, 1e15)] == [16, 8, 1]
    assert SideBySide(Mixed()).together(16, 1e6) == 1  # their dropout would share one stream of chance
    assert not engine_for(normalised).many


@needs_accelerator
def test_networks_on_an_accelerator_train_as_on_a_processor(data):
    slowly = replace(QUICK, learning_rate=1e-3)  # a training is chaotic: at full rate the last digits soon decide
    for builder in (normalised, ReadsBack):
        here = ln.fit(builder, data, seeds=range(3), recipe=slowly)
        there = ln.fit(builder, data, seeds=range(3), recipe=slowly, device="cuda")
        begun = torch.stack([theta_of(build(builder, seed)) for seed in range(3)])
        moved = (here.thetas - begun).norm(dim=1)
        assert ((there.thetas.cpu() - here.thetas).norm(dim=1) < 0.05 * moved).all()
