"""Make the stored results of paths and simplexes on full MNIST.

    python report/mnist_paths.py mlp         # about 20 minutes on one core
    python report/mnist_paths.py cnn         # about an hour and a half; a second process, called with
    python report/mnist_paths.py cnn back    # `back` as well, takes the bases from the other end
    python report/mnist_paths.py recipe      # how the triangle's recipe was chosen, 5 minutes

Five bases. Each has two retrainings, the line and a learned Bézier curve between them, and a triangle
learned from scratch. All ten retrainings together are the deep ensemble. Killed and started again, it
goes on from the last finished epoch.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

import lnescape as ln
from lnescape.results import Estimate

N_BASES, N_DRAWS, N_SUBSETS = 5, 20, 20
WORK = Path(__file__).parent / "live" / "training"
# float32 throughout, so that the numbers don't depend on which products a machine does fast.
RECIPES = {"mlp": ln.Recipe(epochs=10, precision="float32"), "cnn": ln.Recipe(epochs=5, precision="float32")}
# A gradient reaches vertex k times its coefficient, so that a point of a triangle moves at E Σ a² = 1/2 of the
# learning rate. Twice the rate makes up for it in the MLP; the CNN, whose corners carry larger weights than its
# midpoint and no normalisation, diverged under one seed of five even at the rate of a plain training, and gets
# half of it. The weight decay was chosen on validation images (`recipe`).
TRIANGLE = {
    "mlp": {"learning_rate": 0.2, "weight_decay": 1e-4},
    "cnn": {"learning_rate": 0.05, "weight_decay": 1e-4},
}
CANDIDATES = {
    "as one network": {},
    "without penalty": {"cosine_weight": 0.0},
    "twice the rate, half the decay": {"learning_rate": 0.2, "weight_decay": 2.5e-4},
    "chosen": TRIANGLE["mlp"],
}


def scores(logp: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Accuracy and NLL of the mean prediction."""
    return float(ln.accuracy(logp, labels)), float(ln.nll(logp, labels))


def pair(name: str, number: int, data: ln.Dataset) -> dict[str, np.ndarray]:
    """Two retrainings, the line between them and the curve that is learned."""
    net, recipe, test = ln.network(name, data), RECIPES[name], data.evaluation
    # Loss on a fixed 10 000 of the training images: its standard error is far below any barrier.
    train = data.train.subset(slice(0, 10_000))
    runs = ln.fit(net, data, seeds=[2 * number, 2 * number + 1], recipe=recipe, folder=WORK, workers=1)
    curve = ln.fit_subspace(net, data, ln.Bezier.between(*runs), seed=number, recipe=recipe, folder=WORK)
    out: dict[str, np.ndarray] = {"single_logp": runs.predict(test.images).numpy()}
    for kind, path in (("line", ln.Segment.between(*runs)), ("curve", curve.subspace)):
        for where, split in (("train", train), ("test", test)):
            seen = ln.along(runs, path, split)
            out |= {"t": seen.coordinates, f"{kind}_{where}_loss": seen.loss, f"{kind}_{where}_accuracy": seen.accuracy}
        out[f"{kind}_length"] = np.array(path.length())
    out["curve_ensemble"] = np.array(scores(curve.predict(test.images, n=N_DRAWS, seed=number), test.labels))
    if number == 0:  # the map of the figure: one base is enough to look at
        seen = ln.plane(runs, curve.subspace.vertices[[0, 2, 1]], data.train.subset(slice(0, 2_000)))
        out |= {"plane_positions": seen.coordinates, "plane_loss": seen.loss, "plane_anchors": seen.anchors}
    return out


def triangle(name: str, number: int, data: ln.Dataset) -> dict[str, np.ndarray]:
    """A triangle of networks learned from scratch."""
    net, test = ln.network(name, data), data.evaluation
    recipe = replace(RECIPES[name], **TRIANGLE[name])
    law = ln.fit_subspace(net, data, ln.Simplex.from_scratch(3), seed=number, recipe=recipe, folder=WORK)
    corners = torch.nn.functional.normalize(law.vectors)
    out = {
        "simplex_ensemble": np.array(scores(law.predict(test.images, n=N_DRAWS, seed=number), test.labels)),
        "simplex_midpoint": np.array(ln.survey(law, law.midpoint().unsqueeze(0), test))[::-1, 0],
        "simplex_vertices": np.stack(ln.survey(law, law.vectors, test)[::-1], 1),
        "simplex_cosines": (corners @ corners.T)[[0, 0, 1], [1, 2, 2]].numpy(),
    }
    if number == 0:
        seen = ln.triangle(law, law.subspace, test)
        out |= {"triangle_coefficients": seen.coordinates, "triangle_loss": seen.loss}
    return out


def stored(part: Callable, name: str, number: int, data: ln.Dataset) -> dict[str, np.ndarray]:
    """Read a part that is done, or compute and keep it."""
    key = f"mnist-{name}-{part.__name__}-{number}"
    if key not in ln.list_results(folder=WORK):
        start = perf_counter()
        arrays = part(name, number, data)
        seconds = round(perf_counter() - start, 1)
        command = f"python report/mnist_paths.py {name}"
        origin = ln.provenance(command=command, seed=number, data=data, n=1, seconds=seconds)
        ln.save_result(key, numbers={}, arrays=arrays | {"seconds": np.array(seconds)}, provenance=origin, folder=WORK)
        print(f"{key} done, {seconds:.0f} s", flush=True)
    return ln.load_result(key, folder=WORK).arrays


def ensembles(logp: torch.Tensor, labels: torch.Tensor) -> dict[str, np.ndarray]:
    """Accuracy and NLL of ensembles of 1 to 10 members, each the mean over random subsets of the retrainings."""
    rng, size = np.random.RandomState(0), len(logp)
    means = []
    for members in range(1, size + 1):
        subsets = sorted({tuple(sorted(rng.permutation(size)[:members])) for _ in range(N_SUBSETS)})
        means.append(np.mean([scores(logp[list(rows)], labels) for rows in subsets], 0))
    return {"ensemble_accuracy": np.array(means)[:, 0], "ensemble_nll": np.array(means)[:, 1]}


def summary(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """Reduce the bases to estimates: means over n bases or n retrainings."""
    numbers: dict[str, object] = {"n_retrainings": len(arrays["single"]), "n_bases": len(arrays["t"])}
    for kind in ("line", "curve"):
        for where in ("train", "test"):
            loss, worst = arrays[f"{kind}_{where}_loss"], arrays[f"{kind}_{where}_accuracy"].min(1)
            barriers = [ln.barrier(arrays["t"][0], row) for row in loss]
            numbers[f"{kind}_{where}_barrier"] = Estimate.mean(barriers, unit="nat")
            numbers[f"{kind}_{where}_maximum"] = Estimate.mean(loss.max(1), unit="nat")
            numbers[f"{kind}_{where}_worst_accuracy"] = Estimate.mean(100 * worst, unit="%")
        numbers[f"{kind}_length"] = Estimate.mean(arrays[f"{kind}_length"])
    numbers["length_ratio"] = Estimate.mean(arrays["curve_length"] / arrays["line_length"])
    for what in ("single", "simplex_midpoint", "simplex_ensemble", "curve_ensemble"):
        numbers[f"{what}_accuracy"] = Estimate.mean(100 * arrays[what][:, 0], unit="%")
        numbers[f"{what}_nll"] = Estimate.mean(arrays[what][:, 1], unit="nat")
    numbers["simplex_vertex_nll"] = Estimate.mean(arrays["simplex_vertices"][:, :, 1].mean(1), unit="nat")
    numbers["simplex_cosine"] = Estimate.mean(arrays["simplex_cosines"].mean(1))
    for members in range(2, 11):
        numbers[f"ensemble_{members}_accuracy"] = 100 * float(arrays["ensemble_accuracy"][members - 1])
        numbers[f"ensemble_{members}_nll"] = float(arrays["ensemble_nll"][members - 1])
    return numbers


def main(name: str, *, back: bool) -> None:
    """Compute what is missing and store the result."""
    data = ln.load("mnist")
    order = [*range(N_BASES)][:: -1 if back else 1]
    parts = {(part, i): stored(part, name, i, data) for i in order for part in (pair, triangle)}
    seconds = sum(float(own.pop("seconds")) for own in parts.values())
    bases = [parts[pair, i] | parts[triangle, i] for i in range(N_BASES)]
    logp = torch.from_numpy(np.concatenate([own["single_logp"] for own in bases]))
    arrays = {key: np.stack([own[key] for own in bases]) for key in bases[1] if key != "single_logp"}
    arrays |= {key: bases[0][key] for key in bases[0] if key.startswith(("plane", "triangle"))}
    arrays["single"] = np.array([scores(own, data.evaluation.labels) for own in logp])
    arrays |= ensembles(logp, data.evaluation.labels)
    origin = ln.provenance(
        command=f"python report/mnist_paths.py {name}",
        seed=range(2 * N_BASES),
        data=data,
        n=N_BASES,
        seconds=seconds,
        cost=4.0 * N_BASES,  # two retrainings, a curve and a triangle for each base
        recipe=RECIPES[name].describe(),
        triangle=TRIANGLE[name],
        network=repr(ln.network(name, data)),
        images_of_the_training_loss=10_000,
        draws=N_DRAWS,
    )
    small = {key: value.astype(np.float32) for key, value in arrays.items()}
    ln.save_result(f"mnist-{name}-paths", numbers=summary(arrays), arrays=small, provenance=origin)


def recipe() -> None:
    """Store what each candidate recipe of the triangle gives on the validation images."""
    data = ln.load("mnist")
    net, numbers = ln.network("mlp", data), {}
    for title, changes in CANDIDATES.items():
        changes = dict(changes)
        weight = changes.pop("cosine_weight", 1.0)
        own = replace(RECIPES["mlp"], **changes)
        law = ln.fit_subspace(net, data, ln.Simplex.from_scratch(3), recipe=own, cosine_weight=weight, folder=WORK)
        numbers[title] = ln.nll(law.predict(data.validation.images, n=N_DRAWS), data.validation.labels)
    command = "python report/mnist_paths.py recipe"
    origin = ln.provenance(command=command, seed=0, data=data, n=1, cost=float(len(CANDIDATES)), recipe=CANDIDATES)
    ln.save_result("mnist-triangle-recipe", numbers=numbers, provenance=origin)


if __name__ == "__main__":
    torch.set_num_threads(1)
    recipe() if sys.argv[1] == "recipe" else main(sys.argv[1], back="back" in sys.argv)
