import keras
import numpy as np
import pytest

from keras_twist.optimizers import Lookahead, RAdam, Ranger

BACKEND = keras.backend.backend()

FASTAI = {"beta_2": 0.99, "epsilon": 1e-6, "weight_decay": 0.01, "epsilon_mode": "debiased"}
GOLDEN = {
    "defaults_ranger_py": {},
    "train_py_ranger_py": {
        "learning_rate": 4e-3,
        "beta_2": 0.99,
        "epsilon": 1e-6,
        "weight_decay": 1e-2,
    },
    "big_lr_ranger_py": {"learning_rate": 0.05, "weight_decay": 0.1},
    "defaults_fastai": FASTAI,
    "seed002_fastai": {**FASTAI, "learning_rate": 3e-3},
    "seed002_nowd_fastai": {**FASTAI, "learning_rate": 3e-3, "weight_decay": 0.0},
    "big_lr_fastai": {
        **FASTAI,
        "learning_rate": 0.05,
        "beta_2": 0.999,
        "epsilon": 1e-5,
        "weight_decay": 0.1,
    },
}


@pytest.mark.parametrize("problem", ["quadratic", "logistic"])
@pytest.mark.parametrize("config", GOLDEN)
def test_published_trajectories(golden, step, precision, problem, config):
    """Twenty steps of ranger.py ("raw") and of fastai's ranger ("debiased") on two problems."""
    arrays = golden("ranger_trajectories.npz")

    def gradients(w, c=None):
        if problem == "quadratic":
            return [arrays["quad_A"] @ w - arrays["quad_b"]]
        x = arrays["log_X"]
        residual = 1 / (1 + np.exp(-(x @ w + c))) - arrays["log_y"]
        return [x.T @ residual / len(x), residual.mean(keepdims=True)]

    count = 1 if problem == "quadratic" else 2
    starts = [arrays[f"{problem}_theta0_{i}"] for i in range(count)]
    variables = [keras.Variable(start, dtype=precision) for start in starts]
    optimizer = Ranger(**GOLDEN[config])
    for row in arrays[f"{problem}_{config}"]:
        values = [v.numpy().astype("float64") for v in variables]
        step(optimizer, gradients(*values), variables)
        error = np.abs(np.concatenate([v.numpy() for v in variables]) - row).max()
        assert error < (1e-6 if precision == "float32" else 1e-10)


def test_is_lookahead_over_radam(run):
    ranger = run(Ranger(0.05, weight_decay=0.1))
    composed = run(Lookahead(RAdam(0.05, beta_1=0.95, epsilon=1e-5, weight_decay=0.1)))
    np.testing.assert_array_equal(ranger, composed)


def test_config_is_flat_and_complete():
    options = {
        "beta_1": 0.9,
        "beta_2": 0.99,
        "epsilon": 1e-6,
        "weight_decay": 0.01,
        "sync_period": 5,
        "slow_step_size": 0.8,
        "threshold": 4,
        "epsilon_mode": "debiased",
        "gradient_centralization": True,
        "clipnorm": 1.0,
        "use_ema": True,
        "gradient_accumulation_steps": 2,
        "name": "forest",
    }
    optimizer = Ranger(0.5, **options)
    config = optimizer.get_config()
    assert config.items() >= {"learning_rate": 0.5, **options}.items()
    assert Ranger.from_config(config).get_config() == config
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(rebuilt) is Ranger and rebuilt.get_config() == config
    assert (rebuilt.beta_2, rebuilt.epsilon, rebuilt.threshold) == (0.99, 1e-6, 4)
    assert rebuilt.epsilon_mode == "debiased" and rebuilt.gradient_centralization


def test_skipped_loss_scale_steps_change_nothing(step):
    """Skipped first steps must not leave the slow weights at zero, nor count."""
    kernel = keras.Variable([[2.0, -1.0]])
    inner = Ranger(0.1, sync_period=2)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    twin, plain = keras.Variable([[2.0, -1.0]]), Ranger(0.1, sync_period=2)
    optimizer.build([kernel])
    scale, updates = 8.0, 0
    for good in (False, False, True, False, True, True, False, True, True, True, True):
        if good:
            step(optimizer, [np.array([[1.0, 3.0]]) * scale], [kernel])
            step(plain, [[[1.0, 3.0]]], [twin])
            updates += 1
        else:
            state = [v.numpy() for v in inner.variables]
            step(optimizer, [[[np.inf, 1.0]]], [kernel])
            scale /= 2
            for before, after in zip(state, inner.variables, strict=True):
                np.testing.assert_array_equal(before, after.numpy())
        np.testing.assert_array_equal(kernel.numpy(), twin.numpy())
    for counter in (inner.iterations, inner.inner_optimizer.iterations):
        assert int(counter.numpy()) == updates


def test_mixed_float16_training_with_overflows(train):
    inner = Ranger(0.02)
    # Overflows for the first dozen or two steps.
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**40)
    model = train(optimizer, epochs=8, policy="mixed_float16", jit_compile=BACKEND != "torch")
    updates = int(inner.iterations.numpy())
    assert 12 < updates < 64
    assert int(inner.inner_optimizer.iterations.numpy()) == updates
    # Glorot's weights are about 0.5 in size: pulled to zero they would be half of that.
    kernel = model.layers[0].get_weights()[0]
    keras.utils.set_random_seed(0)
    start = train(Ranger(0.0)).layers[0].get_weights()[0]
    assert np.isfinite(kernel).all()
    assert np.abs(kernel - start).max() < 0.5
    assert np.corrcoef(kernel.ravel(), start.ravel())[0, 1] > 0.8


def test_moving_average_overwrites_at_the_end_of_training(run, train, weights_of):
    model = train(Ranger(0.05, use_ema=True, ema_momentum=0.9), epochs=2)
    average = [v for v in model.optimizer.variables if "average" in v.path]
    assert len(average) == 4
    stored = np.concatenate([v.numpy().ravel() for v in average])
    np.testing.assert_allclose(weights_of(model), stored, atol=1e-7)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_saved_training_continues_exactly(train, fit_more, weights_of, tmp_path, policy):
    """Eight batches, a file, eight more: the pull at update 12 needs the slow weights back."""
    whole = train(Ranger(0.05, weight_decay=0.1), epochs=1, policy=policy)
    whole.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    for a, b in zip(whole.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    fit_more(whole)
    fit_more(loaded)
    np.testing.assert_array_equal(weights_of(whole), weights_of(loaded))


def test_weights_loaded_after_build_are_where_slow_weights_start(train, fit_more, weights_of):
    model = train(Ranger(0.0))
    weights = [w + 5.0 for w in model.get_weights()]
    model.compile(Ranger(1e-8), "mse")
    model.optimizer.build(model.trainable_variables)
    model.set_weights(weights)
    fit_more(model)
    np.testing.assert_allclose(
        weights_of(model), np.concatenate([w.ravel() for w in weights]), atol=1e-5
    )


def test_callbacks_drive_the_rate_and_beta_1(train, weights_of):
    """Set before every batch, the curves are those of schedules."""

    class Ramp(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, start, slope):
            self.start, self.slope = start, slope

        def __call__(self, step):
            return self.start + self.slope * keras.ops.cast(step, "float32")

    class Drive(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = 0.02 + 0.01 * batch
            self.model.optimizer.beta_1 = 0.95 - 0.02 * batch

    driven = train(Ranger(0.5, beta_1=0.5), callbacks=[Drive()])
    scheduled = train(Ranger(Ramp(0.02, 0.01), beta_1=Ramp(0.95, -0.02)))
    np.testing.assert_allclose(weights_of(driven), weights_of(scheduled), atol=1e-5)
    fixed = train(Ranger(Ramp(0.02, 0.01)))
    assert np.abs(weights_of(driven) - weights_of(fixed)).max() > 1e-3
    with pytest.raises(TypeError, match="cannot be set"):
        scheduled.optimizer.beta_1 = 0.9


def test_keras_callbacks_find_the_learning_rate_through_the_loss_scale(train):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    model = train(Ranger(0.02), epochs=3, policy="mixed_float16", callbacks=[plateau])
    assert float(model.optimizer.learning_rate) < 0.02


@pytest.mark.parametrize(
    "name, value",
    [("beta_1", 1.0), ("sync_period", 0), ("slow_step_size", 2.0), ("epsilon_mode", "both")],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value!r}"):
        Ranger(**{name: value})
