"""Where files are looked for, that damaged ones are refused, and that no network means no hang."""

import gzip
import hashlib
import http.server
import pickle
import socket
import struct
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lnescape.data import DataError, dataset, known, load, torchvision

N_TRAIN = 5030  # official training images of the small copies; the official test set keeps its 10 000


def numbered(n, size):
    """Images whose first four bytes are their number: they can be told apart after any shuffle."""
    images = np.zeros((n, size), np.uint8)
    images[:, :4] = np.arange(n, dtype="<u4").view(np.uint8).reshape(n, 4)
    return images


def numbers_of(split):
    return split.pixels.flatten(1)[:, :4].contiguous().numpy().view("<u4")[:, 0]


def write(folder, name, contents, monkeypatch):
    """Write files and make their checksums the expected ones."""
    for file, content in contents.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    sums = {file: hashlib.md5(content).hexdigest() for file, content in contents.items()}
    monkeypatch.setitem(known.MD5, name, sums)


def mnist_files():
    contents = {}
    for part, n in (("train", N_TRAIN), ("t10k", 10_000)):
        contents[f"MNIST/raw/{part}-images-idx3-ubyte"] = (
            struct.pack(">4i", 2051, n, 28, 28) + numbered(n, 784).tobytes()
        )
        contents[f"MNIST/raw/{part}-labels-idx1-ubyte"] = (
            struct.pack(">2i", 2049, n) + (np.arange(n) % 10).astype(np.uint8).tobytes()
        )
    return contents


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder with a small set in MNIST's form; neither the user's data nor the cache are seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LNESCAPE_DATA", raising=False)
    write(tmp_path / "here", "mnist", mnist_files(), monkeypatch)
    return tmp_path / "here"


def test_official_sets_are_split_as_documented(mnist):
    data = load("mnist", folder=mnist, download=False)
    official_train = np.concatenate([numbers_of(data.train), numbers_of(data.validation)])
    assert len(data.validation) == 5000
    assert np.array_equal(np.sort(official_train), np.arange(N_TRAIN))
    assert np.array_equal(np.sort(numbers_of(data.evaluation)), np.arange(10_000))
    assert len(data.calibration) == len(data.test) == 5000
    # MNIST's official test set is easier in its first half, so the halves must mix both
    assert abs((numbers_of(data.test) < 5000).mean() - 0.5) < 0.03
    for split in (data.train, data.test):
        assert np.array_equal(split.labels.numpy(), numbers_of(split) % 10)
    # numpy's RandomState(0): the same permutations for ever
    random = np.random.RandomState(0)
    assert np.array_equal(numbers_of(data.validation), random.permutation(N_TRAIN)[:5000])
    assert np.array_equal(numbers_of(data.calibration), random.permutation(10_000)[:5000])


def test_data_are_found_where_there_is_no_home(mnist, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert len(load("mnist", folder=mnist, download=False).test) == 5000
    assert f"not found in {Path(tempfile.gettempdir()) / 'lnescape'}" in known.where_found()["mnist"]


def cifar_files(name):
    """A small set in CIFAR's form; its labels are the image's number, modulo 10 or 100."""
    folder, parts, key, names = {
        "cifar10": ("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "labels", 10),
        "cifar100": ("cifar-100-python", ["train"], "fine_labels", 100),
    }[name]
    test, meta = ("test_batch", "batches.meta") if name == "cifar10" else ("test", "meta")
    share = N_TRAIN // len(parts)
    contents = {}
    for i, file in enumerate([*parts, test]):
        numbers = np.arange(10_000) if file == test else np.arange(i * share, (i + 1) * share)
        rows = numbered(numbers[-1] + 1, 3072)[numbers]
        rows[:, 1024:2048] = 7  # green
        batch = {"data": rows, key: [int(k) % names for k in numbers], "coarse_labels": [0] * len(numbers)}
        contents[f"{folder}/{file}"] = pickle.dumps(batch, protocol=2)
    classes = [f"class {k}" for k in range(names)]
    contents[f"{folder}/{meta}"] = pickle.dumps({key.replace("labels", "label_names"): classes}, protocol=2)
    return contents


@pytest.mark.parametrize(("name", "n_classes"), [("cifar10", 10), ("cifar100", 100)])
def test_cifar_is_read_with_its_class_names_and_channels_first(tmp_path, monkeypatch, name, n_classes):
    write(tmp_path, name, cifar_files(name), monkeypatch)
    data = load(name, folder=tmp_path, download=False)
    assert data.image_shape == (3, 32, 32)
    assert data.classes == tuple(f"class {k}" for k in range(n_classes))
    assert (data.test.pixels[:, 1] == 7).all()
    assert (data.test.pixels[:, 2] == 0).all()
    assert np.array_equal(data.train.labels.numpy(), numbers_of(data.train) % n_classes)
    assert len(set(numbers_of(data.train)) | set(numbers_of(data.validation))) == N_TRAIN


def test_the_variable_goes_before_the_cache_and_an_incomplete_folder_is_passed_by(mnist, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="LNESCAPE_DATA"):
        load("mnist", download=False)
    monkeypatch.setenv("LNESCAPE_DATA", str(mnist))
    assert load("mnist", download=False).name == "mnist"
    (tmp_path / "cache").mkdir()
    mnist.rename(tmp_path / "cache" / "lnescape")
    mnist.mkdir()  # what the variable names is there, but empty
    assert load("mnist", download=False).name == "mnist"
    for file in mnist_files():
        (mnist / file).parent.mkdir(parents=True, exist_ok=True)
        (mnist / file).write_bytes(b"another")
    with pytest.raises(DataError, match="here/MNIST/raw/train-images"):  # not the intact one in the cache
        load("mnist", download=False)


def test_a_damaged_file_is_named_with_both_checksums_and_left_alone(mnist):
    file = mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    intact = file.read_bytes()
    file.write_bytes(intact[:-1] + b"x")
    with pytest.raises(DataError) as caught:
        load("mnist", folder=mnist)
    for part in (str(file), hashlib.md5(intact).hexdigest(), hashlib.md5(intact[:-1] + b"x").hexdigest(), "move it"):
        assert part in str(caught.value)
    assert file.read_bytes() == intact[:-1] + b"x"


def test_a_foreign_set_is_only_looked_for_when_asked_for(mnist):
    data = load("mnist", folder=mnist, download=False)
    with pytest.raises(DataError, match="fashion_mnist was not found"):
        _ = data.foreign


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_absent_data_name_folder_variable_and_embedded_set(tmp_path, name):
    with pytest.raises(DataError) as caught:
        load(name, folder=tmp_path / "nowhere", download=False)
    for part in (str(tmp_path / "nowhere"), "does not exist", "LNESCAPE_DATA", known.INSTEAD[name]):
        assert part in str(caught.value)


def test_a_folder_that_lacks_files_or_holds_packed_ones_says_which_and_how(mnist, monkeypatch):
    raw = mnist / "MNIST" / "raw"
    lost = raw / "t10k-labels-idx1-ubyte"
    lost.unlink()
    with pytest.raises(DataError, match=r"here \(missing: MNIST/raw/t10k-labels-idx1-ubyte\)"):
        load("mnist", folder=mnist, download=False)
    (raw / "train-images-idx3-ubyte").rename(raw / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match=r"unpack MNIST/raw/train-images-idx3-ubyte.gz there with gunzip and missing"):
        load("mnist", folder=mnist, download=False)
    (mnist / "cifar-10-python.tar.gz").write_bytes(b"")
    monkeypatch.setenv("LNESCAPE_DATA", str(mnist))
    with pytest.raises(DataError, match="packed: unpack cifar-10-python.tar.gz there with tar -xzf"):
        load("cifar10", download=False)
    assert "unpack cifar-10" in known.where_found()["cifar10"]


def found_nothing_after(end):
    end.wait(20)
    return []


@pytest.mark.parametrize("silent", ["server", "name service"])
def test_a_network_that_never_answers_is_given_up_in_time(tmp_path, monkeypatch, silent):
    assert known.NETWORK_LIMIT < 10
    monkeypatch.setattr(known, "NETWORK_LIMIT", 0.3)
    monkeypatch.setenv("no_proxy", "*")
    vision = torchvision().datasets.CIFAR10
    end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(vision, "url", f"http://127.0.0.1:{server.getsockname()[1]}/cifar.tar.gz")
        if silent == "name service":
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found_nothing_after(end))
        start = time.monotonic()
        with pytest.raises(DataError, match=r"no way to download.*LNESCAPE_DATA.*load\('shapes'\)"):
            load("cifar10", folder=tmp_path)
        assert time.monotonic() - start < 3
    end.set()
    assert list(tmp_path.iterdir()) == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(mnist, monkeypatch):
    """A local mirror of the small set; yields the folder it serves."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = mnist.parent / "mirror"
    folder.mkdir()
    resources = []
    for file, content in mnist_files().items():
        packed = folder / (file.rsplit("/", 1)[1] + ".gz")
        packed.write_bytes(gzip.compress(content, 1, mtime=0))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        vision = torchvision().datasets.MNIST
        monkeypatch.setattr(vision, "mirrors", [f"http://127.0.0.1:{mirror.server_port}/"])
        monkeypatch.setattr(vision, "resources", resources)
        yield folder
        mirror.shutdown()


def test_missing_files_are_downloaded_into_the_cache_whole(server, tmp_path):
    data = load("mnist")
    cache = tmp_path / "cache" / "lnescape"
    assert sorted(path.name for path in cache.iterdir()) == ["MNIST"]
    assert load("mnist", download=False).checksum == data.checksum
    assert load("mnist", folder=tmp_path / "here").checksum == data.checksum


def test_a_spoilt_download_leaves_nothing_behind(server, tmp_path):
    packed = server / "t10k-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:1000])
    with pytest.raises(DataError, match="download failed"):
        load("mnist")
    assert list((tmp_path / "cache" / "lnescape").iterdir()) == []


def test_checksums_are_those_that_torchvision_knows():
    datasets = torchvision().datasets
    for name, vision in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        sums = {f"{vision.base_folder}/{file}": md5 for file, md5 in vision.train_list + vision.test_list}
        sums[f"{vision.base_folder}/{vision.meta['filename']}"] = vision.meta["md5"]
        assert known.MD5[name] == sums
    for name, vision in (("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)):
        files = {f"{vision.__name__}/raw/{packed.removesuffix('.gz')}" for packed, _ in vision.resources}
        assert set(known.MD5[name]) == files


def test_unknown_shift_names_the_nearest():
    mnist5k = load("mnist5k")
    with pytest.raises(DataError, match="did you mean 'rotation'"):
        mnist5k.shifted("rotate", 1)
    with pytest.raises(DataError, match="strength must be a whole number from 1 to 3, not 4"):
        mnist5k.shifted("noise", 4)
    with pytest.raises(DataError, match="channels, height, width"):
        dataset(train=(torch.rand(8, 2), [0, 1] * 4), test=(torch.rand(8, 2), [0, 1] * 4)).shifted("noise", 1)
