"""Random blur and changes of colour inside a model."""

import keras

from keras_twist.layers.augmentation import RandomImageLayer
from keras_twist.ops import draws, filters
from keras_twist.ops.pixels import check_mode, check_number, check_range


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomGaussianBlur(RandomImageLayer):
    """Smooths each image by a width drawn uniformly.

    `keras.layers.RandomGaussianBlur` draws one width for the whole batch.

    Args:
        sigma: Smallest and largest standard deviation in pixels, at least 0. Defaults to
            `(0.0, 1.0)`.
        probability: Share of the images that are smoothed at all, in `[0, 1]`. Defaults to 1.0.
        radius: Pixels that the kernel reaches to each side. None for three times the largest
            `sigma`, rounded up. Defaults to None.
        mode: What lies beyond the border: `"reflect"`, `"edge"` or `"constant"` (zeros). Defaults
            to `"reflect"`.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype and value range.

    Output shape:
        The same, same dtype and range.

    Raises:
        ValueError: if an argument is out of range, or if the image is too small.

    Example:
        >>> RandomGaussianBlur(seed=0)(np.zeros((2, 8, 8, 3), "float32"), training=True).shape
        TensorShape([2, 8, 8, 3])

    Reference:
        `GaussianBlur` of [imgaug](https://github.com/aleju/imgaug). Differs from it in: the radius
        is one for all images, where imgaug's grows with the `sigma` of each.
    """

    def __init__(
        self,
        sigma=(0.0, 1.0),
        probability=1.0,
        radius=None,
        mode="reflect",
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.sigma = check_range("sigma", sigma, 0)
        self.probability = check_number("probability", probability, 0, 1)
        check_mode(mode)
        self.radius = filters.blur_radius(radius, self.sigma[1])
        self.mode = mode

    def draw(self, shape):
        return {"sigma": draws.blur_width(self.uniform, shape, self.sigma, self.probability)}

    def apply(self, images, sigma):
        return filters.gaussian_blur(images, sigma, self.radius, self.mode)

    def get_config(self):
        own = {n: getattr(self, n) for n in ("sigma", "probability", "radius", "mode")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_twist")
class RandomColorJitter(RandomImageLayer):
    """Changes brightness, contrast and saturation of each image by factors drawn uniformly.

    Args:
        brightness: The factor lies in `[max(0, 1 - brightness), 1 + brightness]`. Defaults to 0.2.
        contrast: Likewise. Defaults to 0.2.
        saturation: Likewise. Defaults to 0.2.
        value_range: Lowest and highest value, to which results are clipped. None for what an
            integer type holds, and no clipping of floats. Defaults to None.
        seed: Integer, or None for a random one. Defaults to None.
        **kwargs: What `keras.layers.Layer` takes.

    Input shape:
        `(batch, height, width, channels)`, any dtype, before normalisation.

    Output shape:
        The same, same dtype.

    Raises:
        ValueError: if a strength is negative or the range is empty.

    Example:
        >>> RandomColorJitter(seed=0)(np.zeros((2, 8, 8, 3), "uint8"), training=True).shape
        TensorShape([2, 8, 8, 3])

    Reference:
        `torchvision.transforms.ColorJitter`. Differs from it in: the order is fixed, the hue
        stays, and integer images are rounded once, at the end.
    """

    def __init__(
        self,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        value_range=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.strengths = {
            "brightness": check_number("brightness", brightness, 0),
            "contrast": check_number("contrast", contrast, 0),
            "saturation": check_number("saturation", saturation, 0),
        }
        self.value_range = value_range
        if value_range is not None:
            self.value_range = check_range("value_range", value_range)

    def draw(self, shape):
        return draws.factors(self.uniform, shape, self.strengths)

    def apply(self, images, brightness, contrast, saturation):
        return filters.color_jitter(images, brightness, contrast, saturation, self.value_range)

    def get_config(self):
        return {**super().get_config(), **self.strengths, "value_range": self.value_range}
