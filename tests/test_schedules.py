"""Schedules against torch's and fastai's curves, and against NumPy formulas of their own."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_twist.schedules import OneCycle, PiecewiseLinear

GOLDEN = Path(__file__).parent / "golden" / "schedules.npz"


def curve(schedule, steps):
    return ops.convert_to_numpy(schedule(np.arange(steps)))


@given(
    st.lists(st.integers(-50, 2000), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0, 10), min_size=6, max_size=6),
)
def test_piecewise_linear_is_numpy_interp(steps, values):
    steps, values = sorted(steps), values[: len(steps)]
    at = np.arange(-60, 2010, 7)
    found = ops.convert_to_numpy(PiecewiseLinear(steps, values)(at))
    np.testing.assert_allclose(found, np.interp(at, steps, values), rtol=3e-6, atol=1e-6)


def test_one_cycle_equals_torch():
    with np.load(GOLDEN) as golden:
        expected = golden["onecycle_sgd_nomom_lr"]
    found = curve(OneCycle(0.023, 24 * 98, pct_start=5 / 24, anneal="linear"), len(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def numpy_one_cycle(step, top, total, pct, cosine, div, final, three_phase):
    """The definition in torch's documentation, phase by phase, in float64."""
    low = top / div
    ends = [pct * total - 1, 2 * pct * total - 2] if three_phase else [pct * total - 1]
    ends.append(total - 1)
    levels = [low, top, low, low / final] if three_phase else [low, top, low / final]
    begin = 0.0
    for end, first, last in zip(ends, levels, levels[1:], strict=False):
        if step <= end or end == ends[-1]:
            share = min((step - begin) / (end - begin), 1.0)
            if cosine:
                return last + (first - last) / 2 * (1 + np.cos(np.pi * share))
            return first + share * (last - first)
        begin = end


@given(
    total=st.integers(10, 3000),
    pct=st.floats(0.15, 0.45),
    cosine=st.booleans(),
    div=st.floats(1, 100),
    final=st.floats(1, 1e5),
    three_phase=st.booleans(),
)
def test_one_cycle_follows_its_formula(total, pct, cosine, div, final, three_phase):
    if pct * total <= 2:
        return
    anneal = "cos" if cosine else "linear"
    schedule = OneCycle(0.1, total, pct, anneal, div, final, three_phase)
    at = np.unique(np.linspace(0, total + 5, 40).astype(int))
    expected = [numpy_one_cycle(s, 0.1, total, pct, cosine, div, final, three_phase) for s in at]
    np.testing.assert_allclose(ops.convert_to_numpy(schedule(at)), expected, rtol=2e-5, atol=1e-9)


def test_no_annihilation_ends_at_the_start():
    schedule = OneCycle(0.1, 100, final_div_factor=1.0)
    assert float(schedule(99)) == pytest.approx(0.004, rel=1e-6)


@pytest.mark.parametrize(
    "schedule",
    [PiecewiseLinear([-1, 9, 40], [0.0, 0.4, 0.0]), OneCycle(0.1, 50, three_phase=True)],
    ids=lambda s: type(s).__name__,
)
def test_survives_json_and_drives_an_optimizer_step_by_step(schedule):
    config = json.loads(json.dumps(keras.optimizers.schedules.serialize(schedule)))
    copy = keras.optimizers.schedules.deserialize(config)
    np.testing.assert_array_equal(curve(copy, 60), curve(schedule, 60))

    optimizer = keras.optimizers.SGD(copy)
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    for step in range(50):
        before = ops.convert_to_numpy(weight).copy()
        optimizer.apply([ops.convert_to_tensor(1.0)])
        moved = before - ops.convert_to_numpy(weight)
        assert moved == pytest.approx(float(schedule(step)), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: PiecewiseLinear([0], [1.0]), "`steps`"),
        (lambda: PiecewiseLinear([0, 0], [1.0, 2.0]), "`steps`"),
        (lambda: PiecewiseLinear([0, 1], [1.0]), "`values`"),
        (lambda: OneCycle(0.0, 10), "`max_learning_rate`"),
        (lambda: OneCycle(0.1, 0), "`total_steps`"),
        (lambda: OneCycle(0.1, 10, pct_start=1.0), "`pct_start`"),
        (lambda: OneCycle(0.1, 10, pct_start=0.05), "at least one step"),
        (lambda: OneCycle(0.1, 10, anneal="exp"), "`anneal`"),
        (lambda: OneCycle(0.1, 100, pct_start=0.7, three_phase=True), "at least one step"),
    ],
)
def test_bad_arguments_are_named(make, argument):
    with pytest.raises(ValueError, match=argument):
        make()
