"""The clock runs in training steps only, and does not make Keras wait for each of them."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_twist.callbacks import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told to: `clock.now += seconds`."""
    fake = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("time.perf_counter", lambda: fake.now)
    return fake


class Slow(keras.callbacks.Callback):
    """Takes 1 s in each step, 10 s in each step of validation and 100 s at the end of an epoch."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.now += 1

    def on_test_batch_begin(self, batch, logs=None):
        self.clock.now += 10

    def on_epoch_end(self, epoch, logs=None):
        self.clock.now += 100


def small_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_counts_steps_but_not_validation_nor_other_callbacks(clock):
    x, y = np.zeros((40, 2)), np.zeros((40, 1))
    history = (
        small_model()
        .fit(
            x,
            y,
            batch_size=10,
            epochs=3,
            validation_data=(x, y),
            callbacks=[Stopwatch(batch_size=10), Slow(clock)],
            verbose=0,
        )
        .history
    )
    assert history["seconds"] == [4, 4, 4]
    assert history["total_seconds"] == [4, 8, 12]
    assert history["images_per_second"] == [10, 10, 10]


def test_pause_resume_and_carry_over(clock):
    stopwatch, logs = Stopwatch(batch_size=10), {}
    stopwatch.set_params({"steps": 5})
    stopwatch.carry_over(100.0, 40.0)
    stopwatch.on_epoch_begin(3)
    clock.now += 2
    stopwatch.pause()
    clock.now += 50
    stopwatch.pause()  # twice is once
    stopwatch.resume()
    clock.now += 3
    stopwatch.on_epoch_end(3, logs)
    assert (logs["seconds"], logs["total_seconds"]) == (45, 105)
    assert logs["images_per_second"] == 10  # of the five steps here, in five seconds
    assert stopwatch.elapsed() == (105, 45)
    stopwatch.on_epoch_begin(4)
    clock.now += 1
    stopwatch.on_epoch_end(4, logs)
    assert (logs["seconds"], logs["total_seconds"]) == (1, 106)
