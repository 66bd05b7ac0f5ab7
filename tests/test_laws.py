"""Laws: drawing, predicting in bounded memory, keeping; any network of the user's, unchanged."""

import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.data import torchvision
from lnescape.laws.law import law_of
from lnescape.subspaces import Simplex
from lnescape.weights import build, refresh_normalisation, theta_of

from .test_training import QUICK, Mixed


@pytest.fixture(scope="module", params=["mlp", "mixed"])
def net(request, data):
    return ln.network("mlp", data, width=16) if request.param == "mlp" else Mixed


@pytest.fixture(scope="module")
def runs(net, data):
    return ln.fit(net, data, seeds=range(3), recipe=QUICK)


def by_hand(net, theta, data, images):
    """What the network at θ says, without the library's engines."""
    module, start = build(net, 0), 0
    for p in module.parameters():
        p.data = theta[start : start + p.numel()].view(p.shape)
        start += p.numel()
    refresh_normalisation(module, data.normalisation_images)
    with torch.no_grad():
        return module.eval()(images).log_softmax(1)


def test_predictions_are_those_of_each_member(net, runs, data):
    images = data.test.images[:50]
    expected = torch.stack([by_hand(net, theta, data, images) for theta in runs])
    torch.testing.assert_close(runs.predict(images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(runs.predict(images, batch=7), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(runs.module(runs[1])(images).log_softmax(1), expected[1], rtol=1e-4, atol=1e-5)


def test_a_law_with_one_member_is_the_network(net, runs, data):
    alone = ln.members(net, [runs[0]], data)
    images = data.test.images[:20]
    assert torch.equal(next(alone.sample(1, seed=3))[0], runs[0])
    torch.testing.assert_close(alone.predict(images, 1)[0], by_hand(net, runs[0], data, images), rtol=1e-4, atol=1e-5)


def test_chunks_do_not_change_what_is_drawn(net, runs, data, monkeypatch):
    law = ln.SubspaceLaw(net, Simplex(runs.thetas, 3), normalisation_images=runs.normalisation_images)
    whole = law.predict(data.test.images[:5], n=40, seed=1)
    monkeypatch.setattr("lnescape.laws.law.CHUNK", 7 * runs.thetas.shape[1])
    assert max(len(chunk) for chunk in law.sample(40, seed=1)) == 7
    torch.testing.assert_close(law.predict(data.test.images[:5], n=40, seed=1), whole, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(law.predict(data.test.images[:5], n=40, seed=2), whole)


def test_members_are_drawn_without_replacement_under_a_seed(net, runs):
    drawn = [torch.cat(list(runs.sample(3, seed=seed))) for seed in range(8)]
    for thetas in drawn:
        assert sorted(thetas[:, 0].tolist()) == sorted(runs.thetas[:, 0].tolist())
    assert len({tuple(thetas[:, 0].tolist()) for thetas in drawn}) > 1
    assert torch.equal(torch.cat(list(runs.sample())), runs.thetas)


def test_a_kept_subspace_can_be_learned_on(net, runs, tmp_path):
    for subspace in (ln.Bezier.between(runs[0], runs[1], n_control=2), Simplex.around(runs[0], 3)):
        ln.SubspaceLaw(net, subspace).save(tmp_path / "law")
        again = ln.load_law(tmp_path / "law", net).subspace
        assert (type(again), again.free, again.grown) == (type(subspace), subspace.free, subspace.grown)


def test_kept_laws_come_back(net, runs, data, tmp_path):
    norm = runs.normalisation_images
    subspace = ln.Bezier.between(runs[0], runs[1])
    for law in (runs, ln.SubspaceLaw(net, subspace, normalisation_images=norm)):
        law.save(tmp_path / "law.safetensors")
        again = ln.load_law(tmp_path / "law.safetensors", net, normalisation_images=norm)
        images = data.test.images[:5]
        torch.testing.assert_close(again.predict(images, 2, seed=0), law.predict(images, 2, seed=0))
    with pytest.raises(ValueError, match="holds networks of"):
        ln.load_law(tmp_path / "law.safetensors", lambda: nn.Linear(64, 10))
    (tmp_path / "law.safetensors").write_bytes(b"short")
    with pytest.raises(ValueError, match="damaged.*write it again with law.save"):
        ln.load_law(tmp_path / "law.safetensors", net)


def test_a_law_with_something_unknown_around_its_builder_is_refused(net, runs):
    with pytest.raises(ValueError, match="nothing called elsewhere"):
        law_of(net, runs.describe() | {"wrappers": ["elsewhere"]}, runs.tensors())


def test_impossible_draws_are_refused(net, runs, data):
    with pytest.raises(ValueError, match="of 3 members to draw, must be a whole number from 1 to 3, not 4"):
        runs.predict(data.test.images, 4)
    law = ln.SubspaceLaw(net, Simplex(runs.thetas, 3), normalisation_images=runs.normalisation_images)
    with pytest.raises(ValueError, match="how many networks"):
        law.predict(data.test.images)


def test_a_resnet_of_torchvision_goes_through_the_whole_story_unchanged():
    part = ln.load("shapes").train.subset(slice(0, 16))
    parts = dict.fromkeys(("train", "validation", "calibration", "test"), (part.images, part.labels))
    data, net = ln.dataset(**parts, name="16 shapes"), lambda: torchvision().models.resnet18(num_classes=10)
    recipe = ln.Recipe(epochs=2, batch=16, learning_rate=0.01, precision="float32")
    runs = ln.fit(net, data, seeds=[0, 1], recipe=recipe, workers=1)
    path = ln.fit_subspace(net, data, ln.Bezier.between(runs[0], runs[1]), recipe=recipe)
    triangle = ln.fit_subspace(net, data, Simplex.from_scratch(3), recipe=recipe)
    for law in (path, triangle):
        logp = law.predict(data.test.images[:8], n=3, seed=0)
        assert logp.shape == (3, 8, 10)
        torch.testing.assert_close(logp.exp().sum(2), torch.ones(3, 8))
    assert torch.equal(path.at(1.0), runs[1])
    torch.testing.assert_close(
        path.module(path.at(0.0))(data.test.images[:8]).log_softmax(1),
        runs.predict(data.test.images[:8])[0],
        rtol=1e-4,
        atol=1e-4,
    )


def test_predictions_of_many_sizes_hold_the_memory_of_the_largest(data):
    law = ln.fit(ln.network("mlp", data, width=16), data, seeds=[0, 1], recipe=QUICK)
    for n in (1, 5, 40):
        law.predict(data.test.images[:n])
    (engine,) = (kept for kept in law._shelf.values() if hasattr(kept, "_memory"))
    assert {len(held.shape) for held in engine._memory.values()} == {1}
    assert engine._memory["values 0"].numel() == 2 * 40 * 16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_the_story_runs_on_an_accelerator(data):
    for net in (ln.network("mlp", data, width=16), Mixed):
        here = ln.fit(net, data, seeds=[0, 1], recipe=QUICK)
        there = ln.fit(net, data, seeds=[0, 1], recipe=QUICK, device="cuda")
        path = ln.fit_subspace(net, data, ln.Bezier.between(there[0], there[1]), recipe=QUICK, device="cuda")
        assert path.predict(data.test.images, n=3, seed=0).device.type == "cuda"
        if net is not Mixed:  # whose dropout draws from another generator there
            torch.testing.assert_close(there.thetas.cpu(), here.thetas, rtol=0.05, atol=0.01)
        assert theta_of(there.module(there[0])).device.type == "cuda"
