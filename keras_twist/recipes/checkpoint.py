"""The whole state of a training in one file, so that a resumed run ends as if never stopped."""

import json
import signal
import threading
import time
import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_twist.files import partial_file
from keras_twist.recipes.recipe import RecipeError

FILE_NAME = "checkpoint.npz"


class Interrupted(Exception):
    """A signal asked the training to stop, and it did, with a checkpoint written.

    Attributes:
        signum: The signal's number.
        step: Batches that the checkpoint has been trained on.
        folder: Path of the run folder.
    """

    def __init__(self, signum, step, folder):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.step = step
        self.folder = folder


def state_variables(model):
    """Everything that a training step reads and writes, each variable once.

    A `.keras` file would not do: it leaves out the seeds of dropout layers and the metrics of an
    epoch that has begun.
    """
    variables = {}
    for group in (model.variables, model.optimizer.variables, model.metrics_variables):
        variables.update((id(variable), variable) for variable in group)
    return list(variables.values())


def read_state(model):
    """Copies of all state variables, in the order of `state_variables`."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in state_variables(model)]


def write_state(model, values):
    """Give all state variables these values; the counterpart of `read_state`."""
    for variable, value in zip(state_variables(model), values, strict=True):
        variable.assign(value)


def save(path, model, step, seconds):
    """Write a checkpoint: whole or not there, whenever the process dies.

    Args:
        path: Path of the file.
        model: Compiled model whose optimizer is built.
        step: Batches trained on.
        seconds: Training time so far, in all and in the current epoch.
    """
    values = read_state(model)
    names = [f"{variable.path} {variable.shape}" for variable in state_variables(model)]
    header = json.dumps({"step": step, "seconds": seconds, "variables": names})
    arrays = {f"v{number}": value for number, value in enumerate(values)}
    with partial_file(path) as file:
        np.savez(file, header=np.frombuffer(header.encode(), np.uint8), **arrays)


def load(path, model):
    """Bring a model to the state of a checkpoint.

    Args:
        path: Path of the file.
        model: Compiled model whose optimizer and metrics are built.

    Returns:
        `(step, seconds)` as given to `save`.

    Raises:
        RecipeError: if the file is damaged or belongs to another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            values = [file[f"v{number}"] for number in range(len(header["variables"]))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecipeError(
            f"{path} is no checkpoint of keras_twist, or damaged: {error}."
        ) from error
    names = [f"{variable.path} {variable.shape}" for variable in state_variables(model)]
    if names != header["variables"]:
        raise RecipeError(f"{path} is a checkpoint of another model than the recipe's.")
    write_state(model, values)
    return header["step"], header["seconds"]


class Checkpoint(keras.callbacks.Callback):
    """Writes the state after every epoch, every few minutes within one, and on a stop signal.

    Args:
        folder: Where `checkpoint.npz` is written.
        stopwatch: The run's `Stopwatch`, whose clock stands still meanwhile.
        minutes: Time between checkpoints within an epoch.
        step: Batches that earlier processes have trained on. Not the optimizer's count, which a
            skipped step of loss scaling does not advance.
        metrics: With a run that goes on within an epoch, the values that the epoch's metrics had,
            set once Keras has cleared them.
    """

    def __init__(self, folder, stopwatch, minutes, step=0, metrics=None):
        super().__init__()
        self.path = Path(folder) / FILE_NAME
        self.stopwatch = stopwatch
        self.minutes = minutes
        self.metrics = metrics
        self.step = step
        self.signum = None
        self._epoch_start = step
        self._last = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_start = self.step
        if self.metrics is not None:
            for variable, value in zip(self.model.metrics_variables, self.metrics, strict=True):
                variable.assign(value)
            self.metrics = None

    # At the beginning of a batch and not at the end, where one hook would make Keras wait for
    # every step.
    def on_train_batch_begin(self, batch, logs=None):
        self.step = self._epoch_start + batch
        if self.signum is not None:
            self.write()
            raise Interrupted(self.signum, self.step, self.path.parent)
        if time.monotonic() - self._last > 60 * self.minutes:
            self.write()
            self.stopwatch.resume()

    def on_epoch_end(self, epoch, logs=None):
        self.step = self._epoch_start + self.params["steps"]
        self.write(epoch_seconds=0.0)
        if self.signum is not None:
            raise Interrupted(self.signum, self.step, self.path.parent)

    def write(self, epoch_seconds=None):
        """Write the checkpoint now; `epoch_seconds` is where the next process starts counting."""
        self.stopwatch.pause()
        total, in_epoch = self.stopwatch.elapsed()
        seconds = (total, in_epoch if epoch_seconds is None else epoch_seconds)
        save(self.path, self.model, self.step, seconds)
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
