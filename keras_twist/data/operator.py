"""A tuple of operations on a batch of images: drawn outside of XLA, compiled by it."""

import itertools

import numpy as np

from keras_twist.data import stateless
from keras_twist.data.augment import Augmentation
from keras_twist.data.imgaug import PythonAugmentation


def is_random(operation):
    """Whether an operation draws something."""
    return isinstance(operation, (Augmentation, PythonAugmentation))


def check_operations(name, operations):
    """Raise `ValueError` unless this is a tuple of operations."""
    # An operation is a tuple itself, which would be taken for the one around it.
    if is_random(operations) or not isinstance(operations, list | tuple):
        raise ValueError(
            f"Argument `{name}` must be a tuple of operations. Received: {name}={operations!r}"
        )
    for operation in operations:
        if not is_random(operation) and not callable(operation):
            raise ValueError(
                f"Argument `{name}` must hold operations and functions of images. "
                f"Received: {name}={operations!r}"
            )


def check_compilable(operations, why):
    """Raise `ValueError` for an operation in Python, with the reason why there may be none."""
    if any(isinstance(operation, PythonAugmentation) for operation in operations):
        raise ValueError(
            f"Argument `augment` must not hold `from_imgaug` {why}. "
            f"Received: augment={operations!r}"
        )


class Operator:
    """Runs operations in order; what they draw can be made at one place and used at another.

    Neighbours are compiled by XLA as one, which saves passes over memory, but for those that say
    `alone`: XLA would calculate their pixels again for every operation behind them. Inside one
    function of JAX, all are compiled as one, which costs it little. A `PythonAugmentation` is
    called as Python code, between two such functions.

    Args:
        operations: Tuple of `Augmentation`s, `PythonAugmentation`s and plain functions of images.
    """

    def __init__(self, operations):
        self.operations = tuple(operations)
        self._stages = [(_stage(group), len(group)) for group in _groups(_checked(self.operations))]

    def draw(self, shape, seed, examples=None):
        """What the operations draw for a batch.

        Args:
            shape: `(batch, height, width, channels)` of the images, of which the first may be a
                tensor.
            seed: What `stateless.seed_of` returns.
            examples: The `Examples` of the batch, for operations `by_example`.

        Returns:
            Tuple with a dict of tensors for each operation.
        """
        number = itertools.count()

        def new_seed():
            return stateless.fold_in(seed, next(number))

        def uniform(shape, low, high, dtype):
            return stateless.uniform(new_seed(), shape, low, high, dtype)

        drawn = []
        for operation in self.operations:
            if isinstance(operation, Augmentation):
                more = (examples,) if operation.by_example else ()
                drawn.append(operation.draw(uniform, shape, *more))
                if operation.size is not None:
                    shape = (shape[0], *operation.size, shape[3])
            else:
                drawn.append({"seed": new_seed()} if is_random(operation) else {})
        return tuple(drawn)

    def apply(self, images, draws):
        """The images after all operations.

        Args:
            images: Tensor of images, whose shape is known but for the batch. Tracing this raises
                the errors of operations that cannot work on such images.
            draws: What `draw` returned.
        """
        done = 0
        for apply, count in self._stages:
            images = apply(images, draws[done : done + count])
            done += count
        return images


def _groups(operations):
    """Lists of neighbours that are compiled as one; what stands alone is a list by itself."""
    groups, joins = [], False
    for operation in operations:
        alone = isinstance(operation, PythonAugmentation) or (
            isinstance(operation, Augmentation) and operation.alone
        )
        if alone or not joins:
            groups.append([])
        groups[-1].append(operation)
        joins = not alone
    return groups


def _stage(group):
    """Function `(images, draws)` that runs the operations of a group."""
    if isinstance(group[0], PythonAugmentation):
        return _call_python(group[0])

    def apply_all(images, draws):
        for operation, drawn in zip(group, draws, strict=True):
            apply = operation.apply if isinstance(operation, Augmentation) else operation
            images = apply(images, **drawn)
        return images

    return stateless.compiled(apply_all)


def _checked(operations):
    """The operations, of which those before the last draw must keep the shape of the images."""
    drawing = [isinstance(operation, Augmentation) for operation in operations]
    for number, operation in enumerate(operations):
        plain = not is_random(operation)
        yield _keeping_shape(operation) if plain and any(drawing[number:]) else operation


def _keeping_shape(function):
    def checked(images):
        made = function(images)
        if tuple(made.shape[1:]) != tuple(images.shape[1:]):
            raise ValueError(
                "A plain function that changes the height, width or channels of the images must "
                "come after every `Augmentation`, which draws for the shape of before. "
                f"Received: {function!r}, which makes {made.shape} of {images.shape}"
            )
        return made

    return checked


def _call_python(operation):
    import tensorflow as tf

    def run(images, seed):
        # The second word is which of the operations it is, the first that of the batch.
        number = int(seed[0]) + int(seed[1]) * 0x9E3779B9
        # A copy, because the array that comes in is TensorFlow's own memory.
        return operation.run(np.array(images), number % 2**31)

    def apply(images, draws):
        # Now, while the pipeline is being built, an error still reaches the caller as it is; from
        # a worker it would come as a quotation.
        count = images.shape[0] or 2
        size = count * int(np.prod(images.shape[1:]))
        ramp = (np.arange(size) % 256).reshape(count, *images.shape[1:])
        # Floats in [0, 1], which suit augmenters that expect pixels up to 1 or up to 255.
        ramp = ramp / 255 if images.dtype.is_floating else ramp
        operation.run(ramp.astype(images.dtype.as_numpy_dtype), 0)
        augmented = tf.numpy_function(run, [images, draws[0]["seed"]], images.dtype)
        augmented.set_shape(images.shape)
        return augmented

    return apply
