"""Learning-rate policies as pure functions of the step, counted in optimizer updates from 0.

Each works as `learning_rate=` of any Keras optimizer, is exact under `steps_per_execution` and
XLA, needs nothing but `optimizer.iterations` to resume, and can be called on an array of steps,
which is how the curves are plotted and tested.
"""

import itertools
import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_twist")
class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Straight lines between the given points; constant before the first and after the last.

    Args:
        steps: At least two numbers of updates, strictly increasing; may be negative or fractional.
        values: The learning rate at each of them.

    Returns:
        Called on a step or an array of steps, float32 of the same shape.

    Raises:
        ValueError: if the two lists differ in length or the steps do not increase.

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
        if any(end <= begin for begin, end in itertools.pairwise(self.steps)):
            raise ValueError(f"Argument `steps` must strictly increase. Received: steps={steps}")

    def __call__(self, step):
        return _interpolate(step, self.steps, self.values)

    def get_config(self):
        return {"steps": self.steps, "values": self.values}


@keras.saving.register_keras_serializable(package="keras_twist")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One cycle: up to the maximum, down again, and on to almost nothing.

    The rate starts at `max_learning_rate / div_factor`, peaks at step
    `pct_start * total_steps - 1` and ends, at step `total_steps - 1`, at the starting rate divided
    by `final_div_factor`, where it stays.

    Args:
        max_learning_rate: The peak.
        total_steps: Updates in the cycle.
        pct_start: Share of the cycle spent going up, in `(0, 1)`. Defaults to 0.3.
        anneal: `"cos"` for half cosines, `"linear"` for straight lines. Defaults to `"cos"`.
        div_factor: Peak over start. Defaults to 25.0.
        final_div_factor: Start over end; 1 means no annihilation, an end at the starting rate.
            Defaults to 1e4.
        three_phase: Whether to come down as slowly as it went up, back to the start, and only
            then go on to the end, as in the paper. Defaults to False.

    Returns:
        Called on a step or an array of steps, float32 of the same shape.

    Raises:
        ValueError: if an argument is out of its range, or a phase would have no step.

    Example:
        >>> schedule = OneCycle(0.1, total_steps=100, pct_start=0.3, anneal="linear")
        >>> [round(float(schedule(step)), 4) for step in (0, 29, 99)]
        [0.004, 0.1, 0.0]

    Reference:
        `torch.optim.lr_scheduler.OneCycleLR`;
        [Super-Convergence](https://arxiv.org/abs/1708.07120). Differs from it in: steps after the
        last keep the final rate instead of raising, and momentum is a schedule of its own.
    """

    def __init__(
        self,
        max_learning_rate,
        total_steps,
        pct_start=0.3,
        anneal="cos",
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
    ):
        super().__init__()
        for argument, value in (
            ("max_learning_rate", max_learning_rate),
            ("total_steps", total_steps),
            ("div_factor", div_factor),
            ("final_div_factor", final_div_factor),
        ):
            if not value > 0:
                raise ValueError(
                    f"Argument `{argument}` must be positive. Received: {argument}={value}"
                )
        if not 0 < pct_start < 1:
            raise ValueError(
                f"Argument `pct_start` must lie in (0, 1). Received: pct_start={pct_start}"
            )
        if anneal not in ("cos", "linear"):
            raise ValueError(
                f"Argument `anneal` must be 'cos' or 'linear'. Received: anneal={anneal!r}"
            )
        self.max_learning_rate = max_learning_rate
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal = anneal
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.three_phase = three_phase

        start = max_learning_rate / div_factor
        peak = pct_start * total_steps - 1
        down_again = [(2 * peak, start)] if three_phase else []
        points = [
            (0.0, start),
            (peak, max_learning_rate),
            *down_again,
            (total_steps - 1.0, start / final_div_factor),
        ]
        self._steps, self._values = zip(*points, strict=True)
        if any(begin >= end for begin, end in itertools.pairwise(self._steps)):
            raise ValueError(
                "Arguments `total_steps` and `pct_start` must leave every phase at least one step. "
                f"Received: total_steps={total_steps}, pct_start={pct_start}, "
                f"three_phase={three_phase}"
            )

    def __call__(self, step):
        return _interpolate(step, self._steps, self._values, cosine=self.anneal == "cos")

    def get_config(self):
        return {
            "max_learning_rate": self.max_learning_rate,
            "total_steps": self.total_steps,
            "pct_start": self.pct_start,
            "anneal": self.anneal,
            "div_factor": self.div_factor,
            "final_div_factor": self.final_div_factor,
            "three_phase": self.three_phase,
        }


def _interpolate(step, steps, values, cosine=False):
    """Values at `step` on the line (or the half cosines) through the points, flat outside them.

    Each value is a weighted sum with both weights computed from their own end of the phase: a
    difference from 1 would leave no correct digit where a rate of 1e-1 has come down to 1e-7.
    """
    step = ops.cast(step, "float32")
    value = ops.full_like(step, values[0])
    phases = zip(itertools.pairwise(steps), itertools.pairwise(values), strict=True)
    for (begin, end), (first, last) in phases:
        left = ops.clip((end - step) / (end - begin), 0.0, 1.0)
        done = ops.clip((step - begin) / (end - begin), 0.0, 1.0)
        if cosine:
            left, done = (ops.square(ops.sin(math.pi / 2 * part)) for part in (left, done))
        value = ops.where(step > begin, left * first + done * last, value)
    return value
