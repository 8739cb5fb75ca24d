"""DavidNet and ResNet9: counts, names, options, precision."""

import itertools
import math

import keras
import numpy as np
import pytest

from keras_twist.models import DavidNet, ResNet9
from keras_twist.ops import mish

# Kernel weights of Conv1 to Conv8 and the dense layer, counted by hand.
CONVOLUTIONS = [1_728, 73_728, 147_456, 147_456, 294_912, 1_179_648, 2_359_296, 2_359_296]


def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def test_davidnet_has_the_published_counts_and_names():
    model = DavidNet()
    assert model.count_params() == 6_577_600
    assert count(model.trainable_weights) == 6_573_120
    assert count(model.non_trainable_weights) == 4_480
    for number, size in enumerate(CONVOLUTIONS, start=1):
        assert model.get_layer(f"Conv{number}").count_params() == size
    assert model.get_layer("dense").count_params() == 5_120
    assert [layer.name for layer in model.layers] == (
        "model_input Conv1 Bn1 Conv2 Bn2 pool1 Conv3 Bn3 dropout1 Conv4 Bn4 add1 "
        "Conv5 Bn5 pool2 Conv6 Bn6 pool3 Conv7 Bn7 dropout2 Conv8 Bn8 add2 pool4 flatten dense"
    ).split()


def test_options_of_cifar10_fast():
    model = DavidNet(dropout=0.0, pool_first=True, logit_scale=0.125, activation="mish", width=8)
    names = [layer.name for layer in model.layers]
    assert "dropout1" not in names
    assert names[3:6] == ["Conv2", "pool1", "Bn2"]
    assert model.get_layer("Bn1").momentum == 0.9
    assert model.get_layer("Bn1").activation is mish
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    plain = DavidNet(dropout=0.0, pool_first=True, activation="mish", width=8)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(
        model.predict(images, verbose=0), plain.predict(images, verbose=0) / 8, rtol=1e-5
    )


def test_every_convolution_has_the_regularizer():
    model = DavidNet(width=2, kernel_regularizer=keras.regularizers.L2(0.1))
    kernels = [model.get_layer(f"Conv{number}").kernel for number in range(1, 9)]
    expected = [0.1 * np.square(keras.ops.convert_to_numpy(kernel)).sum() for kernel in kernels]
    np.testing.assert_allclose(sorted(map(float, model.losses)), sorted(expected), rtol=1e-5)
    assert DavidNet(width=2).losses == []


def test_resnet9_pools_before_it_normalises_and_has_a_bias():
    model = ResNet9(width=8)
    names = [layer.name for layer in model.layers]
    assert names[3:6] == ["Conv2", "pool1", "Bn2"]
    assert model.get_layer("dense").use_bias
    assert ResNet9().count_params() == 6_577_600 + 10


@pytest.mark.parametrize("model", [DavidNet, ResNet9])
@pytest.mark.parametrize("shape", [(30, 32, 3), (None, None, 3), (0, 32, 3)])
def test_other_sizes_are_multiples_of_eight(model, shape):
    assert model(3, (16, 24, 1), width=4).output_shape == (None, 3)
    with pytest.raises(ValueError, match="`input_shape`.*multiples of 8"):
        model(input_shape=shape)


@pytest.mark.parametrize("network", [DavidNet, ResNet9])
@pytest.mark.parametrize("seed", [None, 3])
def test_kernels_of_one_initializer_have_numbers_of_their_own(network, seed):
    given = keras.initializers.HeNormal(seed)
    kernels = [
        np.ravel(weight)
        for weight in network(width=8, kernel_initializer=given).trainable_weights
        if len(weight.shape) > 1
    ]
    for first, second in itertools.combinations(kernels, 2):
        common = min(len(first), len(second))
        assert abs(np.corrcoef(first[:common], second[:common])[0, 1]) < 0.3
