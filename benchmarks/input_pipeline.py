"""Images per second that reach the network: this library's feeds next to four others.

    python benchmarks/input_pipeline.py            # about three minutes on two cores

All feeds bring batches of 512 of CIFAR-10's size. "crop" pads by 4 (reflected) and crops, "cutout"
is 8x8, "erasing" overwrites a random rectangle with noise in half of the images; the last row is of
batches of 64 of ImageWoof's size. Compared with

- a NumPy loop over the images that pads, crops, flips, normalises and cuts;
- a NumPy loop that does what the notebooks of the time ask of `ImageDataGenerator`: rotate by up to
  15 degrees, shift by up to a tenth, flip, erase (`get_random_eraser`), standardise;
- the same operations as layers of Keras, mapped over batches in tf.data: pad, `RandomCrop`, which
  draws one offset for a whole batch, `RandomFlip`, and `RandomErasing` with a square;
- the same, cropping each image by itself, as `train_dataset` does.

Every round runs each of them once, in turn, so that whatever else the machine does falls on all; a
ratio is the median over rounds. Compilation is not timed. CPU time counts all threads, and the
images that two idle cores would bring follow from it. The pixels are random numbers, which changes
nothing here. Writes `benchmarks/results/input_pipeline.json`.
"""

import argparse
import math
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
import summaries
import tensorflow as tf

from keras_twist import data

RESULT = Path(__file__).parent / "results" / "input_pipeline.json"
BATCH_SIZE = 512
BATCHES = 97
LARGE_BATCH_SIZE = 64
LARGE_BATCHES = 40
ROUNDS = 7
PADDING = 4
CUTOUT = 8
MEAN, STD = np.array(data.CIFAR10_MEAN, "float32"), np.array(data.CIFAR10_STD, "float32")
SLOW = "NumPy, image by image: crop, flip, normalise, cutout"
NOTEBOOK = "NumPy, image by image: rotate, shift, flip, erase, standardise"
LAYERS = "keras.layers: crop (one offset a batch), flip, cutout"
LAYERS_EACH = "keras.layers: crop (each image), flip, cutout"


def loop(images, labels, rng, transform):
    """Endless batches, made image by image."""
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - BATCH_SIZE + 1, BATCH_SIZE):
            indices = order[start : start + BATCH_SIZE]
            batch = np.stack([transform(images[index], rng) for index in indices])
            yield batch, np.eye(10, dtype="float32")[labels[indices]]


def crop_flip_cutout(image, rng):
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


ERASER = data.get_random_eraser(p=0.5, pixel_level=True, seed=0)


def rotate_shift_flip_erase(image, rng):
    """One image as `ImageDataGenerator` makes it, with bilinear values and repeated borders."""
    size = image.shape[0]
    angle = math.radians(rng.uniform(-15, 15))
    shift = rng.uniform(-0.1, 0.1, 2) * size
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    center = (size - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij")) - center
    rows, columns = np.tensordot(rotation, grid, 1) + center + shift[:, None, None]
    image = image.astype("float32")
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    row_share, column_share = (rows - top)[..., None], (columns - left)[..., None]
    top, bottom = np.clip(top, 0, size - 1), np.clip(top + 1, 0, size - 1)
    left, right = np.clip(left, 0, size - 1), np.clip(left + 1, 0, size - 1)
    upper = image[top, left] * (1 - column_share) + image[top, right] * column_share
    lower = image[bottom, left] * (1 - column_share) + image[bottom, right] * column_share
    image = upper * (1 - row_share) + lower * row_share
    if rng.random() < 0.5:
        image = image[:, ::-1]
    return ((ERASER(image) - MEAN) / STD).astype("float32")


def keras_layers(images, labels, each):
    """tf.data with Keras's own layers, as their documentation shows them."""
    crop = keras.layers.RandomCrop(32, 32)
    flip = keras.layers.RandomFlip("horizontal")
    share = CUTOUT / 32
    # An exact pair, because a single factor means "up to".
    erase = keras.layers.RandomErasing(factor=(1.0, 1.0), scale=(share, share), fill_value=0)
    borders = [(0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)]

    def augment(batch, targets):
        if not each:
            batch = crop(tf.pad(batch, borders, "REFLECT"), training=True)
        return erase(flip(batch, training=True), training=True), targets

    def crop_one(image, target):
        return crop(tf.pad(image, borders[1:], "REFLECT"), training=True), target

    dataset = tf.data.Dataset.from_tensor_slices((images, np.eye(10, dtype="float32")[labels]))
    dataset = dataset.shuffle(4096).repeat()
    if each:
        dataset = dataset.map(crop_one, tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def make_feeds(images, labels):
    """Name to (function that starts the feed, batches of a round, images of a batch)."""
    rng = np.random.default_rng(0)
    crop, flip = data.random_pad_crop(PADDING), data.random_flip()
    normalize, cutout = data.normalize(MEAN, STD), data.random_cutout(CUTOUT)
    erasing, mix = data.random_erasing(0.5), data.mixup(0.2)
    shared = {"seed": 0, "num_classes": 10}

    def pipeline(*steps, mix=None):
        dataset = data.train_dataset(
            images, labels, BATCH_SIZE, augment=steps, mix=mix, repeat=True, **shared
        )
        return dataset.__iter__, BATCHES, BATCH_SIZE

    def large():
        size = (LARGE_BATCHES * LARGE_BATCH_SIZE, 160, 160, 3)
        resized = data.random_resized_crop((128, 128))
        dataset = data.train_dataset(
            rng.integers(0, 256, size, "uint8"),
            labels[: size[0]],
            LARGE_BATCH_SIZE,
            augment=(resized, flip, erasing),
            repeat=True,
            **shared,
        )
        return dataset.__iter__, LARGE_BATCHES, LARGE_BATCH_SIZE

    def draws(*steps):
        feed = data.ResidentFeed(images, labels, BATCH_SIZE, augment=steps, **shared)
        return feed.dataset().__iter__, BATCHES, BATCH_SIZE

    return {
        SLOW: (lambda: loop(images, labels, rng, crop_flip_cutout), 6, BATCH_SIZE),
        NOTEBOOK: (lambda: loop(images, labels, rng, rotate_shift_flip_erase), 2, BATCH_SIZE),
        LAYERS: (keras_layers(images, labels, each=False).__iter__, 20, BATCH_SIZE),
        LAYERS_EACH: (keras_layers(images, labels, each=True).__iter__, 20, BATCH_SIZE),
        "train_dataset: no operations": pipeline(),
        "train_dataset: crop, flip, cutout": pipeline(crop, flip, cutout),
        "train_dataset: crop, flip, normalise, cutout": pipeline(crop, flip, normalize, cutout),
        "train_dataset: crop, flip, erasing, cutout": pipeline(crop, flip, erasing, cutout),
        "train_dataset: crop, flip, erasing, normalise, cutout, mixup": pipeline(
            crop, flip, erasing, normalize, cutout, mix=mix
        ),
        "ResidentFeed, the host's share: crop, flip, normalise, cutout": draws(
            crop, flip, normalize, cutout
        ),
        "ResidentFeed, the host's share: crop, flip, erasing, normalise, cutout": draws(
            crop, flip, erasing, normalize, cutout
        ),
        "train_dataset, 160 to 128 pixels: resized crop, flip, erasing": large(),
    }


def measure(feeds):
    """Images per second, and CPU microseconds per image, of every feed in every round."""
    speeds, costs = ({name: [] for name in feeds} for _ in range(2))
    for _ in range(ROUNDS):
        for name, (start_feed, batches, batch_size) in feeds.items():
            # A new iterator, since an old one has filled its buffers while the others ran.
            feed = start_feed()
            next(feed)  # compiles in the first round
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(batches):
                next(feed)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            speeds[name].append(batches * batch_size / wall)
            costs[name].append(1e6 * cpu / batches / batch_size)
    return speeds, costs


def main():
    """Measure, print a table and write the result."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    before = machine.describe()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50_000, 32, 32, 3)).astype("uint8")
    labels = rng.integers(0, 10, 50_000)
    speeds, costs = measure(make_feeds(images, labels))
    baselines = {
        "times_the_numpy_loop": SLOW,
        "times_the_notebook_generator": NOTEBOOK,
        "times_keras_layers": LAYERS,
        "times_keras_layers_cropping_each": LAYERS_EACH,
    }
    rows = {}
    for name, values in speeds.items():
        cost = statistics.median(costs[name])
        rows[name] = {
            "images_per_second": statistics.median(values),
            "lowest": min(values),
            "highest": max(values),
            "deviation": statistics.stdev(values),
            "cpu_microseconds_per_image": cost,
            "images_per_second_on_idle_cores": 1e6 * os.cpu_count() / cost,
            **{key: summaries.ratio(values, speeds[one]) for key, one in baselines.items()},
        }
    print("images/s    highest   CPU us    times: NumPy loop, notebook, keras.layers, each image")
    for name, row in rows.items():
        times = "".join(f"{row[key]:9.1f}" for key in baselines)
        print(
            f"{row['images_per_second']:>8,.0f} {row['highest']:>10,.0f} "
            f"{row['cpu_microseconds_per_image']:8.2f} {times}   {name}"
        )
    result = {
        "what": __doc__.splitlines()[0],
        "batch_size": BATCH_SIZE,
        "rounds": ROUNDS,
        "machine": before,
        "feeds": rows,
    }
    results_file.write(RESULT, result)


if __name__ == "__main__":
    main()
