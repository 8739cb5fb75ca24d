"""The loop of a training: Keras's `fit`, or one over several copies of the model."""

import keras
import numpy as np

from keras_twist.callbacks.model_state import read_variables, state_variables
from keras_twist.data.stateless import on_jax

# From the seed of one copy of a model to that of the next; odd, and without a pattern in its bits.
SPREAD = 0x9E3779B9


def trainer_of(model, replicas):
    """The `Trainer` of a compiled model for the `Replicas` that it was made on."""
    return ReplicaTrainer(model, replicas) if replicas.strategy else Trainer(model)


class Trainer:
    """Trains a model on one device, by Keras's `fit`.

    Args:
        model: Compiled `keras.Model`.
    """

    is_chief = True

    def __init__(self, model):
        self.model = model

    def fit(self, batches, steps_per_epoch, **options):
        """Keras's `fit` with an endless dataset, and `fit`'s own options."""
        self.model.fit(
            batches, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=0, **options
        )

    def results(self):
        """Dict of the metrics so far."""
        self._fetch()
        return self.model.get_metrics_result()

    def read_state(self):
        """Copies of all state variables, in the order of `state_variables`."""
        self._fetch()
        return read_variables(state_variables(self.model))

    def _fetch(self):
        """Give the variables their values, which on JAX `fit` holds while it runs."""
        if on_jax():
            self.model.jax_state_sync()

    def spread_seeds(self):
        """Have copies of the model draw numbers of their own; here is one."""

    def agree(self, batch, number):
        """What all processes want, before a batch of an epoch: here the number that is given."""
        return number


class ReplicaTrainer(Trainer):
    """Trains copies of a model on their shares of each batch, in a loop of its own.

    Keras's `fit` cannot under `MultiWorkerMirroredStrategy`: it takes the mean of a batch, a tuple,
    over the workers, which TensorFlow refuses (keras issue 20585). The loop calls the same
    `train_step` and `test_step`, and the callbacks but for their hooks at the end of a batch.

    Copies start alike and add up their gradients. What else a step changes, the averages of batch
    normalisation, Keras leaves to each copy, and saves the first one's; here they are averaged.

    Args:
        model: Compiled `keras.Model`, made in the scope of the strategy.
        replicas: Its `Replicas`.
    """

    def __init__(self, model, replicas):
        import tensorflow as tf

        super().__init__(model)
        self.replicas, strategy = replicas, replicas.strategy
        self.is_chief, self.agree = replicas.is_chief, replicas.agree
        with replicas.scope():
            model.optimizer.build(model.trainable_variables)
            # In a step it would be too late: variables of all copies are made outside of them.
            inputs, outputs = (np.zeros((1, *t.shape[1:]), "float32") for t in _ends(model))
            with keras.StatelessScope():
                model.compute_metrics(inputs, outputs, outputs)

        def train(data):
            model.train_step(data)
            averaged = [v for v in model.non_trainable_variables if "float" in v.dtype]
            if averaged:
                # Copies, since what is read of a variable has no device for TensorFlow to go by.
                values = [tf.identity(v.value) for v in averaged]
                context = tf.distribute.get_replica_context()
                for variable, value in zip(
                    averaged, context.all_reduce(tf.distribute.ReduceOp.MEAN, values), strict=True
                ):
                    variable.assign(value)

        def function(step):
            def run(iterator):
                strategy.run(step, (next(iterator),))

            return tf.function(run, autograph=False, reduce_retracing=True)

        self._train, self._test = function(train), function(model.test_step)

        def spread():
            # Dropout would draw the same mask in each. The first, which is saved, stays as it is.
            copy = tf.distribute.get_replica_context().replica_id_in_sync_group
            for state in model.non_trainable_variables:
                if "seed_generator_state" in state.path:
                    moved = tf.cast(state.value, "int64") + SPREAD * tf.cast([copy, 0], "int64")
                    state.assign(tf.cast(moved % 2**32, state.dtype))

        self._spread = tf.function(lambda: strategy.run(spread), autograph=False)
        # Functions, because TensorFlow takes half a second to read what all copies add up to
        # outside of one.
        self._results = tf.function(model.get_metrics_result, autograph=False)
        self._metrics = tf.function(
            lambda: [tf.convert_to_tensor(v.value) for v in model.metrics_variables],
            autograph=False,
        )

    def fit(
        self,
        batches,
        steps_per_epoch,
        initial_epoch=0,
        epochs=1,
        validation_data=None,
        callbacks=(),
    ):
        """As `Trainer.fit`; the datasets are those of all copies together."""
        iterator = iter(self.replicas.distribute(batches))
        validation = validation_data and _Validation(self.replicas, validation_data)
        called = keras.callbacks.CallbackList(
            [*callbacks], model=self.model, epochs=epochs, steps=steps_per_epoch, verbose=0
        )
        self.model.stop_training = False
        called.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            self.model.reset_metrics()
            called.on_epoch_begin(epoch)
            for batch in range(steps_per_epoch):
                called.on_train_batch_begin(batch)
                self._train(iterator)
            logs = self.results()
            if validation:
                called.on_test_begin()
                self.model.reset_metrics()
                for _ in range(validation.steps):
                    self._test(validation.iterator)
                logs |= {f"val_{name}": value for name, value in self.results().items()}
                called.on_test_end()
            called.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                break
        called.on_train_end()

    def spread_seeds(self):
        """Have each copy draw numbers of its own, which begin with the same seeds."""
        self._spread()

    def results(self):
        return {name: float(value) for name, value in self._results().items()}

    def read_state(self):
        variables = state_variables(self.model)
        summed = zip(self.model.metrics_variables, self._metrics(), strict=True)
        summed = {id(variable): value.numpy() for variable, value in summed}
        return [
            summed[id(v)] if id(v) in summed else keras.ops.convert_to_numpy(v).copy()
            for v in variables
        ]


class _Validation:
    """Batches of the validation set, each once per epoch, divided among the copies."""

    def __init__(self, replicas, batches):
        self.steps = len(batches)
        # Endless, so that TensorFlow does not ask all workers before each batch who has one left.
        self.iterator = iter(replicas.distribute(batches.repeat()))


def _ends(model):
    (one,), (other,) = model.inputs, model.outputs
    return one, other
