"""A door in the pipeline for augmenters that are Python code: imgaug's, or any function."""

import copy
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_twist.data.seeding import takes_seed


class PythonAugmentation(NamedTuple):
    """A random operation on a batch that only Python can run, so outside of what XLA compiles.

    Attributes:
        run: `run(images, seed)` takes a NumPy array of shape `(batch, height, width, channels)`,
            which it may write to, and an integer; it returns an array of the same shape and dtype.
            Several threads call it at once.

    Example:
        >>> def darken(images, seed):
        ...     return images // 2 if seed % 2 else images
        >>> augment = (PythonAugmentation(darken), keras_twist.data.random_flip())
    """

    run: Callable


def from_imgaug(augmenter, batched=False):
    """Run an augmenter of imgaug, or any function of arrays, inside `train_dataset`.

    A batch leaves TensorFlow as a NumPy array and comes back; parallel workers do so for several
    batches at once. What stands before and after it in `augment` is compiled as ever. Built-in
    operations need no Python for each batch: this door is for what they cannot do.

    The augmenter decides, by what it has, how it is called:

    1. a method `augment_images`: once per batch;
    2. a method `augment_image`: once per image;
    3. otherwise it is a function: once per image, of shape `(height, width, channels)`, or once per
       batch if `batched`.

    So does reproducibility. An augmenter with `seed_(seed)`, as imgaug's have, is copied for each
    thread and seeded before each batch; a function or method with an argument named `seed` gets an
    integer there, one per call. `(seed, step)` then decides the outcome, as everywhere in the
    pipeline. Anything else draws from where it likes, and nobody can repeat it.

    Args:
        augmenter: An imgaug augmenter, or another object or function as above.
        batched: Whether a plain function takes a whole batch. Defaults to False.

    Returns:
        An operation for `train_dataset(augment=...)`: any dtype, whichever the augmenter keeps;
        imgaug's want uint8 in `[0, 255]`, so place it before `normalize`.

    Raises:
        ValueError: if `augmenter` is none of these; from `train_dataset`, which tries it on one
            batch, if it fails or if it returns another shape or dtype than it was given. Should
            only a later batch show that, TensorFlow's error quotes the same message.

    Example:
        >>> def invert(image, seed):
        ...     return 255 - image if seed % 2 else image
        >>> images = np.zeros((64, 8, 8, 3), "uint8")
        >>> dataset = keras_twist.data.train_dataset(
        ...     images, np.zeros(64, int), 16, augment=(from_imgaug(invert),)
        ... )

        ```python
        import imgaug.augmenters as iaa

        augmenter = iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-15, 15))])
        augment = (from_imgaug(augmenter), normalize(CIFAR10_MEAN, CIFAR10_STD))
        ```

    Reference:
        [imgaug](https://github.com/aleju/imgaug) 0.4.0, the last one: `pip install
        'keras_twist[imgaug]'` brings the versions of NumPy and OpenCV that it still runs with, on
        Python 3.11 and 3.12.
        Differs from it in: a seed for every batch. (Its `OneOf`, `SomeOf` and `RandAugment` need
        `numpy.bool = bool` first.)
    """
    method = next(
        (name for name in ("augment_images", "augment_image") if hasattr(augmenter, name)), None
    )
    if method is None and not callable(augmenter):
        raise ValueError(
            "Argument `augmenter` must have a method `augment_images` or `augment_image`, or be a "
            f"function of an array. Received: augmenter={augmenter!r}"
        )
    by_batch = method == "augment_images" or (method is None and batched)
    # Seeding changes an augmenter, so that each thread needs one to itself.
    own = threading.local() if hasattr(augmenter, "seed_") else None

    def augment(images, seed):
        used = augmenter
        if own is not None:
            if not hasattr(own, "augmenter"):
                own.augmenter = copy.deepcopy(augmenter)
            used = own.augmenter
            used.seed_(seed)
        function = getattr(used, method) if method else used
        seeded = own is None and takes_seed(function)
        if by_batch:
            return function(images, **({"seed": seed} if seeded else {}))
        seeds = np.random.SeedSequence(seed).generate_state(len(images))
        return [
            function(image, **({"seed": int(s)} if seeded else {}))
            for image, s in zip(images, seeds, strict=True)
        ]

    def run(images, seed):
        try:
            augmented = augment(images, seed)
        except Exception as error:  # somebody else's code
            raise ValueError(
                f"Argument `augmenter` failed on {len(images)} images of shape "
                f"{images.shape[1:]} and dtype {images.dtype}: {type(error).__name__}: {error}"
            ) from error
        return _checked(augmented, images)

    return PythonAugmentation(run)


def _checked(augmented, images):
    """What came back as one array, if it is of the shape and dtype of what went in."""
    if isinstance(augmented, (list, tuple)):
        # imgaug returns lists when sizes differ; NumPy would not say what is wrong with them.
        for image in augmented:
            _check_shape(np.shape(image), images.shape[1:], "an image")
        augmented = np.stack(augmented) if len(augmented) else np.zeros(0)
    augmented = np.asarray(augmented)
    _check_shape(augmented.shape, images.shape, "a batch")
    if augmented.dtype != images.dtype:
        raise ValueError(
            f"Argument `augmenter` must keep the dtype of its images, {images.dtype}. "
            f"Received: {augmented.dtype} from it"
        )
    return np.ascontiguousarray(augmented)


def _check_shape(found, expected, what):
    if found != expected:
        raise ValueError(
            f"Argument `augmenter` must keep the shape of {what}, {expected}. "
            f"Received: {what} of shape {found} from it"
        )
