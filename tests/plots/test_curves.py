"""Pictures are figures of their own, and their absence is one clear line."""

import pickle
import sys

import keras
import numpy as np
import pytest

from keras_twist import models, plots
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


@pytest.mark.parametrize(
    "plot",
    [
        lambda: plots.plot_history(ROWS),
        lambda: plots.plot_network(models.DavidNet(width=4)),
        lambda: plots.plot_confusion([0, 1], [0, 0], ["cat", "dog"]),
    ],
    ids=["history", "network", "confusion matrix"],
)
def test_without_matplotlib_the_error_names_the_extra(plot, monkeypatch):
    for name in [*sys.modules, "matplotlib"]:
        if name.partition(".")[0] == "matplotlib":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras_twist\[plots\]'"):
        plot()


def test_a_notebook_shows_figures_without_pyplot():
    figure = plots.plot_schedules({"rate": 0.1}, 3)
    assert figure._repr_png_().startswith(b"\x89PNG")
    pickle.loads(pickle.dumps(figure))  # What holds a figure can go to another process.


def test_what_fit_returns_is_drawn(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.ones((4, 2)), np.ones(4)
    history = model.fit(*data, validation_data=data, initial_epoch=3, epochs=5, verbose=0)
    for figure in (plots.plot_history(history), plots.plot_comparison({"a": history}, "loss")):
        line = figure.axes[0].lines[0]
        assert list(line.get_xdata()) == [4, 5]
        assert list(line.get_ydata()) == history.history["loss"]


def test_a_schedule_that_takes_one_step_at_a_time_is_drawn():
    figure = plots.plot_schedules(
        {"a": lambda step: 0.1 if step < 5 else 0.01, "b": lambda _: 0.2}, 10
    )
    first, second = (line.get_ydata() for line in figure.axes[0].lines)
    np.testing.assert_allclose(first, [0.1] * 5 + [0.01] * 5)
    np.testing.assert_allclose(second, [0.2] * 10)


def test_validation_now_and_then_is_drawn_where_it_was():
    history = keras.callbacks.History()
    history.epoch = list(range(5))
    history.history = {"loss": [5.0, 4.0, 3.0, 2.0, 1.0], "val_loss": [8.0, 7.0]}
    training, validation = plots.plot_history(history, panels=["loss"]).axes[0].lines
    np.testing.assert_array_equal(training.get_ydata(), [5, 4, 3, 2, 1])
    np.testing.assert_array_equal(validation.get_ydata(), [np.nan, 8, np.nan, 7, np.nan])
    history.history["val_loss"] = [8.0]  # Every third epoch, or every fourth, or every fifth.
    with pytest.raises(ValueError, match="which of 5 epochs the 1 values of 'val_loss'"):
        plots.plot_history(history)


def test_one_panel_of_a_history():
    figure = plots.plot_history(ROWS, panels=("accuracy",), train_accuracy=False)
    (axes,) = figure.axes
    assert axes.get_title() == "Accuracy"
    assert [line.get_label() for line in axes.lines] == ["validation"]
    with pytest.raises(ValueError, match=r"`panels` must be some of .* Received: panels=\('time',"):
        plots.plot_history(ROWS, panels=("time",))


def test_runs_are_compared_where_they_have_the_measure(tmp_path):
    histories = {"$one$": ROWS, "_two": ROWS[:1], "three": [{"epoch": 1, "val_loss": None}]}
    figure = plots.plot_comparison(histories, "val_loss", "Loss")
    first, second = figure.axes[0].lines
    assert list(first.get_ydata()) == [1.9, 1.5] and list(second.get_xdata()) == [1]
    # A name that begins with an underscore would be left out; dollars would be taken for a formula.
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r"1: \$one\$", "2: _two"]
    figure.savefig(tmp_path / "comparison.png")


def test_labels_are_written_as_they_are_and_no_runs_have_no_legend(tmp_path):
    plots.plot_schedules({"lr of $a^$": 0.1}, 3).savefig(tmp_path / "schedule.png")
    figure = plots.plot_comparison({"one": [{"epoch": 1, "loss": 2.0}]}, "val_loss")
    figure.savefig(tmp_path / "none.png")
    assert not figure.legends
