"""`replace_convs`: what is replaced, what is kept, what is refused, and the published counts."""

import math
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_twist import models
from keras_twist.layers import TwistLayer
from keras_twist.models import NOTEBOOK_SWAP, replace_convs, wide_3x3

from ..conformance.tools import PLAIN
from ..tools import to_numpy

# 27 numbers per channel pair and 3 per filter.
AS_STORED = partial(TwistLayer, field="free", full_kernels=True)


def images(model, seed=0):
    shape = (2, *model.input_shape[1:])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def outputs(model, x):
    return to_numpy(model(x, training=False))


def leaves(model):
    """Layers of a model and of the models in it."""
    for layer in model.layers:
        yield from leaves(layer) if isinstance(layer, keras.Model) else [layer]


def twists(model):
    return [layer for layer in leaves(model) if isinstance(layer, TwistLayer)]


def untwist(model):
    for layer in twists(model):
        layer.twist.assign(np.zeros(layer.twist.shape))
    return model


def trained(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def shake(model):
    """Weights as after a training: none are what their initializers make."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 0.5, weight.shape) * rng.choice([-1, 1], weight.shape[-1:]))
        if "variance" in weight.name:
            weight.assign(ops.abs(weight))
    return model


def branches():
    """Two branches, an operation that is no layer, and every option of a convolution."""
    x = inputs = keras.Input((9, 8, 3), name="image")
    x = layers.Conv2D(32, 3, padding="same", name="narrow")(x)
    x = layers.BatchNormalization(name="norm")(x)
    left = layers.Conv2D(
        36,
        3,
        strides=(2, 1),
        padding="same",
        groups=2,
        activation="relu",
        kernel_initializer=keras.initializers.GlorotUniform(seed=3),
        kernel_regularizer=keras.regularizers.L2(1e-3),
        bias_constraint="non_neg",
        name="left",
    )(x)
    right = layers.Conv2D(36, 1, strides=(2, 1), use_bias=False, name="right")(x)
    x = layers.Dropout(0.5, seed=1)(left + right[:, :, ::1])
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.SeparableConv2D(40, 3, padding="same", name="separable")(x)
    x = layers.Conv2D(33, 3, use_bias=False, name="valid")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return shake(keras.Model(inputs, layers.Dense(5, name="head")(x), name="branches"))


def sequence():
    convs = [layers.Conv2D(filters, 3, padding="same") for filters in (8, 40, 40)]
    head = [layers.GlobalMaxPooling2D(), layers.Dense(2)]
    return shake(keras.Sequential([keras.Input((6, 6, 3), name="x"), *convs, *head], name="seq"))


def nested():
    """A model in a model in a model, one of them called twice, and one layer called twice."""
    inner = keras.Sequential(
        [keras.Input((None, None, 4)), layers.Conv2D(40, 3, padding="same", name="conv")],
        name="inner",
    )
    inputs = keras.Input((None, None, 4))
    middle = keras.Model(inputs, layers.Conv2D(4, 1, name="narrow")(inner(inputs)), name="middle")
    shared = layers.Conv2D(34, 3, padding="same", name="shared")
    narrow = layers.Conv2D(4, 1, name="back")
    x = inputs = keras.Input((6, 6, 4))
    x = middle(middle(x))
    x = narrow(shared(narrow(shared(x))))
    return shake(keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="outer"))


BUILDERS = {
    "branches": (branches, ["left", "valid"]),
    "sequence": (sequence, None),
    "nested": (nested, ["middle/inner/conv", "shared"]),
}
each_builder = pytest.mark.parametrize("build", BUILDERS)


@each_builder
def test_without_its_twist_it_computes_what_the_model_did(build):
    build, names = BUILDERS[build]
    model = build()
    new, report = replace_convs(model, report=True)
    if names is None:
        names = [layer.name for layer in model.layers[1:3]]
    assert [row.name for row in report.replaced] == names
    assert len(twists(new)) == 2
    assert [layer.name for layer in leaves(new)] == [layer.name for layer in leaves(model)]
    assert type(new) is type(model) and new.name == model.name
    assert new.input_shape == model.input_shape
    x = images(model)
    expected = outputs(model, x)
    # The twist is random: it changes the function at once.
    assert np.abs(outputs(new, x) - expected).max() > 1e-3
    tolerance = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(outputs(untwist(new), x), expected, rtol=0, atol=tolerance)


@each_builder
def test_a_file_keeps_it(build, tmp_path):
    new = replace_convs(BUILDERS[build][0]())
    new.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images(new)
    np.testing.assert_array_equal(outputs(loaded, x), outputs(new, x))
    assert len(twists(loaded)) == 2


@each_builder
def test_the_given_model_stays_as_it_is(build):
    model = BUILDERS[build][0]()

    # No file could hold this loss, so that Keras cannot set it up for a copy either.
    def loss(y, prediction):
        return ops.mean(prediction**2, axis=-1)

    model.compile(keras.optimizers.Adam(1e-3), loss, **PLAIN)
    x = images(model)
    y = np.zeros((2, model.output_shape[-1]))
    model.fit(x, y, verbose=0)

    def state():
        variables = [*model.variables, *model.optimizer.variables]
        return [to_numpy(variable) for variable in variables]

    before, names = state(), [variable.path for variable in model.variables]
    layer_names = [layer.name for layer in leaves(model)]
    config, optimizer = model.get_config(), model.optimizer
    new = replace_convs(model)
    assert not new.compiled and not hasattr(new, "optimizer")
    new.compile("sgd", loss, **PLAIN)
    new.fit(x, y, verbose=0)
    assert model.compiled and model.optimizer is optimizer
    assert [variable.path for variable in model.variables] == names
    assert [layer.name for layer in leaves(model)] == layer_names
    assert model.get_config() == config
    for old, kept in zip(before, state(), strict=True):
        np.testing.assert_array_equal(kept, old)


def test_one_step_moves_every_weight():
    new = replace_convs(branches())
    new.compile(keras.optimizers.SGD(1e-2), "mse", **PLAIN)
    before = [to_numpy(weight) for weight in new.trainable_weights]
    history = new.fit(images(new), np.ones((2, 5)), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for weight, old in zip(new.trainable_weights, before, strict=True):
        assert not np.array_equal(to_numpy(weight), old), weight.path


def test_a_twist_keeps_what_the_convolution_was():
    model = branches()
    left, valid = twists(replace_convs(model))
    old = model.get_layer("left")
    assert (left.filters, left.strides, left.groups, left.padding) == (36, (2, 1), 2, "same")
    assert left.use_bias and left.activation is keras.activations.relu
    for name in "kernel_initializer kernel_regularizer bias_initializer bias_constraint".split():
        assert type(getattr(left, name)) is type(getattr(old, name)), name
    assert left.kernel_initializer is not old.kernel_initializer
    assert left.kernel_initializer.seed == 3
    assert left.kernel_regularizer.get_config() == old.kernel_regularizer.get_config()
    for name in ("kernel", "bias"):
        np.testing.assert_array_equal(to_numpy(getattr(left, name)), to_numpy(getattr(old, name)))
    assert valid.padding == "valid" and not valid.use_bias
    assert valid.masked and valid.origin == "center"  # TwistLayer's own defaults


def test_other_layers_keep_weights_states_and_names():
    model = branches()
    new = replace_convs(model)
    for layer, copy in zip(model.layers, new.layers, strict=True):
        assert layer is not copy
        if isinstance(copy, TwistLayer):
            continue
        assert type(copy) is type(layer)
        assert copy.get_config() == layer.get_config()
        for theirs, ours in zip(layer.variables, copy.variables, strict=True):
            assert theirs is not ours
            np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))
    # The dropout goes on with the numbers that the model's would have drawn.
    x = images(model)
    untwist(new)
    found, expected = (to_numpy(m(x, training=True)) for m in (new, model))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_an_adapted_normalization_stays_adapted():
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(3.0, 2.0, (20, 6, 6, 3)))
    model = keras.Sequential([keras.Input((6, 6, 3)), norm, layers.Conv2D(40, 3)])
    x = images(model)
    found = outputs(untwist(replace_convs(model)), x)
    np.testing.assert_allclose(found, outputs(model, x), atol=1e-5)


def test_frozen_layers_stay_frozen():
    model = nested()
    model.get_layer("middle").trainable = False
    model.get_layer("middle").get_layer("narrow").trainable = True
    model.get_layer("shared").trainable = False
    new = replace_convs(model)
    for layer, copy in zip(leaves(model), leaves(new), strict=True):
        assert copy.trainable == layer.trainable, layer.name
    assert not new.get_layer("middle").trainable and new.trainable
    names = [weight.path for weight in new.trainable_weights]
    assert names == [f"{layer}/{w}" for layer in ("narrow", "back") for w in ("kernel", "bias")]
    assert names == [weight.path for weight in model.trainable_weights]

    model = branches()
    model.trainable = False
    assert not replace_convs(model).trainable_weights

    model = branches()
    model.get_layer("norm").gamma.trainable = False
    assert not replace_convs(model).get_layer("norm").gamma.trainable


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_policies_stay(policy):
    keras.config.set_dtype_policy(policy)
    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(40, 3, name="half")(x)
    x = layers.Conv2D(40, 3, dtype="float32", name="single")(x)
    model = keras.Model(inputs, x)
    keras.config.set_dtype_policy("float32")
    new = replace_convs(model)
    for name, expected in (("half", policy), ("single", "float32")):
        assert isinstance(new.get_layer(name), TwistLayer)
        assert new.get_layer(name).dtype_policy.name == expected
    x = images(model)
    found = outputs(untwist(new), x)
    expected = outputs(model, x)
    np.testing.assert_allclose(found, expected, atol=3e-2 * np.abs(expected).max())


class Net(keras.Model):
    """A functional model with a training step of its own."""

    def extra(self):
        return 7


def test_a_class_with_inputs_and_outputs_stays():
    inputs = keras.Input((6, 6, 3))
    new = replace_convs(Net(inputs, layers.Conv2D(40, 3)(inputs)))
    assert type(new) is Net and new.extra() == 7


def test_inputs_and_outputs_may_be_dictionaries():
    inputs = {"a": keras.Input((6, 6, 3), name="a"), "b": keras.Input((6, 6, 3), name="b")}
    x = layers.Conv2D(40, 3)(layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, {"sum": ops.sum(x, axis=(1, 2)), "all": x})
    x = {name: np.ones((1, 6, 6, 3), "float32") for name in "ab"}
    found, expected = untwist(replace_convs(model))(x), model(x)
    assert found.keys() == expected.keys() == {"sum", "all"}
    for name in found:
        np.testing.assert_allclose(to_numpy(found[name]), to_numpy(expected[name]), atol=1e-4)


def test_fresh_kernels_on_request():
    model = sequence()
    new = replace_convs(model, keep_kernels=False)
    for layer in twists(new):
        assert np.abs(to_numpy(layer.kernel) - to_numpy(model.get_layer(layer.name).kernel)).max()
        assert not to_numpy(layer.bias).any()


def test_any_layer_may_come_in_place():
    def separable(filters, strides, padding, name, **kwargs):
        return layers.SeparableConv2D(filters, 3, strides, padding, name=name)

    new = replace_convs(branches(), separable, keep_kernels=False)
    assert isinstance(new.get_layer("left"), layers.SeparableConv2D)

    new = replace_convs(sequence(), partial(TwistLayer, masked=False, field="squeeze_shear"))
    assert all(not layer.masked and layer.field == "squeeze_shear" for layer in twists(new))


def test_where_chooses_among_convolutions():
    seen = []

    def where(conv):
        seen.append(conv.name)
        return wide_3x3(conv) and conv.name == "left"

    new = replace_convs(branches(), where=where)
    assert [layer.name for layer in twists(new)] == ["left"]
    assert sorted(seen) == ["left", "narrow", "right", "valid"]


def test_1x1_convolutions_may_be_replaced_too():
    x = inputs = keras.Input((7, 7, 3))
    x = layers.Conv2D(40, 1, strides=2, name="conv")(x)
    new = replace_convs(
        keras.Model(inputs, x), where=lambda conv: conv.kernel_size == (1, 1), keep_kernels=False
    )
    assert new.output_shape == (None, 4, 4, 40)


def test_the_report_counts_layers_and_models():
    model = branches()
    new, report = replace_convs(model, report=True)
    left, valid = report.replaced
    assert (left.kernel_size, left.filters, left.groups, left.strides) == ((3, 3), 36, 2, (2, 1))
    assert left.before == 9 * 16 * 36 + 36 and left.after == 13 * 16 * 36 + 4 * 36
    assert valid.before == 9 * 40 * 33 and valid.after == 13 * 40 * 33 + 3 * 33
    assert (report.before, report.after) == (model.count_params(), new.count_params())
    assert report.trainable_before == trained(model) and report.trainable_after == trained(new)
    assert report.before - report.trainable_before == 64
    grown = sum(row.after - row.before for row in report.replaced)
    assert report.after - report.before == grown
    lines = str(report).splitlines()
    assert lines[0].split() == "layer kernel filters groups strides before after".split()
    assert lines[1].split() == ["left", "3x3", "36", "2", "2x1", "5,220", "7,632"]
    assert lines[3] == "2 layers replaced"
    assert lines[4] == f"parameters: {report.before:,} -> {report.after:,}"


def test_what_cannot_be_done_is_refused():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    for model in (Subclassed(), layers.Conv2D(40, 3), None):
        with pytest.raises(ValueError, match="`model` must be a functional or Sequential.*Receiv"):
            replace_convs(model)
    with pytest.raises(ValueError, match="`model` must be built"):
        replace_convs(keras.Sequential([layers.Conv2D(40, 3)]))
    with pytest.raises(ValueError, match="`where` must choose at least one.*'branches'"):
        replace_convs(branches(), where=lambda conv: conv.filters > 99)
    with pytest.raises(ValueError, match="`make_layer` must return a Keras layer. Received: None"):
        replace_convs(branches(), lambda **kwargs: None)
    with pytest.raises(ValueError, match=r"`keep_kernels=True`.*\(1, 1, 32, 36\).*'right'"):
        replace_convs(branches(), where=lambda conv: conv.name == "right")
    with pytest.raises(ValueError, match=r"`keep_kernels=True` needs a bias.*'left'.*None"):
        replace_convs(branches(), lambda use_bias, **kwargs: TwistLayer(**kwargs))
    x = keras.Input((8, 8, 3))
    dilated = keras.Model(x, layers.Conv2D(40, 3, dilation_rate=2, name="wide")(x))
    with pytest.raises(ValueError, match="`where` must choose at least one"):
        replace_convs(dilated)
    with pytest.raises(ValueError, match=r"dilation_rate=\(2, 2\) of layer 'wide'"):
        replace_convs(dilated, where=lambda conv: True)
    if keras.backend.backend() != "torch":
        first = keras.Model(x, layers.Conv2D(40, 3, data_format="channels_first", name="first")(x))
        with pytest.raises(ValueError, match="data_format='channels_first' of layer 'first'"):
            replace_convs(first)


def test_depthwise_networks_keep_their_depthwise_convolutions():
    model = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=2)
    with pytest.raises(ValueError, match="`where`"):
        replace_convs(model)
    new, report = replace_convs(model, where=lambda c: c.kernel_size == (3, 3), report=True)
    assert [row.name for row in report.replaced] == ["Conv1"]
    kinds = [type(layer) for layer in model.layers if layer.name != "Conv1"]
    assert [type(layer) for layer in new.layers if layer.name != "Conv1"] == kinds
    x = images(model)
    np.testing.assert_allclose(outputs(untwist(new), x), outputs(model, x), atol=1e-5)


def test_padding_by_a_layer_of_its_own():
    """Version 2 pads in front of "valid" convolutions; version 1 has "same" ones."""
    model = keras.applications.ResNet50V2(False, None, input_shape=(32, 32, 3))
    new, report = replace_convs(model, report=True)
    assert len(report.replaced) == 16
    paddings = {layer.padding for layer in twists(new)}
    assert paddings == {"valid"}
    assert {row.strides for row in report.replaced} == {(1, 1), (2, 2)}
    x = images(model)
    expected = outputs(model, x)
    found = outputs(untwist(new), x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def convolutions(model):
    return [layer for layer in leaves(model) if type(layer) is layers.Conv2D]


def counted(model, where, per_pair, per_filter, keep_groups):
    """Trainable parameters after a swap, by arithmetic: some would fill gigabytes.

    Biases are dropped where groups are, as by the notebook.
    """
    total = trained(model)
    for conv in filter(where, convolutions(model)):
        per_group = conv.kernel.shape[2]
        pairs = conv.filters * (per_group if keep_groups else per_group * conv.groups)
        bias = conv.filters if keep_groups and conv.use_bias else 0
        total += pairs * per_pair + conv.filters * per_filter + bias - conv.count_params()
    return total


def notebook_count(model):
    return counted(model, NOTEBOOK_SWAP["where"], 27, 3, keep_groups=False)


def ungrouped(groups, use_bias, **kwargs):
    return AS_STORED(**kwargs)


def test_the_arithmetic_is_right():
    model = branches()
    assert trained(replace_convs(model, **NOTEBOOK_SWAP)) == notebook_count(model)
    new = replace_convs(model, ungrouped, keep_kernels=False)
    assert trained(new) == counted(model, wide_3x3, 27, 3, keep_groups=False)
    new = replace_convs(model, AS_STORED)
    assert trained(new) == counted(model, wide_3x3, 27, 3, keep_groups=True)
    assert trained(replace_convs(model)) == counted(model, wide_3x3, 13, 3, keep_groups=True)


def test_the_published_swap_takes_1x1_and_drops_groups_and_biases():
    model = branches()
    new, report = replace_convs(model, **NOTEBOOK_SWAP, report=True)
    assert sorted(row.name for row in report.replaced) == ["left", "right", "valid"]
    left, right, valid = map(new.get_layer, ("left", "right", "valid"))
    assert left.groups == 1 and left.strides == right.strides == (2, 1)
    assert not left.use_bias and left.activation is keras.activations.relu
    assert [layer.padding for layer in (left, right, valid)] == ["symmetric", "symmetric", "valid"]
    assert left.kernel.shape == left.twist.shape == left.twist_y.shape == (3, 3, 32, 36)
    deviation = to_numpy(left.kernel).std()
    assert deviation == pytest.approx(np.sqrt(1 / (3 * 9 * 32)), rel=0.02)  # not He's
    assert new.output_shape == model.output_shape
    # The SE blocks of the networks convolve images of one pixel.
    x = inputs = keras.Input((1, 1, 8))
    x = layers.Conv2D(40, 1, activation="sigmoid")(x)
    assert replace_convs(keras.Model(inputs, x), **NOTEBOOK_SWAP).output_shape == (None, 1, 1, 40)


# Trainable parameters of fastai's networks, and after a swap: as published; of 3x3 only; of these
# with their groups; with the 4 values of `TwistLayer` instead; and these without groups.
FASTAI = [
    ("XSEResNeXt18", True, 13_142_123, 71_904_811, 66_280_619, 38_853_803, 18_869_419, 32_074_923),
    (
        *("XSEResNeXt18Deep", False, 15_756_938, 93_371_722),
        *(84_124_874, 46_413_002, 22_586_570, 40_744_138),
    ),
    (
        *("XSEResNeXt18Deep", True, 15_822_475, 93_437_259),
        *(84_190_411, 46_478_539, 22_652_107, 40_809_675),
    ),
    (
        *("XSEResNeXt50", True, 25_616_155, 782_222_555),
        *(160_068_187, 28_505_179, 26_275_931, 89_621_083),
    ),
    ("XResNet50", True, 23_613_291, 361_698_987, 46_296_171, 46_296_171, 28_662_891, 28_662_891),
    ("XResNet18", True, 11_204_971, 37_700_011, 33_224_491, 33_224_491, 16_107_307, 16_107_307),
]
REPLACED_3X3 = {"XSEResNeXt18Deep": 21}


def fastai(name, self_attention):
    make = getattr(models, name)
    options = {"activation": "mish", "self_attention": self_attention}
    return make(num_classes=10, input_shape=(128, 128, 3), **options)


@pytest.mark.parametrize("row", FASTAI, ids=lambda row: f"{row[0]}-{row[1]}")
def test_counts_of_the_published_networks(row):
    name, self_attention, plain, published, without_groups, stored, shared, shared_ungrouped = row
    model = fastai(name, self_attention)
    assert trained(model) == plain
    assert notebook_count(model) == published
    assert counted(model, wide_3x3, 27, 3, keep_groups=False) == without_groups
    assert counted(model, wide_3x3, 27, 3, keep_groups=True) == stored
    assert counted(model, wide_3x3, 13, 3, keep_groups=True) == shared
    assert counted(model, wide_3x3, 13, 3, keep_groups=False) == shared_ungrouped
    assert len(list(filter(wide_3x3, convolutions(model)))) == REPLACED_3X3.get(name, 17)


def test_the_published_swap_of_the_published_network():
    model = fastai("XSEResNeXt18", True)
    new, report = replace_convs(model, **NOTEBOOK_SWAP, report=True)
    assert len(report.replaced) == 28
    assert sum(row.kernel_size == (1, 1) for row in report.replaced) == 11
    assert (report.trainable_before, report.trainable_after) == (13_142_123, 71_904_811)
    assert trained(new) == 71_904_811
    new, report = replace_convs(model, report=True)
    assert trained(new) == report.trainable_after == 18_869_419


def test_an_activation_inside_a_convolution_keeps_its_weights():
    activation = keras.layers.PReLU("ones", shared_axes=[1, 2])
    conv = keras.layers.Conv2D(64, 3, padding="same", activation=activation)
    model = keras.Sequential([keras.Input((8, 8, 3)), conv])
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    model(x)
    activation.set_weights([np.linspace(-2, 2, 64).reshape(1, 1, 64)])
    twisted = replace_convs(model)
    twisted.layers[0].twist.assign(np.zeros(twisted.layers[0].twist.shape))
    np.testing.assert_allclose(twisted(x), model(x), rtol=1e-4, atol=1e-5)


def test_the_new_layer_may_have_no_such_activation():
    conv = layers.Conv2D(40, 3, activation=layers.PReLU(shared_axes=[1, 2]))
    model = keras.Sequential([keras.Input((8, 8, 3)), conv])
    model(np.zeros((1, 8, 8, 3)))

    class Own(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(3, 3, 3, 40))
            self.bias = self.add_weight(shape=(40,))

        def call(self, inputs):
            return inputs

    assert isinstance(
        replace_convs(model, make_layer=lambda name, **_: Own(name=name)).layers[0], Own
    )


def test_penalties_and_constraints_are_those_of_the_convolution():
    l2, x = keras.regularizers.L2, np.random.default_rng(0).normal(size=(2, 6, 6, 3))
    conv = layers.Conv2D(
        40, 3, bias_initializer="ones", kernel_regularizer=l2(0.1), bias_regularizer=l2(0.2),
        activity_regularizer=l2(0.3), kernel_constraint="non_neg", bias_constraint="non_neg",
    )  # fmt: skip
    (layer,) = replace_convs(keras.Sequential([keras.Input(x.shape[1:]), conv])).layers
    y, kernel, twist = map(np.asarray, (layer(x), layer.kernel, layer.twist))
    expected = 0.1 * (np.sum(kernel**2) + np.sum(twist**2)) + 0.2 * 40 + 0.3 * np.sum(y**2) / 2
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-4)
    for weight in (layer.kernel, layer.bias):
        assert isinstance(weight.constraint, keras.constraints.NonNeg)
    assert layer.twist.constraint is None
