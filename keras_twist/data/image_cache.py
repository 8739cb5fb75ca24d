"""Decoded pictures as bytes on the disk: written once, checked and mapped ever after."""

import concurrent.futures
import contextlib
import errno
import hashlib
import json
import logging
import os
import zlib

import numpy as np

from keras_twist.data.cache import keras_home
from keras_twist.data.errors import DataError
from keras_twist.files import alone_in, partial_file, remove_stale_partials

# Goes into the fingerprint: a change here makes all that was written before look out of date.
FORMAT = 1

_CHUNK = 2**24

logger = logging.getLogger("keras_twist.data")


def cache_folder(root):
    """Path of the folder, under the Keras home, for the pictures of a folder or archive."""
    digest = hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in root.name)
    folder = f"{name[:50]}-{digest}"
    return keras_home() / "datasets" / "keras_twist" / "image_folders" / folder


class ImageCache:
    """One folder with a file of pixels and an index for each set of decoded pictures.

    Args:
        folder: `pathlib.Path`; it is made when it is needed.
    """

    def __init__(self, folder):
        self.folder = folder
        self.writable = True

    @contextlib.contextmanager
    def alone(self):
        """Keeps the folder to this process for the time of a `with` block.

        Who loads in it finds what another process has made meanwhile, and who stores in it is
        not overtaken.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # Where nothing can be written, `store` says so.
                self.folder.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(alone_in(self.folder, wait=False))
                except BlockingIOError:
                    logger.info("Waiting for another process that uses %s", self.folder)
                    stack.enter_context(alone_in(self.folder))
            yield

    def load(self, name, fingerprint, quiet=False):
        """Maps a set of pictures, after all its bytes were compared with their checksums.

        Args:
            name: What it was stored as.
            fingerprint: String that says what it was made from.
            quiet: Whether to log only what is for debugging. Defaults to False.

        Returns:
            `(images, record)`, or None where it is not there, out of date or damaged; the log says
            which.
        """
        if not os.path.exists(self._path(name, "index")):
            return None
        try:
            record = self._read_index(name)
            if record["fingerprint"] != _versioned(fingerprint):
                level = logging.DEBUG if quiet else logging.INFO
                path = self._path(name, "pixels")
                logger.log(level, "The pictures changed since %s was made", path)
                return None
            path = self._path(name, "pixels")
            checked = os.stat(path)
            if _checksums(path) != record["checksums"]:
                raise DataError(f"{path} is damaged: its checksums differ")
            images = _map(path, checked, tuple(record["shape"]))
        except (DataError, OSError, ValueError, KeyError, TypeError) as error:
            level = logging.DEBUG if quiet else logging.WARNING
            logger.log(level, "Cached pictures are not usable and will be made again: %s", error)
            return None
        return images, record

    def store(self, name, fingerprint, shape, fill):
        """Makes a set of pictures and keeps it; where that is impossible, in memory alone.

        Args:
            name: What to store it as.
            fingerprint: String that says what it is made from.
            shape: Of the array.
            fill: Function that is given `put(position, image)`, calls it for every image in any
                order, and returns a dict of what to remember besides, as JSON has it. It may be
                called twice.

        Returns:
            `(images, record)`.
        """
        if self.writable:
            try:
                return self._write(name, fingerprint, shape, fill)
            except OSError as error:
                self.writable = False
                reason = error.strerror or error
                logger.warning("Decoded pictures are not cached: %s: %s", self.folder, reason)
        images = np.empty(shape, np.uint8)
        record = fill(images.__setitem__)
        return images, record

    def _write(self, name, fingerprint, shape, fill):
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(name, "pixels")
        remove_stale_partials(path)
        image_bytes = int(np.prod(shape[1:]))
        with partial_file(path) as file:
            # Not through a map: a disk that is full would end the process instead of raising.
            def put(position, image):
                file.seek(position * image_bytes)
                file.write(np.ascontiguousarray(image))

            file.truncate(shape[0] * image_bytes)
            record = fill(put)
            file.flush()
            record |= {
                "fingerprint": _versioned(fingerprint),
                "shape": list(shape),
                "checksums": _checksums(file.name),
            }
            written = os.fstat(file.fileno())
        body = json.dumps(record).encode()
        with partial_file(self._path(name, "index")) as file:
            file.write(hashlib.blake2b(body).hexdigest().encode() + b"\n" + body)
        logger.info("Decoded pictures cached as %s", path)
        return _map(path, written, shape), record

    def _read_index(self, name):
        path = self._path(name, "index")
        digest, _, body = path.read_bytes().partition(b"\n")
        if hashlib.blake2b(body).hexdigest().encode() != digest:
            raise DataError(f"{path} is damaged: its checksum differs")
        return json.loads(body)

    def _path(self, name, suffix):
        return self.folder / f"{name}.{suffix}"


def _map(path, status, shape):
    """Maps a file, or raises `OSError` if another process has replaced the one of this status."""
    with open(path, "rb") as file:
        if not os.path.samestat(os.fstat(file.fileno()), status):
            raise OSError(errno.EAGAIN, "Another process has replaced it", os.fspath(path))
        return np.memmap(file, np.uint8, "r", shape=shape)


def _versioned(fingerprint):
    return f"{FORMAT}-{fingerprint}"


def _checksums(path):
    """CRC-32 of every chunk of a file, in order; as many threads as cores, since zlib lets go."""

    def checksum(start):
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            left, value = _CHUNK, 0
            while left and (part := file.read(min(left, 2**20))):
                left -= len(part)
                value = zlib.crc32(part, value)
            return value

    starts = range(0, os.path.getsize(path), _CHUNK)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(checksum, starts))
