"""What `ScheduleLR` and `OneCycleLR` add to a training step.

    python benchmarks/callback_overhead.py        # about two minutes on two cores

One `fit`, in which the learning-rate callbacks take turns, and none has a turn too: every window of
a few steps has another one switched on. A ratio is that of a window to the bare one of the same
round, a tenth of a second away, so that whatever else the machine does falls on both; the order
changes from round to round. `Stopwatch`, which has no hook in a step, is on throughout. Evaluating
the schedules ahead, 1024 steps at a time, falls into the windows and is part of the price.

The bare steps have the hook of the callback that hands over the turns: what having one costs at
all is in all of them. The model is small, a step of a few milliseconds: the callbacks cost the same
beside a large one, where nobody would see it. Writes `benchmarks/results/callback_overhead.json`.
"""

import argparse
import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import machine
import numpy as np
import results_file
import tensorflow as tf

from keras_twist.callbacks import OneCycleLR, ScheduleLR, Stopwatch
from keras_twist.optimizers import SGD
from keras_twist.schedules import OneCycle

RESULT = pathlib.Path(__file__).parent / "results" / "callback_overhead.json"
ROUNDS = 250
WARM_UP = 5
WINDOW = 20
BATCH_SIZE = 64
LIMIT = 1.03

SETTINGS = ("bare", "ScheduleLR", "OneCycleLR (rate and momentum)")
STEPS = (WARM_UP + ROUNDS) * len(SETTINGS) * WINDOW


class TakeTurns(keras.callbacks.Callback):
    """Passes the start of a step on to one of the callbacks, or to none, and takes the time."""

    def __init__(self, turns):
        super().__init__()
        self.turns = turns
        self.times = {name: [] for name in turns}
        self.running = None

    def everyone(self):
        """The callbacks behind the turns."""
        return [callback for callback in self.turns.values() if callback is not None]

    def set_model(self, model):
        """Let the callbacks know too."""
        super().set_model(model)
        for callback in self.everyone():
            callback.set_model(model)

    def on_train_begin(self, logs=None):
        """Start them."""
        for callback in self.everyone():
            callback.on_train_begin()

    def on_epoch_begin(self, epoch, logs=None):
        """Start them."""
        for callback in self.everyone():
            callback.on_epoch_begin(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        """Whose turn it is sets the rate of this step."""
        if batch % WINDOW == 0:
            now = time.perf_counter()
            if self.running is not None:
                self.times[self.running].append((now - self.started) / WINDOW * 1e3)
            round_number, place = divmod(batch // WINDOW, len(self.turns))
            self.running = list(self.turns)[(place + round_number) % len(self.turns)]
            self.callback = self.turns[self.running]
            self.started = time.perf_counter()
        if self.callback is not None:
            self.callback.on_train_batch_begin(batch, logs)


def small_model():
    """A convolutional network whose step takes a few milliseconds on two cores."""
    keras.utils.set_random_seed(0)
    block = []
    for filters in (16, 32):
        block.append(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False))
        block.append(keras.layers.BatchNormalization())
        block.append(keras.layers.ReLU())
        block.append(keras.layers.MaxPooling2D())
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), *block, keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(SGD(0.01, momentum=0.9), loss, jit_compile=False)
    return model


def measure():
    """Milliseconds per step for every setting, one number a round."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50 * BATCH_SIZE, 16, 16, 3)).astype("float32")
    y = rng.integers(0, 10, len(x))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH_SIZE).cache().repeat()
    rate = OneCycle(0.01, STEPS)
    callbacks = (None, ScheduleLR(rate), OneCycleLR(0.01, STEPS))
    turns = TakeTurns(dict(zip(SETTINGS, callbacks, strict=True)))
    small_model().fit(
        data.prefetch(2),
        steps_per_epoch=STEPS + 1,
        shuffle=False,
        verbose=0,
        callbacks=[Stopwatch(BATCH_SIZE), turns],
    )
    return {name: times[WARM_UP : WARM_UP + ROUNDS] for name, times in turns.times.items()}


def summary(times):
    """Median and quartiles of the times, and of the ratios to the bare loop."""
    bare = np.array(times["bare"])
    rows = {}
    for name, values in times.items():
        quartiles = np.percentile(values, [25, 50, 75])
        ratios = np.percentile(np.array(values) / bare, [25, 50, 75])
        rows[name] = {
            "ms": round(float(quartiles[1]), 3),
            "ms_quartiles": [round(float(quartiles[0]), 3), round(float(quartiles[2]), 3)],
            "ratio": round(float(ratios[1]), 4),
            "ratio_quartiles": [round(float(ratios[0]), 4), round(float(ratios[2]), 4)],
        }
    return rows


def main():
    """Measure, print a table and write the result."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    before = machine.describe()
    results = summary(measure())
    print(f"{'':32}{'ms/step':>9}{'ratio':>8}   quartiles of the ratio")
    for name, row in results.items():
        low, high = row["ratio_quartiles"]
        print(f"{name:32}{row['ms']:9.3f}{row['ratio']:8.4f}   {low:.4f} to {high:.4f}")
    ratio = results["ScheduleLR"]["ratio"]
    print(f"ScheduleLR: {ratio:.4f} of the bare loop, limit {LIMIT}")
    record = {
        "command": "python benchmarks/callback_overhead.py",
        "rounds": ROUNDS,
        "steps_per_window": WINDOW,
        "batch_size": BATCH_SIZE,
        "limit": LIMIT,
        "within_limit": ratio <= LIMIT,
        "machine": before,
        "results": results,
    }
    results_file.write(RESULT, record)


if __name__ == "__main__":
    main()
