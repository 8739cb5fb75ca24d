"""Seeds of what draws with NumPy."""

import inspect

import numpy as np


def check_seed(seed):
    """The seed itself, or one from NumPy's global generator in place of None.

    Args:
        seed: Integer >= 0 or None.

    Returns:
        Integer.

    Raises:
        ValueError: if it is something else.

    Example:
        >>> check_seed(3)
        3
    """
    if seed is None:
        return int(np.random.randint(2**31 - 1))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"Argument `seed` must be an integer >= 0, or None. Received: seed={seed}")
    return int(seed)


def takes_seed(function):
    """Whether a function has an argument named `seed`.

    Example:
        >>> takes_seed(lambda image, seed: image), takes_seed(abs)
        (True, False)
    """
    try:
        return "seed" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in, without a signature
        return False
