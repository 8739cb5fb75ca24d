"""The callback that makes a `fit` a range test."""

import math

import keras

from keras_twist.callbacks import model_state
from keras_twist.callbacks._lr_suggestions import smooth
from keras_twist.callbacks._optimizers import batches_counted


class Sweep(keras.callbacks.Callback):
    """Sets each update's rate, notes its loss, and stops the training when it has seen enough."""

    def __init__(self, after, rate, rates, beta, divergence, batches, once):
        super().__init__()
        self.after = after
        self.rate = rate
        self.rates = rates
        self.beta = beta
        self.divergence = divergence
        self.batches = batches  # of one update
        self.once = once  # data that cannot start again, though Keras would repeat its beginning
        self.batch = 0
        self.losses = []
        self.finished = False
        self._of_update = []
        self.leftover = 0  # batches of an update that training had begun
        self._batch_at_epoch_begin = 0

    def on_train_begin(self, logs=None):
        self.leftover = -batches_counted(self.model.optimizer) % self.batches
        # Here, and not before `fit`, which on some backends builds what is not built yet, and draws
        # a first order of the data for it; so it would have done in the first training.
        self.after.callback(model_state.RandomState().restore)
        self.after.enter_context(model_state.restored_variables(self.model))

    def on_epoch_begin(self, epoch, logs=None):
        self._batch_at_epoch_begin = self.batch

    def on_train_batch_begin(self, batch, logs=None):
        # On JAX, asking for the model moves the state of the step into its variables.
        model = self.model
        self.rate.assign(self.rates[len(self.losses)])
        # So that the loss in the logs, a mean since the last reset, is that of one batch.
        model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        if "loss" not in (logs or {}):
            raise ValueError(
                "Argument `model` must report `loss` from its `train_step`. "
                f"Received: {', '.join(logs or {}) or 'nothing'}"
            )
        self.batch += 1
        if self.batch <= self.leftover:
            return
        self._of_update.append(float(logs["loss"]))
        if len(self._of_update) < self.batches:
            return
        self.losses.append(sum(self._of_update) / self.batches)
        self._of_update = []
        self.finished = len(self.losses) == len(self.rates) or self._has_diverged()
        self.model.stop_training = self.finished

    def on_epoch_end(self, epoch, logs=None):
        if self.once or self.batch == self._batch_at_epoch_begin:
            self.model.stop_training = True

    def _has_diverged(self):
        if not math.isfinite(self.losses[-1]):
            return True
        smoothed = smooth(self.losses, self.beta)
        lowest = smoothed.min()
        # `divergence` times the lowest, for a loss that may be negative too.
        return smoothed[-1] > lowest + (self.divergence - 1) * abs(lowest)
