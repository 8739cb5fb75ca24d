"""How a recipe's learning rate and momentum move."""

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
