"""Put what finished runs reached into one JSON file, with what it depends on.

    python benchmarks/collect_runs.py benchmarks/results/train_cifar.json runs/*

For each run folder: its recipe, its environment (versions, machine, commit, command) and its
result. Other runs of the file are kept.
"""

import json
import sys
from pathlib import Path

import results_file

from keras_twist.recipes import run_folder


def main(path, folders):
    """Add the runs in `folders` to the JSON file `path`."""
    path = Path(path)
    runs = results_file.read(path)
    for folder in map(Path, folders):
        parts = (run_folder.RECIPE, run_folder.ENVIRONMENT, run_folder.RESULT)
        if (folder / run_folder.RESULT).exists():
            runs[folder.name] = {
                Path(part).stem: json.loads((folder / part).read_text()) for part in parts
            }
    results_file.write(path, runs)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
