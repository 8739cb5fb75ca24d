"""Put what finished runs reached into one JSON file, with what it depends on.

    python benchmarks/collect_runs.py benchmarks/results/train_cifar.json runs/*

For each run folder: its recipe, its environment (versions, machine, commit, command) and its
result. Runs that the file has already are kept.
"""

import json
import sys
from pathlib import Path

from keras_twist.recipes import run_folder


def main(path, folders):
    """Add the runs in `folders` to the JSON file `path`."""
    path = Path(path)
    runs = json.loads(path.read_text()) if path.exists() else {}
    for folder in map(Path, folders):
        parts = (run_folder.RECIPE, run_folder.ENVIRONMENT, run_folder.RESULT)
        if (folder / run_folder.RESULT).exists():
            runs[folder.name] = {
                Path(part).stem: json.loads((folder / part).read_text()) for part in parts
            }
    path.write_text(json.dumps(runs, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
