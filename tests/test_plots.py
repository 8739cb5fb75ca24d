"""Pictures are figures of their own, and their absence is one clear line."""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_twist import plots
from keras_twist.schedules import PiecewiseLinear

ROWS = [
    {"epoch": 1, "loss": 2.0, "val_loss": 1.9, "accuracy": 0.3, "val_accuracy": 0.4},
    {"epoch": 2, "loss": None, "val_loss": 1.5, "accuracy": 0.5, "val_accuracy": 0.6},
]


def test_history_draws_what_is_there(tmp_path):
    figure = plots.plot_history(ROWS, "title")
    lines = [line.get_label() for axes in figure.axes for line in axes.lines]
    assert lines == ["training", "validation", "training", "validation"]
    assert list(figure.axes[1].lines[1].get_ydata()) == [0.4, 0.6]
    figure.savefig(tmp_path / "curves.png")
    assert not hasattr(figure, "number")  # what pyplot, which keeps every figure, would add


def test_schedules_are_drawn_step_by_step():
    schedule = PiecewiseLinear([0, 10], [1.0, 0.0])
    figure = plots.plot_schedules({"rate": schedule, "momentum": 0.9}, 11, steps_per_epoch=5)
    rate, momentum = figure.axes[0].lines
    np.testing.assert_allclose(rate.get_ydata(), np.linspace(1, 0, 11), atol=1e-6)
    np.testing.assert_allclose(rate.get_xdata(), np.arange(11) / 5)
    assert set(momentum.get_ydata()) == {0.9}
    assert figure.axes[0].get_xlabel() == "Epoch"


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras_twist\[plots\]'"):
        plots.plot_history(ROWS)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="recipes feed by tf.data")
def test_every_picture_of_the_readme_is_redrawn(tmp_path):
    plots._readme_pictures(tmp_path)
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    shown = set(re.findall(r"\]\(images/([^)]+)\)", readme))
    assert shown == {path.name for path in tmp_path.iterdir()}
