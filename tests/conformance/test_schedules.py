"""What every schedule promises: a pure function of the step, in JSON, compiled, and in `fit`."""

import keras
import numpy as np
from keras import ops

from ..tools import to_numpy
from .table import SCHEDULES
from .tools import (
    assert_config_is_whole,
    assert_registered,
    compiled_only,
    dtype_of,
    each,
    through_json,
    xla,
)

STEPS = np.arange(25)


@each(SCHEDULES)
def test_config_survives_json(row):
    schedule = row()
    assert_registered(schedule)
    config = through_json(keras.optimizers.schedules.serialize(schedule))
    copy = keras.optimizers.schedules.deserialize(config)
    assert copy.get_config() == schedule.get_config()
    np.testing.assert_array_equal(to_numpy(copy(STEPS)), to_numpy(schedule(STEPS)))


@each(SCHEDULES)
def test_the_config_names_every_argument(row):
    assert_config_is_whole(row())


@each(SCHEDULES)
def test_scalars_arrays_and_tensors_give_the_same_float32(row):
    schedule = row()
    curve = schedule(STEPS)
    assert dtype_of(curve) == dtype_of(schedule(3)) == "float32"
    assert curve.shape == STEPS.shape
    assert len(np.unique(to_numpy(curve))) > 10
    one_by_one = [float(schedule(int(step))) for step in STEPS]
    np.testing.assert_allclose(one_by_one, to_numpy(curve), rtol=1e-6)
    counter = keras.Variable(7, dtype="int32", trainable=False)  # what an optimizer hands in
    np.testing.assert_allclose(float(schedule(counter)), one_by_one[7], rtol=1e-6)


@compiled_only
@each(SCHEDULES)
def test_xla_computes_the_same(row):
    schedule, steps = row(), ops.convert_to_tensor(STEPS, "int32")
    compiled = to_numpy(xla(schedule)(steps))
    np.testing.assert_allclose(compiled, to_numpy(schedule(steps)), rtol=1e-5, atol=1e-9)


@each(SCHEDULES)
def test_drives_an_optimizer_in_fit(row):
    schedule = row()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    # The gradient of this loss is 1, so the weight falls by the sum of the rates.
    model.compile(keras.optimizers.SGD(schedule), loss=lambda y_true, y_pred: y_pred)
    before = model.get_weights()[0]
    model.fit(np.ones((22, 1)), np.ones((22, 1)), batch_size=1, verbose=0)
    rates = to_numpy(schedule(np.arange(22)))
    np.testing.assert_allclose(before - model.get_weights()[0], rates.sum(), rtol=1e-4)
    assert float(ops.convert_to_numpy(model.optimizer.learning_rate)) == float(schedule(22))
