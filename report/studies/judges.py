"""Networks that test one training with a companion; no rule was chosen after seeing their gradients.

They have the kinds and recipes of `scale.NEW`, mostly with other pixels. Patterns of u over inputs were not seen.
"""

from typing import Any

from lnescape.data import Dataset
from lnescape.data.splits import PARTS
from report.studies.pairs import Pair
from report.studies.scale import NEW
from report.studies.small import first_images

WATCHED = dict(zip(PARTS[1:], (200, 1000, 1000), strict=True))  # images of each part but the training images
# In the order of their cost. A tenth was planned and not trained for lack of time: CIFAR-10's fast ResNet, few images.
NAMES = (
    "MNIST deep perceptron", "FashionMNIST narrow perceptron, dropout", "MNIST CNN, few images",
    "CIFAR-100 deeper perceptron, AdamW", "CIFAR-10 perceptron", "FashionMNIST recurrent", "MNIST attention",
    "CIFAR-10 attention", "FashionMNIST fast CNN",
)  # fmt: skip


def judging_mnist() -> Dataset:
    """Return MNIST with few images to judge on."""
    return first_images("mnist", WATCHED)


def judging_fashion() -> Dataset:
    """Return FashionMNIST with few images to judge on."""
    return first_images("fashion_mnist", WATCHED)


def judging_cifar10() -> Dataset:
    """Return CIFAR-10 with few images to judge on."""
    return first_images("cifar10", WATCHED)


def judging_cifar100() -> Dataset:
    """Return CIFAR-100 with few images to judge on."""
    return first_images("cifar100", WATCHED)


_DATA = {"mnist": "mnist", "fashion_mnist": "fashion", "cifar10": "cifar10", "cifar100": "cifar100"}


def _judge(name: str) -> Pair:
    """Make the pair of a network of `scale.NEW`."""
    data, network, options, recipe, _ = NEW[name]
    net = name.split(" ", 1)[1]
    more: dict[str, Any] = {"data": f"{__name__}:judging_{_DATA[data]}" if data in _DATA else data}
    key = "judge-" + name.replace(",", "").replace(" ", "-").lower()
    return Pair(
        **more, network=network, options=options, recipe={"precision": "float32"} | recipe, name=key, net=net,
        words=net, n=18, group=6, explored=6, observed=("gradients",), keep=("panel",), bursts=(), proxies=(),
    )  # fmt: skip


NEW_JUDGES = {name: _judge(name) for name in NAMES}
# Networks of `scale.NEW` themselves, whose scale was seen: they judge the pattern alone.
SCALE_SEEN = tuple(name for name in NAMES if NEW[name][0] not in _DATA)
