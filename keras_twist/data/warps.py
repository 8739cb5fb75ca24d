"""Random rotation, translation and resized crops of a pipeline."""

import numpy as np
from keras import ops

from keras_twist.data import stateless
from keras_twist.data.augment import Augmentation
from keras_twist.ops import draws, geometry
from keras_twist.ops.pixels import as_fill, check_number, check_range


def random_rotation(degrees=15.0, mode="constant", value=0):
    """Turn each image around its middle by an angle drawn uniformly.

    Args:
        degrees: Largest angle to either side, in `[0, 180]`. Defaults to 15.0.
        mode: What turns in from outside: `"constant"`, `"edge"` or `"reflect"`. Defaults to
            `"constant"`.
        value: The constant, a number or one number per channel, in the units the images have at
            this place of the pipeline. Defaults to 0.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Raises:
        ValueError: if `degrees` is out of range, `mode` is unknown, or `value` is given with
            another mode than `"constant"`.

    Example:
        >>> augment = (random_rotation(15, mode="reflect"),)

    Reference:
        `Affine(rotate=(-15, 15))` of [imgaug](https://github.com/aleju/imgaug). Differs from it in:
        positive angles turn counter-clockwise, as in Keras and PIL; the weights between pixels are
        exact, where OpenCV rounds places to 1/32 of a pixel.
    """
    check_number("degrees", degrees, 0, 180)
    value = as_fill(value, mode)

    def draw(uniform, shape):
        return {"degrees": draws.between(uniform, shape, (-degrees, degrees))}

    def apply(images, degrees):
        return geometry.rotate(images, degrees, mode, value)

    return Augmentation(draw, apply, alone=True)


def random_translation(height=0.1, width=0.1, mode="constant", value=0):
    """Shift each image by parts of its sides drawn uniformly, also by parts of a pixel.

    `random_pad_crop` shifts by whole pixels, which keeps images sharp.

    Args:
        height: Largest shift up or down as a share of the height, in `[0, 1]`. Defaults to 0.1.
        width: Largest shift left or right as a share of the width. Defaults to 0.1.
        mode: What moves in from outside: `"constant"`, `"edge"` or `"reflect"`. Defaults to
            `"constant"`.
        value: The constant, a number or one number per channel, in the units the images have at
            this place of the pipeline. Defaults to 0.

    Returns:
        An `Augmentation` for `train_dataset`; any dtype, value range kept.

    Raises:
        ValueError: if a share is out of range, `mode` is unknown, or `value` is given with another
            mode than `"constant"`.

    Example:
        >>> augment = (random_translation(0.125, 0.125, mode="edge"),)
    """
    check_number("height", height, 0, 1)
    check_number("width", width, 0, 1)
    value = as_fill(value, mode)

    def draw(uniform, shape):
        return draws.shifts(uniform, shape, height, width)

    def apply(images, down, right):
        return geometry.translate(images, down, right, mode, value)

    return Augmentation(draw, apply, alone=True)


def random_resized_crop(size=None, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), aspects=None):
    """Cut a random box out of each image and stretch it to one size.

    With `aspects`, the images are those of `load_image_folder`: stretched to squares. Boxes are
    then drawn as if from the originals, so that their contents come out with the true
    proportions, distorted by no more than `ratio`.

    Args:
        size: Height and width of the result, one integer for both or a pair. None for those of the
            input. Defaults to None.
        scale: Smallest and largest area of the box as a share of the image's, in `(0, 1]`, drawn
            uniformly. Defaults to `(0.35, 1.0)`.
        ratio: Smallest and largest width over height, whose logarithm is drawn uniformly. Defaults
            to `(3 / 4, 4 / 3)`.
        aspects: Width over height of the original of each image in the training set, shape
            `(n,)`, for images that were stretched to one shape; None for images that are as they
            were. Defaults to None.

    Returns:
        An `Augmentation` for `train_dataset` and `ResidentFeed`; any dtype, value range kept.

    Raises:
        ValueError: if `size` is not positive, a range is empty or out of bounds, or `aspects` holds
            something but positive numbers; when the pipeline is made, if there are more or fewer
            of them than images.

    Example:
        >>> augment = (random_resized_crop(128, scale=(0.35, 1.0)),)

    Reference:
        `RandomResizedCrop` of [fastai](https://docs.fast.ai/vision.augment.html) and torchvision.
        Differs from it in: a box that does not fit is shortened to the image's side, where they
        draw again up to ten times (with `aspects` it is as they do); boxes are not rounded to
        whole pixels of the original; large boxes are not smoothed before they shrink.
    """
    scale = check_range("scale", scale, 0, 1, strict=True)
    ratio = check_range("ratio", ratio, 0, strict=True)
    new_size = None if size is None else geometry.check_size(size)
    if aspects is not None:
        aspects = _check_aspects(aspects)

    def draw(uniform, shape):
        return draws.resized_crop_box(uniform, shape, scale, ratio)

    def draw_stretched(uniform, shape, examples):
        if len(aspects) != examples.count:
            raise ValueError(
                "Argument `aspects` of random_resized_crop must hold one number per image. "
                f"Received: {len(aspects)} numbers for {examples.count} images"
            )
        own = stateless.gather(ops.convert_to_tensor(aspects), examples.indices)
        return draws.stretched_crop_box(uniform, shape, scale, ratio, own)

    def apply(images, top, left, height, width):
        own_size = new_size or tuple(images.shape[1:3])
        return geometry.crop_resize(images, top, left, height, width, own_size)

    if aspects is None:
        return Augmentation(draw, apply, size=new_size, alone=True)
    return Augmentation(draw_stretched, apply, size=new_size, by_example=True, alone=True)


def _check_aspects(aspects):
    aspects = np.asarray(aspects)
    if aspects.ndim != 1 or not np.issubdtype(aspects.dtype, np.number):
        raise ValueError(
            "Argument `aspects` must hold one number per image. "
            f"Received: shape={aspects.shape}, dtype={aspects.dtype}"
        )
    aspects = aspects.astype("float32")
    if not (np.isfinite(aspects) & (aspects > 0)).all():
        raise ValueError(
            "Argument `aspects` must hold positive numbers. "
            f"Received: {aspects.min()} to {aspects.max()}"
        )
    return aspects
