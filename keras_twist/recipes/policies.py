"""How a recipe's learning rate and momentum move, and what moves by them."""

import keras
from keras import ops

from keras_twist.optimizers import Muon
from keras_twist.recipes.recipe import RecipeError
from keras_twist.schedules import (
    Cyclical,
    FlatCosine,
    MirroredMomentum,
    OneCycle,
    PiecewiseLinear,
)


def build_schedules(recipe, steps):
    """Learning rate and momentum over so many updates."""
    rate, peak, last = recipe.learning_rate, recipe.pct_start * steps - 1, steps - 1
    start, end = rate * recipe.start_factor, rate * recipe.end_factor
    if recipe.schedule == "one_cycle":
        if not 0 < peak < last:
            raise RecipeError(
                f"Field `schedule`: one_cycle needs steps on both sides of its peak. Received: "
                f"pct_start={recipe.pct_start} of {steps} steps"
            )
        learning_rate = OneCycle(
            rate,
            steps,
            recipe.pct_start,
            anneal="linear",
            div_factor=1 / recipe.start_factor,
            final_div_factor=recipe.start_factor / recipe.end_factor,
        )
    elif recipe.schedule == "cyclic":
        # The last update, not the one after it, ends the last cycle: at the lowest rate.
        learning_rate = Cyclical(start, rate, max(last, 1) / (2 * recipe.cycles))
    elif recipe.schedule == "flat_cosine":
        learning_rate = FlatCosine(rate, steps, recipe.anneal_start, end)
    else:
        # From -1: cifar10-fast gives the first update the rate of step 1, not a rate of 0.
        learning_rate = PiecewiseLinear([-1, peak, last], [start, rate, end])
    momentum = recipe.momentum
    if recipe.low_momentum is not None:
        momentum = MirroredMomentum(learning_rate, recipe.low_momentum, momentum)
    return learning_rate, momentum


def build_muon(recipe, learning_rate, momentum, nesterov=True, exclude=()):
    """The recipe's `Muon`, whose weight decay is coupled.

    Args:
        recipe: A `Recipe`.
        learning_rate: Number or schedule.
        momentum: Likewise.
        nesterov: See `Muon`. Defaults to True.
        exclude: See `Muon`. Defaults to `()`.

    Returns:
        A `keras_twist.optimizers.Muon`.
    """
    given = {
        field: getattr(recipe, field)
        for field in ("kernel_rate", "kernel_momentum")
        if getattr(recipe, field) is not None
    }
    return Muon(
        learning_rate,
        momentum,
        nesterov=nesterov,
        exclude=exclude,
        weight_decay=recipe.weight_decay,
        coupled=True,
        **given,
    )


@keras.saving.register_keras_serializable(package="keras_twist")
class GrowingAverage(keras.optimizers.schedules.LearningRateSchedule):
    """Step size of slow weights that follow at first and average in the end.

    After `t` of `total_steps` updates, the slow weights keep a share of `kept * (t / total_steps)
    ** 3` of themselves at each pull.

    Args:
        total_steps: Updates in the training.
        kept: That share at the end.

    Reference:
        [94% on CIFAR-10 in 3.29 seconds](https://arxiv.org/abs/2404.00498), section 3.4. Differs
        from it in: the last update is a pull like the others or none, and statistics of batch
        normalisation are left alone, which have adapted by the next pull.
    """

    def __init__(self, total_steps, kept=0.95**5):
        super().__init__()
        self.total_steps, self.kept = total_steps, kept

    def __call__(self, step):
        done = ops.cast(step, "float32") / self.total_steps
        return 1.0 - self.kept * ops.minimum(done, 1.0) ** 3

    def get_config(self):
        return {"total_steps": self.total_steps, "kept": self.kept}
