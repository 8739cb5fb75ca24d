"""The networks of the recipes for ImageWoof, by the names that the published scripts give them."""

import dataclasses
import inspect

from keras_twist import models
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.task import check_activation

MODELS = {
    "mxresnet18": models.MXResNet18,
    "mxresnet34": models.MXResNet34,
    "mxresnet50": models.MXResNet50,
    "mxresnet101": models.MXResNet101,
    "mxresnet152": models.MXResNet152,
    "xresnet18": models.XResNet18,
    "xresnet34": models.XResNet34,
    "xresnet50": models.XResNet50,
    "xresnet101": models.XResNet101,
    "xresnet152": models.XResNet152,
    "xresnet18_deep": models.XResNet18Deep,
    "xresnet34_deep": models.XResNet34Deep,
    "xresnet50_deep": models.XResNet50Deep,
    "xresnext18": models.XResNeXt18,
    "xresnext34": models.XResNeXt34,
    "xresnext50": models.XResNeXt50,
    "xse_resnet18": models.XSEResNet18,
    "xse_resnet34": models.XSEResNet34,
    "xse_resnet50": models.XSEResNet50,
    "xse_resnext18": models.XSEResNeXt18,
    "xse_resnext34": models.XSEResNeXt34,
    "xse_resnext50": models.XSEResNeXt50,
    "xse_resnext18_deep": models.XSEResNeXt18Deep,
    "xse_resnext34_deep": models.XSEResNeXt34Deep,
    "xse_resnext50_deep": models.XSEResNeXt50Deep,
    "depthwise_xresnet": models.DepthwiseXResNet,
    "speednet": models.SpeedNet,
}
# Fields that are arguments of those networks that have them.
OPTIONS = "conv self_attention symmetric pool stem_strides".split()


def build(recipe, num_classes):
    """The network of a `WoofRecipe`.

    Raises:
        RecipeError: if an option means nothing to this network, or does not fit it.
    """
    check_activation(recipe)
    make = MODELS[recipe.model]
    accepted = inspect.signature(make).parameters
    usual = {field.name: field.default for field in dataclasses.fields(recipe)}
    options = {}
    for field in OPTIONS:
        value = getattr(recipe, field)
        if field in accepted:
            options[field] = value
        elif value != usual[field]:
            raise RecipeError(
                f"Field `{field}` means nothing to the model {recipe.model!r}. "
                f"Received: {field}={value!r}"
            )
    if recipe.model == "speednet":
        options |= _speednet_options(recipe)
    else:
        options["activation"] = recipe.activation or "mish"
        if recipe.width is not None:
            stages = 6 if recipe.model.endswith("_deep") else 4
            options["widths"] = [recipe.width * factor for factor in (1, 2, 4, 8, 4, 4)[:stages]]
    shape = (recipe.image_size, recipe.image_size, 3)
    try:
        return make(num_classes=num_classes, input_shape=shape, **options)
    except ValueError as error:
        raise RecipeError(f"Field `model`: {error}") from error


def _speednet_options(recipe):
    """As many groups as leave 3x3 pixels, each twice as wide as the one before, up to 8 times."""
    groups = ((recipe.image_size - 1) // 3).bit_length() - 1
    options = {"multipliers": [min(2**group, 8) for group in range(groups)]}
    for field in ("width", "activation"):
        if getattr(recipe, field) is not None:
            options[field] = getattr(recipe, field)
    return options
