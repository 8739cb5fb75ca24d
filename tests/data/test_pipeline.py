"""Pipelines: every image once per epoch, the same batches for one seed, exact resumption."""

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="TensorFlow or JAX make the batches"
)

AUGMENT = (
    data.random_pad_crop(2),
    data.random_flip(),
    data.normalize([120] * 3, [60] * 3),
    data.random_cutout(3),
)


def numbered(count, size=8):
    """Images that carry their number, and the numbers as labels."""
    images = (
        np.zeros((count, size, size, 3), "uint8")
        + np.arange(count, dtype="uint8")[:, None, None, None]
    )
    return images, np.arange(count)


def batches(dataset):
    return [tuple(map(np.array, batch)) for batch in dataset]


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_each_epoch_has_every_image_once_in_another_order():
    images, labels = numbered(100)
    dataset = data.train_dataset(images, labels, 32, drop_remainder=False)
    assert len(dataset) == 4
    orders = [np.concatenate([batch[1] for batch in batches(dataset)]) for _ in range(3)]
    for order in orders:
        assert sorted(order) == list(range(100))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[1], orders[2])
    for pixels, numbers in batches(dataset):
        np.testing.assert_array_equal(pixels[:, 0, 0, 0], numbers)


def test_sizes_may_be_numpys():
    assert len(data.train_dataset(*numbered(8), np.int64(4), seed=np.int32(1))) == 2
    assert len(batches(data.eval_dataset(*numbered(8), np.int64(4)))) == 2


def test_drop_remainder_leaves_full_batches():
    dataset = data.train_dataset(*numbered(100), 32)
    assert [len(batch[1]) for batch in batches(dataset)] == [32, 32, 32]
    assert next(iter(dataset))[0].shape == (32, 8, 8, 3)
    if keras.backend.backend() == "tensorflow":
        assert dataset.element_spec[0].shape == (32, 8, 8, 3)


def test_repeating_and_epoch_by_epoch_are_the_same_stream():
    images, labels = numbered(64)
    once = data.train_dataset(images, labels, 16, augment=AUGMENT, seed=5)
    endless = data.train_dataset(images, labels, 16, augment=AUGMENT, seed=5, repeat=True)
    assert_same(batches(once) + batches(once), batches(itertools.islice(endless, 8)))


@pytest.mark.parametrize("step", [1, 4, 7, 9])
def test_goes_on_at_any_step(step):
    options = {"augment": AUGMENT, "mix": data.mixup(0.4), "num_classes": 64, "repeat": True}
    images, labels = numbered(64)
    whole = batches(itertools.islice(data.train_dataset(images, labels, 16, **options), 12))
    rest = data.train_dataset(images, labels, 16, initial_step=step, **options)
    assert_same(whole[step:], batches(itertools.islice(rest, 12 - step)))


def test_draws_differ_between_images_and_steps():
    images = np.arange(8 * 8 * 3, dtype="uint8").reshape(1, 8, 8, 3).repeat(64, axis=0)
    dataset = data.train_dataset(images, np.zeros(64, int), 32, augment=AUGMENT)
    seen = {image.tobytes() for batch in batches(dataset) for image in batch[0]}
    assert len(seen) > 55


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data's threads")
def test_threads_do_not_change_the_batches():
    code = """
import sys, numpy as np, tensorflow as tf
tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[1]))
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
from keras_twist import data
def add_noise(image, seed):
    return image + np.random.default_rng(seed).integers(0, 9, image.shape).astype(image.dtype)
images = np.arange(64 * 300).reshape(64, 10, 10, 3).astype("uint8")
noise = data.from_imgaug(add_noise)
augment = (data.random_pad_crop(2), noise, data.random_erasing(0.5), data.random_flip())
dataset = data.train_dataset(
    images, np.arange(64), 16, augment=augment, mix=data.mixup(0.2), num_classes=64, seed=9)
import hashlib
digest = hashlib.sha256()
for _ in range(2):
    for batch in dataset:
        for tensor in batch:
            digest.update(tensor.numpy().tobytes())
print(digest.hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, threads], capture_output=True, text=True, check=True
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


def test_eval_dataset_is_exact_and_in_order():
    images, labels = numbered(70)
    dataset = data.eval_dataset(
        images, labels, 32, transform=(data.normalize([0] * 3, [1] * 3),), num_classes=70
    )
    out = batches(dataset)
    assert len(dataset) == 3
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in out]), images)
    targets = np.concatenate([targets for _, targets in out])
    np.testing.assert_array_equal(targets.argmax(axis=1), labels)


def test_a_function_may_change_the_shape_after_the_last_draw():
    def half(images):
        return images[:, :4]

    dataset = data.train_dataset(*numbered(8), 4, augment=(data.random_cutout(3), half))
    assert batches(dataset)[0][0].shape == (4, 4, 8, 3)
    with pytest.raises(ValueError, match=r"must come after every `Aug.*half.*4, 8, 3\).*8, 8, 3"):
        # Drawn for 8 rows, half of the squares would lie outside of 4.
        data.train_dataset(*numbered(8), 4, augment=(half, data.random_cutout(3)))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no such pipelines")
def test_no_pipeline_is_tuned():
    """TensorFlow 2.21 would now and then wait at the end of an iterator, for up to a minute."""
    images, labels = np.zeros((8, 4, 4, 3), "uint8"), np.zeros(8, int)
    for dataset in (
        data.train_dataset(images, labels, 4),
        data.train_dataset(images, labels, 4, repeat=True),
        data.eval_dataset(images, labels, 4),
        data.ResidentFeed(images, labels, 4).dataset(),
    ):
        assert dataset.options().autotune.enabled is False


def test_feeds_model_fit():
    images, labels = numbered(60)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(60)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    dataset = data.train_dataset(images, labels, 16, augment=AUGMENT)
    history = model.fit(dataset, epochs=3, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 3
    assert int(model.optimizer.iterations) == 9


@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed")  # of no effect on a tf.data.Dataset
@pytest.mark.parametrize("options", [{}, {"shuffle": False}])
def test_fit_sees_every_image_once_in_an_epoch_however_it_asks_for_batches(options):
    """Keras itself shuffles the numbers of a `PyDataset`'s batches unless told otherwise."""
    images, labels = numbered(60)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(60))

    class Seen(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(y_pred, -1) * 0 + ops.cast(ops.reshape(y_true, (-1,)), "float32")

    dataset = data.train_dataset(images, labels, 20)
    model.compile("sgd", Seen())
    losses = model.fit(dataset, epochs=3, verbose=0, **options).history["loss"]
    assert losses == pytest.approx([29.5] * 3)  # The mean of all numbers, each once.
    numbers = np.concatenate([batch[1] for batch in batches(dataset)])
    assert sorted(numbers) == list(range(60))


def test_the_caller_may_change_the_arrays_later():
    images, labels = numbered(16)
    dataset = data.eval_dataset(images, labels, 16)
    images[:] = 99
    np.testing.assert_array_equal(batches(dataset)[0][0][:, 0, 0, 0], np.arange(16))


IMAGES = np.zeros((10, 8, 8, 3), "uint8")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.train_dataset(IMAGES[0], np.zeros(8, int), 2), r"`images`.*\(8, 8, 3\)"),
        (lambda: data.train_dataset(IMAGES, np.zeros(9, int), 2), "`labels`.*images=10"),
        (lambda: data.train_dataset(IMAGES, np.zeros(10), 2), "`labels`.*float64"),
        (lambda: data.train_dataset(IMAGES, np.zeros((10, 1), int), 2), r"`labels`.*\(10, 1\)"),
        (lambda: data.train_dataset(IMAGES, np.zeros(10, int), 0), "`batch_size`.*0"),
        (lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, seed=2**63), "`seed`.*64 bits"),
        (lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, seed=1.5), "`seed`.*1.5"),
        (lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, abs), "`augment` must be a tup"),
        (lambda: data.ResidentFeed(IMAGES, np.zeros(10, int), 2, None), "`augment` must be a tup"),
        (lambda: data.train_dataset(IMAGES, np.zeros(10, int), 11), "`batch_size`.*images=10"),
        (
            lambda: data.train_dataset(IMAGES, np.full(10, 3), 2, num_classes=3),
            r"`labels` must lie in \[0, 3\)",
        ),
        (
            lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, mix=data.mixup()),
            "`num_classes`",
        ),
        (
            lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, initial_step=3),
            "`initial_step`",
        ),
        (
            lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, repeat=True, initial_step=-1),
            "`initial_step` must be an integer >= 0",
        ),
        (
            lambda: data.ResidentFeed(IMAGES, np.zeros(10, int), 2).dataset(1.5),
            "`initial_step` must be an integer >= 0",
        ),
        (
            lambda: data.eval_dataset(IMAGES, np.zeros(10, int), 2, transform=AUGMENT),
            "`transform`",
        ),
        (
            lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, augment=data.random_flip()),
            "`augment` must be a tuple",
        ),
        (
            lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, augment=("flip",)),
            "`augment` must hold operations.*flip",
        ),
        (
            lambda: data.eval_dataset(IMAGES, np.zeros(10, int), 2, data.normalize([1], [1])),
            "`transform` must be a tuple",
        ),
        (
            lambda: data.train_dataset(IMAGES, np.zeros(10, int), 2, mix=0.2, num_classes=2),
            "`mix` must be what `mixup.*mix=0.2",
        ),
        (
            lambda: data.eval_dataset(IMAGES[0], np.zeros(8, int), 2),
            r"`images`.*\(8, 8, 3\)",
        ),
        (lambda: data.train_dataset(IMAGES[:0], np.zeros(0, int), 2), "at least one image"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
