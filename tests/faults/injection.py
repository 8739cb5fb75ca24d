"""What is done to a run from inside its process, at a place that can be named and found again."""

import errno
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import keras


class Nothing:
    """No fault."""

    def close(self):
        pass


class AtFileEvent:
    """Does something at the n-th time that the run opens, renames or removes one of its files.

    Every moment at which the run folder changes lies behind one of these, so that going through all
    n tries every state in which a crash can leave it. Counts only, into `events`, with n = 0.
    """

    def __init__(self, number, act):
        self.number, self.act, self.count, self.names = number, act, 0, []
        self.folder = str(Path("runs").absolute())
        self.busy = threading.local()
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            # Reading changes nothing.
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in ("os.rename", "os.remove", "os.mkdir"):
            path = arguments[0]
        else:
            return
        if not isinstance(path, str | os.PathLike):
            return
        if getattr(self.busy, "now", False):
            return
        self.busy.now = True
        try:
            inside = os.path.abspath(path).startswith(self.folder)
        finally:
            self.busy.now = False
        if inside:
            self.count += 1
            self.names.append(f"{event} {Path(path).name}")
            if self.count == self.number:
                self.act()

    def close(self):
        self.folder = "\0"
        Path("events").write_text(json.dumps(self.names))


class AtMoment:
    """Does something a random time after a function of the package or of Keras is called."""

    def __init__(self, owner, name, number, seconds, act):
        original, self.calls = getattr(owner, name), 0

        def called(*arguments, **options):
            self.calls += 1
            if self.calls == number:
                _later(seconds, act)
            return original(*arguments, **options)

        setattr(owner, name, called)

    def close(self):
        pass


class ClockThatJumps:
    """Moves the clock of the wall back and forth by days, at every look at it."""

    def __init__(self, seed):
        random_days, real = random.Random(seed), time.time
        time.time = lambda: real() + 86400 * random_days.uniform(-3000, 3000)

    def close(self):
        pass


def kill():
    """End this process as a power cut would: without a chance to tidy up."""
    os.kill(os.getpid(), signal.SIGKILL)


def _later(seconds, act):
    if not seconds:
        act()
    thread = threading.Timer(seconds, act)
    thread.daemon = True
    thread.start()


def _leave_out_batch_normalization():
    """Have it do nothing: its statistics are all that a division of batches changes."""
    from keras_twist.layers import BatchNormAct

    keras.layers.BatchNormalization.call = lambda self, inputs, training=None, mask=None: inputs
    BatchNormAct._fuses = lambda self, *_: False


def _fill_disk():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs")


def inject(fault):
    """Install the fault that a request describes, and return what has a `close` for its end."""
    from keras_twist.recipes import checkpoint, memory, state_file

    places = {
        "validation": (keras.Model, "evaluate"),
        # Not an attribute of the package, where `fit` is the function.
        "pictures": (sys.modules["keras_twist.recipes.fit"], "save_pictures"),
        "checkpoint": (state_file, "save"),
        "step": (checkpoint.Checkpoint, "on_train_batch_begin"),
    }
    fault = dict(fault or {"kind": "none"})
    kind = fault.pop("kind")
    if kind == "none":
        return Nothing()
    if kind == "file event":
        return AtFileEvent(fault["number"], {"kill": kill, "full": _fill_disk}[fault["act"]])
    if kind == "clock":
        return ClockThatJumps(fault["seed"])
    if kind == "no batch normalisation":
        _leave_out_batch_normalization()
        return Nothing()
    if kind == "memory":
        # A real lack of it would have the system kill the process, or another one.
        memory.available_memory = lambda: fault["bytes"]
        return Nothing()
    return AtMoment(*places[kind], fault["number"], fault["seconds"], kill)
