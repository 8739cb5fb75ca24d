"""ImageWoof and Imagenette, ten classes of ImageNet each, wherever they are."""

import dataclasses
import logging
import os
from pathlib import Path

from keras_twist.arguments import check_choice
from keras_twist.data.cache import keras_home
from keras_twist.data.errors import DataError, reading, shown
from keras_twist.data.image_folder import check_options, load_sets
from keras_twist.data.image_sources import VALID_NAMES, ArchiveSource
from keras_twist.data.imagenette_sets import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    IMAGENETTE,
    IMAGENETTE_CLASSES,
    IMAGEWOOF,
    IMAGEWOOF_CLASSES,
)
from keras_twist.data.resume import fetch_resumable

# By the shorter side of their pictures; the last is of original size.
_EDITIONS = ("160", "320", "full")
# Several times the length of the published archives, which the host replaces now and then.
_MOST_BYTES = {"160": 2**29, "320": 2**31, "full": 2**33}

__all__ = [
    "IMAGENETTE_CLASSES",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "IMAGEWOOF_CLASSES",
    "load_imagenette",
    "load_imagewoof",
]

logger = logging.getLogger("keras_twist.data")


def load_imagewoof(
    data_dir=None,
    image_size=128,
    stored_size=None,
    valid_scale=1.14,
    edition=None,
    on_error="raise",
):
    """Loads ImageWoof, ten breeds of dogs that are hard to tell apart.

    The sources are, in this order: `data_dir` (then it is the only one); archives and folders
    under the Keras home, in `datasets/keras_twist` and `datasets`; and the host that published
    it. A download that breaks off goes on where it stopped. The archive is read as it is, without
    unpacking, and decoded once, as `load_image_folder` says.

    A download is compared with the digests that fastai and torchvision give for it. The host has
    replaced the archives before; if it does so again, the new one is accepted when it is whole,
    and its digest is logged as a warning.

    Args:
        data_dir: Folder that holds, or is, `imagewoof2-160`, `imagewoof2-320` or `imagewoof2` (with
            `train` and `val` in it), or holds such an archive, `imagewoof2-160.tgz`; or the path of
            an archive. Defaults to `None`: the other sources.
        image_size: Side of validation pictures in pixels. Defaults to 128.
        stored_size: Side of training pictures; None for 5/3 of `image_size`. Defaults to None.
        valid_scale: As in `load_image_folder`. Defaults to 1.14.
        edition: `"160"`, `"320"` (the shorter side of the published pictures) or `"full"`. None
            for the smallest that suffices for `image_size`, and where that is not at hand, another
            that is. Defaults to None.
        on_error: As in `load_image_folder`. Defaults to `"raise"`.

    Returns:
        `train, valid`, two `ImageFolder`s; 9,025 and 3,929 pictures in the published set. Labels
        are positions in `class_names`, which are the values of `IMAGEWOOF_CLASSES` in order.

    Raises:
        DataError: `data_dir` holds no ImageWoof or a damaged one; or no source has it, and then
            the message says what to do.
        ValueError: if a size, `edition` or `on_error` is out of range.

    Example:
        ```python
        train, valid = keras_twist.data.load_imagewoof("data", image_size=128)
        ```

    Reference:
        [Imagenette](https://github.com/fastai/imagenette) by fastai, edition 2 of 2019, with 30 %
        of the pictures for validation.
    """
    return _load(IMAGEWOOF, data_dir, image_size, stored_size, valid_scale, edition, on_error)


def load_imagenette(
    data_dir=None,
    image_size=128,
    stored_size=None,
    valid_scale=1.14,
    edition=None,
    on_error="raise",
):
    """Loads Imagenette, ten classes of ImageNet that are easy to tell apart.

    All is as in `load_imagewoof`, with `imagenette2` for `imagewoof2`.

    Args:
        data_dir: Folder or archive, or None.
        image_size: Side of validation pictures in pixels. Defaults to 128.
        stored_size: Side of training pictures; None for 5/3 of `image_size`. Defaults to None.
        valid_scale: As in `load_image_folder`. Defaults to 1.14.
        edition: `"160"`, `"320"`, `"full"` or None. Defaults to None.
        on_error: As in `load_image_folder`. Defaults to `"raise"`.

    Returns:
        `train, valid`, two `ImageFolder`s; 9,469 and 3,925 pictures in the published set. Their
        `class_names` are the values of `IMAGENETTE_CLASSES` in order.

    Raises:
        DataError: As `load_imagewoof`.
        ValueError: if a size, `edition` or `on_error` is out of range.

    Example:
        ```python
        train, valid = keras_twist.data.load_imagenette(image_size=128)
        ```

    Reference:
        [Imagenette](https://github.com/fastai/imagenette) by fastai, edition 2 of 2019.
    """
    return _load(IMAGENETTE, data_dir, image_size, stored_size, valid_scale, edition, on_error)


def _load(published, data_dir, image_size, stored_size, valid_scale, edition, on_error):
    check_choice("edition", edition, (*_EDITIONS, None))
    check_options(image_size, stored_size, valid_scale, on_error)
    editions = [edition] if edition else _suitable(image_size)
    if data_dir is None:
        root = _search(published, editions)
    else:
        root = _in_data_dir(published, data_dir, editions)
        if edition is not None:
            _check_edition(published, root, edition)
    logger.info("%s from %s", published.title, shown(root))

    def check(names):
        if tuple(names) != tuple(published.classes):
            found, wanted = (", ".join(list(one)[:3]) for one in (names, published.classes))
            raise DataError(
                f"{shown(root)} does not hold {published.title}: its classes begin with {found}, "
                f"not with {wanted}"
            )

    train, valid, both = load_sets(
        root, image_size, stored_size, valid_scale, on_error, check_classes=check
    )
    if (len(train), len(valid)) != published.counts:
        logger.warning(
            "%s holds %d and %d pictures; the published %s has %d and %d. Accuracies on it do not "
            "compare with published ones.",
            shown(root),
            len(train),
            len(valid),
            published.title,
            *published.counts,
        )
    if both:  # The published set has a few, which nobody here can help.
        logger.info("%d validation pictures are also training pictures", both)
    names = tuple(published.classes.values())
    return tuple(dataclasses.replace(one, class_names=names) for one in (train, valid))


def _suitable(image_size):
    """All editions: the smallest that suffices, larger ones, and then what would be enlarged."""
    sides = {"160": 160, "320": 320, "full": float("inf")}
    # As the recipes of the time have it: 128 pixels from 160, 192 and 256 from larger ones.
    fine = [edition for edition, side in sides.items() if 1.25 * image_size <= side]
    return fine + [edition for edition in reversed(sides) if edition not in fine]


def _find(published, folder, editions):
    """The first form of the set that a folder holds, or None."""
    for edition in editions:
        name = published.folder(edition)
        for path in (folder / name, folder / f"{name}.tgz", folder / f"{name}.tar.gz"):
            if _is_root(path) or os.path.isfile(path):
                return path
    return None


def _is_root(path):
    # `os.path` says no where a folder may not be searched; `Path.is_dir` would raise.
    names = map(path.joinpath, VALID_NAMES)
    return os.path.isdir(path / "train") and any(map(os.path.isdir, names))


def _in_data_dir(published, data_dir, editions):
    with reading(data_dir):
        path = Path(data_dir).expanduser()
        if path.is_file() or _is_root(path):
            return path
        if not path.is_dir():
            raise DataError(
                f"data_dir must be an existing folder or file. Received: data_dir={shown(path)}"
            )
        if found := _find(published, path, editions):
            return found
    names = [published.folder(edition) for edition in editions]
    raise DataError(
        f"{shown(path)} holds no {published.title}: no train and val, and none of "
        f"{', '.join(names)}, {', '.join(f'{name}.tgz' for name in names)}."
    )


def _check_edition(published, root, edition):
    name = root.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    others = [other for other in _EDITIONS if other != edition]
    if name in map(published.folder, others):
        raise DataError(
            f"{shown(root)} is another edition of {published.title} than the one asked for. "
            f"Received: edition={edition!r}"
        )


def _check_archive(path):
    """Raises `DataError` unless the file is a whole archive of pictures in classes."""
    _ = ArchiveSource(path).class_names


def _search(published, editions):
    own = keras_home() / "datasets" / "keras_twist"
    for folder in (own, own.parent):
        if found := _find(published, folder, editions):
            return found
    archive = f"{published.folder(editions[0])}.tgz"
    url = published.host + archive
    try:
        own.mkdir(parents=True, exist_ok=True)
        fetch_resumable(
            url, own / archive, published.md5[editions[0]], _check_archive, _MOST_BYTES[editions[0]]
        )
    except (DataError, OSError) as error:
        raise DataError(
            f"{published.title} is not in {own.parent}, and its download failed: "
            f"{str(error).rstrip('.')}. Get {url} on a machine that can, and pass "
            "data_dir=<the folder it is in> (--data_dir of the script)."
        ) from error
    return own / archive
