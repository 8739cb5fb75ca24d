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


@pytest.mark.parametrize("fill", ["pixel", "normal", "color", "value", 0.5, (0.1, 0.2, 0.3)])
def test_every_fill(fill):
    images = RNG.uniform(size=(3, 8, 6, 3)).astype("float32")
    shape = erasing.NOISE_SHAPES[fill](images.shape, 2) if isinstance(fill, str) else (1,)
    noise = RNG.uniform(size=shape).astype("float32")
    found = erasing.erase_rectangles(images, **BOXES, noise=noise, fill=fill, value_range=(-1, 3))

    def expected(number, box, row, column):
        if not isinstance(fill, str):
            return fill
        if fill == "normal":
            return noise[number, row, column]
        unit = noise[number, row, column] if fill == "pixel" else noise[number, box, 0, 0]
        return 4 * unit - 1

    np.testing.assert_allclose(ops.convert_to_numpy(found), by_loops(images, expected), atol=1e-6)


def test_integers_take_all_their_values_by_default():
    noise = np.linspace(0, 1, 3 * 8 * 6 * 3, endpoint=False).reshape(3, 8, 6, 3)
    whole = {"top": 0, "left": 0, "height": 8, "width": 6}
    whole = {name: np.full((3, 1), number) for name, number in whole.items()}
    images = np.full((3, 8, 6, 3), 9, "uint8")
    found = ops.convert_to_numpy(erasing.erase_rectangles(images, **whole, noise=noise))
    np.testing.assert_array_equal(found, np.floor(256 * noise))
    assert found.min() == 0 and found.max() == 255


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
        (np.zeros((3, 8, 6, 3)), {"fill": (0.0, 1.0)}, "`fill`.*`value_range`.*channels=3"),
    ],
)
def test_bad_arguments_are_named(images, options, message):
    with pytest.raises(ValueError, match=message):
        erasing.erase_rectangles(images, **BOXES, **options)
