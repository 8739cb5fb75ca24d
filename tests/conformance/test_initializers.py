"""What every initializer promises: numbers that its config and the seed decide."""

import keras
import numpy as np
import pytest

from ..tools import to_numpy
from .table import INITIALIZERS
from .tools import dtype_of, each, through_json


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@each(INITIALIZERS)
def test_config_and_seed_decide_the_numbers(row, dtype):
    def start():
        keras.utils.clear_session()  # older Keras keeps its global generator over a new seed
        keras.utils.set_random_seed(0)

    start()
    initializer = row()
    first = initializer((3, 3, 2, 5), dtype=dtype)
    config = through_json(keras.saving.serialize_keras_object(initializer))
    start()
    again = keras.saving.deserialize_keras_object(config)((3, 3, 2, 5), dtype=dtype)
    assert dtype_of(first) == dtype
    assert tuple(first.shape) == (3, 3, 2, 5)
    np.testing.assert_array_equal(to_numpy(first), to_numpy(again))
    other = to_numpy(initializer((3, 3, 2, 5), dtype=dtype))
    assert np.isfinite(other).all()
    assert other.std() > 0


@each(INITIALIZERS)
def test_starts_a_layer_in_a_model_file(row, tmp_path):
    layer = keras.layers.Conv2D(5, 3, kernel_initializer=row())
    model = keras.Sequential([keras.Input((8, 8, 2)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert type(loaded.layers[0].kernel_initializer) is type(layer.kernel_initializer)
