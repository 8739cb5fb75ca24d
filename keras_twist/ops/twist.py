"""The twist: a 3x3 convolution whose coefficients vary linearly over the image.

    y = conv(x, K) + mask * ((X - cx) * conv(x, Kx) + (Y - cy) * conv(x, Ky))

All images are (batch, height, width, channels), all kernels (3, 3, in / groups, out).
`twist_conv` is the definition. The forms in `twist_forms` compute the same in fewer operations
where Kx and Ky are antisymmetric.
"""

import keras
from keras import ops

from keras_twist.ops.precision import at_least_float32
from keras_twist.ops.twist_geometry import coordinate_axes, disk_mask

__all__ = ["twist_conv"]


def twist_conv(
    inputs,
    kernel,
    kernel_x,
    kernel_y,
    center_x,
    center_y,
    radius=None,
    strides=1,
    groups=1,
    origin="center",
    ramp=0.3,
):
    """Convolves with coefficients that are linear in the position: the twist, by its definition.

    `y = conv(x, K) + mask * ((X - cx) * conv(x, Kx) + (Y - cy) * conv(x, Ky))` with one zero on
    every side of the image, X and Y the `coordinate_grid` of the output, and
    `mask = disk_mask(((X - cx)^2 + (Y - cy)^2) / radius^2, ramp)`. With Ky a quarter turn of an
    antisymmetric Kx the added field is a local rotation and scaling.

    Coordinates and mask are computed in float32 at least.

    Args:
        inputs: tensor of shape `(batch, height, width, in)`; integers become floats.
        kernel: tensor of shape `(3, 3, in / groups, out)`, as are `kernel_x` and `kernel_y`. Any
            values will do.
        kernel_x: the kernel that the horizontal coordinate scales.
        kernel_y: the kernel that the vertical coordinate scales.
        center_x: tensor of shape `(out,)`, in units of half the image's width.
        center_y: tensor of shape `(out,)`, in units of half the image's height.
        radius: tensor of shape `(out,)`, in the same units; or None for no mask. Defaults to
            None.
        strides: int or pair of ints. Defaults to 1.
        groups: int, the number of channel groups. Defaults to 1.
        origin: `"center"` or `"corner"`, where (0, 0) is. Defaults to `"center"`.
        ramp: float in (0, 1], the softness of the disk's edge. Defaults to 0.3.

    Returns:
        A tensor of shape `(batch, ceil(height / stride), ceil(width / stride), out)`.

    Raises:
        ValueError: if the channels do not fit the kernel and `groups`, or an option is unknown.

    Example:
        >>> x = np.ones((1, 4, 4, 2), "float32")
        >>> k = np.zeros((3, 3, 2, 3), "float32")
        >>> zero = np.zeros(3, "float32")
        >>> keras_twist.ops.twist_conv(x, k, k, k, zero, zero, strides=2).shape[1:] == (2, 2, 3)
        True

    Reference:
        - [ResNet with a Twist](https://github.com/liuyao12/Ranger-Mish-ImageWoof-5)

        Differs from it in: nothing for `origin="corner"`; the default puts the origin in the
        middle of the image, which is where the published centres are drawn around.
    """
    if inputs.shape[-1] != kernel.shape[2] * groups or kernel.shape[3] % groups:
        raise ValueError(
            "`groups` must divide the channels of `inputs` and the filters of `kernel`, whose "
            "third axis must have length in / groups. "
            f"Received: groups={groups}, inputs.shape={tuple(inputs.shape)}, "
            f"kernel.shape={tuple(kernel.shape)}."
        )
    inputs = ops.convert_to_tensor(inputs)
    if not keras.backend.is_float_dtype(inputs.dtype):
        inputs = ops.cast(inputs, keras.config.floatx())
    kernels = [ops.cast(k, inputs.dtype) for k in (kernel, kernel_x, kernel_y)]
    terms = convolve(inputs, kernels, strides, "symmetric")
    return modulate(*terms, center_x, center_y, radius, origin, ramp)


def modulate(plain, along_x, along_y, center_x, center_y, radius, origin, ramp):
    """Returns `plain + mask * ((X - cx) * along_x + (Y - cy) * along_y)`.

    Centres of None stand for zeros, and a radius of None for no mask.
    """
    height, width = ops.shape(plain)[1:3]
    dtype = at_least_float32(plain.dtype)
    maps = modulation_maps(height, width, center_x, center_y, radius, origin, ramp, dtype)
    # Spelt out over the filters too: TensorFlow multiplies a map of the image's whole shape much
    # faster than it repeats one along two axes.
    shape = (height, width, plain.shape[-1])
    x, y = (ops.broadcast_to(ops.cast(m, plain.dtype), shape) for m in maps)
    return plain + x * along_x + y * along_y


def modulation_maps(height, width, center_x, center_y, radius, origin, ramp, dtype):
    """Returns `mask * (X - cx)` and `mask * (Y - cy)`.

    They have shape `(height, width, filters)`, or without a mask one that repeats to it.
    """
    x, y = coordinate_axes(height, width, origin, dtype)
    x, y = x[None, :, None], y[:, None, None]
    if center_x is not None:
        x, y = x - ops.cast(center_x, dtype), y - ops.cast(center_y, dtype)
    if radius is not None:
        mask = disk_mask((x * x + y * y) / ops.square(ops.cast(radius, dtype)), ramp)
        x, y = mask * x, mask * y
    return x, y


def convolve(inputs, kernels, strides, padding):
    """Convolves `inputs` with each of `kernels`; `"symmetric"` is one zero on every side."""
    strides = (strides, strides) if isinstance(strides, int) else tuple(strides)
    if padding == "symmetric":
        if strides == (1, 1):
            padding = "same"  # the same zeros, without a padded copy of the input
        else:
            inputs = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
            padding = "valid"
    return [
        ops.conv(inputs, k, strides=strides, padding=padding, data_format="channels_last")
        for k in kernels
    ]
