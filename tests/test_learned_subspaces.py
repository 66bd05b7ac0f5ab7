"""Learned curves and simplexes, their penalties, and the laws they become."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import lnescape as ln
from lnescape.subspaces import Segment, Simplex
from lnescape.training.learned import GrowingVolume, cosine_slope
from tests.tiny import QUICK

RECIPE = replace(QUICK, epochs=8)


@pytest.fixture(scope="module")
def net(data):
    return ln.network("mlp", data, width=16)


@pytest.fixture(scope="module")
def runs(net, data):
    return ln.fit(net, data, seeds=range(3), recipe=RECIPE)


@pytest.mark.parametrize("kind", [ln.Bezier, ln.PolyChain])
def test_a_learned_curve_keeps_its_ends_and_avoids_the_barrier(kind, net, data, runs):
    path = ln.fit_subspace(net, data, kind.between(runs[0], runs[1]), recipe=RECIPE)
    assert torch.equal(path.at(0.0), runs[0])
    assert torch.equal(path.at(1.0), runs[1])
    straight = ln.along(runs, Segment.between(runs[0], runs[1]), data.train, n=11)
    learned = ln.along(runs, path.subspace, data.train, n=11)
    assert learned.loss.max() < 0.5 * straight.loss.max()
    seen = ln.survey(runs, path.at(torch.tensor([0.0, 0.1, 1.0])), data.train)
    assert learned.loss[[0, 1, -1]] == pytest.approx(seen.loss, abs=1e-6)
    assert learned.accuracy[[0, 1, -1]] == pytest.approx(seen.accuracy)
    assert path.cost.trainings == 3  # two ends and the curve


def test_a_simplex_from_scratch_is_good_at_its_midpoint_for_one_training(net, data, runs):
    law = ln.fit_subspace(net, data, Simplex.from_scratch(3), recipe=RECIPE)
    loss = ln.survey(law, torch.stack([law.midpoint(), runs.thetas.mean(0)]), data.train).loss
    assert loss[0] < 0.7 * loss[1]  # the mean of three independent networks is no network
    assert law.cost.trainings == 1


def test_a_grown_simplex_keeps_its_first_vertex_and_swells_with_the_weight_of_its_volume(net, data, runs):
    laws = [ln.fit_subspace(net, data, Simplex.around(runs[0], 3), recipe=QUICK, volume_weight=w) for w in (1e-8, 1e-2)]
    assert all(torch.equal(law.vectors[0], runs[0]) for law in laws)
    assert laws[1].subspace.log_volume() > laws[0].subspace.log_volume() + 1
    assert laws[0].cost.trainings == pytest.approx(3)  # one training given, two vertices of as many epochs


def test_penalty_slopes_are_the_derivatives(net):
    vertices = torch.randn(3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = (torch.arange(40) % 3 > 0).double()
    pair = torch.randperm(3, generator=torch.Generator().manual_seed(5))[:2]
    i, j = (vertices[k] * mask for k in pair)
    (expected,) = torch.autograd.grad(2.5 * torch.cosine_similarity(i, j, dim=0) ** 2, vertices)
    with torch.no_grad():
        found = cosine_slope(vertices.float(), 2.5, mask.float(), torch.Generator().manual_seed(5))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
    edges = vertices[1:] - vertices[0]
    log_volume = 0.5 * torch.logdet(edges @ edges.T) - math.lgamma(3)
    assert Simplex(vertices.detach(), 3).log_volume() == pytest.approx(log_volume.item(), abs=1e-9)
    (expected,) = torch.autograd.grad(-0.3 * log_volume, vertices)
    found = GrowingVolume([vertices[:2].detach().float()], 0.3).slope(vertices[2].detach().float())
    torch.testing.assert_close(found.double(), expected[2], rtol=1e-4, atol=1e-6)


def test_the_volume_of_a_complex_is_that_of_its_simplexes_and_pulls_their_shared_vertex():
    v = torch.randn(4, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    complex_ = ln.subspaces.SimplicialComplex.joining(v[:2].detach(), 2).with_vertices(v.detach())
    edges = [v[[2, 3]] - v[mode] for mode in (0, 1)]
    log_volume = torch.stack([0.5 * torch.logdet(e @ e.T) - math.lgamma(3) for e in edges]).logsumexp(0)
    assert complex_.log_volume() == pytest.approx(log_volume.item(), abs=1e-9)
    (expected,) = torch.autograd.grad(-0.3 * log_volume, v)
    growing = GrowingVolume([v[[mode, 2]].detach().float() for mode in (0, 1)], 0.3)
    torch.testing.assert_close(growing.slope(v[3].detach().float()).double(), expected[3], rtol=1e-4, atol=1e-6)


def test_a_killed_fit_subspace_goes_on_to_the_same_bits(net, data, runs, tmp_path, killed_after):
    request = {"recipe": QUICK, "volume_weight": 1e-3}
    undisturbed = ln.fit_subspace(net, data, Simplex.around(runs[0], 3), **request)
    with killed_after(3):  # in the middle of the second new vertex
        ln.fit_subspace(net, data, Simplex.around(runs[0], 3), folder=tmp_path, **request)
    resumed = ln.fit_subspace(net, data, Simplex.around(runs[0], 3), folder=tmp_path, **request)
    assert torch.equal(resumed.vectors, undisturbed.vectors)


def test_two_kinds_of_curve_keep_their_states_apart(net, data, runs, tmp_path):
    laws = [
        ln.fit_subspace(net, data, kind.between(runs[0], runs[1]), recipe=QUICK, folder=tmp_path)
        for kind in (ln.Bezier, ln.PolyChain)
    ]
    assert not torch.equal(laws[0].vectors, laws[1].vectors)


def test_convex_losses_have_no_barrier(data):
    # Softmax regression is convex in θ, so a straight segment between two solutions can't rise above its chord.
    net = ln.network("mlp", data, depth=0)
    runs = ln.fit(net, data, seeds=[0, 1], recipe=RECIPE)
    line = ln.along(runs, Segment.between(runs[0], runs[1]), data.train, n=21)
    assert ln.barrier(line.coordinates, line.loss) < 1e-6


def test_a_plane_passes_through_its_points(net, data, runs):
    seen = ln.plane(runs, runs[:3], data.test, n=5, margin=0.0)
    loss = ln.survey(runs, runs[:1], data.test).loss
    origin = (abs(seen.coordinates - seen.anchors[0]).sum(1)).argmin()
    assert abs(seen.coordinates[origin] - seen.anchors[0]).sum() < 1e-9
    assert seen.loss[origin] == pytest.approx(loss[0], abs=1e-6)
    wide = ln.plane(runs, runs[:3], data.test, n=2, margin=0.25)
    assert np.ptp(wide.coordinates, 0) == pytest.approx(1.5 * np.ptp(seen.anchors, 0))
    distances = torch.cdist(runs[:3].double(), runs[:3].double())
    torch.testing.assert_close(torch.cdist(*[torch.from_numpy(seen.anchors)] * 2), distances, rtol=1e-5, atol=1e-6)
    grid = torch.from_numpy(seen.coordinates).reshape(5, 5, 2)
    assert (grid[:, 1:, 0] > grid[:, :-1, 0]).all()  # x runs fastest
    assert (grid[1:, :, 1] > grid[:-1, :, 1]).all()
    (second,) = ((abs(seen.coordinates - seen.anchors[1]) < 1e-9).all(1)).nonzero()[0]
    assert seen.loss[second] == pytest.approx(ln.survey(runs, runs[1:2], data.test).loss[0], abs=1e-5)


def test_a_complex_of_segments_has_no_inside(data, runs):
    joined = ln.subspaces.SimplicialComplex.joining(runs.thetas[:2])
    with pytest.raises(TypeError, match="A triangle is a Simplex, not a SimplicialComplex"):
        ln.triangle(runs, joined, data.test, n=4)


def test_triangle_is_surveyed_on_a_regular_grid(data, runs):
    simplex = Simplex(runs[:3], 3)
    seen = ln.triangle(runs, simplex, data.test, n=4)
    steps = sorted(map(tuple, (3 * seen.coordinates).round(5).tolist()))
    assert steps == sorted((i, j, k) for i in range(4) for j in range(4) for k in range(4) if i + j + k == 3)
    here = ln.survey(runs, simplex.at(torch.from_numpy(seen.coordinates).float()), data.test)
    assert seen.loss == pytest.approx(here.loss, abs=1e-6)
    said = runs.predict(data.test.images).argmax(2)
    right = float((said[0] == data.test.labels).float().mean())
    assert here.accuracy[seen.coordinates[:, 0] == 1] == pytest.approx(right)
    assert seen.accuracy == pytest.approx(here.accuracy)


def test_the_cost_of_a_subspace_is_told_in_trainings_of_a_stated_recipe(net, data, runs):
    twice = replace(QUICK, epochs=2 * QUICK.epochs)
    curve = ln.Bezier.between(runs[0], runs[1])
    assert ln.fit_subspace(net, data, curve, recipe=QUICK, plain=twice).cost.trainings == 2.5


def test_requests_that_cannot_be_met(as_users_do, net, data, runs):
    with pytest.raises(ln.TrainingError, match="under seed 4 became NaN"):
        ln.fit_subspace(net, data, Simplex.from_scratch(2), seed=4, recipe=replace(QUICK, learning_rate=1e6))
    with pytest.raises(ValueError, match="lie on one line"):
        ln.plane(runs, torch.stack([runs[0], runs[1], (runs[0] + runs[1]) / 2]), data.test)
