"""What every model promises: its size, its files, its precision, other tasks, one step."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from ..tools import thoroughly, to_numpy
from .table import MODELS
from .tools import compiled_only, dtype_of, each, fill, images, through_json, xla


@functools.cache
def filled(row):
    """A model that no test changes."""
    model = row.make(10, row.shape)
    fill(model.weights)
    return model


@each(MODELS)
def test_config_survives_json(row):
    model = filled(row)
    assert model.count_params() == row.params
    assert model.output_shape == (None, 10)
    config = through_json(keras.saving.serialize_keras_object(model))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.count_params() == row.params
    assert through_json(copy.get_config()) == through_json(model.get_config())
    assert [w.shape for w in copy.trainable_weights] == [w.shape for w in model.trainable_weights]


@each(MODELS)
def test_a_file_keeps_it(row, tmp_path):
    model = filled(row)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images(2, *row.shape)
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@each(MODELS)
def test_logits_are_float32(row, policy):
    x = images(2, *row.shape)
    keras.config.set_dtype_policy(policy)
    model = row.make(10, row.shape)
    logits = model(x)
    assert dtype_of(logits) == "float32"
    assert {layer.compute_dtype for layer in model.layers} > {"float32"}
    assert np.isfinite(to_numpy(logits)).all()
    assert to_numpy(logits).std() > 0


@each(MODELS)
def test_other_classes_and_other_images(row):
    model = row.make(num_classes=3, input_shape=row.other_shape)
    assert model.input_shape == (None, *row.other_shape)
    assert model(images(2, *row.other_shape)).shape == (2, 3)


@compiled_only
@each(MODELS)
def test_xla_computes_the_same(row):
    model, x = filled(row), ops.convert_to_tensor(images(2, *row.shape))
    expected = to_numpy(model(x))
    found = to_numpy(xla(model, model.weights)(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("policy", thoroughly(["float32", "mixed_bfloat16"], ["float32"]))
@each(MODELS)
def test_one_step_moves_every_trainable_weight(row, policy):
    keras.config.set_dtype_policy(policy)
    model = row.make(10, row.shape)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    before = [to_numpy(weight.value) for weight in model.trainable_weights]
    frozen = [w for w in model.weights if w.path.startswith("whitening/")]
    kept = [to_numpy(weight.value) for weight in frozen]
    history = model.fit(images(20, *row.shape), np.arange(20) % 10, batch_size=20, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(model.trainable_weights, before, strict=True):
        new = to_numpy(weight.value)
        assert np.isfinite(new).all(), weight.path
        assert not np.array_equal(new, old), weight.path
    for weight, old in zip(frozen, kept, strict=True):
        np.testing.assert_array_equal(to_numpy(weight.value), old)
