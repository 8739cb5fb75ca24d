"""Pure tensor functions in `keras.ops`: they hold no state and draw nothing."""

from keras_twist.ops.activations import mish
from keras_twist.ops.orthogonalize import orthogonalize
from keras_twist.ops.twist import twist_conv
from keras_twist.ops.twist_geometry import (
    antisymmetric_kernel,
    antisymmetrize,
    coordinate_grid,
    disk_mask,
    rotate_kernel,
)

__all__ = [
    "antisymmetric_kernel",
    "antisymmetrize",
    "coordinate_grid",
    "disk_mask",
    "mish",
    "orthogonalize",
    "rotate_kernel",
    "twist_conv",
]
