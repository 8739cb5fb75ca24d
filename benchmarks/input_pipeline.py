"""Images per second that reach the network: this pipeline next to a per-image NumPy generator.

    python benchmarks/input_pipeline.py        # about a minute on two cores

Both pad by 4 (reflected), crop, flip, normalise and cut out 8x8, in batches of 512 of CIFAR-10's
size. The generator does so as the Keras notebooks of the time do, one image after the other in a
Python loop. Every round runs each of them once, in turn, so that whatever else the machine does
falls on both; a ratio is the median over rounds. Compilation is not timed. The pixels are random
numbers, which changes nothing here. Writes `benchmarks/results/input_pipeline.json`.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from keras_twist import data
from keras_twist.recipes.runtime import describe_environment

RESULT = Path(__file__).parent / "results" / "input_pipeline.json"
BATCH_SIZE = 512
BATCHES = 97
GENERATOR_BATCHES = 10
ROUNDS = 7
PADDING = 4
CUTOUT = 8
MEAN, STD = np.array(data.CIFAR10_MEAN, "float32"), np.array(data.CIFAR10_STD, "float32")


def generator(images, labels, rng):
    """Endless batches, made image by image."""
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - BATCH_SIZE + 1, BATCH_SIZE):
            indices = order[start : start + BATCH_SIZE]
            batch = np.stack([transform(images[index], rng) for index in indices])
            yield batch, np.eye(10, dtype="float32")[labels[indices]]


def transform(image, rng):
    """One image padded, cropped, flipped, normalised and cut out."""
    size = image.shape[0]
    image = np.pad(image, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)), mode="reflect")
    top, left = rng.integers(0, 2 * PADDING + 1, 2)
    image = image[top : top + size, left : left + size]
    if rng.random() < 0.5:
        image = image[:, ::-1]
    image = (image.astype("float32") - MEAN) / STD
    top, left = rng.integers(0, size - CUTOUT + 1, 2)
    image[top : top + CUTOUT, left : left + CUTOUT] = 0
    return image


def pipeline(images, labels, *steps):
    """Function that starts endless batches of `train_dataset` with these operations."""
    dataset = data.train_dataset(
        images, labels, BATCH_SIZE, augment=steps, num_classes=10, repeat=True
    )
    return dataset.as_numpy_iterator


def main():
    """Measure, print a table and write the result."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50_000, 32, 32, 3)).astype("uint8")
    labels = rng.integers(0, 10, 50_000)
    crop, flip = data.random_pad_crop(PADDING), data.random_flip()
    normalize, cutout = data.normalize(MEAN, STD), data.random_cutout(CUTOUT)
    feeds = {
        "NumPy generator, per image": (
            lambda: generator(images, labels, rng),
            GENERATOR_BATCHES,
        ),
        "train_dataset": (pipeline(images, labels, crop, flip, normalize, cutout), BATCHES),
        "train_dataset, uint8 out": (pipeline(images, labels, crop, flip, cutout), BATCHES),
        "train_dataset, no operations": (pipeline(images, labels), BATCHES),
    }
    speeds = {name: [] for name in feeds}
    for _ in range(ROUNDS):
        for name, (start_feed, batches) in feeds.items():
            # A new iterator, since an old one has filled its buffers while the others ran.
            feed = start_feed()
            next(feed)  # compiles in the first round
            start = time.perf_counter()
            for _ in range(batches):
                next(feed)
            speeds[name].append(batches * BATCH_SIZE / (time.perf_counter() - start))
    baseline = speeds["NumPy generator, per image"]
    rows = {
        name: {
            "images_per_second": statistics.median(values),
            "deviation": statistics.stdev(values),
            "times_the_generator": statistics.median(
                a / b for a, b in zip(values, baseline, strict=True)
            ),
        }
        for name, values in speeds.items()
    }
    for name, row in rows.items():
        print(
            f"{name:30} {row['images_per_second']:>10,.0f} images/s "
            f"+- {row['deviation']:>7,.0f}  {row['times_the_generator']:6.1f} x"
        )
    result = {
        "what": __doc__.splitlines()[0],
        "batch_size": BATCH_SIZE,
        "rounds": ROUNDS,
        "feeds": rows,
        "environment": describe_environment("float32", False),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
