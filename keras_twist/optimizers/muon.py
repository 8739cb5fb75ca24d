"""Steps of convolution kernels that are orthogonal matrices; SGD for everything else."""

import re

import keras
from keras import ops

from keras_twist.arguments import check_integer, check_positive
from keras_twist.ops.orthogonalize import orthogonalize
from keras_twist.ops.precision import at_least_float32
from keras_twist.optimizers._base import check_fraction, dense_gradient
from keras_twist.optimizers.sgd import SGD


@keras.saving.register_keras_serializable(package="keras_twist")
class Muon(SGD):
    """SGD that moves each convolution kernel in all directions alike.

    A kernel `(height, width, in, out)` is a matrix of `out` columns. The gradient of such a matrix
    is nearly of low rank: a few directions get all the movement. Here its step is the nearest
    orthogonal matrix instead, and the kernel keeps its size:

        buffer = kernel_momentum * buffer + g
        w = w * sqrt(out) / norm(w)
        w -= learning_rate * kernel_rate * orthogonalize(g + kernel_momentum * buffer)

    `keras.optimizers.Muon` does so with matrices of dense layers alone, and takes Adam's step for
    the rest, convolutions among it. All other variables here are moved as by `SGD`, which the other
    arguments belong to. Kernels have no weight decay.

    Args:
        learning_rate: As in `SGD`. Defaults to `0.01`.
        momentum: As in `SGD`, of all but kernels. Defaults to `0.85`.
        kernel_rate: Learning rate of kernels over `learning_rate`, above 0. Defaults to `0.145`.
        kernel_momentum: In [0, 1]. Defaults to `0.6`.
        steps: Iterations of `keras_twist.ops.orthogonalize`, an integer >= 1. Defaults to `3`.
        exclude: List of regular expressions; kernels in whose path one of them is found are moved
            as by `SGD`. Depthwise kernels, whose channels have nothing in common, are best left
            out. In a Sequential model that is loaded from a file, paths no longer begin with its
            name, so let no expression depend on that. Defaults to `()`.
        nesterov: As in `SGD`. Defaults to `True`.
        weight_decay: As in `SGD`. Defaults to `None`.
        coupled: As in `SGD`. Defaults to `True`.
        **kwargs: The arguments every Keras optimizer has.

    Raises:
        ValueError: If a number is out of its range.

    Example:
        >>> optimizer = keras_twist.optimizers.Muon(1.0, kernel_rate=1.0)
        >>> kernel = keras.Variable(np.ones((1, 1, 2, 2), "float32"))
        >>> gradient = keras.ops.reshape(keras.ops.array([3.0, 0.0, 0.0, 3.0]), (1, 1, 2, 2))
        >>> optimizer.apply([gradient], [kernel])  # the same step along both
        >>> bool(abs(kernel[0, 0, 0, 0] - kernel[0, 0, 1, 1]) < 1e-6)
        True

    Reference:
        [Muon](https://kellerjordan.github.io/posts/muon/) as in `airbench94_muon` of
        [airbench](https://github.com/KellerJordan/cifar10-airbench). Differs from it in: products
        in float32; the learning rate is for the mean of a batch's losses.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.85,
        kernel_rate=0.145,
        kernel_momentum=0.6,
        steps=3,
        exclude=(),
        nesterov=True,
        weight_decay=None,
        coupled=True,
        **kwargs,
    ):
        """Store the settings."""
        super().__init__(learning_rate, momentum, nesterov, weight_decay, coupled, **kwargs)
        self.kernel_rate = check_positive("kernel_rate", kernel_rate)
        self.kernel_momentum = check_fraction("kernel_momentum", kernel_momentum)
        self.steps = check_integer("steps", steps, at_least=1)
        if isinstance(exclude, str):  # Each of its letters would be a pattern.
            raise ValueError(f"`exclude` must be a list of patterns. Received: exclude={exclude!r}")
        self.exclude = list(exclude)

    def build(self, variables):
        """Create one velocity or buffer per variable, and see which are kernels."""
        if self.built:
            return
        super().build(variables)
        # Now, since TensorFlow hands `update_step` variables of its own, which have no path.
        self._kernels = [
            len(variable.shape) == 4
            and not any(re.search(pattern, _path(variable)) for pattern in self.exclude)
            for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        """Move one variable."""
        index = self._get_variable_index(variable)
        if not self._kernels[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        slot = self._velocities[index]
        gradient = dense_gradient(gradient, variable)
        buffer = ops.add(ops.multiply(slot, self.kernel_momentum), gradient)
        self.assign(slot, buffer)
        if self.nesterov:
            buffer = ops.add(gradient, ops.multiply(buffer, self.kernel_momentum))
        shape = tuple(variable.shape)
        matrix = ops.reshape(buffer, (-1, shape[-1]))
        direction = ops.reshape(orthogonalize(matrix, self.steps), shape)
        exact = ops.cast(variable, at_least_float32(variable.dtype))
        # A kernel of zeros stays one but for the step.
        norm = ops.maximum(ops.sqrt(ops.sum(ops.square(exact))), 1e-12)
        kept = ops.cast(exact * (shape[-1] ** 0.5 / norm), variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype) * self.kernel_rate
        self.assign(variable, ops.subtract(kept, ops.multiply(direction, rate)))

    def get_config(self):
        """Return the constructor's arguments, and what weight decay spares, if anything."""
        names = "kernel_rate", "kernel_momentum", "steps", "exclude"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _path(variable):
    return getattr(variable, "path", variable.name)  # A `tf.Variable` has no path.
