"""Names of cells, the words of a recipe and stored arrays as they are read are what they were; see `tests.frozen`."""

import json
import subprocess
import sys

import pytest

from tests.frozen import FROZEN, RESULTS

KNOWN = json.loads(FROZEN.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def now() -> dict:
    """Read all of it in a process of its own, where shapes aren't checked: that takes six times as long."""
    command = [sys.executable, "-m", "tests.frozen"]
    done = subprocess.run(command, cwd=RESULTS.parent.parent, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_words_of_a_recipe_are_as_before(now):
    assert now["recipe"] == KNOWN["recipe"]


def test_every_study_is_frozen(now):
    assert list(now["studies"]) == list(KNOWN["studies"]), "type: python -m tests.frozen --write"


@pytest.mark.parametrize("name", KNOWN["studies"])
def test_cells_keep_their_names_and_stored_arrays_are_read_as_before(now, name):
    (cells, arrays), (own_cells, own_arrays) = KNOWN["studies"][name], now["studies"][name]
    assert own_cells == cells, "cells were renamed: what is stored of them is lost"
    assert own_arrays == arrays, "stored arrays are read as other numbers"
