"""MaxBlurPool2D against torch's pooling, a plain numpy loop and its invariants."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.layers import MaxBlurPool2D

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "pool.npz", allow_pickle=False)


def pool(layer, x):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(x)))


@pytest.mark.parametrize(("x", "y"), [("x", "max3s2p1"), ("x8", "max3s2p1_8")])
def test_without_blur_it_is_the_strided_maximum_of_torch(x, y):
    x, y = (np.moveaxis(GOLDEN[name], 1, -1).astype("float32") for name in (x, y))
    np.testing.assert_array_equal(pool(MaxBlurPool2D(3, blur_size=1), x), y)


@pytest.mark.parametrize("border", ["reflect", "zeros"])
@pytest.mark.parametrize("blur_size", [1, 5])
@pytest.mark.parametrize("pool_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_it_is_the_maximum_then_the_binomial_filter(strides, pool_size, blur_size, border):
    x = np.random.default_rng(0).normal(size=(1, 9, 8, 2)).astype("float32")
    half = pool_size // 2 if pool_size % 2 else 0
    padded = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (pool_size, pool_size), (1, 2))
    mode, half = {"reflect": "reflect", "zeros": "constant"}[border], blur_size // 2
    maxima = np.pad(windows.max((-1, -2)), ((0, 0), (half, half), (half, half), (0, 0)), mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(maxima, (blur_size, blur_size), (1, 2))
    row = np.array({1: [1], 5: [1, 4, 6, 4, 1]}[blur_size]) / 2 ** (blur_size - 1)
    expected = np.einsum("nhwcij,i,j->nhwc", windows, row, row)[:, ::strides, ::strides]
    layer = MaxBlurPool2D(pool_size, strides, blur_size, border)
    np.testing.assert_allclose(pool(layer, x), expected, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == expected.shape
    assert layer.compute_output_shape((None, None, 8, 2)) == (None, None, expected.shape[2], 2)


def test_a_reflecting_border_keeps_a_constant_image():
    x = np.full((1, 7, 7, 1), 5.0, "float32")
    np.testing.assert_allclose(pool(MaxBlurPool2D(), x), 5.0, rtol=1e-6)
    assert pool(MaxBlurPool2D(border="zeros"), x)[0, 0, 0, 0] < 5


def test_height_and_width_may_be_unknown():
    model = keras.Sequential([keras.Input((None, None, 2)), MaxBlurPool2D(3)])
    assert model.output_shape == (None, None, None, 2)
    assert model(np.ones((1, 9, 6, 2), "float32")).shape == (1, 5, 3, 2)


@pytest.mark.parametrize(
    "bad",
    [
        {"pool_size": 0},
        {"strides": -1},
        {"strides": 1.5},
        {"strides": True},
        {"pool_size": None},
        {"blur_size": 4},
        {"border": "same"},
    ],
)
def test_bad_arguments_are_named(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value!r}"):
        MaxBlurPool2D(**bad)


def test_a_map_too_small_to_be_reflected_is_refused_when_the_model_is_built():
    pixel = keras.Input((1, 4, 2))
    with pytest.raises(ValueError, match="`border.*blur_size=3.*height=1"):
        MaxBlurPool2D(3)(pixel)
    with pytest.raises(ValueError, match="`border.*blur_size=5.*width=3"):
        MaxBlurPool2D(2, blur_size=5)(keras.Input((4, 3, 2)))
    assert MaxBlurPool2D(3, border="zeros")(pixel).shape == (None, 1, 2, 2)
    assert MaxBlurPool2D(3, blur_size=1)(pixel).shape == (None, 1, 2, 2)


def test_numpy_integers_and_only_images():
    layer = MaxBlurPool2D(np.int64(3), strides=np.int32(2))
    assert type(layer.get_config()["pool_size"]) is int
    assert layer(np.ones((1, 9, 8, 2), "float32")).shape == (1, 5, 4, 2)
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        layer(np.ones((9, 8, 2), "float32"))
    with pytest.raises(ValueError, match="data_format.*channels_first"):
        MaxBlurPool2D(data_format="channels_first")
