"""Augmentation layers: one draw per image, the right distribution, off at inference."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist import data
from keras_twist.layers import (
    Cutout,
    RandomColorJitter,
    RandomErasing,
    RandomFlip,
    RandomGaussianBlur,
    RandomPadCrop,
    RandomRotation,
    RandomTranslation,
)

LAYERS = [
    lambda: RandomPadCrop(padding=2, seed=1),
    lambda: RandomFlip("horizontal_and_vertical", seed=1),
    lambda: Cutout(size=3, seed=1),
    lambda: RandomErasing(max_count=2, fill=0.0, seed=1),
    lambda: RandomRotation(seed=1),
    lambda: RandomTranslation(seed=1),
    lambda: RandomGaussianBlur(radius=1, seed=1),
    lambda: RandomColorJitter(seed=1),
]


def ramp(batch, size=8):
    """The same image many times, all pixels different, so that each draw can be read off."""
    image = np.arange(size * size, dtype="float32").reshape(1, size, size, 1) + 1
    return np.repeat(image, batch, axis=0)


def distinct(images):
    return len({image.tobytes() for image in ops.convert_to_numpy(images)})


def test_every_crop_offset_occurs_and_each_image_has_its_own():
    out = RandomPadCrop(padding=2, seed=0)(ramp(2000), training=True)
    assert distinct(out) == 25
    _, counts = np.unique(ops.convert_to_numpy(out)[:, 4, 4, 0], return_counts=True)
    assert counts.min() > 40  # 80 expected each, a standard deviation of 9


def test_flips_are_independent_in_both_directions():
    out = ops.convert_to_numpy(RandomFlip("horizontal_and_vertical", seed=0)(ramp(2000)))
    corners, counts = np.unique(out[:, 0, 0, 0], return_counts=True)
    assert corners.tolist() == [1, 8, 57, 64]
    assert counts.min() > 430  # 500 expected each, a standard deviation of 19


def test_cutout_is_a_whole_square_anywhere():
    out = ops.convert_to_numpy(Cutout(size=3, seed=0)(ramp(2000)))
    assert ((out == 0).sum(axis=(1, 2, 3)) == 9).all()
    assert distinct(out) == 36
    assert (out == 0).any(axis=0).all()


def test_clipped_cutout_has_its_centre_anywhere():
    out = ops.convert_to_numpy(Cutout(size=4, clip=True, seed=0)(ramp(2000)))
    areas = (out == 0).sum(axis=(1, 2, 3))
    assert distinct(out) == 64
    assert np.unique(areas).tolist() == [4, 6, 8, 9, 12, 16]


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_erases_as_many_images_as_it_says(probability):
    layer = RandomErasing(probability, area=(0.1, 0.3), fill=0.0, seed=0)
    erased = (ops.convert_to_numpy(layer(ramp(2000))) == 0).any(axis=(1, 2, 3)).mean()
    assert abs(erased - probability) < (0.05 if 0 < probability < 1 else 1e-9)


def test_every_image_has_its_own_draw():
    for make in LAYERS[3:]:
        out = make()(ramp(100), training=True)
        assert distinct(out) > 40


def test_augments_inside_a_compiled_step():
    """All of them draw where XLA compiles, for sizes that the model does not know.

    Uncompiled steps are the conformance suite's, and so is what a layer makes of its draws. XLA
    takes its time for every number that is drawn: without noise there is one less.
    """
    inputs = x = keras.Input((None, None, 3), dtype="uint8")
    for make in LAYERS:
        x = make()(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(x))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    # torch compiles by way of a C++ compiler, and Keras leaves it eager by itself.
    model.compile("sgd", "mse", jit_compile=keras.backend.backend() != "torch")
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3)).astype("uint8")
    history = model.fit(images, np.zeros((32, 2)), batch_size=16, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


SAME = {
    "pad crop": (RandomPadCrop, data.random_pad_crop, {"padding": 3, "mode": "edge"}),
    "pad crop, colour": (
        RandomPadCrop,
        data.random_pad_crop,
        {"padding": 2, "mode": "constant", "value": 7},
    ),
    "cutout": (Cutout, data.random_cutout, {"size": 4, "value": 5.0, "clip": True}),
    "erasing": (
        RandomErasing,
        data.random_erasing,
        {
            "probability": 0.7, "area": (0.2, 0.6), "aspect": (0.5, 3.0), "max_count": 3,
            "fill": "color", "value_range": (10.0, 20.0), "log_aspect": True,
        },
    ),
    "rotation": (RandomRotation, data.random_rotation, {"degrees": 80, "mode": "edge"}),
    "rotation, colour": (RandomRotation, data.random_rotation, {"degrees": 50, "value": 9}),
    "translation": (
        RandomTranslation,
        data.random_translation,
        {"height": 0.4, "width": 0.1, "mode": "reflect"},
    ),
    "translation, colour": (
        RandomTranslation,
        data.random_translation,
        {"height": 0.1, "width": 0.4, "value": 9},
    ),
    "blur": (
        RandomGaussianBlur,
        data.random_gaussian_blur,
        {"sigma": (0.5, 1.5), "probability": 0.6, "radius": 2, "mode": "constant"},
    ),
    "jitter": (
        RandomColorJitter,
        data.random_color_jitter,
        {"brightness": 0.1, "contrast": 0.3, "saturation": 0.5, "value_range": (50.0, 150.0)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_every_option_does_what_it_does_in_a_pipeline(name):
    make, augmentation, options = SAME[name]
    layer, expected = make(**options), augmentation(**options)
    images = np.random.default_rng(0).uniform(0, 255, (20, 9, 8, 3)).astype("float32")

    def uniform():
        rng = np.random.default_rng(1)
        return lambda shape, low, high, dtype: ops.cast(rng.uniform(low, high, shape), dtype)

    layer.uniform = uniform()
    drawn, wanted = layer.draw(images.shape), expected.draw(uniform(), images.shape)
    assert drawn.keys() == wanted.keys()
    for key in drawn:
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (drawn[key], wanted[key])))
    found, wanted = layer.apply(images, **drawn), expected.apply(images, **wanted)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (found, wanted)))
    assert np.any(ops.convert_to_numpy(found) != images)


@pytest.mark.parametrize(
    "layer",
    [
        lambda colour: RandomPadCrop(2, "constant", colour, seed=1),
        lambda colour: Cutout(3, colour, seed=1),
        lambda colour: RandomErasing(1.0, fill=colour, seed=1),
        lambda colour: RandomRotation(180, "constant", colour, seed=1),
        lambda colour: RandomTranslation(0.5, 0.5, "constant", colour, seed=1),
    ],
)
def test_a_colour_in_an_array_is_saved(layer, tmp_path):
    colour = np.array([40.0, 50.0, 60.0], "float32")
    model = keras.Sequential([keras.Input((8, 8, 3)), layer(colour)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    out = ops.convert_to_numpy(loaded(np.zeros((20, 8, 8, 3), "float32"), training=True))
    assert (out == colour).all(axis=-1).any()
    with pytest.raises(ValueError, match="channels=1"):
        layer(colour)(ramp(1))
    with pytest.raises(ValueError, match=r"\[0, 255\].*uint8"):
        layer(colour * 10)(np.zeros((1, 8, 8, 3), "uint8"))


def test_a_model_knows_that_integer_images_stay_integers():
    images = keras.Input((8, 8, 3), dtype="uint8")
    assert keras.backend.standardize_dtype(RandomFlip()(images).dtype) == "uint8"
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert keras.backend.standardize_dtype(RandomFlip()(images).dtype) == "uint8"
    floats = RandomFlip()(keras.Input((8, 8, 3)))
    assert keras.backend.standardize_dtype(floats.dtype) == "bfloat16"


def test_a_range_may_be_an_array():
    assert RandomColorJitter(value_range=np.array([0.0, 1.0])).value_range == (0.0, 1.0)


def in_a_model(layer):
    """One step of a model that does not know the size of its images."""
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(layer(inputs)))
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(np.zeros((2, 8, 8, 3)), np.zeros((2, 3)), verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomPadCrop(padding=1.5), "`padding`.*1.5"),
        (lambda: RandomPadCrop(mode="wrap"), "`mode`.*wrap"),
        (lambda: RandomFlip("diagonal"), "`mode`.*diagonal"),
        (lambda: Cutout(size=0), "`size`.*0"),
        (lambda: RandomErasing(probability=2), "`probability`.*2"),
        (lambda: RandomErasing(area=(0.5, 1.5)), "`area`.*1.5"),
        (lambda: RandomErasing(aspect=(0, 1)), "`aspect`"),
        (lambda: RandomErasing(max_count=1.5), "`max_count`.*1.5"),
        (lambda: RandomErasing(fill="mean"), "`fill`.*mean"),
        (lambda: RandomErasing(1.0, fill=(1.0, 2.0))(ramp(1)), "`fill`.*channels=1"),
        (lambda: RandomRotation(degrees=181), "`degrees`.*181"),
        (lambda: RandomRotation(mode="wrap"), "`mode`.*wrap"),
        (lambda: RandomTranslation(height=-0.1), "`height`.*-0.1"),
        (lambda: RandomGaussianBlur(sigma=(1.0, 0.5)), "`sigma`"),
        (lambda: RandomGaussianBlur(sigma=(0.0, 3.0))(ramp(1)), "`radius`.*radius=9"),
        (lambda: RandomColorJitter(saturation=-1.0), "`saturation`.*-1.0"),
        (lambda: RandomErasing()(np.zeros((8, 8, 3))), r"shape \(batch, height, width, channels\)"),
        (lambda: Cutout(size=9)(ramp(1)), "`size`.*size=9, height=8"),
        (lambda: in_a_model(Cutout(size=9)), "`size`.*size=9, height=8"),
        (lambda: RandomPadCrop(2, "constant", (1, 2))(ramp(1)), "`value`.*per channel.*channels=1"),
        (lambda: RandomFlip()(np.zeros((8, 8, 3))), r"shape \(batch, height, width, channels\)"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_model_that_is_called_by_hand_draws_nothing():
    inner = [RandomPadCrop(2), RandomFlip(), Cutout(4)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *inner])
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(model(images), images)
    assert np.any(ops.convert_to_numpy(model(images, training=True)) != images)
    assert np.any(ops.convert_to_numpy(RandomPadCrop(2)(images)) != images)


class Composite(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.crop = RandomPadCrop(2)

    def call(self, images):
        return self.crop(images)


def test_so_does_a_layer_made_of_others():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, Composite()(inputs))
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(model(images), images)


def test_a_layer_of_a_model_draws_where_it_is_called_by_itself():
    layer = RandomPadCrop(2)
    keras.Sequential([keras.Input((8, 8, 3)), layer])
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    assert np.any(ops.convert_to_numpy(layer(images)) != images)
    np.testing.assert_array_equal(layer.call(ops.convert_to_tensor(images)), images)


def test_so_does_one_for_each_image_of_a_film():
    layer = keras.layers.TimeDistributed(RandomPadCrop(2))
    model = keras.Sequential([keras.Input((3, 8, 8, 3)), layer])
    films = np.random.default_rng(0).normal(size=(4, 3, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(model(films), films)
    assert np.any(ops.convert_to_numpy(model(films, training=True)) != films)
