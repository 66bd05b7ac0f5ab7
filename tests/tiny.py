"""Small things that several tests share: a recipe, networks, a study of a second on its own data."""

import os

import numpy as np
import torch
from torch import nn

import lnescape as ln

QUICK = ln.Recipe(epochs=2, batch=64, precision="float32")


class Mixed(nn.Module):
    """A user's module with a constant, a shared parameter, batch normalisation and dropout."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor(0.5))
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.inner = self.again = nn.Linear(4, 4)
        self.drop, self.out = nn.Dropout(0.2), nn.Linear(4, 10)

    def forward(self, x):
        h = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        return self.out(self.drop(self.again(torch.relu(self.inner(h * self.scale)))))


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
