"""One thread, no window, the shapes that signatures state are checked, and no test takes long."""

import os
from collections import Counter
from contextlib import contextmanager
from functools import cache, wraps
from importlib import import_module

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", MPLBACKEND="Agg")
os.environ.pop("LNESCAPE_HOME", None)  # the tests read this project's results
os.environ.pop("LNESCAPE_PROFILE", None)

import jaxtyping
import pytest
import torch
from jaxtyping import config, install_import_hook

CALLS = 30  # of a function in a test that are checked: were it all of them, a training would take four times as long
calls = Counter()  # in this test, by name: a function inside another is a new one at each call of the other
jaxtyped = jaxtyping.jaxtyped


def sparing(**options):
    """Decorate as jaxtyping does, and check the first calls of a function in a test."""

    def decorate(thing):
        if isinstance(thing, type):
            return jaxtyped(thing, **options)
        name, checked = (thing.__module__, thing.__qualname__), cache(lambda: jaxtyped(thing, **options))

        @wraps(thing)
        def call(*arguments, **named):
            calls[name] += 1
            return (checked() if calls[name] <= CALLS else thing)(*arguments, **named)

        return call

    return decorate


jaxtyping.jaxtyped = sparing  # the hook below puts it in front of every function
# Not in `results`, whose files hold thousands of values: checked one by one, a large one takes seconds to read.
ROOMS = (
    "covariates", "data", "engines", "landscape", "laws", "methods", "networks", "plots", "retraining", "scores",
    "statement", "study", "subspaces", "training", "weights",
)  # fmt: skip
install_import_hook([*(f"lnescape.{room}" for room in ROOMS), "report.studies"], "typeguard.typechecked")
config.update("jaxtyping_disable", True)  # 3 000 cells of the same few kinds: 2 s, and 45 where each is checked
import_module("report.studies.catalogue")
config.update("jaxtyping_disable", False)
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data():
    """The embedded digits."""
    return import_module("lnescape").load("digits")


MOST = 25.0  # seconds of processor time of one test and the processes that it starts
IMPORT = 8.0  # the same for torch and the library in a process, on a slow machine


def _used() -> float:
    return sum(os.times()[:4])


def _most() -> float:
    """Return the limit here and now: where processes share cores and caches, a second of processor time does less."""
    return MOST * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def pytest_runtest_setup():
    calls.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test that passes, but takes more processor time than it may."""
    start = _used()
    result = yield
    starts = item.get_closest_marker("starts")
    if (used := _used() - start) > (most := _most() + IMPORT * (starts.args[0] if starts else 0)):
        pytest.fail(f"took {used:.0f} s of processor time, {most:.0f} s are the most: train less, or share a fixture")
    return result


@pytest.fixture
def as_users_do():
    """Switch the checks of shapes off, as they are for users, to see what bad input then meets."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def no_training(monkeypatch):
    """Let no step be trained."""

    def step(*_):
        raise AssertionError("a step was trained before the request was refused")

    monkeypatch.setattr("lnescape.training.descent._Running.step", step)


@pytest.fixture
def killed_after(monkeypatch):
    """Interrupt what is trained inside `with killed_after(n):` once n states are kept."""
    from lnescape.training.descent import State

    save = State.save

    @contextmanager
    def killed(n):
        calls = []

        def kept(*state):
            save(*state)
            calls.append(1)
            if len(calls) == n:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(State, "save", kept)
            with pytest.raises(KeyboardInterrupt):
                yield

    return killed


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give results, figures and live records a folder of their own."""
    monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path))
    return tmp_path
