"""Speed on an accelerator, where there is one: the last minute of `make bench`.

The time of a training step of one network: captured and replayed, alone or beside others, against the same step
started kernel by kernel. Random images; both sides of a ratio run in turn. Stored as bench-accelerator.json.
"""

import argparse

import numpy as np
import torch

import lnescape as ln
from benchmarks.run import drawn_data, paired, seconds
from lnescape.engines import AnyNetwork
from lnescape.engines.side_by_side import SideBySide
from lnescape.results import provenance, save_result
from lnescape.training.descent import Descent, descend
from lnescape.weights import build, theta_of

NETWORKS = {"ResNet-20": ("resnet", 8), "wide ResNet-16-4": ("wide_resnet", 2)}
N_STEPS = 60


def steps(kind: type, net, data, recipe: ln.Recipe, n: int):
    """One epoch of n networks by one engine; waits until the accelerator is done."""
    engine = kind(build(net, 0), device="cuda", precision=recipe.precision)
    thetas = torch.stack([theta_of(build(net, seed)) for seed in range(n)]).unsqueeze(1).to("cuda")

    def work() -> None:
        descend(Descent(thetas, slice(0, 1), list(range(n))), engine, data, recipe)
        torch.cuda.synchronize()

    return work


def main() -> None:
    """Measure, print, store."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    if not torch.cuda.is_available():
        print("No accelerator here: its part is left out.")
        return
    data = drawn_data((3, 32, 32), 128 * N_STEPS).to("cuda")
    recipe = ln.Recipe(epochs=1, precision="bfloat16", learning_rate=0.01, shift=4, flip=True)
    numbers = {}
    for name, (network, most) in NETWORKS.items():
        net = ln.network(network, data)
        one = steps(AnyNetwork, net, data, recipe, 1)
        one()
        print(f"{name}: {1e3 * seconds(one) / N_STEPS:.2f} ms for a step kernel by kernel", flush=True)
        for n in (1, most):
            ratios = paired(steps(SideBySide, net, data, recipe, n), one, pairs=5, title=name) / n
            what = f"captured step{f' beside {n - 1} others' if n > 1 else ''} / step kernel by kernel, {name}"
            median, span = float(np.median(ratios)), (float(ratios.min()), float(ratios.max()))
            numbers[what] = {"median": median, "lowest": span[0], "highest": span[1], "n": len(ratios)}
            print(f"{what:82} {median:5.2f}   {span[0]:.2f}–{span[1]:.2f}", flush=True)
    origin = provenance(command="make bench", seed=0, data=None, n=None)
    save_result("bench-accelerator", numbers=numbers, provenance=origin)


if __name__ == "__main__":
    main()
