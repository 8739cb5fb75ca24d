"""Random rotation and translation inside a model."""

import keras

from keras_twist.layers.augmentation import RandomImageLayer
from keras_twist.ops import draws, geometry
from keras_twist.ops.pixels import as_fill, check_number


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomRotation(RandomImageLayer):
    """Turns each image around its middle by an angle drawn uniformly.

    `keras.layers.RandomRotation` cannot be compiled by XLA and silently keeps its whole model from
    it; this layer can. It takes degrees, not parts of a turn.

    Args:
        degrees: Largest angle to either side, in `[0, 180]`. Defaults to 15.0.
        mode: What turns in from outside: `"constant"`, `"edge"` or `"reflect"`. Defaults to
            `"constant"`.
        value: The constant, a number or one number per channel. Defaults to 0.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype and value range.

    Output shape:
        The same, same dtype and range.

    Raises:
        ValueError: if `degrees` is out of range, `mode` is unknown, or `value` is given with
            another mode than `"constant"`.

    Example:
        >>> RandomRotation(15, seed=0)(np.zeros((2, 8, 8, 3), "float32"), training=True).shape
        TensorShape([2, 8, 8, 3])

    Reference:
        `Affine(rotate=(-15, 15))` of [imgaug](https://github.com/aleju/imgaug). Differs from it in:
        positive angles turn counter-clockwise, as in Keras and PIL; the weights between pixels are
        exact, where OpenCV rounds places to 1/32 of a pixel.
    """

    def __init__(self, degrees=15.0, mode="constant", value=0, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.degrees = check_number("degrees", degrees, 0, 180)
        self.mode = mode
        self.value = as_fill(value, mode)

    def draw(self, shape):
        return {"degrees": draws.between(self.uniform, shape, (-self.degrees, self.degrees))}

    def apply(self, images, degrees):
        return geometry.rotate(images, degrees, self.mode, self.value)

    def get_config(self):
        own = {"degrees": self.degrees, "mode": self.mode, "value": self.value}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomTranslation(RandomImageLayer):
    """Shifts each image by parts of its sides drawn uniformly, also by parts of a pixel.

    `keras.layers.RandomTranslation` cannot be compiled by XLA and silently keeps its whole model
    from it; this layer can.

    Args:
        height: Largest shift up or down as a share of the height, in `[0, 1]`. Defaults to 0.1.
        width: Largest shift left or right as a share of the width. Defaults to 0.1.
        mode: What moves in from outside: `"constant"`, `"edge"` or `"reflect"`. Defaults to
            `"constant"`.
        value: The constant, a number or one number per channel. Defaults to 0.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype and value range.

    Output shape:
        The same, same dtype and range.

    Raises:
        ValueError: if a share is out of range, `mode` is unknown, or `value` is given with another
            mode than `"constant"`.

    Example:
        >>> RandomTranslation(seed=0)(np.zeros((2, 8, 8, 3), "float32"), training=True).shape
        TensorShape([2, 8, 8, 3])

    Reference:
        `keras.layers.RandomTranslation`. Differs from it in: XLA compiles it; shifts are drawn for
        each image; what moves in is a constant unless told otherwise.
    """

    def __init__(self, height=0.1, width=0.1, mode="constant", value=0, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.height = check_number("height", height, 0, 1)
        self.width = check_number("width", width, 0, 1)
        self.mode = mode
        self.value = as_fill(value, mode)

    def draw(self, shape):
        return draws.shifts(self.uniform, shape, self.height, self.width)

    def apply(self, images, down, right):
        return geometry.translate(images, down, right, self.mode, self.value)

    def get_config(self):
        own = {n: getattr(self, n) for n in ("height", "width", "mode", "value")}
        return {**super().get_config(), **own}
