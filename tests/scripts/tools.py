"""What the tests of both scripts do: start one as people do, and look at what it left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def start(script, folder, *arguments, **environment):
    """A process that runs a script of the repository in a folder."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *map(str, arguments)],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script, folder, *arguments, **environment):
    """Exit code, output and errors of a script that runs to its end."""
    process = start(script, folder, *arguments, **environment)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def run_folder(folder):
    """The one run folder in a folder."""
    (found,) = (folder / "runs").iterdir()
    return found


def state(folder):
    """All variables of the last checkpoint: weights, moments, statistics, seeds, metrics."""
    with np.load(folder / "checkpoint.npz") as file:
        header = json.loads(file["header"].tobytes())
        return header["progress"]["step"], [file[f"v{n}"] for n in range(len(header["variables"]))]


def metrics(folder, *names):
    """Values of the named metrics in each epoch."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [[json.loads(line)[name] for name in names] for line in lines]


def wait_for(condition, process, seconds=120):
    """Return once a condition holds, or fail when the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)
