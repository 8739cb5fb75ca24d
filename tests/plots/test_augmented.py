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


def test_operations_that_follow_an_image_through_the_epochs():
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), "uint8")
    crop = data.random_resized_crop(4, aspects=np.array([0.5, 1.0, 2.0, 1.0]))
    shown = {"flip": data.alternating_flip(), "crop": crop}
    figure = plots.show_augmented(images, shown)
    row = [axes.images[0].get_array() for axes in figure.axes[4:8]]
    mirrored = [np.array_equal(one, image[:, ::-1]) for one, image in zip(row, images, strict=True)]
    same = [np.array_equal(one, image) for one, image in zip(row, images, strict=True)]
    assert sum(mirrored) == sum(same) == 2
    assert figure.axes[8].images[0].get_array().shape == (4, 4, 3)


def test_grey_images_have_one_scale():
    images = np.stack([np.full((4, 4, 1), 10, "uint8"), np.full((4, 4, 1), 200, "uint8")])
    figure = plots.show_augmented(images, {"int8": lambda x: keras.ops.cast(x, "int16") - 150})
    for axes in figure.axes[:2]:
        image = axes.images[0]
        assert (image.get_cmap().name, image.get_clim()) == ("gray", (0, 255))
    low, high = (axes.images[0].get_array() for axes in figure.axes[2:])
    assert np.all(low == 0) and np.all(high == 1)
