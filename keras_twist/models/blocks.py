"""Pieces that several networks are built from: functions from tensor to tensor."""

import keras
from keras import layers

from keras_twist.layers.batch_norm_act import BatchNormAct
from keras_twist.layers.fast_conv2d import FastConv2D
from keras_twist.layers.initializers import varied
from keras_twist.layers.mish import Mish


def torch_uniform():
    """What PyTorch gives convolutions and dense layers: uniform in +-1 / sqrt(fan_in).

    Returns:
        A `keras.initializers.VarianceScaling`.

    Example:
        >>> kernel = torch_uniform()((3, 3, 1, 64))
        >>> bool(ops.all(ops.abs(kernel) <= 1 / 3))
        True

    Reference:
        `torch.nn.Conv2d` and `torch.nn.Linear`. Differs from it in: nothing.
    """
    return keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")


def he_normal():
    """What fastai gives convolutions and dense layers: normal, of variance 2 / fan_in.

    Returns:
        A `keras.initializers.VarianceScaling`. Unlike Keras's own `"he_normal"`, it cuts no tails
        off.

    Example:
        >>> conv = keras.layers.Conv2D(64, 3, kernel_initializer=he_normal())

    Reference:
        `torch.nn.init.kaiming_normal_`, as fastai's `init_cnn` calls it. Differs from it in:
        nothing.
    """
    return keras.initializers.VarianceScaling(2.0, mode="fan_in", distribution="untruncated_normal")


def image_input(input_shape):
    """Where a network begins.

    Args:
        input_shape: `(height, width, channels)`; height and width may be None.

    Returns:
        Symbolic tensor of shape `(batch, *input_shape)`.

    Raises:
        ValueError: if Keras is set to channels-first images, which only some of the layers would
            follow.
    """
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "The networks take channels-last images: call "
            '`keras.config.set_image_data_format("channels_last")` first. '
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )
    return keras.Input(tuple(input_shape), name="model_input")


def activate(x, activation, name):
    """An activation; Mish as the layer that keeps one tensor for the backward pass."""
    if activation == "mish":
        return Mish(name=name)(x)
    return layers.Activation(activation, name=name)(x)


def batch_norm(x, name, activation=None, zero=False):
    """Batch normalisation with PyTorch's numbers, and an activation.

    Args:
        x: Tensor of shape `(batch, ..., channels)`.
        name: Of the layer.
        activation: Name or function, or None for none. Defaults to None.
        zero: Whether its scale starts at 0, so that a residual block starts as the identity.
            Defaults to False.

    Returns:
        Tensor of the shape of `x`.
    """
    gamma_initializer = "zeros" if zero else "ones"
    return BatchNormAct(
        activation, momentum=0.9, epsilon=1e-5, gamma_initializer=gamma_initializer, name=name
    )(x)


def conv_bn_act(
    x,
    filters,
    index,
    activation="relu",
    pool=None,
    pool_first=False,
    batch_norm_momentum=0.9,
    kernel_initializer="glorot_uniform",
    kernel_regularizer=None,
):
    """3x3 convolution, batch normalisation, activation, and a 2x2 max pooling on request.

    Args:
        x: Tensor of shape `(batch, height, width, channels)`.
        filters: Channels of the result.
        index: Number in the layers' names: `Conv{index}` and `Bn{index}`, which has the activation.
        activation: Name or function. Defaults to `"relu"`.
        pool: Name of the pooling layer, or None for no pooling. Defaults to None.
        pool_first: Whether to pool before the normalisation, which then costs a quarter, instead
            of after the activation. Defaults to False.
        batch_norm_momentum: In Keras's sense, the share of the old average. Defaults to 0.9.
        kernel_initializer: Of the convolution. Defaults to `"glorot_uniform"`.
        kernel_regularizer: Of the convolution. Defaults to None.

    Returns:
        Tensor of shape `(batch, height, width, filters)`, height and width halved by the pooling.
    """
    x = FastConv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=varied(kernel_initializer, index),
        kernel_regularizer=kernel_regularizer,
        name=f"Conv{index}",
    )(x)
    if pool and pool_first:
        x = layers.MaxPooling2D(2, name=pool)(x)
    x = BatchNormAct(activation, momentum=batch_norm_momentum, epsilon=1e-5, name=f"Bn{index}")(x)
    if pool and not pool_first:
        x = layers.MaxPooling2D(2, name=pool)(x)
    return x


def float32_head(x, num_classes, use_bias=False, scale=1.0, kernel_initializer="glorot_uniform"):
    """Dense layer and a constant factor, in float32 whatever the policy: logits need the digits.

    Args:
        x: Tensor of shape `(batch, features)`.
        num_classes: Length of the result.
        use_bias: Whether the dense layer has one. Defaults to False.
        scale: Factor on the logits. Defaults to 1.0.
        kernel_initializer: Of the dense layer. Defaults to `"glorot_uniform"`.

    Returns:
        Tensor of shape `(batch, num_classes)`, float32.
    """
    x = layers.Dense(
        num_classes,
        use_bias=use_bias,
        kernel_initializer=varied(kernel_initializer, 0),
        dtype="float32",
        name="dense",
    )(x)
    if scale != 1.0:
        x = layers.Rescaling(scale, dtype="float32", name="logit_scale")(x)
    return x
