"""What callbacks must know about an optimizer, wrapped or not: what counts, what may be set."""

import contextlib

import keras
import numpy as np
from keras import ops

MOMENTUM = ("momentum", "beta_1")


def counting_optimizer(optimizer):
    """The optimizer that counts: behind a loss scale the inner one, which skipped steps miss."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.inner_optimizer
    return optimizer


def batches_counted(optimizer):
    """Batches the optimizer has taken; with gradient accumulation several of them are an update.

    Waits for the step under way.
    """
    optimizer = counting_optimizer(optimizer)
    counter = getattr(optimizer, "_iterations", None)
    if counter is None:
        # Not public in Keras. Should it be renamed, a resumed accumulation starts anew.
        return _to_int(optimizer.iterations) * batches_per_update(optimizer)
    return _to_int(counter)


def batches_per_update(optimizer):
    """How many batches the optimizer gathers for an update."""
    while hasattr(optimizer, "inner_optimizer") and not optimizer.gradient_accumulation_steps:
        optimizer = optimizer.inner_optimizer
    return optimizer.gradient_accumulation_steps or 1


def momentum_of(optimizer):
    """`(name, value)` of the momentum or `beta_1` behind all wrappers, or `(None, None)`.

    The value is a variable where it can be set, a tensor where a schedule moves it, and a number
    where it is frozen into the compiled step.
    """
    while optimizer is not None:
        for name in MOMENTUM:
            if (value := getattr(optimizer, name, None)) is not None:
                return name, value
        optimizer = getattr(optimizer, "inner_optimizer", None)
    return None, None


def is_moved_by_schedule(value):
    """Whether a value of `momentum_of` follows a schedule."""
    return not (value is None or isinstance(value, keras.Variable | int | float))


def _to_int(counter):
    # Under tf.distribute a counter is mirrored and int() refuses it.
    return int(np.asarray(ops.convert_to_numpy(counter)))


def innermost(optimizer):
    """The optimizer that holds the learning rate, inside of `LossScaleOptimizer` and the like."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    if hasattr(optimizer, "optimizers"):
        raise ValueError(
            "Argument `model` must have an optimizer with one learning rate. "
            f"Received: {type(optimizer).__name__}"
        )
    return optimizer


def holds_number(optimizer):
    """Whether its learning rate is a number that can be set, and not a schedule or callable."""
    # Keras has no public way to tell.
    return isinstance(optimizer._learning_rate, keras.Variable)


class _Held(keras.optimizers.schedules.LearningRateSchedule):
    """Schedule that hands out a variable: the one thing that Keras takes in a schedule's place."""

    def __init__(self, variable):
        super().__init__()
        self.variable = variable

    def __call__(self, step):
        return self.variable


@contextlib.contextmanager
def rate_variable(optimizer, scope):
    """The variable that sets the rate in a `with` block, put in a schedule's place if need be."""
    if holds_number(optimizer):
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


def variable_scope(model):
    """Where TensorFlow's strategies want a model's variables made; nothing on other backends."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy else contextlib.nullcontext()
