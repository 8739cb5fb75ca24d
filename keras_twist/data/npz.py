"""A set of arrays in one `.npz`, read at disk speed and written all or nothing."""

import io
import math
import os
import stat
import zipfile

import numpy as np
from numpy.lib import format as npy

from keras_twist.data.errors import DataError, MissingFile, first_line, shown
from keras_twist.files import partial_file, remove_stale_partials

_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_LOCAL_HEADER_BYTES = 30
# NumPy's own headers take 128; it would read one of any length before it refuses it.
_MAX_HEADER_BYTES = 2**14


def write_npz(path, arrays):
    """Writes arrays as an uncompressed `.npz`: at every moment `path` is whole or not there.

    Args:
        path: `pathlib.Path` to write; its folder is made if need be.
        arrays: dict from name to array.

    Raises:
        OSError: The folder cannot be written or the disk is full; an older file stays as it was.

    Example:
        ```python
        write_npz(Path("cache/set.npz"), {"x": images, "y": labels})
        ```
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_partials(path)
    # Not numpy.savez: some versions leave the zip open when the disk is full, and when it is
    # collected a traceback appears that nobody can catch.
    with partial_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_npz(path, check, checksums=False):
    """Reads every array of an `.npz`, each only after its header was checked.

    Unless asked for, neither zip's checksum nor NumPy's buffering stands between the disk and an
    uncompressed array, which is faster, for those who compare digests anyway.

    Args:
        path: The file.
        check: Function of an array's name, shape and dtype; raises `ValueError` to refuse it
            before anything is allocated.
        checksums: Whether to compare every array with zip's checksum (CRC-32). Compressed ones are
            in any case. Defaults to False.

    Returns:
        dict from name to array.

    Raises:
        DataError: The file is missing, truncated, damaged or refused; pickled objects always are.

    Example:

    ```python
    def check(name, shape, dtype):
        if dtype != np.uint8:
            raise ValueError(f"{name} is {dtype}, not uint8")


    arrays = read_npz("set.npz", check)
    ```
    """
    absent = f"{os.fspath(path)} is missing or no file."
    try:
        mode = os.stat(path).st_mode  # One look, lest another process put it there between two.
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFile(absent) from error
    except (OSError, ValueError):  # The latter for a name that no system takes.
        mode = 0
    if not stat.S_ISREG(mode):  # Opening a named pipe would wait for ever.
        raise DataError(absent)
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            arrays = {}
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name in arrays:
                    raise ValueError(f"it holds {name[:60]!r} twice")
                arrays[name] = _read_member(file, archive, info, name, check, checksums)
            return arrays
    except OSError as error:
        kind = MissingFile if isinstance(error, FileNotFoundError) else DataError
        reason = error.strerror or error
        raise kind(f"{os.fspath(path)} cannot be read: {reason}.") from error
    except Exception as error:  # zipfile and the header parser fail in many ways on damage.
        raise DataError(
            f"{os.fspath(path)} is truncated, damaged or of another kind: {first_line(error)}."
        ) from error


def _read_member(file, archive, info, name, check, checksums):
    with archive.open(info) as member:
        start = io.BytesIO(member.read(_MAX_HEADER_BYTES))
        shape, fortran_order, dtype = _HEADER[npy.read_magic(start)](start)
        if dtype.hasobject:
            raise ValueError(f"{shown(name[:60])} holds Python objects")
        if min(shape, default=0) < 0:
            raise ValueError(f"{shown(name[:60])} has the impossible shape {str(shape)[:60]}")
        check(name, shape, dtype)
        header_bytes = start.tell()
        size = math.prod(shape) * dtype.itemsize
        if info.file_size != header_bytes + size:
            raise ValueError(
                f"{shown(name[:60])} has {info.file_size} bytes, not {header_bytes + size}"
            )
        if checksums or info.compress_type != zipfile.ZIP_STORED:
            data = bytearray(start.read())
            data += member.read(size - len(data))
            data = np.frombuffer(data, dtype)
            return data.reshape(shape, order="F" if fortran_order else "C")
    file.seek(info.header_offset)
    local = file.read(_LOCAL_HEADER_BYTES)
    name_bytes, extra_bytes = local[26:28], local[28:30]
    skip = int.from_bytes(name_bytes, "little") + int.from_bytes(extra_bytes, "little")
    file.seek(skip + header_bytes, os.SEEK_CUR)
    data = np.fromfile(file, dtype, size // dtype.itemsize)
    return data.reshape(shape, order="F" if fortran_order else "C")
