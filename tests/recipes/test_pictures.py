"""What a finished run leaves to look at, and that nothing of it can fail the run."""

import logging

import keras
import pytest

from keras_twist.recipes import CIFAR_RECIPES, pictures, task

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
ROWS = [{"epoch": 1, "loss": 2.0, "val_loss": 1.9, "val_accuracy": 0.3, "learning_rate": 0.1}]
PICTURES = {"curves.png", "schedule.png", "misclassified.png", "confusion.png"}


@pytest.fixture
def save(make_run, tiny_images):
    """Function that saves the pictures of a run of an untrained network; the folder's files."""
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])

    def save():
        folder = make_run()
        (folder / "predictions.npz").unlink()
        (folder / "schedule.png").unlink()
        data = task.Data(*tiny_images, "test")
        pictures.save_pictures(model, data, ROWS, folder, CIFAR_RECIPES["quick"], 6)
        return {path.name for path in folder.iterdir()}

    return save


def test_everything_is_there(save):
    assert save() >= PICTURES | {"predictions.npz", "report.html"}


def test_without_matplotlib_one_warning_and_a_report(save, monkeypatch, caplog):
    def missing(*_, **__):
        raise ModuleNotFoundError("Pictures need matplotlib: pip install 'keras_twist[plots]'.")

    for name in ("plot_history", "plot_misclassified", "plot_confusion"):
        monkeypatch.setattr(f"keras_twist.plots.{name}", missing)
    with caplog.at_level(logging.WARNING):
        files = save()
    assert not files & PICTURES and files >= {"predictions.npz", "report.html"}
    assert len(caplog.records) == 1 and "pip install 'keras_twist[plots]'" in caplog.text


def test_a_report_that_cannot_be_written_is_a_warning(save, monkeypatch, caplog):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "write_report", full)
    assert "report.html" not in save()
    assert "No pictures or report: [Errno 28] No space left on device" in caplog.text
