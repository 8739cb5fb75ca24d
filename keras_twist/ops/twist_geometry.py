"""The parts of a twist: antisymmetric kernels, their rotations, coordinates and the disk."""

from keras import ops

from keras_twist.arguments import check_choice

__all__ = [
    "antisymmetric_kernel",
    "antisymmetrize",
    "coordinate_grid",
    "disk_mask",
    "rotate_kernel",
]

ORIGINS = ("center", "corner")

# Where the 4 free values of an antisymmetric kernel stand in it, as (row, column) from its middle.
OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1))


def antisymmetrize(kernel):
    """Returns the part of a kernel that a half turn negates, `(kernel - half turn) / 2`.

    Such a kernel has a zero in its middle and 4 free values: it is a first-order differential
    operator, of which the twist scales the coefficients.

    Args:
        kernel: tensor of shape `(3, 3, in, out)`, or any with two odd spatial axes in front.

    Returns:
        A tensor of the same shape and dtype.

    Example:
        >>> kernel = np.arange(9.0).reshape(3, 3, 1, 1)
        >>> np.array(keras_twist.ops.antisymmetrize(kernel))[:, :, 0, 0].tolist()
        [[-4.0, -3.0, -2.0], [-1.0, 0.0, 1.0], [2.0, 3.0, 4.0]]

    Reference:
        - `TwistLayer.forward` of
          [mxresnet](https://github.com/liuyao12/Ranger-Mish-ImageWoof-5/blob/master/mxresnet.py)

        Differs from it in: it returns a new kernel, so that gradients pass through it; the
        reference overwrites the weights in every forward pass.
    """
    kernel = ops.convert_to_tensor(kernel)
    return (kernel - _half_turn(kernel)) / 2


def antisymmetric_kernel(params):
    """Builds the 3x3 kernel `[[a, b, c], [d, 0, -d], [-c, -b, -a]]` from its 4 free values.

    Args:
        params: tensor of shape `(4, in, out)`, the values a, b, c, d for each channel pair.

    Returns:
        A tensor of shape `(3, 3, in, out)` which `antisymmetrize` leaves as it is.

    Raises:
        ValueError: if the first axis does not have length 4.

    Example:
        >>> params = np.array([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
        >>> np.array(keras_twist.ops.antisymmetric_kernel(params))[:, :, 0, 0].tolist()
        [[1.0, 2.0, 3.0], [4.0, 0.0, -4.0], [-3.0, -2.0, -1.0]]
    """
    if params.shape[0] != 4:
        raise ValueError(
            "The first axis of `params` must hold the 4 free values of an antisymmetric kernel. "
            f"Received: params.shape={tuple(params.shape)}."
        )
    params = ops.convert_to_tensor(params)
    rows = (params, ops.zeros_like(params[:1]), -ops.flip(params, axis=0))
    return ops.reshape(ops.concatenate(rows, axis=0), (3, 3, *params.shape[1:]))


def free_values(kernel):
    """The 4 values that make up the antisymmetric part of a 3x3 kernel, of shape `(4, in, out)`.

    What `antisymmetric_kernel` makes of them is what `antisymmetrize` makes of the kernel.
    """
    kernel = antisymmetrize(kernel)
    return ops.stack([kernel[1 + row, 1 + column] for row, column in OFFSETS])


def rotate_kernel(kernel, quarter_turns):
    """Rotates a kernel by quarter turns, as `numpy.rot90` does over the two spatial axes.

    One positive turn is counter-clockwise as the kernel is printed, row 0 on top.

    Args:
        kernel: tensor of shape `(size, size, in, out)`.
        quarter_turns: int, the number of turns; negative ones are clockwise.

    Returns:
        A tensor of the same shape and dtype.

    Example:
        >>> kernel = np.arange(4.0).reshape(2, 2, 1, 1)
        >>> np.array(keras_twist.ops.rotate_kernel(kernel, 1))[:, :, 0, 0].tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """
    # Not `ops.rot90`, which Keras 3.8 does not have.
    kernel, turns = ops.convert_to_tensor(kernel), quarter_turns % 4
    if turns % 2:
        kernel = ops.flip(ops.transpose(kernel, (1, 0, 2, 3)), axis=0)
    return _half_turn(kernel) if turns > 1 else kernel


def _half_turn(kernel):
    # One axis after the other: Keras 3.8 flips no two at once on TensorFlow.
    return ops.flip(ops.flip(kernel, axis=0), axis=1)


def coordinate_grid(height, width, origin="center", dtype="float32"):
    """Returns the coordinates X and Y of every pixel, in steps of `2 / width` and `2 / height`.

    Args:
        height: int or scalar integer tensor, in pixels.
        width: int or scalar integer tensor, in pixels.
        origin: `"center"` for coordinates in [-1, 1), `"corner"` for [0, 2). Defaults to
            `"center"`.
        dtype: float dtype of the coordinates. Defaults to `"float32"`, which half precision
            should not replace: it cannot count the pixels of a large image.

    Returns:
        Two tensors of shape `(height, width)`: X grows to the right and Y downwards.

    Raises:
        ValueError: if `origin` is unknown.

    Example:
        >>> x, y = keras_twist.ops.coordinate_grid(2, 4)
        >>> np.array(x).tolist()
        [[-1.0, -0.5, 0.0, 0.5], [-1.0, -0.5, 0.0, 0.5]]
        >>> np.array(y).tolist()
        [[-1.0, -1.0, -1.0, -1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    x, y = coordinate_axes(height, width, origin, dtype)
    shape = (height, width)
    return ops.broadcast_to(x[None, :], shape), ops.broadcast_to(y[:, None], shape)


def coordinate_axes(height, width, origin, dtype):
    """Returns the coordinates along each axis, tensors of shape `(width,)` and `(height,)`."""
    check_choice("origin", origin, ORIGINS)
    start = 1.0 if origin == "center" else 0.0
    # Multiply before dividing: 2 j / w is then exact wherever it can be.
    return tuple(
        ops.cast(2 * ops.arange(size, dtype="int32"), dtype) / ops.cast(size, dtype) - start
        for size in (width, height)
    )


def disk_mask(squared_radius, ramp):
    """Returns 1 inside the unit disk and 0 outside, with a linear ramp between.

    The mask is `clip((1 + ramp - r) / (2 ramp), 0, 1)` for the squared radius r: 1 up to
    `1 - ramp`, 0 from `1 + ramp` on.

    Args:
        squared_radius: float tensor of any shape.
        ramp: float in (0, 1], half the width of the ramp, in units of the squared radius.

    Returns:
        A tensor of the same shape and dtype, with values in [0, 1].

    Raises:
        ValueError: if `ramp` is outside (0, 1].

    Example:
        >>> mask = keras_twist.ops.disk_mask(np.array([0.0, 0.7, 1.0, 1.3, 9.0]), ramp=0.3)
        >>> np.array(mask).round(6).tolist()
        [1.0, 1.0, 0.5, 0.0, 0.0]

    Reference:
        - `ramp_func` of
          [mxresnet](https://github.com/liuyao12/Ranger-Mish-ImageWoof-5/blob/master/mxresnet.py)

        Differs from it in: a ramp of 0, a step with no gradient for centres and radii, is refused.
    """
    if not 0 < ramp <= 1:
        raise ValueError(f"`ramp` must be in (0, 1]. Received: ramp={ramp}.")
    squared_radius = ops.convert_to_tensor(squared_radius)
    return ops.clip((1 + ramp - squared_radius) / (2 * ramp), 0.0, 1.0)
