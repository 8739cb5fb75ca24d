"""The nearest orthogonal matrix, roughly and fast."""

from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.ops.precision import at_least_float32

__all__ = ["orthogonalize"]

# Of a x + b x^3 + c x^5, which lifts small singular values fast and leaves large ones near 1.
COEFFICIENTS = 3.4445, -4.7750, 2.0315


def orthogonalize(matrix, steps=5):
    """Matrix of the same singular vectors, whose singular values are all near 1.

    With `matrix = U S V^T` it is about `U V^T`, found by Newton-Schulz iterations, which are matrix
    products alone. From 5 steps on, the singular values of what is not nearly singular lie between
    0.65 and 1.25; with 3 steps the small ones are smaller.

    Args:
        matrix: Float tensor of shape `(rows, columns)`.
        steps: Number of iterations, an integer >= 1. Defaults to 5.

    Returns:
        Tensor of the shape and dtype of `matrix`; zeros for a matrix of zeros.

    Raises:
        ValueError: if `matrix` has not two axes, or `steps` is no integer of at least 1.

    Example:
        >>> x = keras_twist.ops.orthogonalize(np.diag([1.0, 0.5, 0.25]), steps=5)
        >>> bool(np.all(np.abs(np.diag(x) - 1) < 0.35))
        True

    Reference:
        [Muon](https://kellerjordan.github.io/posts/muon/). Differs from it in: computed in float32
        at least, not in bfloat16.
    """
    check_integer("steps", steps, at_least=1)
    matrix = ops.convert_to_tensor(matrix)
    if len(matrix.shape) != 2:
        raise ValueError(
            f"`matrix` must have the shape (rows, columns). Received: shape={tuple(matrix.shape)}"
        )
    wide = matrix.shape[0] <= matrix.shape[1]
    x = ops.cast(matrix, at_least_float32(matrix.dtype))
    x = x if wide else ops.transpose(x)
    a, b, c = COEFFICIENTS
    # The largest singular value is at most the root of the sum of all squares.
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    for _ in range(steps):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.cast(x if wide else ops.transpose(x), matrix.dtype)
