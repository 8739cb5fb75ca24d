"""The learning rate of every update, read off the weights it moved, in each way Keras trains.

Batch i is the unit vector i and the loss is the output, so that weight i has a gradient at batch i
alone, which is 1. Without momentum it moves by the learning rate; with momentum NumPy tells how.
"""

import dataclasses
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist import callbacks, optimizers, schedules

from ..tools import thoroughly

BACKEND = keras.backend.backend()
BATCHES, PER_EPOCH = 24, 8
X = np.eye(BATCHES, dtype="float32")
UPDATES = np.arange(BATCHES)


@dataclasses.dataclass(frozen=True)
class Policy:
    """A schedule and its callback with the same arguments, and the curve they must follow."""

    schedule: Callable
    callback: Callable
    rate: np.ndarray
    momentum: np.ndarray


def half_cosine(share):
    return 0.5 * (1 - np.cos(np.pi * np.clip(share, 0, 1)))


def one_cycle(low, high, end):
    """Up to step 8 of 24, down to the last, in half cosines."""
    up, down = half_cosine(UPDATES / 8), half_cosine((UPDATES - 8) / 15)
    return np.where(UPDATES < 8, low + (high - low) * up, high + (end - high) * down)


CONSTANT = np.full(BATCHES, 0.5)
POINTS = partial(schedules.PiecewiseLinear, [0, 10, 22], [0.1, 0.4, 0.02])
TRIANGLES = {"base_learning_rate": 0.05, "max_learning_rate": 0.4, "step_size": 3.5}
ONE_CYCLE = {"max_learning_rate": 0.4, "total_steps": 24, "pct_start": 9 / 24}
FLAT = {"learning_rate": 0.4, "total_steps": 25, "anneal_start": 0.4}
POLICIES = {
    "ScheduleLR": Policy(
        POINTS,
        lambda: callbacks.ScheduleLR(POINTS()),
        np.interp(UPDATES, [0, 10, 22], [0.1, 0.4, 0.02]),
        CONSTANT,
    ),
    "CyclicLR": Policy(
        partial(schedules.Cyclical, **TRIANGLES, mode="triangular2"),
        partial(callbacks.CyclicLR, **TRIANGLES, mode="triangular2"),
        0.05 + 0.35 * (1 - np.abs(UPDATES % 7 / 3.5 - 1)) * 0.5 ** (UPDATES // 7),
        CONSTANT,
    ),
    "OneCycleLR": Policy(
        partial(schedules.OneCycle, **ONE_CYCLE),
        partial(callbacks.OneCycleLR, **ONE_CYCLE),
        one_cycle(0.4 / 25, 0.4, 0.4 / 25e4),
        one_cycle(0.95, 0.85, 0.95),
    ),
    "FlatCosineLR": Policy(
        partial(schedules.FlatCosine, **FLAT),
        partial(callbacks.FlatCosineLR, **FLAT),
        0.4 * (1 - half_cosine((UPDATES - 10) / 15)),
        CONSTANT,
    ),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """How to train; `rate_at[i]` is the update whose rate batch i has with a callback."""

    parts: tuple = (24,)
    reload: bool = False
    policy: str = "float32"
    accumulate: int = 1
    pull: int | None = None
    per_execution: int = 1
    jit: bool = BACKEND == "jax"


CASES = {
    "once": Case(),
    "twice": Case(parts=(16, 24)),
    "save_load_resume": Case(parts=(11, 24), reload=True),
    "initial_epoch": Case(parts=(8, 24)),
    "executions_of_8": Case(per_execution=8),
    "accumulation_of_4": Case(accumulate=4),
    "mixed_float16": Case(policy="mixed_float16"),
    "lookahead": Case(pull=2),
    "jit": Case(jit=True),
    "all_at_once": Case((10, 24), True, "mixed_float16", accumulate=4, per_execution=2),
}
if BACKEND == "torch":
    del CASES["executions_of_8"], CASES["jit"], CASES["all_at_once"]  # Keras has none there


@keras.saving.register_keras_serializable(package="test_learning_rate")
def output_as_loss(y_true, y_pred):
    return y_pred


def compiled(optimizer, case):
    keras.config.set_dtype_policy(case.policy)
    out = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((BATCHES,)), out])
    model.compile(
        optimizer,
        output_as_loss,
        jit_compile=case.jit,
        steps_per_execution=case.per_execution,
    )
    return model


def fit(model, first, last, **options):
    """Batches `first` to `last`, in epochs of eight if that comes out even."""
    epochs, rest = divmod(last - first, PER_EPOCH)
    begun = first // PER_EPOCH
    if rest:
        epochs, options["steps_per_epoch"] = 1, last - first
    options = {"steps_per_epoch": PER_EPOCH, "batch_size": 1, "verbose": 0, **options}
    x = X[first:last]
    return model.fit(
        x, x[:, :1], shuffle=False, initial_epoch=begun, epochs=begun + epochs, **options
    ).history


def expected_weights(rate, momentum, case):
    """Stochastic gradient descent, and Lookahead around it, in NumPy."""
    weights, velocity, slow = np.zeros((3, BATCHES))
    for update in range(BATCHES // case.accumulate):
        batches = slice(update * case.accumulate, (update + 1) * case.accumulate)
        gradient = X[batches].mean(axis=0)
        velocity = momentum[update] * velocity - rate[update] * gradient
        weights = weights + velocity
        if case.pull and (update + 1) % case.pull == 0:
            slow = weights = slow + 0.5 * (weights - slow)
    return weights


def weights_of(model):
    return np.asarray(model.get_weights()[0][:, 0], "float64")


# Every case with one policy, and every policy in the hardest case.
COMBINATIONS = [(list(POLICIES)[row % len(POLICIES)], case) for row, case in enumerate(CASES)] + [
    (policy, list(CASES)[-1]) for policy in POLICIES
]


@pytest.mark.parametrize("kind", ["schedule", "callback"])
@pytest.mark.parametrize(
    "combination", thoroughly(itertools.product(POLICIES, CASES), COMBINATIONS), ids="-".join
)
def test_every_update_has_its_learning_rate(combination, kind, tmp_path):
    policy, case = POLICIES[combination[0]], CASES[combination[1]]
    moves = policy.momentum is not CONSTANT
    rate, momentum = 0.123, 0.5
    if kind == "schedule":
        rate = policy.schedule()
        momentum = schedules.MirroredMomentum(rate) if moves else momentum
    accumulation = case.accumulate if case.accumulate > 1 else None
    optimizer = optimizers.SGD(rate, momentum, gradient_accumulation_steps=accumulation)
    if case.pull:
        optimizer = optimizers.Lookahead(optimizer, sync_period=case.pull)
    model, first, used, history, ends = compiled(optimizer, case), 0, [], {}, []
    for last in case.parts:
        if first and case.reload:
            model.save(tmp_path / "model.keras")
            model = keras.models.load_model(tmp_path / "model.keras")
        if not used or case.reload:
            used.append(policy.callback())
        extra = {"callbacks": [used[-1]]} if kind == "callback" else {}
        for key, values in fit(model, first, last, **extra).items():
            history[key] = history.get(key, []) + values
        ends += [last] if (last - first) % PER_EPOCH else range(first + PER_EPOCH, last + 1, 8)
        first = last

    # Documented: in a callback all updates of an execution have the rate of the first one.
    update = np.arange(BATCHES // case.accumulate)
    per_execution = max(case.per_execution // case.accumulate, 1)
    held = update // per_execution * per_execution if kind == "callback" else update
    rates, momenta = policy.rate[held], policy.momentum[held]
    np.testing.assert_allclose(
        weights_of(model), expected_weights(rates, momenta, case), rtol=2e-5, atol=1e-8
    )
    if kind == "callback":
        np.testing.assert_array_equal(np.concatenate([c.updates for c in used]), update)
        seen = np.concatenate([c.learning_rates for c in used])
        np.testing.assert_allclose(seen, rates, rtol=2e-6, atol=1e-9)
        following = np.array(ends[:-1], int) // case.accumulate  # the last has none
        logged = np.array(history["learning_rate"])[:-1]
        np.testing.assert_allclose(logged, policy.rate[following], rtol=1e-5)
        assert ("momentum" in history) == moves
        if moves:
            np.testing.assert_allclose(np.concatenate([c.momenta for c in used]), momenta)
            logged = np.array(history["momentum"])[:-1]
            np.testing.assert_allclose(logged, policy.momentum[following], rtol=1e-5)
        else:
            assert used[0].momenta is None


@pytest.mark.parametrize(
    "make",
    [
        partial(optimizers.RAdam, beta_2=0.9),
        partial(optimizers.Ranger, beta_2=0.9, sync_period=3),
        lambda rate, beta_1: optimizers.Lookahead(optimizers.RAdam(rate, beta_1), sync_period=5),
    ],
    ids=["RAdam", "Ranger", "Lookahead-RAdam"],
)
@pytest.mark.parametrize("dtype", thoroughly(["float32", "mixed_float16"], ["mixed_float16"]))
def test_beta_1_cycles_as_under_a_schedule(make, dtype):
    case = Case(policy=dtype)
    rate = schedules.OneCycle(**ONE_CYCLE)
    inside = compiled(make(rate, beta_1=schedules.MirroredMomentum(rate)), case)
    fit(inside, 0, BATCHES)
    outside = compiled(make(0.1, beta_1=0.5), case)
    history = fit(outside, 0, BATCHES, callbacks=[callbacks.OneCycleLR(**ONE_CYCLE)])
    np.testing.assert_allclose(weights_of(outside), weights_of(inside), rtol=1e-4, atol=1e-6)
    assert history["momentum"][-1] == pytest.approx(0.95)


def test_skipped_steps_do_not_count():
    keras.config.set_dtype_policy("mixed_float16")
    # Gradients of 2 ** 21 and more are no float16 numbers: six steps are skipped in a row.
    scaled = keras.optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=2.0**21)
    policy, callback = POLICIES["ScheduleLR"], POLICIES["ScheduleLR"].callback()
    model = compiled(scaled, Case(policy="mixed_float16"))
    fit(model, 0, BATCHES, callbacks=[callback])
    moved = -weights_of(model)
    skipped = np.count_nonzero(moved == 0)
    assert skipped == 6 and not moved[:6].any()
    np.testing.assert_allclose(moved[6:], policy.rate[: BATCHES - 6], rtol=1e-5)
    np.testing.assert_array_equal(callback.updates, np.arange(BATCHES - 6))
    np.testing.assert_allclose(callback.learning_rates, policy.rate[: BATCHES - 6], rtol=1e-5)


def test_a_late_skip_is_noticed_within_32_batches_and_at_the_next_epoch():
    class Counter:
        """An optimizer's counter that misses batch 40 of each epoch of 100."""

        gradient_accumulation_steps = None
        looks = made = 0

        @property
        def _iterations(self):
            self.looks += 1
            return np.int64(self.made)

    model, counter = compiled(optimizers.SGD(0.1), Case()), Counter()
    callback = callbacks.ScheduleLR(schedules.PiecewiseLinear([0, 200], [0.0, 2.0]))
    callback.set_model(model)
    callback.on_train_begin()
    callback.set_model(type("Model", (), {"optimizer": counter})())
    wrong = []
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch in range(100):
            callback.on_train_batch_begin(batch)
            rate = float(ops.convert_to_numpy(model.optimizer.learning_rate))
            if rate != pytest.approx(counter.made / 100, abs=1e-6):
                assert rate == pytest.approx((counter.made + 1) / 100, abs=1e-6)
                wrong.append((epoch, batch))
            counter.made += batch != 40
        callback.on_epoch_end(epoch, {})
    assert {epoch for epoch, _ in wrong} == {0, 1} and len(wrong) < 2 * 32
    assert all(40 < batch < 73 for _, batch in wrong)
    assert counter.looks < 40
    np.testing.assert_array_equal(np.unique(callback.updates), np.arange(198))


def test_long_executions_are_looked_at_one_by_one():
    counter = SimpleNamespace(gradient_accumulation_steps=None, _iterations=0)
    model = compiled(optimizers.SGD(0.1), Case())
    callback = callbacks.ScheduleLR(schedules.PiecewiseLinear([0, 5000], [0.0, 5.0]))
    callback.set_model(model)
    callback.on_train_begin()
    callback.set_model(SimpleNamespace(optimizer=counter))
    callback.on_epoch_begin(0)
    for batch in range(0, 4000, 50):
        callback.on_train_batch_begin(batch)
        rate = float(ops.convert_to_numpy(model.optimizer.learning_rate))
        assert rate == pytest.approx(counter._iterations / 1000, abs=1e-6)
        counter._iterations += 40 if batch == 1000 else 50  # ten steps are skipped


@pytest.mark.parametrize(
    "schedule",
    [
        lambda step: 0.1 if step < 5 else 0.01,
        keras.optimizers.schedules.PiecewiseConstantDecay([4], [0.1, 0.01]),
        lambda step: np.where(np.asarray(step) < 5, 0.1, 0.01),
    ],
    ids=["branch", "keras", "numpy"],
)
def test_any_function_of_the_step_will_do(schedule):
    callback = callbacks.ScheduleLR(schedule)
    fit(compiled(keras.optimizers.SGD(0.5), Case()), 0, 8, callbacks=[callback])
    np.testing.assert_allclose(callback.learning_rates, [0.1] * 5 + [0.01] * 3, rtol=1e-6)


# What NumPy says of torch's tensors.
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
def test_a_numpy_lambda_scales_the_cycles():
    callback = callbacks.CyclicLR(
        0.1, 0.4, 2, scale_fn=lambda x: 0.5 * (1 + np.sin(x * np.pi / 2.5)), base_momentum=None
    )
    fit(compiled(keras.optimizers.SGD(0.5), Case()), 0, 8, callbacks=[callback])
    peaks = 0.1 + 0.3 * 0.5 * (1 + np.sin(np.array([1, 2]) * np.pi / 2.5))
    np.testing.assert_allclose(callback.learning_rates[[2, 6]], peaks, rtol=1e-5)


def test_cyclic_momentum_moves_against_the_rate():
    callback = callbacks.CyclicLR(0.1, 0.4, 2, base_momentum=0.8, max_momentum=0.9)
    fit(compiled(optimizers.SGD(0.5), Case()), 0, 8, callbacks=[callback])
    np.testing.assert_allclose(callback.momenta[:5], [0.9, 0.85, 0.8, 0.85, 0.9], rtol=1e-6)


def test_a_training_that_breaks_off_keeps_its_record():
    class Break(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 3:
                raise KeyboardInterrupt

    model, callback = compiled(optimizers.SGD(0.1), Case()), POLICIES["CyclicLR"].callback()
    with pytest.raises(KeyboardInterrupt):
        fit(model, 0, 8, callbacks=[Break(), callback])
    np.testing.assert_array_equal(callback.updates, [0, 1, 2])
    fit(model, 8, 16, callbacks=[callback])
    np.testing.assert_array_equal(callback.updates, np.arange(11))


def test_a_schedule_needs_no_value_after_the_last_update():
    rates = np.linspace(0.5, 0.1, 16)
    callback = callbacks.ScheduleLR(lambda step: rates[step])
    fit(compiled(optimizers.SGD(0.1), Case()), 0, 16, callbacks=[callback])
    np.testing.assert_allclose(callback.learning_rates, rates, rtol=1e-6)
    with pytest.raises(IndexError):
        short = callbacks.ScheduleLR(lambda step: rates[:8][step])
        fit(compiled(optimizers.SGD(0.1), Case()), 0, 16, callbacks=[short])


def test_reports_have_the_rates_of_the_next_update(tmp_path):
    lines, path = [], tmp_path / "metrics.jsonl"
    reports = [callbacks.EpochTable(lines.append), callbacks.JSONLinesLogger(path)]
    model = compiled(optimizers.SGD(0.1), Case())
    fit(model, 0, 16, callbacks=[callbacks.OneCycleLR(**ONE_CYCLE), *reports])
    rows = callbacks.reporting.read_json_lines(path)
    policy = POLICIES["OneCycleLR"]
    for key, curve in (("learning_rate", policy.rate), ("momentum", policy.momentum)):
        assert [row[key] for row in rows] == pytest.approx(curve[[8, 16]], rel=1e-5)
    assert [line.split()[-1] for line in lines[1:]] == [f"{r:.3g}" for r in policy.rate[[8, 16]]]
    # The same from schedules in the optimizer.
    rate = policy.schedule()
    model = compiled(optimizers.SGD(rate, schedules.MirroredMomentum(rate)), Case())
    again = tmp_path / "again.jsonl"
    fit(model, 0, 16, callbacks=[callbacks.JSONLinesLogger(again)])
    for new, old in zip(callbacks.reporting.read_json_lines(again), rows, strict=True):
        assert new == pytest.approx(old, rel=1e-5)


def test_an_epoch_number_without_updates_is_pointed_out():
    model = compiled(optimizers.SGD(0.1), Case())
    with pytest.warns(UserWarning, match=r"epoch 1 .* no update"):
        fit(model, 8, 16, callbacks=[POLICIES["ScheduleLR"].callback()])


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.Ranger, keras.optimizers.Adam])
@pytest.mark.parametrize(("steps", "scaled"), [(None, False), (2, False), (None, True), (2, True)])
def test_the_counter_is_set_as_the_warning_says(make, steps, scaled):
    optimizer = make(0.1, gradient_accumulation_steps=steps)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    model = compiled(optimizer, Case())
    optimizer.build(model.trainable_variables)
    callback = callbacks.ScheduleLR(lambda step: 0.1)
    callback.set_model(model)
    callback.on_train_begin()
    with pytest.warns(UserWarning, match="no update") as warned:
        callback.on_epoch_begin(1)
    (line,) = re.findall(r"`(model\..*?)`", "".join(str(one.message) for one in warned))
    exec(line, {"model": model, "updates": 8})
    callback.on_epoch_begin(1)
    callback.on_train_batch_begin(0)
    np.testing.assert_array_equal(callback.updates, [8])


ONE_RATE = callbacks.ScheduleLR(lambda step: 0.1)
NO_MOMENTUM = r"`OneCycleLR` cannot move the momentum.*base_momentum=None, max_momentum=None"
REFUSED = {
    "a schedule": (lambda: keras.optimizers.SGD(POINTS()), ONE_RATE, "already follows a schedule"),
    "a schedule inside": (
        lambda: optimizers.Lookahead(keras.optimizers.SGD(POINTS())),
        ONE_RATE,
        "already follows a schedule.*Compile the model with a number",
    ),
    "a function": (lambda: keras.optimizers.SGD(lambda: 0.1), ONE_RATE, "or a function"),
    "no optimizer": (lambda: None, ONE_RATE, "`ScheduleLR` needs a model that is compiled"),
    "keras SGD": (
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        callbacks.OneCycleLR(**ONE_CYCLE),
        r"freezes `momentum`.*keras_twist.optimizers \(SGD.*" + NO_MOMENTUM[-34:],
    ),
    "keras Adam": (keras.optimizers.Adam, callbacks.OneCycleLR(**ONE_CYCLE), "freezes `beta_1`"),
    "Adam inside": (
        lambda: optimizers.Lookahead(keras.optimizers.Adam()),
        callbacks.OneCycleLR(**ONE_CYCLE),
        NO_MOMENTUM,
    ),
    "no momentum": (keras.optimizers.Adagrad, callbacks.OneCycleLR(**ONE_CYCLE), "has none"),
    "a momentum schedule": (
        lambda: optimizers.SGD(0.1, momentum=POINTS()),
        callbacks.ScheduleLR(POINTS(), POINTS()),
        "follows a schedule of its own.*a number as `momentum`.*momentum_schedule=None",
    ),
    "a momentum of 2": (
        lambda: optimizers.SGD(0.1),
        callbacks.ScheduleLR(POINTS(), lambda step: step * 0.5),
        r"`momentum_schedule` must lie in \[0, 1\].*1.5 at step 3",
    ),
    "a mean that never changes": (
        lambda: optimizers.RAdam(0.1),
        callbacks.OneCycleLR(**{**ONE_CYCLE, "max_momentum": 1.0}),
        r"`momentum_schedule` must lie in \[0, 1\).*1.0 at step 0",
    ),
    "a rate of NaN": (
        lambda: optimizers.SGD(0.1),
        callbacks.ScheduleLR(lambda step: 0.1 / (3 - step)),
        "`schedule` must be finite.*inf at step 3",
    ),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_set_is_refused(what):
    make, callback, message = REFUSED[what]
    with pytest.raises((ValueError, ZeroDivisionError), match=message):
        fit(compiled(make(), Case()), 0, 8, callbacks=[callback])


def test_keras_optimizers_accumulate_under_one_rate():
    """A callback counts real updates for them too, where a schedule would count batches."""
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=4)
    model, policy = compiled(optimizer, Case(accumulate=4)), POLICIES["CyclicLR"]
    fit(model, 0, BATCHES, callbacks=[policy.callback()])
    np.testing.assert_allclose(-4 * weights_of(model), np.repeat(policy.rate[:6], 4), rtol=1e-5)


def test_keras_optimizers_keep_their_momentum_if_asked_to():
    model = compiled(keras.optimizers.Adam(0.1), Case())
    options = {**ONE_CYCLE, "base_momentum": None, "max_momentum": None}
    history = fit(model, 0, 8, callbacks=[callbacks.OneCycleLR(**options)])
    assert "momentum" not in history
    assert history["learning_rate"] == pytest.approx([POLICIES["OneCycleLR"].rate[8]])


def test_a_model_that_is_not_compiled_hears_it_from_keras():
    model = keras.Sequential([keras.Input((BATCHES,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"call `compile\(\)`"):
        fit(model, 0, 8, callbacks=[ONE_RATE])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: callbacks.ScheduleLR(0.1), "`schedule` must be.*schedule=0.1"),
        (lambda: callbacks.ScheduleLR(POINTS(), 0.9), "`momentum_schedule` must be.*=0.9"),
        (lambda: callbacks.CyclicLR(0.2, 0.1, 5), "`base_learning_rate` and"),
        (lambda: callbacks.CyclicLR(0.1, 0.2, 0), "`step_size`"),
        (lambda: callbacks.CyclicLR(0.1, 0.2, 5, base_momentum=0.8), "must both be.*None"),
        (lambda: callbacks.OneCycleLR(0.1, 0), "`total_steps`"),
        (lambda: callbacks.OneCycleLR(0.1, 10, pct_start=1.5), "`pct_start`"),
        (lambda: callbacks.OneCycleLR(0.1, 50, base_momentum=0.96), "`base_momentum`.*0.96"),
        (lambda: callbacks.OneCycleLR(0.1, 50, max_momentum=None), "must both be.*None"),
        (lambda: callbacks.FlatCosineLR(0.1, 10, 1.0), "`anneal_start`"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


MIRRORED = """
import numpy as np, tensorflow as tf, keras
from keras_twist import callbacks, optimizers

cpus = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpus[0], two)
x = np.repeat(np.eye(24, dtype="float32"), 2, axis=0)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((24,)), dense])
    model.compile(optimizers.SGD(0.5), "mae")
    normalized = keras.Sequential(
        [keras.Input((24,)), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(1)]
    )
    normalized.compile(optimizers.SGD(0.1), "mse")
rates = callbacks.OneCycleLR(0.4, 24, base_momentum=0.0, max_momentum=0.0)
for _ in range(2):
    model.fit(x[:24], -1e6 * np.ones((24, 1)), 2, shuffle=False, verbose=0, callbacks=[rates])
moved = -model.get_weights()[0][:12, 0]
np.testing.assert_allclose(moved, rates.learning_rates[:12] + rates.learning_rates[12:], rtol=1e-4)
np.testing.assert_array_equal(rates.updates, np.arange(24))
# Each copy has averages of its own, and gets them back.
data = np.random.default_rng(0).normal(size=(48, 24)).astype("float32"), np.ones((48, 1))
normalized.fit(*data, 8, verbose=0)
averages = [v.value.values for v in normalized.non_trainable_variables if "moving" in v.path]
before = [[copy.numpy() for copy in copies] for copies in averages]
assert any(np.any(one != other) for one, other in before)
callbacks.lr_find(normalized, data, steps=10, batch_size=8)
for copies, values in zip(averages, before):
    np.testing.assert_array_equal([copy.numpy() for copy in copies], values)
print("equal")
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a feature of TensorFlow's")
def test_two_replicas():
    """In a process of its own, because TensorFlow splits its CPU before the first operation."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")


@pytest.mark.parametrize(
    ("callback", "schedule", "options"),
    [
        (
            callbacks.CyclicLR,
            schedules.Cyclical,
            {
                "base_learning_rate": 0.1, "max_learning_rate": 0.4, "step_size": 5,
                "mode": "exp_range", "gamma": 0.9, "scale_mode": "iterations",
            },
        ),
        (
            callbacks.OneCycleLR,
            schedules.OneCycle,
            {
                "max_learning_rate": 0.4, "total_steps": 50, "pct_start": 0.2, "anneal": "linear",
                "div_factor": 5.0, "final_div_factor": 7.0, "three_phase": True,
            },
        ),
        (
            callbacks.FlatCosineLR,
            schedules.FlatCosine,
            {
                "learning_rate": 0.4, "total_steps": 50, "anneal_start": 0.5,
                "final_learning_rate": 0.1,
            },
        ),
    ],
)  # fmt: skip
def test_every_argument_reaches_the_schedule(callback, schedule, options):
    assert callback(**options).schedule.get_config() == schedule(**options).get_config()
