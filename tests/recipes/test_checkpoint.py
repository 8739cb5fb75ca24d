"""A checkpoint is read as it was written, or refused."""

import keras
import numpy as np
import pytest

from keras_twist.recipes import RecipeError, checkpoint

PROGRESS = {"step": 3, "steps_per_epoch": 2, "seconds": 1.5}


def trained(units=2):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(units)]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", metrics=["mae"])
    model.fit(np.ones((4, 3), "float32"), np.ones((4, units), "float32"), verbose=0)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


def test_everything_comes_back(path):
    model = trained()
    saved = checkpoint.read_state(model)
    checkpoint.save(path, model, PROGRESS)
    model.fit(np.zeros((4, 3), "float32"), np.ones((4, 2), "float32"), verbose=0)
    assert checkpoint.load(path, model) == PROGRESS
    for value, expected in zip(checkpoint.read_state(model), saved, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, a=np.zeros(3)),
        lambda path: path.unlink(),
    ],
    ids=["cut", "empty", "other", "missing"],
)
def test_a_damaged_one_is_refused(damage, path):
    model = trained()
    checkpoint.save(path, model, PROGRESS)
    before = checkpoint.read_state(model)
    damage(path)
    with pytest.raises(RecipeError, match="no checkpoint of keras_twist, or damaged"):
        checkpoint.load(path, model)
    for value, expected in zip(checkpoint.read_state(model), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_one_of_another_model_is_refused(path):
    checkpoint.save(path, trained(), PROGRESS)
    with pytest.raises(RecipeError, match="checkpoint of another model"):
        checkpoint.load(path, trained(units=3))
