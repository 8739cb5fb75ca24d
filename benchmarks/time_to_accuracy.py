"""Accuracy, time and work of whole trainings of a recipe, over several seeds.

    python benchmarks/time_to_accuracy.py fast                      # five seeds
    python benchmarks/time_to_accuracy.py fast --seeds 5 6 --width 32
    python benchmarks/time_to_accuracy.py mxresnet50 --seeds 0 --data_dir pictures

What else is given are fields of the recipe, as `train_cifar.py` or `train_woof.py` take them. The
clock is
DAWNBench's: training steps alone, without compilation, validation and the loading of data; the time
of everything together stands beside it. Energy is that of the processor's package, where Linux
tells it. Runs are kept as they end, by recipe and seed, so that a series can be gone on with.
Writes `benchmarks/results/time_to_accuracy.json`.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
from flops import training_flops

from keras_twist import recipes
from keras_twist.recipes import cifar_recipes, woof_recipes
from keras_twist.recipes.command_line import parse
from keras_twist.recipes.preparation import prepare
from keras_twist.recipes.published_flags import COMMON, WOOF

RESULT = Path(__file__).parent / "results" / "time_to_accuracy.json"
SEEDS = range(5)


def energy():
    """Joules that the processor has used, or None where the machine does not tell."""
    meters = Path("/sys/class/powercap").glob("*-rapl:[0-9]/energy_uj")
    try:
        read = [int(meter.read_text()) for meter in meters]
    except OSError:
        return None
    return sum(read) / 1e6 if read else None


def train(recipe, data_dir):
    """One run, as a dict."""
    before, start = energy(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = recipes.fit(recipe, data_dir=data_dir, runs=folder)
        environment = json.loads((result.folder / "environment.json").read_text())
    joules = None if before is None else energy() - before
    return {
        "seed": recipe.seed,
        "accuracy": result.accuracy,
        "flip_averaged_accuracy": result.flip_averaged_accuracy,
        "training_seconds": result.seconds,
        "all_seconds": time.perf_counter() - start,
        "joules": joules,
        "precision": environment["precision"],
        "xla": environment["xla"],
        "machine": machine.describe(),
    }


def summary(runs):
    """Mean and deviation of what the runs have in common."""
    found = {"runs": len(runs)}
    for key in ("accuracy", "flip_averaged_accuracy", "training_seconds", "all_seconds"):
        values = [run[key] for run in runs if run[key] is not None]
        if values:
            found[key] = {"mean": statistics.mean(values)}
        if len(values) > 1:
            found[key]["deviation"] = statistics.stdev(values)
    return found


def as_json(values):
    """Values as they are read again: lists for tuples."""
    return json.loads(json.dumps(values))


def main():
    """Train, print a line for each run and write the results."""
    parser = argparse.ArgumentParser(usage="%(prog)s RECIPE [--seeds N ...] [--FIELD VALUE ...]")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--data_dir", help="where the data set lies")
    options, arguments = parser.parse_known_args()
    given = cifar_recipes.CIFAR_RECIPES, cifar_recipes.ABOUT, "fast", arguments, COMMON
    if arguments[:1] and arguments[0] in woof_recipes.WOOF_RECIPES:
        given = woof_recipes.WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50", arguments, WOOF
    try:
        recipe, _ = parse(*given)
    except recipes.RecipeError as error:
        parser.error(str(error))
    series = {}
    with contextlib.suppress(FileNotFoundError):
        series = json.loads(RESULT.read_text())["series"]
    settings = as_json(dataclasses.asdict(recipe))
    # A field that a recipe has got since leaves it as it was by default.
    defaults = as_json({field.name: field.default for field in dataclasses.fields(recipe)[1:]})
    name = " ".join([recipe.name, *arguments[1:]])
    found = series.setdefault(name, {"recipe": settings, "runs": []})
    if defaults | found["recipe"] != settings:
        raise SystemExit(f"{RESULT} has other settings under the name {name!r}.")
    if "gflop_per_image" not in found:
        used, _, model, steps = prepare(recipe, options.data_dir)
        each = training_flops(model, used.batch_size)
        found["gflop_per_image"] = each / 1e9
        found["pflop"] = each * used.batch_size * steps * used.epochs / 1e15
    found["recipe"] = settings
    for seed in options.seeds:
        run = train(dataclasses.replace(recipe, seed=seed), options.data_dir)
        found["runs"] = [one for one in found["runs"] if one["seed"] != seed] + [run]
        found["summary"] = summary(found["runs"])
        record = {"what": __doc__.splitlines()[0], "series": series}
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
        print(name, json.dumps({k: v for k, v in run.items() if k != "machine"}), flush=True)
    print(name, f"{found['pflop']:.3f} PFLOP", json.dumps(found["summary"]))


if __name__ == "__main__":
    main()
