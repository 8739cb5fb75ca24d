"""Checkpoints from anywhere: a model takes all of one, or nothing of it and one line says why."""

import json
import os
import zipfile

import keras
import numpy as np
import pytest

from keras_twist.recipes import RecipeError, state_file
from keras_twist.recipes.trainer import Trainer


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="out")])
    model.compile(keras.optimizers.SGD(0.1, 0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture
def path(model, tmp_path):
    state_file.save(
        tmp_path / "checkpoint.npz", model, {"step": 1, "steps_per_epoch": 2}, Trainer(model)
    )
    return tmp_path / "checkpoint.npz"


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def header(**changes):
    def change(found):
        values = json.loads(found["header"].tobytes()) | changes
        return found | {"header": np.frombuffer(json.dumps(values).encode(), np.uint8)}

    return change


def text(content):
    return lambda found: found | {"header": np.frombuffer(content, np.uint8)}


NONE_OF_OURS = "no checkpoint of keras_twist, or damaged"
CHANGES = {
    "no header": (lambda found: {k: v for k, v in found.items() if k != "header"}, NONE_OF_OURS),
    "no JSON": (text(b"header"), NONE_OF_OURS),
    "deep": (text(b"[" * 10**5), NONE_OF_OURS),
    "a list": (text(b"[1]"), NONE_OF_OURS),
    "no progress": (text(b'{"variables": []}'), NONE_OF_OURS),
    "number for names": (header(variables=5), NONE_OF_OURS),
    "another model": (header(variables=["other (2, 3)"]), "of another model"),
    "an array less": (lambda found: {k: v for k, v in found.items() if k != "v0"}, NONE_OF_OURS),
    "an array more": (lambda found: found | {"more": np.zeros(3)}, "not those that its header"),
    "another shape": (lambda found: found | {"v0": np.zeros((3, 2), "f4")}, "not those that its"),
    "another type": (lambda found: found | {"v0": np.zeros((2, 3), "f8")}, "not those that its"),
    "objects": (lambda found: found | {"v0": np.array([None, {}])}, "Python objects"),
    "too much": (lambda found: found | {"v0": np.zeros(9 * 2**20)}, "more than this model and its"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_what_is_no_checkpoint_of_this_model_is_refused(change, message, model, path):
    before = Trainer(model).read_state()
    np.savez(path, **change(arrays(path)))
    with pytest.raises(RecipeError, match=message) as caught:
        state_file.load(path, model)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    for old, new in zip(before, Trainer(model).read_state(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_any_damaged_byte_of_an_array_is_found(model, path):
    whole = path.read_bytes()
    for name in ("header.npy", "v0.npy"):
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(name)
        start = info.header_offset + 30 + len(info.filename) + 20  # zip's local header
        for place in range(start, start + info.file_size, 7):
            damaged = bytearray(whole)
            damaged[place] ^= 4
            path.write_bytes(damaged)
            with pytest.raises(RecipeError, match=NONE_OF_OURS):
                state_file.load(path, model)
    path.write_bytes(whole)
    assert state_file.load(path, model) == {"step": 1, "steps_per_epoch": 2}


def test_a_pipe_is_not_waited_for(model, path):
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RecipeError, match=NONE_OF_OURS):
        state_file.load(path, model)
