"""One cycle up and down, in two phases or three."""

import itertools

import keras

from keras_twist.arguments import check_choice, check_number, check_positive
from keras_twist.schedules._curves import interpolate


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
        div_factor: Peak divided by start. Defaults to 25.0.
        final_div_factor: Start divided by end; 1 means no annihilation, an end at the starting
            rate. Defaults to 1e4.
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
        last keep the final rate instead of raising, and momentum is a schedule of its own,
        `MirroredMomentum`. fastai's `fit_one_cycle` over `n` batches, which peaks one step later
        and whose end comes after the last batch, is `OneCycle(rate, n + 1, (n * pct_start + 1) /
        (n + 1), final_div_factor=div_final / div)` with its `pct_start=0.25`, `div_final=1e5`,
        `div=25`.
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
        check_positive("max_learning_rate", max_learning_rate)
        check_positive("total_steps", total_steps)
        check_number("pct_start", pct_start, "in (0, 1)", lambda share: 0 < share < 1)
        check_choice("anneal", anneal, ("cos", "linear"))
        check_positive("div_factor", div_factor)
        check_positive("final_div_factor", final_div_factor)
        self.max_learning_rate = max_learning_rate
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal = anneal
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.three_phase = three_phase

        start = max_learning_rate / div_factor
        peak = pct_start * total_steps - 1
        down_again = [(2 * peak, start, 0.0)] if three_phase else []
        points = [
            (0.0, start, 0.0),
            (peak, max_learning_rate, 1.0),
            *down_again,
            (total_steps - 1.0, start / final_div_factor, 0.0),
        ]
        self._steps, self._values, self._heights = zip(*points, strict=True)
        if any(begin >= end for begin, end in itertools.pairwise(self._steps)):
            raise ValueError(
                "Arguments `total_steps` and `pct_start` must leave every phase at least one step. "
                f"Received: total_steps={total_steps}, pct_start={pct_start}, "
                f"three_phase={three_phase}"
            )

    def __call__(self, step):
        return interpolate(step, self._steps, self._values, cosine=self.anneal == "cos")

    def height(self, step):
        """Where the cycle stands: 0 at its start, 1 at its peak, 0 at its end."""
        return interpolate(step, self._steps, self._heights, cosine=self.anneal == "cos")

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
