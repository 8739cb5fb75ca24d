"""The learning rate range test: what the loss does while the learning rate rises."""

import contextlib
import math
import types
import warnings

import keras
import numpy as np

from keras_twist.callbacks import model_state
from keras_twist.callbacks.lr_curve import LRCurve
from keras_twist.callbacks.lr_suggestions import smooth

MODES = ("exp", "linear")
# Fewer leave nothing between the skipped first tenth and the skipped last five.
FEWEST_STEPS = 10


def lr_find(
    model,
    data,
    start=1e-7,
    end=10.0,
    steps=100,
    mode="exp",
    *,
    batch_size=None,
    beta=0.98,
    divergence=4.0,
    max_factor=10.0,
):
    """Find a learning rate: train on while it rises, look at the loss, put everything back.

    The rate goes from `start` to `end`, from one update to the next. At each it notes the loss of
    the batch before the update, which is not the mean over the epoch that Keras shows. It stops
    early once the smoothed loss exceeds 4 times its lowest value so far, or the loss is not finite.

    Afterwards, also after an error or Ctrl-C, all is as it was, to the last bit: weights, batch
    statistics, seeds of layers, optimizer state, metrics, the generators of Python, NumPy and
    PyTorch, the compiled step. The optimizer is then built, if it was not, and so is the model.
    What no model holds stays moved: a generator has given its batches, and a `tf.data` pipeline
    that shuffles anew goes on to its next order.

    It takes any compiled model: with a schedule as learning rate, which is put aside meanwhile;
    with several inputs and outputs; under mixed precision, where a step that loss scaling skips
    still is a point, its loss being real; with `gradient_accumulation_steps`, where a point is one
    update and its loss the mean over the batches of that update; with `steps_per_execution`, which
    is 1 meanwhile.

    Args:
        model: Compiled `keras.Model`, trained or not, on any backend.
        data: What `fit` takes: `(x, y)` or `(x, y, sample_weight)` of arrays or of dicts and lists
            of arrays, which are shuffled; a `tf.data.Dataset`, `keras.utils.PyDataset`, torch
            `DataLoader` or generator of batches. Data that ends is gone through again.
        start: First learning rate. Defaults to 1e-7.
        end: Last learning rate. Defaults to 10.0.
        steps: Updates, at least 10. Defaults to 100.
        mode: `"exp"` for equal factors, `"linear"` for equal steps. Defaults to `"exp"`.
        batch_size: Samples per batch, for arrays; None for Keras's 32. Defaults to None.
        beta: Share of the running average that each point of the smoothed loss keeps, in
            `[0, 1)`. Defaults to 0.98.
        divergence: How many times its lowest value the smoothed loss must reach to end the test.
            Defaults to 4.0.
        max_factor: Highest rate of a schedule over the suggested one, for `suggest_max` of the
            result. Defaults to 10.0, the "ten times" that is often used with one-cycle.

    Returns:
        An `LRCurve` with `learning_rates`, `losses`, `smoothed_losses`, `suggest(method)`,
        `suggest_max(method)` and `plot()`.

    Raises:
        ValueError: if the model is not compiled, an argument is out of its range, the data is
            empty or a generator too short, or the very first loss is not finite.

    Example:
        >>> keras.utils.set_random_seed(0)
        >>> x = np.random.default_rng(0).normal(size=(256, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> curve = lr_find(model, (x, x[:, :1]), start=1e-4)
        >>> 0.001 < curve.suggest() < curve.suggest_max() < 1
        True

    Reference:
        [Cyclical Learning Rates](https://arxiv.org/abs/1506.01186), section 3.3; `lr_find` of
        [fastai](https://github.com/fastai/fastai). Differs from it in: the last rate is `end`
        itself; NaN ends the test at once; seeds and generators are put back too.
    """
    rates = _rates(start, end, steps, mode)
    _check_number("beta", beta, 0 <= beta < 1, "in [0, 1)")
    _check_number("divergence", divergence, divergence > 1, "greater than 1")
    _check_number("max_factor", max_factor, max_factor > 0, "positive")
    if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None:
        raise ValueError(
            "Argument `model` must be compiled; call `model.compile(optimizer, loss)` first. "
            f"Received: model={model}"
        )
    optimizer = _innermost(model.optimizer)
    inputs = _fit_arguments(data, batch_size)
    with contextlib.ExitStack() as after:
        after.enter_context(
            model_state.restored_attributes(
                model, "history", "stop_training", "test_function", "steps_per_execution"
            )
        )
        compiled_for_others = model.steps_per_execution != 1 or not _holds_number(optimizer)
        if compiled_for_others:
            after.enter_context(model_state.restored_attributes(model, "train_function"))
            model.train_function = model.test_function = None
            model.steps_per_execution = 1
        after.enter_context(_quiet_about_the_end_of_data())
        inputs = _build(model, inputs)
        rate = after.enter_context(_rate_variable(optimizer, _scope(model)))
        sweep = _Sweep(
            after,
            rate,
            rates,
            beta,
            divergence,
            batches=_accumulation(model.optimizer),
            once=isinstance(data, types.GeneratorType),
        )
        # One epoch after the other until the sweep stops it.
        model.fit(**inputs, epochs=2**31 - 1, verbose=0, callbacks=[sweep])
    count = len(sweep.losses)
    if count == 0:
        raise ValueError("Argument `data` must hold at least one batch. Received: no batch")
    if not math.isfinite(sweep.losses[0]):
        raise ValueError(
            f"The loss of the first batch must be finite, before anything is trained. Received: "
            f"loss={sweep.losses[0]}. Look for wrong values in `data` or the weights."
        )
    if not sweep.finished:
        raise ValueError(
            f"Argument `data` must give {steps * sweep.batches} batches if it is a generator, "
            f"which cannot start again. Received: a generator that ended after {sweep.batch}"
        )
    return LRCurve(rates[:count], sweep.losses, steps, mode, beta, max_factor)


class _Sweep(keras.callbacks.Callback):
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
        self._batch_at_epoch_begin = 0

    def on_train_begin(self, logs=None):
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


def _rates(start, end, steps, mode):
    if mode not in MODES:
        raise ValueError(
            f"Argument `mode` must be one of {', '.join(map(repr, MODES))}. Received: mode={mode!r}"
        )
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < FEWEST_STEPS:
        raise ValueError(
            f"Argument `steps` must be an integer, at least {FEWEST_STEPS}. Received: steps={steps}"
        )
    if mode == "exp":
        _check_number("start", start, start > 0, "positive with mode='exp'")
    else:
        _check_number("start", start, start >= 0, "at least 0")
    _check_number("end", end, end > start, f"greater than start={start}")
    space = np.geomspace if mode == "exp" else np.linspace
    return space(start, end, steps).tolist()


def _check_number(name, value, condition, allowed):
    if not (condition and math.isfinite(value)):
        raise ValueError(f"Argument `{name}` must be {allowed}. Received: {name}={value}")


def _fit_arguments(data, batch_size):
    """The keyword arguments with which `fit` gets its data."""
    arguments = {"x": data, "batch_size": batch_size, "shuffle": False}
    if isinstance(data, tuple):
        if not 1 <= len(data) <= 3:
            raise ValueError(
                "Argument `data` must be (x, y) or (x, y, sample_weight) if it is a tuple. "
                f"Received: a tuple of {len(data)}"
            )
        arguments.update(zip(("x", "y", "sample_weight"), data, strict=False))
    arrays = [leaf for leaf in keras.tree.flatten(data) if getattr(leaf, "shape", None)]
    if any(array.shape[0] == 0 for array in arrays):
        raise ValueError(
            "Argument `data` must hold at least one batch. "
            f"Received: arrays of shape {', '.join(str(tuple(a.shape)) for a in arrays)}"
        )
    if arrays or isinstance(data, keras.utils.PyDataset):
        # The others have an order of their own, and Keras would warn.
        arguments["shuffle"] = getattr(data, "num_batches", 1) is not None
    return arguments


def _build(model, inputs):
    """Create all variables of the model and its optimizer, and return the data once more.

    On TensorFlow `fit` creates them in the first step, too late to put them back.
    """
    if keras.backend.backend() != "tensorflow":
        return inputs
    if not model.built:
        if isinstance(inputs["x"], types.GeneratorType):
            batches = inputs["x"]
            first = next(batches, None)
            if first is None:
                raise ValueError("Argument `data` must hold at least one batch. Received: no batch")
            model.test_on_batch(*first)
            inputs = {**inputs, "x": _chain(first, batches)}
        else:
            wanted = {name: value for name, value in inputs.items() if name != "shuffle"}
            model.evaluate(**wanted, steps=1, verbose=0)
        model.reset_metrics()
    if not model.optimizer.built:
        with _scope(model):
            model.optimizer.build(model.trainable_variables)
    return inputs


def _scope(model):
    """Where TensorFlow's strategies want a model's variables made; nothing on other backends."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy else contextlib.nullcontext()


def _chain(first, batches):
    yield first
    yield from batches


def _innermost(optimizer):
    """The optimizer that holds the learning rate, inside of `LossScaleOptimizer` and the like."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    if hasattr(optimizer, "optimizers"):
        raise ValueError(
            "Argument `model` must have an optimizer with one learning rate. "
            f"Received: {type(optimizer).__name__}"
        )
    return optimizer


def _holds_number(optimizer):
    # Keras has no public way to tell a number from a schedule.
    return isinstance(optimizer._learning_rate, keras.Variable)


class _Held(keras.optimizers.schedules.LearningRateSchedule):
    """Schedule that hands out a variable: the one thing that Keras takes in a schedule's place."""

    def __init__(self, variable):
        super().__init__()
        self.variable = variable

    def __call__(self, step):
        return self.variable


@contextlib.contextmanager
def _rate_variable(optimizer, scope):
    """The variable that sets the rate in a `with` block, put in a schedule's place if need be."""
    if _holds_number(optimizer):
        yield optimizer._learning_rate
        return
    schedule = optimizer._learning_rate
    on_jax = keras.backend.backend() == "jax"
    with scope:
        if on_jax:
            # Compiled with its present value unless it is part of the state of the step.
            rate = optimizer.add_variable(shape=(), name="learning_rate")
        else:
            # Not part of it: TensorFlow cannot save a list that anything was taken out of.
            rate = keras.Variable(
                0.0, trainable=False, aggregation="only_first_replica", name="learning_rate"
            )
    optimizer.learning_rate = _Held(rate)
    try:
        yield rate
    finally:
        optimizer.learning_rate = schedule
        if on_jax:
            optimizer._untrack_variable(rate)


def _accumulation(optimizer):
    """Batches of one update."""
    while hasattr(optimizer, "inner_optimizer"):
        if optimizer.gradient_accumulation_steps:
            break
        optimizer = optimizer.inner_optimizer
    return optimizer.gradient_accumulation_steps or 1


@contextlib.contextmanager
def _quiet_about_the_end_of_data():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        yield
