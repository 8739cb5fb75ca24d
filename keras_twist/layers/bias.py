"""A bias as a layer of its own, with its own learning rate."""

import keras
from keras import ops

from keras_twist.arguments import check_positive


@keras.saving.register_keras_serializable(package="keras_twist")
class Bias(keras.layers.Layer):
    """Adds one trainable number per channel, which may learn faster than everything else.

    Fast CIFAR-10 recipes give the biases of batch normalisation 64 times the learning rate of the
    kernels. Keras optimizers have one rate, so the layer stores `b / sqrt(rate)` and adds
    `sqrt(rate)` times that: under gradient descent, with or without momentum, `b` then moves
    exactly `rate` times as far, while coupled weight decay acts as on any other weight.

    Args:
        rate: Learning rate of the bias over that of the optimizer; positive. Defaults to 1.0.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(..., channels)`.

    Output shape:
        The same.

    Raises:
        ValueError: if `rate` is not positive.

    Example:
        >>> layer = Bias(rate=64.0)
        >>> layer(np.ones((2, 4, 4, 3), "float32")).shape
        TensorShape([2, 4, 4, 3])

    Reference:
        [cifar10-fast](https://github.com/davidcpage/cifar10-fast),
        [airbench](https://github.com/KellerJordan/cifar10-airbench). Differs from them in: a
        factor inside the layer instead of a second parameter group.
    """

    def __init__(self, rate=1.0, **kwargs):
        super().__init__(**kwargs)
        self.rate = check_positive("rate", rate)

    def build(self, input_shape):
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs):
        return inputs + ops.cast(self.rate**0.5, self.compute_dtype) * self.bias

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
