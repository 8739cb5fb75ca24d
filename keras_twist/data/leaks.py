"""Images that are in the training and in the validation set."""

import warnings

import numpy as np


def count_shared(train_images, valid_images):
    """How many validation images are training images as well, byte for byte.

    Where there are any, accuracy looks better than it is. The published training and test
    sets of CIFAR-10 share none.

    Args:
        train_images: Array of shape `(n, height, width, channels)`.
        valid_images: Array of shape `(m, height, width, channels)`.

    Returns:
        Integer, 0 to m; 0 if sizes or types of the images differ.

    Example:
        >>> images = np.arange(48, dtype="uint8").reshape(4, 2, 2, 3)
        >>> count_shared(images[:3], images[2:])
        1
    """
    train_images, valid_images = np.asarray(train_images), np.asarray(valid_images)
    kinds = {(images.shape[1:], images.dtype) for images in (train_images, valid_images)}
    if len(kinds) > 1:
        return 0
    # 64 bits for each, so that two images of a million are taken for one once in 37 million times.
    known = {hash(image.tobytes()) for image in train_images}
    return sum(hash(image.tobytes()) in known for image in valid_images)


def warn_of_shared(count, total, where, stacklevel=2):
    """Warns that of `total` validation images, `count` are training images; for 0, does not."""
    if count:
        warnings.warn(
            f"{count} of the {total} validation pictures are also training pictures, byte for "
            f"byte: {where}. Accuracy will look better than it is.",
            stacklevel=stacklevel + 1,
        )
