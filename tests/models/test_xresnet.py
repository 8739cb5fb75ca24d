"""Parameter counts of fastai's and mxresnet's families, to the digit; options and their errors."""

from functools import partial

import keras
import numpy as np
import pytest

from keras_twist import models
from keras_twist.layers import TWIST_VARIANTS, SimpleSelfAttention, TwistLayer
from keras_twist.models import residual
from keras_twist.models.xresnet import DEPTHS

from ..tools import thoroughly

# Trainable parameters for 10 classes: without and with self-attention (None: not published).
FASTAI = {
    "XResNet18": (11_200_874, 11_204_971),
    "XResNet34": (21_309_034, 21_313_131),
    "XResNet50": (23_547_754, 23_613_291),
    "XSEResNet18": (11_290_986, 11_295_083),
    "XResNeXt18": (13_047_914, 13_052_011),
    "XSEResNeXt18": (None, 13_142_123),
    "XSEResNeXt34": (23_638_178, 23_642_275),
    "XResNeXt50": (23_019_626, 23_085_163),
    "XSEResNeXt50": (None, 25_616_155),
    "XSEResNet50": (124_748_826, 124_814_363),
    "XSEResNeXt18Deep": (15_756_938, 15_822_475),
    "XSEResNeXt50Deep": (30_680_986, 31_729_563),
}
# Depth: plain; conv_twist, every 3x3 convolution by its later form; the earlier TwistLayer where
# there are more than 32 filters, as published; conv_twist with one kernel of 4 values for both.
MXRESNET = {
    18: (11_228_586, 33_319_850, 33_322_026, 16_143_978),
    34: (21_336_746, 63_636_906, 63_642_794, 30_748_778),
    50: (23_575_466, 46_330_154, 46_332_266, 28_638_186),
    101: (42_567_594, 85_385_002, 85_391_466, 52_095_466),
    152: (58_211_242, 117_551_402, 117_561_706, 71_416_810),
}
ATTENTION = {18: 64**2 + 1, 34: 64**2 + 1, 50: 256**2 + 1, 101: 256**2 + 1, 152: 256**2 + 1}


def later_form(filters, **options):
    return TwistLayer(filters, **TWIST_VARIANTS["mxresnet"], full_kernels=True, **options)


def earlier_form(filters, strides=1, groups=1, **options):
    if filters > 32:
        return TwistLayer(filters, strides, groups, field="free", full_kernels=True, **options)
    return keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, **options)


MX_FORMS = ("conv", later_form, earlier_form, partial(TwistLayer, masked=False))


@pytest.fixture(autouse=True)
def cheap_weights(monkeypatch):
    """Zeros: hundreds of millions of random numbers take their time."""
    monkeypatch.setattr(residual, "he_normal", lambda: "zeros")


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize("name", FASTAI)
def test_as_many_parameters_as_fastais(name):
    plain, attentive = FASTAI[name]
    model = getattr(models, name)(self_attention=True)
    assert trainable(model) == attentive
    (layer,) = (x for x in model.layers if isinstance(x, SimpleSelfAttention))
    if plain is not None:
        assert attentive - plain == layer.kernel.shape[0] ** 2 + 1


@pytest.mark.parametrize("attends", [False, True])
@pytest.mark.parametrize("form", range(4), ids="plain later earlier shared".split())
@pytest.mark.parametrize("depth", thoroughly(MXRESNET, [18, 50]))
def test_as_many_parameters_as_mxresnets(depth, form, attends):
    make = getattr(models, f"MXResNet{depth}")
    model = make(conv=MX_FORMS[form], self_attention=attends)
    assert trainable(model) == MXRESNET[depth][form] + attends * ATTENTION[depth]


def test_names_count_layers():
    """As He et al. do: convolutions in the blocks, one in front, and the last layer."""
    for depth, (blocks, expansion) in DEPTHS.items():
        assert (3 if expansion == 4 else 2) * sum(blocks) + 2 == depth


@pytest.mark.parametrize(
    ("name", "attends", "count"),
    [("XSEResNeXt18", True, 18_869_419), ("XSEResNeXt18Deep", False, 22_586_570)],
)
def test_the_twist_option_is_the_swap_done_right(name, attends, count):
    assert trainable(getattr(models, name)(self_attention=attends, conv="twist")) == count


@pytest.mark.parametrize("name", ["MXResNet50", "XResNet50", "DepthwiseXResNet"])
def test_images_shrink_as_in_the_original(name):
    model = getattr(models, name)(input_shape=(128, 128, 3))
    assert model.get_layer("stem_norm3").output.shape[1:3] == (64, 64)
    sides = [model.get_layer(f"stage{n}_block1_add").output.shape[1] for n in (1, 2, 3, 4)]
    assert sides == [32, 16, 8, 4]
    large = getattr(models, name)(stem_strides=1)
    assert large.get_layer("stage4_block1_add").output.shape[1:3] == (8, 8)


def test_attention_is_where_the_reference_has_it():
    def places(model):
        return [x.name for x in model.layers if isinstance(x, SimpleSelfAttention)]

    small = {"self_attention": True, "input_shape": (32, 32, 3)}
    assert places(models.XResNet18(**small)) == ["stage1_block2_attention"]
    assert places(models.XResNet34(**small)) == ["stage1_block3_attention"]
    assert places(models.XResNet18Deep(**small)) == ["stage3_block2_attention"]
    assert places(models.XResNet18(**small, symmetric=True)) == ["stage1_block2_attention"]


@pytest.mark.parametrize(
    ("pool", "stem", "shortcut"),
    [
        ("avg", ("MaxBlurPool2D", 1), "AveragePooling2D"),
        ("max", ("MaxBlurPool2D", 1), "MaxPooling2D"),
        ("max_blur", ("MaxBlurPool2D", 3), "MaxBlurPool2D"),
    ],
)
def test_pooling_is_what_was_asked_for(pool, stem, shortcut):
    model = models.XResNet18(pool=pool, widths=(8, 8, 8, 8), input_shape=(32, 32, 3))
    layer = model.get_layer("stem_pool")
    assert (type(layer).__name__, layer.blur_size) == stem
    assert type(model.get_layer("stage2_block1_shortcut_pool")).__name__ == shortcut


def test_depthwise_convolutions_have_one_kernel_a_channel():
    model = models.XResNet50(conv="depthwise", widths=(8, 8, 8, 8), input_shape=(32, 32, 3))
    layer = model.get_layer("stage1_block1_conv2")
    assert isinstance(layer, keras.layers.DepthwiseConv2D) and layer.depth_multiplier == 1
    assert type(model.get_layer("stem_conv2")) is keras.layers.Conv2D
    wide = models.DepthwiseXResNet(multiplier=6, widths=(8,) * 4, input_shape=(32, 32, 3))
    assert wide.get_layer("stage1_block1_depthwise").depth_multiplier == 6
    assert wide.get_layer("stage1_block1_conv2").kernel.shape == (1, 1, 48, 32)


def test_residual_blocks_start_as_nothing_where_asked_to():
    options = {"widths": (8, 8, 8, 8), "input_shape": (32, 32, 3)}
    for zero_gamma in (True, False):
        model = models.XResNet18(zero_gamma=zero_gamma, **options)
        gammas = {n: np.array(model.get_layer(f"stage1_block1_norm{n}").gamma) for n in (1, 2)}
        assert (gammas[1] == 1).all() and (gammas[2] == (0 if zero_gamma else 1)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "min"}, "`pool` must be one of .* Received: pool='min'"),
        ({"conv": "deform"}, "`conv` must be one of .* Received: conv='deform'"),
        ({"stem_strides": 3}, "`stem_strides` must be 1 or 2. Received: stem_strides=3"),
        ({"widths": (8, 8)}, r"`widths` must have one number per stage, 4. .*\(8, 8\)"),
        ({"widths": (8, 8, 0, 8)}, r"`widths` must be at least 1. .*\(8, 8, 0, 8\)"),
        ({"conv": "depthwise", "widths": (8, 12, 8, 8)}, "multiple of the channels"),
    ],
)
def test_unknown_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        models.XResNet18(input_shape=(32, 32, 3), **options)


def test_widths_must_leave_each_group_a_filter():
    assert models.XResNeXt50(input_shape=(32, 32, 3), widths=(16,) * 4).built
    with pytest.raises(ValueError, match="`widths` must be at least 16"):
        models.XResNeXt50(input_shape=(32, 32, 3), widths=(16, 16, 15, 16))
    with pytest.raises(ValueError, match="`widths` must be multiples of 32"):
        models.XResNeXt18(input_shape=(32, 32, 3), widths=(32, 48, 64, 96))


@pytest.mark.parametrize(
    "name", ["XResNet18", "MXResNet18", "DepthwiseXResNet", "DavidNet", "ResNet9", "SpeedNet"]
)
def test_channels_first_is_refused(name):
    """Half of the layers would take the rows for channels."""
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels_last.*image_data_format=.channels_first"):
            getattr(models, name)()
    finally:
        keras.config.set_image_data_format("channels_last")


def test_initial_weights_have_fastais_spread(monkeypatch):
    monkeypatch.undo()
    model = models.XResNet18(input_shape=(32, 32, 3))
    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D and layer.kernel.shape[2] >= 32:
            kernel = np.array(layer.kernel)
            expected = np.sqrt(2 / np.prod(kernel.shape[:3]))
            assert kernel.std() == pytest.approx(expected, rel=0.05), layer.name
            assert np.abs(kernel).max() > 3 * expected  # Not cut off at two deviations.
    assert (np.array(model.get_layer("dense").bias) == 0).all()
