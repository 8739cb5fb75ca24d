"""Recipes for CIFAR-10, and how a recipe becomes data, a model and an optimizer."""

import dataclasses
import inspect

import keras
import numpy as np

from keras_twist import models, optimizers
from keras_twist.data import (
    CIFAR10_MEAN,
    CIFAR10_STD,
    ResidentFeed,
    augment,
    eval_dataset,
    load_cifar10,
    mixup,
    train_dataset,
)
from keras_twist.recipes.feed import PipelineFeed
from keras_twist.recipes.policies import build_schedules
from keras_twist.recipes.recipe import Recipe, RecipeError

NUM_CLASSES = 10
EVAL_BATCH_SIZE = 1000
MODELS = {
    "davidnet": models.DavidNet,
    "resnet9": models.ResNet9,
    "speednet": models.SpeedNet,
}

# What each recipe is, for people who ask the script for help.
ABOUT = {
    "quick": "A small SpeedNet, 4 epochs; its result is in benchmarks/results/train_cifar.json.",
    "davidnet": "cifar10-fast: DavidNet, 24 epochs, rate 0 -> 0.4 at epoch 5 -> 0, goal 94.1 %.",
    "resnet9": "ResNet9 with one cycle that peaks at epoch 5 of 24, at 0.023, and cutout 8x8. "
    "Momentum falls from 0.95 to 0.85 and comes back, as torch's OneCycleLR does unasked. The "
    "text wants no annihilation, the code ends near 0: --end_factor 0.04 is the former.",
    "assignment": "The Keras assignment: DavidNet with dropout 0.1, 20 epochs, triangular rate, "
    "pad-crop, flip, random erasing and mixup. Its slips are corrected: batch-norm momentum 0.9 "
    "(0.1 averages nothing); L2 once and not doubled; no `decay`, which Keras 3 ignores; 2 whole "
    "cycles, since 2.5 would end at the highest rate; erasing noise in the units of the pixels; "
    "pad before crop. Rotation and blur are left out.",
}

CIFAR_RECIPES = {
    "quick": Recipe(
        name="quick",
        model="speednet",
        width=32,
        epochs=4,
        learning_rate=0.75,
        pct_start=0.23,
        start_factor=0.2,
        end_factor=0.07,
        momentum=0.85,
        weight_decay=1.3e-3,
        label_smoothing=0.2,
        padding=2,
        cutout=0,
    ),
    "davidnet": Recipe(name="davidnet", dropout=0.0, logit_scale=0.125),
    "resnet9": Recipe(
        name="resnet9",
        model="resnet9",
        schedule="one_cycle",
        learning_rate=0.023,
        start_factor=1 / 25,
        end_factor=1 / 25e4,
        momentum=0.95,
        low_momentum=0.85,
        nesterov=False,
        weight_decay=0.0,
    ),
    "assignment": Recipe(
        name="assignment",
        epochs=20,
        schedule="cyclic",
        learning_rate=0.4,
        start_factor=0.0025,
        cutout=0,
        erasing=0.5,
        mixup=0.2,
    ),
}


@dataclasses.dataclass(frozen=True)
class Data:
    """Arrays of a run: what is trained on, and what each epoch is judged by."""

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    valid_name: str


def load(recipe, data_dir=None):
    """CIFAR-10 as the recipe splits it: the test set, or a held-out part of the training set.

    Args:
        recipe: A `Recipe`.
        data_dir: See `keras_twist.data.load_cifar10`.

    Returns:
        `Data`.
    """
    train, test = load_cifar10(data_dir)
    if recipe.holdout >= len(train[1]):
        raise RecipeError(
            f"Field `holdout` must leave images to train on, of {len(train[1])}. "
            f"Received: holdout={recipe.holdout}"
        )
    if recipe.holdout:
        rest = slice(None, -recipe.holdout), slice(-recipe.holdout, None)
        train, held = (tuple(array[part] for array in train) for part in rest)
        return Data(train, held, "held-out")
    return Data(train, test, "test")


def normalization():
    """The operation that every image passes before the network."""
    return augment.normalize(CIFAR10_MEAN, CIFAR10_STD)


def training_options(recipe):
    """What a recipe does to images, as arguments of `train_dataset` and `ResidentFeed`."""
    operations = []
    if recipe.padding:
        operations.append(augment.random_pad_crop(recipe.padding))
    if recipe.flip:
        operations.append(augment.random_flip())
    if recipe.erasing:
        # Before normalisation, so in the units of the pixels.
        operations.append(augment.random_erasing(recipe.erasing, value_range=(0.0, 255.0)))
    operations.append(normalization())
    if recipe.cutout:
        operations.append(augment.random_cutout(recipe.cutout))
    return {
        "augment": tuple(operations),
        "mix": mixup(recipe.mixup) if recipe.mixup else None,
        "seed": recipe.seed,
        "num_classes": NUM_CLASSES,
    }


def training_batches(recipe, data, initial_step=0):
    """Endless augmented batches from the given step on."""
    options = training_options(recipe)
    return train_dataset(
        *data.train, recipe.batch_size, repeat=True, initial_step=initial_step, **options
    )


def training_feed(recipe, data):
    """The same batches, made where `recipe.feed` says: a `PipelineFeed` or a `ResidentFeed`."""
    if recipe.feed == "resident":
        return ResidentFeed(*data.train, recipe.batch_size, **training_options(recipe))
    return PipelineFeed(lambda step: training_batches(recipe, data, step))


def validation_batches(data):
    """The validation images once, in order."""
    return eval_dataset(
        *data.valid, EVAL_BATCH_SIZE, transform=(normalization(),), num_classes=NUM_CLASSES
    )


def build_model(recipe, data):
    """The recipe's network, with a SpeedNet's first layer fitted to the training images.

    Raises:
        RecipeError: if a field is set that this network has no use for.
    """
    make = MODELS[recipe.model]
    accepted = inspect.signature(make).parameters
    options = {}
    for field in ("width", "activation", "dropout", "pool_first", "logit_scale"):
        value = getattr(recipe, field)
        if value is None:
            continue
        if field not in accepted:
            raise RecipeError(
                f"Field `{field}` means nothing to the model {recipe.model!r}. "
                f"Received: {field}={value}"
            )
        options[field] = value
    try:
        keras.activations.get(recipe.activation)
    except ValueError as error:
        raise RecipeError(
            "Field `activation` must be the name of a Keras activation. "
            f"Received: activation={recipe.activation}"
        ) from error
    if "kernel_initializer" in accepted:
        options["kernel_initializer"] = models.torch_uniform()  # as the published results had it
    model = make(num_classes=NUM_CLASSES, input_shape=data.train[0].shape[1:], **options)
    if recipe.model == "speednet":
        sample = keras.ops.convert_to_numpy(normalization()(data.train[0][:5000]))
        models.whiten(model, sample)
    return model


def compile_model(model, recipe, steps, jit_compile):
    """Give the model its loss, metrics and optimizer for so many updates."""
    learning_rate, momentum = build_schedules(recipe, steps)
    model.compile(
        optimizers.SGD(
            learning_rate,
            momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            coupled=True,
        ),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.TopKCategoricalAccuracy(5, name="top_k_accuracy"),
        ],
        jit_compile=jit_compile,
    )
