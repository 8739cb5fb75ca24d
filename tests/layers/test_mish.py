"""The Mish layer is the function, for any shape."""

import keras
import numpy as np
from keras import ops

from keras_twist.layers import Mish


def test_the_layer_computes_the_function():
    x = np.linspace(-3, 3, 24, dtype="float32").reshape(2, 3, 4)
    expected = x * np.tanh(np.log1p(np.exp(x)))
    np.testing.assert_allclose(ops.convert_to_numpy(Mish()(x)), expected, atol=1e-6)


def test_masks_pass_through_and_shapes_stay():
    layer = Mish()
    assert layer.supports_masking
    assert layer.compute_output_shape((None, 7, 3)) == (None, 7, 3)
    assert keras.Sequential([keras.Input((None, 3)), layer]).output_shape == (None, None, 3)
