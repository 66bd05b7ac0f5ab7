"""The studies that are known by name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report.studies.experiments  # noqa: F401 – it adds the methods of its cells
import report.studies.literature  # noqa: F401 – the same
from lnescape.covariates.explore import N_BURSTS
from lnescape.retraining.prior import COMPANION
from lnescape.study.cells import Cell, Study
from lnescape.training import Recipe, squared_error
from report.studies import comparison
from report.studies.judges import NAMES, NEW_JUDGES
from report.studies.pairs import (
    CIFAR10_CNN,
    CIFAR10_FAST_CNN,
    CIFAR10_FAST_RESNET,
    CIFAR10_RESNET,
    CIFAR10_RESNET20,
    FASHION_ATTENTION,
    FASHION_FIXED,
    FURTHER,
    HELD_OUT,
    JUDGES,
    MNIST_CNN,
    MNIST_MLP,
    PAIRS,
    PATHS,
    RESTARTED,
    SHORT,
    SMALL,
    SMALL_JUDGES,
    WITH_GRADIENTS,
    WITH_LEVEL,
    Pair,
)
from report.studies.scale import COMPANIONS
from report.studies.scale import cells as cells_of_scale
from report.studies.values import cells_of_values


@dataclass(frozen=True)
class ReportStudy(Study):
    """A study of the report: `summary`, a key of `summaries.SUMMARIES`, is made of its cells; none if empty."""

    summary: str = "reference"

    def keep_summary(self) -> Path | None:
        """Store the summary as report/results/STUDY.json."""
        if not self.summary:
            return None
        from report.studies.summaries import keep_summary

        return keep_summary(self)


# What `lnescape status` says of studies whose cells aren't stored.
REMARKS = {
    "digits-mlp": "an example for you to run",
    **dict.fromkeys(
        (
            f"{FASHION_FIXED.key}-geometry",
            *(NEW_JUDGES[name].key for name in NAMES[:4]),
            *(f"{name}-companion" for name in ("digits", "garments", *SMALL_JUDGES)),
        ),
        "summary stored; its cells take minutes",
    ),
}


def _study(name: str, title: str, cells: tuple[Cell, ...], summary: str = "reference") -> ReportStudy:
    card = any(name.startswith(pair.key) for pair in (*FURTHER, CIFAR10_RESNET20))
    remark = "waits for an accelerator" if card else REMARKS.get(name, "")
    return ReportStudy(name, title, cells, f"lnescape study {name}", remark, summary)


def scouts_of(pair: Pair) -> Cell:
    """Make the cell that all others of a pair begin with: its data, network and recipe."""
    return Cell(
        method="scouts", data=pair.data, network=pair.network, seeds=range(1000, 1000 + pair.scouts),
        recipe=Recipe(**pair.recipe), options=pair.options,
    )  # fmt: skip


MLP, CNN, CIFAR_CNN, CIFAR_RESNET = map(scouts_of, (MNIST_MLP, MNIST_CNN, CIFAR10_CNN, CIFAR10_RESNET))
DIGITS = MLP.but(data="digits", epochs=5, batch=64, options={"width": 32})

# The first part's networks: float32 throughout, so that no number depends on which products a machine does fast.
PATH_RECIPES = {"mlp": Recipe(epochs=10, precision="float32"), "cnn": CNN.recipe}
# A gradient reaches vertex k times its coefficient, so that a point of a triangle moves at E Σ a² = 1/2 of the
# learning rate. Twice the rate makes up for it in the MLP; the CNN, whose corners carry larger weights than its
# midpoint and no normalisation, diverged under one seed of five even at the rate of a plain training, and gets half
# of it. The weight decay was chosen on validation images (study "mnist-triangle-recipe").
TRIANGLE = {"mlp": {"learning_rate": 0.2, "weight_decay": 1e-4}, "cnn": {"learning_rate": 0.05, "weight_decay": 1e-4}}
CANDIDATES = {
    "as one network": {},
    "without penalty": {"settings": {"cosine_weight": 0.0}},
    "twice the rate, half the decay": {"learning_rate": 0.2, "weight_decay": 2.5e-4},
    "chosen": TRIANGLE["mlp"],
}
_TRIANGLE = Cell(method="triangle", data="mnist", network="mlp", seeds=(0,), recipe=PATH_RECIPES["mlp"], keep=())
N_BASES = 5


def _reference(
    scouts: Cell, n: int, *, group: int, explored: int = 12, keep: tuple[str, ...] = ("panel", "log_probabilities"),
    observed: tuple[str, ...] = ("covariates",),
) -> tuple[Cell, ...]:  # fmt: skip
    """Retrainings with seeds 0 to n − 1, trained in groups; on the first of them covariates are observed."""
    starts = [*range(0, explored, min(group, explored)), *range(explored, n, group)]
    cells = []
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        more = () if stop > explored else (*observed, "log_probabilities") if "covariates" in observed else observed
        base = scouts.but(method="retrainings", scouts=scouts, keep=(*keep, *more))
        cells.append(base.but(seeds=range(start, stop)))
    return tuple(cells)


def _reference_of(pair: Pair) -> tuple[Cell, ...]:
    of_pair = {"group": pair.group, "explored": pair.explored, "keep": pair.keep, "observed": pair.observed}
    return _reference(scouts_of(pair), pair.n, **of_pair)


def _geometry(pair: Pair) -> tuple[Cell, ...]:
    """Retrainings with gradient distances, which play the method, and those that judge them."""
    scouts, reference = scouts_of(pair), _reference_of(pair)
    if "gradients" in pair.observed:
        return reference
    # Under their seeds again: their weights were not kept.
    players = scouts.but(method="retrainings", scouts=scouts, keep=("panel", "gradients"), seeds=range(pair.explored))
    return (players, *(cell for cell in reference if min(cell.seeds) >= pair.explored))


def _level(pair: Pair) -> tuple[Cell, ...]:
    """Retrainings with gradient distances, and bursts from the same networks at the full rate."""
    if "gradients" in pair.observed and pair not in JUDGES:
        return (*_geometry(pair), *(cell for cell in _bursts(pair) if cell.settings["rate"] == 1.0))
    scouts, settings = scouts_of(pair), {"n": 4 if pair in JUDGES else 10, "epochs": 0.25, "rate": 1.0}
    bursts = scouts.but(method="bursts", scouts=scouts, seeds=range(pair.explored), settings=settings)
    return (*_geometry(pair), bursts)


def _purchases(pair: Pair) -> tuple[Cell, ...]:
    """What may be bought beside gradient distance: bursts from the same networks, and what other networks show."""
    further = [cell for cell in _uncertainty_cells(pair) if cell.method in ("bursts", "proxies", "law")]
    if "gradients" in pair.observed:
        return (*_geometry(pair), *further)
    *cells, bursts = _level(pair)
    return (*cells, *(cell for cell in further if cell.method != "bursts"), bursts)


def _together(scouts: Cell, n: int, epochs: float) -> Cell:
    """Look at the first n retrainings, one by one, for how inputs move together."""
    settings = {"n": 8, "epochs": epochs, "rate": 1.0}
    return scouts.but(method="together", scouts=scouts, seeds=range(n), settings=settings)


N_SMALL = 48  # retrainings of each small data set


def _small(name: str) -> tuple[Cell, ...]:
    """Retrainings on a small data set, and how inputs move together in the first twelve."""
    network, options, recipe = (SMALL | SMALL_JUDGES)[name]
    scouts = Cell(
        method="scouts", data=f"report.studies.small:{name.replace('-', '_')}", network=network, options=options,
        seeds=range(1000, 1005), recipe=Recipe(**recipe, precision="float32"),
    )  # fmt: skip
    players = scouts.but(method="retrainings", scouts=scouts, keep=("panel", "gradients"), seeds=range(12))
    others = players.but(keep=("panel",), seeds=range(12, N_SMALL))
    return (players, others, _together(scouts, 12, 1.0))


_VALUES: dict[str, Any] = {"loss": squared_error, "precision": "float32"}
ANGLE = cells_of_values("angle", "cnn", Recipe(epochs=8, learning_rate=0.05, **_VALUES), n=36, group=4)
DIABETES = cells_of_values(
    "diabetes", "mlp", Recipe(epochs=30, batch=32, learning_rate=0.03, **_VALUES), n=48, group=40, width=32
)


def _on_test(scouts: Cell, method: str, seeds, **settings) -> Cell:
    return scouts.but(method=method, scouts=scouts, keep=("test",), seeds=seeds, settings=settings)


def _crossed(scouts: Cell, n: int) -> tuple[Cell, ...]:
    """N initialisations × n orders, two initialisations in a cell."""
    orders = list(range(2000, 2000 + n))
    return tuple(_on_test(scouts, "crossed", (k, k + 1), orders=orders) for k in range(0, n, 2))


def _paths(network: str) -> tuple[Cell, ...]:
    """Two retrainings, line and curve, a triangle for each base; all the retrainings as one ensemble."""
    pairs = Cell(method="pair", data="mnist", network=network, seeds=(0, 1), recipe=PATH_RECIPES[network], keep=())
    return (
        pairs.but(method="ensemble", seeds=range(2 * N_BASES)),
        *(pairs.but(seeds=(2 * base, 2 * base + 1)) for base in range(N_BASES)),
        *(pairs.but(method="triangle", seeds=(base,), **TRIANGLE[network]) for base in range(N_BASES)),
    )


def _precision(scouts: Cell, n: int, other: str, *, group: int) -> tuple[Cell, ...]:
    """The first n retrainings of the reference, and as many under the same seeds in the other arithmetic."""
    again = _on_test(scouts, "retrainings", (0,)).but(precision=other)
    groups = (again.but(seeds=range(start, start + group)) for start in range(0, n, group))
    return (*_reference(scouts, n, group=group, explored=n), *groups)


def _grouped(scouts: Cell, n: int) -> tuple[Cell, ...]:
    """Retrainings of the same network with group normalisation, which needs no other images; two in a cell."""
    other = {**scouts.options, "norm": "group"}
    return tuple(_on_test(scouts, "retrainings", (k, k + 1)).but(options=other) for k in range(0, n, 2))


def _companions(scouts: Cell, n: int) -> Cell:
    """Companions of the first n networks."""
    return scouts.but(method="companions", scouts=scouts, seeds=range(n), settings={"part": COMPANION})


def _bursts(pair: Pair) -> tuple[Cell, ...]:
    scouts, groups = scouts_of(pair), pair.burst_group
    groups = groups if isinstance(groups, tuple) else (groups,) * len(pair.bursts)
    return tuple(
        scouts.but(method="bursts", scouts=scouts, seeds=range(k, k + group),
                   settings={"n": N_BURSTS, "epochs": epochs, "rate": rate})
        for (epochs, rate), group in zip(pair.bursts, groups, strict=True)
        for k in range(0, pair.explored, group)
    )  # fmt: skip


def _proxies(pair: Pair) -> tuple[Cell, ...]:
    """Two disjoint sets of proxies of each width and schedule."""
    scouts = scouts_of(pair)
    own = scouts.but(method="proxies", scouts=scouts)
    others = pair.options if pair.of_proxies is None else pair.of_proxies
    return tuple(
        own.but(seeds=range(start, start + pair.n_proxies), options={**others, pair.size: size}, epochs=epochs)
        for size, epochs in pair.proxies
        for start in (4000, 5000)
    )


def _options(pair: Pair) -> dict[str, Any]:
    """Return the options of the comparison of methods."""
    if not pair.long:
        return {}
    options = {"ways": comparison.FEWEST, "budgets": pair.budgets, "bases": comparison.BASES[: pair.bases]}
    return options | ({"at_three": comparison.LEADING} if pair.leading else {})


def _uncertainty_cells(pair: Pair) -> tuple[Cell, ...]:
    """Return the cells behind u(x): reference, bursts, proxies, and the laws that serve as covariates."""
    ways = {PATHS[name] for name in pair.paths}
    methods = comparison.compared(scouts_of(pair), **_options(pair))
    laws = [cell for way, budget, _, cell in methods if (way, budget) in ways]
    return (*_reference_of(pair), *_bursts(pair), *_proxies(pair), *laws)


def _studies(pair: Pair) -> tuple[Study, ...]:
    """Return the studies of one pair: reference, bursts, proxies, u(x), methods, and what suits it."""
    scouts, reference, bursts = scouts_of(pair), _reference_of(pair), _bursts(pair)
    name, many = pair.key, pair.many
    first = {"first": 0} if pair.long and not pair.control else {}  # the reference's, which are no method's own
    found = [
        _study(name, f"{pair.n} retrainings of {many}: the reference", reference),
        _study(f"{name}-bursts", f"Short restarts from {pair.explored} {many}", bursts, ""),
        _study(f"{name}-proxies", f"Cheap retrainings of narrower {many}", _proxies(pair), ""),
        _study(f"{name}-uncertainty", f"u(x) of {many} from few retrainings, judged by all others",
               _uncertainty_cells(pair), "uncertainty"),
        _study(f"{name}-methods", f"Methods at equal cost, {pair.one}",
               comparison.comparison_cells(scouts, pair.yardstick, **first, **_options(pair)), "methods"),
    ]  # fmt: skip
    if not pair.control:
        seen = (_together(scouts, 2, 0.25),) if pair is MNIST_MLP else ()  # where a training takes seconds
        found.append(_study(f"{name}-together", f"How inputs of {many} move together", (*reference, *seen), "together"))
    if pair in RESTARTED:
        found.append(
            _study(f"{name}-single", f"u(x) of {many} from one training and its bursts, by a rule of the other pairs",
                   (*reference, *bursts), "single")
        )  # fmt: skip
    if pair.chooses:
        kept = tuple(cell for cell in reference if "log_probabilities" in cell.keep)
        title = f"Effect of letting the evaluated {many} choose the class"
        found.append(_study(f"{name}-class", title, kept, "own class"))
    return tuple(found)


# Every run another way of splitting the same sums: (threads, networks trained together).
ARITHMETIC = [(threads, together) for together in (1, 2) for threads in (1, 2, 4, 8)]

STUDIES = {
    study.name: study
    for study in (
        _study("digits-mlp", "A study of seconds, on embedded digits, to try the commands",
               _reference(DIGITS, 16, group=4, explored=4)),
        *(study for pair in (*PAIRS, *SHORT, CIFAR10_RESNET20, *FURTHER) for study in _studies(pair)),
        *(_study(f"{name}-together", f"How inputs move together: {name.replace('-', ' ')}", _small(name), "together")
          for name in SMALL),
        *(_study(f"{name}-companion", f"What a companion adds to two and three networks: {name.replace('-', ' ')}",
                 (*_small(name), _companions(_small(name)[0].scouts, 12)), "beside companion")
          for name in (*SMALL, *SMALL_JUDGES)),
        _study("angle-cnn", "The angle of a digit, 36 retrainings of a convolutional network", ANGLE, "values"),
        _study("diabetes-mlp", "Progression of 442 patients, 48 retrainings of a perceptron", DIABETES, "values"),
        _study("mnist-mlp-crossed", "8 initialisations × 8 orders of the images", _crossed(MLP, 8), "crossed"),
        _study("mnist-mlp-arithmetic", "One seed under other numbers of threads, for four seeds", tuple(
            _on_test(MLP, "arithmetic", (seed,), runs=ARITHMETIC) for seed in range(4)
        ), "arithmetic"),
        _study("mnist-mlp-branches", "Branches that leave the trunk of one training at several epochs", tuple(
            _on_test(MLP, "branches", (k, k + 1), leaves=[1, 3, 5, 7, 9], branches=3) for k in range(0, 8, 2)
        ), "branches"),
        *(_study(f"{pair.key}-geometry", f"Gradient distances of {pair.many}", _geometry(pair), "geometry")
          for pair in (*WITH_GRADIENTS, *HELD_OUT, *JUDGES, FASHION_ATTENTION, FASHION_FIXED)),
        *(_study(f"{pair.key}-level", f"u(x) of {pair.many} from one training and its bursts, with gradient distance",
                 _level(pair), "level") for pair in WITH_LEVEL),
        *(_study(f"{pair.key}-purchases", f"Purchases beside gradient distance: {pair.many}", _purchases(pair),
                 "purchases") for pair in (MNIST_MLP, MNIST_CNN, CIFAR10_FAST_CNN, CIFAR10_FAST_RESNET)),
        _study("one-training", "The scale of u from one training and a short companion",
               tuple(cells_of_scale().values()), "one training"),
        *(_study(f"{pair.key}-companions", f"Short companions of {pair.many}", (_companions(scouts_of(pair), n),), "")
          for pair, n in COMPANIONS),
        *(_study(pair.key, f"One training and a companion, tested on new networks: {name}",
                 (*_geometry(pair), _companions(scouts_of(pair), pair.explored)), "judge")
          for name, pair in NEW_JUDGES.items()),
        _study("mnist-mlp-literature", "Infinitesimal jackknife and batches of the data, perceptrons on MNIST",
               (*_geometry(MNIST_MLP), MLP.but(method="literature", scouts=MLP, seeds=range(6))), "literature"),
        _study("cifar10-cnn-branches", "Branches that leave the trunk of one training at several epochs, CIFAR-10",
               tuple(_on_test(CIFAR_CNN, "branches", (k,), leaves=[3, 8, 12], branches=2) for k in range(4)),
               "branches"),
        *(_study(f"{pair.key}-paths", f"Lines, curves and triangles of {pair.many}", _paths(pair.network), "paths")
          for pair in (MNIST_MLP, MNIST_CNN)),
        _study("mnist-triangle-recipe", "How the recipe of the triangle of perceptrons was chosen",
               tuple(_TRIANGLE.but(**changes) for changes in CANDIDATES.values()), "candidates"),
        *(_study(f"{pair.key}-settings", f"How the settings of the methods were chosen for the {pair.one}",
                 comparison.settings_cells(scouts_of(pair)), "settings") for pair in (MNIST_MLP, MNIST_CNN)),
        _study("mnist-mlp-volume", "What the weight of the volume does in a grown triangle",
               comparison.volume_cells(MLP), "weights"),
        _study("mnist-mlp-cosine", "What the weight of the cosine penalty does in a learned line",
               comparison.cosine_cells(MLP), "weights"),
        _study("mnist-cnn-precision", "Whether products in bfloat16 move the results",
               _precision(CNN, 12, "bfloat16", group=4), "precision"),
        _study("cifar10-cnn-precision", "Whether products in bfloat16 move the results on CIFAR-10",
               _precision(CIFAR_CNN, 6, "float32", group=2), "precision"),
        _study("cifar10-resnet-groupnorm", "Residual networks with group normalisation, beside those with batch's",
               (*_reference(CIFAR_RESNET, 12, group=2, explored=8), *_grouped(CIFAR_RESNET, 4)), "control"),
    )
}  # fmt: skip

# In the order in which an accelerator takes them: main pairs, wide networks, methods.
_EXPLORED = ("", "-bursts", "-proxies")
_MAIN = ("cifar10-fast-resnet", "cifar10-fast-cnn", "cifar100-fast-resnet", "cifar10-wide")
QUEUE = (
    *(f"{name}{what}" for name in _MAIN for what in _EXPLORED),
    *(f"{name}-methods" for name in ("cifar10-fast-resnet", "cifar100-fast-resnet", "cifar10-fast-cnn")),
    *(f"cifar100-wide{what}" for what in _EXPLORED),
    "cifar10-wide-methods",
    "cifar10-resnet20-methods",
)
