"""The whole state of a training in one file, so that a resumed run ends as if never stopped."""

import json
import math
import re
import signal
import threading
import time
from pathlib import Path

import keras
import numpy as np

from keras_twist.callbacks.model_state import read_variables, state_variables
from keras_twist.data.errors import DataError
from keras_twist.data.npz import read_npz
from keras_twist.files import partial_file
from keras_twist.recipes.divergence import Diverged, are_finite
from keras_twist.recipes.recipe import RecipeError

FILE_NAME = "checkpoint.npz"
_PROGRESS = {
    "step": int,
    "steps_per_epoch": int,
    "seconds": (int, float),
    "epoch_seconds": (int, float),
}
# For the header, and for a model that is a little larger, which gets a better message.
_SPARE_BYTES = 2**26


class Interrupted(Exception):
    """A signal asked the training to stop, and it did, with a checkpoint written.

    Attributes:
        signum: The signal's number.
        step: Batches that the checkpoint has been trained on.
        folder: Path of the run folder.

    Example:
        >>> stopped = Interrupted(signal.SIGINT, step=98, folder=Path("runs/quick-1"))
        >>> f"{stopped} after batch {stopped.step}, to go on from {stopped.folder}"
        'SIGINT after batch 98, to go on from runs/quick-1'
    """

    def __init__(self, signum, step, folder):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.step = step
        self.folder = folder


def read_state(model):
    """Copies of all state variables, in the order of `state_variables`."""
    return read_variables(state_variables(model))


def write_state(model, values):
    """Give all state variables these values; the counterpart of `read_state`."""
    for variable, value in zip(state_variables(model), values, strict=True):
        variable.assign(value)


def save(path, model, progress):
    """Write a checkpoint: whole or not there, whenever the process dies.

    Args:
        path: Path of the file.
        model: Compiled model whose optimizer is built.
        progress: JSON object with `step` and `steps_per_epoch`, which `load` gives back.

    Raises:
        Diverged: if a number is not finite; the file is what it was.
    """
    values = read_state(model)
    if not are_finite(values):
        raise Diverged(progress["step"], progress["steps_per_epoch"], "weights are")
    header = json.dumps({"variables": _names(model), "progress": progress})
    arrays = {f"v{number}": value for number, value in enumerate(values)}
    with partial_file(path) as file:
        np.savez(file, header=np.frombuffer(header.encode(), np.uint8), **arrays)


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
    write_state(model, values)
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


def _check_progress(path, progress):
    """Raise unless `progress` is what `Checkpoint.write` writes."""
    for key, kinds in _PROGRESS.items():
        value = progress.get(key) if isinstance(progress, dict) else None
        whole = isinstance(value, kinds) and not isinstance(value, bool)
        if not whole or not 0 <= value < 2**53:
            raise RecipeError(f"{path} is damaged: it does not tell its {key}.")


class Checkpoint(keras.callbacks.Callback):
    """Writes the state after every epoch, every few minutes within one, and on a stop signal.

    As a context manager it turns SIGINT and SIGTERM into an orderly stop: the step in progress is
    finished, the checkpoint written and `Interrupted` raised. A second signal stops at once.

    Args:
        folder: Where `checkpoint.npz` is written.
        stopwatch: The run's `Stopwatch`, whose clock stands still meanwhile.
        divergence: The run's `StopOnDivergence`, which looks before anything is written.
        minutes: Time between checkpoints within an epoch.
        steps_per_epoch: Batches in a whole epoch.

    Attributes:
        step: Batches trained on, in all processes together. Not the optimizer's count, which a
            skipped step of loss scaling does not advance.
    """

    def __init__(self, folder, stopwatch, divergence, minutes, steps_per_epoch):
        super().__init__()
        self.path = Path(folder) / FILE_NAME
        self.stopwatch = stopwatch
        self.divergence = divergence
        self.minutes = minutes
        self.steps_per_epoch = steps_per_epoch
        self.step = 0
        self.signum = None
        self._epoch_start = 0
        self._metrics = None
        self._last = time.monotonic()

    def restore(self, model):
        """Go on where the folder's checkpoint is; from the start if it has none yet.

        Raises:
            RecipeError: if the checkpoint is damaged, of another model or of other data.
        """
        if not self.path.exists():
            return
        progress = load(self.path, model)
        _check_progress(self.path, progress)
        if progress["steps_per_epoch"] != self.steps_per_epoch:
            raise RecipeError(
                f"{self.path} was trained on {progress['steps_per_epoch']} batches an epoch; this "
                f"data set gives {self.steps_per_epoch}."
            )
        self.step = progress["step"]
        self.stopwatch.carry_over(progress["seconds"], progress["epoch_seconds"])
        if self.step % self.steps_per_epoch:
            # Keras clears them when it begins the rest of the epoch.
            self._metrics = [keras.ops.convert_to_numpy(v).copy() for v in model.metrics_variables]

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_start = self.step
        if self._metrics is not None:
            for variable, value in zip(self.model.metrics_variables, self._metrics, strict=True):
                variable.assign(value)
            self._metrics = None

    # At the beginning of a batch and not at the end, where one hook would make Keras wait for
    # every step.
    def on_train_batch_begin(self, batch, logs=None):
        self.step = self._epoch_start + batch
        due = time.monotonic() - self._last > 60 * self.minutes
        if self.signum is not None or due:
            self.divergence.look()
            self.write()
            self.stopwatch.resume()
        if self.signum is not None:
            raise Interrupted(self.signum, self.step, self.path.parent)

    def on_epoch_end(self, epoch, logs=None):
        self.step = (epoch + 1) * self.steps_per_epoch
        self.write()
        if self.signum is not None:
            raise Interrupted(self.signum, self.step, self.path.parent)

    def write(self):
        """Write the checkpoint now."""
        self.stopwatch.pause()
        seconds, epoch_seconds = self.stopwatch.elapsed()
        within_epoch = self.step % self.steps_per_epoch > 0
        progress = {
            "step": self.step,
            "steps_per_epoch": self.steps_per_epoch,
            "seconds": seconds,
            "epoch_seconds": epoch_seconds if within_epoch else 0.0,
        }
        save(self.path, self.model, progress)
        self._last = time.monotonic()

    def __enter__(self):
        # Only the main thread may handle signals; in another one they are not ours.
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._handlers[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *error):
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)

    def _note(self, signum, frame):
        if self.signum is not None:  # The second one means now.
            raise KeyboardInterrupt
        self.signum = signum
