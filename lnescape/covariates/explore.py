"""Raw observations of inputs for the covariates, from trained networks and cheap exploration around them.

A probe looks at one network without further training and returns q or features, [kinds, images]. Bursts restart
training near a solution; proxies are cheap retrainings of a smaller problem. `groups` turns all into covariates.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lnescape.checks import instance, whole
from lnescape.covariates.geometry import N_TRAINING, gradient_distance, kind_of
from lnescape.covariates.groups import DEFAULT, Traces, columns_of
from lnescape.engines import engine_for
from lnescape.laws import Law, Members, predict_at
from lnescape.laws.law import CHUNK
from lnescape.retraining import KnownPair, Measurand, effective_number, log_odds, with_class_means
from lnescape.retraining.prior import beside, shared_movement
from lnescape.training import Prepared, Recipe, TrainingError
from lnescape.training.descent import State, generator, stream_seed
from lnescape.training.prepared import check_builder
from lnescape.training.runs import checked_runs, train_groups
from lnescape.weights import trainable, with_features

Theta = Float[Tensor, " parameters"]
Classes = Int[np.ndarray, " inputs"]  # the class of each image that the measurand is of, or the output of values
Neighbours = Callable[[Tensor], Tensor]  # from inputs [n, …] to inputs near each of them, [kinds, n, …]
SHIFTS = ((-3, 0), (3, 0), (0, -3), (0, 3), (-2, -2), (2, 2), (-2, 2), (2, -2))  # pixels: down, right
NOISE = 0.15  # norm of the noise on a filter, in parts of the filter's own norm
N_OTHERS = 3  # other classes whose log-odds are observed beside those of the chosen class
JITTER = 0.1  # of inputs that are no images, in parts of each feature's standard deviation over the training part
TINY = 1e-12  # least φᵀH⁻¹φ: features may all be zero
MOMENT_RIDGE = 1e-4  # in parts of the mean eigenvalue of the second moment of the features
OUTPUTS = ("log-sum-exp", "spread of the logits", "ln Mahalanobis")
N_NOISE = 8  # draws of weight noise
N_FEATURES = 10_000  # training images behind the second moment of the features
N_BURSTS = 12  # from each network
ENOUGH_PROXIES = 20  # the fewest whose number of independent inputs, a lower bound, is used
MOVEMENT = (12.93, 2.583)  # c and k of `movement_law`: a fit over the summaries "…-together", which a test repeats
# ρ of values over retrainings, in parts of that under noise: 0.20 on the angle of a digit (ρ = 0.043, "angle-cnn") and
# on diabetes (0.020, "diabetes-mlp"), 0.11 on simulated signals. The law of log-odds makes it up to 20 times larger.
MOVEMENT_OF_VALUES = 0.2
N_MOVING, N_MOVES = 300, 16  # inputs whose pairs are compared, and draws of noise for each network
TOGETHER = 16  # networks trained at the same time, where they batch


def explored(
    law: Members, data, images: Tensor, chosen: Classes, *, groups: Iterable[str], measurand: Measurand = log_odds,
    burst: Recipe | None = None, prepared: Prepared | None = None, neighbours: Neighbours | None = None,
    on_network: Callable[[], object] = lambda: None, predicted: np.ndarray | None = None,
    fishers: Sequence[Tensor] = (),
) -> Traces:  # fmt: skip
    """Observe the quantities behind some groups of covariates; predictions and Fisher matrices may be there already."""
    groups = set(groups)
    rows: dict[str, list[np.ndarray]] = defaultdict(list)
    some, pool = (data.train.subset(slice(0, n)).images for n in (N_FEATURES, N_TRAINING))
    if neighbours is None and images.ndim != 4:
        neighbours = jitter(data.train.images)
    ends = None
    if "bursts" in groups:
        assert burst is not None, "bursts need a recipe"
        ends = bursts(law, data, n=N_BURSTS, recipe=burst, prepared=prepared)

    def q_of(thetas: Tensor) -> np.ndarray:
        chunks = iter(thetas.to(law.device).split(list(law.chunks(len(thetas)))))
        return measurand(predict_at(law, chunks, images, len(thetas)).cpu().numpy(), chosen)

    logp = law.predict(images).cpu().numpy() if predicted is None else predicted
    q = measurand(logp, chosen)
    for number, (theta, seed) in enumerate(zip(law.thetas, law.streams, strict=True)):
        if "outputs" in groups:
            rows["outputs"].append(outputs(law, theta, images, some, chosen=chosen))
        if {"neighbourhood", "differences"} & groups:
            near = neighbourhood(law, theta, images, chosen, measurand=measurand, neighbours=neighbours)
            rows["shifted"].append(near)
        if "noise" in groups:
            noisy = under_noise(law, theta, images, chosen, n=N_NOISE, seed=seed, measurand=measurand)
            rows["noise"].append(noisy.std(0, ddof=1))
        if "training path" in groups and law.path is not None:
            rows["path"].append(np.concatenate([q_of(law.path[number, :-1]), q[number : number + 1]]))
        if "gradient distance" in groups:
            fisher = fishers[number] if fishers else None
            seen = gradient_distance(law, theta, images, chosen, training_images=pool, seed=seed, fisher=fisher)
            rows["distance"].append(seen.distance)
        if ends is not None:
            rows["bursts"].append(q_of(next(ends)).std(0, ddof=1))
        on_network()
    found: dict[str, Any] = {name: np.stack(values) for name, values in rows.items()}
    others = other_classes(logp, chosen) if measurand is log_odds and "differences" in groups else None
    return Traces(q, chosen=chosen, others=others, n_classes=data.n_classes, values=law.values is not None, **found)


def known_pair(runs: Members, data, *, players: int = 2, companions: Members | None = None) -> KnownPair:
    """Observe a pair of data and network with many retrainings, so that `learn_prior` can learn from it.

    The covariates are those of a statement, seen on the first networks; s² is over all others, on the calibration
    images and for the class of their highest mean probability.

    Args:
        runs: Retrainings, ten more than `players` or more.
        data: The data set, of classes.
        players: Number of networks that give covariates: as many as in later statements.
        companions: Trainings of other seeds over `COMPANION` = 0.3 of the epochs, so that statements on one network
            with a companion can borrow their scale.

    Returns:
        The pair.

    Raises:
        ValueError: Too few retrainings, or data of measured values.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> runs = ln.fit(ln.network("mlp", data, width=8), data, seeds=range(12), recipe=Recipe(epochs=2))
    >>> known_pair(runs, data).names[-1]
    'class mean of gradient distance'
    """
    instance(runs, Members, "runs", "pass what fit returns, or members(net, networks, data)")
    players = whole(players, "players", least=1)
    if data.values is not None:
        raise ValueError("A prior is learned on classes, and these data hold measured values; pass data of classes.")
    if len(runs) < players + 10:
        raise ValueError(f"A prior is learned from {players + 10} retrainings or more, not {len(runs)}; train more.")
    template, images = check_builder(runs.net, data), data.calibration.images
    runs = checked_runs(runs, runs.net, template, data)
    data = data.to(runs.device)
    logp = runs.predict(images).cpu().numpy()
    chosen = np.exp(logp[players:]).mean(0).argmax(1)
    seen = explored(runs.subset(range(players)), data, images, chosen, groups=DEFAULT)
    columns, names = with_class_means(*columns_of(seen, DEFAULT))
    q, shown = log_odds(logp, chosen), None
    if companions is not None:
        companions = checked_runs(
            instance(companions, Members, "companions", "pass what fit returns"), runs.net, template, data
        )
        others = log_odds(companions.predict(images).cpu().numpy(), chosen)
        shown = float(np.mean([beside(one, other) for one, other in zip(q, others, strict=False)]))
    return KnownPair(
        columns, q[players:].var(0, ddof=1), len(q) - players - 1, effective_number(q), names,
        spread=float(q[0].var()), companion=shown, network=kind_of(template.module),
    )  # fmt: skip


def value(predicted: Float[np.ndarray, "..."], chosen: Classes) -> Float[np.ndarray, "networks inputs"]:
    """Return one measured value of each input, the output `chosen`, float64; variances are left out."""
    values = predicted[..., 0] if predicted.ndim == 4 else predicted
    return np.take_along_axis(values, np.asarray(chosen)[None, :, None], 2)[:, :, 0].astype(np.float64)


def jitter(training_inputs: Tensor) -> Neighbours:
    """Return a function that moves inputs by eight draws of noise, a tenth of each feature's or channel's scatter."""
    # The same draws for every input, so that the result of one doesn't depend on the others.
    dims = [dim for dim in range(training_inputs.ndim) if dim != 1]
    stream = torch.Generator().manual_seed(0)
    noise = torch.randn(len(SHIFTS), 1, *training_inputs.shape[1:], generator=stream)
    step = JITTER * training_inputs.float().std(dims, keepdim=True) * noise.to(training_inputs.device)
    return lambda inputs: inputs + step.to(inputs)


def unavailable(
    law: Members, groups: Iterable[str], images: Tensor, *, neighbours: Neighbours | None = None
) -> dict[str, str]:
    """Return {group: reason} of the groups that can't be observed on some networks and images."""
    reasons: dict[str, str] = {}
    # Inputs of classes that are no images have no neighbours but the user's: priors of other pairs know none either.
    jittered = law.values is not None and images.is_floating_point()
    if images.ndim != 4 and neighbours is None and not jittered:
        shifted = {"neighbourhood", "differences"} & set(groups)
        reasons |= dict.fromkeys(sorted(shifted), "inputs without height and width can't be shifted")
    if "training path" in groups:
        if law.path is None:
            reasons["training path"] = "the weights at the end of each epoch weren't kept; train with fit(…, path=True)"
        elif law.path.shape[1] < 2:
            reasons["training path"] = "one epoch makes no path"
    return reasons


def neighbourhood(
    law: Law, theta: Theta, images: Tensor, chosen: Classes, *, measurand: Measurand = log_odds,
    neighbours: Neighbours | None = None,
) -> Float[np.ndarray, "shifts inputs"]:  # fmt: skip
    """Return q on neighbours of each input: unless given, images shifted by `SHIFTS`, their border repeated."""
    # Images at a time: as many as bounded memory holds where each call refreshes the normalisation, else as few as stay
    # in the cache.
    size = max(1, CHUNK // (len(SHIFTS) * images[0].numel())) if law.normalisation_images is not None else 500
    rows = []
    for part, classes in zip(images.split(size), np.split(chosen, range(size, len(chosen), size)), strict=True):
        near = moved(part, SHIFTS) if neighbours is None else neighbours(part)
        logp = predict_at(law, iter([theta.unsqueeze(0)]), near.flatten(0, 1), 1)  # one refresh of the normalisation
        rows.append(measurand(logp.cpu().numpy(), np.tile(classes, len(near)))[0].reshape(len(near), -1))
    return np.concatenate(rows, 1)


def moved(
    images: Float[Tensor, "images channels height width"], shifts: Sequence[tuple[int, int]]
) -> Float[Tensor, "shifts images channels height width"]:
    """Move images by whole pixels, repeating the border."""
    far, (height, width) = max(abs(step) for shift in shifts for step in shift), images.shape[2:]
    wider = torch.nn.functional.pad(images, (far, far, far, far), mode="replicate")
    corners = [(far - down, far - right) for down, right in shifts]
    return torch.stack([wider[:, :, top : top + height, left : left + width] for top, left in corners])


def under_noise(
    law: Law, theta: Theta, images: Tensor, chosen: Classes, *, n: int, seed: int, measurand: Measurand = log_odds
) -> Float[np.ndarray, "draws inputs"]:
    """Return q under noise on the weights: each filter w_i becomes w_i + 0.15 ‖w_i‖ ε_i/‖ε_i‖, ε_i normal."""
    # A filter is a row, of one unit or channel, in a weight of two or more dimensions. Biases stay as they are.
    stream = generator(seed, 0, "weight noise")
    with law.lend(theta) as module:
        chunks = (torch.stack([_noisy(module, stream) for _ in range(size)]) for size in law.chunks(n))
        logp = predict_at(law, chunks, images, n)
    return measurand(logp.cpu().numpy(), chosen)


def movement_law(noise: float) -> float:
    """Return ρ over retrainings, from ρ under noise on the weights: ρ = c ρ_noise^k, at most 1."""
    return min(MOVEMENT[0] * max(noise, 0.0) ** MOVEMENT[1], 1.0)


def movement(
    law: Members, images: Tensor, chosen: Int[np.ndarray, " inputs"], *, measurand: Measurand = log_odds
) -> float:
    """Estimate ρ, the mean squared correlation of two inputs over retrainings: n are worth 1/(1/n + ρ)."""
    # Noise on the weights moves inputs together as well, log-odds less than retraining does and values more. A law that
    # was fitted on data sets with many retrainings corrects it (summaries "…-together"), for values a ratio.
    images, chosen = images[:N_MOVING], chosen[:N_MOVING]
    drawn = [
        under_noise(law, theta, images, chosen, n=N_MOVES, seed=seed, measurand=measurand)
        for theta, seed in zip(law.thetas, law.streams, strict=True)
    ]
    noise = float(np.mean([shared_movement(q) for q in drawn]))
    return movement_law(noise) if law.values is None else min(MOVEMENT_OF_VALUES * max(noise, 0.0), 1.0)


def _noisy(module: nn.Module, stream: torch.Generator) -> Float[Tensor, " parameters"]:
    """Return θ with noise on each row of weights, in parts of the row's norm."""
    parts = []
    for p in trainable(module):
        w = p.detach()
        if w.ndim >= 2:
            noise = torch.randn(w.shape, generator=stream).to(w)
            size = w.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
            w = w + NOISE * noise * size.view(-1, *[1] * (w.ndim - 1))
        parts.append(w.flatten())
    return torch.cat(parts)


@torch.no_grad()
def outputs(
    law: Law, theta: Theta, images: Tensor, training_images: Tensor, *, chosen: Classes | None = None
) -> Float[np.ndarray, "kinds inputs"]:
    """Return, of one network, ln Σ exp z, the standard deviation of its logits z, and ln φᵀH⁻¹φ of its features φ."""
    # Of values ln variance of the chosen output, nan where none is stated, in place of the first two.
    # H = E φφᵀ + 10⁻⁴ (tr E φφᵀ/d) I over the training images, φ the d inputs of the last linear layer; nan where there
    # is no such layer, or one that reads other than one vector an image, in the images' order.
    images, training_images = images.to(law.device), training_images.to(law.device)
    with law.lend(theta) as module:
        logits, features = with_features(module, images)
        if law.values is None:
            rows = [logits.logsumexp(1), logits.std(1)]
        else:
            assert chosen is not None, "which value is asked for"
            stated, k = logits.shape[1] == 2 * len(law.values.mean), len(law.values.mean)
            index = torch.as_tensor(chosen, device=logits.device).long()[:, None] + k
            none = torch.full_like(logits[:, 0], torch.nan)
            rows = [logits.gather(1, index)[:, 0] if stated else none, none]
        read = None
        if features is not None and features.ndim == 2:
            first, turned = features[:8], with_features(module, images[:8].flip(0))[1]
            # Rows that don't turn with the inputs belong to others, as after sorting.
            if turned is not None and torch.allclose(turned.flip(0), first, 1e-2, 1e-2 * float(first.abs().max())):
                read = with_features(module, training_images)[1]
        if features is None or read is None:
            return torch.stack([*rows, torch.full_like(rows[0], torch.nan)]).cpu().numpy()
        seen = read.double()
    moment = seen.T @ seen / len(seen)
    moment.diagonal().add_(MOMENT_RIDGE * moment.trace().clamp_min(TINY) / len(moment))  # features may all be zero
    solved = torch.linalg.solve(moment, features.double().T).T
    return torch.stack([*rows, (features * solved).sum(1).clamp_min(TINY).log().to(rows[0])]).cpu().numpy()


def other_classes(
    logp: Float[np.ndarray, "networks inputs classes"], chosen: Classes
) -> Float[np.ndarray, "networks others inputs"]:
    """Return the log-odds of the classes c + 1, c + 2, … modulo their number: others than c, fixed by c."""
    n_networks, n_images, n_classes = logp.shape
    if n_classes == 2:  # p and 1 − p carry the same information
        return np.empty((n_networks, 0, n_images))
    steps = range(1, min(N_OTHERS, n_classes - 1) + 1)
    return np.stack([log_odds(logp, (np.asarray(chosen) + step) % n_classes) for step in steps], 1)


def gradient_noise(law: Law, theta: Theta, data, *, recipe, n: int = 20) -> tuple[float, float]:
    """Return the training loss at θ and E‖g_b − ḡ‖², the scatter of the gradients of n batches, which drives bursts."""
    engine = engine_for(law.net, device=theta.device)
    losses, gradients = [], []
    for b in range(min(n, len(data.train) // recipe.batch)):
        rows = slice(b * recipe.batch, (b + 1) * recipe.batch)
        batch = (data.train.images[rows].unsqueeze(0), data.train.labels[rows].unsqueeze(0))
        loss, gradient = engine.loss_and_gradient(theta.unsqueeze(0), *batch, recipe.loss)
        losses.append(float(loss))
        gradients.append(gradient.flatten().clone())
    scatter = torch.stack(gradients).var(0, unbiased=True).sum()
    return float(np.mean(losses)), float(scatter)


def burst_recipe(recipe: Recipe, *, epochs: float = 0.25, rate: float = 1.0) -> Recipe:
    """Return the recipe of a burst: a short restart at a raised learning rate that falls to zero by half a cosine."""
    near = recipe.near_a_solution()
    return replace(near, epochs=epochs, learning_rate=rate * recipe.learning_rate, schedule="cosine")


def bursts(
    law: Members, data, *, n: int, recipe: Recipe, prepared: Prepared | None = None
) -> Iterator[Float[Tensor, "n parameters"]]:
    """Restart training n times from each member of a law, at rest, each time in another order of the images."""
    if prepared is None:
        prepared = Prepared.of(law.net, data, recipe)
    for theta, seed in zip(law.thetas, law.streams, strict=True):
        orders = [stream_seed(seed, k, "burst") for k in range(n)]
        start = State(0, theta.expand(n, 1, -1).clone(), torch.full((n,), -1, device=theta.device), {})
        ends = []
        for trained in train_groups(prepared.under(recipe), orders, most=TOGETHER, start=start):
            if trained.failed:
                what = f"A burst from the network of seed {seed} diverged"
                raise TrainingError(f"{what}; lower its rate (now {recipe.learning_rate:g}), or leave bursts out.")
            ends.append(trained.thetas.clone())
        yield torch.cat(ends)
