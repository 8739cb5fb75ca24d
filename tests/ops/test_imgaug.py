"""The image operations against outputs of the real imgaug 0.4.0 (`tests/golden/make_imgaug.py`)."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.ops.filters import gaussian_blur
from keras_twist.ops.geometry import rotate
from keras_twist.ops.image import erase, flip_horizontal, pad_crop

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "imgaug.npz", allow_pickle=False)
IMAGES = GOLDEN["images"]
COUNT = len(IMAGES)


def cases(*prefixes):
    return [name for name in GOLDEN.files if name.split("/")[0].startswith(prefixes)]


def difference(found, name):
    """Largest difference in grey levels, and the mean."""
    assert keras.backend.standardize_dtype(found.dtype) == "uint8"
    apart = np.abs(ops.convert_to_numpy(found).astype(int) - GOLDEN[name])
    return apart.max(), apart.mean()


def each(value):
    return np.full(COUNT, value)


@pytest.mark.parametrize("name", cases("flip"))
def test_fliplr_bit_for_bit(name):
    assert difference(flip_horizontal(IMAGES, each(name.endswith("all"))), name) == (0, 0)


@pytest.mark.parametrize("name", cases("crop"))
def test_reflect_pad_and_crop_bit_for_bit(name):
    top, left = (int(number) for number in name.split("/")[1].split("_"))
    assert difference(pad_crop(IMAGES, each(top), each(left), 4, "reflect"), name) == (0, 0)


@pytest.mark.parametrize("name", cases("cutout"))
def test_cutout_clipped_at_the_border_bit_for_bit(name):
    row, column = (int(number) for number in name.split("/")[1].split("_"))
    assert difference(erase(IMAGES, each(row - 2), each(column - 2), 4, 4, 128), name) == (0, 0)


@pytest.mark.parametrize("name", cases("blur"))
def test_gaussian_blur_within_rounding(name):
    """One grey level: OpenCV's kernel for uint8 has weights of 8 bits."""
    sigma = float(name.split("/")[1])
    largest, mean = difference(gaussian_blur(IMAGES, each(sigma), radius=2), name)
    assert largest <= 1 and mean < 0.2


@pytest.mark.parametrize("name", cases("rotate"))
def test_rotation_within_its_fixed_point_steps(name):
    """OpenCV rounds places to 1/32 of a pixel: 1/64 off in both directions.

    That is at most 1/64 of the largest step between neighbours each way, and rounding to a grey
    level besides. Angles count clockwise in imgaug.
    """
    mode, degrees = name.split("/")
    found = rotate(IMAGES, each(-float(degrees)), mode.removeprefix("rotate_"))
    largest, mean = difference(found, name)
    assert largest <= 2 * 255 / 64 + 1 and mean < 1
