"""The drawn stand-in: the same on every machine, balanced, and not to be read off a pixel."""

import hashlib

import numpy as np
import pytest

from lnescape.data import load
from lnescape.data.shapes import FILLINGS, OUTLINES, draw


def test_the_same_seed_draws_the_same_images_everywhere():
    images, labels = draw(300, seed=0)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    assert digest == "fd373f8deb3474aac6e6cbd91fa62f4943fb3eb379998cd8b2ec622f10de57af"
    other, _ = draw(300, seed=1)
    assert (images != other).mean() > 0.9


def test_every_pair_of_outline_and_filling_occurs_equally_often():
    _, labels = draw(1050, seed=3)
    counts = np.bincount(labels, minlength=100)
    assert set(counts.tolist()) == {10, 11}
    assert abs(np.corrcoef(labels[:-1], labels[1:])[0, 1]) < 0.1  # in mixed order


def test_stand_ins_say_so_and_have_ten_or_a_hundred_classes():
    ten, hundred = load("shapes"), load("shapes100")
    for data, n_classes, model in ((ten, 10, "CIFAR-10"), (hundred, 100, "CIFAR-100")):
        assert data.stand_in
        assert data.title.startswith("drawn shapes")
        assert data.title.endswith(f"a stand-in for {model}")
        assert data.n_classes == n_classes
        assert data.image_shape == (3, 32, 32)
        assert len(data.evaluation) == 2000
    assert ten.classes == OUTLINES
    assert hundred.classes[37] == f"{FILLINGS[7]} {OUTLINES[3]}"
    assert [len(hundred.train), len(ten.train)] == [16_000, 8000]
    _, pairs = draw(11_000, seed=0, side=1)  # the labels come first
    assert np.array_equal(ten.train.labels.numpy(), pairs[:8000] // 10)
    assert not load("mnist5k").stand_in
    foreign = ten.foreign
    assert "MNIST" in foreign.title
    assert foreign.pixels.shape == (1000, 3, 32, 32)
    assert (foreign.pixels[:, 0] == foreign.pixels[:, 2]).all()


def test_colour_does_not_tell_the_class():
    images, labels = draw(3000, seed=5)
    colour, outline = images.mean((2, 3)), labels // 10
    centres = np.stack([colour[:2000][outline[:2000] == k].mean(0) for k in range(10)])
    guess = ((colour[2000:, None] - centres) ** 2).sum(2).argmin(1)
    assert (guess == outline[2000:]).mean() < 0.15  # chance 0.10 ± 0.01


@pytest.mark.parametrize("outline", range(10))
def test_outlines_lie_inside_their_circle_and_have_about_the_same_area(outline):
    from lnescape.data.shapes import _OUTLINE_DISTANCES

    axis = np.linspace(-1.6, 1.6, 161)
    x, y = np.meshgrid(axis, axis)
    inside = _OUTLINE_DISTANCES[outline](x, y) < 0
    area = inside.mean() * 3.2**2
    assert 1.0 < area < 2.5
    assert np.sqrt((x**2 + y**2)[inside]).max() < 1.3
