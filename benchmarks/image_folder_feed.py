"""Images per second of ImageWoof at 128 pixels: from the cache of decoded pictures, and from JPEG.

    python benchmarks/image_folder_feed.py ../shared/data       # about a minute on two cores

The argument is what `load_imagewoof` takes as `data_dir`; without it, the Keras home is searched.
The pictures must have been loaded before, so that loading them is a hit of the cache, which is
timed as well. Batches of 64 are cropped at random in the geometry of the originals, flipped, erased
and normalised. Next to it, the same JPEG files are decoded as often as they are used, on as many
threads as there are cores, with nothing done to them afterwards. Every round runs each feed once,
in turn. Compilation is not timed. CPU time counts all threads, and the images that idle cores would
bring follow from it. Writes `benchmarks/results/image_folder_feed.json`.
"""

import argparse
import concurrent.futures
import itertools
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import results_file

from keras_twist import data
from keras_twist.data.archives import stream_members
from keras_twist.data.image_decode import decode_square

RESULT = Path(__file__).parent / "results" / "image_folder_feed.json"
SIZE = 128
BATCH_SIZE = 64
BATCHES = 40
ROUNDS = 5
FILES = 600
MEAN, STD = [123.9, 116.3, 100.5], [65.0, 63.5, 66.0]
ALL = "train_dataset: resized crop, flip, erasing, normalise"
JPEG = "JPEG decoded and resized each time, nothing else"


def exhaust(batches):
    """Take all batches and keep none."""
    for _ in batches:
        pass


def make_feeds(train):
    """Name to a function that starts the feed, whose elements are batches."""
    crop = data.random_resized_crop(SIZE, scale=(0.35, 1.0), aspects=train.aspects)
    old_crop = data.random_resized_crop(SIZE, scale=(0.35, 1.0))
    flip, erasing, normalize = data.random_flip(), data.random_erasing(), data.normalize(MEAN, STD)
    shared = {"seed": 0, "num_classes": 10}

    def pipeline(*steps):
        dataset = data.train_dataset(
            train.images, train.labels, BATCH_SIZE, steps, repeat=True, **shared
        )
        return dataset.__iter__

    resident = data.ResidentFeed(
        train.images, train.labels, BATCH_SIZE, (crop, flip, erasing, normalize), **shared
    )
    return {
        ALL: pipeline(crop, flip, erasing, normalize),
        "train_dataset: resized crop": pipeline(crop),
        "train_dataset: resized crop without aspects": pipeline(old_crop),
        "ResidentFeed, the host's share: the same as all": resident.dataset().__iter__,
    }


def jpeg_files(data_dir):
    """Bytes of some files of the archive, or none where it is a folder."""
    archives = [data_dir, data_dir / "imagewoof2-160.tgz"] if data_dir else []
    for path in archives:
        if path.is_file():
            limits = {"max_member": 2**26, "max_total": 2**34, "max_members": 10**6}
            members = stream_members(path, lambda name: name.endswith(".JPEG"), **limits)
            return [contents for _, contents in itertools.islice(members, FILES)]
    return []


def main():
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(usage="%(prog)s [DATA_DIR]")
    parser.add_argument("data_dir", nargs="?", type=Path)
    data_dir = parser.parse_args().data_dir
    start = time.perf_counter()
    train, valid = data.load_imagewoof(data_dir, image_size=SIZE)
    loading = time.perf_counter() - start
    feeds, files = make_feeds(train), jpeg_files(data_dir)
    speeds, costs = ({name: [] for name in (*feeds, *([JPEG] * bool(files)))} for _ in range(2))

    def measure(name, count, work):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        speeds[name].append(count / (time.perf_counter() - wall))
        costs[name].append(1e6 * (time.process_time() - cpu) / count)

    def decode_all():
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda contents: decode_square(contents, SIZE), files))

    for number in range(ROUNDS + 1):
        for name, start_feed in feeds.items():
            feed = start_feed()
            next(feed)  # compiles in the first round, which is left out
            if number:
                count = BATCHES * BATCH_SIZE
                measure(name, count, lambda feed=feed: exhaust(itertools.islice(feed, BATCHES)))
        if files and number:
            measure(JPEG, len(files), decode_all)
    cores = os.cpu_count()
    rows = {
        name: {
            "images_per_second": statistics.median(values),
            "lowest": min(values),
            "highest": max(values),
            "deviation": statistics.stdev(values),
            "cpu_microseconds_per_image": statistics.median(costs[name]),
            "images_per_second_on_idle_cores": 1e6 * cores / statistics.median(costs[name]),
        }
        for name, values in speeds.items()
    }
    for name, row in rows.items():
        print(
            f"{row['images_per_second']:>9,.0f} images/s, "
            f"{row['images_per_second_on_idle_cores']:>9,.0f} on idle cores   {name}"
        )
    pixels = train.images.nbytes + valid.images.nbytes
    print(f"{loading:.2f} s to load {pixels / 1e6:.0f} MB from the cache, checked")
    result = {
        "what": __doc__.splitlines()[0],
        "batch_size": BATCH_SIZE,
        "batches": BATCHES,
        "rounds": ROUNDS,
        "images": {"train": list(train.images.shape), "valid": list(valid.images.shape)},
        "loading": {"seconds": loading, "megabytes": pixels / 1e6},
        "feeds": rows,
        "machine": machine.describe(),
    }
    results_file.write(RESULT, result)


if __name__ == "__main__":
    main()
