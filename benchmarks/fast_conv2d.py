"""A training step with FastConv2D beside one with Keras's Conv2D in its place.

    python benchmarks/fast_conv2d.py      # five minutes on two cores that compute in bfloat16

The networks and batches are those of `step_time.py`, in bfloat16. Both forms of a network are in
one process and take turns, a few steps each. Writes `benchmarks/results/fast_conv2d.json`.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import results_file
import summaries
from step_time import NETWORKS, keras_steps

from keras_twist.layers import FastConv2D

RESULT = Path(__file__).parent / "results" / "fast_conv2d.json"
NAMES = ("speednet", "davidnet", "resnet9")
ROUNDS = 9


def measure(name):
    """Milliseconds of a step in both forms, round by round, and their ratio."""
    takes = {"FastConv2D": keras_steps(name, "plain", "bfloat16")}
    takes["FastConv2D"](2)  # compiles
    with mock.patch.object(FastConv2D, "_by_products", lambda *_: False):
        takes["Conv2D"] = keras_steps(name, "plain", "bfloat16")
        takes["Conv2D"](2)
    steps, times = NETWORKS[name][2], {form: [] for form in takes}
    for _ in range(ROUNDS):
        for form, take in takes.items():
            start = time.perf_counter()
            take(steps)
            times[form].append(1e3 * (time.perf_counter() - start) / steps)
    middle = {form: statistics.median(values) for form, values in times.items()}
    return {"ms": middle, "ratio": summaries.ratio(*times.values()), "rounds": times}


def main():
    """Measure, print and write the result."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    record = {"what": __doc__.splitlines()[0], "machine": machine.describe(), "networks": {}}
    for name in NAMES:
        found = record["networks"][name] = measure(name)
        print(f"{name}: {found['ms']}, {found['ratio']:.3f} of the time", flush=True)
    results_file.write(RESULT, record)


if __name__ == "__main__":
    main()
