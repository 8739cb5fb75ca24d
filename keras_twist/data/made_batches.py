"""Batches that are made one by one when they are asked for, as JAX makes them."""

import keras


class MadeBatches(keras.utils.PyDataset):
    """What `model.fit` takes, on JAX, in place of a `tf.data.Dataset`.

    A function of JAX returns before the device has computed anything, so that the batches ahead
    are already ordered while a step is computed.

    Args:
        make: Function from the number of a batch, from 0 on, to `(images, labels)`.
        count: Number of batches, or None for an endless row of them. Defaults to None.

    Example:
        >>> batches = MadeBatches(lambda number: (np.full((2, 1), number), np.zeros(2)), count=3)
        >>> [float(images[0, 0]) for images, labels in batches]
        [0.0, 1.0, 2.0]
    """

    def __init__(self, make, count=None):
        super().__init__()
        self._make, self._count = make, count

    @property
    def num_batches(self):
        """Number of batches, None for an endless row."""
        return self._count

    def __len__(self):
        if self._count is None:
            raise TypeError("There is no end to these batches.")
        return self._count

    def __getitem__(self, number):
        if self._count is not None and number >= self._count:
            raise IndexError(number)
        return self._make(number)
