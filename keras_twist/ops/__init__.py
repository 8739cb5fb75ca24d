"""Pure tensor functions in `keras.ops`: they hold no state and draw nothing."""

from keras_twist.ops.activations import mish as mish
from keras_twist.ops.twist import antisymmetric_kernel as antisymmetric_kernel
from keras_twist.ops.twist import antisymmetrize as antisymmetrize
from keras_twist.ops.twist import coordinate_grid as coordinate_grid
from keras_twist.ops.twist import disk_mask as disk_mask
from keras_twist.ops.twist import rotate_kernel as rotate_kernel
from keras_twist.ops.twist import twist_conv as twist_conv
