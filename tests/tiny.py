"""A study of a second for the tests of running, and a network that ends its process."""

import os

import lnescape as ln

SCOUTS = ln.Cell(
    method="scouts", data="digits", network="mlp", options={"width": 8}, seeds=(1000, 1001),
    recipe=ln.Recipe(epochs=2, batch=64, precision="float32"),
)  # fmt: skip
CELLS = tuple(SCOUTS.but(method="retrainings", scouts=SCOUTS, seeds=(seed,)) for seed in range(8))
TINY = ln.Study("tiny", "Eight retrainings of a small perceptron", CELLS, "lnescape study tests.tiny:TINY")


def network(image_shape, n_classes):
    """Take the process down, as a lack of memory does."""
    os._exit(9)
