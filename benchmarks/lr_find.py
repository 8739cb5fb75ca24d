"""Whether suggested learning rates are good ones: DavidNet on CIFAR-10, one short epoch.

    python benchmarks/lr_find.py        # a quarter of an hour on two cores

First the range test, as `train_cifar.py davidnet --lr_find` runs it with these fields, on the
clock. Then, for three seeds each, one epoch over 10,000 training images at a constant rate: the
rate that a method suggests, a tenth of it and ten times it, everything else being the recipe's; the
order of the rates changes from seed to seed. What counts is the accuracy and the loss on 2,000
held-out training images; the test set is not touched. Writes `benchmarks/results/lr_find.json`
after every run, and `images/lr_find.png`. A call after a stop goes on; remove the file to start
anew.
"""

import argparse
import dataclasses
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
import results_file

from keras_twist.callbacks import LRCurve, lr_find
from keras_twist.recipes import CIFAR_RECIPES, task
from keras_twist.recipes.preparation import prepare

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "lr_find.json"
PICTURE = ROOT / "images" / "lr_find.png"
BATCH_SIZE = 128
STEPS = 100
IMAGES = 10_000
HELD_OUT = 2_000
SEEDS = (0, 1, 2)
FACTORS = (0.1, 1.0, 10.0)
METHODS = ("valley", "minimum")


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """The same rate at every step."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def __call__(self, step):
        return self.rate


def recipe_with(seed):
    """DavidNet with batches of which a hundred take less than 2 minutes on two cores."""
    return dataclasses.replace(
        CIFAR_RECIPES["davidnet"], batch_size=BATCH_SIZE, holdout=HELD_OUT, seed=seed
    )


def find():
    """Record of the range test: the curve, and the seconds that it took, tracing included."""
    described = machine.describe()
    recipe, data, model, _ = prepare(recipe_with(SEEDS[0]))
    batches = task.training_batches(recipe, data)
    start = time.perf_counter()
    curve = lr_find(model, batches, steps=STEPS)
    seconds = time.perf_counter() - start
    return {
        "what": __doc__.splitlines()[0],
        "command": "python benchmarks/lr_find.py",
        "recipe": results_file.fields_of(recipe_with(SEEDS[0])),
        "images": IMAGES,
        "held_out": HELD_OUT,
        "precision": recipe.precision,
        "machine": described,
        "seconds_of_range_test": round(seconds, 1),
        "suggestions": curve.suggestions(),
        "epochs": [],
        "curve": curve.to_dict(),
    }


def train(rate, seed):
    """Held-out loss and accuracy after one epoch at a constant rate."""
    recipe, data, model, _ = prepare(recipe_with(seed))
    model.optimizer.learning_rate = Constant(rate)
    x, y = data.train
    part = dataclasses.replace(data, train=(x[:IMAGES], y[:IMAGES]))
    steps = IMAGES // BATCH_SIZE
    model.fit(task.training_batches(recipe, part), steps_per_epoch=steps, shuffle=False, verbose=0)
    found = model.evaluate(task.validation_batches(recipe, data), verbose=0, return_dict=True)
    return {"loss": found["loss"], "accuracy": found["accuracy"]}


def summary(epochs):
    """Mean loss and accuracy of each method and factor."""
    rows = {}
    for method in METHODS:
        for factor in FACTORS:
            runs = [run for run in epochs if (run["method"], run["factor"]) == (method, factor)]
            rows[f"{factor:g} x {method}"] = {
                "learning_rate": runs[0]["learning_rate"],
                "mean_loss": statistics.mean(run["loss"] for run in runs),
                "mean_accuracy": statistics.mean(run["accuracy"] for run in runs),
            }
    return rows


def main():
    """Measure what is not there yet, print a table and write the results."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    record = results_file.read(RESULT) or find()
    if not results_file.are_fields_of(recipe_with(SEEDS[0]), record["recipe"]):
        sys.exit(f"{RESULT} holds runs of other settings; remove it to start anew.")
    results_file.write(RESULT, record)
    curve = LRCurve.from_dict(record["curve"])
    curve.plot().savefig(PICTURE, dpi=120)
    print(f"range test: {len(curve.losses)} steps of {BATCH_SIZE} images in", end=" ")
    print(f"{record['seconds_of_range_test']} s, which suggests {curve.suggestions()}", flush=True)
    done = {(run["method"], run["factor"], run["seed"]) for run in record["epochs"]}
    for method in METHODS:
        for number, seed in enumerate(SEEDS):
            for factor in FACTORS[number:] + FACTORS[:number]:
                if (method, factor, seed) in done:
                    continue
                rate = factor * curve.suggest(method)
                run = {"method": method, "factor": factor, "seed": seed, "learning_rate": rate}
                run.update(train(rate, seed))
                print(run, flush=True)
                record = results_file.read(RESULT)  # Another process may have written to it.
                record["epochs"].append(run)
                results_file.write(RESULT, record)
    record["means"] = summary(record["epochs"])
    results_file.write(RESULT, record)
    for name, row in record["means"].items():
        print(
            f"{name:>13} = {row['learning_rate']:.4g}: held-out accuracy "
            f"{100 * row['mean_accuracy']:.1f} %, loss {row['mean_loss']:.3f}"
        )


if __name__ == "__main__":
    main()
