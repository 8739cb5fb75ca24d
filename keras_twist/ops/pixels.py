"""What the image operations share: looking pixels up, value ranges, and checks of arguments."""

import keras
import numpy as np
from keras import ops

from keras_twist import arguments

PADDING_MODES = ("reflect", "edge", "constant")


def as_images(images):
    """The images as a tensor, or `ValueError` if they are no batch of channels-last images."""
    images = ops.convert_to_tensor(images)
    if len(images.shape) != 4:
        raise ValueError(
            "Argument `images` must have the shape (batch, height, width, channels). "
            f"Received: images.shape={tuple(images.shape)}"
        )
    return images


def take_pixels(images, rows, columns, mode="constant", value=0):
    """Pixels at whole places, which the padding rule continues over the border.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        rows: Integer tensor that broadcasts with `columns` to `(batch, new_height, new_width)`.
        columns: Likewise.
        mode: One of `PADDING_MODES`; `"reflect"` mirrors once and goes on with the border pixel.
            Defaults to `"constant"`.
        value: What `"constant"` fills in, a number or one number per channel. Defaults to 0.

    Returns:
        Tensor of shape `(batch, new_height, new_width, channels)`, dtype of `images`.
    """
    batch, height, width, channels = ops.shape(images)
    inside = ops.logical_and(
        ops.logical_and(rows >= 0, rows < height), ops.logical_and(columns >= 0, columns < width)
    )
    rows, columns = into_range(rows, height, mode), into_range(columns, width, mode)
    first = ops.expand_dims(ops.arange(batch, dtype="int32") * (height * width), (1, 2))
    flat = ops.reshape(images, (batch * height * width, channels))
    window = ops.take(flat, first + rows * width + columns, axis=0)
    if mode == "constant":
        check_channels("value", value, images)
        window = ops.where(ops.expand_dims(inside, -1), window, fill_value(value, images.dtype))
    return window


def into_range(index, size, mode):
    """Positions outside `[0, size)` moved to the pixel that the padding rule copies."""
    if mode == "reflect":
        index = ops.abs(index)
        index = (size - 1) - ops.abs((size - 1) - index)
    return ops.clip(index, 0, size - 1)


def as_numbers(value):
    """A number or list in place of an array, so that a layer with it can be saved."""
    return np.asarray(value).tolist() if hasattr(value, "__array__") else value


def as_fill(value, mode):
    """The number or list that fills places outside; `ValueError` where `mode` has no use for it.

    Nor may `mode` be anything but a padding rule.
    """
    check_mode(mode)
    value = as_numbers(value)
    if mode != "constant" and np.any(value):
        raise ValueError(
            f"Argument `value` needs mode='constant'. Received: value={value}, mode={mode!r}"
        )
    return value


def fill_value(value, dtype, name="value"):
    """A number, one number per channel or a tensor, in the dtype of the images it goes into.

    Plain floats are rounded for integer images; plain numbers that the dtype cannot hold are
    refused, since they would wrap around.
    """
    if not keras.backend.is_float_dtype(dtype) and isinstance(value, int | float | list | tuple):
        low, high = dtype_range(dtype)
        if not np.all((np.asarray(value) >= low) & (np.asarray(value) <= high)):
            raise ValueError(
                f"Argument `{name}` must lie in [{low:g}, {high:g}] for images of dtype "
                f"{keras.backend.standardize_dtype(dtype)}. Received: {name}={value}"
            )
        value = np.rint(value)
    return ops.cast(ops.convert_to_tensor(value), dtype)


def dtype_range(dtype):
    """Lowest and highest value of integer images, or `(0, 1)` for float images."""
    dtype = keras.backend.standardize_dtype(dtype)
    if keras.backend.is_float_dtype(dtype):
        return 0.0, 1.0
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def restore(values, dtype, value_range=None):
    """Calculated values in the dtype of the images: integers are rounded and kept in range.

    Float images are clipped to `value_range`, if there is one.
    """
    if not keras.backend.is_float_dtype(dtype):
        return ops.cast(ops.clip(ops.round(values), *(value_range or dtype_range(dtype))), dtype)
    if value_range is not None:
        values = ops.clip(values, *value_range)
    return ops.cast(values, dtype)


def per_image(draw, dtype):
    """A draw of shape `(batch,)` as `(batch, 1, 1, 1)`."""
    return ops.reshape(ops.cast(draw, dtype), (-1, 1, 1, 1))


def check_mode(mode):
    """Raise `ValueError` unless `mode` is a padding rule."""
    arguments.check_choice("mode", mode, PADDING_MODES)


def check_range(name, pair, low=-np.inf, high=np.inf, strict=False):
    """Two floats, or `ValueError` unless they are ordered and lie in `[low, high]`.

    `strict` excludes `low` itself.
    """
    try:
        first, second = (arguments.check_number(name, n, "", lambda _: True) for n in pair)
    except (TypeError, ValueError):
        first = second = np.nan
    if not (low <= first <= second <= high) or (strict and first == low):
        limits = f"{'(' if strict else '['}{low:g}, {high:g}{']' if high < np.inf else ')'}"
        raise ValueError(
            f"Argument `{name}` must be two numbers in {limits}, the lower bound first. "
            f"Received: {name}={pair}"
        )
    return first, second


def check_number(name, number, low, high=np.inf):
    """A float, or `ValueError` unless it lies in `[low, high]`."""
    allowed = f"in [{low:g}, {high:g}]" if high < np.inf else f">= {low:g}"
    return arguments.check_number(name, number, allowed, lambda number: low <= number <= high)


def check_square(size, height, width):
    """Raise `ValueError` if a square is larger than the image, as far as its sides are known."""
    for name, side in (("height", height), ("width", width)):
        # None where the model does not know the side, a tensor where the graph does not.
        if isinstance(side, int) and size > side:
            raise ValueError(
                f"Argument `size` must not be larger than the image's {name}. "
                f"Received: size={size}, {name}={side}"
            )


def check_value_range(value_range, dtype):
    """Raise `ValueError` if integer images cannot hold the limits, which would wrap around."""
    if value_range is None or keras.backend.is_float_dtype(dtype):
        return
    low, high = dtype_range(dtype)
    if not low <= value_range[0] <= value_range[1] <= high:
        raise ValueError(
            f"Argument `value_range` must lie in [{low:g}, {high:g}] for images of dtype "
            f"{keras.backend.standardize_dtype(dtype)}. Received: value_range={value_range}"
        )


def check_channels(name, value, images):
    """Raise `ValueError` unless a list or tuple holds one number for each channel."""
    if isinstance(value, list | tuple) and images.shape[-1] not in (None, len(value)):
        raise ValueError(
            f"Argument `{name}` must hold one number per channel. "
            f"Received: {name}={value}, channels={images.shape[-1]}"
        )


def check_float(name, dtype):
    """Raise `ValueError` unless the dtype is a float type."""
    dtype = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"Argument `{name}` must be of a float type. Received: dtype={dtype}")
