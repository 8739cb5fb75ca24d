"""Runs of the scripts that things happen to, and what they must end as all the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np

HERE = Path(__file__).parent
# One of each kind of state that resuming could forget: random layers and mixup; momentum that is
# scheduled; Ranger's slow weights, spectral norm and twists; batches that are made in the step;
# Muon's kernels; averages that grow, and flips that alternate.
RECIPES = {
    "assignment": (
        "cifar assignment --width 4 --epochs 3 --batch_size 30 --erasing 0.5 --mixup 0.2"
    ),
    "resnet9": "cifar resnet9 --width 4 --epochs 6 --batch_size 60",
    "quick": "cifar quick --width 4 --epochs 4 --batch_size 30 --feed resident",
    "davidnet": "cifar davidnet --width 4 --epochs 4 --batch_size 30",
    "fast": "cifar fast --width 8 --epochs 3 --batch_size 60",
    "fast95": "cifar fast95 --width 8 --epochs 3 --batch_size 60",
    "best5": "woof best5 --width 8 --image_size 32 --epochs 3 --batch_size 8",
    "mxresnet": (
        "woof mxresnet50_twist --model mxresnet18 --width 8 --image_size 32 --epochs 3 "
        "--batch_size 8 --erasing_area 0.2"
    ),
    "xse_resnet": (
        "woof xse_resnext18 --model xse_resnet18 --width 4 --image_size 32 --epochs 3 "
        "--batch_size 8 --mixup 0.2"
    ),
}
ARTIFACTS = {
    "recipe.json", "environment.json", "metrics.jsonl", "result.json", "checkpoint.npz",
    "model.keras", "curves.png", "schedule.png", "predictions.npz", "misclassified.png",
    "confusion.png", "report.html",
}  # fmt: skip


class Server:
    """A process that forks runs; see `server.py`."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"},
        )
        assert self._reply() == "ready"
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def _reply(self):
        line = self.process.stdout.readline()
        assert line, "the server died"
        return json.loads(line)


class Run:
    """A run in a folder of its own, which may be stopped and gone on with.

    Attributes:
        folder: Where it was started; `runs/` and what it printed are in there.
    """

    def __init__(self, server, recipe, folder, data, *arguments):
        self.server, self.folder = server, folder
        self.script, *self.recipe = RECIPES[recipe].split()
        self.arguments = ["--precision", "float32", *map(str, arguments)]
        self.data = ["--data_dir", str(data[self.script])]
        self.environment = {}

    def start(self, *arguments, fault=None, resume=None, replay=None):
        """Start, go on with or do over a run, and return its process."""
        given = [*self.recipe, *self.arguments]
        if resume or replay:
            given = ["--resume", str(resume)] if resume else ["--replay", str(replay)]
        pid = self.server.ask(
            script=self.script,
            arguments=[*given, *self.data, *map(str, arguments)],
            folder=str(self.folder),
            fault=fault,
            environment=self.environment,
        )
        return Process(self, pid)

    def finish(self, *arguments, **options):
        """Let the run, or the rest of it, go to its end, and expect that it does."""
        code = self.start(*arguments, **options).wait()
        assert code == 0, (self.folder / "err").read_text()

    def go_on(self, *arguments, fault=None):
        """Start it, from its folder if it has got one that says what it is; its exit code."""
        started = self.path is not None and (self.path / "recipe.json").exists()
        resume = self.path if started else None
        return self.start(*arguments, fault=fault, resume=resume).wait()

    @property
    def path(self):
        """Path of the newest run folder, or None."""
        found = sorted((self.folder / "runs").glob("*"))
        return found[-1] if found else None

    def text(self, name):
        return (self.folder / name).read_text()

    def state(self):
        """Step and all variables of the checkpoint: weights, moments, statistics, seeds."""
        with np.load(self.path / "checkpoint.npz") as file:
            header = json.loads(file["header"].tobytes())
            names = range(len(header["variables"]))
            return header["progress"]["step"], [file[f"v{number}"] for number in names]

    def metrics(self):
        """All numbers of each epoch that are not times."""
        lines = map(json.loads, (self.path / "metrics.jsonl").read_text().splitlines())
        return [{k: v for k, v in line.items() if "second" not in k} for line in lines]

    def assert_same_end(self, other):
        """Nothing is lost: same weights to the last bit, same epochs, all files, no rubbish."""
        (step, values), (expected_step, expected) = self.state(), other.state()
        assert step == expected_step
        for value, wanted in zip(values, expected, strict=True):
            np.testing.assert_array_equal(value, wanted)
        assert self.metrics() == other.metrics()
        found, there = ({path.name for path in run.path.iterdir()} for run in (self, other))
        wanted = ARTIFACTS | ({"twist.png"} & there)  # Not every network has one.
        assert found == wanted, found ^ wanted
        keras.saving.load_model(self.path / "model.keras")


class Process:
    """A run that is going on."""

    def __init__(self, run, pid):
        self.run, self.pid, self.code = run, pid, None

    def wait(self):
        """Its exit code; negative if a signal ended it."""
        if self.code is None:
            self.code = self.run.server.ask(wait=self.pid)
        return self.code

    def send(self, signum):
        os.kill(self.pid, signum)

    def wait_for(self, condition, seconds=120):
        """Return once a condition holds; what ended too early is a failure."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "nothing happened: " + self.run.text("err")
            time.sleep(0.005)


KILLED = -signal.SIGKILL


def all_finite(values):
    return all(np.isfinite(value).all() for value in values if value.dtype.kind == "f")


def sample_events(run, seed, config):
    """Some of the moments at which a finished run changed a file, or all if they are not more."""
    numbers = range(1, len(run.events) + 1)
    return random.Random(seed).sample(numbers, min(config.getoption("events"), len(numbers)))
