"""Triangles, one after the other."""

import inspect
import math
from fractions import Fraction

import keras
from keras import ops

from keras_twist.arguments import check_choice, check_positive
from keras_twist.schedules._curves import as_steps, check_between, counts_whole

MODES = ("triangular", "triangular2", "exp_range")
SCALE_MODES = ("cycle", "iterations")


@keras.saving.register_keras_serializable(package="keras_twist")
class Cyclical(keras.optimizers.schedules.LearningRateSchedule):
    """Up and down between two rates, again and again.

    Step 0 has the base rate, step `step_size` the first peak, and a cycle takes `2 * step_size`
    steps. With `cycle` counted from 1:

        height = 1 - abs(step / step_size - 2 * cycle + 1)
        rate = base_learning_rate + (max_learning_rate - base_learning_rate) * height * scale

    where `scale` is 1 for `mode="triangular"`, `0.5 ** (cycle - 1)` for `"triangular2"`,
    `gamma ** step` for `"exp_range"`, or else what `scale_fn` returns.

    Args:
        base_learning_rate: The lowest rate, not negative.
        max_learning_rate: The rate of the peaks, where the scale is 1; not below the base.
        step_size: Updates in half a cycle; need not be whole. Two to ten epochs are usual.
        mode: `"triangular"`, `"triangular2"` or `"exp_range"`; of no effect beside a `scale_fn`.
            Defaults to `"triangular"`.
        gamma: Factor per step for `"exp_range"`. Defaults to 1.0.
        scale_fn: Function from a float32 tensor to the scale, in place of those of `mode`. It
            should compute with `keras.ops`, so that it can be compiled; in a `CyclicLR` callback
            NumPy will do. To be saved with the optimizer it must be registered, as below.
            Defaults to None.
        scale_mode: Whether `scale_fn` is called with the `"cycle"`, counted from 1, or with the
            step (`"iterations"`). Defaults to `"cycle"`.

    Returns:
        Called on a step or an array of steps, float32 of the same shape.

    Raises:
        ValueError: if an argument is out of its range; in training, if `scale_fn` cannot be
            compiled; in saving, if it is not registered.

    Example:
        >>> schedule = Cyclical(0.1, 0.5, step_size=2, mode="triangular2")
        >>> ops.convert_to_numpy(schedule(np.arange(9)))
        array([0.1, 0.3, 0.5, 0.3, 0.1, 0.2, 0.3, 0.2, 0.1], dtype=float32)

        >>> @keras.saving.register_keras_serializable(package="mine")
        ... def wave(cycle):
        ...     return 0.5 * (1 + ops.sin(cycle * math.pi / 2.5))
        >>> optimizer = keras.optimizers.SGD(Cyclical(1e-3, 0.4, step_size=390, scale_fn=wave))

    Reference:
        [Cyclical Learning Rates for Training Neural Networks](https://arxiv.org/abs/1506.01186)
        and its [callback](https://github.com/bckenstler/CLR). Differs from it in: nothing in the
        rates. tensorflow-addons' `ExponentialCyclicalLearningRate` can scale by `gamma ** cycle`,
        which is a `scale_fn` here.
    """

    def __init__(
        self,
        base_learning_rate,
        max_learning_rate,
        step_size,
        mode="triangular",
        gamma=1.0,
        scale_fn=None,
        scale_mode="cycle",
    ):
        super().__init__()
        check_between(
            ("base_learning_rate", base_learning_rate), ("max_learning_rate", max_learning_rate)
        )
        check_positive("step_size", step_size)
        check_positive("gamma", gamma)
        check_choice("mode", mode, MODES)
        check_choice("scale_mode", scale_mode, SCALE_MODES)
        if not (scale_fn is None or callable(scale_fn)):
            raise ValueError(
                f"Argument `scale_fn` must be a function or None. Received: scale_fn={scale_fn!r}"
            )
        self.base_learning_rate = base_learning_rate
        self.max_learning_rate = max_learning_rate
        self.step_size = step_size
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode

    def __call__(self, step):
        span = self.max_learning_rate - self.base_learning_rate
        return self.base_learning_rate + span * self.height(step)

    def height(self, step):
        """Where the cycle stands, scale included: 0 at the base rate, 1 at the maximum."""
        step = as_steps(step)
        cycle, done, left = _divide(step, 2 * self.step_size)
        # Exact near both ends, where one minus the distance from the middle would not be.
        height = ops.maximum(ops.minimum(done, left) / self.step_size, 0.0)
        if self.scale_fn is not None:
            of = cycle + 1 if self.scale_mode == "cycle" else ops.cast(step, "float32")
            return height * self._scale(of)
        if self.mode == "triangular2":
            return height * ops.exp(cycle * -math.log(2.0))
        if self.mode == "exp_range":
            # Not a power of a float32 gamma, whose rounding a large step would raise to a power.
            return height * ops.exp(ops.cast(step, "float32") * math.log(self.gamma))
        return height

    def _scale(self, of):
        try:
            return ops.cast(self.scale_fn(of), "float32")
        except (NotImplementedError, TypeError) as error:
            raise ValueError(
                "Argument `scale_fn` could not be computed on a tensor. In an optimizer it becomes "
                "part of the compiled step and must use `keras.ops` (`keras.ops.sin` for "
                "`np.sin`); `keras_twist.callbacks.CyclicLR` also takes NumPy functions. "
                f"Received: scale_fn={self.scale_fn}"
            ) from error

    def get_config(self):
        return {
            "base_learning_rate": self.base_learning_rate,
            "max_learning_rate": self.max_learning_rate,
            "step_size": self.step_size,
            "mode": self.mode,
            "gamma": self.gamma,
            "scale_fn": _serialize_function(self.scale_fn),
            "scale_mode": self.scale_mode,
        }

    @classmethod
    def from_config(cls, config):
        scale_fn = config.get("scale_fn")
        if isinstance(scale_fn, dict):
            config = {**config, "scale_fn": _deserialize_function(scale_fn)}
        return cls(**config)


def _divide(step, period):
    """Cycles that are over, and float32 distances from the last of their ends and to the next.

    For a whole step they are computed with integers, so that no digit is lost, even if the period
    is not whole: it is split into whole steps, a small fraction and what remains.
    """
    if not counts_whole(step):
        cycle = ops.floor(step / period)
        done, left = step - cycle * period, (cycle + 1) * period - step
        return tuple(ops.cast(number, "float32") for number in (cycle, done, left))
    whole = math.floor(period)
    fraction = Fraction(float(period - whole)).limit_denominator(1024)
    remainder = period - whole - float(fraction)

    def since_end_of(cycle):
        parts = cycle * fraction.numerator
        rest = step - cycle * whole - parts // fraction.denominator
        part = ops.cast(parts % fraction.denominator, "float32") / fraction.denominator
        return ops.cast(rest, "float32") - part - ops.cast(cycle, "float32") * remainder

    # The float32 quotient of a large step is only near; what it leaves shows by how many cycles.
    cycle = ops.cast(ops.floor(ops.cast(step, "float32") / period), step.dtype)
    cycle = cycle + ops.cast(ops.floor(since_end_of(cycle) / period), step.dtype)
    return ops.cast(cycle, "float32"), since_end_of(cycle), -since_end_of(cycle + 1)


def _deserialize_function(saved):
    """The function that a file names. Keras itself would import any, of any module."""
    name = saved.get("config" if saved.get("class_name") == "function" else "registered_name")
    if not isinstance(name, str) or keras.saving.get_registered_object(name) is None:
        raise ValueError(
            "`scale_fn` of a saved schedule must be registered: import the module that defines it, "
            '`@keras.saving.register_keras_serializable(package="mine")` before its `def`. '
            f"Received: scale_fn={str(saved)[:200]}"
        )
    return keras.saving.deserialize_keras_object(saved)


def _serialize_function(function):
    if function is None:
        return None
    known = function if inspect.isroutine(function) else type(function)
    name = keras.saving.get_registered_name(known)
    if keras.saving.get_registered_object(name) is not known:
        # Keras would write a lambda that loading refuses, or a name that loading cannot find.
        raise ValueError(
            "Argument `scale_fn` cannot be saved, because it is not registered. Give it a name, "
            '`@keras.saving.register_keras_serializable(package="mine")` before its `def`, and '
            "import that module before loading; or train with `keras_twist.callbacks.CyclicLR`, "
            f"which is no part of the saved model. Received: scale_fn={function}"
        )
    return keras.saving.serialize_keras_object(function)
