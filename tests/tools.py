"""What tests of several folders share: tensors of three backends as NumPy arrays."""

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
