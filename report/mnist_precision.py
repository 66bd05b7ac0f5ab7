"""Show whether products in bfloat16 move the results: python report/mnist_precision.py, 10 minutes on one core.

The ten CNNs of `mnist_paths.py` in float32, and ten under the same seeds in bfloat16: accuracy, loss, and the
spread of the log-odds over retrainings, which is the statistic that this project is about.
"""

from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
from mnist_paths import RECIPES, WORK

import lnescape as ln
from lnescape.results import Estimate


def spread(logp: torch.Tensor) -> torch.Tensor:
    """Variance over retrainings of the log-odds of the ensemble's class, for each image."""
    chosen = ln.mean_prediction(logp).argmax(1).expand(len(logp), -1).unsqueeze(2)
    inside = logp.double().gather(2, chosen).squeeze(2)
    return (inside - logp.double().scatter(2, chosen, -torch.inf).logsumexp(2)).var(0)


def main() -> None:
    """Train what is missing, compare, store."""
    data = ln.load("mnist")
    net, labels = ln.network("cnn", data), data.evaluation.labels
    numbers, seconds = {}, {}
    for precision in ("float32", "bfloat16"):
        recipe = replace(RECIPES["cnn"], precision=precision)
        start = perf_counter()
        runs = ln.fit(net, data, seeds=range(10), recipe=recipe, folder=WORK, workers=1)
        seconds[precision] = perf_counter() - start
        logp = runs.predict(data.evaluation.images)  # in float32 for both: what is compared is the training
        numbers[precision] = {
            "accuracy": Estimate.mean([100 * float(ln.accuracy(own, labels)) for own in logp], unit="%"),
            "nll": Estimate.mean([float(ln.nll(own, labels)) for own in logp], unit="nat"),
            # mean over images of the variance; its uncertainty by leaving out one network at a time
            "variance": jackknife(logp),
        }
    pairs = zip(numbers["float32"].values(), numbers["bfloat16"].values(), strict=True)
    numbers["normalised_errors"] = [ln.normalised_error(a, b) for a, b in pairs]
    origin = ln.provenance(
        command="python report/mnist_precision.py", seed=range(10), data=data, n=10, cost=20.0, recipe=RECIPES["cnn"]
    )
    ln.save_result("mnist-cnn-precision", numbers=numbers, provenance=origin)


def jackknife(logp: torch.Tensor) -> Estimate:
    """Mean over images of the variance of the log-odds, with its delete-one-network standard uncertainty."""
    n = len(logp)
    kept = [[k for k in range(n) if k != left] for left in range(n)]
    values = np.array([float(spread(logp[rows]).mean()) for rows in kept])
    u = np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())
    return Estimate(float(spread(logp).mean()), float(u), dof=n - 1, unit="", n=n)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
