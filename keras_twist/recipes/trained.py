"""The model that a run left, loaded without running code that its file may bring."""

from pathlib import Path

import keras

from keras_twist.data.errors import shown
from keras_twist.recipes import backends, run_folder
from keras_twist.recipes.recipe import RecipeError


def load_trained(folder):
    """The recipe and the model of a run folder, of an interrupted run too.

    Keras's safe mode refuses a file with code in it. How much memory a model takes is the file's to
    say.

    Args:
        folder: Path of the run folder.

    Returns:
        The `Recipe` and the uncompiled `keras.Model`.

    Raises:
        RecipeError: if the folder is not one of a run, has no model yet, a damaged one or one of
            something else than square pictures; or if Keras has another floatx or is set to
            channels-first images.
    """
    backends.check_settings()
    folder = Path(folder)
    recipe = run_folder.read_recipe(folder)
    path = folder / run_folder.MODEL
    if not path.exists():
        raise RecipeError(f"{folder} has no {run_folder.MODEL} yet; --resume goes on with the run.")
    try:
        if not path.is_file():
            raise OSError("no regular file")
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # What Keras raises on a damaged file is not documented.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecipeError(f"{path} cannot be used: {shown(reason)}") from error
    _check(path, model)
    return recipe, model


def _check(path, model):
    """Raise unless a model makes numbers of square pictures."""
    shapes = [getattr(model, name, None) for name in ("input_shape", "output_shape")]
    try:
        (_, height, width, channels), (_, classes) = shapes
        fits = height == width and height > 0 and channels == 3 and classes > 0
    except (TypeError, ValueError):  # None, several, or of other ranks.
        fits = False
    if not fits:
        raise RecipeError(
            f"{path} cannot be used: it is no model of square pictures, but from {shapes[0]} to "
            f"{shapes[1]}"
        )
