"""Mixup as NumPy code, image by image, under the name and arguments that notebooks know."""

import contextlib
import threading

import keras
import numpy as np

from keras_twist.arguments import check_integer, check_positive
from keras_twist.data.seeding import check_seed, takes_seed

# Keras's `ImageDataGenerator` seeds NumPy's global generator and draws from it: one at a time.
_NUMPY_STATE = threading.Lock()


class MixupGenerator(keras.utils.PyDataset):
    """Blends two images, and their labels likewise, into each image of a batch.

    A step takes `2 * batch_size` images that no other step of the epoch has, the first half as one
    side of the blend and the second half as the other, with a weight per image:

        image = weight * first + (1 - weight) * second,    weight ~ Beta(alpha, alpha)

    `mixup` in `train_dataset` blends whole batches instead, compiled, and shows every image in an
    epoch, of which this shows half as many.

    `model.fit` takes the object itself, with `workers=` if asked, or the endless generator that
    calling it gives; `shuffle=False` there keeps the order of the steps. Seed, epoch and step
    decide every draw, in any thread. Of the object, Keras looks at a batch before each `fit` and
    then tells it that an epoch has ended, so that the training begins with epoch 1.

    Args:
        X_train: Array of shape `(n, height, width, channels)`.
        y_train: Array of shape `(n, ...)` of at least rank 2, such as one-hot labels; or a list of
            such arrays, for a model of several outputs.
        batch_size: Images per batch, made of twice as many. Defaults to 512.
        alpha: Both parameters of the Beta distribution; positive. Defaults to 0.2.
        shuffle: Whether each epoch has an order of its own. Defaults to True.
        datagen: Object with `random_transform(image)`, `standardize(image)` or both, applied in
            this order to each blended image, such as Keras's old `ImageDataGenerator`. If
            `random_transform` has an argument `seed`, it gets an integer of the image's own.
            Defaults to None.
        seed: Integer, or None to draw one from NumPy's global generator, which
            `keras.utils.set_random_seed` fixes. Defaults to None.
        **kwargs: What `keras.utils.PyDataset` takes: `workers`, `max_queue_size`, ...

    Returns:
        Batches `(images, labels)`; images as float32, or float64 if `X_train` is; labels likewise,
        a tuple if `y_train` is a list. The accuracy on them means little: a blended image has two
        right answers.

    Raises:
        ValueError: if shapes do not fit, if `alpha` is not positive, if there are fewer than
            `2 * batch_size` images, or if `datagen` has neither method or changes the shape.

    Example:
        >>> images = np.random.randint(0, 256, (20, 8, 8, 3), "uint8")
        >>> labels = np.eye(10)[np.arange(20) % 10]
        >>> batches = MixupGenerator(images, labels, batch_size=5, seed=0)
        >>> len(batches)
        2
        >>> mixed, targets = next(batches())
        >>> mixed.shape, targets.shape
        ((5, 8, 8, 3), (5, 10))

    Reference:
        [mixup-generator](https://github.com/yu4u/mixup-generator). Differs from it in: seeds, a
        `PyDataset` besides the generator, floats of 32 bits instead of 64, and a tuple for a list
        of labels, since tf.data takes no lists.
    """

    def __init__(
        self,
        X_train,
        y_train,
        batch_size=512,
        alpha=0.2,
        shuffle=True,
        datagen=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.X_train = np.asarray(X_train)
        several = isinstance(y_train, (list, tuple))
        self.y_train = [np.asarray(y) for y in y_train] if several else np.asarray(y_train)
        self.batch_size = check_integer("batch_size", batch_size, at_least=1)
        self.alpha = check_positive("alpha", alpha)
        self.shuffle = shuffle
        self.datagen = datagen
        self.seed = check_seed(seed)
        self.sample_num = len(self.X_train)
        self._epoch = 0
        self._check()

    def _check(self):
        if self.X_train.ndim != 4:
            raise ValueError(
                "Argument `X_train` must have the shape (n, height, width, channels). "
                f"Received: X_train.shape={self.X_train.shape}"
            )
        for y in self.y_train if isinstance(self.y_train, list) else [self.y_train]:
            if y.ndim < 2 or len(y) != self.sample_num:
                raise ValueError(
                    "Argument `y_train` must hold a vector per image, such as one-hot labels: "
                    "class numbers cannot be blended. "
                    f"Received: y_train.shape={y.shape}, images={self.sample_num}"
                )
        if self.batch_size > self.sample_num // 2:
            raise ValueError(
                "Argument `batch_size` must be at most half the number of images. "
                f"Received: batch_size={self.batch_size}, images={self.sample_num}"
            )
        methods = ("random_transform", "standardize")
        if self.datagen is not None and not any(hasattr(self.datagen, name) for name in methods):
            raise ValueError(
                "Argument `datagen` must have a method `random_transform` or `standardize`. "
                f"Received: datagen={self.datagen!r}"
            )

    def __len__(self):
        return self.sample_num // (2 * self.batch_size)

    def __getitem__(self, index):
        return self._batch(self._epoch, index)

    def __call__(self):
        """Endless generator of batches, from the first epoch on."""
        epoch = 0
        while True:
            for index in range(len(self)):
                yield self._batch(epoch, index)
            epoch += 1

    def on_epoch_end(self):
        """Go on to the next epoch's order and weights; `model.fit` calls it."""
        self._epoch += 1

    def draw(self, epoch, index):
        """What is drawn for a step.

        Args:
            epoch: Epoch, counted from 0.
            index: Step in the epoch, counted from 0.

        Returns:
            Indices of the first images, indices of the second ones, weights of the first; arrays of
            shape `(batch_size,)`.
        """
        order = np.arange(self.sample_num)
        if self.shuffle:
            np.random.default_rng([self.seed, epoch, 0]).shuffle(order)
        start = 2 * self.batch_size * index
        first, second = order[start : start + 2 * self.batch_size].reshape(2, self.batch_size)
        rng = np.random.default_rng([self.seed, epoch, index + 1])
        return first, second, rng.beta(self.alpha, self.alpha, self.batch_size)

    def _batch(self, epoch, index):
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        first, second, weight = self.draw(epoch, index)

        def blend(array):
            dtype = np.float64 if array.dtype == np.float64 else np.float32
            share = weight.reshape(-1, *[1] * (array.ndim - 1)).astype(dtype)
            return share * array[first].astype(dtype) + (1 - share) * array[second].astype(dtype)

        images = blend(self.X_train)
        if self.datagen is not None:
            seeds = np.random.SeedSequence([self.seed, epoch, index + 1, 1])
            for image, seed in zip(images, seeds.generate_state(len(images)), strict=True):
                image[...] = self._transform(image, int(seed))
        several = isinstance(self.y_train, list)
        return images, tuple(map(blend, self.y_train)) if several else blend(self.y_train)

    def _transform(self, image, seed):
        changed = image
        if hasattr(self.datagen, "random_transform"):
            transform = self.datagen.random_transform
            if takes_seed(transform):
                with _numpy_state_kept():
                    changed = transform(changed, seed=seed)
            else:
                changed = transform(changed)
        if hasattr(self.datagen, "standardize"):
            changed = self.datagen.standardize(changed)
        if np.shape(changed) != image.shape:
            raise ValueError(
                f"Argument `datagen` must keep the shape of an image, {image.shape}. "
                f"Received: an image of shape {np.shape(changed)} from it"
            )
        return changed


@contextlib.contextmanager
def _numpy_state_kept():
    with _NUMPY_STATE:
        state = np.random.get_state()
        try:
            yield
        finally:
            np.random.set_state(state)
