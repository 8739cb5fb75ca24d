"""Arguments as they arrive: plain numbers, NumPy's, or something else."""

import math
import numbers


def check_integer(name, value, at_least):
    """Return `value` as an int, or raise unless it is an integer >= `at_least`.

    NumPy's integers are welcome, as they are to Keras's layers; `True` is no count of anything.
    """
    if _is(numbers.Integral, value) and value >= at_least:
        return int(value)
    raise ValueError(f"`{name}` must be an integer >= {at_least}. Received: {name}={value!r}")


def check_number(name, value, allowed, holds):
    """Return `value` as a float, or raise unless it is a finite number for which `holds(value)`.

    `allowed` says in words which numbers those are.
    """
    if _is(numbers.Real, value) and math.isfinite(value) and holds(value):
        return float(value)
    raise ValueError(f"`{name}` must be a finite number {allowed}. Received: {name}={value!r}")


def check_positive(name, value):
    """Return `value` as a float, or raise unless it is a finite number above 0."""
    return check_number(name, value, "> 0", lambda number: number > 0)


def check_choice(name, value, allowed):
    """Return `value`, or raise unless it is among those that are allowed."""
    if value in tuple(allowed):  # Of a dict, where a list would not be looked for.
        return value
    listed = ", ".join(map(repr, allowed))
    raise ValueError(f"`{name}` must be one of {listed}. Received: {name}={value!r}")


def _is(kind, value):
    return isinstance(value, kind) and not isinstance(value, bool)
