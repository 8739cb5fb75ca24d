"""Adam whose adaptive step waits until its second moment can be trusted."""

import math

import keras
from keras import ops

from keras_twist.arguments import check_choice, check_number, check_positive
from keras_twist.ops.precision import at_least_float32
from keras_twist.optimizers._base import (
    LearningRateSchedule,
    RealUpdateOptimizer,
    add_slots,
    check_fraction,
    check_weight_decay,
    dense_gradient,
    serialize_hyperparameter,
)

EPSILON_MODES = ("raw", "debiased")
# A power of two, so that multiplying by it and dividing again rounds nothing. Roots up to 1e7 are
# nothing beside it in float64, and float32 holds it times any step.
VAST = 2.0**80


@keras.saving.register_keras_serializable(package="keras_twist")
class RAdam(RealUpdateOptimizer):
    """Rectified Adam.

    Adam's first steps divide by a second moment estimated from a handful of gradients, whose
    variance is large enough to throw the weights anywhere. RAdam takes plain momentum steps until
    the estimate is worth more than `threshold` samples, then scales Adam's step by how much its
    variance exceeds the final one. At update `t`, with gradient `g` and variable `w`:

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g ** 2
        r_inf = 2 / (1 - beta_2) - 1
        r = r_inf - 2 * t * beta_2 ** t / (1 - beta_2 ** t)
        w -= learning_rate * weight_decay * w
        step = learning_rate * m / (1 - beta_1 ** t)
        if r <= threshold:
            w -= step
        else:
            rectifier = sqrt((r - 4) * (r - 2) * r_inf / ((r_inf - 4) * (r_inf - 2) * r))
            w -= rectifier * step / denominator

    where the denominator is `(sqrt(v) + epsilon) / sqrt(1 - beta_2 ** t)` for
    `epsilon_mode="raw"` and `sqrt(v / (1 - beta_2 ** t)) + epsilon` for `"debiased"`. With the
    default threshold update 6 is the first adaptive one for every `beta_2` from 0.9 up.

    `t` counts real updates: skipped loss-scale steps and the steps of gradient accumulation do
    not count, for schedules neither. All of it is computed in float32 when the variable is
    float16 or bfloat16, but the moments are kept in its type, where the second one stalls at a
    quarter of its size (as in Keras): policies `mixed_...` keep variables in float32.

    Args:
        learning_rate: A float, a `keras.optimizers.schedules.LearningRateSchedule`, or a callable
            without arguments. Defaults to `1e-3`.
        beta_1: Decay of the first moment: a number in [0, 1), or a `LearningRateSchedule` of the
            number of updates. `optimizer.beta_1 = 0.9` takes effect at the next update, also in a
            compiled step. Defaults to `0.9`.
        beta_2: Decay of the second moment, in (0, 1). At or below 2/3 `r` cannot pass 5 and no
            step is ever adaptive. Defaults to `0.999`.
        epsilon: A number > 0 added to the root of the second moment. Defaults to `1e-7`.
        weight_decay: A number >= 0, decoupled from the gradient; `None` is 0.
            `exclude_from_weight_decay()` exempts variables. Defaults to `0.0`.
        threshold: A number >= 4. Defaults to `5`.
        epsilon_mode: `"raw"` or `"debiased"`, see above. Defaults to `"raw"`.
        gradient_centralization: Whether to subtract from the gradient of every kernel (every
            variable of rank 2 or more) its mean over all axes but the last, which leaves each
            filter's gradient of a convolution or dense layer with mean zero. Defaults to `False`.
        **kwargs: The arguments every Keras optimizer has: `clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name` and so on.

    Raises:
        ValueError: If an argument is outside its range or `epsilon_mode` is unknown.

    Example:
        >>> optimizer = keras_twist.optimizers.RAdam(learning_rate=0.1)
        >>> w = keras.Variable([1.0])
        >>> optimizer.apply([keras.ops.array([2.0])], [w])
        >>> round(float(w[0]), 4)  # the first step is momentum's: 1 - 0.1 * 2
        0.8

    Reference:
        [On the Variance of the Adaptive Learning Rate and Beyond](https://arxiv.org/abs/1908.03265),
        [ranger.py](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer).
        Differs from it in: nothing in what is computed. tensorflow-addons' RectifiedAdam is
        `epsilon_mode="debiased"`, compares with `>=`, and has warm-up and a minimum rate, which
        are a schedule's work here.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        weight_decay=0.0,
        threshold=5,
        epsilon_mode="raw",
        gradient_centralization=False,
        **kwargs,
    ):
        """Store the settings."""
        weight_decay = check_weight_decay(weight_decay)
        _check_beta("beta_1", beta_1)
        beta_2 = check_number("beta_2", beta_2, "in (0, 1)", lambda beta: 0.0 < beta < 1.0)
        epsilon = check_positive("epsilon", epsilon)
        # Below 4 the rectifier is not defined.
        threshold = check_number("threshold", threshold, ">= 4", lambda number: number >= 4)
        check_choice("epsilon_mode", epsilon_mode, EPSILON_MODES)
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, **kwargs)
        self._beta_1 = self._add_hyperparameter("beta_1", beta_1)
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.threshold = threshold
        self.epsilon_mode = epsilon_mode
        self.gradient_centralization = gradient_centralization

    @property
    def beta_1(self):
        """Decay of the first moment at the next update."""
        return self._current(self._beta_1)

    @beta_1.setter
    def beta_1(self, value):
        _check_beta("beta_1", value)
        self._set_hyperparameter("beta_1", self._beta_1, value)

    def build(self, variables):
        """Create the two moments of every variable."""
        if self.built:
            return
        super().build(variables)
        self._first_moments = add_slots(self, variables, "first_moment")
        self._second_moments = add_slots(self, variables, "second_moment")

    def update_step(self, gradient, variable, learning_rate):
        """Move one variable against its gradient."""
        # Half precision holds neither 0.999 nor the square of 300.
        dtype = at_least_float32(variable.dtype)
        gradient = ops.cast(dense_gradient(gradient, variable), dtype)
        if self.gradient_centralization:
            gradient = centralize(gradient)
        index = self._get_variable_index(variable)
        first, second = self._first_moments[index], self._second_moments[index]
        learning_rate = ops.cast(learning_rate, dtype)
        beta_1 = ops.cast(self.beta_1, dtype)
        step = ops.cast(self.iterations, dtype) + 1

        m, v = ops.cast(first, dtype), ops.cast(second, dtype)
        m = ops.add(m, ops.multiply(ops.subtract(gradient, m), 1 - beta_1))
        v = ops.add(v, ops.multiply(ops.subtract(ops.square(gradient), v), 1 - self.beta_2))
        self.assign(first, m)
        self.assign(second, v)

        adaptive, rectifier, correction = rectification(step, self.beta_2, self.threshold)
        size = learning_rate * rectifier / -ops.expm1(step * ops.log(beta_1))
        epsilon = ops.ones_like(step) if self.epsilon_mode == "raw" else correction
        # The choice is made on scalars, since every operation on tensors costs a tenth of the step:
        # where the root must not count, it vanishes in a number that `size` takes back.
        size = ops.where(adaptive, size, size * VAST)
        epsilon = ops.where(adaptive, self.epsilon * epsilon, VAST)
        update = ops.divide(ops.multiply(m, size), ops.add(ops.sqrt(v), epsilon))
        decay = self._decay_of(variable)
        if not decay:
            self.assign_sub(variable, update)
            return
        kept = ops.multiply(ops.cast(variable, dtype), 1 - learning_rate * decay)
        self.assign(variable, ops.subtract(kept, update))

    def get_config(self):
        """Return the constructor's arguments, and what weight decay spares, if anything."""
        config = super().get_config()
        config["beta_1"] = serialize_hyperparameter(self._beta_1)
        for name in ("beta_2", "epsilon", "threshold", "epsilon_mode", "gradient_centralization"):
            config[name] = getattr(self, name)
        return config


def rectification(step, beta_2, threshold):
    """Scalars of update `step` (from 1): whether adaptive, the step's factor, `sqrt(1 - b^t)`."""
    # Between 1 and 1 - 1e-3, beta_2 ** step has lost half of float32's digits; expm1 has not.
    log_power = step * math.log(beta_2)
    unbias = -ops.expm1(log_power)
    correction = ops.sqrt(unbias)
    limit = 2 / (1 - beta_2) - 1
    if limit <= threshold:
        return ops.zeros_like(step, "bool"), ops.ones_like(step), correction
    length = limit - 2 * step * ops.exp(log_power) / unbias
    adaptive = length > threshold
    # Any length that has a root; the step that would use it is not adaptive.
    length = ops.where(adaptive, length, limit)
    variance = (length - 4) * (length - 2) / length * (limit / ((limit - 4) * (limit - 2)))
    rectifier = ops.sqrt(variance) * correction
    rectifier = ops.where(adaptive, rectifier, ops.ones_like(rectifier))
    return adaptive, rectifier, correction


def _check_beta(name, value):
    if isinstance(value, LearningRateSchedule):
        return
    if check_fraction(name, value) == 1.0:
        raise ValueError(f"`{name}` must be less than 1. Received: {name}={value}")


def centralize(gradient):
    """Gradient less its mean over all axes but the last, for rank 2 and more."""
    rank = len(gradient.shape)
    if rank < 2:
        return gradient
    return gradient - ops.mean(gradient, axis=tuple(range(rank - 1)), keepdims=True)
