"""Mixup and cutmix treat images and labels alike, by weights from a Beta distribution."""

import keras
import numpy as np
import pytest

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="TensorFlow or JAX make the batches"
)
COUNT = 1000


def mixed(mix, size=2, seed=0):
    """Images whose channels are their one-hot labels, and the labels, after mixing."""
    labels = np.arange(COUNT) % 10
    images = np.zeros((COUNT, size, size, 10), "float32")
    images[np.arange(COUNT), :, :, labels] = 1
    dataset = data.train_dataset(images, labels, COUNT, mix=mix, num_classes=10, seed=seed)
    images, targets = map(np.array, next(iter(dataset)))
    assert images.dtype == targets.dtype == "float32"
    assert np.isfinite(images).all() and targets.min() >= 0
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    return images, targets


def weights(targets):
    """Both weights of every image whose partner is of another class, where they can be seen."""
    top = targets.max(axis=1)
    return np.concatenate([top, 1 - top])[np.concatenate([top, top]) < 1]


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05])
def test_small_values_leave_most_images_nearly_alone(alpha):
    _, targets = mixed(data.mixup(alpha))
    middle = (targets.max(axis=1) < 0.9).mean()
    expected = (np.abs(np.random.default_rng(0).beta(alpha, alpha, 10**5) - 0.5) < 0.4).mean()
    assert abs(middle - expected) < 0.03


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0])
def test_mixup_blends_images_and_labels_alike(alpha):
    images, targets = mixed(data.mixup(alpha))
    np.testing.assert_allclose(images[:, 0, 0], targets, atol=1e-6)
    # The weight is Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1)).
    if alpha >= 0.2:  # Where the larger weight is 1, nothing is seen.
        assert abs(weights(targets).var() - 1 / (4 * (2 * alpha + 1))) < 0.02


def test_cutmix_labels_are_the_exact_areas():
    images, targets = mixed(data.cutmix(1.0), size=9)
    areas = images.mean(axis=(1, 2))
    np.testing.assert_allclose(targets, areas, atol=1e-6)
    assert np.isin(images, (0, 1)).all()  # pasted, not blended
    # What a rectangle covers, before it is clipped at the border, is Beta(1, 1): uniform.
    assert 0.3 < (targets.max(axis=1) < 0.8).mean() < 0.6
    pasted = images[np.arange(COUNT), :, :, targets.argmax(axis=1)] != 1
    assert pasted.any(axis=0).all()  # reaches every pixel
    # The larger part may be either image; one of the two is a rectangle.
    rectangle = [
        part.sum(axis=(1, 2)) == part.any(axis=2).sum(axis=1) * part.any(axis=1).sum(axis=1)
        for part in (pasted, ~pasted)
    ]
    assert np.logical_or(*rectangle).all()


@pytest.mark.parametrize("make", [data.mixup, data.cutmix])
def test_one_weight_for_the_batch_or_one_for_every_image(make):
    own, same = (
        len(np.unique(mixed(make(1.0, per_image=choice), size=9, seed=3)[1].max(axis=1).round(4)))
        for choice in (True, False)
    )
    assert own > 20 and same <= 2  # 1 where the partner is of the same class


@pytest.mark.parametrize("make", [data.mixup, data.cutmix])
def test_integer_labels_become_one_hot_where_the_classes_are_given(make):
    seed = np.array([1, 2])
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype("uint8")
    labels = np.array([0, 1, 2, 3, 1, 0])
    found = make(0.5, num_classes=4)(images, labels, seed)
    expected = make(0.5)(images, np.eye(4, dtype="float32")[labels], seed)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_cutmix_keeps_the_dtype_of_images():
    images = np.zeros((8, 4, 4, 3), "uint8")
    dataset = data.train_dataset(images, np.arange(8), 8, mix=data.cutmix(), num_classes=8)
    assert np.array(next(iter(dataset))[0]).dtype == "uint8"


IMAGES = np.zeros((4, 8, 8, 3), "float32")


@pytest.mark.parametrize("make", [data.mixup, data.cutmix])
@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[0], np.eye(4), r"`images`.*\(8, 8, 3\)"),
        (IMAGES, np.arange(4), r"`labels`.*\(4,\).*int(32|64).*num_classes=None"),
        (IMAGES, np.eye(4, dtype=int), "`labels`.*float.*int(32|64)"),
        (IMAGES, np.zeros((4, 1, 2)), r"`labels`.*\(4, 1, 2\)"),
        (IMAGES, np.eye(3), r"`labels`.*one for each image.*labels=3"),
    ],
)
def test_what_cannot_be_mixed_is_named(make, images, labels, message):
    with pytest.raises(ValueError, match=message):
        make()(images, labels, [1, 2])


@pytest.mark.parametrize("make", [data.mixup, data.cutmix])
def test_another_number_of_classes_is_refused(make):
    with pytest.raises(ValueError, match=r"`labels`.*each of `num_classes`.*\(4, 4\).*=10"):
        make(num_classes=10)(IMAGES, np.eye(4, dtype="float32"), [1, 2])


@pytest.mark.parametrize("make", [data.mixup, data.cutmix])
@pytest.mark.parametrize("alpha", [0.0, -1.0, np.inf, "0.2"])
def test_alpha_must_be_positive(make, alpha):
    with pytest.raises(ValueError, match=f"`alpha`.*Received: alpha={alpha!r}"):
        make(alpha)
