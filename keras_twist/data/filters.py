"""Blur and changes of colour of a pipeline."""

import keras

from keras_twist.data.augment import Augmentation
from keras_twist.ops import draws, filters
from keras_twist.ops.pixels import check_mode, check_number, check_range


def gaussian_blur(sigma, radius=None, mode="reflect"):
    """Smooth all images alike.

    Args:
        sigma: Standard deviation in pixels, at least 0.
        radius: Pixels that the kernel reaches to each side. None for three times `sigma`, rounded
            up. Defaults to None.
        mode: What lies beyond the border: `"reflect"`, `"edge"` or `"constant"` (zeros). Defaults
            to `"reflect"`.

    Returns:
        A function of the images for `train_dataset` and `eval_dataset`; any dtype, value range
        kept.

    Raises:
        ValueError: if an argument is out of range, or, when the pipeline is made, if the image is
            too small.

    Example:
        >>> transform = (gaussian_blur(0.8),)

    Reference:
        `GaussianBlur` of [imgaug](https://github.com/aleju/imgaug), whose radius is 2 for every
        `sigma` below 1.8. Differs from it in: the radius may be given.
    """
    sigma = check_number("sigma", sigma, 0)
    radius = filters.blur_radius(radius, sigma)
    check_mode(mode)

    def apply(images):
        widths = keras.ops.full((keras.ops.shape(images)[0],), sigma, "float32")
        return filters.gaussian_blur(images, widths, radius, mode)

    return apply


def random_gaussian_blur(sigma=(0.0, 1.0), probability=1.0, radius=None, mode="reflect"):
    """Smooth each image by a width drawn uniformly.

    Args:
        sigma: Smallest and largest standard deviation in pixels, at least 0. Defaults to
            `(0.0, 1.0)`.
        probability: Share of the images that are smoothed at all, in `[0, 1]`. Defaults to 1.0.
        radius: Pixels that the kernel reaches to each side. None for three times the largest
            `sigma`, rounded up. Defaults to None.
        mode: What lies beyond the border: `"reflect"`, `"edge"` or `"constant"` (zeros). Defaults
            to `"reflect"`.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Raises:
        ValueError: if an argument is out of range, or, when the pipeline is made, if the image is
            too small.

    Example:
        >>> augment = (random_gaussian_blur((0.0, 1.0), probability=0.5),)
    """
    sigma = check_range("sigma", sigma, 0)
    check_number("probability", probability, 0, 1)
    radius = filters.blur_radius(radius, sigma[1])
    check_mode(mode)

    def draw(uniform, shape):
        return {"sigma": draws.blur_width(uniform, shape, sigma, probability)}

    def apply(images, sigma):
        return filters.gaussian_blur(images, sigma, radius, mode)

    return Augmentation(draw, apply, alone=True)


def random_color_jitter(brightness=0.2, contrast=0.2, saturation=0.2, value_range=None):
    """Change brightness, contrast and saturation of each image by factors drawn uniformly.

    Args:
        brightness: The factor lies in `[max(0, 1 - brightness), 1 + brightness]`. Defaults to 0.2.
        contrast: Likewise. Defaults to 0.2.
        saturation: Likewise. Defaults to 0.2.
        value_range: Lowest and highest value, to which results are clipped. None for what an
            integer type holds, and no clipping of floats. Defaults to None.

    Returns:
        An `Augmentation` for `train_dataset`, to stand before `normalize`; any dtype.

    Raises:
        ValueError: if a strength is negative or the range is empty.

    Example:
        >>> augment = (random_color_jitter(brightness=0.4),)

    Reference:
        `torchvision.transforms.ColorJitter`. Differs from it in: the order is fixed, the hue
        stays, and integer images are rounded once, at the end.
    """
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, strength in strengths.items():
        check_number(name, strength, 0)
    if value_range is not None:
        value_range = check_range("value_range", value_range)

    def draw(uniform, shape):
        return draws.factors(uniform, shape, strengths)

    def apply(images, brightness, contrast, saturation):
        return filters.color_jitter(images, brightness, contrast, saturation, value_range)

    return Augmentation(draw, apply)
