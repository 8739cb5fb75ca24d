"""The model that a run left, loaded without running code that its file may bring."""

import zipfile
from pathlib import Path

import keras

from keras_twist.recipes import run_folder
from keras_twist.recipes.recipe import RecipeError

MODEL = "model.keras"


def load_trained(folder):
    """The recipe and the model of a run folder, of an interrupted run too.

    Keras's safe mode refuses a file with code in it.

    Args:
        folder: Path of the run folder.

    Returns:
        The `Recipe` and the uncompiled `keras.Model`.

    Raises:
        RecipeError: if the folder is not one of a run, has no model yet, or a damaged one.
    """
    folder = Path(folder)
    recipe = run_folder.read_recipe(folder)
    path = folder / MODEL
    if not path.exists():
        raise RecipeError(f"{folder} has no {MODEL} yet; --resume goes on with the run.")
    try:
        return recipe, keras.saving.load_model(path, compile=False, safe_mode=True)
    # What Keras raises on a damaged file is not documented; a KeyError from h5py is among it.
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"{path} cannot be used: {reason}") from error
