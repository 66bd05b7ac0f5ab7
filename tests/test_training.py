"""One training loop, held against plain PyTorch, step for step; seeds, resuming, bad input."""

import threading
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.training.descent import generator
from lnescape.training.recipe import count_operations
from lnescape.weights import build, theta_of
from tests.tiny import QUICK, Mixed


def plain_pytorch(net, data, seed, recipe):
    """The training that every reader would write by hand."""
    module = build(net, seed).train()
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(
            module.parameters(), recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    else:
        optimiser = torch.optim.AdamW(module.parameters(), betas=(0.9, 0.999), weight_decay=recipe.weight_decay)
    n_steps = len(data.train) // recipe.batch
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(data.train), generator=generator(seed, epoch, "order"))
        with torch.random.fork_rng():
            torch.manual_seed(generator(seed, epoch, "dropout").initial_seed())
            for step in range(n_steps):
                rows = order[step * recipe.batch : (step + 1) * recipe.batch]
                for group in optimiser.param_groups:
                    group["lr"] = recipe.learning_rate_at((epoch + step / n_steps) / recipe.epochs)
                optimiser.zero_grad()
                nn.functional.cross_entropy(module(data.train.images[rows]), data.train.labels[rows]).backward()
                optimiser.step()
    return theta_of(module)


@pytest.mark.parametrize(
    ("net", "optimiser", "rate"),
    [
        (lambda: ln.networks.mlp((1, 8, 8), 10, width=16), "sgd", 0.1),
        # Adam divides by the gradient's size, so that biases before a normalisation would follow rounding noise.
        (lambda: ln.networks.mlp((1, 8, 8), 10, width=16), "adamw", 0.01),
        (lambda: Mixed().to(memory_format=torch.channels_last), "sgd", 0.1),
        (Mixed, "sgd", 0.1),
    ],
)
def test_fit_is_plain_pytorch_training(data, net, optimiser, rate):
    recipe = replace(QUICK, optimiser=optimiser, learning_rate=rate)
    runs = ln.fit(net, data, seeds=[3, 4, 5], recipe=recipe)
    for seed, theta in zip(runs.seeds, runs, strict=True):
        torch.testing.assert_close(theta, plain_pytorch(net, data, seed, recipe), rtol=1e-3, atol=1e-4)


def test_batched_chains_train_as_one_at_a_time_also_under_a_users_loss(data):
    def smoothed(logits, labels):
        return nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)

    class Hidden(nn.Sequential):  # not a plain Sequential, so that it is trained one at a time
        pass

    def alone():
        return Hidden(*ln.networks.mlp((1, 8, 8), 10, width=16))

    def in_place(logits, labels):
        return nn.functional.cross_entropy(logits.mul_(0.9), labels, weight=torch.arange(1.0, 11))

    def noisy(logits, labels):
        return nn.functional.cross_entropy(logits + 0.1 * torch.randn_like(logits), labels)

    for loss in (nn.functional.cross_entropy, smoothed, in_place, noisy):
        recipe = replace(QUICK, loss=loss)
        batched = ln.fit(lambda: ln.networks.mlp((1, 8, 8), 10, width=16), data, seeds=range(3), recipe=recipe)
        single = ln.fit(alone, data, seeds=range(3), recipe=recipe)
        torch.testing.assert_close(batched.thetas, single.thetas, rtol=1e-3, atol=1e-4)


def test_same_seed_gives_the_same_bits_and_another_seed_another_network(data):
    for net in (ln.network("mlp", data, width=16), Mixed):
        once, again = (ln.fit(net, data, seeds=[0, 1], recipe=QUICK).thetas for _ in range(2))
        assert torch.equal(once, again)
        assert not torch.allclose(once[0], once[1])


def test_processes_give_the_bits_of_one_process(data):
    here = ln.fit(Mixed, data, seeds=[0, 1], recipe=QUICK, workers=1)
    there = ln.fit(lambda: Mixed(), data, seeds=[0, 1], recipe=QUICK, workers=2)
    assert torch.equal(here.thetas, there.thetas)


def test_losses_of_a_user_are_kept_apart_by_their_values(data, tmp_path):
    net, weights = ln.network("mlp", data, width=4), (torch.ones(10), torch.arange(1.0, 11))
    recipes = [replace(QUICK, loss=nn.CrossEntropyLoss(weight)) for weight in weights]
    plain, weighted = (ln.fit(net, data, seeds=[0], recipe=recipe, folder=tmp_path) for recipe in recipes)
    assert not torch.allclose(plain.thetas, weighted.thetas)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_killed_fit_goes_on_to_the_same_bits(data, tmp_path, killed_after, optimiser):
    recipe = replace(QUICK, epochs=3, optimiser=optimiser, learning_rate=0.01)
    undisturbed = ln.fit(Mixed, data, seeds=[7], recipe=recipe)
    with killed_after(2):
        ln.fit(Mixed, data, seeds=[7], recipe=recipe, folder=tmp_path)
    resumed = ln.fit(Mixed, data, seeds=[7], recipe=recipe, folder=tmp_path)
    assert torch.equal(resumed.thetas, undisturbed.thetas)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(UserWarning, match=f"{file.name} is damaged .*trained again"):
        again = ln.fit(Mixed, data, seeds=[7], recipe=recipe, folder=tmp_path)
    assert torch.equal(again.thetas, undisturbed.thetas)


def test_a_seed_that_diverges_is_named_and_the_others_go_on(data):
    net = ln.network("mlp", data, width=16)
    alone = ln.fit(net, data, seeds=[0, 2], recipe=QUICK)
    poisoned = []

    def poisoned_net():
        module = net()
        if torch.initial_seed() == 1:  # as if this seed had diverged
            poisoned.append(module[1].weight.data.fill_(torch.inf))
        return module

    with pytest.warns(UserWarning, match="seed 1 at step 0; left out"):
        runs = ln.fit(poisoned_net, data, seeds=[0, 1, 2], recipe=QUICK, path=True)
    assert torch.equal(runs.path[:, -1], runs.thetas)  # the others keep their path
    assert poisoned
    assert runs.seeds == (0, 2)
    assert runs.failed == {1: 0}
    torch.testing.assert_close(runs.thetas, alone.thetas, rtol=1e-4, atol=1e-5)
    with pytest.raises(ln.TrainingError, match="lower the learning rate"):
        ln.fit(net, data, seeds=[0], recipe=replace(QUICK, learning_rate=1e6))


def test_bfloat16_products_stay_near_float32(data):
    net = ln.network("mlp", data, width=16)
    runs = [ln.fit(net, data, seeds=[0], recipe=replace(QUICK, precision=p)) for p in ("float32", "bfloat16")]
    distance = (runs[0][0] - runs[1][0]).norm() / runs[0][0].norm()
    assert 1e-6 < distance < 0.05


def test_cost_is_counted(data):
    counted = count_operations(ln.network("mlp", data, width=16), data.train.images[0], 10)
    # forward: two operations a weight; step: forward, weight gradients, and the slope of layer 2's input
    assert counted.forward == 2 * (64 * 16 + 16 * 16 + 16 * 10)
    assert counted.step == 2 * counted.forward + 2 * (16 * 16 + 16 * 10)
    assert counted.training(QUICK, 1197) == 2 * 18 * 64 * counted.step  # the last 45 images of an epoch are left out
    runs = ln.fit(ln.network("mlp", data, width=16), data, seeds=range(3), recipe=QUICK)
    assert runs.cost.trainings == 3


def test_networks_trained_elsewhere_come_in_as_modules_states_and_points(data):
    modules = [build(Mixed, seed) for seed in (0, 1, 2)]
    law = ln.members(Mixed, [modules[0], modules[1].state_dict(), theta_of(modules[2])], data)
    expected = torch.stack([theta_of(m) for m in modules])
    assert torch.equal(law.thetas, expected)
    with pytest.raises(ValueError, match="lacks"):
        ln.members(Mixed, [nn.Linear(2, 2)], data)


def test_no_warning_and_no_global_random_state(data):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ln.fit(Mixed, data, seeds=[0], recipe=QUICK)
    assert torch.equal(before, torch.random.get_rng_state())


class Counted:
    """A builder that counts its calls."""

    def __init__(self, net):
        self.net, self.calls = net, 0

    def __call__(self):
        self.calls += 1
        return self.net()


@pytest.mark.parametrize("network", ["mlp", "cnn", "resnet"])
def test_a_builder_is_called_for_each_training_and_twice_to_be_checked(data, network):
    net = Counted(ln.network(network, data, **({"depth": 8, "width": 4} if network == "resnet" else {})))
    ln.fit(net, data, seeds=range(3), recipe=replace(QUICK, precision="auto"), path=True)
    assert net.calls == 5


def test_a_statement_calls_its_builders_eight_times_beside_the_trainings(data):
    net, proxies = (Counted(ln.network("mlp", data, width=width)) for width in (16, 8))
    runs = ln.fit(net, data, seeds=range(3), recipe=QUICK, path=True)
    net.calls = 0
    groups = ("outputs", "noise", "bursts", "gradient distance")
    ln.state(net, data, runs=runs, proxies=proxies, n_proxies=4, covariates=groups)
    assert net.calls + proxies.calls <= 8 + 4


def test_a_training_is_the_same_beside_another_thread_that_uses_the_generators():
    data, recipe = ln.load("digits"), ln.Recipe(epochs=1, precision="float32")
    net = ln.network("mlp", data, width=16, dropout=0.2)  # what it switches off is drawn from the global generator
    law, done = ln.members(net, [net()], data), threading.Event()

    def others():
        while not done.is_set():
            ln.training.refresh_cost(law, data, 1)

    alone = [ln.fit(net, data, seeds=[seed], recipe=recipe, progress=False).thetas for seed in range(3)]
    beside = threading.Thread(target=others)
    beside.start()
    try:
        together = [ln.fit(net, data, seeds=[seed], recipe=recipe, progress=False).thetas for seed in range(3)]
    finally:
        done.set()
        beside.join()
    assert all(map(torch.equal, together, alone))
