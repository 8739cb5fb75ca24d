"""The 3x3 convolution with a twist.

Longer than 250 lines, because a third of it documents the arguments.
"""

import keras
from keras import ops

from keras_twist.arguments import check_choice, check_integer, check_number
from keras_twist.layers.initializers import varied
from keras_twist.ops.pixels import check_range
from keras_twist.ops.twist_forms import FIELDS, fold_centers, twisted
from keras_twist.ops.twist_geometry import ORIGINS, free_values

__all__ = ["TWIST_VARIANTS", "TwistLayer"]

PADDINGS = ("symmetric", "same", "valid")

TWIST_VARIANTS = {
    "notebook": {"masked": True, "origin": "corner", "field": "squeeze_shear"},
    "mxresnet": {"masked": False, "origin": "corner", "field": "free", "center_range": 2.0},
}
"""Keyword arguments of `TwistLayer` for the two published forms.

`"notebook"` is the earlier one, with disks, `"mxresnet"` the later one, without.
"""


@keras.saving.register_keras_serializable(package="keras_twist")
class TwistLayer(keras.layers.Layer):
    """3x3 convolution whose coefficients vary linearly over the image.

    A convolution is a differential operator with constant coefficients. The twist lets them vary
    linearly around a trainable centre, inside a disk with a trainable radius:

        y = conv(x, K) + mask * ((X - cx) * conv(x, Kx) + (Y - cy) * conv(x, Ky))

    Kx has 4 trainable values per channel pair and changes sign under a half turn, which makes it
    a first-order operator. With Ky its clockwise quarter turn, the added field rotates and scales
    the image around the centre. X and Y step by 2 / width and 2 / height of the output, and
    `mask` is `ops.disk_mask(((X - cx)^2 + (Y - cy)^2) / radius^2, ramp)`.

    Coordinates and mask are computed in float32 under mixed precision.

    Args:
        filters: int, the number of output channels.
        strides: int or pair of ints. The second argument, since there is no kernel size to give.
            Defaults to 1.
        groups: int that divides the input channels and `filters`. Defaults to 1.
        masked: bool, whether to confine the twist to a disk. Defaults to `True`.
        origin: `"center"` for coordinates in [-1, 1), `"corner"` for [0, 2). Defaults to
            `"center"`.
        field: `"rotate_scale"` for Ky = Kx turned clockwise, which generates rotations and
            dilations; `"squeeze_shear"` for Kx turned counter-clockwise, which generates
            squeezes and shears; `"free"` for a Ky with values of its own. Defaults to
            `"rotate_scale"`.
        ramp: float in (0, 1], the softness of the disk's edge. Defaults to 0.3.
        radius_range: pair of positive floats, between which the radii are drawn, in units of
            half the image's size. Defaults to `(0.3, 0.7)`.
        center_range: float >= 0; centres are drawn from `[-center_range, center_range]`, in the
            same units. Defaults to 0.7.
        padding: `"symmetric"` for one zero on every side, as in torch; `"same"` and `"valid"` as
            in Keras. The two differ from it at stride 2 and at the border. Defaults to
            `"symmetric"`.
        use_bias: bool, whether to add a bias. Defaults to `False`.
        activation: activation of the result. Defaults to `None`.
        kernel_initializer: initializer of K. Kx, and Ky where it is free, start as the
            antisymmetric part of another draw of it. Defaults to `"he_normal"`.
        bias_initializer, bias_regularizer, bias_constraint, activity_regularizer: as in
            `keras.layers.Conv2D`.
        kernel_regularizer: optional regularizer of K and of the values of Kx and Ky. Defaults to
            `None`.
        kernel_constraint: optional constraint of K. Defaults to `None`.
        data_format: `"channels_last"`, the only one. Defaults to `"channels_last"`.
        full_kernels: bool, whether Kx and Ky are stored as the published code stores them: whole
            3x3 kernels, drawn by `kernel_initializer`, of which only the antisymmetric part acts.
            They take 27 numbers per channel pair instead of 17 and add nothing to the function,
            but Adam and weight decay see the unused part. Needs `field="free"`. Defaults to
            `False`.
        **kwargs: `name`, `dtype` and the like, as for every Keras layer.

    Input shape:
        `(batch, height, width, channels)`; batch, height and width may be unknown.

    Output shape:
        `(batch, ceil(height / stride), ceil(width / stride), filters)`, for `"valid"` of
        `height - 2` and `width - 2`.

    Raises:
        ValueError: if an argument is outside its range, `groups` does not divide the channels or
            `filters`, the data format is not channels-last or the input not an image, or full
            kernels are asked for together with a field that shares them.

    Example:
        >>> layer = keras_twist.layers.TwistLayer(16, strides=2)
        >>> tuple(layer(np.ones((1, 8, 8, 3))).shape)
        (1, 4, 4, 16)
        >>> layer.count_params()  # 9 + 4 numbers per channel pair, 3 per filter
        672
        >>> notebook = keras_twist.layers.TWIST_VARIANTS["notebook"]
        >>> layer = keras_twist.layers.TwistLayer(16, **notebook)

    Reference:
        - `TwistLayer` and `conv_twist` of
          [mxresnet](https://github.com/liuyao12/Ranger-Mish-ImageWoof-5/blob/master/mxresnet.py)

        Differs from it in: the origin is the middle of the image, Ky turns the other way, Kx and
        Ky share one trainable kernel of 4 values, whose gradient comes from both.
        `TWIST_VARIANTS` restores the published outputs, and `full_kernels` the number of weights
        of `conv_twist`.
    """

    def __init__(
        self,
        filters,
        strides=1,
        groups=1,
        masked=True,
        origin="center",
        field="rotate_scale",
        ramp=0.3,
        radius_range=(0.3, 0.7),
        center_range=0.7,
        padding="symmetric",
        use_bias=False,
        activation=None,
        kernel_initializer="he_normal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        data_format="channels_last",
        full_kernels=False,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = check_integer("filters", filters, at_least=1)
        pair = strides if isinstance(strides, (tuple, list)) else (strides, strides)
        if len(pair) != 2:
            raise ValueError(f"`strides` must be an int or a pair. Received: strides={strides}.")
        self.strides = tuple(check_integer("strides", stride, at_least=1) for stride in pair)
        self.groups = check_integer("groups", groups, at_least=1)
        if self.filters % self.groups:
            raise ValueError(
                f"`groups` must divide `filters`. Received: groups={groups}, filters={filters}."
            )
        self.masked = bool(masked)
        self.origin = check_choice("origin", origin, ORIGINS)
        self.field = check_choice("field", field, FIELDS)
        self.padding = check_choice("padding", padding, PADDINGS)
        self.data_format = check_choice("data_format", data_format, ("channels_last",))
        self.full_kernels = bool(full_kernels)
        if self.full_kernels and self.field != "free":
            raise ValueError(
                '`full_kernels` needs `field="free"`, where Ky has values of its own. '
                f"Received: full_kernels={full_kernels}, field={field}."
            )
        self.ramp = check_number("ramp", ramp, "in (0, 1]", lambda ramp: 0 < ramp <= 1)
        self.radius_range = check_range("radius_range", radius_range, 0, strict=True)
        self.center_range = check_number(
            "center_range", center_range, ">= 0", lambda limit: limit >= 0
        )
        self.use_bias = bool(use_bias)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise ValueError(
                "`groups` must divide the number of input channels, which must be known. "
                f"Received: groups={self.groups}, input_shape={tuple(input_shape)}."
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        pairs = (channels // self.groups, self.filters)
        uniform = keras.initializers.RandomUniform

        # autocast=False: a mixed policy would hand the weights over in half precision, but
        # coordinates need float32 and the centres fold into the kernel before it is rounded.
        def weight(name, shape, initializer, **kwargs):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, autocast=False, **kwargs
            )

        kernels = {"regularizer": self.kernel_regularizer}
        self.kernel = weight(
            "kernel",
            (3, 3, *pairs),
            self.kernel_initializer,
            constraint=self.kernel_constraint,
            **kernels,
        )
        values = (3, 3, *pairs) if self.full_kernels else (4, *pairs)
        self.twist = weight("twist", values, self._twist_initializer(1), **kernels)
        self.twist_y = self.radius = self.bias = None
        if self.field == "free":
            self.twist_y = weight("twist_y", values, self._twist_initializer(2), **kernels)
        each = (self.filters,)
        self.center_x = weight("center_x", each, uniform(-self.center_range, self.center_range))
        self.center_y = weight("center_y", each, uniform(-self.center_range, self.center_range))
        if self.masked:
            self.radius = weight("radius", each, uniform(*self.radius_range))
        if self.use_bias:
            kwargs = {"regularizer": self.bias_regularizer, "constraint": self.bias_constraint}
            self.bias = weight("bias", each, self.bias_initializer, **kwargs)

    def _twist_initializer(self, draw):
        # With the same numbers, the twist would start as a part of the kernel.
        initializer = varied(self.kernel_initializer, draw)

        def antisymmetric_part(shape, dtype=None):
            return free_values(initializer((3, 3, *shape[1:]), dtype=dtype))

        return initializer if self.full_kernels else antisymmetric_part

    def call(self, inputs, training=False):
        if not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        kernel, twist = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.twist)
        twist_y = None if self.twist_y is None else ops.convert_to_tensor(self.twist_y)
        if self.full_kernels:
            twist, twist_y = free_values(twist), free_values(twist_y)
        center_x, center_y = self.center_x, self.center_y
        if not self.masked:
            kernel = fold_centers(kernel, twist, twist_y, self.field, center_x, center_y)
            center_x = center_y = None
        kernel, twist, twist_y = (
            None if w is None else ops.cast(w, inputs.dtype) for w in (kernel, twist, twist_y)
        )
        outputs = twisted(
            inputs,
            kernel,
            twist,
            twist_y,
            self.field,
            modulation=(center_x, center_y, self.radius, self.origin, self.ramp),
            strides=self.strides,
            padding=self.padding,
            training=training,
        )
        if self.bias is not None:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape):
        lost = 2 if self.padding == "valid" else 0
        sides = (
            None if size is None else -(-(size - lost) // stride)
            for size, stride in zip(input_shape[1:3], self.strides, strict=True)
        )
        return (input_shape[0], *sides, self.filters)

    def get_config(self):
        config = super().get_config()
        plain = "filters strides groups masked origin field ramp radius_range center_range"
        for name in (*plain.split(), "padding", "use_bias", "data_format", "full_kernels"):
            config[name] = getattr(self, name)
        config["activation"] = keras.activations.serialize(self.activation)
        for name in ("kernel_initializer", "bias_initializer"):
            config[name] = keras.initializers.serialize(getattr(self, name))
        for name in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
            config[name] = keras.regularizers.serialize(getattr(self, name))
        for name in ("kernel_constraint", "bias_constraint"):
            config[name] = keras.constraints.serialize(getattr(self, name))
        return config
