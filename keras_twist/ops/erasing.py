"""Several rectangles per image, overwritten with noise, colours or a constant."""

import math

import keras
import numpy as np
from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.ops.image import erase
from keras_twist.ops.pixels import (
    as_images,
    check_number,
    check_range,
    check_value_range,
    dtype_range,
)

# Shape of the numbers that decide each random fill, from that of the images and the number of
# rectangles.
NOISE_SHAPES = {
    "pixel": lambda shape, count: (shape[0],),
    "normal": lambda shape, count: (shape[0],),
    "color": lambda shape, count: (shape[0], count, 1, 1, shape[3]),
    "value": lambda shape, count: (shape[0], count, 1, 1, 1),
}


def erase_rectangles(images, top, left, height, width, noise=None, fill="pixel", value_range=None):
    """Overwrite rectangles of each image, as random erasing does.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        top: Integer tensor of shape `(batch, count)`, first rows of the rectangles; those without
            area leave the image alone.
        left: Likewise, first columns.
        height: Likewise, rows.
        width: Likewise, columns.
        noise: The numbers that decide a random fill, of the shape that `NOISE_SHAPES` gives: an
            integer per image for `"pixel"` and `"normal"`, of which `hashed` makes the noise, and
            floats in `[0, 1)` for `"color"` and `"value"`. Not needed for a constant. Defaults to
            None.
        fill: `"pixel"`: a random number for every pixel and channel. `"color"`: a random colour
            for every rectangle. `"value"`: a random grey for every rectangle. `"normal"`: standard
            normal noise for every pixel and channel, for normalised float images. Otherwise the
            constant, a number or one per channel, in the units of `images`. Defaults to `"pixel"`.
        value_range: Lowest and highest random number, in the units of `images`, before they are
            rounded down for integer images. None for all values of an integer type, and `(0, 1)`
            for floats. Defaults to None.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if `fill` or `value_range` does not fit the images.

    Example:
        >>> images = np.ones((1, 2, 3, 1), "float32")
        >>> corner = [[0, 1]], [[0, 2]]
        >>> out = erase_rectangles(images, *corner, [[1, 1]], [[2, 1]], fill=0.0)
        >>> ops.convert_to_numpy(out)[0, :, :, 0]
        array([[0., 0., 1.],
               [1., 1., 0.]], dtype=float32)
    """
    images = as_images(images)
    dtype = images.dtype
    integers = not keras.backend.is_float_dtype(dtype)
    constant = not isinstance(fill, str)
    if constant:
        noise = fill
    elif fill == "normal":
        if integers:
            raise ValueError(
                "Argument `fill` must not be 'normal' for integer images, which cannot be "
                f"normalised. Received: fill='normal', dtype={dtype}"
            )
        # Box and Muller's transform of two uniform numbers.
        length = ops.sqrt(-2 * ops.log(1 - hashed(noise, ops.shape(images))))
        noise = length * ops.cos(2 * math.pi * hashed(noise, ops.shape(images), stream=1))
    else:
        check_value_range(value_range, dtype)
        low, high = value_range or dtype_range(dtype)
        # Integers are rounded down, below the noise's end, which must be one above the last one.
        span = high - low + (1 if integers and value_range is None else 0)
        if fill == "pixel":
            noise = hashed(noise, ops.shape(images))
        noise = ops.convert_to_tensor(noise, "float32") * span + low
        if integers:  # A cast would round towards 0, which came twice as often.
            noise = ops.floor(noise)
    corners = [ops.convert_to_tensor(draw, "int32") for draw in (top, left, height, width)]
    for number in range(corners[0].shape[1]):
        own = noise[:, number] if not constant and fill in ("color", "value") else noise
        images = erase(images, *(draw[:, number] for draw in corners), own)
    return images


def hashed(number, shape, stream=0):
    """Noise for every pixel and channel that one integer per image decides.

    A generator of random numbers would spend more time on the pixels that are not erased than
    everything else takes; a hash of the number and the place runs inside the loop that compiles
    around it.

    Args:
        number: Integer tensor of shape `(batch,)`.
        shape: Shape of the images.
        stream: Integer; each gives other noise. Defaults to 0.

    Returns:
        Float32 tensor of this shape, in `[0, 1)`.

    Example:
        >>> ops.convert_to_numpy(hashed([1, 2], (2, 1, 2, 1))).ravel().round(3)
        array([0.305, 0.629, 0.956, 0.258], dtype=float32)

    Reference:
        The finaliser of [MurmurHash3](https://github.com/aappleby/smhasher), on multiples of the
        golden ratio. Differs from it in: nothing.
    """
    _, height, width, channels = shape
    count = height * width * channels
    place = ops.reshape(ops.arange(count, dtype="int32"), (1, height, width, channels))
    # Products are meant to overflow: they count modulo 2 ** 32, as signed numbers.
    bits = (place + stream * count) * _signed(0x9E3779B9)
    bits = bits + ops.reshape(ops.convert_to_tensor(number, "int32"), (-1, 1, 1, 1))
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        shifted = ops.bitwise_and(ops.right_shift(bits, shift), 2 ** (32 - shift) - 1)
        bits = ops.bitwise_xor(bits, shifted) * _signed(factor)
    # As many bits as a float32 holds.
    return ops.cast(ops.bitwise_and(bits, 2**24 - 1), "float32") * 2.0**-24


def _signed(number):
    return number - 2**32 if number >= 2**31 else number


def rectangle_share(top, left, height, width, image_height, image_width):
    """Share of the image that a rectangle covers, what reaches over the border left out.

    Args:
        top: Integer tensor, first row of the rectangle; may be negative.
        left: Likewise, first column.
        height: Integer or integer tensor, rows of the rectangle.
        width: Likewise, columns.
        image_height: Rows of the image.
        image_width: Columns of the image.

    Returns:
        Float32 tensor of the shape of `top`, in `[0, 1]`.

    Example:
        >>> float(rectangle_share(-1, 0, 3, 2, image_height=4, image_width=4))
        0.25
    """

    def covered(start, length, size):
        start, length = ops.cast(start, "int32"), ops.cast(length, "int32")
        first, last = ops.clip(start, 0, size), ops.clip(start + length, 0, size)
        return ops.cast(last - first, "float32")

    pixels = ops.cast(image_height, "float32") * ops.cast(image_width, "float32")
    return covered(top, height, image_height) * covered(left, width, image_width) / pixels


def check_erasing(probability, area, aspect, max_count, fill, value_range):
    """All but `fill` as numbers, or `ValueError` for what random erasing cannot work with."""
    probability = check_number("probability", probability, 0, 1)
    area = check_range("area", area, 0, 1)
    aspect = check_range("aspect", aspect, 0, strict=True)
    max_count = check_integer("max_count", max_count, at_least=1)
    if isinstance(fill, str):
        if fill not in NOISE_SHAPES:
            raise ValueError(
                f"Argument `fill` must be one of {tuple(NOISE_SHAPES)}, a number or one number per "
                f"channel. Received: fill={fill!r}"
            )
    elif not np.all(np.isfinite(np.asarray(fill, "float64"))):
        raise ValueError(f"Argument `fill` must be finite. Received: fill={fill}")
    if value_range is not None:
        if not isinstance(fill, str) or fill == "normal":
            raise ValueError(
                "Argument `value_range` needs fill='pixel', 'color' or 'value'. "
                f"Received: value_range={value_range}, fill={fill!r}"
            )
        value_range = check_range("value_range", value_range)
    return probability, area, aspect, max_count, value_range
