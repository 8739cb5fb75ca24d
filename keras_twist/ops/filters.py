"""Operations on the values of pixels that stay where they are: blur and colour.

They calculate in float32 (float64 for float64 images); integer images come back rounded. At
strength zero the pixels come back bit for bit.
"""

import math

import keras
from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.ops.pixels import (
    as_images,
    check_mode,
    check_value_range,
    dtype_range,
    into_range,
    per_image,
    restore,
)
from keras_twist.ops.precision import at_least_float32

# Rec. 601, as PIL and torchvision weigh red, green and blue.
LUMINANCE = (0.299, 0.587, 0.114)


def gaussian_blur(images, sigma, radius, mode="reflect"):
    """Smooth each image with a Gaussian of its own width.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        sigma: Tensor of shape `(batch,)`, standard deviations in pixels; 0 leaves an image alone.
        radius: Pixels that the kernel reaches to each side, the same for all images since XLA
            must know it; a kernel is cut off there and weighted to the sum 1. Three times the
            largest sigma loses nothing.
        mode: What lies beyond the border: `"reflect"` (mirrored without repeating the border
            pixel), `"edge"` (the border pixel repeated) or `"constant"` (zeros). Defaults to
            `"reflect"`.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if `radius` is not a positive integer, if `mode` is unknown, or if the image is
            too small to be mirrored.

    Example:
        >>> images = np.array([0.0, 0.0, 1.0, 0.0, 0.0]).reshape(1, 1, 5, 1)
        >>> blurred = gaussian_blur(images, [0.5], radius=1, mode="edge")
        >>> ops.convert_to_numpy(blurred).ravel().round(3)
        array([0.   , 0.107, 0.787, 0.107, 0.   ])

    Reference:
        `GaussianBlur` of [imgaug](https://github.com/aleju/imgaug). Differs from it in: the radius
        is given (imgaug takes about 1.65 sigma, at least 2).
    """
    radius = check_integer("radius", radius, at_least=1)
    check_mode(mode)
    images = as_images(images)
    dtype = at_least_float32(images.dtype)
    offsets = ops.arange(-radius, radius + 1, dtype=dtype)
    # A width of a thousandth of a pixel already has all its weight in the middle.
    sigma = ops.maximum(ops.reshape(ops.cast(sigma, dtype), (-1, 1)), 1e-3)
    kernel = ops.exp(-0.5 * ops.square(offsets / sigma))
    kernel = kernel / ops.sum(kernel, axis=1, keepdims=True)
    blurred = ops.cast(images, dtype)
    for axis in (1, 2):
        blurred = _smooth(blurred, kernel, radius, axis, mode)
    return restore(blurred, images.dtype)


def blur_radius(radius, sigma):
    """The radius that is given, checked, or three of the largest standard deviations."""
    if radius is None:
        return max(1, math.ceil(3 * sigma))
    return check_integer("radius", radius, at_least=1)


def _smooth(images, kernel, radius, axis, mode):
    """Weighted sum of the images shifted along one axis."""
    size = ops.shape(images)[axis]
    if mode == "reflect" and isinstance(size, int) and size <= radius:
        raise ValueError(
            "Argument `radius` must be smaller than the image when mode='reflect'. "
            f"Received: radius={radius}, {('height', 'width')[axis - 1]}={size}"
        )
    places = ops.arange(size + 2 * radius, dtype="int32") - radius
    padded = ops.take(images, into_range(places, size, mode), axis=axis)
    if mode == "constant":
        inside = ops.logical_and(places >= 0, places < size)
        inside = ops.reshape(inside, (-1, 1, 1) if axis == 1 else (-1, 1))
        padded = ops.where(inside, padded, ops.zeros((), padded.dtype))
    total = 0
    for start in range(2 * radius + 1):
        window = slice(start, start + size)
        shifted = padded[:, window] if axis == 1 else padded[:, :, window]
        total = total + ops.reshape(kernel[:, start], (-1, 1, 1, 1)) * shifted
    return total


def color_jitter(images, brightness, contrast, saturation, value_range=None):
    """Change brightness, then contrast, then saturation of each image by its own factors.

    Brightness multiplies the values; contrast moves them towards or away from the image's mean
    grey, saturation towards or away from each pixel's grey. A factor of 1 changes nothing, 0 is
    black, flat or grey.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, before normalisation. Grey is
            the luminance of three channels, and the mean of any other number of them.
        brightness: Tensor of shape `(batch,)`, factors of at least 0.
        contrast: Likewise.
        saturation: Likewise.
        value_range: Lowest and highest value, to which results are clipped after each change. None
            for what an integer type holds, and no clipping of floats. Defaults to None.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if integer images cannot hold `value_range`.

    Example:
        >>> images = np.full((1, 1, 1, 3), 100, "uint8")
        >>> ops.convert_to_numpy(color_jitter(images, [1.5], [1.0], [1.0])).ravel()
        array([150, 150, 150], dtype=uint8)

    Reference:
        `torchvision.transforms.ColorJitter`. Differs from it in: the order is fixed, the hue
        stays, and integer images are rounded once, at the end.
    """
    images = as_images(images)
    check_value_range(value_range, images.dtype)
    dtype = at_least_float32(images.dtype)
    values = ops.cast(images, dtype)
    if value_range is None and not keras.backend.is_float_dtype(images.dtype):
        value_range = dtype_range(images.dtype)
    brightness, contrast, saturation = (
        per_image(factor, dtype) for factor in (brightness, contrast, saturation)
    )

    def mixed(factor, other):
        changed = factor * values + (1 - factor) * other
        return changed if value_range is None else ops.clip(changed, *value_range)

    def grey():
        if values.shape[-1] != 3:
            return ops.mean(values, axis=-1, keepdims=True)
        weights = ops.convert_to_tensor(LUMINANCE, dtype)
        return ops.sum(values * weights, axis=-1, keepdims=True)

    values = mixed(brightness, 0.0)
    values = mixed(contrast, ops.mean(grey(), axis=(1, 2), keepdims=True))
    values = mixed(saturation, grey())
    return restore(values, images.dtype, value_range)
