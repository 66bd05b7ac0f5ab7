"""What a purchase is worth beside another: differences of REN, with the uncertainty of the difference itself."""

import numpy as np
import pytest

from lnescape.retraining import Evaluation, Reference, fidelity, type_a
from report.studies.moderation import draws
from report.studies.uncertainty import BASE, MORE, gains

RNG = np.random.default_rng(0)
SIGMA = np.exp(0.5 * RNG.normal(size=800))
Q = RNG.normal(size=(40, 800)) * SIGMA


@pytest.fixture(scope="module")
def found():
    """Plain retrainings as the base; bought are what is there already, and the exact pattern at an unknown scale."""
    kept, references, further = {}, {}, {}
    for m in (2, 3):
        drawn = draws(12, m)
        references[m] = Reference.of(Q, drawn)
        plain = [type_a(Q[list(rows)]) for rows in drawn]
        told = [Evaluation(Q[list(rows)].mean(0), 1.2 * SIGMA, 1e6, m) for rows in drawn]
        for name, own in ((BASE, plain), ("free + nothing", plain), ("free + pattern", told)):
            kept[name, m], further[name, m] = fidelity(own, references[m]), 0.5
    return gains(kept, references, further)


def test_one_more_plain_retraining_is_worth_one(found):
    assert list(found) == ["2"]  # of M = 3 the next is not there
    more = found["2"][MORE]
    assert more["gain"].value == pytest.approx(1, abs=3 * more["gain"].u)  # false alarm 0.3 %
    assert 0 < more["gain"].u < 0.2
    assert (more["price"], more["ahead"].value, more["ahead"].u) == (1.0, 0.0, 0.0)


def test_what_was_there_already_gains_nothing_with_certainty(found):
    row = found["2"]["nothing"]
    assert (row["gain"].value, row["gain"].u) == (0.0, 0.0)
    assert row["ahead"].value == pytest.approx(found["2"][MORE]["gain"].value)


def test_a_pattern_that_is_bought_cheaply_is_ahead_beyond_doubt(found):
    row = found["2"]["pattern"]
    assert row["rate"].value == pytest.approx(row["gain"].value / 0.5)
    assert row["ahead"].value < -3 * row["ahead"].u
