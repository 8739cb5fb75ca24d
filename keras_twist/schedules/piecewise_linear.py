"""Straight lines between given points."""

import itertools
import math

import keras

from keras_twist.schedules._curves import interpolate


@keras.saving.register_keras_serializable(package="keras_twist")
class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Straight lines between the given points; constant before the first and after the last.

    Args:
        steps: At least two numbers of updates, strictly increasing; may be negative or fractional.
        values: The learning rate at each of them.

    Returns:
        Called on a step or an array of steps, float32 of the same shape.

    Raises:
        ValueError: if the two lists differ in length, the steps do not increase, or a number is
            not finite.

    Example:
        >>> schedule = PiecewiseLinear([0, 5, 25], [0.0, 0.4, 0.0])
        >>> ops.convert_to_numpy(schedule(np.array([0, 5, 15, 30])))
        array([0. , 0.4, 0.2, 0. ], dtype=float32)

    Reference:
        `PiecewiseLinear` of [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs
        from it in: counting updates, not epochs.
    """

    def __init__(self, steps, values):
        super().__init__()
        self.steps = [float(step) for step in steps]
        self.values = [float(value) for value in values]
        if len(self.steps) != len(self.values) or len(self.steps) < 2:
            raise ValueError(
                "Arguments `steps` and `values` must have the same length, at least 2. "
                f"Received: steps={steps}, values={values}"
            )
        for name, numbers in (("steps", self.steps), ("values", self.values)):
            if not all(map(math.isfinite, numbers)):
                raise ValueError(f"Argument `{name}` must be finite. Received: {name}={numbers}")
        if any(end <= begin for begin, end in itertools.pairwise(self.steps)):
            raise ValueError(f"Argument `steps` must strictly increase. Received: steps={steps}")

    def __call__(self, step):
        return interpolate(step, self.steps, self.values)

    def get_config(self):
        return {"steps": self.steps, "values": self.values}
