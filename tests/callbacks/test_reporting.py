"""The epoch table and the metrics file, in `model.fit` and by hand."""

import json
import re

import keras
import numpy as np
import pytest

from keras_twist.callbacks import EpochTable, JSONLinesLogger, Stopwatch
from keras_twist.callbacks.reporting import format_seconds, read_json_lines
from keras_twist.schedules import PiecewiseLinear


def train(callbacks, epochs=2, initial_epoch=0, **options):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    schedule = PiecewiseLinear([0, 8], [0.8, 0.0])
    model.compile(
        keras.optimizers.SGD(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    x, y = np.ones((20, 2)), np.arange(20) % 3
    options = {"validation_data": (x, y), **options}
    model.fit(x, y, 10, epochs, 0, callbacks=callbacks, initial_epoch=initial_epoch, **options)


def test_table_has_a_row_per_epoch_under_its_names():
    lines = []
    train([Stopwatch(batch_size=10), EpochTable(lines.append)])
    assert lines[0].split() == "epoch train_loss valid_loss accuracy lr img/s time".split()
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]
    assert [line.split()[4] for line in lines[1:]] == ["0.6", "0.4"]
    assert len({len(line) for line in lines}) == 1


def test_table_leaves_out_what_is_not_measured(capsys):
    train([EpochTable()], validation_data=None)
    assert capsys.readouterr().out.splitlines()[0].split() == ["epoch", "train_loss", "lr"]


def test_the_best_accuracy_so_far_is_green_on_a_terminal(monkeypatch, capsys):
    lines = []
    table = EpochTable(lines.append, color=True, best=0.5)
    plain = EpochTable()  # what is captured is no terminal
    for epoch, accuracy in enumerate([0.4, 0.6, 0.6, 0.7]):
        for one in (table, plain):
            one.on_epoch_end(epoch, {"loss": 1.0, "val_accuracy": accuracy, "seconds": 1})
    green = [re.findall(r"\x1b\[1;32m +([\d.]+)\x1b\[0m", line) for line in lines]
    assert green == [[], [], ["0.6000"], [], ["0.7000"]]
    assert "\n".join(re.sub(r"\x1b\[[\d;]+m", "", line) for line in lines) + "\n" == (
        capsys.readouterr().out
    )
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for terminal, no_color, expected in (
        ("xterm", "", True),
        ("dumb", "", False),
        ("xterm", "1", False),
    ):
        monkeypatch.setenv("TERM", terminal)
        monkeypatch.setenv("NO_COLOR", no_color)
        assert EpochTable().color is expected
        assert EpochTable(lines.append).color is False


def test_lines_go_where_there_is_no_terminal_or_nothing(monkeypatch):
    class Logger:
        lines = ""

        def write(self, text):
            self.lines += text

        def flush(self):
            pass

    logger = Logger()
    for stream in (logger, None):
        monkeypatch.setattr("sys.stdout", stream)
        EpochTable().on_epoch_end(0, {"loss": 1.5})
    assert logger.lines.split() == "epoch train_loss 1 1.5000".split()


def test_json_lines_has_all_logs_and_survives_resuming(tmp_path):
    path = tmp_path / "metrics.jsonl"
    train([JSONLinesLogger(path)], epochs=3)
    rows = read_json_lines(path)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert set(rows[0]) == {
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
    }  # fmt: skip
    # The third epoch was cut short in the write; training goes on with the second.
    text = path.read_text()
    path.write_text(text[:-20])
    assert read_json_lines(path) == rows[:2]
    train([JSONLinesLogger(path)], epochs=4, initial_epoch=1)
    again = read_json_lines(path)
    assert [row["epoch"] for row in again] == [1, 2, 3, 4]
    assert again[0] == rows[0]


def test_json_lines_begins_anew_with_a_new_training(tmp_path):
    logger = JSONLinesLogger(tmp_path / "metrics.jsonl")
    for _ in range(2):
        train([logger], epochs=2)
    assert [row["epoch"] for row in read_json_lines(logger.path)] == [1, 2]


@pytest.mark.parametrize("text", ["my notes\n", '{"step": 1}\n', "3\n", "\xff"])
def test_json_lines_leaves_files_of_others_alone(text, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="`path` must be a new file.*notes.txt"):
        train([JSONLinesLogger(path)], epochs=1)
    assert path.read_text(encoding="latin-1") == text


def test_json_lines_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    train([JSONLinesLogger(path)], epochs=1)
    assert len(read_json_lines(path)) == 1


def test_json_lines_takes_metrics_of_several_numbers(tmp_path):
    logger = JSONLinesLogger(tmp_path / "metrics.jsonl")
    logger.on_epoch_end(0, {"f1_score": np.array([0.5, np.nan], "float32")})
    assert read_json_lines(logger.path) == [{"epoch": 1, "f1_score": [0.5, None]}]


def test_json_lines_writes_no_nan(tmp_path):
    path = tmp_path / "metrics.jsonl"
    logger = JSONLinesLogger(path)
    logger.on_epoch_end(0, {"loss": float("nan"), "val_loss": np.float32(0.5)})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "epoch": 1, "loss": None, "val_loss": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (9.5, "0:10"), (75, "1:15"), (3725, "1:02:05")]
)
def test_seconds_as_people_read_them(seconds, text):
    assert format_seconds(seconds) == text
