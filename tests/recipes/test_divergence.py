"""Numbers that are not finite are found, dated by their step, and never become a checkpoint."""

import keras
import numpy as np
import pytest

from keras_twist.callbacks import Stopwatch
from keras_twist.recipes import state_file
from keras_twist.recipes.checkpoint import Checkpoint
from keras_twist.recipes.divergence import Diverged, FiniteBatches, StopOnDivergence, are_finite
from keras_twist.recipes.trainer import Trainer


@pytest.fixture
def model():
    """Linear model on three numbers, whose outputs are finite where its inputs are."""
    found = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    found.compile(keras.optimizers.SGD(0.0), "mse", metrics=[FiniteBatches()])
    return found


def inputs(bad_row=None, rows=40):
    values = np.ones((rows, 3), "float32")
    if bad_row is not None:
        values[bad_row] = np.inf
    return values, np.zeros((rows, 2), "float32")


@pytest.mark.parametrize(("bad_row", "step"), [(0, 1), (7, 2), (39, 10)])
def test_says_at_which_step(bad_row, step, model):
    model.fit(*inputs(), batch_size=4, verbose=0)
    said = rf"since step {10 + step} \(batch {step} of epoch 2\)"
    with pytest.raises(Diverged, match=said) as info:
        model.fit(
            *inputs(bad_row),
            batch_size=4,
            shuffle=False,
            verbose=0,
            initial_epoch=1,
            epochs=3,
            callbacks=[StopOnDivergence(10, Trainer(model))],
            validation_data=inputs(),
        )
    assert info.value.step == 10 + step


def test_looks_within_an_epoch(model, monkeypatch):
    monkeypatch.setattr("keras_twist.recipes.divergence._SECONDS_BETWEEN_LOOKS", 0)
    seen = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(batch)
    )
    with pytest.raises(Diverged, match="since step 3 "):
        model.fit(
            *inputs(8),
            batch_size=4,
            shuffle=False,
            verbose=0,
            callbacks=[count, StopOnDivergence(10, Trainer(model))],
        )
    assert seen[-1] == 3


def test_a_good_epoch_passes_without_a_trace_in_the_logs(model):
    history = model.fit(
        *inputs(),
        batch_size=4,
        epochs=2,
        verbose=0,
        callbacks=[StopOnDivergence(10, Trainer(model))],
        # Overflow in the validation is not yet a divergence.
        validation_data=inputs(0),
    )
    assert set(history.history) == {"loss", "val_loss"}


def test_no_checkpoint_of_broken_weights(model, tmp_path):
    model.fit(*inputs(), batch_size=4, verbose=0)
    path, progress = tmp_path / "checkpoint.npz", {"step": 10, "steps_per_epoch": 10}
    state_file.save(path, model, progress, Trainer(model))
    good = path.read_bytes()
    model.layers[0].bias.assign([0.0, np.nan])
    with pytest.raises(Diverged, match="weights are not finite since step 11"):
        state_file.save(path, model, progress | {"step": 11}, Trainer(model))
    assert path.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_an_epoch_whose_validation_overflows_has_its_checkpoint(model, tmp_path):
    trainer = Trainer(model)
    stopwatch, divergence = Stopwatch(4), StopOnDivergence(10, trainer)
    keeper = Checkpoint(tmp_path, stopwatch, divergence, 5.0, 10, trainer)
    model.fit(
        *inputs(),
        batch_size=4,
        verbose=0,
        callbacks=[stopwatch, divergence, keeper],
        validation_data=inputs(0),
    )
    assert state_file.load(keeper.path, model)["step"] == 10


def test_integers_are_finite():
    assert are_finite([np.array([2**31]), np.array([True]), np.array([1.5], "float16")])
    assert not are_finite([np.array([1]), np.array([1.0, np.inf])])
