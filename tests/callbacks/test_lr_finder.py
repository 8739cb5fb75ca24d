"""The range test measures what it says, and leaves no trace, on every backend."""

import importlib.util
import json
import random
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist import optimizers, schedules
from keras_twist.callbacks import lr_find
from keras_twist.callbacks.model_state import read_variables, state_variables

from ..tools import thoroughly

BACKEND = keras.backend.backend()
STEPS = 12
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own files")


def arrays(samples=48):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 4)).astype("float32")
    return x, np.argmax(x[:, :3], axis=1).astype("int32")


def network(built=True):
    """Dropout and batch normalisation, whose seeds and statistics are easily forgotten."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            *([keras.Input((4,))] if built else []),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3, dtype="float32"),
        ]
    )


def compiled(optimizer, built=True, **options):
    model = network(built)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **options)
    return model


def find(model, data=None, **options):
    options = {"start": 1e-4, "end": 1.0, "steps": STEPS, "batch_size": 8, **options}
    return lr_find(model, data or arrays(), **options)


def everything(model):
    """Values by name; Keras counts up the first parts of a path."""
    variables = state_variables(model)
    values = read_variables(variables)
    return {
        f"{number} {re.sub(r'_[0-9]+', '', variable.path)}": value
        for number, (variable, value) in enumerate(zip(variables, values, strict=True))
    }


def assert_same(found, expected):
    assert list(found) == list(expected)
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], value, err_msg=path)


# How the losses come about.


class Listed(keras.utils.PyDataset):
    """Batches in a given order."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def endless(batches):
    while True:
        yield from batches


@pytest.mark.parametrize("mode", ["exp", "linear"])
def test_each_loss_is_that_of_its_batch(mode):
    rng = np.random.default_rng(0)
    batches = [
        (rng.normal(size=(5, 3)).astype("float32"), rng.normal(size=(5, 1)).astype("float32"))
        for _ in range(7)
    ]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    curve = lr_find(model, endless(batches), 0.01, 0.3, 20, mode, divergence=1e6)

    (w,) = (value.astype("float64") for value in model.get_weights())
    expected, rates = [], (np.geomspace if mode == "exp" else np.linspace)(0.01, 0.3, 20)
    for number, rate in enumerate(rates):
        x, y = batches[number % 7]
        expected.append(np.mean((x @ w - y) ** 2))
        w -= rate * 2 / 5 * x.T @ (x @ w - y)
    np.testing.assert_allclose(curve.learning_rates, rates)
    np.testing.assert_allclose(curve.losses, expected, rtol=1e-5)


def test_with_accumulation_a_point_is_one_update():
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(4, 3)), rng.normal(size=(4, 1))) for _ in range(6)]
    pairs = [
        tuple(np.concatenate(arrays) for arrays in zip(*batches[n : n + 2], strict=True))
        for n in (0, 2, 4)
    ]
    weights, losses = None, []
    for accumulation, data in ((2, batches), (None, pairs)):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        weights = weights or model.get_weights()
        model.set_weights(weights)
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=accumulation)
        model.compile(optimizer, "mse")
        losses.append(lr_find(model, endless(data), 0.01, 0.3, STEPS).losses)
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_in_the_middle_of_an_update_points_are_of_the_next_ones():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    optimizer = optimizers.SGD(0.1, gradient_accumulation_steps=4)
    model.compile(optimizer, lambda target, prediction: target + 0 * prediction)
    numbers = [(np.zeros((1, 1)), np.full((1, 1), number, "float32")) for number in range(42)]
    model.fit(np.zeros((6, 1)), np.zeros((6, 1)), batch_size=1, verbose=0)
    with pytest.raises(ValueError, match="must give 42 batches .* ended after 41"):
        lr_find(model, (batch for batch in numbers[:41]), steps=10, divergence=100)
    curve = lr_find(model, endless(numbers), steps=10, divergence=100)
    # Batches 0 and 1 are the rest of the update that training had begun.
    np.testing.assert_allclose(curve.losses, np.arange(3.5, 42, 4))


def test_it_stops_at_a_divergence():
    x, y = arrays()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(), "mse")
    curve = lr_find(model, (x, x[:, :1]), end=100.0, batch_size=24)
    assert 60 < len(curve.losses) < 100 and np.isfinite(curve.losses).all()
    assert curve.smoothed_losses[-1] > 4 * curve.smoothed_losses.min()
    assert curve.smoothed_losses[-2] <= 4 * curve.smoothed_losses[:-1].min()
    assert 1e-4 < curve.suggest() < 10


def test_it_stops_at_nan():
    """A square root that goes negative."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.ones((1, 1))])
    model.compile(keras.optimizers.SGD(), lambda y, prediction: ops.sqrt(prediction) + 0 * y)
    data = np.ones((4, 1)), np.ones((4, 1))
    curve = lr_find(model, data, 0.01, 10, 50, "linear")
    assert np.isnan(curve.losses[-1]) and np.isfinite(curve.losses[:-1]).all()
    assert len(curve.losses) < 50


# What it leaves behind.

NUMBER = {
    "SGD": lambda: optimizers.SGD(0.1, 0.9, nesterov=True, weight_decay=1e-3, coupled=True),
    "Ranger": lambda: optimizers.Ranger(0.01, weight_decay=1e-2, sync_period=2),
    # Keras 3.15 fails to train with averages on JAX.
    "accumulation": lambda: keras.optimizers.Adam(
        0.01, gradient_accumulation_steps=3, use_ema=BACKEND != "jax"
    ),
}
HELD = {
    "schedule": lambda: optimizers.SGD(schedules.OneCycle(0.1, 40), 0.9),
    "wrapped": lambda: optimizers.Lookahead(keras.optimizers.SGD(schedules.OneCycle(0.1, 40))),
    "callable": lambda: keras.optimizers.SGD(lambda: 0.05, momentum=0.9),
}
OPTIMIZERS = NUMBER | HELD


def train(model, epochs):
    # Shuffled, since that is where the generators come in.
    return model.fit(*arrays(), batch_size=8, epochs=epochs, verbose=0).history["loss"]


@pytest.mark.parametrize(
    "name",
    # Mixed precision below has Ranger.
    thoroughly([n for n in OPTIMIZERS if n != "wrapped"], ["SGD", "accumulation", "schedule"]),
)
def test_training_goes_on_as_if_it_had_not_been(name):
    ends = []
    for test in (False, True):
        model = compiled(OPTIMIZERS[name]())
        losses = []
        for epochs in (1, 2):
            # Once with an optimizer that is not built, once in the middle of a training.
            if test:
                variables = list(map(id, model.optimizer.variables)) if losses else None
                before = everything(model) if losses else None
                find(model)
                if losses:
                    assert_same(everything(model), before)
                    assert list(map(id, model.optimizer.variables)) == variables
            losses += train(model, epochs)
        ends.append((losses, everything(model)))
    assert ends[0][0] == ends[1][0]
    assert_same(ends[1][1], ends[0][1])


@pytest.mark.parametrize(
    ("name", "policy"),
    [("SGD", "mixed_float16"), ("Ranger", "mixed_float16"), ("wrapped", "mixed_bfloat16")],
)
def test_in_mixed_precision_too(name, policy):
    keras.config.set_dtype_policy(policy)
    ends = []
    for test in (False, True):
        model = compiled(OPTIMIZERS[name]())
        if policy == "mixed_float16":
            # The first steps overflow, and are skipped.
            model.optimizer.initial_scale = 2.0**20
        if test:
            curve = find(model)
            assert np.isfinite(curve.losses).all()
        ends.append((train(model, 2), everything(model)))
    assert ends[0][0] == ends[1][0]
    assert_same(ends[1][1], ends[0][1])


@pytest.mark.skipif(BACKEND == "torch", reason="torch has one step per execution, run eagerly")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"steps_per_execution": 3}),
        ("schedule", {"steps_per_execution": 3}),
        ("schedule", {"jit_compile": True}),
        ("SGD", {"run_eagerly": True}),
    ],
    ids=["executions", "executions-schedule", "xla-schedule", "eager"],
)
def test_however_the_step_is_compiled(name, options):
    ends = []
    for test in (False, True):
        model = compiled(OPTIMIZERS[name](), **options)
        train(model, 1)
        if test:
            function, jit_compile = model.train_function, model.jit_compile
            # One rate for each batch, whatever the batches of an execution.
            assert len(find(model, divergence=1e6).losses) == STEPS
            assert model.train_function is function
            assert model.steps_per_execution == options.get("steps_per_execution", 1)
            assert model.jit_compile is jit_compile
        ends.append((train(model, 2), everything(model)))
    assert ends[0][0] == ends[1][0]
    assert_same(ends[1][1], ends[0][1])


@pytest.mark.skipif(BACKEND == "torch", reason="Keras runs torch eagerly")
@pytest.mark.parametrize("name", ["SGD", "schedule"])
def test_the_compiled_step_is_kept(name):
    traced = []

    def loss(y, prediction):
        traced.append(1)
        y = ops.reshape(ops.cast(y, prediction.dtype), (-1, 1))
        return ops.mean(ops.square(prediction - y))

    model = network()
    model.compile(OPTIMIZERS[name](), loss)
    train(model, 1)
    once = len(traced)
    find(model)
    assert (len(traced) > once) == (name in HELD)
    after = len(traced)
    train(model, 1)
    assert len(traced) == after


@pytest.mark.skipif(BACKEND == "torch", reason="Keras runs torch eagerly")
def test_the_first_training_need_not_compile_again():
    traced = []

    def loss(y, prediction):
        traced.append(1)
        y = ops.reshape(ops.cast(y, prediction.dtype), (-1, 1))
        return ops.mean(ops.square(prediction - y))

    model = network()
    model.compile(OPTIMIZERS["SGD"](), loss)
    find(model)
    after = len(traced)
    train(model, 1)
    assert len(traced) == after


# Elsewhere Keras draws an order of the arrays to build the model, which a generator does not need.
@pytest.mark.parametrize("with_generator", [False, *[True] * (BACKEND == "tensorflow")])
def test_a_model_that_is_not_built(with_generator):
    ends = []
    for test in (False, True):
        model = compiled(OPTIMIZERS["SGD"](), built=False)
        if test:
            x, y = arrays(8)
            find(model, endless([(x, y)]) if with_generator else None)
        ends.append((train(model, 2), everything(model)))
    assert ends[0][0] == ends[1][0]
    assert_same(ends[1][1], ends[0][1])


def test_generators_and_attributes_are_what_they_were():
    model = compiled("sgd")
    find(model)  # and with it what building takes, as the first training would
    draws = []
    for test in (False, True):
        keras.utils.clear_session(free_memory=False)  # Keras 3.8 does not seed its own anew.
        keras.utils.set_random_seed(3)
        keras.random.uniform((2,))
        if test:
            find(model)
        of_keras = ops.convert_to_numpy(keras.random.uniform((2,))).tolist()
        draws.append((random.random(), np.random.random(), of_keras))
    assert draws[0] == draws[1]
    assert not hasattr(model, "history") and model.stop_training is False
    model.fit(*arrays(), verbose=0)
    history, model.stop_training = model.history, True
    find(model)
    assert model.history is history and model.stop_training is True


@pytest.mark.parametrize(
    ("name", "error"), [("SGD", RuntimeError), ("schedule", KeyboardInterrupt)]
)
def test_an_interrupted_test_leaves_nothing_either(name, error, monkeypatch):
    model = compiled(OPTIMIZERS[name]())
    train(model, 1)
    before, function, held = everything(model), model.train_function, _held(model)
    seen = []
    step = type(model).reset_metrics

    def interrupt(self):
        seen.append(1)
        if len(seen) == 6:
            raise error
        step(self)

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(type(model), "reset_metrics", interrupt)
        find(model)
    assert_same(everything(model), before)
    assert model.train_function is function and _held(model) is held
    train(model, 1)


def _held(model):
    return model.optimizer._learning_rate


@tensorflow_only
def test_tensorflow_can_still_save_it(tmp_path):
    tf = importlib.import_module("tensorflow")
    model = compiled(OPTIMIZERS["schedule"]())
    names = lambda: sorted(model.optimizer._trackable_children())  # noqa: E731
    train(model, 1)
    before = names()
    find(model)
    assert names() == before
    tf.train.Checkpoint(model=model).save(str(tmp_path / "checkpoint"))


# What it takes.


def two_ends():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    both = keras.layers.concatenate([left, right])
    outputs = {name: keras.layers.Dense(1, name=name)(both) for name in ("sum", "difference")}
    model = keras.Model({"left": left, "right": right}, outputs)
    model.compile("sgd", {"sum": "mse", "difference": "mae"})
    x, _ = arrays()
    return model, (
        {"left": x, "right": x[::-1].copy()},
        {"sum": x[:, :1], "difference": x[:, 1:2]},
    )


def single(data):
    return lambda: (compiled("sgd"), data())


def batches(number=3):
    x, y = arrays(8 * number)
    return [(x[8 * n : 8 * n + 8], y[8 * n : 8 * n + 8]) for n in range(number)]


def weighted():
    return (*arrays(), np.ones(48, "float32"))


def tf_data(count=None):
    def make():
        tf = importlib.import_module("tensorflow")
        return tf.data.Dataset.from_tensor_slices(arrays()).shuffle(48).batch(8).repeat(count)

    return make


def loader():
    torch = pytest.importorskip("torch")
    x, y = map(torch.from_numpy, arrays())
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 8, shuffle=True)


class Endless(Listed):
    num_batches = None
    __len__ = None

    def __getitem__(self, index):
        return self.batches[index % len(self.batches)]


INPUTS = {
    "arrays": single(arrays),
    "weighted": single(weighted),
    "few-arrays": single(lambda: arrays(20)),
    "dicts": two_ends,
    "PyDataset": single(lambda: Listed(batches())),
    "generator": single(lambda: endless(batches())),
    "DataLoader": single(loader),
}
TF_INPUTS = {
    "finite": single(tf_data(1)),
    "endless": single(tf_data()),
    "unknown": single(lambda: tf_data(1)().filter(lambda x, y: True)),
}


@pytest.mark.parametrize("name", INPUTS | (TF_INPUTS if BACKEND == "tensorflow" else {}))
def test_whatever_fit_takes(name, recwarn):
    model, data = (INPUTS | TF_INPUTS)[name]()
    options = {"batch_size": 8} if isinstance(data, tuple) else {"batch_size": None}
    curve = find(model, data, divergence=1e6, **options)
    assert len(curve.losses) == STEPS and np.isfinite(curve.losses).all()
    assert [str(w.message) for w in recwarn if "out of data" in str(w.message)] == []


def test_sample_weights_count():
    x, y = arrays()
    model = compiled("sgd")
    halves = find(model, (x, y, np.full(48, 0.5, "float32")), start=1e-9, end=2e-9)
    wholes = find(model, (x, y), start=1e-9, end=2e-9)
    np.testing.assert_allclose(halves.losses.mean() * 2, wholes.losses.mean(), rtol=0.2)


# What it refuses.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 1.0}, r"`end` must be a finite number > start=1.0. Received: end=1.0"),
        ({"start": 2.0}, r"`end` must be a finite number > start=2.0. Received: end=1.0"),
        (
            {"start": 0.0},
            "`start` must be .* > 0 with mode='exp'. Received: start=0.0",
        ),
        (
            {"start": -1.0, "mode": "linear"},
            "`start` must be .* >= 0. Received: start=-1.0",
        ),
        ({"end": float("nan")}, "`end` must be a finite number > start=0.0001. Received: end=nan"),
        ({"end": float("inf")}, "`end` must be .* Received: end=inf"),
        ({"steps": 9}, "`steps` must be an integer >= 10. Received: steps=9"),
        ({"steps": 20.5}, "`steps` must be an integer >= 10. Received: steps=20.5"),
        ({"mode": "cosine"}, "`mode` must be one of 'exp', 'linear'. Received: mode='cosine'"),
        ({"beta": 1.0}, r"`beta` must be a finite number in \[0, 1\). Received: beta=1.0"),
        ({"beta": "0.9"}, r"`beta` must be a finite number in \[0, 1\). Received: beta='0.9'"),
        ({"divergence": 1.0}, "`divergence` must be a finite number > 1. Received: divergence=1.0"),
        ({"max_factor": 0.0}, "`max_factor` must be a finite number > 0. Received: max_factor=0.0"),
    ],
)
def test_bad_arguments_get_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        find(compiled("sgd"), **options)


def empty_data():
    x, y = arrays()
    yield "arrays", (x[:0], y[:0])
    yield "generator", iter_of([])
    if BACKEND == "tensorflow":
        yield "tf.data", tf_data(0)()


def iter_of(items):
    yield from items


@pytest.mark.parametrize(("kind", "data"), list(empty_data()), ids=lambda value: str(value)[:9])
@pytest.mark.parametrize("built", [True, False])
def test_no_data(kind, data, built):
    with pytest.raises(ValueError, match="at least one batch"):
        find(compiled("sgd", built), data, batch_size=None)


def test_a_generator_that_ends_too_soon():
    with pytest.raises(ValueError, match="must give 12 batches .* ended after 5"):
        find(compiled("sgd"), iter_of(batches(5)), batch_size=None)


def test_a_tuple_of_too_many():
    with pytest.raises(ValueError, match="if it is a tuple. Received: a tuple of 4"):
        find(compiled("sgd"), (*weighted(), None))


def test_a_model_that_is_not_compiled():
    with pytest.raises(ValueError, match="`model` must be compiled; call `model.compile"):
        find(network())


@pytest.mark.skipif(not hasattr(keras.optimizers, "MultiOptimizer"), reason="Keras before 3.15")
def test_an_optimizer_of_many_rates():
    optimizer = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    )
    with pytest.raises(ValueError, match="optimizer with one learning rate. Received: MultiO"):
        find(compiled(optimizer))


def test_a_loss_that_is_nan_at_once():
    x, y = arrays()
    model = compiled("sgd")
    before = model.get_weights()
    with pytest.raises(ValueError, match="loss of the first batch must be finite.*loss=nan"):
        find(model, (np.full_like(x, np.nan), y))
    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_range_that_never_improves():
    x, y = arrays()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(), "mse")
    too_high = lr_find(model, (x, x[:, :1]), start=5.0, end=50.0)
    with pytest.raises(ValueError, match="leaves 0 points|never clearly falls"):
        too_high.suggest()
    still = lr_find(model, (x, x[:, :1]), 1e-10, 1e-9, batch_size=48)
    for method in ("valley", "steep", "minimum", "slide"):
        with pytest.raises(ValueError, match="never clearly falls"):
            still.suggest(method)


def test_the_curve_of_a_test_can_be_kept():
    curve = find(compiled("sgd"), mode="linear", max_factor=4.0, beta=0.5)
    assert json.loads(json.dumps(curve.to_dict()))["mode"] == "linear"
    assert (curve.max_factor, curve.beta, curve.steps) == (4.0, 0.5, STEPS)
