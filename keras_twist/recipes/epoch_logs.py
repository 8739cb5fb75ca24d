"""Keras's own records of a training, beside `metrics.jsonl`: a CSV file, and TensorBoard's."""

import contextlib
import math
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import keras

from keras_twist.callbacks.reporting import with_learning_rate
from keras_twist.recipes.recipe import RecipeError

FILES = {"csv": "training.csv", "tensorboard": "tensorboard"}


def check_logs(wanted):
    """Raise `RecipeError` if a record is unknown, or needs a package that is to be installed."""
    if unknown := [name for name in wanted if name not in FILES]:
        raise RecipeError(f"`log` takes {' and '.join(FILES)}. Received: {unknown[0]!r}")
    if "tensorboard" in wanted and find_spec("tensorboard") is None:
        raise RecipeError(
            "--log tensorboard needs a package: pip install 'keras_twist[tensorboard]'"
        )
    # Keras's callback writes by TensorFlow, whatever computes.
    if "tensorboard" in wanted and find_spec("tensorflow") is None:
        raise RecipeError("--log tensorboard needs TensorFlow, which is not installed; take csv")


def epoch_logs(folder, wanted, model, rows):
    """Callbacks that write what is wanted, and what a resumed run wrote before.

    What stands there is written anew from the rows: an epoch that a `kill -9` kept from its
    checkpoint would be there twice, and others may be missing, for TensorBoard writes late.

    Args:
        folder: Path of the run folder.
        wanted: Some of `"csv"` and `"tensorboard"`.
        model: The compiled `keras.Model`.
        rows: Metrics of the epochs done, as in `metrics.jsonl`.

    Returns:
        List of callbacks with a method `close`.

    Raises:
        RecipeError: if a record is unknown or a package is missing.
    """
    paths = {name: Path(folder) / file for name, file in FILES.items()}
    used = [name for name, path in paths.items() if name in wanted or path.exists()]
    check_logs(used)
    makers = {"csv": _csv, "tensorboard": _tensorboard}
    return [makers[name](paths[name], model, rows) for name in used]


class _CSV(keras.callbacks.CSVLogger):
    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, with_learning_rate(logs, self.model))

    def close(self):
        """Close the file, also after an interruption."""
        self.on_train_end()


@contextlib.contextmanager
def _disk_errors():
    """TensorFlow's errors of a full disk or a folder that is read-only, as Python's `OSError`."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        reason = re.sub(r"{{.*?}}|\[Op:.*", "", " ".join(str(error).split())).strip()[:300]
        raise OSError(f"TensorBoard's records cannot be written: {reason}") from error


class _TensorBoard(keras.callbacks.TensorBoard):
    # With these hooks Keras would wait for the end of each step; what they record is switched off.
    on_train_batch_begin = keras.callbacks.Callback.on_train_batch_begin
    on_train_batch_end = keras.callbacks.Callback.on_train_batch_end
    on_test_batch_begin = keras.callbacks.Callback.on_test_batch_begin
    on_test_batch_end = keras.callbacks.Callback.on_test_batch_end
    # These would record the validation by steps besides, and of the metrics one that is ours alone.
    on_test_begin = keras.callbacks.Callback.on_test_begin
    on_test_end = keras.callbacks.Callback.on_test_end

    @_disk_errors()
    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)

    @_disk_errors()
    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, with_learning_rate(logs, self.model))

    @_disk_errors()
    def on_train_end(self, logs=None):
        super().on_train_end(logs)

    def close(self):
        """Write what is still in memory, also after an interruption."""
        self.on_train_end()


def _csv(path, model, rows):
    path.unlink(missing_ok=True)
    log = _CSV(path, append=True)
    if rows:
        log.set_model(model)
        log.on_train_begin()
        for row in rows:
            log.on_epoch_end(row["epoch"] - 1, {k: v for k, v in row.items() if k != "epoch"})
        log.close()
    return log


@_disk_errors()
def _tensorboard(path, model, rows):
    import tensorflow as tf

    shutil.rmtree(path, ignore_errors=True)
    # Not by the callback itself, which takes the learning rate from the optimizer as it is now.
    for part, prefix in (("train", ""), ("validation", "val_")) if rows else ():
        writer = tf.summary.create_file_writer(str(path / part))
        with writer.as_default():
            for row in rows:
                for name, value in row.items():
                    if name != "epoch" and name.startswith("val_") == bool(prefix):
                        name, value = (
                            name.removeprefix(prefix),
                            math.nan if value is None else value,
                        )
                        tf.summary.scalar(f"epoch_{name}", value, step=row["epoch"] - 1)
        writer.close()
    return _TensorBoard(str(path), update_freq="epoch", write_graph=False, profile_batch=0)
