"""What the one call refuses, before it trains."""

import numpy as np
import pytest
import torch
from torch import nn

import lnescape as ln
from tests.test_statement import DATA, NET, QUIET, RECIPE

NARROW = ln.network("mlp", DATA, width=4)


def _holed(images):
    images = images[:4].clone()
    images[2, 0, 3, 3] = torch.nan
    return images


@pytest.fixture(scope="module")
def runs():
    return ln.fit(NET, DATA, seeds=range(3), recipe=RECIPE, progress=False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seeds": [3], "like": None}, "One training shows no spread"),
        ({"seeds": 2.5}, "whole numbers from 0 on"),
        ({"covariates": ("outputs", "entropy")}, "no group of covariates 'entropy'"),
        ({"covariates": ("line",)}, "no group of covariates 'line'"),
        ({"covariates": 5}, "covariates is an int"),
        ({"covariates": ("outputs", 5)}, "no group of covariates 5"),
        ({"covariates": ("proxies",)}, "need a builder of a narrower network"),
        ({"proxies": "mlp"}, "builder is a str, not callable"),
        ({"proxies": NARROW()}, "given instead of a builder"),
        ({"proxies": lambda: nn.Linear(784, 3)}, "network"),
        ({"proxies": NARROW, "n_proxies": 3}, "n_proxies must be a whole number of at least 4, not 3"),
        ({"proxies": NARROW, "n_proxies": 4.5}, "n_proxies .* not 4.5"),
        ({"proxies": NARROW, "n_proxies": True}, "n_proxies .* not True"),
        ({"proxies": NARROW, "proxy_epochs": float("nan")}, "proxy_epochs .* above 0, not nan"),
        ({"proxies": NARROW, "proxy_epochs": 0}, "proxy_epochs .* above 0, not 0"),
        ({"proxies": NARROW, "proxy_epochs": 1e-4}, "less than a step"),
        ({"level": 1.0}, "level .* below 1, not 1.0"),
        ({"level": "0.95"}, "level .* not '0.95'"),
        ({"measurand": 5}, "measurand is a int, not a function"),
        ({"measurand": lambda logp: logp}, "measurand fails with TypeError"),
        ({"measurand": lambda logp, chosen: logp[:, :, 0] * np.nan}, "aren't finite"),
        ({"measurand": lambda logp, chosen: logp}, "shape"),
        ({"images": torch.zeros(0, 1, 28, 28)}, "nothing to evaluate"),
        ({"images": torch.zeros(4, 1, 28, 28, dtype=torch.uint8)}, "torch.uint8"),
        ({"images": torch.zeros(4, 1, 5, 5)}, "pass a normalised float32 tensor"),
        ({"images": np.zeros((4, 1, 28, 28), np.float32)}, "ndarray"),
        ({"images": _holed(DATA.test.images)}, "NaN or infinite"),
        ({"recipe": "fast"}, "recipe is a str"),
        ({"recipe": ln.Recipe(batch=5000)}, "batch of 5000 is larger"),
        ({"device": "nowhere"}, "device 'nowhere'"),
        ({"folder": "/proc/none"}, "name a folder that can be written"),
        ({"data": "digits"}, "data are a str"),
        ({"data": "few"}, r"hold 20 calibration inputs.*calibration="),
        ({"data": "short", "covariates": ("bursts",)}, "is no step on 450 inputs"),
    ],
)
@pytest.mark.usefixtures("as_users_do", "no_training")
def test_every_argument_is_checked_before_the_first_training(options, says):
    parts = {"few": (4000, 20), "short": (500, 500)}
    data = options.get("data", DATA)
    data = _part(*parts[data]) if data in parts else data
    rest = {"recipe": ln.Recipe(epochs=3, batch=256, precision="float32")} | options
    rest.pop("data", None)
    with pytest.raises((TypeError, ValueError), match=says):
        ln.state(NET, data, progress=False, **rest)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("list", "runs is a list"),
        ("one", "One training shows no spread"),
        ("same", "Networks 0 and 1 are identical"),
        ("snapshots", "are no retrainings"),
        ("others", "the builder's have"),
    ],
)
def test_runs_that_are_no_retrainings_of_this_network_are_refused(kind, says, runs, as_users_do):
    narrow = ln.network("mlp", DATA, width=8)
    made = {
        "list": lambda: [1, 2],
        "one": lambda: ln.members(NET, [runs[0]], DATA),
        "same": lambda: ln.members(NET, [runs[0], runs[0]], DATA),
        "snapshots": lambda: ln.snapshot_ensemble(NET, DATA, budget=1, cycle=0.5, **QUIET),
        "others": lambda: ln.members(narrow, [narrow(), narrow()], DATA),
    }
    with pytest.raises((TypeError, ValueError), match=says):
        ln.state(NET, DATA, runs=made[kind](), like=None, progress=False)


def test_networks_of_fewer_images_than_a_batch_are_stated():
    few = _part(90, 60)
    runs = ln.members(NET, [NET(), NET(), NET()], few)
    assert "trainings" in repr(runs.cost)
    assert "3 trainings" in str(ln.state(NET, few, runs=runs, progress=False))


def _part(n_train, n_calibration):
    train, calibration = (DATA.train.images, DATA.train.labels), (DATA.calibration.images, DATA.calibration.labels)
    first = [tuple(own[:n] for own in part) for part, n in ((train, n_train), (calibration, n_calibration))]
    return ln.dataset(train=first[0], calibration=first[1], test=calibration, name="a part")


class Pooled(nn.Module):
    """A network whose pooling under a mask gives NaN for an input that is all padding."""

    def __init__(self):
        super().__init__()
        self.e, self.h = nn.Embedding(20, 4), nn.Linear(4, 2)

    def forward(self, x):
        share = torch.zeros(x.shape).masked_fill(x == 0, -torch.inf).softmax(1)
        return self.h((share[..., None] * self.e(x)).sum(1))


@pytest.mark.parametrize(("row", "named"), [(70, "calibration input 10 "), (130, "stated input 10, id n30 ")])
def test_an_input_that_networks_trained_before_cannot_predict_is_named(row, named):
    x = torch.randint(1, 20, (160, 6), generator=torch.Generator().manual_seed(0))
    x[row] = 0
    y = torch.arange(160) % 2
    parts = {"train": slice(0, 60), "calibration": slice(60, 120), "test": slice(120, 160)}
    data = ln.dataset(**{part: (x[rows], y[rows]) for part, rows in parts.items()})
    runs = ln.members(Pooled, [Pooled(), Pooled()], data)
    with pytest.raises(ValueError, match=rf"can't predict {named}\(NaN or infinite numbers\); leave that input out"):
        ln.state(Pooled, data, runs=runs, ids=[f"n{k + 20}" for k in range(40)], progress=False)
