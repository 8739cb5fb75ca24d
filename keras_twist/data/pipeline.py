"""Pipelines over arrays in memory: shuffle, batch, augment whole batches under XLA."""

import itertools

import numpy as np

from keras_twist.arguments import check_integer
from keras_twist.data import stateless
from keras_twist.data.batches import Batches, check_arrays, fetch, made_ahead
from keras_twist.data.made_batches import MadeBatches, MadeEpochs
from keras_twist.data.operator import Operator, check_compilable, check_operations, is_random


def train_dataset(
    images,
    labels,
    batch_size,
    augment=(),
    mix=None,
    seed=0,
    num_classes=None,
    drop_remainder=True,
    repeat=False,
    initial_step=0,
):
    """Shuffled, augmented batches for `model.fit`.

    The images stay in memory once, as they are; a batch is gathered by index and then augmented
    as a whole by one function that XLA compiles, many times as fast as image by image
    (`benchmarks/results/input_pipeline.json`). Randomness is stateless: `(seed, step)` decides
    every draw and `(seed, epoch)` the order, so two pipelines with one seed agree batch for batch,
    whatever the number of threads.

    On JAX, the images lie on the device, and one compiled function gathers, draws and augments. For
    one seed, JAX draws other numbers than TensorFlow, from the same distributions.

    Args:
        images: Array of shape `(n, height, width, channels)`, usually uint8 in `[0, 255]`.
        labels: Integer array of shape `(n,)`.
        batch_size: Images per batch.
        augment: Tuple of what is done to a batch, in order: `Augmentation`s such as
            `random_pad_crop()`, what `from_imgaug()` returns, and plain functions of the images,
            such as `normalize(mean, std)`, which may change the shape of the images where no
            `Augmentation` follows. Defaults to `()`.
        mix: What `mixup()` returns, applied last, or None. Needs `num_classes`. Defaults to None.
        seed: Integer. Defaults to 0.
        num_classes: If given, labels come as one-hot float32 of shape `(batch, num_classes)`;
            otherwise as they are. Defaults to None.
        drop_remainder: Whether the last, smaller batch of an epoch is left out. Defaults to True,
            since XLA compiles once for every batch size.
        repeat: False for a dataset whose every iteration is the next epoch, as `model.fit(dataset,
            epochs=...)` takes it; True for an endless one, for `steps_per_epoch=` and for resuming
            at any step. Defaults to False.
        initial_step: With `repeat=True`, the number of batches already trained on, which are
            skipped at no cost. Defaults to 0.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`; on JAX a `keras.utils.PyDataset`.

    Raises:
        ValueError: if shapes, types or sizes do not fit, if Keras runs on PyTorch (put the layers
            of `keras_twist.layers` into the model there), or on JAX and `augment` holds
            `from_imgaug`.

    Example:
        >>> images = np.zeros((64, 32, 32, 3), "uint8")
        >>> augment = (keras_twist.data.random_pad_crop(4), keras_twist.data.random_flip())
        >>> dataset = train_dataset(images, np.zeros(64, int), 16, augment=augment)
        >>> len(dataset)
        4
    """
    check_operations("augment", augment)
    images, labels = check_arrays(images, labels, batch_size, num_classes, augment)
    initial_step = check_integer("initial_step", initial_step, at_least=0)
    if initial_step and not repeat:
        raise ValueError(
            "Argument `initial_step` counts through all epochs and needs repeat=True. "
            f"Received: initial_step={initial_step}, repeat={repeat}"
        )
    # On the host: a GPU has better use for its memory, and tf.data runs here.
    batches = Batches(
        images, labels, batch_size, augment, mix, seed, num_classes, drop_remainder, "CPU:0"
    )
    if stateless.on_jax():
        check_compilable(augment, "on JAX, whose compiled functions call no Python code")
        batches.check()
        if repeat:
            return MadeBatches(lambda number: batches.at(initial_step + number))
        return MadeEpochs(batches.at, batches.steps)
    import tensorflow as tf

    # Errors of operations come as they are, and not in AutoGraph's wrapping.
    @tf.autograph.experimental.do_not_convert
    def make_batch(step, indices):
        return batches.make(batches.draw(step, indices))

    if repeat:
        indices = batches.endless_order(initial_step)
    else:
        # A Python counter, because a tf.data pipeline does not know how often it was iterated.
        iteration = itertools.count()
        epochs = tf.data.Dataset.from_generator(
            lambda: iter([next(iteration)]), output_signature=tf.TensorSpec((), "int64")
        )
        cardinality = tf.data.experimental.assert_cardinality(batches.steps)
        indices = epochs.flat_map(batches.order).apply(cardinality)
    return made_ahead(indices, make_batch)


def eval_dataset(images, labels, batch_size, transform=(), num_classes=None):
    """Batches in order, all of them, for `model.evaluate` and `validation_data=`.

    Args:
        images: Array of shape `(n, height, width, channels)`.
        labels: Integer array of shape `(n,)`.
        batch_size: Images per batch; the last batch may be smaller.
        transform: Tuple of functions of the images, such as `normalize(mean, std)`. Defaults to
            `()`.
        num_classes: If given, labels come as one-hot float32. Defaults to None.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`; on JAX a `keras.utils.PyDataset`.

    Raises:
        ValueError: if shapes, types or sizes do not fit, if `transform` holds a random operation,
            or if Keras runs on PyTorch.

    Example:
        >>> dataset = eval_dataset(np.zeros((10, 32, 32, 3), "uint8"), np.zeros(10, int), 4)
        >>> len(dataset)
        3
    """
    check_operations("transform", transform)
    images, labels = check_arrays(images, labels, batch_size, num_classes, transform)
    if any(map(is_random, transform)):
        raise ValueError(
            "Argument `transform` must not hold random operations: evaluation is exact."
        )
    operator, count, batch_size = Operator(transform), len(images), int(batch_size)
    arrays = tuple(stateless.placed(array, "CPU:0") for array in (images, labels))
    nothing = ({},) * len(transform)

    def make_batch(indices, arrays=arrays):
        batch, targets = fetch(arrays, indices, num_classes)
        return operator.apply(batch, nothing), targets

    if stateless.on_jax():
        make = stateless.compiled(make_batch)

        def batch(number):
            start = number * batch_size
            indices = np.arange(start, min(start + batch_size, count), dtype="int32")
            return make(indices, arrays)

        return MadeBatches(batch, -(-count // batch_size))
    import tensorflow as tf

    make_batch = tf.autograph.experimental.do_not_convert(make_batch)
    indices = tf.data.Dataset.range(count).batch(batch_size)
    return made_ahead(indices, make_batch)
