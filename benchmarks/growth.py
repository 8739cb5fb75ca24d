"""How the cost of training grows with batch size, image size, width and number of images.

    python benchmarks/growth.py      # five minutes on two cores

One quantity at a time, the others as in the recipe `quick`: SpeedNet of width 32, 512 images of 32
pixels. Rounds go through all values in turn; the median counts. Beside the milliseconds per image
stands the work done in a second, which tells whether a bigger network costs more because there is
more to compute or because it is computed badly. The number of images is that of an epoch through
`train_dataset` with the recipe's augmentation, of a network of width 4, so small that feeding
shows. Writes `benchmarks/results/growth.json` and `images/growth.png`.
"""

import argparse
import json
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
from flops import training_flops
from matplotlib import ticker
from step_time import steps_of

from keras_twist import models, optimizers
from keras_twist.data import CIFAR10_MEAN, CIFAR10_STD, augment, train_dataset
from keras_twist.plots.figures import BLUE, ORANGE, new_figure
from keras_twist.recipes.runtime import resolve_precision

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "growth.json"
PICTURE = ROOT / "images" / "growth.png"
USUAL = {"batch size": 512, "image size": 32, "width": 32}
VALUES = {
    "batch size": (32, 64, 128, 256, 512, 1024, 2048),
    "image size": (32, 48, 64, 96, 128),
    "width": (8, 16, 32, 64, 128),
}
DATASETS = (6_250, 12_500, 25_000, 50_000)
ROUNDS = 5


def case(axis, value):
    """Function that takes steps, images in each, and operations per image."""
    setting = USUAL | {axis: value}
    size = setting["image size"]
    # As many pixels in a batch as usual, so that memory suffices; the batch size has its own axis.
    batch_size = setting["batch size"]
    if axis == "image size":
        batch_size = max(batch_size * 32**2 // size**2, 1)
    model = models.SpeedNet(width=setting["width"], input_shape=(size, size, 3))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch_size, size, size, 3)).astype("float32")
    take = steps_of(model, (images, rng.integers(0, 10, batch_size)))
    take(2)  # compiles
    counted = models.SpeedNet(width=setting["width"], input_shape=(size, size, 3))
    counted.compile(optimizers.SGD(), keras.losses.CategoricalCrossentropy(from_logits=True))
    return take, batch_size, training_flops(counted, batch_size)


def measure(axis):
    """Rows of one axis."""
    cases = {value: case(axis, value) for value in VALUES[axis]}
    seconds = {value: [] for value in cases}
    for _ in range(ROUNDS):
        for value, (take, batch_size, _) in cases.items():
            steps = max(1024 // batch_size, 1)
            start = time.perf_counter()
            take(steps)
            seconds[value].append((time.perf_counter() - start) / (steps * batch_size))
    rows = []
    for value, (_, batch_size, flops) in cases.items():
        each = statistics.median(seconds[value])
        rows.append(
            {
                "value": value,
                "batch_size": batch_size,
                "ms_per_image": 1e3 * each,
                "gflop_per_image": flops / 1e9,
                "gflop_per_second": flops / each / 1e9,
            }
        )
        print(f"{axis} {value}: {json.dumps(rows[-1])}", flush=True)
    return rows


def epochs():
    """Seconds of an epoch, and of making the dataset, by the number of images."""
    model = models.SpeedNet(width=4)
    model.compile(optimizers.SGD(), keras.losses.CategoricalCrossentropy(from_logits=True))
    operations = (
        augment.random_pad_crop(2),
        augment.random_flip(),
        augment.normalize(CIFAR10_MEAN, CIFAR10_STD),
    )
    rng, feeds, rows = np.random.default_rng(0), {}, []
    for count in DATASETS:
        images = rng.integers(0, 256, (count, 32, 32, 3), "uint8")
        labels = rng.integers(0, 10, count)
        start = time.perf_counter()
        batches = train_dataset(
            images, labels, USUAL["batch size"], augment=operations, num_classes=10
        )
        feeds[count] = batches, time.perf_counter() - start, []
    for turn in range(ROUNDS + 1):
        for batches, _, seconds in feeds.values():
            start = time.perf_counter()
            model.fit(batches, shuffle=False, verbose=0)
            if turn:  # the first compiles
                seconds.append(time.perf_counter() - start)
    for count, (_, made, seconds) in feeds.items():
        rows.append({"value": count, "making_s": made, "epoch_s": statistics.median(seconds)})
        print(f"images {json.dumps(rows[-1])}", flush=True)
    return rows


def plot(axes):
    """The picture: cost per image, and of an epoch, on logarithmic scales."""
    figure = new_figure(figsize=(11, 3))
    for place, (axis, rows) in zip(figure.subplots(1, 4), axes.items(), strict=True):
        values = [row["value"] for row in rows]
        key, unit = (
            ("epoch_s", "s an epoch") if axis == "images" else ("ms_per_image", "ms an image")
        )
        costs = [row[key] for row in rows]
        place.loglog(values, costs, "o-", color=BLUE, label="measured")
        if axis != "batch size":
            # What the operations alone, or the images alone, would ask for.
            load = [row.get("gflop_per_image", row["value"]) for row in rows]
            ideal = [costs[-1] * one / load[-1] for one in load]
            place.loglog(values, ideal, "--", color=ORANGE, label="in proportion")
            place.legend(frameon=False)
        place.set_xticks(values, [f"{value:,}" for value in values], rotation=45)
        # A curve may lie between two powers of ten.
        place.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        place.yaxis.set_major_formatter("{x:g}")
        place.minorticks_off()
        place.set_xlabel(axis)
        place.set_ylabel(unit)
        place.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=120)


def main():
    """Measure, draw and write the results."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    policy = resolve_precision("auto")
    keras.config.set_dtype_policy(policy)
    record = {"what": __doc__.splitlines()[0], "precision": policy, "machine": machine.describe()}
    record["axes"] = {axis: measure(axis) for axis in VALUES} | {"images": epochs()}
    results_file.write(RESULT, record)
    plot(record["axes"])


if __name__ == "__main__":
    main()
