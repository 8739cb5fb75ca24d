"""Mish against two reference implementations, in every float type."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.ops import mish

from ..tools import gradients, skip_without, to_numpy

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "mish.npz", allow_pickle=False)
# Relative to 1 + |value|: a few units in the last place of each type.
TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-6, "float64": 1e-12}
if keras.backend.backend() == "jax":
    TOLERANCE["float64"] = 1e-6  # its tanh on a CPU is exact to float32 only
SHORT = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"}


def value_and_slope(x):
    """Mish and its derivative at every point of `x`, by automatic differentiation."""
    y, found = gradients(mish, x, (), ops.ones_like(x))
    return y, found["inputs"]


def assert_close(actual, expected, tolerance):
    expected = np.asarray(expected, "float64")
    error = np.abs(to_numpy(actual) - expected) / (1 + np.abs(expected))
    assert error.max() <= tolerance


@pytest.mark.parametrize("dtype", SHORT)
def test_value_and_gradient_match_tensorflow_addons(dtype):
    skip_without(dtype)
    short = SHORT[dtype]
    x = ops.convert_to_tensor(GOLDEN[f"tfa_x_{short}"], dtype=dtype)
    y, slope = value_and_slope(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert_close(y, GOLDEN[f"tfa_y_{short}"], TOLERANCE[dtype])
    expected = np.asarray(GOLDEN[f"tfa_dydx_{short}"], "float64")
    # Its gradient is the less exact of the two in half precision, where it subtracts from 1.
    assert_close(slope, expected, 4 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_matches_the_reference(dtype):
    skip_without(dtype)
    y = mish(ops.convert_to_tensor(GOLDEN["x"], dtype=dtype))
    assert_close(y, GOLDEN["y"], TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_large_inputs_are_finite(dtype):
    x = ops.convert_to_tensor(np.array([-6e4, -1e4, -100, 100, 1e4, 6e4]), dtype=dtype)
    y, slope = value_and_slope(x)
    np.testing.assert_allclose(to_numpy(y), np.maximum(to_numpy(x), 0), atol=1e-30)
    np.testing.assert_allclose(to_numpy(slope), [0, 0, 0, 1, 1, 1], atol=1e-30)


def test_a_symbolic_input_builds_a_model():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, mish(inputs))
    x = np.linspace(-2, 2, 6, dtype="float32").reshape(2, 3)
    np.testing.assert_allclose(to_numpy(model(x)), to_numpy(mish(x)), rtol=1e-6)


def kept_for_the_backward_pass(function):
    """Number of tensors of the input's size that the backward pass takes from the forward one."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        kept = set()

        @tf.function
        def trace(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x)
            forward = set(x.graph.get_operations())
            tape.gradient(y, x, output_gradients=x + 1.0)
            backward = set(x.graph.get_operations()) - forward
            used = (tensor for operation in backward for tensor in operation.inputs)
            kept.update(t.ref() for t in used if t.op in forward and t.shape == x.shape)

        trace.get_concrete_function(tf.TensorSpec((5,), "float32"))
        return len(kept)
    if keras.backend.backend() == "jax":
        import jax

        _, backward = jax.vjp(function, ops.ones(5))
        return len(jax.tree.leaves(backward))
    import torch

    kept = []
    x = torch.ones(5, requires_grad=True) * 1.0
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        function(x)
    return len({t.data_ptr() for t in kept})


def test_the_backward_pass_keeps_one_tensor():
    assert kept_for_the_backward_pass(mish) == 1
    # Keras leaves the gradient to the backend; torch has an operation of its own for it.
    if keras.backend.backend() != "torch":
        assert kept_for_the_backward_pass(keras.activations.mish) > 1


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers_become_floats(dtype):
    x = ops.convert_to_tensor(np.array([0, 1, 1]), dtype=dtype)
    y = mish(x)
    assert keras.backend.standardize_dtype(y.dtype) == keras.config.floatx()
    assert_close(y, [0, 0.8650984, 0.8650984], TOLERANCE["float32"])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's shapes")
def test_a_tensor_may_be_of_any_rank():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(None, "float32")])
    def both(x):
        return value_and_slope(x)

    y, slope = both([[0.0, 1.0]])
    assert_close(y, [[0, 0.8650984]], TOLERANCE["float32"])
    assert_close(slope, [[0.6, 1.0490363]], TOLERANCE["float32"])
