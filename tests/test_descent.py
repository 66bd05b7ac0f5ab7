"""Learned subspaces against plain autograd, step for step; chance, schedules and kept states of the training loop."""

import math
import os
import time
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call

import lnescape as ln
from lnescape import progress
from lnescape.data.shifts import augment
from lnescape.training import Prepared, walk
from lnescape.training.descent import generator, stream_seed
from lnescape.training.recipe import resolve
from lnescape.weights import build, theta_of
from tests.tiny import QUICK, Mixed


@pytest.fixture(scope="module")
def net(data):
    return ln.network("mlp", data, width=8)


@pytest.fixture(scope="module")
def runs(net, data):
    return ln.fit(net, data, seeds=range(3), recipe=QUICK)


def by_autograd(net, data, vertices, rows, *, draw, added, seed, points=1):
    """Train some rows of the vertices as a reader would: θ = Σ a_k v_k, and autograd does the rest."""
    module, moving = build(net, 0), nn.Parameter(vertices[rows].clone())
    optimiser = torch.optim.SGD([moving], momentum=0.9, nesterov=True, weight_decay=QUICK.weight_decay, lr=0.1)
    named, n_steps = dict(module.named_parameters()), len(data.train) // QUICK.batch
    seed = stream_seed(seed, rows.start, "stage")
    for epoch in range(QUICK.epochs):
        order = torch.randperm(len(data.train), generator=generator(seed, epoch, "order"))
        stream = generator(seed, epoch, "point")
        for step in range(n_steps):
            optimiser.param_groups[0]["lr"] = QUICK.learning_rate_at((epoch + step / n_steps) / QUICK.epochs)
            batch = order[step * QUICK.batch : (step + 1) * QUICK.batch]
            v = torch.cat([vertices[: rows.start], moving, vertices[rows.stop :]])
            loss = 0.0
            for theta in draw(points, stream) @ v:
                parts = theta.split([p.numel() for p in named.values()])
                weights = {name: part.view_as(p) for (name, p), part in zip(named.items(), parts, strict=True)}
                logits = functional_call(module, weights, data.train.images[batch])
                loss = loss + nn.functional.cross_entropy(logits, data.train.labels[batch]) / points
            optimiser.zero_grad()
            (loss + added(v, stream)).backward()
            optimiser.step()
    return torch.cat([vertices[: rows.start], moving.detach(), vertices[rows.stop :]])


@pytest.mark.parametrize(("kind", "points"), [(ln.Bezier, 1), (ln.PolyChain, 2)])
def test_a_learned_curve_is_plain_autograd(kind, points, net, data, runs):
    curve = kind.between(runs[0], runs[1], n_control=2)
    options = {"draw": curve.draw, "added": lambda v, stream: 0.0, "seed": 3, "points": points}
    expected = by_autograd(net, data, curve.vertices, slice(1, 3), **options)
    law = ln.fit_subspace(net, data, curve, recipe=QUICK, seed=3, points=points)
    torch.testing.assert_close(law.vectors, expected, rtol=1e-3, atol=1e-4)
    assert law.cost.trainings == 2 + points


def test_a_walk_is_one_training_that_is_looked_at_now_and_then(net, data, runs):
    recipe = replace(QUICK, epochs=1, schedule="constant", learning_rate=0.02)
    ends = walk(Prepared.of(net, data, recipe), runs[0], pieces=3, seed=7)
    module = runs.module(runs[0]).train()
    how = {"momentum": 0.9, "nesterov": True, "weight_decay": recipe.weight_decay}
    optimiser = torch.optim.SGD(module.parameters(), lr=0.02, **how)
    for piece, end in enumerate(ends):
        order = torch.randperm(len(data.train), generator=generator(stream_seed(7, piece, "walk"), 0, "order"))
        for batch in order.split(recipe.batch)[: len(order) // recipe.batch]:
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(data.train.images[batch]), data.train.labels[batch]).backward()
            optimiser.step()
        torch.testing.assert_close(end, theta_of(module), rtol=1e-3, atol=1e-4)


def test_a_simplex_from_scratch_is_plain_autograd(net, data):
    matrix = torch.cat([torch.full((p.numel(),), p.ndim > 1) for p in net().parameters()])

    def cosine(v, stream):
        i, j = v[torch.randperm(3, generator=stream)[:2]][:, matrix]
        return 2.0 * torch.cosine_similarity(i, j, dim=0) ** 2

    simplex = ln.Simplex.from_scratch(3)
    beginning = torch.stack([theta_of(build(net, stream_seed(5, k, "vertex"))) for k in range(3)])
    expected = by_autograd(net, data, beginning, slice(0, 3), draw=simplex.draw, added=cosine, seed=5)
    found = ln.fit_subspace(net, data, simplex, recipe=QUICK, cosine_weight=2.0, seed=5).vectors
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_grown_simplex_is_plain_autograd(net, data, runs):
    def volume(v, _):
        edges = (v[1:] - v[0]).double()
        return -1e-3 * (0.5 * torch.logdet(edges @ edges.T) - math.lgamma(len(v)))

    expected = runs[:1]
    for k in (1, 2):
        centre = expected.mean(0)
        away = nn.functional.normalize(torch.randn(len(centre), generator=generator(4, k, "growth")), dim=0)
        present = torch.cat([expected, (centre + 0.01 * centre.norm() * away)[None]])
        draw = ln.Simplex(present, k + 1).draw
        expected = by_autograd(net, data, present, slice(k, k + 1), draw=draw, added=volume, seed=4)
    found = ln.fit_subspace(net, data, ln.Simplex.around(runs[0]), recipe=QUICK, volume_weight=1e-3, seed=4).vectors
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_augmentation_follows_from_each_seed(net, data):
    moved = replace(QUICK, epochs=1, batch=len(data.train), shift=2, momentum=0.0, schedule="constant")
    together = ln.fit(net, data, seeds=[0, 1], recipe=moved)
    for seed, theta in zip((0, 1), together, strict=True):
        module = build(net, seed)
        order = torch.randperm(len(data.train), generator=generator(seed, 0, "order"))
        images = augment(data.train.images[order], generator=generator(seed, 0, "augmentation"), shift=2)
        nn.functional.cross_entropy(module(images), data.train.labels[order]).backward()
        before = theta_of(module)
        slope = torch.cat([p.grad.flatten() for p in module.parameters()]) + moved.weight_decay * before
        torch.testing.assert_close(theta, before - 0.1 * slope, rtol=1e-4, atol=1e-6)


def test_streams_are_independent_by_seed_epoch_and_purpose():
    words = ("order", "augmentation", "point", "dropout")
    seeds = {stream_seed(s, e, p) for s in range(20) for e in range(20) for p in words}
    assert len(seeds) == 20 * 20 * len(words)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.2, 0.2, 0.2, 0.2]),
        ("cosine", [0.2, 0.1 * (1 + math.cos(math.pi / 8)), 0.1, 0.0]),
        ("cycle", [0.0, 0.05, 0.2, 0.0]),
        ("onecycle", [0.0, 0.1, 0.15, 0.0]),  # at 1/2: a third of the way down, (1 + cos 60°)/2 = 3/4
    ],
)
def test_schedules(schedule, expected):
    recipe = ln.Recipe(learning_rate=0.2, schedule=schedule)
    assert [recipe.learning_rate_at(share) for share in (0, 0.125, 0.5, 1)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("seconds", "chosen"), [((1.3, 1.0), "bfloat16"), ((1.2, 1.0), "float32")])
def test_bfloat16_is_taken_where_it_pays(data, net, monkeypatch, seconds, chosen):
    times = dict(zip(("float32", "bfloat16"), seconds, strict=True))
    monkeypatch.setattr("lnescape.training.recipe._seconds_a_step", lambda *arguments: times[arguments[-1]])
    device = torch.device("cpu")
    assert resolve(ln.Recipe(), Mixed, data, device).precision == chosen
    assert resolve(ln.Recipe(), net, data, device).precision == "float32"


def test_a_precision_is_measured_once(data, monkeypatch):
    seen = []
    monkeypatch.setattr("lnescape.training.recipe._seconds_a_step", lambda *given: seen.append(given[-2].batch) or 1.0)
    for _ in range(2):
        resolve(ln.Recipe(), Mixed, data, torch.device("cpu"), name="measured once")
    assert seen == [2, 2]  # images; more would take too long


def test_a_bar_appears_where_the_first_step_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    with progress.bar(3, "training", "epochs"):
        for _ in range(2):  # and its clock goes on
            time.sleep(0.3)
            assert "training" in capsys.readouterr().err


def test_predictions_that_take_long_show_one_bar(data, net, runs, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    images = data.test.images
    plain = runs.predict(images, progress=False)
    with progress.bar(1, "study", "cells", show=False):
        runs.predict(images)
    assert capsys.readouterr().err == ""
    assert torch.equal(runs.predict(images, batch=50), plain)
    said = capsys.readouterr().err
    assert "predicting" in said
    assert f"{len(runs) * len(images)} predictions" in said


def test_a_builder_of_networks_in_evaluation_mode_is_trained_all_the_same(data):
    expected = ln.fit(Mixed, data, seeds=[0], recipe=QUICK)
    assert torch.equal(ln.fit(lambda: Mixed().eval(), data, seeds=[0], recipe=QUICK).thetas, expected.thetas)


def test_states_of_other_requests_are_left_alone(net, data, runs, tmp_path):
    part = data.train.subset(slice(0, 600))
    rest = dict.fromkeys(("validation", "calibration", "test"), (data.test.images, data.test.labels))
    fewer = ln.dataset(train=(part.images, part.labels), **rest)
    other = replace(QUICK, weight_decay=0.1)
    curve = ln.Bezier.between(runs[0], runs[1])
    for given, recipe in ((data, QUICK), (data, other), (fewer, QUICK)):
        kept, anew = (ln.fit(net, given, seeds=[0], recipe=recipe, folder=f) for f in (tmp_path, None))
        assert torch.equal(kept.thetas, anew.thetas)
        kept, anew = (ln.fit_subspace(net, given, curve, recipe=recipe, folder=f) for f in (tmp_path, None))
        assert torch.equal(kept.vectors, anew.vectors)
    assert len(list(tmp_path.iterdir())) == 6


def test_a_state_cut_short_while_it_is_written_leaves_the_one_before(net, data, tmp_path, monkeypatch):
    undisturbed = ln.fit(net, data, seeds=[0], recipe=QUICK)
    calls = []

    def cut(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            os.ftruncate(descriptor, 100)
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(KeyboardInterrupt):
        ln.fit(net, data, seeds=[0], recipe=QUICK, folder=tmp_path)
    assert torch.equal(ln.fit(net, data, seeds=[0], recipe=QUICK, folder=tmp_path).thetas, undisturbed.thetas)


def test_the_step_of_a_failure_is_kept(net, data, tmp_path, killed_after):
    def poisoned():
        module = net()
        if torch.initial_seed() == 1:
            module[1].weight.data.fill_(torch.inf)
        return module

    with killed_after(1):
        ln.fit(poisoned, data, seeds=[0, 1], recipe=QUICK, folder=tmp_path)
    with pytest.warns(UserWarning, match="seed 1 at step 0"):
        ln.fit(poisoned, data, seeds=[0, 1], recipe=QUICK, folder=tmp_path)
