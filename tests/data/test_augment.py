"""What the augmentations of a pipeline draw, and that their arguments are checked."""

import keras
import numpy as np
import pytest

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="TensorFlow or JAX make the batches"
)


def one_batch(operation, images, seed=0, **options):
    labels = np.zeros(len(images), int)
    dataset = data.train_dataset(
        images, labels, len(images), augment=(operation,), seed=seed, **options
    )
    return np.array(next(iter(dataset))[0])


def test_erasing_follows_its_definition():
    images = np.full((3000, 20, 30, 1), 255, "uint8")
    out = one_batch(data.random_erasing(0.5, (0.1, 0.3), (0.5, 2.0), value_range=(0, 200)), images)
    erased = (out != 255)[..., 0]
    touched = erased.any(axis=(1, 2))
    assert abs(touched.mean() - 0.5) < 0.04  # a standard deviation of 0.009
    rows, columns = erased.any(axis=2).sum(axis=1), erased.any(axis=1).sum(axis=1)
    assert (erased.sum(axis=(1, 2)) == rows * columns).all()  # rectangles without holes
    share = (rows * columns)[touched] / 600
    # Sides are rounded down, which takes at most a row and a column.
    assert 0.3 >= share.max() > 0.26 and 0.05 < share.min() < 0.11
    aspect = rows[touched] / columns[touched]
    assert 0.4 < aspect.min() < 0.6 and 1.6 < aspect.max() < 2.4
    assert erased.any(axis=0).all()  # reaches every pixel
    values = out[erased]
    assert values.max() < 201 and abs(values.mean() - 100) < 2  # noise, one value per pixel


def test_erasing_with_probability_zero_and_one():
    images = np.full((64, 16, 16, 3), 255, "uint8")
    np.testing.assert_array_equal(one_batch(data.random_erasing(0.0), images), images)
    out = one_batch(data.random_erasing(1.0, area=(0.2, 0.2), value_range=(0, 100)), images)
    assert (out != 255).any(axis=(1, 2, 3)).all()


def test_cutout_after_normalisation_writes_the_mean_colour():
    images = np.full((200, 16, 16, 3), 200, "uint8")
    dataset = data.train_dataset(
        images,
        np.zeros(200, int),
        200,
        augment=(data.normalize([100] * 3, [50] * 3), data.random_cutout(4)),
    )
    out = np.array(next(iter(dataset))[0])
    assert ((out == 0).sum(axis=(1, 2, 3)) == 4 * 4 * 3).all()
    assert np.unique(out).tolist() == [0, 2]


def test_two_seeds_differ_and_one_repeats():
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3)).astype("uint8")
    operation = data.random_pad_crop(2)
    first, again, other = (one_batch(operation, images, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.random_pad_crop(-1), "`padding`.*-1"),
        (lambda: data.random_cutout(0), "`size`.*0"),
        (lambda: data.random_erasing(1.5), "`probability`.*1.5"),
        (lambda: data.random_erasing(area=(0.5, 0.1)), "`area`"),
        (lambda: data.random_erasing(aspect=(0.0, 1.0)), "`aspect`"),
        (lambda: data.random_erasing(value_range=(1.0, 0.0)), "`value_range`"),
        (
            lambda: data.random_erasing(fill="normal", value_range=(0, 1)),
            "`value_range` needs fill",
        ),
        (lambda: data.random_erasing(fill=0.5, value_range=(0, 1)), "`value_range` needs fill"),
        (lambda: data.random_pad_crop(4, value=114), "`value` needs mode='constant'"),
        (lambda: data.random_rotation(15, "edge", (0, 0, 1)), "`value` needs mode='constant'"),
        (lambda: data.random_translation(mode="edge", value=1), "`value` needs mode='constant'"),
        (lambda: data.normalize([0.0], [0.0]), "`std`"),
        (
            lambda: one_batch(data.random_cutout(9), np.zeros((2, 8, 8, 3), "uint8")),
            "`size`.*size=9, height=8",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
