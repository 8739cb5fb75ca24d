"""What a checkpoint tells of the progress is checked before it is believed."""

import signal

import keras
import pytest

from keras_twist.recipes import RecipeError, checkpoint, state_file
from keras_twist.recipes.trainer import Trainer


@pytest.mark.parametrize(
    "progress",
    [
        None,
        [],
        {},
        {"step": -1, "steps_per_epoch": 2, "seconds": 0.0, "epoch_seconds": 0.0},
        {"step": 1, "steps_per_epoch": True, "seconds": 0.0, "epoch_seconds": 0.0},
        {"step": 1, "steps_per_epoch": 2, "seconds": float("nan"), "epoch_seconds": 0.0},
        {"step": 1, "steps_per_epoch": 2, "seconds": "long", "epoch_seconds": 0.0},
        {"step": 1, "steps_per_epoch": 2, "seconds": 1.0, "epoch_seconds": 0.0},
        {"step": 1, "steps_per_epoch": 2, "seconds": 1.0, "epoch_seconds": 0.0, "origin": ["seed"]},
    ],
    ids=str,
)
def test_progress_is_checked(progress, tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    state_file.save(tmp_path / "checkpoint.npz", model, progress, Trainer(model))
    with pytest.raises(RecipeError, match="is damaged: it does not tell its "):
        checkpoint.Checkpoint(tmp_path, None, None, 5.0, 2, None).restore(model)


def test_ctrl_c_is_not_for_what_runs_in_the_background(tmp_path):
    keeper = checkpoint.Checkpoint(tmp_path, None, None, 5.0, 2, None)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with keeper:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) == keeper._note
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
