"""From a recipe to what it trains: data, model, and a step that is compiled."""

import dataclasses

import keras

from keras_twist.callbacks.model_state import state_variables
from keras_twist.data.stateless import on_jax
from keras_twist.recipes import backends, runtime, strategies, task
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
    backends.check_backend()
    replicas = strategies.of(recipe)
    policy = runtime.resolve_precision(recipe.precision)
    if replicas.strategy and policy == "mixed_float16":
        policy = "float32"
    if on_jax():
        jit_compile = runtime.resolve_xla(recipe.xla)
        # `xla` stays as it is: for JAX there is nothing to choose.
        recipe = dataclasses.replace(recipe, precision=policy, feed="resident")
    else:
        without_xla = recipe.deterministic or replicas.strategy
        jit_compile = runtime.resolve_xla("off" if without_xla else recipe.xla)
        recipe = dataclasses.replace(
            recipe,
            precision=policy,
            xla="on" if jit_compile else "off",
            replicas=replicas.count if replicas.strategy else None,
        )
    if recipe.feed == "resident" and recipe.mixup and jit_compile and not on_jax():
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
    task.check_replicas(recipe, len(data.valid[1]))
    keras.utils.set_random_seed(recipe.seed)
    with replicas.scope(), runtime.precision_policy(policy):
        model = task.of(recipe).build_model(recipe, data)
        task.compile_model(model, recipe, recipe.epochs * steps_per_epoch, jit_compile)
    check_memory(model, recipe.batch_size, replicas.workers)
    return recipe, data, model, steps_per_epoch


def warm_up(model, batches, trainer):
    """Trace and compile the training step, off the clock, and leave no trace in any variable.

    Args:
        model: Compiled `keras.Model`.
        batches: Dataset, of which one batch is taken.
        trainer: The model's `Trainer`.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = state_variables(model)
    before = {id(v): value for v, value in zip(variables, trainer.read_state(), strict=True)}
    trainer.fit(batches, steps_per_epoch=1)
    for variable in state_variables(model):
        if id(variable) in before:
            variable.assign(before[id(variable)])
    model.reset_metrics()
