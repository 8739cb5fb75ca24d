"""Residual networks of fastai's design, assembled from what the families differ in.

Longer than 250 lines by a little, since the parts of a block have their options in common.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
from keras import layers

from keras_twist.arguments import check_choice
from keras_twist.layers.blur_pool import MaxBlurPool2D
from keras_twist.layers.simple_self_attention import SimpleSelfAttention
from keras_twist.layers.twist_layer import TwistLayer
from keras_twist.models.blocks import activate, batch_norm, float32_head, he_normal, image_input

POOLS = ("avg", "max", "max_blur")
CONVS = ("conv", "twist", "depthwise")
# A twist in a thin layer costs time and has few channels to turn; seed networks leave those plain.
TWIST_ABOVE = 32


@dataclasses.dataclass(frozen=True)
class Family:
    """What tells one family of residual networks from another.

    Attributes:
        layers: Blocks of each stage, four or more.
        expansion: Channels behind a block over its nominal width: 1 for two 3x3 convolutions, 4
            for 1x1, 3x3, 1x1.
        groups: Of the 3x3 convolution; above 1 its width is `nominal * 4 // 64 * groups`, as in
            ResNeXt.
        squeeze: Divisor of the channels in squeeze-and-excitation, or 0 for none.
        stem_filters: Of the three 3x3 convolutions in front.
    """

    layers: tuple
    expansion: int
    groups: int = 1
    squeeze: int = 0
    stem_filters: tuple = (32, 32, 64)

    def inner_widths(self, width):
        """Filters of the first 1x1 and of the 3x3 convolution in a block of nominal width."""
        if self.groups > 1:
            grouped = width * 4 // 64 * self.groups
            return grouped, grouped
        if self.squeeze:
            return 2 * width, self.expansion * width
        return width, width


def residual_net(
    family,
    name,
    num_classes,
    input_shape,
    activation,
    self_attention,
    symmetric,
    pool,
    stem_strides,
    conv,
    zero_gamma,
    widths,
    stem_filters,
):
    """Build a network; `keras_twist.models.xresnet.OPTIONS` documents the arguments."""
    check_options(pool, conv, stem_strides)
    widths = _stage_widths(widths, family)
    stem_filters = tuple(stem_filters or family.stem_filters)
    parts = Parts(activation, pool, conv, zero_gamma)

    x = inputs = image_input(input_shape)
    for number, filters in enumerate(stem_filters, start=1):
        x = parts.conv_norm_act(
            x, filters, 3, stem_strides if number == 1 else 1, prefix="stem", number=number
        )
    x = parts.stem_pool(x)
    for stage, (blocks, width) in enumerate(zip(family.layers, widths, strict=True), start=1):
        for block in range(1, blocks + 1):
            attends = self_attention and stage == len(family.layers) - 3 and block == blocks
            x = residual_block(
                parts,
                family,
                x,
                width,
                strides=2 if stage > 1 and block == 1 else 1,
                attention=SimpleSelfAttention(
                    symmetric, he_normal(), name=f"stage{stage}_block{block}_attention"
                )
                if attends
                else None,
                prefix=f"stage{stage}_block{block}",
            )
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = float32_head(x, num_classes, use_bias=True, kernel_initializer=he_normal())
    return keras.Model(inputs, x, name=name)


def check_options(pool, conv, stem_strides):
    """Raise for options that no network here has."""
    check_choice("pool", pool, POOLS)
    if not callable(conv) and conv not in CONVS:
        raise ValueError(
            f"Argument `conv` must be one of {CONVS} or a function. Received: conv={conv!r}"
        )
    if stem_strides not in (1, 2):
        raise ValueError(
            f"Argument `stem_strides` must be 1 or 2. Received: stem_strides={stem_strides}"
        )


@dataclasses.dataclass(frozen=True)
class Parts:
    """The pieces of a network, in the kinds that its options ask for."""

    activation: str | Callable
    pool: str
    conv: str | Callable
    zero_gamma: bool

    def conv_norm_act(
        self, x, filters, size, strides=1, groups=1, prefix="", number=1, last=False, inside=False
    ):
        """Convolution, batch normalisation and, unless it is the last of a block, activation."""
        x = self.convolve(x, filters, size, strides, groups, f"{prefix}_conv{number}", inside)
        activation = None if last else self.activation
        zero = last and self.zero_gamma
        return batch_norm(x, f"{prefix}_norm{number}", activation, zero)

    def convolve(self, x, filters, size, strides, groups, name, inside=False):
        """Convolution without bias, padded by torch's rule: `size // 2` zeros on every side."""
        options = {"kernel_initializer": he_normal(), "name": name}
        if size == 1:
            return layers.Conv2D(filters, 1, use_bias=False, **options)(x)
        if callable(self.conv):
            return self.conv(filters, strides=strides, groups=groups, **options)(x)
        if self.conv == "twist" and filters > TWIST_ABOVE:
            return TwistLayer(filters, strides, groups, **options)(x)
        if strides != 1:  # Keras's "same" would put all zeros to the right and below.
            x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        options.update(strides=strides, padding="same" if strides == 1 else "valid", use_bias=False)
        if self.conv == "depthwise" and inside:
            return depthwise(x, filters, size, **options)
        return layers.Conv2D(filters, size, groups=groups, **options)(x)

    def stem_pool(self, x):
        """Maximum of 3x3 pixels at every second pixel, its window centred as in torch."""
        blur_size = 3 if self.pool == "max_blur" else 1
        return MaxBlurPool2D(3, blur_size=blur_size, name="stem_pool")(x)

    def shortcut(self, x, filters, strides, prefix):
        """What a block is added to: its input, pooled and projected where the shape changes."""
        name = f"{prefix}_shortcut"
        if strides != 1:
            x = self.halve(x, f"{name}_pool")
        if x.shape[-1] != filters:
            x = self.convolve(x, filters, 1, 1, 1, f"{name}_conv")
            x = batch_norm(x, f"{name}_norm")
        return x

    def halve(self, x, name):
        """Half the height and width, rounded up."""
        if self.pool == "max_blur":
            return MaxBlurPool2D(3, name=name)(x)
        # "same" is torch's ceil_mode here: a window over the border takes what is inside.
        make = layers.AveragePooling2D if self.pool == "avg" else layers.MaxPooling2D
        return make(2, padding="same", name=name)(x)


def depthwise(x, filters, size, kernel_initializer=None, **options):
    """Convolution in which every channel has filters of its own; always of he_normal's spread."""
    channels = x.shape[-1]
    if filters % channels:
        raise ValueError(
            "Argument `conv`: 'depthwise' needs filters that are a multiple of the channels. "
            f"Received: filters={filters}, channels={channels}"
        )
    # A depthwise kernel has no fan-in that Keras would see: its axes stand in another order.
    deviation = math.sqrt(2 / size**2)
    return layers.DepthwiseConv2D(
        size,
        depth_multiplier=filters // channels,
        depthwise_initializer=keras.initializers.RandomNormal(0.0, deviation),
        **options,
    )(x)


def residual_block(parts, family, x, width, strides, attention, prefix):
    """Residual block: convolutions, squeeze-and-excitation, attention; plus its shortcut."""
    filters = width * family.expansion
    first, inner = family.inner_widths(width)
    inputs = x
    if family.expansion == 1:
        plan = [(inner, 3, strides, family.groups, True), (filters, 3, 1, 1, False)]
    else:
        plan = [
            (first, 1, 1, 1, False),
            (inner, 3, strides, family.groups, True),
            (filters, 1, 1, 1, False),
        ]
    for number, (channels, size, step, groups, inside) in enumerate(plan, start=1):
        x = parts.conv_norm_act(
            x,
            channels,
            size,
            step,
            groups,
            prefix,
            number,
            last=number == len(plan),
            inside=inside,
        )
    if family.squeeze:
        x = _squeeze_and_excite(x, family.squeeze, parts.activation, prefix)
    if attention is not None:
        x = attention(x)
    shortcut = parts.shortcut(inputs, filters, strides, prefix)
    x = layers.Add(name=f"{prefix}_add")([x, shortcut])
    return activate(x, parts.activation, f"{prefix}_act")


def _squeeze_and_excite(x, divisor, activation, prefix):
    """Scale every channel by a number that all channels' averages decide."""
    channels, name = x.shape[-1], f"{prefix}_se"
    hidden = max(math.ceil(channels // divisor / 8), 1) * 8
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    scale = layers.Conv2D(hidden, 1, kernel_initializer=he_normal(), name=f"{name}_conv1")(scale)
    scale = activate(scale, activation, f"{name}_act")
    scale = layers.Conv2D(
        channels, 1, activation="sigmoid", kernel_initializer=he_normal(), name=f"{name}_conv2"
    )(scale)
    return layers.Multiply(name=f"{name}_scale")([x, scale])


def _stage_widths(widths, family):
    stages = len(family.layers)
    if widths is None:
        return (64, 128, 256, 512, *[256] * (stages - 4))
    if len(widths) != stages:
        raise ValueError(
            f"Argument `widths` must have one number per stage, {stages}. "
            f"Received: widths={tuple(widths)}"
        )
    if family.groups > 1 and family.expansion == 1:
        # What a stage puts out goes into a grouped convolution of the next block as it is.
        least, step, rule = family.groups, family.groups, f"multiples of {family.groups}"
    else:
        least, step = 16 if family.groups > 1 else 1, 1
        rule = f"at least {least}"
    if any(width < least or width % step for width in widths):
        raise ValueError(f"Argument `widths` must be {rule}. Received: widths={tuple(widths)}")
    return tuple(widths)
