"""How a recipe for CIFAR-10 becomes data, a model and an optimizer."""

import numpy as np

from keras_twist import models, optimizers
from keras_twist.data import (
    CIFAR10_CLASSES,
    CIFAR10_MEAN,
    CIFAR10_STD,
    augment,
    load_cifar10,
)
from keras_twist.recipes import cifar_networks
from keras_twist.recipes.policies import GrowingAverage, build_muon
from keras_twist.recipes.task import Data, check_holdout

NUM_CLASSES = 10
EVAL_BATCH_SIZE = 1000
# Images that SpeedNet's first layer is fitted to.
WHITENED = 5000


def load(recipe, data_dir=None):
    """CIFAR-10 as the recipe splits it: the test set, or a held-out part of the training set.

    Args:
        recipe: A `Recipe`.
        data_dir: See `keras_twist.data.load_cifar10`.

    Returns:
        `Data`.
    """
    train, test = load_cifar10(data_dir)
    train = mixed(*train)
    check_holdout(recipe, len(train[1]))
    if recipe.holdout:
        rest = slice(None, -recipe.holdout), slice(-recipe.holdout, None)
        train, held = (tuple(array[part] for array in train) for part in rest)
        return Data(train, held, "held-out", CIFAR10_CLASSES)
    return Data(train, test, "test", CIFAR10_CLASSES)


def mixed(images, labels):
    """The images in an order that tells nothing of their labels.

    A tree of pictures comes class by class: its last images would all be of one class, and so would
    the first, which the whitening looks at. The published files are mixed and stay as they are.
    """
    if np.any(np.diff(labels.astype("int64")) < 0):
        return images, labels
    order = np.random.default_rng(0).permutation(len(labels))
    return images[order], labels[order]


def normalization():
    """The operation that every image passes before the network."""
    return augment.normalize(CIFAR10_MEAN, CIFAR10_STD)


def operations(recipe, data):
    """What a recipe does to each image by itself, for `train_dataset` and `ResidentFeed`."""
    done = []
    if recipe.padding:
        done.append(augment.random_pad_crop(recipe.padding))
    if recipe.flip:
        flip = augment.alternating_flip if recipe.alternating_flip else augment.random_flip
        done.append(flip())
    if recipe.erasing:
        # Before normalisation, so in the units of the pixels.
        done.append(augment.random_erasing(recipe.erasing, value_range=(0.0, 255.0)))
    done.append(normalization())
    if recipe.cutout:
        done.append(augment.random_cutout(recipe.cutout))
    return tuple(done)


def build_network(recipe, image_shape=(32, 32, 3)):
    """The recipe's network."""
    return cifar_networks.build(recipe, NUM_CLASSES, image_shape)


def build_model(recipe, data):
    """The recipe's network, with a SpeedNet's first layer fitted to the training images."""
    model = build_network(recipe, data.train[0].shape[1:])
    if recipe.model.startswith("speednet") and recipe.whitening is not False:
        models.whiten(model, np.asarray(normalization()(data.train[0][:WHITENED])))
    return model


def build_optimizer(recipe, model, learning_rate, momentum, steps):
    """SGD or Muon, inside Lookahead if the recipe says so.

    Weight decay is coupled: the gradient of every weight gains decay * weight, but for the kernels
    of convolutions under Muon, which have none.
    """
    if recipe.optimizer == "muon":
        optimizer = build_muon(recipe, learning_rate, momentum, nesterov=recipe.nesterov)
    else:
        optimizer = optimizers.SGD(
            learning_rate,
            momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            coupled=True,
        )
    if recipe.lookahead:
        return optimizers.Lookahead(optimizer, recipe.lookahead, GrowingAverage(steps))
    return optimizer
