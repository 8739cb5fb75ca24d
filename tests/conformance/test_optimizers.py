"""What every optimizer promises, in each of Keras's ways to run a step.

All comparisons are with the same training: 8 batches, compiled as a graph, under a schedule.
"""

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.schedules import PiecewiseLinear

from ..tools import to_numpy
from .table import OPTIMIZERS
from .tools import (
    PLAIN,
    assert_config_is_whole,
    assert_registered,
    compiled_only,
    each,
    images,
    tensorflow_only,
    through_json,
)

ROOT = Path(__file__).parents[2]
UPDATES = 8
SCHEDULE = PiecewiseLinear([0, 2, UPDATES], [0.02, 0.1, 0.01])
X = images(4 * UPDATES, 5)
Y = X @ images(5, 2, seed=1)


def small_net():
    keras.utils.set_random_seed(0)
    # A convolution, since some optimizers take its kernel for something of its own.
    hidden = keras.layers.Conv2D(6, 1, activation="tanh", use_bias=False)
    out = keras.layers.Dense(2, use_bias=False, dtype="float32")
    pixel, flat = keras.layers.Reshape((1, 1, 5)), keras.layers.Flatten()
    return keras.Sequential([keras.Input((5,)), pixel, hidden, flat, out])


def fit(model, batch_size=4, callbacks=()):
    callbacks = list(callbacks)
    return model.fit(X, Y, batch_size, shuffle=False, verbose=0, callbacks=callbacks).history


def train(optimizer, batch_size=4, callbacks=(), **compile_options):
    model = small_net()
    model.compile(optimizer, "mse", **{**PLAIN, **compile_options})
    fit(model, batch_size, callbacks)
    return model


def flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


@functools.cache
def reference(make):
    return flat(train(make(SCHEDULE)))


def assert_same(model, row):
    np.testing.assert_allclose(flat(model), reference(row), atol=2e-5)


def follow(optimizer, gradient=lambda step, w: images(*w.shape, seed=step), steps=UPDATES):
    """Weights after each of some updates outside of a model, from 3.0."""
    variable, path = keras.Variable(3 * np.ones((3, 2), "float32")), []
    for step in range(steps):
        optimizer.apply([ops.convert_to_tensor(gradient(step, to_numpy(variable)))], [variable])
        path.append(to_numpy(variable))
    return np.array(path)


@each(OPTIMIZERS)
@pytest.mark.parametrize("rate", [0.05, SCHEDULE], ids=["float", "schedule"])
def test_config_survives_json(row, rate):
    options = {"global_clipnorm": 2.0, "use_ema": True, "gradient_accumulation_steps": 2}
    optimizer = row(rate, **options)
    assert_registered(optimizer)
    copy = keras.optimizers.deserialize(through_json(keras.optimizers.serialize(optimizer)))
    assert type(copy) is type(optimizer)
    assert through_json(copy.get_config()) == through_json(optimizer.get_config())
    assert {name: getattr(copy, name) for name in options} == options
    np.testing.assert_array_equal(follow(copy, steps=4), follow(optimizer, steps=4))


@each(OPTIMIZERS)
def test_the_config_names_every_argument(row):
    assert_config_is_whole(row(0.1))


@tensorflow_only
@pytest.mark.parametrize("ema", [{}, {"use_ema": True, "ema_momentum": 0.5}], ids=["plain", "ema"])
@each(OPTIMIZERS)
def test_a_skipped_part_of_an_update_is_left_out(row, ema):
    one, other = (keras.Variable(np.ones((3, 2), "float32")) for _ in range(2))
    inner, plain = (row(SCHEDULE, gradient_accumulation_steps=2, **ema) for _ in range(2))
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**10)
    scaled.build([one])
    plain.build([other])
    for step, good in enumerate((0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1)):
        g = images(3, 2, seed=step) if good else np.full((3, 2), np.inf, "float32")
        scaled.apply([ops.convert_to_tensor(g * to_numpy(scaled.dynamic_scale))], [one])
        if good:
            plain.apply([ops.convert_to_tensor(g)], [other])
    pairs = zip([one, *inner.variables], [other, *plain.variables], strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(to_numpy(found), to_numpy(expected), atol=1e-6)


@each(OPTIMIZERS)
def test_solves_a_parabola(row):
    target = np.array([[1.0, -1.0], [0.5, 4.0], [3.0, 0.0]], "float32")
    path = follow(row(0.2), lambda step, w: w - target, steps=100)
    np.testing.assert_allclose(path[-1], target, atol=0.05)


MODES = {
    "eager": {"run_eagerly": True, "jit_compile": False},
    "xla": {"jit_compile": True, "steps_per_execution": 4},
}


@compiled_only
@pytest.mark.parametrize("mode", MODES)
@each(OPTIMIZERS)
def test_eager_equals_graph_equals_several_steps_of_xla(row, mode):
    assert_same(train(row(SCHEDULE), **MODES[mode]), row)


@each(OPTIMIZERS)
def test_accumulated_gradients_are_a_larger_batch(row):
    """Of half the size each, also through the schedule: only real updates count."""
    assert_same(train(row(SCHEDULE, gradient_accumulation_steps=2), batch_size=2), row)


@pytest.mark.parametrize("options", [{}, {"ema_overwrite_frequency": 3}], ids=["end", "often"])
@each(OPTIMIZERS)
def test_an_average_goes_on_with_updates_and_not_with_batches(row, options):
    options = {"use_ema": True, "ema_momentum": 0.5, **options}
    whole = train(row(SCHEDULE, **options))
    parts = train(row(SCHEDULE, gradient_accumulation_steps=2, **options), batch_size=2)
    np.testing.assert_allclose(flat(parts), flat(whole), atol=2e-5)


@pytest.mark.parametrize("options", [{}, {"ema_overwrite_frequency": 1}], ids=["end", "often"])
@each(OPTIMIZERS)
def test_an_average_without_an_update_is_the_weights(row, options):
    model = small_net()
    optimizer = row(0.1, use_ema=True, gradient_accumulation_steps=UPDATES + 1, **options)
    model.compile(optimizer, "mse", **PLAIN)
    fit(model)
    np.testing.assert_array_equal(flat(model), flat(small_net()))


@pytest.mark.parametrize("how", ["var_names", "var_list"])
@each(OPTIMIZERS)
def test_what_weight_decay_spares_is_saved(row, how, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    (layer,) = model.layers
    optimizer = row(0.05, weight_decay=0.5)
    spared = {"var_names": ["bias"], "var_list": [layer.bias]}
    optimizer.exclude_from_weight_decay(**{how: spared[how]})
    model.compile(optimizer, "mse")
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    model.fit(x, y, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    twice = keras.optimizers.deserialize(keras.optimizers.serialize(loaded.optimizer))
    assert twice.get_config() == loaded.optimizer.get_config()
    for one in (model, loaded):
        one.fit(x, y, batch_size=4, epochs=4, verbose=0)
    np.testing.assert_array_equal(flat(loaded), flat(model))


@each(OPTIMIZERS)
def test_what_is_spared_is_looked_for_in_another_model(row):
    def variables(*shapes):
        return [keras.Variable(np.ones(shape, "float32")) for shape in shapes]

    def spared(optimizer):
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        return [not inner._use_weight_decay(one) for one in optimizer._trainable_variables]

    begun, given = row(0.05, weight_decay=0.5), variables((3, 2), (2,), (2, 2), (2,))
    begun.exclude_from_weight_decay(var_list=[given[1], given[3]])
    with pytest.warns(UserWarning, match="will decay it"):
        begun.get_config()
    begun.build(given)
    config = through_json(begun.get_config())
    again = type(begun).from_config(config)
    again.build(variables((3, 2), (2,), (2, 2), (2,)))
    assert spared(again) == [False, True, False, True]
    for others, found in (
        (variables((3, 2), (2, 2), (2,)), [False] * 3),
        (variables((3, 2), (2,)), [False, True]),
    ):
        with pytest.warns(UserWarning, match="spared the variable .*not among those"):
            other = type(begun).from_config(config)
            other.build(others)
        assert spared(other) == found
        anew = type(begun).from_config(config)
        anew.exclude_from_weight_decay(var_list=others[:1])
        anew.build(others)
        assert spared(anew) == [True] + [False] * (len(others) - 1)


@each(OPTIMIZERS)
def test_fit_may_be_called_again_where_weights_are_averaged(row):
    model = small_net()
    model.compile(row(0.05, use_ema=True), "mse", **PLAIN)
    x = np.ones((4, *model.input_shape[1:]), "float32")
    y = np.ones((4, *model.output_shape[1:]), "float32")
    model.fit(x, y, epochs=2, verbose=0)
    model.fit(x, y, epochs=2, verbose=0)
    assert all(np.isfinite(to_numpy(one)).all() for one in model.trainable_weights)


@each(OPTIMIZERS)
def test_what_is_spared_stays_so_where_another_layer_was_frozen(row, tmp_path):
    """Places among the trainable variables have moved, and the shapes are alike."""
    names = ("a", "b", "c")
    stack = [keras.layers.Dense(4, use_bias=False, name=name) for name in names]
    model = keras.Sequential([keras.Input((4,)), *stack])
    optimizer = row(0.05, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[model.get_layer("b").kernel])
    model.compile(optimizer, "mse", **PLAIN)
    x = np.ones((4, 4), "float32")
    model.fit(x, x, verbose=0)
    model.get_layer("a").trainable = False
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():  # Keras skips the state, which is of more variables.
        warnings.filterwarnings("ignore", "Skipping")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    inner = getattr(loaded.optimizer, "inner_optimizer", loaded.optimizer)
    decayed = [inner._use_weight_decay(loaded.get_layer(name).kernel) for name in ("b", "c")]
    assert decayed == [False, True]


@each(OPTIMIZERS)
def test_a_rate_set_before_each_step_is_a_schedule(row):
    class SetRate(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = float(SCHEDULE(batch))

    assert_same(train(row(0.5), callbacks=[SetRate()]), row)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@each(OPTIMIZERS)
def test_a_saved_training_continues_exactly_and_learns(row, policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = small_net()
    model.compile(row(0.05), "mse", **PLAIN)
    (first,) = fit(model)["loss"]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))
    (second,), (continued,) = fit(model)["loss"], fit(loaded)["loss"]
    assert continued == second < 0.9 * first
    np.testing.assert_array_equal(flat(model), flat(loaded))


@each(OPTIMIZERS)
def test_a_skipped_step_changes_nothing(row):
    keras.config.set_dtype_policy("mixed_float16")
    model, inner = small_net(), row(0.05)
    # No gradient times 2 ** 40 is a float16 number, nor times 2 ** 32.
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**40)
    model.compile(optimizer, "mse", **PLAIN)
    optimizer.build(model.trainable_variables)
    variables = [*model.trainable_variables, *inner.variables]
    before = [to_numpy(variable) for variable in variables]
    fit(model)
    assert float(to_numpy(optimizer.dynamic_scale)) == 2.0 ** (40 - UPDATES)
    for variable, old in zip(variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), old, err_msg=variable.path)
    optimizer.dynamic_scale.assign(8.0)
    fit(model)
    assert int(to_numpy(inner.iterations)) == UPDATES
    for variable, old in zip(model.trainable_variables, before, strict=False):
        assert np.abs(to_numpy(variable) - old).max() > 1e-3


@tensorflow_only
def test_two_replicas_equal_one():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "tests.conformance.replicas"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@each(OPTIMIZERS)
def test_the_older_name_of_apply_does_the_same(row):
    optimizer, variable = row(0.05), keras.Variable(3 * np.ones((3, 2), "float32"))
    for step in range(UPDATES):
        gradient = ops.convert_to_tensor(images(3, 2, seed=step))
        optimizer.apply_gradients([(gradient, variable)])
    np.testing.assert_array_equal(to_numpy(variable), follow(row(0.05))[-1])


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@each(OPTIMIZERS)
def test_keras_evaluates_on_the_moving_average(row, policy):
    keras.config.set_dtype_policy(policy)

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            before = flat(self.model)
            self.model.evaluate(X, Y, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights(), self])
            np.testing.assert_allclose(flat(self.model), before, atol=1e-6)
            assert np.abs(self.evaluated - before).max() > 1e-3

        def on_test_begin(self, logs=None):
            self.evaluated = flat(self.model)

    watch = Watch()
    model = train(row(0.05, use_ema=True, ema_momentum=0.9), callbacks=[watch])
    # `fit` ends by putting the average into the weights.
    np.testing.assert_allclose(flat(model), watch.evaluated, atol=1e-6)


def clip(gradient, kind, limit):
    if kind == "clipvalue":
        return np.clip(gradient, -limit, limit)
    return gradient * min(1.0, limit / np.linalg.norm(gradient))


@pytest.mark.parametrize("kind", ["clipnorm", "clipvalue", "global_clipnorm"])
@each(OPTIMIZERS)
def test_clipping_is_that_of_the_gradient(row, kind):
    clipped = follow(row(0.05, **{kind: 0.5}))
    by_hand = follow(row(0.05), lambda step, w: clip(images(*w.shape, seed=step), kind, 0.5))
    np.testing.assert_allclose(clipped, by_hand, atol=1e-5)


@each(OPTIMIZERS)
def test_the_moving_average_is_of_the_weights(row):
    optimizer = row(0.05, use_ema=True, ema_momentum=0.8)
    path = follow(optimizer)
    np.testing.assert_array_equal(path, follow(row(0.05)))
    average = path[0]
    for weights in path[1:]:
        average = 0.8 * average + 0.2 * weights
    (stored,) = (to_numpy(v) for v in optimizer.variables if "average" in v.path)
    np.testing.assert_allclose(stored, average, atol=1e-5)
