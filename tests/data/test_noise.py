"""Noise by hash: the published finaliser to the bit, uniform, unlike for neighbours and keys."""

import keras
import numpy as np
import pytest

from keras_twist import data
from keras_twist.data import noise

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data runs TensorFlow operations"
)


def lowbias32(x):
    x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
    x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
    return x ^ (x >> 16)


def numbers(*key, shape=(64, 1000)):
    return noise.uniform(np.array(key, "int32"), shape).numpy()


def test_equals_the_finaliser_bit_by_bit():
    key = (-5, 123456789)
    expected = [
        (lowbias32((lowbias32(i ^ (key[0] % 2**32)) + key[1]) % 2**32) >> 8) / 2**24
        for i in range(1000)
    ]
    np.testing.assert_array_equal(numbers(*key, shape=(10, 100)).ravel(), expected)


def test_is_uniform_and_independent():
    found = numbers(3, 4)
    assert found.min() >= 0 and found.max() < 1
    counts, _ = np.histogram(found, 100, (0, 1))
    chi_squared = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert 50 < chi_squared < 160  # 99 degrees of freedom
    others = [np.roll(found, 1, axis=1), np.roll(found, 1, axis=0), numbers(3, 5), numbers(4, 4)]
    for other in others:
        assert abs(np.corrcoef(found.ravel(), other.ravel())[0, 1]) < 0.02


def test_erasing_is_the_same_in_smaller_last_batches():
    images = np.zeros((20, 12, 12, 3), "uint8")
    erasing = (data.random_erasing(1.0, area=(0.3, 0.4), fill=(1.0, 255.0)),)
    for _ in range(2):
        found = [
            batch.numpy()
            for batch, _ in data.train_dataset(
                images, np.zeros(20, int), 8, augment=erasing, drop_remainder=False, repeat=True
            ).take(6)
        ]
        assert [len(batch) for batch in found] == [8, 8, 4] * 2
    values = np.concatenate(found)
    assert 100 < values[values > 0].mean() < 156
    assert len({image.tobytes() for image in values}) == 40
