"""One table of arguments: what is taken, what is refused, and in which words."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from lnescape.checks import nearest, one_of, real, whole

TAKEN = [
    (whole, 3, {}, 3),
    (whole, 0, {"least": 0}, 0),
    (whole, -2, {"most": -2}, -2),
    (whole, 2**80, {}, 2**80),
    (whole, np.int64(3), {"least": 1, "most": 3}, 3),
    (whole, np.uint8(3), {}, 3),
    (whole, np.array(3), {}, 3),
    (whole, torch.tensor(3), {}, 3),
    (real, 1, {"least": 1, "most": 1}, 1.0),
    (real, 0.5, {"above": 0, "below": 1}, 0.5),
    (real, Fraction(1, 2), {}, 0.5),
    (real, np.float32(0.5), {}, 0.5),
    (real, np.int8(-1), {}, -1.0),
    (real, np.array(0.5), {}, 0.5),
    (real, torch.tensor(0.5), {}, 0.5),
]
WRONG_TYPE = [
    *((whole, value) for value in (2.0, 2.5, math.nan, "3", True, None, np.float64(2), np.bool_(True), [3])),
    *((whole, value) for value in (np.array([3, 4]), torch.tensor(True), torch.tensor([3, 4]), 1j)),
    *((real, value) for value in ("0.5", False, None, np.bool_(True), np.array([0.5]), torch.tensor(True), [1.0], 1j)),
]
WRONG_VALUE = [
    (whole, 0, {"least": 1}, "of at least 1, not 0"),
    (whole, np.int64(0), {"least": 1}, "of at least 1, not 0"),
    (whole, 6, {"least": 1, "most": 5}, "from 1 to 5, not 6"),
    (whole, 2**63, {"most": 2**63 - 1}, "of at most 9223372036854775807, not 9223372036854775808"),
    (real, math.nan, {}, "a finite number, not nan"),
    (real, np.float64("nan"), {"least": 0}, "of at least 0, not nan"),
    (real, math.inf, {"above": 0}, "above 0, not inf"),
    (real, 10**400, {}, "a finite number, not 1000"),
    (real, 0, {"above": 0}, "above 0, not 0"),
    (real, 1.0, {"below": 1}, "below 1, not 1.0"),
    (real, -0.1, {"least": 0, "below": 1}, "of at least 0 and below 1, not -0.1"),
    (real, 1.5, {"above": 0, "most": 1}, "above 0 and of at most 1, not 1.5"),
]


@pytest.mark.parametrize(("check", "value", "bounds", "number"), TAKEN)
def test_a_number_within_the_bounds_comes_back_as_a_plain_one(check, value, bounds, number):
    taken = check(value, "n", **bounds)
    assert taken == number
    assert type(taken) is type(number)


@pytest.mark.parametrize(("check", "value"), WRONG_TYPE)
def test_a_wrong_type_is_refused_by_the_name_of_the_argument(check, value):
    with pytest.raises(TypeError, match="^n must be a .* number, not "):
        check(value, "n")
    with pytest.raises(KeyError):
        check(value, "n", error=KeyError)


@pytest.mark.parametrize(("check", "value", "bounds", "words"), WRONG_VALUE)
def test_a_wrong_value_is_refused_with_the_bounds(check, value, bounds, words):
    with pytest.raises(ValueError, match=f"^n must be .*{words}"):
        check(value, "n", **bounds)
    with pytest.raises(KeyError):
        check(value, "n", **bounds, error=KeyError)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(TypeError) as caught:
        whole(list(range(10_000)), "n")
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("value", ["cifar_10", "CIFAR10", "", None, 3, ["mnist"]])
def test_an_unknown_name_is_refused_and_all_known_ones_are_listed(value):
    with pytest.raises(ValueError, match=r"There is no data set .*There are: mnist, cifar10\."):
        one_of(value, ("mnist", "cifar10"), "data set")
    with pytest.raises(KeyError):
        one_of(value, ("mnist", "cifar10"), "data set", error=KeyError)


def test_a_known_name_comes_back():
    assert one_of("mnist", iter(["mnist", "cifar10"]), "data set") == "mnist"


@pytest.mark.parametrize(("name", "meant"), [("cifar_10", "cifar10"), ("Mnist", "mnist"), ("swag", "SWAG")])
def test_the_nearest_name_is_suggested_whatever_its_capitals(name, meant):
    assert nearest(name, ["mnist", "cifar10", "SWAG"]).startswith(f"; did you mean {meant!r}? There are: ")


def test_no_name_is_suggested_where_none_is_near():
    assert nearest("zzz", ["mnist"]) == ". There are: mnist."
