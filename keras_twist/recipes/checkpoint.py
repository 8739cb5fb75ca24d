"""Training that stops in order, keeps its whole state, and goes on as if it had never stopped."""

import dataclasses
import json
import signal
import threading
import time
import zlib
from pathlib import Path

import keras
import numpy as np

from keras_twist.data.errors import shown
from keras_twist.recipes import state_file
from keras_twist.recipes.recipe import RecipeError

FILE_NAME = "checkpoint.npz"
_PROGRESS = {
    "step": int,
    "steps_per_epoch": int,
    "seconds": (int, float),
    "epoch_seconds": (int, float),
}


def origin_of(recipe, data):
    """What a run is begun with: every field of the recipe, and prints of both sets of images."""
    fields = json.loads(json.dumps(dataclasses.asdict(recipe)))
    sets = {"train_images": data.train, "valid_images": data.valid}
    return fields | {name: _print_of(*arrays) for name, arrays in sets.items()}


def _print_of(images, labels):
    """Number of images, and a checksum of all labels and of a hundred images; a string."""
    some = images[:: max(len(images) // 100, 1)]
    sum_of_labels = zlib.crc32(np.ascontiguousarray(labels, "int64"))
    return f"{len(images)}-{zlib.crc32(np.ascontiguousarray(some), sum_of_labels):08x}"


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
        trainer: What runs the training.
        origin: Dict of JSON values from what a run must go on with to what it is; see `origin_of`.
            Defaults to None, which looks at nothing.

    Attributes:
        step: Batches trained on, in all processes together. Not the optimizer's count, which a
            skipped step of loss scaling does not advance.
    """

    def __init__(
        self, folder, stopwatch, divergence, minutes, steps_per_epoch, trainer, origin=None
    ):
        super().__init__()
        self.path = Path(folder) / FILE_NAME
        self.stopwatch = stopwatch
        self.divergence = divergence
        self.minutes = minutes
        self.steps_per_epoch = steps_per_epoch
        self.trainer = trainer
        self.origin = origin or {}
        self.step = 0
        self.signum = None
        self._epoch_start = 0
        self._metrics = None
        self._last = time.monotonic()

    def restore(self, model):
        """Go on where the folder's checkpoint is; from the start if it has none yet.

        Raises:
            RecipeError: if the checkpoint is damaged, of another model, recipe or other data.
        """
        if not self.path.exists():
            return
        progress = state_file.load(self.path, model)
        _check_progress(self.path, progress)
        if progress["steps_per_epoch"] != self.steps_per_epoch:
            raise RecipeError(
                f"{self.path} was trained on {progress['steps_per_epoch']} batches an epoch; this "
                f"data set gives {self.steps_per_epoch}."
            )
        self._check_origin(progress.get("origin"))
        self.step = progress["step"]
        self.stopwatch.carry_over(progress["seconds"], progress["epoch_seconds"])
        if self.step % self.steps_per_epoch:
            # Keras clears them when it begins the rest of the epoch.
            self._metrics = [keras.ops.convert_to_numpy(v).copy() for v in model.metrics_variables]

    def _check_origin(self, found):
        """Raise unless what a run was begun with is what it has now, as far as it is known."""
        if not isinstance(found, dict):
            raise RecipeError(f"{self.path} is damaged: it does not tell its origin.")
        for name, now in self.origin.items():
            # A field that recipes have got since stands for what they did before.
            if found.get(name, now) != now:
                now, begun = (shown(str(value))[:100] for value in (now, found[name]))
                hint = " Give the data_dir that it was begun with." * name.endswith("_images")
                raise RecipeError(
                    f"{self.path} was begun with {name}={begun} and goes on with nothing else."
                    f"{hint} Received: {name}={now}"
                )

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
        # One number for both, so that workers talk once: a signal in its upper bits.
        wanted = self.trainer.agree(batch, 2 * (self.signum or 0) + due)
        if wanted:
            self.divergence.look()
            self.write()
            self.stopwatch.resume()
        self._stop(wanted // 2)

    def on_epoch_end(self, epoch, logs=None):
        self.step = (epoch + 1) * self.steps_per_epoch
        self.write()
        self._stop(self.trainer.agree(0, self.signum or 0))

    def _stop(self, signum):
        if signum:
            raise Interrupted(signum, self.step, self.path.parent)

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
            "origin": self.origin,
        }
        state_file.save(self.path, self.model, progress, self.trainer)
        self._last = time.monotonic()

    def __enter__(self):
        # Only the main thread may handle signals; in another one they are not ours.
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                # Ctrl-C is not meant for what a script has started by `&`: there it is ignored.
                if signal.getsignal(signum) is not signal.SIG_IGN:
                    self._handlers[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *error):
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)

    def _note(self, signum, frame):
        if self.signum is not None:  # The second one means now.
            raise KeyboardInterrupt(signum)
        self.signum = signum
