"""How a recipe for ImageWoof or Imagenette becomes data, a model and an optimizer."""

import re

import keras
import numpy as np

from keras_twist import models, optimizers
from keras_twist.data import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    augment,
    load_imagenette,
    load_imagewoof,
    random_resized_crop,
)
from keras_twist.recipes import woof_networks
from keras_twist.recipes.center_views import center_views
from keras_twist.recipes.policies import build_muon
from keras_twist.recipes.task import Data, check_holdout

NUM_CLASSES = 10
EVAL_BATCH_SIZE = 128
# Pictures that SpeedNet's first layer is fitted to.
WHITENED = 600
# fastai's RandomErasing as the published script calls it.
ERASED, RECTANGLES = 0.3, 3
LOADERS = {"imagewoof": load_imagewoof, "imagenette": load_imagenette}


def load(recipe, data_dir=None):
    """The pictures as the recipe splits them: the validation set, or a part of the training set.

    Args:
        recipe: A `WoofRecipe`.
        data_dir: See `keras_twist.data.load_imagewoof`.

    Returns:
        `Data`.
    """
    train, valid = LOADERS[recipe.dataset](
        data_dir,
        image_size=recipe.image_size,
        valid_scale=recipe.valid_scale,
        on_error=recipe.on_error,
    )
    check_holdout(recipe, len(train))
    if not recipe.holdout:
        return Data(
            (train.images, train.labels),
            (valid.images, valid.labels),
            "validation",
            train.class_names,
            train.aspects,
        )
    # Pictures come class by class. One seed, so that every run holds out the same ones.
    order = np.random.default_rng(0).permutation(len(train))
    held, kept = np.sort(order[: recipe.holdout]), np.sort(order[recipe.holdout :])
    views = center_views(
        train.images[held], train.aspects[held], recipe.image_size, recipe.valid_scale
    )
    return Data(
        (train.images[kept], train.labels[kept]),
        (views, train.labels[held]),
        "held-out",
        train.class_names,
        train.aspects[kept],
    )


def normalization():
    """The operation that every image passes before the network."""
    return augment.normalize(IMAGENET_MEAN, IMAGENET_STD)


def operations(recipe, data):
    """What a recipe does to each image by itself, for `train_dataset` and `ResidentFeed`."""
    done = [random_resized_crop(recipe.image_size, (recipe.min_scale, 1.0), aspects=data.aspects)]
    if recipe.flip:
        done.append(augment.random_flip())
    done.append(normalization())
    if recipe.erasing_area:
        done.append(
            augment.random_erasing(
                ERASED,
                area=(0.0, recipe.erasing_area),
                max_count=RECTANGLES,
                fill="normal",
                log_aspect=True,
            )
        )
    return tuple(done)


def build_network(recipe):
    """The recipe's network."""
    return woof_networks.build(recipe, NUM_CLASSES)


def build_model(recipe, data):
    """The recipe's network, with a SpeedNet's first layer fitted to the training pictures."""
    model = build_network(recipe)
    if recipe.model == "speednet":
        shown = np.sort(np.random.default_rng(0).permutation(len(data.train[0]))[:WHITENED])
        views = center_views(data.train[0][shown], data.aspects[shown], recipe.image_size, 1.0)
        models.whiten(model, np.asarray(normalization()(views)))
    return model


def build_optimizer(recipe, model, learning_rate, momentum, steps):
    """The recipe's optimizer, whose weight decay leaves batch normalisation and biases alone."""
    adam = {"beta_1": recipe.momentum, "beta_2": recipe.beta_2}
    common = {"weight_decay": recipe.weight_decay, "epsilon": recipe.epsilon}
    makers = {
        "ranger": lambda: optimizers.Ranger(learning_rate, **adam, **common),
        "radam": lambda: optimizers.RAdam(learning_rate, **adam, **common),
        "adam": lambda: keras.optimizers.Adam(learning_rate, **adam, **common),
        "lamb": lambda: keras.optimizers.Lamb(learning_rate, **adam, **common),
        "lookahead": lambda: optimizers.Lookahead(
            keras.optimizers.Adam(learning_rate, **adam, **common)
        ),
        # Keras adds its epsilon under the root, where the square of another one weighs the same.
        "rms": lambda: keras.optimizers.RMSprop(
            learning_rate, recipe.beta_2, **common | {"epsilon": recipe.epsilon**2}
        ),
        "sgd": lambda: optimizers.SGD(learning_rate, momentum, weight_decay=recipe.weight_decay),
        "muon": lambda: build_muon(recipe, learning_rate, momentum, exclude=depthwise(model)),
    }
    optimizer = makers[recipe.optimizer]()
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_list=undecayed(model))
    return optimizer


def depthwise(model):
    """Patterns of the paths of depthwise kernels, whose channels have nothing in common."""
    return [
        f"^{re.escape(layer.path)}/"
        for layer in model.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    ]


def undecayed(model):
    """Scales and offsets of batch normalisation, and biases: what fastai does not decay either."""
    return [
        weight
        for layer in model.layers
        for weight in layer.trainable_weights
        if isinstance(layer, keras.layers.BatchNormalization) or weight.name == "bias"
    ]
