import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_twist.optimizers import SGD, RAdam
from keras_twist.optimizers.radam import centralize, rectification

# tensorflow-addons 0.23's RectifiedAdam on recorded gradients. It differs in definition from
# RAdam's defaults: epsilon stands on the debiased root ("debiased" here) and is 1e-7, and the
# threshold is >=, which no r meets exactly. Its warm-up, `decay` and amsgrad are not offered.
TFA = {
    "radam_default_lr1e-2": {},
    "radam_fastai": {"beta_1": 0.95, "beta_2": 0.99, "epsilon": 1e-6},
    "radam_wd.1_b2.99": {"learning_rate": 0.03, "beta_2": 0.99, "weight_decay": 0.1},
    "radam_sma4": {"beta_2": 0.99, "threshold": 4.0},
    "radam_sma6": {"beta_2": 0.99, "threshold": 6.0},
    "radam_b2.9": {"beta_2": 0.9},
    "radam_clipnorm": {"clipnorm": 0.1},
    "radam_clipvalue": {"clipvalue": 0.05},
    "radam_lrschedule": {"learning_rate": None},
}
TFA_CASES = [("f64", config) for config in TFA] + [
    ("f32", "radam_default_lr1e-2"),
    ("f32", "radam_wd.1_b2.99"),
]


@pytest.mark.parametrize("kind, config", TFA_CASES)
def test_tensorflow_addons_trajectories(replay, kind, config):
    def make(schedule):
        options = {"learning_rate": 0.01, "epsilon_mode": "debiased", **TFA[config]}
        if options["learning_rate"] is None:
            options["learning_rate"] = schedule
        return RAdam(**options)

    tolerance = 3e-6 if kind == "f32" else 1e-12
    if config == "radam_clipnorm":
        tolerance = 1e-10  # Keras clips in float32 on torch.
    assert replay(f"{kind}/{config}", make) < tolerance


def exact_rectification(step, beta_2):
    """r and the rectifier in float64, from the paper."""
    power = beta_2**step
    limit = 2 / (1 - beta_2) - 1
    length = limit - 2 * step * power / (1 - power)
    if length <= 5:
        return length, None
    variance = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
    return length, math.sqrt(variance)


@pytest.mark.parametrize("beta_2", [0.9, 0.95, 0.98, 0.99, 0.999, 0.9999])
def test_step_6_is_the_first_adaptive_one(beta_2):
    steps = keras.ops.arange(1, 40, dtype="float32")
    adaptive, rectifier, correction = rectification(steps, beta_2, 5)
    assert keras.ops.convert_to_numpy(adaptive).tolist() == [False] * 5 + [True] * 34
    factor = keras.ops.convert_to_numpy(rectifier / correction)
    for step in range(6, 40):
        expected = exact_rectification(step, beta_2)[1]
        assert factor[step - 1] == pytest.approx(expected, rel=2e-3 if beta_2 > 0.999 else 2e-4)


def test_rectifier_of_step_6():
    """0.0817 at 0.99, 0.0258 at 0.999, by hand."""
    for beta_2, expected in ((0.99, 0.0817), (0.999, 0.0258)):
        _, rectifier, correction = rectification(keras.ops.array(6.0), beta_2, 5)
        assert float(rectifier / correction) == pytest.approx(expected, abs=5e-5)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.75, 0.9995), st.integers(1, 2_000_000))
def test_rectifier_is_a_finite_fraction(beta_2, step):
    adaptive, rectifier, correction = rectification(keras.ops.array(float(step)), beta_2, 5)
    assert 0.0 < float(correction) <= 1.0
    assert 0.0 < float(rectifier) <= 1.0 + 1e-6
    length = exact_rectification(step, beta_2)[0]
    if abs(length - 5) > 0.01:
        assert bool(adaptive) == (length > 5)


def test_never_adaptive_when_the_limit_is_below_the_threshold(run):
    """beta_2 = 0.6 has r_inf = 4, where the rectifier would divide by zero."""
    rows = run(RAdam(0.1, beta_2=0.6), steps=20)
    momentum_only = run(RAdam(0.1, threshold=1e9), steps=20)
    np.testing.assert_allclose(rows, momentum_only, atol=1e-6)


def test_adaptive_from_the_documented_beta_2_on():
    steps = keras.ops.arange(1.0, 2000.0)
    for beta_2, ever in ((0.666, False), (0.668, True)):
        assert bool(keras.ops.any(rectification(steps, beta_2, 5)[0])) is ever


def test_before_rectification_it_is_momentum_sgd(run):
    """Debiased momentum: a running mean of gradients that starts as the first gradient."""
    rows = run(RAdam(0.1, beta_1=0.9), steps=5)
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (4,)]
    weights = np.concatenate([rng.normal(size=s).ravel() for s in shapes])
    m = np.zeros(16)
    for t in range(1, 6):
        m = 0.9 * m + 0.1 * np.concatenate([rng.normal(size=s).ravel() for s in shapes])
        weights = weights - 0.1 * m / (1 - 0.9**t)
        np.testing.assert_allclose(rows[t - 1], weights, atol=1e-6)


def test_with_beta_1_zero_early_steps_are_plain_gradient_descent(run):
    rows = run(RAdam(0.1, beta_1=0.0), steps=5)
    np.testing.assert_allclose(rows, run(SGD(0.1), steps=5), atol=1e-6)


def test_huge_gradients_do_not_hurry_the_second_moment(precision):
    variable = keras.Variable([0.0], dtype=precision)
    RAdam(0.1, beta_1=0.0).apply([keras.ops.array([-1e8], dtype=precision)], [variable])
    assert float(variable.numpy()[0]) == pytest.approx(1e7, rel=1e-6)


@pytest.mark.parametrize("shape", [(3, 3, 5, 7), (5, 7), (3, 3, 6, 1)])
def test_centralised_gradients_have_mean_zero_per_filter(shape):
    gradient = np.random.default_rng(0).normal(size=shape).astype("float32") + 1
    centred = keras.ops.convert_to_numpy(centralize(keras.ops.array(gradient)))
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(centred.mean(axis=axes), 0.0, atol=1e-6)
    # Only the filter's mean went: what the filters differ in within themselves is untouched.
    np.testing.assert_allclose(np.diff(centred, axis=0), np.diff(gradient, axis=0), atol=1e-5)


def test_centralisation_keeps_each_filter_sum_and_leaves_biases(step):
    kernel, bias = keras.Variable(np.ones((3, 3, 2, 4))), keras.Variable(np.ones(4))
    optimizer = RAdam(0.1, gradient_centralization=True)
    rng = np.random.default_rng(0)
    for _ in range(5):  # before the second moment has a say
        step(optimizer, [rng.normal(size=(3, 3, 2, 4)) + 2, np.ones(4)], [kernel, bias])
    np.testing.assert_allclose(kernel.numpy().sum(axis=(0, 1, 2)), 18.0, atol=1e-4)
    np.testing.assert_allclose(bias.numpy(), 0.5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_variables_follow_float32(run, dtype):
    """beta_2 is 1 in bfloat16 and 1 - beta_2 ** t is 0: the scalars must not be."""
    half = run(RAdam(0.01), steps=12, dtype=dtype)
    full = run(RAdam(0.01), steps=12)
    assert np.isfinite(half).all()
    np.testing.assert_allclose(half, full, atol=0.02 if dtype == "float16" else 0.1)
    assert np.abs(half[-1] - half[0]).max() > 0.02


def test_weight_decay_is_decoupled_and_respects_exclusion(step):
    kernel, bias = keras.Variable([2.0], name="kernel"), keras.Variable([2.0], name="bias")
    optimizer = RAdam(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[bias])
    for _ in range(8):
        step(optimizer, [[0.0], [0.0]], [kernel, bias])
    assert float(kernel.numpy()[0]) == pytest.approx(2 * 0.95**8, rel=1e-5)
    assert float(bias.numpy()[0]) == 2.0


def test_a_learning_rate_of_zero_changes_nothing(run):
    rows = run(RAdam(0.0, weight_decay=0.1), steps=10)
    assert (rows == rows[0]).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta_1": 1.0}, "`beta_1` must be less than 1"),
        ({"beta_1": -0.1}, "`beta_1` must be a number in"),
        ({"beta_2": 1.0}, "`beta_2` must be a finite number in"),
        ({"beta_2": 0.0}, "`beta_2` must be a finite number in"),
        ({"epsilon": 0.0}, "`epsilon` must be a finite number > 0"),
        ({"threshold": 3}, "`threshold` must be a finite number >= 4"),
        ({"weight_decay": -0.1}, "`weight_decay` must be"),
        ({"epsilon": None}, "`epsilon` must be a finite number > 0"),
        ({"beta_1": True}, "`beta_1` must be a number in"),
        ({"beta_2": None}, "`beta_2` must be a finite number in"),
        ({"threshold": float("nan")}, "`threshold` must be a finite number >= 4"),
        ({"epsilon_mode": "outside"}, "`epsilon_mode` must be one of"),
    ],
)
def test_bad_arguments_are_named(options, message):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{message}.* Received: {name}={value!r}"):
        RAdam(**options)
