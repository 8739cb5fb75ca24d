"""JSON that a run folder holds: small, flat, of ordinary numbers, whoever wrote it."""

import json
import math

from keras_twist.files import read_file

MAX_BYTES = 2**24
_LEVELS = 20


def read_json(path):
    """The value in a JSON file.

    Args:
        path: Path of the file.

    Returns:
        What `json.loads` makes of it.

    Raises:
        OSError: It cannot be read, is no regular file or larger than 16 MiB.
        ValueError: It is no JSON, or holds what `check_value` refuses.
    """
    try:
        value = json.loads(read_file(path, MAX_BYTES))
    except RecursionError as error:
        raise ValueError("values within values without end") from error
    check_value(value)
    return value


def check_value(value, levels=_LEVELS):
    """Raise ValueError for values that break those who show or compute with them.

    Those are lists and objects nested more than 20 deep, integers of more than 64 bits, and
    numbers that are not finite, which Python's JSON allows.
    """
    if isinstance(value, dict | list):
        if not levels:
            raise ValueError(f"values within values, more than {_LEVELS} deep")
        for inner in value.values() if isinstance(value, dict) else value:
            check_value(inner, levels - 1)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer of more than 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number that is not finite")
