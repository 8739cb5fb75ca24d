"""Image operations on batches, with every random number passed in.

Each function takes `(batch, height, width, channels)` images of any dtype and one draw per image,
works on every Keras backend, eagerly, in a graph and under XLA, and returns the same dtype unless
it says otherwise. Who draws the numbers: `keras_twist.data` for a pipeline, and the layers of
`keras_twist.layers` inside a model.
"""

from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.ops.pixels import (
    as_images,
    check_channels,
    check_float,
    check_mode,
    fill_value,
    per_image,
    take_pixels,
)


def pad_crop(images, top, left, padding=4, mode="reflect", value=0):
    """Pad every side and cut a window of the original size out of each image.

    The order matters: cutting first and padding afterwards would always lose a border. No padded
    copy is made: rows and columns are looked up through the padding rule, so the cost is one
    gather.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        top: Integer tensor of shape `(batch,)`, the window's first row in the padded image, in
            `[0, 2 * padding]`.
        left: Likewise, the window's first column.
        padding: Pixels added to each side. Defaults to 4.
        mode: `"reflect"` (mirrored without repeating the border pixel), `"edge"` (the border pixel
            repeated) or `"constant"`. Defaults to `"reflect"`.
        value: What `"constant"` fills in, a number or one number per channel. Defaults to 0.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if `mode` is unknown, or if the image is too small to be mirrored.

    Example:
        >>> images = np.arange(4, dtype="uint8").reshape(1, 2, 2, 1)
        >>> ops.convert_to_numpy(pad_crop(images, [0], [1], padding=1))[0, :, :, 0]
        array([[2, 3],
               [0, 1]], dtype=uint8)

    Reference:
        Crop(32, 32) on reflect-padded images of
        [cifar10-fast](https://github.com/davidcpage/cifar10-fast). Differs from it in: nothing.
    """
    check_padding(padding, mode)
    images = as_images(images)
    _, height, width, _ = ops.shape(images)
    for name, size in (("height", height), ("width", width)):
        if mode == "reflect" and isinstance(size, int) and size <= padding:
            raise ValueError(
                f"Argument `padding` must be smaller than the image's {name} when mode='reflect'. "
                f"Received: padding={padding}, {name}={size}"
            )
    top, left = (ops.reshape(ops.cast(start, "int32"), (-1, 1, 1)) for start in (top, left))
    rows = top - padding + ops.expand_dims(ops.arange(height, dtype="int32"), 1)
    columns = left - padding + ops.arange(width, dtype="int32")
    return take_pixels(images, rows, columns, mode, value)


def flip_horizontal(images, flip):
    """Mirror the images whose `flip` is true, left to right.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        flip: Boolean tensor of shape `(batch,)`.

    Returns:
        Tensor of the shape and dtype of `images`.

    Example:
        >>> images = np.arange(4).reshape(2, 1, 2, 1)
        >>> ops.convert_to_numpy(flip_horizontal(images, [True, False])).ravel()
        array([1, 0, 2, 3])
    """
    return _flip(images, flip, axis=2)


def flip_vertical(images, flip):
    """Mirror the images whose `flip` is true, top to bottom.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        flip: Boolean tensor of shape `(batch,)`.

    Returns:
        Tensor of the shape and dtype of `images`.

    Example:
        >>> images = np.arange(4).reshape(2, 2, 1, 1)
        >>> ops.convert_to_numpy(flip_vertical(images, [True, False])).ravel()
        array([1, 0, 2, 3])
    """
    return _flip(images, flip, axis=1)


def erase(images, top, left, height, width, fill=0):
    """Overwrite one rectangle per image.

    Rectangles may reach over the border, where they are clipped, or have no area, which leaves
    the image alone. Cutout and random erasing are both this operation with other draws.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        top: Integer tensor of shape `(batch,)`, first row of the rectangle; may be negative.
        left: Likewise, first column.
        height: Integer or integer tensor of shape `(batch,)`, rows of the rectangle.
        width: Likewise, columns.
        fill: What is written: a number, one number per channel, or a tensor that broadcasts
            against `images`, in the units of `images`. Defaults to 0.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if plain numbers in `fill` do not fit into integer images, or are not as many
            as there are channels.

    Example:
        >>> images = np.ones((1, 2, 3, 1), "float32")
        >>> ops.convert_to_numpy(erase(images, [0], [1], 1, 2))[0, :, :, 0]
        array([[1., 0., 0.],
               [1., 1., 1.]], dtype=float32)

    Reference:
        [Cutout](https://arxiv.org/abs/1708.04552),
        [Random erasing](https://arxiv.org/abs/1708.04896).
    """
    images = as_images(images)
    check_channels("fill", fill, images)
    _, image_height, image_width, _ = ops.shape(images)

    def covered(start, length, size):
        start, length = ops.cast(start, "int32"), ops.cast(length, "int32")
        position = ops.arange(size, dtype="int32")
        start, end = ops.expand_dims(start, 1), ops.expand_dims(start + length, 1)
        return ops.logical_and(position >= start, position < end)

    rectangle = ops.logical_and(
        ops.expand_dims(covered(top, height, image_height), 2),
        ops.expand_dims(covered(left, width, image_width), 1),
    )
    return ops.where(ops.expand_dims(rectangle, -1), fill_value(fill, images.dtype, "fill"), images)


def normalize(images, mean, std, dtype="float32"):
    """Subtract the mean and divide by the standard deviation of each channel.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, usually uint8 in `[0, 255]`.
        mean: One number per channel, in the units of `images`.
        std: Likewise; positive.
        dtype: Float dtype of the result. Defaults to `"float32"`.

    Returns:
        Tensor of the shape of `images`, computed in float32 and cast to `dtype`.

    Raises:
        ValueError: if `dtype` is not a float type, or `mean` and `std` are not as long as there are
            channels.

    Example:
        >>> images = np.full((1, 1, 1, 3), 255, "uint8")
        >>> ops.convert_to_numpy(normalize(images, [55, 155, 255], [100, 50, 1])).ravel()
        array([2., 2., 0.], dtype=float32)
    """
    check_float("dtype", dtype)
    images = as_images(images)
    for name, numbers in (("mean", mean), ("std", std)):
        check_channels(name, numbers, images)
    mean, std = (ops.convert_to_tensor(value, "float32") for value in (mean, std))
    return ops.cast((ops.cast(images, "float32") - mean) / std, dtype)


def blend(first, second, weight):
    """Mix two batches, `weight * first + (1 - weight) * second`, as mixup does.

    Args:
        first: Float tensor of shape `(batch, ...)`: images, or labels as distributions.
        second: Tensor of the same shape.
        weight: Float tensor of shape `(batch,)` in `[0, 1]`.

    Returns:
        Tensor of the shape and dtype of `first`.

    Raises:
        ValueError: if `first` holds integers, which cannot hold what lies between them.

    Example:
        >>> ops.convert_to_numpy(blend(np.ones((1, 2)), np.zeros((1, 2)), np.array([0.75])))
        array([[0.75, 0.75]])

    Reference:
        [mixup](https://arxiv.org/abs/1710.09412).
    """
    first = ops.convert_to_tensor(first)
    check_float("first", first.dtype)
    weight = ops.cast(weight, first.dtype)
    weight = ops.reshape(weight, (-1,) + (1,) * (len(first.shape) - 1))
    return weight * first + (1 - weight) * ops.cast(second, first.dtype)


def check_padding(padding, mode):
    """The padding as an int, or `ValueError` if `pad_crop` cannot work with these two."""
    check_mode(mode)
    return check_integer("padding", padding, at_least=0)


def _flip(images, flip, axis):
    images = as_images(images)
    return ops.where(per_image(flip, "bool"), ops.flip(images, axis=axis), images)
