"""The one error that reading, checking or fetching a data set raises."""


class DataError(ValueError):
    """A data set is missing, damaged, hostile or of the wrong kind.

    A `ValueError`, so that a script can turn every bad input into one line with one `except`. The
    message names the file or the source and what to do about it.

    Example:

    >>> from keras_twist.data import DataError
    >>> issubclass(DataError, ValueError)
    True
    """
