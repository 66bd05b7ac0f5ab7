"""The pairs of data and network: one table that catalogue, notebooks, report and tests read.

A pair that is added here has its studies, and appears in every table and figure over pairs, once they are computed.
The typesetting reads the table, too, so that nothing heavy is imported.
"""

from dataclasses import dataclass, field, replace
from typing import Any

RULE = (0.25, 1.0)  # epochs and rate of the bursts of gate G4 and of one training, the same for every pair
_FASHION, _ATTENTION = "report.studies.attention:fashion", "report.studies.attention:attention"
TITLES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
TITLES[_FASHION] = TITLES["fashion_mnist"]
# Learned paths: the group of covariates, the way of the comparison that it was made by, and its budget. All of it is
# further cost: the networks that a path begins with are none of the M.
PATHS = {
    "line": ("learned line", 1),
    "curve": ("learned curve", 1),
    "simplex": ("learned triangle", 1),
    "ESPRO": ("ESPRO", 1.5),
    "mode curve": ("mode curve", 3),
    "SWAG": ("SWAG", 1.5),
    "FGE": ("FGE", 1.5),
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A data set, a network, how it is trained, and what is computed of both."""

    data: str
    network: str
    recipe: dict[str, Any]  # what differs from `Recipe()`
    options: dict[str, Any] = field(default_factory=dict)  # of the network
    net: str  # the network in a heading
    words: str  # the network in a sentence
    remark: str = ""  # about the training schedule
    name: str = ""  # first part of the names of its studies; DATA-NETWORK unless given
    scouts: int = 3
    n: int  # retrainings of the reference
    group: int = 2  # retrainings in a cell
    explored: int = 8  # retrainings that may play the method: on them covariates are observed
    observed: tuple[str, ...] = ("covariates",)  # observations that are kept of the explored retrainings
    keep: tuple[str, ...] = ("panel", "log_probabilities")  # arrays that are kept of every retraining
    bursts: tuple[tuple[float, float], ...]  # (epochs, first learning rate in parts of the plain training's highest)
    burst_group: int | tuple[int, ...] = 2  # networks in a cell; one number for each of `bursts`, or for all
    proxies: tuple[tuple[int, float], ...]  # (size, epochs)
    size: str = "width"  # option of the network that makes it small
    n_proxies: int = 40  # in each of two sets
    of_proxies: dict[str, Any] | None = None  # other options of their network; those of the pair unless given
    yardstick: int = 8  # networks that ensembles of all sizes are made of
    long: bool = True  # a training takes long: fewer methods are compared, at `budgets`, on `bases`
    budgets: tuple[float, ...] = (1, 1.5)  # trainings
    bases: int = 1  # repetitions of the comparison
    leading: bool = False  # at three trainings, only what leads on other pairs is compared
    control: bool = False  # shown beside a pair; no rule is learned on it
    paths: tuple[str, ...] = tuple(PATHS)  # learned paths that are judged as covariates
    shows: tuple[str, ...] = ()  # kinds of images that notebooks show: "easy", "undecided", "foreign"
    chooses: bool = True  # whether the effect of choosing the class from the evaluated networks is judged
    published: dict[str, str] = field(default_factory=dict)  # accuracy in % as its source prints it, decided beforehand

    @property
    def key(self) -> str:
        """Name of its reference, with which those of its other studies begin."""
        return self.name or f"{self.data}-{self.network}".replace("_", "-")

    @property
    def title(self) -> str:
        """The data set in words."""
        return TITLES[self.data]

    @property
    def label(self) -> str:
        """Data and network, for tables and figures."""
        return f"{self.title} {self.net}"

    @property
    def one(self) -> str:
        """One of its networks, in a sentence."""
        return f"{self.words} on {self.title}" + (f", {self.remark}" if self.remark else "")

    @property
    def many(self) -> str:
        """Several of its networks, in a sentence."""
        return self.one.replace("perceptron", "perceptrons").replace("network", "networks")


# Batches of 256 at twice the rate of batches of 128: the same ratio, nearly the same accuracy (98.51 against 98.56 % of
# the official test images, "mnist-mlp" and "mnist-mlp-paths"), and larger products, which a machine computes faster.
MNIST_MLP = Pair(
    data="mnist", network="mlp", net="MLP", words="perceptron",
    recipe={"epochs": 10, "batch": 256, "learning_rate": 0.2, "precision": "float32"},
    scouts=5, n=128, group=16, explored=12, burst_group=12, yardstick=40, long=False,
    shows=("easy", "undecided", "foreign"),
    bursts=((0.05, 1.0), (0.25, 0.5), (0.25, 1.0), (1.0, 0.5), (1.0, 1.0)),
    proxies=((8, 5), (16, 5), (32, 2), (32, 5), (32, 10), (64, 5)),
    published={"network": "MLP, 800 hidden units", "accuracy": "98.4", "training": "to convergence",
               "source": "simard2003"},
)  # fmt: skip
MNIST_CNN = Pair(
    data="mnist", network="cnn", net="CNN", words="convolutional network",
    recipe={"epochs": 5, "precision": "float32"},
    scouts=5, n=32, group=4, explored=12, yardstick=20, long=False,
    bursts=((0.05, 1.0), (0.25, 0.5), (0.25, 1.0), (0.25, 2.0), (1.0, 0.5), (1.0, 1.0)),
    proxies=((1, 2), (2, 1), (2, 2), (2, 5), (4, 2)),
    published={"network": "LeNet-5", "accuracy": "99.05", "training": "20 passes", "source": "lecun1998"},
)  # fmt: skip
# A short schedule: minutes on one core. The learning rate of the network without normalisation is that of two (0.05,
# 0.1) which did better on validation images after five epochs. Bursts at twice the rate were tried: they diverged from
# every network.
CIFAR10_CNN = Pair(
    data="cifar10", network="cnn", net="CNN", words="convolutional network", remark="short schedule",
    recipe={"epochs": 15, "learning_rate": 0.05, "shift": 4, "flip": True, "precision": "bfloat16"},
    n=24, bursts=((0.1, 1.0), (0.25, 0.5), (0.25, 1.0)), proxies=((4, 7),), chooses=False,
    published={"network": "CNN with max-pooling", "accuracy": "80.49", "training": "to convergence",
               "source": "ciresan2011"},
)  # fmt: skip
# A residual network of twenty layers gets hardly cheaper by the clock as it gets narrower, so that its proxies are
# shallower, too, and fewer.
CIFAR10_RESNET = Pair(
    data="cifar10", network="resnet", net="ResNet", words="residual network of half width", remark="short schedule",
    recipe={"epochs": 10, "shift": 4, "flip": True, "precision": "bfloat16"}, options={"width": 8},
    n=12, bursts=((0.25, 1.0),), proxies=((4, 3),), n_proxies=20, of_proxies={"depth": 8}, chooses=False,
    published={"network": "ResNet-20, full width", "accuracy": "91.25", "training": "182 epochs", "source": "he2015"},
)  # fmt: skip
CIFAR100_RESNET = replace(
    CIFAR10_RESNET, data="cifar100", keep=("panel",),
    published={"network": "ResNet-20, full width", "accuracy": "69.06", "training": "240 epochs",
               "source": "tian2020"},
)  # fmt: skip
# Trained first. Networks that learn as fast today are more accurate; these show the effect of accuracy.
SHORT = (CIFAR10_CNN, CIFAR10_RESNET, CIFAR100_RESNET)

# Shows the effects of a short schedule and of half the width; an accelerator is needed, or hours on a core or two.
CIFAR10_RESNET20 = replace(
    CIFAR10_RESNET, control=True, paths=(), name="cifar10-resnet20", words="residual network", remark="full schedule",
    options={},
    recipe={**CIFAR10_RESNET.recipe, "epochs": 30}, n=16, group=11, explored=5, burst_group=5, keep=("panel",),
)  # fmt: skip

# Networks that learn in few operations, in float32, so that any machine can continue a study. The first half of the
# steps sees images of 24 pixels. Rates and decay: Jordan 2024, arXiv 2404.00498, for batches of 128 and the mean loss.
FAST_RECIPE = {
    "epochs": 4, "batch": 128, "learning_rate": 11.5 * 128 / 7851, "momentum": 0.85, "weight_decay": 0.0153 / 11.5,
    "shift": 2, "schedule": "slanted", "flip": "alternate", "precision": "float32", "bias_rate": 64,
    "first_pixels": 24, "average_every": 20,
}  # fmt: skip
CIFAR10_FAST_CNN = Pair(
    data="cifar10", network="fast_cnn", net="fast CNN", words="fast convolutional network", recipe=FAST_RECIPE,
    n=32, group=12, explored=12, burst_group=12, observed=("covariates", "gradients"), keep=("panel",),
    bursts=((0.25, 0.5), (0.25, 1.0)), proxies=((3, 2),), size="narrow", n_proxies=20, yardstick=20, chooses=False,
    budgets=(1, 1.5, 3), bases=2,
    published={"network": "CNN of 2.0 M weights", "accuracy": "94", "training": "9.9 epochs",
               "source": "jordan2024cifar"},
)  # fmt: skip
CIFAR10_FAST_RESNET = replace(
    CIFAR10_FAST_CNN, network="fast_resnet", net="fast ResNet", words="fast residual network", n=24,
    bases=1, leading=True,
    recipe={**FAST_RECIPE, "epochs": 13}, bursts=((0.25, 0.5), RULE), burst_group=(12, 2), proxies=((3, 4),),
    yardstick=8, paths=("line", "curve", "simplex", "ESPRO", "SWAG", "FGE"), chooses=True, shows=("undecided",),
    published=CIFAR10_RESNET.published,
)  # fmt: skip
# Small groups: a training takes twenty minutes on a core, and a cell that is killed begins anew.
CIFAR100_FAST_RESNET = replace(
    CIFAR10_FAST_RESNET, data="cifar100", options={"widths": [24, 96, 256], "scale": 0.25}, proxies=((3, 3),),
    recipe={**FAST_RECIPE, "epochs": 9, "bias_rate": 32}, scouts=2, n=20, group=2, explored=8, burst_group=2,
    bursts=(RULE,),
    published=CIFAR100_RESNET.published,
)  # fmt: skip
PAIRS = (
    MNIST_MLP,
    MNIST_CNN,
    CIFAR10_FAST_CNN,
    CIFAR10_FAST_RESNET,
    CIFAR100_FAST_RESNET,
)  # in the order of every table

# As wide as those of the reference, for an accelerator.
CIFAR10_WIDE = replace(
    CIFAR10_FAST_CNN, paths=(), name="cifar10-wide", net="wide CNN", words="wide convolutional network", n=24,
    budgets=(1, 1.5), bases=1,
    options={"widths": [64, 256, 256], "convolutions": [2, 2, 2]},
    recipe={**FAST_RECIPE, "epochs": 20, "precision": "bfloat16"},
)  # fmt: skip
CIFAR100_WIDE = replace(
    CIFAR10_WIDE, name="cifar100-wide", data="cifar100", network="fast_resnet", net="wide ResNet", n=36,
    words="wide residual network", proxies=((3, 3),),
    options={"widths": [64, 256, 512], "convolutions": [2, 2, 2], "scale": 0.25},
    recipe={**CIFAR10_WIDE.recipe, "bias_rate": 32},
)  # fmt: skip
# Judges of the level of one training, computed after its rule was fixed: retrainings and gradient distances, no more.
_JUDGING: dict[str, Any] = {
    "data": "fashion_mnist", "n": 24, "group": 8, "explored": 8, "observed": ("gradients",), "keep": ("panel",),
    "shows": (), "published": {},
}  # fmt: skip
FASHION_MLP, FASHION_CNN = (replace(pair, **_JUDGING) for pair in (MNIST_MLP, MNIST_CNN))
# Attention, after everything else. The rate is the better of two (0.001, 0.003) on validation images after four epochs.
FASHION_ATTENTION = Pair(
    **_JUDGING | {"data": _FASHION, "network": _ATTENTION, "n": 20, "group": 4, "explored": 6},
    net="attention", words="attention network", name="fashion-mnist-attention", bursts=(), proxies=(),
    recipe={"epochs": 5, "optimiser": "adamw", "learning_rate": 0.003, "weight_decay": 0.05, "precision": "float32"},
)  # fmt: skip
# The same without attention, to see whether it is the cause that gradients show less there.
FASHION_FIXED = replace(
    FASHION_ATTENTION, name="fashion-mnist-attention-fixed", net="fixed mixing", words="network with fixed mixing",
    network="report.studies.attention:mixer",
)  # fmt: skip
FURTHER = (CIFAR10_WIDE, CIFAR100_WIDE)  # computed in part: an accelerator is needed
CHOOSING = tuple(pair for pair in PAIRS if pair.chooses)
RESTARTED = tuple(pair for pair in (*PAIRS, *SHORT) if RULE in pair.bursts)  # bursts by the common rule are complete
# Those on which methods are compared at equal cost.
COMPARED = (*PAIRS, *SHORT)

# Those whose retrainings keep gradient distances; a prior is learned on all of them but one, and judged on that one.
WITH_GRADIENTS = (MNIST_MLP, MNIST_CNN, CIFAR10_FAST_RESNET, CIFAR10_WIDE)
HELD_OUT = (CIFAR10_FAST_CNN, CIFAR100_FAST_RESNET)  # judged by it: no part in the choice of slope and groups
JUDGES = (FASHION_MLP, FASHION_CNN)  # judged by it, and by a rule that was fixed before they were computed
# Those on which bursts of the networks whose gradients were kept show the level of u after one training.
WITH_LEVEL = (MNIST_MLP, MNIST_CNN, CIFAR10_FAST_CNN, *JUDGES)
# Those that teach the level of u after one training, which needs log-odds alone.
LEVELLED = (
    MNIST_MLP, MNIST_CNN, *SHORT, CIFAR10_RESNET20, CIFAR10_FAST_CNN, CIFAR10_FAST_RESNET, CIFAR10_WIDE,
    CIFAR100_FAST_RESNET,
)  # fmt: skip

# Small or binary: minutes for all. Perceptrons of two layers; breast cancer with dropout.
SMALL = {
    "breast-cancer": ("mlp", {"width": 32, "dropout": 0.2}, {"epochs": 40, "batch": 32, "learning_rate": 0.05}),
    "wine": ("mlp", {"width": 32}, {"epochs": 40, "batch": 16, "learning_rate": 0.05}),
    "digits": ("mlp", {"width": 32}, {"epochs": 20, "batch": 64, "learning_rate": 0.1}),
    "garments": ("mlp", {"width": 32}, {"epochs": 20, "batch": 32, "learning_rate": 0.05}),
}
# Two classes each: they judge the scale of networks whose inputs move together. No scale was learned on them. The rule
# beside a companion was fixed before any companion of them was trained.
SMALL_JUDGES = {
    "four-or-nine": ("cnn", {}, {"epochs": 20, "batch": 32, "learning_rate": 0.05}),
    "three-or-five": (_ATTENTION, {}, {"epochs": 15, "batch": 32, "optimiser": "adamw", "learning_rate": 0.001}),
    "sneaker-or-boot": (
        "mlp", {"width": 64}, {"epochs": 20, "batch": 32, "optimiser": "adamw", "learning_rate": 0.001},
    ),
    "car-or-truck": ("mlp", {"width": 128, "dropout": 0.2}, {"epochs": 20, "batch": 32, "learning_rate": 0.02}),
    "cat-or-dog": ("cnn", {}, {"epochs": 10, "batch": 64, "learning_rate": 0.03, "flip": True}),
}  # fmt: skip


def kind_of_network(network: str) -> str:
    """Name the kind of a network, as `covariates.geometry.kind_of` does for a module."""
    if ":" in network:  # defined in the report: attention, mixing or recurrent, which are of no kind
        return "any"
    return "fully connected" if network == "mlp" else "convolutional"


def for_typesetting() -> dict[str, list[dict[str, Any]]]:
    """Return what the report's sources read of the table, in plain values: all pairs, and some of them by purpose."""
    wanted = {"pairs": PAIRS, "compared": COMPARED, "restarted": RESTARTED, "choosing": CHOOSING}
    return {
        name: [{"key": p.key, "data": p.title, "net": p.net, "published": p.published} for p in some]
        for name, some in wanted.items()
    }
