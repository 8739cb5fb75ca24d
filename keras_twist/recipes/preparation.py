"""From a recipe to what it trains: data, model, and a step that is compiled."""

import dataclasses

import keras

from keras_twist.callbacks.model_state import state_variables
from keras_twist.recipes import runtime, task
from keras_twist.recipes.memory import check_memory
from keras_twist.recipes.recipe import RecipeError


def prepare(recipe, data_dir=None):
    """What a recipe trains: everything up to the first step.

    Args:
        recipe: A `Recipe`.
        data_dir: See `fit`.

    Returns:
        The recipe with what `auto` stands for on this machine, so that a run can be resumed or
        repeated on another; its data; the compiled model; batches in an epoch.

    Raises:
        RecipeError: if the recipe does not fit the data or the network.
    """
    policy = runtime.resolve_precision(recipe.precision)
    jit_compile = runtime.resolve_xla("off" if recipe.deterministic else recipe.xla)
    recipe = dataclasses.replace(recipe, precision=policy, xla="on" if jit_compile else "off")
    if recipe.feed == "resident" and recipe.mixup and jit_compile:
        raise RecipeError(
            "Field `feed`: mixup cannot be drawn in a step that XLA compiles; take feed='tf.data' "
            f"or xla='off'. Received: feed={recipe.feed!r}, mixup={recipe.mixup}"
        )
    if recipe.deterministic:
        runtime.use_deterministic_operations()
    data = task.of(recipe).load(recipe, data_dir)
    steps_per_epoch = len(data.train[1]) // recipe.batch_size
    if steps_per_epoch == 0:
        raise RecipeError(
            f"Field `batch_size` must not be larger than the training set, {len(data.train[1])}. "
            f"Received: batch_size={recipe.batch_size}"
        )
    keras.utils.set_random_seed(recipe.seed)
    with runtime.precision_policy(policy):
        model = task.of(recipe).build_model(recipe, data)
        task.compile_model(model, recipe, recipe.epochs * steps_per_epoch, jit_compile)
    check_memory(model, recipe.batch_size)
    return recipe, data, model, steps_per_epoch


def warm_up(model, batches):
    """Trace and compile the training step, off the clock, and leave no trace in any variable.

    Args:
        model: Compiled `keras.Model`.
        batches: Dataset, of which one batch is taken.
    """
    model.optimizer.build(model.trainable_variables)
    before = {id(v): keras.ops.convert_to_numpy(v).copy() for v in state_variables(model)}
    model.fit(batches, epochs=1, steps_per_epoch=1, shuffle=False, verbose=0)
    for variable in state_variables(model):
        if id(variable) in before:
            variable.assign(before[id(variable)])
    model.reset_metrics()
