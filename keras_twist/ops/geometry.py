"""Operations that look each pixel up at another place, in between pixels where need be.

They interpolate linearly between the four pixels around, in float32 (float64 for float64 images);
integer images come back rounded. Where a draw moves nothing, the pixels come back bit for bit.
"""

import math
import numbers

from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.ops.pixels import (
    as_images,
    check_mode,
    restore,
    take_pixels,
)
from keras_twist.ops.precision import at_least_float32


def sample(images, rows, columns, mode="constant", value=0):
    """Look pixels up at any place, linearly between the four around it.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        rows: Float tensor of places, in pixels from the centre of the first row; broadcasts with
            `columns` to `(batch, new_height, new_width)`.
        columns: Likewise.
        mode: What lies beyond the border: `"constant"`, `"edge"` (the border pixel) or
            `"reflect"` (mirrored once, without repeating the border pixel). Defaults to
            `"constant"`.
        value: The constant, a number or one number per channel. Defaults to 0.

    Returns:
        Tensor of shape `(batch, new_height, new_width, channels)` and the dtype of `images`.

    Raises:
        ValueError: if `mode` is unknown, or if `images` is no batch of images.

    Example:
        >>> images = np.array([0.0, 10.0]).reshape(1, 1, 2, 1)
        >>> place = np.array([0.25]).reshape(1, 1, 1)
        >>> float(sample(images, 0 * place, place)[0, 0, 0, 0])
        2.5
    """
    check_mode(mode)
    images = as_images(images)
    dtype = at_least_float32(images.dtype)

    def split(places):
        places = ops.cast(places, dtype)
        before = ops.floor(places)
        return ops.cast(before, "int32"), ops.expand_dims(places - before, -1)

    (top, down), (left, right) = split(rows), split(columns)

    def pixels(row, column):
        return ops.cast(take_pixels(images, row, column, mode, value), dtype)

    upper = (1 - right) * pixels(top, left) + right * pixels(top, left + 1)
    lower = (1 - right) * pixels(top + 1, left) + right * pixels(top + 1, left + 1)
    return restore((1 - down) * upper + down * lower, images.dtype)


def rotate(images, degrees, mode="constant", value=0):
    """Turn each image around its middle by its own angle, counter-clockwise.

    The image keeps its size; what turns in from outside is filled by the padding rule.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        degrees: Tensor of shape `(batch,)`.
        mode: `"constant"`, `"edge"` or `"reflect"`, see `sample`. Defaults to `"constant"`.
        value: The constant, a number or one number per channel. Defaults to 0.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if `mode` is unknown, or if `images` is no batch of images.

    Example:
        >>> images = np.array([[1, 2], [3, 4]], "uint8").reshape(1, 2, 2, 1)
        >>> ops.convert_to_numpy(rotate(images, [90]))[0, :, :, 0]
        array([[2, 4],
               [1, 3]], dtype=uint8)

    Reference:
        `Affine(rotate=...)` of [imgaug](https://github.com/aleju/imgaug). Differs from it in: the
        direction, which is that of Keras and PIL (imgaug turns clockwise), and exact weights where
        OpenCV rounds places to 1/32 of a pixel.
    """
    images = as_images(images)
    dtype = at_least_float32(images.dtype)
    angle = ops.reshape(ops.cast(degrees, dtype), (-1, 1, 1)) * (math.pi / 180)
    down, right, middle_row, middle_column = _from_middle(images, dtype)
    sine, cosine = ops.sin(angle), ops.cos(angle)
    # A pixel of the result comes from where the opposite turn takes it; rows count downwards.
    rows = cosine * down + sine * right + middle_row
    columns = cosine * right - sine * down + middle_column
    return sample(images, rows, columns, mode, value)


def translate(images, down, right, mode="constant", value=0):
    """Shift each image by its own numbers of pixels, also by parts of one.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        down: Tensor of shape `(batch,)`, pixels downwards; upwards if negative.
        right: Likewise, to the right.
        mode: `"constant"`, `"edge"` or `"reflect"`, see `sample`. Defaults to `"constant"`.
        value: The constant, a number or one number per channel. Defaults to 0.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if `mode` is unknown, or if `images` is no batch of images.

    Example:
        >>> images = np.array([[1, 2], [3, 4]], "uint8").reshape(1, 2, 2, 1)
        >>> ops.convert_to_numpy(translate(images, [1], [0]))[0, :, :, 0]
        array([[0, 0],
               [1, 2]], dtype=uint8)
    """
    images = as_images(images)
    dtype = at_least_float32(images.dtype)
    _, height, width, _ = ops.shape(images)
    down, right = (ops.reshape(ops.cast(shift, dtype), (-1, 1, 1)) for shift in (down, right))
    rows = ops.expand_dims(ops.arange(height, dtype=dtype), 1) - down
    columns = ops.arange(width, dtype=dtype) - right
    return sample(images, rows, columns, mode, value)


def crop_resize(images, top, left, height, width, size):
    """Cut a box out of each image and stretch it to one size.

    Pixels count as squares, so that the corners of the box become the corners of the result
    ("half-pixel centres"); nothing outside the box is seen. A box that is much larger than the
    result is not smoothed first.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        top: Tensor of shape `(batch,)`, first row of the box; in between pixels if not whole.
        left: Likewise, first column.
        height: Likewise, rows of the box, at least 1; the box lies inside the image.
        width: Likewise, columns.
        size: Height and width of the result, one integer for both or a pair.

    Returns:
        Tensor of shape `(batch, *size, channels)` and the dtype of `images`.

    Raises:
        ValueError: if `size` is not positive, or if `images` is no batch of images.

    Example:
        >>> images = np.arange(16).reshape(1, 4, 4, 1).astype("float32")
        >>> ops.convert_to_numpy(crop_resize(images, [0], [2], [2], [2], size=1))[0, :, :, 0]
        array([[4.5]], dtype=float32)

    Reference:
        `torchvision.transforms.functional.resized_crop` with bilinear interpolation and
        `antialias=False`. Differs from it in: a box of its own for each image.
    """
    images = as_images(images)
    dtype = at_least_float32(images.dtype)

    def places(start, length, count):
        start, length = (ops.reshape(ops.cast(x, dtype), (-1, 1)) for x in (start, length))
        inside = (ops.arange(count, dtype=dtype) + 0.5) * (length / count) - 0.5
        return start + ops.clip(inside, 0, length - 1)

    new_height, new_width = check_size(size)
    rows = ops.expand_dims(places(top, height, new_height), 2)
    columns = ops.expand_dims(places(left, width, new_width), 1)
    return sample(images, rows, columns, "edge")


def check_size(size):
    """Height and width of a result, from one integer or a pair."""
    pair = (size, size) if isinstance(size, numbers.Integral) else size
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ValueError(
            f"Argument `size` must be an integer or a pair (height, width). Received: size={size}"
        )
    return tuple(check_integer("size", number, at_least=1) for number in pair)


def _from_middle(images, dtype):
    """Rows and columns as seen from the middle of the image, and the middle itself."""
    _, height, width, _ = ops.shape(images)
    middle_row, middle_column = ((ops.cast(size, dtype) - 1) / 2 for size in (height, width))
    down = ops.expand_dims(ops.arange(height, dtype=dtype), 1) - middle_row
    right = ops.expand_dims(ops.arange(width, dtype=dtype), 0) - middle_column
    return ops.expand_dims(down, 0), ops.expand_dims(right, 0), middle_row, middle_column
