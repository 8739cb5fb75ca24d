"""The elementwise half of a twist as one loop, where TensorFlow would run it op by op.

Between the matrix products and the result of the `products` form stand sixteen shifted images,
added up. TensorFlow without XLA passes over the memory for each of them; a compiler makes one loop.
So this half is compiled with XLA by itself (`benchmarks/results/twist_layer.json`).
"""

import functools

from keras import ops

from keras_twist.ops.op_by_op import compiled
from keras_twist.ops.precision import at_least_float32

__all__ = ["combine", "shifted_difference", "with_border"]


def combine(plain, values, x, y, offsets, turned, padding):
    """Returns `plain + x * sum(d(v, o)) + y * sum(d(v, t))`, in one pass over the memory.

    d is the `shifted_difference`, the sums run over the values with their offsets and turned
    offsets. It is computed in float32 at least and rounded once.

    Args:
        plain: tensor of shape `(batch, height, width, filters)`.
        values: tensors of that shape; `"valid"` ones are larger by a pixel on every side.
        x: float32 map that repeats to that shape, a constant: it gets no gradient.
        y: likewise.
        offsets: tuple of a pair (row, column) for each value.
        turned: likewise.
        padding: `"same"` or `"valid"`.

    Returns:
        A tensor of the shape and dtype of `plain`.
    """
    run = functools.partial(compiled, offsets=offsets, turned=turned, padding=padding)

    @ops.custom_gradient
    def apply(plain, *values):
        def gradient(upstream):
            return upstream, *run(_gradient, upstream, x, y)

        return run(_combined, plain, x, y, *values), gradient

    return apply(plain, *values)


def shifted_difference(tensor, offset):
    """Returns `t(pixel + offset) - t(pixel - offset)` for all but the outermost pixels."""

    def shifted(row, column):
        # Ends count from the back, so that sizes may be unknown.
        return tensor[:, 1 + row : row - 1 or None, 1 + column : column - 1 or None, :]

    row, column = offset
    return shifted(row, column) - shifted(-row, -column)


def with_border(tensor, width=1):
    """Returns the images with zeros around."""
    return ops.pad(tensor, ((0, 0), (width, width), (width, width), (0, 0)))


def _exact(tensor):
    return ops.cast(tensor, at_least_float32(tensor.dtype))


def _combined(plain, x, y, *values, offsets, turned, padding):
    values = [_exact(value) for value in values]
    if padding == "same":
        values = [with_border(value) for value in values]
    along_x, along_y = (
        sum(shifted_difference(v, offset) for v, offset in zip(values, chosen, strict=True))
        for chosen in (offsets, turned)
    )
    return ops.cast(_exact(plain) + x * along_x + y * along_y, plain.dtype)


def _gradient(upstream, x, y, offsets, turned, padding):
    # The transpose of a difference is its negative, whereas automatic differentiation would
    # scatter every slice into an image of zeros.
    width = 2 if padding == "valid" else 1
    of_x, of_y = (with_border(t * _exact(upstream), width) for t in (x, y))
    return [
        ops.cast(-shifted_difference(of_x, o) - shifted_difference(of_y, t), upstream.dtype)
        for o, t in zip(offsets, turned, strict=True)
    ]
