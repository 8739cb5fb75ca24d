"""The fused form: where it is taken, and that nobody can tell from the numbers."""

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_twist.ops.twist_forms as twist_forms
from keras_twist.layers import TwistLayer
from keras_twist.ops import op_by_op

tf = pytest.importorskip("tensorflow", reason="it is TensorFlow's alone")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it is TensorFlow's alone"
)


PlainTwist = functools.partial(TwistLayer, masked=False)


def images(*shape, seed=0, dtype="float32"):
    values = np.random.default_rng(seed).normal(size=shape)
    return tf.cast(tf.constant(values, "float32"), dtype)


@pytest.fixture
def fusions(monkeypatch):
    """List that grows by the padding of every fused twist that is traced."""
    monkeypatch.setattr(op_by_op, "SMALLEST", 0)
    taken, combine = [], twist_forms.combine

    def spy(*arguments, **options):
        taken.append(options["padding"])
        return combine(*arguments, **options)

    monkeypatch.setattr(twist_forms, "combine", spy)
    return taken


def step_of(layer, cotangent, **options):
    """Function that returns outputs and gradients of a training step, traced with `options`."""

    @tf.function(autograph=False, **options)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        weights = [weight.value for weight in layer.trainable_variables]
        return [y, *tape.gradient(y, [x, *weights], output_gradients=tf.cast(cotangent, y.dtype))]

    return step


@pytest.mark.parametrize(
    ("policy", "field", "padding"),
    [
        ("float32", "rotate_scale", "symmetric"),
        ("float32", "squeeze_shear", "valid"),
        ("float64", "rotate_scale", "valid"),
        ("mixed_bfloat16", "rotate_scale", "symmetric"),
    ],
)
def test_a_training_step_is_the_same(policy, field, padding, fusions, monkeypatch):
    layer = PlainTwist(6, groups=2, dtype=policy, field=field, padding=padding, use_bias=True)
    x = images(3, 5, 6, 128, dtype=layer.compute_dtype)
    cotangent = images(*layer(x).shape, seed=1)
    found = step_of(layer, cotangent)(x)
    assert len(fusions) == 1
    for name in ("fusible", "runs_op_by_op"):
        monkeypatch.setattr(twist_forms, name, lambda tensor: False)
    expected = step_of(layer, cotangent)(x)
    assert len(fusions) == 1
    # The fused one rounds once where the other rounds every sum.
    tolerance = {"float64": 1e-12, "float32": 1e-5, "mixed_bfloat16": 0.03}[policy]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        ours, theirs = np.array(tf.cast(ours, "float64")), np.array(tf.cast(theirs, "float64"))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * abs(theirs).max())


def test_it_rounds_less_in_half_precision(fusions):
    """Against float32 on the same rounded numbers; the four sums of the other form each round."""
    exact, x = PlainTwist(8), images(2, 8, 8, 64, dtype="bfloat16")
    half = PlainTwist(8, dtype="mixed_bfloat16")
    for layer in (exact, half):
        layer.build(x.shape)
    for weight in exact.weights[:2]:
        weight.assign(tf.cast(tf.cast(weight.value, "bfloat16"), "float32"))
    half.set_weights(exact.get_weights())
    expected = exact(tf.cast(x, "float32"))

    def error(training):
        found = tf.function(lambda x: half(x, training=training))(x)
        return float(tf.norm(tf.cast(found, "float32") - expected))

    assert error(training=True) < error(training=False)


def test_training_in_a_graph_takes_it_and_nothing_else_does(fusions):
    layer, x = PlainTwist(4), images(2, 6, 6, 64)
    anything = tf.TensorSpec((None, None, None, 64))
    layer(x, training=True)  # eagerly
    tf.function(lambda x: layer(x, training=False))(x)
    tf.function(lambda x: layer(x, training=True), jit_compile=True)(x)
    tf.function(lambda x: layer(x, training=True), input_signature=[anything])(x)
    assert fusions == []
    # The number of images may be unknown: the last batch of an epoch is often smaller.
    some = tf.TensorSpec((None, 6, 6, 64))
    function = tf.function(lambda x: layer(x, training=True), input_signature=[some])
    for count in (2, 1):
        expected = np.array(layer(x[:count]))
        np.testing.assert_allclose(np.array(function(x[:count])), expected, atol=1e-5)
    assert fusions == ["same"]
    others = [{"groups": 4}, {"strides": 2}, {"field": "free"}, {"masked": True}]
    for options in ({"groups": 2}, *others):
        layer = TwistLayer(4, **{"masked": False, **options})
        layer.build(x.shape)
        tf.function(lambda x, layer=layer: layer(x, training=True))(x)
    assert fusions == ["same"] * 2  # with 32 channels per group, not with 16


@pytest.mark.parametrize("steps", [1, 3])
def test_keras_trains_with_it(steps, fusions):
    x, y = np.array(images(10, 6, 6, 64)), np.array(images(10, 4, seed=1))

    def train(**options):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((6, 6, 64)), PlainTwist(4), keras.layers.GlobalAveragePooling2D()]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse", steps_per_execution=steps, **options)
        losses = model.fit(x, y, batch_size=4, epochs=3, verbose=0).history["loss"]
        return losses, model.get_weights()

    (losses, weights), (eager_losses, eager_weights) = train(), train(run_eagerly=True)
    assert len(fusions) >= 1
    np.testing.assert_allclose(losses, eager_losses, rtol=1e-5)
    for ours, theirs in zip(weights, eager_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


MIRRORED = """
import numpy as np, tensorflow as tf, keras
from keras_twist.layers import TwistLayer

cpus = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpus[0], two)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(8, 6, 6, 64)).astype("float32"), rng.normal(size=(8, 2))

def train(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        pool = keras.layers.GlobalAveragePooling2D()
        model = keras.Sequential([keras.Input((6, 6, 64)), TwistLayer(2, masked=False), pool])
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        return [np.asarray(w) for w in model.get_weights()]

mirrored = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for ours, theirs in zip(mirrored, train(tf.distribute.get_strategy()), strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
print("equal")
"""


def test_two_replicas_equal_one():
    """In a process of its own, because TensorFlow splits its CPU before the first operation."""
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "equal"
