"""Fields of a recipe that are arguments of its network."""

import dataclasses
import inspect

import keras

from keras_twist.recipes.recipe import RecipeError


def given(recipe, make, fields):
    """The arguments that a recipe has for the function that makes its network.

    Args:
        recipe: A `Recipe`.
        make: Callable that returns a model.
        fields: Names of fields which are arguments of those networks that have them.

    Returns:
        Dict from name to value, without those that are None.

    Raises:
        RecipeError: if one of the fields is not as by default, and means nothing to this network;
            or if the activation is none that Keras knows.
    """
    try:
        keras.activations.get(recipe.activation)
    except ValueError as error:
        raise RecipeError(
            "Field `activation` must be the name of a Keras activation. "
            f"Received: activation={recipe.activation}"
        ) from error
    accepted = inspect.signature(make).parameters
    usual = {field.name: field.default for field in dataclasses.fields(recipe)}
    for field in fields:
        value = getattr(recipe, field)
        if field not in accepted and value != usual[field]:
            raise RecipeError(
                f"Field `{field}` means nothing to the model {recipe.model!r}. "
                f"Received: {field}={value!r}"
            )
    values = {field: getattr(recipe, field) for field in fields if field in accepted}
    return {field: value for field, value in values.items() if value is not None}
