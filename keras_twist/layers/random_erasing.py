"""Random erasing inside a model."""

import keras

from keras_twist.layers.augmentation import RandomImageLayer
from keras_twist.ops import draws
from keras_twist.ops.erasing import check_erasing, erase_rectangles
from keras_twist.ops.pixels import as_numbers


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomErasing(RandomImageLayer):
    """Overwrites random rectangles in some of the images.

    `keras.layers.RandomErasing(factor=p)` erases `p / 2` of the images; here `probability` is what
    it says. `keras_twist.data.random_erasing` tells how to reach the published definitions.

    Args:
        probability: Share of the images that are erased, in `[0, 1]`. Defaults to 0.5.
        area: Smallest and largest area of the rectangle as a share of the image's, drawn
            uniformly. Several rectangles divide it between them. Defaults to `(0.02, 0.4)`.
        aspect: Smallest and largest height over width. Defaults to `(0.3, 1 / 0.3)`.
        max_count: Most rectangles in an image; their number is drawn uniformly from 1 on. Defaults
            to 1.
        fill: `"pixel"`: a random number for every pixel and channel. `"color"`: a random colour
            for every rectangle. `"value"`: a random grey for every rectangle. `"normal"`: standard
            normal noise for every pixel and channel, for normalised images. Otherwise a constant:
            a number, or one per channel, in the units of the input. Defaults to `"pixel"`.
        value_range: Lowest and highest random number, in the units of the input, before they are
            rounded down for integer images. None for all values of an integer type, and `(0, 1)`
            for floats. Defaults to None.
        log_aspect: Whether the logarithm of the aspect is drawn uniformly instead of the aspect.
            Defaults to False.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype and value range.

    Output shape:
        The same, same dtype.

    Raises:
        ValueError: if a probability or an area is outside `[0, 1]`, a range is empty, or `fill` is
            unknown or does not fit the images.

    Example:
        >>> images = np.zeros((8, 32, 32, 3), "float32")
        >>> RandomErasing(probability=0.5, max_count=3, seed=0)(images, training=True).shape
        TensorShape([8, 32, 32, 3])

    Reference:
        `get_random_eraser` of
        [cutout-random-erasing](https://github.com/yu4u/cutout-random-erasing) and `RandomErasing`
        of [fastai](https://docs.fast.ai/vision.augment.html). Differs from it in: see
        `keras_twist.data.random_erasing`.
    """

    def __init__(
        self,
        probability=0.5,
        area=(0.02, 0.4),
        aspect=(0.3, 1 / 0.3),
        max_count=1,
        fill="pixel",
        value_range=None,
        log_aspect=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        checked = check_erasing(probability, area, aspect, max_count, fill, value_range)
        self.probability, self.area, self.aspect, self.max_count, self.value_range = checked
        self.fill = as_numbers(fill)
        self.log_aspect = log_aspect

    def draw(self, shape):
        return draws.erasing(
            self.uniform,
            shape,
            self.probability,
            self.area,
            self.aspect,
            self.max_count,
            self.log_aspect,
            self.fill,
        )

    def apply(self, images, **drawn):
        return erase_rectangles(images, **drawn, fill=self.fill, value_range=self.value_range)

    def get_config(self):
        names = "probability area aspect max_count fill value_range log_aspect".split()
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
