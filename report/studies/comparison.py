"""Cells that compare the methods at equal cost, and those that chose their settings."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lnescape.study.cells import Cell
from report.studies.pairs import PATHS

BUDGETS = (1, 1.5, 3)  # trainings
BASES = (20, 21)  # seeds of the methods: disjoint networks, and other ones than scouts, reference and yardstick have
YARDSTICK = 3000  # first seed of the networks that ensembles of all sizes are made of, unless they are the reference's
TUNING = 19  # seed under which settings were chosen, on validation images
VOLUME_WEIGHTS = (0.0, *(10.0**power for power in range(-8, 0)))  # λ over seven decades, and 0
COSINE_WEIGHTS = (0.0, 0.1, 1.0, 10.0, 100.0)  # β

# {label in the figures: (name in `METHODS`, options of this variant)}.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "deep ensemble": ("deep_ensemble", {}),
    "short ensemble": ("deep_ensemble", {}),  # twice as many members, of half a training each
    "long ensemble": ("deep_ensemble", {}),  # two members of one and a half trainings each, at three
    "snapshots": ("snapshot_ensemble", {}),
    "FGE": ("fast_geometric_ensemble", {}),
    "mode curve": ("mode_curve", {}),
    "learned line": ("learned_subspace", {"shape": "line"}),
    "learned curve": ("learned_subspace", {"shape": "curve"}),
    "learned triangle": ("learned_subspace", {"shape": "triangle"}),
    "ESPRO": ("simplex_ensemble", {}),
    "SPRO": ("simplicial_complex", {}),
    "SWAG": ("swag", {}),
    "Laplace": ("laplace", {}),
    "dropout": ("dropout", {}),
}
# What is run where a training takes long; budgets and bases are the pair's.
FEWEST = (
    "deep ensemble", "long ensemble", "snapshots", "FGE", "learned line", "learned curve", "learned triangle", "ESPRO",
    "SWAG",
)  # fmt: skip
# What is run at three trainings where one takes longest: plain trainings, and the three ways ahead on the fast CNN.
LEADING = ("deep ensemble", "long ensemble", "FGE", "ESPRO", "SWAG")
# Of three candidates each, the best on validation images (studies "mnist-mlp-settings", "mnist-cnn-settings").
CHOSEN: dict[str, dict[str, int]] = {
    "mlp": {
        "snapshots": 1, "FGE": 0, "mode curve": 1, "learned line": 1, "learned curve": 1, "learned triangle": 0,
        "ESPRO": 0, "SPRO": 2, "SWAG": 1, "Laplace": 1, "dropout": 1,
    },
    "cnn": {
        "snapshots": 1, "FGE": 1, "mode curve": 1, "learned line": 1, "learned curve": 1, "learned triangle": 0,
        "ESPRO": 1, "SPRO": 0, "SWAG": 1, "Laplace": 2, "dropout": 0,
    },
}  # fmt: skip


def path_of(settings: Mapping[str, Any]) -> str | None:
    """Name the group of covariates that the spread along a law of these settings is, None where it is none."""
    own = settings["method"], settings.get("options", {}).get("shape"), settings["budget"]
    groups = {(WAYS[way][0], WAYS[way][1].get("shape"), budget): group for group, (way, budget) in PATHS.items()}
    return groups.get(own)


def candidates(scouts: Cell) -> dict[str, list[dict[str, Any]]]:
    """List three candidates for what is free in each way: changes of the cell."""
    # Learning rates are multiples of the plain recipe's. Where the best of a first three lay at the end of its row, the
    # row was moved on by one, once.
    recipe = scouts.recipe

    def exploring(*factors: float) -> list[dict[str, Any]]:
        return [{"exploring": {"learning_rate": factor * recipe.learning_rate}} for factor in factors]

    precision = 55_000 * recipe.weight_decay  # training images × decay: what it amounts to as a prior
    return {
        "deep ensemble": [{"recipe": {"learning_rate": factor * recipe.learning_rate}} for factor in (0.5, 1, 2)],
        "snapshots": exploring(0.25, 0.5, 1),
        "FGE": exploring(0.5, 1, 2),
        "mode curve": exploring(1, 2, 4),
        "learned line": exploring(0.5, 1, 2),
        "learned curve": exploring(0.5, 1, 2),
        "learned triangle": exploring(0.5, 1, 2),
        "ESPRO": exploring(0.125, 0.25, 0.5),
        "SPRO": exploring(0.25, 0.5, 1),
        "SWAG": exploring(0.25, 0.5, 1),
        "Laplace": [{"prior_precision": factor * precision} for factor in (0.1, 1, 10)],
        "dropout": [{"network": {"dropout": rate}} for rate in (0.05, 0.1, 0.2)],
    }


def _cell(scouts: Cell, method: str, budget: float, seed: int, options: Mapping[str, Any]) -> Cell:
    """Make a cell; what isn't an argument of the method changes the recipe or the network."""
    options = dict(options)
    recipe, network = options.pop("recipe", {}), options.pop("network", {})
    settings = {"method": method, "budget": budget} | ({"options": options} if options else {})
    cell = scouts.but(method="law", scouts=scouts, keep=(), seeds=(seed,), settings=settings, **recipe)
    return cell.but(options={**cell.options, **network})


def settings_cells(scouts: Cell) -> tuple[Cell, ...]:
    """Return the cells that choose the settings: every candidate at a budget of 1.5, or 3 to join two networks."""
    return tuple(
        _cell(scouts, WAYS[way][0], 3 if way in ("mode curve", "SPRO") else 1.5, TUNING, {**WAYS[way][1], **own})
        for way, row in candidates(scouts).items()
        for own in row
    )


def tuned(scouts: Cell, way: str) -> dict[str, Any]:
    """Return the chosen settings of a way."""
    # The plain recipe is the unit of cost, so that deep ensembles keep it; their candidates tell whether it is fair.
    # Settings were chosen on MNIST; other networks and data take over those of its convolutional network.
    if WAYS[way][0] == "deep_ensemble":
        return {}
    return candidates(scouts)[way][CHOSEN.get(scouts.network, CHOSEN["cnn"]).get(way, 1)]


def compared(
    scouts: Cell, *, ways: Sequence[str] = tuple(WAYS), budgets: Iterable[float] = BUDGETS,
    bases: Iterable[int] = BASES, at_three: Iterable[str] = tuple(WAYS),
) -> list[tuple[str, float, int, Cell]]:  # fmt: skip
    """List the cells of the comparison with what they are: way, budget, base, cell."""
    rows = []
    for seed in bases:
        for budget in budgets:
            for way in ways:
                if way == "long ensemble" and budget < 3:
                    continue
                if budget == 3 and way not in at_three:
                    continue
                method, usual = WAYS[way]
                more = {"short ensemble": {"members": int(2 * budget)}, "long ensemble": {"members": 2}}.get(way, {})
                options = {**usual, **tuned(scouts, way), **more}
                rows.append((way, budget, seed, _cell(scouts, method, budget, seed, options)))
    return rows


def comparison_cells(scouts: Cell, n_yardstick: int, *, first: int = YARDSTICK, **some: Any) -> tuple[Cell, ...]:
    """Return the cells of the comparison: the yardstick of so many networks, then methods, those of `compared`."""
    yardstick = scouts.but(method="yardstick", seeds=range(first, first + n_yardstick))
    return (yardstick, *(cell for *_, cell in compared(scouts, **some)))


def volume_cells(scouts: Cell) -> tuple[Cell, ...]:
    """Return the cells that vary λ of the volume, with one point a step and with five."""
    own = tuned(scouts, "ESPRO")
    return tuple(
        _cell(scouts, "simplex_ensemble", 1.5, BASES[0], {**own, "volume_weight": weight, "points": points})
        for points in (1, 5)
        for weight in VOLUME_WEIGHTS
    )


def cosine_cells(scouts: Cell) -> tuple[Cell, ...]:
    """Return the cells that vary β of the cosine penalty of a learned line."""
    own = tuned(scouts, "learned line")
    return tuple(
        _cell(scouts, "learned_subspace", 1, BASES[0], {**own, "shape": "line", "cosine_weight": weight})
        for weight in COSINE_WEIGHTS
    )
