"""Image operations against NumPy, image by image, for fixed draws."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_twist.ops import image as image_ops

NUMPY_MODES = {"reflect": "reflect", "edge": "edge", "constant": "constant"}


def random_images(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pad_crop_is_pad_then_crop(mode, dtype):
    images = random_images((9, 7, 6, 3), dtype)
    top, left = np.divmod(np.arange(9), 3)
    top, left = 3 * top, 3 * left
    found = ops.convert_to_numpy(image_ops.pad_crop(images, top, left, 3, mode, value=7))
    assert found.dtype == images.dtype
    constant = {"constant_values": 7} if mode == "constant" else {}
    for image, row, column, result in zip(images, top, left, found, strict=True):
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), NUMPY_MODES[mode], **constant)
        np.testing.assert_array_equal(result, padded[row : row + 7, column : column + 6])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 5), st.integers(5, 9), st.integers(5, 9), st.integers(0, 4), st.integers(0, 99)
)
def test_pad_crop_in_the_middle_changes_nothing(batch, height, width, padding, seed):
    images = random_images((batch, height, width, 2), seed=seed)
    middle = np.full(batch, padding)
    found = image_ops.pad_crop(images, middle, middle, padding)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), images)


def test_pad_crop_refuses_what_it_cannot_do():
    images, zero = np.zeros((1, 4, 8, 1), "uint8"), [0]
    with pytest.raises(ValueError, match=r"`padding`.*height.*Received: padding=4, height=4"):
        image_ops.pad_crop(images, zero, zero, 4, "reflect")
    with pytest.raises(ValueError, match=r"`padding`.*Received: padding=-1"):
        image_ops.pad_crop(images, zero, zero, -1)
    with pytest.raises(ValueError, match=r"`mode`.*Received: mode='mirror'"):
        image_ops.pad_crop(images, zero, zero, 1, "mirror")


@pytest.mark.parametrize(
    ("flip", "axis"), [(image_ops.flip_horizontal, 1), (image_ops.flip_vertical, 0)]
)
def test_flip_mirrors_the_chosen_images_only(flip, axis):
    images = random_images((4, 5, 6, 3))
    chosen = np.array([True, False, False, True])
    found = ops.convert_to_numpy(flip(images, chosen))
    for image, flipped, result in zip(images, chosen, found, strict=True):
        np.testing.assert_array_equal(result, np.flip(image, axis) if flipped else image)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-5, 9), st.integers(-5, 9), st.integers(0, 12), st.integers(0, 12)),
        min_size=1,
        max_size=4,
    )
)
def test_erase_overwrites_the_clipped_rectangle(rectangles):
    images = random_images((len(rectangles), 8, 6, 3), seed=len(rectangles))
    top, left, height, width = np.transpose(rectangles)
    found = ops.convert_to_numpy(image_ops.erase(images, top, left, height, width, fill=[1, 2, 3]))
    for image, (row, column, rows, columns), result in zip(images, rectangles, found, strict=True):
        expected = image.copy()
        expected[max(row, 0) : max(row + rows, 0), max(column, 0) : max(column + columns, 0)] = (
            1,
            2,
            3,
        )
        np.testing.assert_array_equal(result, expected)


def test_erase_rounds_a_float_fill_for_integer_images():
    found = image_ops.erase(np.zeros((1, 2, 2, 1), "uint8"), [0], [0], 2, 2, fill=122.6)
    assert np.unique(ops.convert_to_numpy(found)).tolist() == [123]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image_ops.pad_crop(np.zeros((8, 8, 3)), [0], [0], 1), r"`images`.*\(8, 8, 3\)"),
        (lambda: image_ops.flip_horizontal(np.zeros((8, 8, 3)), [True]), "`images`"),
        (lambda: image_ops.erase(np.zeros((8, 8, 3)), [0], [0], 1, 1), "`images`"),
        (lambda: image_ops.normalize(np.zeros((8, 8, 3)), [0] * 3, [1] * 3), "`images`"),
        (
            lambda: image_ops.normalize(np.zeros((1, 8, 8, 3)), [0] * 3, [1] * 3, "uint8"),
            "`dtype` must be of a float type.*uint8",
        ),
        (
            lambda: image_ops.normalize(np.zeros((1, 8, 8, 3)), [0] * 3, [1] * 2),
            "`std`.*one number per channel.*channels=3",
        ),
        (
            lambda: image_ops.blend(np.zeros((1, 2), int), np.zeros((1, 2)), [0.5]),
            "`first` must be of a float type.*int",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_normalize(dtype):
    images = random_images((2, 3, 3, 3))
    mean, std = [120.0, 110.0, 100.0], [60.0, 61.0, 62.0]
    found = image_ops.normalize(images, mean, std, dtype)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    expected = (images.astype("float64") - mean) / std
    tolerance = 1e-6 if dtype == "float32" else 2e-3
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=tolerance, atol=1e-6)


def test_blend_keeps_labels_a_distribution():
    first, second = np.eye(10, dtype="float32")[[1, 2]], np.eye(10, dtype="float32")[[3, 2]]
    found = ops.convert_to_numpy(image_ops.blend(first, second, np.array([0.25, 0.5], "float32")))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[0, [1, 3]], [0.25, 0.75])
    np.testing.assert_allclose(found[1, 2], 1)
