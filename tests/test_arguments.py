"""Numbers of every origin are taken or refused by name."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_twist.arguments import check_choice, check_integer, check_number

NEITHER = [None, True, False, np.bool_(True), "4", [4], (4,), 4j, np.ones(1), object]


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from([int, np.int64, np.int32]))
def test_integers_of_every_kind_become_int(value, kind):
    if value >= 1:
        found = check_integer("filters", kind(value), 1)
        assert type(found) is int and found == value
    else:
        with pytest.raises(ValueError, match="`filters` must be an integer >= 1. .*filters="):
            check_integer("filters", kind(value), 1)


@pytest.mark.parametrize("value", [*NEITHER, 4.0, np.float32(4.0), float("nan")], ids=repr)
def test_nothing_else_is_an_integer(value):
    with pytest.raises(ValueError, match="`filters` must be an integer >= 1. Received: filters="):
        check_integer("filters", value, 1)


@given(st.floats(width=32), st.sampled_from([float, np.float64, np.float32]))
def test_numbers_of_every_kind_become_float(value, kind):
    number = kind(value)
    if 0 < number <= 1:
        found = check_number("ramp", number, "in (0, 1]", lambda x: 0 < x <= 1)
        assert type(found) is float and found == number
    else:
        with pytest.raises(ValueError, match=r"`ramp` must be .* in \(0, 1\]. Received: "):
            check_number("ramp", number, "in (0, 1]", lambda x: 0 < x <= 1)


@pytest.mark.parametrize("value", [*NEITHER, math.inf, -math.inf, math.nan], ids=repr)
def test_nothing_else_is_a_number(value):
    with pytest.raises(ValueError, match="`ramp` must be a finite number of any size."):
        check_number("ramp", value, "of any size", lambda x: True)


def test_choices_are_listed():
    assert check_choice("mode", "exp", ("exp", "linear")) == "exp"
    with pytest.raises(ValueError, match="`mode` must be one of 'exp', 'linear'. .*mode='log'"):
        check_choice("mode", "log", ("exp", "linear"))
    with pytest.raises(ValueError, match="`mode` must be one of 'exp'. Received: mode=\\[1\\]"):
        check_choice("mode", [1], {"exp": 0})
