"""Every optimizer of the table on two virtual devices, which must train as one does.

`python -m tests.conformance.replicas` is a process of its own, because TensorFlow splits its CPU
before the first operation.
"""

import keras
import numpy as np
import tensorflow as tf

from .table import OPTIMIZERS
from .test_optimizers import SCHEDULE, X, Y

WIDE = 3400  # kernels of more weights than Lookahead chooses among one by one


def train(make, replicas, scale=None):
    """Weights after every batch of the table's data; with a loss scale in mixed_float16."""
    strategy = tf.distribute.get_strategy()
    if replicas > 1:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
    policy = "mixed_float16" if scale else "float32"
    with strategy.scope():
        keras.utils.set_random_seed(0)
        dense = [keras.layers.Dense(n, dtype=policy, use_bias=n > 2) for n in (WIDE, 2)]
        model = keras.Sequential([keras.Input((5,)), *dense])
        optimizer = make(SCHEDULE, use_ema=scale is None, ema_momentum=0.5)
        if scale:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
        model.compile(optimizer, "mse")
        model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
        optimizer.get_config()
        return np.concatenate([weight.ravel() for weight in model.get_weights()])


def main():
    (cpu,) = tf.config.list_physical_devices("CPU")
    two_devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two_devices)
    start = train(lambda rate, **options: keras.optimizers.SGD(0.0), 1)
    for name, make in OPTIMIZERS.items():
        one = train(make, 1)
        assert np.abs(one - start).max() > 0.01, name
        np.testing.assert_allclose(train(make, 2), one, atol=2e-5, err_msg=name)
        # Keras asks the first replica alone whether a gradient overflowed: none do here, or all.
        half = train(make, 2, scale=2.0**10)
        assert np.abs(half - train(make, 1, scale=2.0**10)).mean() < 1e-3, name
        np.testing.assert_array_equal(train(make, 2, scale=2.0**40), start, err_msg=name)


if __name__ == "__main__":
    main()
