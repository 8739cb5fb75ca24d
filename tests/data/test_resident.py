"""The resident feed gives the batches of `train_dataset`, in any step, from any step on."""

import functools
import itertools

import keras
import numpy as np
import pytest

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="TensorFlow or JAX make the batches"
)
COUNT, BATCH = 40, 8
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, 10, 10, 3)).astype("uint8")
LABELS = RNG.integers(0, 10, COUNT)
AUGMENT = (
    data.random_pad_crop(2),
    data.alternating_flip(),
    data.random_erasing(0.5),
    data.random_resized_crop((9, 8)),  # another shape for those behind it
    data.normalize([120] * 3, [60] * 3),
    data.random_cutout(3),
)


def options(mix=None):
    return {"augment": AUGMENT, "mix": mix, "seed": 3, "num_classes": 10}


@functools.cache
def resident():
    """One feed for all tests, because each compiles its operations anew."""
    return data.ResidentFeed(IMAGES, LABELS, BATCH, **options())


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("mix", [None, data.mixup(0.3)], ids=["plain", "mixup"])
def test_same_batches_as_the_pipeline(jit_compile, mix):
    on_jax = keras.backend.backend() == "jax"
    if mix and jit_compile or on_jax and not jit_compile:
        pytest.skip("XLA has no Gamma variates on TensorFlow; JAX always compiles")
    feed = data.ResidentFeed(IMAGES, LABELS, BATCH, **options(mix)) if mix else resident()
    assert feed.steps_per_epoch == 5
    step = feed.make_batch
    if not on_jax:
        import tensorflow as tf

        step = tf.function(step, jit_compile=jit_compile)
    expected = data.train_dataset(IMAGES, LABELS, BATCH, repeat=True, **options(mix))
    for drawn, batch in zip(itertools.islice(feed.dataset(), 7), expected, strict=False):
        for found, wanted in zip(step(drawn), batch, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def trained(feed_of, start=0):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((9, 8, 3)), *layers])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    model.evaluate(*validation(), verbose=0)
    feed_of(model)
    return model


def validation():
    return IMAGES[:4, :9, :8].astype("float32"), keras.utils.to_categorical(LABELS[:4], 10)


def test_trains_as_the_pipeline_does_and_leaves_the_model_as_it_was():
    feed = resident()
    fit = {"steps_per_epoch": 5, "shuffle": False, "verbose": 0}

    def by_resident(model):
        with feed.attach(model):
            model.fit(feed.dataset(), epochs=2, validation_data=validation(), **fit)
            model.fit(feed.dataset(10), epochs=3, initial_epoch=2, **fit)

    def by_pipeline(model):
        batches = data.train_dataset(IMAGES, LABELS, BATCH, repeat=True, **options())
        model.fit(batches, epochs=3, **fit)

    models = [trained(by_resident), trained(by_pipeline)]
    for first, second in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    assert "train_step" not in vars(models[0])
    models[0].fit(*validation(), verbose=0)  # on plain arrays, again


def test_a_train_step_of_the_users_own_is_there_again():
    def own(model):
        model.train_step = step = model.train_step
        with resident().attach(model):
            pass
        assert model.train_step is step

    trained(own)


@pytest.mark.parametrize("step", [1, 4, 5, 8])
def test_goes_on_at_any_step(step):
    feed = resident()
    whole = [feed.make_batch(drawn) for drawn in itertools.islice(feed.dataset(), step + 2)]
    rest = [feed.make_batch(drawn) for drawn in itertools.islice(feed.dataset(step), 2)]
    for first, second in zip(whole[step:], rest, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`augment` must not hold `from_imgaug`"):
        data.ResidentFeed(IMAGES, LABELS, 8, augment=(data.from_imgaug(abs),))
    with pytest.raises(ValueError, match="`batch_size`.*images=40"):
        data.ResidentFeed(IMAGES, LABELS, 41)
    with pytest.raises(ValueError, match="`num_classes`"):
        data.ResidentFeed(IMAGES, LABELS, 8, mix=data.mixup())
    if keras.backend.backend() == "jax":
        return
    model = keras.Sequential([keras.Input((9, 8, 3)), keras.layers.Flatten()])
    model.compile("sgd", "mse", jit_compile=True)
    feed = data.ResidentFeed(IMAGES, LABELS, 8, mix=data.mixup(), num_classes=10)
    with pytest.raises(ValueError, match="`model`.*jit_compile=False.*`mix`"), feed.attach(model):
        pass
