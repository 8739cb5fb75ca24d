"""Whether the suggested learning rate is a good one: DavidNet on CIFAR-10, one short epoch.

    python benchmarks/lr_find.py        # about 15 minutes on two cores

First the range test, as `train_cifar.py davidnet --lr_find --batch_size 128` runs it, on the clock.
Then, for three seeds each, one epoch over 10,000 training images at a constant rate: the suggested
one, a tenth of it and ten times it, everything else being the recipe's; the order of the rates
changes from seed to seed. What counts is the accuracy and the loss on 2,000 held-out training
images; the test set is not touched. Writes `benchmarks/results/lr_find.json` and
`images/lr_find.png`.
"""

import dataclasses
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras

from keras_twist.callbacks import lr_find
from keras_twist.recipes import CIFAR_RECIPES, cifar
from keras_twist.recipes.fit import prepare
from keras_twist.recipes.runtime import describe_environment

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "lr_find.json"
PICTURE = ROOT / "images" / "lr_find.png"
BATCH_SIZE = 128
STEPS = 100
IMAGES = 10_000
HELD_OUT = 2_000
SEEDS = (0, 1, 2)
FACTORS = (0.1, 1.0, 10.0)


def recipe_with(seed):
    """The recipe, with a rate that stays at 1 and is replaced by the one to be tried."""
    return dataclasses.replace(
        CIFAR_RECIPES["davidnet"], batch_size=BATCH_SIZE, holdout=HELD_OUT, seed=seed
    )


def find():
    """The curve, and the seconds that the range test took with and without tracing its step."""
    recipe, data, model, _ = prepare(recipe_with(SEEDS[0]))
    batches = cifar.training_batches(recipe, data)
    start = time.perf_counter()
    curve = lr_find(model, batches, steps=STEPS)
    return curve, time.perf_counter() - start, recipe


def train(rate, seed):
    """Held-out loss and accuracy after one epoch at a constant rate."""
    recipe, data, model, _ = prepare(recipe_with(seed))
    model.optimizer.learning_rate = Constant(rate)
    x, y = data.train
    part = dataclasses.replace(data, train=(x[:IMAGES], y[:IMAGES]))
    steps = IMAGES // BATCH_SIZE
    model.fit(cifar.training_batches(recipe, part), steps_per_epoch=steps, shuffle=False, verbose=0)
    found = model.evaluate(cifar.validation_batches(data), verbose=0, return_dict=True)
    return {"loss": found["loss"], "accuracy": found["accuracy"]}


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """The same rate at every step."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def __call__(self, step):
        return self.rate


def main():
    """Measure, print a table and write the results."""
    load = os.getloadavg()
    curve, seconds, recipe = find()
    suggested = curve.suggest()
    print(f"range test: {len(curve.losses)} steps of {BATCH_SIZE} images in {seconds:.1f} s")
    print(f"suggestions: {curve.suggestions()}", flush=True)
    runs = {factor: [] for factor in FACTORS}
    for number, seed in enumerate(SEEDS):
        for factor in FACTORS[number:] + FACTORS[:number]:
            run = {"seed": seed, **train(factor * suggested, seed)}
            runs[factor].append(run)
            print(f"{factor:>5} x {suggested:.4g}: {run}", flush=True)
    rows = {}
    for factor, of_factor in runs.items():
        rows[str(factor)] = {
            "learning_rate": factor * suggested,
            "mean_accuracy": statistics.mean(run["accuracy"] for run in of_factor),
            "mean_loss": statistics.mean(run["loss"] for run in of_factor),
            "runs": of_factor,
        }
        row = rows[str(factor)]
        print(
            f"{factor:>5} x suggestion = {row['learning_rate']:.4g}: held-out accuracy "
            f"{100 * row['mean_accuracy']:.1f} %, loss {row['mean_loss']:.3f}"
        )
    record = {
        "what": __doc__.splitlines()[0],
        "command": "python benchmarks/lr_find.py",
        "recipe": dataclasses.asdict(recipe),
        "images": IMAGES,
        "held_out": HELD_OUT,
        "load": [round(value, 2) for value in load],
        "environment": describe_environment(recipe.precision, recipe.xla == "on"),
        "seconds_of_range_test": round(seconds, 1),
        "suggestions": curve.suggestions(),
        "epoch_at_factor": rows,
        "curve": curve.to_dict(),
    }
    RESULT.write_text(json.dumps(record, indent=2) + "\n")
    curve.plot().savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
