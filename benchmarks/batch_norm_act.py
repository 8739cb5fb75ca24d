"""Batch normalisation and Mish while training: this package's layer against two of Keras's.

    python benchmarks/batch_norm_act.py

Forward and backward pass in one graph without XLA, for maps as MXResNet50 has them at 128 pixels
and batch 32. Both are timed in turns; the ratio is that of the medians. Writes
`benchmarks/results/batch_norm_act.json`.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import machine
import numpy as np
import results_file
import tensorflow as tf

from keras_twist.layers import BatchNormAct

RESULT = Path(__file__).parent / "results" / "batch_norm_act.json"
SHAPES = [(32, 64, 64, 64), (32, 32, 32, 256), (32, 16, 16, 128), (32, 8, 8, 1024)]
ROUNDS = 15
POLICIES = ["float32", "mixed_bfloat16"]


def step_of(layers, x):
    """Function that runs layers in turn, forward and backward."""
    for layer in layers:
        layer.build(x.shape)
    weights = [weight.value for layer in layers for weight in layer.trainable_weights]

    @tf.function(autograph=False)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for layer in layers:
                y = layer(y, training=True) if layer.weights else layer(y)
        return tape.gradient(y, [x, *weights], upstream)

    return step


def measure(shape, policy):
    """Milliseconds of both, in turns."""
    keras.config.set_dtype_policy(policy)
    dtype = policy.removeprefix("mixed_")
    x, upstream = (
        tf.cast(np.random.default_rng(seed).normal(size=shape), dtype) for seed in range(2)
    )
    steps = {
        "keras": step_of([keras.layers.BatchNormalization(), keras.layers.Activation("mish")], x),
        "keras_twist": step_of([BatchNormAct("mish")], x),
    }
    times = {name: [] for name in steps}
    for step in steps.values():
        step(x, upstream)
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            for gradient in step(x, upstream):
                gradient.numpy()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


def main():
    """Measure, print a table, and write the results."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    rows, before = [], machine.describe()
    print("| shape | policy | Keras, ms | BatchNormAct, ms | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for policy in POLICIES:
        for shape in SHAPES:
            found = measure(shape, policy)
            ratio = round(found["keras"] / found["keras_twist"], 2)
            rows.append({"shape": shape, "policy": policy, **found, "ratio": ratio})
            print(f"| {shape} | {policy} | {found['keras']} | {found['keras_twist']} | {ratio} |")
    content = {
        "what": "milliseconds of batch normalisation and Mish, forward and backward, medians",
        "command": "python benchmarks/batch_norm_act.py",
        "rounds": ROUNDS,
        "machine": before,
        "rows": rows,
    }
    results_file.write(RESULT, content)


if __name__ == "__main__":
    main()
