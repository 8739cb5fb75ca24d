"""Forms of the twist convolution: the same three terms in fewer operations.

Every form takes the images, the plain kernel and the free values of the antisymmetric kernels,
and returns `conv(x, K)`, `conv(x, Kx)` and `conv(x, Ky)`. Per pixel and channel pair they cost

    separate, concatenated    9 + 9 + 9 = 27 multiply-adds, three times a plain convolution
    differences               9 + 4 + 4 = 17: the 4 differences of opposite neighbours, once
    products                  9 + 4     = 13: Ky holds the values of Kx, so that 4 products of a
                              pixel serve both, and the differences are taken of the products

`twist_terms` picks one. `benchmarks/twist_layer.py` measures all.
"""

import keras
import numpy as np
from keras import ops

from keras_twist.ops.twist import convolve
from keras_twist.ops.twist_geometry import antisymmetric_kernel, rotate_kernel

__all__ = ["FIELDS", "FORMS", "OFFSETS", "fold_centers", "twist_terms"]

# The quarter turns that make Ky out of Kx; None where Ky has values of its own.
FIELDS = {"rotate_scale": -1, "squeeze_shear": 1, "free": None}

# Where the values a, b, c, d stand in the kernel, as (row, column) from its middle.
OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1))


def twist_terms(inputs, kernel, twist, twist_y, field, strides=(1, 1), groups=1, padding="same"):
    """Returns the three terms by the cheapest form.

    The rule: at stride 1 and from 64 input channels per group on, the products where Kx and Ky
    share their values and the differences where they do not; otherwise three convolutions, since
    with few channels adding neighbours costs more than multiplying channels.
    """
    form = separate
    if tuple(strides) == (1, 1) and kernel.shape[2] >= 64:
        form = products if twist_y is None else differences
    return form(inputs, kernel, twist, twist_y, field, strides, groups, padding)


def fold_centers(kernel, twist, twist_y, field, center_x, center_y):
    """Returns `K - cx Kx - cy Ky`, for a twist without a mask.

    The centres are constants in front of Kx and Ky there, and belong to the plain kernel.
    """
    if twist_y is None:
        twist_y = _turned_values(twist, FIELDS[field])
    return kernel - antisymmetric_kernel(center_x * twist + center_y * twist_y)


def separate(inputs, kernel, twist, twist_y, field, strides=(1, 1), groups=1, padding="same"):
    """Three convolutions."""
    kernels = _full_kernels(kernel, twist, twist_y, field)
    return convolve(inputs, kernels, strides, padding)


def concatenated(inputs, kernel, twist, twist_y, field, strides=(1, 1), groups=1, padding="same"):
    """One convolution with the three kernels side by side."""
    kernels = _full_kernels(kernel, twist, twist_y, field)
    filters = kernel.shape[-1]
    # The filters of one group must stay together, so the three kernels alternate by group.
    split = [ops.reshape(k, (*k.shape[:3], groups, filters // groups)) for k in kernels]
    stacked = ops.reshape(ops.stack(split, axis=4), (*kernel.shape[:3], 3 * filters))
    (outputs,) = convolve(inputs, [stacked], strides, padding)
    space = ops.shape(outputs)[:3]
    outputs = ops.reshape(outputs, (*space, groups, 3, filters // groups))
    return [ops.reshape(outputs[..., k, :], (*space, filters)) for k in range(3)]


def differences(inputs, kernel, twist, twist_y, field, strides=(1, 1), groups=1, padding="same"):
    """The 4 differences of opposite neighbours, then one matrix product for each of Kx and Ky."""
    features = [antisymmetric_sum([inputs], [offset], padding) for offset in OFFSETS]
    if groups > 1:  # the 4 features of one group must stay together
        space, channels = ops.shape(features[0])[:3], inputs.shape[-1]
        features = [ops.reshape(f, (*space, groups, channels // groups)) for f in features]
        features = ops.reshape(ops.stack(features, axis=4), (*space, 4 * channels))
    else:
        features = ops.concatenate(features, axis=-1)
    if twist_y is None:
        twist_y = _turned_values(twist, FIELDS[field])
    pointwise = [ops.reshape(t, (1, 1, -1, t.shape[-1])) for t in (twist, twist_y)]
    along = [_pointwise(features, k) for k in pointwise]
    return [*convolve(inputs, [kernel], strides, padding), *along]


def products(inputs, kernel, twist, twist_y, field, strides=(1, 1), groups=1, padding="same"):
    """4 matrix products, then their differences, for a Ky that is a quarter turn of Kx."""
    values = [_pointwise(inputs, twist[i][None, None]) for i in range(4)]
    turned = [_turn(offset, FIELDS[field]) for offset in OFFSETS]
    return [
        *convolve(inputs, [kernel], strides, padding),
        antisymmetric_sum(values, OFFSETS, padding),
        antisymmetric_sum(values, turned, padding),
    ]


FORMS = {
    "separate": separate,
    "concatenated": concatenated,
    "differences": differences,
    "products": products,
}


def _full_kernels(kernel, twist, twist_y, field):
    kernel_x = antisymmetric_kernel(twist)
    if twist_y is not None:
        return kernel, kernel_x, antisymmetric_kernel(twist_y)
    return kernel, kernel_x, rotate_kernel(kernel_x, FIELDS[field])


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
    take = _by_depthwise if _prefers_depthwise(tensors[0]) else _by_slices
    terms = [take(t, offset, padding) for t, offset in zip(tensors, offsets, strict=True)]
    return sum(terms[1:], terms[0])


def _by_slices(tensor, offset, padding):
    if padding == "same":
        tensor = ops.pad(tensor, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def shifted(row, column):
        # Ends count from the back, so that sizes may be unknown.
        return tensor[:, 1 + row : row - 1 or None, 1 + column : column - 1 or None, :]

    row, column = offset
    return shifted(row, column) - shifted(-row, -column)


def _by_depthwise(tensor, offset, padding):
    kernel = np.zeros((3, 3, tensor.shape[-1], 1))
    kernel[1 + offset[0], 1 + offset[1]] = 1.0
    kernel[1 - offset[0], 1 - offset[1]] = -1.0
    kernel = ops.convert_to_tensor(kernel, dtype=tensor.dtype)
    return ops.depthwise_conv(tensor, kernel, padding=padding, data_format="channels_last")


def _prefers_depthwise(tensor):
    # TensorFlow without XLA copies every slice, while oneDNN's depthwise convolution costs no
    # more than an addition. XLA fuses the slices, and on a CPU takes a hundred times as long for
    # depthwise convolutions. So the two have to be told apart, and the tensor's own graph is what
    # knows: it says so while `jit_compile=True` traces. Where it has no such method: slices.
    if keras.backend.backend() != "tensorflow":
        return False
    graph = getattr(tensor, "graph", None)
    while graph is not None:
        if not hasattr(graph, "_get_control_flow_context"):
            return False
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return False
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return True
