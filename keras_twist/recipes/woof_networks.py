"""The networks of the recipes for ImageWoof, by the names that the published scripts give them."""

from keras_twist import models
from keras_twist.recipes import model_fields
from keras_twist.recipes.recipe import RecipeError

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


def options(recipe):
    """The arguments that a `WoofRecipe` has for its network.

    Raises:
        RecipeError: if a field means nothing to this network.
    """
    make = MODELS[recipe.model]
    if recipe.model == "speednet":
        given = model_fields.given(recipe, make, [*OPTIONS, "width", "activation"])
        return given | {"multipliers": _speednet_multipliers(recipe.image_size)}
    given = model_fields.given(recipe, make, OPTIONS)
    given["activation"] = recipe.activation or "mish"
    if recipe.width is not None:
        stages = 6 if recipe.model.endswith("_deep") else 4
        given["widths"] = [recipe.width * factor for factor in (1, 2, 4, 8, 4, 4)[:stages]]
    return given


def build(recipe, num_classes):
    """The network of a `WoofRecipe`.

    Raises:
        RecipeError: if a field does not fit the network.
    """
    make, given = MODELS[recipe.model], options(recipe)
    shape = (recipe.image_size, recipe.image_size, 3)
    try:
        return make(num_classes=num_classes, input_shape=shape, **given)
    except ValueError as error:
        raise RecipeError(f"Field `model`: {error}") from error


def _speednet_multipliers(image_size):
    """As many groups as leave 3x3 pixels, each twice as wide as the one before, up to 8 times."""
    groups = ((image_size - 1) // 3).bit_length() - 1
    return [min(2**group, 8) for group in range(groups)]
