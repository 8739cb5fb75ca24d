"""The real imgaug in the pipeline; `python tests/run_imgaug.py` runs this where it can be."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest

from keras_twist import data

pytestmark = [
    pytest.mark.imgaug,
    pytest.mark.skipif(
        importlib.util.find_spec("imgaug") is None, reason="python tests/run_imgaug.py has imgaug"
    ),
    # Of its time: the warnings are about what NumPy and Python have renamed since.
    pytest.mark.filterwarnings("ignore"),
]
COUNT, BATCH = 64, 16
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3)).astype("uint8")
LABELS = np.arange(COUNT)


@pytest.fixture(scope="module")
def iaa():
    import imgaug.augmenters

    return imgaug.augmenters


def batches(*augment, take=None, **options):
    dataset = data.train_dataset(IMAGES, LABELS, BATCH, augment=augment, **options)
    return np.array([images.numpy() for images, _ in (dataset.take(take) if take else dataset)])


@pytest.fixture(scope="module")
def example():
    """Variables of the example, which ran on these images."""
    path = Path(__file__).parents[2] / "examples" / "imgaug_pipeline.py"
    with pytest.MonkeyPatch.context() as patch:
        many = np.tile(IMAGES, (4, 1, 1, 1)), np.tile(LABELS, 4)
        patch.setattr(data, "load_cifar10", lambda: (many, many))
        return runpy.run_path(str(path))


@pytest.mark.parametrize("name", ["by_imgaug", "by_itself"])
def test_the_example_augments_and_normalises(example, name):
    images, labels = next(iter(example[name]))
    assert images.shape == (100, 32, 32, 3) and labels.shape == (100,)
    assert -3 < np.min(images) < -1 and 1 < np.max(images) < 3


def test_batches_repeat_for_one_seed(example):
    first, second = (batches(data.from_imgaug(example["augmenter"]), seed=1) for _ in range(2))
    assert first.shape == (4, BATCH, 32, 32, 3) and first.dtype == "uint8"
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, batches(data.from_imgaug(example["augmenter"]), seed=2))
    assert not np.array_equal(first, batches(seed=1))


def test_goes_on_in_the_middle_of_an_epoch(example):
    operation = data.from_imgaug(example["augmenter"])
    whole = batches(operation, repeat=True, take=10)
    rest = batches(operation, repeat=True, initial_step=7, take=3)
    np.testing.assert_array_equal(whole[7:], rest)


def test_flips_half_of_the_images_exactly(iaa):
    plain = batches().reshape(IMAGES.shape)
    found = batches(data.from_imgaug(iaa.Fliplr(0.5)), seed=0).reshape(IMAGES.shape)
    same = (found == plain).all(axis=(1, 2, 3))
    mirrored = (found == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 0.25 < mirrored.mean() < 0.75


def test_fixed_parameters_equal_a_direct_call(iaa):
    for augmenter in (iaa.Affine(rotate=10), iaa.GaussianBlur(0.7), iaa.Add(-9)):
        found = batches(data.from_imgaug(augmenter)).reshape(IMAGES.shape)
        expected = augmenter.augment_images(list(batches().reshape(IMAGES.shape)))
        np.testing.assert_array_equal(found, expected)


def test_an_augmenter_that_changes_the_size_is_named(iaa):
    with pytest.raises(ValueError, match=r"`augmenter` must keep the shape.*\(16, 40, 40, 3\)"):
        batches(data.from_imgaug(iaa.Pad(px=4, keep_size=False)))


def test_stands_before_normalisation(iaa):
    found = batches(
        data.from_imgaug(iaa.Invert(1.0)), data.normalize([255] * 3, [1] * 3), data.random_flip()
    )
    assert found.dtype == "float32"
    np.testing.assert_array_equal(
        np.sort(found, axis=None), np.sort(-IMAGES.astype("float32"), axis=None)
    )
