"""Data that lie: what trains to no use is refused or warned of, and the real sets are not."""

import inspect
import warnings

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_twist import data
from keras_twist.data.checks import check_finite, check_labels, check_scale

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 8, 3), "uint8")
LABELS = np.arange(40) % 10
CIFAR = data.normalize(data.CIFAR10_MEAN, data.CIFAR10_STD)

needs_tf = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS + 1, r"in \[0, 10\)\. Received: labels from 1 to 10, 4 of 40 outside\. They seem"),
        (LABELS - 1, "labels from -1 to 8, 4 of 40 outside$"),
        (LABELS * 100, "labels from 0 to 900, 36 of 40 outside$"),
        ((LABELS - 1).astype("uint8"), "labels from 0 to 255, 4 of 40 outside$"),
    ],
)
def test_labels_of_no_class_are_counted(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, 10)


def test_labels_that_count_from_one():
    with pytest.warns(UserWarning, match="from 1 to 10 and has no 0, .*subtract 1"):
        check_labels(LABELS + 1, None)
    for fine in (LABELS, LABELS + 2, np.ones(5, int), np.array([1, 3])):
        check_labels(fine, None)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
def test_pixels_that_are_not_finite_are_counted_and_the_first_is_named(dtype):
    images = IMAGES.astype(dtype)
    check_finite(images)
    images[7, 1, 2, 0] = np.nan
    images[7, 0, 5, 2], images[31, 0, 0, 0] = np.inf, -np.inf
    with pytest.raises(ValueError, match=r"3 that are not, in 2 of 40 .*is images\[7, 0, 5, 2\]$"):
        check_finite(images)


def scale_warnings(images, operations):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_scale(images, operations)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    ("images", "operation"),
    [
        (IMAGES / 255, CIFAR),
        ((IMAGES > 127).astype("uint8"), CIFAR),
        (IMAGES, data.normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26])),
        (IMAGES, data.normalize([127] * 3, [0.25] * 3)),
        (IMAGES.astype(float) * 257, CIFAR),
        ((IMAGES - 125.0) / 63, CIFAR),
        (IMAGES, data.normalize([-20] * 3, [60] * 3)),
    ],
    ids=["0 to 1", "0 or 1", "mean of 0 to 1", "std of 0 to 1", "16 bits", "twice", "wrong mean"],
)
def test_a_wrong_scale_is_warned_of(images, operation):
    (message,) = scale_warnings(images, (data.random_pad_crop(2), data.random_flip(), operation))
    assert "where 0 and 1 are meant" in message and "\n" not in message
    assert str(f"{images.mean(axis=(0, 1, 2))[0]:.4g}") in message


@pytest.mark.parametrize(
    ("images", "operations"),
    [
        (IMAGES, (CIFAR,)),
        (IMAGES, (data.normalize(data.IMAGENET_MEAN, data.IMAGENET_STD),)),
        (IMAGES / 255, (data.normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26]),)),
        (IMAGES, (data.normalize([0] * 3, [255] * 3),)),
        (IMAGES, (data.normalize([127.5] * 3, [127.5] * 3),)),
        (IMAGES, (data.normalize([0] * 3, [1] * 3),)),
        (np.zeros_like(IMAGES), (CIFAR,)),
        (IMAGES / 255, (lambda images: images * 255, CIFAR)),
        (IMAGES / 255, ()),
        (IMAGES / 255, (data.random_flip(),)),
        (IMAGES[..., :1] / 255, (CIFAR,)),
    ],
)
def test_a_right_scale_is_not(images, operations):
    assert scale_warnings(images, operations) == []


def test_shared_images_are_counted():
    assert data.count_shared(IMAGES[:30], IMAGES[25:]) == 5
    assert data.count_shared(IMAGES[:30], IMAGES[30:]) == 0
    assert data.count_shared(IMAGES, np.concatenate([IMAGES[:2], IMAGES[:1]])) == 3
    assert data.count_shared(IMAGES, IMAGES.astype(float)) == 0
    assert data.count_shared(IMAGES, IMAGES[:, ::2]) == 0
    assert data.count_shared(IMAGES[:, :, ::-1], IMAGES[:, :, ::-1].copy()) == 40


@needs_tf
def test_whoever_takes_data_looks_at_them():
    wrong = [
        (IMAGES, LABELS + 1, "labels from 1 to 10, 4 of 40 outside"),
        (np.where(IMAGES > 254, np.nan, IMAGES), LABELS, "must hold finite numbers"),
    ]
    takers = (
        lambda x, y: data.train_dataset(x, y, 8, augment=(CIFAR,), num_classes=10),
        lambda x, y: data.eval_dataset(x, y, 8, transform=(CIFAR,), num_classes=10),
        lambda x, y: data.ResidentFeed(x, y, 8, augment=(CIFAR,), num_classes=10),
    )
    for take in takers:
        for images, labels, message in wrong:
            with pytest.raises(ValueError, match=message):
                take(images, labels)
        with pytest.warns(UserWarning, match="where 0 and 1 are meant") as caught:
            take(IMAGES / 255, LABELS)
        # The line that a person wrote.
        (place,) = {(one.filename, one.lineno) for one in caught if one.category is UserWarning}
        assert place == (__file__, inspect.getsourcelines(take)[1])


def test_a_folder_of_cifar_that_shares_images(tiny, tmp_path):
    shared = tiny.arrays | {"x_test": tiny.arrays["x_train"][:4]}
    np.savez(tmp_path / "cifar10.npz", **shared)
    with pytest.warns(UserWarning) as caught:
        data.load_cifar10(tmp_path / "cifar10.npz")
    assert [str(one.message).partition(": ")[0] for one in caught] == [
        f"{tmp_path / 'cifar10.npz'} does not hold the published CIFAR-10",
        "4 of the 4 validation pictures are also training pictures, byte for byte",
    ]
    assert {one.filename for one in caught} == {__file__}
