"""Initializers that several weights share."""

import keras


def varied(initializer, number):
    """An initializer like the one that is given, with numbers of its own for each `number`.

    Keras's give the same numbers at every call, also without a seed: weights of one shape would
    start equal, and others as parts of each other.

    Args:
        initializer: Object, name or function; the last two are returned as they are, since layers
            make an object of their own of a name.
        number: Integer, added to a seed that is an integer.

    Returns:
        The same kind of initializer.

    Example:
        >>> he = keras.initializers.HeNormal(seed=0)
        >>> first, second = (varied(he, number)((3, 4)) for number in (1, 2))
        >>> bool(np.any(np.array(first) == np.array(second)))
        False
    """
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    seed = config.get("seed")
    if isinstance(seed, dict):  # A generator, which gives other numbers at every call.
        return initializer
    if isinstance(seed, int):
        config["seed"] = seed + number
    return type(initializer).from_config(config)
