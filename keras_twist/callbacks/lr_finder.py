"""The learning rate range test: what the loss does while the learning rate rises."""

import contextlib
import math
import types
import warnings

import keras
import numpy as np

from keras_twist.arguments import check_choice, check_integer, check_number, check_positive
from keras_twist.callbacks._lr_sweep import Sweep
from keras_twist.callbacks._optimizers import (
    batches_per_update,
    holds_number,
    innermost,
    rate_variable,
    variable_scope,
)
from keras_twist.callbacks.lr_curve import LRCurve
from keras_twist.callbacks.model_state import restored_attributes

MODES = ("exp", "linear")
# Fewer leave nothing between the skipped first tenth and the skipped last five.
FEWEST_STEPS = 10


def lr_find(
    model,
    data,
    start=1e-7,
    end=10.0,
    steps=100,
    mode="exp",
    *,
    batch_size=None,
    beta=0.98,
    divergence=4.0,
    max_factor=10.0,
):
    """Find a learning rate: train on while it rises, look at the loss, put everything back.

    The rate goes from `start` to `end`, from one update to the next. At each it notes the loss of
    the batch before the update, which is not the mean over the epoch that Keras shows. It stops
    early once the smoothed loss exceeds 4 times its lowest value so far, or the loss is not finite.

    Afterwards, also after an error or Ctrl-C, all is as it was, to the last bit: weights, batch
    statistics, seeds of layers, optimizer state, metrics, the generators of Python, NumPy and
    PyTorch, the compiled step. The optimizer is then built, if it was not, and so is the model.
    What no model holds stays moved: a generator has given its batches, and a `tf.data` pipeline
    that shuffles anew goes on to its next order.

    It takes any compiled model: with a schedule as learning rate, which is put aside meanwhile;
    with several inputs and outputs; under mixed precision, where a step that loss scaling skips
    still is a point, its loss being real; with `gradient_accumulation_steps`, where a point is one
    update and its loss the mean over the batches of that update, the rest of one that training had
    begun being left out; with `steps_per_execution`, which is 1 meanwhile.

    Args:
        model: Compiled `keras.Model`, trained or not, on any backend.
        data: What `fit` takes: `(x, y)` or `(x, y, sample_weight)` of arrays or of dicts and lists
            of arrays, which are shuffled; a `tf.data.Dataset`, `keras.utils.PyDataset`, torch
            `DataLoader` or generator of batches. Data that ends is gone through again.
        start: First learning rate. Defaults to 1e-7.
        end: Last learning rate. Defaults to 10.0.
        steps: Updates, at least 10. Defaults to 100.
        mode: `"exp"` for equal factors, `"linear"` for equal steps. Defaults to `"exp"`.
        batch_size: Samples per batch, for arrays; None for Keras's 32. Defaults to None.
        beta: Share of the running average that each point of the smoothed loss keeps, in
            `[0, 1)`. Defaults to 0.98.
        divergence: How many times its lowest value the smoothed loss must reach to end the test.
            Defaults to 4.0.
        max_factor: Highest rate of a schedule over the suggested one, for `suggest_max` of the
            result. Defaults to 10.0, the "ten times" that is often used with one-cycle.

    Returns:
        An `LRCurve` with `learning_rates`, `losses`, `smoothed_losses`, `suggest(method)`,
        `suggest_max(method)` and `plot()`.

    Raises:
        ValueError: if the model is not compiled, an argument is out of its range, the data is
            empty or a generator too short, or the very first loss is not finite.

    Example:
        >>> keras.utils.set_random_seed(0)
        >>> x = np.random.default_rng(0).normal(size=(256, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> curve = lr_find(model, (x, x[:, :1]), start=1e-4)
        >>> 0.001 < curve.suggest() < curve.suggest_max() < 1
        True

    Reference:
        [Cyclical Learning Rates](https://arxiv.org/abs/1506.01186), section 3.3; `lr_find` of
        [fastai](https://github.com/fastai/fastai). Differs from it in: the last rate is `end`
        itself; NaN ends the test at once; seeds and generators are put back too.
    """
    rates = _rates(start, end, steps, mode)
    check_number("beta", beta, "in [0, 1)", lambda number: 0 <= number < 1)
    check_number("divergence", divergence, "> 1", lambda number: number > 1)
    check_positive("max_factor", max_factor)
    if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None:
        raise ValueError(
            "Argument `model` must be compiled; call `model.compile(optimizer, loss)` first. "
            f"Received: model={model}"
        )
    optimizer = innermost(model.optimizer)
    inputs = _fit_arguments(data, batch_size)
    with contextlib.ExitStack() as after:
        after.enter_context(
            restored_attributes(
                model, "history", "stop_training", "test_function", "steps_per_execution"
            )
        )
        compiled_for_others = model.steps_per_execution != 1 or not holds_number(optimizer)
        if compiled_for_others:
            after.enter_context(restored_attributes(model, "train_function"))
            model.train_function = model.test_function = None
            model.steps_per_execution = 1
        after.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        inputs = _build(model, inputs)
        rate = after.enter_context(rate_variable(optimizer, variable_scope(model)))
        sweep = Sweep(
            after,
            rate,
            rates,
            beta,
            divergence,
            batches=batches_per_update(model.optimizer),
            once=isinstance(data, types.GeneratorType),
        )
        # One epoch after the other until the sweep stops it.
        model.fit(**inputs, epochs=2**31 - 1, verbose=0, callbacks=[sweep])
    count = len(sweep.losses)
    if count == 0:
        raise ValueError("Argument `data` must hold at least one batch. Received: no batch")
    if not math.isfinite(sweep.losses[0]):
        raise ValueError(
            f"The loss of the first batch must be finite, before anything is trained. Received: "
            f"loss={sweep.losses[0]}. Look for wrong values in `data` or the weights."
        )
    if not sweep.finished:
        needed = sweep.leftover + steps * sweep.batches
        raise ValueError(
            f"Argument `data` must give {needed} batches if it is a generator, which cannot start "
            f"again. Received: a generator that ended after {sweep.batch}"
        )
    return LRCurve(rates[:count], sweep.losses, steps, mode, beta, max_factor)


def _rates(start, end, steps, mode):
    check_choice("mode", mode, MODES)
    steps = check_integer("steps", steps, at_least=FEWEST_STEPS)
    if mode == "exp":
        check_number("start", start, "> 0 with mode='exp'", lambda number: number > 0)
    else:
        check_number("start", start, ">= 0", lambda number: number >= 0)
    check_number("end", end, f"> start={start}", lambda number: number > start)
    space = np.geomspace if mode == "exp" else np.linspace
    return space(start, end, steps).tolist()


def _fit_arguments(data, batch_size):
    """The keyword arguments with which `fit` gets its data."""
    arguments = {"x": data, "batch_size": batch_size, "shuffle": False}
    if isinstance(data, tuple):
        if not 1 <= len(data) <= 3:
            raise ValueError(
                "Argument `data` must be (x, y) or (x, y, sample_weight) if it is a tuple. "
                f"Received: a tuple of {len(data)}"
            )
        arguments.update(zip(("x", "y", "sample_weight"), data, strict=False))
    arrays = [leaf for leaf in keras.tree.flatten(data) if getattr(leaf, "shape", None)]
    if any(array.shape[0] == 0 for array in arrays):
        raise ValueError(
            "Argument `data` must hold at least one batch. "
            f"Received: arrays of shape {', '.join(str(tuple(a.shape)) for a in arrays)}"
        )
    if isinstance(data, types.GeneratorType):
        first = next(data, None)
        if first is None:
            raise ValueError("Argument `data` must hold at least one batch. Received: no batch")
        arguments["x"] = _chain(first, data)
    if arrays or isinstance(data, keras.utils.PyDataset):
        # The others have an order of their own, and Keras would warn.
        arguments["shuffle"] = getattr(data, "num_batches", 1) is not None
    return arguments


def _build(model, inputs):
    """Create all variables of the model and its optimizer, and return the data once more.

    On TensorFlow `fit` creates them in the first step, too late to put them back.
    """
    if keras.backend.backend() != "tensorflow":
        return inputs
    if not model.built:
        if isinstance(inputs["x"], types.GeneratorType):
            first = next(inputs["x"])
            model.test_on_batch(*first)
            inputs = {**inputs, "x": _chain(first, inputs["x"])}
        else:
            wanted = {name: value for name, value in inputs.items() if name != "shuffle"}
            model.evaluate(**wanted, steps=1, verbose=0)
        model.reset_metrics()
    optimizer = model.optimizer
    if not optimizer.built:
        # Named as in the first step, where the optimizer would build itself.
        with variable_scope(model), keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(model.trainable_variables)
    return inputs


def _chain(first, batches):
    yield first
    yield from batches
