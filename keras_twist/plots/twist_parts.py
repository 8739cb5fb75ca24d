"""What the kernel pair of a twist generates, taken apart into rotation, dilation and shear."""

import dataclasses

import numpy as np
from keras import ops

from keras_twist.layers import TwistLayer
from keras_twist.ops.twist_forms import FIELDS
from keras_twist.ops.twist_geometry import antisymmetric_kernel, antisymmetrize, rotate_kernel


@dataclasses.dataclass(frozen=True, eq=False)
class TwistParts:
    """The vector fields that a TwistLayer adds, one for each pair of channels, and its disks.

    Attributes:
        matrices: float64 array of shape `(in / groups, filters, 2, 2)`. At `p = (X, Y)` the twist
            adds the derivative of the image along `matrices @ (p - center)`.
        centers: float64 array of shape `(filters, 2)`: X and Y.
        radii: float64 array of shape `(filters,)`, or None without a mask.
    """

    matrices: np.ndarray
    centers: np.ndarray
    radii: np.ndarray | None

    @property
    def rotation(self):
        """Rate of turning, positive from X towards Y: clockwise, since Y points down."""
        return (self.matrices[..., 1, 0] - self.matrices[..., 0, 1]) / 2

    @property
    def dilation(self):
        """Rate of growth, alike in all directions."""
        return (self.matrices[..., 0, 0] + self.matrices[..., 1, 1]) / 2

    @property
    def shear(self):
        """What is left: stretching in one direction and squeezing across it; never negative."""
        squeeze = (self.matrices[..., 0, 0] - self.matrices[..., 1, 1]) / 2
        skew = (self.matrices[..., 1, 0] + self.matrices[..., 0, 1]) / 2
        return np.hypot(squeeze, skew)


def twist_parts(layer, weights=None):
    """Takes the fields of a TwistLayer apart.

    To first order, a 3x3 kernel k that a half turn negates is the derivative along the vector
    `sum of k[i, j] * (j - 1, i - 1)`: u for Kx, v for Ky. So `(X - cx) Kx + (Y - cy) Ky` is the
    derivative along the vector field M (p - center) with the columns u and v. Every such M is
    uniquely a rotation, a dilation, and a shear: a symmetric matrix without trace. With
    `field="rotate_scale"` the shear is 0, with `"squeeze_shear"` it is all there is.

    Args:
        layer: A built `TwistLayer`.
        weights: List of arrays, `layer.get_weights()` of some other time. Defaults to those that
            the layer has now.

    Returns:
        `TwistParts`, with `rotation`, `dilation` and `shear` of shape `(in / groups, filters)`.

    Raises:
        ValueError: if `layer` is no built TwistLayer, or the weights are not its own.

    Example:
        >>> layer = keras_twist.layers.TwistLayer(4)
        >>> layer.build((None, 8, 8, 3))
        >>> parts = twist_parts(layer)
        >>> parts.rotation.shape, bool(np.allclose(parts.shear, 0, atol=1e-6))
        ((3, 4), True)
    """
    if not isinstance(layer, TwistLayer) or not layer.built:
        raise ValueError(f"`layer` must be a TwistLayer that is built. Received: layer={layer!r}")
    weights = layer.get_weights() if weights is None else weights
    shapes = [tuple(variable.shape) for variable in layer.weights]
    if [np.shape(array) for array in weights] != shapes:
        raise ValueError(
            f"`weights` must be arrays of the layer's shapes, {shapes}. "
            f"Received: {[np.shape(array) for array in weights]}"
        )
    named = dict(zip([variable.name for variable in layer.weights], weights, strict=True))
    kernel_x = _kernel(layer, named["twist"])
    turns = FIELDS[layer.field]
    if turns is None:
        kernel_y = _kernel(layer, named["twist_y"])
    else:
        kernel_y = rotate_kernel(kernel_x, turns)
    matrices = np.stack([_direction(kernel_x), _direction(kernel_y)], axis=-1)
    centers = np.stack([named["center_x"], named["center_y"]], axis=-1).astype("float64")
    radii = named["radius"].astype("float64") if layer.masked else None
    return TwistParts(matrices, centers, radii)


def _kernel(layer, values):
    values = np.asarray(values, "float32")
    return antisymmetrize(values) if layer.full_kernels else antisymmetric_kernel(values)


def _direction(kernel):
    """The vector (along X, along Y) whose derivative each kernel is to first order."""
    kernel = ops.convert_to_numpy(kernel).astype("float64")
    steps = np.arange(-1, 2)
    along_x = np.einsum("ijkl,j->kl", kernel, steps)
    along_y = np.einsum("ijkl,i->kl", kernel, steps)
    return np.stack([along_x, along_y], axis=-1)
