"""Data that would train without an error, and to no use: wrong labels, wrong scales."""

import warnings

import numpy as np

from keras_twist.data.augment import Augmentation, Normalize

_SAMPLE, _SIDE = 256, 32
# How far the normalised mean may be from 0, in deviations. Digits, dark as they are, lie at -1.5
# under CIFAR-10's numbers, and images divided by 255 once too often at -2.
_FARTHEST_MEAN = 1.75
# How many times a deviation may be too large or too small; dividing by 255 alone makes it 4.
_FARTHEST_STD = 8
_CHUNK_BYTES = 2**26


def check_labels(labels, num_classes, stacklevel=2):
    """Raises for labels of no class; warns where they seem to count from 1.

    Args:
        labels: Integer array of shape `(n,)`, not empty.
        num_classes: Number of classes, or None where it is not known.
        stacklevel: As in `warnings.warn`, from the caller on. Defaults to 2.

    Raises:
        ValueError: A label is outside `[0, num_classes)`.
    """
    low, high = int(labels.min()), int(labels.max())
    if num_classes is None:
        if low == 1 and 2 <= high == len(np.unique(labels)):
            warnings.warn(
                f"Argument `labels` runs from 1 to {high} and has no 0, where classes are counted "
                "from 0: subtract 1, unless the first class is meant to stay empty.",
                stacklevel=stacklevel + 1,
            )
    elif not 0 <= low <= high < num_classes:
        outside = int(np.count_nonzero((labels < 0) | (labels >= num_classes)))
        hint = ". They seem to count from 1: subtract 1" if (low, high) == (1, num_classes) else ""
        raise ValueError(
            f"Argument `labels` must lie in [0, {num_classes}). Received: labels from {low} to "
            f"{high}, {outside} of {len(labels)} outside{hint}"
        )


def check_finite(images):
    """Raises for pixels that are NaN or infinite.

    Args:
        images: Array of shape `(n, height, width, channels)`.

    Raises:
        ValueError: There are some; the message says how many, and where the first one is.
    """
    # NumPy does not count bfloat16, which is not its own, among the floats.
    if not np.issubdtype(images.dtype, np.floating) and images.dtype.name != "bfloat16":
        return
    rows = max(1, _CHUNK_BYTES // max(images[:1].nbytes, 1))
    counts = np.zeros(len(images), np.int64)
    for start in range(0, len(images), rows):
        chunk = images[start : start + rows]
        # The extremes of what holds NaN are NaN; this needs no array of truth values.
        with np.errstate(invalid="ignore"):  # bfloat16 would warn of it.
            extremes = chunk.min(), chunk.max()
        if not all(map(np.isfinite, extremes)):
            axes = tuple(range(1, images.ndim))
            counts[start : start + rows] = np.count_nonzero(~np.isfinite(chunk), axis=axes)
    if counts.any():
        image = int(np.flatnonzero(counts)[0])
        place = [image, *np.argwhere(~np.isfinite(images[image]))[0].tolist()]
        raise ValueError(
            f"Argument `images` must hold finite numbers. Received: {counts.sum()} that are not, "
            f"in {np.count_nonzero(counts)} of {len(images)} images, the first is images{place}"
        )


def check_scale(images, operations, stacklevel=2):
    """Warns where `normalize` is given a mean or deviation of other images than these.

    Looks at 256 images, spread over all, and at no more than 32 x 32 pixels of each. What a
    function of the caller's own does before `normalize` is not known, and nothing is said then.

    Args:
        images: Array of shape `(n, height, width, channels)`.
        operations: Tuple of operations, as `train_dataset` takes them.
        stacklevel: As in `warnings.warn`, from the caller on. Defaults to 2.
    """
    for operation in operations:
        if isinstance(operation, Normalize):
            break
        if not _keeps_scale(operation):
            return
    else:
        return
    if len(operation.mean) != images.shape[-1]:
        return  # Applying it will say so.
    if not any(operation.mean) and set(operation.std) == {1.0}:
        return  # It turns them into floats and is meant to do no more.
    rows, columns = (-(-side // _SIDE) for side in images.shape[1:3])
    sample = images[:: -(-len(images) // _SAMPLE), ::rows, ::columns].astype("float64")
    mean, std = sample.mean((0, 1, 2)), sample.std((0, 1, 2))
    if not std.any():  # Blank images, as people try things out with.
        return
    found_mean = float(np.mean((mean - operation.mean) / operation.std))
    found_std = float(np.mean(std / operation.std))
    if abs(found_mean) <= _FARTHEST_MEAN and 1 / _FARTHEST_STD <= found_std <= _FARTHEST_STD:
        return
    low, high = sample.min(), sample.max()
    warnings.warn(
        f"After `normalize`, the images have a mean of {found_mean:.3g} and a deviation of "
        f"{found_std:.3g}, where 0 and 1 are meant: they lie in [{low:.4g}, {high:.4g}], with mean "
        f"{_numbers(mean)} and deviation {_numbers(std)}, and `normalize` was given "
        f"{_numbers(operation.mean)} and {_numbers(operation.std)}.",
        stacklevel=stacklevel + 1,
    )


def _keeps_scale(operation):
    ours = getattr(getattr(operation, "apply", None), "__module__", "") or ""
    return isinstance(operation, Augmentation) and ours.startswith("keras_twist.")


def _numbers(values):
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
