"""The parts of a twist, against what the layer does to linear and quadratic images."""

import numpy as np
import pytest
from keras import ops

from keras_twist import layers, plots

SIZE = 9


def built(**options):
    layer = layers.TwistLayer(2, **options)
    layer.build((None, SIZE, SIZE, 1))
    return layer


def test_each_field_generates_what_it_is_named_for():
    for field, zero, other in (
        ("rotate_scale", ("shear",), ("rotation", "dilation")),
        ("squeeze_shear", ("rotation", "dilation"), ("shear",)),
        ("free", (), ("rotation", "dilation", "shear")),
    ):
        parts = plots.twist_parts(built(field=field))
        assert all(np.allclose(getattr(parts, name), 0, atol=1e-6) for name in zero)
        assert all((np.abs(getattr(parts, name)) > 1e-3).any() for name in other)


@pytest.mark.parametrize("field", ["rotate_scale", "squeeze_shear", "free"])
@pytest.mark.parametrize("origin", ["center", "corner"])
def test_the_matrix_is_the_field_along_which_the_layer_derives(field, origin):
    """On an image that is linear, first order is exact: the layer adds gradient * field."""
    layer = built(field=field, origin=origin, masked=False, kernel_initializer="he_normal")
    layer.kernel.assign(ops.zeros_like(layer.kernel))
    parts = plots.twist_parts(layer)
    row, column = np.mgrid[:SIZE, :SIZE].astype("float32")
    found = ops.convert_to_numpy(layer((2 * column - 3 * row)[None, ..., None]))[0]
    grid = [2 * axis / SIZE - (1 if origin == "center" else 0) for axis in (column, row)]
    for number in range(2):
        offsets = np.stack(grid, axis=-1) - parts.centers[number]
        expected = offsets @ parts.matrices[0, number].T @ [2, -3]
        inside = np.s_[1:-1, 1:-1]  # Zeros around the image are not linear.
        np.testing.assert_allclose(found[..., number][inside], expected[inside], atol=1e-4)


def test_full_kernels_act_by_their_antisymmetric_part():
    layer = built(field="free", full_kernels=True)
    weights = layer.get_weights()
    parts = plots.twist_parts(layer)
    more = [array + (array.shape[:2] == (3, 3)) for array in weights]  # Adds what is symmetric.
    found = plots.twist_parts(layer, more)
    np.testing.assert_allclose(found.matrices, parts.matrices, atol=1e-6)


def test_parts_add_up():
    parts = plots.twist_parts(built(field="free"))
    matrix = parts.matrices
    rest = matrix - parts.dilation[..., None, None] * np.eye(2)
    rest = rest - parts.rotation[..., None, None] * np.array([[0, -1], [1, 0]])
    np.testing.assert_allclose(rest, np.swapaxes(rest, -1, -2), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(rest, axis=(-2, -1)) / np.sqrt(2), parts.shear)
    assert parts.radii.shape == (2,) and plots.twist_parts(built(masked=False)).radii is None


def test_what_is_no_twist_is_refused():
    with pytest.raises(ValueError, match="`layer` must be a TwistLayer that is built"):
        plots.twist_parts(layers.TwistLayer(2))
    with pytest.raises(ValueError, match="`weights` must be arrays of the layer's shapes"):
        plots.twist_parts(built(), [np.zeros(3)])
