"""What every tf.data augmentation promises: in the pipeline = by hand, and its dtype."""

import keras
import numpy as np

from keras_twist import data

from ..tools import to_numpy
from .table import TF_DATA
from .tools import each, tensorflow_only

pytestmark = tensorflow_only
COUNT = 16
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3)).astype("uint8")
LABELS = np.arange(COUNT) % 10


def batch(augment=(), mix=None):
    return next(
        iter(
            data.train_dataset(
                IMAGES, LABELS, COUNT, augment=augment, mix=mix, seed=3, num_classes=10
            )
        )
    )


@each(TF_DATA)
def test_pipeline_equals_by_hand_for_the_same_draws(row):
    """Pipelines of one seed agree in order and draws, so that one of them can record both."""
    operation = row.make()
    images, labels = batch()
    if row.kind == "draw":
        record = operation._replace(apply=lambda images, **draws: draws)
        draws, _ = batch((record,))
        found, expected = batch((operation,))[0], operation.apply(images, **draws)
        assert not np.array_equal(to_numpy(found), to_numpy(images))
    elif row.kind == "function":
        found, expected = batch((operation,))[0], operation(images)
    elif row.kind == "python":
        seeds = []
        batch((data.PythonAugmentation(lambda images, seed: seeds.append(seed) or images),))
        found, expected = batch((operation,))[0], operation.run(images.numpy(), seeds[-1])
    else:
        seed, _ = batch(mix=lambda images, labels, seed: (seed, labels))
        (found, targets), (expected, labels) = batch(mix=operation), operation(images, labels, seed)
        np.testing.assert_allclose(to_numpy(targets), to_numpy(labels), atol=1e-6)
    for tensor in (found, expected):
        assert keras.backend.standardize_dtype(tensor.dtype) == row.dtype
    found, expected = (to_numpy(tensor).astype("float64") for tensor in (found, expected))
    # XLA calculates in another order, which now and then turns a half down instead of up.
    halves = (np.abs(found - expected) == 1) & (row.dtype == "uint8")
    assert halves.mean() < 1e-3
    np.testing.assert_allclose(found[~halves], expected[~halves], rtol=1e-6, atol=1e-4)


@each({name: row for name, row in TF_DATA.items() if row.kind == "draw"})
def test_keeps_other_dtypes(row):
    def to_half(images):
        return keras.ops.cast(images, "bfloat16")

    images, _ = batch((to_half, row.make()))
    assert keras.backend.standardize_dtype(images.dtype) == "bfloat16"
    assert images.shape == IMAGES.shape
