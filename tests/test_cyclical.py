"""Triangles against the published formula and tensorflow-addons, and what scales them."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_twist.schedules import Cyclical

TFA = np.load(Path(__file__).parent / "golden" / "tfa_cycles.npz")


def at(schedule, steps):
    return ops.convert_to_numpy(schedule(np.asarray(steps))).astype("float64")


def published(step, base, top, step_size, scale=lambda cycle, step: 1.0):
    """The formula of bckenstler's callback, in float64."""
    cycle = np.floor(1 + step / (2 * step_size))
    x = np.abs(step / step_size - 2 * cycle + 1)
    return base + (top - base) * np.maximum(0, 1 - x) * scale(cycle, step)


def wave(cycle):
    """The scale that one entry of the Keras assignment trained with."""
    return 0.5 * (1 + ops.sin(cycle * np.pi / 2.5))


SCALES = {
    "triangular": ({}, lambda cycle, step: 1.0),
    "triangular2": ({"mode": "triangular2"}, lambda cycle, step: 0.5 ** (cycle - 1)),
    "exp_range": (
        {"mode": "exp_range", "gamma": 0.99994},
        lambda cycle, step: 0.99994**step,
    ),
    "wave": ({"scale_fn": wave}, lambda cycle, step: 0.5 * (1 + np.sin(cycle * np.pi / 2.5))),
    "iterations": (
        {"scale_fn": lambda step: 1 / (5e-4 * step + 1), "scale_mode": "iterations"},
        lambda cycle, step: 1 / (5e-4 * step + 1),
    ),
}


@pytest.mark.parametrize("kind", [np.float32, np.float64, float])
def test_a_number_of_numpy_as_step_size(kind):
    found = at(Cyclical(0.0, 1.0, kind(97.5)), 39)
    np.testing.assert_allclose(found, 0.4, rtol=1e-6)


@pytest.mark.parametrize("name", SCALES)
@given(
    base=st.floats(1e-5, 1e-2),
    ratio=st.floats(1, 100),
    step_size=st.one_of(st.integers(1, 3000), st.floats(1, 3000)),
    first=st.integers(0, 150_000),
)
def test_follows_the_published_formula(name, base, ratio, step_size, first):
    options, scale = SCALES[name]
    steps = first + np.arange(0, 4000, 97)
    expected = published(steps, base, ratio * base, step_size, scale)
    found = at(Cyclical(base, ratio * base, step_size, **options), steps)
    # A float32 sine of a large angle has lost as many digits as the angle has before its point.
    rtol = 1e-6 if name != "wave" else 1e-6 + 1e-7 * ratio * steps.max() / step_size
    np.testing.assert_allclose(found, expected, rtol=rtol)


CYCLE = lambda cycle: ops.exp(cycle * np.log(0.96))  # noqa: E731, a lambda is what people write
LIKE_TFA = {
    "triangular": {},
    "triangular_step7.5": {"step_size": 7.5},
    "triangular2": {"mode": "triangular2"},
    "exponential_it_g.96": {"mode": "exp_range", "gamma": 0.96},
    "exponential_it_g.994": {"mode": "exp_range", "gamma": 0.994},
    # Its `scale_mode="cycle"` scales by `gamma ** cycle` where bckenstler's callback always scales
    # `exp_range` by the step; as a `scale_fn` it is the same.
    "exponential_cycle_g.96": {"scale_fn": CYCLE},
}


@pytest.mark.parametrize("name", TFA.files)
def test_equals_tensorflow_addons(name):
    """Its float64 values; its own float32 is off by up to 4e-6, since it takes powers in float32.

    Otherwise the definitions agree: cycles count from 1, `triangular2` halves from the second on.
    """
    schedule = Cyclical(1e-4, 1e-2, **{"step_size": 25, **LIKE_TFA[name]})
    np.testing.assert_allclose(at(schedule, np.arange(200)), TFA[name], rtol=1e-6)


def small_model(schedule):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule), "mse")
    return model


X = np.ones((4, 1))


@keras.saving.register_keras_serializable(package="test_cyclical")
def registered_wave(cycle):
    return wave(cycle)


def test_a_registered_function_survives_saving(tmp_path):
    model = small_model(Cyclical(0.01, 0.02, 3, scale_fn=registered_wave))
    model.fit(X, X, 1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert int(ops.convert_to_numpy(loaded.optimizer.iterations)) == 4
    config = model.optimizer.get_config()["learning_rate"]
    schedule = keras.optimizers.schedules.deserialize(config)
    assert schedule.scale_fn is registered_wave
    rate = ops.convert_to_numpy(loaded.optimizer.learning_rate)
    assert float(rate) == pytest.approx(float(schedule(4)))


def decay(cycle):
    return 1 / cycle


@pytest.mark.parametrize("function", [decay, lambda cycle: 1 / cycle], ids=["named", "lambda"])
def test_an_unregistered_function_trains_but_is_not_lost_in_saving(function, tmp_path):
    schedule = Cyclical(0.1, 0.2, 3, scale_fn=function)
    model = small_model(schedule)
    model.fit(X, X, 1, verbose=0)
    for save in (schedule.get_config, lambda: model.save(tmp_path / "model.keras")):
        with pytest.raises(ValueError, match="`scale_fn`.*register_keras_serializable.*CyclicLR"):
            save()
    if function is decay:
        with keras.saving.custom_object_scope({"decay": decay}):
            saved = keras.optimizers.schedules.serialize(schedule)
            copy = keras.optimizers.schedules.deserialize(saved)
        np.testing.assert_array_equal(at(copy, np.arange(20)), at(schedule, np.arange(20)))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch tensors are NumPy's")
def test_a_numpy_function_in_a_compiled_step_is_explained():
    schedule = Cyclical(0.1, 0.2, 3, scale_fn=lambda x: 0.5 * (1 + np.sin(x * np.pi / 2.5)))
    with pytest.raises(ValueError, match="`scale_fn`.*keras.ops.*CyclicLR"):
        small_model(schedule).fit(X, X, 1, verbose=0)


@pytest.mark.parametrize(
    "scale_fn",
    [
        {"class_name": "function", "config": "system", "module": "os"},
        {"class_name": "function", "config": "exec", "module": "builtins"},
        {"class_name": "system", "config": {}, "module": "os", "registered_name": None},
        {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
        "os.system",
    ],
)
def test_a_saved_schedule_brings_no_code_along(scale_fn):
    config = Cyclical(0.1, 1.0, 10).get_config()
    message = "must be registered|must be a function"
    with pytest.raises((TypeError, ValueError), match=message):
        Cyclical.from_config({**config, "scale_fn": scale_fn})
