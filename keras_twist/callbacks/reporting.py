"""What a run leaves behind while it goes on: a table on the screen, a line per epoch in a file."""

import json
import math
import os
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_twist.callbacks._optimizers import is_moved_by_schedule, momentum_of
from keras_twist.color import has_color, paint
from keras_twist.files import partial_file, read_file

# What 200,000 epochs need.
MAX_BYTES = 2**26
# What a file of `JSONLinesLogger` starts with.
_BEGIN = '{"epoch": '
COLUMNS = {
    "loss": ("train_loss", "{:.4f}"),
    "val_loss": ("valid_loss", "{:.4f}"),
    "val_accuracy": ("accuracy", "{:.4f}"),
    "val_top_k_accuracy": ("top_k_accuracy", "{:.4f}"),
    "learning_rate": ("lr", "{:.3g}"),
    "images_per_second": ("img/s", "{:,.0f}"),
    "seconds": ("time", None),
}


class EpochTable(keras.callbacks.Callback):
    """Writes one table row per epoch.

    Columns: epoch, train_loss, valid_loss, accuracy, top_k_accuracy (both of the validation), lr,
    img/s, time; those whose number is in the logs of the first epoch (`loss`, `val_loss`,
    `val_accuracy`, `val_top_k_accuracy`, `learning_rate`, `images_per_second`, `seconds`). The
    learning rate is that of the next update, if a schedule in the optimizer or a callback of this
    package moves it. `Stopwatch` brings the last two. Both, and `ScheduleLR`, go before it. On a
    terminal the highest accuracy so far is green.

    Args:
        write: Function that takes a line without its end. Defaults to writing it to `sys.stdout`.
        color: Whether to use colours. Defaults to None: where `sys.stdout` is written to, if it is
            a terminal, and the environment has no NO_COLOR.
        best: Highest `val_accuracy` of epochs before. Defaults to None: there are none.

    Example:
        >>> table = EpochTable()
        >>> table.on_epoch_end(0, {"loss": 1.5, "seconds": 75.0})
         epoch  train_loss    time
             1      1.5000    1:15
    """

    def __init__(self, write=None, color=None, best=None):
        super().__init__()
        self.color = write is None and has_color(sys.stdout) if color is None else color
        self.write = write or _write_line
        self.best = -math.inf if best is None else best
        self._columns = None

    def on_epoch_end(self, epoch, logs=None):
        logs = with_learning_rate(logs, self.model)
        is_first = self._columns is None
        if is_first:
            self._columns = [key for key in COLUMNS if key in logs]
        names = ["epoch", *(COLUMNS[key][0] for key in self._columns)]
        if is_first:
            self.write("  ".join(_align(names, names)))
        cells = [str(epoch + 1), *(_format(key, logs.get(key)) for key in self._columns)]
        cells, accuracy = _align(cells, names), logs.get("val_accuracy")
        if accuracy is not None and accuracy > self.best and "val_accuracy" in self._columns:
            self.best = accuracy
            if self.color:
                place = 1 + self._columns.index("val_accuracy")
                cells[place] = paint(cells[place], "good")
        self.write("  ".join(cells))


class JSONLinesLogger(keras.callbacks.Callback):
    """Appends the logs of every epoch to a file, one JSON object per line.

    Each object has `epoch` (counted from 1), all logs, `learning_rate` and, where it moves,
    `momentum` (also for a `beta_1`), both of the next update. Numbers that are not finite become
    null, metrics of several numbers lists. When training is resumed or begins anew, lines of epochs
    that are trained again are dropped first, so that the file has every epoch once. `Stopwatch` and
    `ScheduleLR` go before it.

    Args:
        path: File to write; it is made with its first line, its folder at the start.

    Raises:
        ValueError: when training starts, if the file is there and of another kind.

    Example:
        >>> logger = JSONLinesLogger("metrics.jsonl")
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
        self._started = False

    def on_train_begin(self, logs=None):
        self._started = False

    def on_epoch_begin(self, epoch, logs=None):
        if not self._started:
            self._started = True
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                self._check_own()
                kept = [line for line in read_json_lines(self.path) if line["epoch"] <= epoch]
                with partial_file(self.path) as file:
                    file.writelines(json.dumps(line).encode() + b"\n" for line in kept)

    def _check_own(self):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            begin = file.read(len(_BEGIN))
        if not _BEGIN.startswith(begin):  # Its own may be torn.
            raise ValueError(
                "`path` must be a new file, or one that JSONLinesLogger wrote. "
                f"Received: path={self.path}"
            )

    def on_epoch_end(self, epoch, logs=None):
        line = {"epoch": epoch + 1}
        for name, value in with_learning_rate(logs, self.model).items():
            line[name] = _finite(np.asarray(value, float).tolist())
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _finite(value):
    """A number, or a nested list of them, with None for those that JSON does not have."""
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return value if math.isfinite(value) else None


def read_json_lines(path):
    """List of the objects in a file that `JSONLinesLogger` wrote; a torn last line is left out.

    Raises:
        OSError: It is no regular file, larger than 64 MiB or cannot be read.
        ValueError: It is no text in UTF-8.
    """
    path, lines = Path(path), []
    if path.exists():
        for line in read_file(path, MAX_BYTES).decode().splitlines():
            try:
                lines.append(json.loads(line))
            except (ValueError, RecursionError):  # Torn, or nothing that was written here.
                break
    return lines


def with_learning_rate(logs, model):
    """Copy of the logs that also has `learning_rate`, and `momentum` where a schedule moves it.

    What is there is kept; what the model's optimizer cannot tell stays away.
    """
    logs = dict(logs or {})
    optimizer = getattr(model, "optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    if rate is not None:
        logs.setdefault("learning_rate", float(ops.convert_to_numpy(rate)))
    _, momentum = momentum_of(optimizer)
    if is_moved_by_schedule(momentum):
        logs.setdefault("momentum", float(ops.convert_to_numpy(momentum)))
    return logs


def _write_line(line):
    if sys.stdout is not None:  # As without a console on Windows.
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _format(key, value):
    if value is None:
        return "-"
    pattern = COLUMNS[key][1]
    return format_seconds(value) if pattern is None else pattern.format(float(value))


def _align(cells, names):
    return [cell.rjust(max(len(name), 6)) for cell, name in zip(cells, names, strict=True)]


def format_seconds(seconds):
    """Seconds as people read them: 9.5 -> "0:10", 3725 -> "1:02:05"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
