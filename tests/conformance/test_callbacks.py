"""What every callback promises: `fit`, `evaluate` and `predict` go on as if it were not there."""

import functools

import keras
import numpy as np

from .table import CALLBACKS
from .tools import each


def train(*callbacks):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
    x, y = np.ones((8, 2)), np.ones((8, 1))
    options = {"verbose": 0, "callbacks": list(callbacks)}
    model.fit(x, y, 4, epochs=2, validation_data=(x, y), **options)
    model.fit(x, y, 4, **options)
    model.evaluate(x, y, **options)
    model.predict(x, **options)
    return model.get_weights()


without_callbacks = functools.cache(train)


@each(CALLBACKS)
def test_watches_without_touching(row, tmp_path):
    for ours, theirs in zip(train(row(tmp_path)), without_callbacks(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@each(CALLBACKS)
def test_leaves_batch_ends_alone(row, tmp_path):
    """One hook at the end of a batch makes Keras wait for every step."""
    for hook in ("on_train_batch_end", "on_batch_end"):
        assert getattr(type(row(tmp_path)), hook) is getattr(keras.callbacks.Callback, hook)
