"""A training set that stays on the device: each training step makes its own batch."""

import contextlib

from keras_twist.arguments import check_integer
from keras_twist.data import stateless
from keras_twist.data.batches import Batches, check_arrays, made_ahead
from keras_twist.data.made_batches import MadeBatches
from keras_twist.data.operator import check_compilable, check_operations


class ResidentFeed:
    """Feeds `model.fit` with draws instead of images; the step gathers and augments by itself.

    The images lie on the accelerator as they are, usually as uint8, or in memory where there is
    none. The host only draws: per batch a few kilobytes of indices, offsets and the like. Batches
    are those of `train_dataset` for the same arguments, from the same draws.

    On JAX, a compiled function of its own draws and makes the batch on the device, and `dataset`
    holds the batches themselves: `make_batch` returns what it is given, and `attach` changes
    nothing.

    Args:
        images: Array of shape `(n, height, width, channels)`, usually uint8 in `[0, 255]`.
        labels: Integer array of shape `(n,)`.
        batch_size: Images per batch; the last, smaller batch of an epoch is left out.
        augment: Tuple of operations as `train_dataset` takes them, but for `from_imgaug`, which no
            accelerator can run. Defaults to `()`.
        mix: What `mixup()` returns, or None. Needs `num_classes`, and on TensorFlow a step without
            XLA, which has no Gamma variates there. Defaults to None.
        seed: Integer. Defaults to 0.
        num_classes: As in `train_dataset`. Defaults to None.

    Raises:
        ValueError: if shapes, types or sizes do not fit, if `augment` holds an operation in Python,
            or if Keras runs on PyTorch.

    Example:
        >>> images, labels = np.zeros((64, 8, 8, 3), "uint8"), np.zeros(64, int)
        >>> feed = ResidentFeed(images, labels, 16, augment=(keras_twist.data.random_flip(),))
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(),
        ...     keras.layers.Dense(10, activation="softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> with feed.attach(model):
        ...     options = {"steps_per_epoch": feed.steps_per_epoch, "shuffle": False, "verbose": 0}
        ...     history = model.fit(feed.dataset(), epochs=2, **options)
    """

    def __init__(self, images, labels, batch_size, augment=(), mix=None, seed=0, num_classes=None):
        check_operations("augment", augment)
        check_compilable(augment, "here: a compiled step calls no Python code; use `train_dataset`")
        images, labels = check_arrays(images, labels, batch_size, num_classes, augment)
        self._batches = Batches(
            images, labels, batch_size, augment, mix, seed, num_classes, True, _device()
        )

    @property
    def steps_per_epoch(self):
        """Batches in an epoch."""
        return self._batches.steps

    def dataset(self, initial_step=0):
        """Endless dataset of draws for `model.fit`, inside `attach`.

        Args:
            initial_step: Number of batches already trained on, which are skipped at no cost.
                Defaults to 0.

        Returns:
            `tf.data.Dataset`, or on JAX `keras.utils.PyDataset`, of what `make_batch` takes.
        """
        batches = self._batches
        initial_step = check_integer("initial_step", initial_step, at_least=0)
        if stateless.on_jax():
            batches.check()
            return MadeBatches(lambda number: batches.at(initial_step + number))
        return made_ahead(batches.endless_order(initial_step), batches.draw)

    def make_batch(self, drawn):
        """The batch `(images, labels)` for an element of `dataset`."""
        return drawn if stateless.on_jax() else self._batches.make(drawn)

    @contextlib.contextmanager
    def attach(self, model):
        """Context manager in which training steps of a model make their batches from draws.

        Args:
            model: Compiled `keras.Model`.

        Raises:
            ValueError: if XLA compiles the model's steps and they would have to mix, on TensorFlow.
        """
        if stateless.on_jax():
            yield
            return
        if self._batches.mix is not None and model.jit_compile:
            raise ValueError(
                "Argument `model` must be compiled with jit_compile=False: XLA cannot draw what "
                "`mix` draws in a step. Or use `train_dataset`. Received: jit_compile=True"
            )
        step, before = model.train_step, vars(model).get("train_step")

        def train_step(drawn):
            return step(self.make_batch(drawn))

        # On the object, and not by another model around it, so that weights, names and what is
        # saved stay as they are.
        model.train_step = train_step
        model.train_function = None
        try:
            yield
        finally:
            if before is None:
                del model.train_step
            else:
                model.train_step = before
            model.train_function = None


def _device():
    """The accelerator, or the host where there is none."""
    if stateless.on_jax():
        return None
    import tensorflow as tf

    return "GPU:0" if tf.config.get_visible_devices("GPU") else "CPU:0"
