"""What every test may use: quiet backends, fixed seeds, a tiny data set."""

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Sums on a GPU are not the same to the last bit, and what is compiled by itself is for CPUs.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import hypothesis
import keras
import numpy as np
import pytest

# The first example of a test may compile for seconds, on JAX above all.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


@pytest.fixture(autouse=True)
def fixed_seeds_and_policy():
    """The same start for every test, and no dtype policy that leaks from one to the next."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def level_of_messages():
    """What the scripts do to it, here or in a fixture of a whole file, does not leak either."""
    logging.getLogger("keras_twist").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def tiny_images():
    """300 training and 100 test images in 10 classes that a small net learns, with labels."""
    rng = np.random.default_rng(0)

    def images(per_class):
        labels = np.repeat(np.arange(10, dtype="uint8"), per_class)
        pixels = rng.integers(0, 100, (len(labels), 32, 32, 3))
        pixels[np.arange(len(labels)), :, :, labels % 3] += 15 * labels[:, None, None]
        return pixels.astype("uint8"), labels

    return images(30), images(10)


@pytest.fixture(scope="session")
def tiny_tree(tiny_images, tmp_path_factory):
    """The tiny data set as folders of PNG files, as `load_cifar10(data_dir)` takes it."""
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the PNG files")
    root = tmp_path_factory.mktemp("tiny_tree")
    for split, (pixels, labels) in zip(("train", "test"), tiny_images, strict=True):
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
        for number, (array, label) in enumerate(zip(pixels, labels, strict=True)):
            image.fromarray(array).save(root / split / CLASSES[label] / f"{number:03}.png")
    return root


@pytest.fixture(scope="session")
def tiny_woof(tmp_path_factory):
    """A folder in the form of ImageWoof: its ten classes, 8 and 4 small pictures of each."""
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the PNG files")
    from keras_twist.data import IMAGEWOOF_CLASSES

    root, rng = tmp_path_factory.mktemp("tiny_woof") / "imagewoof2-160", np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for label, name in enumerate(IMAGEWOOF_CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (40 + number, 52, 3))
                pixels[..., label % 3] += 18 * label
                path = root / split / name / f"{number}.png"
                image.fromarray(pixels.astype("uint8")).save(path)
    return root
