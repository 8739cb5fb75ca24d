"""The errors that reading, checking or fetching a data set raises, and how they show names."""

import contextlib
import os
import unicodedata

_MOST_SHOWN = 400


class DataError(ValueError):
    """A data set is missing, damaged, hostile or of the wrong kind.

    A `ValueError`, so that a script can turn every bad input into one line with one `except`. The
    message names the file or the source and what to do about it.

    Example:
        >>> keras_twist.data.load_cifar10("no/such/folder")
        Traceback (most recent call last):
            ...
        keras_twist.data.errors.DataError: data_dir must be an existing folder or file.
        Received: data_dir=no/such/folder
    """


class MissingFile(DataError):
    """A file of a data set is not there, or is gone since somebody looked."""


class ReadFailure(DataError):
    """A file is there and cannot be read now, which may pass: permissions, a network drive."""


def is_showable(name):
    """Whether a name, of a class for instance, fits into a line of text on any screen."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def shown(name):
    r"""A name or path as messages show it: as it is, or escaped where it would garble a terminal.

    Of more than 400 characters, the middle is left out.

    Args:
        name: String or path.

    Returns:
        A printable string.

    Example:

    >>> shown("dogs"), shown("dogs\x1b[2J")
    ('dogs', "'dogs\\x1b[2J'")
    """
    text = os.fspath(name)
    if len(text) > _MOST_SHOWN:
        text = f"{text[: _MOST_SHOWN // 2]}...{text[-_MOST_SHOWN // 2 :]}"
    return text if text.isprintable() else ascii(text)


def first_line(error):
    """The first line of what an error says, to be shown; its kind where it says nothing."""
    return shown((str(error).splitlines() or [type(error).__name__])[0][:200])


@contextlib.contextmanager
def reading(path):
    """Have what the system refuses while a file or folder is read be a `DataError` that names it.

    Args:
        path: String or path.
    """
    try:
        yield
    except DataError:
        raise
    # RuntimeError: "~name" of a user there is not. ValueError: a null byte in the path.
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{shown(path)} cannot be read: {reason}.") from error
