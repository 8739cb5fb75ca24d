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
        if number < 0 or (self._count is not None and number >= self._count):
            raise IndexError(number)
        return self._make(number)


class MadeEpochs(MadeBatches):
    """Batches of which every pass is the next epoch, as those of a `tf.data.Dataset` may be.

    They come in their own order, whatever number is asked for: unless told otherwise, Keras
    shuffles the numbers, which would mix one epoch with the next. They are for passes in full: of
    less (`steps_per_epoch`) Keras makes an epoch of what is left of a pass, and skips the next.

    Args:
        make: Function from the number of a batch, counted through all epochs, to
            `(images, labels)`.
        count: Number of batches in an epoch.

    Example:
        >>> batches = MadeEpochs(lambda step: (np.full((2, 1), step), np.zeros(2)), count=2)
        >>> [float(images[0, 0]) for _ in range(2) for images, labels in batches]
        [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, make, count):
        super().__init__(make, count)
        self._next, self._begun = 0, False

    def __getitem__(self, number):
        if not 0 <= number < self._count:
            raise IndexError(number)
        step, self._next = self._next, self._next + 1
        return self._make(step)

    def __iter__(self):
        self.on_epoch_begin()
        return (self[number] for number in range(self._count))

    def on_epoch_begin(self):
        """Begin the next epoch, if this one has begun; Keras calls it before each pass."""
        self._next = -(-self._next // self._count) * self._count

    def on_epoch_end(self):
        """End an epoch; the first time it may only be that Keras has looked at a batch."""
        if self._next == 1 < self._count and not self._begun:
            self._next = 0
        self._begun = True
