"""Members of a tar archive, read into memory; nothing is ever extracted to disk.

An archive comes from a download or from a folder somebody named, so it may be truncated, damaged or
made to do harm. Without extraction no member can land outside a folder; what is left to guard is
memory and time, by limits on every size before it is believed.
"""

import contextlib
import gzip
import io
import os
import tarfile
import zlib
from pathlib import PurePosixPath

from keras_twist.data.errors import DataError, first_line, shown

MAX_MEMBER_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 512 * 2**20
MAX_MEMBERS = 10_000

_GZIP_MAGIC = b"\x1f\x8b"
# What gzip and tarfile raise on damaged bytes, found by flipping and cutting them; RecursionError,
# where one header announces the next a thousand times.
_DAMAGE = (
    EOFError,
    zlib.error,
    tarfile.TarError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
)
_BUFFER_BYTES = 2**20
# Between two members lie their headers, extended ones included, which tarfile reads whole; a long
# name needs some kilobytes.
_MAX_HEADER_BYTES = 2**20


class _Bounded(io.RawIOBase):
    """Reads from `stream` and refuses to go past `limit` bytes: a stop for compression bombs.

    Within that limit, no more is read than was allowed: tarfile believes the size that an extended
    header claims, and would hold all of it in memory.
    """

    def __init__(self, stream, limit):
        super().__init__()
        self._stream = stream
        self._left = limit
        self._allowed = None

    def readable(self):
        return True

    def allow(self, count):
        """Lets so many more bytes be read from here on; None for all that the limit leaves."""
        self._allowed = count

    def readinto(self, buffer):
        count = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise DataError("it unpacks to more bytes than any archive of this kind holds")
        if self._allowed is not None:
            self._allowed -= count
            if self._allowed < 0:
                raise DataError("it has a header that is longer than any name")
        return count


def read_members(path, select, *, max_member=MAX_MEMBER_BYTES, max_total=MAX_TOTAL_BYTES):
    """Reads chosen members of a tar or tar.gz archive, after checking all of its members.

    One absolute path, `..`, link, device or sparse file anywhere condemns the whole archive, chosen
    or not: a good archive has none. A gzip archive is read to its last byte, so that its checksum
    is checked.

    Args:
        path: The archive, `.tar` or `.tar.gz` by content, whatever its name.
        select: Function of a member's name (`"folder/file"`); true for members to read.
        max_member: Largest size of one member, in bytes. Defaults to 64 MiB.
        max_total: Largest size of the unpacked archive, in bytes. Defaults to 512 MiB.

    Returns:
        dict from member name to `bytes`, in archive order.

    Raises:
        DataError: The archive is missing, truncated, damaged, too large or holds an unsafe member.

    Example:
        ```python
        members = read_members("cifar-10-python.tar.gz", lambda name: "_batch" in name)
        ```
    """
    with _opened(path, max_total) as stream:
        return dict(_read(stream, select, max_member, MAX_MEMBERS))


def stream_members(path, select, *, max_member, max_total, max_members):
    """Yields chosen members one after the other, for archives that no memory need hold.

    The checks are those of `read_members`, but of what was read so far: whoever must not begin
    before the whole archive is known to be good reads it twice.

    Args:
        path: The archive, `.tar` or `.tar.gz` by content, whatever its name.
        select: Function of a member's name; true for members to read.
        max_member: Largest size of one member, in bytes.
        max_total: Largest size of the unpacked archive, in bytes.
        max_members: Largest number of members, chosen or not.

    Returns:
        Iterator of `(name, bytes)`, in archive order.

    Raises:
        DataError: As `read_members`.

    Example:

    ```python
    limits = {"max_member": 2**26, "max_total": 2**32, "max_members": 10**5}
    for name, contents in stream_members("set.tgz", lambda name: True, **limits):
        ...
    ```
    """
    with _opened(path, max_total) as stream:
        yield from _read(stream, select, max_member, max_members)


@contextlib.contextmanager
def _opened(path, max_total):
    """The unpacked archive as a stream, and every way in which it fails as a `DataError`."""
    if not os.path.isfile(path):  # Not "exists": opening a named pipe would wait for ever.
        raise DataError(f"Archive {shown(path)} is missing or no file.")
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            bounded = _Bounded(stream, max_total)
            yield bounded
            bounded.allow(None)
            while bounded.read(_BUFFER_BYTES):
                pass
    except DataError as error:
        raise DataError(f"Archive {shown(path)} is not usable: {error}.") from error
    except OSError as error:
        # gzip.BadGzipFile is an OSError as well; both messages are one plain phrase.
        reason = error.strerror or error
        raise DataError(f"Archive {shown(path)} cannot be read: {reason}.") from error
    except _DAMAGE as error:
        raise DataError(
            f"Archive {shown(path)} is truncated or damaged: "
            f"{first_line(error)}. Delete it and get it again."
        ) from error


def _read(stream, select, max_member, max_members):
    seen = set()
    stream.allow(_BUFFER_BYTES + _MAX_HEADER_BYTES)
    # "r|": strictly forward, so that a size in a header is never used for a jump.
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES) as archive:
        for number, member in enumerate(archive):
            if number >= max_members:
                raise DataError(f"it has more than {max_members} members")
            # tarfile remembers every member, which a stream never looks up again.
            archive.members = []
            _check_member(member, max_member)
            stream.allow(member.size + _BUFFER_BYTES + _MAX_HEADER_BYTES)
            if member.isdir() or not select(member.name):
                continue
            if member.name in seen:
                raise DataError(f"member {_named(member)} appears twice")
            seen.add(member.name)
            contents = archive.extractfile(member).read()
            if len(contents) != member.size:
                raise DataError(f"member {_named(member)} ends early")
            yield member.name, contents


def _check_member(member, max_member):
    name, named = member.name, _named(member)
    # Backslashes and drive letters separate folders on Windows, whatever tar means by them.
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or name[1:2] == ":":
        raise DataError(f"member {named} points outside the archive's own folder")
    if not (member.isreg() or member.isdir()):
        raise DataError(f"member {named} is a link or a device")
    if member.issparse():
        # Its size is made of holes: a small archive could unpack to any number of bytes.
        raise DataError(f"member {named} is a sparse file")
    if not 0 <= member.size <= max_member:
        raise DataError(f"member {named} claims {member.size} bytes; at most {max_member}")


def _named(member):
    return repr(member.name if len(member.name) < 100 else member.name[:100] + "...")
