"""Time spent training, and nothing else."""

import time

import keras


class Stopwatch(keras.callbacks.Callback):
    """Measures the seconds that training steps take: no validation, no callbacks at epoch ends.

    Put it first in the list of callbacks. At the end of each epoch it adds to the logs

    - `seconds`: time of the epoch's training steps, from the start of the epoch to the start of
      validation or, without validation, to the end of the epoch;
    - `total_seconds`: their sum over all epochs;
    - `images_per_second`, if it knows the batch size.

    The first step of a `fit` includes tracing and compiling. For a clock without them, run one
    step before (`keras_twist.recipes.fit` does, and restores every variable afterwards).

    It uses no hook at the end of a batch: one such hook makes Keras wait for every single step.

    Args:
        batch_size: Images per step, or None if unknown. Defaults to None.

    Example:
        >>> stopwatch = Stopwatch(batch_size=512)
        >>> stopwatch.total_seconds
        0.0

    Reference:
        The timing rules of [DAWNBench](https://dawn.cs.stanford.edu/benchmark/) as
        [cifar10-fast](https://github.com/davidcpage/cifar10-fast) follows them.
    """

    def __init__(self, batch_size=None):
        super().__init__()
        self.batch_size = batch_size
        self.total_seconds = 0.0
        self._carried = 0.0
        self._epoch_seconds = 0.0
        self._started = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_seconds = self._carried
        self.resume()

    def on_test_begin(self, logs=None):
        self.pause()

    def on_epoch_end(self, epoch, logs=None):
        self.pause()
        logs = {} if logs is None else logs
        logs["seconds"] = self._epoch_seconds
        logs["total_seconds"] = self.total_seconds
        steps, here = self.params.get("steps"), self._epoch_seconds - self._carried
        if self.batch_size and steps and here > 0:
            logs["images_per_second"] = self.batch_size * steps / here
        self._carried = 0.0

    def pause(self):
        """Stop the clock until the next epoch, or until `resume`."""
        if self._started is not None:
            seconds = time.perf_counter() - self._started
            self.total_seconds += seconds
            self._epoch_seconds += seconds
            self._started = None

    def resume(self):
        """Let the clock run, within an epoch."""
        self._started = time.perf_counter()

    def elapsed(self):
        """Seconds until the clock was last stopped: `(in all, in the current epoch)`."""
        return self.total_seconds, self._epoch_seconds

    def carry_over(self, total, in_epoch):
        """Go on from what `elapsed` gave in an earlier process."""
        self.total_seconds = total
        self._carried = in_epoch
