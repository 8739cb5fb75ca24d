"""What a Ranger step costs next to Adam's, on the weights of DavidNet.

    python benchmarks/optimizer_step.py        # about a minute on two cores

Every round runs each optimizer once, in turn, so that whatever else the machine does falls on all
of them; a ratio is the median over rounds of an optimizer's time by Adam's in the same round. One
call is one `apply` in a compiled function on fixed gradients. Lookahead does most of its work at
every sixth update, so times are of six updates in a row. Compilation is not timed. Writes
`benchmarks/results/optimizer_step.json`.
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

from keras_twist.optimizers import SGD, Lookahead, RAdam, Ranger

RESULT = pathlib.Path(__file__).parent / "results" / "optimizer_step.json"
ROUNDS = {"graph": 12, "XLA": 6}
UPDATES = 6
LIMIT = 1.3

CHANNELS = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 512), (512, 512)]
CHANNELS.append((512, 512))
SHAPES = [(3, 3, *pair) for pair in CHANNELS]
SHAPES += [(filters,) for _, filters in CHANNELS for _ in ("gamma", "beta")]
SHAPES.append((512, 10))

OPTIMIZERS = {
    "keras Adam": keras.optimizers.Adam,
    "keras AdamW": keras.optimizers.AdamW,
    "RAdam": RAdam,
    "Ranger": Ranger,
    "Ranger, decay": lambda: Ranger(weight_decay=1e-2),
    "Ranger, decay and centralisation": lambda: Ranger(
        weight_decay=1e-2, gradient_centralization=True
    ),
    "Lookahead of keras Adam": lambda: Lookahead(keras.optimizers.Adam()),
    "keras SGD, Nesterov": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
    "SGD, Nesterov, coupled decay": lambda: SGD(
        momentum=0.9, nesterov=True, weight_decay=5e-4, coupled=True
    ),
}


def compiled_step(optimizer, gradients, jit_compile):
    """Function of no arguments that makes `UPDATES` updates, already compiled."""
    variables = [keras.Variable(gradient) for gradient in gradients]
    optimizer.build(variables)
    update = tf.function(lambda: optimizer.apply(gradients, variables), jit_compile=jit_compile)

    def run():
        for _ in range(UPDATES):
            update()
        # Wait for what is still running: a read of the smallest variable comes after its update.
        variables[-1].numpy()

    run()
    return run


def measure(gradients, mode):
    """Milliseconds of one update for every optimizer, one row a round."""
    steps = {
        name: compiled_step(make(), gradients, mode == "XLA") for name, make in OPTIMIZERS.items()
    }
    times = {name: [] for name in steps}
    for _ in range(ROUNDS[mode]):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append((time.perf_counter() - start) / UPDATES * 1e3)
    return times


def summary(times):
    """Median time and median ratio to Adam, with the quartiles of the ratio."""
    adam = np.array(times["keras Adam"])
    rows = {}
    for name, values in times.items():
        low, middle, high = np.percentile(np.array(values) / adam, [25, 50, 75])
        rows[name] = {
            "ms": round(float(np.median(values)), 2),
            "ratio": round(float(middle), 3),
            "ratio_quartiles": [round(float(low), 3), round(float(high), 3)],
        }
    return rows


def main():
    """Measure, print a table and write the result."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    rng = np.random.default_rng(0)
    gradients = [tf.constant(rng.normal(size=s, scale=0.01), "float32") for s in SHAPES]
    before = machine.describe()
    results = {mode: summary(measure(gradients, mode)) for mode in ROUNDS}
    count = sum(int(np.prod(s)) for s in SHAPES)
    print(f"One update of {count:,} weights, median of interleaved rounds")
    print(f"{'':34}" + "".join(f"{mode + ' ms':>11}{'/ Adam':>9}" for mode in results))
    for name in OPTIMIZERS:
        cells = [results[mode][name] for mode in results]
        print(f"{name:34}" + "".join(f"{c['ms']:11.1f}{c['ratio']:9.2f}" for c in cells))
    ratio = results["graph"]["Ranger"]["ratio"]
    print(f"Ranger in graph mode: {ratio:.2f} times Adam, limit {LIMIT}")
    record = {
        "command": "python benchmarks/optimizer_step.py",
        "weights": count,
        "updates_per_measurement": UPDATES,
        "rounds": ROUNDS,
        "limit": LIMIT,
        "within_limit": ratio <= LIMIT,
        "machine": before,
        "results": results,
    }
    results_file.write(RESULT, record)


if __name__ == "__main__":
    main()
