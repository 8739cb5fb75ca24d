"""Folders of pictures, one for each class, decoded once and mapped from the disk ever after.

Longer than other files by a little, because a third of it documents the arguments.
"""

import dataclasses
import functools
import logging
from pathlib import Path

import numpy as np

from keras_twist import arguments
from keras_twist.data.errors import DataError, ReadFailure, reading, shown
from keras_twist.data.image_cache import ImageCache, cache_folder
from keras_twist.data.image_sources import open_source
from keras_twist.data.image_workers import decode_all
from keras_twist.data.leaks import warn_of_shared

_NAMED_FAILURES = 5

logger = logging.getLogger("keras_twist.data")


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFolder:
    """Pictures of one set, decoded to one size.

    Attributes:
        images: uint8 array of shape `(n, size, size, 3)`, RGB in `[0, 255]`, read-only; mapped
            from the disk where the cache could be written.
        labels: int64 array of shape `(n,)`, positions in `class_names`.
        aspects: float32 array of shape `(n,)`, width over height of the original pictures.
        class_names: Tuple of strings.
        paths: Tuple of strings: where each picture is below the root, with `/`.

    Example:
        >>> pixels, one = np.zeros((2, 160, 160, 3), "uint8"), np.ones(2, "float32")
        >>> train = ImageFolder(pixels, np.array([0, 1]), one, ("cat", "dog"), ("a.png", "b.png"))
        >>> len(train), train.class_names[train.labels[1]]
        (2, 'dog')
    """

    images: np.ndarray = dataclasses.field(repr=False)
    labels: np.ndarray = dataclasses.field(repr=False)
    aspects: np.ndarray = dataclasses.field(repr=False)
    class_names: tuple
    paths: tuple = dataclasses.field(repr=False)

    def __len__(self):
        return len(self.labels)

    def subset(self, positions):
        """`ImageFolder` of some of the pictures, of the same classes.

        Args:
            positions: Slice, or array of integers or booleans: `slice(None, None, 4)` takes every
                fourth picture, and so of every class.
        """
        chosen = np.arange(len(self))[positions]
        return dataclasses.replace(
            self,
            images=self.images[positions],
            labels=self.labels[positions],
            aspects=self.aspects[positions],
            paths=tuple(self.paths[number] for number in chosen),
        )


def load_image_folder(
    root,
    image_size=128,
    stored_size=None,
    valid_scale=1.14,
    on_error="raise",
    max_pixels=2**27,
):
    """Loads pictures from `train/<class>/...` and `val/<class>/...`, decoded and resized.

    Training pictures are stretched to squares and keep their `aspects`, from which
    `random_resized_crop(aspects=...)` cuts boxes of the true shape. Validation pictures are ready
    for the network: the square in the middle, cut from a stretched one in the same way, since a
    network that is shown sharper pictures than it has learned from is wrong more often.

    Decoding happens once. Its result lies under the Keras home, in
    `datasets/keras_twist/image_folders`, and is used again as long as no picture was added,
    removed, renamed or changed in size or time; its bytes are checked every time. What is damaged
    or out of date is made again. Where nothing can be written, a warning is logged and the arrays
    are in memory. Progress goes to the logger `keras_twist.data` at level INFO.

    Args:
        root: Folder that holds `train` and `val`; or a `.tar` or `.tar.gz` of such a folder, which
            is read without unpacking. Without `val` it is `valid`, `validation` or `test`, the
            first of them that there is. Pictures are JPEG, PNG or WebP by content, at any depth
            below their class; hidden files and files of other kinds are passed over.
        image_size: Side of validation pictures in pixels. Defaults to 128.
        stored_size: Side of training pictures. None for 5/3 of `image_size`: what is 4:3 keeps the
            width that it has where its shorter side is 1.25 times `image_size`. Defaults to None.
        valid_scale: The side of the validation's square is the picture's shorter side divided by
            this: 1.14 is what resizing to 256 and cutting out 224 does. At least 1. Defaults to
            1.14.
        on_error: `"raise"`, or `"skip"` to leave out pictures that cannot be read and log how
            many. Defaults to `"raise"`.
        max_pixels: Most pixels of a picture; larger ones count as unreadable. Defaults to 2 ** 27,
            about 16,000 x 8,000.

    Returns:
        `train, valid`, two `ImageFolder`s, sorted by class and then by path. Their `class_names`
        are the sorted names of the class folders.

    Raises:
        DataError: `root`, a set or a class is missing or empty, the two sets have other classes,
            or pictures are empty, truncated, damaged or too large; the message names them.
        ValueError: if a size or `on_error` is out of range.

    Example:
        >>> from pathlib import Path
        >>> for folder in ("train/cat", "train/dog", "val/cat", "val/dog"):
        ...     Path("pictures", folder).mkdir(parents=True)
        ...     keras.utils.save_img(f"pictures/{folder}/1.png", np.random.rand(30, 40, 3))
        >>> train, valid = keras_twist.data.load_image_folder("pictures", image_size=32)
        >>> train.images.shape, valid.images.shape, train.class_names
        ((2, 53, 53, 3), (2, 32, 32, 3), ('cat', 'dog'))
        >>> crop = keras_twist.data.random_resized_crop(32, aspects=train.aspects)
        >>> feed = keras_twist.data.train_dataset(train.images, train.labels, 2, augment=(crop,))
    """
    train, valid, both = load_sets(root, image_size, stored_size, valid_scale, on_error, max_pixels)
    warn_of_shared(both, len(valid), shown(root), stacklevel=2)
    return train, valid


def load_sets(
    root,
    image_size,
    stored_size,
    valid_scale,
    on_error="raise",
    max_pixels=2**27,
    check_classes=lambda names: None,
):
    """As `load_image_folder`, and how many validation pictures are training pictures as well.

    Args:
        check_classes: Function of the names of the classes, which may raise before anything is
            decoded.

    Returns:
        `train, valid, both`.
    """
    image_size, stored_size, zoom = check_options(image_size, stored_size, valid_scale, on_error)
    max_pixels = arguments.check_integer("max_pixels", max_pixels, at_least=1)
    with reading(root):
        root = Path(root).expanduser().resolve()
        source = open_source(root)
    cache = ImageCache(cache_folder(root))
    records = {}
    view = {"size": image_size, "stored_size": stored_size, "zoom": zoom}
    for split, options in (("train", {"size": stored_size}), ("valid", view)):
        name = "-".join([split, *(f"{option:g}" for option in options.values())])
        options = options | {"max_pixels": max_pixels}
        records[split] = _load_split(source, split, cache, name, options, on_error, check_classes)
    images = [_image_folder(*found) for found in records.values()]
    shared = set(records["train"][1]["digests"]) & set(records["valid"][1]["digests"])
    return *images, sum(digest in shared for digest in records["valid"][1]["digests"])


def check_options(image_size, stored_size, valid_scale, on_error):
    """The first three as numbers, the second chosen if None; or `ValueError`."""
    image_size = arguments.check_integer("image_size", image_size, at_least=1)
    stored_size = usual_stored_size(image_size) if stored_size is None else stored_size
    stored_size = arguments.check_integer("stored_size", stored_size, at_least=1)
    zoom = arguments.check_number("valid_scale", valid_scale, ">= 1", lambda zoom: zoom >= 1)
    arguments.check_choice("on_error", on_error, ("raise", "skip"))
    return image_size, stored_size, zoom


def usual_stored_size(image_size):
    """Side of the squares that training pictures are stored as, unless told otherwise."""
    # Most photographs are 4:3, and a square of the shorter side would cost them a quarter of their
    # detail in one direction.
    return round(1.25 * image_size * 4 / 3)


def _image_folder(images, record):
    images.flags.writeable = False
    return ImageFolder(
        images,
        np.array(record["labels"], np.int64),
        np.array(record["aspects"], np.float32),
        tuple(record["class_names"]),
        tuple(record["paths"]),
    )


def _load_split(source, split, cache, name, options, on_error, check_classes):
    """`(images, record)` from the cache, or decoded now."""
    # Where pictures were too large for one limit, another gives another result.
    fingerprint = f"{source.fingerprint}-{options['max_pixels']}"
    found = cache.load(name, fingerprint, quiet=True)
    if not _is_final(found):
        with cache.alone():
            found = cache.load(name, fingerprint)  # Another process may have made it meanwhile.
            if not _is_final(found):
                check_classes(source.class_names)
                found = _decode_split(source, split, cache, name, fingerprint, options, on_error)
    check_classes(found[1]["class_names"])
    skipped = found[1]["skipped"]
    if skipped and on_error == "raise":
        raise _failure(source.root, skipped, len(skipped) + len(found[0]))
    if skipped:
        logger.warning(
            "%d pictures of the %s set of %s cannot be used and are left out, the first is %s",
            len(skipped),
            split,
            shown(source.root),
            ": ".join(skipped[0]),
        )
    return found


def _is_final(found):
    # What could not be read then may be readable now, though the fingerprint is the same.
    return found is not None and not found[1].get("read_failures")


def _decode_split(source, split, cache, name, fingerprint, options, on_error):
    class_names, entries, skipped = source.class_names, source.entries[split], []
    unread = 0
    while True:
        try:
            fill = functools.partial(_fill, source, entries, skipped, unread, options)
            shape = (len(entries), options["size"], options["size"], 3)
            return cache.store(name, fingerprint, shape, fill)
        except _Unreadable as error:
            found = sorted(error.failures.items())
            failures = [(shown(entries[position].path), str(why)) for position, why in found]
            unread += sum(isinstance(why, ReadFailure) for _, why in found)
            entries = [e for p, e in enumerate(entries) if p not in error.failures]
            emptied = sorted(set(class_names) - {entry.class_name for entry in entries})
            if on_error == "raise" or emptied:
                total = len(source.entries[split])
                raise _failure(source.root, failures, total, emptied) from None
            # Again, without them: rare, and the array has the right length from the start.
            skipped += failures


def _fill(source, entries, skipped, unread, options, put):
    """Decodes into `put`, and returns what to remember besides the pixels."""
    aspects, digests, failures = decode_all(source, entries, put, options)
    if failures:
        raise _Unreadable(failures)
    number = {name: position for position, name in enumerate(source.class_names)}
    return {
        "aspects": aspects,
        "class_names": source.class_names,
        "digests": digests,
        "labels": [number[entry.class_name] for entry in entries],
        "paths": [entry.path for entry in entries],
        "read_failures": unread,
        "skipped": skipped,
    }


class _Unreadable(Exception):
    """Some pictures could not be decoded: a `DataError` by position."""

    def __init__(self, failures):
        super().__init__()
        self.failures = failures


def _failure(root, failures, total, emptied=()):
    named = "; ".join(": ".join(failure) for failure in failures[:_NAMED_FAILURES])
    more = len(failures) - _NAMED_FAILURES
    advice = "Repair or delete them, or pass on_error='skip' to leave them out of their classes."
    if emptied:
        advice = f"They are all that the class {shown(emptied[0])} has: repair or replace them."
    return DataError(
        f"{len(failures)} of {total} pictures in {shown(root)} cannot be used: {named}"
        + (f"; and {more} more" if more > 0 else "")
        + f". {advice}"
    )
