"""Augmented images are shown below their originals."""

import keras
import numpy as np
import pytest

from keras_twist import data, layers, plots


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="draws as tf.data does")
def test_augmentations_are_shown_below_the_originals(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")
    flip = data.Augmentation(lambda uniform, shape: {}, lambda images: images[:, :, ::-1])
    rows = {
        "operation": flip,
        "tuple": (flip, data.normalize([0] * 3, [1] * 3)),
        "function": (lambda images: 255 - images,),
        "layer": layers.RandomFlip(seed=0),
        "python": data.from_imgaug(lambda image: image // 2),
    }
    figure = plots.show_augmented(images, rows)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert len(shown) == 3 * 6
    for column in range(3):
        original = images[column]
        np.testing.assert_array_equal(shown[column], original)
        np.testing.assert_array_equal(shown[3 + column], original[:, ::-1])
        np.testing.assert_array_equal(shown[9 + column], 255 - original)
        np.testing.assert_array_equal(shown[15 + column], original // 2)
    stretched = np.stack(shown[6:9])
    assert stretched.min() == 0 and stretched.max() == 1
    figure.savefig(tmp_path / "augmented.png")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="draws as tf.data does")
def test_mixed_images_carry_their_labels():
    def mix(images, labels, seed):
        return images, 0.75 * labels + 0.25 * labels[::-1]

    images = np.zeros((2, 8, 8, 3), "uint8")
    rows = {"mix": mix, "crop": data.random_pad_crop(2)}
    figure = plots.show_augmented(images, rows, np.eye(2, dtype="float32"), ["cat", "dog"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["cat", "dog", "0.75 cat\n0.25 dog", "0.75 dog\n0.25 cat", "", ""]
