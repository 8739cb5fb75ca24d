"""Max pooling that does not alias."""

import math

import keras
from keras import ops

from keras_twist.arguments import check_choice, check_integer

__all__ = ["MaxBlurPool2D"]

BORDERS = {"reflect": "reflect", "zeros": "constant"}


def _margins(width):
    return ((0, 0), (width, width), (width, width), (0, 0))


@keras.saving.register_keras_serializable(package="keras_twist")
class MaxBlurPool2D(keras.layers.Layer):
    """Max pooling at every pixel, then a binomial blur that is sampled with a stride.

    A strided maximum changes abruptly when the image moves by one pixel. The blur in front of
    the sampling removes the frequencies that the coarser grid cannot hold.

    Args:
        pool_size: int, the side of the window of the maximum, in pixels. An odd window is
            centred and sees nothing outside the image; an even one takes one row and column off,
            as an unpadded maximum does. Defaults to 2.
        strides: int, the factor between the input's and the output's size. Defaults to 2.
        blur_size: int, the side of the binomial filter: 1 for none, 3 for `[1, 2, 1] / 4`.
            It must be odd. Defaults to 3.
        border: `"reflect"` or `"zeros"`, what the blur sees outside the image; reflection keeps
            a constant image constant. Defaults to `"reflect"`.
        **kwargs: `name`, `dtype` and the like, as for every Keras layer.

    Input shape:
        `(batch, height, width, channels)`; height and width may be unknown, and must exceed half
        of `blur_size` where the border reflects.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), channels)` for odd `pool_size`,
        and the same of `height - 1` and `width - 1` for a `pool_size` of 2.

    Raises:
        ValueError: if a size or the stride is not a positive int, `blur_size` is even, or
            `border` is unknown; if a map is too small to be reflected, as far as its size is known.

    Example:
        >>> layer = keras_twist.layers.MaxBlurPool2D(pool_size=3)
        >>> tuple(layer(np.ones((1, 9, 8, 2))).shape)
        (1, 5, 4, 2)

    Reference:
        - [Zhang, 2019](https://arxiv.org/abs/1904.11486)
        - `MaxBlurPool2D` of [kornia](https://github.com/kornia/kornia), which the published
          ImageWoof nets use

        Differs from it in: kornia pads the blur with zeros (`border="zeros"` here).
    """

    def __init__(self, pool_size=2, strides=2, blur_size=3, border="reflect", **kwargs):
        super().__init__(**kwargs)
        self.pool_size = check_integer("pool_size", pool_size, at_least=1)
        self.strides = check_integer("strides", strides, at_least=1)
        self.blur_size = check_integer("blur_size", blur_size, at_least=1)
        if blur_size % 2 == 0:
            raise ValueError(f"`blur_size` must be odd. Received: blur_size={blur_size}.")
        self.border = check_choice("border", border, BORDERS)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        half = self.blur_size // 2 if self.border == "reflect" else 0
        for name, size in zip(("height", "width"), input_shape[1:3], strict=True):
            if size is not None and half and size - self._lost() <= half:
                raise ValueError(
                    f'`border="reflect"` needs more than {half} pixels behind the maximum, or '
                    f'`border="zeros"`. Received: blur_size={self.blur_size}, '
                    f"pool_size={self.pool_size}, {name}={size}"
                )

    def call(self, inputs):
        if self.blur_size == 1:
            return self._maxima(inputs, self.strides)
        outputs = self._maxima(inputs, 1)
        half = self.blur_size // 2
        outputs = ops.pad(outputs, _margins(half), mode=BORDERS[self.border])
        # A binomial filter is the mean of two neighbours, again and again. On a CPU, TensorFlow's
        # means are faster than sums of slices, and in bfloat16 than a depthwise convolution.
        for _ in range(self.blur_size - 2):
            outputs = ops.average_pool(outputs, 2, 1, "valid", "channels_last")
        return ops.average_pool(outputs, 2, self.strides, "valid", "channels_last")

    def _lost(self):
        """Rows and columns that an even window takes off."""
        return 0 if self.pool_size % 2 else self.pool_size - 1

    def _maxima(self, inputs, strides):
        """Maxima of the windows of every so many pixels."""
        padding = "same" if self.pool_size % 2 else "valid"
        if padding == "same" and strides > 1:
            # Of an even side, "same" would put the windows between the pixels that torch has them
            # on, since it pads only as far as the windows reach.
            half, padding = self.pool_size // 2, "valid"
            inputs = ops.pad(inputs, _margins(half), constant_values=-math.inf)
        return ops.max_pool(inputs, self.pool_size, strides, padding, "channels_last")

    def compute_output_shape(self, input_shape):
        def pooled(size):
            return None if size is None else -(-(size - self._lost()) // self.strides)

        batch, height, width, channels = input_shape
        return (batch, pooled(height), pooled(width), channels)

    def get_config(self):
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "blur_size": self.blur_size,
            "border": self.border,
        }
