"""CIFAR-10 as a tree of small pictures: `train|test/<class>/*.png` or `.jpg`."""

import logging

import numpy as np

from keras_twist.data.cifar_formats import CIFAR10_CLASSES
from keras_twist.data.errors import DataError, reading, shown
from keras_twist.data.pictures import open_pictures

_SUFFIXES = (".png", ".jpg", ".jpeg")
_REPORT_IMAGES = 10_000

logger = logging.getLogger("keras_twist.data")


def is_tree(folder):
    """Returns whether the folder looks like a tree: one of `train` and `test` is there."""
    return any((folder / part).is_dir() for part in ("train", "test"))


def read_tree(folder):
    """Reads every picture of the tree, by class and then by file name.

    Folders named after the CIFAR-10 classes get the published labels; any other names are numbered
    in sorted order.

    Args:
        folder: `pathlib.Path` of the folder that holds `train` and `test`.

    Returns:
        dict of the uint8 arrays `x_train` (n, 32, 32, 3), `y_train` (n,), `x_test`, `y_test`.

    Raises:
        DataError: A part or a class is missing or empty, a picture is damaged or not 32 x 32, or
            Pillow is not installed.
    """
    classes = _classes(folder / "train")
    if unknown := set(_folders(folder / "test")) - classes.keys():
        test = shown(folder / "test")
        raise DataError(f"{test} has a class that train has not: {sorted(unknown)[0]!r}.")
    arrays = {}
    with open_pictures() as read_picture:
        for part in ("train", "test"):
            files = [
                (path, label)
                for name, label in sorted(classes.items(), key=lambda item: item[1])
                for path in _pictures(folder / part / name)
            ]
            pixels = np.empty((len(files), 32, 32, 3), np.uint8)
            for index, (path, _) in enumerate(files):
                if index % _REPORT_IMAGES == 0:
                    logger.info("Reading picture %d of %d in %s", index, len(files), folder / part)
                pixels[index] = read_picture(path, (32, 32))
            arrays[f"x_{part}"] = pixels
            arrays[f"y_{part}"] = np.array([label for _, label in files], np.uint8)
    return arrays


def _folders(parent):
    with reading(parent):
        names = sorted(entry.name for entry in parent.iterdir() if entry.is_dir())
    return [name for name in names if not name.startswith(".")]


def _classes(parent):
    names = _folders(parent)
    if not 1 <= len(names) <= len(CIFAR10_CLASSES):
        raise DataError(f"{shown(parent)} has {len(names)} class folders; CIFAR-10 has 10.")
    if set(names) <= set(CIFAR10_CLASSES):
        return {name: CIFAR10_CLASSES.index(name) for name in names}
    return {name: label for label, name in enumerate(names)}


def _pictures(folder):
    with reading(folder):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise DataError(f"{shown(folder)} holds no .png and no .jpg.")
    return paths
