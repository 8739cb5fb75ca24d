"""What the optimizer tests share: one step on any backend, precisions, a net that trains fast."""

import contextlib
import importlib
import pathlib

import keras
import numpy as np
import pytest

from ..tools import to_numpy

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden():
    """Arrays of one golden file."""
    return lambda name: np.load(GOLDEN / name, allow_pickle=False)


@contextlib.contextmanager
def float_type(dtype):
    """Float type of variables and hyperparameters; JAX needs its 64 bit mode for float64."""
    before = keras.config.floatx()
    jax = importlib.import_module("jax") if keras.backend.backend() == "jax" else None
    keras.config.set_floatx(dtype)
    if jax:
        jax.config.update("jax_enable_x64", dtype == "float64")
    try:
        yield dtype
    finally:
        keras.config.set_floatx(before)
        if jax:
            jax.config.update("jax_enable_x64", False)


@pytest.fixture(params=["float32", "float64"])
def precision(request):
    with float_type(request.param):
        yield request.param


@pytest.fixture
def step():
    """One `apply`, compiled as the backend's training loop compiles it."""
    compiled = {}

    def step(optimizer, gradients, variables):
        pairs = zip(gradients, variables, strict=True)
        gradients = [keras.ops.convert_to_tensor(g, dtype=v.dtype) for g, v in pairs]
        if not optimizer.built:
            optimizer.build(variables)
        key = (id(optimizer), *map(id, variables))
        if key not in compiled:
            # The objects stay with their ids, which could come back otherwise.
            compiled[key] = (compile_step(optimizer, variables), optimizer, variables)
        compiled[key][0](gradients)

    return step


def compile_step(optimizer, variables):
    def apply(gradients):
        optimizer.apply(gradients, variables)

    if keras.backend.backend() == "tensorflow":
        return importlib.import_module("tensorflow").function(apply)
    if keras.backend.backend() != "jax":
        return apply
    stateless_apply = importlib.import_module("jax").jit(optimizer.stateless_apply)

    def apply_and_store(gradients):
        targets = optimizer.variables
        state = [v.value for v in targets]
        weights, state = stateless_apply(state, gradients, [v.value for v in variables])
        for variable, value in zip([*variables, *targets], [*weights, *state], strict=True):
            variable.assign(value)

    return apply_and_store


@pytest.fixture
def run(step):
    """Weights after every step on the same random gradients."""

    def run(optimizer, steps=14, dtype="float32", seed=0):
        rng = np.random.default_rng(seed)
        shapes = [(3, 4), (4,)]
        variables = [keras.Variable(rng.normal(size=s), dtype=dtype) for s in shapes]
        rows = []
        for _ in range(steps):
            step(optimizer, [rng.normal(size=s) for s in shapes], variables)
            rows.append(np.concatenate([to_numpy(v).ravel() for v in variables]))
        return np.array(rows)

    return run


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(32, 5)).astype("float32")
    y = x @ rng.normal(size=(5, 2)).astype("float32")
    return x, y


@pytest.fixture
def train(data):
    """Compile a small net with an optimizer and fit it on 8 batches an epoch, in order."""

    def train(optimizer, epochs=1, batch_size=4, policy="float32", callbacks=(), **compile_options):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((5,)),
                keras.layers.Dense(6, activation="tanh", dtype=policy),
                keras.layers.Dense(2, dtype=policy),
            ]
        )
        # compile() looks at the model's policy, and here only the layers have it.
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if policy == "mixed_float16" and not scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        # JAX always compiles; "auto" is no XLA on TensorFlow's CPU and torch has none.
        model.compile(optimizer, "mse", **compile_options)
        fit(model, data, epochs=epochs, batch_size=batch_size, callbacks=callbacks)
        return model

    return train


@pytest.fixture
def fit_more(data):
    return lambda model, **options: fit(model, data, **options)


def fit(model, data, epochs=1, batch_size=4, callbacks=()):
    options = {"shuffle": False, "verbose": 0, "callbacks": list(callbacks)}
    return model.fit(*data, epochs=epochs, batch_size=batch_size, **options)


@pytest.fixture
def weights_of():
    return lambda model: np.concatenate([w.ravel() for w in model.get_weights()])


class Linear(keras.optimizers.schedules.LearningRateSchedule):
    """1e-2 at update 0, 0 at update 40."""

    def __call__(self, step):
        return 0.01 - keras.ops.cast(step, keras.config.floatx()) * (0.01 / 40)

    def get_config(self):
        return {}


@pytest.fixture
def replay(golden, step):
    """Largest error of a trajectory of tensorflow-addons, fed the gradients recorded with it."""

    def replay(config, make):
        arrays = golden("tfa_optimizers.npz")
        dtype = "float32" if config.startswith("f32") else "float64"
        with float_type(dtype):
            optimizer = make(Linear())
            rows = [arrays[f"{config}/{k}"] for k in ("W", "b", "s")]
            gradients = [arrays[f"{config}/g{k}"] for k in ("W", "b", "s")]
            variables = [keras.Variable(row[0], dtype=dtype) for row in rows]
            error = 0.0
            for i in range(len(gradients[0])):
                step(optimizer, [g[i] for g in gradients], variables)
                for variable, row in zip(variables, rows, strict=True):
                    error = max(error, np.abs(to_numpy(variable) - row[i + 1]).max())
        return error

    return replay
