"""What the conformance tests share: fixed numbers, and one spelling for three backends."""

import importlib
import inspect
import json

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()
# How a training step is compiled where XLA is not the point: TensorFlow's graph, which is cheap to
# make, and on JAX, which has nothing else, XLA.
PLAIN = {"jit_compile": BACKEND == "jax"}
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.data runs TensorFlow")
compiled_only = pytest.mark.skipif(BACKEND == "torch", reason="Keras runs torch eagerly")


def each(table):
    """Run a test over all rows of a table, their names as ids."""
    return pytest.mark.parametrize("row", table.values(), ids=table)


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


def fill(weights):
    """Give weights the same numbers on every backend: kernels of both signs, vectors positive.

    Vectors are radii, variances and factors, some of which start at zero and would hide the rest.
    """
    for seed, weight in enumerate(weights):
        rng, shape = np.random.default_rng(seed), tuple(weight.shape)
        if len(shape) > 1:
            value = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        else:
            value = rng.uniform(0.3, 0.7, shape)
        weight.assign(value.astype("float32"))


def through_json(serialized):
    return json.loads(json.dumps(serialized))


def assert_registered(thing):
    name = keras.saving.get_registered_name(type(thing))
    assert name.startswith("keras_twist>"), name


def assert_config_is_whole(thing):
    """Every argument, also one that a row of the table leaves at its default."""
    taken = inspect.signature(type(thing)).parameters.values()
    named = {one.name for one in taken if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    assert named <= set(thing.get_config())


def xla(function, weights=()):
    """Function of tensors, compiled; `weights` are the variables it reads."""
    if BACKEND == "tensorflow":
        return importlib.import_module("tensorflow").function(function, jit_compile=True)
    jax = importlib.import_module("jax")
    if not weights:
        return jax.jit(function)

    @jax.jit
    def stateless(values, *arguments):
        with keras.StatelessScope(zip(weights, values, strict=True)):
            return function(*arguments)

    return lambda *arguments: stateless([w.value for w in weights], *arguments)
