"""Whether a value, which may come from a file, is of a field's type."""

import numbers

_WORDS = {
    int: "an integer of at most 64 bits",
    float: "a number",
    str: "a string",
    bool: "True or False",
    type(None): "None",
}


def is_of(types, value):
    """Whether a value is of one of these types."""
    return any(_is_one(kind, value) for kind in types)


def in_words(types):
    """What such a value is, as a message says it."""
    return " or ".join(_WORDS[kind] for kind in types)


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
