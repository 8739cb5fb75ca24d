"""Pictures are figures of their own, and their absence is one clear line."""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_twist import data, layers, plots
from keras_twist.data.cache import has_cache
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
    if not has_cache():
        shown -= {"augmentation.png", "mixup.png"}
    assert shown == {path.name for path in tmp_path.iterdir()}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="draws as tf.data does")
def test_augmentations_are_shown_below_the_originals(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")
    flip = data.Augmentation(lambda uniform, shape: {}, lambda images: images[:, :, ::-1])
    rows = {
        "operation": flip,
        "tuple": (flip, data.normalize([0] * 3, [1] * 3)),
        "function": (lambda images: 255 - images,),
        "layer": layers.RandomFlip(seed=0),
        "python": data.from_imgaug(lambda image: image // 2),
    }
    figure = plots.show_augmented(images, rows)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert len(shown) == 3 * 6
    for column in range(3):
        original = images[column]
        np.testing.assert_array_equal(shown[column], original)
        np.testing.assert_array_equal(shown[3 + column], original[:, ::-1])
        np.testing.assert_array_equal(shown[9 + column], 255 - original)
        np.testing.assert_array_equal(shown[15 + column], original // 2)
    stretched = np.stack(shown[6:9])
    assert stretched.min() == 0 and stretched.max() == 1
    figure.savefig(tmp_path / "augmented.png")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="draws as tf.data does")
def test_mixed_images_carry_their_labels():
    def mix(images, labels, seed):
        return images, 0.75 * labels + 0.25 * labels[::-1]

    images = np.zeros((2, 8, 8, 3), "uint8")
    rows = {"mix": mix, "crop": data.random_pad_crop(2)}
    figure = plots.show_augmented(images, rows, np.eye(2, dtype="float32"), ["cat", "dog"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["cat", "dog", "0.75 cat\n0.25 dog", "0.75 dog\n0.25 cat", "", ""]


def test_without_the_data_set_no_picture_and_one_clear_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    plots._augmentation_pictures(tmp_path)
    assert "there is no CIFAR-10 at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
