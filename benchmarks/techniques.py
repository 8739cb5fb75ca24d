"""What techniques of the recipe `fast` are worth: short runs with all of them and without one.

    python benchmarks/techniques.py --seeds 0 1 2      # half an hour a seed on two cores

Half the width and a third of the epochs, judged on 5,000 held-out training images. A seed is run
with all settings before the next begins, and the order of the settings moves on from seed to seed.
Runs are kept as they end: a call goes on with what is missing. Differences and times are beside the
run of the same seed with everything. Writes `benchmarks/results/techniques.json`.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import results_file
import summaries
from time_to_accuracy import check_machine, train

from keras_twist.recipes import CIFAR_RECIPES

RESULT = Path(__file__).parent / "results" / "techniques.json"
SEEDS = range(3)
BASE = dataclasses.replace(CIFAR_RECIPES["fast"], width=32, epochs=4, holdout=5000)
# The optimizer of airbench94, with its batches and rates.
SGD = {
    "optimizer": "sgd",
    "batch_size": 1024,
    "learning_rate": 1.5,
    "pct_start": 0.23,
    "start_factor": 0.2,
    "end_factor": 0.07,
    "weight_decay": 1.33e-3,
}
EVERYTHING = "everything in place"
WITHOUT = {
    EVERYTHING: {},
    "SGD and Lookahead, batches and rates of airbench94": SGD | {"lookahead": 5},
    "SGD of airbench94 without Lookahead": SGD,
    "first convolution drawn and trained, no whitening": {"whitening": False},
    "kernels drawn, no identities": {"identity": False},
    "batch normalisation with a learned scale": {"batch_norm_scale": True},
    "biases no faster than kernels": {"bias_rate": 1.0},
    "pooling after the activation": {"pool_first": False},
    "ReLU instead of GELU": {"activation": "relu"},
    "CELU instead of GELU": {"activation": "celu"},
    "logits as they come": {"logit_scale": 1.0},
    "a constant rate": {"end_factor": 1.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "a random half mirrored": {"alternating_flip": False},
    "no mirroring": {"alternating_flip": False, "flip": False},
    "no crops": {"padding": 0},
}


def summary(runs):
    """Accuracy with everything in place, and what becomes of accuracy and time without a part."""
    base = {run["seed"]: run for run in runs.get(EVERYTHING, [])}
    found = {}
    for name, each in runs.items():
        pairs = [(run, base[run["seed"]]) for run in each if run["seed"] in base]
        if not pairs:
            continue
        found[name] = row = {
            "seeds": len(pairs),
            "accuracy": summaries.spread([run["accuracy"] for run, _ in pairs]),
        }
        if name == EVERYTHING:
            averaged = [run["flip_averaged_accuracy"] for run, _ in pairs]
            row["flip_averaged_accuracy"] = summaries.spread(averaged)
            continue
        gains = [run["accuracy"] - other["accuracy"] for run, other in pairs]
        row["difference"] = summaries.spread(gains)
        ratios = [run["training_seconds"] / other["training_seconds"] for run, other in pairs]
        row["time"] = summaries.row(ratios)
    return found


def kept_runs():
    """Runs of the file, by what they are without."""
    record = results_file.read(RESULT)
    if not record:
        return {}
    if not results_file.are_fields_of(BASE, record["recipe"]) or record["without"] != WITHOUT:
        raise SystemExit(f"{RESULT} has runs of other settings; remove it to start anew.")
    return record["runs"]


def main():
    """Train what is missing, print and write the results."""
    parser = argparse.ArgumentParser(usage="%(prog)s [--seeds N ...]")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    seeds = parser.parse_args().seeds
    check_machine(RESULT, BASE, [run for runs in kept_runs().values() for run in runs])
    names = list(WITHOUT)
    for seed in seeds:
        first = 5 * seed % len(names)
        for name in names[first:] + names[:first]:
            if any(run["seed"] == seed for run in kept_runs().get(name, [])):
                continue
            run = train(dataclasses.replace(BASE, seed=seed, **WITHOUT[name]), None)
            runs = kept_runs()  # Another process may have written to it in the meantime.
            runs[name] = [*runs.get(name, []), run]
            record = {
                "what": __doc__.splitlines()[0],
                "recipe": results_file.fields_of(BASE),
                "without": WITHOUT,
                "summary": summary(runs),
                "runs": runs,
            }
            results_file.write(RESULT, record)
            print(f"{name}, seed {seed}: {run['accuracy']:.4f}", flush=True)
    for name, row in summary(kept_runs()).items():
        mean = row.get("difference", row["accuracy"])["mean"]
        print(f"{100 * mean:+6.2f} points: {name}")


if __name__ == "__main__":
    main()
