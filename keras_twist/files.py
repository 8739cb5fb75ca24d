"""Files that are written whole or not at all, and read only if they are files and not too large."""

import contextlib
import errno
import os
import secrets
import stat
import time
from pathlib import Path

# A writer that was killed leaves its file; after a day none is still at work.
_STALE_SECONDS = 24 * 3600


def read_file(path, limit):
    """Read a file that anybody may have put there.

    Opening a pipe would wait for ever, and reading a device need not end: what is no regular file
    is refused.

    Args:
        path: Path of the file.
        limit: Most bytes that it may have.

    Returns:
        `bytes`.

    Raises:
        OSError: It is not there, cannot be read, is no regular file or larger than `limit`.

    Example:
        >>> _ = Path("note.txt").write_text("1 2 3")
        >>> read_file("note.txt", limit=100)
        b'1 2 3'
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
        contents = file.read(limit + 1)
    if len(contents) > limit:
        raise OSError(errno.EFBIG, f"Larger than {limit} bytes", os.fspath(path))
    return contents


def _open_without_waiting(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextlib.contextmanager
def partial_path(path):
    """Give a path to write to; the file takes the name `path` only when whole and on the disk.

    The temporary name is in the same folder, so that the last step is one atomic rename: at every
    moment `path` is absent, the old file or the new one, also when two processes write at once.

    Args:
        path: Path of the file to write.

    Returns:
        Context manager that gives the `pathlib.Path` of a file to make, which ends as `path` does;
        an error inside removes it.

    Raises:
        OSError: The folder cannot be written or the disk is full.

    Example:
        >>> with partial_path("numbers.txt") as temporary:
        ...     _ = temporary.write_text("1 2 3")
        >>> Path("numbers.txt").read_text()
        '1 2 3'
    """
    path = Path(path)
    unique = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.name}.{unique}.partial{path.suffix}")
    try:
        yield temporary
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, path)
        if os.name == "posix":  # Elsewhere folders cannot be opened.
            with contextlib.suppress(OSError):  # Some network drives refuse.
                _flush(path.parent, os.O_RDONLY)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def partial_file(path):
    """Open a new file for binary writing that becomes `path` as `partial_path` says.

    Args:
        path: Path of the file to write.

    Returns:
        Context manager that gives the open file.

    Raises:
        OSError: The folder cannot be written or the disk is full.

    Example:
        >>> with partial_file("numbers.txt") as file:
        ...     _ = file.write(b"1 2 3")
        >>> Path("numbers.txt").read_text()
        '1 2 3'
    """
    with partial_path(path) as temporary, open(temporary, "xb") as file:
        yield file


def _flush(path, flags):
    """Have the disk know what was written to a file, or which names are in a folder."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone_in(folder, wait=True):
    """Keep a folder to this process for the time of a `with` block.

    The system lifts the lock when the process ends, however it ends, and nothing is left behind.
    On Windows, and on network drives that know no locks, the block runs without one.

    Args:
        folder: Path of an existing folder.
        wait: Whether to wait for another process that has it; otherwise that is an error. Defaults
            to True.

    Raises:
        BlockingIOError: (an OSError) if another process has it and `wait` is False.

    Example:
        >>> with alone_in("."):
        ...     pass
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            pass
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # A child that was forked has it open as well.
        os.close(descriptor)


def remove_stale_partials(path):
    """Remove what killed writers of `path` left beside it, if it is older than a day.

    Args:
        path: Path that `partial_file` was given.

    Example:
        >>> remove_stale_partials("numbers.txt")
    """
    path = Path(path)
    for left in path.parent.glob(f".{path.name}.*.partial*"):
        with contextlib.suppress(OSError):  # Another process may be tidying up as well.
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()


def remove_partials(folder):
    """Remove what killed writers left in a folder that is this process's alone.

    Args:
        folder: Path of the folder.

    Example:
        >>> remove_partials(".")
    """
    for left in Path(folder).glob(".*.partial*"):
        left.unlink(missing_ok=True)
