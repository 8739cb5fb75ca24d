"""`Bias(rate)` moves as a plain bias would at `rate` times the learning rate."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.layers import Bias


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rate_is_a_factor_on_the_learning_rate(momentum):
    def offset_after_training(rate, learning_rate):
        model = keras.Sequential([keras.Input((3,)), Bias(rate)])
        model.compile(keras.optimizers.SGD(learning_rate, momentum, nesterov=True), "mse")
        inputs, targets = np.zeros((8, 3), "float32"), np.tile([1.0, -2.0, 3.0], (8, 1))
        model.fit(inputs, targets, batch_size=8, epochs=5, verbose=0)
        return model.predict(inputs[:1], verbose=0)

    np.testing.assert_allclose(
        offset_after_training(64.0, 0.001), offset_after_training(1.0, 0.064), rtol=1e-5
    )


def test_starts_at_zero_and_refuses_a_rate_of_zero():
    inputs = np.ones((2, 4, 4, 3), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(Bias(4.0)(inputs)), inputs)
    with pytest.raises(ValueError, match="`rate`.*Received: rate=0"):
        Bias(0)
