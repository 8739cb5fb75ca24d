"""Files of a trained model for other programs, each checked against the model it was made from."""

import contextlib
import dataclasses
import io
import logging
import shutil
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from keras_twist.data.stateless import on_jax
from keras_twist.files import alone_in
from keras_twist.quiet_start import hushed
from keras_twist.recipes import runtime, task
from keras_twist.recipes.onnx_erfc import register_erfc
from keras_twist.recipes.recipe import RecipeError

FOLDER = "export"
NAMES = {
    "keras": "model.keras",
    "saved_model": "saved_model",
    "tflite": "model.tflite",
    "onnx": "model.onnx",
}
_ONNX_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
# Images that a file is checked with, and how far its logits may be off, as a share of the largest.
CHECKED, TOLERANCE = 64, 1e-3


@dataclasses.dataclass(frozen=True)
class Exported:
    """A file that was made.

    Attributes:
        kind: `"keras"`, `"saved_model"`, `"tflite"` or `"onnx"`.
        path: Where it is; a folder for `"saved_model"`.
        size: Its bytes.
        images: Validation images that it was checked with.
        difference: Largest deviation of its logits from the model's.
    """

    kind: str
    path: Path
    size: int
    images: int
    difference: float

    def to_dict(self):
        """Values of JSON."""
        return vars(self) | {"path": str(self.path)}

    def __str__(self):
        return (
            f"{self.kind}: {self.path}, {self.size / 1e6:.1f} MB, on {self.images} images the same "
            f"classes as the model, logits within {self.difference:.1e}"
        )


def check_packages(kinds):
    """Raise `RecipeError`, which says what to do, if a kind of file needs what is missing."""
    if on_jax() and (refused := [kind for kind in dict.fromkeys(kinds) if kind != "keras"]):
        raise RecipeError(
            f"--export {' '.join(refused)} needs TensorFlow to compute: --trained RUN --export "
            f"{' '.join(refused)} makes it of a finished run, with KERAS_BACKEND=tensorflow"
        )
    missing = [name for name in _ONNX_PACKAGES if find_spec(name) is None]
    if "onnx" in kinds and missing:
        raise RecipeError(
            f"--export onnx needs {', '.join(missing)}: pip install 'keras_twist[onnx]'"
        )


def export(model, recipe, data, folder, kinds):
    """Makes files of a trained model in float32, one by one, checks them, keeps them in `export/`.

    They take images as the network does: normalised, `(n, height, width, 3)`, any number at once;
    and give logits. `.keras` needs this package to be loaded, the others need nothing of it.

    Args:
        model: The trained `keras.Model`.
        recipe: The run's `Recipe`.
        data: Its `Data`; some of the validation images check the files.
        folder: Path of the run folder.
        kinds: Some of `"keras"`, `"saved_model"`, `"tflite"`, `"onnx"`.

    Yields:
        `Exported`, for each file as it is made.

    Raises:
        RecipeError: if a package is missing, a file cannot be made, or does not do what the model
            does; then it is not kept.

    Example:
        ```python
        recipe, model = load_trained("runs/quick-20260101-120000")
        data = task.of(recipe).load(recipe)
        list(export(model, recipe, data, "runs/quick-20260101-120000", ["tflite"]))
        ```
    """
    check_packages(kinds)
    network = _in_float32(model, recipe)
    images = data.valid[0]
    # From all of the set, which may be sorted by class.
    chosen = np.linspace(0, len(images) - 1, min(CHECKED, len(images))).astype(int)
    images = np.asarray(task.of(recipe).normalization()(images[chosen]), "float32")
    expected = np.asarray(network.predict_on_batch(images))
    if not np.isfinite(expected).all():
        raise RecipeError("The network gives no finite numbers: its training diverged.")
    target = Path(folder) / FOLDER
    target.mkdir(exist_ok=True)
    with alone_in(target):
        for left in target.glob(".partial-*"):  # By an export that was killed.
            shutil.rmtree(left, ignore_errors=True)
        for kind in dict.fromkeys(kinds):
            made = target / NAMES[kind]
            with tempfile.TemporaryDirectory(dir=target, prefix=".partial-") as partial:
                path = Path(partial) / NAMES[kind]
                given = _make_and_run(kind, network, path, images)
                difference = _check(kind, given, expected)
                _replace(path, made)
            yield Exported(kind, made, _size(made), len(images), difference)


def _in_float32(model, recipe):
    """The same network in float32, which every other program knows."""
    with runtime.precision_policy("float32"):
        network = task.of(recipe).build_network(recipe)
    try:
        network.set_weights(model.get_weights())
    except ValueError as error:
        raise RecipeError(
            f"The model is another network than the recipe's, {recipe.model}, has."
        ) from error
    return network


def _make_and_run(kind, network, path, images):
    """Make a file, and return what it gives for the images."""
    makers = {"keras": _keras, "saved_model": _saved_model, "tflite": _tflite, "onnx": _onnx}
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)  # The converters report their steps as if they were news.
    try:
        # And on the screen, past Python; what goes wrong is an exception. Keras 3.8 prints, too.
        with hushed(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return makers[kind](network, path, images)
    except Exception as error:  # Four libraries, each with its own kinds.
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"--export {kind} failed: {type(error).__name__}: {reason}") from error
    finally:
        logging.disable(level)


def _keras(network, path, images):
    network.save(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True).predict_on_batch(images)


def _saved_model(network, path, images):
    import tensorflow as tf

    network.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(path))  # In a variable, since it owns the weights.
    return loaded.serve(images)


def _tflite(network, path, images):
    import tensorflow as tf

    # Not by `network.export(format="litert")`, which Keras has from 3.13 on.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    run = _interpreter()(model_path=str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    (given,) = run(**{name: images}).values()
    return given


def _interpreter():
    """TFLite's interpreter, which is about to move from TensorFlow into a package of its own."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        return tf.lite.Interpreter
    return Interpreter


def _onnx(network, path, images):
    import onnxruntime

    register_erfc()
    network.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {session.get_inputs()[0].name: images})
    return given


def _check(kind, given, expected):
    """The largest difference; RecipeError if it is too large."""
    given = np.asarray(given, "float32")
    difference = float(np.abs(given - expected).max())
    same = (given.argmax(axis=1) == expected.argmax(axis=1)).all()
    if not (same and difference <= TOLERANCE * np.abs(expected).max()):
        raise RecipeError(
            f"--export {kind} failed: its logits differ from the model's by {difference:.2g}."
        )
    return difference


def _replace(path, target):
    if target.is_dir():
        shutil.rmtree(target)
    path.replace(target)


def _size(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
