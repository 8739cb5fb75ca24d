"""Python augmenters in the pipeline: how they are called, seeded, checked, and what errors say."""

import threading
import time

import keras
import numpy as np
import pytest

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data runs TensorFlow operations"
)
COUNT, BATCH = 48, 8
IMAGES = np.random.default_rng(0).integers(0, 200, (COUNT, 6, 6, 3)).astype("uint8")
LABELS = np.arange(COUNT)


def batches(*augment, take=None, **options):
    dataset = data.train_dataset(IMAGES, LABELS, BATCH, augment=augment, **options)
    return [images.numpy() for images, _ in (dataset if take is None else dataset.take(take))]


class Standin:
    """What of imgaug's augmenters the pipeline touches, and a check on who calls it."""

    def __init__(self):
        self.rng = np.random.default_rng()
        self.thread = None

    def seed_(self, entropy):
        self.rng = np.random.default_rng(entropy)

    def augment_images(self, images):
        assert self.thread in (None, threading.get_ident())
        self.thread = threading.get_ident()
        rng = self.rng
        time.sleep(0.002)  # another thread's chance to seed it anew
        assert rng is self.rng
        return images + self.rng.integers(0, 50, (len(images), 1, 1, 1)).astype(images.dtype)


def add_noise(image, seed):
    image += np.random.default_rng(seed).integers(0, 50, image.shape).astype(image.dtype)
    return image


class ByImage:
    def augment_image(self, image):
        return image[:, ::-1]


def test_batches_repeat_for_one_seed_with_parallel_workers():
    for operation in (data.from_imgaug(Standin()), data.from_imgaug(add_noise)):
        first, second = (batches(operation, seed=4) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, batches(operation, seed=5))
        shifts = np.concatenate(first).astype(int) - np.concatenate(batches(seed=4))
        assert 0 <= shifts.min() and shifts.max() < 50
        assert len(np.unique(shifts[:, 0, 0, 0])) > 20  # each image its own


def test_goes_on_in_the_middle_of_an_epoch():
    operation = data.from_imgaug(Standin())
    whole = batches(data.random_flip(), operation, repeat=True, take=10)
    rest = batches(data.random_flip(), operation, repeat=True, initial_step=7, take=3)
    np.testing.assert_array_equal(whole[7:], rest)


def test_stands_between_compiled_operations():
    crop, cutout = data.random_pad_crop(2), data.random_cutout(2, value=255)
    seen = []

    def record(images):
        seen.append(images.copy())
        return images

    plain = batches(crop)
    found = batches(crop, data.from_imgaug(record, batched=True), data.normalize([0] * 3, [1] * 3))
    np.testing.assert_array_equal(found, np.array(plain, "float32"))
    assert seen[0].shape == (BATCH, 6, 6, 3)  # tried out while the pipeline was built
    np.testing.assert_array_equal(sorted(map(bytes, seen[1:])), sorted(map(bytes, plain)))
    assert (np.array(batches(data.from_imgaug(lambda image: image * 0), cutout)) == 255).any()


def test_how_an_augmenter_is_called():
    np.testing.assert_array_equal(
        batches(data.from_imgaug(ByImage())), np.array(batches())[:, :, :, ::-1]
    )
    shapes = set()

    def record(array):
        shapes.add(array.shape)
        return array

    batches(data.from_imgaug(record))
    batches(data.from_imgaug(record, batched=True))
    assert shapes == {(6, 6, 3), (BATCH, 6, 6, 3)}


def test_it_may_write_to_what_it_gets():
    kept = IMAGES.copy()

    def blacken(images):
        images[:] = 0
        return images

    assert not np.any(batches(data.from_imgaug(blacken, batched=True)))
    np.testing.assert_array_equal(IMAGES, kept)
    np.testing.assert_array_equal(np.sort(batches(), axis=None), np.sort(kept, axis=None))


def test_the_published_eraser_fits_in():
    eraser = data.get_random_eraser(p=1.0, s_l=0.3, v_l=255, seed=0)
    found = np.concatenate(batches(data.from_imgaug(eraser)))
    assert (found == 255).any(axis=(1, 2, 3)).mean() > 0.9


def test_a_smaller_last_batch():
    dataset = data.train_dataset(
        IMAGES[:20], LABELS[:20], 8, augment=(data.from_imgaug(Standin()),), drop_remainder=False
    )
    assert [len(images) for images, _ in dataset] == [8, 8, 4]


@pytest.mark.parametrize(
    ("augmenter", "message"),
    [
        (lambda image: image[1:], r"keep the shape of an image, \(6, 6, 3\).*\(5, 6, 3\)"),
        (lambda image: image / 255, "keep the dtype of its images, uint8. Received: float64"),
        (lambda image: None, r"keep the shape of an image.*of shape \(\)"),
        (lambda image: image.nonsense, "failed on 8 images of shape.*AttributeError.*nonsense"),
        (lambda: None, "failed on 8 images.*TypeError"),
    ],
)
def test_what_comes_back_is_checked_when_the_pipeline_is_built(augmenter, message):
    with pytest.raises(ValueError, match="^Argument `augmenter`.*" + message) as caught:
        batches(data.from_imgaug(augmenter))
    assert "user code" not in str(caught.value)


def test_a_batch_of_another_shape_or_a_ragged_one():
    with pytest.raises(ValueError, match=r"shape of a batch, \(8, 6, 6, 3\).*\(7, 6, 6, 3\)"):
        batches(data.from_imgaug(lambda images: images[1:], batched=True))

    class Ragged:
        def augment_images(self, images):
            return [image[number:] for number, image in enumerate(images)]

    with pytest.raises(ValueError, match=r"shape of an image, \(6, 6, 3\).*\(5, 6, 3\)"):
        batches(data.from_imgaug(Ragged()))


def test_a_failure_in_a_later_batch_quotes_the_message():
    calls = []

    def spoil(images):
        calls.append(len(images))
        return images[: len(images) - (len(calls) > 3)]

    with pytest.raises(Exception, match="ValueError: Argument `augmenter` must keep the shape"):
        batches(data.from_imgaug(spoil, batched=True))


def test_no_augmenter_and_no_evaluation_with_one():
    with pytest.raises(ValueError, match="`augmenter` must have a method.*augmenter=3"):
        data.from_imgaug(3)
    with pytest.raises(ValueError, match="`transform` must not hold random operations"):
        data.eval_dataset(IMAGES, LABELS, 8, transform=(data.from_imgaug(add_noise),))


def test_two_of_them_draw_independently():
    seeds = {"first": [], "second": []}

    def noting(name):
        def augment(images, seed):
            seeds[name].append(seed)
            return images

        return data.from_imgaug(augment, batched=True)

    images = np.zeros((8, 4, 4, 3), "uint8")
    augment = (noting("first"), noting("second"))
    list(data.train_dataset(images, np.zeros(8, int), 4, augment=augment))
    assert len(set(seeds["first"][1:] + seeds["second"][1:])) == 4
