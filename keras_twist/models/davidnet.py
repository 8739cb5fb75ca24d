"""The nine-layer residual network of the DAWNBench CIFAR-10 entries, in its two published forms."""

import keras
from keras import layers

from keras_twist.models.blocks import conv_bn_act, float32_head, image_input


def DavidNet(
    num_classes=10,
    input_shape=(32, 32, 3),
    width=64,
    activation="relu",
    dropout=0.1,
    pool_first=False,
    logit_scale=1.0,
    batch_norm_momentum=0.9,
    kernel_initializer="glorot_uniform",
    kernel_regularizer=None,
    name="davidnet",
):
    """DavidNet, or small ResNet: 8 convolutions, 2 residual pairs, 1 dense layer.

    By default 6,577,600 parameters, of which 6,573,120 are trainable.

    Args:
        num_classes: Length of the result. Defaults to 10.
        input_shape: `(height, width, channels)`; height and width are multiples of 8. Defaults to
            `(32, 32, 3)`.
        width: Filters of the first convolution; the others have 2, 4 and 8 times as many. Defaults
            to 64.
        activation: Name or function. Defaults to `"relu"`.
        dropout: Rate between the two convolutions of each residual pair; 0 leaves the layers out.
            Defaults to 0.1.
        pool_first: Whether each pooling comes before its batch normalisation, which then has a
            quarter of the numbers to go through. Defaults to False.
        logit_scale: Factor on the logits; cifar10-fast has 0.125. Defaults to 1.0.
        batch_norm_momentum: In Keras's sense, the share of the old average that stays. PyTorch's
            0.1 is 0.9 here. Defaults to 0.9.
        kernel_initializer: Of convolutions and dense layer, each with numbers of its own, also if
            it is an object with a seed. Defaults to `"glorot_uniform"`.
        kernel_regularizer: Of the convolutions. Defaults to None.
        name: Defaults to `"davidnet"`.

    Returns:
        `keras.Model` from images `(batch, *input_shape)`, normalised per channel, to float32 logits
        `(batch, num_classes)`. Layers are named `Conv1`, `Bn1`, `pool1`, ...; `Bn1` has the
        activation.

    Raises:
        ValueError: if height or width is not a multiple of 8.

    Example:
        >>> DavidNet().count_params()
        6577600

    Reference:
        [cifar10-fast](https://github.com/davidcpage/cifar10-fast) and its functional Keras form
        `resnet_small`. Differs from them in: logits instead of a softmax, and a batch-norm momentum
        of 0.9 where the Keras form carried PyTorch's 0.1 over unchanged. cifar10-fast has
        `dropout=0` and `logit_scale=0.125`.
    """
    x = inputs = image_input(_check_shape(input_shape))
    x = _nine_layers(
        x,
        width,
        dropout,
        activation=activation,
        pool_first=pool_first,
        batch_norm_momentum=batch_norm_momentum,
        kernel_initializer=kernel_initializer,
        kernel_regularizer=kernel_regularizer,
    )
    x = float32_head(x, num_classes, False, logit_scale, kernel_initializer)
    return keras.Model(inputs, x, name=name)


def ResNet9(
    num_classes=10,
    input_shape=(32, 32, 3),
    width=64,
    activation="relu",
    kernel_initializer="glorot_uniform",
    name="resnet9",
):
    """The custom ResNet9 of the one-cycle experiments: convolution, pooling, normalisation, ReLU.

    The same eight convolutions as `DavidNet`, pooled before each normalisation, without dropout,
    and with a bias in the dense layer: 6,577,610 parameters.

    Args:
        num_classes: Length of the result. Defaults to 10.
        input_shape: `(height, width, channels)`; height and width are multiples of 8. Defaults to
            `(32, 32, 3)`.
        width: Filters of the first convolution; the others have 2, 4 and 8 times as many. Defaults
            to 64.
        activation: Name or function. Defaults to `"relu"`.
        kernel_initializer: Of convolutions and dense layer, each with numbers of its own, also if
            it is an object with a seed. Defaults to `"glorot_uniform"`.
        name: Defaults to `"resnet9"`.

    Returns:
        `keras.Model` from images `(batch, *input_shape)`, normalised per channel, to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: if height or width is not a multiple of 8.

    Example:
        >>> ResNet9().output_shape
        (None, 10)

    Reference:
        "ResNets, LR Schedulers and Higher Receptive Fields", an EVA6 course submission. Differs
        from it in: logits instead of a softmax.
    """
    x = inputs = image_input(_check_shape(input_shape))
    x = _nine_layers(
        x,
        width,
        dropout=0.0,
        activation=activation,
        pool_first=True,
        kernel_initializer=kernel_initializer,
    )
    x = float32_head(x, num_classes, use_bias=True, kernel_initializer=kernel_initializer)
    return keras.Model(inputs, x, name=name)


def _nine_layers(x, width, dropout, **unit):
    """The convolutions, down to one vector of `8 * width` features per image."""
    x = conv_bn_act(x, width, 1, **unit)
    x = conv_bn_act(x, 2 * width, 2, pool="pool1", **unit)
    x = _residual_pair(x, 3, dropout, **unit)
    x = conv_bn_act(x, 4 * width, 5, pool="pool2", **unit)
    x = conv_bn_act(x, 8 * width, 6, pool="pool3", **unit)
    x = _residual_pair(x, 7, dropout, **unit)
    x = layers.MaxPooling2D(x.shape[1:3], name="pool4")(x)
    return layers.Flatten(name="flatten")(x)


def _residual_pair(x, index, dropout, **unit):
    """Two convolutions that keep the shape, added to what they were given."""
    filters, number = x.shape[-1], 1 + index // 4
    y = conv_bn_act(x, filters, index, **unit)
    if dropout:
        y = layers.Dropout(dropout, name=f"dropout{number}")(y)
    y = conv_bn_act(y, filters, index + 1, **unit)
    return layers.Add(name=f"add{number}")([x, y])


def _check_shape(input_shape):
    height, width, _ = input_shape
    if not all(isinstance(size, int) and size > 0 and size % 8 == 0 for size in (height, width)):
        raise ValueError(
            "Argument `input_shape` must have a height and a width that are multiples of 8. "
            f"Received: input_shape={input_shape}"
        )
    return tuple(input_shape)
