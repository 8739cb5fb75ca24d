"""What every layer promises: files, shapes, precisions, compilers, gradients, training."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

from ..tools import gradients, thoroughly, to_numpy
from .table import BATCH, LAYERS
from .tools import (
    BACKEND,
    PLAIN,
    assert_config_is_whole,
    assert_registered,
    compiled_only,
    dtype_of,
    each,
    fill,
    images,
    tensorflow_only,
    through_json,
    xla,
)

RANDOM = {name: row for name, row in LAYERS.items() if row.draws is not None}
FIXED = {name: row for name, row in LAYERS.items() if row.draws is None}
POLICIES = {"float32": "float32", "mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def filled(row, **kwargs):
    layer = row.make(**kwargs)
    layer.build((None, *row.shape))
    fill(layer.trainable_weights)
    return layer


@each(LAYERS)
def test_config_survives_json(row):
    layer = filled(row, name="mine", dtype="mixed_bfloat16")
    assert_registered(layer)
    copy = keras.saving.deserialize_keras_object(
        through_json(keras.saving.serialize_keras_object(layer))
    )
    assert type(copy) is type(layer)
    assert through_json(copy.get_config()) == through_json(layer.get_config())
    x = images(BATCH, *row.shape)
    copy(x)
    copy.set_weights(layer.get_weights())
    found, expected = copy(x, training=False), layer(x, training=False)
    np.testing.assert_array_equal(to_numpy(found), to_numpy(expected))


@each(LAYERS)
def test_the_config_names_every_argument(row):
    assert_config_is_whole(row.make())


@each(LAYERS)
@pytest.mark.parametrize("policy", thoroughly(POLICIES, ["float32"]))
def test_a_model_file_keeps_it(row, policy, tmp_path):
    model = keras.Sequential([keras.Input(row.shape), filled(row, dtype=policy)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].dtype_policy.name == policy
    x = images(BATCH, *row.shape)
    # Random layers go on where they were: the file holds the state of their generators.
    for training in (False, True):
        found, expected = loaded(x, training=training), model(x, training=training)
        np.testing.assert_array_equal(to_numpy(found), to_numpy(expected))


@each(LAYERS)
def test_computed_shapes_are_real_also_when_unknown(row):
    layer, channels = filled(row), row.shape[-1]
    inputs = keras.Input((None, None, channels))
    symbolic = layer(inputs)
    assert symbolic.shape == layer.compute_output_shape(inputs.shape)
    assert symbolic.shape[:3] == (None, None, None)
    call = layer
    if BACKEND == "tensorflow":
        # One graph for every size, where a plain call would trace one with each.
        tf = importlib.import_module("tensorflow")
        spec = tf.TensorSpec((None, None, None, channels))
        call = tf.function(layer, input_signature=[spec], autograph=False)
    for height, width in ((8, 8), (5, 7)):
        x = images(BATCH, height, width, channels)
        found = call(x)
        assert tuple(found.shape) == layer.compute_output_shape(x.shape)
        if row.draws is None:
            expected = to_numpy(layer(x))
            np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5 * abs(expected).max())


@compiled_only
@each(LAYERS)
def test_xla_computes_the_same_with_gradients(row):
    layer, x = filled(row), ops.convert_to_tensor(images(BATCH, *row.shape))
    cotangent = images(*layer.compute_output_shape(x.shape), seed=1)

    def function(x):
        # XLA's generators draw other numbers, so the draw is fixed.
        return layer(x) if row.draws is None else layer.apply(x, **row.draws)

    def step(x):
        outputs, found = gradients(function, x, layer.trainable_variables, cotangent)
        return {"outputs": outputs, **found}

    found = xla(step, layer.weights)(x)
    for name, expected in step(x).items():
        expected = to_numpy(expected)
        tolerance = 2e-5 * np.abs(expected).max()
        np.testing.assert_allclose(to_numpy(found[name]), expected, 0, tolerance, err_msg=name)


@pytest.mark.parametrize("policy", POLICIES)
@each(LAYERS)
def test_gradients_reach_the_input_and_every_weight(row, policy):
    layer, x = filled(row, dtype=policy), images(BATCH, *row.shape)
    cotangent = images(*layer.compute_output_shape(x.shape), seed=1)
    outputs, found = gradients(
        lambda x: layer(x, training=True), x, layer.trainable_variables, cotangent
    )
    assert dtype_of(outputs) == layer.compute_dtype == POLICIES[policy]
    assert np.isfinite(to_numpy(outputs)).all()
    for name, gradient in found.items():
        assert gradient is not None, name
        gradient = to_numpy(gradient)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name


# float16, whose range is smaller, is where a layer fails first.
@pytest.mark.parametrize(
    "policy", thoroughly(["mixed_float16", "mixed_bfloat16"], ["mixed_float16"])
)
@each(LAYERS)
def test_trains_for_200_steps_in_half_precision(row, policy):
    keras.config.set_dtype_policy(policy)
    colors = images(8, 1, 1, row.shape[-1], seed=1)
    x, y = 0.2 * (images(8, *row.shape) + colors), colors[:, 0, 0, :1]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, dtype="float32")]
    model = keras.Sequential([keras.Input(row.shape), row.make(), *head])
    model.compile(
        keras.optimizers.SGD(0.05),
        "mse",
        steps_per_execution=100 if BACKEND == "tensorflow" else 1,  # only to save time, too
        **PLAIN,
    )
    losses = model.fit(
        np.tile(x, (100, 1, 1, 1)), np.tile(y, (100, 1)), 8, epochs=2, shuffle=False, verbose=0
    ).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@each(RANDOM)
def test_random_layers_draw_by_their_seed_when_training_only(row):
    x = images(64, *row.shape)
    first, again = row.make(), row.make()
    np.testing.assert_array_equal(to_numpy(first(x, training=False)), x)
    draws = [(to_numpy(first(x, training=True)), to_numpy(again(x, training=True))) for _ in "ab"]
    for ours, theirs in draws:
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(draws[0][0], draws[1][0])


@tensorflow_only
@each(RANDOM)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_random_layers_do_the_same_in_tf_data(row, dtype):
    tf = importlib.import_module("tensorflow")
    layer, x = row.make(), (100 * np.abs(images(BATCH, *row.shape))).astype(dtype)
    by_hand = layer.apply(ops.convert_to_tensor(x), **row.draws)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(BATCH)
    (inside,) = dataset.map(lambda x: layer.apply(x, **row.draws))
    # Within the rounding of float32 where a graph reorders sums; bit for bit after rounding.
    tolerance = 0 if dtype == "uint8" else 1e-5 * np.abs(to_numpy(by_hand)).max()
    np.testing.assert_allclose(to_numpy(inside), to_numpy(by_hand), rtol=0, atol=tolerance)
    (drawn,) = dataset.map(lambda x: layer(x, training=True))
    assert dtype_of(drawn) == dtype_of(by_hand) == dtype
