"""The main story on a device that is not the CPU, without a GPU: no tensor is left behind, and the numbers agree."""

import subprocess
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
import torch

import lnescape as ln
from lnescape.covariates import geometry
from tests import stand_in_device

QUICK = ln.Recipe(epochs=4, batch=64, precision="float32")
SETTINGS = {"shift": 1, "flip": "alternate", "bias_rate": 4.0, "first_pixels": 6, "average_every": 2}
VALUES = ln.Recipe(epochs=4, batch=32, learning_rate=0.01)


# Every step is done on the CPU and on the device, and returns numbers that must agree. `on.data` stay on the CPU, as a
# user's do who passes device=; `on.moved` are the same data on the device.


def tensors_of_two_devices_are_refused(on):
    """Show that the device is as strict as a GPU: what mixes devices must fail, and single numbers may lie anywhere."""
    here, there = torch.ones(2), torch.ones(2, device=on.device)
    mixed = (
        lambda: here + there, lambda: here @ there, lambda: torch.cat([here, there]), lambda: here[there.long()],
        lambda: torch.equal(here, there), lambda: there.normal_(generator=torch.Generator()), lambda: there.numpy(),
    )  # fmt: skip
    for mix in mixed if on.device != "cpu" else ():
        with pytest.raises((RuntimeError, TypeError), match="device"):
            mix()
    return there[torch.tensor([0])] + torch.tensor(1.0)


def a_perceptron_is_trained(on):
    on.runs = ln.fit(on.net, on.data, seeds=[0, 1], recipe=QUICK, device=on.device)
    return on.runs.thetas


def a_network_with_batch_normalisation_is_trained(on):
    on.normed = ln.fit(on.deep, on.moved, seeds=[0, 1], recipe=ln.Recipe(epochs=1, batch=64, precision="float32"))
    return on.normed.thetas


def every_setting_of_a_recipe_is_used(on):
    recipe = ln.Recipe(epochs=1, batch=64, **SETTINGS, precision="float32")
    return ln.fit(on.deep, on.data, seeds=[0], recipe=recipe, device=on.device).thetas


def a_precision_is_chosen(on):
    runs = ln.fit(on.deep, on.data, seeds=[0], recipe=ln.Recipe(epochs=1, batch=64), device=on.device)
    return [len(runs)]  # which precision is faster may differ


def a_curve_is_learned_between_two_networks(on):
    on.curve = ln.fit_subspace(on.net, on.moved, ln.Bezier.between(on.runs[0], on.runs[1]), recipe=QUICK)
    return on.curve.at(0.5)


def laws_predict_images_of_the_cpu(on):
    images = on.data.test.images
    laws = (on.runs, on.normed, on.curve)
    return torch.cat([law.predict(images, n=2) for law in laws])


def networks_are_surveyed_along_the_curve(on):
    return ln.along(on.runs, on.curve.subspace, on.data.test, n=3).loss


def predictions_are_scored_with_labels_of_the_cpu(on):
    logp, labels = on.runs.predict(on.data.test.images), on.data.test.labels
    scores = ln.scores.score(logp, labels), ln.scores.score(logp.cpu(), on.moved.test.labels)
    return [float(one.value) for table in scores for one in table.values()] + [ln.fit_temperature(logp, labels)]


def every_method_gives_a_law(on):
    laws = []
    for name, method in ln.METHODS.items():
        net = ln.network("mlp", on.data, width=16, dropout=0.1) if name == "dropout" else on.net
        laws.append(method(net, on.moved, recipe=QUICK, budget=4, progress=False))
    return torch.cat([law.predict(on.data.test.images, n=2) for law in laws])


def networks_from_elsewhere_are_members(on):
    law = ln.members(on.deep, [on.normed.module(theta).cpu() for theta in on.normed.thetas], on.moved)
    return law.predict(on.data.test.images)


def a_law_is_kept_and_read(on):
    with TemporaryDirectory() as folder:
        on.normed.save(Path(folder) / "law")
        law = ln.load_law(Path(folder) / "law", on.deep, normalisation_images=on.data.normalisation_images)
        read = ln.load_law(Path(folder) / "law", on.deep, normalisation_images=on.moved.normalisation_images)
    modules = [law.module(on.normed[0]), read.module(read[0]).to(on.device)]
    with law.lend(on.normed[0]) as lent:
        modules.append(lent.to(on.device))
    return torch.stack([module(on.moved.test.images) for module in modules]).detach()


def one_network_and_its_companion_are_stated(on):
    return stated(ln.state(on.net, on.data, seeds=[0], recipe=QUICK, companion=True, device=on.device))


def two_networks_are_stated(on):
    return stated(ln.state(on.net, on.data, runs=on.runs))


def two_networks_with_batch_normalisation_are_stated(on):
    return stated(ln.state(on.deep, on.moved, runs=on.normed, covariates=ln.covariates.FREE))


def measured_values_are_stated(on):
    net = ln.network("mlp", on.values, width=8)
    return stated(ln.state(net, on.values, seeds=[0, 1], recipe=VALUES, device=on.device))


def a_prior_is_learned_from_many_retrainings(on):
    many = ln.fit(on.net, on.data, seeds=range(12), recipe=QUICK, device=on.device)
    pair = ln.covariates.known_pair(many, on.data)
    return [pair.n_eff, *pair.variance]


STEPS = (
    tensors_of_two_devices_are_refused, a_perceptron_is_trained, a_network_with_batch_normalisation_is_trained,
    every_setting_of_a_recipe_is_used, a_precision_is_chosen, a_curve_is_learned_between_two_networks,
    laws_predict_images_of_the_cpu,
    networks_are_surveyed_along_the_curve, predictions_are_scored_with_labels_of_the_cpu, every_method_gives_a_law,
    networks_from_elsewhere_are_members, a_law_is_kept_and_read, one_network_and_its_companion_are_stated,
    two_networks_are_stated, two_networks_with_batch_normalisation_are_stated, measured_values_are_stated,
    a_prior_is_learned_from_many_retrainings,
)  # fmt: skip


def stated(statement):
    return [*statement.evaluation.mean.ravel(), *statement.evaluation.u.ravel()]


def beginning(device):
    """Give the data, few of them, and the networks that a story on a device begins with."""
    digits = ln.load("digits")
    sizes = {"train": 256, "validation": 60, "calibration": 60, "test": 60}
    few = {name: getattr(digits, name).subset(slice(n)) for name, n in sizes.items()}
    data = ln.dataset(**{name: (part.images, part.labels) for name, part in few.items()}, name="few digits")
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    y = x[:, :1] + 0.1 * x[:, 1:2].sin()
    values = ln.dataset(train=(x[:150], y[:150]), calibration=(x[150:230], y[150:230]), test=(x[230:], y[230:]))
    net, deep = ln.network("mlp", data, width=16), ln.network("resnet", data, depth=8, width=4)
    return SimpleNamespace(device=device, data=data, moved=data.to(device), values=values, net=net, deep=deep)


def story():
    """Take every step on the CPU and on the device, and print a line for each."""
    torch.set_num_threads(1)
    geometry.SKETCH = 256  # of 2 048, which take most of the time
    stand_in_device.register()
    here, there = beginning("cpu"), beginning(stand_in_device.NAME)
    for step in STEPS:
        try:
            wanted, found = step(here), step(there)
            if isinstance(found, torch.Tensor):
                assert found.device.type == there.device, f"the result lies on {found.device}"
                found = found.cpu()
            torch.testing.assert_close(torch.as_tensor(found), torch.as_tensor(wanted), rtol=1e-3, atol=1e-4)
            print(step.__name__, "as on the CPU", sep=": ")
        except Exception as error:  # the next steps show whether it is alone
            print(step.__name__, f"{type(error).__name__}, {' '.join(str(error).split())}", sep=": ")
            traceback.print_exc()


@pytest.mark.skipif(
    bool(stand_in_device.missing()), reason=f"the device can't be compiled: {stand_in_device.missing()}"
)
@pytest.mark.starts(6)  # the story's process, and the five of the compiler
def test_the_story_runs_on_a_device_that_is_not_the_cpu():
    command = [sys.executable, "-W", "error", "-c", "from tests.test_stand_in_device import story; story()"]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=False)
    print(done.stderr)  # which pytest shows of a test that fails
    assert done.stdout.splitlines() == [f"{step.__name__}: as on the CPU" for step in STEPS], done.stdout
    assert done.returncode == 0
