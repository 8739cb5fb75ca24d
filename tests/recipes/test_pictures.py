"""What a finished run leaves to look at, and that nothing of it can fail the run."""

import logging
from unittest.mock import Mock

import keras
import numpy as np
import pytest

from keras_twist.data import CIFAR10_CLASSES
from keras_twist.layers import TwistLayer
from keras_twist.recipes import CIFAR_RECIPES, pictures, task

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
ROWS = [{"epoch": 1, "loss": 2.0, "val_loss": 1.9, "val_accuracy": 0.3, "learning_rate": 0.1}]
PICTURES = {"curves.png", "schedule.png", "misclassified.png", "confusion.png"}


@pytest.fixture
def save(make_run, tiny_images):
    """Function that saves the pictures of a run of an untrained network; the folder's files."""
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]

    def save(*layers):
        model = keras.Sequential([keras.Input((32, 32, 3)), *layers, *head])
        begun = pictures.first_twist(model)
        folder = make_run()
        (folder / "predictions.npz").unlink()
        (folder / "schedule.png").unlink()
        (folder / "twist.png").unlink()
        data = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
        pictures.save_pictures(model, data, ROWS, folder, CIFAR_RECIPES["quick"], 6, begun)
        return {path.name for path in folder.iterdir()}

    return save


def test_everything_is_there(save):
    files = save()
    assert files >= PICTURES | {"predictions.npz", "report.html"} and "twist.png" not in files


@pytest.mark.parametrize(("name", "drawn"), [("quick", 1), ("resnet9", 2)])
def test_a_momentum_is_drawn_if_it_changes(name, drawn):
    recipe, predictions = CIFAR_RECIPES[name], Mock(probabilities=np.eye(3))
    predictions.labels = predictions.predicted = np.arange(3)
    predictions.class_names = ("cat", "dog", "ship")
    data = Mock(valid=(np.zeros((3, 8, 8, 3), "uint8"), None))
    figure = pictures._figures(predictions, data, ROWS, recipe, 6)["schedule.png"]
    assert len(figure.axes[0].lines) == drawn


def test_what_a_twist_has_learned_is_there(save, monkeypatch):
    drawn = []
    plot = pictures.plots.plot_twist
    monkeypatch.setattr(
        pictures.plots, "plot_twist", lambda *given, **named: drawn.append(given) or plot(*given)
    )
    first, second = TwistLayer(4, name="first"), TwistLayer(4)
    assert "twist.png" in save(keras.layers.Conv2D(3, 1), first, second)
    ((layer, before),) = drawn
    assert layer is first and len(before) == len(first.get_weights())


def test_without_matplotlib_one_warning_and_a_report(save, monkeypatch, caplog):
    def missing(*_, **__):
        raise ModuleNotFoundError("Pictures need matplotlib: pip install 'keras_twist[plots]'.")

    for name in ("plot_history", "plot_misclassified", "plot_confusion"):
        monkeypatch.setattr(f"keras_twist.plots.{name}", missing)
    with caplog.at_level(logging.WARNING):
        files = save()
    assert not files & PICTURES and files >= {"predictions.npz", "report.html"}
    # TensorFlow may say that it has traced many functions.
    (record,) = (one for one in caplog.records if one.name.startswith("keras_twist"))
    assert "pip install 'keras_twist[plots]'" in record.getMessage()


def test_a_report_that_cannot_be_written_is_a_warning(save, monkeypatch, caplog):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "write_report", full)
    assert "report.html" not in save()
    assert "No pictures or report: [Errno 28] No space left on device" in caplog.text


def test_half_a_picture_is_not_kept(save, monkeypatch, caplog):
    def savefig(figure, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", savefig)
    assert not {name for name in save() if name.endswith(".png")}
    assert "No pictures or report: [Errno 28] No space left on device" in caplog.text
