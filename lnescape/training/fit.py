"""`fit`: retrain a network under many seeds, and bring in networks trained elsewhere."""

import math
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from torch import Tensor, nn

from lnescape.engines import engine_for
from lnescape.laws import Members
from lnescape.progress import bar
from lnescape.training.checks import checked_seeds, prepare
from lnescape.training.cost import Cost, count_operations
from lnescape.training.descent import Descent, State, descend, fingerprint, tensor_fingerprint
from lnescape.training.path import forget_damaged, keeping_path, read_path
from lnescape.training.recipe import Recipe
from lnescape.weights import Builder, build, check_builder, identity, images_to_refresh, theta_of

# Operations in one group of trainings above which separate processes repay their start of a few seconds.
_WORTH_A_PROCESS = 2e12


class TrainingError(RuntimeError):
    """No training ended with finite weights."""


def fit(
    net: Builder,
    data,
    *,
    seeds: Iterable[int],
    recipe: Recipe | None = None,
    device: torch.device | str | None = None,
    workers: int | None = None,
    group: int = 16,
    folder: Path | str | None = None,
    path: bool = False,
    progress: bool = True,
) -> Members:
    """Train one network for each seed; together they are a law, the deep ensemble.

    θ_s = the result of stochastic gradient descent from the initialisation under seed s, the images in
    an order that follows from s as well.

    Args:
        net: Builder of one network.
        data: The data set.
        seeds: Distinct seeds, ≥ 0.
        recipe: How to train; `Recipe()` unless given.
        device: Where; the data's own device unless given.
        workers: Processes with one thread each. Unless given: one for each thread where a group is long
            enough to repay the start of a process (some 20 s), else, and on an accelerator, 1: here.
        group: Networks trained together where they batch, ≥ 1.
        folder: Where the state is kept at every epoch's end. A killed `fit` called again with the same
            arguments goes on from there; a finished one returns at once.
        path: Keep θ at every epoch's end as well, in the law's `path`, [M, epochs, P] on the CPU.
        progress: Show a bar with the time left (from two seconds on).

    Returns:
        A law whose members are the trained networks, in the order of the seeds. Seeds that diverged are
        left out with a warning, and named in its `failed`.

    Raises:
        ValueError: No seeds, or one given twice; a batch larger than the data; a builder, loss, device or
            folder that can't be used.
        TrainingError: Every seed diverged.

    References:
        Lakshminarayanan et al. 2017, arXiv 1612.01474.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> runs = fit(ln.network("mlp", data, width=16), data, seeds=[0, 1], recipe=Recipe(epochs=2))
        >>> len(runs), runs[0].shape
        (2, torch.Size([1482]))
    """
    seeds = checked_seeds(seeds)
    if group < 1 or (workers is not None and workers < 1):
        raise ValueError(f"There must be at least one network in a group and one worker, not {group} and {workers}.")
    data, recipe, operations = prepare(net, data, recipe, device=device, folder=folder)
    device = data.train.images.device
    engine = engine_for(net, device=device, precision=recipe.precision)
    together = operations.together(engine, recipe, group)
    groups = [seeds[i : i + together] for i in range(0, len(seeds), together)]
    plain = operations.training(recipe, len(data.train))
    if workers is None:
        worthwhile = device.type == "cpu" and plain * len(groups[0]) > _WORTH_A_PROCESS
        workers = min(torch.get_num_threads(), len(groups)) if worthwhile else 1
    start = perf_counter()
    work = {"recipe": recipe, "device": device, "folder": folder}
    epochs = math.ceil(recipe.epochs) * len(groups)
    with TemporaryDirectory() as place, bar(epochs, "training", "epochs", show=progress) as shown:
        work["path"] = Path(folder or place) if path else None
        train = _train_here if workers == 1 else _train_in_processes
        results = list(train(net, data, groups, work, shown=shown, workers=workers))
        walked = _paths(net, data, groups, work, results) if path else None
    thetas = torch.cat([theta for theta, _ in results])
    failed = {seed: step for _, steps in results for seed, step in steps.items()}
    kept = _without_failed(seeds, failed, recipe)
    cost = Cost(plain * len(seeds), plain, perf_counter() - start)
    norm = images_to_refresh(build(net, 0), data)
    rows = [i for i, seed in enumerate(seeds) if seed in kept]
    known = {"recipe": recipe, "cost": cost, "normalisation_images": norm}
    known["path"] = None if walked is None else walked[rows]
    return Members(net, thetas[rows], seeds=tuple(kept), failed=failed, **known)


def _without_failed(seeds: list[int], failed: dict[int, int], recipe: Recipe) -> list[int]:
    cure = f"lower the learning rate (now {recipe.learning_rate:g})"
    named = ", ".join(f"seed {seed} at step {step}" for seed, step in failed.items())
    if len(failed) == len(seeds):
        raise TrainingError(f"The loss became NaN or infinite for {named}: no network is left; {cure}.")
    if failed:
        warnings.warn(f"The loss became NaN or infinite for {named}; left out. To cure it, {cure}.", stacklevel=3)
    return [seed for seed in seeds if seed not in failed]


def _train_here(net: Builder, data, groups: list[list[int]], work: dict, *, shown, workers: int) -> Iterator[tuple]:
    for seeds in groups:
        yield train_group(net, data, seeds, on_epoch=lambda state: shown.update(), **work)


def _train_in_processes(
    net: Builder, data, groups: list[list[int]], work: dict, *, shown, workers: int
) -> Iterator[tuple]:
    # One thread for each process. The data go through a file that each process reads once. joblib sends
    # builders written in a notebook, too, which the standard pool can't.
    from joblib import Parallel, delayed

    with TemporaryDirectory() as place:
        file = Path(place) / "data"
        file.write_bytes(pickle.dumps(data))
        parallel = Parallel(n_jobs=workers, return_as="generator")
        for result in parallel(delayed(_train_group_alone)(net, file, seeds, work) for seeds in groups):
            shown.update(math.ceil(work["recipe"].epochs))
            yield result


def _train_group_alone(net: Builder, file: Path, seeds: list[int], work: dict) -> tuple[Tensor, dict[int, int]]:
    torch.set_num_threads(1)
    return train_group(net, _data_from(file), seeds, **work)


@lru_cache(maxsize=1)
def _data_from(file: Path):
    return pickle.loads(file.read_bytes())


def train_group(
    net: Builder,
    data,
    seeds: Sequence[int],
    *,
    recipe: Recipe,
    device: torch.device,
    initialisations: Sequence[int] | None = None,
    start: State | None = None,
    folder: Path | str | None = None,
    path: Path | None = None,
    on_epoch: Callable[[State], object] = lambda state: None,
) -> tuple[Tensor, dict[int, int]]:
    """Train the networks of some seeds together: the unit of work that a process or a study runs.

    Args:
        net: Builder of one network; several at once only where its engine is `many`.
        data: The data set, on `device`.
        seeds: One for each network: order and augmentation of the images, dropout.
        recipe: The recipe, its precision resolved.
        device: Where.
        initialisations: Seeds of the initial weights; the same as `seeds` unless given.
        start: State to go on from, in place of initial weights.
        folder: Where the state is kept, or None.
        path: Where θ at every epoch's end is kept, or None.
        on_epoch: Called with the state at the end of every epoch; see `descend`.

    Returns:
        θ of every network [S, P], and {seed: step} of those that diverged.
    """
    engine = engine_for(net, device=device, precision=recipe.precision)
    beginnings = _beginnings(net, seeds if initialisations is None else initialisations, device)
    kept = folder is not None or path is not None
    name = _name(net, data, seeds, recipe=recipe, beginnings=beginnings, start=start) if kept else ""
    file = None if folder is None else Path(folder) / f"fit-{name}.safetensors"
    if path is not None:
        if file is not None and file.exists():
            forget_damaged(file, path, name)
        on_epoch = keeping_path(on_epoch, path, name)
    descent = Descent(beginnings.unsqueeze(1), slice(0, 1), list(seeds), file=file, start=start)
    failed = descend(descent, engine, data, recipe, on_epoch=on_epoch)
    return descent.vertices[:, 0], failed


def _beginnings(net: Builder, seeds: Sequence[int], device: torch.device) -> Tensor:
    return torch.stack([theta_of(build(net, seed)) for seed in seeds]).to(device)


def _name(net: Builder, data, seeds: Sequence[int], *, recipe: Recipe, beginnings: Tensor, start: State | None) -> str:
    """Name a training by all that goes into it: the same name, the same result."""
    place = (data.checksum, tensor_fingerprint(beginnings), str(beginnings.device))
    place += (identity(build(net, 0), data.train.images[:8]),)
    place += () if start is None else (start.epoch, tensor_fingerprint(start.vertices))
    return fingerprint(recipe.identity(), list(seeds), *place)


def _paths(net: Builder, data, groups: list[list[int]], work: dict, results: list[tuple]) -> Tensor | None:
    """Read where the epochs of all trainings ended, [S, epochs, P]; nan for a group whose every seed diverged."""
    recipe, parts = work["recipe"], []
    epochs = math.ceil(recipe.epochs)
    for seeds, (theta, failed) in zip(groups, results, strict=True):
        name = _name(net, data, seeds, recipe=recipe, beginnings=_beginnings(net, seeds, work["device"]), start=None)
        part = read_path(work["path"], name, epochs)
        if part is None and len(failed) == len(seeds):
            part = torch.full((len(seeds), epochs, theta.shape[1]), torch.nan)
        if part is None:
            warnings.warn(
                f"The trainings of seeds {seeds} were kept in {work['folder']} before, without their path: no path is "
                "known. To have it, train in another folder.",
                stacklevel=3,
            )
            return None
        parts.append(part)
    return torch.cat(parts)


def members(
    net: Builder, networks: Sequence[nn.Module | dict | Tensor], data, *, recipe: Recipe | None = None
) -> Members:
    """Bring in networks that were trained elsewhere, as a law with one member for each.

    Args:
        net: Builder of the architecture.
        networks: Modules, state dicts, or θ; all of the same architecture.
        data: The data set they were trained on; its images refresh batch normalisation.
        recipe: How one of them was trained, where known: it fixes the unit of cost.

    Returns:
        The law; each network counts as one training.

    Raises:
        TypeError: No list of networks.
        ValueError: Another architecture, other constants than the builder's, or weights that aren't finite.

    Example:
        >>> import lnescape as ln
        >>> data = ln.load("digits")
        >>> net = ln.network("mlp", data)
        >>> len(members(net, [net(), net().state_dict()], data))
        2
    """
    check_builder(net, data)
    if isinstance(networks, nn.Module | dict):
        raise TypeError(f"One {type(networks).__name__} was given; pass a list of networks, [network].")
    like = build(net, 0)
    length = theta_of(like).numel()
    thetas = []
    for number, network in enumerate(networks):
        state = network.state_dict() if isinstance(network, nn.Module) else network
        if not isinstance(state, dict | Tensor):
            kind = type(state).__name__
            raise TypeError(f"Network {number} is a {kind}; pass modules, state dicts (from torch.load) or θ.")
        theta = state.detach().float() if isinstance(state, Tensor) else theta_of(state, like)
        if theta.numel() != length:
            raise ValueError(f"Network {number} has {theta.numel()} parameters, the builder's have {length}.")
        if not theta.isfinite().all():
            raise ValueError(f"Network {number} holds NaN or infinite weights; its training diverged, leave it out.")
        thetas.append(theta.cpu())
    if not thetas:
        raise ValueError("No networks were given; pass at least one module or state dict.")
    operations = count_operations(net, data.train.images[0], data.n_classes)
    plain = operations.training(recipe or Recipe(), len(data.train))
    norm = images_to_refresh(build(net, 0), data)
    return Members(
        net,
        torch.stack(thetas).to(data.train.images.device),
        seeds=tuple(range(len(thetas))),
        recipe=recipe,
        cost=Cost(plain * len(thetas), plain),
        normalisation_images=norm,
    )
