"""FastConv2D computes what Keras's convolution computes, and learns by another way to the same."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import keras_twist.layers.fast_conv2d as module
from keras_twist import models
from keras_twist.layers import FastConv2D, TwistLayer
from keras_twist.ops.conv_gradient import conv2d

from ..tools import to_numpy

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the other backends have no such gradient"
)


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@tensorflow_only
@given(
    sides=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 5),
    filters=st.integers(1, 5),
)
def test_gradients_are_those_of_a_convolution(sides, size, channels, filters):
    import tensorflow as tf

    x, kernel = images(2, *sides, channels), images(*size, channels, filters, seed=1)
    weights = images(2, *sides, filters, seed=2)
    found = []
    for convolve in (conv2d, lambda x, kernel: ops.conv(x, kernel, padding="same")):
        pair = tf.constant(x), tf.constant(kernel)
        with tf.GradientTape() as tape:
            tape.watch(pair)
            outputs = convolve(*pair)
            loss = tf.reduce_sum(outputs * weights)
        found.append((outputs, *tape.gradient(loss, pair)))
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(to_numpy(ours), to_numpy(expected), rtol=1e-4, atol=1e-4)


@pytest.fixture
def products(monkeypatch):
    """List that grows by a shape for each convolution whose kernel learns by products."""
    taken, run = [], module.conv2d

    def spy(x, kernel):
        taken.append(tuple(x.shape))
        return run(x, kernel)

    monkeypatch.setattr(module, "conv2d", spy)
    return taken


def trained(kind, side, policy="mixed_bfloat16", jit_compile=False, pool=None, **options):
    """The weights of a small network with one such convolution before and after three steps."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    conv = kind(6, **{"kernel_size": 3, "padding": "same", "use_bias": False} | options)
    pooling = keras.layers.GlobalAveragePooling2D(**pool or {})
    layers = [conv, pooling, keras.layers.Dense(3, dtype="float32")]
    model = keras.Sequential([keras.Input((side, side, 4)), *layers])
    model.compile(keras.optimizers.SGD(0.5, 0.9), "mse", jit_compile=jit_compile)
    before = model.get_weights()
    model.fit(images(24, side, side, 4), images(24, 3, seed=1), 8, shuffle=False, verbose=0)
    return before, model.get_weights()


@tensorflow_only
@pytest.mark.parametrize("side", [8, 3])
def test_trains_as_a_convolution_in_bfloat16(side, products):
    before, ours = trained(FastConv2D, side)
    taken = len(products)
    _, expected = trained(keras.layers.Conv2D, side)
    assert taken >= 1 and len(products) == taken
    for start, found, wanted in zip(before, ours, expected, strict=True):
        assert np.abs(found - start).max() > 0.02
        np.testing.assert_allclose(found, wanted, atol=0.02 * np.abs(wanted - start).max())


@tensorflow_only
def test_the_layer_decides_where_the_channels_are(products):
    expected = trained(FastConv2D, 3)
    keras.config.set_image_data_format("channels_first")
    try:
        pool = {"data_format": "channels_last"}
        found = trained(FastConv2D, 3, pool=pool, **pool)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert products
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(one, other)


ELSEWHERE = {
    "more pixels": {"side": 9},
    "float32": {"policy": "float32"},
    "XLA": {"jit_compile": True},
    "strides": {"strides": 2},
    "dilation": {"dilation_rate": 2},
    "groups": {"groups": 2},
    "no padding": {"padding": "valid"},
    "1x1": {"kernel_size": 1},
}


@tensorflow_only
@pytest.mark.parametrize("why", ELSEWHERE)
def test_elsewhere_keras_computes_it(why, products):
    before, after = trained(FastConv2D, **{"side": 8} | ELSEWHERE[why])
    assert not products
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True))


def test_arguments_have_the_order_of_keras():
    assert FastConv2D(8, 3, 2).strides == keras.layers.Conv2D(8, 3, 2).strides == (2, 2)


@tensorflow_only
def test_eager_images_are_keras_s(products):
    keras.config.set_dtype_policy("mixed_bfloat16")
    FastConv2D(6, 3, padding="same")(images(2, 4, 4, 3))
    assert not products


def test_computes_what_a_convolution_computes_and_is_saved(tmp_path):
    x = images(2, 5, 4, 3)
    ours = FastConv2D(6, 3, padding="same", activation="relu", name="conv")
    model = keras.Sequential([keras.Input(x.shape[1:]), ours])
    plain = keras.layers.Conv2D.from_config(ours.get_config())
    plain.build(x.shape)
    plain.set_weights(ours.get_weights())
    np.testing.assert_array_equal(to_numpy(ours(x)), to_numpy(plain(x)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is FastConv2D
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(ours(x)))


@pytest.mark.parametrize("make", [models.SpeedNet, models.DavidNet, models.ResNet9])
def test_twists_take_its_place_in_the_networks(make):
    model = make(width=16)
    twisted = models.replace_convs(model)
    wide = [layer.name for layer in model.layers if getattr(layer, "filters", 0) > 32]
    assert wide
    assert all(type(model.get_layer(name)) is FastConv2D for name in wide)
    assert all(type(twisted.get_layer(name)) is TwistLayer for name in wide)
