"""One thread, no window, every shape that a signature states is checked, and no test takes long."""

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", MPLBACKEND="Agg")
os.environ.pop("LNESCAPE_HOME", None)  # the tests read this project's results
os.environ.pop("LNESCAPE_PROFILE", None)

import pytest
import torch
from jaxtyping import config, install_import_hook

install_import_hook(["lnescape", "report.studies"], "typeguard.typechecked")
torch.set_num_threads(1)

MOST = 15.0  # seconds of processor time of one test and the processes that it starts
# The exceptions, measured on busy cores: they start processes that import torch, or typeset documents.
LONGER = {
    "test_a_process_that_dies_takes_no_other_cell_with_it": 40.0,
    "test_a_study_of_ones_own_runs_is_killed_goes_on_and_is_read": 40.0,
    "test_a_study_killed_three_times_ends_with_the_same_bits": 40.0,
    "test_killed_in_the_middle_of_a_training_it_goes_on_and_says_the_same": 40.0,
    "test_processes_give_the_same_bits_as_this_one": 30.0,
    "test_the_run_sheet_shows_this_run_beside_references_and_names_failures": 40.0,
    "test_two_processes_share_a_study": 30.0,
}


def _used() -> float:
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test that passes, but takes more processor time than it may."""
    start = _used()
    result = yield
    used, most = _used() - start, LONGER.get(item.name.split("[")[0], MOST)
    if used > most:
        pytest.fail(f"took {used:.0f} s of processor time, {most:.0f} s are the most: train less, or share a fixture")
    return result


@pytest.fixture
def as_users_do():
    """Switch the checks of shapes off, as they are for users, to see what bad input then meets."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give results, figures and live records a folder of their own."""
    monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path))
    return tmp_path
