"""Blending of whole examples, images and labels alike.

Label smoothing is not done here: the loss does it, after mixing, by
`keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)`.
"""

import functools

import keras
import numpy as np

from keras_twist.arguments import check_positive
from keras_twist.data import stateless
from keras_twist.ops import image as image_ops
from keras_twist.ops.erasing import rectangle_share


def mixup(alpha=0.2, per_image=True, num_classes=None):
    """Blend each image, and its label likewise, with another one of the batch.

    Args:
        alpha: Both parameters of the Beta distribution that each image's weight is drawn from;
            positive. Small values leave most images nearly alone. Defaults to 0.2.
        per_image: Whether every image has a weight of its own, or the batch one. Defaults to True.
        num_classes: If given, labels may be integers of shape `(batch,)`, and become one-hot.
            Defaults to None.

    Returns:
        What `train_dataset` takes as `mix`: a function `(images, labels, seed)` that returns
        float32 images and float labels. Labels must be one-hot (`num_classes=`). The accuracy on
        such batches means little: a mixed image has two right answers. Labels are smoothed by the
        loss, `CategoricalCrossentropy(label_smoothing=...)`, which is the same before and after
        mixing.

    Raises:
        ValueError: if `alpha` is not positive; when the pipeline is made, if images or labels have
            another shape or type.

    Example:
        >>> mix = mixup(alpha=0.2)

    Reference:
        [mixup](https://arxiv.org/abs/1710.09412), with one weight per image as in
        [mixup-generator](https://github.com/yu4u/mixup-generator). Differs from it in: the partner
        is another image of the same batch, so that an epoch shows every image.
    """
    check_positive("alpha", alpha)

    def apply(images, labels, seed):
        labels = _distributions(images, labels, num_classes)
        count = keras.ops.shape(images)[0]
        weight = keras.ops.broadcast_to(_beta(alpha, count if per_image else 1, seed), (count,))
        return _compiled(_blend)(images, labels, weight)

    return apply


def cutmix(alpha=1.0, per_image=True, num_classes=None):
    """Paste a rectangle of another image of the batch over each image, and share the labels.

    The rectangle has the image's aspect, covers a part drawn from a Beta distribution, and lies
    around a centre anywhere in the image; what reaches over the border is cut off. The label's
    share is exactly that of the pixels that are left.

    Args:
        alpha: Both parameters of the Beta distribution; positive. 1 draws parts uniformly.
            Defaults to 1.0.
        per_image: Whether every image has a rectangle of its own, or the batch one, as published.
            Defaults to True.
        num_classes: If given, labels may be integers of shape `(batch,)`, and become one-hot.
            Defaults to None.

    Returns:
        What `train_dataset` takes as `mix`: a function `(images, labels, seed)` that returns the
        images in their dtype and float labels. Labels must be one-hot (`num_classes=`). The
        accuracy on such batches means little: a mixed image has two right answers.

    Raises:
        ValueError: if `alpha` is not positive; when the pipeline is made, if images or labels have
            another shape or type.

    Example:
        >>> mix = cutmix(alpha=1.0)

    Reference:
        [CutMix](https://arxiv.org/abs/1905.04899). Differs from it in: a rectangle for every image
        by default, and the partner is the previous image of the (shuffled) batch.
    """
    check_positive("alpha", alpha)

    def apply(images, labels, seed):
        labels = _distributions(images, labels, num_classes)
        batch, height, width, _ = keras.ops.shape(images)
        count = batch if per_image else 1
        side = keras.ops.sqrt(1 - _beta(alpha, count, seed))
        box = {}
        sides = (("top", "height", height), ("left", "width", width))
        for number, (start, length, size) in enumerate(sides):
            own_seed = stateless.fold_in(seed, number)
            pixels = keras.ops.cast(side * keras.ops.cast(size, "float32"), "int32")
            centre = stateless.uniform(own_seed, (count,), 0, size, "int32")
            box[start], box[length] = centre - pixels // 2, pixels
        box = {name: keras.ops.broadcast_to(draw, (batch,)) for name, draw in box.items()}
        return _compiled(_paste)(images, labels, box)

    return apply


def _beta(alpha, count, seed):
    """Variates of Beta(alpha, alpha), of shape `(count,)`."""
    # A Beta variate is a ratio of two Gamma variates; tf.random has only the latter stateless.
    tiny = np.finfo("float32").tiny
    gamma = stateless.gamma(seed, (2, count), alpha) + tiny
    # A small alpha rounds both to zero or the smallest number: all that is known then is that one
    # of them was far larger than the other.
    lost = keras.ops.maximum(gamma[0], gamma[1]) <= 2 * tiny
    coin = stateless.uniform(stateless.fold_in(seed, 2), (count,), 0.0, 1.0, "float32") < 0.5
    ratio = gamma[0] / (gamma[0] + gamma[1])
    return keras.ops.where(lost, keras.ops.cast(coin, "float32"), ratio)


@functools.cache
def _compiled(function):
    """The function as one loop made by XLA."""
    return stateless.compiled(function)


def _blend(images, labels, weight):
    images = keras.ops.cast(images, "float32")
    return (
        image_ops.blend(images, _partners(images), weight),
        image_ops.blend(labels, _partners(labels), weight),
    )


def _paste(images, labels, box):
    _, height, width, _ = keras.ops.shape(images)
    share = rectangle_share(**box, image_height=height, image_width=width)
    return (
        image_ops.erase(images, **box, fill=_partners(images)),
        image_ops.blend(labels, _partners(labels), 1 - share),
    )


def _partners(tensor):
    """The previous example for each; batches are shuffled, so any other would do as well."""
    return keras.ops.roll(tensor, 1, axis=0)


def _distributions(images, labels, num_classes):
    """Labels as distributions over classes, or `ValueError` for what cannot be mixed."""
    if len(images.shape) != 4:
        raise ValueError(
            "Argument `images` must have the shape (batch, height, width, channels). "
            f"Received: images.shape={tuple(images.shape)}"
        )
    labels = keras.ops.convert_to_tensor(labels)
    if None not in (labels.shape[0], images.shape[0]) and labels.shape[0] != images.shape[0]:
        raise ValueError(
            "Argument `labels` must hold one for each image. "
            f"Received: labels={labels.shape[0]}, images={images.shape[0]}"
        )
    integers = not keras.backend.is_float_dtype(labels.dtype)
    if num_classes is not None and integers and len(labels.shape) == 1:
        return keras.ops.one_hot(labels, num_classes, dtype="float32")
    if len(labels.shape) != 2 or integers:
        raise ValueError(
            "Argument `labels` must hold one float per class, of shape (batch, classes), or "
            "integers of shape (batch,) where `num_classes` is given. "
            f"Received: labels.shape={tuple(labels.shape)}, dtype={labels.dtype}, "
            f"num_classes={num_classes}"
        )
    if num_classes is not None and labels.shape[1] not in (None, num_classes):
        raise ValueError(
            "Argument `labels` must hold one float for each of `num_classes`. "
            f"Received: labels.shape={tuple(labels.shape)}, num_classes={num_classes}"
        )
    return labels
