"""What the schedules share: steps without rounding, lines through points, checks of arguments."""

import itertools
import math

import keras
import numpy as np
from keras import ops


def as_steps(step):
    """Tensor of an int, a float, an array, a tensor or an optimizer's counter; int32 or wider."""
    # A Python int would become int32 on TensorFlow, and not fit.
    step = ops.convert_to_tensor(np.int64(step) if isinstance(step, int) else step)
    dtype = keras.backend.standardize_dtype(step.dtype)
    if dtype in ("float16", "bfloat16"):
        return ops.cast(step, "float32")
    if "float" in dtype or dtype in ("int32", "int64"):
        return step
    return ops.cast(step, "int32")


def counts_whole(step):
    """Whether a tensor of `as_steps` is of integers."""
    return "int" in keras.backend.standardize_dtype(step.dtype)


def since(step, origin):
    """Float32 of `step - origin`, with the digits that a float32 of a large step does not have."""
    whole = math.floor(origin)
    bits = 62 if keras.backend.standardize_dtype(step.dtype) == "int64" else 31
    if counts_whole(step) and abs(whole) < 2**bits:
        return ops.cast(step - whole, "float32") - (origin - whole)
    return ops.cast(step - origin, "float32")


def interpolate(step, steps, values, cosine=False):
    """Values at `step` on the line (or the half cosines) through the points, flat outside them.

    Each value is a weighted sum with both weights computed from their own end of the phase: a
    difference from 1 would leave no correct digit where a rate of 1e-1 has come down to 1e-7.
    """
    step = as_steps(step)
    value = ops.full_like(step, values[0], dtype="float32")
    phases = zip(itertools.pairwise(steps), itertools.pairwise(values), strict=True)
    for (begin, end), (first, last) in phases:
        after = since(step, begin)
        left = ops.clip(-since(step, end) / (end - begin), 0.0, 1.0)
        done = ops.clip(after / (end - begin), 0.0, 1.0)
        if cosine:
            left, done = (ops.square(ops.sin(math.pi / 2 * part)) for part in (left, done))
        value = ops.where(after > 0, left * first + done * last, value)
    return value


def check_between(low, high, limit=math.inf):
    """Raise unless the two pairs of a name and a number are ordered: 0, low, high, limit."""
    (low_name, low), (high_name, high) = low, high
    if not 0 <= low <= high <= limit or math.isinf(high):
        above = "" if math.isinf(limit) else f" and at most {limit:g}"
        raise ValueError(
            f"Arguments `{low_name}` and `{high_name}` must be finite, not negative{above}, the "
            f"first not above the second. Received: {low_name}={low}, {high_name}={high}"
        )
