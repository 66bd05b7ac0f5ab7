"""Networks that learn in few operations: their parts, and their recipe against plain PyTorch."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.engines import AnyNetwork
from lnescape.networks import whitening_filters
from lnescape.training import count_operations
from lnescape.training.descent import generator, smaller
from lnescape.weights import build, normalisation_biases, theta_of

SLANTED = ln.Recipe(
    epochs=2, batch=100, learning_rate=0.1, momentum=0.85, weight_decay=1e-2, schedule="slanted",
    precision="float32", bias_rate=16, average_every=3,
)  # fmt: skip


def normed():
    """A small network with batch normalisation, which takes images of any size."""
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4, 10))


def by_hand(data, recipe, seed):
    """Train as a reader would: parameter groups for the biases, Lookahead on a copy of every parameter."""
    module = build(normed, seed).train()
    biases = [module[1].bias]
    others = [p for p in module.parameters() if p is not biases[0]]
    how = {"momentum": recipe.momentum, "nesterov": True}
    groups = [
        {"params": others, "lr": 1.0, "weight_decay": recipe.weight_decay},
        {"params": biases, "lr": recipe.bias_rate, "weight_decay": recipe.weight_decay / recipe.bias_rate},
    ]
    optimiser = torch.optim.SGD(groups, lr=1.0, **how)
    average = [p.detach().clone() for p in module.parameters()]
    n_steps = len(data.train) // recipe.batch
    total = recipe.n_steps(len(data.train))
    for epoch in range(2):
        order = torch.randperm(len(data.train), generator=generator(seed, epoch, "order"))
        for step in range(n_steps):
            done = epoch * n_steps + step + 1
            rate = recipe.learning_rate_at((epoch + step / n_steps) / recipe.epochs)
            for group, factor in zip(optimiser.param_groups, (1, recipe.bias_rate), strict=True):
                group["lr"] = factor * rate
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(data.train.images[rows]), data.train.labels[rows]).backward()
            optimiser.step()
            if done % recipe.average_every == 0 or done == total:
                decay = 0.95**5 * (done / total) ** 3 if done < total else 1.0
                with torch.no_grad():
                    for mean, p in zip(average, module.parameters(), strict=True):
                        mean.mul_(decay).add_(p, alpha=1 - decay)
                        p.copy_(mean)
    return theta_of(module)


def test_biases_at_a_rate_of_their_own_and_averages_are_plain_pytorch(data):
    found = ln.fit(normed, data, seeds=[3], recipe=SLANTED, progress=False)[0]
    torch.testing.assert_close(found, by_hand(data, SLANTED, 3), rtol=1e-4, atol=1e-5)
    assert normalisation_biases(normed()).tolist() == list(range(44, 48))


def test_a_network_sees_images_mirrored_and_small_as_its_recipe_says(data, monkeypatch):
    seen, real = [], AnyNetwork.loss_and_gradient
    monkeypatch.setattr(AnyNetwork, "loss_and_gradient", lambda *a: seen.append(a[2][0].clone()) or real(*a))
    n, images = len(data.train), data.train.images

    def mirrored(flip):
        """Tell, for two epochs of one step, which images were mirrored."""
        seen.clear()
        ln.fit(normed, data, seeds=[0], recipe=replace(SLANTED, batch=n, flip=flip), progress=False)
        orders = [torch.randperm(n, generator=generator(0, epoch, "order")) for epoch in range(2)]
        pairs = [((s == images[o].flip(-1)).flatten(1).all(1), o) for s, o in zip(seen, orders, strict=True)]
        return torch.stack([turned[order.argsort()] for turned, order in pairs])

    alternate, drawn = mirrored("alternate"), mirrored(True)
    assert torch.equal(alternate[0], ~alternate[1])  # both ways in two epochs
    for some in (*drawn, drawn[0] == drawn[1]):  # 1 197 coins, seven standard deviations
        assert 0.4 < some.double().mean() < 0.6
    seen.clear()
    ln.fit(normed, data, seeds=[0], recipe=replace(SLANTED, first_pixels=6), progress=False)
    assert [s.shape[-1] for s in seen] == [6] * 11 + [8] * 11


def test_a_killed_training_goes_on_with_its_average(data, tmp_path, killed_after):
    recipe = replace(SLANTED, flip="alternate", first_pixels=6, shift=1)
    whole = ln.fit(normed, data, seeds=[0, 1], recipe=recipe, progress=False)
    with killed_after(1):
        ln.fit(normed, data, seeds=[0], recipe=recipe, folder=tmp_path, progress=False)
    again = ln.fit(normed, data, seeds=[0], recipe=recipe, folder=tmp_path, progress=False)
    assert torch.equal(again[0], whole[0])


def test_the_slanted_schedule_has_its_three_corners():
    found = [ln.Recipe(schedule="slanted", learning_rate=1.0).learning_rate_at(x) for x in (0.0, 0.23, 1.0)]
    assert found == pytest.approx([0.2, 1.0, 0.07])


def test_small_images_keep_their_mean_and_cost_less(data):
    images = data.train.images[None, :5]
    small = smaller(images, 4)
    assert small.shape == (1, 5, 1, 4, 4)
    torch.testing.assert_close(small.mean((3, 4)), images.mean((3, 4)), rtol=0.1, atol=0.1)
    operations = count_operations(normed, data.train.images[0], 10)
    whole, less = (operations.training(replace(SLANTED, first_pixels=p), 1000) for p in (0, 6))
    steps = [operations.step_at(6), operations.step]
    assert less / whole == pytest.approx(sum(steps) / (2 * steps[1]))


def test_bursts_on_whole_images_cost_more_than_their_share_of_the_epochs(data):
    recipe = replace(SLANTED, first_pixels=6)  # eleven steps on small images, then eleven on whole ones
    stated = ln.state(normed, data, seeds=[0, 1], covariates=["bursts"], recipe=recipe, progress=False)
    operations = count_operations(normed, data.train.images[0], 10)
    plain = 11 * (operations.step_at(6) + operations.step)
    assert stated.further == pytest.approx(2 * 12 * 3 * operations.step / plain)  # a quarter of an epoch: three steps


def test_whitening_filters_whiten():
    images = torch.randn(200, 3, 12, 12, generator=torch.Generator().manual_seed(0)).cumsum(3)
    filters = whitening_filters(images)
    seen = nn.functional.conv2d(images, filters[:12]).transpose(0, 1).flatten(1)
    second = seen @ seen.T / seen.shape[1]
    torch.testing.assert_close(second.diag(), torch.ones(12), rtol=0.05, atol=0.05)
    assert float((second - second.diag().diag()).abs().max()) < 0.01
    assert torch.equal(filters[12:], -filters[:12])


def test_frozen_filters_and_gains_are_no_part_of_theta():
    net = ln.networks.fast_cnn((3, 32, 32), 10, widths=(4, 6, 8))
    names = [name for name, p in net.named_parameters() if not p.requires_grad]
    assert names[0] == "0.weight"
    assert all("norms" in name and name.endswith("weight") for name in names[1:])
    assert net(torch.zeros(2, 3, 24, 24)).shape == (2, 10)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"bias_rate": 2.0, "optimiser": "adamw"}, "needs optimiser='sgd'"),
        ({"average_every": -1}, "average_every must be a whole number of at least 0"),
        ({"flip": "sometimes"}, "not known"),
        ({"first_pixels": -1}, "first_pixels must be a whole number of at least 0"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes, cause):
    with pytest.raises(ValueError, match=cause):
        replace(SLANTED, **{"bias_rate": 1.0, **changes})


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda data: ln.network("fast_cnn", data)(), "need 9 pixels a side, not 8"),
        (lambda data: ln.networks.fast_cnn((3, 32, 32), 10, widths=(8, 8)), "as many numbers as there are widths"),
        (lambda data: ln.networks.fast_cnn((3, 32, 32), 10, narrow=0), "narrow"),
        (
            lambda data: ln.fit(ln.network("mlp", data), data, seeds=[0], recipe=ln.Recipe(first_pixels=4)),
            "can't take images of 4 × 4 pixels.*first_pixels=0",
        ),
        (
            lambda data: ln.fit(normed, data, seeds=[0], recipe=ln.Recipe(first_pixels=8)),
            "must be smaller than the sides",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_cure(make, cause, data):
    with pytest.raises(ValueError, match=cause):
        make(data)


def test_a_narrow_network_has_a_third_of_the_channels_in_eights():
    net = ln.networks.fast_resnet((3, 32, 32), 10, narrow=3)
    assert [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)] == [24, 8, 24, 24, 64, 64]
