"""The twist's parts by their definitions, and its forms against each other."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.ops import (
    antisymmetric_kernel,
    antisymmetrize,
    coordinate_grid,
    disk_mask,
    rotate_kernel,
    twist_conv,
)
from keras_twist.ops.twist_forms import FIELDS, FORMS, twisted

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")[:, :, None, None]
SOBEL_Y = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], "float32")[:, :, None, None]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gradients(function, arrays):
    """Derivatives of a scalar function with respect to each array."""
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = function(*tensors)
        found = tape.gradient(total, tensors)
    elif backend == "jax":
        import jax

        found = jax.grad(function, argnums=tuple(range(len(tensors))))(*tensors)
    else:
        tensors = [t.detach().requires_grad_() for t in tensors]
        function(*tensors).backward()
        found = [t.grad for t in tensors]
    return [ops.convert_to_numpy(g) for g in found]


def test_antisymmetric_kernels_change_sign_under_a_half_turn():
    kernel = ops.convert_to_numpy(antisymmetric_kernel(random(4, 2, 3)))
    np.testing.assert_array_equal(kernel, -np.rot90(kernel, 2, axes=(0, 1)))
    np.testing.assert_array_equal(ops.convert_to_numpy(antisymmetrize(kernel)), kernel)
    raw = random(3, 3, 2, 3)
    part = ops.convert_to_numpy(antisymmetrize(raw))
    np.testing.assert_allclose(part, (raw - np.rot90(raw, 2, axes=(0, 1))) / 2, atol=1e-7)


@pytest.mark.parametrize("turns", range(-5, 6))
def test_rotation_is_that_of_numpy(turns):
    kernel = random(3, 3, 2, 1)
    expected = np.rot90(kernel, turns, axes=(0, 1))
    np.testing.assert_array_equal(ops.convert_to_numpy(rotate_kernel(kernel, turns)), expected)


@pytest.mark.parametrize(("origin", "start"), [("center", -1), ("corner", 0)])
def test_coordinates_step_by_two_over_the_size(origin, start):
    x, y = (ops.convert_to_numpy(t) for t in coordinate_grid(3, 5, origin))
    rows, columns = np.indices((3, 5))
    np.testing.assert_allclose(x, 2 * columns / 5 + start, rtol=1e-6)
    np.testing.assert_allclose(y, 2 * rows / 3 + start, rtol=1e-6)
    assert x.dtype == "float32"


def test_the_disk_is_flat_inside_empty_outside_and_linear_between():
    r = np.array([0, 0.5, 0.75, 1.0, 1.25, 1.5, 4], "float32")
    expected = [1, 1, 0.75, 0.5, 0.25, 0, 0]
    np.testing.assert_allclose(ops.convert_to_numpy(disk_mask(r, 0.5)), expected, atol=1e-6)


def apply_field(kernel_x, quarter_turns, image):
    zero = np.zeros(1, "float32")
    kernel_y = rotate_kernel(kernel_x, quarter_turns)
    outputs = twist_conv(image[None, :, :, None], 0 * kernel_x, kernel_x, kernel_y, zero, zero)
    return ops.convert_to_numpy(outputs)[0, 1:-1, 1:-1, 0]


def test_rotate_scale_generates_dilations_and_rotations():
    x, y = (ops.convert_to_numpy(t) for t in coordinate_grid(8, 8))
    inner = np.s_[1:-1, 1:-1]
    step = 16 * 2 / 8  # the Sobel filter's weight of a unit of slope, for X^2 in steps of 2 / 8
    image = x**2 + y**2
    dilation = apply_field(SOBEL_X, FIELDS["rotate_scale"], image)
    np.testing.assert_allclose(dilation, step * image[inner], atol=1e-5)
    rotation = apply_field(SOBEL_Y, FIELDS["rotate_scale"], image)
    np.testing.assert_allclose(rotation, 0, atol=1e-5)


def test_squeeze_shear_generates_neither():
    x, y = (ops.convert_to_numpy(t) for t in coordinate_grid(8, 8))
    inner = np.s_[1:-1, 1:-1]
    image = x**2 + y**2
    squeeze = apply_field(SOBEL_X, FIELDS["squeeze_shear"], image)
    np.testing.assert_allclose(squeeze, 4 * (x**2 - y**2)[inner], atol=1e-5)
    shear = apply_field(SOBEL_Y, FIELDS["squeeze_shear"], image)
    np.testing.assert_allclose(shear, -4 * (2 * x * y)[inner], atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("padding", ["symmetric", "valid"])
def test_all_forms_are_equal_with_their_gradients(field, groups, padding):
    inputs = [random(2, 5, 6, 4), random(3, 3, 4 // groups, 6), random(4, 4 // groups, 6, seed=1)]
    if field == "free":
        inputs.append(random(4, 4 // groups, 6, seed=2))
    shrink = 2 if padding == "valid" else 0
    weights = ops.convert_to_tensor(random(3, 2, 5 - shrink, 6 - shrink, 6))

    def total(form):
        def function(x, kernel, twist, twist_y=None):
            terms = form(x, kernel, twist, twist_y, field, (1, 1), padding)
            return sum(
                ops.sum(w * t) for w, t in zip([weights[i] for i in range(3)], terms, strict=True)
            )

        return function

    expected = gradients(total(FORMS["separate"]), inputs)
    tensors = [ops.convert_to_tensor(a) for a in inputs]
    value = float(total(FORMS["separate"])(*tensors))
    for name in ("differences", "products"):
        if name == "products" and field == "free":
            continue
        assert float(total(FORMS[name])(*tensors)) == pytest.approx(value, rel=1e-5), name
        for found, wanted in zip(gradients(total(FORMS[name]), inputs), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4, err_msg=name)


def test_the_rule_takes_products_from_64_channels_on(monkeypatch):
    taken = []
    for name, form in list(FORMS.items()):
        spy = lambda *a, name=name, form=form: taken.append(name) or form(*a)  # noqa: E731
        monkeypatch.setitem(FORMS, name, spy)
    for channels, free, strides in ((64, 0, 1), (64, 1, 1), (64, 0, 2), (63, 0, 1)):
        twist = ops.convert_to_tensor(random(4, channels, 2))
        twisted(
            ops.convert_to_tensor(random(1, 4, 4, channels)),
            ops.convert_to_tensor(random(3, 3, channels, 2)),
            twist,
            twist if free else None,
            "free" if free else "rotate_scale",
            (None, None, None, "center", 0.3),
            (strides, strides),
            training=True,
        )
    assert taken == ["products", "differences", "separate", "separate"]


def test_tensorflow_takes_slices_under_xla_only():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the other backends always take slices")
    import tensorflow as tf

    def nodes(xla):
        function = tf.function(
            lambda x: FORMS["products"](
                x, random(3, 3, 4, 4), random(4, 4, 4), None, "rotate_scale"
            ),
            jit_compile=xla,
        )
        graph = function.get_concrete_function(tf.TensorSpec((None, None, None, 4))).graph
        return {op.type for op in graph.get_operations()}

    assert "DepthwiseConv2dNative" in nodes(False)
    assert "DepthwiseConv2dNative" not in nodes(True)
    nested = tf.function(
        lambda x: tf.function(
            lambda t: tf.constant(float("DepthwiseConv2dNative" in nodes(False))) + 0 * t
        )(x)
    )
    assert float(nested(tf.constant(0.0))) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: antisymmetric_kernel(random(5, 2, 2)), r"`params`.*\(5, 2, 2\)"),
        (lambda: coordinate_grid(2, 2, "middle"), "`origin`.*Received: origin='middle'"),
        (lambda: disk_mask(random(3), 0.0), "`ramp`.*Received: ramp=0.0"),
        (lambda: disk_mask(random(3), 1.5), "`ramp`.*Received: ramp=1.5"),
        (
            lambda: twist_conv(
                random(1, 4, 4, 4), *[random(3, 3, 4, 4)] * 3, *[random(4)] * 2, groups=3
            ),
            "`groups`.*Received: groups=3",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_integer_images_become_floats():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 6, 6, 3))
    kernels = rng.normal(size=(3, 3, 3, 3, 4)).astype("float32")
    centers = np.zeros(4, "float32")
    expected = twist_conv(images.astype("float32"), *kernels, centers, centers)
    np.testing.assert_allclose(
        twist_conv(images.astype("uint8"), *kernels, centers, centers), expected
    )
