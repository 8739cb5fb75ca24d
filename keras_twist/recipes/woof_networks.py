"""The networks of the recipes for ImageWoof, by the names that the published scripts give them."""

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
}


def build(recipe, num_classes):
    """The network of a `WoofRecipe`.

    Raises:
        RecipeError: if an option means nothing to this network, or does not fit it.
    """
    check_activation(recipe)
    options = {
        "self_attention": recipe.self_attention,
        "symmetric": recipe.symmetric,
        "pool": recipe.pool,
        "stem_strides": recipe.stem_strides,
        "activation": recipe.activation or "mish",
    }
    if recipe.model != "depthwise_xresnet":
        options["conv"] = recipe.conv
    elif recipe.conv != "conv":
        raise RecipeError(
            "Field `conv` means nothing to the model 'depthwise_xresnet'. "
            f"Received: conv={recipe.conv!r}"
        )
    if recipe.width is not None:
        stages = 6 if recipe.model.endswith("_deep") else 4
        options["widths"] = [recipe.width * factor for factor in (1, 2, 4, 8, 4, 4)[:stages]]
    shape = (recipe.image_size, recipe.image_size, 3)
    try:
        return MODELS[recipe.model](num_classes=num_classes, input_shape=shape, **options)
    except ValueError as error:
        raise RecipeError(f"Field `model`: {error}") from error
