import keras
import numpy as np
import pytest

from keras_twist.optimizers import SGD


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """0.8, 0.4, 0.2, ... by update, for the rate or the momentum."""

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        return 0.8 * keras.ops.power(0.5, step)

    def get_config(self):
        return {}


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_equals_keras_sgd(run, nesterov, weight_decay):
    options = {"nesterov": nesterov, "weight_decay": weight_decay, "global_clipnorm": 1.0}
    ours = run(SGD(0.1, momentum=0.9, **options))
    keras_sgd = run(keras.optimizers.SGD(0.1, momentum=0.9, **options))
    np.testing.assert_allclose(ours, keras_sgd, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_coupled_decay_is_an_l2_penalty(run, step, nesterov, precision):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(6,))
    ours, penalised = (keras.Variable(start, dtype=precision) for _ in range(2))
    coupled = SGD(0.1, 0.9, nesterov, weight_decay=0.05, coupled=True)
    plain = SGD(0.1, 0.9, nesterov)
    for _ in range(12):
        gradient = rng.normal(size=(6,))
        step(coupled, [gradient], [ours])
        penalty = 0.05 * penalised.numpy()
        step(plain, [gradient + penalty], [penalised])
    tolerance = 1e-6 if precision == "float32" else 1e-14
    np.testing.assert_allclose(ours.numpy(), penalised.numpy(), atol=tolerance)


def test_cifar10_fast_update_in_numpy(step):
    """Two parameters by the published update, weight decay, Nesterov and a moving rate."""
    w, velocity = np.array([1.0, -2.0]), np.zeros(2)
    variable = keras.Variable(w, dtype="float32")
    optimizer = SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-2, coupled=True)
    for rate in (0.1, 0.2, 0.4, 0.2, 0.0):
        gradient = 3 * w + 1
        optimizer.learning_rate = rate
        step(optimizer, [gradient], [variable])
        change = -rate * (gradient + 5e-2 * w)
        velocity = 0.9 * velocity + change
        w = w + 0.9 * velocity + change
        np.testing.assert_allclose(variable.numpy(), w, rtol=1e-5)


@pytest.mark.parametrize("coupled", [False, True])
def test_excluded_variables_do_not_decay(step, coupled):
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    optimizer = SGD(0.1, weight_decay=0.5, coupled=coupled)
    optimizer.exclude_from_weight_decay(var_list=[bias])
    step(optimizer, [[0.0], [0.0]], [kernel, bias])
    assert float(kernel.numpy()[0]) == pytest.approx(0.95)
    assert float(bias.numpy()[0]) == 1.0


def test_a_callback_changes_the_momentum_of_a_compiled_step(train, weights_of):
    class SetMomentum(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.momentum = 0.5 if batch < 4 else 0.9

    class Momentum(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return keras.ops.where(keras.ops.less(step, 4), 0.5, 0.9)

    by_callback = train(SGD(0.05, momentum=0.0), callbacks=[SetMomentum()])
    by_schedule = train(SGD(0.05, momentum=Momentum()))
    constant = train(SGD(0.05, momentum=0.5))
    np.testing.assert_allclose(weights_of(by_callback), weights_of(by_schedule), atol=1e-6)
    assert np.abs(weights_of(by_callback) - weights_of(constant)).max() > 1e-3


def test_momentum_is_saved_and_restored(train, tmp_path):
    model = train(SGD(0.05, momentum=0.5))
    model.optimizer.momentum = 0.8
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert float(loaded.optimizer.momentum) == pytest.approx(0.8)
    assert loaded.optimizer.get_config()["momentum"] == 0.8


def test_schedules_count_updates_not_accumulated_steps(step):
    variable = keras.Variable([1.0])
    optimizer = SGD(Halving(), gradient_accumulation_steps=2)
    for _ in range(4):
        step(optimizer, [[0.1]], [variable])
    assert float(variable.numpy()[0]) == pytest.approx(1 - 0.08 - 0.04)
    assert float(optimizer.learning_rate) == pytest.approx(0.2)


def test_momentum_schedule_survives_its_config():
    keras.saving.register_keras_serializable(package="test_sgd")(Halving)
    config = SGD(0.1, momentum=Halving()).get_config()
    optimizer = SGD.from_config(config)
    assert float(optimizer.momentum) == pytest.approx(0.8)
    with pytest.raises(TypeError, match="cannot be set"):
        optimizer.momentum = 0.9
    with pytest.raises(TypeError, match="Construct the optimizer with the schedule"):
        SGD(0.1, momentum=0.9).momentum = Halving()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TF has sparse gradients")
def test_sparse_gradients_of_an_embedding():
    import tensorflow as tf

    rows = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 1]), tf.constant([4, 3]))
    for nesterov in (False, True):
        variable = keras.Variable(np.zeros((4, 3)))
        SGD(0.1, 0.9, nesterov, weight_decay=0.1, coupled=True).apply([rows], [variable])
        moved = -0.2 * (1.9 if nesterov else 1.0)
        np.testing.assert_allclose(variable.numpy()[:, 0], [0, moved, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": -0.1},
        {"momentum": 1.5},
        {"momentum": "high"},
        {"momentum": "0.9"},
        {"momentum": True},
        {"momentum": None},
        {"weight_decay": -1.0},
        {"weight_decay": True},
    ],
)
def test_bad_arguments_are_named(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value}"):
        SGD(**options)
