"""What `ScheduleLR` and `Stopwatch` add to a training step.

    python benchmarks/callback_overhead.py        # about two minutes on two cores

One model, compiled once, is trained on the same batches with and without the callbacks, in turn;
a round is one epoch of each, and a ratio is between neighbours, so that whatever else the machine
does falls on both. The order changes from round to round. The model is small, a step of a few
milliseconds: the callbacks cost the same beside a large one, where nobody would see it. Writes
`benchmarks/results/callback_overhead.json`.
"""

import json
import os
import pathlib
import platform
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf

from keras_twist.callbacks import OneCycleLR, ScheduleLR, Stopwatch
from keras_twist.optimizers import SGD
from keras_twist.schedules import OneCycle

RESULT = pathlib.Path(__file__).parent / "results" / "callback_overhead.json"
ROUNDS = 60
STEPS = 100
BATCH_SIZE = 64
LIMIT = 1.03
TOTAL = ROUNDS * STEPS * 4


def rate_only():
    """What the limit is for."""
    return [ScheduleLR(OneCycle(0.01, TOTAL)), Stopwatch(BATCH_SIZE)]


def rate_and_momentum():
    """Twice the work."""
    return [OneCycleLR(0.01, TOTAL), Stopwatch(BATCH_SIZE)]


# Made anew each time, as for every `fit`: evaluating the schedule ahead is part of the price.
SETTINGS = {
    "bare": list,
    "ScheduleLR and Stopwatch": rate_only,
    "OneCycleLR (rate and momentum) and Stopwatch": rate_and_momentum,
}


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
    x = rng.normal(size=(STEPS * BATCH_SIZE, 16, 16, 3)).astype("float32")
    y = rng.integers(0, 10, STEPS * BATCH_SIZE)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH_SIZE).cache().prefetch(2)
    model = small_model()
    times = {name: [] for name in SETTINGS}
    for round_number in range(-2, ROUNDS):
        names = list(SETTINGS)
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            callbacks = SETTINGS[name]()
            start = time.perf_counter()
            model.fit(data, shuffle=False, verbose=0, callbacks=callbacks)
            if round_number >= 0:
                times[name].append((time.perf_counter() - start) / STEPS * 1e3)
    return times


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


def machine():
    """Where this was measured."""
    cpu = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def main():
    """Measure, print a table and write the result."""
    before = machine()
    results = summary(measure())
    print(f"{'':46}{'ms/step':>9}{'ratio':>8}   quartiles of the ratio")
    for name, row in results.items():
        low, high = row["ratio_quartiles"]
        print(f"{name:46}{row['ms']:9.3f}{row['ratio']:8.4f}   {low:.4f} to {high:.4f}")
    ratio = results["ScheduleLR and Stopwatch"]["ratio"]
    print(f"ScheduleLR and Stopwatch: {ratio:.4f} of the bare loop, limit {LIMIT}")
    record = {
        "command": "python benchmarks/callback_overhead.py",
        "rounds": ROUNDS,
        "steps_per_round": STEPS,
        "batch_size": BATCH_SIZE,
        "limit": LIMIT,
        "within_limit": ratio <= LIMIT,
        "machine": before,
        "results": results,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
