"""Accuracy, time and work of whole trainings of a recipe, over several seeds.

    python benchmarks/time_to_accuracy.py fast                      # what is missing of five seeds
    python benchmarks/time_to_accuracy.py fast --seeds 5 6 --width 32
    python benchmarks/time_to_accuracy.py mxresnet50 --seeds 0 --data_dir pictures

What else is given are fields of the recipe, as `train_cifar.py` or `train_woof.py` take them. The
clock is DAWNBench's: training steps alone, without compilation, validation and the loading of data;
the time of everything together stands beside it. Energy is that of the processor's packages, where
Linux tells it. Runs are kept as they end, by recipe and seed, so that a series can be gone on with.
Writes `benchmarks/results/time_to_accuracy.json`.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import results_file
import summaries
from flops import training_flops

from keras_twist import recipes
from keras_twist.recipes import cifar_recipes, woof_recipes
from keras_twist.recipes.command_line import parse
from keras_twist.recipes.options import Options
from keras_twist.recipes.preparation import prepare
from keras_twist.recipes.published_flags import COMMON, WOOF
from keras_twist.recipes.runtime import resolve_precision, resolve_xla

RESULT = Path(__file__).parent / "results" / "time_to_accuracy.json"
SEEDS = range(5)


class EnergyMeter:
    """Joules that the processor's packages use in a `with` block; None where Linux tells none."""

    INTERVAL = 60  # seconds, in which no counter comes to its end and begins anew twice

    def __init__(self, folder="/sys/class/powercap"):
        self._meters = [
            meter
            for meter in Path(folder).glob("*-rapl:*")
            if (meter / "name").read_text().startswith("package")
            and os.access(meter / "energy_uj", os.R_OK)
        ]
        self._ended = threading.Event()
        self.joules = 0.0 if self._meters else None

    def __enter__(self):
        self._last = self._read()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _follow(self):
        going_on = bool(self._meters)
        while going_on:
            going_on = not self._ended.wait(self.INTERVAL)
            before, self._last = self._last, self._read()
            for meter, old, new in zip(self._meters, before, self._last, strict=True):
                whole = int((meter / "max_energy_range_uj").read_text())
                self.joules += (new - old) % whole / 1e6

    def _read(self):
        return [int((meter / "energy_uj").read_text()) for meter in self._meters]


def train(recipe, data_dir):
    """One run, as a dict."""
    # Before it, since its load is that of the run itself, and files may change while it trains.
    described = machine.describe()
    start = time.perf_counter()
    with EnergyMeter() as meter, tempfile.TemporaryDirectory() as folder:
        result = recipes.fit(recipe, data_dir=data_dir, runs=folder)
        environment = json.loads((result.folder / "environment.json").read_text())
    return {
        "seed": recipe.seed,
        "accuracy": result.accuracy,
        "flip_averaged_accuracy": result.flip_averaged_accuracy,
        "training_seconds": result.seconds,
        "all_seconds": time.perf_counter() - start,
        "joules": meter.joules,
        "precision": environment["precision"],
        "xla": environment["xla"],
        "machine": described,
    }


def summary(runs):
    """Mean and deviation of what the runs have in common."""
    found = {"runs": len(runs)}
    for key in ("accuracy", "flip_averaged_accuracy", "training_seconds", "all_seconds"):
        values = [run[key] for run in runs if run[key] is not None]
        if values:
            found[key] = summaries.spread(values)
    return found


def work(recipe, data_dir):
    """Operations of a training, and of an image in it."""
    used, _, model, steps = prepare(recipe, data_dir)
    each = training_flops(model, used.batch_size)
    pflop = each * used.batch_size * steps * used.epochs / 1e15
    return {"gflop_per_image": each / 1e9, "pflop": pflop}


def check_machine(path, recipe, kept):
    """Refuse to put runs of one machine and precision beside those of others."""
    here = {
        "precision": resolve_precision(recipe.precision),
        "xla": resolve_xla(recipe.xla),
        **{key: value for key, value in machine.describe().items() if key in ("cpu", "gpus")},
    }
    for run in kept:
        there = {key: run.get(key, run["machine"].get(key)) for key in here}
        if there != here:
            raise SystemExit(f"{path} has runs of {there}. Here: {here}")


def main():
    """Train, print a line for each run and write the results."""
    parser = argparse.ArgumentParser(usage="%(prog)s RECIPE [--seeds N ...] [--FIELD VALUE ...]")
    parser.add_argument("--seeds", nargs="+", type=int, help="else those of 0 to 4 not run yet")
    parser.add_argument("--data_dir", help="where the data set lies")
    options, arguments = parser.parse_known_args()
    given = cifar_recipes.CIFAR_RECIPES, cifar_recipes.ABOUT, "fast", arguments, COMMON
    if arguments[:1] and arguments[0] in woof_recipes.WOOF_RECIPES:
        given = woof_recipes.WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50", arguments, WOOF
    try:
        recipe, asked = parse(*given)
        if arguments[:1] != [recipe and recipe.name] or asked != Options():
            parser.error("give a recipe, then fields of it and nothing else.")
    except recipes.RecipeError as error:
        parser.error(str(error))
    name = " ".join([recipe.name, *arguments[1:]])
    found = results_file.read(RESULT).get("series", {}).get(name)
    if found and not results_file.are_fields_of(recipe, found["recipe"]):
        raise SystemExit(f"{RESULT} has other settings under the name {name!r}.")
    kept = found["runs"] if found else []
    check_machine(RESULT, recipe, kept)
    found = {"recipe": results_file.fields_of(recipe)} | work(recipe, options.data_dir)
    missing = [seed for seed in SEEDS if all(run["seed"] != seed for run in kept)]
    for seed in missing if options.seeds is None else options.seeds:
        run = train(dataclasses.replace(recipe, seed=seed), options.data_dir)
        # Another series may have written to it in the meantime.
        series = results_file.read(RESULT).get("series", {})
        runs = [one for one in series.get(name, {}).get("runs", ()) if one["seed"] != seed] + [run]
        series[name] = found = found | {"runs": runs, "summary": summary(runs)}
        results_file.write(RESULT, {"what": __doc__.splitlines()[0], "series": series})
        print(name, json.dumps({k: v for k, v in run.items() if k != "machine"}), flush=True)
    print(name, f"{found['pflop']:.3f} PFLOP", json.dumps(found["summary"]))


if __name__ == "__main__":
    main()
