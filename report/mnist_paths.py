"""Make the stored results of paths and simplexes on full MNIST: python report/mnist_paths.py mlp | cnn.

Five bases. Each has two retrainings, the line and a learned Bézier curve between them, and a triangle
learned from scratch. All ten retrainings together are the deep ensemble. About an hour on two cores for
both networks; killed and started again, it goes on from the last finished epoch.
"""

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

import lnescape as ln
from lnescape.landscape import along, barrier, plane, survey, triangle
from lnescape.results import Estimate, load_result, provenance, save_result
from lnescape.scores import accuracy, mean_prediction, nll

N_BASES, N_DRAWS, N_SUBSETS = 5, 20, 20
# float32 throughout, so that the numbers don't depend on which products a machine does fast.
RECIPES = {"mlp": ln.Recipe(epochs=10, precision="float32"), "cnn": ln.Recipe(epochs=5, precision="float32")}


def scores(logp, labels) -> tuple[float, float]:
    """Accuracy and NLL of the mean prediction."""
    return float(accuracy(logp, labels)), float(nll(logp, labels))


def base(name: str, number: int, net, data, folder: Path) -> dict[str, np.ndarray]:
    """Train and survey one base: two networks, line, curve, triangle."""
    recipe, test = RECIPES[name], data.evaluation
    # Loss on a fixed 10 000 of the training images: its standard error is far below any barrier.
    train = data.train.subset(slice(0, 10_000))
    runs = ln.fit(net, data, seeds=[2 * number, 2 * number + 1], recipe=recipe, folder=folder, workers=1)
    curve = ln.fit_subspace(net, data, ln.Bezier.between(*runs), seed=number, recipe=recipe, folder=folder)
    simplex = ln.fit_subspace(net, data, ln.Simplex.from_scratch(3), seed=number, recipe=recipe, folder=folder)
    out: dict[str, np.ndarray] = {}
    for kind, path in (("line", ln.Segment.between(*runs)), ("curve", curve.subspace)):
        for where, split in (("train", train), ("test", test)):
            seen = along(runs, path, split)
            out |= {"t": seen.coordinates, f"{kind}_{where}_loss": seen.loss, f"{kind}_{where}_accuracy": seen.accuracy}
        out[f"{kind}_length"] = np.array(path.length())
    out["single_logp"] = runs.predict(test.images).numpy()
    draws = simplex.predict(test.images, n=N_DRAWS, seed=number)
    out["simplex_ensemble"] = np.array(scores(draws, test.labels))
    out["curve_ensemble"] = np.array(scores(curve.predict(test.images, n=N_DRAWS, seed=number), test.labels))
    out["simplex_midpoint"] = np.array(survey(simplex, simplex.midpoint().unsqueeze(0), test))[::-1, 0]
    out["simplex_vertices"] = np.stack(survey(simplex, simplex.vectors, test)[::-1], 1)
    v = torch.nn.functional.normalize(simplex.vectors)
    out["simplex_cosines"] = (v @ v.T)[[0, 0, 1], [1, 2, 2]].numpy()
    if number == 0:  # the maps of the figures: one base is enough to look at
        small = data.train.subset(slice(0, 2_000))
        points = curve.subspace.vertices[[0, 2, 1]]
        seen = plane(runs, points, small)
        out |= {"plane_positions": seen.coordinates, "plane_loss": seen.loss, "plane_anchors": seen.anchors}
        seen = triangle(simplex, simplex.subspace, test)
        out |= {"triangle_coefficients": seen.coordinates, "triangle_loss": seen.loss}
    return out


def ensembles(logp: torch.Tensor, labels: torch.Tensor) -> dict[str, np.ndarray]:
    """Accuracy and NLL of ensembles of 1 to 10 members, over random subsets of the retrainings."""
    rng, size = np.random.RandomState(0), len(logp)
    result = {"ensemble_accuracy": [], "ensemble_nll": []}
    for members in range(1, size + 1):
        subsets = {tuple(sorted(rng.permutation(size)[:members])) for _ in range(N_SUBSETS)}
        values = np.array([scores(mean_prediction(logp[list(rows)]), labels) for rows in sorted(subsets)])
        result["ensemble_accuracy"].append(values[:, 0].mean())
        result["ensemble_nll"].append(values[:, 1].mean())
    return {key: np.array(values) for key, values in result.items()}


def summary(arrays: dict[str, np.ndarray]) -> dict[str, Estimate]:
    """Reduce the bases to estimates, each over n bases or n retrainings."""
    numbers = {}
    for kind in ("line", "curve"):
        for where in ("train", "test"):
            loss, t = arrays[f"{kind}_{where}_loss"], arrays["t"][0]
            numbers[f"{kind}_{where}_barrier"] = Estimate.mean([barrier(t, row) for row in loss], unit="nat")
            numbers[f"{kind}_{where}_maximum"] = Estimate.mean(loss.max(1), unit="nat")
            numbers[f"{kind}_{where}_worst_accuracy"] = Estimate.mean(
                100 * arrays[f"{kind}_{where}_accuracy"].min(1), unit="%"
            )
        numbers[f"{kind}_length"] = Estimate.mean(arrays[f"{kind}_length"])
    numbers["length_ratio"] = Estimate.mean(arrays["curve_length"] / arrays["line_length"])
    for what in ("single", "simplex_midpoint", "simplex_ensemble", "curve_ensemble"):
        values = arrays[what].reshape(-1, 2)
        numbers[f"{what}_accuracy"] = Estimate.mean(100 * values[:, 0], unit="%")
        numbers[f"{what}_nll"] = Estimate.mean(values[:, 1], unit="nat")
    for members in (2, 3, 5, 10):
        numbers[f"ensemble_{members}_accuracy"] = 100 * float(arrays["ensemble_accuracy"][members - 1])
        numbers[f"ensemble_{members}_nll"] = float(arrays["ensemble_nll"][members - 1])
    numbers["simplex_cosine"] = Estimate.mean(arrays["simplex_cosines"].mean(1))
    return numbers


def main(name: str) -> None:
    """Run what is missing and store the result."""
    start = perf_counter()
    data = ln.load("mnist")
    net = ln.network(name, data)
    folder = Path(__file__).parent / "live" / "training"
    bases = []
    for number in range(N_BASES):
        part = f"mnist-{name}-base-{number}"
        try:
            bases.append(load_result(part, folder=folder).arrays)
        except ValueError:
            arrays = base(name, number, net, data, folder)
            origin = provenance(command=f"python report/mnist_paths.py {name}", seed=number, data=data, n=1)
            save_result(part, numbers={}, arrays=arrays, provenance=origin, folder=folder)
            bases.append(arrays)
        print(f"{part} done, {perf_counter() - start:.0f} s", flush=True)
    logp = torch.from_numpy(np.concatenate([own["single_logp"] for own in bases]))
    everywhere = [key for key in bases[1] if key != "single_logp"]
    arrays = {key: np.stack([own[key] for own in bases]) for key in everywhere}
    arrays |= {key: bases[0][key] for key in bases[0] if key.startswith(("plane", "triangle"))}
    labels = data.evaluation.labels
    arrays["single"] = np.array([scores(own, labels) for own in logp])
    arrays |= ensembles(logp, labels)
    save_result(
        f"mnist-{name}-paths",
        numbers=summary(arrays),
        arrays={key: value.astype(np.float32) for key, value in arrays.items()},
        provenance=provenance(
            command=f"python report/mnist_paths.py {name}",
            seed=range(2 * N_BASES),
            data=data,
            n=N_BASES,
            # two retrainings, a curve and a triangle for each base
            cost=4.0 * N_BASES,
            recipe=RECIPES[name].describe(),
            seconds=perf_counter() - start,
            network=repr(net),
            images_of_the_training_loss=10_000,
            draws=N_DRAWS,
        ),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
