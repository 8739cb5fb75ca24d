"""Batch normalisation with an activation, which a CPU computes in few passes."""

import keras
from keras import ops

from keras_twist.arguments import check_positive
from keras_twist.ops.activations import mish
from keras_twist.ops.norm_fusion import batch_norm_act
from keras_twist.ops.op_by_op import fusible
from keras_twist.ops.precision import at_least_float32

__all__ = ["BatchNormAct"]


@keras.saving.register_keras_serializable(package="keras_twist")
class BatchNormAct(keras.layers.BatchNormalization):
    """Batch normalisation, then an activation.

    It computes what `keras.layers.BatchNormalization` and an activation layer compute, and has the
    former's weights. While training on a CPU without XLA, TensorFlow would make pass after pass
    over the images for that, in float32 whatever their dtype; here XLA compiles these two alone, to
    four passes. Everywhere else Keras's own code runs.

    Args:
        activation: name or function of the activation, or None for none. Defaults to `None`.
        bias_rate: If given, there is a bias as `keras_twist.layers.Bias` has it, which learns so
            many times as fast as other weights, in place of Keras's `beta`; `center` is ignored.
            Defaults to `None`.
        **kwargs: what `keras.layers.BatchNormalization` takes, with the same defaults.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        The shape of the input.

    Raises:
        ValueError: if the activation is unknown or `bias_rate` is not positive.

    Example:
        >>> layer = keras_twist.layers.BatchNormAct("relu")
        >>> x = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
        >>> bool(np.array(layer(x, training=True)).min() >= 0)
        True

    Reference:
        - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167)

        Differs from `keras.layers.BatchNormalization` in: the activation and `bias_rate`; in
        nothing else but rounding and speed.
    """

    def __init__(self, activation=None, bias_rate=None, **kwargs):
        if bias_rate is not None:
            bias_rate = check_positive("bias_rate", bias_rate)
            kwargs["center"] = False
        super().__init__(**kwargs)
        self.bias_rate = bias_rate
        # Ours keeps one tensor for the backward pass.
        self.activation = mish if activation == "mish" else keras.activations.get(activation)

    def build(self, input_shape):
        super().build(input_shape)
        if self.bias_rate is not None:
            shape = (input_shape[self.axis],)
            # Exact in mixed precision, as Keras keeps `beta`.
            self.bias = self.add_weight(shape, initializer="zeros", name="bias", autocast=False)

    def call(self, inputs, training=None, mask=None):
        if self._fuses(inputs, training, mask):
            return self._fused(inputs)
        outputs = super().call(inputs, training=training, mask=mask)
        if self.bias_rate is not None:
            shape = [1] * len(inputs.shape)
            shape[self.axis] = -1
            outputs = outputs + ops.cast(ops.reshape(self._shift(), shape), outputs.dtype)
        return self.activation(outputs)

    def _shift(self):
        """What is added to each channel."""
        return self.beta if self.bias_rate is None else self.bias_rate**0.5 * self.bias

    def _fuses(self, inputs, training, mask):
        # Batch renormalisation is newer than the oldest Keras that this package supports.
        plain = mask is None and not (self.synchronized or getattr(self, "renorm", False))
        last = self.axis in (-1, len(inputs.shape) - 1)
        # A layer as activation may have weights, which a compiled piece would not see.
        plain = plain and not isinstance(self.activation, keras.layers.Layer)
        return bool(training) and self.trainable and plain and last and fusible(inputs)

    def _fused(self, inputs):
        # Variables are of half precision where the whole layer is, and not mixed.
        dtype = at_least_float32(inputs.dtype)
        moving_mean, moving_variance = (
            ops.cast(v, dtype) for v in (self.moving_mean, self.moving_variance)
        )
        gamma = ops.cast(self.gamma, dtype) if self.scale else ops.ones_like(moving_mean)
        shifts = self.center or self.bias_rate is not None
        beta = ops.cast(self._shift(), dtype) if shifts else ops.zeros_like(moving_mean)
        linear = self.activation is keras.activations.linear
        outputs, mean, variance = batch_norm_act(
            inputs, gamma, beta, moving_mean, self.epsilon, None if linear else self.activation
        )
        for moving, old, new in (
            (self.moving_mean, moving_mean, mean),
            (self.moving_variance, moving_variance, variance),
        ):
            moving.assign(old * self.momentum + ops.stop_gradient(new) * (1.0 - self.momentum))
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "bias_rate": self.bias_rate,
        }
