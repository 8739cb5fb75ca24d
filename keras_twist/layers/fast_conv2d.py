"""A convolution that trains faster on a CPU where images are small."""

import math

import keras
from keras import ops

from keras_twist.ops.conv_gradient import conv2d
from keras_twist.ops.op_by_op import runs_on_cpu

__all__ = ["FastConv2D"]

# Of more pixels, oneDNN's gradient is faster.
_MOST_PIXELS = 64


@keras.saving.register_keras_serializable(package="keras_twist")
class FastConv2D(keras.layers.Conv2D):
    """Convolution whose 3x3 kernel learns from small images in less time.

    It computes what `keras.layers.Conv2D` computes, and has its weights and arguments. While
    training in bfloat16 on a CPU without XLA, the gradient of a 3x3 kernel that neither strides nor
    dilates and has one group, on images of at most 8 x 8 pixels, is nine products of matrices;
    everywhere else Keras's own code runs. A step of `SpeedNet` or `DavidNet` takes 7 to 9 % less
    time.

    Args:
        filters: number of filters.
        kernel_size: side of the kernel in pixels, or a pair of its height and width.
        *args, **kwargs: what else `keras.layers.Conv2D` takes, with the same defaults.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As that of `keras.layers.Conv2D`.

    Raises:
        ValueError: As `keras.layers.Conv2D`.

    Example:
        >>> layer = keras_twist.layers.FastConv2D(8, 3, padding="same")
        >>> layer(np.zeros((2, 4, 4, 3), "float32")).shape
        TensorShape([2, 4, 4, 8])

    Reference:
        Differs from `keras.layers.Conv2D` in: nothing but rounding and speed, which
        `benchmarks/results/fast_conv2d.json` tells.
    """

    # All of Keras's arguments, of which the signature names two, as the documentation does.
    def __init__(self, filters, kernel_size, *args, **kwargs):
        super().__init__(filters, kernel_size, *args, **kwargs)

    def convolution_op(self, inputs, kernel):
        if not self._by_products(inputs):
            return super().convolution_op(inputs, kernel)
        return conv2d(inputs, ops.convert_to_tensor(kernel))

    def _by_products(self, inputs):
        simple = (self.kernel_size, self.strides, self.dilation_rate) == ((3, 3), (1, 1), (1, 1))
        simple = simple and self.padding == "same" and self.groups == 1
        if not simple or self.data_format != "channels_last":
            return False
        sides = inputs.shape[1:3]
        small = None not in sides and math.prod(sides) <= _MOST_PIXELS
        return small and self.compute_dtype == "bfloat16" and runs_on_cpu(inputs)
