"""What is drawn for an augmentation of a pipeline; `keras_twist.ops` then applies it.

Draws are per image and stateless: the seed that the pipeline hands in, made of (seed, step),
decides them. So a pipeline is reproducible with any number of threads and goes on after a restart.
Longer than other files for its documentation: what it does is a few lines for each operation.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.ops import draws, erasing
from keras_twist.ops import image as image_ops
from keras_twist.ops.pixels import as_fill, as_numbers


class Augmentation(NamedTuple):
    """A random operation on a batch, cut in two so that tests and resumed runs can fix the draw.

    Attributes:
        draw: `draw(uniform, shape)` returns the random numbers by name. `shape` is
            `(batch, height, width, channels)`; `uniform(shape, low, high, dtype)` gives stateless
            random numbers, new ones at each call. With `by_example`, an `Examples` follows.
        apply: `apply(images, **draws)` returns the images.
        size: Height and width of what `apply` returns where they change, otherwise None.
        by_example: Whether the draw depends on which images these are. Defaults to False.
        alone: Whether it is compiled by itself, lest each operation behind it calculate it again.
            Defaults to False.

    Example:
        >>> def draw(uniform, shape):
        ...     return {"shift": uniform(shape[:1], -8.0, 8.0, "float32")}
        >>> def apply(images, shift):
        ...     return ops.cast(images, "float32") + ops.reshape(shift, (-1, 1, 1, 1))
        >>> brighter_or_darker = Augmentation(draw, apply)
        >>> x, y = np.zeros((8, 4, 4, 3), "uint8"), np.zeros(8, int)
        >>> dataset = keras_twist.data.train_dataset(x, y, 4, augment=(brighter_or_darker,))
    """

    draw: Callable
    apply: Callable
    size: tuple | None = None
    by_example: bool = False
    alone: bool = False


class Examples(NamedTuple):
    """Which images a batch holds, for draws that follow an image through the epochs.

    Attributes:
        epoch: Integer tensor, from 0; epochs go on counting after a resume.
        number: Float32 tensor of shape `(batch,)`, random in `[0, 1)`; an image keeps its own.
        indices: Integer tensor of shape `(batch,)`, which of all `count` images these are.
        count: How many images there are.

    Example:
        >>> def draw(uniform, shape, examples):  # of an Augmentation with by_example=True
        ...     return {"flip": examples.number < 0.5}  # the same half in every epoch
        >>> draw(None, (2, 4, 4, 3), Examples(0, np.array([0.1, 0.9])))
        {'flip': array([ True, False])}
    """

    epoch: Any
    number: Any
    indices: Any = None
    count: int = 0


def random_pad_crop(padding=4, mode="reflect", value=0):
    """Pad every side, then cut a window of the original size at a random place, per image.

    Args:
        padding: Pixels added to each side. Defaults to 4.
        mode: `"reflect"`, `"edge"` or `"constant"`. Defaults to `"reflect"`.
        value: The constant, a number or one number per channel. Defaults to 0.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Raises:
        ValueError: if `padding` is not an integer of at least 0, `mode` is unknown, or `value` is
            given with another mode than `"constant"`.

    Example:
        >>> augment = (random_pad_crop(4), random_flip())

    Reference:
        The crop of [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs from it in:
        the other modes; cifar10-fast pads once, before the training.
    """
    image_ops.check_padding(padding, mode)
    value = as_fill(value, mode)

    def draw(uniform, shape):
        return draws.pad_crop_corner(uniform, shape, padding)

    def apply(images, top, left):
        return image_ops.pad_crop(images, top, left, padding, mode, value)

    return Augmentation(draw, apply)


def random_flip():
    """Mirror each image left to right with probability one half.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Example:
        >>> augment = (random_flip(),)

    Reference:
        `FlipLR` of [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs from it in:
        nothing.
    """

    def draw(uniform, shape):
        return {"flip": draws.chance(uniform, shape)}

    return Augmentation(draw, image_ops.flip_horizontal)


def alternating_flip():
    """Mirror a random half of the images in the first epoch, and the other half in the next.

    So two epochs show all there is to see, where a random flip repeats half of it.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Example:
        >>> augment = (random_pad_crop(2), alternating_flip())

    Reference:
        [94% on CIFAR-10 in 3.29 seconds](https://arxiv.org/abs/2404.00498), section 3.6. Differs
        from it in: nothing.
    """

    def draw(uniform, shape, examples):
        turned = ops.equal(examples.epoch % 2, 1)
        return {"flip": ops.logical_xor(examples.number < 0.5, turned)}

    return Augmentation(draw, image_ops.flip_horizontal, by_example=True)


def random_cutout(size=8, value=0.0, clip=False):
    """Overwrite one square of every image.

    Args:
        size: Side of the square in pixels. Defaults to 8.
        value: What is written, in the units the images have at this place of the pipeline: 0 is
            the mean colour after `normalize`, black before it. Defaults to 0.0.
        clip: False keeps the square wholly inside the image. True lets its centre be any pixel and
            clips it at the border, so that squares near the border are smaller. Defaults to False.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype.

    Raises:
        ValueError: if `size` is not a positive integer or, when the pipeline is made, is larger
            than the image.

    Example:
        >>> augment = (normalize([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]), random_cutout(8))

    Reference:
        `Cutout` of [cifar10-fast](https://github.com/davidcpage/cifar10-fast); with `clip=True`,
        that of the [paper](https://arxiv.org/abs/1708.04552). Differs from it in: an odd size is
        kept, which the paper's code rounds down to the next even one.
    """
    check_integer("size", size, at_least=1)
    value = as_numbers(value)

    def draw(uniform, shape):
        return draws.square_corner(uniform, shape, size, clip)

    def apply(images, top, left):
        return image_ops.erase(images, top, left, size, size, value)

    return Augmentation(draw, apply)


def random_erasing(
    probability=0.5,
    area=(0.02, 0.4),
    aspect=(0.3, 1 / 0.3),
    max_count=1,
    fill="pixel",
    value_range=None,
    log_aspect=False,
):
    """Overwrite random rectangles in some of the images.

    The two published definitions, for images in `[0, 255]` and for normalised ones:

        random_erasing(fill="pixel", value_range=(0, 255))       # yu4u, pixel_level=True
        random_erasing(fill="value", value_range=(0, 255))       # yu4u, pixel_level=False
        random_erasing(area=(0.0, 0.3), max_count=1, fill="normal", log_aspect=True)  # fastai

    Args:
        probability: Share of the images that are erased, in `[0, 1]`. Defaults to 0.5.
        area: Smallest and largest area of the rectangle as a share of the image's, drawn
            uniformly. Several rectangles divide it between them. Defaults to `(0.02, 0.4)`.
        aspect: Smallest and largest height over width. Defaults to `(0.3, 1 / 0.3)`.
        max_count: Most rectangles in an image; their number is drawn uniformly from 1 on. Defaults
            to 1.
        fill: `"pixel"`: a random number for every pixel and channel. `"color"`: a random colour
            for every rectangle. `"value"`: a random grey for every rectangle. `"normal"`: standard
            normal noise for every pixel and channel, after `normalize`. Otherwise a constant: a
            number, or one per channel. Defaults to `"pixel"`.
        value_range: Lowest and highest random number, in the units the images have at this place
            of the pipeline, before they are rounded down for integer images. None for all values of
            an integer type, and `(0, 1)` for floats. Defaults to None.
        log_aspect: Whether the logarithm of the aspect is drawn uniformly, so that tall and wide
            rectangles are equally likely, instead of the aspect. Defaults to False.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype.

    Raises:
        ValueError: if a probability or an area is outside `[0, 1]`, a range is empty or of a `fill`
            that has none, or `fill` is unknown; when the pipeline is made, if `fill` does not fit
            the images.

    Example:
        >>> augment = (random_erasing(probability=0.5, max_count=3, fill="color"),)

    Reference:
        `get_random_eraser` of
        [cutout-random-erasing](https://github.com/yu4u/cutout-random-erasing) and `RandomErasing`
        of [fastai](https://docs.fast.ai/vision.augment.html). Differs from it in: a rectangle that
        does not fit is shortened to the image's side, where yu4u draws again (a loop of unknown
        length); sides are rounded down as yu4u does, to the nearest in fastai; every image has its
        own draw, where fastai has one per batch; and the input is left alone.
    """
    probability, area, aspect, max_count, value_range = erasing.check_erasing(
        probability, area, aspect, max_count, fill, value_range
    )
    fill = as_numbers(fill)

    def draw(uniform, shape):
        return draws.erasing(uniform, shape, probability, area, aspect, max_count, log_aspect, fill)

    def apply(images, **drawn):
        return erasing.erase_rectangles(images, **drawn, fill=fill, value_range=value_range)

    return Augmentation(draw, apply, alone=True)


def normalize(mean, std):
    """Subtract the mean and divide by the standard deviation of each channel.

    Args:
        mean: One number per channel, in the units of the images.
        std: Likewise; positive.

    Returns:
        An operation for `train_dataset` and `eval_dataset` that returns float32 images.

    Raises:
        ValueError: if a deviation is not positive.

    Example:
        >>> transform = (normalize([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]),)
    """
    mean, std = [float(m) for m in mean], [float(s) for s in std]
    if not all(s > 0 for s in std):
        raise ValueError(f"Argument `std` must be positive. Received: std={std}")
    return Normalize(mean, std)


@dataclasses.dataclass(frozen=True, eq=False)
class Normalize:
    """What `normalize` returns: a function of images that tells its numbers.

    Attributes:
        mean: List of one number per channel.
        std: Likewise.
    """

    mean: list
    std: list

    def __call__(self, images):
        return image_ops.normalize(images, self.mean, self.std)
