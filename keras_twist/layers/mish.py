"""Mish as a layer."""

import keras

from keras_twist.ops.activations import mish, mish_in_training
from keras_twist.ops.op_by_op import fusible

__all__ = ["Mish"]


@keras.saving.register_keras_serializable(package="keras_twist")
class Mish(keras.layers.Layer):
    """Mish activation, `x * tanh(softplus(x))`, with one tensor kept for the backward pass.

    Keras has the function but no layer of this name, and its gradient keeps two tensors on
    TensorFlow and more on JAX.

    Args:
        **kwargs: `name`, `dtype` and the like, as for every Keras layer.

    Input shape:
        Any.

    Output shape:
        The shape of the input; values from about -0.309 up.

    Example:
        >>> layer = keras_twist.layers.Mish()
        >>> round(float(layer(np.array([1.0]))[0]), 4)
        0.8651

    Reference:
        - [Misra, 2019](https://arxiv.org/abs/1908.08681)

        Differs from it in: nothing but the memory that training needs.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, training=None):
        return mish_in_training(inputs) if training and fusible(inputs) else mish(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape
