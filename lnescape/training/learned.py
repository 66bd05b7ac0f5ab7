"""Learned subspaces: train a curve, a line or a simplex whose every point is a good network."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lnescape.checks import instance, real, whole
from lnescape.laws import SubspaceLaw
from lnescape.progress import bar
from lnescape.subspaces import SimplicialComplex, Subspace
from lnescape.training.descent import Descent, descend, fingerprint, generator, stream_seed, tensor_fingerprint
from lnescape.training.prepared import Prepared, checked_seeds
from lnescape.training.recipe import Cost, Recipe
from lnescape.training.runs import TrainingError
from lnescape.weights import RNG_LOCK, Builder, build, theta_of, trainable


def fit_subspace(
    net: Builder, data, subspace: Subspace, *, seed: int = 0, recipe: Recipe | None = None, cosine_weight: float = 1.0,
    volume_weight: float = 1e-8, points: int = 1, plain: Recipe | None = None,
    device: torch.device | str | None = None, folder: Path | str | None = None, progress: bool = True,
) -> SubspaceLaw:  # fmt: skip
    """Learn the free vertices of a subspace so that the loss is low at all of its points: minimise E_a L(Σ_k a_k v_k).

    The points a are uniform in the subspace's coordinate. The free vertices and the penalty depend on how it was made:

    - `Bezier.between(a, b)`: control points of a curve whose ends stay as they are.
    - `Simplex.from_scratch(3)`: all vertices at once, from independent initialisations, plus β cos²(v_i, v_j) for a
      random pair in each step, over weights of two and more dimensions.
    - `Simplex.around(a, 3)`: vertices one at a time around a network, each with the recipe's epochs, plus −λ ln V.
    - `SimplicialComplex.joining(modes, 2)`: connectors one at a time, likewise, V the volume of all simplexes together.

    Departures from the released code of Benton et al.: one point a step instead of five, and the mean of their losses
    instead of the sum; ln V by QR in float64 instead of the squared Cayley–Menger determinant in float32, of the whole
    complex instead of one simplex of it, λ not divided by the log-volume of random vertices, and no number added to V,
    so that the slope of a flat simplex has no bound; a new vertex starts 1 % off the centroid, where V has a slope.

    Args:
        net: Builder of one network.
        data: The data set.
        subspace: Subspace to learn.
        seed: Seed of initialisations, points and order of the images.
        recipe: Recipe of the training; `Recipe()` unless given.
        cosine_weight: β ≥ 0, used from scratch only.
        volume_weight: λ ≥ 0, used for a grown simplex only.
        points: Points drawn for each batch, ≥ 1; the cost of a step is proportional to it.
        plain: Recipe of one plain training, the unit of cost; the same recipe unless given.
        device: Device of the training; the data's unless given.
        folder: Folder for the state at every epoch's end, as in `fit`.
        progress: Show a bar with the time left (from two seconds on).

    Returns:
        A uniform law over the learned subspace. Its cost counts each given vertex as one training.

    Raises:
        ValueError: No vertex is free, ends don't fit the builder, or `fit` would raise it.
        TrainingError: The loss became NaN.

    References: Garipov et al. 2018, arXiv 1802.10026, section 3; Wortsman et al. 2021, arXiv 2102.10472, algorithm 1;
    Benton et al. 2021, arXiv 2102.13042, section 4.

    >>> import lnescape as ln
    >>> data = ln.load("digits")
    >>> net = ln.network("mlp", data, width=16)
    >>> fit_subspace(net, data, ln.Segment.from_scratch(), recipe=Recipe(epochs=2)).cost.trainings
    1.0
    """
    (seed,) = checked_seeds([seed])
    options: dict[str, Any] = {"points": points, "cosine_weight": cosine_weight, "volume_weight": volume_weight}
    _check_request(subspace, plain, **options)
    prepared = Prepared.of(net, data, recipe, device=device, folder=folder)
    return learn(prepared, subspace, seed=seed, plain=plain, folder=folder, progress=progress, **options)


def learn(
    prepared: Prepared, subspace: Subspace, *, seed: int, cosine_weight: float = 1.0, volume_weight: float = 1e-8,
    points: int = 1, plain: Recipe | None = None, folder: Path | str | None = None, progress: bool = True,
) -> SubspaceLaw:  # fmt: skip
    """Learn the free vertices of a subspace, as `fit_subspace` does after its checks."""
    recipe, start, free = prepared.recipe, perf_counter(), subspace.free
    # Which rows move at a time: one after another in a grown simplex, all free ones together elsewhere.
    stages = [slice(k, k + 1) for k in free] if subspace.grown else [slice(free.start, free.stop)]
    vertices = _beginning(prepared, subspace, seed).to(prepared.device)
    weights = {"cosine_weight": cosine_weight, "volume_weight": volume_weight}
    content: dict[str, Any] = weights | ({} if points == 1 else {"points": points})
    content |= {"kind": type(subspace).__name__, "network": prepared.identity}
    with bar(math.ceil(recipe.epochs) * len(stages), "subspace", "epochs", show=progress) as shown:
        for stage in stages:
            part = vertices[: stage.stop] if subspace.grown else vertices
            if subspace.grown:
                part[-1] = _off_centroid(part[:-1], seed)
            now = subspace.with_vertices(part)
            stream, penalty = stream_seed(seed, stage.start, "stage"), _penalty(prepared, now, **weights)
            descent = Descent(part.unsqueeze(0), stage, [stream], draw=partial(now.draw, points), penalty=penalty)
            descent.file = _file(folder, descent, prepared, content)
            engine = prepared.engine(chains=False)
            with RNG_LOCK:
                failed = descend(descent, engine, prepared.data, recipe, on_epoch=lambda state: shown.update())
            if failed:
                when = f"{type(subspace).__name__} under seed {seed} became NaN or infinite at step {failed[stream]}"
                raise TrainingError(f"The loss of the {when}; lower the learning rate (now {recipe.learning_rate:g}).")
    unit = prepared.priced(plain or recipe)
    given = 0 if subspace.vertices is None else subspace.n_vertices - len(subspace.free)
    cost = Cost(prepared.plain * len(stages) * points + given * unit, unit, perf_counter() - start)
    return SubspaceLaw(prepared.net, subspace.with_vertices(vertices), cost=cost, **prepared.known)


def _check_request(subspace: object, plain: object, *, points: int, cosine_weight: float, volume_weight: float) -> None:
    """Raise unless something of the subspace is free, and the options make sense."""
    if not isinstance(subspace, Subspace):
        kind = subspace.__name__ if isinstance(subspace, type) else type(subspace).__name__
        raise TypeError(f"{kind} isn't a subspace; pass one, such as Bezier.between(a, b) or Simplex.from_scratch(3).")
    if not subspace.free:
        raise ValueError(f"Nothing in this {type(subspace).__name__} is free to be learned; use Bezier.between(a, b).")
    if plain is not None:
        instance(plain, Recipe, "plain", "pass the Recipe of one plain training")
    whole(points, "points", least=1)
    real(cosine_weight, "cosine_weight", least=0)
    real(volume_weight, "volume_weight", least=0)


def _beginning(prepared: Prepared, subspace: Subspace, seed: int) -> Tensor:
    """Return the vertices before training: those given, or independent initialisations."""
    length = prepared.template.n_parameters
    if subspace.vertices is None:
        seeds = [stream_seed(seed, k, "vertex") for k in range(subspace.n_vertices)]
        return torch.stack([theta_of(build(prepared.net, s)) for s in seeds])
    if subspace.vertices.shape[1] != length:
        sizes = f"{subspace.vertices.shape[1]} dimensions, but the builder's networks have {length} parameters"
        raise ValueError(f"The subspace lives in {sizes}; give the builder that the ends came from.")
    return subspace.vertices.detach().clone()


def _off_centroid(present: Float[Tensor, "vertices parameters"], seed: int) -> Float[Tensor, " parameters"]:
    """Start a new vertex 1 % of the weights' norm off the centroid, in a random direction."""
    centroid = present.mean(0)
    step = torch.randn(len(centroid), generator=generator(seed, len(present), "growth")).to(centroid)
    return centroid + 0.01 * centroid.norm() * step / step.norm()


def _file(folder: Path | str | None, descent: Descent, prepared: Prepared, content: dict) -> Path | None:
    """Name the file of a stage by everything that its result depends on."""
    if folder is None:
        return None
    rows = (descent.free.start, descent.free.stop)
    place = (tensor_fingerprint(descent.vertices), str(descent.vertices.device), descent.seeds, rows)
    name = fingerprint(prepared.recipe.identity(prepared.data), prepared.data.training_checksum, content, *place)
    return Path(folder) / f"subspace-{name}.safetensors"


def _penalty(prepared: Prepared, subspace: Subspace, *, cosine_weight: float, volume_weight: float):
    """Choose the penalty that goes with the way the subspace is learned."""
    assert subspace.vertices is not None, "see _beginning"
    if subspace.grown:
        if not volume_weight:
            return None
        modes = subspace.n_modes if isinstance(subspace, SimplicialComplex) else 1
        frozen = range(modes, subspace.n_vertices - 1)  # beside a mode; the last vertex is the one that grows
        growing = GrowingVolume([subspace.vertices[[mode, *frozen]] for mode in range(modes)], volume_weight)
        return lambda vertices, stream: growing.slope(vertices[-1]).unsqueeze(0)
    if subspace.free == range(subspace.n_vertices) and cosine_weight:
        parts = [p.new_full((p.numel(),), float(p.ndim >= 2)) for p in trainable(prepared.template.module)]
        mask = torch.cat(parts).to(subspace.vertices.device)
        return lambda vertices, stream: cosine_slope(vertices, cosine_weight, mask, stream)
    return None


def cosine_slope(
    vertices: Float[Tensor, "k parameters"], weight: float, mask: Float[Tensor, " parameters"], stream: torch.Generator
) -> Float[Tensor, "k parameters"]:
    """Return the gradient of β cos²(v_i, v_j) for a random pair i ≠ j, over the parameters where the mask is 1."""
    # With c = cos(v_i, v_j): ∂c²/∂v_i = 2c (v_j/(‖v_i‖‖v_j‖) − c v_i/‖v_i‖²). Wortsman et al. 2021, arXiv 2102.10472,
    # section 3, apply it to convolutions only; here biases and gains are left out.
    pair = torch.randperm(len(vertices), generator=stream)[:2].to(vertices.device)
    masked = vertices[pair] * mask
    gram = masked @ masked.T
    squares = gram.diagonal().clamp(min=1e-24)
    inverse_norms = squares.prod().rsqrt()
    cosine = gram[0, 1] * inverse_norms
    # Row i: v_j / (‖v_i‖‖v_j‖) off the diagonal, −c v_i / ‖v_i‖² on it.
    matrix = inverse_norms * (1 - torch.eye(2, dtype=gram.dtype, device=gram.device)) - cosine * torch.diag(1 / squares)
    return torch.zeros_like(vertices).index_copy_(0, pair, (2 * weight * cosine * matrix) @ masked)


class GrowingVolume:
    """−λ ln Σ_m V_m as a function of the vertex that is being grown, the last of several simplexes that share it."""

    # V_m is the volume of the simplex's frozen part times the height h_m = ‖r_m‖ of the new vertex u above it, over d;
    # r_m = (I − Q_m Q_mᵀ)(u − w_m), Q_m an orthonormal basis of the frozen edges. So ∂ ln V_m/∂u = r_m/h_m², and the
    # gradient of the logarithm of the sum is the mean over m, weighted by the volumes: Benton et al. 2021,
    # arXiv 2102.13042, sections 4.1 and 4.2. The bases are computed once, and all in float64: a flat simplex has a
    # height far below its edges.

    def __init__(self, frozen: Sequence[Float[Tensor, "vertices parameters"]], weight: float):
        self.weight = weight
        self.origins = [vertices[0] for vertices in frozen]
        factors = [torch.linalg.qr((v[1:].double() - v[0].double()).T) for v in frozen]
        self.bases = [factor.Q for factor in factors]
        logs = [factor.R.diagonal().abs().log().sum() for factor in factors]
        self.log_volumes = torch.stack(logs)  # of the frozen parts, but for a factor that all share

    def slope(self, vertex: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """Return the gradient of −λ ln Σ_m V_m with respect to the new vertex."""
        heights = []
        for origin, basis in zip(self.origins, self.bases, strict=True):
            edge = (vertex - origin).double()
            heights.append(edge - basis @ (basis.T @ edge))
        squares = torch.stack([r @ r for r in heights])
        shares = (self.log_volumes + 0.5 * squares.log()).softmax(0) / squares
        slope = sum(share * r for share, r in zip(shares, heights, strict=True))
        return (-self.weight * slope).to(vertex)
