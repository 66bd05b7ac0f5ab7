"""Every wrong argument of the table is refused at once, by the library itself, with cause and cure."""

import time
import traceback

import pytest

from tests.refusals import ROWS, names, refusal

CASES = [row for rows in ROWS.values() for row in rows]


def test_the_table_has_its_length():
    assert len(dict(CASES)) == len(CASES) >= 60


@pytest.mark.parametrize(("code", "cure"), CASES)
@pytest.mark.usefixtures("as_users_do", "no_training")
def test_a_wrong_argument_is_refused_with_cause_and_cure(code, cure):
    names()
    start = time.process_time()
    error = refusal(code)
    assert time.process_time() - start < 1
    assert isinstance(error, (TypeError, ValueError, IndexError))
    assert cure in str(error)
    assert "\n" not in str(error)
    assert "/lnescape/" in traceback.extract_tb(error.__traceback__)[-1].filename  # not from the depths of torch
