"""Images per second of `quick` on JAX, by precision, and the time that a batch takes.

    KERAS_BACKEND=jax python benchmarks/jax_step.py    # a minute or two on two cores

Every round trains a few steps of 256 images with each setting in turn, and a ratio is the median
over rounds. Each model is compiled once, before the clock starts. A batch is made alone, as the
recipe makes it. "Ordered" is how long the host takes to ask for a batch, which is then computed
while it goes on. The pixels are random numbers. Needs no TensorFlow. Writes
`benchmarks/results/jax_step.json`.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import machine
import numpy as np
import results_file
import summaries

from keras_twist.data import CIFAR10_CLASSES
from keras_twist.recipes import CIFAR_RECIPES, cifar, runtime, task

RESULT = Path(__file__).parent / "results" / "jax_step.json"
RECIPE = dataclasses.replace(CIFAR_RECIPES["quick"], feed="resident", batch_size=256)
STEPS = 4  # of a round
PRECISIONS = ("float32", "mixed_bfloat16")
ROUNDS, BATCHES = 5, 10


def main():
    """Measure, print and write the result."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    before, rng = machine.describe(), np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5_000, 32, 32, 3)).astype("uint8")
    labels = rng.integers(0, 10, len(pixels))
    data = task.Data((pixels, labels), (pixels, labels), "test", CIFAR10_CLASSES)
    feed = task.training_feed(RECIPE, data)
    fits = {precision: trained(precision, data, feed) for precision in PRECISIONS}
    speeds = {precision: [] for precision in PRECISIONS}
    for _ in range(ROUNDS):
        for precision, fit in fits.items():
            start = time.perf_counter()
            fit(STEPS)
            speeds[precision].append(STEPS * RECIPE.batch_size / (time.perf_counter() - start))
    batch, order = batch_seconds(feed)
    result = {
        "what": __doc__.splitlines()[0],
        "machine": before,
        "recipe": RECIPE.name,
        "batch_size": RECIPE.batch_size,
        "rounds": speeds,
        "images_per_second": {p: statistics.median(values) for p, values in speeds.items()},
        "bfloat16_over_float32": summaries.ratio(*(speeds[p] for p in reversed(PRECISIONS))),
        "batch_ms": 1000 * batch,
        "batch_ordered_ms": 1000 * order,
    }
    results_file.write(RESULT, result)
    print(json.dumps({key: value for key, value in result.items() if key != "rounds"}, indent=2))


def trained(precision, data, feed):
    """Function that trains a compiled model for so many steps."""
    with runtime.precision_policy(precision):
        model = cifar.build_model(RECIPE, data)
        task.compile_model(model, RECIPE, 10_000, True)

    def fit(steps):
        model.fit(feed.dataset(0), steps_per_epoch=steps, shuffle=False, verbose=0)

    fit(1)
    return fit


def batch_seconds(feed):
    """Seconds until a batch is made, and until the host has ordered it; medians."""
    batches, made, ordered = feed.dataset(0), [], []
    jax.block_until_ready(batches[0])
    for number in range(1, BATCHES + 1):
        start = time.perf_counter()
        batch = batches[number]
        ordered.append(time.perf_counter() - start)
        jax.block_until_ready(batch)
        made.append(time.perf_counter() - start)
    return statistics.median(made), statistics.median(ordered)


if __name__ == "__main__":
    main()
