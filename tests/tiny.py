"""A study of a second for the tests of running, on data of its own, and a network that ends its process."""

import os

import numpy as np

import lnescape as ln


def table():
    """Give a table of 60 rows a part, as a user's module would."""
    draw = np.random.default_rng(0)
    parts = [(draw.normal(size=(60, 5)).astype(np.float32), draw.integers(0, 2, 60)) for _ in range(4)]
    return ln.dataset(**dict(zip(("train", "validation", "calibration", "test"), parts, strict=True)), name="a table")


SCOUTS = ln.Cell(
    method="scouts", data="tests.tiny:table", network="mlp", options={"width": 8}, seeds=(1000, 1001, 1002),
    recipe=ln.Recipe(epochs=20, batch=20, precision="float32"),
)  # fmt: skip
CELLS = tuple(SCOUTS.but(method="retrainings", scouts=SCOUTS, seeds=(seed,)) for seed in range(10))
TINY = ln.Study("tiny", "Ten retrainings of a small perceptron", CELLS, "lnescape study tests.tiny:TINY")


def narrow(image_shape, n_classes):
    """Make a network of one's own."""
    return ln.networks.mlp(image_shape, n_classes, width=8)


def network(image_shape, n_classes):
    """Take the process down, as a lack of memory does."""
    os._exit(9)
