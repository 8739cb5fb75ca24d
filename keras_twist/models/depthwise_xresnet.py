"""liuyao12's residual network with many depthwise filters per channel."""

import keras
from keras import layers

from keras_twist.layers.simple_self_attention import SimpleSelfAttention
from keras_twist.models.blocks import activate, float32_head, he_normal, image_input
from keras_twist.models.residual import Parts, check_options, depthwise


def DepthwiseXResNet(
    num_classes=10,
    input_shape=(128, 128, 3),
    activation="mish",
    self_attention=True,
    symmetric=False,
    pool="max_blur",
    stem_strides=2,
    zero_gamma=True,
    multiplier=4,
    blocks=(3, 6, 8, 3),
    widths=(64, 128, 256, 512),
    stem_filters=(32, 64, 64),
    name="depthwise_xresnet",
):
    """Residual network whose 3x3 convolutions see one channel each, with several filters for it.

    A block is a 1x1 convolution, normalised and activated; `multiplier` 3x3 filters for each of its
    channels; and a 1x1 convolution over all of them, normalised. Between stages, maps are pooled in
    front of the first block, for both of its paths, so that no convolution has a stride but the
    first of the stem, which is depthwise as well.

    Args:
        num_classes: Length of the result. Defaults to 10.
        input_shape: `(height, width, channels)`; height and width may be None. Defaults to
            `(128, 128, 3)`.
        activation: Name or function. Defaults to `"mish"`.
        self_attention: Whether the last block of the first stage has a `SimpleSelfAttention`.
            Defaults to True.
        symmetric: Whether that one is symmetric. Defaults to False.
        pool: `"max_blur"`, `"avg"` or `"max"`. Defaults to `"max_blur"`.
        stem_strides: Stride of the first convolution. 1 is worth six points on ImageWoof at 128
            pixels in the published runs, for 2.4 times the time. Defaults to 2.
        zero_gamma: Whether the last batch normalisation of each block starts with a scale of 0.
            Defaults to True.
        multiplier: Depthwise filters per channel; published with 2, 4 and 6. Defaults to 4.
        blocks: Blocks of each stage. Defaults to `(3, 6, 8, 3)`.
        widths: Nominal filters of each stage, a quarter of those behind its blocks. Defaults to
            `(64, 128, 256, 512)`.
        stem_filters: Filters of the three convolutions in front. Defaults to `(32, 64, 64)`.
        name: Defaults to `"depthwise_xresnet"`.

    Returns:
        `keras.Model` from images `(batch, *input_shape)`, normalised per channel, to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: if an option is unknown or `widths` and `blocks` differ in length.

    Example:
        >>> DepthwiseXResNet(widths=(8, 8, 8, 8), num_classes=3).output_shape
        (None, 3)

    Reference:
        [imagenette_experiments](https://github.com/liuyao12/imagenette_experiments), the x2, x4 and
        x6 entries of the ImageWoof leaderboard. Differs from it in: built from its description.
    """
    check_options(pool, "depthwise", stem_strides)
    if len(widths) != len(blocks):
        raise ValueError(
            "Argument `widths` must have one number per stage. "
            f"Received: widths={tuple(widths)}, blocks={tuple(blocks)}"
        )
    parts = Parts(activation, pool, "conv", zero_gamma)
    x = inputs = image_input(input_shape)
    for number, filters in enumerate(stem_filters, start=1):
        strides = stem_strides if number == 1 else 1
        x = _filters_per_channel(x, multiplier, strides, f"stem_depthwise{number}")
        x = parts.conv_norm_act(x, filters, 1, prefix="stem", number=number)
    x = parts.stem_pool(x)
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
        for block in range(1, count + 1):
            prefix = f"stage{stage}_block{block}"
            if stage > 1 and block == 1:
                x = parts.halve(x, f"{prefix}_pool")
            shortcut = parts.shortcut(x, 4 * width, 1, prefix)
            x = parts.conv_norm_act(x, width, 1, prefix=prefix, number=1)
            x = _filters_per_channel(x, multiplier, 1, f"{prefix}_depthwise")
            x = parts.conv_norm_act(x, 4 * width, 1, prefix=prefix, number=2, last=True)
            if self_attention and stage == 1 and block == count:
                x = SimpleSelfAttention(symmetric, he_normal(), name=f"{prefix}_attention")(x)
            x = layers.Add(name=f"{prefix}_add")([x, shortcut])
            x = activate(x, activation, f"{prefix}_act")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = float32_head(x, num_classes, use_bias=True, kernel_initializer=he_normal())
    return keras.Model(inputs, x, name=name)


def _filters_per_channel(x, multiplier, strides, name):
    if strides != 1:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return depthwise(
        x,
        multiplier * x.shape[-1],
        3,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        use_bias=False,
        name=name,
    )
