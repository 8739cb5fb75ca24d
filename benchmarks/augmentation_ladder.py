"""What each augmentation adds to the one before, on CIFAR-10: a small SpeedNet and few images.

    python benchmarks/augmentation_ladder.py        # an hour on two cores

Few images and many epochs, so that the network learns its images by heart unless something keeps it
from that. The rungs are cumulative: nothing, flip, pad and crop, cutout, random erasing, mixup, at
the strengths of the recipes; the rest is the recipe `quick`, the same for every rung. Order as in
the recipes: pad, crop, flip, erase in pixel values, normalise, cut out to the mean colour, mix; the
loss smooths the labels, mixed ones too. A run is judged after its last epoch by 5,000 held-out
training images; the test set is not touched. The accuracy on the training images is that of the
images as they are, since one on mixed images has no meaning.

Three seeds each, rung after rung before the next seed, so that what disturbs the machine for a
while disturbs all rungs. Writes `benchmarks/results/augmentation_ladder.json` after every run; a
call after a stop goes on with what is missing. Other settings than those of the file: remove it.
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

from keras_twist.recipes import CIFAR_RECIPES, task
from keras_twist.recipes.preparation import prepare

RESULT = Path(__file__).parent / "results" / "augmentation_ladder.json"
IMAGES = 5_000
SEEDS = (0, 1, 2)
HIDDEN = ("batch_losses", "machine")
PLAIN = dataclasses.replace(
    CIFAR_RECIPES["quick"],
    name="ladder",
    width=16,
    epochs=20,
    batch_size=128,
    # The recipe's rate is for 512 images; per image it stays the same.
    learning_rate=CIFAR_RECIPES["quick"].learning_rate / 4,
    holdout=5_000,
    padding=0,
    flip=False,
)
# What each rung adds to those before.
LADDER = {
    "none": {},
    "flip": {"flip": True},
    "+ pad-crop": {"padding": 4},
    "+ cutout": {"cutout": 8},
    "+ erasing": {"erasing": 0.5},
    "+ mixup": {"mixup": 0.2},
}


def recipes():
    """The recipe of each rung, by its name."""
    recipe, rungs = PLAIN, {}
    for name, change in LADDER.items():
        recipe = rungs[name] = dataclasses.replace(recipe, **change)
    return rungs


def train(recipe):
    """Held-out and training accuracy of a recipe after its last epoch, in percent."""
    recipe, data, model, _ = prepare(recipe)
    x, y = data.train
    data = dataclasses.replace(data, train=(x[:IMAGES], y[:IMAGES]))
    steps = IMAGES // recipe.batch_size
    # Anew, so that the schedule ends with these images and not with the whole training set.
    task.compile_model(model, recipe, recipe.epochs * steps, recipe.xla == "on")
    start = time.perf_counter()
    history = model.fit(
        task.training_batches(recipe, data),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    held_out, training = (
        model.evaluate(task.validation_batches(recipe, part), verbose=0, return_dict=True)
        for part in (data, dataclasses.replace(data, valid=data.train))
    )
    return {
        "accuracy": round(100 * held_out["accuracy"], 3),
        "training_accuracy": round(100 * training["accuracy"], 3),
        "seconds": round(seconds, 1),
        "batch_losses": [round(loss, 4) for loss in history.history["loss"]],
    }


def summary(runs):
    """Mean, deviation between seeds and step of each rung; steps compare runs of the same seed."""
    rows, before = {}, None
    for name in LADDER:
        rung = {run["seed"]: run for run in runs if run["rung"] == name}
        if not rung:
            continue
        accuracies = [run["accuracy"] for run in rung.values()]
        row = {
            "seeds": len(rung),
            "mean": statistics.mean(accuracies),
            "deviation": statistics.stdev(accuracies) if len(rung) > 1 else None,
            "training_accuracy": statistics.mean(run["training_accuracy"] for run in rung.values()),
        }
        if before is not None:
            shared = before.keys() & rung.keys()
            steps = [rung[seed]["accuracy"] - before[seed]["accuracy"] for seed in sorted(shared)]
            row["step"] = statistics.mean(steps)
            row["step_deviation"] = statistics.stdev(steps) if len(steps) > 1 else None
        rows[name] = {key: value and round(value, 3) for key, value in row.items()}
        before = rung
    return rows


def settings():
    """What every run of a file shares."""
    rungs = {name: results_file.fields_of(recipe) for name, recipe in recipes().items()}
    return {"images": IMAGES, "rungs": rungs}


def are_settings(found):
    """Whether the runs of a file have the settings of now."""
    rungs = recipes()
    return (found["images"], found["rungs"].keys()) == (IMAGES, rungs.keys()) and all(
        results_file.are_fields_of(recipe, found["rungs"][name]) for name, recipe in rungs.items()
    )


def main():
    """Train what is missing in the file, write it after every run, and print the means."""
    argparse.ArgumentParser(usage="%(prog)s").parse_args()
    record = results_file.read(RESULT)
    if record:
        if not are_settings(record["settings"]):
            sys.exit(f"{RESULT} holds runs of other settings; remove it to start anew.")
    else:
        recipe, *_ = prepare(PLAIN)
        record = {
            "what": __doc__.splitlines()[0],
            "command": "python benchmarks/augmentation_ladder.py",
            "judged_on": f"{PLAIN.holdout} held-out training images, after the last epoch",
            "deviation": "sample standard deviation over the seeds, which decide initial weights, "
            "order and draws; all seeds train on the same images",
            "precision": recipe.precision,
            "settings": settings(),
            "table": {},
            "runs": [],
        }
    done = {(run["rung"], run["seed"]) for run in record["runs"]}
    for seed in SEEDS:
        for name, recipe in recipes().items():
            if (name, seed) in done:
                continue
            run = {"rung": name, "seed": seed, "machine": machine.describe()}
            run |= train(dataclasses.replace(recipe, seed=seed))
            print({key: value for key, value in run.items() if key not in HIDDEN}, flush=True)
            if RESULT.exists():  # Another process may have written to it in the meantime.
                record = results_file.read(RESULT)
            record["runs"].append(run)
            record["table"] = summary(record["runs"])
            results_file.write(RESULT, record)
            keras.backend.clear_session()
    record["table"] = summary(record["runs"])
    results_file.write(RESULT, record)
    for name, row in record["table"].items():
        print(name, row)


if __name__ == "__main__":
    main()
