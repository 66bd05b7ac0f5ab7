"""Gates on u(x) from few retrainings: verdicts on both sides of each limit, and undecided while they can turn."""

import numpy as np
import pytest

from lnescape.results import Estimate
from lnescape.retraining import Fidelity, RetrainingEquivalent
from report.studies.gates import Entry, Verdict, best_within, g3, g4, g5, g6, g7, g8, g9, g10, g11

STRONG, WEAK, LOOSE = Estimate(0.10, 0.01, dof=20), Estimate(0.01, 0.001, dof=20), Estimate(0.10, 0.08, dof=3)


def partials(*values):
    return {f"pair {k}": {"bursts": value} for k, value in enumerate(values)}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((STRONG, STRONG), "undecided"),
        ((STRONG, WEAK, WEAK), "undecided"),
        ((STRONG, STRONG, STRONG), "passed"),
        ((WEAK, WEAK, WEAK), "FAILED"),
        ((STRONG, STRONG, LOOSE, LOOSE, WEAK), "FAILED"),  # an interval with 0 doesn't count
    ],
)
def test_g3_is_decided_once_the_missing_pairs_can_not_turn_it(values, word):
    verdict = g3(partials(*values), "bursts")
    assert verdict.word == word
    assert verdict.to_dict()["decided"] is (word != "undecided")


def test_g4_needs_five_pairs():
    near = {f"pair {k}": Estimate(2.0 + 0.1 * k, 0.1) for k in range(5)}
    far = near | {"pair 4": Estimate(9.0, 0.1)}
    assert g4(near).word == "passed"
    assert g4(far).word == "FAILED"
    assert g4(dict(list(near.items())[:2])).word == "undecided, holds so far"
    assert not g4(dict(list(near.items())[:1])).passed


def entries(*rows):
    return [Entry(f"mix {k}", cost, RetrainingEquivalent(ren, ren - 1, ren + 1)) for k, (cost, ren) in enumerate(rows)]


def test_the_best_is_sought_among_what_can_be_paid_for():
    table = entries((2.0, 20.0), (3.01, 35.0), (3.4, 50.0))
    assert best_within(table, 2.0)[0] == "mix 0"
    assert best_within(table, 3.0)[0] == "mix 1"  # half a per cent is forgiven
    assert best_within(table, 1.0)[0] == "none"


def test_one_pair_that_fails_decides_g7_and_g8():
    good, bad = entries((2.0, 31.0), (3.0, 65.0)), entries((2.0, 20.0), (3.0, 29.0))
    assert g7({"a": good}).word == "undecided, holds so far"
    assert g7({"a": good, "b": bad}).word == "FAILED"
    assert g7(dict.fromkeys("abcde", good)).word == "passed"
    assert g8({"CNN, MNIST": good, "CNN, CIFAR-10": good}).n == 2
    assert g8({"a": good}).word == "undecided, holds so far"
    assert g8({"a": good, "b": bad}).word == "FAILED"
    assert g8(dict.fromkeys("abcde", good)).word == "passed"
    # 30 everywhere, and nowhere 60: refuted only once every pair has been seen.
    middling = entries((2.0, 31.0), (3.0, 40.0))
    assert not g8(dict.fromkeys("abcde", middling)).passed
    assert g8(dict.fromkeys("abcde", middling)).word == "FAILED"
    assert g8({"a": middling}).word == "undecided"


def test_the_best_cheap_method_decides_g6_and_stored_verdicts_come_back():
    verdict = g6([("SWAG", 1.5, 2.1), ("FGE", 1.5, 3.2), ("line", 3.0, 4.0)], n=2)
    assert (verdict.numbers["best"], verdict.passed) == ("FGE", True)
    parts = Verdict("G5", "both", False, {"REN holds": True, "coverage holds": False}, 24)
    again = Verdict.from_dict("G5", parts.to_dict())
    assert (again == parts, again.failing) == (True, "coverage")


def judged(ren, coverage=95.0, decile=95.0):
    some = Estimate(1.0, 0.1)
    worth, deciles = RetrainingEquivalent(float(ren), ren - 3.0, ren + 4.0), [Estimate(decile, 1.0)]
    return Fidelity(worth, some, some, some, 0.9, Estimate(coverage, 1.0), deciles, 9.0, some, np.ones(1))


@pytest.mark.parametrize(
    ("ren", "coverage", "decile", "passed"),
    [(22, 95, 92, True), (18, 95, 92, False), (22, 97.5, 92, False), (22, 95, 98.7, False)],
)
def test_g9_asks_for_worth_and_coverage_and_g10_for_more_than_without(ren, coverage, decile, passed):
    assert g9(judged(ren, coverage, decile), n=30).passed is passed
    assert g10(judged(ren), judged(20), gain=WEAK, n=30).passed is (ren > 20)


def test_g5_claims_nothing_of_shifts_that_were_not_stored():
    shifted = {"noise": judged(11)}
    assert g5(judged(16), {}, n=30).passed
    assert "shift" not in g5(judged(16), {}, n=30).claim
    assert g5(judged(16), shifted, n=30).failing == "REN under shift"
    assert g5(judged(14, decile=98.0), {}, n=30).failing == "REN, coverage in every decile"


def test_g11_asks_for_nine_in_ten_sets_of_each_size():
    assert g11({"M = 2": 0.9, "M = 3": 1.0}, n=48).passed
    assert not g11({"M = 2": 0.89, "M = 3": 1.0}, n=48).passed
