"""Rotation, translation and resized crops against loops over pixels, for fixed draws."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.ops import geometry

MODES = ("constant", "edge", "reflect")


def random_images(shape=(5, 6, 9, 3), dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def look_up(image, row, column, mode, value):
    """One pixel at any place, by the definition of linear interpolation."""
    height, width, channels = image.shape
    total = np.zeros(channels)
    for near_row in (math.floor(row), math.floor(row) + 1):
        for near_column in (math.floor(column), math.floor(column) + 1):
            weight = (1 - abs(row - near_row)) * (1 - abs(column - near_column))
            r, c = near_row, near_column
            if mode == "reflect":
                r, c = (-x if x < 0 else x for x in (r, c))
                r = 2 * (height - 1) - r if r >= height else r
                c = 2 * (width - 1) - c if c >= width else c
            outside = not (0 <= r < height and 0 <= c < width)
            if mode == "constant" and outside:
                total += weight * value
            else:
                total += weight * image[min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
    return total


def by_loops(images, places, shape, mode, value):
    """`places(number, row, column)` tells where a pixel of the result comes from."""
    out = np.zeros((len(images), *shape, images.shape[-1]))
    for number, row, column, _ in np.ndindex(*out.shape[:3], 1):
        place = places(number, row, column)
        out[number, row, column] = look_up(images[number], *place, mode, value)
    return out


def assert_same(found, expected, dtype):
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    if dtype == "uint8":
        # Rounded; exactly half way, float32 and float64 may go apart.
        assert np.abs(found - expected).max() < 0.501
    else:
        np.testing.assert_allclose(found, expected, atol=1 if dtype == "bfloat16" else 2e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
def test_rotate(mode, dtype):
    images, degrees = random_images(), [-15.0, 0.0, 7.5, 15.0, 31.0]

    def places(number, row, column):
        turn = np.deg2rad(degrees[number])
        down, right = row - 2.5, column - 4.0
        return (
            math.cos(turn) * down + math.sin(turn) * right + 2.5,
            math.cos(turn) * right - math.sin(turn) * down + 4.0,
        )

    found = geometry.rotate(ops.cast(images, dtype), degrees, mode, 7)
    assert_same(found, by_loops(images, places, (6, 9), mode, 7), dtype)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_those_of_numpy(turns):
    images = random_images((2, 7, 7, 3))
    found = ops.convert_to_numpy(geometry.rotate(images, [90.0 * turns] * 2))
    np.testing.assert_array_equal(found, np.rot90(images, turns, axes=(1, 2)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_translate(mode, dtype):
    images = random_images(dtype=dtype)
    down, right = [0.0, 1.0, -2.5, 0.3, 0.0], [0.0, -3.0, 1.25, 0.0, 4.0]
    found = geometry.translate(images, down, right, mode, 7)
    expected = by_loops(
        images, lambda n, row, column: (row - down[n], column - right[n]), (6, 9), mode, 7
    )
    assert_same(found, expected, dtype)


@pytest.mark.parametrize("size", [5, (12, 7)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_crop_resize_is_crop_then_resize(size, dtype):
    images = random_images((4, 8, 9, 3), dtype)
    boxes = [(0, 0, 8, 9), (2, 1, 4, 6), (7, 8, 1, 1), (1, 4, 6, 5)]
    found = geometry.crop_resize(images, *np.transpose(boxes), size)
    shape = (size, size) if isinstance(size, int) else size
    for image, (top, left, height, width), result in zip(images, boxes, found, strict=True):
        window = image[None, top : top + height, left : left + width]

        def places(_, row, column, height=height, width=width):
            return (
                (row + 0.5) * height / shape[0] - 0.5,
                (column + 0.5) * width / shape[1] - 0.5,
            )

        assert_same(result, by_loops(window, places, shape, "edge", 0)[0], dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float16", "float64"])
def test_nothing_moved_is_nothing_changed(dtype):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has float64 only where it is switched on")
    images, zero = random_images(dtype=dtype), np.zeros(5)
    sides = np.full(5, 6), np.full(5, 9)
    for found in (
        *(geometry.rotate(ops.convert_to_tensor(images, dtype), zero, mode) for mode in MODES),
        geometry.translate(ops.convert_to_tensor(images, dtype), zero, zero, "reflect"),
        geometry.crop_resize(ops.convert_to_tensor(images, dtype), zero, zero, *sides, (6, 9)),
    ):
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        np.testing.assert_array_equal(ops.convert_to_numpy(found), images)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: geometry.rotate(np.zeros((8, 8, 3)), [0.0]), r"`images`.*\(8, 8, 3\)"),
        (lambda: geometry.rotate(np.zeros((1, 8, 8, 3)), [0.0], "wrap"), "`mode`.*'wrap'"),
        (
            lambda: geometry.rotate(np.zeros((1, 8, 8, 3), "uint8"), [0.0], value=256),
            r"`value`.*\[0, 255\].*uint8.*256",
        ),
        (lambda: geometry.translate(np.zeros((8, 8, 3)), [0.0], [0.0]), "`images`"),
        (lambda: geometry.crop_resize(np.zeros((8, 8, 3)), [0], [0], [1], [1], 4), "`images`"),
        (lambda: geometry.check_size(0), "`size`.*0"),
        (lambda: geometry.check_size((1, 2, 3)), r"`size`.*\(1, 2, 3\)"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
