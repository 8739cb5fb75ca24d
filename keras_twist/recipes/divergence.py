"""A training whose numbers are no longer finite: found, dated, and kept out of checkpoints."""

import time

import keras
import numpy as np
from keras import ops

from keras_twist.recipes.recipe import RecipeError

# Each look waits for the step under way, so they are rare.
_SECONDS_BETWEEN_LOOKS = 5.0


class Diverged(RecipeError):
    """The training cannot go on: outputs or weights are infinite or no numbers.

    Attributes:
        step: Number of the batch, from 1 through all epochs, at which it began.
    """

    def __init__(self, step, steps_per_epoch, what):
        epoch, batch = divmod(step - 1, steps_per_epoch)
        super().__init__(
            f"the training diverged: {what} not finite since step {step} (batch {batch + 1} of "
            f"epoch {epoch + 1}). The last good checkpoint is kept; a lower learning rate or a "
            "longer rise to it usually helps."
        )
        self.step = step


@keras.saving.register_keras_serializable(package="keras_twist")
class FiniteBatches(keras.metrics.Metric):
    """Counts the batches of an epoch up to the first with an output that is not finite.

    Nothing in a compiled step can stop the training, and to look at each step's loss from outside
    would make every step wait. The count tells afterwards which step it was.

    Args:
        replicas: Copies of the model that count, each its own share of every batch. What is not
            finite in one is in all of them a batch later, so that the mean of their counts, rounded
            down, is the lowest. Defaults to 1.
    """

    def __init__(self, replicas=1, name="finite_batches", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.replicas = replicas
        # Replicas add up their variables, hence 0 and not 1 for a good beginning.
        self.broken = self.add_variable((), "zeros", name="broken")
        self.batches = self.add_variable((), "zeros", name="batches")

    def update_state(self, y_true, y_pred, sample_weight=None):
        finite = ops.cast(ops.all(ops.isfinite(y_pred)), self.dtype)
        self.broken.assign(ops.maximum(self.broken, 1 - finite))
        self.batches.assign_add(1 - self.broken)

    def get_config(self):
        return {**super().get_config(), "replicas": self.replicas}

    def result(self):
        return ops.where(self.broken > 0, ops.floor(self.batches / self.replicas), -1.0)


class StopOnDivergence(keras.callbacks.Callback):
    """Raises `Diverged` soon after `FiniteBatches` has met something that is not finite.

    It looks every few seconds and after each epoch, from whose logs it takes the count away; it
    goes before whoever reports or keeps the epoch. The validation is not judged by: half-precision
    numbers may overflow there early on, when batch normalisation's averages lag behind.

    Args:
        steps_per_epoch: Batches in a whole epoch. A resumed epoch's count goes on from before.
        trainer: What runs the training.
    """

    def __init__(self, steps_per_epoch, trainer):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.trainer = trainer
        self._epoch_start = None
        self._last = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_start = epoch * self.steps_per_epoch

    def on_train_batch_begin(self, batch, logs=None):
        due = time.monotonic() - self._last > _SECONDS_BETWEEN_LOOKS
        if batch and self.trainer.agree(batch, due):
            self.look()
            self._last = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        logs.pop("val_finite_batches", None)
        self._judge(logs.pop("finite_batches"))

    def look(self):
        """Raise if a batch of this epoch was not finite."""
        self._judge(self.trainer.results()["finite_batches"])

    def _judge(self, count):
        count = int(count)
        if count >= 0:
            step = self._epoch_start + count + 1
            raise Diverged(step, self.steps_per_epoch, "the network's outputs are")


def are_finite(arrays):
    """Whether all numbers in all arrays are finite; integers are."""
    return all(np.isfinite(array).all() for array in arrays if array.dtype.kind not in "iub")
