"""The file of a checkpoint: every variable that a training step reads or writes, and progress."""

import json
import math
import re

import keras
import numpy as np

from keras_twist.callbacks.model_state import state_variables
from keras_twist.data.errors import DataError
from keras_twist.data.npz import read_npz, write_npz
from keras_twist.recipes.divergence import Diverged, are_finite
from keras_twist.recipes.recipe import RecipeError

# For the header, and for a model that is a little larger, which gets a better message.
_SPARE_BYTES = 2**26


def save(path, model, progress, trainer):
    """Write a checkpoint: whole or not there, whenever the process dies.

    Args:
        path: Path of the file.
        model: Compiled model whose optimizer is built.
        progress: JSON object with `step` and `steps_per_epoch`, which `load` gives back.
        trainer: The model's `Trainer`, of which all workers call this and the chief writes.

    Raises:
        Diverged: if a number is not finite, but for those of metrics; the file is what it was.
    """
    values = trainer.read_state()
    # After an epoch, metrics are those of the validation, which may overflow (`StopOnDivergence`).
    metrics = set(map(id, model.metrics_variables))
    pairs = zip(state_variables(model), values, strict=True)
    if not are_finite(value for variable, value in pairs if id(variable) not in metrics):
        raise Diverged(progress["step"], progress["steps_per_epoch"], "weights are")
    if not trainer.is_chief:
        return
    header = json.dumps({"variables": _names(model), "progress": progress})
    arrays = {f"v{number}": value for number, value in enumerate(values)}
    write_npz(path, {"header": np.frombuffer(header.encode(), np.uint8), **arrays})


def load(path, model):
    """Bring a model to the state of a checkpoint.

    Args:
        path: Path of the file.
        model: Compiled model whose optimizer and metrics are built.

    Returns:
        `progress` as given to `save`.

    Raises:
        RecipeError: if the file is damaged or belongs to another model.
    """
    variables = state_variables(model)
    try:
        arrays = read_npz(path, _limit(_SPARE_BYTES + 4 * _bytes(variables)), checksums=True)
        header = json.loads(arrays.pop("header").tobytes())
        names, progress = header["variables"], header["progress"]
        values = [arrays.pop(f"v{number}") for number in range(len(names))]
    except (DataError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error).removeprefix(f"{path} is ").rstrip(".")[:200]
        raise RecipeError(
            f"{path} is no checkpoint of keras_twist, or damaged: {reason}."
        ) from error
    if _names(model) != names:
        raise RecipeError(f"{path} is a checkpoint of another model than the recipe's.")
    if arrays or [(v.shape, str(v.dtype)) for v in values] != [
        (tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype))
        for variable in variables
    ]:
        raise RecipeError(f"{path} is damaged: its arrays are not those that its header names.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return progress


def _limit(limit):
    """Function that refuses an array of a checkpoint where it would take too much memory."""
    left = limit

    def check(name, shape, dtype):
        nonlocal left
        left -= math.prod(shape) * dtype.itemsize
        if left < 0:
            raise ValueError("it holds more than this model and its optimizer")

    return check


def _bytes(variables):
    # Eight for each element are enough for every type that there is.
    return sum(8 * math.prod(variable.shape) for variable in variables)


def _names(model):
    """Path and shape of every variable, without the numbers that Keras counts up in a process."""
    return [
        f"{re.sub(r'_[0-9]+(?=/|$)', '', variable.path)} {variable.shape}"
        for variable in state_variables(model)
    ]
