"""Training steps per second with batches from tf.data and with batches made in the step.

    python benchmarks/training_feed.py        # about three minutes on two cores

The recipe `quick`, narrow so that the feed has a share in its time, with cutout and with random
erasing. Every round trains with each feed in turn, and a ratio is the median over rounds. Each
model is compiled once, before the clock starts. The pixels are random numbers. Writes
`benchmarks/results/training_feed.json`.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import machine
import numpy as np
import results_file
import summaries

from keras_twist.callbacks import Stopwatch
from keras_twist.data import CIFAR10_CLASSES
from keras_twist.recipes import CIFAR_RECIPES, cifar, runtime, task

RESULT = Path(__file__).parent / "results" / "training_feed.json"
STEPS = 30
ROUNDS = 7
RECIPE = dataclasses.replace(CIFAR_RECIPES["quick"], width=4, cutout=8)
FEEDS = ("tf.data", "resident")


def main():
    """Measure, print and write the result."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20_000, 32, 32, 3)).astype("uint8")
    labels = rng.integers(0, 10, len(pixels))
    data = task.Data((pixels, labels), (pixels, labels), "test", CIFAR10_CLASSES)
    policy, jit_compile = runtime.resolve_precision("auto"), runtime.resolve_xla("auto")
    keras.config.set_dtype_policy(policy)
    result = {"what": __doc__.splitlines()[0], "rounds": ROUNDS, "steps": STEPS}
    result |= {"precision": policy, "xla": jit_compile, "machine": machine.describe(), "cases": {}}
    for case, erasing in (("crop, flip, cutout", 0.0), ("crop, flip, erasing, cutout", 0.5)):
        speeds = {name: [] for name in FEEDS}
        starts, attached = {}, contextlib.ExitStack()
        for name in FEEDS:
            recipe = dataclasses.replace(RECIPE, feed=name, erasing=erasing)
            model = cifar.build_model(recipe, data)
            task.compile_model(model, recipe, 10_000, jit_compile)
            feed = task.training_feed(recipe, data)
            attached.enter_context(feed.attach(model))
            starts[name] = model, feed
        for number in range(ROUNDS + 1):
            for name, (model, feed) in starts.items():
                # Not around `fit`, which begins by making the pipeline, once in a training.
                stopwatch = Stopwatch()
                options = {"shuffle": False, "verbose": 0, "callbacks": [stopwatch]}
                model.fit(feed.dataset(0), steps_per_epoch=STEPS, **options)
                if number:  # the first compiles
                    speeds[name].append(STEPS / stopwatch.total_seconds)
        attached.close()
        result["cases"][case] = {
            "steps_per_second": {name: statistics.median(v) for name, v in speeds.items()},
            "resident_over_tf.data": summaries.ratio(speeds["resident"], speeds["tf.data"]),
            "rounds": speeds,
        }
        print(case, json.dumps({k: v for k, v in result["cases"][case].items() if k != "rounds"}))
    results_file.write(RESULT, result)


if __name__ == "__main__":
    main()
