"""The Mish layer is the function, for any shape."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.layers import BatchNormAct, Mish


def test_the_layer_computes_the_function():
    x = np.linspace(-3, 3, 24, dtype="float32").reshape(2, 3, 4)
    expected = x * np.tanh(np.log1p(np.exp(x)))
    np.testing.assert_allclose(ops.convert_to_numpy(Mish()(x)), expected, atol=1e-6)


def test_masks_pass_through_and_shapes_stay():
    layer = Mish()
    assert layer.supports_masking
    assert layer.compute_output_shape((None, 7, 3)) == (None, 7, 3)
    assert keras.Sequential([keras.Input((None, 3)), layer]).output_shape == (None, None, 3)


def test_training_makes_floats_of_integers():
    dense = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((5,), dtype="uint8"), Mish(), dense])
    model.compile("sgd", "mae", jit_compile=False)
    x = np.arange(10, dtype="uint8").reshape(2, 5)
    expected = np.mean(ops.convert_to_numpy(model(x)))
    loss = model.fit(x, np.zeros((2, 1)), verbose=0).history["loss"][0]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's graphs")
@pytest.mark.parametrize("layer", [Mish, lambda: BatchNormAct("mish")], ids=["mish", "norm"])
def test_only_training_has_pieces_for_xla(layer):
    """Without them a SavedModel runs anywhere, and becomes ONNX."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("the kernels of a GPU need none")
    model = keras.Sequential([keras.Input((8, 8, 3)), layer()])

    def compiles(training):
        function = tf.function(lambda x: model(x, training=training), autograph=False)
        graph = function.get_concrete_function(tf.TensorSpec((None, 8, 8, 3))).graph.as_graph_def()
        functions = graph.library.function
        return any("_XlaMustCompile" in one.attr for one in functions)

    assert compiles(training=True) and not compiles(training=False)
