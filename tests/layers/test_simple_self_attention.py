"""SimpleSelfAttention against torch: inference, three training steps, gradients."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.layers import SimpleSelfAttention

from ..tools import gradients

GOLDEN = np.load(
    Path(__file__).parents[1] / "golden" / "simple_self_attention.npz", allow_pickle=False
)


def channels_last(name, dtype="float32"):
    return np.moveaxis(GOLDEN[name], 1, -1).astype(dtype)


def reference_layer(**kwargs):
    layer = SimpleSelfAttention(**kwargs)
    layer.build((None, 5, 6, 8))
    for weight, value in (("kernel", GOLDEN["W"].T), ("gamma", GOLDEN["gamma"])):
        getattr(layer, weight).assign(value)
    layer.u.assign(GOLDEN["u0"])
    layer.v.assign(GOLDEN["v0"])
    return layer


def relative_error(actual, expected):
    actual = ops.convert_to_numpy(ops.cast(actual, "float32"))
    return np.abs(actual - expected).max() / np.abs(expected).max()


def test_inference_uses_the_stored_vectors():
    layer = reference_layer()
    y = layer(channels_last("x"), training=False)
    assert relative_error(y, channels_last("y_eval_uv0")) < 1e-5
    np.testing.assert_allclose(ops.convert_to_numpy(layer.u), GOLDEN["u0"], rtol=1e-6)


def test_three_training_steps_iterate_as_torch():
    layer = reference_layer()
    for step in (1, 2, 3):
        y = layer(channels_last("x"), training=True)
        assert relative_error(y, channels_last(f"y_train{step}")) < 1e-5
        assert relative_error(layer.u, GOLDEN[f"u{step}"]) < 1e-5
        assert relative_error(layer.v, GOLDEN[f"v{step}"]) < 1e-5
    y = layer(channels_last("x"), training=False)
    assert relative_error(y, channels_last("y_eval_after3")) < 1e-5


def test_symmetric_symmetrises_after_the_division():
    y = reference_layer(symmetric=True)(channels_last("x"), training=True)
    assert relative_error(y, channels_last("y_train1_if_sym_were_effective")) < 1e-5


class Attention:
    """The layer in NumPy and float64."""

    def __init__(self, layer):
        self.kernel, self.gamma, self.u = map(as_float64, (layer.kernel, layer.gamma, layer.u))
        self.symmetric = layer.symmetric

    def train(self, x, target, rate):
        """Mean squared error before one step of gradient descent on it."""
        self.v = self.kernel @ self.u
        self.v /= np.linalg.norm(self.v)
        self.u = self.v @ self.kernel
        self.u /= np.linalg.norm(self.u)
        sigma = self.v @ self.kernel @ self.u
        weight = self.kernel / sigma
        used = (weight + weight.T) / 2 if self.symmetric else weight
        gram = np.einsum("npi,npj->nij", x, x)
        attended = x @ (used @ gram)
        error = x + self.gamma * attended - target
        cotangent = 2 * error / error.size
        slope = np.einsum("npi,npk,njk->ij", x, self.gamma * cotangent, gram)
        slope = (slope + slope.T) / 2 if self.symmetric else slope
        slope = (slope - (slope * weight).sum() * np.outer(self.v, self.u)) / sigma
        self.kernel = self.kernel - rate * slope
        self.gamma = self.gamma - rate * (cotangent * attended).sum()
        return (error**2).mean()


def as_float64(weight):
    return ops.convert_to_numpy(weight).astype("float64")


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_training_follows_numpy(symmetric):
    """Weights, vectors and loss, far from where they started and with an outcome of its own."""
    layer = SimpleSelfAttention(symmetric=symmetric)
    rng = np.random.default_rng(0)
    x = 0.4 * rng.normal(size=(4, 30, 5)).astype("float32")
    target = rng.normal(size=x.shape)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    layer.kernel.assign(rng.normal(size=(5, 5)) / 2)
    layer.u.assign(np.ones(5) / np.sqrt(5))
    numpy, start = Attention(layer), as_float64(layer.kernel)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    history = model.fit(x, target, batch_size=4, epochs=60, shuffle=False, verbose=0)
    losses = [numpy.train(x.astype("float64"), target, 0.5) for _ in range(60)]
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-4)
    for name in ("kernel", "gamma", "u", "v"):
        np.testing.assert_allclose(
            as_float64(getattr(layer, name)), getattr(numpy, name), atol=1e-3, err_msg=name
        )
    assert np.abs(numpy.kernel - start).max() > 0.5 and losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("symmetric", [False, True])
def test_steps_too_large_for_inputs_of_size_one_diverge_by_definition(symmetric):
    """Nothing scales the cube of the input, so that exact arithmetic leaves all bounds as well."""
    layer = SimpleSelfAttention(symmetric=symmetric)
    x = np.random.default_rng(0).normal(size=(8, 64, 3))
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    numpy = Attention(layer)
    losses = [numpy.train(x, x[:, :1], 1.0) for _ in range(4)]
    assert losses[0] < 10 and losses[-1] > 1e15
    model.compile(keras.optimizers.SGD(1.0), "mse")
    target = np.repeat(x[:, :1], 64, axis=1)
    history = model.fit(x, target, batch_size=8, epochs=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=0.1)


def test_kernels_are_regularised_and_constrained():
    layer = SimpleSelfAttention(kernel_regularizer="l2", kernel_constraint="non_neg")
    layer.build((None, 6, 3))
    assert layer.kernel.regularizer is layer.kernel_regularizer is not None
    assert layer.kernel.constraint is layer.kernel_constraint is not None


def test_gradients_are_those_of_torch():
    layer = reference_layer()
    x, cotangent = channels_last("x"), channels_last("cot")
    weights = [layer.kernel, layer.gamma]
    _, found = gradients(lambda x: layer(x, training=True), x, weights, cotangent)
    expected = [channels_last("grad_x1"), GOLDEN["grad_W1"].T, GOLDEN["grad_gamma1"]]
    for actual, wanted in zip(found.values(), expected, strict=True):
        assert relative_error(actual, wanted) < 1e-5


def test_a_new_layer_is_the_identity_with_unit_vectors():
    layer = SimpleSelfAttention()
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 5)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, training=True)), x)
    for vector in (layer.u, layer.v):
        assert np.linalg.norm(ops.convert_to_numpy(vector)) == pytest.approx(1, abs=1e-5)
    assert [w.name for w in layer.trainable_variables] == ["kernel", "gamma"]


def test_power_iteration_finds_the_largest_singular_value():
    layer = SimpleSelfAttention()
    x = np.ones((1, 2, 2, 6), "float32")
    for _ in range(200):
        layer(x, training=True)
    kernel, u, v = (ops.convert_to_numpy(w) for w in (layer.kernel, layer.u, layer.v))
    assert v @ kernel @ u == pytest.approx(np.linalg.norm(kernel, 2), rel=1e-4)


def test_mixed_precision_sums_in_float32():
    layer = reference_layer(dtype="mixed_float16")
    layer.gamma.assign([1e-6])
    x = 200 * np.ones((1, 32, 32, 8), "float32")  # the sums reach 4e7, float16 ends at 65504
    y = layer(x, training=False)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert np.isfinite(ops.convert_to_numpy(y)).all()


def test_spatial_axes_may_be_unknown_or_one():
    model = keras.Sequential([keras.Input((None, None, 4)), SimpleSelfAttention()])
    assert model(np.ones((1, 3, 5, 4), "float32")).shape == (1, 3, 5, 4)
    assert SimpleSelfAttention()(np.ones((1, 3, 4), "float32")).shape == (1, 3, 4)


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match="input_shape"):
        SimpleSelfAttention().build((None, 4, 4, None))
    with pytest.raises(ValueError, match="min_ndim=3"):
        SimpleSelfAttention()(np.ones((2, 3), "float32"))
