"""Predictions of the validation set: the network's own, kept whole, refused when damaged."""

import zipfile

import keras
import numpy as np
import pytest

from keras_twist.data import CIFAR10_CLASSES
from keras_twist.recipes import CIFAR_RECIPES, RecipeError, task
from keras_twist.recipes.cifar import normalization
from keras_twist.recipes.predictions import (
    flip_averaged_accuracy,
    load_predictions,
    predict,
    save_predictions,
)

needs_tf = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")


@pytest.fixture
def model():
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return keras.Sequential([keras.Input((32, 32, 3)), *layers])


@needs_tf
def test_predicts_as_the_network_does_on_normalised_images(model, tiny_images, tmp_path):
    data = task.Data(*tiny_images, "test", tuple("abcdefghij"))
    found = predict(model, CIFAR_RECIPES["quick"], data)
    images, labels = data.valid
    logits = model(normalization()(images))
    np.testing.assert_allclose(found.probabilities, keras.ops.softmax(logits), atol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.images, images[found.worst])
    assert len(found.worst) == 20 and (found.predicted != labels)[found.worst].all()
    save_predictions(found, tmp_path)
    again = load_predictions(tmp_path)
    assert again.class_names == tuple("abcdefghij")
    for name in ("labels", "probabilities", "worst", "images"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


@needs_tf
def test_mirror_images_are_averaged(tiny_images):
    """The left half votes for class 0 and the right half for 1; with its mirror image, neither."""
    images, labels = tiny_images[1]
    halves = keras.layers.AveragePooling2D((32, 16))
    model = keras.Sequential([keras.Input((32, 32, 3)), halves, keras.layers.Flatten()])
    model.add(keras.layers.Dense(10, use_bias=False))
    kernel = np.zeros((6, 10), "float32")
    kernel[:3, 0] = kernel[3:, 1] = 1.0
    model.layers[-1].kernel.assign(kernel)
    data = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    found = flip_averaged_accuracy(model, CIFAR_RECIPES["quick"], data)
    pixels = normalization()(images)
    mean = keras.ops.convert_to_numpy(model(pixels) + model(pixels[:, :, ::-1]))
    assert found == np.mean(mean.argmax(1) == labels)
    np.testing.assert_allclose(mean[:, 0], mean[:, 1], atol=1e-4)


@needs_tf
def test_a_network_that_diverged_predicts_nothing_in_particular(model, tiny_images):
    model.layers[-1].bias.assign([np.nan] * 10)
    found = predict(model, CIFAR_RECIPES["quick"], task.Data(*tiny_images, "test", CIFAR10_CLASSES))
    np.testing.assert_allclose(found.probabilities, 0.1)
    assert found.class_names == CIFAR10_CLASSES


def test_none_were_kept(tmp_path):
    assert load_predictions(tmp_path) is None


def arrays(**changes):
    whole = {
        "labels": np.array([0, 1]),
        "probabilities": np.array([[0.5, 0.5], [0.9, 0.1]], "float32"),
        "class_names": np.array(["a", "b"]),
        "worst": np.array([1]),
        "images": np.zeros((1, 4, 4, 3), "uint8"),
    }
    return whole | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, 2])},
        {"labels": np.array([0])},
        {"labels": np.array([None, 1], object)},
        {"probabilities": np.full((2, 2), np.nan)},
        {"class_names": np.array(["a"])},
        {"worst": np.array([2])},
        {"images": np.zeros((1, 4, 4, 3))},
        {"images": np.zeros((1, 4, 4, 2), "uint8")},
        {"images": np.zeros((1, 0, 4, 3), "uint8")},
        {"images": np.zeros((1, 1, 5000, 3), "uint8")},
        {"more": np.zeros(1)},
        {"class_names": np.array([b"a", b"b"])},
        {"class_names": np.array(["a", "\x1b[2J"])},
        {"labels": np.zeros((2, 1), int)},
        {"probabilities": np.zeros((0, 2)), "labels": np.zeros(0, int), "class_names": [["a"]]},
    ],
    ids=str,
)
def test_predictions_that_do_not_fit_are_refused(changes, tmp_path):
    np.savez(tmp_path / "predictions.npz", **arrays(**changes))
    with pytest.raises(RecipeError, match="predictions.npz is damaged: ") as caught:
        load_predictions(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 100, -30])
def test_a_torn_file_is_refused(kept, tmp_path):
    path = tmp_path / "predictions.npz"
    np.savez_compressed(path, **arrays())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RecipeError, match="predictions.npz is damaged: "):
        load_predictions(tmp_path)


def test_an_array_that_would_fill_the_memory_is_not_read(tmp_path):
    for name, shape in (("probabilities", (2**40, 2)), ("images", (1, 2**20, 2**10, 3))):
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with zipfile.ZipFile(tmp_path / "predictions.npz", "w") as archive:
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(member, header)
        with pytest.raises(RecipeError, match=f"{name} is float32 of shape"):
            load_predictions(tmp_path)


def test_a_flipped_bit_is_found(tmp_path):
    np.savez(tmp_path / "predictions.npz", **arrays())
    contents = bytearray((tmp_path / "predictions.npz").read_bytes())
    contents[200] ^= 1  # within the labels
    (tmp_path / "predictions.npz").write_bytes(contents)
    with pytest.raises(RecipeError, match="predictions.npz is damaged: "):
        load_predictions(tmp_path)
