"""Memory, open files and threads of trainings that go on for long.

    python benchmarks/long_run.py            # everything
    python benchmarks/long_run.py fits       # one of: steps, fits, datasets, recipes, xla, keras
    python benchmarks/long_run.py draw       # the picture alone, of the results there are

Each part has a process of its own, which looks at itself as it goes on:

- `steps`: 10,000 steps in one `model.fit`, with augmentation, schedule, callbacks and validation.
- `fits`: 1,000 calls of `model.fit` of the same model, each with new callbacks.
- `datasets`: 200 calls, each with new data sets as well, whose operations XLA compiles anew.
- `recipes`: 40 times `recipes.fit`, each with a new network.
- `xla`: 200 times a new `tf.function(jit_compile=True)`, and `keras`: 40 times a new model of
  Keras's own layers and one `fit`. Both have nothing of this package in them, and tell how much
  TensorFlow and Keras keep of functions and of models that are gone.

Memory grows by the difference of the medians of the first and of the last fifth of the samples
after a warm-up. It may grow by `LIMIT_MIB` where nothing is compiled, and where something is, by as
much for each call as `PER_CALL_MIB` says; files and threads must not become more. Everything is as
small as it can be: what leaks does so per step, per call or per network, whatever their size.
Writes `benchmarks/results/long_run.json` and draws `images/long_run.png` of the two that may not
grow. Longer than other files here, for its six small parts.
"""

import gc
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import machine
import numpy as np
import results_file

from keras_twist import callbacks, data, layers, optimizers, recipes
from keras_twist.plots.figures import BLUE, new_figure

RESULT = pathlib.Path(__file__).parent / "results" / "long_run.json"
PICTURE = pathlib.Path(__file__).parents[1] / "images" / "long_run.png"
BATCH_SIZE, IMAGES, SIZE = 16, 320, 16
STEPS = 10_000
# Of each part: how much, how much between two samples, how much is warming up, and what is counted.
PARTS = {
    "steps": (STEPS, 100, 2000, "steps"),
    "fits": (1000, 10, 200, "calls of fit"),
    "datasets": (200, 2, 40, "calls of fit, new data sets"),
    "recipes": (40, 1, 10, "runs of a recipe"),
    "xla": (200, 2, 40, "functions that XLA compiled"),
    "keras": (40, 1, 10, "models of Keras's own"),
}
OF_OTHERS = ("xla", "keras")
LIMIT_MIB = 10
PER_CALL_MIB = {"datasets": 1.5, "recipes": 10}
# Memory goes up and down; of files and threads, the most count.
HOW = {"mib": np.median, "files": np.max, "threads": np.max}


class Samples:
    """What the process holds, from time to time."""

    def __init__(self, every):
        self.every = every
        self.columns = {"count": [], "mib": [], "files": [], "threads": []}

    def take(self, count):
        """Look now, if it is time."""
        if count % self.every:
            return
        gc.collect()
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        self.columns["count"].append(count)
        self.columns["mib"].append(round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1))
        self.columns["files"].append(len(os.listdir("/proc/self/fd")))
        self.columns["threads"].append(len(os.listdir("/proc/self/task")))


def arrays(count):
    """Random images and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype="uint8")
    return images, rng.integers(0, 10, count)


def datasets(repeat=True):
    """Training and validation batches, augmented as a recipe's are."""
    normalize = data.normalize(data.CIFAR10_MEAN, data.CIFAR10_STD)
    augment = (data.random_pad_crop(2), data.random_flip(), normalize, data.random_cutout(4))
    train = data.train_dataset(*arrays(IMAGES), BATCH_SIZE, augment=augment, repeat=repeat)
    return train, data.eval_dataset(*arrays(64), 32, transform=(normalize,))


def small_model():
    """A network with the package's layers and optimizer, of a few thousand weights."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.TwistLayer(4, strides=2),
            layers.BatchNormAct(activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.Ranger(1e-3), loss, metrics=["accuracy"], jit_compile=False)
    return model


def all_callbacks(folder, steps):
    """One of each kind that a training may have."""
    return [
        callbacks.FlatCosineLR(1e-3, total_steps=steps),
        callbacks.Stopwatch(BATCH_SIZE),
        callbacks.EpochTable(write=lambda line: None),
        callbacks.JSONLinesLogger(pathlib.Path(folder) / "metrics.jsonl"),
    ]


def run_steps(count, samples, folder):
    """One call of `fit`."""
    train, valid = datasets()
    steps = samples.every
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: samples.take((epoch + 1) * steps)
    )
    small_model().fit(
        train,
        validation_data=valid,
        epochs=count // steps,
        steps_per_epoch=steps,
        callbacks=[*all_callbacks(folder, count), look],
        shuffle=False,
        verbose=0,
    )


def run_fits(count, samples, folder):
    """One model and its data, many calls."""
    model, made = small_model(), datasets()
    for number in range(1, count + 1):
        fit_briefly(model, made, 2 * count, folder)
        samples.take(number)


def run_datasets(count, samples, folder):
    """One model, many calls, each with data sets of its own."""
    model = small_model()
    for number in range(1, count + 1):
        fit_briefly(model, datasets(), 2 * count, folder)
        samples.take(number)


def fit_briefly(model, made, steps, folder):
    """Two steps and a validation, with new callbacks."""
    train, valid = made
    (pathlib.Path(folder) / "metrics.jsonl").unlink(missing_ok=True)
    used = all_callbacks(folder, steps)
    model.fit(
        train,
        validation_data=valid,
        steps_per_epoch=2,
        callbacks=used,
        shuffle=False,
        verbose=0,
    )


def run_recipes(count, samples, folder):
    """The whole of a recipe, with pictures and report, on a handful of images."""
    import dataclasses

    from keras_twist.recipes import cifar, task

    rng = np.random.default_rng(0)

    def split(size):
        return rng.integers(0, 256, (size, 32, 32, 3), dtype="uint8"), rng.integers(0, 10, size)

    handful = task.Data(split(100), split(50), "test", data.CIFAR10_CLASSES)
    cifar.load = lambda recipe, data_dir: handful
    recipe = dataclasses.replace(
        recipes.CIFAR_RECIPES["quick"], width=4, epochs=1, batch_size=50, precision="float32"
    )
    for number in range(1, count + 1):
        recipes.fit(recipe, runs=folder, table=False)
        samples.take(number)


def run_xla(count, samples, folder):
    """Nothing but TensorFlow."""
    import tensorflow as tf

    for number in range(1, count + 1):
        function = tf.function(lambda x: 2.0 * tf.reverse(x, [2]) + 1.0, jit_compile=True)
        function(tf.zeros((BATCH_SIZE, SIZE, SIZE, 3)))
        samples.take(number)


def run_keras(count, samples, folder):
    """Nothing but Keras."""
    images, labels = arrays(2 * BATCH_SIZE)
    for number in range(1, count + 1):
        model = keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 3)),
                keras.layers.Conv2D(4, 3),
                keras.layers.BatchNormalization(),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(10),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=False)
        model.fit(images, labels, batch_size=BATCH_SIZE, verbose=0)
        samples.take(number)


def measure(part):
    """Samples of one part, taken in this process."""
    count, every, *_ = PARTS[part]
    samples = Samples(every)
    with tempfile.TemporaryDirectory() as folder:
        globals()[f"run_{part}"](count, samples, folder)
    return samples.columns


def judge(part, columns):
    """What the samples say after the warm-up; no verdict on what is not this package's."""
    _, _, warm_up, counted = PARTS[part]
    count = np.array(columns["count"])
    fifth = max(int((count >= warm_up).sum()) // 5, 1)

    def growth(key, summary):
        values = np.array(columns[key])[count >= warm_up]
        return float(summary(values[-fifth:]) - summary(values[:fifth]))

    grown = {key: growth(key, how) for key, how in HOW.items()}
    calls = growth("count", np.median)
    limit = PER_CALL_MIB[part] * calls if part in PER_CALL_MIB else LIMIT_MIB
    passed = grown["mib"] <= limit and grown["files"] <= 0 and grown["threads"] <= 0
    verdict = {"counted": counted, "warm_up": warm_up, "growth": grown}
    verdict |= {"mib_per_count": float(f"{grown['mib'] / calls:.2g}")}
    return verdict if part in OF_OTHERS else verdict | {"limit_mib": limit, "passed": passed}


def draw(parts):
    """Memory of the process over steps and over calls of `fit`, from the same height of zero."""
    figure = new_figure(figsize=(9, 3.2))
    for axes, part in zip(figure.subplots(1, 2, sharey=True), ("steps", "fits"), strict=True):
        found = parts[part]
        axes.plot(found["samples"]["count"], found["samples"]["mib"], color=BLUE)
        axes.axvline(found["warm_up"], color="0.6", ls="--", lw=1)
        grown = f"after the warm-up: {found['growth']['mib']:+.1f} MiB"
        axes.set(
            title=grown,
            xlabel=found["counted"].capitalize(),
            ylim=(0, 1.2 * max(found["samples"]["mib"])),
        )
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("Memory of the process, MiB")
    figure.savefig(PICTURE, dpi=100)


def main():
    """Run what is asked for, print a line for each part and write the results."""
    if len(sys.argv) == 3 and sys.argv[1] == "--measure":
        json.dump(measure(sys.argv[2]), sys.stdout)
        return
    asked = sys.argv[1:] or [*PARTS, "draw"]
    if unknown := set(asked) - {*PARTS, "draw"}:
        names = ", ".join([*PARTS, "draw"])
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {names}.")
    for part in asked:
        if part == "draw":
            draw(results_file.read(RESULT)["parts"])
            continue
        before, start = machine.describe(), time.monotonic()
        command = [sys.executable, __file__, "--measure", part]
        columns = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        seconds = round(time.monotonic() - start)
        verdict = judge(part, columns)
        # Another part may have been written to it in the meantime.
        parts = results_file.read(RESULT).get("parts", {})
        parts[part] = verdict | {"seconds": seconds, "machine": before, "samples": columns}
        print(f"{part:10}{PARTS[part][0]:7}, {seconds} s: {verdict}", flush=True)
        record = {
            "command": "python benchmarks/long_run.py",
            "parts": {name: parts[name] for name in PARTS if name in parts},
        }
        results_file.write(RESULT, record, indent=None)  # Thousands of samples.


if __name__ == "__main__":
    main()
