"""How a training batch comes about, in steps that may run at different places."""

import functools
import numbers
import os

import keras
import numpy as np
from keras import ops

from keras_twist.arguments import check_integer
from keras_twist.data import stateless
from keras_twist.data.augment import Augmentation, Examples
from keras_twist.data.checks import check_finite, check_labels, check_scale
from keras_twist.data.operator import Operator

# Batches that are made side by side, at most: each takes memory.
_MOST_WORKERS = 16
# Finished batches that wait for the step.
_READY = 2


def made_ahead(indices, make):
    """Returns a dataset of what `make` makes of the elements of another, in order, a few ahead.

    How many is not left to TensorFlow: version 2.21 tunes a pipeline more and more seldom, and now
    and then the end of an iterator waits for the next time, up to as long as it ran.

    Args:
        indices: `tf.data.Dataset`.
        make: Function of its elements.

    Returns:
        `tf.data.Dataset`.
    """
    import tensorflow as tf

    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    made = indices.map(make, workers, deterministic=True).prefetch(_READY)
    return made.with_options(untuned)


class Batches:
    """The order of the images, the draws of a batch, and the batch itself.

    `order` and `draw` depend on the seed alone; `make` draws nothing. So whoever runs the last one,
    tf.data or a training step, gets the same batches. JAX has no use for tf.data: `at` does all of
    it for a step.

    Args:
        images: As `train_dataset` takes them, checked; so the others.
        labels: Integers.
        batch_size: Images per batch.
        augment: Tuple of operations.
        mix: Function `(images, labels, seed)`, or None.
        seed: Integer.
        num_classes: Integer or None.
        drop_remainder: Whether the smaller batch at the end of an epoch is left out.
        device: Where the images are kept, as TensorFlow names it.
    """

    def __init__(
        self, images, labels, batch_size, augment, mix, seed, num_classes, drop_remainder, device
    ):
        count, batch_size = len(images), int(batch_size)
        self.steps = count // batch_size if drop_remainder else -(-count // batch_size)
        if self.steps == 0:
            raise ValueError(
                "Argument `batch_size` must not be larger than the number of images when "
                f"drop_remainder=True. Received: batch_size={batch_size}, images={count}"
            )
        integer = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
        if not integer or not -(2**63) <= seed < 2**63:
            raise ValueError(
                f"Argument `seed` must be an integer of at most 64 bits. Received: seed={seed!r}"
            )
        if mix is not None and not callable(mix):
            raise ValueError(
                "Argument `mix` must be what `mixup()` or `cutmix()` returns, or None. "
                f"Received: mix={mix!r}"
            )
        if mix is not None and num_classes is None:
            raise ValueError(
                "Argument `mix` blends labels, which must be one-hot: give `num_classes` beside it."
            )
        self.batch_size, self.drop_remainder = batch_size, drop_remainder
        self.seed = np.int64(seed)
        self.mix = mix
        self.operator = Operator(augment)
        by_example = any(isinstance(o, Augmentation) and o.by_example for o in augment)
        self.numbers = _numbers(count, seed) if by_example else None
        self.arrays = tuple(stateless.placed(array, device) for array in (images, labels))
        self.num_classes = num_classes
        self.count, self.image_shape = count, images.shape[1:]
        self._shuffled = functools.lru_cache(1)(stateless.shuffled)

    def order(self, epoch):
        """Dataset of `(step, indices)` for an epoch, an int64 tensor; steps count on for ever."""
        import tensorflow as tf

        # Negative, so that the order of an epoch never shares a seed with the draws of a step.
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(self.count, dtype="int64"), seed=tf.stack([self.seed, -1 - epoch])
        )

        def take(number):
            start = number * self.batch_size
            indices = shuffled[start : start + self.batch_size]
            if self.drop_remainder:
                indices = tf.ensure_shape(indices, (self.batch_size,))
            return epoch * self.steps + number, indices

        # Whole batches at once: `.batch()` would handle every index as an element of its own, which
        # costs as much as gathering the image.
        return tf.data.Dataset.range(self.steps).map(take)

    def endless_order(self, initial_step):
        """The same for all epochs from a step on; what lies before it costs nothing."""
        import tensorflow as tf

        epochs = tf.data.Dataset.counter(start=initial_step // self.steps)
        return epochs.flat_map(self.order).skip(initial_step % self.steps)

    def draw(self, step, indices):
        """What a batch is made of: indices, and the random numbers of every operation."""
        step_seed = stateless.seed_of(self.seed, step)
        examples = None
        if self.numbers is not None:
            number = stateless.gather(self.numbers, indices)
            examples = Examples(step // self.steps, number, indices, self.count)
        shape = (ops.shape(indices)[0], *self.image_shape)
        return {
            "indices": indices,
            "draws": self.operator.draw(shape, step_seed, examples),
            "mix_seed": stateless.fold_in(step_seed, -1),
        }

    def make(self, drawn, arrays=None):
        """The batch, `(images, labels)`, of `self.arrays` or of those that are given."""
        images, labels = fetch(arrays or self.arrays, drawn["indices"], self.num_classes)
        images = self.operator.apply(images, drawn["draws"])
        if self.mix is not None:
            images, labels = self.mix(images, labels, drawn["mix_seed"])
        return images, labels

    @functools.cached_property
    def _step(self):
        # The arrays are arguments: XLA would take what a function only knows of as constants, and
        # write them into the program.
        def make_batch(arrays, step, indices):
            return self.make(self.draw(step, indices), arrays)

        return stateless.compiled(make_batch)

    def check(self):
        """Trace `at`, which raises the errors of operations that cannot work on such images."""
        self._step.eval_shape(self.arrays, np.int32(0), np.zeros(self.batch_size, "int32"))

    def at(self, step):
        """The batch of a step on JAX, which has not waited for it to be made."""
        epoch, number = divmod(step, self.steps)
        start = number * self.batch_size
        indices = self._shuffled(self.count, self.seed, epoch)[start : start + self.batch_size]
        return self._step(self.arrays, np.int32(step), indices)


def fetch(arrays, indices, num_classes):
    """Images and labels at these indices; the labels as one-hot, if there is a number of classes.

    Args:
        arrays: Images and labels, as `stateless.placed` returns them.
        indices: Integer tensor.
        num_classes: Integer or None.
    """
    images, labels = arrays
    targets = stateless.gather(labels, indices)
    if num_classes is not None:
        targets = ops.one_hot(targets, num_classes, dtype="float32")
    return stateless.gather(images, indices), targets


def _numbers(count, seed):
    """One uniform number per image, the same in all epochs."""
    with keras.device("cpu:0"):
        # No step and no epoch has this seed.
        own_seed = stateless.fold_in(stateless.seed_of(seed, 0), -2)
        return stateless.uniform(own_seed, (count,), 0.0, 1.0, "float32")


def check_arrays(images, labels, batch_size, num_classes, operations):
    """Images and labels as arrays, or `ValueError` for what no pipeline can work with.

    Warnings name the line that called the caller of this.
    """
    if keras.config.backend() not in ("tensorflow", "jax"):
        raise ValueError(
            "Batches are made by TensorFlow or by JAX. Put the layers of keras_twist.layers into "
            f"the model instead. Received: backend={keras.config.backend()}"
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
    check_integer("batch_size", batch_size, at_least=1)
    if len(labels) == 0:
        raise ValueError("Argument `images` must hold at least one image. Received: none")
    check_labels(labels, num_classes, stacklevel=3)
    check_finite(images)
    check_scale(images, operations, stacklevel=3)
    return images, labels
