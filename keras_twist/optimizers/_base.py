"""What the optimizers of this package share: real step counts and hyperparameters that can move."""

import keras
from keras import ops

from keras_twist.arguments import check_number
from keras_twist.ops.precision import at_least_float32
from keras_twist.optimizers._spared import UNDECAYED, spare, undecayed

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


class AveragePerUpdate(keras.optimizers.Optimizer):
    """Optimizer whose average of weights (`use_ema`) goes on with every update.

    With `gradient_accumulation_steps=4` Keras's goes on four times in an update, three of them with
    the same weights, and overwrites the weights before the update that it should follow.

    What weight decay spares is part of the configuration: a saved training goes on with it.
    """

    _undecayed = ()

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Optimizer with the settings in `config`, schedules and a wrapped optimizer included."""
        config = dict(config)
        spared = config.pop(UNDECAYED, None)
        optimizer = cls(**deserialize_schedules(config, custom_objects))
        if spared:
            optimizer.exclude_from_weight_decay(var_names=spared["names"])
            optimizer._undecayed = tuple(map(tuple, spared["variables"]))
        return optimizer

    def finalize_variable_values(self, var_list):
        """Give the weights the values of their averages, where there are any."""
        super().finalize_variable_values(var_list)
        if self.use_ema and keras.backend.backend() == "jax":
            # Keras hands over the array itself, and a compiled step cannot be given one twice.
            for variable in var_list:
                variable.assign(ops.copy(variable))

    def _backend_apply_gradients(self, grads, trainable_variables):
        # Not public in Keras. Should it be renamed, the average goes on with every batch, as there.
        steps = self.gradient_accumulation_steps
        if not (steps and self.use_ema):
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        is_update = ops.equal((self._iterations + 1) % steps, 0)
        updates = self.iterations + 1
        self.use_ema = False
        try:
            super()._backend_apply_gradients(grads, trainable_variables)
        finally:
            self.use_ema = True
        keep = ops.where(is_update, self.ema_momentum, 1.0)
        # The first update's weights are the first average, and until then those before it.
        keep = ops.where(ops.equal(updates, 1), 0.0, keep)
        frequency = self.ema_overwrite_frequency
        averages = self._model_variables_moving_average
        for variable, average in zip(self._trainable_variables, averages, strict=True):
            if average is None:
                continue
            share = ops.cast(keep, variable.dtype)
            weights = ops.convert_to_tensor(variable)
            moved = ops.add(ops.multiply(share, average), ops.multiply(1 - share, weights))
            average.assign(moved)
            if frequency:
                due = ops.logical_and(is_update, ops.equal(updates % frequency, 0))
                variable.assign(ops.where(due, moved, weights))


class RealUpdateOptimizer(AveragePerUpdate):
    """Optimizer whose every count is the number of updates that really happened.

    Keras hands a learning rate schedule its raw call counter, so with
    `gradient_accumulation_steps=4` a schedule runs four times too fast. Here schedules see
    `iterations`, which neither accumulation nor a skipped loss-scale step advances.

    Weight decay happens inside `update_step`, not in a pass of its own before it, so that an
    `update_step` is the whole change of a variable and a wrapper sees the weights before it.
    """

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Exempt variables from weight decay, as in Keras; before the optimizer is built."""
        super().exclude_from_weight_decay(var_list, var_names)
        self._undecayed = ()

    def build(self, variables):
        """Find the variables that a saved optimizer spared."""
        if not self.built:
            spare(self, self._undecayed, variables)
        super().build(variables)

    def get_config(self):
        """Return the constructor's arguments, and what weight decay spares."""
        return {**super().get_config(), **undecayed(self, self._undecayed)}

    def _get_current_learning_rate(self):
        # Not public in Keras. Should it be renamed, schedules count accumulation steps as they
        # do in Keras, and nothing else changes.
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    def _apply_weight_decay(self, variables):
        """Do nothing: `update_step` decays."""

    def _decay_of(self, variable):
        """Weight decay of one variable, 0 where it is excluded."""
        if not self.weight_decay or not self._use_weight_decay(variable):
            return 0.0
        return self.weight_decay

    def _add_hyperparameter(self, name, value):
        """Return a variable for a number in [0, 1], or the schedule itself.

        A Python number would be frozen into a compiled step, and a callback that sets it later
        would change nothing and raise nothing.
        """
        if isinstance(value, LearningRateSchedule):
            return value
        number = check_fraction(name, value)
        return self.add_variable(
            shape=(),
            # The Constant initializer would round a float64 number to float32.
            initializer=lambda shape, dtype: ops.convert_to_tensor(number, dtype=dtype),
            # Never below float32: 0.999 is not a bfloat16 number.
            dtype=at_least_float32(keras.config.floatx()),
            aggregation="only_first_replica",
            name=name,
        )

    def _current(self, hyperparameter):
        if isinstance(hyperparameter, LearningRateSchedule):
            return hyperparameter(self.iterations)
        return hyperparameter

    def _set_hyperparameter(self, name, hyperparameter, value):
        if isinstance(value, LearningRateSchedule):
            raise TypeError(
                f"`{name}` can be set to a number alone. Construct the optimizer with the "
                f"schedule. Received: {name}={value}"
            )
        if isinstance(hyperparameter, LearningRateSchedule):
            raise TypeError(
                f"`{name}` follows the schedule it was constructed with and cannot be set. "
                f"Construct the optimizer with a number to set it during training. "
                f"Received: {name}={value}"
            )
        hyperparameter.assign(check_fraction(name, value))


def add_slots(optimizer, variables, name):
    """List of one zero variable for each of `variables`, None for one that needs no slot.

    Keras has `add_optimizer_variables` for this since 3.9. A variable that is overwritten by its
    gradient (a float8 scale) is never updated.
    """
    return [
        None
        if getattr(variable, "overwrite_with_gradient", False)
        else optimizer.add_variable_from_reference(variable, name=name)
        for variable in variables
    ]


def deserialize_schedules(config, custom_objects=None):
    """Copy of an optimizer's config with the schedules in it made objects again."""
    return {
        name: keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
        if isinstance(value, dict)
        else value
        for name, value in config.items()
    }


def serialize_hyperparameter(hyperparameter):
    """Return a schedule as its config, a variable as the shortest number that rounds to it."""
    if isinstance(hyperparameter, LearningRateSchedule):
        return keras.saving.serialize_keras_object(hyperparameter)
    return float(str(hyperparameter.numpy()))


def check_fraction(name, value):
    """Return `value` as a float, or raise unless it is a number in [0, 1]."""
    try:
        # A callback may set a tensor.
        number = float("nan" if isinstance(value, str | bool) else value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0.0 <= number <= 1.0:
        raise ValueError(
            f"`{name}` must be a number in [0, 1] or a `LearningRateSchedule`. "
            f"Received: {name}={value}"
        )
    return number


def check_weight_decay(value):
    """Return `value` as None or a float, or raise unless it is None or a number >= 0."""
    if value is None:
        return None
    return check_number("weight_decay", value, ">= 0, or None", lambda decay: decay >= 0.0)


def dense_gradient(gradient, variable):
    """Gradient in the variable's dtype; TensorFlow's sparse rows (of an Embedding) made dense."""
    if hasattr(gradient, "dense_shape"):
        gradient = ops.add(ops.zeros_like(variable), gradient)
    return ops.cast(gradient, variable.dtype)
