"""Speed as ratios: python benchmarks/run.py (make bench), about ten minutes on quiet cores.

Both sides of a ratio run in turn, A B A B …, on the same two threads; the table shows the median of the
ratios of the pairs, its target, and the lowest and highest pair. Stored as report/results/bench.json.
"""

import argparse
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

import lnescape as ln
from lnescape.engines import AnyNetwork, LinearChain, engine_for
from lnescape.laws import predict_at
from lnescape.progress import bar
from lnescape.results import load_result, provenance, save_result
from lnescape.training.descent import Descent, descend
from lnescape.training.recipe import count_operations, resolve
from lnescape.weights import build, theta_of

THREADS = 2


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(ours: Callable, other: Callable, *, pairs: int, title: str) -> np.ndarray:
    """Ratios ours ÷ other of so many pairs, after one warm-up of each."""
    ours(), other()
    ratios = []
    with bar(pairs, title, "pairs") as shown:
        for _ in range(pairs):
            ratios.append(seconds(ours) / seconds(other))
            shown.update()
    return np.array(ratios)


def drawn_data(shape: tuple[int, ...], n: int) -> ln.Dataset:
    """Random images of a shape: speed doesn't depend on what they show."""
    stream = torch.Generator().manual_seed(0)
    images, labels = torch.randn(n, *shape, generator=stream), torch.arange(n) % 10
    part = (images[:20], labels[:20])
    return ln.dataset(train=(images, labels), validation=part, calibration=part, test=part, name="random images")


def plain_steps(net, data, recipe, n_steps: int) -> Callable[[], None]:
    """The loop that everybody writes: DataLoader-free PyTorch in float32, memory format as it comes."""
    module = build(net, 0).train()
    optimiser = torch.optim.SGD(module.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    images, labels = data.train.images, data.train.labels

    def work() -> None:
        order = torch.randperm(len(images))
        for step in range(n_steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            optimiser.zero_grad()
            F.cross_entropy(module(images[rows]), labels[rows]).backward()
            optimiser.step()

    return work


def our_steps(net, data, recipe, n_vertices: int) -> Callable[[], dict]:
    """As many steps of the project's training loop: one epoch."""
    engine = AnyNetwork(build(net, 0), precision=recipe.precision)
    vertices = torch.stack([theta_of(build(net, seed)) for seed in range(n_vertices)]).unsqueeze(0)
    draw = ln.Simplex.from_scratch(n_vertices).draw if n_vertices > 1 else None
    descent = Descent(vertices, slice(0, n_vertices), [0], draw and (lambda stream: draw(1, stream)))
    return lambda: descend(descent, engine, data, recipe)


def simplex_steps(pairs: int) -> dict:
    """Time a step of a triangle against a plain step, both in float32."""
    rows, targets = {}, {"mlp": 1.15, "cnn": 1.05, "resnet": 1.05}
    for name, target in targets.items():
        shape = (3, 32, 32) if name == "resnet" else (1, 28, 28)
        n_steps = {"mlp": 100, "cnn": 20, "resnet": 3}[name]
        data = drawn_data(shape, 128 * n_steps)
        net = ln.network(name, data)
        recipe = ln.Recipe(epochs=1, precision="float32", learning_rate=0.01)
        ratios = paired(
            our_steps(net, data, recipe, 3), plain_steps(net, data, recipe, n_steps), pairs=pairs, title=name
        )
        rows[f"step of a 3-vertex simplex / plain step, {name}"] = (ratios, target)
    return rows


def matrix_rate(dtype: torch.dtype = torch.float32) -> float:
    """Operations a second of a large square product."""
    a, b = torch.randn(2, 2048, 2048).to(dtype)
    a @ b
    return 2 * 2048**3 / min(seconds(lambda: a @ b) for _ in range(10))


def many_retrainings(pairs: int) -> dict:
    """Time 32 perceptrons trained together against one after another."""
    n_steps = 60
    data = drawn_data((1, 28, 28), 128 * n_steps)
    net = ln.network("mlp", data)
    spent, rows, rate = [], {}, matrix_rate()
    operations = 32 * n_steps * 128 * count_operations(net, data.train.images[0], 10).step
    for precision, target in (("float32", 0.7), ("bfloat16", 0.4)):
        recipe = ln.Recipe(epochs=1, precision=precision, learning_rate=0.01)

        def ours(recipe=recipe) -> None:
            start = time.perf_counter()
            ln.fit(net, data, seeds=range(32), recipe=recipe, progress=False)
            spent.append(time.perf_counter() - start)

        alone = [plain_steps(net, data, recipe, n_steps) for _ in range(32)]
        ratios = paired(ours, lambda alone=alone: [one() for one in alone], pairs=pairs, title="retrainings")
        rows[f"32 retrainings of an MLP, {precision} / one after another"] = (ratios, target)
        if precision == "float32":
            share = operations / np.array(spent[1:]) / rate
            rows["32 retrainings of an MLP: share of the matrix-product rate"] = (share, 0.85)
    return rows


def default_resnet(pairs: int) -> dict:
    """Time ResNet-20 as the project trains it by default against plain float32."""
    data = drawn_data((3, 32, 32), 128 * 3)
    net = ln.network("resnet", data)
    recipe = resolve(ln.Recipe(epochs=1, learning_rate=0.01), net, data, torch.device("cpu"))
    gain = matrix_rate(torch.bfloat16) / matrix_rate()
    ratios = paired(our_steps(net, data, recipe, 1), plain_steps(net, data, recipe, 3), pairs=pairs, title="resnet")
    name = f"ResNet-20 step, default ({recipe.precision}) / plain; bfloat16 products {gain:.1f} times as fast"
    return {name: (ratios, 0.5 if gain >= 2 else 0.9)}


def predictions(pairs: int) -> dict:
    """Time predictions at 100 θ against 100 plain forward passes."""
    rows = {}
    for name in ("mlp", "cnn"):
        data = drawn_data((1, 28, 28), 1000)
        net = ln.network(name, data)
        module, images = build(net, 0).eval(), data.train.images
        thetas = theta_of(module).repeat(100, 1)
        law = ln.Members(net, thetas, seeds=tuple(range(100)))

        def plain(module=module, images=images) -> None:
            with torch.no_grad():
                for _ in range(100):
                    for part in images.split(500):
                        module(part).log_softmax(1)

        ratios = paired(lambda law=law, images=images: law.predict(images), plain, pairs=pairs, title="prediction")
        rows[f"predictions at 100 points / 100 plain passes, {name}"] = (ratios, 1.2)
    return rows


def imports(pairs: int) -> dict:
    """Time importing the package and what `fit` needs against importing torch."""

    def run(code: str) -> Callable:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    ours, other = run("import lnescape; lnescape.fit"), run("import torch")  # rooms are imported at their first use
    return {"import lnescape and fit / import torch": (paired(ours, other, pairs=pairs, title="import"), 1.2)}


def memory() -> dict:
    """Watch the memory beyond the result while 1 000 networks predict."""
    data = drawn_data((1, 28, 28), 1000)
    net = ln.network("mlp", data)
    vertices = torch.stack([theta_of(build(net, s)) for s in range(3)])
    law = ln.SubspaceLaw(net, ln.Simplex(vertices, 3))
    predict_at(law, law.sample(2), data.train.images, 2)
    gc.collect()
    before, peak, stop = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = law.predict(data.train.images, n=1000)
    stop.set()
    watcher.join()
    beyond = (peak[0] - before - result.numel() * 4) / 1e9
    return {"memory beyond the result, 1 000 networks (GB)": (np.array([max(beyond, 0.0)]), 1.0)}


def resident() -> float:
    """Resident memory of this process, bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096.0


def main() -> None:
    """Measure everything, print the table, store it."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    torch.set_num_threads(THREADS)
    assert isinstance(engine_for(ln.network("mlp", drawn_data((1, 28, 28), 128))), LinearChain)
    rows: dict[str, tuple[np.ndarray, float]] = {}
    for part in (lambda: simplex_steps(9), lambda: many_retrainings(5), lambda: default_resnet(7)):
        rows |= part()
    rows |= predictions(7) | imports(7) | memory()
    numbers = {}
    print(f"\n{'what':78} {'median':>7} {'target':>7}   {'pairs':>13}")
    for what, (values, target) in rows.items():
        median, at_least = float(np.median(values)), "share" in what
        met = median >= target if at_least else median <= target
        numbers[what] = {
            "median": median, "lowest": float(values.min()), "highest": float(values.max()),
            "target": target, "met": bool(met), "n": len(values),
        }  # fmt: skip
        sign = "≥" if at_least else "≤"
        print(
            f"{what:78} {median:7.2f} {sign} {target:4.2f} {'yes' if met else 'NO':>3} "
            f"{values.min():6.2f}–{values.max():.2f}"
        )
    origin = provenance(command="make bench", seed=0, data=None, n=None)
    save_result("bench", numbers=numbers, provenance=origin)
    print(f"\nStored as {load_result('bench').name}; two threads, medians of paired runs.")


if __name__ == "__main__":
    main()
