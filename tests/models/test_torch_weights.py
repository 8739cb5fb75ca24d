"""Weights from PyTorch: twists of the published forms, and weights that do not fit.

That whole blocks and a network compute the same with them is in `test_residual.py`.
"""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_twist import models
from keras_twist.layers import TWIST_VARIANTS, TwistLayer

from ..tools import to_numpy

GOLDEN = Path(__file__).parents[1] / "golden"
FULL = {"full_kernels": True}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("A_twistlayer", TWIST_VARIANTS["notebook"]),
        ("B_conv_twist", TWIST_VARIANTS["mxresnet"]),
        ("B_conv_twist", TWIST_VARIANTS["mxresnet"] | FULL),
    ],
    ids=["notebook", "mxresnet", "whole kernels"],
)
def test_published_twists_keep_their_weights(form, options, groups):
    with np.load(GOLDEN / "twist_layer.npz") as file:
        golden = {name: file[name] for name in file.files if name.startswith(f"g{groups}_")}

    def named(name):
        return golden[f"g{groups}_{name}"]

    images = np.moveaxis(named("x_8x8"), 1, -1)
    inputs = keras.Input(images.shape[1:])
    layer = TwistLayer(6, groups=groups, name="stem_conv1", **options)
    model = keras.Model(inputs, layer(inputs))
    parts = {"conv.weight": "k", "convx.weight": "kx_raw", "convy.weight": "ky_raw"}
    parts |= {"center_x": "cx", "center_y": "cy"} | ({"radii": "radii"} if layer.masked else {})
    models.load_torch_state_dict(model, {f"0.0.{a}": named(b) for a, b in parts.items()})
    expected = np.moveaxis(named(f"8x8_s1_{form}"), 1, -1)
    np.testing.assert_allclose(to_numpy(model(images)), expected, 0, 1e-5 * np.abs(expected).max())


def test_depthwise_kernels_are_those_of_as_many_groups():
    inputs, state = keras.Input((6, 5, 3)), {"0.0.weight": np.random.normal(size=(6, 1, 3, 3))}
    options = {"padding": "same", "use_bias": False, "name": "stem_conv1"}
    depthwise = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, **options)
    pair = [
        keras.Model(inputs, layer(inputs))
        for layer in (depthwise, keras.layers.Conv2D(6, 3, groups=3, **options))
    ]
    for model in pair:
        models.load_torch_state_dict(model, state)
    images = np.random.normal(size=(2, 6, 5, 3)).astype("float32")
    found, expected = (to_numpy(model(images)) for model in pair)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        TWIST_VARIANTS["notebook"] | {"masked": False},
        TWIST_VARIANTS["notebook"] | {"ramp": 0.5},
    ],
    ids=["default", "half of one form", "ramp"],
)
def test_a_twist_of_another_form_is_refused(options):
    """The same weights would make another function of it."""
    inputs = keras.Input((8, 8, 3))
    layer = TwistLayer(6, name="stem_conv1", **options)
    model = keras.Model(inputs, layer(inputs))
    before = model.get_weights()
    state = {"0.0.conv.weight": np.ones((6, 3, 3, 3))}
    with pytest.raises(ValueError, match="'stem_conv1'.*TWIST_VARIANTS"):
        models.load_torch_state_dict(model, state)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


@pytest.fixture(scope="module")
def state():
    """Weights of a small network as fastai names them."""
    with np.load(GOLDEN / "blocks.npz") as file:
        start = "tiny_xresnet_33/sd/"
        return {n.removeprefix(start): file[n] for n in file.files if n.startswith(start)}


@pytest.fixture
def small():
    return models.XResNet18(
        input_shape=(33, 33, 3), widths=(8, 16, 32, 64), stem_filters=(8, 8, 64)
    )


def tiny():
    return models.residual.residual_net(
        models.residual.Family((1, 1, 1, 1), 1), "tiny", 10, (33, 33, 3), "mish", True, False,
        "avg", 2, "conv", True, (8, 16, 32, 64), (8, 8, 64),
    )  # fmt: skip


def changed(state, **changes):
    state = dict(state)
    for name, value in changes.items():
        state.pop(name) if value is None else state.update({name: value})
    return state


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.0.weight": None}, "'weight' for the layer 'stem_conv1'"),
        ({"0.0.weight": np.zeros((8, 3, 5, 5))}, r"'0.0.weight' does not fit .*\(5, 5, 3, 8\)"),
        ({"4.0.convpath.0.0.bias": np.zeros(8)}, "'stage1_block1_conv1' has no place for"),
        ({"fc.weight": np.zeros((10, 64))}, "none to match 'fc.weight'"),
    ],
    ids=["missing", "shape", "bias", "unknown"],
)
def test_weights_that_do_not_fit_are_named_and_change_nothing(changes, message, state):
    model = tiny()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        models.load_torch_state_dict(model, changed(state, **changes))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    models.load_torch_state_dict(model, state)


def test_mxresnets_names_are_known_too(state):
    """Of the same weights: it calls paths and attention of a block otherwise than fastai."""
    theirs = (
        (r"convpath\.\d\.(gamma|conv\.weight_)", r"sa.\1"),
        (r"convpath", "convs"),
        (r"idpath\.\d", "idconv"),
    )
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in theirs:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    assert {"4.0.sa.gamma", "4.0.convs.0.0.weight", "5.0.idconv.0.weight"} <= renamed.keys()
    loaded = []
    for weights in (state, renamed):
        loaded.append(tiny())
        models.load_torch_state_dict(loaded[-1], weights)
    for one, other in zip(*(model.get_weights() for model in loaded), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_a_smaller_network_are_refused(small, state):
    with pytest.raises(ValueError, match="for the layer 'stage1_block2_conv1'"):
        models.load_torch_state_dict(small, state)
