"""Mixup blends images and labels by the same weights, drawn from a Beta distribution."""

import keras
import numpy as np
import pytest

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data runs TensorFlow operations"
)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0])
def test_mixup_blends_images_and_labels_alike(alpha):
    labels = np.arange(1000) % 10
    images = np.zeros((1000, 2, 2, 10), "float32")
    images[np.arange(1000), :, :, labels] = 1
    dataset = data.train_dataset(images, labels, 1000, mix=data.mixup(alpha), num_classes=10)
    mixed, targets = (tensor.numpy() for tensor in next(iter(dataset)))
    assert np.isfinite(mixed).all()
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(mixed[:, 0, 0], targets, atol=1e-6)
    # The weight is Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1)). With partners of
    # the same class (a tenth) it cannot be seen.
    top = targets.max(axis=1)
    weights = np.concatenate([top, 1 - top])[np.concatenate([top, top]) < 1]
    if alpha >= 0.2:
        assert abs(weights.var() - 1 / (4 * (2 * alpha + 1))) < 0.02


def test_alpha_must_be_positive():
    with pytest.raises(ValueError, match="`alpha`.*Received: alpha=0.0"):
        data.mixup(0.0)
