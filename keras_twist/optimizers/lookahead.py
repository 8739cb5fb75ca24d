"""Slow weights that follow the fast weights of any optimizer.

Longer than other files, since it forwards to the wrapped optimizer what Keras asks one for.
"""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_twist.arguments import check_integer, check_number
from keras_twist.optimizers._base import AveragePerUpdate, add_slots
from keras_twist.optimizers._spared import spare, undecayed

# What Keras does around an update. The wrapper does it in the wrapped optimizer's place: an
# average and a constraint are then of the weights after the pull, and only the wrapper counts.
PIPELINE = (
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)
# An order of magnitude, not a measured optimum: below it, arithmetic costs less than a loop.
LOOP_SIZE = 16384
# What a file of this optimizer has besides numbered variables.
_MARK = "slow_weights"


@keras.saving.register_keras_serializable(package="keras_twist")
class Lookahead(AveragePerUpdate):
    """Pull the weights back to a slow copy of themselves every few updates.

    The wrapped optimizer explores; every `sync_period` updates the slow weights move part of the
    way to where it got, and it goes on from there:

        if t % sync_period == 1: slow = w          # before the update and its weight decay
        w = update of inner_optimizer
        if t % sync_period == 0: w = slow + slow_step_size * (w - slow)

    With a `sync_period` of 1 both happen at every update. The slow weights start from the weights
    at the first update, so weights loaded after the optimizer was built, or a first step skipped
    for its loss scale, do no harm. Weights that are loaded in the middle of a training need a new
    optimizer, or its state from the same moment.

    The wrapper takes over clipping, averaging (`use_ema`), `loss_scale_factor` and
    `gradient_accumulation_steps` as they are set on the wrapped optimizer; set them there. One
    update is one real update: skipped loss-scale steps and the steps of accumulation do not
    count, neither here nor for the schedules of the wrapped optimizer. At the end of training
    the weights may be up to `sync_period - 1` updates ahead of the slow ones.

    Args:
        inner_optimizer: A `keras.optimizers.Optimizer`, not yet built. For mixed precision let
            `compile()` put its `LossScaleOptimizer` around this one.
        sync_period: Number of updates from one pull to the next, an integer >= 1. Defaults to `6`.
        slow_step_size: How far the slow weights go, in (0, 1]; or a
            `keras.optimizers.schedules.LearningRateSchedule` of it, of the updates before this
            one. One that falls averages the weights of a training's end. Defaults to `0.5`.
        name: Name of the optimizer. Defaults to `None`.

    Raises:
        ValueError: If `inner_optimizer` is no optimizer, is built already or has an `apply()` of
            its own (`LossScaleOptimizer`, `MultiOptimizer`), if `sync_period` is no integer of at
            least 1 or if `slow_step_size` is outside (0, 1].

    Example:
        >>> optimizer = keras_twist.optimizers.Lookahead(keras.optimizers.SGD(1.0), sync_period=2)
        >>> w = keras.Variable([3.0])
        >>> for _ in range(2):
        ...     optimizer.apply([keras.ops.array([1.0])], [w])
        >>> float(w[0])  # 3 -> 2 -> 1, then halfway back to 3
        2.0

    Reference:
        [Lookahead Optimizer: k steps forward, 1 step back](https://arxiv.org/abs/1907.08610),
        [tensorflow-addons](https://github.com/tensorflow/addons).
        Differs from it in: tensorflow-addons copies the slow weights when they are created, which
        after skipped loss-scale steps or loaded weights is not where training starts.
    """

    def __init__(self, inner_optimizer, sync_period=6, slow_step_size=0.5, name=None):
        """Take over what surrounds an update from the wrapped optimizer."""
        _check_inner_optimizer(inner_optimizer)
        sync_period = check_integer("sync_period", sync_period, at_least=1)
        if not isinstance(slow_step_size, keras.optimizers.schedules.LearningRateSchedule):
            slow_step_size = check_number(
                "slow_step_size", slow_step_size, "in (0, 1]", lambda size: 0.0 < size <= 1.0
            )
        super().__init__(
            # A callable, so that Keras makes no second learning rate variable.
            learning_rate=self._inner_learning_rate,
            weight_decay=inner_optimizer.weight_decay,
            name=name,
            **{setting: getattr(inner_optimizer, setting) for setting in PIPELINE},
        )
        inner_optimizer.use_ema = False
        inner_optimizer.gradient_accumulation_steps = None
        self.inner_optimizer = inner_optimizer
        self.sync_period = sync_period
        self.slow_step_size = slow_step_size
        self._given = None

    def _inner_learning_rate(self):
        return self.inner_optimizer.learning_rate

    @property
    def learning_rate(self):
        """Learning rate of the wrapped optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner_optimizer.learning_rate = value

    @property
    def weight_decay(self):
        """Weight decay of the wrapped optimizer, which is the one that decays."""
        return self.inner_optimizer.weight_decay

    @weight_decay.setter
    def weight_decay(self, value):
        # Keras sets it first, and means what the wrapped optimizer has.
        if hasattr(self, "inner_optimizer"):
            self.inner_optimizer.weight_decay = value

    @property
    def variables(self):
        """Own variables, then the wrapped optimizer's."""
        return super().variables + self.inner_optimizer.variables

    def set_weights(self, weights):
        """Set all of `variables`, in their order."""
        own = len(super().variables)
        super().set_weights(weights[:own])
        self.inner_optimizer.set_weights(weights[own:])

    def save_own_variables(self, store):
        """Write the variables that the wrapped optimizer does not write besides."""
        for number, variable in enumerate(super().variables):
            store[str(number)] = ops.convert_to_numpy(variable)
        # Any optimizer's file has numbers. Others would take slow weights for their momentum.
        store[_MARK] = np.int64(len(self._slow_weights) if self.built else 0)

    def load_own_variables(self, store):
        """Take over what `save_own_variables` wrote; nothing of another optimizer's file.

        Nor before there are slow weights, which a count of steps without them would keep from
        starting where the weights are.
        """
        own = {str(number): variable for number, variable in enumerate(super().variables)}
        fits = self.built and set(store.keys()) == {*own, _MARK}
        if not fits or any(store[key].shape != tuple(one.shape) for key, one in own.items()):
            warnings.warn(
                f"Skipping the state of the optimizer '{self.name}': it is not built yet, or the "
                "file is of another optimizer. Its steps count from 0, and its slow weights start "
                "from the weights.",
                stacklevel=2,
            )
            return
        for key, variable in own.items():
            variable.assign(store[key])

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Exempt variables from the wrapped optimizer's weight decay."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)
        self._undecayed = ()

    def build(self, variables):
        """Create the wrapped optimizer's state and the slow weights."""
        if self.built:
            return
        spare(self.inner_optimizer, self._undecayed, variables)
        self.inner_optimizer.build(variables)
        super().build(variables)
        self._slow_weights = add_slots(self, variables, "slow")
        if self.use_ema:
            # `SwapEMAWeights` takes whatever has an `inner_optimizer` for a LossScaleOptimizer and
            # looks for the average inside. object's method: the variables stay the wrapper's.
            name = "_model_variables_moving_average"
            object.__setattr__(self.inner_optimizer, name, getattr(self, name, None))

    def apply(self, grads, trainable_variables=None):
        """Update the variables with the wrapped optimizer, then pull them back if it is time."""
        # Those without a gradient at this step are among them; frozen ones are not.
        given = None
        if trainable_variables is not None and self.built:
            numbers = self._trainable_variables_indices
            given = frozenset(numbers.get(self._var_key(one)) for one in trainable_variables)
        self._given = given
        super().apply(grads, trainable_variables)
        self.inner_optimizer.iterations.assign(self.iterations)

    # An update in Keras is _apply_weight_decay, then _backend_update_step. Both are forwarded
    # whole, because optimizers change either (Muon the first, Nadam and all of torch's the
    # second), with the work on the slow weights before and after.

    def _apply_weight_decay(self, variables):
        self._for_each_variable(self._start)
        # The same unless somebody set ours; then the slow weights have just started.
        self.inner_optimizer.iterations.assign(self.iterations)
        self.inner_optimizer._apply_weight_decay(variables)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        self.inner_optimizer._backend_update_step(grads, trainable_variables, learning_rate)
        self._for_each_variable(self._pull, self._given)

    def _for_each_variable(self, task, given=None):
        """Run `task(variable, slow)` as Keras runs updates: on every replica, in its device scope.

        For all variables, or those of the `given` numbers; also those without a gradient at this
        step: their slow weights must start too, and their own turn may never fall on a multiple of
        `sync_period`.
        """
        pairs = zip(self._trainable_variables, self._slow_weights, strict=True)
        variables = [
            variable
            for number, (variable, slow) in enumerate(pairs)
            if slow is not None and (given is None or number in given)
        ]
        no_gradients = [ops.zeros(())] * len(variables)
        super()._backend_update_step(no_gradients, variables, task)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Leave the place holders alone, which replicas need not exchange."""
        return grads_and_vars

    def update_step(self, gradient, variable, learning_rate):
        """Work on the slow weights of one variable; `learning_rate` is the task."""
        task = learning_rate
        task(variable, self._slow_weights[self._get_variable_index(variable)])

    def _start(self, variable, slow):
        # Where the counters differ, somebody has set one: what the slow weights were is unknown.
        moved = ops.not_equal(self.inner_optimizer.iterations, self.iterations)
        due = ops.logical_or(self._is_due(self.iterations), moved)
        self._change(due, lambda w, s: [w, w], variable, slow)

    def _pull(self, variable, slow):
        size = self.slow_step_size
        if callable(size):
            size = ops.cast(size(self.iterations), variable.dtype)

        def pulled(w, s):
            return [ops.add(s, ops.multiply(ops.subtract(w, s), size)), s]

        self._change(self._is_due(self.iterations + 1), pulled, variable, slow)

    def _is_due(self, count):
        return ops.equal(count % self.sync_period, 0)

    def _change(self, due, new, variable, slow):
        """Assign `new(variable, slow)` where the scalar `due` is true."""
        w, s = _replace_if(due, new, ops.convert_to_tensor(variable), ops.convert_to_tensor(slow))
        self.assign(variable, w)
        self.assign(slow, s)

    def get_config(self):
        """Return the constructor's arguments, and what weight decay spares, if anything."""
        inner = keras.saving.serialize_keras_object(self.inner_optimizer)
        inner["config"].update({setting: getattr(self, setting) for setting in PIPELINE})
        return {
            "name": self.name,
            "inner_optimizer": inner,
            "sync_period": self.sync_period,
            "slow_step_size": keras.saving.serialize_keras_object(self.slow_step_size),
            # Here, since an optimizer of Keras's own does not save it.
            **undecayed(self.inner_optimizer, self._undecayed),
        }


def _replace_if(condition, new, w, s):
    """Tensors of `new(w, s)` where the scalar `condition` holds, else `w` and `s`."""
    if keras.backend.backend() != "tensorflow" or math.prod(w.shape) < LOOP_SIZE:
        # JAX fuses a choice with what is before and after it, torch would wait for a condition.
        both = zip(new(w, s), (w, s), strict=True)
        return [old if value is old else ops.where(condition, value, old) for value, old in both]
    # Most updates change nothing here, and should not touch the weights. A loop of one round or
    # none leaves in place what it is given, where XLA copies what passes through a branch of a
    # condition: four passes over the weights, to the ten of the whole step of Adam.
    _, w, s = ops.while_loop(
        lambda due, w, s: due,
        lambda due, w, s: (ops.zeros_like(due), *new(w, s)),
        (condition, w, s),
    )
    return [w, s]


def _check_inner_optimizer(inner_optimizer):
    if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
        expected = "a `keras.optimizers.Optimizer`"
    elif type(inner_optimizer).apply is not keras.optimizers.Optimizer.apply:
        expected = (
            "an optimizer without an `apply()` of its own; put `LossScaleOptimizer` and "
            "`MultiOptimizer` around `Lookahead`"
        )
    elif inner_optimizer.built:
        expected = "an optimizer that is not built yet"
    else:
        return
    raise ValueError(
        f"`inner_optimizer` must be {expected}. Received: inner_optimizer={inner_optimizer}"
    )
