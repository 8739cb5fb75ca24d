"""The learning rate inside of optimizers, wrapped or not, a number or a schedule."""

import contextlib

import keras


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


def batches_of_update(optimizer):
    """Batches of one update."""
    while hasattr(optimizer, "inner_optimizer"):
        if optimizer.gradient_accumulation_steps:
            break
        optimizer = optimizer.inner_optimizer
    return optimizer.gradient_accumulation_steps or 1


def variable_scope(model):
    """Where TensorFlow's strategies want a model's variables made; nothing on other backends."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy else contextlib.nullcontext()
