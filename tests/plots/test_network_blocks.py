"""Networks in blocks: nothing lost, skips where the networks have them."""

import keras
import numpy as np
import pytest

from keras_twist import models
from keras_twist.plots.network_blocks import network_blocks


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.DavidNet(width=4),
        lambda: models.SpeedNet(width=4),
        lambda: models.XSEResNet18(input_shape=(32, 32, 3), widths=(16, 16, 16, 16)),
    ],
    ids=["davidnet", "speednet", "xse_resnet18"],
)
def test_blocks_hold_every_layer_once(build):
    model = build()
    blocks, skips = network_blocks(model)
    held = [layer.name for block in blocks for layer in block.layers]
    others = [m.name for m in model.layers if not isinstance(m, keras.layers.InputLayer)]
    assert held == others
    assert sum(block.parameters for block in blocks) == model.count_params()
    adds = sum(isinstance(layer, keras.layers.Add) for layer in model.layers)
    assert len(skips) == adds and all(source < target for source, target in skips)


def test_residual_networks_have_stages():
    model = models.MXResNet18(
        input_shape=(32, 32, 3), conv="twist", widths=(8, 64, 64, 64), self_attention=True
    )
    blocks, skips = network_blocks(model)
    assert [block.name for block in blocks[:3]] == ["stem", "stage1_block1", "stage1_block2"]
    assert blocks[0].stage is None and blocks[1].stage == "stage1"
    assert skips == [(number - 1, number) for number in range(1, 9)]
    assert "SimpleSelfAttention" in blocks[2].content
    assert blocks[3].content == "2 TwistLayer 3x3, AveragePooling2D, Conv2D 1x1"
    assert blocks[3].shape == "4 x 4 x 64"


def test_a_sequential_model_and_unknown_sizes():
    model = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(4, (1, 3)), keras.layers.ReLU()]
    )
    (block,), skips = network_blocks(model)
    assert (block.content, block.shape, skips) == ("Conv2D 1x3", "? x ? x 4", [])


def test_a_skip_from_the_input():
    x = inputs = keras.Input((8,))
    x = keras.layers.Add()([keras.layers.Dense(8)(x), inputs])
    _, skips = network_blocks(keras.Model(inputs, x))
    assert skips == [(-1, 0)]


def test_sums_of_what_no_layer_puts_out_are_refused():
    x = inputs = keras.Input((8,))
    x = keras.layers.Add()([keras.layers.Dense(8)(x), keras.ops.relu(inputs)])
    with pytest.raises(ValueError, match="adds up what layers put out"):
        network_blocks(keras.Model(inputs, x))


def test_models_without_a_graph_are_refused():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

    model = Subclassed()
    model(np.zeros((1, 2), "float32"))
    with pytest.raises(ValueError, match="`model` must be a functional or Sequential model"):
        network_blocks(model)
