"""What a callback must know about an optimizer: what counts, and what may be set."""

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
    return counting_optimizer(optimizer).gradient_accumulation_steps or 1


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
