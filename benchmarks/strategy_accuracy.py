"""Accuracy of a recipe on one device, on two that share each batch, and in two processes.

    python benchmarks/strategy_accuracy.py                  # quick, three seeds, 20 minutes
    python benchmarks/strategy_accuracy.py --seeds 3 4

Every run is `train_cifar.py quick`, as a user starts it, in processes of its own; the three of a
seed follow each other. With two devices, batch normalisation takes the statistics of each share of
a batch. Seeds are kept as they end. Writes `benchmarks/results/strategy_accuracy.json`.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import results_file
from strategy import CASES, cluster

from keras_twist.recipes import CIFAR_RECIPES, run_folder

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "strategy_accuracy.json"
RECIPE = CIFAR_RECIPES["quick"]


def train(case, seed):
    """One run, as a dict."""
    described = machine.describe()  # Before it, since its load is that of the run itself.
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, ROOT / "train_cifar.py", RECIPE.name, "--seed", str(seed)]
        command += ["--runs_dir", runs, "--strategy", case]
        command += ["--replicas", "2"] * (case != "none")
        cluster(case, command)
        (folder,) = Path(runs).iterdir()
        result = json.loads((folder / run_folder.RESULT).read_text())
    return {"seed": seed} | result | {"machine": described}


def summary(cases):
    """Accuracy of each case, and how far it is from one device with the same seed."""
    one_device = {run["seed"]: run["accuracy"] for run in cases.get("none", [])}
    return {
        case: {
            "runs": len(runs),
            "accuracy": results_file.spread([run["accuracy"] for run in runs]),
            "difference": results_file.spread(
                [run["accuracy"] - one_device[run["seed"]] for run in runs]
            ),
        }
        for case, runs in cases.items()
    }


def main():
    """Train, print and write the results."""
    parser = argparse.ArgumentParser(usage="%(prog)s [--seeds N ...]")
    parser.add_argument("--seeds", nargs="+", type=int, default=range(3))
    fields = results_file.fields_of(RECIPE)
    kept = results_file.read(RESULT)
    if kept and not results_file.are_fields_of(RECIPE, kept["recipe"]):
        raise SystemExit(f"{RESULT} has runs of another recipe; remove it to start anew.")
    cases = kept.get("cases", {})
    for seed in parser.parse_args().seeds:
        for case in CASES:
            runs = [run for run in cases.get(case, []) if run["seed"] != seed]
            cases[case] = [*runs, train(case, seed)]
            print(case, json.dumps(cases[case][-1]), flush=True)
        record = {"what": __doc__.splitlines()[0], "recipe": fields, "summary": summary(cases)}
        results_file.write(RESULT, record | {"cases": cases})
    print(json.dumps(summary(cases), indent=2))


if __name__ == "__main__":
    main()
