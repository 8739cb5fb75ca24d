"""What the trained model says about each validation image, kept for pictures and the report."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from keras_twist.data.errors import DataError, is_showable
from keras_twist.data.npz import read_npz, write_npz
from keras_twist.plots.scores import (
    as_labels,
    check_lengths,
    most_confidently_wrong,
    probabilities,
)
from keras_twist.recipes import task
from keras_twist.recipes.recipe import RecipeError

PREDICTIONS = "predictions.npz"
SHOWN = 20
# What the arrays are, by their number of axes, and the most that one may take in memory.
_AXES = {"labels": 1, "probabilities": 2, "class_names": 1, "worst": 1, "images": 4}
_MAX_BYTES = 2**28
_MAX_SIDE = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """One pass over the validation set.

    Attributes:
        labels: Integer array of shape `(n,)`: the true classes.
        probabilities: float32 array of shape `(n, classes)`.
        class_names: Tuple of strings.
        worst: Positions of the most confident mistakes, the worst first.
        images: Their pictures, uint8 of shape `(len(worst), height, width, channels)`.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple
    worst: np.ndarray
    images: np.ndarray

    @property
    def predicted(self):
        """Integer array of shape `(n,)`: the likeliest class of each image."""
        return self.probabilities.argmax(axis=1)


def predict(model, recipe, data):
    """Predicts the validation set, normalised as in training.

    Args:
        model: The trained `keras.Model`, which gives logits.
        recipe: The `Recipe` of the run.
        data: Its `Data`.

    Returns:
        `Predictions`.
    """
    images, labels = data.valid
    logits = model.predict(task.validation_batches(recipe, data), verbose=0)
    # A network whose training diverged gives NaN, which is for no class more than for another.
    shares = probabilities(np.nan_to_num(np.asarray(logits, "float64"), nan=0.0))
    labels = np.asarray(labels, "int64")
    worst = most_confidently_wrong(labels, shares, SHOWN)
    return Predictions(labels, shares.astype("float32"), data.class_names, worst, images[worst])


def flip_averaged_accuracy(model, recipe, data):
    """Accuracy on the validation set of the mean logits of each image and its mirror image.

    Args:
        model: The trained `keras.Model`, which gives logits.
        recipe: The `Recipe` of the run.
        data: Its `Data`.

    Returns:
        Float in `[0, 1]`.
    """
    images, labels = data.valid
    views = data, dataclasses.replace(data, valid=(images[:, :, ::-1], labels))
    batches = (task.validation_batches(recipe, view) for view in views)
    logits = sum(model.predict(view, verbose=0) for view in batches)
    return float(np.mean(logits.argmax(axis=1) == labels))


def save_predictions(predictions, folder):
    """Write `predictions.npz` into a run folder.

    Args:
        predictions: `Predictions`.
        folder: Path of the run folder.
    """
    arrays = {
        field.name: np.asarray(getattr(predictions, field.name))
        for field in dataclasses.fields(Predictions)
    }
    write_npz(Path(folder) / PREDICTIONS, arrays)


def load_predictions(folder):
    """The `Predictions` of a run folder; None where none were kept, for instance on a full disk.

    Args:
        folder: Path of the run folder.

    Returns:
        `Predictions` or None.

    Raises:
        RecipeError: if the file is damaged.
    """
    path = Path(folder) / PREDICTIONS
    if not path.exists():
        return None
    try:
        arrays = read_npz(path, _check_array, checksums=True)
        if missing := sorted(_AXES.keys() - arrays.keys()):
            raise ValueError(f"it holds no {', '.join(missing)}")
        found = Predictions(**arrays)
        _check(found)
    except ValueError as error:
        reason = str(error)
        if isinstance(error, DataError):
            reason = reason.removeprefix(f"{path} is ").rstrip(".")
        raise RecipeError(f"{path} is damaged: {reason}.") from error
    return dataclasses.replace(found, class_names=tuple(map(str, found.class_names)))


def _check_array(name, shape, dtype):
    """Refuse an array before it is read; what it holds is for `_check`."""
    if name not in _AXES:
        raise ValueError(f"it holds {name[:60]!r}")
    if len(shape) != _AXES[name] or math.prod(shape) * dtype.itemsize > _MAX_BYTES:
        raise ValueError(f"{name} is {str(dtype)[:60]} of shape {str(shape)[:60]}")


def _check(found):
    """Raise ValueError unless the arrays are predictions that fit each other."""
    shares = probabilities(found.probabilities)
    as_labels("labels", found.labels, shares.shape[1])
    as_labels("worst", found.worst, max(len(shares), 1))
    check_lengths(labels=found.labels, probabilities=shares)
    check_lengths(images=found.images, worst=found.worst)
    if len(found.class_names) != shares.shape[1]:
        raise ValueError(f"{len(found.class_names)} class names for {shares.shape[1]} classes")
    if found.class_names.dtype.kind != "U":
        raise ValueError("`class_names` must be strings")
    if not all(map(is_showable, found.class_names.tolist())):
        raise ValueError("`class_names` holds a control character")
    _, *sides, channels = found.images.shape
    shown = all(1 <= side <= _MAX_SIDE for side in sides) and channels in (1, 3)
    if found.images.dtype != np.uint8 or not shown:
        raise ValueError(
            "`images` must be uint8 of shape (n, height, width, channels), of 1 or 3 channels and "
            f"at most {_MAX_SIDE} pixels a side"
        )
