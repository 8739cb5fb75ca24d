"""What of Keras's own settings a recipe is trained with: its backend, types and formats."""

import contextlib
from pathlib import Path

import keras

from keras_twist.recipes import run_folder
from keras_twist.recipes.json_files import read_json
from keras_twist.recipes.recipe import RecipeError

BACKENDS = ("tensorflow", "jax")
NEEDED = {"floatx": "float32", "image_data_format": "channels_last"}


def check_backend(folder=None):
    """Raise `RecipeError` unless Keras computes with what recipes train on.

    Args:
        folder: Path of a run that is to go on, which it does with what it began with: another
            backend would draw other numbers. Defaults to None.
    """
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise RecipeError(
            "recipes are trained by TensorFlow or by JAX: set KERAS_BACKEND=tensorflow or "
            f"KERAS_BACKEND=jax. Received: KERAS_BACKEND={backend}"
        )
    check_settings()
    if folder is None:
        return
    begun = begun_with(folder)
    if begun not in (None, backend):
        raise RecipeError(
            f"{folder} was begun with KERAS_BACKEND={begun} and goes on with nothing else. "
            f"Received: KERAS_BACKEND={backend}"
        )


def begun_with(folder):
    """Name of the backend that a run began with, or None where its folder does not tell."""
    # Without a readable file nobody knows; the checkpoint is what has to be whole.
    begun = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        begun = read_json(Path(folder) / run_folder.ENVIRONMENT).get("backend")
    return begun if begun in BACKENDS else None


def check_settings():
    """Raise `RecipeError` unless Keras has the types and formats that recipes' networks have."""
    for name, needed in NEEDED.items():
        found = getattr(keras.config, name)()
        if found != needed:
            raise RecipeError(
                f"recipes need {name}={needed!r}, in `keras.json` or by `keras.config.set_{name}`. "
                f"Received: {name}={found!r}"
            )
