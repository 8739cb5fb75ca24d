"""This library's own copy of CIFAR-10, and where Keras keeps its data."""

import logging
import os
import tempfile
from pathlib import Path

from keras_twist.data.cifar_formats import read_set
from keras_twist.data.errors import MissingFile
from keras_twist.data.npz import write_npz

logger = logging.getLogger("keras_twist.data")


def keras_home():
    """Returns the folder that Keras calls home, without importing Keras and its backend.

    Returns:
        `pathlib.Path`: the environment variable `KERAS_HOME`, else `~/.keras`.
    """
    try:
        return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    except RuntimeError:  # A user without a home, as containers have them.
        return Path(tempfile.gettempdir()) / ".keras"


def keras_folders():
    """Returns where Keras may have data: under its home and, if that cannot be written, elsewhere.

    Returns:
        list of one or two `pathlib.Path`s, which may not exist.
    """
    homes = [keras_home()]
    if not os.access(homes[0], os.W_OK):
        homes.append(Path(tempfile.gettempdir()) / ".keras")
    return [home / "datasets" for home in homes]


def cache_path():
    """Returns the `pathlib.Path` of this library's copy: a folder of its own beside Keras's data.

    A plain `datasets/cifar10.npz` could be somebody else's file.
    """
    return keras_home() / "datasets" / "keras_twist" / "cifar10.npz"


def has_cache():
    """Returns whether there is a copy that can be looked at, good or damaged."""
    # Not Path.exists, which raises where a folder on the way may not be searched.
    return os.path.exists(cache_path())


def read_cache(cifar):
    """Reads this library's copy; whether it is undamaged is for the caller to check.

    Args:
        cifar: The `CifarSet` that says how many images there must be.

    Returns:
        dict of the four uint8 arrays.

    Raises:
        MissingFile: There is no copy.
        DataError: It is truncated or otherwise unreadable.
    """
    try:
        return read_set(cache_path(), cifar)
    except MissingFile as error:
        raise MissingFile("not there.") from error


def store(arrays):
    """Keeps a copy of the published set; where that is impossible, logs so and goes on without.

    Args:
        arrays: dict of the four uint8 arrays, already compared with the published digests.
    """
    path = cache_path()
    try:
        write_npz(path, arrays)
    except OSError as error:
        logger.warning("CIFAR-10 is not cached: %s: %s", path, error.strerror or error)
    else:
        logger.info("CIFAR-10 cached as %s", path)
