"""Orthogonalizing keeps the directions of a matrix and makes all of them equally long."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_twist.ops import orthogonalize

from ..tools import to_numpy


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), size=st.floats(1e-3, 1e3))
def test_singular_values_follow_the_polynomial_and_vectors_stay(rows, columns, size):
    """In the basis of its singular vectors the iteration is that of its polynomial on numbers."""
    rng = np.random.default_rng(rows * 13 + columns)
    matrix = size * rng.normal(size=(rows, columns))
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    found = to_numpy(orthogonalize(matrix.astype("float32"), steps=3))
    np.testing.assert_allclose(found, u * values @ v, atol=2e-4)


def test_five_steps_come_close_to_an_orthogonal_matrix():
    matrix = np.random.default_rng(0).normal(size=(64, 200)).astype("float32")
    values = np.linalg.svd(to_numpy(orthogonalize(matrix)), compute_uv=False)
    assert 0.65 < values.min() and values.max() < 1.25


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtype_is_kept_and_zeros_stay(dtype):
    zeros = orthogonalize(ops.zeros((4, 3), dtype))
    assert keras.backend.standardize_dtype(zeros.dtype) == dtype
    np.testing.assert_array_equal(to_numpy(ops.cast(zeros, "float32")), 0)
    tiny = to_numpy(ops.cast(orthogonalize(1e-4 * ops.ones((1, 4), dtype)), "float32"))
    np.testing.assert_allclose(tiny, tiny[0, 0], 1e-6)
    assert 0.3 < tiny[0, 0] < 0.65  # Half of a unit vector, roughly.


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"`matrix`.*shape=\(3,\)"):
        orthogonalize(np.ones(3, "float32"))
    with pytest.raises(ValueError, match="`steps`.*steps=0"):
        orthogonalize(np.ones((3, 3), "float32"), steps=0)
