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
    variables = [copy for variable in state_variables(model) for copy in copies(variable)]
    values = read_variables(variables)
    try:
        yield
    finally:
        model.reset_metrics()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def copies(variable):
    """The variables of all devices behind one of a `tf.distribute` strategy; otherwise itself.

    They need not agree: Keras leaves the averages of batch normalisation to each device.
    """
    parts = getattr(variable.value, "values", None)
    return parts if isinstance(parts, tuple) else (variable,)


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


class RandomState:
    """The generators of Python, NumPy and PyTorch, as they are when it is made.

    Keras shuffles arrays with NumPy's on JAX and with PyTorch's on PyTorch, and `PyDataset`s with
    Python's. On TensorFlow it shuffles inside tf.data, each pass seeded alike.
    """

    def __init__(self):
        self.of_python, self.of_numpy = random.getstate(), np.random.get_state()
        # Where nobody has imported PyTorch nobody has drawn from it.
        self._torch = sys.modules.get("torch")
        if self._torch:
            cuda = self._torch.cuda
            self.of_torch = self._torch.get_rng_state()
            self.on_gpus = cuda.get_rng_state_all() if cuda.is_initialized() else None

    def restore(self):
        """Rewind them."""
        random.setstate(self.of_python)
        np.random.set_state(self.of_numpy)
        if self._torch:
            self._torch.set_rng_state(self.of_torch)
            if self.on_gpus:
                self._torch.cuda.set_rng_state_all(self.on_gpus)
