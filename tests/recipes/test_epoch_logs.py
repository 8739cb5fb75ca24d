"""CSV and TensorBoard's records: every epoch once, whatever was there, and no wait for a step."""

import csv
import re

import keras
import numpy as np
import pytest

from keras_twist.recipes.epoch_logs import check_logs, epoch_logs
from keras_twist.recipes.recipe import RecipeError

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorBoard's records are TensorFlow's"
)


def train(folder, wanted, rows, epochs):
    """One update per epoch, each at its own learning rate."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.PolynomialDecay(0.4, 4, 0.0)
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.optimizer.iterations.assign(len(rows))
    logs = epoch_logs(folder, wanted, model, rows)
    x = np.zeros((1, 1))
    model.fit(
        x, x, 1, epochs, 0, callbacks=logs, initial_epoch=len(rows), validation_data=(x, x)
    )  # fmt: skip
    for log in logs:
        log.close()


def scalars(folder):
    """Dict from (tag, step) to the list of its values."""
    import tensorflow as tf

    found = {}
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                values = found.setdefault((value.tag, event.step), [])
                values.append(float(tf.make_ndarray(value.tensor)))
    return found


def test_a_resumed_run_has_every_epoch_once(tmp_path):
    pytest.importorskip("tensorboard")
    train(tmp_path, ("csv", "tensorboard"), [], 3)
    # The third was written here, but a kill came before its checkpoint.
    rows = [
        {"epoch": epoch, "loss": 5.0, "val_loss": None, "learning_rate": 0.4 - epoch / 10}
        for epoch in (1, 2)
    ]
    train(tmp_path, (), rows, 4)
    with open(tmp_path / "training.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["0", "1", "2", "3"]
    assert [line["loss"] for line in lines[:2]] == ["5.0", "5.0"]
    rates = [0.3, 0.2, 0.1, 0.0]
    np.testing.assert_allclose([float(line["learning_rate"]) for line in lines], rates, atol=1e-6)
    found = scalars(tmp_path / "tensorboard" / "train")
    assert all(len(values) == 1 for values in found.values())
    for tag, expected in (("epoch_learning_rate", rates), ("epoch_loss", [5, 5, 0, 0])):
        values = [found[tag, step][0] for step in range(4)]
        np.testing.assert_allclose(values, expected, atol=1e-6)
    found = scalars(tmp_path / "tensorboard" / "validation")
    assert [len(found["epoch_loss", step]) for step in range(4)] == [1, 1, 1, 1]
    assert np.isnan(found["epoch_loss", 0])
    assert {tag for tag, _ in found} == {"epoch_loss"}


def test_no_log_makes_keras_wait_for_a_step(tmp_path):
    pytest.importorskip("tensorboard")
    for log in epoch_logs(tmp_path, ("csv", "tensorboard"), None, []):
        for hook in ("on_train_batch_begin", "on_train_batch_end", "on_batch_end"):
            assert getattr(type(log), hook) is getattr(keras.callbacks.Callback, hook)


def test_nothing_is_written_unasked(tmp_path):
    assert epoch_logs(tmp_path, (), None, [{"epoch": 1, "loss": 1.0}]) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("done", [0, 1])
def test_records_that_cannot_be_written_are_an_error_of_the_disk(done, tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "tensorboard").symlink_to(tmp_path / "file" / "below")
    (tmp_path / "file").write_text("no folder")
    rows = [{"epoch": 1, "loss": 5.0, "val_loss": 1.0, "learning_rate": 0.4}][:done]
    with pytest.raises(
        OSError, match="TensorBoard's records cannot be written: /.*/train; Not a d"
    ):
        train(tmp_path, ("tensorboard",), rows, 2)


def test_an_unknown_record_is_refused():
    with pytest.raises(RecipeError, match=re.escape("takes csv and tensorboard. Received: 'cvs'")):
        check_logs(("csv", "cvs"))
