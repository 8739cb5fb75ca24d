"""What the tasks have in common: their data, their batches, and how a model is compiled.

A task is a module with `load`, `operations`, `normalization`, `build_network`,
`build_model`, `build_optimizer`, `NUM_CLASSES` and `EVAL_BATCH_SIZE`: `recipes.cifar` and
`recipes.woof`.
"""

import dataclasses
import importlib

import keras
import numpy as np

from keras_twist.data import ResidentFeed, eval_dataset, mixup, train_dataset
from keras_twist.recipes.divergence import FiniteBatches
from keras_twist.recipes.feed import PipelineFeed
from keras_twist.recipes.policies import build_schedules
from keras_twist.recipes.recipe import RecipeError


@dataclasses.dataclass(frozen=True)
class Data:
    """Arrays of a run: what is trained on, and what each epoch is judged by.

    Attributes:
        train: Images and labels.
        valid: Likewise.
        valid_name: `"test"`, `"validation"` or `"held-out"`.
        class_names: Names of the classes.
        aspects: Width over height of the training images before they were stretched, or None.
    """

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    valid_name: str
    class_names: tuple[str, ...]
    aspects: np.ndarray | None = None


def of(recipe):
    """The module of a recipe's task."""
    return importlib.import_module(f"keras_twist.recipes.{recipe.task}")


def training_batches(recipe, data, initial_step=0):
    """Endless augmented batches from the given step on."""
    return train_dataset(
        *data.train,
        recipe.batch_size,
        repeat=True,
        initial_step=initial_step,
        **_options(recipe, data),
    )


def training_feed(recipe, data):
    """The same batches, made where `recipe.feed` says: a `PipelineFeed` or a `ResidentFeed`."""
    if recipe.feed == "resident":
        return ResidentFeed(*data.train, recipe.batch_size, **_options(recipe, data))
    return PipelineFeed(lambda step: training_batches(recipe, data, step))


def _options(recipe, data):
    task = of(recipe)
    return {
        "augment": task.operations(recipe, data),
        "mix": mixup(recipe.mixup) if recipe.mixup else None,
        "seed": recipe.seed,
        "num_classes": task.NUM_CLASSES,
    }


def validation_batches(recipe, data):
    """The validation images once, in order."""
    task = of(recipe)
    options = {"transform": (task.normalization(),), "num_classes": task.NUM_CLASSES}
    size = shareable(task.EVAL_BATCH_SIZE, len(data.valid[1]), recipe.replicas or 1)
    return eval_dataset(*data.valid, size, **options)


def shareable(largest, count, devices):
    """Size of batches of `count` images, of which the last, too, has one for each device."""
    sizes = range(largest, devices - 1, -1)
    return next((size for size in sizes if not 0 < count % size < devices), count)


def compile_model(model, recipe, steps, jit_compile):
    """Give the model its loss, metrics and optimizer for so many updates."""
    learning_rate, momentum = build_schedules(recipe, steps)
    model.compile(
        of(recipe).build_optimizer(recipe, model, learning_rate, momentum, steps),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.TopKCategoricalAccuracy(5, name="top_k_accuracy"),
            FiniteBatches(recipe.replicas or 1),
        ],
        jit_compile=jit_compile,
    )


def check_replicas(recipe, count):
    """Raise unless each device has one of so many validation images."""
    if count < (recipe.replicas or 1):
        raise RecipeError(
            f"Field `replicas` must not be larger than the number of validation images, {count}. "
            f"Received: replicas={recipe.replicas}"
        )


def check_holdout(recipe, count):
    """Raise unless the recipe leaves images to train on."""
    if recipe.holdout >= count:
        raise RecipeError(
            f"Field `holdout` must leave images to train on, of {count}. "
            f"Received: holdout={recipe.holdout}"
        )
