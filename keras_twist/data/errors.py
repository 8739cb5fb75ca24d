"""The one error that reading, checking or fetching a data set raises."""


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
