"""Residual blocks and a small network against fastai's, in float64 (`golden/blocks.npz`)."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_twist.layers import SimpleSelfAttention
from keras_twist.models import load_torch_state_dict
from keras_twist.models.residual import Family, Parts, residual_block, residual_net

from ..tools import skip_without, to_numpy

GOLDEN = Path(__file__).parents[1] / "golden" / "blocks.npz"
ONE = (1, 1, 1, 1)
# Family, nominal width, stride and attention of each block.
BLOCKS = {
    "basic_s1_same_8x8": (Family(ONE, 1), 8, 1, False),
    "basic_s1_same_7x9": (Family(ONE, 1), 8, 1, False),
    "basic_s2_8x8": (Family(ONE, 1), 16, 2, False),
    "basic_s2_7x9": (Family(ONE, 1), 16, 2, False),
    "bottleneck_s2_sa_8x8": (Family(ONE, 4), 8, 2, True),
    "bottleneck_s2_sa_7x9": (Family(ONE, 4), 8, 2, True),
    "seresnext_e1_s2_sa_7x9": (Family(ONE, 1, groups=4, squeeze=16), 64, 2, True),
    "seresnext_e4_s2_8x8": (Family(ONE, 4, groups=4, squeeze=16), 32, 2, False),
}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(autouse=True)
def float64():
    skip_without("float64")
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)


def weights_of(golden, tag, prefix="", part="sd"):
    start = f"{tag}/{part}/"
    return {
        prefix + name.removeprefix(start): value
        for name, value in golden.items()
        if name.startswith(start)
    }


def channels_last(images):
    return np.moveaxis(images, 1, -1) if images.ndim == 4 else images


def check(model, golden, tag, prefix="", rtol=1e-8):
    """Evaluation, training, and the statistics after one step."""
    load_torch_state_dict(model, weights_of(golden, tag, prefix))
    before = {weight.path: to_numpy(weight.value) for weight in model.weights}
    x = channels_last(golden[f"{tag}/x"])
    expected = channels_last(golden[f"{tag}/y_eval"])
    tolerance = rtol * np.abs(expected).max()
    np.testing.assert_allclose(to_numpy(model(x, training=False)), expected, 0, tolerance)
    expected = channels_last(golden[f"{tag}/y_train"])
    np.testing.assert_allclose(to_numpy(model(x, training=True)), expected, 0, 1e-5)
    after = weights_of(golden, tag, prefix, "sd_after1")
    load_after = dict(weights_of(golden, tag, prefix)) | after
    found = {weight.path: to_numpy(weight.value) for weight in model.weights}
    pixels = {layer.name: np.prod(layer.input.shape[1:-1]) * len(x) for layer in norms(model)}
    load_torch_state_dict(model, load_after)
    for weight in model.weights:
        expected = to_numpy(weight.value)
        if weight.name == "moving_variance":
            # PyTorch keeps the unbiased variance: only the tenth that this step brought.
            count = pixels[weight.path.split("/")[-2]]
            old = 0.9 * before[weight.path]
            expected = old + (expected - old) * (count - 1) / count
        np.testing.assert_allclose(found[weight.path], expected, 1e-6, 1e-9, err_msg=weight.path)


def norms(model):
    return [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("tag", BLOCKS)
def test_a_block_computes_what_fastais_does(golden, tag):
    family, width, strides, attends = BLOCKS[tag]
    inputs = keras.Input(channels_last(golden[f"{tag}/x"]).shape[1:])
    attention = SimpleSelfAttention(name="stage1_block1_attention") if attends else None
    parts = Parts("mish", "avg", "conv", True)
    outputs = residual_block(parts, family, inputs, width, strides, attention, "stage1_block1")
    check(keras.Model(inputs, outputs), golden, tag, prefix="4.0.")


def test_a_small_network_computes_what_fastais_does(golden):
    model = residual_net(
        Family(ONE, 1, stem_filters=(8, 8, 64)),
        "tiny",
        num_classes=10,
        input_shape=(33, 33, 3),
        activation="mish",
        self_attention=True,
        symmetric=False,
        pool="avg",
        stem_strides=2,
        conv="conv",
        zero_gamma=True,
        widths=(8, 16, 32, 64),
        stem_filters=None,
    )
    check(model, golden, "tiny_xresnet_33", rtol=1e-6)  # The head is in float32.
