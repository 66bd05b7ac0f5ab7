"""Cells that compare the methods at equal cost, and those that chose their settings."""

from collections.abc import Mapping
from typing import Any

from lnescape.study.cells import Cell

BUDGETS = (1, 1.5, 3)  # trainings
BASES = (20, 21)  # seeds of the methods: disjoint networks, and other ones than scouts, reference and yardstick have
YARDSTICK = 3000  # first seed of the networks that ensembles of all sizes are made of
TUNING = 19  # seed under which settings were chosen, on validation images
VOLUME_WEIGHTS = (0.0, *(10.0**power for power in range(-8, 0)))  # λ over seven decades, and 0
COSINE_WEIGHTS = (0.0, 0.1, 1.0, 10.0, 100.0)  # β

# Each method as it is called on the chart: which of `METHODS`, and what is its own.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "deep ensemble": ("deep_ensemble", {}),
    "short ensemble": ("deep_ensemble", {}),  # twice as many members, of half a training each
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
# Of three candidates each, the best on validation images (studies "mnist-mlp-settings", "mnist-cnn-settings").
CHOSEN: dict[str, dict[str, int]] = {
    "mlp": {
        "snapshot_ensemble": 0, "fast_geometric_ensemble": 1, "mode_curve": 2, "learned_subspace": 2,
        "simplex_ensemble": 0, "simplicial_complex": 1, "swag": 2, "laplace": 0, "dropout": 1,
    },
    "cnn": {
        "snapshot_ensemble": 0, "fast_geometric_ensemble": 2, "mode_curve": 2, "learned_subspace": 0,
        "simplex_ensemble": 1, "simplicial_complex": 1, "swag": 2, "laplace": 0, "dropout": 0,
    },
}  # fmt: skip


def candidates(scouts: Cell) -> dict[str, list[dict[str, Any]]]:
    """List three candidates for what is free in each method: changes of the cell.

    Args:
        scouts: The cell whose recipe is that of one plain training.

    Returns:
        {method of `METHODS`: three changes of a cell}; learning rates are multiples of the plain recipe's.
    """
    recipe = scouts.recipe

    def exploring(*factors: float, decays: tuple[float, ...] = (1, 1, 1)) -> list[dict[str, Any]]:
        rates = [{"learning_rate": factor * recipe.learning_rate} for factor in factors]
        more = [{"weight_decay": decay * recipe.weight_decay} if decay != 1 else {} for decay in decays]
        return [{"exploring": rate | own} for rate, own in zip(rates, more, strict=True)]

    precision = 55_000 * recipe.weight_decay  # what the weight decay amounts to
    return {
        "deep_ensemble": [{"recipe": {"learning_rate": factor * recipe.learning_rate}} for factor in (0.5, 1, 2)],
        "snapshot_ensemble": exploring(0.5, 1, 2),
        "fast_geometric_ensemble": exploring(0.25, 0.5, 1),
        "mode_curve": exploring(0.5, 1, 2),
        "learned_subspace": exploring(1, 2, 0.5, decays=(1, 0.2, 0.2)),
        "simplex_ensemble": exploring(0.25, 0.5, 1),
        "simplicial_complex": exploring(0.25, 0.5, 1),
        "swag": exploring(0.125, 0.25, 0.5),
        "laplace": [{"prior_precision": factor * precision} for factor in (1, 10, 100)],
        "dropout": [{"network": {"dropout": rate}} for rate in (0.05, 0.1, 0.2)],
    }


def _cell(scouts: Cell, method: str, budget: float, seed: int, options: Mapping[str, Any]) -> Cell:
    """Make a cell; what is no argument of the method changes the recipe or the network."""
    options = dict(options)
    recipe, network = options.pop("recipe", {}), options.pop("network", {})
    settings = {"method": method, "budget": budget} | ({"options": options} if options else {})
    cell = scouts.but(method="law", scouts=scouts, keep=(), seeds=(seed,), settings=settings, **recipe)
    return cell.but(options={**cell.options, **network})


def settings_cells(scouts: Cell) -> tuple[Cell, ...]:
    """Give the cells that choose the settings: every candidate at a budget of 1.5, or 3 to join two networks."""
    joined = ("mode_curve", "simplicial_complex")
    return tuple(
        _cell(scouts, method, 3 if method in joined else 1.5, TUNING, own)
        for method, candidates_ in candidates(scouts).items()
        for own in candidates_
    )


def compared(scouts: Cell) -> list[tuple[str, float, int, Cell]]:
    """List the cells of the comparison with what they are: way, budget, base, cell.

    Args:
        scouts: The cell whose recipe is that of one plain training.

    Returns:
        Every way at every budget on every base.
    """
    chosen, known = CHOSEN[scouts.network], candidates(scouts)
    rows = []
    for seed in BASES:
        for budget in BUDGETS:
            for name, (method, own) in WAYS.items():
                # The plain recipe is the unit of cost; its own candidates only tell whether it is a fair one.
                tuned = {} if method == "deep_ensemble" else known[method][chosen.get(method, 0)]
                more = {"members": int(2 * budget)} if name == "short ensemble" else {}
                rows.append((name, budget, seed, _cell(scouts, method, budget, seed, {**own, **tuned, **more})))
    return rows


def comparison_cells(scouts: Cell, n_yardstick: int) -> tuple[Cell, ...]:
    """Give the cells of the comparison: the yardstick of so many networks, then every method."""
    yardstick = scouts.but(method="yardstick", seeds=range(YARDSTICK, YARDSTICK + n_yardstick))
    return (yardstick, *(cell for *_, cell in compared(scouts)))


def volume_cells(scouts: Cell) -> tuple[Cell, ...]:
    """Give the cells that vary λ of the volume, with one point a step and with five."""
    tuned = candidates(scouts)["simplex_ensemble"][CHOSEN[scouts.network].get("simplex_ensemble", 0)]
    return tuple(
        _cell(scouts, "simplex_ensemble", 1.5, BASES[0], {**tuned, "volume_weight": weight, "points": points})
        for points in (1, 5)
        for weight in VOLUME_WEIGHTS
    )


def cosine_cells(scouts: Cell) -> tuple[Cell, ...]:
    """Give the cells that vary β of the cosine penalty of a learned line."""
    tuned = candidates(scouts)["learned_subspace"][CHOSEN[scouts.network].get("learned_subspace", 0)]
    return tuple(
        _cell(scouts, "learned_subspace", 1, BASES[0], {**tuned, "shape": "line", "cosine_weight": weight})
        for weight in COSINE_WEIGHTS
    )
