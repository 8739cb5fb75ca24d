"""Muon: kernels move by orthogonal matrices and keep their size, all else is SGD's."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.optimizers import SGD, Muon

from ..tools import to_numpy

KERNEL = (3, 3, 4, 6)


def orthogonal(matrix, steps=3):
    """By singular values, where the optimizer multiplies matrices."""
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return u * values @ v


@pytest.mark.parametrize("nesterov", [True, False])
def test_is_the_published_update_of_a_kernel(nesterov, step):
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=KERNEL).astype("float32"))
    w, buffer = to_numpy(kernel.value).reshape(-1, 6).astype("float64"), 0.0
    optimizer = Muon(0.5, kernel_rate=0.3, kernel_momentum=0.6, nesterov=nesterov)
    for _ in range(4):
        gradient = rng.normal(size=KERNEL)
        g = gradient.reshape(-1, 6)
        buffer = 0.6 * buffer + g
        w *= np.sqrt(6) / np.linalg.norm(w)
        w -= 0.5 * 0.3 * orthogonal(g + 0.6 * buffer if nesterov else buffer)
        step(optimizer, [gradient], [kernel])
    np.testing.assert_allclose(to_numpy(kernel.value).reshape(-1, 6), w, atol=1e-5)


def test_everything_else_is_moved_by_sgd(run):
    options = {"momentum": 0.85, "nesterov": True, "weight_decay": 0.1, "coupled": True}
    np.testing.assert_array_equal(run(Muon(0.1, **options)), run(SGD(0.1, **options)))


def test_excluded_kernels_are_moved_by_sgd(step):
    gradient = np.random.default_rng(0).normal(size=KERNEL)
    found = []
    for make in (lambda: Muon(0.1, exclude=["depth"]), lambda: SGD(0.1, 0.85, nesterov=True)):
        kernel = keras.Variable(np.ones(KERNEL, "float32"), name="depthwise_kernel")
        step(make(), [gradient], [kernel])
        found.append(to_numpy(kernel.value))
    np.testing.assert_array_equal(*found)


def test_size_of_the_gradient_does_not_matter(step):
    gradient, found = np.random.default_rng(0).normal(size=KERNEL), []
    for factor in (1.0, 1000.0):
        kernel = keras.Variable(np.ones(KERNEL, "float32"))
        step(Muon(0.1), [factor * gradient], [kernel])
        found.append(to_numpy(kernel.value))
    np.testing.assert_allclose(*found, atol=1e-6)


def test_a_kernel_of_zeros_without_a_gradient_stays(step):
    kernel = keras.Variable(np.zeros(KERNEL, "float32"))
    step(Muon(0.1), [np.zeros(KERNEL)], [kernel])
    np.testing.assert_array_equal(to_numpy(kernel.value), 0)


def test_kernels_in_half_precision_keep_their_type():
    kernel = keras.Variable(np.ones(KERNEL), dtype="bfloat16")
    Muon(0.1).apply([ops.ones(KERNEL, "bfloat16")], [kernel])
    assert keras.backend.standardize_dtype(kernel.dtype) == "bfloat16"
    assert np.isfinite(to_numpy(ops.cast(kernel.value, "float32"))).all()


@pytest.mark.parametrize(
    "options",
    [{"kernel_rate": 0}, {"kernel_momentum": 1.5}, {"steps": 0}, {"weight_decay": -1}],
    ids=str,
)
def test_bad_arguments_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}`"):
        Muon(**options)


def test_a_pattern_by_itself_is_no_list_of_patterns():
    with pytest.raises(ValueError, match="`exclude` must be a list.*'depthwise'"):
        Muon(exclude="depthwise")
