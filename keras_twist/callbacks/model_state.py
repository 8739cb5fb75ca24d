"""Everything that training changes in a model, read and put back bit for bit."""

import contextlib
import random
import sys

import keras
import numpy as np


def state_variables(model):
    """Everything that a training step reads and writes, each variable once.

    A `.keras` file would not do: it leaves out the seeds of dropout layers and the metrics of an
    epoch that has begun.
    """
    variables = {}
    for group in (model.variables, model.optimizer.variables, model.metrics_variables):
        variables.update((id(variable), variable) for variable in group)
    return list(variables.values())


def read_variables(variables):
    """Copies of the variables' values, as NumPy arrays."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


@contextlib.contextmanager
def restored_variables(model):
    """Put every variable back at the end of a `with` block, however it ends.

    Metrics that the block creates are empty afterwards, as new metrics are.

    Args:
        model: Compiled model; what is to be put back, its optimizer's state included, is built.
    """
    variables = state_variables(model)
    values = read_variables(variables)
    try:
        yield
    finally:
        model.reset_metrics()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def restored_attributes(owner, *names):
    """Put attributes back at the end of a `with` block, and remove those that were not there."""
    before = {name: getattr(owner, name) for name in names if hasattr(owner, name)}
    try:
        yield
    finally:
        for name in names:
            if name in before:
                setattr(owner, name, before[name])
            elif hasattr(owner, name):
                delattr(owner, name)


@contextlib.contextmanager
def restored_random_state():
    """Rewind the generators of Python, NumPy and PyTorch at the end of a `with` block.

    Keras shuffles arrays with NumPy's on JAX and with PyTorch's on PyTorch, and `PyDataset`s with
    Python's. On TensorFlow it shuffles inside tf.data, each pass seeded alike.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    # Where nobody has imported PyTorch nobody has drawn from it.
    torch = sys.modules.get("torch")
    of_torch = torch and torch.get_rng_state()
    on_gpus = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        if torch:
            torch.set_rng_state(of_torch)
        if on_gpus:
            torch.cuda.set_rng_state_all(on_gpus)
