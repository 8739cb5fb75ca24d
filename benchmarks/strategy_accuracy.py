"""Test accuracy of a recipe on one device, on two that share each batch, and in two processes.

    python benchmarks/strategy_accuracy.py                  # quick, three seeds, 20 minutes
    python benchmarks/strategy_accuracy.py --seeds 3 4

Every run is `train_cifar.py quick`, as a user starts it, in processes of its own; the three of a
seed follow each other. With two devices, batch normalisation takes the statistics of each share of
a batch. Runs are kept as they end: a call goes on with what is missing. Writes
`benchmarks/results/strategy_accuracy.json`.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import results_file
import summaries
from strategy import CASES, cluster

from keras_twist.recipes import CIFAR_RECIPES, run_folder

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "strategy_accuracy.json"
SEEDS = range(3)
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
        result, environment = (
            json.loads((folder / name).read_text())
            for name in (run_folder.RESULT, run_folder.ENVIRONMENT)
        )
    return {
        "seed": seed,
        "accuracy": result["accuracy"],
        "training_seconds": result["seconds"],
        "precision": environment["precision"],
        "machine": described,
    }


def summary(cases):
    """Accuracy of each case, and how far it is from one device with the same seed."""
    one_device = {run["seed"]: run["accuracy"] for run in cases["none"]}
    found = {}
    for case, runs in cases.items():
        found[case] = {
            "runs": len(runs),
            "accuracy": summaries.spread([r["accuracy"] for r in runs]),
        }
        if case != "none":
            gains = [run["accuracy"] - one_device[run["seed"]] for run in runs]
            found[case]["difference"] = summaries.spread(gains)
    return found


def kept_runs():
    """Runs of the file, by strategy."""
    record = results_file.read(RESULT)
    if record and not results_file.are_fields_of(RECIPE, record["recipe"]):
        raise SystemExit(f"{RESULT} has runs of another recipe; remove it to start anew.")
    return record.get("runs", {})


def main():
    """Train what is missing, print and write the results."""
    parser = argparse.ArgumentParser(usage="%(prog)s [--seeds N ...]")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    for seed in parser.parse_args().seeds:
        for case in CASES:
            if any(run["seed"] == seed for run in kept_runs().get(case, [])):
                continue
            run = train(case, seed)
            runs = kept_runs()  # Another process may have written to it in the meantime.
            runs[case] = [*runs.get(case, []), run]
            record = {
                "what": __doc__.splitlines()[0],
                "recipe": results_file.fields_of(RECIPE),
                "summary": summary(runs),
                "runs": runs,
            }
            results_file.write(RESULT, record)
            print(f"{case}, seed {seed}: {run['accuracy']:.4f}", flush=True)
    print(json.dumps(summary(kept_runs()), indent=2))


if __name__ == "__main__":
    main()
