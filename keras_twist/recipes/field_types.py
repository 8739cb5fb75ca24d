"""Whether values of a dataclass, which may come from a file, are of their fields' types."""

import dataclasses
import numbers
from typing import get_args, get_type_hints

_WORDS = {
    int: "an integer of at most 64 bits",
    float: "a number",
    str: "a string",
    bool: "True or False",
    type(None): "None",
}


def choices(kind):
    """Allowed values of the fields that have a list of them, by name."""
    return {field: types for field, types in _types(kind).items() if isinstance(types[0], str)}


def of_wrong_type(values):
    """Name of the first field that is not of its type, and in words what it must be; or None."""
    for field, types in _types(type(values)).items():
        if isinstance(types[0], str):  # A list of choices.
            continue
        if not any(_is_one(kind, getattr(values, field)) for kind in types):
            return field, " or ".join(_WORDS[kind] for kind in types)
    return None


def _types(kind):
    """What each field's annotation lists, types or choices, by name."""
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: get_args(hints[name]) or (hints[name],) for name in names}


def _is_one(kind, value):
    """Whether a value is of a field's type; NumPy's numbers are, `True` is no number."""
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return (
            isinstance(value, number)
            and not isinstance(value, bool)
            and (not isinstance(value, numbers.Integral) or -(2**63) <= value < 2**63)
        )
    return isinstance(value, kind)
