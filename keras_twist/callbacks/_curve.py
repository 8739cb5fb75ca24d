"""A schedule evaluated ahead of the training."""

import sys

import keras
import numpy as np
from keras import ops

# Evaluating one step costs as much as evaluating hundreds: it is the calls that take the time.
BLOCK = 1024


class Curve:
    """Values of a schedule and the variable that they are for.

    Args:
        name: What to call the schedule in errors.
        schedule: Function of a step, if possible also of an array of steps.
        limits: Lowest and highest value allowed, or None for any finite one.
    """

    def __init__(self, name, schedule, limits=None):
        if not callable(schedule):
            raise ValueError(
                f"Argument `{name}` must be a LearningRateSchedule or a function of the number of "
                f"updates. Received: {name}={schedule!r}"
            )
        self.name = name
        self.schedule = schedule
        self._low, self._high = limits or (-sys.float_info.max, sys.float_info.max)
        self._takes_arrays = None
        self._begin = self._end = 0

    def attach(self, variable, below_high=False):
        """Let `set` set this variable, which may have to stay below the highest value allowed."""
        self._variable, self._below_high = variable, below_high
        self._begin = self._end = 0

    def set(self, step):
        """Set the variable to the value at an integer step, and return it as a number."""
        if not self._begin <= step < self._end:
            self._evaluate(step)
        number = float(self._numbers[step - self._begin])
        if not self._low <= number <= self._high or (self._below_high and number == self._high):
            self._refuse(number, step)
        if self._tensors is None:
            self._variable.assign(number)
        else:
            # Not Keras's `assign`, after which TensorFlow reads the variable back: that takes
            # nearly twice as long between two steps, and from a number longer still.
            self._variable.value.assign(self._tensors[step - self._begin], read_value=False)
        self.number = number
        return number

    def _evaluate(self, begin):
        steps = np.arange(begin, begin + BLOCK)
        numbers = None if self._takes_arrays is False else of_array(self.schedule, steps)
        self._takes_arrays = numbers is not None
        if numbers is None:
            # Not the whole block, which would take long; the next step is evaluated in its turn.
            numbers = np.array([of_step(self.schedule, begin)])
        self._numbers, self._begin, self._end = numbers, begin, begin + len(numbers)
        # Ready on the device. Not on JAX, where a compiled step takes a variable's array for its
        # own and deletes it.
        self._tensors = None
        if keras.backend.backend() == "tensorflow":
            self._tensors = ops.unstack(ops.convert_to_tensor(numbers, self._variable.dtype))

    def _refuse(self, number, step):
        # Only when its turn comes: what a schedule gives after the last step is nobody's concern.
        bounded = self._high <= 1
        end = ")" if self._below_high else "]"
        within = f"lie in [{self._low:g}, {self._high:g}{end}" if bounded else "be finite"
        raise ValueError(
            f"The values of `{self.name}` must {within}. Received: {number} at step {step}"
        )


def of_array(schedule, steps):
    """Values of a schedule at all steps, or None if it only takes one at a time."""
    try:
        with np.errstate(all="ignore"):
            numbers = _to_numpy(schedule(steps))
        if numbers.shape != steps.shape:
            return None
        some = [0, len(steps) // 2, len(steps) - 1]
        singly = [of_step(schedule, steps[index]) for index in some]
    except Exception:  # Whatever a function of one number does with many: it gets them singly.
        return None
    same = np.allclose(numbers[some], singly, rtol=1e-5, atol=0, equal_nan=True)
    return numbers if same else None


def of_step(schedule, step):
    """Value of a schedule at one step."""
    return _to_numpy(schedule(int(step)))


def _to_numpy(value):
    return np.asarray(ops.convert_to_numpy(value), "float32")
