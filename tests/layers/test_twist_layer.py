"""TwistLayer against the published implementations, Conv2D, and itself in every mode.

Longer than 250 lines, because the golden tests and those of the modes share their helpers.
"""

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_twist.layers.twist_layer as module
from keras_twist.layers import TWIST_VARIANTS, Mish, TwistLayer
from keras_twist.ops import antisymmetric_kernel, antisymmetrize, rotate_kernel, twist_conv
from keras_twist.ops.twist_forms import FORMS, twisted

from ..tools import gradients, skip_without, to_numpy

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "twist_layer.npz", allow_pickle=False)
SIZES = ("8x8", "7x9", "8x11")
# The published outputs, and which of the stored weights make them.
VARIANTS = {
    "A_twistlayer": ("notebook", "kx_raw"),
    "A4_twistlayer_p4": ("notebook", "p4"),
    "B_conv_twist": ("mxresnet", "kx_raw"),
    "D_centred_mask_cw": (None, "kx_raw"),
    "D4_centred_mask_cw_p4": (None, "p4"),
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it tests TensorFlow's own compiler or export"
)


def values(kernel):
    """The 4 free values of the antisymmetric part of a torch kernel."""
    kernel = np.transpose(kernel, (2, 3, 1, 0))
    kernel = (kernel - kernel[::-1, ::-1]) / 2
    return np.stack([kernel[0, 0], kernel[0, 1], kernel[0, 2], kernel[1, 0]])


def golden_layer(variant, groups, **kwargs):
    """Layer with the stored weights; with `full_kernels` they go in as they are stored."""
    name, weights = VARIANTS[variant]
    layer = TwistLayer(6, groups=groups, **TWIST_VARIANTS.get(name, {}), **kwargs)
    layer.build((None, None, None, 4))

    def stored(key):
        return GOLDEN[f"g{groups}_{key}"]

    layer.kernel.assign(np.transpose(stored("k"), (2, 3, 1, 0)))
    raw = stored(weights)
    take = partial(np.transpose, axes=(2, 3, 1, 0)) if layer.full_kernels else values
    layer.twist.assign(np.transpose(raw, (2, 1, 0)) if weights == "p4" else take(raw))
    if layer.twist_y is not None:
        layer.twist_y.assign(take(stored("ky_raw")))
    layer.center_x.assign(stored("cx"))
    layer.center_y.assign(stored("cy"))
    if layer.radius is not None:
        layer.radius.assign(stored("radii"))
    return layer


def image(groups, size, dtype):
    x = np.moveaxis(GOLDEN[f"g{groups}_x_{size}"], 1, -1)
    return ops.convert_to_tensor(x, dtype=dtype)


def relative_error(actual, expected):
    return np.abs(to_numpy(actual) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_published_outputs_at_every_size_and_stride(variant, groups, dtype):
    skip_without(dtype)
    for strides in (1, 2):
        layer = golden_layer(variant, groups, strides=strides, dtype=dtype)
        for size in SIZES:
            expected = np.moveaxis(GOLDEN[f"g{groups}_{size}_s{strides}_{variant}"], 1, -1)
            error = relative_error(layer(image(groups, size, dtype)), expected)
            assert error < TOLERANCE[dtype], (size, strides)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("groups", [1, 2])
def test_published_outputs_of_whole_kernels(groups, dtype):
    skip_without(dtype)
    for strides in (1, 2):
        kwargs = {"strides": strides, "dtype": dtype}
        layer = golden_layer("B_conv_twist", groups, full_kernels=True, **kwargs)
        four_values = golden_layer("B_conv_twist", groups, **kwargs)
        for size in SIZES:
            x = image(groups, size, dtype)
            expected = np.moveaxis(GOLDEN[f"g{groups}_{size}_s{strides}_B_conv_twist"], 1, -1)
            assert relative_error(layer(x), expected) < TOLERANCE[dtype], (size, strides)
            assert relative_error(layer(x), to_numpy(four_values(x))) < TOLERANCE[dtype]


def test_whole_kernels_get_half_the_gradient_of_their_values_on_either_side():
    x = image(1, "8x8", "float32")
    cotangent = ops.convert_to_tensor(np.moveaxis(GOLDEN["g1_cot_8x8"], 1, -1), dtype="float32")
    found = weight_gradients(golden_layer("B_conv_twist", 1, full_kernels=True), x, cotangent)
    expected = weight_gradients(golden_layer("B_conv_twist", 1), x, cotangent)
    assert found.keys() == expected.keys()
    for name in ("twist", "twist_y"):
        half = to_numpy(antisymmetric_kernel(expected[name])) / 2
        assert relative_error(found[name], half) < 1e-5, name
    for name in ("kernel", "center_x", "center_y"):
        assert relative_error(found[name], to_numpy(expected[name])) < 1e-5, name


@pytest.mark.parametrize("form", ["differences", "products"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_gives_the_published_outputs(variant, form, monkeypatch):
    if form == "products" and variant == "B_conv_twist":
        pytest.skip("products need a Ky that holds the values of Kx")
    monkeypatch.setattr(module, "twisted", partial(twisted, form=form))
    for groups in (1, 2):
        layer = golden_layer(variant, groups)
        expected = np.moveaxis(GOLDEN[f"g{groups}_7x9_s1_{variant}"], 1, -1)
        assert relative_error(layer(image(groups, "7x9", "float32")), expected) < 1e-5


def weight_gradients(layer, x, cotangent):
    """Derivatives of sum(layer(x) * cotangent) with respect to the layer's weights, by name."""
    _, found = gradients(layer, x, layer.trainable_variables, cotangent)
    return {weight.name: found[weight.path] for weight in layer.trainable_variables}


@pytest.mark.parametrize(
    ("form", "dtype"), [("separate", "float32"), *((form, "float64") for form in FORMS)]
)
@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_add_up_over_both_uses_of_the_kernel(groups, dtype, form, monkeypatch):
    skip_without(dtype)
    monkeypatch.setattr(module, "twisted", partial(twisted, form=form))
    cotangent = np.moveaxis(GOLDEN[f"g{groups}_cot_8x8"], 1, -1)
    cotangent = ops.convert_to_tensor(cotangent, dtype=dtype)
    x = image(groups, "8x8", dtype)

    def stored(name):
        return GOLDEN[f"g{groups}_grad_shared_{name}"]

    found = weight_gradients(golden_layer("A4_twistlayer_p4", groups, dtype=dtype), x, cotangent)
    expected = {
        "kernel": np.transpose(stored("k"), (2, 3, 1, 0)),
        "twist": np.transpose(stored("p4"), (2, 1, 0)),
        "center_x": stored("cx"),
        "center_y": stored("cy"),
        "radius": stored("radii"),
    }
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert relative_error(gradient, expected[name]) < TOLERANCE[dtype], name

    # With a full kernel the two entries of a pair share the gradient of their one value.
    found = weight_gradients(golden_layer("A_twistlayer", groups, dtype=dtype), x, cotangent)
    expected = 2 * values(stored("kx_A"))
    assert relative_error(found["twist"], expected) < TOLERANCE[dtype]


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("field", ["rotate_scale", "squeeze_shear", "free"])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("channels", [4, 64])
def test_the_layer_is_twist_conv_with_its_weights(channels, masked, field):
    layer = TwistLayer(6, masked=masked, field=field)
    x = random_images(2, 5, 6, channels)
    kernel_x = antisymmetric_kernel(layer(x) is not None and layer.twist.value)
    if field == "free":
        kernel_y = antisymmetric_kernel(layer.twist_y.value)
    else:
        kernel_y = rotate_kernel(kernel_x, -1 if field == "rotate_scale" else 1)
    expected = twist_conv(
        ops.convert_to_tensor(x),
        layer.kernel.value,
        kernel_x,
        kernel_y,
        layer.center_x.value,
        layer.center_y.value,
        layer.radius.value if masked else None,
    )
    assert relative_error(layer(x), to_numpy(expected)) < 1e-5


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("channels", [4, 64])
def test_without_twist_it_is_a_convolution(channels, strides, padding):
    x = random_images(2, 8, 7, channels)
    layer = TwistLayer(6, strides, 2, padding=padding, use_bias=True, activation="relu")
    layer.build(x.shape)
    layer.twist.assign(np.zeros(layer.twist.shape))
    layer.bias.assign(np.arange(6))
    conv = keras.layers.Conv2D(6, 3, strides, padding, groups=2, activation="relu")
    conv.build(x.shape)
    conv.kernel.assign(layer.kernel)
    conv.bias.assign(layer.bias)
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(conv(x)), atol=1e-5)
    assert layer.compute_output_shape(x.shape) == conv.compute_output_shape(x.shape)


@pytest.mark.parametrize("strides", [(1, 2), (2, 1), (3, 2)])
def test_strides_may_be_a_pair(strides):
    x = random_images(1, 7, 8, 3)
    layer = TwistLayer(4, strides, masked=False)
    assert layer(x).shape == layer.compute_output_shape(x.shape)


def test_parameters_are_13_ninths_of_a_convolution_and_3_per_filter():
    for kwargs, count in (
        ({}, 13 * 8 * 4 // 2 + 3 * 4),
        ({"masked": False}, 13 * 8 * 4 // 2 + 2 * 4),
        ({"field": "free"}, 17 * 8 * 4 // 2 + 3 * 4),
        ({"field": "free", "full_kernels": True}, 27 * 8 * 4 // 2 + 3 * 4),
        ({**TWIST_VARIANTS["mxresnet"], "full_kernels": True}, 27 * 8 * 4 // 2 + 2 * 4),
    ):
        layer = TwistLayer(4, groups=2, **kwargs)
        layer.build((None, 8, 8, 8))
        assert layer.count_params() == count


@pytest.mark.parametrize("seed", [None, 7])
def test_weights_start_as_the_references_do(seed):
    initializer = keras.initializers.HeNormal(seed=seed)
    layer = TwistLayer(128, field="free", kernel_initializer=initializer)
    layer.build((None, 8, 8, 64))
    kernel, twist, twist_y = map(to_numpy, (layer.kernel, layer.twist, layer.twist_y))
    deviation = np.sqrt(2 / (9 * 64))
    assert kernel.std() == pytest.approx(deviation, rel=0.02)
    own_part = to_numpy(antisymmetrize(kernel))
    own_part = np.stack([own_part[0, 0], own_part[0, 1], own_part[0, 2], own_part[1, 0]])
    for part in (twist, twist_y):
        # half the difference of two independent numbers
        assert part.std() == pytest.approx(deviation / np.sqrt(2), rel=0.02)
        assert abs(np.corrcoef(part.ravel(), own_part.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(twist.ravel(), twist_y.ravel())[0, 1]) < 0.05
    for center in map(to_numpy, (layer.center_x, layer.center_y)):
        assert -0.7 <= center.min() < -0.5
        assert 0.5 < center.max() <= 0.7
    radius = to_numpy(layer.radius)
    assert 0.3 <= radius.min() < radius.max() <= 0.7


@pytest.mark.parametrize("seed", [None, 7])
def test_whole_kernels_are_three_draws(seed):
    initializer = keras.initializers.HeNormal(seed=seed)
    layer = TwistLayer(128, field="free", kernel_initializer=initializer, full_kernels=True)
    layer.build((None, 8, 8, 64))
    kernels = [to_numpy(w).ravel() for w in (layer.kernel, layer.twist, layer.twist_y)]
    for kernel in kernels:
        assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    assert np.abs(np.corrcoef(kernels) - np.eye(3)).max() < 0.05


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("channels", [4, 64])
@pytest.mark.parametrize("masked", [True, False])
def test_mixed_precision_keeps_float32_coordinates(masked, channels, policy):
    # In float16 the coordinates of 3000 pixels would fall together in pairs.
    x = random_images(1, 3, 3000, channels)
    layer = TwistLayer(2, masked=masked, dtype=policy)
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    single = TwistLayer(2, masked=masked)
    single.build(x.shape)
    single.set_weights(layer.get_weights())
    tolerance = 5e-3 if policy == "mixed_float16" else 4e-2
    assert relative_error(y, to_numpy(single(x))) < tolerance
    cotangent = ops.cast(np.ones(y.shape), y.dtype)
    for name, gradient in weight_gradients(layer, ops.convert_to_tensor(x), cotangent).items():
        assert np.isfinite(to_numpy(gradient)).all(), name
        assert np.abs(to_numpy(gradient)).max() > 0, name


@pytest.mark.parametrize("variant", [None, *TWIST_VARIANTS])
def test_a_saved_model_loads_with_equal_outputs(variant, tmp_path):
    layer = TwistLayer(
        6,
        strides=(2, 1),
        groups=2,
        kernel_regularizer="l2",
        activation="relu",
        use_bias=True,
        **TWIST_VARIANTS.get(variant, {}),
    )
    model = keras.Sequential([keras.Input((None, None, 4)), layer])
    x = random_images(2, 6, 5, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(model(x)), to_numpy(loaded(x)))
    assert loaded.layers[-1].get_config() == layer.get_config()
    assert len(model.losses) == (3 if layer.field == "free" else 2)


def test_no_size_needs_to_be_known():
    for channels, kwargs in ((4, {}), (64, {}), (4, {"strides": 2}), (64, {"masked": False})):
        layer = TwistLayer(3, **kwargs)
        model = keras.Sequential([keras.Input((None, None, channels)), layer])
        assert model.output_shape == (None, None, None, 3)
        for shape in ((1, 5, 6, channels), (2, 8, 3, channels)):
            x = random_images(*shape)
            np.testing.assert_allclose(model.predict(x, verbose=0), to_numpy(layer(x)), atol=2e-5)


@tensorflow_only
@pytest.mark.parametrize("kwargs", [{}, {"masked": False}, {"field": "free"}, {"strides": 2}])
def test_xla_computes_the_same_with_gradients(kwargs):
    import tensorflow as tf

    layer = TwistLayer(8, **kwargs)
    x = tf.constant(random_images(2, 6, 7, 64))
    layer(x)

    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            total = tf.reduce_sum(tf.square(y))
        return [y, *tape.gradient(total, [x, *(w.value for w in layer.trainable_variables)])]

    eager = step()
    for compiled in (tf.function(step), tf.function(step, jit_compile=True)):
        for found, expected in zip(compiled(), eager, strict=True):
            assert relative_error(found, expected.numpy()) < 1e-5


@tensorflow_only
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:.*Please use the LiteRT interpreter:UserWarning")  # TF 2.18
def test_exports_compute_the_same(tmp_path):
    import tensorflow as tf

    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), batch_size=1),
            TwistLayer(64, strides=2),
            Mish(),
            TwistLayer(4),
        ]
    )
    x = random_images(1, 8, 8, 3)
    expected = to_numpy(model(x))
    model.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    served = saved.serve(tf.constant(x))
    np.testing.assert_allclose(served.numpy(), expected, atol=1e-5)

    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    lite = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(lite, expected, atol=1e-4)


@pytest.mark.parametrize(
    "bad",
    [
        {"filters": -1},
        {"filters": 4.0},
        {"filters": True},
        {"filters": None},
        {"filters": "4"},
        {"strides": 0},
        {"strides": (1, 2, 3)},
        {"groups": 0},
        {"groups": 3},
        {"groups": True},
        {"strides": None},
        {"origin": "middle"},
        {"field": "rotate"},
        {"ramp": 0.0},
        {"ramp": 1.1},
        {"ramp": None},
        {"ramp": "soft"},
        {"ramp": float("nan")},
        {"radius_range": (0.7, 0.3)},
        {"radius_range": (0.0, 0.3)},
        {"radius_range": None},
        {"radius_range": 0.5},
        {"center_range": -0.1},
        {"center_range": float("nan")},
        {"padding": "reflect"},
        {"data_format": "channels_first"},
        {"full_kernels": True},
    ],
)
def test_bad_arguments_are_named(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"`{name}`") as error:
        TwistLayer(**{"filters": 4, **bad})
    # A pair is named by its element where that is at fault.
    received = (f"{name}={value}", f"{name}={value!r}")
    assert any(text in str(error.value) for text in received)


def test_numbers_of_numpy_are_numbers():
    layer = TwistLayer(np.int64(4), np.int32(2), np.int64(2), ramp=np.float32(0.5))
    assert layer(np.ones((1, 4, 4, 2), "float32")).shape == (1, 2, 2, 4)
    config = layer.get_config()
    assert type(config["filters"]) is type(config["groups"]) is int
    assert config["ramp"] == 0.5 and config["strides"] == (2, 2)


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match=r"`groups`.*groups=2.*\(None, 8, 8, 3\)"):
        TwistLayer(4, groups=2).build((None, 8, 8, 3))
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        TwistLayer(4)(np.ones((8, 8, 3), "float32"))


def test_integer_images_are_floats_of_the_same_numbers():
    layer = TwistLayer(4)
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3))
    expected = layer(images.astype("float32"))
    for dtype in ("uint8", "int32"):
        np.testing.assert_allclose(layer(ops.convert_to_tensor(images, dtype)), expected)
