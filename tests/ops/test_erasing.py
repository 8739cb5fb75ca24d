"""Several rectangles per image against NumPy, for fixed draws."""

import numpy as np
import pytest
from keras import ops

from keras_twist.ops import erasing

RNG = np.random.default_rng(0)
BOXES = {
    "top": np.array([[0, 5], [2, -1], [3, 0]]),
    "left": np.array([[1, 0], [4, 4], [0, 2]]),
    "height": np.array([[2, 3], [0, 4], [8, 1]]),
    "width": np.array([[3, 2], [5, 9], [1, 0]]),
}


def by_loops(images, fill):
    """`fill(number, box, row, column)` is what a pixel becomes; later rectangles lie above."""
    out = images.copy()
    for number, box in np.ndindex(3, 2):
        top, left, height, width = (BOXES[name][number, box] for name in BOXES)
        for row in range(max(top, 0), min(top + height, images.shape[1])):
            for column in range(max(left, 0), min(left + width, images.shape[2])):
                out[number, row, column] = fill(number, box, row, column)
    return out


def by_integers(number, shape, stream=0):
    """`hashed` in integers of 64 bits, which do not overflow."""
    count = np.prod(shape[1:])
    bits = np.arange(count).reshape(1, *shape[1:]) + stream * count
    bits = (bits * 0x9E3779B9 + np.reshape(number, (-1, 1, 1, 1))) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        bits = (bits ^ (bits >> shift)).astype("uint64") * np.uint64(factor) % np.uint64(2**32)
        bits = bits.astype("int64")
    return bits % 2**24 / 2**24


def test_hashed_is_its_definition_and_looks_like_noise():
    number, shape = RNG.integers(0, 2**31 - 1, 200), (200, 16, 16, 3)
    for stream in (0, 1):
        noise = ops.convert_to_numpy(erasing.hashed(number, shape, stream))
        np.testing.assert_array_equal(noise, by_integers(number, shape, stream))
    noise = noise.reshape(200, -1).astype("float64")
    assert abs(noise.mean() - 1 / 2) < 0.003 and abs(noise.var() - 1 / 12) < 0.001
    parts, _ = np.histogram(noise, bins=16, range=(0, 1))
    assert np.abs(parts / noise.size - 1 / 16).max() < 0.003
    # Neither pixels nor images know of each other: a standard deviation of 0.036 between images.
    assert np.abs(np.corrcoef(noise) - np.eye(200)).max() < 0.2
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("fill", ["pixel", "normal", "color", "value", 0.5, (0.1, 0.2, 0.3)])
def test_every_fill(fill):
    images = RNG.uniform(size=(3, 8, 6, 3)).astype("float32")
    shape = erasing.NOISE_SHAPES[fill](images.shape, 2) if isinstance(fill, str) else (1,)
    noise = RNG.uniform(size=shape).astype("float32")
    if fill in ("pixel", "normal"):
        noise = np.array([1, 2**30, 2**31 - 2])
        pixels, angles = (by_integers(noise, images.shape, stream) for stream in (0, 1))
        normal = np.sqrt(-2 * np.log(1 - pixels)) * np.cos(2 * np.pi * angles)
    found = erasing.erase_rectangles(images, **BOXES, noise=noise, fill=fill, value_range=(-1, 3))

    def expected(number, box, row, column):
        if not isinstance(fill, str):
            return fill
        if fill == "normal":
            return normal[number, row, column]
        unit = pixels[number, row, column] if fill == "pixel" else noise[number, box, 0, 0]
        return 4 * unit - 1

    np.testing.assert_allclose(ops.convert_to_numpy(found), by_loops(images, expected), atol=5e-6)


def test_integers_take_all_their_values_by_default():
    noise = np.arange(3)
    whole = {"top": 0, "left": 0, "height": 8, "width": 6}
    whole = {name: np.full((3, 1), number) for name, number in whole.items()}
    images = np.full((3, 8, 6, 3), 9, "uint8")
    found = ops.convert_to_numpy(erasing.erase_rectangles(images, **whole, noise=noise))
    np.testing.assert_array_equal(found, np.floor(256 * by_integers(noise, images.shape)))
    assert found.min() == 0 and found.max() == 255
    images = np.full((3, 8, 6, 3), 9, "int8")
    found = ops.convert_to_numpy(erasing.erase_rectangles(images, **whole, noise=noise))
    np.testing.assert_array_equal(found, np.floor(256 * by_integers(noise, images.shape) - 128))


def test_share_is_the_area_inside_the_image():
    top, left = RNG.integers(-5, 12, (2, 50))
    height, width = RNG.integers(0, 12, (2, 50))
    found = ops.convert_to_numpy(erasing.rectangle_share(top, left, height, width, 8, 6))
    canvas = np.zeros((50, 8, 6))
    for number in range(50):
        rows = slice(max(top[number], 0), max(top[number] + height[number], 0))
        columns = slice(max(left[number], 0), max(left[number] + width[number], 0))
        canvas[number, rows, columns] = 1
    np.testing.assert_allclose(found, canvas.mean(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((8, 6, 3)), {}, r"`images`.*\(8, 6, 3\)"),
        (np.zeros((3, 8, 6, 3), "uint8"), {"fill": "normal"}, "`fill`.*uint8"),
        (np.zeros((3, 8, 6, 3), "uint8"), {"fill": 256}, r"`fill`.*\[0, 255\].*256"),
        (np.zeros((3, 8, 6, 3), "uint8"), {"fill": (-1, 0, 0)}, "`fill`.*-1"),
        (
            np.zeros((3, 8, 6, 3)),
            {"fill": (0.0, 1.0)},
            "`fill`.*per channel.*channels=3",
        ),
    ],
)
def test_bad_arguments_are_named(images, options, message):
    with pytest.raises(ValueError, match=message):
        erasing.erase_rectangles(images, **BOXES, **options)
