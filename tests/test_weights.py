"""θ and the flat buffer: nothing that the user's module computes may change."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from lnescape.weights import FlatNetwork, refresh_normalisation, theta_of
from tests.tiny import Mixed


class Shared(Mixed):
    """A user's module with a frozen weight, too."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Parameter(torch.ones(10), requires_grad=False)

    def forward(self, x):
        return super().forward(x) * self.frozen


def same_module(layout=torch.contiguous_format):
    torch.manual_seed(0)
    return Shared().to(memory_format=layout)


def test_theta_holds_each_trainable_parameter_once_in_order():
    module = same_module()
    expected = torch.cat([p.detach().flatten() for n, p in module.named_parameters() if n != "frozen"])
    assert torch.equal(theta_of(module), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("copied", [False, True])
def test_flat_module_computes_what_the_module_computes(layout, copied):
    module = same_module()
    flat = FlatNetwork(same_module(layout))
    flat = deepcopy(flat) if copied else flat
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 10, (8,))
    for one in (module, flat.module):
        one.train()
        torch.manual_seed(1)
        nn.functional.cross_entropy(one(x), y).backward()
    expected = torch.cat([p.grad.flatten() for p in module.parameters() if p.requires_grad])
    torch.testing.assert_close(flat.gradient, expected)
    flat.theta.zero_()
    assert all(not p.any() for p in flat.module.parameters() if p.requires_grad)


def test_refresh_makes_the_statistics_a_function_of_theta_and_the_images():
    flat, images = FlatNetwork(same_module()), torch.randn(64, 1, 8, 8)
    flat.module.train()(torch.randn(64, 1, 8, 8) * 7)  # leaves foreign statistics behind
    assert flat.load(flat.theta.clone(), images) == 64
    seen = flat.module.conv(images)
    torch.testing.assert_close(flat.module.norm.running_mean, seen.mean((0, 2, 3)))
    torch.testing.assert_close(flat.module.norm.running_var, seen.var((0, 2, 3)))
    assert not flat.module.training
    assert flat.module.norm.momentum == 0.1


def test_refresh_is_an_average_over_whole_batches_without_dropout():
    module = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3))
    images = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert refresh_normalisation(module, images, batch=2) == 4
    torch.testing.assert_close(module[1].running_mean, images[:4].mean(0))
    torch.testing.assert_close(module[1].running_var, (images[:2].var(0) + images[2:4].var(0)) / 2)
    alone = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    assert refresh_normalisation(alone, None) == 0
    assert not alone.training


def test_refresh_without_images_is_refused():
    with pytest.raises(ValueError, match="give the law inputs"):
        refresh_normalisation(same_module(), None)


def test_state_dict_and_module_give_the_same_theta():
    module = same_module()
    torch.manual_seed(9)
    other = Shared()
    torch.testing.assert_close(theta_of(module.state_dict(), other), theta_of(module))
    state = module.state_dict() | {"scale": torch.tensor(2.0)}
    with pytest.raises(ValueError, match="constant 'scale' differs"):
        theta_of(state, other)
    with pytest.raises(ValueError, match="lacks 'out.bias'"):
        theta_of({k: v for k, v in module.state_dict().items() if k != "out.bias"}, other)


def test_permuting_hidden_units_leaves_predictions_unchanged():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3))
    x, order = torch.randn(50, 5), torch.randperm(20)
    permuted = deepcopy(net)
    permuted[0].weight.data, permuted[0].bias.data = net[0].weight[order], net[0].bias[order]
    permuted[2].weight.data = net[2].weight[:, order]
    assert not torch.equal(theta_of(net), theta_of(permuted))
    torch.testing.assert_close(net(x), permuted(x))
