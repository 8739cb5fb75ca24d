"""What several devices agree on and share; tests/faults/test_strategies.py trains on two."""

import dataclasses
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from keras_twist.recipes import CIFAR_RECIPES, RecipeError, dry_run, strategies
from keras_twist.recipes.divergence import FiniteBatches
from keras_twist.recipes.strategies import Replicas
from keras_twist.recipes.trainer import Trainer, trainer_of

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the strategies are TensorFlow's"
)
QUICK = CIFAR_RECIPES["quick"]
CLUSTER = '{"cluster": {%s}, "task": {"type": "%s", "index": %d}}'
TWO = '"worker": ["a:1", "b:2"]'


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strategy": "tpu"}, "`strategy` must be one of none, mirrored, multi_worker"),
        ({"replicas": 2}, "`replicas` needs strategy='mirrored'"),
        ({"strategy": "mirrored", "replicas": 1}, "`replicas` must be at least 2"),
        ({"strategy": "mirrored", "xla": "on"}, "`xla` must not be 'on' with strategy='mirrored'"),
        ({"strategy": "mirrored", "feed": "resident"}, "`feed` must not be 'resident'"),
        ({"strategy": "multi_worker", "precision": "mixed_float16"}, "`precision` must not be"),
    ],
)
def test_what_cannot_be_shared_is_refused(fields, message):
    with pytest.raises(RecipeError, match=message) as caught:
        dataclasses.replace(QUICK, **fields)
    assert "\n" not in str(caught.value)


def test_one_device_shares_nothing():
    recipe = dataclasses.replace(QUICK, strategy="mirrored")
    with pytest.raises(RecipeError, match=r"has 1 \(CPU\). Give replicas=2 or more to divide"):
        strategies.of(recipe)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        '{"cluster": {}}',
        CLUSTER % (TWO, "worker", 2),
        CLUSTER % (TWO, "chief", 0),
        CLUSTER % ('"worker": ["a:1"]', "worker", 0),
        CLUSTER % (TWO + ', "ps": ["c:3"]', "worker", 0),
        CLUSTER % (TWO, "worker", -1),
    ],
)
def test_a_cluster_that_cannot_be_used_is_refused(text, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(RecipeError, match="reads the environment variable TF_CONFIG") as caught:
        strategies.of(dataclasses.replace(QUICK, strategy="multi_worker"))
    assert "\n" not in str(caught.value)


def test_the_chief_is_the_first_worker_unless_one_is_named():
    named = '"chief": ["a:1"], "worker": ["b:2", "c:3"]'
    cases = [(TWO, "worker", 0), (TWO, "worker", 1), (named, "worker", 0), (named, "chief", 0)]
    found = [strategies._is_chief(CLUSTER % case) for case in cases]
    assert found == [True, False, False, True]


@pytest.mark.parametrize("replicas", [2, 3])
def test_a_started_strategy_is_the_same_throughout(replicas, monkeypatch):
    started = Replicas(types.SimpleNamespace(num_replicas_in_sync=3))
    monkeypatch.setitem(strategies._started, "mirrored", started)
    recipe = dataclasses.replace(QUICK, strategy="mirrored", replicas=replicas, batch_size=33)
    if replicas == 3:
        assert strategies.of(recipe) is started
        recipe = dataclasses.replace(recipe, batch_size=32)
    with pytest.raises(RecipeError, match="must be (3|a multiple of 3), the number of devices"):
        strategies.of(recipe)


def test_tools_that_one_device_runs_say_so():
    with pytest.raises(RecipeError, match="must be 'none' for a dry run"):
        dry_run.dry_run(dataclasses.replace(QUICK, strategy="mirrored"))


@pytest.mark.parametrize("sizes", [(8, 8), (8, 5), (3, 1)])
def test_no_image_is_dropped_or_doubled(sizes):
    """Two workers of two devices each, and a last batch that does not divide."""
    import tensorflow as tf

    divided = []
    strategy = types.SimpleNamespace(
        num_replicas_in_sync=4, distribute_datasets_from_function=divided.append
    )
    images, batch = np.arange(sum(sizes)), max(sizes)
    batches = tf.data.Dataset.from_tensor_slices((images, -images)).batch(batch)
    Replicas(strategy, workers=2).distribute(batches)
    parts = []
    for worker in range(2):
        context = types.SimpleNamespace(num_input_pipelines=2, input_pipeline_id=worker)
        parts.append([x.numpy() for x, y in divided[0](context) if (x == -y).numpy().all()])
    for number in range(len(sizes)):
        rows = [part for worker in parts for part in worker[2 * number : 2 * number + 2]]
        whole = images[number * batch :][: sizes[number]]
        np.testing.assert_array_equal(np.concatenate(rows), whole)
        assert max(map(len, rows)) - min(map(len, rows)) <= 1


COPIES = """
import keras, numpy as np, tensorflow as tf
from keras_twist.recipes.strategies import Replicas
from keras_twist.recipes.trainer import ReplicaTrainer

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
keras.utils.set_random_seed(0)
with strategy.scope():
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((40,)), dropout, keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
trainer = ReplicaTrainer(model, Replicas(strategy))
(state,) = (v for v in model.variables if "seed_generator_state" in v.path)
first = state.numpy().copy()
trainer.spread_seeds()
np.testing.assert_array_equal(state.numpy(), first)
ones = tf.ones((1, 40))
masks = tf.function(lambda: strategy.run(lambda: dropout(ones, training=True)))().values
drawn = [mask.numpy() for mask in masks]
assert np.mean(drawn[0] != drawn[1]) > 0.2, drawn
state.assign(first)
np.testing.assert_array_equal(drawn[0], dropout(ones, training=True))

with strategy.scope():
    norm = keras.layers.BatchNormalization(momentum=0.5)
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
batches = tf.data.Dataset.from_tensor_slices((x, x[:, :2])).batch(8).repeat()
ReplicaTrainer(model, Replicas(strategy)).fit(batches, 1)
first, second = (copy.numpy() for copy in norm.moving_mean.value.values)
np.testing.assert_array_equal(first, second)
np.testing.assert_allclose(first, 0.5 * x.mean(0), atol=1e-6)
print("right")
"""


def test_copies_draw_masks_of_their_own_and_share_averages():
    """In a process of its own, because TensorFlow splits its CPU before the first operation."""
    done = subprocess.run([sys.executable, "-c", COPIES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("right")


def test_the_loop_is_that_of_keras():
    """On one device: the same weights, the same logs, the same calls."""
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)).astype("float32"), np.eye(2, dtype="float32")[[0, 1] * 20]
    train = tf.data.Dataset.from_tensor_slices((x, y)).batch(8).repeat()
    valid = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    found = []
    for replicas in (Replicas(), Replicas(strategy)):
        keras.utils.set_random_seed(0)
        with replicas.scope():
            layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
            model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])
            model.compile(
                keras.optimizers.SGD(0.1, momentum=0.9),
                keras.losses.CategoricalCrossentropy(from_logits=True),
                metrics=[keras.metrics.CategoricalAccuracy(name="accuracy"), FiniteBatches()],
            )
        begun = []
        counter = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs, begun=begun: begun.append(batch)
        )
        history = keras.callbacks.History()
        trainer = trainer_of(model, replicas)
        trainer.fit(train, 5, epochs=2, validation_data=valid, callbacks=[history, counter])
        assert trainer.agree(3, 7) == 7
        found.append((history.history, trainer.read_state(), trainer.results(), begun))
    (expected_logs, expected, expected_results, steps), (logs, state, results, begun) = found
    assert type(trainer) is not Trainer
    assert logs == {name: pytest.approx(values) for name, values in expected_logs.items()}
    assert len(logs["val_loss"]) == 2 and begun == steps == [0, 1, 2, 3, 4] * 2
    for value, wanted in zip(state, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)
    assert results == {n: pytest.approx(float(v)) for n, v in expected_results.items()}


def test_copies_count_together_up_to_the_first_batch_that_is_not_finite():
    metric = FiniteBatches(replicas=2)
    metric.broken.assign(2.0)
    metric.batches.assign(6 + 7)  # the second copy was infected a batch later
    assert float(metric.result()) == 6
