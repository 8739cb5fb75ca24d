"""Forms of the twist convolution: the same three terms in fewer operations.

Every form takes the images, the plain kernel and the free values of the antisymmetric kernels,
and returns `conv(x, K)`, `conv(x, Kx)` and `conv(x, Ky)`. Per pixel and channel pair they cost

    separate       9 + 9 + 9 = 27 multiply-adds, three times a plain convolution
    differences    9 + 4 + 4 = 17: the 4 differences of opposite neighbours, once
    products       9 + 4     = 13: Ky holds the values of Kx, so that 4 products of a pixel serve
                   both, and the differences are taken of the products

What is elementwise after that counts as much, since it is bound by memory: `fused` computes the
products and adds everything up in one pass. `twisted` picks a form, `benchmarks/twist_layer.py`
measures all.
"""

import numpy as np
from keras import ops

from keras_twist.ops.op_by_op import fusible, runs_op_by_op
from keras_twist.ops.precision import at_least_float32
from keras_twist.ops.twist import convolve, modulate, modulation_maps
from keras_twist.ops.twist_fusion import combine, shifted_difference, with_border
from keras_twist.ops.twist_geometry import OFFSETS, antisymmetric_kernel, rotate_kernel

__all__ = ["FIELDS", "FORMS", "fold_centers", "twisted"]

# The quarter turns that make Ky out of Kx; None where Ky has values of its own.
FIELDS = {"rotate_scale": -1, "squeeze_shear": 1, "free": None}


def twisted(
    inputs,
    kernel,
    twist,
    twist_y,
    field,
    modulation,
    strides=(1, 1),
    padding="same",
    training=False,
    form=None,
):
    """Returns the twist convolution by the cheapest form, or by the one named `form`.

    `modulation` holds the last five arguments of `modulate`.
    """
    if form is None:
        masked = modulation[2] is not None
        form = _cheapest(inputs, kernel.shape[2], twist_y is None, masked, strides, training)
    if form == "fused":
        return fused(inputs, kernel, twist, field, modulation, padding)
    terms = FORMS[form](inputs, kernel, twist, twist_y, field, strides, padding)
    return modulate(*terms, *modulation)


def _cheapest(inputs, channels, shared, masked, strides, training):
    """The rule: at stride 1, sums cost less than convolutions where there are channels enough.

    That is from 64 input channels per group on, and without a mask while training, where the sums
    are fused, from 32 on. With few channels adding neighbours costs more than multiplying channels,
    and at larger strides the sums would be of pixels that are thrown away.
    """
    if tuple(strides) != (1, 1):
        return "separate"
    # A mask wants gradients that take the sums once more, which costs what fusing saves. And a
    # program for every batch size is right for a training, which has one or two, but not for a
    # server, hence `training`, nor for images of any size.
    if shared and not masked and training and channels >= 32 and fusible(inputs):
        return "fused"
    if channels >= 64:
        return "products" if shared else "differences"
    return "separate"


def fold_centers(kernel, twist, twist_y, field, center_x, center_y):
    """Returns `K - cx Kx - cy Ky`, for a twist without a mask.

    The centres are constants in front of Kx and Ky there, and belong to the plain kernel.
    """
    if twist_y is None:
        twist_y = _turned_values(twist, FIELDS[field])
    return kernel - antisymmetric_kernel(center_x * twist + center_y * twist_y)


def separate(inputs, kernel, twist, twist_y, field, strides=(1, 1), padding="same"):
    """Three convolutions."""
    kernels = _full_kernels(kernel, twist, twist_y, field)
    return convolve(inputs, kernels, strides, padding)


def differences(inputs, kernel, twist, twist_y, field, strides=(1, 1), padding="same"):
    """The 4 differences of opposite neighbours, then one matrix product for each of Kx and Ky."""
    features = [antisymmetric_sum([inputs], [offset], padding) for offset in OFFSETS]
    channels = inputs.shape[-1]
    groups = channels // kernel.shape[2]
    if groups > 1:  # the 4 features of one group must stay together
        space = ops.shape(features[0])[:3]
        features = [ops.reshape(f, (*space, groups, channels // groups)) for f in features]
        features = ops.reshape(ops.stack(features, axis=4), (*space, 4 * channels))
    else:
        features = ops.concatenate(features, axis=-1)
    if twist_y is None:
        twist_y = _turned_values(twist, FIELDS[field])
    pointwise = [ops.reshape(t, (1, 1, -1, t.shape[-1])) for t in (twist, twist_y)]
    along = [_pointwise(features, k) for k in pointwise]
    return [*convolve(inputs, [kernel], strides, padding), *along]


def products(inputs, kernel, twist, twist_y, field, strides=(1, 1), padding="same"):
    """4 matrix products, then their differences, for a Ky that is a quarter turn of Kx."""
    values = _products(inputs, twist)
    turned = [_turn(offset, FIELDS[field]) for offset in OFFSETS]
    return [
        *convolve(inputs, [kernel], strides, padding),
        antisymmetric_sum(values, OFFSETS, padding),
        antisymmetric_sum(values, turned, padding),
    ]


def fused(inputs, kernel, twist, field, modulation, padding="same"):
    """The products, then everything else in one pass. For TensorFlow, and without a mask."""
    (plain,) = convolve(inputs, [kernel], (1, 1), padding)
    values = _products(inputs, twist)
    x, y = modulation_maps(*ops.shape(plain)[1:3], *modulation, dtype=at_least_float32(plain.dtype))
    return combine(
        plain,
        values,
        x,
        y,
        offsets=OFFSETS,
        turned=tuple(_turn(offset, FIELDS[field]) for offset in OFFSETS),
        padding="valid" if padding == "valid" else "same",
    )


FORMS = {
    "separate": separate,
    "differences": differences,
    "products": products,
}


def _full_kernels(kernel, twist, twist_y, field):
    kernel_x = antisymmetric_kernel(twist)
    if twist_y is not None:
        return kernel, kernel_x, antisymmetric_kernel(twist_y)
    return kernel, kernel_x, rotate_kernel(kernel_x, FIELDS[field])


def _products(inputs, twist):
    # Unstacked at once: the gradient of one index is a tensor of zeros but for that quarter.
    kernels = ops.unstack(ops.reshape(twist, (4, 1, 1, *twist.shape[1:])))
    return [_pointwise(inputs, kernel) for kernel in kernels]


def _pointwise(inputs, kernel):
    return ops.conv(inputs, kernel, padding="valid", data_format="channels_last")


def _turn(offset, quarter_turns):
    row, column = offset
    return (column, -row) if quarter_turns == -1 else (-column, row)


def _turned_values(twist, quarter_turns):
    # A value that lands in the lower half stands there as it is, and so in the upper half with
    # the other sign.
    values = dict.fromkeys(OFFSETS)
    for index, offset in enumerate(OFFSETS):
        row, column = _turn(offset, quarter_turns)
        if (row, column) in values:
            values[row, column] = twist[index]
        else:
            values[-row, -column] = -twist[index]
    return ops.stack([values[offset] for offset in OFFSETS])


def antisymmetric_sum(tensors, offsets, padding):
    """Sums `t(pixel + offset) - t(pixel - offset)` over pairs of tensors and offsets.

    The gradient is given by hand: the transpose of such a difference is its negative, whereas
    automatic differentiation would scatter every slice into an image of zeros.
    """

    @ops.custom_gradient
    def apply(*tensors):
        def gradient(*args, upstream=None):
            if upstream is None:  # torch passes the inputs too, and names the upstream gradient
                (upstream,) = args
            if padding == "valid":
                upstream = ops.pad(upstream, ((0, 0), (1, 1), (1, 1), (0, 0)))
            return tuple(_differences([upstream], [(-i, -j)], "same") for i, j in offsets)

        return _differences(tensors, offsets, padding), gradient

    return apply(*tensors)


def _differences(tensors, offsets, padding):
    padding = "valid" if padding == "valid" else "same"
    # TensorFlow without XLA copies every slice, while oneDNN's depthwise convolution costs no
    # more than an addition. XLA fuses the slices, and has no fast depthwise convolution on a
    # CPU.
    take = _by_depthwise if runs_op_by_op(tensors[0]) else _by_slices
    terms = [take(t, offset, padding) for t, offset in zip(tensors, offsets, strict=True)]
    return sum(terms[1:], terms[0])


def _by_slices(tensor, offset, padding):
    return shifted_difference(with_border(tensor) if padding == "same" else tensor, offset)


def _by_depthwise(tensor, offset, padding):
    kernel = np.zeros((3, 3, tensor.shape[-1], 1))
    kernel[1 + offset[0], 1 + offset[1]] = 1.0
    kernel[1 - offset[0], 1 - offset[1]] = -1.0
    kernel = ops.convert_to_tensor(kernel, dtype=tensor.dtype)
    return ops.depthwise_conv(tensor, kernel, padding=padding, data_format="channels_last")
