"""The networks of the recipes for CIFAR-10."""

import functools
import inspect

from keras_twist import models
from keras_twist.recipes import model_fields

MODELS = {
    "davidnet": models.DavidNet,
    "resnet9": models.ResNet9,
    "speednet": models.SpeedNet,
    "speednet95": functools.partial(models.SpeedNet, width=128, multipliers=(1, 3, 3)),
    "speednet96": functools.partial(
        models.SpeedNet,
        width=128,
        multipliers=(1, 3, 4),
        depth=3,
        batch_norm_momentum=0.9,
    ),
}
# Fields that are arguments of those networks that have them.
OPTIONS = (
    "width activation dropout pool_first whitening identity batch_norm_scale bias_rate logit_scale"
).split()


def options(recipe):
    """The arguments that a `CIFARRecipe` has for its network.

    Raises:
        RecipeError: if a field means nothing to this network.
    """
    return model_fields.given(recipe, MODELS[recipe.model], OPTIONS)


def build(recipe, num_classes, input_shape):
    """The network of a `CIFARRecipe`, not fitted to any images."""
    make, given = MODELS[recipe.model], options(recipe)
    if "kernel_initializer" in inspect.signature(make).parameters:
        given["kernel_initializer"] = models.torch_uniform()  # as the published results had it
    return make(num_classes=num_classes, input_shape=input_shape, **given)
