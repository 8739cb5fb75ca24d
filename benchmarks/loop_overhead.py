"""What a training costs besides its steps: data, callbacks, table, log file and checkpoint.

    python benchmarks/loop_overhead.py      # half an hour on two cores

A recipe's own epoch, as `recipes.fit` runs it and without its validation, and as many bare steps
on one batch that lies ready, called in a loop, take turns in one process and with one compiled
step; which of them is first alternates, and the first round does not count. The epoch is the second
of a `fit`, whose first one makes the pipeline. Beside the whole of it stands what the run's own
clock counts: data and callbacks of its batches, but neither table nor log file and checkpoint.
`quick` has the cheapest steps of CIFAR-10's recipes; of `best5`, whose pictures are the most work
to feed, an epoch here is a third of one, so that what comes once in an epoch weighs three times
what it does.
Writes `benchmarks/results/loop_overhead.json`.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import machine
import ready
import results_file

from keras_twist import callbacks
from keras_twist.recipes import CIFAR_RECIPES, WOOF_RECIPES, task
from keras_twist.recipes.checkpoint import Checkpoint
from keras_twist.recipes.divergence import StopOnDivergence
from keras_twist.recipes.preparation import prepare, warm_up
from keras_twist.recipes.trainer import Trainer

RESULT = Path(__file__).parent / "results" / "loop_overhead.json"
# The part of an epoch that is run.
RECIPES = {"quick": 1, "best5": 3}
ROUNDS = 7
CHECKPOINT_MINUTES = 5.0


class Laps(keras.callbacks.Callback):
    """Notes, at the end of each epoch, the time and what a stopwatch has counted."""

    def __init__(self, stopwatch):
        super().__init__()
        self.stopwatch, self.ends = stopwatch, []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append((time.perf_counter(), self.stopwatch.total_seconds))


def measure(name, data_dir):
    """Seconds of both, round by round, and their median ratio."""
    recipe, data, model, steps = prepare((CIFAR_RECIPES | WOOF_RECIPES)[name], data_dir)
    steps //= RECIPES[name]
    trainer, feed = Trainer(model), task.training_feed(recipe, data)
    warm_up(model, feed.dataset(0), trainer)
    same = iter(ready.batches(next(iter(feed.dataset(0)))))
    step = model.make_train_function()
    times = {"epoch": [], "clock": [], "steps": []}
    with tempfile.TemporaryDirectory() as folder:
        stopwatch = callbacks.Stopwatch(recipe.batch_size)
        divergence = StopOnDivergence(steps, trainer)
        keeper = Checkpoint(folder, stopwatch, divergence, CHECKPOINT_MINUTES, steps, trainer)
        log = callbacks.JSONLinesLogger(Path(folder) / "metrics.jsonl")
        laps = Laps(stopwatch)
        used = [stopwatch, divergence, callbacks.EpochTable(), log, keeper, laps]

        def epoch():
            with contextlib.redirect_stdout(io.StringIO()), keeper:
                trainer.fit(feed.dataset(0), steps, epochs=2, callbacks=used)
            (start, before), (end, after) = laps.ends[-2:]
            times["epoch"].append(end - start)
            times["clock"].append(after - before)

        def bare():
            start = time.perf_counter()
            for _ in range(steps):
                logs = step(same)
            float(logs["loss"])
            times["steps"].append(time.perf_counter() - start)

        for number in range(ROUNDS):
            for part in (epoch, bare) if number % 2 else (bare, epoch):
                part()
            print(name, {key: round(each[-1], 2) for key, each in times.items()}, flush=True)
    ratios = {
        key: quartiles([a / b for a, b in zip(times[key], times["steps"], strict=True)][1:])
        for key in ("epoch", "clock")
    }
    return {
        "steps": steps,
        "batch_size": recipe.batch_size,
        "precision": recipe.precision,
        "seconds": times,
        "ratios": ratios,
    }


def quartiles(ratios):
    """The median of ratios, with the quartiles around it."""
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {"median": median, "quartiles": [low, high]}


def main():
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(usage="%(prog)s [--data_dir FOLDER]")
    parser.add_argument("--data_dir", help="where ImageWoof lies")
    data_dir = parser.parse_args().data_dir
    record = {"what": __doc__.splitlines()[0], "machine": machine.describe()}
    record["recipes"] = {
        name: measure(name, data_dir if name in WOOF_RECIPES else None) for name in RECIPES
    }
    results_file.write(RESULT, record)
    for name, found in record["recipes"].items():
        print(name, found["ratios"])


if __name__ == "__main__":
    main()
