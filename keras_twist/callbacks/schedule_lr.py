"""Any schedule, set before every batch."""

import warnings

import keras

from keras_twist.callbacks._curve import Curve
from keras_twist.callbacks._optimizers import (
    batches_counted,
    batches_per_update,
    counting_optimizer,
    is_moved_by_schedule,
    momentum_of,
)
from keras_twist.callbacks._record import Record

# Batches from one look at the counter to the next while it agrees with what was counted.
LONGEST_TRUST = 32


class ScheduleLR(keras.callbacks.Callback):
    """Sets the learning rate, and the momentum, before every batch.

    A schedule given to the optimizer does the same inside the compiled step; this is for an
    optimizer that was made with a number. The step of the schedule is `optimizer.iterations`, the
    updates made so far: a second `fit`, and a model that was saved and loaded, go on where they
    were. Skipped loss-scale steps and the steps of gradient accumulation do not count.

    - `initial_epoch` moves nothing. With an optimizer that has made no update it raises a warning,
      since training then starts at the beginning of the curve: load the whole model, optimizer
      included, or set the counter: `optimizer.variables[0].assign(updates)`, under gradient
      accumulation `updates * gradient_accumulation_steps`, and behind a loss scale that of
      `optimizer.inner_optimizer`.
    - With `steps_per_execution` above 1 Keras calls callbacks once per execution: all its updates
      have the rate of its first. A schedule in the optimizer moves with each of them.
    - The updates are counted here between looks at the optimizer's counter, because a look waits
      for the step under way. While the two differ, as while a new loss scale is being found, it
      looks before every batch, else at longer intervals, of up to 32 batches. A single skipped
      step can therefore go unnoticed for so long, and the curve run ahead by one update.
    - At the end of an epoch `learning_rate` (and `momentum`, also for a `beta_1`) are in the logs:
      those of the next update, to which the optimizer is then set. Put this callback before those
      that report or save.

    It does not use the hook at the end of a batch: one such hook makes Keras wait for every step.

    Args:
        schedule: A `LearningRateSchedule`, or a function from the number of updates to the rate.
        momentum_schedule: Likewise for the `momentum` or `beta_1` of an optimizer of this package,
            also inside `Lookahead` and a loss scale. Defaults to None, which leaves it alone.

    Attributes:
        updates: Numbers of the updates in all trainings with this callback, in order.
        learning_rates: The rate that each of them used, float32.
        momenta: The momentum that each of them used, float32, or None.

    Raises:
        ValueError: if an argument is no schedule; when training starts, if the optimizer already
            follows a schedule or has a momentum that cannot be set.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> rates = ScheduleLR(keras_twist.schedules.PiecewiseLinear([0, 4], [0.4, 0.0]))
        >>> history = model.fit(np.ones((3, 1)), np.ones((3, 1)), 1, verbose=0, callbacks=[rates])
        >>> rates.learning_rates, [round(rate, 6) for rate in history.history["learning_rate"]]
        (array([0.4, 0.3, 0.2], dtype=float32), [0.1])
    """

    def __init__(self, schedule, momentum_schedule=None):
        super().__init__()
        self._rate = Curve("schedule", schedule)
        self._momentum = None
        if momentum_schedule is not None:
            self._momentum = Curve("momentum_schedule", momentum_schedule, limits=(0.0, 1.0))
        self.schedule = schedule
        self.momentum_schedule = momentum_schedule
        self._record = Record()
        self._moved = [curve for curve in (self._rate, self._momentum) if curve is not None]

    @property
    def updates(self):
        """Numbers of the updates in all trainings with this callback."""
        return self._record.updates()

    @property
    def learning_rates(self):
        """The rate that each of the `updates` used."""
        return self._record.values(0)

    @property
    def momenta(self):
        """The momentum that each of the `updates` used, or None."""
        return None if self._momentum is None else self._record.values(1)

    def on_train_begin(self, logs=None):
        optimizer = getattr(self.model, "optimizer", None)
        rate = getattr(optimizer, "learning_rate", None)
        if rate is None:
            raise ValueError(
                f"`{type(self).__name__}` needs a model that is compiled with an optimizer that "
                f"has a learning rate. Received: optimizer={optimizer}"
            )
        if not isinstance(rate, keras.Variable):
            raise ValueError(
                f"`{type(self).__name__}` cannot set the learning rate of an optimizer that "
                "already follows a schedule or a function. Compile the model with a number as "
                f"`learning_rate`, or leave the callback out. Received: optimizer={optimizer}"
            )
        self._rate.attach(rate)
        if self._momentum is not None:
            variable, name = self._settable_momentum(optimizer)
            # RAdam divides by what is missing to 1.
            self._momentum.attach(variable, below_high=name == "beta_1")
        self._per_update = batches_per_update(optimizer)
        self._first_epoch = True
        self._trust = 1

    def _settable_momentum(self, optimizer):
        name, value = momentum_of(optimizer)
        if isinstance(value, keras.Variable):
            return value, name
        if is_moved_by_schedule(value):
            why = f"already follows a schedule of its own. Construct it with a number as `{name}`"
        elif name:
            why = (
                f"freezes `{name}` into the compiled step. Use one of keras_twist.optimizers (SGD, "
                "RAdam, Ranger)"
            )
        else:
            why = "has none. Use one of keras_twist.optimizers (SGD, RAdam, Ranger)"
        raise ValueError(
            f"`{type(self).__name__}` cannot move the momentum of this optimizer, which {why}, or "
            f"leave the momentum alone: {self._without_momentum}. Received: optimizer={optimizer}"
        )

    _without_momentum = "momentum_schedule=None"

    def on_epoch_begin(self, epoch, logs=None):
        if self._first_epoch and epoch and not batches_counted(self.model.optimizer):
            optimizer = counting_optimizer(self.model.optimizer)
            inner = ".inner_optimizer" * (optimizer is not self.model.optimizer)
            batches = f" * {self._per_update}" * (self._per_update > 1)
            counter = f"model.optimizer{inner}.variables[0].assign(updates{batches})"
            warnings.warn(
                f"Training starts at epoch {epoch} with an optimizer that has made no update, so "
                f"`{type(self).__name__}` starts at the beginning of its curve. Load the model "
                f"with its optimizer, or set `{counter}`.",
                stacklevel=2,
            )
        self._first_epoch = False
        self._offset = None  # of the optimizer's counter to the number of the batch
        self._looked = 0
        self._update = None

    def on_train_batch_begin(self, batch, logs=None):
        # On JAX the variables are only there once `self.model` has fetched them.
        model = self.model
        if self._offset is None or batch - self._looked >= self._trust:
            self._look(batches_counted(model.optimizer) - batch)
            self._looked = batch
        update = (self._offset + batch) // self._per_update
        if update != self._update:
            self._update = update
            self._record.add(update, [curve.set(update) for curve in self._moved])

    def _look(self, offset):
        """Take over the offset just read; look again the later, the more often it was right."""
        expected, self._offset = self._offset, offset
        if expected is not None:
            self._trust = min(2 * self._trust, LONGEST_TRUST) if offset == expected else 1

    def on_epoch_end(self, epoch, logs=None):
        update = batches_counted(self.model.optimizer) // self._per_update
        self._record.end(update)
        try:
            numbers = [curve.set(update) for curve in self._moved]
        except Exception:
            # After the last update of all, there need not be a value.
            ends = self.model.stop_training or epoch + 1 == (self.params or {}).get("epochs")
            if not ends:
                raise
            numbers = [curve.number for curve in self._moved]
        if logs is not None:
            logs.update(zip(("learning_rate", "momentum"), numbers, strict=False))
