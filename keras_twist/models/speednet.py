"""A network made for few epochs: whitened input, identity convolutions, fast biases."""

import math

import keras
import numpy as np
from keras import layers, ops

from keras_twist.layers.batch_norm_act import BatchNormAct
from keras_twist.layers.bias import Bias
from keras_twist.layers.fast_conv2d import FastConv2D
from keras_twist.models.blocks import activate, float32_head, image_input, torch_uniform


@keras.saving.register_keras_serializable(package="keras_twist")
class PartialIdentity(keras.initializers.Initializer):
    """Convolution kernel that starts by copying its input channels.

    The first `min(in, out)` filters are the identity, the others are drawn as PyTorch draws them.
    A stack of such convolutions passes the image on from the first step, which is worth most
    where there are few steps.

    Args:
        seed: Integer, or None for a random one. Defaults to None.

    Raises:
        ValueError: if the kernel is not one of a 2-D convolution with odd sides.

    Example:
        >>> kernel = PartialIdentity()((3, 3, 4, 8))
        >>> bool(ops.all(kernel[1, 1, :, :4] == np.eye(4)))
        True

    Reference:
        `torch.nn.init.dirac_` as used in
        [airbench](https://github.com/KellerJordan/cifar10-airbench). Differs from it in: nothing.
    """

    def __init__(self, seed=None):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        if len(shape) != 4 or shape[0] % 2 == 0 or shape[1] % 2 == 0:
            raise ValueError(
                "PartialIdentity initializes kernels (height, width, in, out) with odd sides. "
                f"Received: shape={tuple(shape)}"
            )
        rows, columns, inputs, outputs = shape
        same = min(inputs, outputs)
        identity = np.zeros((rows, columns, inputs, same))
        identity[rows // 2, columns // 2, range(same), range(same)] = 1
        identity = ops.convert_to_tensor(identity, dtype or keras.config.floatx())
        if outputs == same:
            return identity
        bound = math.sqrt(1 / (rows * columns * inputs))
        # An initializer: Keras 3.8 does not seed `keras.random` anew in `set_random_seed`.
        draw = keras.initializers.RandomUniform(-bound, bound, seed=self.seed)
        rest = draw((rows, columns, inputs, outputs - same), identity.dtype)
        return ops.concatenate([identity, rest], axis=-1)

    def get_config(self):
        return {"seed": self.seed}


def SpeedNet(
    num_classes=10,
    input_shape=(32, 32, 3),
    width=64,
    multipliers=(1, 4, 4),
    depth=2,
    activation="gelu",
    whitening=True,
    identity=True,
    pool_first=True,
    batch_norm_scale=False,
    bias_rate=64.0,
    logit_scale=1 / 9,
    batch_norm_momentum=0.6,
    name="speednet",
):
    """Seven convolutions in three groups, for the most accuracy in a given time.

    A frozen 2x2 convolution that decorrelates the colours of neighbouring pixels (see `whiten`,
    without which it does little), then three groups of two 3x3 convolutions with `width`,
    `4 * width` and `4 * width` filters, each group halving the image before its first batch
    normalisation. Kernels start as identities, batch normalisation has no scale, and its bias has a
    faster rate. What each of these is worth in a short run is in
    `benchmarks/results/techniques.json`.

    Args:
        num_classes: Length of the result. Defaults to 10.
        input_shape: `(height, width, channels)`, height and width None or at least 25 with
            three groups, about twice that with each group more. Defaults to `(32, 32, 3)`.
        width: Filters of the first group. Defaults to 64.
        multipliers: Filters of each group over `width`, which rounds down. airbench95 has
            `(1, 3, 3)` and airbench96 `(1, 3, 4)`, both of width 128. Defaults to `(1, 4, 4)`.
        depth: Convolutions of a group, 2 or 3; with 3, the last two are added to what they were
            given, as in airbench96. Defaults to 2.
        activation: Name or function. Defaults to `"gelu"`.
        whitening: Whether the first convolution is frozen, for `whiten`, or trained like any other.
            Defaults to True.
        identity: Whether 3x3 convolutions start by copying their input (`PartialIdentity`), or
            as PyTorch draws them. Defaults to True.
        pool_first: Whether a group halves the image before its first batch normalisation, which
            then costs a quarter, or after its first activation. Defaults to True.
        batch_norm_scale: Whether batch normalisation learns a factor for each channel.
            Defaults to False.
        bias_rate: Learning rate of the biases over that of the kernels. Defaults to 64.0.
        logit_scale: Factor on the logits. Defaults to 1 / 9.
        batch_norm_momentum: In Keras's sense; low, for a run of few steps. Defaults to 0.6.
        name: Defaults to `"speednet"`.

    Returns:
        `keras.Model` from images `(batch, *input_shape)`, normalised per channel, to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: if the images are too small or `depth` is neither 2 nor 3.

    Example:
        >>> SpeedNet(width=16).output_shape
        (None, 10)

    Reference:
        `airbench94` of [airbench](https://github.com/KellerJordan/cifar10-airbench). Differs from
        it in: the whitening bias is never frozen, epsilon of batch normalisation is 1e-5.
    """
    smallest = 3 * 2 ** len(multipliers) + 1
    if any(side is not None and side < smallest for side in input_shape[:2]):
        raise ValueError(
            f"Argument `input_shape` must have a height and a width of at least {smallest}, which "
            f"{len(multipliers)} groups halve to 3. Received: input_shape={input_shape}"
        )
    if depth not in (2, 3):
        raise ValueError(f"Argument `depth` must be 2 or 3. Received: depth={depth!r}")
    norm = {
        "momentum": batch_norm_momentum,
        "epsilon": 1e-5,
        "scale": batch_norm_scale,
        "bias_rate": bias_rate,
    }
    initializer = PartialIdentity if identity else torch_uniform

    def norm_act(x, place, act):
        return BatchNormAct(act, name=f"norm{place}", **norm)(x)

    x = inputs = image_input(input_shape)
    x = layers.Conv2D(
        2 * 4 * input_shape[-1],
        2,
        use_bias=False,
        kernel_initializer=torch_uniform(),
        trainable=not whitening,
        name="whitening",
    )(x)
    x = Bias(name="whitening_bias")(x)
    x = activate(x, activation, "whitening_act")
    for group, multiplier in enumerate(multipliers, start=1):
        shortcut = None
        for part in "abc"[:depth]:
            place = f"{group}{part}"
            x = FastConv2D(
                int(multiplier * width),
                3,
                padding="same",
                use_bias=False,
                kernel_initializer=initializer(),
                name=f"conv{place}",
            )(x)
            if part == "a" and pool_first:
                x = layers.MaxPooling2D(2, name=f"pool{group}")(x)
            if part == "c":
                x = layers.Add(name=f"add{group}")([norm_act(x, place, None), shortcut])
                x = activate(x, activation, f"act{group}")
            else:
                x = norm_act(x, place, activation)
            if part == "a":
                if not pool_first:
                    x = layers.MaxPooling2D(2, name=f"pool{group}")(x)
                shortcut = x
    x = layers.GlobalMaxPooling2D(name=f"pool{len(multipliers) + 1}")(x)
    x = float32_head(x, num_classes, scale=logit_scale, kernel_initializer=torch_uniform())
    return keras.Model(inputs, x, name=name)


def whiten(model, images, epsilon=5e-4):
    """Set the first convolution of a `SpeedNet` to the whitening transform of these images.

    Its filters become the principal directions of all 2x2 patches, each divided by its standard
    deviation, and their negatives: uncorrelated features of equal size.

    Args:
        model: A `SpeedNet`.
        images: Array `(n, height, width, channels)` of training images as the model will see them,
            that is, normalised. A few thousand are enough.
        epsilon: Added to each variance, so that noise is not blown up. Defaults to 5e-4.

    Returns:
        Nothing; the kernel of the model's first convolution is set.

    Raises:
        ValueError: if the model has no layer "whitening" or the channels differ.

    Example:
        >>> model = SpeedNet(width=16)
        >>> whiten(model, np.random.normal(size=(100, 32, 32, 3)))

    Reference:
        [cifar10-fast](https://github.com/davidcpage/cifar10-fast),
        [airbench](https://github.com/KellerJordan/cifar10-airbench). Differs from them in: nothing.
    """
    kernel = model.get_layer("whitening").kernel
    rows, columns, channels, filters = kernel.shape
    images = np.asarray(images, "float32")
    if images.ndim != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"Argument `images` must have the shape (n, height, width, {channels}). "
            f"Received: images.shape={images.shape}"
        )
    patches = np.lib.stride_tricks.sliding_window_view(images, (rows, columns), axis=(1, 2))
    patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, rows * columns * channels)
    variances, directions = np.linalg.eigh(patches.T @ patches / len(patches))
    directions = (directions / np.sqrt(variances + epsilon))[:, ::-1]
    directions = directions.reshape(rows, columns, channels, filters // 2)
    kernel.assign(np.concatenate([directions, -directions], axis=-1))
