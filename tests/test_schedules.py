"""Schedules against torch's and fastai's curves, and against NumPy formulas of their own."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from keras import ops

from keras_twist.schedules import (
    Cyclical,
    FlatCosine,
    MirroredMomentum,
    OneCycle,
    PiecewiseLinear,
)

GOLDEN = np.load(Path(__file__).parent / "golden" / "schedules.npz")
FASTAI = 3e-3, 3e-3 / 1e5


def at(schedule, steps):
    return ops.convert_to_numpy(schedule(np.asarray(steps))).astype("float64")


def curve(schedule, steps):
    return at(schedule, np.arange(steps))


@given(
    st.lists(st.integers(-50, 2000), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0, 10), min_size=6, max_size=6),
)
def test_piecewise_linear_is_numpy_interp(steps, values):
    steps, values = sorted(steps), values[: len(steps)]
    where = np.arange(-60, 2010, 7)
    found = at(PiecewiseLinear(steps, values), where)
    np.testing.assert_allclose(found, np.interp(where, steps, values), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd_nomom", "sgd_mom09"])
def test_one_cycle_equals_torch(optimizer):
    rate = OneCycle(0.023, 24 * 98, pct_start=5 / 24, anneal="linear")
    for schedule, of in ((rate, "lr"), (MirroredMomentum(rate), "mom")):
        expected = GOLDEN[f"onecycle_{optimizer}_{of}"]
        np.testing.assert_allclose(curve(schedule, 24 * 98), expected, rtol=1e-6)


def fastai_cosine(begin, first, last, share_type):
    """fastai's half cosine over 100 batches, the share of the way held in the given type."""
    batches, share_type = np.arange(begin, 100), np.dtype(share_type).type
    start = share_type(begin / 100)
    share = ((batches / 100).astype(share_type) - start) / (share_type(1) - start)
    return first + (last - first) * (1 + np.cos(np.pi * (1 - share.astype("float64")))) / 2


def test_fastai_curves_by_arguments():
    """fastai holds the share of the way in float32; where the rate is small it shows in digit 6."""
    batches = 100
    one_cycle = OneCycle(
        FASTAI[0], batches + 1, (batches * 0.25 + 1) / (batches + 1), final_div_factor=1e5 / 25
    )
    flat = FlatCosine(FASTAI[0], batches, 0.75, final_learning_rate=FASTAI[1])
    for schedule, golden, begin in ((one_cycle, "one_cycle", 25), (flat, "flat_cos", 75)):
        found, published = curve(schedule, batches), GOLDEN[f"fit_{golden}_lr"]
        down = fastai_cosine(begin, *FASTAI, "float32")
        np.testing.assert_allclose(published[begin:], down, rtol=1e-12)
        exact = np.concatenate([published[:begin], fastai_cosine(begin, *FASTAI, "float64")])
        np.testing.assert_allclose(found, exact, rtol=1e-6)
        np.testing.assert_allclose(found, published, rtol=3e-6)
    np.testing.assert_allclose(
        curve(MirroredMomentum(one_cycle), batches), GOLDEN["fit_one_cycle_mom"], rtol=1e-6
    )


def test_flat_cosine_equals_flat_and_anneal():
    found = curve(FlatCosine(3e-3, 100, anneal_start=0.72), 100)
    np.testing.assert_allclose(found, GOLDEN["v1_flat_and_anneal_072_lr"], rtol=1e-6)
    # The 80 epochs of 141 steps of the records begin their descent at step 8121.
    long = FlatCosine(4e-3, 80 * 141, 0.72)
    assert float(long(8121)) == np.float32(4e-3) and float(long(8200)) < 4e-3 - 1e-6


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
    total=st.integers(10, 2_000_000),
    pct=st.floats(0.15, 0.45),
    cosine=st.booleans(),
    div=st.floats(1, 100),
    final=st.floats(1, 1e5),
    three_phase=st.booleans(),
)
def test_one_cycle_follows_its_formula(total, pct, cosine, div, final, three_phase):
    assume(pct * total > 2)
    anneal = "cos" if cosine else "linear"
    schedule = OneCycle(0.1, total, pct, anneal, div, final, three_phase)
    steps = np.unique(np.linspace(0, total + 5, 40).astype(int))
    expected = [numpy_one_cycle(s, 0.1, total, pct, cosine, div, final, three_phase) for s in steps]
    np.testing.assert_allclose(at(schedule, steps), expected, rtol=1e-6, atol=1e-15)


@given(
    top=st.floats(1e-4, 1.0),
    total=st.integers(1, 5_000_000),
    start=st.floats(0, 0.99),
    final=st.sampled_from([0.0, 1e-5, 0.1, 1.0]),
)
def test_flat_cosine_follows_its_formula(top, total, start, final):
    steps = np.unique(np.linspace(0, total + 5, 40).astype(int))
    begin = int(total * start)
    share = np.clip((steps - begin) / (total - begin), 0, 1)
    # The square of a sine, which is the same but does not cancel.
    expected = final * top + (top - final * top) * np.sin(np.pi / 2 * (1 - share)) ** 2
    found = at(FlatCosine(top, total, start, final * top), steps)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_no_annihilation_ends_at_the_start():
    schedule = OneCycle(0.1, 100, final_div_factor=1.0)
    assert float(schedule(99)) == pytest.approx(0.004, rel=1e-6)
    assert float(schedule(10**6)) == pytest.approx(0.004, rel=1e-6)


def test_momentum_stays_high_in_the_third_phase():
    rate = OneCycle(0.1, 100, pct_start=0.3, three_phase=True)
    momentum = curve(MirroredMomentum(rate, 0.8, 0.9), 100)
    assert momentum[[0, 29, 58, 80, 99]] == pytest.approx([0.9, 0.8, 0.9, 0.9, 0.9])
    triangles = MirroredMomentum(Cyclical(0.1, 0.2, step_size=10, mode="triangular2"), 0.8, 0.9)
    assert curve(triangles, 31)[[0, 10, 20, 30]] == pytest.approx([0.9, 0.8, 0.9, 0.85])


BIG = 3_000_000_001  # neither a float32 nor an int32
NEAR_THE_END = {
    "PiecewiseLinear": (
        PiecewiseLinear([0, BIG // 3, BIG], [0.0, 0.3, 0.0]),
        lambda left: 0.3 * left / (BIG - BIG // 3),
    ),
    "OneCycle": (
        OneCycle(0.3, BIG + 1, anneal="linear", final_div_factor=1e20),
        lambda left: 0.3 * left / (BIG - 0.3 * (BIG + 1) + 1),
    ),
    "FlatCosine": (
        FlatCosine(0.3, BIG),
        lambda left: 0.3 * np.sin(np.pi / 2 * left / (BIG - int(BIG * 0.72))) ** 2,
    ),
    "Cyclical": (Cyclical(0.0, 0.3, step_size=BIG / 6), lambda left: 0.3 * left / (BIG / 6)),
}


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX counts in 32 bits")
@pytest.mark.parametrize("name", NEAR_THE_END)
def test_no_step_is_too_large(name):
    schedule, expected = NEAR_THE_END[name]
    left = np.array([1, 2, 3, 100, 12345])
    np.testing.assert_allclose(at(schedule, BIG - left), expected(left), rtol=1e-6)
    assert float(schedule(BIG - 1)) == pytest.approx(expected(1), rel=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float32", "float64"])
def test_every_kind_of_number_is_a_step(dtype):
    steps = np.arange(100).astype(dtype)
    for schedule in (PiecewiseLinear([-1, 9, 40], [0, 0.4, 0.1]), Cyclical(0.1, 0.4, 7.3)):
        np.testing.assert_allclose(at(schedule, steps), curve(schedule, 100), rtol=1e-5)
        counter = keras.Variable(37, dtype="int32", trainable=False)
        assert float(schedule(counter)) == pytest.approx(curve(schedule, 100)[37], rel=1e-6)


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


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PiecewiseLinear([0], [1.0]), "`steps`"),
        (lambda: PiecewiseLinear([0, 0], [1.0, 2.0]), "`steps`"),
        (lambda: PiecewiseLinear([0, NAN], [1.0, 2.0]), "`steps` must be finite.*nan"),
        (lambda: PiecewiseLinear([0, 1], [1.0]), "`values`"),
        (lambda: PiecewiseLinear([0, 1], [1.0, INF]), "`values` must be finite.*inf"),
        (lambda: OneCycle(0.0, 10), "`max_learning_rate`"),
        (lambda: OneCycle(NAN, 10), "`max_learning_rate`.*nan"),
        (lambda: OneCycle(0.1, 0), "`total_steps`.*total_steps=0"),
        (lambda: OneCycle(0.1, INF), "`total_steps`.*inf"),
        (lambda: OneCycle(0.1, 10, pct_start=1.0), "`pct_start`.*pct_start=1.0"),
        (lambda: OneCycle(0.1, 10, pct_start=NAN), "`pct_start`.*nan"),
        (lambda: OneCycle(0.1, 10, pct_start=0.05), "at least one step"),
        (lambda: OneCycle(0.1, 10, anneal="exp"), "`anneal`.*'exp'"),
        (lambda: OneCycle(0.1, 10, div_factor=INF), "`div_factor`.*inf"),
        (lambda: OneCycle(0.1, 10, final_div_factor=0), "`final_div_factor`.*=0"),
        (lambda: OneCycle(0.1, 100, pct_start=0.7, three_phase=True), "at least one step"),
        (lambda: Cyclical(0.2, 0.1, 5), "`base_learning_rate` and `max_learning_rate`.*=0.2"),
        (lambda: Cyclical(-0.1, 0.1, 5), "`base_learning_rate` and"),
        (lambda: Cyclical(0.1, NAN, 5), "`max_learning_rate`.*nan"),
        (lambda: Cyclical(0.1, INF, 5), "`max_learning_rate`.*inf"),
        (lambda: Cyclical(0.1, 0.2, 0), "`step_size`.*step_size=0"),
        (lambda: Cyclical(0.1, 0.2, 5, mode="square"), "`mode`.*'triangular2'.*'square'"),
        (lambda: Cyclical(0.1, 0.2, 5, gamma=0), "`gamma`.*gamma=0"),
        (lambda: Cyclical(0.1, 0.2, 5, scale_fn=0.5), "`scale_fn` must be a function.*0.5"),
        (lambda: Cyclical(0.1, 0.2, 5, scale_mode="epoch"), "`scale_mode`.*'epoch'"),
        (lambda: FlatCosine(0.0, 10), "`learning_rate`"),
        (lambda: FlatCosine(0.1, 0), "`total_steps`.*total_steps=0"),
        (lambda: FlatCosine(0.1, 10, anneal_start=1.0), "`anneal_start`.*=1.0"),
        (lambda: FlatCosine(0.1, 10, anneal_start=-0.1), "`anneal_start`.*=-0.1"),
        (lambda: FlatCosine(0.1, 10, final_learning_rate=0.2), "`final_learning_rate`.*=0.2"),
        (lambda: FlatCosine(0.1, 10, final_learning_rate=NAN), "`final_learning_rate`.*nan"),
        (lambda: MirroredMomentum(PiecewiseLinear([0, 1], [1, 2])), "`schedule`.*OneCycle"),
        (lambda: MirroredMomentum(OneCycle(0.1, 50), 0.9, 0.8), "`base_momentum`.*=0.9.*=0.8"),
        (lambda: MirroredMomentum(OneCycle(0.1, 50), 0.9, 1.1), "at most 1.*=1.1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
