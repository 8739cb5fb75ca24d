"""A tuple of operations as one function of a batch: drawn outside of XLA, compiled by it."""

import itertools

import numpy as np

from keras_twist.data.augment import Augmentation
from keras_twist.data.imgaug import PythonAugmentation


def is_random(operation):
    """Whether an operation draws something."""
    return isinstance(operation, (Augmentation, PythonAugmentation))


def make_operator(operations):
    """Function `(images, seed) -> images` that runs all operations in order.

    Neighbours are compiled by XLA as one function. A `PythonAugmentation` divides them: it is
    called as Python code, between two such functions.

    Args:
        operations: Tuple of `Augmentation`s, `PythonAugmentation`s and plain functions of images.

    Returns:
        Function of a tensor of images, whose shape is known but for the batch, and a seed, an
        int64 tensor of shape (2,), which may be None if nothing is drawn. Tracing it raises the
        errors of operations that cannot work on such images.
    """
    stages = []
    for by_python, group in itertools.groupby(
        operations, lambda operation: isinstance(operation, PythonAugmentation)
    ):
        if by_python:
            stages.extend((_call_python(operation), [operation]) for operation in group)
        else:
            group = list(group)
            stages.append((_compile(group), group))

    def operate(images, seed):
        number = itertools.count()
        for apply, group in stages:
            images = apply(images, draw(group, images, seed, number))
        return images

    return operate


def draw(operations, images, seed, number):
    """What operations draw for a batch, by name, in a list of dicts.

    Numbers are drawn outside of XLA, whose generators give others for the same seed.

    Args:
        operations: List of operations.
        images: Tensor of images.
        seed: int64 tensor of shape (2,).
        number: Iterator of integers, one for each draw from this seed.

    Returns:
        List of dicts of tensors.
    """
    import tensorflow as tf

    shape = (tf.shape(images)[0], *images.shape[1:])

    def new_seed():
        return tf.random.experimental.stateless_fold_in(seed, next(number))

    def uniform(shape, low, high, dtype):
        return tf.random.stateless_uniform(shape, new_seed(), low, high, dtype=dtype, alg="philox")

    drawn = []
    for operation in operations:
        if isinstance(operation, Augmentation):
            drawn.append(operation.draw(uniform, shape))
        else:
            drawn.append({"seed": new_seed()} if is_random(operation) else {})
    return drawn


def _compile(operations):
    import tensorflow as tf

    # Without AutoGraph, which would wrap the errors of operations into pages of its own.
    @tf.function(jit_compile=True, autograph=False)
    def apply_all(images, draws):
        for operation, drawn in zip(operations, draws, strict=True):
            apply = operation.apply if isinstance(operation, Augmentation) else operation
            images = apply(images, **drawn)
        return images

    return apply_all


def _call_python(operation):
    import tensorflow as tf

    def run(images, seed):
        # A copy, because the array that comes in is TensorFlow's own memory.
        return operation.run(np.array(images), int(seed[0]) % 2**31)

    def apply(images, draws):
        # Now, while the pipeline is being built, an error still reaches the caller as it is; from
        # a worker it would come as a quotation.
        count = images.shape[0] or 2
        size = count * int(np.prod(images.shape[1:]))
        ramp = (np.arange(size) % 256).reshape(count, *images.shape[1:])
        operation.run(ramp.astype(images.dtype.as_numpy_dtype), 0)
        augmented = tf.numpy_function(run, [images, draws[0]["seed"]], images.dtype)
        augmented.set_shape(images.shape)
        return augmented

    return apply
