"""Blur and colour jitter against NumPy, image by image, for fixed draws."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.ops import filters

NUMPY_MODES = {"reflect": "reflect", "edge": "edge", "constant": "constant"}


def random_images(shape=(4, 8, 9, 3), dtype="uint8", high=256):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def blurred(image, sigma, radius, mode):
    """Weighted means over a window, in two dimensions at once."""
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode)
    out = np.zeros(image.shape)
    for row, column in np.ndindex(image.shape[:2]):
        window = padded[row : row + 2 * radius + 1, column : column + 2 * radius + 1]
        out[row, column] = (weights[..., None] * window).sum(axis=(0, 1)) / weights.sum()
    return out


@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_blur_is_a_weighted_mean(mode, dtype):
    images, sigmas = random_images(dtype=dtype), [0.3, 0.8, 1.5, 4.0]
    found = filters.gaussian_blur(images, sigmas, 3, mode)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    for image, sigma, result in zip(images, sigmas, found, strict=True):
        expected = blurred(image, sigma, 3, NUMPY_MODES[mode])
        tolerance = 0.501 if dtype == "uint8" else 1e-3
        assert np.abs(ops.convert_to_numpy(result) - expected).max() < tolerance


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_strength_zero_changes_nothing(dtype):
    images, one = random_images(dtype=dtype), np.ones(4)
    for found in (
        filters.gaussian_blur(images, 0 * one, 3),
        filters.color_jitter(images, one, one, one),
    ):
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        np.testing.assert_array_equal(ops.convert_to_numpy(found), images)


def jittered(image, brightness, contrast, saturation, limits):
    """The three changes, pixel by pixel."""

    def grey(pixel):
        return pixel @ [0.299, 0.587, 0.114] if len(pixel) == 3 else pixel.mean()

    image = (image.astype("float64") * brightness).clip(*limits)
    middle = np.mean([grey(pixel) for row in image for pixel in row])
    image = (middle + contrast * (image - middle)).clip(*limits)
    for row, column in np.ndindex(image.shape[:2]):
        level = grey(image[row, column])
        image[row, column] = level + saturation * (image[row, column] - level)
    return image.clip(*limits)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("dtype", "limits"), [("uint8", None), ("float32", (0.0, 255.0))])
def test_color_jitter(channels, dtype, limits):
    images = random_images((4, 5, 6, channels), dtype)
    factors = [1.0, 0.5, 1.6, 2.5], [0.0, 1.3, 0.7, 2.0], [1.2, 0.0, 2.0, 0.6]
    found = filters.color_jitter(images, *factors, limits)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    for image, *draw, result in zip(images, *factors, found, strict=True):
        expected = jittered(image, *draw, (0.0, 255.0))
        tolerance = 0.501 if dtype == "uint8" else 1e-3
        assert np.abs(ops.convert_to_numpy(result) - expected).max() < tolerance


def test_floats_are_clipped_to_a_given_range_only():
    images, two, one = random_images(dtype="float32"), np.full(4, 2.0), np.ones(4)
    found = ops.convert_to_numpy(filters.color_jitter(images, two, one, one))
    np.testing.assert_allclose(found, 2 * images)
    found = ops.convert_to_numpy(filters.color_jitter(images, two, one, one, (0.0, 300.0)))
    np.testing.assert_allclose(found, (2 * images).clip(0, 300))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: filters.gaussian_blur(np.zeros((8, 8, 3)), [1.0], 2), r"`images`.*\(8, 8, 3\)"),
        (lambda: filters.gaussian_blur(np.zeros((1, 8, 8, 3)), [1.0], 0), "`radius`.*0"),
        (
            lambda: filters.gaussian_blur(np.zeros((1, 9, 4, 3)), [1.0], 4),
            "`radius`.*radius=4, width=4",
        ),
        (lambda: filters.gaussian_blur(np.zeros((1, 8, 8, 3)), [1.0], 2, "wrap"), "`mode`.*wrap"),
        (lambda: filters.color_jitter(np.zeros((8, 8, 3)), [1.0], [1.0], [1.0]), "`images`"),
        (lambda: filters.blur_radius(1.5, 1.0), "`radius`.*1.5"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
