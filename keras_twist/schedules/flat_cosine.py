"""A constant rate, then half a cosine down."""

import math

import keras

from keras_twist.arguments import check_number, check_positive
from keras_twist.schedules._curves import interpolate


@keras.saving.register_keras_serializable(package="keras_twist")
class FlatCosine(keras.optimizers.schedules.LearningRateSchedule):
    """The full rate for most of the training, then half a cosine down to the end.

    The rate is `learning_rate` up to step `a = int(total_steps * anneal_start)`, and from there

        final + (learning_rate - final) / 2 * (1 + cos(pi * (step - a) / (total_steps - a)))

    Step `total_steps`, which comes after the last, and all later ones have the final rate.

    Args:
        learning_rate: The rate of the flat part.
        total_steps: Updates in the training.
        anneal_start: Share of the training before the descent, in `[0, 1)`; 0 is a cosine from the
            first step on. Defaults to 0.72.
        final_learning_rate: The rate that the descent leads to, between 0 and `learning_rate`.
            Defaults to 0.0.

    Returns:
        Called on a step or an array of steps, float32 of the same shape.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> schedule = FlatCosine(4e-3, total_steps=100, anneal_start=0.5)
        >>> [round(float(schedule(step)), 6) for step in (0, 50, 75, 100)]
        [0.004, 0.004, 0.002, 0.0]

    Reference:
        `flat_and_anneal` of the [ImageWoof
        records](https://github.com/lessw2020/Ranger-Mish-ImageWoof-5), written for fastai v1.
        Differs from it in: nothing. fastai 2's `fit_flat_cos` is `anneal_start=0.75` with
        `final_learning_rate=learning_rate / 1e5`; it starts the descent between two steps when
        `total_steps * anneal_start` is not whole.
    """

    def __init__(self, learning_rate, total_steps, anneal_start=0.72, final_learning_rate=0.0):
        super().__init__()
        check_positive("learning_rate", learning_rate)
        check_positive("total_steps", total_steps)
        check_number("anneal_start", anneal_start, "in [0, 1)", lambda share: 0 <= share < 1)
        if not 0 <= final_learning_rate <= learning_rate:
            raise ValueError(
                "Argument `final_learning_rate` must lie between 0 and `learning_rate`. Received: "
                f"final_learning_rate={final_learning_rate}, learning_rate={learning_rate}"
            )
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.anneal_start = anneal_start
        self.final_learning_rate = final_learning_rate

    def __call__(self, step):
        begin = math.floor(self.total_steps * self.anneal_start)
        rates = self.learning_rate, self.final_learning_rate
        return interpolate(step, (begin, self.total_steps), rates, cosine=True)

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "anneal_start": self.anneal_start,
            "final_learning_rate": self.final_learning_rate,
        }
