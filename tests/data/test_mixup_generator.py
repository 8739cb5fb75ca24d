"""The published generator: its pairs and blends, `datagen` afterwards, epochs, `model.fit`."""

import concurrent.futures
import math
import time

import keras
import numpy as np
import pytest

from keras_twist.data import MixupGenerator, get_random_eraser

COUNT, BATCH = 50, 12
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, 6, 6, 3)).astype("uint8")
LABELS = np.eye(COUNT)
OPTIONS = {"batch_size": BATCH, "seed": 3}


def published(images, labels, order, weight):
    """One step of the published code, given what it draws."""
    size = len(weight)
    first, second = images[order[:size]], images[order[size:]]
    image_weight, label_weight = weight.reshape(size, 1, 1, 1), weight.reshape(size, 1)
    return (
        first * image_weight + second * (1 - image_weight),
        labels[order[:size]] * label_weight + labels[order[size:]] * (1 - label_weight),
    )


def test_blends_as_the_published_code_does_for_the_same_draws():
    generator = MixupGenerator(IMAGES, LABELS, **OPTIONS)
    assert len(generator) == COUNT // (2 * BATCH) == 2
    for index in range(2):
        first, second, weight = generator.draw(0, index)
        images, labels = generator[index]
        expected = published(IMAGES, LABELS, np.concatenate([first, second]), weight)
        np.testing.assert_allclose(images, expected[0], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(labels, expected[1], atol=1e-7)
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-7)
        assert images.dtype == "float32" and labels.min() >= 0


def test_an_epoch_uses_no_image_twice_and_the_next_one_has_another_order():
    generator = MixupGenerator(IMAGES, LABELS, **OPTIONS)
    used = np.concatenate([np.concatenate(generator.draw(0, i)[:2]) for i in range(2)])
    assert len(set(used)) == 4 * BATCH
    before = generator[0][0]
    np.testing.assert_array_equal(generator[0][0], before)
    generator.on_epoch_end()
    assert not np.array_equal(generator[0][0], before)
    assert not np.array_equal(*(generator.draw(epoch, 0)[0] for epoch in (0, 1)))

    ordered = MixupGenerator(IMAGES, LABELS, shuffle=False, **OPTIONS)
    for epoch in (0, 1):
        np.testing.assert_array_equal(ordered.draw(epoch, 1)[0], np.arange(24, 36))
    assert not np.array_equal(ordered.draw(0, 0)[2], ordered.draw(1, 0)[2])


def test_weights_are_beta():
    alpha = 0.4
    generator = MixupGenerator(IMAGES, LABELS, batch_size=25, alpha=alpha, seed=0)
    weights = np.concatenate([generator.draw(epoch, 0)[2] for epoch in range(400)])
    assert np.mean(weights) == pytest.approx(0.5, abs=0.02)
    assert np.var(weights) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.01)


def test_calling_it_goes_through_the_same_batches_for_ever():
    generator = MixupGenerator(IMAGES, LABELS, **OPTIONS)
    stream = generator()
    called = [next(stream) for _ in range(4)]
    for epoch in range(2):
        for index in range(2):
            np.testing.assert_array_equal(called[2 * epoch + index][0], generator[index][0])
        generator.on_epoch_end()


def test_seeds():
    def images(seed):
        return MixupGenerator(IMAGES, LABELS, batch_size=BATCH, seed=seed)[0][0]

    np.testing.assert_array_equal(images(5), images(5))
    assert not np.array_equal(images(5), images(6))
    assert not np.array_equal(images(None), images(None))
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        found.append(images(None))
    np.testing.assert_array_equal(*found)


class Datagen:
    """What `ImageDataGenerator` does: a random transformation, then standardisation in place."""

    def __init__(self):
        self.calls = []

    def random_transform(self, image, seed=None):
        self.calls.append(("random_transform", image.copy(), seed))
        return image[:, ::-1]

    def standardize(self, image):
        self.calls.append(("standardize", image.copy(), None))
        image *= 2
        return image


def test_datagen_works_on_each_blended_image():
    kept, datagen = IMAGES.copy(), Datagen()
    images, _ = MixupGenerator(IMAGES, LABELS, datagen=datagen, **OPTIONS)[1]
    plain, _ = MixupGenerator(IMAGES, LABELS, **OPTIONS)[1]
    np.testing.assert_array_equal(images, 2 * plain[:, :, ::-1])
    np.testing.assert_array_equal(IMAGES, kept)
    assert [name for name, *_ in datagen.calls] == ["random_transform", "standardize"] * BATCH
    np.testing.assert_array_equal(datagen.calls[0][1], plain[0])
    assert len({seed for name, _, seed in datagen.calls if name == "random_transform"}) == BATCH


def test_draws_of_numpys_global_generator_are_the_seeds_in_any_thread():
    class OfKeras:
        def random_transform(self, image, seed=None):
            np.random.seed(seed)
            time.sleep(1e-4)
            return image + np.random.rand()

    images, labels = np.zeros((80, 2, 2, 1)), np.eye(2)[np.arange(80) % 2]
    batches = MixupGenerator(images, labels, 10, datagen=OfKeras(), seed=0)
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    alone = [batches[index][0] for index in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda index: batches[index][0], range(4)))
    np.testing.assert_array_equal(together, alone)
    assert np.random.rand() == expected


def test_datagen_may_have_one_of_the_methods():
    class Erase:
        def __init__(self):
            self.random_transform = get_random_eraser(p=1.0, pixel_level=True, seed=0)

    images, _ = MixupGenerator(IMAGES, LABELS, datagen=Erase(), **OPTIONS)[0]
    plain, _ = MixupGenerator(IMAGES, LABELS, **OPTIONS)[0]
    changed = (images != plain).any(axis=(1, 2, 3))
    assert changed.all()


def test_labels_may_be_a_list():
    two = [LABELS, RNG.random((COUNT, 2))]
    generator = MixupGenerator(IMAGES, two, **OPTIONS)
    first, second, weight = generator.draw(0, 0)
    _, labels = generator[0]
    assert isinstance(labels, tuple)
    for found, array in zip(labels, two, strict=True):
        expected = weight[:, None] * array[first] + (1 - weight[:, None]) * array[second]
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("form", ["object", "called", "workers"])
def test_feeds_model_fit(form):
    labels = np.eye(10)[np.arange(COUNT) % 10]
    options = {"workers": 2} if form == "workers" else {}
    epochs = []

    class Recording(MixupGenerator):
        def _batch(self, epoch, index):
            epochs.append(epoch)
            return super()._batch(epoch, index)

    generator = Recording(IMAGES, labels, **OPTIONS, **options)
    inputs = keras.Input((6, 6, 3))
    features = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(features))
    model.compile("sgd", "categorical_crossentropy")
    steps = {"steps_per_epoch": len(generator)} if form == "called" else {}
    feed = generator() if form == "called" else generator
    history = model.fit(feed, epochs=3, shuffle=False, verbose=0, **steps)
    assert np.isfinite(history.history["loss"]).all() and len(history.history["loss"]) == 3
    assert int(model.optimizer.iterations) == 6
    assert len(set(epochs)) >= 3


def test_feeds_a_model_of_two_outputs():
    inputs = keras.Input((6, 6, 3))
    features = keras.layers.Flatten()(inputs)
    outputs = [keras.layers.Dense(size, activation="softmax")(features) for size in (COUNT, 3)]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["categorical_crossentropy", "categorical_crossentropy"])
    labels = [LABELS, np.eye(3)[np.arange(COUNT) % 3]]
    model.fit(MixupGenerator(IMAGES, labels, **OPTIONS), verbose=0)
    assert int(model.optimizer.iterations) == 2


class Cropping:
    def standardize(self, image):
        return image[1:]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MixupGenerator(IMAGES[0], LABELS), r"`X_train`.*\(6, 6, 3\)"),
        (lambda: MixupGenerator(IMAGES, np.arange(COUNT)), r"`y_train`.*y_train.shape=\(50,\)"),
        (lambda: MixupGenerator(IMAGES, [LABELS, LABELS[1:]]), "`y_train`.*images=50"),
        (lambda: MixupGenerator(IMAGES, LABELS, 26), "`batch_size`.*batch_size=26, images=50"),
        (lambda: MixupGenerator(IMAGES, LABELS, 0), "`batch_size`.*batch_size=0"),
        (lambda: MixupGenerator(IMAGES, LABELS, 5.0), "`batch_size`.*batch_size=5.0"),
        (lambda: MixupGenerator(IMAGES, LABELS, 5, alpha=0), "`alpha` must be.*> 0.*alpha=0"),
        (lambda: MixupGenerator(IMAGES, LABELS, 5, alpha=math.inf), "`alpha` must be.*alpha=inf"),
        (lambda: MixupGenerator(IMAGES, LABELS, 5, alpha="1"), "`alpha` must be.*alpha='1'"),
        (lambda: MixupGenerator(IMAGES, LABELS, 5, datagen=3), "`datagen`.*datagen=3"),
        (
            lambda: MixupGenerator(IMAGES, LABELS, 5, datagen=Cropping())[0],
            r"`datagen` must keep the shape.*\(5, 6, 3\)",
        ),
        (lambda: MixupGenerator(IMAGES, LABELS, 5, seed=1.5), "`seed`.*seed=1.5"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_there_is_no_batch_after_the_last():
    with pytest.raises(IndexError, match="Batch 2 of 2"):
        MixupGenerator(IMAGES, LABELS, **OPTIONS)[2]
