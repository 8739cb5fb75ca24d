"""Pictures in class folders, on the disk or in an archive: which there are, and their bytes."""

import functools
import hashlib
import logging
import os
import stat
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from keras_twist import files
from keras_twist.data.archives import stream_members
from keras_twist.data.errors import DataError, ReadFailure, reading, shown
from keras_twist.data.image_classes import SPLITS, check_classes
from keras_twist.data.image_decode import is_picture

# What is taken as the validation set, the first that there is.
VALID_NAMES = ("val", "valid", "validation", "test")

_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")
_MAX_FILE_BYTES = 2**30
_MAX_MEMBER_BYTES = 2**28
_MAX_MEMBERS = 5_000_000
# Pictures are compressed already; whatever unpacks to much more than it is, is no archive of them.
_MAX_RATIO = 20
_SPARE_BYTES = 64 * 2**20

logger = logging.getLogger("keras_twist.data")


class Entry(NamedTuple):
    """One picture: its path below the root with `/`, and the name of its class."""

    path: str
    class_name: str


class FolderSource:
    """Pictures below `train|val/<class>/` on the disk.

    Args:
        root: `pathlib.Path` of the folder that holds `train` and `val`.

    Raises:
        DataError: A part or a class is missing or empty, or a folder cannot be read.
    """

    def __init__(self, root):
        self.root = root
        valid = next((name for name in VALID_NAMES if (root / name).is_dir()), None)
        missing = "train" if not (root / "train").is_dir() else None
        if missing or valid is None:
            raise DataError(
                f"{shown(root)} must hold the folders train and val (or one of "
                f"{', '.join(VALID_NAMES[1:])}). Missing: {missing or 'val'}"
            )
        self._digest = hashlib.blake2b(digest_size=16)
        classes = {part: self._classes(root / part) for part in ("train", valid)}
        # A link to one of these inside a class would give its pictures that class's label.
        own = [root, *(root / part for part in classes), *sum(classes.values(), [])]
        self._taken = {_identity(path.stat()) for path in own}
        self.entries = {
            "train": self._scan("train", classes["train"]),
            "valid": self._scan(valid, classes[valid]),
        }
        self.class_names = check_classes(root, self.entries)
        for entries in self.entries.values():
            entries[:] = [entry for entry in entries if entry.path]
        self.fingerprint = self._digest.hexdigest()

    def _classes(self, folder):
        """Paths of the class folders of a part, in order."""
        listed = [path for _, path, _ in _listed(folder)]
        for path in listed:
            if path.is_symlink() and not path.exists():
                raise DataError(f"{shown(path)} is a link to nowhere.")
        return [path for path in listed if path.is_dir()]

    def _scan(self, part, classes):
        """Entries of a part in order; a class without any leaves one with an empty path."""
        entries = []
        for path in classes:
            name = path.name
            visited = self._taken - {_identity(path.stat())}
            found = sorted(self._walk(path, f"{part}/{name}", visited))
            for relative, size, time in found:
                self._digest.update(f"{relative}\0{size}\0{time}\n".encode(errors="surrogatepass"))
            entries += [Entry(relative, name) for relative, _, _ in found] or [Entry("", name)]
        return entries

    def _walk(self, folder, relative, visited):
        """Yields (path, size, time) of every picture at any depth; each folder only once."""
        identity = _identity(folder.stat())
        if identity in visited:  # a link to a folder above or beside it
            return
        visited.add(identity)
        for name, path, entry in _listed(folder):
            try:
                status = entry.stat()
            except OSError:  # a link to nowhere; reading it will say so
                if _has_suffix(name) or "." not in name:  # a picture, or a folder
                    yield f"{relative}/{name}", 0, 0
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from self._walk(path, f"{relative}/{name}", visited)
            elif stat.S_ISREG(status.st_mode) and (_has_suffix(name) or _starts_as_picture(path)):
                yield f"{relative}/{name}", status.st_size, status.st_mtime_ns

    def contents(self, entries):
        """Yields (position, function that reads the bytes), for a worker to call."""
        for position, entry in enumerate(entries):
            yield position, functools.partial(read_file, self.root / entry.path)


class ArchiveSource:
    """Pictures in a `.tar` or `.tar.gz`, which is read as a stream and never unpacked.

    Args:
        root: `pathlib.Path` of the archive; `train` and `val` may be inside one other folder.

    Raises:
        DataError: It cannot be read. What is in it is looked at when it is asked for.
    """

    def __init__(self, root):
        self.root = root
        with reading(root):
            status = root.stat()
        self.fingerprint = f"{status.st_size}-{status.st_mtime_ns}"
        self._limits = {
            "max_member": _MAX_MEMBER_BYTES,
            "max_total": _SPARE_BYTES + _MAX_RATIO * status.st_size,
            "max_members": _MAX_MEMBERS,
        }

    @functools.cached_property
    def entries(self):
        """Dict from split to its entries in order; reads the whole archive, and so checks it."""
        paths = []
        for name, contents in stream_members(self.root, _is_visible, **self._limits):
            if _has_suffix(name) or is_picture(contents[:16]):
                paths.append(name)
        root, valid = self._layout(paths)
        depth, entries = len(root), {split: [] for split in SPLITS}
        for path in sorted(paths):
            parts = PurePosixPath(path).parts
            split = {"train": "train", valid: "valid"}.get((*parts, "")[depth])
            if split and len(parts) > depth + 2 and parts[:depth] == root:
                entries[split].append(Entry(path, parts[depth + 1]))
        # The order of a folder: class by class, which sorted paths are not where one name of a
        # class begins with another.
        return {split: sorted(found, key=_order) for split, found in entries.items()}

    def _layout(self, paths):
        """The folder that `train` and the validation set are in, and the latter's name."""
        parts = [PurePosixPath(path).parts for path in paths]
        there = {}  # Names below each folder that may be the one.
        for depth in (0, 1):
            for each in parts:
                if len(each) > depth + 2:
                    there.setdefault(each[:depth], set()).add(each[depth])
        found = [
            (root, next(name for name in VALID_NAMES if name in names))
            for root, names in there.items()
            if "train" in names and not names.isdisjoint(VALID_NAMES)
        ]
        if not found:
            raise DataError(
                f"{shown(self.root)} holds no pictures below train/<class>/ and val/<class>/."
            )
        if len(found) > 1 and found[0][0]:
            roots = ", ".join(sorted(shown(root[0]) for root, _ in found))
            raise DataError(f"{shown(self.root)} must hold one set of pictures. Received: {roots}")
        return found[0]

    @functools.cached_property
    def class_names(self):
        """Sorted names."""
        return check_classes(self.root, self.entries)

    def contents(self, entries):
        """Yields (position, function that returns the bytes), in the archive's order."""
        positions = {entry.path: position for position, entry in enumerate(entries)}
        for name, contents in stream_members(self.root, positions.__contains__, **self._limits):
            yield positions[name], functools.partial(bytes, contents)


def open_source(root):
    """The source for a folder or an archive.

    Args:
        root: `pathlib.Path`.

    Raises:
        DataError: It is neither.
    """
    if root.is_dir():
        return FolderSource(root)
    if root.is_file():
        return ArchiveSource(root)
    raise DataError(f"root must be an existing folder or archive. Received: root={shown(root)}")


def _identity(status):
    return status.st_dev, status.st_ino


def _order(entry):
    return entry.class_name, entry.path


def _listed(folder):
    """(name, path, DirEntry) of what is in a folder, sorted, without what is hidden."""
    with reading(folder), os.scandir(folder) as entries:
        found = sorted((entry.name, Path(entry.path), entry) for entry in entries)
    return [item for item in found if not item[0].startswith(".")]


def _is_visible(name):
    return not any(part.startswith(".") and part != "." for part in name.split("/"))


def _has_suffix(name):
    return name.lower().endswith(_SUFFIXES)


def _starts_as_picture(path):
    try:
        with open(path, "rb") as file:
            return is_picture(file.read(16))
    except OSError:
        return False


def read_file(path):
    """The bytes of a picture's file; `ReadFailure`, which does not name it, if that is refused."""
    try:
        return files.read_file(path, _MAX_FILE_BYTES)
    except OSError as error:
        raise ReadFailure(f"it cannot be read: {error.strerror or error}") from error
