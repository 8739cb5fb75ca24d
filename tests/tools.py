"""What tests of several folders share: arrays and gradients of three backends."""

import keras
import pytest
from keras import ops


def thoroughly(values, usual):
    """Values for `parametrize`, of which those that are not usual are tried on request alone."""
    return [v if v in usual else pytest.param(v, marks=pytest.mark.thorough) for v in values]


def to_numpy(tensor):
    """Array in float64 or float32, which NumPy has, where it has no bfloat16."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return ops.convert_to_numpy(ops.cast(tensor, "float64" if dtype == "float64" else "float32"))


def skip_without(dtype):
    """Skip a test in float64 on JAX, unless that is set to compute in it."""
    if dtype == "float64" and keras.backend.backend() == "jax":
        import jax

        if not jax.config.jax_enable_x64:
            pytest.skip("JAX computes in float64 only where jax_enable_x64 is set")


def gradients(function, inputs, weights, cotangent):
    """Output of `function(inputs)`, and the gradients of its sum with `cotangent` by path.

    That of the inputs is under "inputs". The sum is in the type of the cotangent.
    """
    inputs, cotangent = ops.convert_to_tensor(inputs), ops.convert_to_tensor(cotangent)

    def total(outputs):
        return ops.sum(ops.cast(outputs, cotangent.dtype) * cotangent)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
            loss = total(outputs)
        found = tape.gradient(loss, [inputs, *(weight.value for weight in weights)])
    elif backend == "jax":
        import jax

        def loss(values, inputs):
            with keras.StatelessScope(zip(weights, values, strict=True)):
                outputs = function(inputs)
            return total(outputs), outputs

        derivative = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
        (found, of_inputs), outputs = derivative([weight.value for weight in weights], inputs)
        found = [of_inputs, *found]
    else:
        import torch

        inputs = inputs.clone().requires_grad_()
        outputs = function(inputs)
        values = [inputs, *(weight.value for weight in weights)]
        found = torch.autograd.grad(total(outputs), values)
    return outputs, dict(zip(["inputs", *(w.path for w in weights)], found, strict=True))
