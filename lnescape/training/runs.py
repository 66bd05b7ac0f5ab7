"""Plain trainings: retrain under many seeds, walk on from a trained network, bring in networks trained elsewhere."""

import math
import os
import pickle
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lnescape.checks import check_no_copies, instance, one_of, whole
from lnescape.laws import Law, Members, law_of
from lnescape.progress import bar
from lnescape.results import ResultError, files
from lnescape.training.descent import Descent, State, descend, fingerprint, stream_seed, tensor_fingerprint
from lnescape.training.prepared import Prepared, check_builder, checked_seeds
from lnescape.training.recipe import Cost, Recipe, count_operations
from lnescape.weights import (
    HOOKS,
    KEPT_STATISTICS,
    RNG_LOCK,
    Builder,
    Template,
    Wrapped,
    architecture,
    build,
    check_callable,
    constants_of,
    identity,
    images_to_refresh,
    normalisation_layers,
    theta_of,
    undisturbed,
    unwrapped,
)

# Operations in one group of trainings above which separate processes repay their start of a few seconds.
_WORTH_A_PROCESS = 2e12
OTHERWISE = 0.02  # share of decisions that recomputed statistics may change in networks brought in, without a warning
_DIVERGED = "its training diverged, leave it out"


class TrainingError(RuntimeError):
    """A training diverged, so its result is missing."""


def fit(
    net: Builder, data, *, seeds: Iterable[int], recipe: Recipe | None = None,
    device: torch.device | str | None = None, workers: int | None = None, group: int = 16,
    folder: Path | str | None = None, path: bool = False, progress: bool = True,
) -> Members:  # fmt: skip
    """Train one network for each seed; together they are a law, the deep ensemble.

    θ_s is the result of stochastic gradient descent from the initialisation under seed s; s also fixes the order of the
    images.

    Args:
        net: Builder of one network.
        data: The data set.
        seeds: Distinct seeds, ≥ 0.
        recipe: Recipe of the training; `Recipe()` unless given.
        device: Device of the training; the data's unless given.
        workers: Processes with one thread each; unless given, one for each thread where a group takes some 20 s.
        group: Networks trained together where they batch, ≥ 1.
        folder: Folder for the state at every epoch's end; a killed `fit` called again resumes from it.
        path: Keep θ at every epoch's end as well, in the law's `path`, [M, epochs, P] on the CPU.
        progress: Show a bar with the time left (from two seconds on).

    Returns:
        A law of the trained networks, in the order of the seeds; those that diverged are left out, and named in
        `failed`.

    Raises:
        ValueError: Seeds, data, builder, loss, device or folder that can't be used.
        TrainingError: Every seed diverged.

    References: Lakshminarayanan et al. 2017, arXiv 1612.01474.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> runs = fit(ln.network("mlp", data, width=16), data, seeds=[0, 1], recipe=Recipe(epochs=2))
    >>> len(runs), runs[0].shape
    (2, torch.Size([1482]))
    """
    seeds = checked_seeds(seeds)
    group = whole(group, "group", least=1)
    workers = None if workers is None else whole(workers, "workers", least=1)
    prepared = Prepared.of(net, data, recipe, device=device, folder=folder)
    return retrain(prepared, seeds, workers=workers, group=group, folder=folder, path=path, progress=progress)


def retrain(
    prepared: Prepared, seeds: list[int], *, workers: int | None = None, group: int = 16,
    folder: Path | str | None = None, path: bool = False, progress: bool = True,
) -> Members:  # fmt: skip
    """Train one network for each seed, as `fit` does after its checks."""
    epochs, start = math.ceil(prepared.recipe.epochs), perf_counter()
    # With group=1, networks of whole groups are not taken over, since they differ by rounding.
    known = {} if folder is None or path or group == 1 else _kept_alone(prepared, seeds, Path(folder))
    groups = _groups(prepared, [seed for seed in seeds if seed not in known], prepared.together(group), folder)
    if len(seeds) > 1 and not prepared.template.varies:
        warnings.warn(
            "The builder gives the same initial weights under every seed: the scatter of its networks doesn't include "
            "the initialisation. Leave torch.manual_seed out of the builder, unless that is meant.",
            stacklevel=3,
        )
    if workers is None:
        largest = max(map(len, groups), default=0)
        worthwhile = prepared.device.type == "cpu" and prepared.plain * largest > _WORTH_A_PROCESS
        workers = min(torch.get_num_threads(), len(groups)) if worthwhile else 1
    with TemporaryDirectory() as place, bar(epochs * len(groups), "training", "epochs", show=progress) as shown:
        work: dict[str, Any] = {"folder": folder, "path": Path(folder or place) if path else None}
        if workers == 1:
            results = [train_group(prepared, part, on_epoch=lambda state: shown.update(), **work) for part in groups]
        else:
            results = list(_train_in_processes(prepared, groups, work, shown=shown, workers=workers))
        walked = _paths(results, groups, epochs, work) if path else None
    failed = {seed: step for result in results for seed, step in result.failed.items()}
    kept = _without_failed(seeds, failed, prepared.recipe)
    rows = [i for i, seed in enumerate(seeds) if seed in kept]
    for part, result in zip(groups, results, strict=True):
        known |= dict(zip(part, result.thetas, strict=True))
    return Members(
        prepared.net,
        torch.stack([known[seed] for seed in kept]),
        seeds=tuple(kept),
        failed=failed,
        cost=Cost(prepared.plain * len(seeds), prepared.plain, perf_counter() - start),
        path=None if walked is None else walked[rows],
        **prepared.known,
    )


def checked_runs(runs: Any, net: Builder, template: Template, data) -> Members:
    """Return networks that were trained before; raise unless the builder makes them, and they were trained on data."""
    instance(runs, Members, "runs", "pass what fit returns, runs.subset(rows) of it, or members(net, networks, data)")
    if len(runs) == 0 or runs.n_parameters != template.n_parameters:
        what = f"{len(runs)} networks of {runs.n_parameters} parameters, the builder's have {template.n_parameters}"
        raise ValueError(f"runs are {what}; pass at least one network that this builder made.")
    if runs.trained_on not in ("", data.training_checksum):
        what = "The runs were trained on other inputs than data.train, or on inputs normalised otherwise"
        raise ValueError(f"{what}; pass the data set that they were trained on.")
    if runs.values is not None and runs.values.unit != data.unit:
        what = f"The runs were trained on values in {runs.values.unit!r}, and the data set is in {data.unit!r}"
        raise ValueError(f"{what}; pass the one that they were trained on.")
    some = data.train.images[:8]
    if runs.net is not net and identity(template.fresh(), some) != identity(build(runs.net, 0), some):
        raise ValueError("The builder makes another network than those of runs; pass the one that they were made with.")
    if runs.normalisation_images is None:  # of a law that was read from a file
        return replace(runs, normalisation_images=images_to_refresh(template.fresh(), data))
    return runs


def _kept_alone(prepared: Prepared, seeds: list[int], folder: Path) -> dict[int, Tensor]:
    """Find finished networks of some seeds in the files of groups in a folder: {seed: θ}."""
    found: dict[int, Tensor] = {}
    for file in sorted(folder.glob("fit-*.safetensors")):
        with suppress(ResultError), files.loading(file, "state", cure="") as (description, tensors):
            group = description.get("seeds", [])
            wanted = set(group) & set(seeds) - set(found)
            ended = description["epoch"] >= math.ceil(prepared.recipe.epochs)
            if wanted and ended and file.stem == f"fit-{_name(prepared, group, _beginnings(prepared, group), None)}":
                rows = zip(group, tensors["vertices"][:, 0], tensors["failed"].tolist(), strict=True)
                found |= {s: theta.to(prepared.device) for s, theta, failed in rows if s in wanted and failed < 0}
    return found


def _groups(prepared: Prepared, seeds: list[int], together: int, folder: Path | str | None) -> list[list[int]]:
    """Divide the seeds into groups that train together; those that the folder keeps stay as they were."""
    kept = set() if folder is None else {file.name for file in Path(folder).glob("fit-*.safetensors")}
    beginnings = _beginnings(prepared, seeds) if kept and seeds else torch.empty(0)

    def is_kept(part: slice) -> bool:
        return f"fit-{_name(prepared, seeds[part], beginnings[part], None)}.safetensors" in kept

    groups, begin = [], 0
    while begin < len(seeds):
        longest = min(begin + together, len(seeds))
        end = next((end for end in range(longest, begin, -1) if kept and is_kept(slice(begin, end))), longest)
        groups.append(seeds[begin:end])
        begin = end
    return groups


def _without_failed(seeds: list[int], failed: dict[int, int], recipe: Recipe) -> list[int]:
    """Return the seeds that did not diverge; warn of the others, raise where none is left."""
    cure = f"lower the learning rate (now {recipe.learning_rate:g})"
    named = ", ".join(f"seed {seed} at step {step}" for seed, step in failed.items())
    if len(failed) == len(seeds):
        raise TrainingError(f"The loss became NaN or infinite for {named}: no network is left; {cure}.")
    if failed:
        warnings.warn(f"The loss became NaN or infinite for {named}; left out. To cure it, {cure}.", stacklevel=4)
    return [seed for seed in seeds if seed not in failed]


class Trained(NamedTuple):
    """Networks that were trained together: θ [S, P], {seed: step} of those that diverged, the name they are kept by."""

    thetas: Tensor
    failed: dict[int, int]
    name: str


def _train_in_processes(
    prepared: Prepared, groups: list[list[int]], work: dict, *, shown, workers: int
) -> Iterator[Trained]:
    """Train groups in several processes of one thread each."""
    # The data go through a file that each process reads once. joblib sends builders and losses of a notebook, too,
    # which the standard pickle can't.
    from joblib import Parallel, delayed

    operations = replace(prepared.operations, step_at=None)  # it holds a network
    known = (prepared.net, prepared.recipe, operations, prepared.identity)
    with TemporaryDirectory() as place:
        file = Path(place) / "data"
        file.write_bytes(pickle.dumps(prepared.data))
        parallel = Parallel(n_jobs=workers, return_as="generator")
        for result in parallel(delayed(_train_group_alone)(file, known, seeds, work, os.getpid()) for seeds in groups):
            shown.update(math.ceil(prepared.recipe.epochs))
            yield result


def leave_with(parent: int) -> None:
    """End this process when its parent has ended, as a pool's processes would wait for ever after a SIGKILL."""

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


_SHARED: dict[Path, Prepared] = {}  # by the groups that one process trains


def _train_group_alone(file: Path, known: tuple, seeds: list[int], work: dict, parent: int) -> Trained:
    """Train one group in a process of one thread."""
    torch.set_num_threads(1)
    if not _SHARED:
        leave_with(parent)
    if file not in _SHARED:
        (net, recipe, operations, name), data = known, pickle.loads(file.read_bytes())
        _SHARED.clear()
        _SHARED[file] = Prepared(net, data, recipe, operations, name, Template(build(net, 0)))
    return train_group(_SHARED[file], seeds, **work)


def train_groups(
    prepared: Prepared, seeds: Sequence[int], *, most: int = 16, start: State | None = None, **rest: Any
) -> Iterator[Trained]:
    """Train the networks of some seeds, up to `most` of them at once; yield group after group."""
    initialisations, together = list(rest.pop("initialisations", None) or seeds), prepared.together(most)
    for begin in range(0, len(seeds), together):
        rows = slice(begin, begin + together)
        part = None if start is None else start.rows(rows)
        yield train_group(prepared, seeds[rows], initialisations=initialisations[rows], start=part, **rest)


def train_group(
    prepared: Prepared, seeds: Sequence[int], *, initialisations: Sequence[int] | None = None,
    start: State | None = None, folder: Path | str | None = None, path: Path | None = None,
    on_epoch: Callable[[State], object] = lambda state: None,
) -> Trained:  # fmt: skip
    """Train networks together: one for each seed, which fixes the order of the images, augmentation and dropout."""
    # They begin with the weights of `initialisations`, the seeds themselves unless given, or with the state `start`.
    # `folder` keeps the state, `path` θ at every epoch's end; `on_epoch` is called as in `descend`.
    kept = folder is not None or path is not None
    if start is None or kept:
        beginnings = _beginnings(prepared, seeds if initialisations is None else initialisations)
    else:
        beginnings = start.vertices.to(prepared.device, copy=True)
    name = _name(prepared, seeds, beginnings, start) if kept else ""
    file = None if folder is None else Path(folder) / f"fit-{name}.safetensors"
    if path is not None and file is not None and file.exists():
        _forget_damaged(file, path, name)

    def watched(state: State) -> None:
        if path is not None:  # θ of every network, in one file for each epoch
            kept_in = _path_file(path, name, state.epoch)
            files.save(kept_in, "path", {"name": kept_in.stem}, {"theta": state.vertices[:, 0]})
        on_epoch(state)

    descent = Descent(beginnings, slice(0, 1), list(seeds), file=file, start=start)
    with RNG_LOCK:
        failed = descend(descent, prepared.engine(), prepared.data, prepared.recipe, on_epoch=watched)
    return Trained(descent.vertices[:, 0], failed, name)


def _beginnings(prepared: Prepared, seeds: Iterable[int]) -> Float[Tensor, "networks 1 parameters"]:
    """Build a network under each seed; raise where the builder makes other weights than before."""
    thetas = []
    for seed in seeds:
        thetas.append(theta_of(build(prepared.net, seed)))
        prepared.template.check_beginning(seed, thetas[-1])
    return torch.stack(thetas).to(prepared.device).unsqueeze(1)


def _name(prepared: Prepared, seeds: Sequence[int], beginnings: Tensor, start: State | None) -> str:
    """Name a training by everything that its result depends on."""
    data, begun = prepared.data, () if start is None else (start.epoch, tensor_fingerprint(start.vertices))
    place = (data.training_checksum, tensor_fingerprint(beginnings), str(beginnings.device), prepared.identity)
    return fingerprint(prepared.recipe.identity(data), list(seeds), *place, *begun)


_CURE = "the path is not used, and its training is done again."


def _forget_damaged(state: Path, folder: Path, name: str) -> None:
    """Remove a kept training where files of its path are damaged or gone, so that it is trained again."""
    kept = sorted(folder.glob(f"path-{name}-*.safetensors"))
    try:
        if kept != [_path_file(folder, name, epoch) for epoch in range(1, len(kept) + 1)]:
            raise ResultError(f"Epochs before {kept[0]} are missing; {_CURE}")
        if len({_theta_in(file).shape for file in kept}) > 1:
            raise ResultError(f"{kept[0]} and its followers differ in shape; {_CURE}")
    except ResultError as error:
        warnings.warn(str(error), stacklevel=2)
        with files.writing(folder):
            for file in (state, *kept):
                file.unlink(missing_ok=True)


def _paths(
    results: list[Trained], groups: list[list[int]], epochs: int, work: dict
) -> Float[Tensor, "networks epochs parameters"] | None:
    """Read θ at the epochs' ends of all trainings: NaN where all of a group diverged, None where a file is missing."""
    parts = []
    for seeds, (thetas, failed, name) in zip(groups, results, strict=True):
        kept = [_path_file(work["path"], name, epoch) for epoch in range(1, epochs + 1)]
        if all(map(files.is_file, kept)):
            parts.append(torch.stack([_theta_in(file) for file in kept], 1))
        elif len(failed) == len(seeds):
            parts.append(torch.full((len(seeds), epochs, thetas.shape[1]), torch.nan))
        else:
            warnings.warn(
                f"The trainings of seeds {seeds} were kept in {work['folder']} before, without their path: no path is "
                "known. To have it, train in another folder.",
                stacklevel=4,
            )
            return None
    return torch.cat(parts)


def _theta_in(file: Path) -> Float[Tensor, "networks parameters"]:
    """Read θ of every network at one epoch's end."""
    with files.loading(file, "path", cure=_CURE) as (description, tensors):
        (theta,) = tensors.values()
        if description["name"] != file.stem or theta.ndim != 2 or not theta.is_floating_point():
            raise ValueError("it was renamed, or belongs to another training")
        return theta


def _path_file(folder: Path, name: str, epoch: int) -> Path:
    """Name the file of one epoch."""
    return folder / f"path-{name}-{epoch:04d}.safetensors"


def walk(
    prepared: Prepared, theta: Float[Tensor, " parameters"], *, pieces: int, seed: int,
    folder: Path | str | None = None, on_piece: Callable[[int], object] = lambda piece: None,
) -> Float[Tensor, "pieces parameters"]:  # fmt: skip
    """Train on from θ, piece after piece, each a run through the recipe's schedule; return the end of each."""
    # The optimiser's velocity is carried from piece to piece, as in one uninterrupted training. The first n pieces of a
    # longer walk are those of a shorter one. A walk that diverged is NaN from there on.
    data, recipe, length = prepared.data, prepared.recipe, prepared.template.n_parameters
    engine = prepared.engine()
    file, state = None, State(0, theta.new_empty(1, 0, length), torch.full((1,), -1, device=theta.device), {})
    if folder is not None:
        place = (recipe.identity(data), seed, data.training_checksum, str(theta.device), prepared.identity)
        file = Path(folder) / f"walk-{fingerprint(tensor_fingerprint(theta), *place)}.safetensors"
        if file.exists():
            state = State.load(file, state.vertices) or state
    ends = list(state.vertices[0].to(theta.device))
    for piece in range(len(ends), pieces):
        begin = State(0, (ends[-1] if ends else theta).view(1, 1, -1), state.failed, state.optimiser)
        descent = Descent(begin.vertices.clone(), slice(0, 1), [stream_seed(seed, piece, "walk")], start=begin)
        states: list[State] = []
        with RNG_LOCK:
            descend(descent, engine, data, recipe, on_epoch=states.append)
        ends.append(descent.vertices[0, 0].clone())
        state = State(piece + 1, torch.stack(ends).unsqueeze(0), states[-1].failed, states[-1].optimiser)
        if file is not None:
            state.save(file)
        on_piece(piece)
    return torch.stack(ends[:pieces])


def _check_same_function(network: nn.Module, twin: nn.Module, data, number: int) -> None:
    """Raise if a network and `twin`, the builder's network with its weights, disagree on two inputs."""
    # With the statistics of the network itself: those of the law are computed anew, from the training images.
    twin.load_state_dict(unwrapped(network.state_dict(), twin), strict=False)
    modes, first = {part: part.training for part in network.modules()}, next(network.parameters())
    images = data.train.images[:2].cpu()
    theirs = images.to(first.device, first.dtype if images.is_floating_point() else None)
    hook = HOOKS["logits" if data.values is None else "values"]
    try:
        with torch.no_grad():
            theirs, ours = (
                hook(module, (some,), module.eval()(some.clone())).cpu().double()
                for module, some in ((network, theirs), (twin.cpu().float(), images))
            )
    except Exception:  # of a wrapper that takes no plain call
        return
    finally:
        for part, training in modes.items():
            part.training = training
    apart, exact = float((theirs - ours).abs().max()), first.dtype in (torch.float32, torch.float64)
    if not apart <= (1e-3 if exact else 0.1) * (1 + float(ours.abs().max())):
        what = f"Network {number} computes something else than the builder's with the same weights (off by {apart:.2g})"
        raise ValueError(f"{what}; pass the builder that it was made by.")


def _finite(state: dict, like: nn.Module, number: int) -> dict:
    """Return the tensors of a state dict, unwrapped; raise where a parameter holds numbers that are not finite."""
    tensors, parameters = dict(unwrapped(state, like)), dict(like.named_parameters())
    for name, value in tensors.items():
        if name in parameters and value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"Network {number} holds NaN or infinite weights ({name}); {_DIVERGED}.")
    return tensors


def _warn_of_statistics(state: dict, law: Members, template: Template, data) -> None:
    """Warn where a network decides otherwise with the statistics of the training images than with those it brings."""
    if law.normalisation_images is None or data.values is not None:
        return
    module, some = template.fresh().cpu().float().eval(), data.test.images[:100]
    module.load_state_dict(state, strict=False)
    if not any(int(buffer) for name, buffer in module.named_buffers() if name.endswith("num_batches_tracked")):
        return
    with undisturbed(), torch.no_grad():
        kept = module(some.cpu()).argmax(1)
        recomputed = law.subset([0]).predict(some, progress=False)[0].argmax(1)
    if (share := float((kept != recomputed.cpu()).double().mean())) > OTHERWISE:
        what = "With statistics of its normalisation recomputed from the training images"
        cure = "pass statistics='kept' to state the networks as they are"
        often = f"network 0 decides {share:.0%} of some test inputs otherwise than with its own"
        warnings.warn(f"{what}, {often}; {cure}.", UserWarning, stacklevel=3)


def members(
    net: Builder, networks: Sequence[nn.Module | dict | Tensor], data, *, recipe: Recipe | None = None,
    statistics: Literal["recomputed", "kept"] = "recomputed",
) -> Members:  # fmt: skip
    """Bring in networks that were trained elsewhere, as a law with one member for each.

    Args:
        net: Builder of the architecture.
        networks: Modules, state dicts, or θ; all of the same architecture.
        data: The data set they were trained on; its images refresh batch normalisation.
        recipe: Recipe of one of them, if known: it fixes the unit of cost.
        statistics: Those of normalisation layers are "recomputed" from training images, as for every other law, or
            "kept" as each network brings them: θ then holds them beside the parameters.

    Returns:
        The law; each network counts as one training.

    Raises:
        TypeError: `networks` isn't a list.
        ValueError: Another architecture, other constants than the builder's, or weights that aren't finite.

    Warns:
        UserWarning: Networks are copies of one another, or decide otherwise with recomputed statistics.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> net = ln.network("mlp", data)
    >>> len(members(net, [net(), net().state_dict()], data))
    2
    """
    kept = one_of(statistics, ["recomputed", "kept"], "treatment of statistics") == "kept"
    template = check_builder(Wrapped(net, KEPT_STATISTICS) if kept else net, data)
    if kept and (others := normalisation_layers(template.module)):
        what = f"statistics='kept' is for torch's own normalisation layers, and {type(others[0]).__name__} isn't one"
        raise ValueError(f"{what}; use nn.BatchNorm2d and the like, or leave statistics= out.")
    if isinstance(networks, nn.Module | dict) or not isinstance(networks, Iterable):
        raise TypeError(f"One {type(networks).__name__} was given; pass a list of networks, [network].")
    if recipe is not None:
        instance(recipe, Recipe, "recipe", "pass the Recipe that one of them was trained by, or none")
    like = template.fresh()  # its weights may be any
    thetas, first = [], None
    for number, network in enumerate(networks):
        state = _checked_state(network, like, number)
        first = state if number == 0 else first
        thetas.append(_checked_theta(state, like, number, length=template.n_parameters))
        if isinstance(network, nn.Module):
            _check_same_function(network, template.fresh(), data, number)
    if not thetas:
        raise ValueError("No networks were given; pass at least one module or state dict.")
    check_no_copies(thetas)
    operations = count_operations(like, data.train.images[0], data.n_classes)
    plain = operations.training(recipe or Recipe(), len(data.train))
    law = Members(
        template.builder,
        torch.stack(thetas).to(data.train.images.device),
        recipe=recipe,
        cost=Cost(plain * len(thetas), plain),
        normalisation_images=images_to_refresh(like, data),
        values=data.values,
        trained_on=data.training_checksum,
    )
    if isinstance(first, dict):
        _warn_of_statistics(first, law, template, data)
    return law


def _checked_state(network: Any, like: nn.Module, number: int) -> dict | Tensor:
    """Return the state dict of a network, or its θ; raise where it is neither, or not finite."""
    state = network.state_dict() if isinstance(network, nn.Module) else network
    instance(state, (dict, Tensor), f"Network {number}", "pass modules, state dicts (from torch.load) or θ")
    return state if isinstance(state, Tensor) else _finite(state, like, number)


def _checked_theta(state: dict | Tensor, like: nn.Module, number: int, *, length: int) -> Float[Tensor, " parameters"]:
    """Return θ of a network on the CPU; raise unless it is a row of so many finite numbers."""
    if isinstance(state, Tensor) and not (state.is_floating_point() and state.ndim == 1):
        given = f"{str(state.dtype).removeprefix('torch.')} {list(state.shape)}"
        raise ValueError(f"Network {number} is {given}; θ is one row of real numbers, [{length}].")
    theta = state.detach().float() if isinstance(state, Tensor) else theta_of(state, like)
    if theta.numel() != length:
        raise ValueError(f"Network {number} has {theta.numel()} parameters, the builder's have {length}.")
    if not theta.isfinite().all():
        raise ValueError(f"Network {number} holds NaN or infinite weights; {_DIVERGED}.")
    return theta.cpu()


def load_law(path: Path | str, net: Builder, *, normalisation_images: Tensor | None = None) -> Law:
    """Read a law that `Law.save` wrote, with its cost and recipe; a recipe with a loss of your own is left out.

    Args:
        path: The file.
        net: The builder it was trained with.
        normalisation_images: Images for batch normalisation, such as `data.normalisation_images`.

    Returns:
        A law of the kind that was written.

    Raises:
        TypeError: `net` isn't a builder.
        ResultError: The file is missing or damaged, or belongs to another architecture or other frozen weights.
    """
    check_callable(net)
    with files.loading(Path(path), "law", cure="write it again with law.save.") as (description, tensors):
        known: dict[str, Any] = {"normalisation_images": normalisation_images}
        if "cost" in description:
            known["cost"] = Cost(**description["cost"])
        if "recipe" in description:
            known["recipe"] = Recipe.described(description["recipe"])
        norm, along = map(float, description.get("constants", (math.nan, 0)))  # older files have none
        law = law_of(net, description, tensors, **known)
    network = build(law.net, 0)
    if law.n_parameters != (length := theta_of(network).numel()):
        raise ResultError(f"{path} holds networks of {law.n_parameters} parameters, the builder's have {length}.")
    if description.get("architecture", architecture(network)) != architecture(network):
        what = f"{path} holds networks with other layers, or in another order, than the builder's"
        raise ResultError(f"{what}; pass the builder that they were made by.")
    constants = constants_of(network)  # other machines may compute tables of sines with other last digits
    if math.dist((norm, along), constants) > 1e-5 * constants[0]:
        what = f"{path} holds networks with other frozen weights or buffers than the builder's"
        raise ResultError(f"{what}; pass the builder that they were made by.")
    return law
