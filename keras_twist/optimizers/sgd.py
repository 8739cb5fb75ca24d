"""Stochastic gradient descent with coupled weight decay and a momentum that can move."""

import keras
from keras import ops

from keras_twist.optimizers._base import (
    RealUpdateOptimizer,
    add_slots,
    check_weight_decay,
    dense_gradient,
    serialize_hyperparameter,
)


@keras.saving.register_keras_serializable(package="keras_twist")
class SGD(RealUpdateOptimizer):
    """Gradient descent whose momentum a schedule or a callback may drive.

    `keras.optimizers.SGD` freezes its momentum into the compiled step and only offers decoupled
    weight decay. One-cycle training moves the momentum against the learning rate, and the
    published CIFAR-10 recipes decay through the gradient; both are possible here. With gradient
    `g` and variable `w`:

        g += weight_decay * w                                  # coupled=True
        w -= learning_rate * weight_decay * w                  # coupled=False
        velocity = momentum * velocity - learning_rate * g
        w += velocity                                          # nesterov=False
        w += momentum * velocity - learning_rate * g           # nesterov=True

    Coupled decay is exactly the gradient of the penalty `weight_decay / 2 * sum(w ** 2)`, without
    the penalty in the loss. It is added after clipping.

    `optimizer.momentum = 0.9` takes effect at the next update, also in a compiled step, and the
    value is saved with the optimizer. A schedule, of the learning rate or the momentum, is called
    with the number of real updates: skipped loss-scale steps and the steps of gradient
    accumulation do not count.

    Args:
        learning_rate: A float, a `keras.optimizers.schedules.LearningRateSchedule`, or a callable
            without arguments. Defaults to `0.01`.
        momentum: A number in [0, 1], or a `LearningRateSchedule` of the number of updates.
            Defaults to `0.0`.
        nesterov: Whether to look ahead by one velocity. Defaults to `False`.
        weight_decay: A number >= 0, or `None` for none. `exclude_from_weight_decay()` exempts
            variables in both forms. Defaults to `None`.
        coupled: Whether the decay goes through the gradient and the momentum. Defaults to
            `False`, as in Keras.
        **kwargs: The arguments every Keras optimizer has: `clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name` and so on.

    Raises:
        ValueError: If `momentum` is outside [0, 1] or `weight_decay` is negative.

    Example:
        >>> optimizer = keras_twist.optimizers.SGD(0.1, weight_decay=1.0, coupled=True)
        >>> w = keras.Variable([1.0])
        >>> optimizer.apply([keras.ops.array([2.0])], [w])
        >>> round(float(w[0]), 4)  # 1 - 0.1 * (2 + 1)
        0.7

    Reference:
        [cifar10-fast](https://github.com/davidcpage/cifar10-fast).
        Differs from it in: the loss is meant to be a mean over the batch, not a sum, so neither
        the learning rate nor the weight decay is scaled by the batch size. PyTorch's own SGD keeps
        the learning rate out of the velocity; the two forms agree while the rate is constant.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
        weight_decay=None,
        coupled=False,
        **kwargs,
    ):
        """Store the settings."""
        weight_decay = check_weight_decay(weight_decay)
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, **kwargs)
        self._momentum = self._add_hyperparameter("momentum", momentum)
        self.nesterov = nesterov
        self.coupled = coupled

    @property
    def momentum(self):
        """Momentum of the next update."""
        return self._current(self._momentum)

    @momentum.setter
    def momentum(self, value):
        self._set_hyperparameter("momentum", self._momentum, value)

    def build(self, variables):
        """Create one velocity per variable."""
        if self.built:
            return
        super().build(variables)
        # Also at momentum 0, which a callback may raise later.
        self._velocities = add_slots(self, variables, "velocity")

    def update_step(self, gradient, variable, learning_rate):
        """Move one variable against its gradient."""
        dtype = variable.dtype
        learning_rate = ops.cast(learning_rate, dtype)
        momentum = ops.cast(self.momentum, dtype)
        gradient = dense_gradient(gradient, variable)
        decay = self._decay_of(variable)
        if decay and self.coupled:
            gradient = ops.add(gradient, ops.multiply(variable, decay))
        step = ops.multiply(gradient, learning_rate)
        slot = self._velocities[self._get_variable_index(variable)]
        velocity = ops.subtract(ops.multiply(slot, momentum), step)
        self.assign(slot, velocity)
        if self.nesterov:
            velocity = ops.subtract(ops.multiply(velocity, momentum), step)
        if decay and not self.coupled:
            velocity = ops.subtract(velocity, ops.multiply(variable, learning_rate * decay))
        self.assign_add(variable, velocity)

    def get_config(self):
        """Return the constructor's arguments, and what weight decay spares, if anything."""
        config = super().get_config()
        config["momentum"] = serialize_hyperparameter(self._momentum)
        config["nesterov"] = self.nesterov
        config["coupled"] = self.coupled
        return config
