"""What each random operation draws, made of uniform numbers that are handed in.

Nothing here is random by itself: `uniform(shape, low, high, dtype)` is whoever draws, a pipeline
with stateless numbers and a layer with its seed generator, so that both draw alike. `shape` is that
of the images; its entries may be tensors. Every draw is per image.
"""

import math

from keras import ops

from keras_twist.ops.erasing import NOISE_SHAPES
from keras_twist.ops.pixels import check_square


def chance(uniform, shape, probability=0.5):
    """True with this probability, of shape `(batch,)`."""
    return uniform((shape[0],), 0.0, 1.0, "float32") < probability


def between(uniform, shape, limits):
    """Floats between two limits, of shape `(batch,)`."""
    return uniform((shape[0],), *limits, "float32")


def pad_crop_corner(uniform, shape, padding):
    """`top` and `left` of `ops.image.pad_crop`."""
    return {n: uniform((shape[0],), 0, 2 * padding + 1, "int32") for n in ("top", "left")}


def square_corner(uniform, shape, size, clip):
    """`top` and `left` of a square inside the image, or with its centre anywhere in it."""
    batch, height, width, _ = shape
    check_square(size, height, width)
    if clip:
        corner = (uniform((batch,), 0, side, "int32") - size // 2 for side in (height, width))
    else:
        corner = (uniform((batch,), 0, side - size + 1, "int32") for side in (height, width))
    return dict(zip(("top", "left"), corner, strict=True))


def erasing(uniform, shape, probability, area, aspect, max_count, log_aspect, fill):
    """`top`, `left`, `height`, `width` and `noise` of `ops.erasing.erase_rectangles`."""
    batch, height, width, _ = shape
    each = (batch, max_count)
    share = uniform(each, *area, "float32") * ops.cast(height * width, "float32")
    if log_aspect:
        ratio = ops.exp(uniform(each, *(math.log(limit) for limit in aspect), "float32"))
    else:
        ratio = uniform(each, *aspect, "float32")
    chosen = ops.expand_dims(chance(uniform, shape, probability), 1)
    if max_count > 1:
        count = uniform((batch, 1), 1, max_count + 1, "int32")
        share = share / ops.cast(count, "float32")
        chosen = ops.logical_and(chosen, ops.arange(max_count, dtype="int32") < count)

    def side(pixels, longest):
        pixels = ops.minimum(ops.cast(ops.sqrt(pixels), "int32"), longest)
        return ops.where(chosen, pixels, ops.zeros_like(pixels))

    rows, columns = side(share * ratio, height), side(share / ratio, width)
    draws = {
        "top": _start(uniform, each, height - rows),
        "left": _start(uniform, each, width - columns),
        "height": rows,
        "width": columns,
    }
    if isinstance(fill, str):
        seeds = fill in ("pixel", "normal")
        limits = (0, 2**31 - 1, "int32") if seeds else (0.0, 1.0, "float32")
        draws["noise"] = uniform(NOISE_SHAPES[fill](tuple(shape), max_count), *limits)
    return draws


def resized_crop_box(uniform, shape, scale, ratio):
    """`top`, `left`, `height` and `width` of `ops.geometry.crop_resize`, whole pixels."""
    batch, height, width, _ = shape
    share = uniform((batch,), *scale, "float32") * ops.cast(height * width, "float32")
    ratio = ops.exp(uniform((batch,), *(math.log(limit) for limit in ratio), "float32"))

    def side(pixels, longest):
        return ops.clip(ops.cast(ops.round(ops.sqrt(pixels)), "int32"), 1, longest)

    rows, columns = side(share / ratio, height), side(share * ratio, width)
    return {
        "top": _start(uniform, (batch,), height - rows),
        "left": _start(uniform, (batch,), width - columns),
        "height": rows,
        "width": columns,
    }


def stretched_crop_box(uniform, shape, scale, ratio, aspects, candidates=10):
    """The same for images stretched to another shape, whose true width over height is `aspects`.

    Area and ratio are those of the box in the true image. The first of several candidates that
    fits is taken; if none does, the largest box in the middle whose ratio is in range. Boxes
    begin and end between pixels, since whole ones of a stretched image mean nothing.
    """
    batch, height, width, _ = shape
    each = (batch, candidates)
    aspects = ops.cast(aspects, "float32")
    share = uniform(each, *scale, "float32")
    drawn = ops.exp(uniform(each, *(math.log(limit) for limit in ratio), "float32"))
    # Relative to the image's sides. A square of a wide image is a tall box once it is stretched.
    relative = drawn / ops.expand_dims(aspects, 1)
    across, down = ops.sqrt(share * relative), ops.sqrt(share / relative)
    fits = ops.logical_and(across <= 1.0, down <= 1.0)
    number = ops.arange(candidates, dtype="int32")
    first = ops.min(ops.where(fits, number, candidates), axis=1, keepdims=True)
    chosen = ops.cast(number == first, "float32")
    fitting = ops.cast(ops.squeeze(first, 1) < candidates, "float32")
    nearest = ops.clip(aspects, *ratio) / aspects
    whole = {"height": ops.minimum(1.0 / nearest, 1.0), "width": ops.minimum(nearest, 1.0)}

    box = {}
    for start, side, pixels, sides in (
        ("top", "height", height, down),
        ("left", "width", width, across),
    ):
        pixels = ops.cast(pixels, "float32")
        # No smaller than one pixel, of which there must be a middle to look at.
        length = ops.sum(chosen * sides, axis=1) + (1.0 - fitting) * whole[side]
        length = ops.clip(length * pixels, 1.0, pixels)
        place = uniform((batch,), 0.0, 1.0, "float32") * fitting + 0.5 * (1.0 - fitting)
        box |= {start: place * (pixels - length), side: length}
    return box


def blur_width(uniform, shape, limits, probability):
    """`sigma` of `ops.filters.gaussian_blur`, 0 for the images that are left alone."""
    sigma = between(uniform, shape, limits)
    return ops.where(chance(uniform, shape, probability), sigma, ops.zeros_like(sigma))


def shifts(uniform, shape, height, width):
    """`down` and `right` of `ops.geometry.translate`, for largest shares of the sides."""
    return {
        name: between(uniform, shape, (-largest, largest)) * ops.cast(side, "float32")
        for name, largest, side in (("down", height, shape[1]), ("right", width, shape[2]))
    }


def factors(uniform, shape, strengths):
    """Factors around 1 by name, as far from it as their strength and at least 0."""
    return {
        name: between(uniform, shape, (max(0.0, 1.0 - strength), 1.0 + strength))
        for name, strength in strengths.items()
    }


def _start(uniform, shape, free):
    """Whole numbers from 0 to `free`, which differs from image to image."""
    position = uniform(shape, 0.0, 1.0, "float32") * ops.cast(free + 1, "float32")
    return ops.minimum(ops.cast(position, "int32"), free)
