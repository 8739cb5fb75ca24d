"""Augmentation inside a model: one draw per image, safe under XLA, on every Keras backend."""

import threading

import keras
from keras import ops

from keras_twist.arguments import check_choice, check_integer
from keras_twist.ops import draws
from keras_twist.ops import image as image_ops
from keras_twist.ops.pixels import as_fill, as_numbers, check_square

# Which layer is being called in a thread.
_running = threading.local()

FLIP_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomImageLayer(keras.layers.Layer):
    """Base of the augmentation layers: draws when training, hands images through otherwise.

    Where nothing says whether it is training, it draws if it is called by hand or in `Dataset.map`,
    as Keras's own, but not inside a model or another layer, which may be an exported one.

    Integer images stay integers; float images come in the layer's compute dtype, as with any
    Keras layer. Subclasses implement `draw(shape)`, the random numbers for a batch of this shape
    by name, and `apply(images, **draws)`, the operation for these numbers.

    Args:
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`; batch, height and width may be unknown.

    Output shape:
        The same.

    Raises:
        ValueError: if the input is not a batch of channels-last images.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                f"{type(self).__name__} takes images of shape (batch, height, width, channels). "
                f"Received: input_shape={tuple(input_shape)}"
            )

    def __call__(self, *args, **kwargs):
        before, _running.layer = getattr(_running, "layer", None), self
        try:
            return super().__call__(*args, **kwargs)
        finally:
            _running.layer = before

    def call(self, images, training=None):
        if training is None:
            # `TimeDistributed`, which stands in a model, comes here at once. Of layers within each
            # other, Keras knows the outermost.
            called = getattr(_running, "layer", None) is self
            training = called and self._get_call_context().entry_layer is self
        if not training:
            return images
        return self.apply(images, **self.draw(ops.shape(images)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, images, training=None):
        # Keras's own would say that integer images come out as floats.
        floats = keras.backend.is_float_dtype(images.dtype)
        return keras.KerasTensor(images.shape, self.compute_dtype if floats else images.dtype)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}

    def uniform(self, shape, low, high, dtype):
        """The source of random numbers that `keras_twist.ops.draws` takes."""
        draw = keras.random.randint if dtype == "int32" else keras.random.uniform
        return draw(shape, low, high, dtype=dtype, seed=self.seed_generator)


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomPadCrop(RandomImageLayer):
    """Pads the borders, then cuts a window of the original size at a random place.

    `keras.layers.RandomCrop` draws one offset for the whole batch and cannot be compiled by XLA;
    this layer draws one per image.

    Args:
        padding: Pixels added to each side. Defaults to 4.
        mode: `"reflect"`, `"edge"` or `"constant"`. Defaults to `"reflect"`.
        value: The constant, a number or one number per channel. Defaults to 0.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype and value range.

    Output shape:
        The same, same dtype and range.

    Raises:
        ValueError: if `padding` is not an integer of at least 0, `mode` is unknown, or `value` is
            given with another mode than `"constant"`.

    Example:
        >>> images = np.random.randint(0, 256, (8, 32, 32, 3), "uint8")
        >>> RandomPadCrop(padding=4, seed=0)(images, training=True).shape
        TensorShape([8, 32, 32, 3])

    Reference:
        The crop of [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs from it in:
        nothing.
    """

    def __init__(self, padding=4, mode="reflect", value=0, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.padding = image_ops.check_padding(padding, mode)
        self.mode = mode
        self.value = as_fill(value, mode)

    def draw(self, shape):
        return draws.pad_crop_corner(self.uniform, shape, self.padding)

    def apply(self, images, top, left):
        return image_ops.pad_crop(images, top, left, self.padding, self.mode, self.value)

    def get_config(self):
        own = {"padding": self.padding, "mode": self.mode, "value": self.value}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomFlip(RandomImageLayer):
    """Mirrors each image with probability one half.

    `keras.layers.RandomFlip("horizontal_and_vertical")` flips both ways or neither; here the two
    directions are drawn independently.

    Args:
        mode: `"horizontal"`, `"vertical"` or `"horizontal_and_vertical"`. Defaults to
            `"horizontal"`.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype and value range.

    Output shape:
        The same, same dtype and range.

    Raises:
        ValueError: if `mode` is unknown.

    Example:
        >>> RandomFlip(seed=0)(np.zeros((2, 4, 4, 3), "float32"), training=True).shape
        TensorShape([2, 4, 4, 3])

    Reference:
        `FlipLR` of [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs from it in:
        the vertical modes.
    """

    def __init__(self, mode="horizontal", seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.mode = check_choice("mode", mode, FLIP_MODES)

    def draw(self, shape):
        return {way: draws.chance(self.uniform, shape) for way in self.mode.split("_and_")}

    def apply(self, images, horizontal=None, vertical=None):
        if horizontal is not None:
            images = image_ops.flip_horizontal(images, horizontal)
        if vertical is not None:
            images = image_ops.flip_vertical(images, vertical)
        return images

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package="keras_twist")
class Cutout(RandomImageLayer):
    """Overwrites one square of every image.

    Args:
        size: Side of the square in pixels. Defaults to 8.
        value: What is written, in the units of the input: a number, or one per channel. 0 is the
            mean colour after normalisation, black before it. Defaults to 0.0.
        clip: False keeps the square wholly inside the image. True lets its centre be any pixel and
            clips it at the border. Defaults to False.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, height and width at least `size`.

    Output shape:
        The same, same dtype.

    Raises:
        ValueError: if `size` is not a positive integer or is larger than the image.

    Example:
        >>> images = np.ones((2, 32, 32, 3), "float32")
        >>> float(ops.sum(1 - Cutout(size=8, seed=0)(images, training=True)))
        384.0

    Reference:
        `Cutout` of [cifar10-fast](https://github.com/davidcpage/cifar10-fast); with `clip=True`,
        that of the [paper](https://arxiv.org/abs/1708.04552). Differs from it in: an odd size is
        kept, which the paper's code rounds down to the next even one.
    """

    def __init__(self, size=8, value=0.0, clip=False, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.size = check_integer("size", size, at_least=1)
        self.value = as_numbers(value)
        self.clip = clip

    def build(self, input_shape):
        super().build(input_shape)
        check_square(self.size, *input_shape[1:3])

    def draw(self, shape):
        return draws.square_corner(self.uniform, shape, self.size, self.clip)

    def apply(self, images, top, left):
        return image_ops.erase(images, top, left, self.size, self.size, self.value)

    def get_config(self):
        own = {"size": self.size, "value": self.value, "clip": self.clip}
        return {**super().get_config(), **own}
