"""Progress inside an epoch, where somebody is watching."""

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar(keras.callbacks.Callback):
    """One bar per epoch with the steps done and the time left; it vanishes when the epoch ends.

    Args:
        first_step: Steps of the first epoch that an earlier process did.
        console: `rich.console.Console` to draw on, or None for the terminal.
    """

    def __init__(self, first_step=0, console=None):
        super().__init__()
        self.first_step = first_step
        self.console = console
        self._progress = None

    def on_epoch_begin(self, epoch, logs=None):
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]} {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            transient=True,
            console=self.console,
        )
        done, self.first_step = self.first_step, 0
        self._task = self._progress.add_task(
            "training", total=done + self.params["steps"], completed=done, epoch=epoch + 1
        )
        self._done = done
        self._progress.start()

    def on_train_batch_begin(self, batch, logs=None):
        self._progress.update(self._task, completed=self._done + batch)

    def on_test_begin(self, logs=None):
        if self._progress:
            # The hook that counts comes before a step, and none after the last.
            (task,) = self._progress.tasks
            self._progress.update(self._task, description="validating", completed=task.total)

    def on_epoch_end(self, epoch, logs=None):
        self.close()

    def close(self):
        """Take the bar off the screen."""
        if self._progress:
            self._progress.stop()
            self._progress = None
