import json
import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_twist.optimizers import SGD, Lookahead, RAdam, Ranger
from keras_twist.optimizers.lookahead import LOOP_SIZE

# tensorflow-addons 0.23's Lookahead, over its RectifiedAdam (see test_radam.py for how that
# differs) and over SGD. Lookahead itself is defined alike, apart from where slow weights start
# when weights are loaded or steps are skipped, which these recordings do not do.
RADAM = {"learning_rate": 0.01, "epsilon_mode": "debiased"}
TFA = {
    "look6_.5__radam_fastai": lambda schedule: Lookahead(
        RAdam(beta_1=0.95, beta_2=0.99, epsilon=1e-6, **RADAM)
    ),
    "look6_.5__radam_wd.1_b2.99": lambda schedule: Lookahead(
        RAdam(beta_2=0.99, weight_decay=0.1, **RADAM | {"learning_rate": 0.03})
    ),
    "look6_.5__radam_lrschedule": lambda schedule: Lookahead(
        RAdam(**RADAM | {"learning_rate": schedule})
    ),
    "look5_.8__radam_default_lr1e-2": lambda schedule: Lookahead(RAdam(**RADAM), 5, 0.8),
    "look1_.5__radam_default_lr1e-2": lambda schedule: Lookahead(RAdam(**RADAM), 1, 0.5),
    "look6_.5__sgdm": lambda schedule: Lookahead(SGD(0.1, momentum=0.9)),
}


@pytest.mark.parametrize(
    "kind, config", [("f64", c) for c in TFA] + [("f32", "look6_.5__radam_fastai")]
)
def test_tensorflow_addons_trajectories(replay, kind, config):
    # Keras 2's SGD kept its rate and momentum in float32 whatever the variables were.
    exact = kind == "f64" and not config.endswith("sgdm")
    assert replay(f"{kind}/{config}", TFA[config]) < (1e-12 if exact else 3e-6)


def walk(step, optimizer, steps, start=3.0, gradient=1.0):
    variable = keras.Variable([start])
    path = []
    for _ in range(steps):
        step(optimizer, [[gradient]], [variable])
        path.append(float(variable.numpy()[0]))
    return path


def test_by_hand(step):
    """Unit steps from 3, halfway back at every second one: 2, (1 ->) 2, 1, (0 ->) 1, ..."""
    path = walk(step, Lookahead(keras.optimizers.SGD(1.0), sync_period=2), 6)
    assert path == [2.0, 2.0, 1.0, 1.0, 0.0, 0.0]


def test_pulls_where_another_wrapper_does_nothing(step):
    """Two steps of 0.1 from 1 are 0.8, halfway back is 0.9; a wrapper without effect has 0.8."""
    optimizer = Lookahead(keras.optimizers.SGD(0.1), sync_period=2, slow_step_size=0.5)
    assert walk(step, optimizer, 2, start=1.0)[-1] == pytest.approx(0.9)


@settings(max_examples=15, deadline=None)
@given(period=st.integers(1, 5), size=st.floats(0.01, 1.0), start=st.floats(-10, 10))
def test_exact_ratio(period, size, start):
    """After the first pull the weight is `size` of the way from the start to the fast weight."""
    variable = keras.Variable([start])
    optimizer = Lookahead(keras.optimizers.SGD(0.5), period, size)
    for _ in range(period):
        optimizer.apply([keras.ops.array([1.0])], [variable])
    assert float(variable.numpy()[0]) == pytest.approx(start - size * 0.5 * period, abs=1e-4)


@keras.saving.register_keras_serializable("tests")
class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """1, 1/2, 1/4, ..."""

    def __call__(self, step):
        return 0.5 ** keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


def test_slow_step_size_may_be_a_schedule(step):
    """Unit steps from 3; the second pull, after one update, goes half as far, the third a quarter:
    2, (1 ->) 1.5, (0.5 ->) 1.25."""
    optimizer = Lookahead(keras.optimizers.SGD(1.0), 1, Halving())
    again = Lookahead.from_config(json.loads(json.dumps(optimizer.get_config())))
    for one in (optimizer, again):
        assert walk(step, one, 3) == [2.0, 1.5, 1.25]


KERAS_OPTIMIZERS = [
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"global_clipnorm": 0.5}),
    ("AdamW", {"weight_decay": 0.1}),
    ("Nadam", {"clipvalue": 0.3}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Lion", {"clipnorm": 0.5}),
    ("Lamb", {}),
    ("Adafactor", {}),
    ("Muon", {"weight_decay": 0.1}),
    ("Adam", {"gradient_accumulation_steps": 2}),
]


@pytest.mark.parametrize("name, options", KERAS_OPTIMIZERS)
def test_full_steps_at_every_update_are_the_inner_optimizer(run, name, options):
    if not hasattr(keras.optimizers, name):
        pytest.skip(f"this Keras has no {name}")

    def make():
        return getattr(keras.optimizers, name)(learning_rate=0.01, **options)

    wrapped = run(Lookahead(make(), sync_period=1, slow_step_size=1.0))
    np.testing.assert_allclose(wrapped, run(make()), rtol=1e-5, atol=1e-6)


LARGE = np.random.default_rng(0).normal(size=(2, 4, 100, 60)).astype("float32")
assert LARGE[0].size > LOOP_SIZE > LARGE[0, 0].size


@pytest.mark.parametrize("period", [1, 3])
def test_large_variables_take_the_same_steps_as_small_ones(step, period):
    """Large ones go through a loop on TensorFlow, small ones through a choice."""
    start, gradient = LARGE
    large = keras.Variable(start)
    small = [keras.Variable(row) for row in start]
    optimizers = [Lookahead(SGD(0.1, 0.9), sync_period=period) for _ in range(2)]
    for _ in range(7):
        step(optimizers[0], [gradient], [large])
        step(optimizers[1], list(gradient), small)
    np.testing.assert_array_equal(large.numpy(), np.stack([v.numpy() for v in small]))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others have no loop here")
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_loops_are_the_same_compiled_and_under_a_loss_scale(scaled, jit_compile):
    import tensorflow as tf

    def follow(wrap):
        variable, path = keras.Variable(LARGE[0]), []
        optimizer = Lookahead(SGD(0.1, 0.9), sync_period=2)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0)
        optimizer.build([variable])
        step = wrap(lambda gradient: optimizer.apply([gradient], [variable]))
        for number in range(6):
            skipped = scaled and number in (0, 3)
            step(tf.constant(LARGE[1] * np.float32(np.inf if skipped else 1.0)))
            path.append(variable.numpy())
            if skipped:
                before = path[-2] if number else LARGE[0]
                np.testing.assert_array_equal(path[-1], before)
        return path

    compiled = follow(lambda step: tf.function(step, jit_compile=jit_compile))
    np.testing.assert_allclose(compiled, follow(lambda step: step), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads XLA's program")
def test_xla_copies_no_weights_between_pulls():
    """Outside of the loops' bodies, which run at every `sync_period`-th step."""
    import tensorflow as tf

    variable = keras.Variable(LARGE[0])
    optimizer = Lookahead(SGD(0.1))
    optimizer.build([variable])
    gradient = tf.constant(LARGE[1])
    step = tf.function(lambda: optimizer.apply([gradient], [variable]), jit_compile=True)
    program = step.experimental_get_compiler_ir()(stage="optimized_hlo")
    each_step = program[program.index("\nENTRY") :]
    assert " while(" in each_step
    assert not re.findall(r"f32\[4,100,60\]\S* copy\(", each_step)


def test_slow_weights_start_at_the_first_update_not_at_build(step):
    """Weights loaded after the optimizer was built must not be pulled to the old ones."""
    variable = keras.Variable([3.0])
    optimizer = Lookahead(SGD(1e-8), sync_period=1)
    optimizer.build([variable])
    variable.assign([7.0])
    step(optimizer, [[1.0]], [variable])
    assert float(variable.numpy()[0]) == pytest.approx(7.0, abs=1e-6)


@pytest.mark.parametrize("inner", [SGD, keras.optimizers.SGD])
def test_slow_weights_start_before_the_first_weight_decay(step, inner):
    optimizer = Lookahead(inner(0.1, weight_decay=1.0), sync_period=1)
    assert walk(step, optimizer, 1, start=1.0, gradient=0.0) == [pytest.approx(0.95)]


def test_exclusion_from_weight_decay_reaches_the_inner_optimizer(step):
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    optimizer = Lookahead(keras.optimizers.SGD(0.1, weight_decay=1.0), sync_period=1)
    optimizer.exclude_from_weight_decay(var_list=[bias])
    step(optimizer, [[0.0], [0.0]], [kernel, bias])
    assert float(kernel.numpy()[0]) == pytest.approx(0.95)
    assert float(bias.numpy()[0]) == 1.0


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_variable_without_its_first_gradients_is_not_pulled_to_zero(step):
    early, late = keras.Variable([5.0], name="early"), keras.Variable([5.0], name="late")
    optimizer = Lookahead(keras.optimizers.SGD(1e-6), sync_period=2)
    optimizer.build([early, late])
    if keras.backend.backend() == "jax":
        pytest.skip("stateless_apply takes all variables")
    step(optimizer, [[1.0]], [early])
    step(optimizer, [[1.0], [1.0]], [early, late])
    assert float(late.numpy()[0]) == pytest.approx(5.0, abs=1e-4)


def test_moving_average_is_of_the_weights_after_the_pull(run):
    optimizer = Lookahead(SGD(0.1, use_ema=True, ema_momentum=0.9), sync_period=2)
    rows = run(optimizer, steps=7)
    average = rows[0]
    for row in rows[1:]:
        average = 0.9 * average + 0.1 * row
    stored = [v.numpy().ravel() for v in optimizer.variables if "average" in v.name]
    np.testing.assert_allclose(np.concatenate(stored), average, atol=1e-6)


def test_constraints_hold_after_the_pull(step):
    variable = keras.Variable([1.0, 0.0])
    variable.constraint = keras.constraints.UnitNorm(axis=0)
    optimizer = Lookahead(keras.optimizers.SGD(1.0), sync_period=1)
    step(optimizer, [[0.0, -3.0]], [variable])
    assert np.linalg.norm(variable.numpy()) == pytest.approx(1.0, abs=1e-5)


def test_config_keeps_what_the_wrapper_took_over():
    inner = keras.optimizers.Adam(
        1e-2, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=4, clipnorm=1.0
    )
    config = Lookahead(inner, 5, 0.8, name="ahead").get_config()
    rebuilt = Lookahead.from_config(config)
    assert rebuilt.get_config() == config
    assert rebuilt.name == "ahead"
    assert rebuilt.use_ema and rebuilt.ema_momentum == 0.9
    assert rebuilt.gradient_accumulation_steps == 4 and rebuilt.clipnorm == 1.0
    assert (rebuilt.sync_period, rebuilt.slow_step_size) == (5, 0.8)


def test_learning_rate_is_the_inner_optimizers():
    optimizer = Lookahead(keras.optimizers.SGD(0.1))
    optimizer.learning_rate = 0.2
    assert float(optimizer.inner_optimizer.learning_rate) == pytest.approx(0.2)
    assert float(optimizer.learning_rate) == pytest.approx(0.2)


def built_sgd():
    optimizer = keras.optimizers.SGD()
    optimizer.build([keras.Variable([1.0])])
    return optimizer


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: "adam", "`inner_optimizer` must be a `keras.optimizers.Optimizer`"),
        (
            lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
            "`inner_optimizer` must be an optimizer without an `apply",
        ),
        (lambda: Lookahead(keras.optimizers.SGD()), "`inner_optimizer` must be an optimizer with"),
        (built_sgd, "`inner_optimizer` must be an optimizer that is not built"),
    ],
)
def test_bad_inner_optimizers_are_named(make, message):
    with pytest.raises(ValueError, match=f"{message}.* Received: inner_optimizer="):
        Lookahead(make())


@pytest.mark.parametrize(
    "name, value",
    [
        ("sync_period", 0),
        ("sync_period", 1.5),
        ("sync_period", True),
        ("sync_period", None),
        ("slow_step_size", 0.0),
        ("slow_step_size", 1.1),
        ("slow_step_size", None),
    ],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value}"):
        Lookahead(keras.optimizers.SGD(), **{name: value})


def test_numbers_of_numpy_are_numbers():
    optimizer = Lookahead(keras.optimizers.SGD(), np.int64(4), np.float32(0.25))
    config = optimizer.get_config()
    assert (config["sync_period"], config["slow_step_size"]) == (4, 0.25)
    assert json.dumps(keras.optimizers.serialize(optimizer))


def steps(optimizer, count, *variables):
    for _ in range(count):
        optimizer.apply([keras.ops.ones(v.shape) for v in variables], list(variables))


def test_slow_weights_start_anew_where_the_counter_is_set():
    """As people go on without the optimizer's state: zeros would pull the weights half away."""
    found = []
    for count in (0, 102):
        variable = keras.Variable([3.0, 4.0])
        optimizer = Lookahead(keras.optimizers.SGD(0.1), 4)
        optimizer.build([variable])
        optimizer.iterations.assign(count)
        steps(optimizer, 2, variable)  # From 102, the second of them reaches a multiple of 4.
        assert int(optimizer.inner_optimizer.iterations) == count + 2
        found.append(keras.ops.convert_to_numpy(variable.value))
    np.testing.assert_allclose(found[0], [2.8, 3.8], rtol=1e-6)
    np.testing.assert_allclose(found[1], [2.9, 3.9], rtol=1e-6)


def test_variables_that_are_not_given_stay_where_they_are():
    moved, frozen = keras.Variable([3.0]), keras.Variable([3.0])
    optimizer = Lookahead(keras.optimizers.SGD(0.1), 6)
    steps(optimizer, 3, moved, frozen)
    steps(optimizer, 3, moved)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(frozen.value), [2.7], rtol=1e-6)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(moved.value), [2.7], rtol=1e-6
    )  # 2.4 and halfway back


def test_set_weights_sets_those_of_the_wrapped_optimizer_too():
    first, second = Ranger(0.1), Ranger(0.1)
    for optimizer, count in ((first, 3), (second, 1)):
        steps(optimizer, count, keras.Variable([3.0]))
    second.set_weights([keras.ops.convert_to_numpy(v.value) for v in first.variables])
    for one, other in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(one.value), keras.ops.convert_to_numpy(other.value)
        )


def test_weight_decay_is_the_wrapped_optimizers():
    optimizer, variable = Ranger(0.1), keras.Variable([3.0])
    optimizer.weight_decay = 0.5
    assert optimizer.weight_decay == 0.5 == optimizer.inner_optimizer.weight_decay
    optimizer.apply([keras.ops.zeros((1,))], [variable])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable.value), [2.85], rtol=1e-6)


def test_a_file_has_the_wrapped_optimizers_state_once(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(Lookahead(keras.optimizers.Adam(0.1), 2), "mse")
    x = np.ones((4, 3))
    model.fit(x, x[:, :2], verbose=0)
    own, everything = {}, {}
    optimizer = model.optimizer
    optimizer.save_own_variables(own)
    keras.optimizers.Optimizer.save_own_variables(optimizer, everything)
    own.pop("slow_weights")
    assert len(everything) == len(own) + len(optimizer.inner_optimizer.variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    for found, expected in zip(loaded.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(found, expected)


def compiled(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "linear", False, "ones")])
    model.compile(optimizer, "mse")
    return model


def after_steps(model, steps):
    model.fit(np.ones((4, 3)), np.ones((4, 2)), 4, steps, verbose=0, shuffle=False)
    return model.get_weights()


@pytest.mark.parametrize("make", [Ranger, lambda: Lookahead(keras.optimizers.Adam())])
def test_a_model_that_was_not_trained_yet_can_be_loaded(make, tmp_path):
    compiled(make()).save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="Skipping"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.isfinite(after_steps(loaded, 1)[0]).all()


def test_a_file_of_one_loss_scaling_can_be_loaded_without(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = compiled(Ranger(0.1))
    after_steps(model, 1)
    model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("float32")
    with pytest.warns(UserWarning, match="Skipping"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert int(loaded.optimizer.iterations) == 0


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("momentum", [False, True])
def test_weights_of_another_optimizers_training_bring_no_state(momentum, built, tmp_path):
    model = compiled(keras.optimizers.SGD(1e-9, 0.9) if momentum else "adam")
    after_steps(model, 3)
    model.save_weights(tmp_path / "a.weights.h5")
    begun = compiled(Lookahead(keras.optimizers.SGD(1e-9), 2))
    if built:
        begun.optimizer.build(begun.trainable_variables)
    with pytest.warns(UserWarning, match="Skipping"):
        begun.load_weights(tmp_path / "a.weights.h5")
    assert int(begun.optimizer.iterations) == 0
    np.testing.assert_allclose(after_steps(begun, 4)[0], model.get_weights()[0], rtol=1e-5)


def test_weights_loaded_before_the_first_step_are_not_pulled_to_zero(tmp_path):
    """The slow weights are not there yet to be loaded, and start from the weights."""

    def make():
        return Lookahead(keras.optimizers.SGD(1e-9), 5)

    model = compiled(make())
    after_steps(model, 2)
    model.save_weights(tmp_path / "a.weights.h5")
    begun = compiled(make())
    with pytest.warns(UserWarning, match="Skipping"):
        begun.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_allclose(after_steps(begun, 8)[0], 1, rtol=1e-5)
