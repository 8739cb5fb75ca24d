"""BatchNormAct computes what Keras's two layers compute, compiled or not, and says when it is."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_twist.layers.batch_norm_act as module
from keras_twist.layers import BatchNormAct, Bias, Mish
from keras_twist.ops import op_by_op

from ..tools import to_numpy

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the other backends need no compiled pieces"
)
OPTIONS = {"momentum": 0.9, "epsilon": 1e-5}
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16", "float64", "bfloat16", "float16"]
ACTIVATIONS = {
    "mish": Mish,
    "relu": keras.layers.ReLU,
    "gelu": lambda: keras.layers.Activation("gelu"),
    None: lambda: keras.layers.Activation("linear"),
}


def images(*shape, mean=0.5, seed=0):
    return np.random.default_rng(seed).normal(mean, 2.0, shape).astype("float32")


def both(activation, shape, **options):
    """Ours, and Keras's two layers, with the same weights."""
    ours = BatchNormAct(activation, **OPTIONS, **options)
    norm, act = keras.layers.BatchNormalization(**OPTIONS, **options), ACTIVATIONS[activation]()
    for layer in (ours, norm):
        layer.build(shape)
        rng = np.random.default_rng(1)
        for weight in layer.weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return ours, norm, lambda x, training: act(norm(x, training=training))


@pytest.fixture
def pieces(monkeypatch):
    """List that grows by a shape for each normalisation that is compiled by itself, even small."""
    monkeypatch.setattr(op_by_op, "SMALLEST", 0)
    taken, run = [], module.batch_norm_act

    def spy(x, *arguments):
        taken.append(tuple(x.shape))
        return run(x, *arguments)

    monkeypatch.setattr(module, "batch_norm_act", spy)
    return taken


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("training", [True, False])
def test_equals_two_layers_of_keras(activation, training):
    x = images(4, 5, 6, 3)
    ours, norm, expected = both(activation, x.shape)
    np.testing.assert_allclose(
        to_numpy(ours(x, training=training)), to_numpy(expected(x, training)), 1e-6, 1e-6
    )
    for found, wanted in zip(ours.weights, norm.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(found.value), to_numpy(wanted.value))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("fused", [pytest.param(True, marks=tensorflow_only), False])
def test_a_bias_of_its_own_rate_is_that_of_the_layer_bias(fused, policy, pieces):
    keras.config.set_dtype_policy(policy)
    tolerance = 1e-5 if policy == "float32" else 3e-2
    x = images(8, 6, 5, 16).astype("float32")
    ours = BatchNormAct("relu", bias_rate=64.0, scale=False, **OPTIONS)
    norm, bias = keras.layers.BatchNormalization(center=False, scale=False, **OPTIONS), Bias(64.0)
    for layer in (ours, norm, bias):
        layer.build(x.shape)
    numbers = np.linspace(-0.1, 0.1, 16)
    for layer in (ours, bias):
        layer.bias.assign(numbers)
    expected = ops.relu(bias(norm(x, training=True)))
    call = ours
    if fused:
        import tensorflow as tf

        call = tf.function(ours, autograph=False)
        x = tf.constant(x)
    found = to_numpy(call(x, training=True))
    np.testing.assert_allclose(found, to_numpy(expected), tolerance, tolerance)
    assert bool(pieces) == fused
    assert [weight.name for weight in ours.trainable_weights] == ["bias"]
    found, expected = to_numpy(ours(x, training=False)), to_numpy(ops.relu(bias(norm(x))))
    np.testing.assert_allclose(found, expected, tolerance, tolerance)
    with pytest.raises(ValueError, match="`bias_rate`.*bias_rate=0"):
        BatchNormAct(bias_rate=0)


@tensorflow_only
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_compiled_piece_gives_the_same_step(activation, policy, pieces):
    import tensorflow as tf

    keras.config.set_dtype_policy(policy)
    dtype = policy.removeprefix("mixed_")
    x = tf.cast(images(8, 6, 5, 16), dtype)
    upstream = tf.cast(images(8, 6, 5, 16, mean=0.0, seed=2), dtype)
    ours, norm, two_layers = both(activation, x.shape)

    def gradients(x, call, layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x, training=True)
        weights = [weight.value for weight in layer.trainable_weights]
        return [y, *tape.gradient(y, [x, *weights], upstream)]

    found = tf.function(lambda x: gradients(x, ours, ours), autograph=False)(x)
    assert pieces == [(8, 6, 5, 16)]
    expected = gradients(x, two_layers, norm)
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2}.get(dtype, 1e-5)
    for ours_, keras_ in zip(found, expected, strict=True):
        keras_ = to_numpy(keras_)
        np.testing.assert_allclose(to_numpy(ours_), keras_, 0, tolerance * np.abs(keras_).max())
    for new, wanted in zip(ours.non_trainable_weights, norm.non_trainable_weights, strict=True):
        close = 1e-2 if policy in ("bfloat16", "float16") else 1e-4
        np.testing.assert_allclose(to_numpy(new.value), to_numpy(wanted.value), close)


@tensorflow_only
def test_digits_survive_a_mean_far_from_zero(pieces):
    """E[x^2] - E[x]^2 in float32 would leave nothing of a variance of 1 beside a mean of 10,000."""
    import tensorflow as tf

    x = images(8, 16, 16, 4, mean=10_000.0)
    layer = BatchNormAct(momentum=0.0)
    layer.build(x.shape)
    layer.moving_mean.assign([9_999.0] * 4)
    tf.function(lambda x: layer(x, training=True), autograph=False)(x)
    exact = x.astype("float64")
    np.testing.assert_allclose(to_numpy(layer.moving_variance.value), exact.var((0, 1, 2)), 1e-4)
    np.testing.assert_allclose(to_numpy(layer.moving_mean.value), exact.mean((0, 1, 2)), 1e-6)
    assert pieces


@tensorflow_only
@pytest.mark.parametrize(
    "why",
    [
        "eager",
        "xla",
        "inference",
        "frozen",
        "any size",
        "other axis",
        "masked",
        "integers",  # which a piece would make of the results, too
        "small",
        "weights",
        "synchronized",
    ],
)
def test_elsewhere_keras_computes_it(why, pieces, monkeypatch):
    import tensorflow as tf

    if why == "small":
        monkeypatch.undo()
        monkeypatch.setattr(module, "batch_norm_act", pieces.append)

    x = tf.constant(images(2, 4, 4, 3))
    x = tf.cast(x, "int32") if why == "integers" else x
    activation = keras.layers.PReLU() if why == "weights" else "relu"
    axis, synchronized = 1 if why == "other axis" else -1, why == "synchronized"
    layer = BatchNormAct(activation, axis=axis, synchronized=synchronized)
    layer.build(x.shape)
    layer.trainable = why != "frozen"
    mask = ops.ones((2, 4, 4), "bool") if why == "masked" else None

    def call(x):
        return layer(x, training=why != "inference", mask=mask)

    if why == "eager":
        call(x)
    elif why == "any size":
        tf.function(call, input_signature=[tf.TensorSpec((None, None, None, 3))])(x)
    else:
        tf.function(call, jit_compile=why == "xla", autograph=False)(x)
    assert pieces == []


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="swosh"):
        BatchNormAct("swosh")
