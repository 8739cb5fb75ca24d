"""tf.data pipelines over arrays in memory: shuffle, batch, augment whole batches under XLA."""

import itertools

import keras
import numpy as np

from keras_twist.data.operator import is_random, make_operator


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
    as a whole by one function that XLA compiles, which is tens of times faster than operation by
    operation. Randomness is stateless: `(seed, step)` decides every draw and `(seed, epoch)` the
    order, so two pipelines with one seed agree batch for batch, whatever the number of threads.

    Args:
        images: Array of shape `(n, height, width, channels)`, usually uint8 in `[0, 255]`.
        labels: Integer array of shape `(n,)`.
        batch_size: Images per batch.
        augment: Tuple of what is done to a batch, in order: `Augmentation`s such as
            `random_pad_crop()`, what `from_imgaug()` returns, and plain functions of the images,
            such as `normalize(mean, std)`. Defaults to `()`.
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
        A `tf.data.Dataset` of `(images, labels)`.

    Raises:
        ValueError: if shapes, types or sizes do not fit, or if Keras runs on another backend than
            TensorFlow (put the layers of `keras_twist.layers` into the model there).

    Example:
        >>> images = np.zeros((64, 32, 32, 3), "uint8")
        >>> augment = (keras_twist.data.random_pad_crop(4), keras_twist.data.random_flip())
        >>> dataset = train_dataset(images, np.zeros(64, int), 16, augment=augment)
        >>> len(dataset)
        4
    """
    import tensorflow as tf

    images, labels = _check_arrays(images, labels, batch_size, num_classes)
    count = len(images)
    steps = count // batch_size if drop_remainder else -(-count // batch_size)
    if steps == 0:
        raise ValueError(
            "Argument `batch_size` must not be larger than the number of images when "
            f"drop_remainder=True. Received: batch_size={batch_size}, images={count}"
        )
    if mix is not None and num_classes is None:
        raise ValueError("Argument `mix` blends labels, which must be one-hot: give `num_classes`.")
    if initial_step and not repeat:
        raise ValueError(
            "Argument `initial_step` counts through all epochs and needs repeat=True. "
            f"Received: initial_step={initial_step}, repeat={repeat}"
        )

    fetch, operate = _fetcher(images, labels, num_classes), make_operator(augment)

    def order(epoch):
        # Negative, so that the order of an epoch never shares a seed with the draws of a step.
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype="int64"), seed=tf.stack([np.int64(seed), -1 - epoch])
        )
        batches = tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size, drop_remainder)
        return batches.enumerate(start=epoch * steps)

    @tf.autograph.experimental.do_not_convert
    def make_batch(step, indices):
        step_seed = tf.stack([np.int64(seed), step])
        batch, targets = fetch(indices)
        batch = operate(batch, step_seed)
        if mix is not None:
            batch, targets = mix(
                batch, targets, tf.random.experimental.stateless_fold_in(step_seed, -1)
            )
        return batch, targets

    if repeat:
        epochs = tf.data.Dataset.counter(start=initial_step // steps)
        indices = epochs.flat_map(order).skip(initial_step % steps)
    else:
        # A Python counter, because a tf.data pipeline does not know how often it was iterated.
        iteration = itertools.count()
        epochs = tf.data.Dataset.from_generator(
            lambda: iter([next(iteration)]), output_signature=tf.TensorSpec((), "int64")
        )
        indices = epochs.flat_map(order).apply(tf.data.experimental.assert_cardinality(steps))
    return indices.map(make_batch, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


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
        A `tf.data.Dataset` of `(images, labels)`.

    Raises:
        ValueError: if shapes, types or sizes do not fit, if `transform` holds a random operation,
            or if Keras runs on another backend than TensorFlow.

    Example:
        >>> dataset = eval_dataset(np.zeros((10, 32, 32, 3), "uint8"), np.zeros(10, int), 4)
        >>> len(dataset)
        3
    """
    import tensorflow as tf

    images, labels = _check_arrays(images, labels, batch_size, num_classes)
    if any(map(is_random, transform)):
        raise ValueError(
            "Argument `transform` must not hold random operations: evaluation is exact."
        )
    fetch, operate = _fetcher(images, labels, num_classes), make_operator(transform)

    def make_batch(indices):
        batch, targets = fetch(indices)
        return operate(batch, seed=None), targets

    indices = tf.data.Dataset.range(len(images)).batch(batch_size)
    return indices.map(make_batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _fetcher(images, labels, num_classes):
    """Function from indices to `(images, labels)`, over arrays that are copied to memory once."""
    import tensorflow as tf

    # On the host: a GPU has better use for its memory, and tf.data runs here.
    with tf.device("CPU:0"):
        images, labels = tf.constant(images), tf.constant(labels)

    def fetch(indices):
        targets = tf.gather(labels, indices)
        if num_classes is not None:
            targets = tf.one_hot(targets, num_classes)
        return tf.gather(images, indices), targets

    return fetch


def _check_arrays(images, labels, batch_size, num_classes):
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            "tf.data pipelines run their operations on the TensorFlow backend. Put the layers of "
            f"keras_twist.layers into the model instead. Received: backend={keras.config.backend()}"
        )
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4:
        raise ValueError(
            "Argument `images` must have the shape (n, height, width, channels). "
            f"Received: images.shape={images.shape}"
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "Argument `labels` must hold one integer per image. "
            f"Received: labels.shape={labels.shape}, dtype={labels.dtype}, images={len(images)}"
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            f"Argument `batch_size` must be an integer >= 1. Received: batch_size={batch_size}"
        )
    if len(labels) == 0:
        raise ValueError("Argument `images` must hold at least one image. Received: none")
    if num_classes is not None and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"Argument `labels` must lie in [0, {num_classes}). "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return images, labels
