"""What is drawn for an augmentation inside tf.data; `keras_twist.ops.image` then applies it.

Every draw is stateless: the seed that the pipeline hands in, made of (seed, step), decides it
alone. That is what makes a pipeline reproducible with any number of threads and lets it go on in
the middle of an epoch after a restart.
"""

from collections.abc import Callable
from typing import NamedTuple

from keras_twist.ops import image as image_ops


class Augmentation(NamedTuple):
    """A random operation on a batch, cut in two so that tests and resumed runs can fix the draw.

    Attributes:
        draw: `draw(uniform, shape)` returns the random numbers by name. `shape` is
            `(batch, height, width, channels)`; `uniform(shape, low, high, dtype)` gives stateless
            random numbers, new ones at each call.
        apply: `apply(images, **draws)` returns the images.
    """

    draw: Callable
    apply: Callable


def random_pad_crop(padding=4, mode="reflect"):
    """Pad every side, then cut a window of the original size at a random place, per image.

    Args:
        padding: Pixels added to each side. Defaults to 4.
        mode: `"reflect"`, `"edge"` or `"constant"` (zeros). Defaults to `"reflect"`.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Raises:
        ValueError: if `padding` is not an integer of at least 0 or `mode` is unknown.

    Example:
        >>> augment = (random_pad_crop(4), random_flip())
    """
    image_ops.check_padding(padding, mode)

    def draw(uniform, shape):
        return {name: uniform(shape[:1], 0, 2 * padding + 1, "int32") for name in ("top", "left")}

    def apply(images, top, left):
        return image_ops.pad_crop(images, top, left, padding, mode)

    return Augmentation(draw, apply)


def random_flip():
    """Mirror each image left to right with probability one half.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Example:
        >>> augment = (random_flip(),)
    """

    def draw(uniform, shape):
        return {"flip": uniform(shape[:1], 0.0, 1.0, "float32") < 0.5}

    return Augmentation(draw, image_ops.flip_horizontal)


def random_cutout(size=8, value=0.0):
    """Overwrite one square of every image, wholly inside it.

    Args:
        size: Side of the square in pixels. Defaults to 8.
        value: What is written, in the units the images have at this place of the pipeline: 0 is
            the mean colour after `normalize`, black before it. Defaults to 0.0.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype.

    Raises:
        ValueError: if `size` is not a positive integer or, at the first batch, is larger than the
            image.

    Example:
        >>> augment = (normalize([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]), random_cutout(8))

    Reference:
        `Cutout` of [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs from it in:
        nothing.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"Argument `size` must be an integer >= 1. Received: size={size}")

    def draw(uniform, shape):
        batch, height, width, _ = shape
        if size > min(height, width):
            raise ValueError(
                "Argument `size` must not be larger than the image. "
                f"Received: size={size}, height={height}, width={width}"
            )
        return {
            "top": uniform((batch,), 0, height - size + 1, "int32"),
            "left": uniform((batch,), 0, width - size + 1, "int32"),
        }

    def apply(images, top, left):
        return image_ops.erase(images, top, left, size, size, value)

    return Augmentation(draw, apply)


def random_erasing(probability=0.5, area=(0.02, 0.4), aspect=(0.3, 1 / 0.3), fill=(0.0, 1.0)):
    """Overwrite a random rectangle with uniform noise, in some of the images.

    Args:
        probability: Share of the images that are erased, in `[0, 1]`. Defaults to 0.5.
        area: Smallest and largest area of the rectangle as a share of the image's, drawn
            uniformly. Defaults to `(0.02, 0.4)`.
        aspect: Smallest and largest height over width, drawn uniformly. Defaults to
            `(0.3, 1 / 0.3)`.
        fill: Lowest and highest value of the noise, one value per pixel and channel, in the units
            the images have at this place of the pipeline. Defaults to `(0.0, 1.0)`.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype.

    Raises:
        ValueError: if a probability or an area is outside `[0, 1]`, or a range is empty.

    Example:
        >>> augment = (random_erasing(probability=0.5, fill=(0.0, 255.0)),)

    Reference:
        `get_random_eraser` of
        [cutout-random-erasing](https://github.com/yu4u/cutout-random-erasing). Differs from it in:
        a rectangle that does not fit is shortened to the image's side instead of drawn again (so
        no loop of unknown length), and the input is left alone.
    """
    for name, low, high in (
        ("probability", probability, probability),
        ("area", *area),
    ):
        if not 0 <= low <= high <= 1:
            raise ValueError(
                f"Argument `{name}` must lie in [0, 1], the lower bound first. "
                f"Received: {name}={(low, high) if name == 'area' else low}"
            )
    if not 0 < aspect[0] <= aspect[1]:
        raise ValueError(
            f"Argument `aspect` must be positive, the lower bound first. Received: aspect={aspect}"
        )
    if not fill[0] < fill[1]:
        raise ValueError(
            f"Argument `fill` must be a range, the lower bound first. Received: fill={fill}"
        )

    def draw(uniform, shape):
        import tensorflow as tf

        batch, height, width, channels = shape
        share = uniform((batch,), *area, "float32") * float(height * width)
        ratio = uniform((batch,), *aspect, "float32")
        chosen = uniform((batch,), 0.0, 1.0, "float32") < probability

        def side(pixels, longest):
            return tf.where(chosen, tf.minimum(tf.cast(tf.sqrt(pixels), "int32"), longest), 0)

        rows, columns = side(share * ratio, height), side(share / ratio, width)

        def start(free):
            position = uniform((batch,), 0.0, 1.0, "float32") * tf.cast(free + 1, "float32")
            return tf.minimum(tf.cast(position, "int32"), free)

        return {
            "top": start(height - rows),
            "left": start(width - columns),
            "height": rows,
            "width": columns,
            "fill": uniform((batch, height, width, channels), *fill, "float32"),
        }

    return Augmentation(draw, image_ops.erase)


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

    def apply(images):
        return image_ops.normalize(images, mean, std)

    return apply
