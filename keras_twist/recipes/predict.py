"""Class probabilities of pictures from anywhere, prepared as those of a run's validation are."""

from pathlib import Path

import keras
import numpy as np

from keras_twist.data import CIFAR10_CLASSES, IMAGENETTE_CLASSES, IMAGEWOOF_CLASSES, DataError
from keras_twist.data.image_decode import decode_square, decode_view
from keras_twist.data.image_folder import usual_stored_size
from keras_twist.data.image_sources import read_file
from keras_twist.plots.scores import probabilities
from keras_twist.recipes import task
from keras_twist.recipes.predictions import load_predictions
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.trained import load_trained

TOP = 5
# Of an interrupted run, which kept no predictions with the names in them.
_PUBLISHED = {
    "cifar": CIFAR10_CLASSES,
    "imagewoof": tuple(IMAGEWOOF_CLASSES.values()),
    "imagenette": tuple(IMAGENETTE_CLASSES.values()),
}


class Predictor:
    """The model of a run, for single pictures.

    Args:
        folder: Path of the run folder.

    Attributes:
        view: What it sees of a picture, in words.

    Raises:
        RecipeError: if the folder or something in it cannot be used.

    Example:
        ```python
        Predictor("runs/quick-20260101-120000").predict("cat.jpg")[0]
        ```
    """

    def __init__(self, folder):
        self.recipe, self.model = load_trained(folder)
        kept = load_predictions(folder)
        published = _PUBLISHED[getattr(self.recipe, "dataset", self.recipe.task)]
        self.class_names = published if kept is None else kept.class_names
        if len(self.class_names) != self.model.output_shape[1]:
            raise RecipeError(
                f"{folder}: its model knows {self.model.output_shape[1]} classes, and there are "
                f"{len(self.class_names)} names of classes."
            )
        self.size = self.model.input_shape[1]
        # CIFAR-10's pictures are whole; those of ImageNet are shown without their border.
        self.zoom = getattr(self.recipe, "valid_scale", None)
        zoom = self.zoom or 1
        part = f"the middle {100 / zoom:.0f} % of its" if zoom > 1 else "all of its"
        self.view = (
            f"Of each picture the network sees the square in the middle, {part} shorter side, "
            f"resized to {self.size} x {self.size} pixels."
        )

    def predict(self, path):
        """The likeliest classes of a picture.

        Args:
            path: Path of a JPEG, PNG or WebP file.

        Returns:
            List of up to five `(name, probability)`, the likeliest first.

        Raises:
            DataError: if it cannot be read or decoded; the message names it.
            RecipeError: if the network gives NaN.
        """
        try:
            pixels = self._decode(read_file(Path(path)))
        except DataError as error:
            raise DataError(f"{path}: {error}.") from error
        image = task.of(self.recipe).normalization()(pixels[np.newaxis])
        logits = np.asarray(self.model.predict_on_batch(keras.ops.convert_to_tensor(image)))
        if not np.isfinite(logits).all():
            raise RecipeError("The network gives no finite numbers: its training diverged.")
        shares = probabilities(logits.astype("float64"))[0]
        order = shares.argsort()[::-1][:TOP]
        return [(self.class_names[number], float(shares[number])) for number in order]

    def _decode(self, contents):
        """The picture as validation would show it."""
        if self.zoom is None:
            return decode_square(contents, self.size, cut=True)[0]
        return decode_view(contents, self.size, usual_stored_size(self.size), self.zoom)[0]
