"""What each technique of the recipe `fast` is worth: short runs with all of them and without one.

    python benchmarks/techniques.py --seeds 0 1 2      # forty minutes a seed on two cores

Half the width and a third of the epochs, judged on 5,000 held-out training images. A seed is run
with all settings before the next begins, and runs are kept as they end: a call goes on with what is
missing. The time is that of a run beside the one with everything, of the same seed. Writes
`benchmarks/results/techniques.json`.
"""

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import results_file
from time_to_accuracy import train

from keras_twist.recipes import CIFAR_RECIPES

RESULT = Path(__file__).parent / "results" / "techniques.json"
BASE = dataclasses.replace(CIFAR_RECIPES["fast"], width=32, epochs=4, holdout=5000)
# airbench94's optimizer, as far as it differs.
_AIRBENCH = CIFAR_RECIPES["fast95"]
_SGD = {
    field: getattr(_AIRBENCH, field)
    for field in "optimizer batch_size pct_start start_factor end_factor lookahead".split()
} | {"learning_rate": 1.5, "weight_decay": 1.33e-3}
EVERYTHING = "everything in place"
WITHOUT = {
    EVERYTHING: {},
    "SGD and Lookahead instead of Muon": _SGD,
    "SGD instead of Muon, no Lookahead": _SGD | {"lookahead": 0},
    "no whitening": {"whitening": False},
    "kernels drawn, not identities": {"identity": False},
    "batch normalisation with a learned scale": {"batch_norm_scale": True},
    "biases no faster than kernels": {"bias_rate": 1.0},
    "pooling after the activation": {"pool_first": False},
    "ReLU instead of GELU": {"activation": "relu"},
    "CELU instead of GELU": {"activation": "celu"},
    "logits as they come": {"logit_scale": 1.0},
    "a constant rate": {"end_factor": 1.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "a random half mirrored": {"alternating_flip": False},
    "no crops": {"padding": 0},
}


def summary(runs):
    """Time and accuracy against those of the same seed with everything in place."""
    base = {run["seed"]: run for run in runs.get(EVERYTHING, [])}
    pairs = {
        name: [(run, base[run["seed"]]) for run in each if run["seed"] in base]
        for name, each in runs.items()
        if name != EVERYTHING
    }
    pairs["mirror images averaged"] = [
        (run | {"accuracy": run["flip_averaged_accuracy"]}, run) for run in base.values()
    ]
    return {name: compared(each) for name, each in pairs.items() if each}


def compared(pairs):
    """Differences of accuracy and ratio of times, of runs and of those beside them."""
    gains = [run["accuracy"] - other["accuracy"] for run, other in pairs]
    return {
        "seeds": len(pairs),
        "accuracy": results_file.spread([run["accuracy"] for run, _ in pairs]),
        "difference": results_file.spread(gains),
        "time": statistics.median(
            run["training_seconds"] / other["training_seconds"] for run, other in pairs
        ),
    }


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
    parser.add_argument("--seeds", nargs="+", type=int, default=range(3))
    seeds = parser.parse_args().seeds
    for seed in seeds:
        for name, changed in WITHOUT.items():
            if any(run["seed"] == seed for run in kept_runs().get(name, [])):
                continue
            run = train(dataclasses.replace(BASE, seed=seed, **changed), None)
            runs = kept_runs()  # Another process may have written to it in the meantime.
            runs[name] = [one for one in runs.get(name, []) if one["seed"] != seed] + [run]
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
        print(
            f"{100 * row['difference']['mean']:+6.2f} points, {row['time']:.2f} of the time: {name}"
        )


if __name__ == "__main__":
    main()
